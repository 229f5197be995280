import Base
import Testing

@testable import Core

/// The C library's, which its Swift module leaves out.
@_silgen_name("malloc_usable_size") private func usableBytes(_ memory: UnsafeMutableRawPointer) -> Int

struct SessionTests {
    private func session(of user: User) throws -> Session {
        let device = PackedIdentifier(try #require(Identifier("phone")))
        return Session(outlet: Outlet(), user: user, device: device, resumingAfter: nil, form: .json, readsLZ4: false)
    }

    @Test func aListKeepsOrderThroughAllSizes() throws {
        let user = User.make(try #require(Identifier("alice")))
        let sessions = try (0..<3).map { _ in try session(of: user) }
        var list = SessionList.none
        var seen: [Session] = []
        #expect(list.isEmpty)
        for session in sessions { list.add(session) }
        list.forEach { seen.append($0) }
        #expect(zip(seen, sessions).allSatisfy { $0 === $1 } && seen.count == sessions.count)
        list.remove(sessions[0])
        list.remove(sessions[0])
        seen = []
        list.forEach { seen.append($0) }
        #expect(seen.elementsEqual(sessions[1...], by: ===))
        list.remove(sessions[2])
        #expect(!list.isEmpty)
        list.remove(sessions[1])
        #expect(list.isEmpty)
    }

    /// A million idle connections are a million of these: whoever makes them larger should mean to.
    @Test func sessionsAndUsersAreSmall() throws {
        let user = User.make(try #require(Identifier("alice")))
        let session = try session(of: user)
        #expect(usableBytes(Unmanaged.passUnretained(user).toOpaque()) <= 104)
        #expect(usableBytes(Unmanaged.passUnretained(session).toOpaque()) <= 88)
    }
}
