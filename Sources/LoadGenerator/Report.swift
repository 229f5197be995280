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
        package var table: Table?
    }

    /// The same figures of several things, a line each.
    package struct Table: Sendable {
        package struct Column: Sendable {
            package var key: String
            package var label: String

            package init(_ key: String, _ label: String) {
                self.key = key
                self.label = label
            }
        }

        package var columns: [Column]
        /// As many values as there are columns.
        package var lines: [[Value]] = []

        package init(_ columns: [Column]) { self.columns = columns }
    }

    package private(set) var sections: [Section] = []
    /// How it was made; nil for a part of a report.
    package var origin: Origin?

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

    /// Puts a table below the figures of the section.
    package mutating func add(_ table: Table) {
        precondition(!sections.isEmpty, "a table belongs to a section")
        precondition(table.lines.allSatisfy { $0.count == table.columns.count })
        sections[sections.count - 1].table = table
    }

    /// Appends another report's only section under another title.
    package mutating func append(_ other: Report, named title: String) {
        guard var section = other.sections.first else { return }
        section.title = title
        sections.append(section)
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
                let (value, unit) = row.shown
                text += "  \(row.label)\(padding)  \(value)\(unit.isEmpty ? "" : " " + unit)\n"
            }
            if let table = section.table { text += table.text }
        }
        if let origin { text += "\(origin.command) (\(origin.machine))\n" }
        return text
    }

    /// An array of sections, each an object with its title, its figures and, as `table`, an array of objects.
    package var json: String {
        var output = OutputBuffer()
        output.append("[")
        for (number, section) in sections.enumerated() {
            if number > 0 { output.append(",") }
            output.append(utf8: "\n {\"section\":")
            output.appendJSONString(section.title)
            for row in section.rows {
                output.append(",")
                output.appendMember(row.key, row.value)
            }
            if let table = section.table { table.appendJSON(to: &output) }
            output.append("}")
        }
        if let origin {
            output.append(utf8: "\(sections.isEmpty ? "" : ",")\n {\"section\":\"origin\",")
            output.appendMember("command", .text(origin.command))
            output.append(",")
            output.appendMember("machine", .text(origin.machine))
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

extension Report.Row {
    /// The figure and its unit for people: many microseconds as ms or s.
    var shown: (value: String, unit: String) {
        guard case .decimal(let number, _) = value, unit == "µs", number >= 1_000 else {
            return (Report.text(value), unit)
        }
        let (scaled, name) = number >= 1e6 ? (number / 1e6, "s") : (number / 1e3, "ms")
        return (Report.fixed(scaled, scaled < 10 ? 3 : scaled < 100 ? 2 : 1), name)
    }
}

extension OutputBuffer {
    /// Appends a figure as `"key":value`.
    fileprivate mutating func appendMember(_ key: String, _ value: Report.Value) {
        appendJSONString(key)
        append(":")
        switch value {
        case .text(let text): appendJSONString(text)
        case .integer(let number): append(utf8: "\(number)")
        case .decimal(let number, let places): append(utf8: Report.fixed(number, places))
        }
    }
}

extension Report.Table {
    /// Columns that are as wide as they need to be, numbers flush right.
    fileprivate var text: String {
        let cells = [columns.map(\.label)] + lines.map { $0.map { Report.text($0) } }
        let widths = columns.indices.map { column in cells.map { $0[column].count }.max() ?? 0 }
        return cells.reduce(into: "") { text, line in
            for (cell, width) in zip(line, widths) {
                text += "  " + String(repeating: " ", count: width - cell.count) + cell
            }
            text += "\n"
        }
    }

    fileprivate func appendJSON(to output: inout OutputBuffer) {
        output.append(",\"table\":[")
        for (number, line) in lines.enumerated() {
            output.append(number == 0 ? "\n  {" : ",\n  {")
            for (place, (column, value)) in zip(columns, line).enumerated() {
                if place > 0 { output.append(",") }
                output.appendMember(column.key, value)
            }
            output.append("}")
        }
        output.append("]")
    }
}
