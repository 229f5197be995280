import Base
import LoadGenerator
import Testing
import Wire

@Suite struct MessageTemplateTests {
    @Test func aTypingFrameHasTheSizeAskedFor() throws {
        let template = try MessageTemplate.json(.typing, to: "bench-ab12-99", size: 64)
        #expect(template.count == 64)
        let text = String(decoding: template.stamped(7), as: UTF8.self)
        #expect(text.hasPrefix(#"{"cmd":"typing","dstid":"bench-ab12-99","at":"000000000007"#))
        #expect(text.hasSuffix("\"}"))
    }

    @Test func aTypingFrameIsNoSmallerThanItsMembers() throws {
        #expect(try MessageTemplate.json(.typing, to: "b", size: 0).count == 48)
    }

    @Test func aStoredMessageCarriesContentOfTheSizeAskedFor() throws {
        let template = try MessageTemplate.json(.durable, to: "b", size: 100)
        let text = String(decoding: template.stamped(1), as: UTF8.self)
        let content = try #require(text.firstRange(of: "\"content\":\""))
        #expect(text[content.upperBound...].utf8.count == 100 + 2)
        #expect(text.contains(#""cid":"000000000001""#))
    }

    @Test(arguments: [false, true])
    func aBinarySendReadsBackWithItsStamp(isCompressed: Bool) throws {
        let template = try MessageTemplate.binary(.durable, to: "bob", size: 200, isCompressed: isCompressed)
        let bytes = template.stamped(0xABC)
        let header = try BinaryHeader(message: RawSpan(_unsafeBytes: bytes))
        let payload = UnsafeRawBufferPointer(rebasing: bytes[BinaryHeader.byteCount...])
        let request = try BinaryRequest(header, payload: RawSpan(_unsafeBytes: payload))
        guard case .send(let send, let range) = request else {
            Issue.record("no SEND")
            return
        }
        #expect(send.cid == 0xABC)
        #expect(header.flags.isCompressed == isCompressed)
        let body = UnsafeRawBufferPointer(rebasing: payload[range])
        #expect(Stamp.read(body, at: template.stampDepth) == 0xABC)
        var raw = OutputBuffer()
        if isCompressed {
            try LZ4Body.decompress(RawSpan(_unsafeBytes: body), to: &raw)
        } else {
            raw.append(body)
        }
        #expect(raw.count == 200)
        #expect(Stamp.read(raw.unsafeBytes, at: 0) == 0xABC)
    }
}
