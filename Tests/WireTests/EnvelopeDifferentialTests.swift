import Base
import Testing
import Wire

/// The scanner against plain code that does the same by other means, on random frames.
struct EnvelopeDifferentialTests {
    @Test(arguments: 0..<8) func findsWhatTheFrameWasMadeOf(_ seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let envelope = Envelope()
        for _ in 0..<100 {
            let content = JSONValue.randomText(using: &random)
            let seq = UInt64.random(in: 0 ... .max, using: &random) >> UInt64.random(in: 0..<64, using: &random)
            let own = JSONValue.randomMembers(Int.random(in: 0...20, using: &random), depth: 2, using: &random)
            var all: [(String, JSONValue)] = [
                ("cmd", .number("10")), ("dstid", .string("bob")), ("after", .number(String(seq))),
                ("content", .string(content)), ("userid", .null),
            ]
            all += own.filter { member in !all.contains { $0.0 == member.0 } }
            all.shuffle(using: &random)
            let frame = Array(JSONValue.object(all).serialized(using: &random).utf8)
            #expect(JSONChecker.accepts(frame))

            let bytes = frame.span.bytes
            try envelope.scan(bytes)
            let text = try envelope.string(.content, in: bytes)
            let number = try envelope.unsigned(.after, in: bytes)
            let destination = try envelope.identifier(.dstid, in: bytes)
            #expect(text.map { Array($0.utf8) } == Array(content.utf8))
            #expect(number == seq)
            #expect(destination?.description == "bob")
            #expect(envelope.command == .privateMessage)

            var output = OutputBuffer()
            envelope.appendMembers(of: bytes, to: &output)
            #expect(output.count == envelope.membersByteCount)
            #expect(JSONChecker.accepts(output.array))
            let second = Envelope()
            #expect(scansAsObject(output.array, with: second))
            #expect(second.dropsMembers == false)
            #expect(second.token(.content)?.count == envelope.token(.content)?.count)
        }
    }

    @Test(arguments: 0..<8) func acceptsAndRefusesAlike(_ seed: UInt64) {
        var random = SeededRandom(seed: seed &+ 100)
        let envelope = Envelope()
        var refused = 0
        var accepted = 0
        let spice = Array("\"\\{}[],:0123456789eE+-.utrnaf \n\t\0/".utf8)
        for _ in 0..<100 {
            let members = JSONValue.randomMembers(Int.random(in: 0...20, using: &random), depth: 2, using: &random)
            let frame = Array(JSONValue.object(members).serialized(using: &random).utf8)
            #expect(scansAsObject(frame, with: envelope))
            for _ in 0..<10 {
                var mutant = frame
                let position = Int.random(in: 0..<mutant.count, using: &random)
                switch Int.random(in: 0..<4, using: &random) {
                case 0: mutant[position] = spice.randomElement(using: &random)!
                case 1: mutant.insert(spice.randomElement(using: &random)!, at: position)
                case 2: mutant.remove(at: position)
                default: mutant[position] = UInt8.random(in: 0...255, using: &random)
                }
                let expected = JSONChecker.accepts(mutant)
                if expected { accepted += 1 } else { refused += 1 }
                #expect(
                    scansAsObject(mutant, with: envelope) == expected, "\(String(decoding: mutant, as: UTF8.self))")
            }
        }
        #expect(accepted > 50 && refused > 50)
    }
}
