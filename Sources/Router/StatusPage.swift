import Server

/// What `router status` prints, from two looks at the metrics.
struct StatusPage {
    let url: String
    let first: MetricsReading
    let last: MetricsReading
    let isReady: Bool
    /// What `/readyz` said.
    let answer: String

    var text: String {
        let version = last.label("version", of: "switchboard_build_info") ?? "of an unknown version"
        var lines = ["Switchboard \(version) at \(url): \(isReady ? "ready" : "NOT READY")"]
        if !isReady { lines.append("  \(answer)") }
        let rows = [
            ("up", StatusPage.duration(last.sum("switchboard_uptime_seconds"))), ("connections", connections),
            ("traffic", traffic), ("acks", acks),
            ("store", store), ("disk", disk), ("memory", StatusPage.bytes(last.sum("process_resident_memory_bytes"))),
            ("CPU", processor), ("open files", openFiles), ("refused", refused),
        ]
        lines += rows.map { name, value in
            "  " + name + String(repeating: " ", count: 13 - name.count) + value
        }
        return lines.joined(separator: "\n")
    }

    // MARK: Rows

    private var connections: String {
        let open = last.sum("switchboard_connections")
        return "\(StatusPage.count(open))\(StatusPage.share(open, of: last.sum("switchboard_connections_max"))), "
            + "\(StatusPage.count(last.sum("switchboard_sessions"))) sessions, "
            + "\(StatusPage.count(last.sum("switchboard_users"))) users, "
            + "\(StatusPage.count(last.sum("switchboard_sessions_behind"))) behind"
    }

    private var traffic: String {
        "\(rate("switchboard_messages_received_total")) messages/s in, "
            + "\(rate("switchboard_messages_pushed_total")) pushes/s out, "
            + "\(rate("switchboard_http_requests_total")) HTTP requests/s, "
            + "\(StatusPage.bytes(perSecond("switchboard_received_bytes_total")))/s in, "
            + "\(StatusPage.bytes(perSecond("switchboard_sent_bytes_total")))/s out"
    }

    private var acks: String {
        let name = "switchboard_ack_seconds"
        let isNow = last.quantile(0.5, of: name, since: first) != nil
        let earlier = isNow ? first : nil
        guard let median = last.quantile(0.5, of: name, since: earlier),
            let high = last.quantile(0.99, of: name, since: earlier)
        else { return "none yet" }
        return "p50 ≤ \(StatusPage.time(median)), p99 ≤ \(StatusPage.time(high)) "
            + (isNow ? "(this second)" : "(since the start)")
    }

    private var store: String {
        let queued = last.sum("switchboard_store_queue_bytes")
        let unfolded = last.sum("switchboard_store_unfolded_bytes")
        let failures = ["commits", "folds"].reduce(0) { $0 + last.sum("switchboard_store_failed_\($1)_total") }
        let sync = last.quantile(0.99, of: "switchboard_store_sync_seconds")
            .map { ", sync p99 ≤ \(StatusPage.time($0))" }
        return "index \(StatusPage.time(last.sum("switchboard_store_lag_seconds"))) behind\(sync ?? ""), "
            + "\(StatusPage.bytes(queued)) queued"
            + StatusPage.share(queued, of: last.sum("switchboard_store_queue_max_bytes"), StatusPage.bytes)
            + ", \(StatusPage.bytes(unfolded)) not in the index"
            + StatusPage.share(unfolded, of: last.sum("switchboard_store_unfolded_max_bytes"), StatusPage.bytes)
            + (failures > 0 ? ", \(StatusPage.count(failures)) failures" : "")
    }

    private var disk: String {
        let free = last.sum("switchboard_store_disk_free_bytes")
        return "\(StatusPage.bytes(last.sum("switchboard_store_file_bytes"))) used, \(StatusPage.bytes(free)) free"
            + StatusPage.share(free, of: last.sum("switchboard_store_disk_bytes"), StatusPage.bytes)
    }

    private var processor: String {
        "\(StatusPage.percent(perSecond("process_cpu_seconds_total"))) of one core, "
            + "\(StatusPage.percent(perSecond("switchboard_loop_cpu_seconds_total"))) of it in loops"
    }

    private var openFiles: String {
        let open = last.sum("process_open_fds")
        return StatusPage.count(open) + StatusPage.share(open, of: last.sum("process_max_fds"))
    }

    private var refused: String {
        let kinds = [
            ("sign-ins", last.sums("switchboard_sign_ins_refused_total", by: "reason")),
            ("frames", last.sums("switchboard_errors_total", by: "code")),
        ]
        let parts = kinds.filter { !$0.1.isEmpty }.map { name, sums in
            name + " " + sums.prefix(4).map { "\($0.value) \(StatusPage.count($0.sum))" }.joined(separator: ", ")
        }
        return parts.isEmpty ? "nothing" : parts.joined(separator: "; ")
    }

    // MARK: Numbers

    private func perSecond(_ name: String) -> Double {
        let seconds = last.sum("switchboard_uptime_seconds") - first.sum("switchboard_uptime_seconds")
        return seconds > 0 ? max(0, last.sum(name) - first.sum(name)) / seconds : 0
    }

    private func rate(_ name: String) -> String { StatusPage.count(perSecond(name).rounded()) }

    private static func count(_ value: Double) -> String {
        let digits = String(Int(value))
        var grouped = ""
        for (index, digit) in digits.enumerated() {
            if index > 0, (digits.count - index) % 3 == 0 { grouped += "," }
            grouped.append(digit)
        }
        return grouped
    }

    private static func share(_ value: Double, of most: Double, _ format: (Double) -> String = count) -> String {
        most > 0 ? " of \(format(most)) (\(percent(value / most)))" : ""
    }

    private static func percent(_ share: Double) -> String { "\(Int((share * 100).rounded())) %" }

    static func bytes(_ value: Double) -> String {
        var value = value
        for unit in ["B", "KiB", "MiB", "GiB"] {
            if value < 1024 { return unit == "B" ? "\(Int(value)) B" : "\(tenths(value)) \(unit)" }
            value /= 1024
        }
        return "\(tenths(value)) TiB"
    }

    private static func tenths(_ value: Double) -> String { "\((value * 10).rounded() / 10)" }

    private static func time(_ seconds: Double) -> String {
        if seconds == .infinity { return "10 s and more" }
        if seconds == 0 { return "0 s" }
        return seconds < 1 ? "\(tenths(seconds * 100 * 10)) ms" : "\(tenths(seconds)) s"
    }

    static func duration(_ seconds: Double) -> String {
        let whole = Int(seconds)
        let (days, hours, minutes) = (whole / 86_400, whole / 3_600 % 24, whole / 60 % 60)
        if days > 0 { return "\(days) d \(hours) h" }
        if hours > 0 { return "\(hours) h \(minutes) min" }
        return minutes > 0 ? "\(minutes) min \(whole % 60) s" : "\(whole) s"
    }
}
