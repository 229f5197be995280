/// A value of Redis's protocol, as ranges of the bytes it came in.
package indirect enum RESPValue: Equatable {
    case bytes(Range<Int>)
    case integer(Int)
    case none
    case failure(String)
    case array([RESPValue])
    /// Keys and values in turn.
    case map([RESPValue])
    /// What comes without having been asked for.
    case push([RESPValue])

    /// The first value in `bytes` and its length; nil if it isn't whole.
    package static func read(_ bytes: UnsafeRawBufferPointer) -> (value: RESPValue, count: Int)? {
        var offset = 0
        guard let value = read(bytes, &offset) else { return nil }
        return (value, offset)
    }

    private static func read(_ bytes: UnsafeRawBufferPointer, _ offset: inout Int) -> RESPValue? {
        guard offset < bytes.count,
            let length = lineLength(UnsafeRawBufferPointer(rebasing: bytes[offset...]))
        else { return nil }
        let kind = bytes[offset]
        let line = offset + 1..<offset + length
        let text = String(decoding: bytes[line], as: UTF8.self)
        offset += length + 2
        switch kind {
        case UInt8(ascii: "$"):
            guard let count = Int(text), count >= 0 else { return RESPValue.none }
            guard offset + count + 2 <= bytes.count else { return nil }
            defer { offset += count + 2 }
            return .bytes(offset..<offset + count)
        case UInt8(ascii: ":"): return .integer(Int(text) ?? 0)
        case UInt8(ascii: "-"): return .failure(text)
        case UInt8(ascii: "*"): return many(Int(text) ?? -1, bytes, &offset).map { .array($0) }
        case UInt8(ascii: ">"): return many(Int(text) ?? -1, bytes, &offset).map { .push($0) }
        case UInt8(ascii: "%"): return many(2 * (Int(text) ?? -1), bytes, &offset).map { .map($0) }
        case UInt8(ascii: "_"): return RESPValue.none
        default: return .bytes(line)
        }
    }

    private static func many(_ count: Int, _ bytes: UnsafeRawBufferPointer, _ offset: inout Int) -> [RESPValue]? {
        var values: [RESPValue] = []
        for _ in 0..<max(count, 0) {
            guard let value = read(bytes, &offset) else { return nil }
            values.append(value)
        }
        return values
    }
}
