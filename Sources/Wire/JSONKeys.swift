/// A key of a JSON object with its escapes decoded: its first bytes and where to find all of them.
struct JSONKey {
    /// The first eight bytes, little-endian, zeros for those beyond the end.
    let prefix: UInt64
    /// Where the bytes begin: in the text or, if it had escapes, among the decoded keys.
    let start: UInt32
    let count: UInt32
    let isDecoded: Bool
}

/// The keys of all objects that are open at one point of a JSON text, outermost first, to find duplicates.
///
/// A small object compares each new key with all before it. A large one sorts its keys when it closes, so that
/// no choice of keys costs more than N log N comparisons.
struct JSONKeys {
    /// The first `count` are in use; the rest is kept so that noting a key only overwrites one.
    private var open: [JSONKey] = []
    private(set) var count = 0
    private var decoded: [UInt8] = []

    /// Up to this many keys are compared one by one.
    private static let comparedMax = 16
    /// Memory for more keys than this isn't kept from one text to the next.
    private static let keptMax = 1_024

    /// Forgets all keys; keeps the memory of an ordinary text.
    mutating func reset() {
        count = 0
        if open.count > JSONKeys.keptMax { open = [] }
        if !decoded.isEmpty { decoded = [] }
    }

    /// The key whose bytes between the quotes lie at `range` of the scanner's text.
    @inline(__always)
    mutating func key(_ range: Range<Int>, hasEscapes: Bool, in scanner: borrowing JSONScanner) -> JSONKey {
        if hasEscapes { return decodedKey(scanner.bytes.extracting(range)) }
        return JSONKey(
            prefix: scanner.word(at: range.lowerBound) & JSONBytes.mask(range.count),
            start: UInt32(truncatingIfNeeded: range.lowerBound), count: UInt32(truncatingIfNeeded: range.count),
            isDecoded: false)
    }

    private mutating func decodedKey(_ text: RawSpan) -> JSONKey {
        let start = decoded.count
        JSONText.decode(text, into: &decoded)
        let count = decoded.count - start
        let prefix = JSONScanner(decoded.span.bytes).word(at: start) & JSONBytes.mask(count)
        return JSONKey(
            prefix: prefix, start: UInt32(truncatingIfNeeded: start), count: UInt32(truncatingIfNeeded: count),
            isDecoded: true)
    }

    /// Adds a key to the object whose keys begin at `base`; throws if a small object has it already.
    @inline(never)
    mutating func note(_ key: JSONKey, base: Int, in bytes: RawSpan) throws(EnvelopeError) {
        if count &- base <= JSONKeys.comparedMax {
            var index = base
            while index < count {
                if open[index].prefix == key.prefix, order(open[index], key, in: bytes) == 0 {
                    throw .badRequest("duplicate key")
                }
                index &+= 1
            }
        }
        if count < open.count {
            open[count] = key
        } else {
            open.append(key)
        }
        count &+= 1
    }

    /// Ends the object whose keys begin at `base`; throws if a large object has a key twice.
    mutating func close(base: Int, in bytes: RawSpan) throws(EnvelopeError) {
        if count &- base > JSONKeys.comparedMax, hasDuplicates(from: base, in: bytes) {
            throw .badRequest("duplicate key")
        }
        count = base
    }

    /// Whether two of the keys from `base` on are equal; sorts them.
    private mutating func hasDuplicates(from base: Int, in bytes: RawSpan) -> Bool {
        let decodedKeys = decoded
        let end = count
        return bytes.withUnsafeBytes { text in
            decodedKeys.withUnsafeBytes { decodedText in
                open.withUnsafeMutableBufferPointer { all in
                    var keys = UnsafeMutableBufferPointer(rebasing: all[base..<end])
                    keys.sort { JSONKeys.order($0, $1, text, decodedText) < 0 }
                    return keys.indices.dropFirst().contains { index in
                        JSONKeys.order(keys[index - 1], keys[index], text, decodedText) == 0
                    }
                }
            }
        }
    }

    @inline(never)
    private func order(_ left: JSONKey, _ right: JSONKey, in bytes: RawSpan) -> Int {
        bytes.withUnsafeBytes { text in decoded.withUnsafeBytes { JSONKeys.order(left, right, text, $0) } }
    }

    /// Below, equal to or above 0 as `left` comes before, is or comes after `right`, in some total order.
    private static func order(
        _ left: JSONKey, _ right: JSONKey, _ text: UnsafeRawBufferPointer, _ decoded: UnsafeRawBufferPointer
    ) -> Int {
        if left.prefix != right.prefix { return left.prefix < right.prefix ? -1 : 1 }
        if left.count != right.count { return left.count < right.count ? -1 : 1 }
        if left.count <= 8 { return 0 }
        let leftBytes = bytes(of: left, text, decoded)
        let rightBytes = bytes(of: right, text, decoded)
        for (leftByte, rightByte) in zip(leftBytes, rightBytes) where leftByte != rightByte {
            return leftByte < rightByte ? -1 : 1
        }
        return 0
    }

    private static func bytes(
        of key: JSONKey, _ text: UnsafeRawBufferPointer, _ decoded: UnsafeRawBufferPointer
    ) -> UnsafeRawBufferPointer {
        let start = Int(key.start)
        return UnsafeRawBufferPointer(rebasing: (key.isDecoded ? decoded : text)[start..<(start + Int(key.count))])
    }
}
