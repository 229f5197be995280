import Foundation

/// A Swift file as lines, with what simple rules can see in it. The sources are formatted by one tool, so indentation
/// tells where a declaration ends.
struct SourceFile {
    let path: String
    let lines: [String]

    /// The first folder below `Sources`.
    var target: String { path.split(separator: "/").dropFirst().first.map(String.init) ?? "" }

    init(path: String, text: String) {
        self.path = path
        lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    }

    /// All Swift files under a folder of the repository.
    static func all(under folder: String) throws -> [SourceFile] {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let names = try FileManager.default.subpathsOfDirectory(atPath: root.appending(path: folder).path())
        return try names.filter { $0.hasSuffix(".swift") }.sorted().map { name in
            let path = "\(folder)/\(name)"
            return SourceFile(
                path: path, text: try String(contentsOf: root.appending(path: path), encoding: .utf8))
        }
    }

    // MARK: Functions

    /// Functions and initializers that take more than a line: where they begin, and how many lines they have.
    var functions: [(line: Int, lines: Int)] {
        var found: [(line: Int, lines: Int)] = []
        for (index, line) in lines.enumerated() where isFunction(line) {
            let indentation = line.prefix { $0 == " " }
            let end = lines[index...].dropFirst().firstIndex {
                $0.hasPrefix(indentation + "}") || ($0 == "" ? false : !$0.hasPrefix(indentation))
            }
            if line.hasSuffix("}") { continue }
            found.append((index + 1, (end ?? lines.count) - index + 1))
        }
        return found
    }

    private func isFunction(_ line: String) -> Bool {
        line.firstMatch(of: /^\s*([@\w()]+\s+)*(func\s|init[?(<]|deinit\s|subscript[(<])/) != nil
            && !line.trimmingCharacters(in: .whitespaces).hasPrefix("//")
    }

    // MARK: Documentation

    /// Members that their type or their protocol documents: of the language, …
    private static let obvious: Set<String> = [
        "description", "hash", "rawValue", "count", "isEmpty", "==", "<", "id", "name", "next",
        // … of `Store` and `ChannelDelegate`, said at the protocol, …
        "submit", "attach", "detach", "read", "perform", "ask", "isCongested", "enqueue", "channelConnected",
        "channelDrained",
        // … the fields of a record, whose table stands above them, …
        "size", "kind", "status", "unsafeSender", "unsafeDestination", "unsafeBody", "sender", "destination",
        "setStatus", "setNumbers", "setOwners", "mark", "mayOweMarks", "setPlacement",
        // … and what every frame and buffer has.
        "append", "frameByteCount", "contentType", "sessionCount", "userID",
    ]

    /// Declarations for other targets without a doc comment. An initializer is documented by its type, an extension by
    /// what it extends, an override by what it overrides, and a stored value by its name and type.
    var undocumentedDeclarations: [(line: Int, text: String)] {
        var found: [(line: Int, text: String)] = []
        for (index, line) in lines.enumerated() {
            guard
                let match = line.firstMatch(
                    of: /^\s*(@\S+\s+)*(package|public|open)\s+((?:\S+\s+)*?)(struct|enum|class|protocol|func|var|let|typealias)\s+([^\s(:<={]+)/
                )
            else { continue }
            let modifiers = match.output.3, kind = match.output.4, name = String(match.output.5)
            if modifiers.contains("override") || SourceFile.obvious.contains(name) { continue }
            if kind == "let" || (kind == "var" && !isComputed(line)) { continue }
            if !hasComment(above: index) { found.append((index + 1, line.trimmingCharacters(in: .whitespaces))) }
        }
        return found
    }

    private func isComputed(_ line: String) -> Bool { line.contains("{") && !line.contains("=") }

    private func hasComment(above index: Int) -> Bool {
        var above = index - 1
        while above >= 0, lines[above].trimmingCharacters(in: .whitespaces).hasPrefix("@") { above -= 1 }
        return above >= 0 && lines[above].trimmingCharacters(in: .whitespaces).hasPrefix("///")
    }
}
