internal import Base
internal import Store

/// A loop's way to the other loops for what concerns channels, and how much of it is on its way: a loop that doesn't
/// keep up makes publications be refused, not its mailbox grow.
final class ChannelPosts {
    let node: MailboxIndex
    private let bus: any Bus
    private let underwayMax: Int
    /// By node: the cost of what was sent and isn't reported as taken.
    private var underway: [Int]
    /// By node: the cost of what was taken from it and isn't reported.
    private var unreported: [Int]

    init(node: MailboxIndex, bus: any Bus, topology: Topology, limits: ChannelLimits) {
        self.node = node
        self.bus = bus
        underwayMax = limits.underwayMax
        underway = Array(repeating: 0, count: topology.nodes)
        unreported = underway
    }

    /// Every node, this one included.
    var nodes: [MailboxIndex] { underway.indices.map { MailboxIndex($0) } }

    func send(_ content: ChannelMail.Content, to node: MailboxIndex) {
        underway[Int(node.rawValue)] += ChannelPosts.cost(content)
        bus.send(.channel(ChannelMail(from: self.node, content)), to: node)
    }

    /// Whether a publication may be sent there.
    func hasRoom(to node: MailboxIndex) -> Bool { underway[Int(node.rawValue)] < underwayMax }

    /// Notes that mail was taken, and reports it now and then.
    func took(_ mail: ChannelMail) {
        let from = Int(mail.from.rawValue)
        if case .taken(let cost) = mail.content { return underway[from] -= cost }
        unreported[from] += ChannelPosts.cost(mail.content)
        guard unreported[from] > underwayMax / 8 else { return }
        send(.taken(cost: unreported[from]), to: mail.from)
        unreported[from] = 0
    }

    private static let leastCost = 256

    private static func cost(_ content: ChannelMail.Content) -> Int {
        switch content {
        case .publish(let publish): max(publish.data.count, leastCost)
        case .published(_, let publication): max(publication.event.count, leastCost)
        default: 0
        }
    }
}
