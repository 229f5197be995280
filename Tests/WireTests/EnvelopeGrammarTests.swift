import Base
import Testing
import Wire

/// What is JSON and what isn't, as the value of a member.
struct EnvelopeGrammarTests {
    static let accepted: [String] = [
        "0", "-0", "1", "-1", "10", "0.0", "-0.5", "1.25", "1e1", "1E1", "1e+1", "1e-1", "0e0", "1.5e300", "1e999999",
        "123456789012345678901234567890", "true", "false", "null",
        #""""#, #""a""#, #"" ""#, #""\"""#, #""\\""#, #""\/""#, #""\b\f\n\r\t""#, #""/""#, #""'""#, "\"\u{7F}\"",
        "\"é\"", "\"日本\"", "\"😀\"", "\"\u{2028}\"", #""\u0000""#, #""\u00e9""#, #""\u00E9""#, #""\uD7FF""#,
        #""\uE000""#, #""\uFFFF""#, #""\ud83d\ude00""#, #""\uDBFF\uDFFF""#, #""\uD800\uDC00\uD800\uDC00""#,
        #""1234567""#, #""12345678""#, #""123456789""#, #""1234567\n""#, #""12345678\n""#, #""123456\n89""#,
        "[]", "[ ]", "[1]", "[1,2]", "[ 1 , 2 ]", "[[]]", "[[],[]]", "[[1],{}]", "{}", "{ }", #"{"a":1}"#,
        #"{"":1}"#, #"{"a":{"a":{"a":1}}}"#, #"[{"a":1},{"a":1}]"#, #"{ "a" : 1 , "b" : 2 }"#,
        "[\n\t\r 1]", #"[null,true,false,"",0,{}]"#, #"{"A":1,"a":2}"#, #"{"é":1,"e\u0301":2}"#,
        #"{"abcdefgh":1,"abcdefghi":2,"abcdefghj":3}"#, #"{"a":1,"a\u0000":2}"#,
    ]

    static let refused: [String] = [
        "", "-", "+1", "01", "-01", "00", "1.", ".5", "-.5", "1.e1", "1e", "1e+", "1E-", "1e1.5", "0x1", "1_000", "1a",
        "Infinity", "NaN", "-Infinity", "1 2", "--1", "１",
        "tru", "truE", "True", "TRUE", "fals", "falsey", "nul", "nulll", "nil", "undefined", "truefalse",
        #"""#, #""a"#, "a", "'a'", #""\""#, #""\x41""#, #""\a""#, #""\0""#, #""\ ""#, #""\U0041""#, #""\u""#,
        #""\u1""#, #""\u12""#, #""\u123""#, #""\u123g""#, #""\u-123""#, #""\u 123""#, #""\ud800""#, #""\udbff""#,
        #""\udc00""#, #""\udfff""#, #""\ud800\ud800""#, #""\ud800x""#, #""\ud800\n""#, #""\ud800\u0041""#,
        #""\ud800 \udc00""#, #""\ud800\udbff""#, #""\ud800\udc0""#, #""\ude00\ud83d""#, "\"\u{00}\"", "\"\u{01}\"",
        "\"\n\"", "\"\t\"", "\"\r\"", "\"\u{1F}\"", "\"1234567\u{1F}\"", "\"12345678\u{1F}\"", #""a" "b""#, #""a"b"#,
        "[", "]", "[1", "[1,", "[1,]", "[,1]", "[,]", "[1,,2]", "[1 2]", "[1]]", "[}", "[1}", "(1)", "[1;2]",
        "{", "}", #"{"a"}"#, #"{"a":}"#, #"{"a":1,}"#, #"{,"a":1}"#, #"{"a" 1}"#, #"{"a"::1}"#, #"{"a":1 "b":2}"#,
        #"{"a":1;"b":2}"#, "{a:1}", "{'a':1}", "{1:1}", "{null:1}", #"{"a":1]"#, #"{"a":1"#, #"{"a":1,,"b":2}"#,
        #"{[]:1}"#, #"{"a\ud800":1}"#, #"{"\q":1}"#,
        "/**/1", "1//", "#", "\u{FEFF}1", "\u{A0}1", "\u{0B}1", "\u{0C}1", "\u{85}1", "*", "&", "\u{00}", "1\u{00}",
        #"{"a":1,"a":1}"#, #"{"a":1,"b":2,"a":3}"#, #"{"a":1,"\u0061":2}"#, #"{"\u0061":1,"a":2}"#,
        #"{"abcdefghijk":1,"abcdefghijk":2}"#, #"{"abcdefghijk":1,"abcdefghij\u006b":2}"#, #"{"":1,"":2}"#,
        #"[[{"x":{"k":1,"k":1}}]]"#, #"{"é":1,"\u00e9":2}"#, #"{"😀":1,"\ud83d\ude00":2}"#, #"{"a":{"a":1},"a":2}"#,
    ]

    @Test(arguments: accepted) func accepts(_ json: String) {
        #expect(refusal(of: "{\"cmd\":0,\"x\":\(json)}") == nil)
        #expect(refusal(of: "{\"x\":[\(json)],\"cmd\":0}") == nil)
        #expect(refusal(of: " {\t\"cmd\" :\n0 ,\r\"x\" : \(json) } ") == nil)
    }

    @Test(arguments: refused) func refuses(_ json: String) {
        #expect(refusal(of: "{\"cmd\":0,\"x\":\(json)}")?.code == .badRequest)
        #expect(refusal(of: "{\"x\":\(json),\"cmd\":0}")?.code == .badRequest)
        #expect(refusal(of: "{\"cmd\":0,\"x\":{\"y\":\(json)}}")?.code == .badRequest)
    }

    @Test(arguments: [
        "", " ", "0", "\"a\"", "[]", "null", "[{\"cmd\":0}]", "{\"cmd\":0}{", "{\"cmd\":0}}", "{\"cmd\":0},",
        "{\"cmd\":0} {\"cmd\":0}", "{\"cmd\":0}\0", "\0{\"cmd\":0}", "\u{FEFF}{\"cmd\":0}", "{\"cmd\":0}//", "{",
        "{\"cmd\":0,}", "{,\"cmd\":0}", "{\"cmd\":0,\"cmd\":0}", "{\"cmd\":0,\"\\u0063md\":0}", "{\"cmd\" 0}",
        "{\"cmd\":0,\"userid\":1,\"userid\":2}",
    ])
    func refusesWhatIsNotOneObject(_ text: String) {
        #expect(refusal(of: text)?.code == .badRequest)
    }

    @Test func nothingThatIsCutOffIsAccepted() {
        let text = Array(
            #" {"cmd":10,"dstid":"bé","x":[1.5e-7,true,null,{"\u00e9\ud83d\ude00":"12345678"}],"cid":"c\n1"}"#.utf8)
        #expect(refusal(of: text) == nil)
        for count in 0..<text.count { #expect(refusal(of: Array(text.prefix(count))) != nil, "\(count) bytes") }
    }

    @Test(arguments: [1, 2]) func nestsAsDeepAsTheLimit(_ kind: Int) {
        func nested(_ depth: Int) -> String {
            let containers = depth - 1
            return kind == 1
                ? "{\"cmd\":0,\"x\":" + String(repeating: "[", count: containers)
                    + String(repeating: "]", count: containers) + "}"
                : "{\"cmd\":0,\"x\":" + String(repeating: "{\"a\":", count: containers) + "1"
                    + String(repeating: "}", count: containers) + "}"
        }
        #expect(refusal(of: nested(Limits.jsonDepthMax - 1)) == nil)
        #expect(refusal(of: nested(Limits.jsonDepthMax)) == nil)
        #expect(refusal(of: nested(Limits.jsonDepthMax + 1))?.code == .badRequest)
        #expect(refusal(of: nested(100_000))?.code == .badRequest)
    }

    /// Around the number of keys at which the way of comparing changes, first with last and first with second.
    @Test(arguments: [2, 8, 15, 16, 17, 18, 19, 40, 1_000, 3_000])
    func findsDuplicatesAmongManyKeys(_ count: Int) {
        func object(_ keys: [String]) -> String {
            "{\"cmd\":0,\"x\":{" + keys.map { "\"\($0)\":1" }.joined(separator: ",") + "}}"
        }
        for prefix in ["", "a long prefix that they share "] {
            let keys = (0..<count).map { "\(prefix)\($0)" }
            #expect(refusal(of: object(keys)) == nil)
            for (index, double) in [(0, keys[count - 1]), (count - 1, keys[0]), (count / 2, keys[0])] where count > 2 {
                var keys = keys
                keys[index] = double
                #expect(refusal(of: object(keys))?.code == .badRequest)
            }
            #expect(refusal(of: object(keys + ["\\u00" + hex(keys[0].utf8.first!) + keys[0].dropFirst()])) != nil)
        }
    }

    @Test func fieldsTwiceInALargeFrameAreRefused() {
        let many = (0..<30).map { "\"k\($0)\":1" }.joined(separator: ",")
        let fields = Array(repeating: "\"id\":1,\"y\":2", count: 50).joined(separator: ",")
        #expect(refusal(of: "{\"cmd\":0,\(many),\(fields)}")?.code == .badRequest)
        #expect(refusal(of: "{\"cmd\":0,\(many)}") == nil)
    }

    @Test func bytesThatAreNotUTF8NeverTrap() {
        var random = SeededRandom(seed: 3)
        for _ in 0..<2_000 {
            var bytes = Array(#"{"cmd":10,"dstid":"bob","content":"hello","x":{"k":[1,2]}}"#.utf8)
            for _ in 0..<3 {
                bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0x80...0xFF, using: &random)
            }
            let envelope = Envelope()
            if (try? envelope.scan(bytes.span.bytes)) != nil {
                _ = try? envelope.identifier(.dstid, in: bytes.span.bytes)
            }
        }
    }

    private func hex(_ byte: UInt8) -> String { (byte < 16 ? "0" : "") + String(byte, radix: 16) }
}
