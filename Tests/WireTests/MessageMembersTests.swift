import Base
import Testing
import Wire

struct MessageMembersTests {
    private func edited(_ form: BodyForm, _ old: [UInt8], _ edit: String) -> String? {
        let edit = Array(edit.utf8)
        return MessageMembers.edited(MessageBody(form, old.span.bytes), by: edit.span.bytes, at: 7)
            .map { String(decoding: $0, as: UTF8.self) }
    }

    private func edited(_ old: String, _ edit: String) -> String? { edited(.members, Array(old.utf8), edit) }

    @Test func fieldsOfTheSameNameAreReplacedAndOthersStay() {
        #expect(edited(#"{"a":1,"b":{"c":[2]}}"#, #"{"b":3}"#) == #"{"a":1,"b":3,"edited":7}"#)
        #expect(edited(#" { "a" : 1 , "b":2 } "#, #"{ "b" : null }"#) == #"{"a" : 1,"b" : null,"edited":7}"#)
        #expect(edited("{}", #"{"x":"y"}"#) == #"{"x":"y","edited":7}"#)
        #expect(edited(#"{"a":1,"edited":3}"#, #"{"a":2}"#) == #"{"a":2,"edited":7}"#)
    }

    @Test func namesAreComparedDecoded() {
        #expect(edited(#"{"\u0061":1,"é":2}"#, #"{"a":3,"\u00e9":4}"#) == #"{"a":3,"\u00e9":4,"edited":7}"#)
        #expect(edited(#"{"a\"b":1}"#, #"{"a\u0022b":2}"#) == #"{"a\u0022b":2,"edited":7}"#)
    }

    @Test func textAndOpaqueBodiesBecomeMembers() {
        let text = Array("a\"b".utf8)
        #expect(edited(BodyForm(.text), text, #"{"m":1}"#) == #"{"content":"a\"b","m":1,"edited":7}"#)
        #expect(edited(BodyForm(.text), text, #"{"content":"c"}"#) == #"{"content":"c","edited":7}"#)
        let opaque = edited(BodyForm(.opaque), [0, 255], #"{"m":1}"#)
        #expect(opaque == #"{"content":"AP8=","encoding":"base64","m":1,"edited":7}"#)
        #expect(edited(BodyForm(.opaque), [0, 255], #"{"content":"c"}"#) == #"{"content":"c","edited":7}"#)
        var compressed = OutputBuffer()
        LZ4Body.compress(text.span.bytes, to: &compressed)
        let form = BodyForm(.text, isCompressed: true)
        #expect(edited(form, compressed.array, #"{"m":1}"#) == #"{"content":"a\"b","m":1,"edited":7}"#)
    }

    @Test func newContentMayBringItsEncoding() {
        let edit = #"{"content":"AA==","encoding":"base64"}"#
        #expect(edited(#"{"content":"x","encoding":"rot13"}"#, edit) == edit.dropLast() + #","edited":7}"#)
    }

    @Test func whatIsTooLargeIsNotMerged() {
        let large = #"{"a":"\#(String(repeating: "x", count: Limits.messageBytesMax))"}"#
        let edit = #"{"b":"\#(String(repeating: "y", count: Limits.messageBytesMax))"}"#
        #expect(edited(large, edit) == nil)
        #expect(edited(large, #"{"b":1}"#) != nil)
        let bytes = Array(edit.utf8)
        let alone = MessageMembers.edited(onlyBy: bytes.span.bytes, at: 7)
        #expect(String(decoding: alone, as: UTF8.self) == edit.dropLast() + #","edited":7}"#)
    }

    @Test(arguments: [
        (#"{"a":1}"#, nil), ("{}", ErrorCode.badRequest), (#"{"name":1}"#, .badRequest),
        (#"{"n\u0061me":1}"#, .badRequest), (#"{"names":1}"#, nil),
    ] as [(String, ErrorCode?)])
    func editsAreChecked(edit: String, code: ErrorCode?) {
        let bytes = Array(edit.utf8)
        var refusal: ErrorCode?
        do throws(EnvelopeError) {
            try MessageMembers.checkEdit(bytes.span.bytes)
        } catch {
            refusal = error.code
        }
        #expect(refusal == code)
    }

    @Test func aForwardSaysWhereItComesFromOnce() {
        let old = Array(#"{"forward":{"conv":"x"},"content":"c","edited":3,"k":[1]}"#.utf8)
        let origin = Array(#"{"cseq":1}"#.utf8)
        let copy = MessageMembers.forwarded(MessageBody(.members, old.span.bytes), origin: origin.span.bytes)
        #expect(
            copy.map { String(decoding: $0, as: UTF8.self) } == #"{"forward":{"cseq":1},"content":"c","k":[1]}"#)
        let empty: [UInt8] = []
        let bare = MessageMembers.forwarded(MessageBody(BodyForm(.text), empty.span.bytes), origin: origin.span.bytes)
        #expect(bare.map { String(decoding: $0, as: UTF8.self) } == #"{"forward":{"cseq":1},"content":""}"#)
    }

    @Test func onlyTheServerMakesARecalledBody() {
        let recalled = Array(MessageMembers.recalled)
        recalled.withUnsafeBytes { bytes in
            #expect(MessageMembers.isRecalled(BodyForm.members.rawValue, bytes))
            #expect(!MessageMembers.isRecalled(BodyForm(.text).rawValue, bytes))
        }
        var scratch = OutputBuffer()
        var cleaned = OutputBuffer()
        var compressed = OutputBuffer()
        LZ4Body.compress(recalled.span.bytes, to: &compressed)
        let forms: [(BodyForm, [UInt8])] = [
            (.members, recalled), (BodyForm(.members, isCompressed: true), compressed.array),
        ]
        for (form, bytes) in forms {
            cleaned.removeAll()
            let admission = try? MessageBody(form, bytes.span.bytes)
                .admit(envelope: Envelope(), scratch: &scratch, cleaned: &cleaned)
            #expect(admission == .cleaned && cleaned.text == "{}")
        }
    }
}
