import Reactor
import Testing

@testable import LoadGenerator

@Suite struct FloorTests {
    private static func measurement(
        messages: Int, seconds: Double, microseconds: Double?, latencies: ClosedRange<UInt64>? = nil
    ) -> Measurement {
        var measurement = Measurement()
        measurement.seconds = seconds
        measurement.meter.delivered = messages
        measurement.server = microseconds.map {
            ProcessUsage(threads: [.init(id: 1, name: "x", userMicroseconds: $0 / 2, systemMicroseconds: $0 / 2)])
        }
        for value in latencies.map(Array.init) ?? [] {
            measurement.meter.deliveryLatency.record(from: 0, to: value * 1_000)
        }
        return measurement
    }

    private static func floor(_ measured: Measurement, hasLatency: Bool) -> Floor {
        Floor(
            name: "a floor", message: \.delivered, latency: hasLatency ? \Meter.deliveryLatency : nil,
            measure: { _ in measured })
    }

    @Test func theRouterIsToldInUnitsOfItsFloor() throws {
        let alone = FloorTests.measurement(messages: 1_000, seconds: 1, microseconds: 1_000, latencies: 100...100)
        let comparison = FloorComparison([FloorTests.floor(alone, hasLatency: true)], rounds: 2)
        let outcome = try comparison.run {
            FloorTests.measurement(messages: 500, seconds: 1, microseconds: 1_500, latencies: 250...250)
        }
        #expect(outcome.router.meter.delivered == 1_000 && outcome.floors[0].meter.delivered == 2_000)
        let ratios = FloorComparison.ratios(
            outcome.router, \.delivered, of: comparison.floors[0], outcome.floors[0])
        #expect(ratios.map(\.key) == ["rate_ratio", "cpu_ratio", "p50_ratio", "p99_ratio"])
        #expect(ratios[0].value == 0.5 && ratios[1].value == 3)
        #expect((2.49...2.51).contains(ratios[2].value))
        let text = comparison.report(outcome, message: \.delivered).text
        #expect(text.contains("router in units of its floor: a floor"))
        #expect(text.contains("CPU a message      3.00 × the floor's"))
        #expect(
            comparison.chart(outcome, message: \.delivered)?.content
                == .bars([Chart.Bar("router", 3), Chart.Bar("a floor", 1)]))
    }

    @Test func whatOneOfTheTwoDoesNotHaveIsLeftOut() {
        let router = FloorTests.measurement(messages: 10, seconds: 1, microseconds: nil)
        let alone = FloorTests.measurement(messages: 10, seconds: 1, microseconds: 5)
        let floor = FloorTests.floor(alone, hasLatency: true)
        #expect(FloorComparison.ratios(router, \.delivered, of: floor, alone).map(\.key) == ["rate_ratio"])
        #expect(FloorComparison.ratios(router, \.delivered, of: floor, Measurement()).isEmpty)
    }

    @Test(arguments: RowLayout.allCases)
    func storesRows(_ layout: RowLayout) throws {
        let floor = Floor.rows(layout, batch: 16, payloadBytes: 64, users: 10, seconds: 0.05)
        let measured = try floor.measure(Measurement())
        #expect(measured.meter.acked > 0 && measured.meter.acked % 16 == 0)
    }

    @Test func sumsOfRoundsKeepThreadsOfTheSameNameTogether() {
        func usage(_ threads: [(Int, String, Double)]) -> ProcessUsage {
            ProcessUsage(
                threads: threads.map {
                    .init(id: $0.0, name: $0.1, userMicroseconds: $0.2, systemMicroseconds: 0)
                })
        }
        var sum = usage([(1, "loop", 10), (2, "reader", 1), (3, "reader", 2)])
        sum.add(usage([(11, "loop", 20), (12, "reader", 3), (13, "reader", 4), (14, "new", 5)]))
        #expect(sum.threads.map(\.userMicroseconds) == [30, 4, 6, 5])
        sum.add(usage([(1, "loop", 1)]))
        #expect(sum.threads.map(\.userMicroseconds) == [31, 4, 6, 5])
    }
}

@Suite struct SweepTests {
    private static func step(_ rate: Double, microseconds: UInt64, count: Int) -> RateSweep.Step {
        var measurement = Measurement()
        measurement.seconds = 1
        measurement.meter.acked = count
        for _ in 0..<count { measurement.meter.ackLatency.record(from: 0, to: microseconds * 1_000) }
        return RateSweep.Step(rate: rate, measurement: measurement)
    }

    private static var sweep: RateSweep {
        var plan = Plan(
            target: .init(web: .init(host: "127.0.0.1", port: 1), tcp: .init(host: "127.0.0.1", port: 1), wire: .json),
            connections: 2)
        plan.mode = .durable
        let circumstances = Circumstances(
            seconds: 1, warmup: 0, serverPID: nil, cores: [nil], showsProgress: false)
        return RateSweep(ExchangeScenario(plan, circumstances), rates: [1_000, 2_000])
    }

    @Test func aLineForEachLoad() throws {
        let steps = [
            SweepTests.step(1_000, microseconds: 50, count: 1_000),
            SweepTests.step(2_000, microseconds: 90, count: 1_900),
        ]
        let report = SweepTests.sweep.report(steps, title: "t")
        let table = try #require(report.sections.first?.table)
        #expect(table.lines.count == 2)
        #expect(table.lines.allSatisfy { $0.count == table.columns.count })
        #expect(report.json.contains(#""rate":2000,"achieved":1900,"skipped":0"#))
        #expect(report.sections.count == 3, "trouble is told only of the rate that wasn't kept")
        #expect(report.text.contains("behind the schedule  1,900 of 2,000 a second"))
    }

    @Test func aRateThatWasNotKeptIsMarked() throws {
        let steps = [
            SweepTests.step(1_000, microseconds: 50, count: 1_000),
            SweepTests.step(2_000, microseconds: 90, count: 1_000),
        ]
        let chart = try #require(SweepTests.sweep.charts(steps).first)
        guard case .load(let lines) = chart.content else {
            Issue.record("another kind of chart")
            return
        }
        #expect(lines[0].points.map(\.isMarked) == [false, true])
        #expect(chart.note?.contains("behind the schedule") == true)
    }

    @Test func percentilesAreDrawnOnlyWhereValuesLieBeyondThem() throws {
        let steps = [
            SweepTests.step(1_000, microseconds: 50, count: 1_000),
            SweepTests.step(2_000, microseconds: 90, count: 4_000),
        ]
        let chart = try #require(SweepTests.sweep.charts(steps).first)
        guard case .load(let lines) = chart.content else {
            Issue.record("another kind of chart")
            return
        }
        #expect(lines.map(\.name) == ["p50", "p99", "p99.9"])
        #expect(lines.map(\.points.count) == [2, 2, 1])
        #expect(lines[0].points.map(\.x) == [1_000, 2_000])
    }
}

@Suite struct MeterTests {
    @Test func distributionsAddUpAsIfOneHadSeenEverything() {
        var (first, second, whole) = (Latency(), Latency(), Latency())
        for value in 1...2_000 {
            let nanoseconds = UInt64(value * value) * 100
            if value % 3 == 0 {
                first.record(from: 0, to: nanoseconds)
            } else {
                second.record(from: 0, to: nanoseconds)
            }
            whole.record(from: 0, to: nanoseconds)
        }
        first.add(second)
        #expect(first.count == whole.count)
        for percentile in [0.0, 50, 90, 99, 99.9, 99.99, 100] {
            #expect(first.microseconds(percentile) == whole.microseconds(percentile))
        }
        #expect(first.maxMicroseconds == whole.maxMicroseconds)
        #expect(abs(first.meanMicroseconds - whole.meanMicroseconds) < 0.01 * whole.meanMicroseconds)
    }

    @Test func aTimeThatRanBackwardsIsNone() {
        var latency = Latency()
        latency.record(from: 10, to: 5)
        #expect(latency.count == 1 && latency.maxMicroseconds < 0.2)
    }

    @Test func countsAddUpAndSubtract() {
        var (one, two) = (Meter(), Meter())
        one.sent = 5
        one.skipped = 2
        two.sent = 7
        two.lost = 1
        two.add(one)
        #expect(two.sent == 12 && two.skipped == 2 && two.lost == 1)
        #expect(two.since(one).sent == 7 && two.since(one).skipped == 0)
    }
}
