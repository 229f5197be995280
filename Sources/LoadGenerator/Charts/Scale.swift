internal import Glibc

/// Ten to a power.
func power(_ exponent: Double) -> Double { pow(10, exponent) }

/// The decimal logarithm; 0 for what has none.
func nines(of number: Double) -> Double { number > 0 ? log10(number) : 0 }

/// Maps values to one axis of a plot and says where its marks are.
package struct Scale: Sendable, Equatable {
    package let low: Double
    package let high: Double
    package let isLogarithmic: Bool

    /// From zero to a round number not below `maximum`.
    package static func linear(to maximum: Double) -> Scale {
        guard maximum > 0, maximum.isFinite else { return Scale(low: 0, high: 1, isLogarithmic: false) }
        let unit = power(floor(nines(of: maximum)))
        let steps = [1, 1.5, 2, 3, 4, 5, 6, 8, 10]
        return Scale(low: 0, high: (steps.first { $0 * unit >= maximum } ?? 10) * unit, isLogarithmic: false)
    }

    /// Whole decades around the values.
    package static func logarithmic(_ values: [Double]) -> Scale {
        let positive = values.filter { $0 > 0 && $0.isFinite }
        guard let low = positive.min(), let high = positive.max() else {
            return Scale(low: 1, high: 10, isLogarithmic: true)
        }
        let bottom = floor(nines(of: low))
        return Scale(low: power(bottom), high: power(max(ceil(nines(of: high)), bottom + 1)), isLogarithmic: true)
    }

    /// Where a value lies, from 0 to 1.
    package func place(_ value: Double) -> Double {
        let place =
            isLogarithmic
            ? (nines(of: max(value, low)) - nines(of: low)) / (nines(of: high) - nines(of: low))
            : (value - low) / (high - low)
        return min(max(place, 0), 1)
    }

    package var marks: [Double] {
        guard isLogarithmic else { return (0...4).map { low + (high - low) * Double($0) / 4 } }
        let decades = Int((nines(of: high) - nines(of: low)).rounded())
        return (0...decades).map { low * power(Double($0)) }
    }

    /// `1500` as `1.5k`.
    package static func short(_ number: Double) -> String {
        for (limit, letter) in [(1e9, "G"), (1e6, "M"), (1e3, "k")] where number >= limit {
            return trimmed(number / limit) + letter
        }
        return trimmed(number)
    }

    private static func trimmed(_ number: Double) -> String {
        var text = Report.fixed(number, number < 10 ? 2 : number < 100 ? 1 : 0)
        while text.contains("."), text.hasSuffix("0") || text.hasSuffix(".") { text.removeLast() }
        return text
    }
}
