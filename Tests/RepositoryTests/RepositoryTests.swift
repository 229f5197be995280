import Foundation
import Testing

/// Rules of this repository that a reader would otherwise have to check by eye.
struct RepositoryTests {
    private static let functionLinesMax = 70
    private static let fileLinesMax = 500
    private static let lineColumnsMax = 120
    /// Targets that are programs, or report to whoever runs one.
    private static let mayPrint = ["Router", "Bench", "Simulator", "StoreBench", "MicroBench", "LoadGenerator"]

    private let files: [SourceFile]

    init() throws { files = try SourceFile.all(under: "Sources") }

    @Test("All sources are found")
    func found() {
        #expect(files.count > 100)
        #expect(files.contains { $0.path == "Sources/Core/Hub.swift" })
    }

    @Test("A file has at most 500 lines, a line at most 120 columns")
    func sizes() {
        for file in files {
            #expect(file.lines.count <= RepositoryTests.fileLinesMax, "\(file.path)")
            for (index, line) in file.lines.enumerated() where line.count > RepositoryTests.lineColumnsMax {
                Issue.record("\(file.path):\(index + 1) has \(line.count) columns")
            }
        }
    }

    @Test("A function has at most 70 lines")
    func functions() {
        for file in files {
            for function in file.functions where function.lines > RepositoryTests.functionLinesMax {
                Issue.record("\(file.path):\(function.line) has \(function.lines) lines")
            }
        }
    }

    @Test("Only programs print, and nothing is left for later")
    func words() {
        for file in files {
            for (index, line) in file.lines.enumerated() {
                let place = "\(file.path):\(index + 1)"
                #expect(!line.contains("TODO") && !line.contains("FIXME"), "\(place)")
                if RepositoryTests.mayPrint.contains(file.target) { continue }
                let prints = line.firstMatch(of: /(^|[^\w.])(debugPrint|print|dump)\(/) != nil
                #expect(!prints, "\(place)")
            }
        }
    }

    @Test("What other targets see has a doc comment, unless its name says it all")
    func documentation() {
        var undocumented: [String] = []
        for file in files where !RepositoryTests.mayPrint.contains(file.target) {
            undocumented += file.undocumentedDeclarations.map { "\(file.path):\($0.line) \($0.text)" }
        }
        #expect(undocumented.isEmpty, "\(undocumented.joined(separator: "\n"))")
    }

    @Test("The rules themselves see what they are for")
    func rules() {
        let long = SourceFile(
            path: "Sources/X/Y.swift",
            text: "struct S {\n    func f() {\n" + String(repeating: "        x()\n", count: 70) + "    }\n}\n")
        #expect(long.functions.map(\.lines) == [72])
        let bare = SourceFile(
            path: "Sources/X/Y.swift",
            text: """
                package struct Bare {
                    /// Said.
                    package func said() {}
                    package func unsaid() {}
                    @inlinable package var wrong: Int { 1 }
                    package init() {}
                    package var description: String { "" }
                }
                """)
        #expect(bare.undocumentedDeclarations.map(\.line) == [1, 4, 5])
    }
}
