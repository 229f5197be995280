import LoadGenerator
import Testing

@Suite struct ReportTests {
    @Test func numbersAreForPeople() {
        #expect(Report.fixed(3.14159, 2) == "3.14")
        #expect(Report.fixed(0.006, 2) == "0.01")
        #expect(Report.fixed(1.005e6, 0) == "1005000")
        #expect(Report.fixed(-0.5, 1) == "-0.5")
        #expect(Report.fixed(-0.001, 1) == "0.0")
        #expect(Report.fixed(9.996, 2) == "10.00")
        #expect(Report.fixed(.nan, 2) == "0")
        #expect(Report.grouped("1234567.89") == "1,234,567.89")
        #expect(Report.grouped("-123") == "-123")
    }

    @Test func textIsAligned() {
        var report = Report()
        report.begin("title")
        report.add("a", "one", 1)
        report.add("b", "twelve", 12.5, places: 1, "µs")
        #expect(report.text == "title\n  one     1\n  twelve  12.5 µs\n")
    }

    @Test func longTimesAreShownInLongerUnits() {
        var report = Report()
        report.begin("t")
        report.add("a_us", "a", 999.94, places: 1, "µs")
        report.add("b_us", "b", 12_345.6, places: 1, "µs")
        report.add("c_us", "c", 1_234_567, places: 1, "µs")
        #expect(report.text == "t\n  a  999.9 µs\n  b  12.35 ms\n  c  1.235 s\n")
        #expect(report.json.contains(#""b_us":12345.6,"c_us":1234567.0"#))
    }

    @Test func aTableStandsBelowItsFigures() {
        var report = Report()
        report.begin("t")
        report.add("a", "one", 1)
        var table = Report.Table([.init("rate", "rate"), .init("p50_us", "p50 µs")])
        table.lines = [[.integer(1_000), .decimal(2.5, places: 1)], [.integer(7), .text("none")]]
        report.add(table)
        #expect(report.text == "t\n  one  1\n   rate  p50 µs\n  1,000     2.5\n      7    none\n")
        let lines = #"[\n  {"rate":1000,"p50_us":2.5},\n  {"rate":7,"p50_us":"none"}]"#
        #expect(
            report.json == "[\n {\"section\":\"t\",\"a\":1,\"table\":" + lines.replacing("\\n", with: "\n") + "}\n]\n")
        let page = HTMLPage.make(title: "t", report: report, charts: [])
        #expect(page.contains("<th>rate<th>p50 µs") && page.contains("<td>1,000<td>2.5"))
    }

    @Test func jsonHasASectionAnObject() {
        var report = Report()
        report.begin("a \"b\"")
        report.add("count", "count", 1_000)
        report.add("time", "time", 2.5, places: 3)
        report.add("note", "note", .text("x"))
        #expect(report.json == "[\n {\"section\":\"a \\\"b\\\"\",\"count\":1000,\"time\":2.500,\"note\":\"x\"}\n]\n")
    }
}
