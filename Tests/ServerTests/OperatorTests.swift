import Base
import Logging
import Reactor
import Synchronization
import Testing

@testable import Server

struct OperatorTests {
    @Test("Levels are written for all, and for parts")
    func levels() throws {
        let specification = try LogSpecification(parsing: "info,http=debug")
        #expect(specification.levels[.http] == .debug && specification.levels[.store] == .info)
        #expect(specification.description == "info,http=debug")
        #expect(try LogSpecification(parsing: "http=debug").levels[.store] == LogSpecification.defaultLevel)
        for wrong in ["", "loud", "kitchen=debug", "info,", "http=", "=info"] {
            #expect(throws: ConfigurationError.self, "\(wrong)") { try LogSpecification(parsing: wrong) }
        }
    }

    @Test("Levels that are set are those that are told, for each part")
    func changedLevels() throws {
        let levels = LogLevels()
        for text in ["critical", "trace,router=critical", "warning,connections=trace,webhook=info"] {
            let specification = try LogSpecification(parsing: text)
            levels.set(specification)
            #expect(levels.specification == specification && levels.specification.description == text)
        }
    }

    private func line(_ message: String, _ metadata: [(String, Logger.MetadataValue)] = []) -> LogLine {
        LogLine(
            level: .warning, subsystem: .http, message: message, metadata: metadata.map { (key: $0.0, value: $0.1) },
            time: 1_706_745_600_007)
    }

    @Test("A line is one line, whatever is in it")
    func lines() {
        let text = String(decoding: line("a\nb\u{1B}[31m", [("k", "x\ny z")]).encoded(.text), as: UTF8.self)
        #expect(text == #"2024-02-01T00:00:00.007Z warning http: a\u{a}b\u{1b}[31m k="x\\u{a}y z""#)
        let json = String(
            decoding: line("a\n\"b\"", [("n", .stringConvertible(7))]).encoded(.json), as: UTF8.self)
        #expect(
            json == #"{"time":"2024-02-01T00:00:00.007Z","level":"warning","subsystem":"http","message":"a\n\"b\"","n":7}"#)
    }

    @Test("Metrics that were written are read back, with quantiles over all loops")
    func readBack() {
        var histogram = Histogram(.seconds)
        histogram.record(900_000, times: 98)
        histogram.record(40_000_000, times: 2)
        var text = MetricsText(.prometheus)
        text.histogram("h_seconds", "A.", [([("loop", "0")], histogram), ([("loop", "1")], histogram)])
        text.counter("c", "B.", [([("code", "a\"b\\")], 3), ([("code", "x")], 4)])
        let reading = MetricsReading(String(decoding: text.finish(), as: UTF8.self))
        #expect(reading.quantile(0.5, of: "h_seconds") == 0.001 && reading.quantile(0.99, of: "h_seconds") == 0.05)
        #expect(reading.quantile(0.5, of: "h_seconds", since: reading) == nil)
        #expect(reading.sum("c_total") == 7 && reading.sum("h_seconds_count") == 200)
        #expect(abs(reading.sum("h_seconds_sum") - 2 * (98 * 0.0009 + 2 * 0.04)) < 1e-9)
        #expect(reading.sums("c_total", by: "code").first?.value == "x")
    }

    @Test("Work is done in its order, and what waits is done before the end")
    func workQueue() {
        let queue = WorkQueue()
        let done = Mutex<[Int]>([])
        for number in 0..<100 { queue.post { done.withLock { $0.append(number) } } }
        let thread = LoopThread(name: "work") { queue.run() }
        for number in 100..<200 { queue.post { done.withLock { $0.append(number) } } }
        queue.close()
        thread.join()
        #expect(done.withLock { $0 } == Array(0..<200))
    }
}
