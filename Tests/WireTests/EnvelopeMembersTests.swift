import Base
import Testing
import Wire

struct EnvelopeMembersTests {
    @Test(arguments: [
        (#"{"cmd":10}"#, "{}"),
        (#"{"cmd":10,"dstid":"b","content":"hi"}"#, #"{"content":"hi"}"#),
        (#"{"content":"hi","cmd":10,"dstid":"b"}"#, #"{"content":"hi"}"#),
        (#"{"cmd":10,"content":"hi","media":1,"dstid":"b"}"#, #"{"content":"hi","media":1}"#),
        (#"{"content":"hi","cmd":10,"media":1}"#, #"{"content":"hi","media":1}"#),
        (#"{ "content" : "h\u0069" , "x" : [ 1 ] , "cmd":10 }"#, #"{"content" : "h\u0069" , "x" : [ 1 ]}"#),
        (#"{"a":1,"cmd":10,"b":2,"cid":"x","c":3,"ref":1,"d":4}"#, #"{"a":1,"b":2,"c":3,"d":4}"#),
        (#"{"cmd":10,"level":"accepted","device":"d","x":1}"#, #"{"x":1}"#),
        (
            #"{"cmd":10,"userid":"m","id":1,"conv":"c","cseq":1,"seq":1,"time":1,"forward":{},"edited":1}"#,
            "{}"
        ),
        (#"{"cmd":10,"x":{"cmd":1,"userid":2,"seq":3}}"#, #"{"x":{"cmd":1,"userid":2,"seq":3}}"#),
        (#"{"cmd":10,"\u0073eq":9,"x":1}"#, #"{"x":1}"#),
        (#"{"cmd":10,"group":true,"x":1}"#, #"{"group":true,"x":1}"#),
        (#"{"a":1,"group":true,"b":2,"cmd":"typing"}"#, #"{"a":1,"b":2}"#),
        (#"{"group":true,"cmd":"typing"}"#, "{}"),
        (#"{"a":1,"group":true,"b":2,"cmd":10}"#, #"{"a":1,"group":true,"b":2}"#),
        (
            #"{"cmd":10,"token":"t","user":"u","data":1,"limit":2,"after":3,"before":4,"channel":6,"encoding":7}"#,
            #"{"token":"t","user":"u","data":1,"limit":2,"after":3,"before":4,"channel":6,"encoding":7}"#
        ),
        (#"{"cmd":10,"Seq":1,"seqs":2,"se":3}"#, #"{"Seq":1,"seqs":2,"se":3}"#),
    ])
    func keepsTheMessagesOwnMembers(_ frame: String, _ expected: String) throws {
        #expect(try members(of: frame) == expected)
    }

    /// As many runs as there can be: every field that is dropped, with a member of its own between each two.
    @Test func everyFieldAtOnce() throws {
        var frame = "{\"cmd\":10"
        var expected: [String] = []
        for field in EnvelopeField.allCases {
            expected.append("\"own_\(field)\":1")
            frame += ",\"own_\(field)\":1"
            if field != .cmd { frame += ",\"\(field)\":1" }
            if field.rawValue > EnvelopeField.edited.rawValue { expected.append("\"\(field)\":1") }
        }
        frame += ",\"last\":1}"
        expected.append("\"last\":1")
        #expect(try members(of: frame) == "{" + expected.joined(separator: ",") + "}")
    }

    @Test(arguments: [
        (#"{"content":"x"}"#, false), ("{}", false), (#"{"group":true}"#, false), (#"{"x":1,"cmd":10}"#, true),
        (#"{"time":1}"#, true), (#"{"edited":1}"#, true), (#"{"x":{"time":1}}"#, false),
    ])
    func saysWhetherMembersAreDropped(_ object: String, _ drops: Bool) throws {
        let bytes = Array(object.utf8)
        let envelope = Envelope()
        try envelope.scanMembers(bytes.span.bytes)
        #expect(envelope.dropsMembers == drops)
    }
}
