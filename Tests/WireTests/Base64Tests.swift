import Base
import Testing
import Wire

struct Base64Tests {
    /// The vectors of RFC 4648, section 10.
    @Test(arguments: [
        ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE="),
        ("foobar", "Zm9vYmFy"),
    ])
    func vectors(_ raw: String, _ encoded: String) {
        let unpadded = String(encoded.prefix { $0 != "=" })
        for (base64, text) in [(Base64.standard, encoded), (.url, unpadded)] {
            var output = OutputBuffer()
            base64.encode(Array(raw.utf8).span.bytes, to: &output)
            #expect(output.text == text)
            #expect(base64.encodedByteCount(raw.utf8.count) == text.utf8.count)
            #expect(base64.decode(Array(text.utf8).span.bytes) == Array(raw.utf8))
        }
    }

    @Test func alphabetsDifferInTwoCharacters() {
        let raw: [UInt8] = [0xFB, 0xFF, 0xBF]
        for (base64, text) in [(Base64.standard, "+/+/"), (.url, "-_-_")] {
            var output = OutputBuffer()
            base64.encode(raw.span.bytes, to: &output)
            #expect(output.text == text)
            #expect(base64.decode(Array(text.utf8).span.bytes) == raw)
        }
        #expect(Base64.standard.decode(Array("-_-_".utf8).span.bytes) == nil)
        #expect(Base64.url.decode(Array("+/+/".utf8).span.bytes) == nil)
    }

    @Test(arguments: [
        "A", "AA", "AAA", "A===", "====", "=", "==", "AA=A", "AA==AA==", "Zg=", "Zg", "Zm8", "Zm9v=", "Zm9v====",
        "Zh==",
        "Zm9=", "Z g==", "Zg==\n", "\nZg==", "Zm9\u{0}", "Zm9é", "Zm9v!!!!",
    ])
    func standardIsStrict(_ text: String) {
        #expect(Base64.standard.decode(Array(text.utf8).span.bytes) == nil)
    }

    @Test(arguments: ["A", "AAAAA", "Zg==", "Zh", "Zm9", "Zm9v=", "Z g", "Zg\n"]) func urlIsStrict(_ text: String) {
        #expect(Base64.url.decode(Array(text.utf8).span.bytes) == nil)
    }

    @Test func everyLengthComesBack() {
        var random = SeededRandom(seed: 9)
        for count in 0..<200 {
            let raw = (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
            for base64 in [Base64.standard, .url] {
                var output = OutputBuffer()
                base64.encode(raw.span.bytes, to: &output)
                #expect(output.count == base64.encodedByteCount(count))
                #expect(base64.decode(output.array.span.bytes) == raw)
            }
        }
    }
}
