import LoadGenerator
import Testing

@Suite struct ServerFrameTests {
    @Test(
        arguments: [
            (
                #"{"cmd":"ack","cid":"00000000002a","id":1,"conv":"a:b","cseq":1,"seq":1,"time":1}"#,
                .ack(42, isAccepted: false)
            ),
            (
                #"{"cmd":"ack","level":"accepted","cid":"00000000002a","conv":"a:b","time":1}"#,
                .ack(42, isAccepted: true)
            ),
            (#"{"cmd":"ack","id":1}"#, .ack(nil, isAccepted: false)),
            (#"{"cmd":10,"userid":"a","dstid":"b","cid":"0000000000ff","content":"x","id":1,"seq":2}"#, .message(255)),
            (#"{"cmd":11,"userid":"a","dstid":"g","content":"x","id":1,"seq":2}"#, .message(nil)),
            (#"{"cmd":"typing","userid":"a","conv":"a:b","at":"000000000001xxxx"}"#, .typing(1)),
            (#"{"time":1,"cmd":"welcome","userid":"a"}"#, .welcome),
            (#"{"cmd":"error","code":"bad_request"}"#, .error),
            (#"{"cmd":"behind","seq":312}"#, .behind(312)),
            (#"{"cmd":"behind"}"#, .other),
            (#"{"cmd":"fetched","entries":[],"more":false}"#, .fetched),
            (#"{"cmd":0}"#, .heartbeat),
            (#"{"cmd":0,"ref":"1"}"#, .other),
            (#"{}"#, .other),
            ("", .other),
        ] as [(String, ServerFrame)])
    func isRecognised(_ json: String, _ expected: ServerFrame) {
        let frame = Array(json.utf8).withUnsafeBytes { ServerFrame($0) }
        #expect(frame == expected)
    }
}
