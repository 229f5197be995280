import Base
import Core
import Reactor

/// What finds users, keeps time and brings threads together.
enum TableBenchmarks {
    static var all: [Benchmark] { identifiers + maps + [wheel, mailbox] }

    private static let users = 100_000

    private static var identifiers: [Benchmark] {
        [
            Benchmark("identifier, 9 B: parse and hash") {
                let bytes = Array("user-4711".utf8)
                return {
                    var hash: UInt64 = 0
                    for _ in 0..<1_000 {
                        guard let identifier = Identifier(bytes.span.bytes) else { fatalError("no id") }
                        hash ^= identifier.hash64
                    }
                    return Int(hash >> 1)
                }
            },
            Benchmark("identifier, 36 B: parse and hash") {
                let bytes = Array("6f1c2c1e-3a55-4c1e-9d0e-5b8f0a7d9e21".utf8)
                return {
                    var hash: UInt64 = 0
                    for _ in 0..<1_000 {
                        guard let identifier = Identifier(bytes.span.bytes) else { fatalError("no id") }
                        hash ^= identifier.hash64
                    }
                    return Int(hash >> 1)
                }
            },
        ]
    }

    private static var maps: [Benchmark] {
        [
            Benchmark("client map of 100,000: find one who is there") {
                let (map, names) = try filledMap()
                return {
                    var found = 0
                    for number in 0..<1_000 {
                        let name = names[number &* 7_919 % users]
                        let slot = map.find(hash: name.hash64) { names[Int($0)] == name }
                        precondition(slot != nil)
                        found += Int(slot ?? 0)
                    }
                    return found
                }
            },
            Benchmark("client map of 100,000: find nobody") {
                let (map, names) = try filledMap()
                let strangers = try (0..<1_000).map { try CodecBenchmarks.identifier("stranger-\($0)") }
                return {
                    var found = 0
                    for name in strangers where map.find(hash: name.hash64, isMatch: { names[Int($0)] == name }) == nil
                    {
                        found += 1
                    }
                    precondition(found == 1_000)
                    return found
                }
            },
        ]
    }

    private static func filledMap() throws -> (ClientMap, [Identifier]) {
        let names = try (0..<users).map { try CodecBenchmarks.identifier("user-\($0)") }
        var map = ClientMap()
        for (slot, name) in names.enumerated() {
            map.insert(hash: name.hash64, slot: UInt32(slot)) { names[Int($0)].hash64 }
        }
        return (map, names)
    }

    /// 10,000 connections that come up every 30 seconds and are put back.
    private static var wheel: Benchmark {
        Benchmark("timer wheel: come up and be put back", pieces: 10_000) {
            var wheel = TimerWheel(tick: 0)
            for token: UInt64 in 0..<10_000 { wheel.schedule(token, in: 1 + token % 30) }
            var due: [UInt64] = []
            return {
                var count = 0
                for _ in 0..<30 {
                    wheel.advance(into: &due)
                    for token in due { wheel.schedule(token, in: 30) }
                    count += due.count
                }
                precondition(count == 10_000)
                return count
            }
        }
    }

    private static var mailbox: Benchmark {
        Benchmark("mailbox: post and run, 64 a tick", pieces: 960) {
            let mailbox = try Mailbox()
            let loop = try EventLoop(mailbox: mailbox)
            let tally = Tally()
            return {
                for _ in 0..<15 {
                    for _ in 0..<64 { mailbox.post { tally.count += 1 } }
                    loop.runOnce()
                }
                precondition(tally.count % 960 == 0)
                return tally.count
            }
        }
    }

    /// Everything of the mailbox's benchmark happens on one thread.
    private final class Tally: @unchecked Sendable {
        var count = 0
    }
}
