internal import Base
internal import Core
internal import Store
internal import Wire

/// Groups (contract, section 5): bearer token of a user; in development the user's plain id.
struct GroupAPI: Sendable {
    let context: RouterContext

    var routes: [APIRouter.Route] {
        [
            .init(.post, "/api/groups", create),
            .init(.get, "/api/groups", list),
            .init(.get, "/api/groups/{id}", show),
            .init(.patch, "/api/groups/{id}", rename),
            .init(.post, "/api/groups/{id}/members", add),
            .init(.patch, "/api/groups/{id}/members/{user}", change),
            .init(.delete, "/api/groups/{id}/members/{user}", remove),
        ]
    }

    // MARK: Calls

    private struct CreateBody: Decodable {
        var id: LooseID?
        var name: String
        var members: [LooseID]?
    }

    private func create(_ request: APIRequest) async throws(APIError) -> HTTPResponse {
        let user = try signedInUser(request, context)
        let body = try request.body(CreateBody.self)
        let name = try TextField.groupName.validated(body.name)
        let id = try Identifier.validated(body.id?.text ?? GroupAPI.randomText(), "id")
        var members: [Identifier: GroupRole] = [:]
        for loose in body.members ?? [] {
            let member = try loose.validated("members")
            members[member] = .member
        }
        members[user] = .admin
        guard members.count <= Limits.groupMembersMax else {
            throw APIError(.tooLarge, "a group may have at most \(Limits.groupMembersMax) members")
        }
        let group = try await request.node.perform(.create(id: id, name: name, members: members, by: user))
        await publish(group)
        return response(group, status: .created)
    }

    private func show(_ request: APIRequest) async throws(APIError) -> HTTPResponse {
        let user = try signedInUser(request, context)
        let group = try await group(request, for: user)
        return .json(request.node.onLoop.groupDocuments.json(of: group, make: GroupAPI.json))
    }

    private func list(_ request: APIRequest) async throws(APIError) -> HTTPResponse {
        let user = try signedInUser(request, context)
        let after = try request.http.query("after").map { (text) throws(APIError) in
            try Identifier.validated(text, "after")
        }
        let limit = Int(min(try request.number("limit", default: GroupAPI.listMax), GroupAPI.listMax))
        guard limit > 0 else { throw APIError(.badRequest, "limit must be at least 1") }
        let groups = try await request.node.ownGroups(of: user, after: after, limit: limit)
        var output = OutputBuffer()
        output.append("[")
        for (index, group) in groups.enumerated() {
            if index > 0 { output.append(",") }
            output.append(#"{"id":"#)
            output.appendJSONString(group.id)
            output.append(#","name":"#)
            output.appendJSONString(group.name)
            output.append(#","role":""#)
            output.append(utf8: group.role.rawValue)
            output.append(#""}"#)
        }
        output.append("]")
        return .json(output)
    }

    private static let listMax: UInt64 = 1_000

    private struct RenameBody: Decodable {
        var name: String
    }

    private func rename(_ request: APIRequest) async throws(APIError) -> HTTPResponse {
        let actor = try signedInUser(request, context)
        let body = try request.body(RenameBody.self)
        let name = try TextField.groupName.validated(body.name)
        let group = try await group(request, for: actor)
        guard group.members[actor] == .admin else { throw APIError(.forbidden, "only admins may do this") }
        let renamed = try await request.node.perform(.rename(group: group.id, name: name, by: actor))
        await publish(renamed)
        return response(renamed, status: .ok)
    }

    private struct MemberBody: Decodable {
        var user: LooseID?
        var role: String?
    }

    private func add(_ request: APIRequest) async throws(APIError) -> HTTPResponse {
        let actor = try signedInUser(request, context)
        let body = try request.body(MemberBody.self)
        guard let loose = body.user else { throw APIError(.badRequest, "user is missing") }
        let member = try loose.validated("user")
        let group = try await group(request, for: actor)
        guard group.members.count < Limits.groupMembersMax || group.members[member] != nil else {
            throw APIError(.tooLarge, "a group may have at most \(Limits.groupMembersMax) members")
        }
        return try await setRole(body.role, of: member, in: group, by: actor, request)
    }

    private func change(_ request: APIRequest) async throws(APIError) -> HTTPResponse {
        let actor = try signedInUser(request, context)
        let body = try request.body(MemberBody.self)
        let member = try request.identifier(1)
        let group = try await group(request, for: actor)
        guard group.members[member] != nil else { throw APIError(.notFound, "this user is no member of the group") }
        guard let role = body.role else { throw APIError(.badRequest, "role is missing") }
        return try await setRole(role, of: member, in: group, by: actor, request)
    }

    private func setRole(
        _ name: String?, of member: Identifier, in group: Group, by actor: Identifier, _ request: APIRequest
    ) async throws(APIError) -> HTTPResponse {
        guard let role = GroupRole(rawValue: name ?? "member") else {
            throw APIError(.badRequest, "role must be admin, moderator, member or silent")
        }
        try requireRule(of: actor, over: member, in: group, granting: role)
        let changed = try await request.node.perform(
            .setMember(group: group.id, user: member, role: role, by: actor))
        await publish(changed)
        return response(changed, status: .ok)
    }

    private func remove(_ request: APIRequest) async throws(APIError) -> HTTPResponse {
        let actor = try signedInUser(request, context)
        let member = try request.identifier(1)
        let group = try await group(request, for: actor)
        guard group.members[member] != nil else { throw APIError(.notFound, "this user is no member of the group") }
        // Everyone may leave.
        if member != actor { try requireRule(of: actor, over: member, in: group, granting: nil) }
        await publish(try await request.node.perform(.removeMember(group: group.id, user: member, by: actor)))
        return .emptyObject
    }

    // MARK: Rules

    /// The group, if the user is one of its members: outsiders aren't told what is in it.
    private func group(_ request: APIRequest, for user: Identifier) async throws(APIError) -> Group {
        let group = try await request.node.group(try request.identifier(0))
        guard group.members[user] != nil else { throw APIError(.notMember, "only members of a group may see it") }
        return group
    }

    /// Admins rule over everyone; moderators over members and silent ones, and make nobody more than that.
    private func requireRule(
        of actor: Identifier, over member: Identifier, in group: Group, granting role: GroupRole?
    ) throws(APIError) {
        let subordinate: Set<GroupRole> = [.member, .silent]
        switch group.members[actor] {
        case .admin: return
        case .moderator:
            let current = group.members[member] ?? .member
            guard subordinate.contains(current), role.map(subordinate.contains) ?? true else {
                throw APIError(.forbidden, "moderators decide about members and silent ones only")
            }
        default: throw APIError(.forbidden, "only admins and moderators may do this")
        }
    }

    /// Puts a change into force on every loop before it is answered.
    private func publish(_ group: Group) async {
        for node in context.nodes { await node.run { $0.hub.install(group) } }
    }

    // MARK: Answers

    private func response(_ group: Group, status: HTTPStatus) -> HTTPResponse {
        .json(GroupAPI.json(group), status: status)
    }

    private static func json(_ group: Group) -> [UInt8] {
        var output = OutputBuffer()
        output.append(#"{"id":"#)
        output.appendJSONString(group.id)
        output.append(#","name":"#)
        output.appendJSONString(group.name)
        output.append(#","members":["#)
        for (index, member) in group.members.sorted(by: { $0.key < $1.key }).enumerated() {
            if index > 0 { output.append(",") }
            output.append(#"{"user":"#)
            output.appendJSONString(member.key)
            output.append(#","role":""#)
            output.append(utf8: member.value.rawValue)
            output.append(#""}"#)
        }
        output.append("]}")
        return Array(output.unsafeBytes)
    }

    /// The id of a group that wasn't given one.
    private static func randomText() -> String { "g" + String(UInt64.random(in: .min ... .max), radix: 36) }
}
