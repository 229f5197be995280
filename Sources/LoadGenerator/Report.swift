internal import Base
internal import Wire

/// What a scenario found: sections of named figures, as text for people and as JSON for scripts.
package struct Report: Sendable {
    package enum Value: Sendable {
        case text(String)
        case integer(Int)
        /// A figure that is shown with this many digits behind the point.
        case decimal(Double, places: Int)
    }

    package struct Row: Sendable {
        package var key: String
        package var label: String
        package var value: Value
        package var unit: String
    }

    package struct Section: Sendable {
        package var title: String
        package var rows: [Row] = []
    }

    package private(set) var sections: [Section] = []

    package init() {}

    package mutating func begin(_ title: String) { sections.append(Section(title: title)) }

    package mutating func add(_ key: String, _ label: String, _ value: Value, _ unit: String = "") {
        precondition(!sections.isEmpty, "a figure belongs to a section")
        sections[sections.count - 1].rows.append(Row(key: key, label: label, value: value, unit: unit))
    }

    package mutating func add(_ key: String, _ label: String, _ value: Int, _ unit: String = "") {
        add(key, label, .integer(value), unit)
    }

    package mutating func add(_ key: String, _ label: String, _ value: Double, places: Int, _ unit: String = "") {
        add(key, label, .decimal(value, places: places), unit)
    }

    package mutating func append(_ other: Report) { sections.append(contentsOf: other.sections) }

    /// Aligned text.
    package var text: String {
        var text = ""
        for section in sections {
            text += "\(section.title)\n"
            let width = section.rows.map(\.label.count).max() ?? 0
            for row in section.rows {
                let padding = String(repeating: " ", count: width - row.label.count)
                text += "  \(row.label)\(padding)  \(Report.text(row.value))\(row.unit.isEmpty ? "" : " " + row.unit)\n"
            }
        }
        return text
    }

    /// An array of sections, each an object with its title and its figures.
    package var json: String {
        var output = OutputBuffer()
        output.append("[")
        for (number, section) in sections.enumerated() {
            if number > 0 { output.append(",") }
            output.append(utf8: "\n {\"section\":")
            output.appendJSONString(section.title)
            for row in section.rows {
                output.append(",")
                output.appendJSONString(row.key)
                output.append(":")
                switch row.value {
                case .text(let text): output.appendJSONString(text)
                case .integer(let number): output.append(utf8: "\(number)")
                case .decimal(let number, let places): output.append(utf8: Report.fixed(number, places))
                }
            }
            output.append("}")
        }
        output.append("\n]\n")
        return String(decoding: output.unsafeBytes, as: UTF8.self)
    }

    static func text(_ value: Value) -> String {
        switch value {
        case .text(let text): text
        case .integer(let number): grouped(String(number))
        case .decimal(let number, let places): grouped(fixed(number, places))
        }
    }

    /// A number with a fixed count of digits behind the point; `0` where there is none, since JSON knows no NaN.
    package static func fixed(_ number: Double, _ places: Int) -> String {
        guard number.isFinite, abs(number) < 1e15 else { return "0" }
        var scale = 1.0
        for _ in 0..<places { scale *= 10 }
        let scaled = Int((abs(number) * scale).rounded())
        let sign = number < 0 && scaled > 0 ? "-" : ""
        let (whole, rest) = scaled.quotientAndRemainder(dividingBy: Int(scale))
        guard places > 0 else { return "\(sign)\(whole)" }
        let digits = String(rest)
        return "\(sign)\(whole).\(String(repeating: "0", count: places - digits.count))\(digits)"
    }

    /// `1234567.8` as `1,234,567.8`.
    package static func grouped(_ number: String) -> String {
        let sign = number.hasPrefix("-") ? "-" : ""
        let parts = number.dropFirst(sign.count).split(separator: ".", maxSplits: 1)
        var whole = ""
        for (place, digit) in (parts.first ?? "").reversed().enumerated() {
            if place > 0, place % 3 == 0 { whole.append(",") }
            whole.append(digit)
        }
        return sign + String(whole.reversed()) + (parts.count > 1 ? ".\(parts[1])" : "")
    }
}
