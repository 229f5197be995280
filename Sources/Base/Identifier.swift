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
    /// Whether no byte is `"` or `\`, so that the id can stand between quotes as it is.
    package let isPlain: Bool

    /// Validates and copies `bytes`; nil if they are not an identifier.
    package init?(_ bytes: RawSpan) {
        guard bytes.byteCount >= 1 && bytes.byteCount <= Identifier.bytesMax else { return nil }
        guard Identifier.isValid(bytes) else { return nil }
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
        var quotes: UInt64 = 0
        var word = 0
        var offset = 0
        while offset &+ 8 <= count {
            let next = bytes.unsafeLoadUnaligned(fromUncheckedByteOffset: offset, as: UInt64.self).littleEndian
            words[word] = next
            quotes |= Identifier.quotes(in: next)
            word &+= 1
            offset &+= 8
        }
        if offset < count {
            let last = Identifier.tail(bytes, from: offset)
            words[word] = last
            quotes |= Identifier.quotes(in: last)
        }
        self.words = words
        self.length = UInt8(truncatingIfNeeded: count)
        self.isPlain = quotes == 0
    }

    /// Not zero if one of eight bytes is `"` or `\`.
    @inline(__always)
    private static func quotes(in word: UInt64) -> UInt64 {
        let ones: UInt64 = 0x0101_0101_0101_0101
        let quote = (word ^ ones &* UInt64(UInt8(ascii: "\""))) &- ones
        let backslash = (word ^ ones &* UInt64(UInt8(ascii: "\\"))) &- ones
        return (quote | backslash) & ~word & 0x8080_8080_8080_8080
    }

    /// The last one to seven bytes as a word.
    @inline(__always)
    private static func tail(_ bytes: RawSpan, from offset: Int) -> UInt64 {
        let count = bytes.byteCount
        if count >= 8 {
            let last = bytes.unsafeLoadUnaligned(fromByteOffset: count &- 8, as: UInt64.self).littleEndian
            return last &>> UInt64((offset &+ 8 &- count) &* 8)
        }
        var tail: UInt64 = 0
        for index in offset..<count {
            let byte = bytes.unsafeLoadUnaligned(fromByteOffset: index, as: UInt8.self)
            tail |= UInt64(byte) &<< UInt64((index &- offset) &* 8)
        }
        return tail
    }

    /// Whether these are the bytes of this identifier.
    package func consists(of bytes: RawSpan) -> Bool {
        let count = bytes.byteCount
        guard count == self.count else { return false }
        var word = 0
        var offset = 0
        while offset &+ 8 <= count {
            let other = bytes.unsafeLoadUnaligned(fromUncheckedByteOffset: offset, as: UInt64.self).littleEndian
            if words[word] != other { return false }
            word &+= 1
            offset &+= 8
        }
        return offset == count || words[word] == Identifier.tail(bytes, from: offset)
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
        while word &* 8 < left.count {
            if left.words[word] != right.words[word] { return false }
            word &+= 1
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

    /// Whether no byte is a control, a space, `:` or `/`, and all else is UTF-8 without white space and controls.
    private static func isValid(_ bytes: RawSpan) -> Bool {
        let count = bytes.byteCount
        var seen: UInt64 = 0
        var offset = 0
        while offset &+ 8 <= count {
            let word = bytes.unsafeLoadUnaligned(fromUncheckedByteOffset: offset, as: UInt64.self).littleEndian
            if hasForbidden(word) { return false }
            seen |= word
            offset &+= 8
        }
        if offset < count {
            // Bytes beyond the end become letters.
            let word = tail(bytes, from: offset) | 0x6161_6161_6161_6161 &<< UInt64((count &- offset) &* 8)
            if hasForbidden(word) { return false }
            seen |= word
        }
        return seen & 0x8080_8080_8080_8080 == 0 || isValidText(bytes)
    }

    /// Whether one of eight bytes is up to 0x20, 0x7F, `:` or `/`.
    @inline(__always)
    private static func hasForbidden(_ word: UInt64) -> Bool {
        let ones: UInt64 = 0x0101_0101_0101_0101
        // Below 0x80 these differences borrow from no neighbour before the lowest byte that is found.
        let control = word &- ones &* 0x21
        let delete = (word ^ ones &* 0x7F) &- ones
        let colon = (word ^ ones &* UInt64(UInt8(ascii: ":"))) &- ones
        let slash = (word ^ ones &* UInt64(UInt8(ascii: "/"))) &- ones
        return (control | delete | colon | slash) & ~word & 0x8080_8080_8080_8080 != 0
    }

    @inline(never)
    private static func isValidText(_ bytes: RawSpan) -> Bool {
        guard let utf8 = try? UTF8Span(validating: Span<UInt8>(_bytes: bytes)) else { return false }
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
