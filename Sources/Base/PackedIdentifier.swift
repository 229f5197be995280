/// An identifier at rest: one pointer to memory of just the length that is needed, for what is kept by the thousand.
///
/// Copies share that memory.
package struct PackedIdentifier: Sendable {
    /// The length and the bytes; written once, before anybody else sees them.
    private nonisolated(unsafe) let storage: ManagedBuffer<UInt8, UInt8>

    package init(_ identifier: Identifier) {
        storage = ManagedBuffer<UInt8, UInt8>.create(minimumCapacity: identifier.count) { _ in UInt8(identifier.count) }
        storage.withUnsafeMutablePointerToElements { elements in
            let room = UnsafeMutableRawBufferPointer(start: elements, count: identifier.count)
            identifier.withBytes { bytes in bytes.withUnsafeBytes { room.copyMemory(from: $0) } }
        }
    }

    /// The identifier, to be passed on.
    package var identifier: Identifier {
        storage.withUnsafeMutablePointers { count, elements in
            let bytes = UnsafeRawBufferPointer(start: elements, count: Int(count.pointee))
            return Identifier(trusted: RawSpan(_unsafeBytes: bytes))
        }
    }

    package static func == (left: PackedIdentifier, right: PackedIdentifier) -> Bool {
        left.storage === right.storage || left.identifier == right.identifier
    }

    package static func == (left: PackedIdentifier, right: Identifier) -> Bool { left.identifier == right }
}

/// Packs identifiers of which most are the same, such as the devices of clients that don't name theirs: whoever
/// equals the one before shares its memory.
package struct IdentifierPacker {
    private var last: PackedIdentifier?

    package init() {}

    /// The identifier, packed; shares memory with the one before if they are equal.
    package mutating func pack(_ identifier: Identifier) -> PackedIdentifier {
        if let last, last == identifier { return last }
        let packed = PackedIdentifier(identifier)
        last = packed
        return packed
    }
}

/// An identifier in 25 bytes, as long as it has at most 23 of its own: those need no memory elsewhere, so comparing
/// touches none. A longer one is packed.
package enum CompactIdentifier: Sendable {
    /// The count lies in the last byte.
    case inPlace(UInt64, UInt64, UInt64)
    case packed(PackedIdentifier)

    private static let inPlaceMax = 23

    package init(_ identifier: Identifier) {
        guard identifier.count <= CompactIdentifier.inPlaceMax else {
            self = .packed(PackedIdentifier(identifier))
            return
        }
        self = .inPlace(identifier.words[0], identifier.words[1], CompactIdentifier.last(identifier))
    }

    private static func last(_ identifier: Identifier) -> UInt64 {
        identifier.words[2] | UInt64(identifier.count) << 56
    }

    /// The identifier, to be passed on.
    package var identifier: Identifier {
        switch self {
        case .packed(let packed): return packed.identifier
        case .inPlace(let first, let second, let last):
            let words: [3 of UInt64] = [first.littleEndian, second.littleEndian, last.littleEndian]
            return Identifier(trusted: words.span.bytes.extracting(0..<Int(last >> 56)))
        }
    }

    package static func == (left: CompactIdentifier, right: Identifier) -> Bool {
        switch left {
        case .inPlace(let first, let second, let last):
            right.count <= inPlaceMax && first == right.words[0] && second == right.words[1]
                && last == CompactIdentifier.last(right)
        case .packed(let packed): packed == right
        }
    }
}
