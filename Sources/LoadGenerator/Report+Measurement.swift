extension Report {
    /// What a server needed for `messages` of a measurement: µs of CPU a message, whole, split and by thread.
    package mutating func addCost(_ measurement: Measurement, messages: Int, each: String = "a message") {
        guard let server = measurement.server, messages > 0 else { return }
        let count = Double(messages)
        add("server_us", "server CPU \(each)", server.microseconds / count, places: 3, "µs")
        add("server_user_us", "  user", server.userMicroseconds / count, places: 3, "µs")
        add("server_system_us", "  system", server.systemMicroseconds / count, places: 3, "µs")
        add("server_percent", "server CPU", server.microseconds / measurement.seconds / 1e4, places: 0, "% of a core")
        let ticks = Int((server.microseconds / 1e6 * ProcessUsage.ticksPerSecond).rounded())
        if ticks < Report.ticksMin {
            let length = Report.fixed(1e3 / ProcessUsage.ticksPerSecond, 0)
            add("server_ticks", "  rests on about", ticks, "ticks of \(length) ms: run longer")
        }
        for thread in server.threads where thread.microseconds / measurement.seconds > 1e3 {
            let share = Report.fixed(thread.microseconds / measurement.seconds / 1e4, 0)
            add(
                "thread_\(thread.name)_us", "  thread \(thread.name)", thread.microseconds / count, places: 3,
                "µs, \(share) % of a core")
        }
    }

    /// With fewer ticks the CPU figures are rough: each is off by up to one for every thread.
    private static let ticksMin = 100

    /// How long it was measured.
    package mutating func addSeconds(_ measurement: Measurement) {
        add("seconds", "measured", measurement.seconds, places: 2, "s")
    }

    /// What was asked for on a schedule, and whether it was kept.
    package mutating func addSchedule(_ schedule: Schedule) {
        add("intended_rate", "intended a second", schedule.rate, places: 0)
        if let objection = schedule.objection { add("behind_schedule", "behind the schedule", .text(objection)) }
        if let note = schedule.note { add("schedule_note", "  longer than the interval", .text(note)) }
    }

    /// How busy the load generator was: near 100 % a thread, it measures itself.
    package mutating func addClient(_ measurement: Measurement) {
        let percent = measurement.client.microseconds / measurement.seconds / 1e4
        add("client_percent", "load generator CPU", percent, places: 0, "% of a core")
        guard measurement.server != nil else { return }
        let disturbance = measurement.disturbance / measurement.seconds / 1e4
        let mark = disturbance > Report.disturbanceMax ? ": others were busy, repeat" : ""
        add("other_percent", "everything else", disturbance, places: 0, "% of a core\(mark)")
    }

    /// Percent of a core above which others disturbed what was measured.
    package static let disturbanceMax = 10.0

    package mutating func addLatency(_ key: String, _ label: String, _ latency: Latency) {
        guard latency.count > 0 else { return }
        for (name, percentile) in [("p50", 50.0), ("p90", 90), ("p99", 99), ("p99.9", 99.9), ("p99.99", 99.99)] {
            add("\(key)_\(name)_us", "\(label) \(name)", latency.microseconds(percentile), places: 1, "µs")
        }
        add("\(key)_max_us", "\(label) max", latency.maxMicroseconds, places: 1, "µs")
        add("\(key)_mean_us", "\(label) mean", latency.meanMicroseconds, places: 1, "µs")
    }

    /// What shouldn't have happened, at any time of the run; nothing where nothing did.
    package mutating func addTrouble(_ measurement: Measurement) {
        let meter = measurement.whole
        let counts = [
            ("refused", "messages refused", meter.refused), ("lost", "connections lost", meter.lost),
            ("behind", "sessions told they are behind", meter.behind), ("other", "unexpected frames", meter.other),
            ("skipped", "messages skipped: the rate can't be kept", meter.skipped),
            ("unanswered", "messages without an answer at the end", measurement.unanswered),
            ("undelivered", "deliveries that were still to come at the end", measurement.undelivered),
        ]
        for (key, label, count) in counts where count != 0 { add(key, label, count) }
    }
}
