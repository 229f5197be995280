internal import Base
internal import Reactor

/// Speaks the text protocol of NATS: PUB to the peer's subject, SUB to its own; with JetStream, through a stream in
/// files, of which each client has a push consumer for its subject, and every publication is answered.
final class NATSClient: ProductClient {
    private var hasStream = false
    private var attemptsLeft = 10_000
    private lazy var publication: String = {
        let reply = isStored ? "answer.\(index) " : ""
        return "PUB chat.\(peer) \(reply)\(owner.plan.floorMessageBytes)\r\n"
    }()

    override func writeOpening(to channel: Channel) throws {
        channel.buffer.append(utf8: "CONNECT {\"verbose\":false,\"pedantic\":false,\"headers\":false}\r\n")
        guard isStored else {
            channel.buffer.append(utf8: "SUB chat.\(index) 1\r\nPING\r\n")
            return
        }
        channel.buffer.append(utf8: "SUB push.\(index) 1\r\nSUB answer.\(index) 2\r\nSUB setup.\(index) 3\r\n")
        request(
            "STREAM.CREATE.chat",
            #"{"name":"chat","subjects":["chat.*"],"storage":"file","retention":"limits","num_replicas":1}"#)
    }

    private func request(_ call: String, _ json: String) {
        write("PUB $JS.API.\(call) setup.\(index) \(json.utf8.count)\r\n\(json)\r\n")
    }

    override func write(_ payload: UnsafeRawBufferPointer, to channel: Channel) {
        channel.buffer.append(utf8: publication)
        channel.buffer.append(payload)
        channel.buffer.append("\r\n")
    }

    override func take(_ bytes: UnsafeRawBufferPointer, _ now: UInt64) -> Int {
        guard let length = lineLength(bytes) else { return 0 }
        switch bytes[0] {
        case UInt8(ascii: "M"):
            let words = bytes.text(length).split(separator: " ")
            guard words.count >= 4, let size = Int(words[words.count - 1]) else {
                fail("NATS: \(bytes.text(length))")
                return 0
            }
            let total = length + 2 + size + 2
            guard bytes.count >= total else { return 0 }
            let payload = UnsafeRawBufferPointer(rebasing: bytes[length + 2..<length + 2 + size])
            takeMessage(words[2], payload, now)
            return total
        case UInt8(ascii: "P") where bytes.text(4) == "PING": write("PONG\r\n")
        case UInt8(ascii: "P"): becameReady()
        case UInt8(ascii: "-"): fail("NATS: \(bytes.text(length))")
        default: break
        }
        return length + 2
    }

    private func takeMessage(_ subscription: Substring, _ payload: UnsafeRawBufferPointer, _ now: UInt64) {
        switch subscription {
        case "1": takePayload(payload, now)
        case "2": takeAnswer(now)
        default: takeSetup(payload.text(payload.count))
        }
    }

    private func takeSetup(_ answer: String) {
        // All clients create the one stream at once. Until that is over some are told that its subjects are taken, and
        // that it takes no consumers.
        if hasStream, answer.contains(#""err_code":10012"#), attemptsLeft > 0 {
            attemptsLeft -= 1
            return createConsumer()
        }
        let isThere = !hasStream && answer.contains(#""err_code":10065"#)
        if answer.contains("\"error\""), !isThere { return fail("JetStream: \(answer)") }
        if hasStream { return becameReady() }
        hasStream = true
        createConsumer()
    }

    private func createConsumer() {
        request(
            "CONSUMER.CREATE.chat",
            #"{"stream_name":"chat","config":{"deliver_subject":"push.\#(index)","filter_subject":"chat.\#(index)","#
                + #""deliver_policy":"all","ack_policy":"none"}}"#)
    }
}
