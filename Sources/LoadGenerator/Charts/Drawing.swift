/// Draws charts as SVG that takes its colours from the page.
enum Drawing {
    private static let width = 400.0
    private static let left = 46.0
    private static let right = 12.0
    private static let top = 12.0
    private static let plotHeight = 190.0

    static func svg(_ chart: Chart) -> String {
        switch chart.content {
        case .percentiles(let lines):
            let scale = Scale.logarithmic(lines.flatMap { $0.points.map(\.y) })
            let reach = max(lines.flatMap { $0.points.map(\.x) }.max() ?? 1, 1)
            let labels = ["0 %", "90 %", "99 %", "99.9 %", "99.99 %"].enumerated().map {
                (Double($0.offset), $0.element)
            }
            return plot(lines, chart, scale, reach: reach, labels: labels.filter { $0.0 <= reach })
        case .course(let lines):
            let scale = Scale.linear(to: lines.flatMap { $0.points.map(\.y) }.max() ?? 1)
            let reach = max(lines.flatMap { $0.points.map(\.x) }.max() ?? 1, 1e-3)
            let labels = (0...4).map { (reach * Double($0) / 4, Scale.short(reach * Double($0) / 4) + " s") }
            return plot(lines, chart, scale, reach: reach, labels: labels)
        case .load(let lines):
            let scale = Scale.logarithmic(lines.flatMap { $0.points.map(\.y) })
            let loads = Scale.logarithmic(lines.flatMap { $0.points.map(\.x) })
            let placed = lines.map { line in
                Chart.Line(line.name, line.points.map { .init(loads.place($0.x), $0.y, isMarked: $0.isMarked) })
            }
            let labels = loads.marks.map { (loads.place($0), Scale.short($0)) }
            return plot(placed, chart, scale, reach: 1, labels: labels, showsPoints: true)
        case .bars(let bars): return drawBars(bars, chart)
        }
    }

    private static func plot(
        _ lines: [Chart.Line], _ chart: Chart, _ scale: Scale, reach: Double, labels: [(Double, String)],
        showsPoints: Bool = false
    ) -> String {
        let bottom = top + plotHeight
        let span = width - left - right
        let height = bottom + 24 + 18 * Double(lines.count)
        var svg = begin(chart, height)
        for mark in scale.marks {
            let y = bottom - scale.place(mark) * plotHeight
            svg += "<path class=grid d=\"M\(n(left)) \(n(y))H\(n(width - right))\"/>"
            svg += text(left - 5, y + 4, Scale.short(mark), anchor: "end")
        }
        for (place, label) in labels {
            let x = left + place / reach * span
            let anchor = place == 0 ? "start" : place > reach * 0.95 ? "end" : "middle"
            svg += text(x, bottom + 16, label, anchor: anchor)
        }
        for (number, line) in lines.enumerated() {
            let style = "c\(number % 6) d\(number % 5)"
            let places = line.points.map { point in
                (x: n(left + point.x / reach * span), y: n(bottom - scale.place(point.y) * plotHeight))
            }
            let points = places.map { "\($0.x),\($0.y)" }.joined(separator: " ")
            svg += "<polyline class=\"line \(style)\" points=\"\(points)\"/>"
            for (place, point) in showsPoints ? Array(zip(places, line.points)) : [] {
                let marked = point.isMarked ? " marked" : ""
                svg += "<circle class=\"c\(number % 6)\(marked)\" cx=\"\(place.x)\" cy=\"\(place.y)\" r=\"3\"/>"
            }
            let y = bottom + 34 + 18 * Double(number)
            svg += "<path class=\"line \(style)\" d=\"M\(n(left)) \(n(y - 4))h26\"/>"
            svg += text(left + 32, y, line.name, anchor: "start")
        }
        return svg + "</svg>"
    }

    private static func drawBars(_ bars: [Chart.Bar], _ chart: Chart) -> String {
        let scale = Scale.linear(to: bars.map(\.value).max() ?? 1)
        let row = 34.0
        // The value stands behind its bar, where a long name can't reach it.
        let span = width - right * 2 - 116
        let hasSplit = bars.contains { $0.system != nil }
        var svg = begin(chart, top + row * Double(bars.count) + (hasSplit ? 16 : 0))
        for (number, bar) in bars.enumerated() {
            let y = top + row * Double(number)
            let isLong = bar.name.count > nameMax
            let fit = isLong ? " textLength=\(n(width - right * 2)) lengthAdjust=spacingAndGlyphs" : ""
            svg += "<text x=\(n(right)) y=\(n(y + 10))\(fit)>\(HTMLPage.escaped(bar.name))</text>"
            let length = max(1, scale.place(bar.value) * span)
            svg += text(
                right + length + 6, y + 24, "\(Scale.short(bar.value)) \(chart.unit)", anchor: "start")
            let system = bar.system.map { min(length, scale.place($0) * span) } ?? 0
            svg += rectangle("c0", y + 15, from: 0, length - system)
            if bar.system != nil { svg += rectangle("c1", y + 15, from: length - system, system) }
        }
        guard hasSplit else { return svg + "</svg>" }
        let y = top + row * Double(bars.count) + 8
        svg += rectangle("c0", y - 9, from: 0, 10) + text(right + 16, y, "user", anchor: "start")
        svg += rectangle("c1", y - 9, from: 60, 10) + text(right + 76, y, "kernel", anchor: "start")
        return svg + "</svg>"
    }

    /// Characters that fit into the width; longer names are squeezed.
    private static let nameMax = 54

    private static func rectangle(_ name: String, _ y: Double, from start: Double, _ length: Double) -> String {
        "<rect class=\(name) x=\"\(n(right + start))\" y=\"\(n(y))\" width=\"\(n(length))\" height=\"10\"/>"
    }

    private static func begin(_ chart: Chart, _ height: Double) -> String {
        "<svg viewBox=\"0 0 \(n(width)) \(n(height))\" role=img aria-label=\"\(HTMLPage.escaped(chart.title))\">"
    }

    private static func text(_ x: Double, _ y: Double, _ text: String, anchor: String) -> String {
        "<text x=\"\(n(x))\" y=\"\(n(y))\" text-anchor=\(anchor)>\(HTMLPage.escaped(text))</text>"
    }

    private static func n(_ number: Double) -> String { Report.fixed(number, 1) }
}
