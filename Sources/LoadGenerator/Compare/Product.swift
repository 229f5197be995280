internal import Glibc
package import Reactor

/// What a user could pick instead of this router, in the ways in which it is usually run, and the router itself.
package enum Product: String, CaseIterable, Sendable {
    case routerTyping = "router-live"
    case nats = "nats"
    case mosquitto = "mosquitto-qos0"
    case redis = "redis-pubsub"
    case routerDurable = "router-durable"
    case routerBinary = "router-durable-binary"
    case jetStream = "nats-jetstream"
    case mosquittoStored = "mosquitto-qos1"
    case redisStreams = "redis-streams"

    /// Whether the server answers for a message; else its arrival is what is waited for.
    package var isStored: Bool {
        switch self {
        case .routerTyping, .nats, .mosquitto, .redis: false
        case .routerDurable, .routerBinary, .jetStream, .mosquittoStored, .redisStreams: true
        }
    }

    package var title: String {
        switch self {
        case .routerTyping: "Switchboard, live event"
        case .nats: "NATS core"
        case .mosquitto: "mosquitto, QoS 0"
        case .redis: "Redis pub/sub"
        case .routerDurable: "Switchboard, stored message"
        case .routerBinary: "Switchboard, stored message, binary"
        case .jetStream: "NATS JetStream, file"
        case .mosquittoStored: "mosquitto, QoS 1, persistence"
        case .redisStreams: "Redis streams, appendfsync always"
        }
    }

    /// What the answer that is waited for says, and what it doesn't.
    package var guarantee: String {
        switch self {
        case .routerTyping: "no ack; who isn't connected misses it"
        case .nats: "no ack, at most once; who isn't subscribed misses it"
        case .mosquitto: "no ack, at most once"
        case .redis: "the reply counts subscribers; at most once, who isn't subscribed misses it"
        case .routerDurable, .routerBinary:
            "the ack comes after the fsync, with places in both inboxes and the conversation"
        case .jetStream:
            "the ack comes after the write to a file; the fsync follows within sync_interval, 2 minutes by default: "
                + "a power cut loses acked messages, a killed process doesn't"
        case .mosquittoStored:
            "the ack comes when the message is in memory; it is saved every autosave_interval, 30 minutes by "
                + "default, and at a clean end: a crash loses what was acked since"
        case .redisStreams:
            "the reply comes after the fsync; one log for each recipient, no conversations, resends are stored again"
        }
    }

    /// The Debian package; nil for the router.
    package var package: String? {
        switch self {
        case .routerTyping, .routerDurable, .routerBinary: nil
        case .nats, .jetStream: "nats-server"
        case .mosquitto, .mosquittoStored: "mosquitto"
        case .redis, .redisStreams: "redis-server"
        }
    }

    /// Where the program is; nil if it isn't installed.
    package var program: String? {
        guard let package else { return nil }
        return ["/usr/bin/", "/usr/sbin/", "/usr/local/bin/"].map { $0 + package }.first { access($0, X_OK) == 0 }
    }

    /// The server's configuration file, as it is shown and used.
    package func configuration(directory: String, address: SocketAddress) -> String {
        switch self {
        case .routerTyping, .routerDurable, .routerBinary: ""
        case .nats: "listen: \"\(address)\"\n"
        case .jetStream: "listen: \"\(address)\"\njetstream { store_dir: \"\(directory)/data\" }\n"
        case .mosquitto:
            "listener \(address.port) \(address.host)\nallow_anonymous true\nset_tcp_nodelay true\nuser root\n"
        case .mosquittoStored:
            "listener \(address.port) \(address.host)\nallow_anonymous true\nset_tcp_nodelay true\nuser root\n"
                + "persistence true\npersistence_location \(directory)/\n"
                // By default no more than 20 messages are on their way to a client, and above 1,000 they are dropped.
                + "max_inflight_messages 0\nmax_queued_messages 0\n"
        case .redis:
            "bind \(address.host)\nport \(address.port)\nsave \"\"\nappendonly no\ndir \(directory)\n"
        case .redisStreams:
            "bind \(address.host)\nport \(address.port)\nsave \"\"\nappendonly yes\nappendfsync always\n"
                + "dir \(directory)\n"
        }
    }

    /// What the clients speak to the router.
    var wire: WireProtocol {
        switch self {
        case .routerTyping, .routerDurable: .json
        case .routerBinary: .binary
        default: .floor
        }
    }

    /// The version of the Debian package; nil for the router, and where that can't be told.
    package var version: String? {
        package.flatMap { Product.version(of: $0, status: ProcFile.read("/var/lib/dpkg/status") ?? "") }
    }

    /// Looks a package up in dpkg's list.
    package static func version(of package: String, status: String) -> String? {
        guard let start = status.firstRange(of: "Package: \(package)\n")?.upperBound else { return nil }
        let entry = status[start...].prefix(
            upTo: status[start...].firstRange(of: "\n\n")?.lowerBound ?? status.endIndex)
        return entry.split(separator: "\n").first { $0.hasPrefix("Version: ") }.map { String($0.dropFirst(9)) }
    }

    /// How it is run, in one line.
    package var setting: String {
        guard package != nil else { return "--dev --loops 1, fresh data" }
        let lines = configuration(directory: "DIRECTORY", address: SocketAddress(host: "127.0.0.1", port: 4222))
        return lines.split(separator: "\n").joined(separator: "; ")
    }

    /// Starts the product; nil if it isn't installed.
    func start() throws -> ChildServer? {
        guard let program else { return nil }
        return try ChildServer.listener(program, core: nil) { directory, address in
            let file = "\(directory)/configuration"
            try HTMLPage.write(configuration(directory: directory, address: address), to: file)
            return self == .redis || self == .redisStreams ? [file] : ["-c", file]
        }
    }

    func makeClient(_ index: Int, owner: LoadLoop) -> LoadClient {
        switch self {
        case .routerTyping, .routerDurable: WebSocketClient(index: index, owner: owner)
        case .routerBinary: BinaryClient(index: index, owner: owner)
        case .nats, .jetStream: NATSClient(index: index, owner: owner, isStored: isStored)
        case .mosquitto, .mosquittoStored: MQTTClient(index: index, owner: owner, isStored: isStored)
        case .redis, .redisStreams: RedisClient(index: index, owner: owner, isStored: isStored)
        }
    }
}
