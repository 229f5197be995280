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
