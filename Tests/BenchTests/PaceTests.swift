import LoadGenerator
import Testing

@Suite struct PaceTests {
    @Test func takesNothingBeforeItsTime() {
        var pace = Pace(start: 1_000, messagesPerSecond: 1_000)
        #expect(pace.take(now: 999) == nil)
        #expect(pace.take(now: 1_000) == 1_000)
        #expect(pace.take(now: 1_000_999) == nil)
        #expect(pace.take(now: 1_001_000) == 1_001_000)
    }

    @Test func aStallIsChargedToEveryMessageOfIt() {
        var pace = Pace(start: 0, messagesPerSecond: 1_000)
        var latency = Latency()
        // The generator, or the server, comes back after one second: a thousand messages are due, and each is as late
        // as its own place in the schedule says.
        let now: UInt64 = 1_000_000_000
        while let intended = pace.take(now: now) { latency.record(from: intended, to: now) }
        #expect(latency.count == 1_001)
        #expect(abs(latency.microseconds(50) - 500_000) < 2_000)
        #expect(abs(latency.maxMicroseconds - 1_000_000) < 2_000)
    }

    @Test func roundingDoesNotAddUp() {
        var pace = Pace(start: 7, messagesPerSecond: 3)
        for _ in 0..<3_000_000 { _ = pace.take(now: .max) }
        #expect(pace.next == 7 + 1_000_000_000_000_000)
    }
}
