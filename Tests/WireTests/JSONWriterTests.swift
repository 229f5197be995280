import Base
import Testing
import Wire

struct JSONWriterTests {
    @Test(arguments: [
        ("", #""""#), ("a", #""a""#), ("\"", #""\"""#), ("\\", #""\\""#), ("/", #""/""#),
        ("\n\r\t\u{8}\u{C}", #""\n\r\t\b\f""#),
        ("\0", #""\u0000""#), ("\u{1F}", #""\u001f""#), ("\u{B}", #""\u000b""#), ("\u{7F}", "\"\u{7F}\""),
        ("é日😀", #""é日😀""#), ("1234567", #""1234567""#), ("12345678", #""12345678""#), ("1234567\"", #""1234567\"""#),
        ("12345678\"9", #""12345678\"9""#), ("\"\"\"\"\"\"\"\"\"", #""\"\"\"\"\"\"\"\"\"""#),
    ])
    func writesStrings(_ text: String, _ expected: String) {
        var output = OutputBuffer()
        output.appendJSONString(text)
        #expect(output.text == expected)
    }

    @Test func writesIdentifiers() throws {
        var output = OutputBuffer()
        output.appendJSONString(try #require(Identifier("a\"b")))
        #expect(output.text == #""a\"b""#)
    }

    /// Each byte that needs an escape, and its neighbours, at each place in and around a word.
    @Test func everyByteAtEveryPlaceComesBack() throws {
        let envelope = Envelope()
        for byte: UInt8 in 0..<0x80 {
            for place in 0..<18 {
                var text = Array(repeating: UInt8(ascii: "x"), count: 18)
                text[place] = byte
                var output = OutputBuffer()
                output.append("{\"content\":")
                output.appendJSONString(text.span.bytes)
                output.append("}")
                let frame = output.array
                try envelope.scanMembers(frame.span.bytes)
                let read = try envelope.string(.content, in: frame.span.bytes)
                #expect(read.map { Array($0.utf8) } == text)
            }
        }
    }
}
