internal import Base
internal import Wire

/// Metrics as text: Prometheus's format 0.0.4, or OpenMetrics 1.0, which differ in the names of counters and the end.
struct MetricsText: ~Copyable {
    enum Form: Sendable {
        case prometheus
        case openMetrics

        var contentType: String {
            switch self {
            case .prometheus: "text/plain; version=0.0.4; charset=utf-8"
            case .openMetrics: "application/openmetrics-text; version=1.0.0; charset=utf-8"
            }
        }
    }

    /// Labels, each with its value.
    typealias Labels = [(name: String, value: String)]
    typealias Sample = (labels: Labels, value: Double)

    private let form: Form
    private var output = OutputBuffer()

    init(_ form: Form) { self.form = form }

    /// The whole page.
    consuming func finish() -> [UInt8] {
        if form == .openMetrics { output.append("# EOF\n") }
        return Array(output.unsafeBytes)
    }

    /// A number that only grows. `name` is without its `_total`.
    mutating func counter(
        _ name: StaticString, _ help: StaticString, _ samples: [Sample]
    ) {
        head(name, form == .openMetrics ? "" : "_total", "counter", help)
        for (labels, value) in samples { sample(name, "_total", labels, value) }
    }

    /// A number that goes up and down.
    mutating func gauge(_ name: StaticString, _ help: StaticString, _ samples: [Sample]) {
        head(name, "", "gauge", help)
        for (labels, value) in samples { sample(name, "", labels, value) }
    }

    /// A single number.
    mutating func gauge(_ name: StaticString, _ help: StaticString, _ value: Double) {
        gauge(name, help, [([], value)])
    }

    mutating func counter(_ name: StaticString, _ help: StaticString, _ value: Double) {
        counter(name, help, [([], value)])
    }

    mutating func histogram(
        _ name: StaticString, _ help: StaticString, _ samples: [(labels: Labels, value: Histogram)]
    ) {
        head(name, "", "histogram", help)
        for (labels, histogram) in samples {
            var count: UInt64 = 0
            let bounds = histogram.scale.bounds.map { MetricsText.number(Double($0) / histogram.scale.unit) } + ["+Inf"]
            for (bound, bucket) in zip(bounds, histogram.buckets) {
                count += bucket
                sample(name, "_bucket", labels + [("le", bound)], Double(count))
            }
            sample(name, "_sum", labels, Double(histogram.sum) / histogram.scale.unit)
            sample(name, "_count", labels, Double(count))
        }
    }

    private mutating func head(
        _ name: StaticString, _ suffix: StaticString, _ type: StaticString, _ help: StaticString
    ) {
        for (keyword, text) in [("# HELP " as StaticString, help), ("# TYPE ", type)] {
            output.append(keyword)
            output.append(name)
            output.append(suffix)
            output.append(" ")
            output.append(text)
            output.append("\n")
        }
    }

    private mutating func sample(
        _ name: StaticString, _ suffix: StaticString, _ labels: Labels, _ value: Double
    ) {
        output.append(name)
        output.append(suffix)
        for (index, label) in labels.enumerated() {
            output.append(index == 0 ? "{" : ",")
            output.append(utf8: label.name)
            output.append("=\"")
            appendValue(label.value)
            output.append("\"")
        }
        output.append(labels.isEmpty ? " " : "} ")
        if value >= 0, value < 1e15, value == value.rounded(.down) {
            output.append(decimal: UInt64(value))
        } else {
            output.append(utf8: MetricsText.number(value))
        }
        output.append("\n")
    }

    /// A label's value; three characters need an escape.
    private mutating func appendValue(_ text: String) {
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\\"): output.append(#"\\"#)
            case UInt8(ascii: "\""): output.append(#"\""#)
            case UInt8(ascii: "\n"): output.append(#"\n"#)
            default: output.append(byte)
            }
        }
    }

    /// As OpenMetrics wants bounds: with a point.
    private static func number(_ value: Double) -> String { "\(value)" }
}
