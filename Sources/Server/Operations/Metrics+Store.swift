internal import Base
internal import EmbeddedStore

// HTTP, the store and the webhook.
extension Metrics {
    func appendRequests(to text: inout MetricsText) {
        let names = routes + [(method: "any", path: "other"), (method: "GET", path: "websocket")]
        var sums = Array(repeating: RouteCounters(), count: names.count)
        for loop in loops {
            for (index, route) in loop.node.http.enumerated() where index < sums.count { sums[index].add(route) }
        }
        var requests: [MetricsText.Sample] = []
        var seconds: [(labels: MetricsText.Labels, value: Histogram)] = []
        for (name, route) in zip(names, sums) {
            let labels: MetricsText.Labels = [("method", name.method), ("route", name.path)]
            for (status, count) in route.statuses {
                requests.append((labels + [("status", String(status))], Double(count)))
            }
            if let histogram = route.seconds { seconds.append((labels, histogram)) }
        }
        text.counter("switchboard_http_requests", "Requests answered, by route and status.", requests)
        text.histogram("switchboard_http_request_seconds", "From the whole request to its answer.", seconds)
    }

    func appendStore(to text: inout MetricsText) {
        let counters = store.counters
        text.gauge(
            "switchboard_store_ready", "1 if the store takes messages and answers.", store.trouble == nil ? 1 : 0)
        text.counter("switchboard_store_messages", "Messages on disk.", Double(counters.messages))
        text.counter("switchboard_store_commits", "Commits of the journal.", Double(counters.commits))
        text.counter("switchboard_store_failed_commits", "Commits that failed.", Double(counters.failedCommits))
        text.counter("switchboard_store_folds", "Folds into the index.", Double(counters.folds))
        text.counter("switchboard_store_failed_folds", "Folds that failed.", Double(counters.failedFolds))
        text.gauge(
            "switchboard_store_lag_seconds", "Age of the oldest batch that isn't in the index.",
            Double(store.foldLagNanoseconds) / 1e9)
        text.gauge("switchboard_store_queue_bytes", "Bytes that wait for the disk.", Double(counters.queuedBytes))
        text.gauge("switchboard_store_queue_max_bytes", "From where senders wait.", Double(store.queueBytesMax))
        text.gauge("switchboard_store_unfolded_bytes", "Bytes not in the index.", Double(counters.unfoldedBytes))
        text.gauge("switchboard_store_unfolded_max_bytes", "From where senders wait.", Double(store.unfoldedBytesMax))
        text.gauge("switchboard_store_reads_waiting", "Reads that wait for a reader.", Double(store.waitingReads))
        text.gauge(
            "switchboard_store_changes_waiting", "Changes of the directory that wait.", Double(store.waitingCommands))
        let sizes: [(String, UInt64)] = [
            ("journal", files.journalBytes), ("journal-wal", files.journalWALBytes), ("index", files.indexBytes),
            ("index-wal", files.indexWALBytes),
        ]
        text.gauge(
            "switchboard_store_file_bytes", "Size of the store's files.",
            sizes.map { name, bytes -> MetricsText.Sample in ([("file", name)], Double(bytes)) })
        text.gauge("switchboard_store_disk_free_bytes", "Free on the file system.", Double(files.diskFreeBytes))
        text.gauge("switchboard_store_disk_bytes", "Size of the file system.", Double(files.diskBytes))
    }

    func appendStoreTimes(to text: inout MetricsText) {
        let measures = store.measures
        text.histogram(
            "switchboard_store_commit_seconds", "A round of the journal.", [([], measures.commitSeconds)])
        text.histogram(
            "switchboard_store_sync_seconds", "Its COMMIT: the WAL's write and sync.", [([], measures.syncSeconds)])
        text.histogram("switchboard_store_commit_messages", "Messages of a commit.", [([], measures.batchMessages)])
        text.histogram("switchboard_store_commit_bytes", "Bytes of a commit.", [([], measures.batchBytes)])
        text.histogram(
            "switchboard_store_checkpoint_seconds", "Checkpoints of the journal.", [([], measures.checkpointSeconds)])
        text.histogram("switchboard_store_fold_seconds", "A fold.", [([], measures.foldSeconds)])
        text.histogram("switchboard_store_fold_records", "Records of a fold.", [([], measures.foldRecords)])
        text.histogram(
            "switchboard_store_fold_lag_seconds", "Age of a fold's oldest batch at its end.",
            [([], measures.foldLagSeconds)])
        text.histogram(
            "switchboard_store_read_seconds", "A read, with its wait for a fold.", [([], measures.readSeconds)])
        text.histogram(
            "switchboard_store_change_seconds", "A change of the directory.", [([], measures.directorySeconds)])
    }

    func appendWebhook(to text: inout MetricsText) {
        guard let webhook else { return }
        text.counter(
            "switchboard_webhook_requests", "Requests of the webhook, by outcome.",
            [([("outcome", "taken")], Double(webhook.taken)), ([("outcome", "failed")], Double(webhook.failed))])
        text.counter("switchboard_webhook_events", "Events that were taken.", Double(webhook.events))
        text.gauge("switchboard_webhook_parked", "1 if it has given up until SIGHUP.", webhook.isParked ? 1 : 0)
    }
}
