internal import Glibc

/// Copies a journal that a router has open, which keeps the file to itself.
///
/// The database first, its WAL after it. As long as the WAL wasn't begun anew meanwhile, it has every page that was
/// moved into the database while that was copied, so what was torn there is mended by the frames; and frames have
/// checksums, so that one which was just being written ends what is read. What comes out is the journal at its last
/// commit before the WAL was copied.
struct JournalCopy {
    private let source: String
    private let target: String

    /// A router begins its WAL anew after some megabytes; a copy takes less long.
    private static let attempts = 50
    private static let logHeaderBytes = 32

    /// Copies the database and its WAL; `target` and its WAL don't exist yet, or are written over.
    static func make(of source: String, at target: String) throws(StoreOpenError) {
        let copy = JournalCopy(source: source, target: target)
        for _ in 0..<attempts where try copy.attempt() { return }
        throw StoreOpenError("\(source) changes faster than it can be copied; try again when there is less load")
    }

    /// Whether the WAL was the same one before and after.
    private func attempt() throws(StoreOpenError) -> Bool {
        let before = try logHeader()
        try FileCopy.copy(source, to: target)
        if try FileCopy.exists(source + "-wal") {
            try FileCopy.copy(source + "-wal", to: target + "-wal")
        } else {
            unlink(target + "-wal")
        }
        return try logHeader() == before
    }

    /// The WAL's first bytes, which are others for each time that it is begun anew; empty without one.
    private func logHeader() throws(StoreOpenError) -> [UInt8] {
        guard try FileCopy.exists(source + "-wal") else { return [] }
        return try FileCopy.prefix(of: source + "-wal", bytes: JournalCopy.logHeaderBytes)
    }
}

/// Files and directories, for copies of a store.
enum FileCopy {
    private static let chunkBytes = 1 << 20

    static func exists(_ path: String) throws(StoreOpenError) -> Bool {
        var status = stat()
        if stat(path, &status) == 0 { return true }
        guard errno == ENOENT || errno == ENOTDIR else { throw failure("can't look at \(path)") }
        return false
    }

    /// The first bytes of a file; fewer if it is shorter.
    static func prefix(of path: String, bytes: Int) throws(StoreOpenError) -> [UInt8] {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { throw failure("can't read \(path)") }
        defer { close(file) }
        var found = [UInt8](repeating: 0, count: bytes)
        let count = read(file, &found, bytes)
        guard count >= 0 else { throw failure("can't read \(path)") }
        return Array(found.prefix(count))
    }

    /// Copies a file, over one that may be there, and syncs the copy.
    static func copy(_ source: String, to target: String) throws(StoreOpenError) {
        let from = open(source, O_RDONLY | O_CLOEXEC)
        guard from >= 0 else { throw failure("can't read \(source)") }
        defer { close(from) }
        let to = open(target, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard to >= 0 else { throw failure("can't write \(target)") }
        defer { close(to) }
        var chunk = [UInt8](repeating: 0, count: chunkBytes)
        while true {
            let count = read(from, &chunk, chunk.count)
            guard count >= 0 else { throw failure("can't read \(source)") }
            if count == 0 { break }
            try writeAll(chunk[..<count], to, target)
        }
        guard fsync(to) == 0 else { throw failure("can't sync \(target)") }
    }

    private static func writeAll(_ bytes: ArraySlice<UInt8>, _ file: Int32, _ path: String) throws(StoreOpenError) {
        var rest = bytes
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { write(file, $0.baseAddress, $0.count) }
            guard count > 0 else { throw failure("can't write \(path)") }
            rest = rest.dropFirst(count)
        }
    }

    /// Makes the names in a directory durable.
    static func syncDirectory(_ path: String) throws(StoreOpenError) {
        let file = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard file >= 0 else { throw failure("can't open \(path)") }
        defer { close(file) }
        guard fsync(file) == 0 else { throw failure("can't sync \(path)") }
    }

    /// The names in a directory; nil if there is none.
    static func names(in path: String) throws(StoreOpenError) -> [String]? {
        guard let directory = opendir(path) else {
            guard errno == ENOENT else { throw failure("can't read \(path)") }
            return nil
        }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != "." && name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    static func failure(_ what: String) -> StoreOpenError {
        StoreOpenError("\(what): \(String(cString: strerror(errno)))")
    }
}
