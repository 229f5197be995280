import Glibc

/// A file that is there once it is whole, or standard output. *Thread:* one at a time.
final class OutputFile {
    private let path: String?
    private var descriptor: Int32 = -1

    /// Why a file can't be written, in words for the operator.
    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    /// - Parameter path: nil for standard output. Nothing is created before something is written.
    init(path: String?) { self.path = path }

    deinit { if path != nil, descriptor >= 0 { close(descriptor) } }

    private var partial: String { (path ?? "") + ".part" }

    func write(_ bytes: UnsafeRawBufferPointer) throws {
        if descriptor < 0 { try open() }
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = Glibc.write(descriptor, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw failure("can't write \(path ?? "to standard output")") }
            rest = rest.dropFirst(count)
        }
    }

    private func open() throws {
        guard path != nil else {
            descriptor = STDOUT_FILENO
            return
        }
        descriptor = Glibc.open(partial, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw failure("can't create \(partial)") }
    }

    /// Puts the whole file in its place.
    func finish() throws {
        guard let path, descriptor >= 0 else { return }
        guard fsync(descriptor) == 0, rename(partial, path) == 0 else { throw failure("can't write \(path)") }
    }

    /// Leaves nothing of a file that isn't whole.
    func discard() { if path != nil, descriptor >= 0 { unlink(partial) } }

    private func failure(_ what: String) -> Failure {
        Failure(description: "\(what): \(String(cString: strerror(errno)))")
    }
}
