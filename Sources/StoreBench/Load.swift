import Base
import Store

/// The messages that all cases store: a random sender, and the one user that this sender writes to.
struct Load {
    let users: Int
    let withCid: Bool
    let body: [UInt8]
    private let names: [Identifier]
    private let peers: [Int]

    init(users: Int, bodyBytes: Int, withCid: Bool) {
        self.users = users
        self.withCid = withCid
        var random = SeededRandom(seed: 7)
        body = (0..<bodyBytes).map { _ in UInt8.random(in: 32...126, using: &random) }
        names = (0..<users).compactMap { Identifier("user\($0)") }
        // In a circle, so that nobody writes to themselves.
        let circle = (0..<users).shuffled(using: &random)
        var peers = circle
        for (place, user) in circle.enumerated() { peers[user] = circle[(place + 1) % users] }
        self.peers = peers
    }

    /// Somebody whose inbox can be read.
    var reader: Identifier { names[0] }

    func next(_ random: inout SeededRandom) -> (sender: Int, destination: Int) {
        let sender = Int(random.next() % UInt64(users))
        return (sender, peers[sender])
    }

    /// A batch of messages; the last one has the answer that `reply` asks for.
    func arena(_ count: Int, _ random: inout SeededRandom, reply: ReplyAddress?) -> RecordArena {
        let arena = RecordArena(capacity: count * (160 + body.count))
        for index in 0..<count {
            let (sender, destination) = next(&random)
            let head = MessageHead(command: 10, content: 0, sender: names[sender], destination: names[destination])
            var cid = random.next()
            withUnsafeBytes(of: &cid) { bytes in
                let bytes = UnsafeRawBufferPointer(rebasing: bytes[..<(withCid ? 8 : 0)])
                arena.appendPrivateMessage(
                    head, cid: RawSpan(_unsafeBytes: bytes), body: body.span.bytes,
                    reply: index == count - 1 ? reply : nil)
            }
        }
        return arena
    }
}
