internal import Core
internal import Reactor
internal import Store

/// The bus between the loops of one process: what a tick sends travels together, one piece of mail a loop and kind.
final class LoopBus: Bus {
    private let nodes: [NodeHandle]
    private var frames: [[BusFrame]]
    private var mails: [[BusMail]]
    /// Frames that were dropped, since their loop is far behind.
    private(set) var lost: UInt64 = 0

    init(nodes: [NodeHandle]) {
        self.nodes = nodes
        frames = Array(repeating: [], count: nodes.count)
        mails = Array(repeating: [], count: nodes.count)
    }

    func send(_ frame: BusFrame, to node: MailboxIndex) { frames[Int(node.rawValue)].append(frame) }

    func broadcast(_ frame: BusFrame) {
        for index in frames.indices { frames[index].append(frame) }
    }

    func send(_ mail: BusMail, to node: MailboxIndex) { mails[Int(node.rawValue)].append(mail) }

    /// Ends a tick: posts what came together. Mail is posted even when the loop is far behind.
    func handOver() {
        for index in nodes.indices {
            if !mails[index].isEmpty {
                let sent = mails[index]
                mails[index].removeAll()
                nodes[index].post { node in
                    for mail in sent { node.hub.handle(mail) }
                }
            }
            if !frames[index].isEmpty {
                let sent = frames[index]
                frames[index].removeAll()
                let isPosted = nodes[index].postIfRoom { node in
                    for frame in sent { node.hub.handle(frame) }
                }
                if !isPosted { lost &+= UInt64(sent.count) }
            }
        }
    }
}
