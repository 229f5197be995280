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
        let members = try request.members()
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
        let ack = try await answer(user) { hub, completion in
            hub.forward(
                place, by: user, to: destination, isGroup: body.group ?? false, cid: cid, completion: completion)
        }
        var output = OutputBuffer()
        output.append(ack.fields.span.bytes)
        return .json(output)
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

    /// What is left of an answer's record once it is gone.
    private struct Change: Sendable {
        var time: UInt64
        /// The fields of an ack as an object.
        var fields: [UInt8]

        init(_ record: RecordView) {
            time = record.time
            fields = Hub.ackFields(record)
        }
    }

    /// Asks the user's home, as all of what a user sends is, and waits until it is durable.
    private func answer(
        _ user: Identifier,
        _ ask: @escaping @Sendable (Hub, @escaping (Result<RecordView, EnvelopeError>) -> Void) -> Void
    ) async throws(APIError) -> Change {
        let home = context.nodes[Int(context.topology.node(of: user).rawValue)]
        let result: Result<Change, APIError> = await withCheckedContinuation { continuation in
            home.post { node in
                ask(node.hub) { result in
                    continuation.resume(returning: result.map(Change.init).mapError(APIError.init))
                }
            }
        }
        return try result.get()
    }
}

extension APIRequest {
    /// The message that the path names.
    fileprivate func messagePlace() throws(APIError) -> MessagePlace {
        guard let conversation = ConversationKey(name: Array(parameters[0].utf8).span.bytes) else {
            throw APIError(.badRequest, "the path has no conversation id")
        }
        guard let cseq = UInt64(parameters[1]) else { throw APIError(.badRequest, "the path has no cseq") }
        return MessagePlace(conversation, cseq: cseq)
    }

    /// The body as a message's members, without what only the server sets.
    fileprivate func members() throws(APIError) -> [UInt8] {
        let bytes = http.body.span.bytes
        guard UTF8Validator.isValid(bytes) else {
            throw APIError(.badRequest, "the body must be a JSON object in UTF-8")
        }
        let envelope = Envelope()
        do throws(EnvelopeError) {
            try envelope.scanMembers(bytes)
        } catch {
            throw APIError(error)
        }
        var members = OutputBuffer()
        envelope.appendMembers(of: bytes, to: &members)
        return Array(members.unsafeBytes)
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
