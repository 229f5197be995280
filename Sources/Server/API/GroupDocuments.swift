internal import Base
internal import Store

/// The JSON of large groups that were asked for, since writing ten thousand members takes milliseconds. *Thread:* its
/// loop's.
struct GroupDocuments {
    /// Below this many members a group is written as quickly as it is looked up.
    static let membersMin = 100
    /// Bytes that are kept; above them it starts anew.
    static let bytesMax = 8 << 20

    private struct Document {
        var version: UInt64
        var bytes: [UInt8]
    }

    private var documents: [Identifier: Document] = [:]
    private(set) var byteCount = 0

    /// The JSON of a group, made if what is kept is of another version.
    mutating func json(of group: Group, make: (Group) -> [UInt8]) -> [UInt8] {
        guard group.members.count >= GroupDocuments.membersMin else { return make(group) }
        if let known = documents[group.id], known.version == group.version { return known.bytes }
        let bytes = make(group)
        byteCount += bytes.count - (documents.removeValue(forKey: group.id)?.bytes.count ?? 0)
        if byteCount > GroupDocuments.bytesMax {
            documents.removeAll()
            byteCount = bytes.count
        }
        documents[group.id] = Document(version: group.version, bytes: bytes)
        return bytes
    }
}
