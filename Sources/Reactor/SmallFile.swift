internal import Glibc

/// Reading a file as a whole: options and keys, before there is anybody to keep waiting.
package enum SmallFile {
    /// The file's bytes; throws if it can't be read or is larger than that.
    package static func read(_ path: String, bytesMax: Int) throws(Errno) -> [UInt8] {
        guard let file = fopen(path, "re") else { throw Errno(rawValue: errno) }
        defer { fclose(file) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4096)
        while true {
            let count = fread(&buffer, 1, buffer.count, file)
            bytes.append(contentsOf: buffer[..<count])
            if bytes.count > bytesMax { throw Errno(rawValue: EFBIG) }
            if count > 0 { continue }
            guard ferror(file) == 0 else { throw Errno(rawValue: errno) }
            return bytes
        }
    }
}
