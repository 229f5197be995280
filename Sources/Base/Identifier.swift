/// A user id, group id, channel name or device id: 1–64 bytes of UTF-8 without control characters, white space, `:` or
/// `/`.
///
/// The bytes lie inside the value (72 bytes), so passing and hashing one allocates nothing and counts no references.
/// Order is bytewise, as the conversation id of two users needs it.
@usableFromInline
package struct Identifier: Hashable, Comparable, Sendable {
    package static let bytesMax = 64

    @usableFromInline var words: [8 of UInt64]
    @usableFromInline let length: UInt8

    /// Validates and copies `bytes`; nil if they are not an identifier.
    package init?(_ bytes: RawSpan) {
        guard (1...Identifier.bytesMax).contains(bytes.byteCount), Identifier.isValid(bytes) else { return nil }
        self.init(trusted: bytes)
    }

    /// Validates and copies `text`; nil if it is not an identifier.
    package init?(_ text: String) {
        let bytes = Array(text.utf8)
        self.init(bytes.span.bytes)
    }

    /// Copies bytes that were validated before, such as those of a record read back from the store.
    ///
    /// Traps unless there are 1–64 bytes.
    package init(trusted bytes: RawSpan) {
        let count = bytes.byteCount
        precondition(count >= 1 && count <= Identifier.bytesMax)
        var words: [8 of UInt64] = .init(repeating: 0)
        var word = 0
        var offset = 0
        while offset + 8 <= count {
            words[word] = bytes.unsafeLoadUnaligned(fromByteOffset: offset, as: UInt64.self).littleEndian
            word += 1
            offset += 8
        }
        if offset < count { words[word] = Identifier.lastWord(bytes, from: offset) }
        self.words = words
        self.length = UInt8(count)
    }

    /// The bytes from `offset` on, less than eight, as a word lies in memory, little-endian.
    @inline(__always)
    private static func lastWord(_ bytes: RawSpan, from offset: Int) -> UInt64 {
        var word: UInt64 = 0
        var shift: UInt64 = 0
        for offset in offset..<bytes.byteCount {
            word |= UInt64(bytes.unsafeLoadUnaligned(fromByteOffset: offset, as: UInt8.self)) << shift
            shift += 8
        }
        return word
    }

    /// Whether these are the bytes of this identifier.
    package func consists(of bytes: RawSpan) -> Bool {
        let count = bytes.byteCount
        guard count == self.count else { return false }
        var word = 0
        var offset = 0
        while offset + 8 <= count {
            let other = bytes.unsafeLoadUnaligned(fromByteOffset: offset, as: UInt64.self).littleEndian
            if words[word] != other { return false }
            word += 1
            offset += 8
        }
        return offset == count || words[word] == Identifier.lastWord(bytes, from: offset)
    }

    /// Number of UTF-8 bytes.
    @inlinable package var count: Int { Int(length) }

    /// Calls `body` with the UTF-8 bytes; the span is valid only for the call.
    @inlinable
    package func withBytes<Result>(_ body: (RawSpan) throws -> Result) rethrows -> Result {
        try withUnsafeBytes(of: words) { raw in
            try body(RawSpan(_unsafeBytes: UnsafeRawBufferPointer(rebasing: raw[0..<Int(length)])))
        }
    }

    @usableFromInline
    package static func == (left: Identifier, right: Identifier) -> Bool {
        guard left.length == right.length else { return false }
        var word = 0
        while word * 8 < left.count {
            if left.words[word] != right.words[word] { return false }
            word += 1
        }
        return true
    }

    @usableFromInline
    package static func < (left: Identifier, right: Identifier) -> Bool {
        for word in 0..<8 where left.words[word] != right.words[word] {
            return left.words[word].byteSwapped < right.words[word].byteSwapped
        }
        return left.length < right.length
    }

    @usableFromInline
    package func hash(into hasher: inout Hasher) {
        hasher.combine(hash64)
    }

    /// A 64-bit hash, keyed per process so that clients can't choose ids that collide.
    package var hash64: UInt64 {
        var hash = HashKey.process.first ^ UInt64(length)
        var word = 0
        while word * 8 < count {
            hash = foldedMultiply(hash ^ words[word], HashKey.process.second)
            word += 1
        }
        return foldedMultiply(hash, 0x9E37_79B9_7F4A_7C15)
    }

    private static func isValid(_ bytes: RawSpan) -> Bool {
        let text = Span<UInt8>(_bytes: bytes)
        var isASCII = true
        for index in text.indices {
            let byte = text[index]
            if byte >= 0x80 { isASCII = false; continue }
            if byte <= 0x20 || byte == 0x7F || byte == UInt8(ascii: ":") || byte == UInt8(ascii: "/") { return false }
        }
        if isASCII { return true }
        guard let utf8 = try? UTF8Span(validating: text) else { return false }
        var scalars = utf8.makeUnicodeScalarIterator()
        while let scalar = scalars.next() {
            if scalar.properties.isWhitespace || scalar.properties.generalCategory == .control { return false }
        }
        return true
    }
}

extension Identifier: CustomStringConvertible {
    @usableFromInline
    package var description: String {
        withBytes { bytes in bytes.withUnsafeBytes { String(decoding: $0, as: UTF8.self) } }
    }
}
