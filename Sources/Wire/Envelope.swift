package import Base

/// Where the members of a JSON frame lie that the server needs: one pass validates the whole text and notes them.
///
/// One object serves many frames, one after the other, and allocates nothing for ordinary ones. It holds offsets, not
/// bytes: every accessor must be given the bytes that were scanned, and traps if they are shorter.
/// The UTF-8 must have been validated before; other bytes never crash it.
package final class Envelope {
    /// What the frame asks for.
    package private(set) var command = Command.unknown

    private var tokens: [28 of ByteRange] = .init(repeating: ByteRange(0..<0))
    private var present: UInt32 = 0
    /// Fields whose value is a string that has escapes.
    private var escaped: UInt32 = 0
    private var runs: [18 of ByteRange] = .init(repeating: ByteRange(0..<0))
    private var runCount = 0
    private var groupRun = -1
    private var keys = JSONKeys()

    package init() {}

    /// Scans a client's frame. Its `cmd` must be a string or an integer and its `ref`, if any, as ``ref`` says.
    ///
    /// After an error the members before the fault are still there, so that the refusal can repeat `ref` and `cid`.
    package func scan(_ bytes: RawSpan) throws(EnvelopeError) {
        do {
            try scanObject(bytes)
        } catch {
            _ = dropWrongRef(in: bytes)
            throw error
        }
        if dropWrongRef(in: bytes) {
            throw .badRequest("ref must be a string or an integer of at most 64 bytes")
        }
        command = try scannedCommand(in: bytes)
    }

    /// Scans an object that need not be a frame: the members in a binary body or in the body of an HTTP request.
    ///
    /// `command` is `unknown` afterwards, whatever `cmd` says.
    package func scanMembers(_ bytes: RawSpan) throws(EnvelopeError) {
        try scanObject(bytes)
    }

    /// Longest `ref`: 64 bytes as they are written, and the quotes.
    private static let refBytesMax = 66

    /// The bytes of a member's value, quotes included; nil if the frame doesn't have it.
    @inline(__always)
    package func token(_ field: EnvelopeField) -> Range<Int>? {
        present & field.bit == 0 ? nil : tokens[Int(field.rawValue)].range
    }

    /// Whether a member's value is a string that has escapes.
    @inline(__always)
    func hasEscapes(_ field: EnvelopeField) -> Bool { escaped & field.bit != 0 }

    /// The value of `ref`, to be repeated in the answer as it is: a JSON string or integer of at most 66 bytes.
    package var ref: Range<Int>? { token(.ref) }

    // MARK: Scanning

    private func scanObject(_ bytes: RawSpan) throws(EnvelopeError) {
        command = .unknown
        present = 0
        escaped = 0
        runCount = 0
        groupRun = -1
        keys.reset()
        guard bytes.byteCount <= Int(UInt32.max) else { throw EnvelopeError(.tooLarge, "too many bytes") }
        var scanner = JSONScanner(bytes)
        scanner.skipWhitespace()
        try scanner.expect(JSONBytes.openBrace, "a frame must be an object")
        scanner.skipWhitespace()
        if scanner.current == JSONBytes.closeBrace {
            scanner.offset += 1
        } else {
            try scanTopLevel(&scanner)
        }
        scanner.skipWhitespace()
        guard scanner.offset == bytes.byteCount else { throw .badRequest("bytes after the object") }
    }

    @inline(__always)
    private func scanTopLevel(_ scanner: inout JSONScanner) throws(EnvelopeError) {
        var isRunOpen = false
        while true {
            scanner.skipWhitespace()
            let start = scanner.offset
            let key = try scanner.skipKey(keys: &keys)
            let field = EnvelopeField(key)
            // A field that is there twice is seen by its bit.
            if field == nil { try keys.note(key, base: 0, in: scanner.bytes) }
            let value = scanner.offset
            let hasEscapes = try scanner.skipValue(depth: 1, keys: &keys)
            if hasEscapes, let field { escaped |= field.bit }
            try note(field, member: start..<scanner.offset, value: value, &isRunOpen)
            scanner.skipWhitespace()
            if scanner.current == JSONBytes.comma {
                scanner.offset &+= 1
                continue
            }
            try scanner.expect(JSONBytes.closeBrace, "an object isn't closed")
            return try keys.close(base: 0, in: scanner.bytes)
        }
    }

    /// Notes a member, and the run of kept members that it begins, continues or ends.
    @inline(__always)
    private func note(
        _ field: EnvelopeField?, member: Range<Int>, value: Int, _ isRunOpen: inout Bool
    ) throws(EnvelopeError) {
        var staysOpen = true
        if let field {
            guard present & field.bit == 0 else { throw .badRequest("duplicate key") }
            present |= field.bit
            tokens[Int(field.rawValue)] = ByteRange(value..<member.upperBound)
            if EnvelopeField.dropped & field.bit != 0 {
                isRunOpen = false
                return
            }
            // `group` has a run of its own, since it is dropped or not by a `cmd` that may come later.
            if field == .group {
                isRunOpen = false
                staysOpen = false
                groupRun = runCount
            }
        }
        if isRunOpen {
            runs[runCount &- 1].extend(to: member.upperBound)
        } else {
            runs[runCount] = ByteRange(member)
            runCount &+= 1
        }
        isRunOpen = staysOpen
    }

    /// Forgets a `ref` that can't be repeated; true if there was one.
    private func dropWrongRef(in bytes: RawSpan) -> Bool {
        guard let range = ref else { return false }
        if range.count <= Envelope.refBytesMax, isStringOrInteger(bytes.extracting(range)) { return false }
        present &= ~EnvelopeField.ref.bit
        return true
    }

    private func scannedCommand(in bytes: RawSpan) throws(EnvelopeError) -> Command {
        guard let range = token(.cmd), isStringOrInteger(bytes.extracting(range)) else {
            throw .badRequest("cmd must be a string or an integer")
        }
        if !Envelope.isString(bytes, range) { return Command(number: bytes, range) }
        let inside = (range.lowerBound &+ 1)..<(range.upperBound &- 1)
        guard hasEscapes(.cmd) else { return Command(name: bytes, inside) }
        return try withDecoded(range, hasEscapes: true, in: bytes) { name throws(EnvelopeError) in
            Command(name: name, name.byteOffsets)
        }
    }

    // MARK: Members

    /// Whether the object has members that don't belong to the message itself.
    package var dropsMembers: Bool {
        present & EnvelopeField.dropped != 0 || (groupRun >= 0 && command == .typing)
    }

    /// Appends the message's own members as an object, each byte as it came: all but those that route, those
    /// that only the server sets and, for `typing`, `group`.
    package func appendMembers(of bytes: RawSpan, to output: inout OutputBuffer) {
        output.append(JSONBytes.openBrace)
        appendMembers(of: bytes, to: &output, areFirst: true)
        output.append(JSONBytes.closeBrace)
    }

    /// Appends the same members to those of an object that is being written: `,"a":1,"b":2`.
    package func appendFurtherMembers(of bytes: RawSpan, to output: inout OutputBuffer) {
        appendMembers(of: bytes, to: &output, areFirst: false)
    }

    @inline(__always)
    private func appendMembers(of bytes: RawSpan, to output: inout OutputBuffer, areFirst: Bool) {
        var needsComma = !areFirst
        for index in 0..<runCount where index != groupRun || command != .typing {
            if needsComma { output.append(JSONBytes.comma) }
            needsComma = true
            output.append(bytes.extracting(runs[index].range))
        }
    }

    /// Exactly how many bytes ``appendMembers(of:to:)`` appends.
    package var membersByteCount: Int {
        var byteCount = 2
        var kept = 0
        for index in 0..<runCount where index != groupRun || command != .typing {
            byteCount += runs[index].range.count
            kept += 1
        }
        return byteCount + max(0, kept - 1)
    }

    /// Refuses members that are more than a message may have: `content` counts as the text it is, whatever escapes it
    /// is written with, and all else as it is written, since so it is stored.
    @inline(__always)
    package func checkSize(membersByteCount: Int, in bytes: RawSpan) throws(EnvelopeError) {
        if membersByteCount > Limits.otherMembersBytesMax { try checkLargeMembers(membersByteCount, bytes) }
    }

    @inline(never)
    private func checkLargeMembers(_ byteCount: Int, _ bytes: RawSpan) throws(EnvelopeError) {
        let content = token(.content)
        guard byteCount - (content?.count ?? 0) <= Limits.otherMembersBytesMax else {
            throw EnvelopeError(.tooLarge, "a message may have at most 64 KiB besides its content")
        }
        guard let content, content.count > Limits.messageBytesMax else { return }
        let value = bytes.extracting(content)
        let isText = Envelope.isString(bytes, content)
        let contentBytes = isText ? JSONText.decodedByteCount(of: value) - 2 : value.byteCount
        guard contentBytes <= Limits.messageBytesMax else {
            throw EnvelopeError(.tooLarge, "content may have at most 1 MiB")
        }
    }
}

/// A range of bytes of a frame in half of the space of `Range<Int>`.
struct ByteRange {
    private let start: UInt32
    private var end: UInt32

    @inline(__always)
    init(_ range: Range<Int>) {
        start = UInt32(truncatingIfNeeded: range.lowerBound)
        end = UInt32(truncatingIfNeeded: range.upperBound)
    }

    @inline(__always)
    mutating func extend(to newEnd: Int) { end = UInt32(truncatingIfNeeded: newEnd) }

    @inline(__always)
    var range: Range<Int> { Range(uncheckedBounds: (Int(start), Int(end))) }
}
