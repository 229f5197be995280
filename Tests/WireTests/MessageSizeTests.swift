import Base
import Testing

@testable import Wire

struct MessageSizeTests {
    private func code(_ json: String) -> ErrorCode? {
        let envelope = Envelope()
        let bytes = Array(json.utf8)
        do throws(EnvelopeError) {
            try envelope.scanMembers(bytes.span.bytes)
            try envelope.checkSize(membersByteCount: envelope.membersByteCount, in: bytes.span.bytes)
            return nil
        } catch {
            return error.code
        }
    }

    private func repeated(_ text: String, _ count: Int) -> String { String(repeating: text, count: count) }

    @Test(
        "content counts as the text it is, however it is written",
        arguments: [
            ("x", 1), (#"\n"#, 1), (#"\u0041"#, 1), (#"\""#, 1), ("é", 2), (#"\u00e9"#, 2), (#"\u20AC"#, 3),
            (#"\ud83d\ude00"#, 4),
        ])
    func content(_ unit: String, _ width: Int) {
        let fitting = Limits.messageBytesMax / width
        let rest = repeated("x", Limits.messageBytesMax % width)
        #expect(code(#"{"content":"\#(rest)\#(repeated(unit, fitting))"}"#) == nil)
        #expect(code(#"{"content":"\#(rest)\#(repeated(unit, fitting))x"}"#) == .tooLarge)
    }

    @Test("All else counts as it is written, together")
    func others() {
        let frame = #"{"memo":"","content":"c","pic":""}"#.utf8.count - 3
        let room = Limits.otherMembersBytesMax - frame
        for (count, expected) in [(room - 1, nil), (room, nil), (room + 1, ErrorCode.tooLarge)] {
            let memo = repeated("m", 100), pic = repeated("p", count - 100)
            #expect(code(#"{"memo":"\#(memo)","content":"c","pic":"\#(pic)"}"#) == expected)
            #expect(code(#"{"pic":"\#(pic)","memo":"\#(memo)","cid":"dropped","content":"c"}"#) == expected)
        }
        #expect(code(#"{"memo":"\#(repeated(#"\n"#, Limits.otherMembersBytesMax / 2))"}"#) == .tooLarge)
    }

    @Test("What isn't text counts as it is written")
    func value() {
        #expect(code(#"{"content":["\#(repeated("x", Limits.messageBytesMax - 4))"]}"#) == nil)
        #expect(code(#"{"content":["\#(repeated("x", Limits.messageBytesMax - 3))"]}"#) == .tooLarge)
    }
}
