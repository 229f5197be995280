internal import Glibc

/// A file beside the store's that tells the next start when this process began to go down: who was seen after that left
/// because of it. A crash leaves none. Not for a loop's thread.
enum StopMark {
    private static func path(_ directory: String) -> String { directory + "/stopped" }

    /// Writes the mark; without it the next start knows less, so what goes wrong is no matter.
    static func leave(in directory: String, at milliseconds: UInt64) {
        guard let file = fopen(path(directory), "we") else { return }
        fputs("\(milliseconds)\n", file)
        fclose(file)
    }

    /// Reads the mark and removes it.
    static func take(from directory: String) -> UInt64? {
        guard let file = fopen(path(directory), "re") else { return nil }
        defer {
            fclose(file)
            unlink(path(directory))
        }
        var text = [UInt8](repeating: 0, count: 24)
        let count = fread(&text, 1, text.count, file)
        return UInt64(String(decoding: text[..<count].prefix { $0 != 0x0A }, as: UTF8.self))
    }
}
