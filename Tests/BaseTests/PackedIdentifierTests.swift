import Base
import Testing

struct PackedIdentifierTests {
    @Test(arguments: ["a", "default", "12345678", "ü-0123456789abcdef", String(repeating: "x", count: 64)])
    func comesBackAsItWas(_ text: String) throws {
        let identifier = try #require(Identifier(text))
        let packed = PackedIdentifier(identifier)
        #expect(packed.identifier == identifier)
        #expect(packed == identifier)
        #expect(packed == PackedIdentifier(identifier))
    }

    /// 22 to 24 bytes: where the compact form begins to need memory of its own.
    static let lengths: [String] = (22...24).map { String(repeating: "y", count: $0) }

    @Test(arguments: ["a", "12345678", "ü-0123456789abcdef", String(repeating: "x", count: 64)] + lengths)
    func comesBackFromTheCompactForm(_ text: String) throws {
        let identifier = try #require(Identifier(text))
        let compact = CompactIdentifier(identifier)
        #expect(compact.identifier == identifier && compact == identifier)
        for other in [text + "y", String(text.dropLast()) + "z", "y" + text, String(text.dropLast())] {
            if let other = Identifier(other) { #expect(!(compact == other)) }
        }
    }

    @Test func strangersDiffer() throws {
        let first = try #require(Identifier("phone")), second = try #require(Identifier("phones"))
        #expect(!(PackedIdentifier(first) == second))
        #expect(!(PackedIdentifier(first) == PackedIdentifier(second)))
    }

    @Test func aPackerGivesEachItsOwn() throws {
        let first = try #require(Identifier("phone")), second = try #require(Identifier("web"))
        var packer = IdentifierPacker()
        for identifier in [first, first, second, first] { #expect(packer.pack(identifier) == identifier) }
    }

    /// Each connection has one, so growth here is growth there.
    @Test func anOutputBufferIsSmall() { #expect(MemoryLayout<OutputBuffer>.size == 20) }

    @Test func aLentBlockGoesBackAndForth() {
        var pool = BlockPool()
        var buffer = OutputBuffer()
        for _ in 0..<3 {
            pool.lend(to: &buffer)
            buffer.append("hello")
            #expect(buffer.count == 5)
            // Already has memory: what is written stays.
            pool.lend(to: &buffer)
            #expect(buffer.count == 5)
            buffer.discardFirst(5)
            pool.takeBack(from: &buffer)
            #expect(buffer.count == 0)
        }
        // Grown beyond a block: given back to the system.
        pool.lend(to: &buffer)
        for _ in 0..<1_000 { buffer.append("0123456789") }
        buffer.discardFirst(10_000)
        pool.takeBack(from: &buffer)
        buffer.append("still usable")
        #expect(buffer.count == 12)
    }
}
