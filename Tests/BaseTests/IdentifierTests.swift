import Base
import Testing

struct IdentifierTests {
    @Test("An identifier consists of its own bytes and of no others, whatever its length")
    func bytes() throws {
        for length in 1...Identifier.bytesMax {
            let text = String((0..<length).map { Character(UnicodeScalar(UInt8(97 + $0 % 26))) })
            let id = try #require(Identifier(text))
            var bytes = Array(text.utf8)
            func consists(of bytes: [UInt8]) -> Bool { id.consists(of: bytes.span.bytes) }
            #expect(consists(of: bytes))
            #expect(!consists(of: bytes + [97]))
            #expect(!consists(of: bytes.dropLast()))
            for index in bytes.indices {
                bytes[index] ^= 1
                #expect(!consists(of: bytes))
                bytes[index] ^= 1
            }
        }
    }

    @Test(arguments: ["a", "user_a", "Ünïcode-日本", String(repeating: "x", count: 64), "a.b@c"])
    func keepsItsText(_ text: String) throws {
        let identifier = try #require(Identifier(text))
        #expect(identifier.description == text)
        #expect(identifier.count == text.utf8.count)
    }

    @Test(arguments: ["", "a b", "a:b", "a/b", "a\u{0}", "a\u{7F}", "a\u{85}", "a\u{2003}b", "\u{3000}", String(repeating: "x", count: 65)])
    func refuses(_ text: String) {
        #expect(Identifier(text) == nil)
    }

    @Test func refusesInvalidUTF8() {
        let bytes: [UInt8] = [0x61, 0xC0, 0x80]
        #expect(Identifier(bytes.span.bytes) == nil)
    }

    @Test func ordersBytewise() throws {
        let texts = ["a", "aa", "aaaaaaaab", "b", "user_10", "user_9", "é"]
        for left in texts {
            for right in texts {
                let a = try #require(Identifier(left)), b = try #require(Identifier(right))
                #expect((a < b) == Array(left.utf8).lexicographicallyPrecedes(Array(right.utf8)))
                #expect((a == b) == (left == right))
            }
        }
    }
}
