/// A page of metrics, read back.
package struct MetricsReading: Sendable {
    private struct Sample {
        var labels: Substring
        var value: Double
    }

    private var samples: [Substring: [Sample]] = [:]

    /// Takes every line that is a sample; others are passed over.
    package init(_ text: String) {
        for line in text.split(separator: "\n") where !line.hasPrefix("#") {
            guard let space = line.lastIndex(of: " "), let value = Double(line[line.index(after: space)...]) else {
                continue
            }
            let series = line[..<space]
            let brace = series.firstIndex(of: "{") ?? series.endIndex
            samples[series[..<brace], default: []].append(Sample(labels: series[brace...], value: value))
        }
    }

    /// All samples of a name together.
    package func sum(_ name: String) -> Double { (samples[Substring(name)] ?? []).reduce(0) { $0 + $1.value } }

    /// The value of a label of the first sample of a name.
    package func label(_ label: String, of name: String) -> String? {
        guard let labels = samples[Substring(name)]?.first?.labels,
            let start = labels.firstRange(of: "\(label)=\"")?.upperBound
        else { return nil }
        return labels[start...].firstIndex(of: "\"").map { String(labels[start..<$0]) }
    }

    /// The values of a label with the sums of their samples, the largest first, without those that are 0.
    package func sums(_ name: String, by label: String) -> [(value: String, sum: Double)] {
        var sums: [String: Double] = [:]
        for sample in samples[Substring(name)] ?? [] {
            guard let start = sample.labels.firstRange(of: "\(label)=\"")?.upperBound,
                let end = sample.labels[start...].firstIndex(of: "\"")
            else { continue }
            sums[String(sample.labels[start..<end]), default: 0] += sample.value
        }
        return sums.filter { $0.value > 0 }.sorted { $0.value > $1.value || $0.value == $1.value && $0.key < $1.key }
            .map { ($0.key, $0.value) }
    }

    /// A quantile of a histogram, over all its labels: the upper bound of the bucket that it lies in. Nil if nothing
    /// was counted since `earlier`.
    package func quantile(_ share: Double, of name: String, since earlier: MetricsReading? = nil) -> Double? {
        var counts: [Double: Double] = [:]
        for (reading, sign) in [(self, 1.0), (earlier, -1.0)] {
            for sample in reading?.samples[Substring(name + "_bucket")] ?? [] {
                guard let start = sample.labels.firstRange(of: "le=\"")?.upperBound,
                    let end = sample.labels[start...].firstIndex(of: "\"")
                else { continue }
                let bound = sample.labels[start..<end]
                counts[bound == "+Inf" ? .infinity : Double(bound) ?? 0, default: 0] += sign * sample.value
            }
        }
        guard let all = counts[.infinity], all > 0 else { return nil }
        return counts.sorted { $0.key < $1.key }.first { $0.value >= share * all }?.key
    }
}
