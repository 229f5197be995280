internal import Base
internal import Store

/// The bus between the hubs: keeps the order of each pair of them, and loses what the world tells it to.
final class SimulatedBus {
    private(set) var queues: [[BusFrame]]
    /// Mail about channels, of which nothing is lost.
    private var mail: [[ChannelMail]]
    private let nodes: Int

    init(nodes: Int) {
        self.nodes = nodes
        queues = Array(repeating: [], count: nodes * nodes)
        mail = Array(repeating: [], count: nodes * nodes)
    }

    /// The bus as one hub sees it.
    struct Port: Bus {
        let bus: SimulatedBus
        let from: Int

        func send(_ frame: BusFrame, to node: MailboxIndex) {
            bus.queues[from * bus.nodes + Int(node.rawValue)].append(frame)
        }

        func broadcast(_ frame: BusFrame) {
            for node in 0..<bus.nodes { bus.queues[from * bus.nodes + node].append(frame) }
        }

        func send(_ mail: ChannelMail, to node: MailboxIndex) {
            bus.mail[from * bus.nodes + Int(node.rawValue)].append(mail)
        }
    }

    func count(pair: Int) -> Int { queues[pair].count + mail[pair].count }

    var isEmpty: Bool { queues.allSatisfy(\.isEmpty) && mail.allSatisfy(\.isEmpty) }

    /// Takes the first frame of a pair off; the hub that it is for.
    func take(pair: Int) -> (node: Int, frame: BusFrame)? {
        guard !queues[pair].isEmpty else { return nil }
        return (pair % nodes, queues[pair].removeFirst())
    }

    /// The same for mail.
    func takeMail(pair: Int) -> (node: Int, mail: ChannelMail)? {
        guard !mail[pair].isEmpty else { return nil }
        return (pair % nodes, mail[pair].removeFirst())
    }
}
