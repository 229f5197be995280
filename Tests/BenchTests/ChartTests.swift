import LoadGenerator
import Testing

@Suite struct ChartTests {
    @Test func axesHaveRoundMarks() {
        #expect(Scale.linear(to: 2_300).high == 3_000)
        #expect(Scale.linear(to: 0).high == 1)
        #expect(Scale.logarithmic([120, 45_000]) == Scale.logarithmic([900, 10_001]))
        #expect(Scale.logarithmic([120, 45_000]).marks.count == 4)
        #expect(Scale.logarithmic([]).place(5) > 0)
        #expect(Scale.logarithmic([1, 100]).place(0) == 0)
        #expect(Scale.short(1_500) == "1.5k")
        #expect(Scale.short(0) == "0")
    }

    @Test func aCourseIsTheDifferenceOfItsSamples() throws {
        let samples = [(0.0, 0), (1.0, 100), (3.0, 500)].map { Measurement.Sample(seconds: $0.0, count: $0.1) }
        let chart = try #require(Chart.course("t", unit: "u", [("a", samples), ("none", [])]))
        #expect(chart.content == .course([Chart.Line("a", [Chart.Point(0, 100), Chart.Point(1, 100), Chart.Point(3, 200)])]))
        #expect(Chart.course("t", unit: "u", []) == nil)
    }

    @Test func whatIsLeftOverAtTheEndIsPartOfTheLastStep() throws {
        let samples = [(0.0, 0), (1.0, 100), (2.0, 200), (2.02, 202)].map {
            Measurement.Sample(seconds: $0.0, count: $0.1)
        }
        let chart = try #require(Chart.course("t", unit: "u", [("a", samples)]))
        let points = [Chart.Point(0, 100), Chart.Point(1, 100), Chart.Point(2.02, 100)]
        #expect(chart.content == .course([Chart.Line("a", points)]))
    }

    /// A loop that is busy answers late at first: what follows must be drawn all the same.
    @Test func aLongFirstStepHidesNothing() throws {
        let late = [Measurement.Sample(seconds: 0, count: 0), Measurement.Sample(seconds: 1.5, count: 15)]
        let rest = (1...20).map { Measurement.Sample(seconds: 1.5 + Double($0) * 0.1, count: 15 + $0 * 10) }
        let chart = try #require(Chart.course("t", unit: "u", [("a", late + rest)]))
        guard case .course(let lines) = chart.content else {
            Issue.record("another kind of chart")
            return
        }
        #expect(lines[0].points.first == Chart.Point(0, 10))
        #expect(lines[0].points.last?.x == 3.5)
        #expect(lines[0].points.count == 22)
    }

    @Test func roundsAreDrawnEachForItself() {
        var round = Measurement()
        round.seconds = 1
        round.samples = [.init(seconds: 0, count: 0), .init(seconds: 1, count: 7)]
        var sum = Measurement()
        sum.add(round)
        sum.add(round)
        let charts = sum.charts(counted: "deliveries", rounds: [round, round])
        #expect(charts.map(\.title) == ["Deliveries in the course of the run"])
        let points = [Chart.Point(0, 7), Chart.Point(1, 7)]
        #expect(
            charts.first?.content
                == .course([
                    Chart.Line("deliveries, round 1", points), Chart.Line("deliveries, round 2", points),
                ]))
    }

    @Test func cpuIsSplitIntoUserAndKernel() throws {
        var measurement = Measurement()
        measurement.seconds = 1
        measurement.server = ProcessUsage(threads: [
            ProcessUsage.Thread(id: 1, name: "loop-0", userMicroseconds: 100_000, systemMicroseconds: 300_000)
        ])
        let chart = try #require(Chart.threads(measurement))
        #expect(chart.content == .bars([Chart.Bar("loop-0", 40, system: 30)]))
        let page = HTMLPage.make(title: "t", report: Report(), charts: [chart])
        #expect(page.contains(">user<") && page.contains(">kernel<"))
    }

    @Test func curvesReachNoFurtherThanTheirData() throws {
        var latency = Latency()
        for value in 1...1_000 { latency.record(from: 0, to: UInt64(value) * 1_000) }
        let chart = try #require(Chart.percentiles("t", [("a", latency), ("empty", Latency())]))
        guard case .percentiles(let lines) = chart.content else {
            Issue.record("another kind of chart")
            return
        }
        #expect(lines.count == 1)
        #expect(lines[0].points.allSatisfy { $0.x <= 3.01 && $0.y > 0 })
    }

    @Test func aPageNeedsNothingElse() {
        var report = Report()
        report.begin("a <b> & c")
        report.add("k", "label", 1_234, "µs")
        let charts = [Chart("bars", unit: "µs", .bars([Chart.Bar("loop-0", 12), Chart.Bar("<x>", 0)]))]
        let page = HTMLPage.make(title: "t", report: report, charts: charts)
        #expect(page.contains("a &lt;b&gt; &amp; c"))
        #expect(page.contains("1,234"))
        #expect(page.contains("&lt;x&gt;"))
        #expect(page.contains("prefers-color-scheme:dark"))
        for forbidden in ["<script", "http", "url(", "@import", "nan", "inf"] { #expect(!page.contains(forbidden)) }
    }
}
