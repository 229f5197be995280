internal import Base
internal import Core
internal import Logging
internal import Reactor
internal import Store
internal import Wire

/// A connection on its way to the loop of its user: the socket, what was read and not yet understood, and who it is.
struct Arrival: Sendable {
    enum Kind: Sendable {
        /// The upgrade is still to be answered with this response.
        case upgrading(HTTPResponse)
        /// A WebSocket that signed in with a message.
        case webSocket
        case binaryTCP
    }

    var channel: DetachedChannel
    var unread: [UInt8]
    var kind: Kind
    var request: SignInRequest
}

extension LoopNode {
    /// Takes a connection over, on whichever loop it was accepted.
    func adopt(_ arrival: Arrival) {
        do {
            if case .binaryTCP = arrival.kind {
                let connection = BinaryConnection(node: self)
                connection.begin(on: try loop.adopt(arrival.channel, delegate: connection), arrival)
            } else {
                var response: HTTPResponse?
                if case .upgrading(let answer) = arrival.kind { response = answer }
                let connection = WebSocketConnection(node: self)
                let channel = try loop.adopt(arrival.channel, delegate: connection)
                connection.begin(on: channel, answering: response, arrival)
            }
        } catch {
            context.log.connections.error("can't take a connection over, which ends by that: \(error)")
        }
    }

    /// Sends a connection to the loop that owns its user, which may be this one.
    ///
    /// - Returns: false, with nothing changed, if there is no room for it; it is to be refused.
    func moveHome(
        _ channel: Channel, unread: UnsafeRawBufferPointer, _ kind: Arrival.Kind, _ request: SignInRequest
    ) -> Bool {
        let home = home(of: request.user)
        let isStaying = home.table === loop.table
        guard isStaying ? loop.table.hasRoomToStay : home.table.reserve() else {
            logFullTable()
            return false
        }
        let unread = Array(unread)
        let arrival: (DetachedChannel) -> Arrival = {
            Arrival(channel: $0, unread: unread, kind: kind, request: request)
        }
        if home === context.nodes[Int(index.rawValue)] {
            adopt(arrival(loop.detach(channel)))
        } else if let passage = home.passage {
            loop.move(channel, through: passage, into: home.table) { detached in
                let arrival = arrival(detached)
                home.post { $0.adopt(arrival) }
            }
        } else {
            let arrival = arrival(loop.detach(channel))
            home.post { $0.adopt(arrival) }
        }
        return true
    }

    func logFullShard(_ user: Identifier) {
        let topology = context.topology
        context.log.connections.warning(
            "shard \(topology.shard(of: user)) is full (\(topology.usersPerShardMax) users); refused one")
    }

    /// At most once a second: a full table is refusing many.
    private func logFullTable() {
        guard loop.second != fullTableLogged else { return }
        fullTableLogged = loop.second
        context.log.connections.warning(
            "no descriptors left for more connections; refusing new ones. Raise the limit of open files, or --loops")
    }
}
