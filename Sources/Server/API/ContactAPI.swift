internal import Base
internal import Core
internal import Store
internal import Wire

/// Contacts, requests and blocks (contract, section 5), for the user whose token it is.
struct ContactAPI: Sendable {
    let context: RouterContext

    var routes: [APIRouter.Route] {
        [
            .init(.get, "/api/contacts", list),
            .init(.delete, "/api/contacts/{user}", remove),
            .init(.get, "/api/contacts/requests", requests),
            .init(.post, "/api/contacts/requests", ask),
            .init(.post, "/api/contacts/requests/{from}/accept", accept),
            .init(.post, "/api/contacts/requests/{from}/reject", reject),
            .init(.get, "/api/blocks", blocks),
            .init(.put, "/api/blocks/{user}", block),
            .init(.delete, "/api/blocks/{user}", unblock),
        ]
    }

    // MARK: Lists

    private func list(_ request: APIRequest) async throws(APIError) -> HTTPResponse {
        let user = try signedInUser(request, context)
        guard case .contactList(let list) = try await request.node.ask(.contactList(of: user)) else {
            preconditionFailure("a list is answered by a list")
        }
        let hub = request.node.onLoop.hub
        return ContactAPI.array(list.items) { item, output in
            append(item, of: list, for: user, hub, to: &output)
        }
    }

    private func append(
        _ item: ContactList.Item, of list: ContactList, for user: Identifier, _ hub: Hub, to output: inout OutputBuffer
    ) {
        output.append(#"{"user":"#)
        output.appendJSONString(item.user)
        output.append(#","name":"#)
        output.appendJSONString(item.profile?.name ?? item.user.description)
        output.append(#","email":"#)
        if let email = item.profile?.email { output.appendJSONString(email) } else { output.append("null") }
        output.append(#","conv":"#)
        output.appendConversation(of: user, item.user)
        output.append(#","unread":"#)
        output.append(decimal: item.unread)
        let isOnline = context.presence.state(of: item.user, now: hub.milliseconds).isOnline
        output.append(isOnline ? #","online":true,"last":"# : #","online":false,"last":"#)
        if let last = item.last {
            hub.appendMessage(list.arena.record(at: last), withSeq: false, to: &output)
        } else {
            output.append("null")
        }
        output.append(UInt8(ascii: "}"))
    }

    private func requests(_ request: APIRequest) async throws(APIError) -> HTTPResponse {
        let user = try signedInUser(request, context)
        let open = try await request.node.contacts(of: user).filter { $0.state != .contact }
        return ContactAPI.array(open) { contact, output in
            let isIncoming = contact.state == .incoming
            output.append(#"{"from":"#)
            output.appendJSONString(isIncoming ? contact.user : user)
            output.append(#","to":"#)
            output.appendJSONString(isIncoming ? user : contact.user)
            output.append(#","user":"#)
            output.appendJSONString(contact.user)
            output.append(isIncoming ? #","direction":"incoming","conv":"# : #","direction":"outgoing","conv":"#)
            output.appendConversation(of: user, contact.user)
            output.append(#","text":"#)
            output.appendJSONString(contact.text)
            output.append(#","time":"#)
            output.append(decimal: contact.time)
            output.append(UInt8(ascii: "}"))
        }
    }

    private func blocks(_ request: APIRequest) async throws(APIError) -> HTTPResponse {
        let user = try signedInUser(request, context)
        guard case .users(let blocked) = try await request.node.ask(.blocks(by: user)) else {
            preconditionFailure("blocks are answered by users")
        }
        return ContactAPI.array(blocked) { blocked, output in
            output.append(#"{"user":"#)
            output.appendJSONString(blocked)
            output.append(UInt8(ascii: "}"))
        }
    }

    // MARK: Changes

    private struct RequestBody: Decodable {
        var to: LooseID
        var text: String?
    }

    private func ask(_ request: APIRequest) async throws(APIError) -> HTTPResponse {
        let user = try signedInUser(request, context)
        let body = try request.body(RequestBody.self)
        let text = try TextField.requestText.validated(body.text ?? "")
        let other = try ContactAPI.another(try body.to.validated("to"), than: user)
        return try await change(.request(by: user, to: other, text: text, isImplied: false), user, other, request)
    }

    private func accept(_ request: APIRequest) async throws(APIError) -> HTTPResponse {
        let (user, other) = try users(request)
        return try await change(.accept(by: user, from: other), user, other, request)
    }

    private func reject(_ request: APIRequest) async throws(APIError) -> HTTPResponse {
        let (user, other) = try users(request)
        _ = try await change(.reject(by: user, from: other), user, other, request)
        return .emptyObject
    }

    private func remove(_ request: APIRequest) async throws(APIError) -> HTTPResponse {
        let (user, other) = try users(request)
        _ = try await change(.remove(by: user, other), user, other, request)
        return .emptyObject
    }

    private func block(_ request: APIRequest) async throws(APIError) -> HTTPResponse {
        let (user, other) = try users(request)
        // Before it is stored: no loop may take the absence of blocks for granted from then on.
        for node in context.nodes { await node.run { $0.hub.noteBlock() } }
        _ = try await change(.block(by: user, other), user, other, request)
        return .emptyObject
    }

    private func unblock(_ request: APIRequest) async throws(APIError) -> HTTPResponse {
        let (user, other) = try users(request)
        _ = try await change(.unblock(by: user, other), user, other, request)
        return .emptyObject
    }

    // MARK: Rules

    /// Who calls, and the other one, who stands in the path.
    private func users(_ request: APIRequest) throws(APIError) -> (user: Identifier, other: Identifier) {
        let user = try signedInUser(request, context)
        return (user, try ContactAPI.another(try request.identifier(0), than: user))
    }

    private static func another(_ other: Identifier, than user: Identifier) throws(APIError) -> Identifier {
        guard other != user else { throw APIError(.badRequest, "this is you") }
        return other
    }

    /// Makes a change, which is in force on the loops of both users when it is answered by what they are then.
    private func change(
        _ command: ContactCommand, _ user: Identifier, _ other: Identifier, _ request: APIRequest
    ) async throws(APIError) -> HTTPResponse {
        let relation = try await request.node.perform(command)
        for home in [context.home(of: user), context.home(of: other)] {
            await home.run { $0.hub.forgetRelations(user, other) }
        }
        guard !relation.isBlocked || command.isForTheBlocked else {
            throw APIError(.blocked, "this user has blocked you")
        }
        var output = OutputBuffer()
        output.append(#"{"user":"#)
        output.appendJSONString(other)
        output.append(#","conv":"#)
        output.appendConversation(of: user, other)
        output.append(relation.standing == .contact ? #","state":"contact"}"# : #","state":"pending"}"#)
        return .json(output)
    }

    // MARK: Answers

    private static func array<Element>(
        _ elements: [Element], _ append: (Element, inout OutputBuffer) -> Void
    ) -> HTTPResponse {
        var output = OutputBuffer()
        output.append("[")
        for (index, element) in elements.enumerated() {
            if index > 0 { output.append(",") }
            append(element, &output)
        }
        output.append("]")
        return .json(output)
    }
}

extension ContactCommand {
    /// Whether somebody who is blocked may do it: everything but to ask.
    fileprivate var isForTheBlocked: Bool {
        if case .request = self { false } else { true }
    }
}

extension OutputBuffer {
    /// Appends the id of the conversation of two users as a JSON string.
    mutating func appendConversation(of one: Identifier, _ other: Identifier) {
        append(UInt8(ascii: "\""))
        appendJSONEscaped(min(one, other))
        append(UInt8(ascii: ":"))
        appendJSONEscaped(max(one, other))
        append(UInt8(ascii: "\""))
    }
}
