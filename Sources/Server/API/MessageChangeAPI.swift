internal import Base
internal import Core
internal import Store
internal import Wire

/// Editing, recalling and forwarding messages (contract, section 5): bearer token of a user.
struct MessageChangeAPI: Sendable {
    let context: RouterContext

    var routes: [APIRouter.Route] {
        let message = "/api/conversations/{conv}/messages/{cseq}"
        return [
            .init(.patch, message, edit),
            .init(.delete, message, recall),
            .init(.post, message + "/forward", forward),
            .init(.get, message + "/edits", edits),
        ]
    }

    // MARK: Calls

    private func edit(_ request: APIRequest) async throws(APIError) -> HTTPResponse {
        let user = try signedInUser(request, context)
        let place = try request.messagePlace()
        let members = try request.message().members
        let record = try await answer(user) { hub, completion in
            hub.edit(place, members: members, by: user, completion: completion)
        }
        return try .place(of: request) { output in
            output.append(#","edited":"#)
            output.append(decimal: record.time)
        }
    }

    private func recall(_ request: APIRequest) async throws(APIError) -> HTTPResponse {
        let user = try signedInUser(request, context)
        let place = try request.messagePlace()
        _ = try await answer(user) { hub, completion in hub.recall(place, by: user, completion: completion) }
        return try .place(of: request) { $0.append(#","recalled":true"#) }
    }

    private struct ForwardBody: Decodable {
        var to: LooseID
        var group: Bool?
        var cid: LooseID?
    }

    private func forward(_ request: APIRequest) async throws(APIError) -> HTTPResponse {
        let user = try signedInUser(request, context)
        let place = try request.messagePlace()
        let body = try request.body(ForwardBody.self)
        let destination = try body.to.validated("to")
        let cid = Array((body.cid?.text ?? "").utf8)
        guard body.cid == nil || (1...Limits.cidBytesMax).contains(cid.count) else {
            throw APIError(.badRequest, "cid must have 1 to 64 bytes")
        }
        let isGroup = body.group ?? false
        let stored = try await answer(user) { hub, completion in
            hub.forward(place, by: user, to: destination, isGroup: isGroup, cid: cid, completion: completion)
        }
        let command = isGroup ? RecordView.groupCommand : 10
        return .ack(stored, cid: cid, in: ConversationKey(command: command, sender: user, destination: destination))
    }

    private func edits(_ request: APIRequest) async throws(APIError) -> HTTPResponse {
        let user = try signedInUser(request, context)
        let place = try request.messagePlace()
        let after = try request.number("after", default: 0)
        let limit = try request.pageLimit("limit")
        let result = await withCheckedContinuation { continuation in
            request.node.onLoop.hub.edits(of: place, by: user, after: after, limit: limit) {
                continuation.resume(returning: $0)
            }
        }
        let page = try result.mapError(APIError.init).get()
        let hub = request.node.onLoop.hub
        return try .place(of: request) { output in
            output.append(#","edits":["#)
            for (index, entry) in page.arena.entries.enumerated() {
                if index > 0 { output.append(",") }
                hub.appendVersion(page.arena.record(at: entry.offset), to: &output)
            }
            output.append(page.more ? #"],"more":true"# : #"],"more":false"#)
        }
    }

    // MARK: Answers

    /// Asks the user's home, as all of what a user sends is, and waits until it is durable.
    private func answer(
        _ user: Identifier,
        _ ask: @escaping @Sendable (Hub, @escaping (Result<RecordView, EnvelopeError>) -> Void) -> Void
    ) async throws(APIError) -> NodeHandle.Stored {
        let home = context.home(of: user)
        let result: Result<NodeHandle.Stored, APIError> = await withCheckedContinuation { continuation in
            home.post { node in
                ask(node.hub) { result in
                    continuation.resume(returning: result.map(NodeHandle.Stored.init).mapError(APIError.init))
                }
            }
        }
        return try result.get()
    }
}

extension APIRequest {
    /// The message that the path names.
    fileprivate func messagePlace() throws(APIError) -> MessagePlace {
        guard let cseq = UInt64(parameters[1]) else { throw APIError(.badRequest, "the path has no cseq") }
        return MessagePlace(try conversation(0), cseq: cseq)
    }
}

extension HTTPResponse {
    /// `{"conv","cseq",…}` of the message that the path names.
    fileprivate static func place(
        of request: APIRequest, _ more: (inout OutputBuffer) -> Void
    ) throws(APIError) -> HTTPResponse {
        var output = OutputBuffer()
        output.append(#"{"conv":"#)
        output.appendJSONString(request.parameters[0])
        output.append(#","cseq":"#)
        output.append(decimal: try request.messagePlace().cseq)
        more(&output)
        output.append("}")
        return .json(output)
    }
}
