internal import Core
internal import Reactor
internal import Store

/// The bus between the loops of one process: what a tick sends travels together, one piece of mail a loop and kind.
final class LoopBus: Bus {
    private let nodes: [NodeHandle]
    private var frames: [[BusFrame]]
    private var interests: [[Interest]]

    init(nodes: [NodeHandle]) {
        self.nodes = nodes
        frames = Array(repeating: [], count: nodes.count)
        interests = Array(repeating: [], count: nodes.count)
    }

    func send(_ frame: BusFrame, to node: MailboxIndex) { frames[Int(node.rawValue)].append(frame) }

    func broadcast(_ frame: BusFrame) {
        for index in frames.indices { frames[index].append(frame) }
    }

    func tell(_ interest: Interest, _ node: MailboxIndex) { interests[Int(node.rawValue)].append(interest) }

    /// Ends a tick: posts what came together. Interest is posted even when the loop is far behind.
    func handOver() {
        for index in nodes.indices {
            if !interests[index].isEmpty {
                let told = interests[index]
                interests[index].removeAll()
                nodes[index].post { node in
                    node.hub.milliseconds = node.loop.milliseconds
                    for interest in told { node.hub.handle(interest) }
                }
            }
            if !frames[index].isEmpty {
                let sent = frames[index]
                frames[index].removeAll()
                nodes[index].postIfRoom { node in
                    for frame in sent { node.hub.handle(frame) }
                }
            }
        }
    }
}
