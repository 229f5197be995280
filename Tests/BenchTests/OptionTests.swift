import ArgumentParser
import LoadGenerator
import Reactor
import Testing

@testable import Bench

@Suite struct OptionTests {
    @Test func readsAPair() throws {
        let command = try #require(
            try Bench.parseAsRoot([
                "pair", "--connections", "10", "--mode", "typing", "--protocol", "binary", "--rate",
                "5e3",
                "--url", "ws://127.0.0.1:9000/", "--pin-client", "0",
            ]) as? PairCommand)
        #expect(command.connections == 10)
        #expect(command.window == nil)
        #expect(command.mode == .typing)
        #expect(command.target.wire == .binary)
        #expect(command.rate == 5_000)
        #expect(command.target.webAddress?.port == 9000)
        #expect(command.options.circumstances(serverPID: nil).cores == [0])
    }

    @Test(
        arguments: [
            ["storm", "--protocol", "binary", "--lz4"], ["mixed", "--protocol", "binary"],
            ["verify", "--protocol", "both", "--lz4"], ["pair", "--floor", "--rounds", "3", "--html", "x.html"],
            ["connect", "--floor"], ["idle", "--floor"], ["fanout", "--floor"],
            ["fanout", "--channel", "--members", "50000", "--floor"],
        ])
    func understands(_ arguments: [String]) {
        #expect(throws: Never.self) { try Bench.parseAsRoot(arguments) }
    }

    @Test func readsRates() throws {
        let command = try #require(
            try Bench.parseAsRoot(["pair", "--rates", "1000,2e4,50000"]) as? PairCommand)
        #expect(command.rates == [1_000, 20_000, 50_000])
        let compare = try #require(
            try Bench.parseAsRoot(["compare", "--windows", "1,4"]) as? CompareCommand)
        #expect(compare.windows == [1, 4])
    }

    @Test(
        arguments: [
            ["pair", "--connections", "3"],
            ["pair", "--connections", "1", "--shape", "ring"],
            ["pair", "--shape", "ring", "--loops", "2"],
            ["pair", "--window", "0"],
            ["pair", "--rate", "0"],
            ["pair", "--protocol", "floor"],
            ["pair", "--protocol", "binary", "--mode", "accepted"],
            ["pair", "--lz4"],
            ["pair", "--url", "http://127.0.0.1:8080"],
            ["pair", "--url", "ws://localhost:8080"],
            ["pair", "--tcp", "8081"],
            ["pair", "--seconds", "0"],
            ["pair", "--pin-server", "0"],
            ["idle", "--connections", "100", "--primed", "100"],
            ["fanout", "--members", "1"], ["fanout", "--channel", "--protocol", "binary", "--lz4"],
            ["fanout", "--channel", "--size", "65536"],
            ["connect", "--concurrency", "0"],
            ["floor", "--connections", "3"],
            ["storm", "--restart"],
            ["storm", "--lz4"],
            ["storm", "--protocol", "both"],
            ["mixed", "--lz4"],
            ["verify", "--lz4"],
            ["pair", "--protocol", "both"],
            ["idle", "--protocol", "both"],
            ["pair", "--rates", "1000,x"],
            ["pair", "--rates", "1000,"],
            ["pair", "--rates", "0"],
            ["pair", "--rates", "1000", "--rate", "5"],
            ["pair", "--rates", "1000", "--floor"],
            ["fanout", "--rounds", "0"],
            ["verify", "--kill-every", "1"],
            ["verify", "--stop-every", "1"],
            ["verify", "--cut-every", "0"],
            ["verify", "--delay", "5000"],
            ["verify", "--disk-faults"],
            ["verify", "--clock-jumps"],
            ["verify", "--clients", "1"],
            ["compare", "--connections", "3"],
            ["compare", "--only", "kafka"],
            ["spin"],
            ["compare", "--windows", "1,x"],
            ["compare", "--windows", "0"],
        ])
    func refuses(_ arguments: [String]) {
        #expect(throws: (any Error).self) { try Bench.parseAsRoot(arguments) }
    }
}

/// What can't be done together, or on this machine, is refused by the name of the option.
@Suite struct RefusalTests {
    private func refusal(_ words: String) -> String {
        do {
            _ = try Bench.parseAsRoot(words.split(separator: " ").map { String($0) })
            return ""
        } catch {
            return Bench.message(for: error)
        }
    }

    @Test(
        arguments: [
            ("pair --window 4 --rate 100", "--window goes without --rate"),
            ("pair --window 4 --rates 100,200", "--window goes without --rate"),
            ("pair --spawn /bin/true --server-pid 1", "--server-pid"),
            ("pair --spawn /bin/true --pin-server 9999", "--pin-server: no core 9999 (this machine has "),
            ("pair --pin-client 9999", "--pin-client: no core 9999"),
            ("pair --pin-client -1", "--pin-client"),
            ("floor --pin-server 9999", "--pin-server: no core 9999"),
            ("pair --mode typing --size 5", "--size must be at least 60"),
            ("pair --protocol binary --size 11", "--size must be at least 12"),
            ("fanout --protocol binary --size 11", "--size from 12"),
            ("floor --size 5", "--size from 12"),
            ("fanout --members 1", "--members from 2"),
            ("connect --concurrency 0", "--concurrency from 1"),
            ("compare --windows 1,x", "--windows"),
            ("pair --html /nowhere/x.html", "--html: no directory /nowhere/"),
        ])
    func says(_ words: String, _ part: String) {
        #expect(refusal(words).contains(part), "\(refusal(words))")
    }

    @Test func theSmallestSizeIsTaken() {
        #expect(refusal("pair --mode typing --size 60") == "")
        #expect(refusal("pair --mode typing --size 59") != "")
        #expect(refusal("pair --protocol binary --size 12") == "")
    }
}

@Suite struct TargetTests {
    @Test func usersCarryTheRun() {
        #expect(Target.nowhere.user(7) == "bench-\(Target.nowhere.run)-7")
        #expect(Target.randomRun().count == 4)
    }

    @Test func manyConnectionsComeFromManyAddresses() {
        let address = Target.nowhere.web
        #expect(Target.source(index: 0, of: 10_000, to: address) == nil)
        #expect(Target.source(index: 0, of: 15_000, to: address) == "127.0.0.2")
        #expect(Target.source(index: 14_999, of: 15_000, to: address) == "127.0.0.3")
    }

    @Test func peersAreEachOthers() {
        var plan = Plan(target: .nowhere, connections: 4)
        #expect((0..<4).map(plan.peer) == [1, 0, 3, 2])
        plan.shape = .ring
        #expect((0..<4).map(plan.peer) == [1, 2, 3, 0])
    }

    @Test func aTokenIsSignedAsRFC7519Says() throws {
        // Checked with the HMAC of another implementation.
        let parts = try WebToken.make("u", secret: "s").split(separator: ".")
        #expect(parts.count == 3)
        #expect(parts[0] == "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9")
        #expect(parts[1] == "eyJzdWIiOiJ1In0")
        #expect(parts[2] == "P2gMS-f-0qmupS8eIiTT4i6a6yQkcJps12iLB_jr1h0")
    }
}
