internal import Base
internal import Core
internal import Reactor
internal import Wire

// Loops, connections and sessions. What the names mean stands in docs/operations.md, which a test holds to this.
extension Metrics {
    func appendProcess(to text: inout MetricsText) {
        text.gauge(
            "switchboard_build_info", "Always 1; the version is a label.", [([("version", ProductVersion.text)], 1)])
        text.gauge("switchboard_uptime_seconds", "How long the router has run.", uptimeSeconds)
        text.gauge("process_start_time_seconds", "When the process started, since the epoch.", process.startSeconds)
        text.counter("process_cpu_seconds", "CPU time of all threads.", process.cpuSeconds)
        text.gauge("process_resident_memory_bytes", "Memory in use.", Double(process.residentBytes))
        text.gauge("process_virtual_memory_bytes", "Address space in use.", Double(process.virtualBytes))
        text.gauge("process_threads", "Threads.", Double(process.threads))
        text.gauge("process_open_fds", "Open files of the table the store has.", Double(process.openDescriptors))
        text.gauge("process_max_fds", "Limit of open files, of each table.", Double(descriptorsMax))
        guard let log else { return }
        text.counter("switchboard_log_lines", "Lines of the log that were written.", Double(log.written))
        text.counter("switchboard_log_lines_dropped", "Lines dropped: the target was slow.", Double(log.dropped))
    }

    func appendLoops(to text: inout MetricsText) {
        text.counter(
            "switchboard_loop_cpu_seconds", "CPU time of the loop.", byLoop { Double($0.cpuNanoseconds) / 1e9 })
        text.counter(
            "switchboard_loop_busy_seconds", "Time in which the loop didn't wait.",
            byLoop { Double($0.loop.busyNanoseconds) / 1e9 })
        text.histogram(
            "switchboard_loop_tick_seconds", "From the end of a wait to the end of the flush after it.",
            histogramByLoop { $0.loop.ticks })
        text.gauge(
            "switchboard_loop_scrape_seconds", "What this scrape took of the loop.",
            byLoop { Double($0.nanoseconds) / 1e9 })
    }

    func appendConnections(to text: inout MetricsText) {
        text.gauge("switchboard_connections", "Open connections.", byLoop { $0.connections })
        text.gauge("switchboard_connections_max", "Connections there is room for.", Double(connectionsMax))
        text.counter("switchboard_connections_accepted", "Connections accepted.", byLoop { $0.loop.accepted })
        text.counter(
            "switchboard_connections_moved", "Connections that left for their user's loop.",
            byLoop { $0.loop.movedOut })
        text.counter(
            "switchboard_connections_closed", "Connections that ended, by reason.",
            byLoop("reason", CloseReason.allCases, \.rawValue) { $0.loop.closed($1) })
        text.counter(
            "switchboard_accept_failures", "Seconds in which connections couldn't be accepted.",
            byLoop { $0.loop.acceptFailures })
        text.counter("switchboard_received_bytes", "Bytes from clients.", byLoop { $0.loop.bytesReceived })
        text.counter("switchboard_sent_bytes", "Bytes to clients.", byLoop { $0.loop.bytesSent })
        text.counter("switchboard_socket_reads", "Calls of recv that gave something.", byLoop { $0.loop.receives })
        text.counter("switchboard_socket_writes", "Calls of send.", byLoop { $0.loop.sends })
        text.gauge(
            "switchboard_connection_buffer_bytes",
            "Bytes held for connections; estimated from some if there are many.",
            byLoop("class", [true, false], { $0 ? "output" : "input" }) {
                UInt64($1 ? $0.outputBytes : $0.inputBytes)
            })
        text.counter(
            "switchboard_bus_frames_lost", "Live events for other loops dropped: those were far behind.",
            byLoop { $0.lostBusFrames })
    }

    func appendSessions(to text: inout MetricsText) {
        text.gauge("switchboard_sessions", "Signed-in connections.", byLoop { $0.sessions })
        text.gauge("switchboard_sessions_behind", "Sessions in pull mode now.", byLoop { $0.behind })
        text.counter("switchboard_behind", "Times that a session fell behind.", byLoop { $0.hub.behind })
        text.gauge("switchboard_users", "Signed-in users.", usersByShard)
        text.gauge("switchboard_shard_users_max", "Users that a shard takes.", Double(usersPerShardMax))
        text.counter("switchboard_sign_ins", "Sessions that were welcomed.", byLoop { $0.hub.signIns })
        text.counter(
            "switchboard_sign_ins_refused", "Sign-ins refused, by reason.",
            byLoop("reason", RefusalCause.allCases, \.rawValue) { $0.node.refusedSignIns($1) })
        text.counter(
            "switchboard_sessions_ended", "Sessions that the router ended, by reason.",
            byLoop("reason", RefusalCause.allCases, \.rawValue) { $0.node.endedSessions($1) })
        text.counter(
            "switchboard_presence_changes", "Users who came or left.",
            byLoop("change", [true, false], { $0 ? "came" : "left" }) { $1 ? $0.hub.usersCame : $0.hub.usersLeft })
        text.gauge("switchboard_watches", "Users that sessions watch.", byLoop { $0.watches })
        text.gauge("switchboard_watched_users", "Users that somebody watches.", byLoop { $0.watchedUsers })
    }

    private var usersByShard: [MetricsText.Sample] {
        loops.enumerated().flatMap { index, loop in
            loop.usersPerShard.enumerated().map { shard, users -> MetricsText.Sample in
                ([("loop", String(index)), ("shard", String(shard))], Double(users))
            }
        }
    }

    func appendMessages(to text: inout MetricsText) {
        text.counter(
            "switchboard_frames_received", "Frames of signed-in clients, by form.",
            byLoop("form", [true, false], { $0 ? "json" : "binary" }) {
                $1 ? $0.hub.jsonFramesReceived : $0.hub.binaryFramesReceived
            })
        text.counter("switchboard_frames_sent", "Frames to sessions, without channels'.", byLoop { $0.hub.framesSent })
        text.counter(
            "switchboard_messages_received", "Messages taken, by kind; those of HTTP calls too.",
            byLoop("kind", [true, false], { $0 ? "private" : "group" }) {
                $1 ? $0.hub.privateMessages : $0.hub.groupMessages
            })
        text.counter("switchboard_messages_pushed", "Entries pushed to sessions.", byLoop { $0.hub.pushes })
        text.counter("switchboard_acks", "Frames and calls that the store has answered.", byLoop { $0.hub.acks })
        text.histogram(
            "switchboard_ack_seconds", "From the receipt of a message to its ack's sending.",
            histogramByLoop { $0.hub.ackSeconds })
        text.gauge(
            "switchboard_messages_waiting", "Messages and confirms that wait for the store.",
            byLoop { $0.waitingMessages })
        text.gauge("switchboard_answers_waiting", "Reads and other calls that do.", byLoop { $0.waitingAnswers })
        text.gauge(
            "switchboard_senders_paused", "Sessions not read from: the store is full.", byLoop { $0.pausedSenders })
        text.counter(
            "switchboard_errors", "Errors told to clients over WebSocket and TCP, by code.",
            byLoop("code", ErrorCode.allCases, \.rawValue) { $0.hub.errors($1) })
        text.counter(
            "switchboard_events_dropped", "Live events dropped: the client was slow.", byLoop { $0.hub.droppedEvents })
    }

    func appendChannels(to text: inout MetricsText) {
        text.gauge("switchboard_channels", "Channels.", byLoop { $0.channels })
        text.gauge(
            "switchboard_channel_history_bytes", "Bytes of channels' histories.", byLoop { $0.channelHistoryBytes })
        text.counter("switchboard_channel_publications", "Publications taken.", byLoop { $0.channelPublications })
        text.counter(
            "switchboard_channel_lags", "Times that a subscriber was slow and sent to the history.",
            byLoop { $0.hub.channelLags })
    }
}
