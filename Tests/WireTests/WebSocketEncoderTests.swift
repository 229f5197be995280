import Base
import Testing
import Wire

struct WebSocketEncoderTests {
    private func encode(_ body: (inout OutputBuffer) -> Void) -> [UInt8] {
        var output = OutputBuffer()
        body(&output)
        return Array(output.unsafeBytes)
    }

    private func plain(_ opcode: WebSocketOpcode, _ payload: [UInt8], isFinal: Bool = true) -> [UInt8] {
        encode { output in output.appendFrame(opcode, payload.span.bytes, isFinal: isFinal) }
    }

    private func masked(_ opcode: WebSocketOpcode, _ payload: [UInt8], key: UInt32) -> [UInt8] {
        encode { output in output.appendMaskedFrame(opcode, payload.span.bytes, key: key) }
    }

    private func header(_ opcode: WebSocketOpcode, _ payloadBytes: Int) -> [UInt8] {
        encode { output in output.appendFrameHeader(opcode, payloadBytes: payloadBytes) }
    }

    @Test func writesTheExamplesOfTheRFC() {
        let hello = Array("Hello".utf8)
        #expect(plain(.text, hello) == [0x81, 0x05] + hello)
        #expect(plain(.ping, hello) == [0x89, 0x05] + hello)
        #expect(plain(.text, hello, isFinal: false) == [0x01, 0x05] + hello)
        #expect(
            masked(.text, hello, key: 0x3D21_FA37)
                == [0x81, 0x85, 0x37, 0xFA, 0x21, 0x3D, 0x7F, 0x9F, 0x4D, 0x51, 0x58])
        #expect(header(.binary, 256) == [0x82, 0x7E, 1, 0])
        #expect(header(.binary, 65_536) == [0x82, 0x7F, 0, 0, 0, 0, 0, 1, 0, 0])
    }

    @Test func writesWhatTheDecoderReads() {
        for count in Array(0...140) + [65_535, 65_536] {
            let payload = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 7) }
            let plain = plain(.binary, payload)
            #expect(plain == TestFrame(first: 0x82, payload: payload, key: nil).bytes)
            #expect(receive([plain], role: .client) == [.message(.binary, payload)])
            let masked = masked(.binary, payload, key: 0x0403_0201)
            #expect(masked == TestFrame(first: 0x82, payload: payload, key: [1, 2, 3, 4]).bytes)
            #expect(receive([masked]) == [.message(.binary, payload)])
        }
    }

    @Test func writesCloseFrames() {
        let away = encode { $0.appendCloseFrame(1001, reason: "away") }
        #expect(away == [0x88, 6, 0x03, 0xE9] + Array("away".utf8))
        let bare = encode { $0.appendCloseFrame(4001) }
        #expect(bare == [0x88, 2, 0x0F, 0xA1])
        let masked = encode { $0.appendMaskedCloseFrame(1000, key: 99) }
        #expect(receive([masked]) == [.close(1000, [])])
    }

    @Test func trapsOnWhatNoFrameMayBe() async {
        await #expect(processExitsWith: .failure) {
            var output = OutputBuffer()
            output.appendFrameHeader(.ping, payloadBytes: 126)
        }
        await #expect(processExitsWith: .failure) {
            var output = OutputBuffer()
            output.appendCloseFrame(1005)
        }
    }
}
