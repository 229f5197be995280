extension Target {
    /// Creates a group of the clients with these indices; the first of them founds it.
    func createGroup<Members: Collection<Int>>(_ group: String, members: Members) throws {
        guard let first = members.first else { throw BenchError("a group needs members") }
        let founder = user(first)
        let names = members.map { "\"\(user($0))\"" }.joined(separator: ",")
        var bearer = founder
        if case .secret(let secret) = credential { bearer = try WebToken.make(founder, secret: secret) }
        let answer = try HTTPCall.send(
            "POST", "/api/groups", to: web, security: security, bearer: bearer,
            json: "{\"id\":\"\(group)\",\"name\":\"bench\",\"members\":[\(names)]}")
        guard (200..<300).contains(answer.status) else {
            throw BenchError("the group wasn't created: \(answer.status) \(answer.body)")
        }
    }
}
