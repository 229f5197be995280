import Base
import Testing
import Wire

struct MessageBodyTests {
    private func compressed(_ raw: [UInt8]) -> [UInt8] {
        var output = OutputBuffer()
        LZ4Body.compress(raw.span.bytes, to: &output)
        return output.array
    }

    /// What is stored for a body that a client sent: its form and bytes, or why it is refused.
    private func admitted(_ form: BodyForm, _ bytes: [UInt8]) -> Result<(BodyForm, [UInt8]), EnvelopeError> {
        let envelope = Envelope()
        var scratch = OutputBuffer()
        var cleaned = OutputBuffer()
        do throws(EnvelopeError) {
            switch try MessageBody(form, bytes.span.bytes)
                .admit(envelope: envelope, scratch: &scratch, cleaned: &cleaned)
            {
            case .unchanged: return .success((form, bytes))
            case .cleaned: return .success((.members, cleaned.array))
            }
        } catch {
            return .failure(error)
        }
    }

    private func code(_ form: BodyForm, _ bytes: [UInt8]) -> ErrorCode? {
        guard case .failure(let error) = admitted(form, bytes) else { return nil }
        return error.code
    }

    private func jsonMembers(_ form: BodyForm, _ bytes: [UInt8]) throws -> String {
        var output = OutputBuffer()
        var scratch = OutputBuffer()
        scratch.append("left over")
        try MessageBody(form, bytes.span.bytes).appendJSONMembers(to: &output, scratch: &scratch)
        return output.text
    }

    @Test(arguments: [
        (ContentType.members, #"{"content":"hi","x":[1]}"#, #","content":"hi","x":[1]"#), (.members, "{}", ""),
        (.members, " { } ", ""), (.members, "\n{ \"a\" : 1 \t}\r ", #","a" : 1"#),
        (.members, #"{"a":{}}"#, #","a":{}"#),
        (.text, "hi", #","content":"hi""#), (.text, "", #","content":"""#), (.text, "a\"é\n", #","content":"a\"é\n""#),
        (.opaque, "foob", #","content":"Zm9vYg==","encoding":"base64""#),
        (.opaque, "", #","content":"","encoding":"base64""#),
    ])
    func becomesMembersOfAFrame(_ type: ContentType, _ body: String, _ expected: String) throws {
        #expect(try jsonMembers(BodyForm(type), Array(body.utf8)) == expected)
        #expect(try jsonMembers(BodyForm(type, isCompressed: true), compressed(Array(body.utf8))) == expected)
        #expect(code(BodyForm(type), Array(body.utf8)) == nil)
        #expect(code(BodyForm(type, isCompressed: true), compressed(Array(body.utf8))) == nil)
        let frame = "{\"cmd\":10" + expected + ",\"id\":1}"
        #expect(refusal(of: frame) == nil)
    }

    @Test func membersThatASenderCannotSetAreDropped() throws {
        let object = Array(#"{"userid":"mallory","content":"hi","cmd":10,"seq":5,"x":1}"#.utf8)
        let clean = Array(#"{"content":"hi","x":1}"#.utf8)
        let (form, bytes) = try admitted(.members, object).get()
        #expect(form == .members && bytes == clean)
        let (secondForm, secondBytes) = try admitted(BodyForm(.members, isCompressed: true), compressed(object)).get()
        #expect(secondForm == .members && secondBytes == clean)
    }

    @Test(arguments: [#"["a"]"#, "", "null", #"{"a":1,"a":2}"#, #"{"a":"\ud800"}"#, #"{"a":01}"#, "{", #"{"a":1}x"#])
    func whatIsNoObjectIsRefused(_ text: String) {
        #expect(code(.members, Array(text.utf8)) == .badRequest)
        #expect(code(BodyForm(.members, isCompressed: true), compressed(Array(text.utf8))) == .badRequest)
    }

    @Test func textMustBeUTF8() {
        for bytes in [[0xFF], [0xC0, 0x80], [0xED, 0xA0, 0x80], Array("{\"a\":\"".utf8) + [0x80] + Array("\"}".utf8)] {
            for type in [ContentType.text, .members] {
                #expect(code(BodyForm(type), bytes) == .badRequest)
                #expect(code(BodyForm(type, isCompressed: true), compressed(bytes)) == .badRequest)
            }
            #expect(code(BodyForm(.opaque), bytes) == nil)
        }
    }

    @Test(arguments: ContentType.allCases) func brokenCompressionIsRefused(_ type: ContentType) {
        let form = BodyForm(type, isCompressed: true)
        for bytes in [[], [1, 0, 0], [5, 0, 0, 0], [5, 0, 0, 0, 0xFF, 0xFF], [9, 0, 0, 0, 0x10, 0x61]] as [[UInt8]] {
            #expect(code(form, bytes) == .badRequest)
            #expect(throws: LZ4Body.Failure.self) { try jsonMembers(form, bytes) }
        }
        #expect(code(form, [0, 0, 0x10, 1, 0]) == .tooLarge)
    }

    @Test(arguments: [-1, 0, 1]) func bodiesHaveALimit(_ difference: Int) {
        let bytes = Array(repeating: UInt8(ascii: "x"), count: Limits.messageBytesMax + difference)
        for type in [ContentType.opaque, .text] {
            #expect(code(BodyForm(type), bytes) == (difference > 0 ? .tooLarge : nil))
        }
    }

    @Test func formsAreFlags() {
        var known = 0
        for byte in UInt8.min ... .max {
            guard let form = BodyForm(rawValue: byte) else { continue }
            known += 1
            #expect(form.rawValue == byte && form.flags.contentType == form.contentType)
            #expect(BodyForm(form.contentType, isCompressed: form.isCompressed) == form)
        }
        #expect(known == 6)
        #expect(BodyForm(.members, isCompressed: true).rawValue == 0x21)
    }
}
