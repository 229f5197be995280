internal import Glibc

/// The directory of the store's files, locked for this process as long as the value lives.
struct DataDirectory: ~Copyable {
    let path: String
    private let lock: Int32

    var journal: String { path + "/journal.db" }
    var index: String { path + "/switchboard.db" }

    init(_ path: String) throws(StoreOpenError) {
        try DataDirectory.create(path)
        let name = path + "/switchboard.lock"
        let file = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard file >= 0 else {
            throw StoreOpenError(
                "can't write in the data directory \(path): \(DataDirectory.reason()). Make it writable for this "
                    + "user, or choose another with --data")
        }
        guard flock(file, LOCK_EX | LOCK_NB) == 0 else {
            close(file)
            throw StoreOpenError(
                "the data directory \(path) is in use by another process. Stop that one, or choose another "
                    + "directory with --data; `fuser \(name)` tells which it is")
        }
        self.path = path
        lock = file
    }

    /// Closing the file gives the lock back.
    deinit { close(lock) }

    /// Whether another process has the directory.
    static func isInUse(_ path: String) -> Bool {
        let file = open(path + "/switchboard.lock", O_RDWR | O_CLOEXEC)
        guard file >= 0 else { return false }
        defer { close(file) }
        return flock(file, LOCK_EX | LOCK_NB) != 0
    }

    private static func create(_ path: String) throws(StoreOpenError) {
        var part = path.hasPrefix("/") ? "/" : ""
        for name in path.split(separator: "/") {
            part += name
            if mkdir(part, 0o700) != 0, errno != EEXIST {
                // A parent that exists may say EROFS or EACCES instead; only the last one has to be made.
                var status = stat()
                guard stat(part, &status) == 0 else {
                    throw StoreOpenError("can't create the data directory \(path): \(reason())")
                }
            }
            part += "/"
        }
    }

    private static func reason() -> String { String(cString: strerror(errno)) }
}
