internal import Base
internal import Logging
internal import Wire

/// How lines of the log look.
package enum LogFormat: String, Sendable, CaseIterable {
    /// `2026-01-31T12:00:00.000Z warning store: what happened key=value`
    case text
    /// One JSON object a line.
    case json
}

/// One line of the log in the making.
struct LogLine {
    let level: Logger.Level
    let subsystem: LogSubsystem
    let message: String
    let metadata: [(key: String, value: Logger.MetadataValue)]
    /// Milliseconds since the Unix epoch.
    let time: UInt64

    /// The line without its end.
    func encoded(_ format: LogFormat) -> [UInt8] {
        var output = OutputBuffer()
        switch format {
        case .text: appendText(to: &output)
        case .json: appendJSON(to: &output)
        }
        return Array(output.unsafeBytes)
    }

    /// What the system's log gets, which knows time and level by itself.
    var plain: String {
        var output = OutputBuffer()
        appendPlain(to: &output)
        return String(decoding: output.unsafeBytes, as: UTF8.self)
    }

    private func appendText(to output: inout OutputBuffer) {
        output.append(utf8: LogLine.timestamp(time))
        output.append(" ")
        output.append(utf8: level.rawValue)
        output.append(" ")
        appendPlain(to: &output)
    }

    private func appendPlain(to output: inout OutputBuffer) {
        output.append(utf8: subsystem.rawValue)
        output.append(": ")
        output.append(utf8: LogLine.oneLine(message))
        for (key, value) in metadata {
            output.append(utf8: " \(key)=")
            let text = LogLine.oneLine("\(value)")
            if text.contains(where: { $0 == " " || $0 == "\"" || $0 == "=" }) || text.isEmpty {
                output.appendJSONString(text)
            } else {
                output.append(utf8: text)
            }
        }
    }

    private func appendJSON(to output: inout OutputBuffer) {
        output.append(#"{"time":""#)
        output.append(utf8: LogLine.timestamp(time))
        output.append(#"","level":""#)
        output.append(utf8: level.rawValue)
        output.append(#"","subsystem":""#)
        output.append(utf8: subsystem.rawValue)
        output.append(#"","message":"#)
        output.appendJSONString(message)
        for (key, value) in metadata {
            output.append(",")
            output.appendJSONString(key)
            output.append(":")
            if case .stringConvertible(let number) = value, number is any BinaryInteger {
                output.append(utf8: number.description)
            } else {
                output.appendJSONString("\(value)")
            }
        }
        output.append("}")
    }

    /// Nothing that comes from outside can begin another line, or steer a terminal.
    private static func oneLine(_ text: String) -> String {
        guard text.unicodeScalars.contains(where: { $0.properties.generalCategory == .control }) else { return text }
        return text.unicodeScalars.map { scalar in
            scalar.properties.generalCategory == .control ? "\\u{\(String(scalar.value, radix: 16))}" : String(scalar)
        }.joined()
    }

    /// ISO 8601 with milliseconds, UTC.
    static func timestamp(_ milliseconds: UInt64) -> String {
        let seconds = Int(milliseconds / 1_000)
        let (year, month, day) = UTCMinute.civil(days: seconds / 86_400)
        let inDay = seconds % 86_400
        let clock = [inDay / 3_600, inDay / 60 % 60, inDay % 60].map { padded($0, 2) }.joined(separator: ":")
        return "\(year)-\(padded(month, 2))-\(padded(day, 2))T\(clock).\(padded(Int(milliseconds % 1_000), 3))Z"
    }

    private static func padded(_ number: Int, _ width: Int) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }
}
