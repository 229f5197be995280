import Base
import Testing
import Wire

struct EnvelopeValuesTests {
    @Test(arguments: [
        ("0", Command.heartbeat), ("10", .privateMessage), ("11", .groupMessage), (#""confirm""#, .confirm),
        (#""fetch""#, .fetch), (#""history""#, .history), (#""read""#, .read), (#""status""#, .status),
        (#""watch""#, .watch), (#""unwatch""#, .unwatch), (#""typing""#, .typing), (#""edit""#, .edit),
        (#""recall""#, .recall), (#""forward""#, .forward), (#""subscribe""#, .subscribe),
        (#""unsubscribe""#, .unsubscribe), (#""publish""#, .publish), (#""connect""#, .connect),
        (#""\u0063onfirm""#, .confirm), ("1", .unknown), ("12", .unknown), ("-0", .unknown), ("100", .unknown),
        ("1010", .unknown), ("10000000000000000000000000000000", .unknown), (#""10""#, .unknown), (#""""#, .unknown),
        (#""Confirm""#, .unknown), (#""confirm\u0000""#, .unknown), (#""subscribes""#, .unknown),
        (#""readx""#, .unknown), (#""unsubscribeunsubscribe""#, .unknown),
    ])
    func knowsCommands(_ token: String, _ command: Command) throws {
        #expect(try value(in: "{\"cmd\":\(token)}") { envelope, _ in envelope.command } == command)
        #expect(try value(in: "{\"x\":{\"cmd\":1},\"cmd\":\(token)}") { envelope, _ in envelope.command } == command)
    }

    @Test(arguments: [
        "{}", "{\"x\":1}", "{\"cmd\":null}", "{\"cmd\":true}", "{\"cmd\":[]}", "{\"cmd\":{}}",
        "{\"cmd\":1.0}", "{\"cmd\":1e1}", "{\"x\":{\"cmd\":0}}", "{\"Cmd\":0}",
    ])
    func needsACommand(_ text: String) {
        #expect(refusal(of: text)?.code == .badRequest)
    }

    @Test func needsNoCommandOutsideOfFrames() {
        let envelope = Envelope()
        for text in ["{}", " { } ", "{\"cmd\":null}", "{\"ref\":[]}"] {
            #expect(scansAsObject(Array(text.utf8), with: envelope))
            #expect(envelope.command == .unknown)
        }
        #expect(!scansAsObject(Array("[]".utf8), with: envelope))
    }

    @Test(arguments: [
        (#""bob""#, "bob"), (#""b\u006fb""#, "bob"), (#""\ud83d\ude00""#, "😀"), ("7", "7"), ("-7", "-7"), ("0", "0"),
        ("12345678901234567890123", "12345678901234567890123"), (#""a\"b""#, "a\"b"), (#""\u00e9""#, "é"),
    ])
    func readsIdentifiers(_ token: String, _ expected: String) throws {
        let id = try value(in: "{\"cmd\":10,\"dstid\":\(token)}") { envelope, bytes throws(EnvelopeError) in
            try envelope.identifier(.dstid, in: bytes)
        }
        #expect(id?.description == expected)
    }

    @Test(arguments: [
        #""""#, #"" ""#, #""a b""#, #""a:b""#, #""a/b""#, #""a\nb""#, #""\u00a0""#, #""\u0000""#, "1.0", "1e3", "-0",
        "true", "null", "[]", "{}", "\"" + String(repeating: "x", count: 65) + "\"", String(repeating: "1", count: 65),
    ])
    func refusesIdentifiers(_ token: String) {
        #expect(throws: EnvelopeError.self) {
            try value(in: "{\"cmd\":10,\"dstid\":\(token)}") { envelope, bytes throws(EnvelopeError) in
                try envelope.identifier(.dstid, in: bytes)
            }
        }
    }

    @Test(arguments: [63, 64, 65]) func identifiersHaveAtMost64Bytes(_ count: Int) throws {
        let escaped = String(repeating: "\\u0061", count: count)
        for token in [
            "\"\(String(repeating: "x", count: count))\"", "\"\(escaped)\"", String(repeating: "9", count: count),
        ] {
            let id = try? value(in: "{\"cmd\":10,\"dstid\":\(token)}") { envelope, bytes throws(EnvelopeError) in
                try envelope.identifier(.dstid, in: bytes)
            }
            #expect(id?.count == (count <= 64 ? count : nil))
        }
    }

    @Test(
        arguments: [
            ("0", 0), ("7", 7), ("18446744073709551615", UInt64.max), ("18446744073709551616", nil), ("-1", nil),
            ("-0", nil), ("1.0", nil), ("1e2", nil), (#""1""#, nil), ("true", nil), ("null", nil), ("[1]", nil),
            ("99999999999999999999999", nil), ("184467440737095516150", nil),
        ] as [(String, UInt64?)])
    func readsUnsigned(_ token: String, _ expected: UInt64?) throws {
        let number = try? value(in: "{\"cmd\":\"confirm\",\"seq\":\(token)}") { envelope, bytes throws(EnvelopeError) in
            try envelope.unsigned(.seq, in: bytes)
        }
        #expect(number == expected)
    }

    @Test(
        arguments: [("true", true), ("false", false), ("0", nil), (#""true""#, nil), ("null", nil)] as [(String, Bool?)]
    )
    func readsFlags(_ token: String, _ expected: Bool?) {
        let flag = try? value(in: "{\"cmd\":\"typing\",\"group\":\(token)}") { envelope, bytes throws(EnvelopeError) in
            try envelope.bool(.group, in: bytes)
        }
        #expect(flag == expected)
    }

    @Test func absentMembersAreNil() throws {
        try value(in: #"{"cmd":10,"x":{"dstid":"b","seq":1,"group":true,"cid":"c","users":[]}}"#) {
            envelope, bytes throws(EnvelopeError) in
            let id = try envelope.identifier(.dstid, in: bytes)
            let number = try envelope.unsigned(.seq, in: bytes)
            let flag = try envelope.bool(.group, in: bytes)
            let text = try envelope.string(.content, in: bytes)
            let cid = try envelope.withCid(in: bytes) { $0.byteCount }
            let hasUsers = try envelope.forEachUser(in: bytes) { _ in }
            #expect(id == nil && number == nil && flag == nil && text == nil && cid == nil && !hasUsers)
            #expect(envelope.ref == nil)
        }
    }

    @Test(
        arguments: [
            (#""x1""#, "x1"), ("17", "17"), ("-17", "-17"), (#""a b:/\n""#, "a b:/\n"), (#""\u0061""#, "a"),
            (#""""#, nil),
            ("1.5", nil), ("true", nil), ("null", nil),
            (
                "\"" + String(repeating: "y", count: 64) + "\"",
                String(repeating: "y", count: 64)
            ), ("\"" + String(repeating: "y", count: 65) + "\"", nil),
            ("\"" + String(repeating: "\\u0079", count: 64) + "\"", String(repeating: "y", count: 64)),
        ] as [(String, String?)])
    func readsCids(_ token: String, _ expected: String?) {
        let cid = try? value(in: "{\"cmd\":10,\"cid\":\(token)}") { envelope, bytes throws(EnvelopeError) in
            try envelope.withCid(in: bytes) { cid in cid.withUnsafeBytes { String(decoding: $0, as: UTF8.self) } }
        }
        #expect(cid == expected)
    }

    @Test(arguments: [
        (#""r""#, true), (#""""#, true), ("5", true), ("-5", true), (#""a\n""#, true), ("1.5", false), ("1e3", false),
        ("true", false), ("null", false), ("[]", false), ("{}", false),
        ("\"" + String(repeating: "r", count: 64) + "\"", true),
        ("\"" + String(repeating: "r", count: 65) + "\"", false),
    ])
    func refIsRepeatedAsItIs(_ token: String, _ isAccepted: Bool) throws {
        let text = "{\"cmd\":0,\"ref\":\(token)}"
        guard isAccepted else {
            #expect(refusal(of: text)?.code == .badRequest)
            return
        }
        let ref = try value(in: text) { envelope, _ in envelope.ref }
        #expect(ref.map { String(decoding: Array(text.utf8)[$0], as: UTF8.self) } == token)
    }

    @Test(arguments: [
        (#"{"cmd":10,"ref":7,"x":1,}"#, true), (#"{"ref":7,"cmd":true}"#, true), (#"{"ref":[],"cmd":0,}"#, false),
        (#"{"ref":[],"cmd":0}"#, false), (#"{"cmd":10,"x":1,,"ref":7}"#, false), (#"{"ref":7"#, true),
    ])
    func refIsKnownAfterAnError(_ text: String, _ isKnown: Bool) {
        let bytes = Array(text.utf8)
        let envelope = Envelope()
        #expect(throws: EnvelopeError.self) { try envelope.scan(bytes.span.bytes) }
        #expect(envelope.ref.map { Array(bytes[$0]) } == (isKnown ? Array("7".utf8) : nil))
    }

    @Test(
        arguments: [
            ("[]", []), ("[ ]", []), (#"["a"]"#, ["a"]), (#"[ "a" , 5,"\u0062" ]"#, ["a", "5", "b"]), (#""a""#, nil),
            (#"["a:b"]"#, nil), ("[[]]", nil), ("[null]", nil), (#"[{"a":1}]"#, nil), ("{}", nil), ("[1.5]", nil),
        ] as [(String, [String]?)])
    func iteratesUsers(_ token: String, _ expected: [String]?) {
        let users = try? value(in: "{\"cmd\":\"status\",\"users\":\(token)}") { envelope, bytes throws(EnvelopeError) in
            var users: [String] = []
            let isThere = try envelope.forEachUser(in: bytes) { users.append($0.description) }
            #expect(isThere)
            return users
        }
        #expect(users == expected)
    }

    @Test func readsTexts() throws {
        let text = #"{"cmd":"history","conv":"a:b","content":"1\u00e9\ud83d\ude00\"\\\/\b\f\n\r\t2","channel":5}"#
        try value(in: text) { envelope, bytes throws(EnvelopeError) in
            let content = try envelope.string(.content, in: bytes)
            #expect(content == "1é😀\"\\/\u{8}\u{C}\n\r\t2")
            let conv = try envelope.withName(.conv, in: bytes) { $0.byteCount }
            #expect(conv == 3)
            let channel = try envelope.withName(.channel, in: bytes) { $0.byteCount }
            #expect(channel == 1)
        }
        #expect(throws: EnvelopeError.self) {
            try value(in: text) { envelope, bytes throws(EnvelopeError) in try envelope.string(.channel, in: bytes) }
        }
    }

    @Test func escapedKeysRoute() throws {
        let id = try value(in: #"{"\u0063md":10,"dsti\u0064":"b"}"#) { envelope, bytes throws(EnvelopeError) in
            try envelope.identifier(.dstid, in: bytes)
        }
        #expect(id?.description == "b")
    }

    @Test func oneValueServesManyFrames() throws {
        let envelope = Envelope()
        for _ in 0..<3 {
            let first = Array(#"{"cmd":10,"dstid":"b","ref":1,"group":true,"\u0061":1}"#.utf8)
            try envelope.scan(first.span.bytes)
            #expect(envelope.command == .privateMessage && envelope.ref != nil)
            let second = Array(#"{"cmd":"typing","x":1}"#.utf8)
            try envelope.scan(second.span.bytes)
            #expect(envelope.token(.dstid) == nil && envelope.token(.group) == nil && envelope.ref == nil)
            var output = OutputBuffer()
            envelope.appendMembers(of: second.span.bytes, to: &output)
            #expect(output.text == #"{"x":1}"#)
        }
    }
}
