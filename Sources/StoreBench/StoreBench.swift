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
            journal alone; store = journal and fold, until everything can be read. Each line has messages/s, \
            microseconds of CPU a message (all threads) and commits.
            """)

    @Option(help: "Users, each with one conversation; chosen at random.")
    var users = 100_000
    @Option(help: "Messages measured in each case.")
    var messages = 500_000
    @Option(help: "Messages a batch.")
    var batch = 256
    @Option(help: "Messages stored before the measurement begins (journal and store).")
    var preload = 0
    @Option(help: "Bytes of a message's body.")
    var body = 96
    @Option(help: "Cases, with commas between them.")
    var cases = "raw,rows,journal,store"
    @Option(help: "Where the files are written; the directory is emptied.")
    var directory = "/tmp/switchboard-bench"
    @Flag(help: "Messages have no cid.")
    var noCid = false
    @Option(help: "Bytes after which the index folds, in MiB.")
    var foldMebibytes = 64
    @Option(help: "Bytes after which the journal's WAL is checkpointed, in MiB (journal case only).")
    var checkpointMebibytes = 8
    @Option(help: "Page size of journal.db in bytes (journal case only).")
    var page = JournalFile.pageBytes

    func run() throws {
        let load = Load(users: users, bodyBytes: body, withCid: !noCid)
        print("users \(users), messages \(messages), batch \(batch), preload \(preload), body \(body) B")
        var results: [String: Measurement] = [:]
        for name in cases.split(separator: ",").map(String.init) {
            // What the case before left to be written must not slow this one's syncs.
            system("rm -rf '\(directory)' && mkdir -p '\(directory)' && sync -f '\(directory)'")
            let result: Measurement
            switch name {
            case "raw": result = try RawCase(layout: .appendOnly, directory, load).run(messages, batch: batch)
            case "rows": result = try RawCase(layout: .threeRows, directory, load).run(messages, batch: batch)
            case "journal": result = try JournalCase(self, load).run()
            case "store": result = try StoreCase(self, load).run()
            default: throw ValidationError("there is no case \(name)")
            }
            results[name] = result
            print(result.line(name))
        }
        ratio(results, "journal", "raw")
        ratio(results, "store", "rows")
        system("rm -rf '\(directory)'")
    }

    private func ratio(_ results: [String: Measurement], _ one: String, _ other: String) {
        guard let above = results[one], let below = results[other] else { return }
        print("\(one)/\(other): \(rounded(above.perSecond / below.perSecond, 2))")
    }
}

/// Wall clock and CPU of a piece of work.
struct Measurement {
    var messages: Int
    var commits: Int
    var seconds: Double
    var cpuSeconds: Double

    var perSecond: Double { Double(messages) / seconds }

    func line(_ name: String) -> String {
        let padded = name + String(repeating: " ", count: max(0, 8 - name.count))
        let cpu = rounded(cpuSeconds * 1e6 / Double(messages), 2)
        return "\(padded) \(Int(perSecond)) messages/s, \(cpu) us CPU a message, \(commits) commits"
    }

    static func of(_ messages: Int, _ body: () throws -> Int) rethrows -> Measurement {
        let start = (wall(), cpu())
        let commits = try body()
        return Measurement(
            messages: messages, commits: commits, seconds: wall() - start.0, cpuSeconds: cpu() - start.1)
    }

    private static func wall() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }

    private static func cpu() -> Double {
        var usage = rusage()
        getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        return Double(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec)
            + Double(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6
    }
}

func rounded(_ value: Double, _ digits: Int) -> String {
    let factor = digits == 2 ? 100.0 : 10.0
    return "\((value * factor).rounded() / factor)"
}
