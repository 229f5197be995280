import Base
import Store
import Testing
import Wire

@testable import Core

/// Loads that overtake each other, and changes that overtake them.
struct GroupCacheTests {
    private var cache = GroupCache()

    private func group(_ id: String = "g", version: UInt64) -> Group {
        Group(id: name(id), name: id, version: version, members: [name("a"): .admin])
    }

    /// Begins a load; the versions that whoever waits for it gets are added to `seen`.
    private mutating func load(_ seen: Seen) throws -> UInt64 {
        try #require(cache.wait(for: name("g")) { seen.versions.append((try? $0.get())?.version) })
    }

    private final class Seen {
        var versions: [UInt64?] = []
    }

    private func serve(_ waiting: [(Result<Group, EnvelopeError>) -> Void], _ group: Group?) {
        let missing = EnvelopeError(.notFound, "there is none")
        for body in waiting { body(group.map { .success($0) } ?? .failure(missing)) }
    }

    /// Lets the cache start anew.
    private mutating func overflow() {
        for number in 0..<20_001 { _ = cache.install(group("other\(number)", version: 1)) }
        _ = cache.wait(for: name("last")) { _ in }
    }

    @Test("A load that began before a change and ends after it changes nothing")
    mutating func olderLoad() throws {
        let seen = Seen()
        let number = try load(seen)
        serve(cache.install(group(version: 2)), group(version: 2))
        #expect(seen.versions == [2])
        #expect(cache.loaded(number, name("g"), group(version: 1)).isEmpty)
        #expect(cache.ready(name("g"))?.version == 2)
        #expect(cache.loaded(number, name("g"), nil).isEmpty)
        #expect(cache.ready(name("g"))?.version == 2)
    }

    @Test("Nor does it where the change is forgotten already, or is being loaded again")
    mutating func forgotten() throws {
        let seen = Seen()
        let first = try load(seen)
        serve(cache.install(group(version: 2)), group(version: 2))
        overflow()
        #expect(cache.ready(name("g")) == nil)
        serve(cache.loaded(first, name("g"), group(version: 1)), group(version: 1))
        #expect(cache.ready(name("g")) == nil, "the older version isn't taken for the group")
        let second = try load(seen)
        serve(cache.loaded(first, name("g"), group(version: 1)), group(version: 1))
        serve(cache.loaded(first, name("g"), nil), nil)
        #expect(seen.versions == [2], "who waits for the second load isn't served by the first")
        serve(cache.loaded(second, name("g"), group(version: 2)), group(version: 2))
        #expect(seen.versions == [2, 2])
        #expect(cache.ready(name("g"))?.version == 2)
    }

    @Test("A load that knows more than a change that came in between is taken")
    mutating func newerLoad() throws {
        let seen = Seen()
        let number = try load(seen)
        serve(cache.install(group(version: 2)), group(version: 2))
        _ = cache.loaded(number, name("g"), group(version: 3))
        #expect(cache.ready(name("g"))?.version == 3)
        #expect(cache.install(group(version: 2)).isEmpty)
        #expect(cache.ready(name("g"))?.version == 3)
    }

    @Test("What isn't there is asked for again")
    mutating func missing() throws {
        let seen = Seen()
        let number = try load(seen)
        #expect(cache.wait(for: name("g")) { seen.versions.append((try? $0.get())?.version) } == nil)
        serve(cache.loaded(number, name("g"), nil), nil)
        #expect(seen.versions == [nil, nil])
        #expect(try load(seen) > number)
    }
}
