import Base
import EmbeddedStore
import Foundation
import Store
import Testing

/// What happens is an event: in the order in which it happened, once, and as long as it has to be kept.
@Suite(.timeLimit(.minutes(5)))
struct EventTests {
    private static let day: UInt64 = 86_400_000

    private func open(
        _ directory: TemporaryDirectory, waitsForDelivery: Bool = false, now: UInt64? = nil
    ) throws -> StoreHarness {
        try StoreHarness.embedded(directory) { options in
            options.fold.events = EventOptions(
                retentionMilliseconds: 7 * EventTests.day, waitsForDelivery: waitsForDelivery)
            if let now { options.now = { now } }
        }
    }

    private func events(
        _ store: StoreHarness, after: UInt64? = 0, limit: Int = 100
    ) throws -> EventPage {
        guard case .events(let page) = try store.ask(.events(EventQuery(after: after, limit: limit))) else {
            fatalError("events are answered by events")
        }
        return page
    }

    /// Events in words.
    private func words(_ page: EventPage) -> [String] {
        page.events.map { event in
            switch event.content {
            case .entry(let offset):
                let record = page.arena.record(at: offset)
                return "\(event.number) \(record.kind == .notice ? "notice" : "message") "
                    + String(decoding: record.unsafeBody, as: UTF8.self)
            case .connect(let user): return "\(event.number) connect \(user)"
            case .disconnect(let user): return "\(event.number) disconnect \(user)"
            case .start: return "\(event.number) start"
            }
        }
    }

    @Test func recordsBecomeEventsInTheirOrder() throws {
        let directory = TemporaryDirectory()
        let store = try open(directory)
        defer { store.close() }
        let arena = RecordArena()
        arena.appendArrival(user: name("a"), time: 5)
        arena.addPrivate("a", "b", "one", cid: "", reply: nil)
        arena.appendSeen(user: name("a"), time: 6)
        arena.appendArrival(user: name("c"), time: 7)
        arena.addPrivate("c", "b", "two", cid: "", reply: nil)
        store.store.submit(arena)
        try store.send("a", "b", "three", cid: "x")
        try store.send("a", "b", "three", cid: "x")
        let page = try events(store)
        #expect(
            words(page) == [
                "1 start", "2 connect a", "3 message one", "4 disconnect a", "5 connect c", "6 message two",
                "7 message three",
            ])
        #expect(page.events.map(\.time).dropFirst().prefix(1) == [5])
        #expect(page.last == 7 && !page.more)
        let piece = try events(store, after: 2, limit: 2)
        #expect(words(piece) == ["3 message one", "4 disconnect a"] && piece.more && piece.last == 7)
        #expect(try events(store, after: .max).events.isEmpty)
    }

    @Test func noticesAreEvents() throws {
        let directory = TemporaryDirectory()
        let store = try open(directory)
        defer { store.close() }
        _ = try store.perform(.create(id: name("g"), name: "G", members: [name("a"): .admin], by: name("a")))
        var page = try events(store)
        for _ in 0..<2_000 where page.events.count < 2 {
            usleep(1_000)
            page = try events(store)
        }
        #expect(words(page).last == #"2 notice "name":"group.invited","conv":"g","group":"G""#)
    }

    @Test func nothingIsWrittenWhenOff() throws {
        let directory = TemporaryDirectory()
        let store = try StoreHarness.embedded(directory)
        defer { store.close() }
        try store.send("a", "b", "one")
        let page = try events(store)
        #expect(page.events.isEmpty && page.last == 0)
    }

    /// A copy of the files at any moment has an event for each message that was acknowledged, and no number twice.
    @Test func everyMomentCanBeTheLast() throws {
        let directory = TemporaryDirectory()
        let store = try StoreHarness.embedded(directory) { options in
            options.foldMilliseconds = 1
            options.fold.events = EventOptions(retentionMilliseconds: EventTests.day, waitsForDelivery: false)
        }
        defer { store.close() }
        for round in 1...8 {
            try store.send("a", "b", "\(round)")
            let copied = try open(try directory.copy())
            defer { copied.close() }
            let page = try events(copied)
            #expect(page.events.map(\.number) == Array(1...UInt64(page.events.count)))
            let messages = words(page).filter { $0.contains("message") }.map { $0.split(separator: " ")[2] }
            #expect(messages == (1...round).map { "\($0)" })
        }
    }

    @Test func oldEventsGoAndTheNumbersGoOn() throws {
        let directory = TemporaryDirectory()
        let start: UInt64 = 1_800_000_000_000
        do {
            let store = try open(directory, now: start)
            defer { store.close() }
            for number in 1...5 { try store.send("a", "b", "\(number)") }
            #expect(try events(store).events.count == 6)
        }
        let later = try open(directory, now: start + 8 * EventTests.day)
        defer { later.close() }
        try later.send("a", "b", "new")
        let page = try events(later)
        #expect(words(page) == ["7 start", "8 message new"])
    }

    @Test func whatWasNotDeliveredIsKept() throws {
        let directory = TemporaryDirectory()
        let start: UInt64 = 1_800_000_000_000
        do {
            let store = try open(directory, waitsForDelivery: true, now: start)
            defer { store.close() }
            for number in 1...5 { try store.send("a", "b", "\(number)") }
            _ = try store.perform(.eventsDelivered(through: 3))
            _ = try store.perform(.eventsDelivered(through: 2))
            #expect(try events(store, after: nil).events.first?.number == 4)
        }
        let later = try open(directory, waitsForDelivery: true, now: start + 8 * EventTests.day)
        defer { later.close() }
        #expect(try events(later).events.map(\.number) == [4, 5, 6, 7], "delivered, and older than a week")
        #expect(try events(later, after: nil).events.first?.number == 4)
    }
}

extension StoreHarness {
    fileprivate func perform(_ command: DirectoryCommand) throws -> DirectoryAnswer {
        let wanted = nextTicket()
        store.perform(command, mailbox: MailboxIndex(0), ticket: wanted)
        return try mailboxes[0].wait { event -> Result<DirectoryAnswer, StoreError>? in
            if case .directory(wanted, let result) = event { result } else { nil }
        }.get()
    }
}
