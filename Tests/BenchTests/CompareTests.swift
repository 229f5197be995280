import Base
import Testing

@testable import Bench
@testable import LoadGenerator

@Suite struct CompareTests {
    private func resp(_ text: String) -> (value: RESPValue, count: Int)? {
        Array(text.utf8).withUnsafeBytes { RESPValue.read($0) }
    }

    @Test func readsRedis() throws {
        #expect(try #require(resp("$3\r\nabc\r\n:7\r\n")) == (.bytes(4..<7), 9))
        #expect(try #require(resp(":42\r\n")) == (.integer(42), 5))
        #expect(try #require(resp("-ERR no\r\n")).value == .failure("ERR no"))
        #expect(try #require(resp("*2\r\n:1\r\n$-1\r\n")).value == .array([.integer(1), RESPValue.none]))
        #expect(try #require(resp("%1\r\n+a\r\n:1\r\n")).value == .map([.bytes(5..<6), .integer(1)]))
        for cut in ["$3\r\nabc", "*2\r\n:1\r\n", "$3", "", ">1\r\n"] { #expect(resp(cut) == nil) }
    }

    @Test(arguments: [0, 1, 127, 128, 16_383, 16_384, 2_097_151])
    func lengthsOfMQTTReadBack(_ length: Int) throws {
        var buffer = OutputBuffer()
        buffer.append(UInt8(0x30))
        buffer.appendMQTTLength(length)
        let read = try #require(MQTTLength.read(buffer.unsafeBytes))
        #expect(read.length == length)
        #expect(read.start == buffer.count)
        #expect(MQTTLength.read(UnsafeRawBufferPointer(rebasing: buffer.unsafeBytes.dropLast())) == nil)
    }

    @Test func aSpreadIsAroundItsMedian() {
        #expect(Spread([3, 1, 2]).median == 2)
        #expect(Spread([3, 1, 2]).percent == 100)
        #expect(Spread([1, 3]).median == 2)
        #expect(Spread([]).median == 0)
        #expect(Spread([0, 0]).percent == 0)
    }

    @Test func aVersionStandsInTheListOfPackages() {
        let status = "Package: redis\nVersion: 1\n\nPackage: redis-server\nStatus: ok\nVersion: 5:7.0\n\nPackage: x\n"
        #expect(Product.version(of: "redis-server", status: status) == "5:7.0")
        #expect(Product.version(of: "x", status: status) == nil)
        #expect(Product.version(of: "y", status: status) == nil)
    }

    @Test func roundsAreShownOneByOne() throws {
        let scenario = CompareScenario(
            products: [.nats], windows: [1], connections: 2, size: 64, rounds: 2,
            circumstances: Circumstances(seconds: 1, warmup: 0, serverPID: nil, cores: [nil], showsProgress: false),
            router: "router")
        var outcome = CompareScenario.Outcome(product: .nats, window: 1)
        for count in [100, 300] {
            var round = Measurement()
            round.seconds = 1
            round.meter.delivered = count
            outcome.rounds.append(round)
        }
        let section = try #require(scenario.report([outcome]).sections.first)
        #expect(section.table?.lines.count == 2)
        let json = scenario.report([outcome]).json
        #expect(json.contains(#""rate":200"#) && json.contains(#"{"round":2,"rate":300"#))
        #expect(scenario.markdown([outcome]).contains("| NATS core | 1 | 200 ± 50 % |"))
        #expect(scenario.markdown([outcome]).contains("`listen: "))
    }

    @Test func aProductThatFailsLeavesTheOthersTheirFigures() throws {
        let scenario = CompareScenario(
            products: [.nats, .redis], windows: [1], connections: 2, size: 64, rounds: 1,
            circumstances: Circumstances(seconds: 1, warmup: 0, serverPID: nil, cores: [nil], showsProgress: false),
            router: "router")
        var failed = CompareScenario.Outcome(product: .nats, window: 1)
        failed.failure = "failed in round 1: no answer"
        var measured = CompareScenario.Outcome(product: .redis, window: 1)
        measured.rounds = [Measurement()]
        #expect(scenario.report([failed, measured]).json.contains("no answer"))
        #expect(scenario.markdown([failed, measured]).contains("| NATS core | 1 | failed in round 1: no answer |"))
        #expect(!scenario.charts([failed, measured]).isEmpty)
    }

    @Test func everyProductSaysWhatItsAnswerMeans() {
        for product in Product.allCases {
            #expect(!product.guarantee.isEmpty)
            let configuration = product.configuration(directory: "/d", address: Target.nowhere.tcp)
            #expect(configuration.isEmpty == (product.package == nil))
        }
    }
}

@Suite struct InboxCursorTests {
    @Test func countsWhatComesTwiceOrEarly() {
        var cursor = InboxCursor()
        for seq: UInt64 in [1, 2, 2, 4, 3] { cursor.take(seq) }
        #expect(cursor.head == 3)
        #expect(cursor.repeated == 1)
        #expect(cursor.early == 1)
    }

    @Test func findsPlacesAndNothingElse() {
        let json = #"{"cmd":"fetched","entries":[{"cseq":9,"seq":12},{"cseq":3,"seq":13}],"more":false}"#
        var places: [UInt64] = []
        Array(json.utf8).withUnsafeBytes { InboxPlaces.forEach(in: $0) { places.append($0) } }
        #expect(places == [12, 13])
    }
}
