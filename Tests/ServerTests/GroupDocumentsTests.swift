import Base
import Store
import Testing

@testable import Server

struct GroupDocumentsTests {
    private func group(_ id: String, version: UInt64, members: Int) throws -> Group {
        var all: [Identifier: GroupRole] = [:]
        for number in 0..<members { all[try #require(Identifier("\(number)"))] = .member }
        return Group(id: try #require(Identifier(id)), name: id, version: version, members: all)
    }

    @Test("A large group is written once a version, a small one each time and kept nowhere")
    func versions() throws {
        var documents = GroupDocuments()
        var made = 0
        func get(_ group: Group) -> [UInt8] {
            documents.json(of: group) { group in
                made += 1
                return Array("\(group.version)".utf8)
            }
        }
        let large = try group("g", version: 1, members: GroupDocuments.membersMin)
        for _ in 0..<3 { #expect(get(large) == Array("1".utf8)) }
        #expect(made == 1)
        let changed = try group("g", version: 2, members: GroupDocuments.membersMin)
        for _ in 0..<3 { #expect(get(changed) == Array("2".utf8)) }
        #expect(made == 2 && documents.byteCount == 1)
        let small = try group("s", version: 1, members: GroupDocuments.membersMin - 1)
        for _ in 0..<3 { _ = get(small) }
        #expect(made == 5 && documents.byteCount == 1)
    }

    @Test("What is kept stays below its limit")
    func limit() throws {
        var documents = GroupDocuments()
        let bytes = GroupDocuments.bytesMax / 3
        var made = 0
        for round in 0..<2 {
            for number in 0..<4 {
                let group = try group("g\(number)", version: UInt64(round), members: GroupDocuments.membersMin)
                let json = documents.json(of: group) { _ in
                    made += 1
                    return Array(repeating: UInt8(number), count: bytes)
                }
                #expect(json.first == UInt8(number))
                #expect(documents.byteCount <= GroupDocuments.bytesMax)
            }
        }
        #expect(made == 8)
    }
}
