internal import Base
internal import Store

/// The bus between the hubs: keeps the order of each pair of them, and loses what the world tells it to.
final class SimulatedBus {
    /// Something on its way.
    enum Freight {
        case frame(BusFrame)
        /// Never lost.
        case mail(BusMail)
    }

    private(set) var queues: [[Freight]]
    private let nodes: Int

    init(nodes: Int) {
        self.nodes = nodes
        queues = Array(repeating: [], count: nodes * nodes)
    }

    /// The bus as one hub sees it.
    struct Port: Bus {
        let bus: SimulatedBus
        let from: Int

        func send(_ frame: BusFrame, to node: MailboxIndex) { bus.put(.frame(frame), from, Int(node.rawValue)) }

        func broadcast(_ frame: BusFrame) {
            for node in 0..<bus.nodes { bus.put(.frame(frame), from, node) }
        }

        func send(_ mail: BusMail, to node: MailboxIndex) { bus.put(.mail(mail), from, Int(node.rawValue)) }
    }

    private func put(_ freight: Freight, _ from: Int, _ node: Int) { queues[from * nodes + node].append(freight) }

    /// What a pair has on its way.
    func count(pair: Int) -> Int { queues[pair].count }

    var isEmpty: Bool { queues.allSatisfy(\.isEmpty) }

    /// Takes the first of a pair off; the hub that it is for.
    func take(pair: Int) -> (node: Int, freight: Freight)? {
        guard !queues[pair].isEmpty else { return nil }
        return (pair % nodes, queues[pair].removeFirst())
    }
}
