import ArgumentParser
import Base
import EmbeddedStore
import Glibc

/// Measures the embedded store against bare SQLite, side by side, in this process.
@main
struct StoreBench: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Measures the embedded store against bare SQLite.",
        discussion: """
            Cases: raw = one append-only row a message; rows = history and two inbox rows in place; journal = the \
            journal alone; store = journal and fold, until everything can be read; small = the same with 50,000 \
            messages stored, whatever --stored says. All cases are filled first and then measured in turns. A line \
            has the median and the range of messages/s, and the median of the microseconds of CPU a message of all \
            threads; store and small also how long a batch waited for its answer.
            """)

    @Option(help: "Users, each with one conversation; chosen at random.")
    var users = 100_000
    @Option(help: "Messages stored in each case before the measurement begins.")
    var stored = 50_000
    @Option(help: "Messages measured in each case and round.")
    var messages = 300_000
    @Option(help: "Messages of the rows case, which is slow, for each hundred of the others.")
    var rowsPercent = 25
    @Option(help: "Rounds, in each of which every case has a turn.")
    var rounds = 3
    @Option(help: "Messages a batch.")
    var batch = 256
    @Option(help: "Bytes of a message's body.")
    var body = 128
    @Option(help: "Cases, with commas between them.")
    var cases = "raw,rows,journal,store,small"
    @Option(help: "Where the files are written; the directory is emptied.")
    var directory = "/tmp/switchboard-bench"
    @Flag(help: "Also open a copy of the store case's files: as a crash leaves them, and as a proper end does.")
    var start = false
    @Flag(help: "Messages have no cid.")
    var noCid = false
    @Option(help: "Bytes after which the index folds, in MiB.")
    var foldMebibytes = 64
    @Option(help: "Bytes after which the journal's WAL is checkpointed, in MiB (journal case only).")
    var checkpointMebibytes = 8
    @Option(help: "Page size of journal.db in bytes (journal case only).")
    var page = JournalFile.pageBytes

    private static let smallMessages = 50_000

    func run() throws {
        let load = Load(users: users, bodyBytes: body, withCid: !noCid)
        print("users \(users), stored \(stored), \(rounds) rounds of \(messages), batch \(batch), body \(body) B")
        system("rm -rf '\(directory)'")
        defer { system("rm -rf '\(directory)'") }
        let cases = try self.cases.split(separator: ",").map { try make(String($0), load) }
        for each in cases {
            let start = Measurement.nanoseconds()
            try each.fill(each.name == "small" ? StoreBench.smallMessages : stored)
            let seconds = Double(Measurement.nanoseconds() - start) / 1e9
            print("\(padded(each.name)) filled in \(rounded(seconds, 1)) s")
        }
        var results: [String: [Measurement]] = [:]
        for _ in 0..<rounds {
            for each in cases {
                // What the case before left to be written must not slow this one's syncs.
                system("sync -f '\(directory)'")
                let share = each.name == "rows" ? messages * rowsPercent / 100 : messages
                results[each.name, default: []].append(try each.measure(share / batch * batch, batch: batch))
            }
        }
        for each in cases { print(line(each.name, results[each.name] ?? [])) }
        // The store is open meanwhile, so that its files are those of a process that was killed.
        try withExtendedLifetime(cases) { if start { try printStarts(of: "\(directory)/store") } }
        ratio(results, "journal", "raw", "messages/s") { $0.perSecond }
        ratio(results, "store", "raw", "messages/s") { $0.perSecond }
        ratio(results, "store", "rows", "messages/s") { $0.perSecond }
        ratio(results, "store", "small", "CPU a message") { $0.microseconds }
        ratio(results, "store", "small", "mean wait for the answer") { $0.meanLatency }
    }

    /// How long it takes until a store can be used.
    private func printStarts(of directory: String) throws {
        let copy = "\(self.directory)/copy"
        let status = system("cp -a '\(directory)' '\(copy)' && sync -f '\(copy)'")
        precondition(status == 0, "the files can't be copied")
        for end in ["a crash", "a proper end"] {
            let begin = Measurement.nanoseconds()
            let store = try EmbeddedStore(EmbeddedStoreOptions(directory: copy), mailboxes: [])
            print("opened after \(end) in \(rounded(Double(Measurement.nanoseconds() - begin) / 1e9, 2)) s")
            store.close()
        }
    }

    private func make(_ name: String, _ load: Load) throws -> any BenchCase {
        let directory = "\(directory)/\(name)"
        system("mkdir -p '\(directory)'")
        switch name {
        case "raw": return RawCase(.appendOnly, directory, load)
        case "rows": return RawCase(.threeRows, directory, load)
        case "journal":
            return try JournalCase(directory, load, page: page, checkpointBytes: checkpointMebibytes << 20)
        case "store", "small": return try StoreCase(name, directory, load, foldMebibytes: foldMebibytes)
        default: throw ValidationError("there is no case \(name)")
        }
    }

    private func line(_ name: String, _ runs: [Measurement]) -> String {
        let rates = runs.map(\.perSecond).sorted()
        guard let least = rates.first, let most = rates.last else { return name }
        var text = "\(padded(name)) \(Int(median(rates))) messages/s (\(Int(least))-\(Int(most))), "
        text += "\(rounded(median(runs.map(\.microseconds)), 2)) us CPU a message"
        let waits = runs.flatMap(\.latencies).sorted()
        guard !waits.isEmpty else { return text }
        func milliseconds(_ share: Double) -> Double {
            rounded(Double(waits[Int(Double(waits.count - 1) * share)]) / 1e6, 2)
        }
        return text + ", answer after \(milliseconds(0.5)) ms, p99 \(milliseconds(0.99)) ms"
    }

    /// The median of the rounds' ratios, and their range.
    private func ratio(
        _ results: [String: [Measurement]], _ one: String, _ other: String, _ what: String,
        _ figure: (Measurement) -> Double
    ) {
        guard let above = results[one], let below = results[other] else { return }
        let ratios = zip(above, below).map { figure($0) / figure($1) }.sorted()
        guard let least = ratios.first, let most = ratios.last else { return }
        print("\(one)/\(other), \(what): \(rounded(median(ratios), 2)) (\(rounded(least, 2))-\(rounded(most, 2)))")
    }

    private func median(_ values: [Double]) -> Double { values.sorted()[values.count / 2] }

    private func padded(_ name: String) -> String { name + String(repeating: " ", count: max(0, 8 - name.count)) }

    private func rounded(_ value: Double, _ digits: Int) -> Double {
        let factor = digits == 2 ? 100.0 : 10.0
        return (value * factor).rounded() / factor
    }
}
