extension StormScenario.Result {
    /// What a page shows of a storm.
    package var charts: [Chart] {
        [
            Chart.percentiles(
                "Clients by the time they took",
                [("current", measurement.meter.ackLatency), ("signed in", measurement.meter.deliveryLatency)]),
            Chart.course("Clients that become current", unit: "a second", [("clients", measurement.samples)]),
            Chart.threads(measurement),
        ].compactMap { $0 }
    }
}

extension Measurement {
    /// What a page shows of messages that go back and forth.
    ///
    /// - Parameters:
    ///   - counted: what the samples count.
    ///   - rounds: the rounds that this is the sum of; none if it was measured once.
    package func charts(counted: String, rounds: [Measurement] = []) -> [Chart] {
        let courses =
            rounds.count > 1
            ? rounds.enumerated().map { ("\(counted), round \($0.offset + 1)", $0.element.samples) }
            : [(counted, samples)]
        let title = counted.prefix(1).uppercased() + counted.dropFirst()
        return [
            Chart.percentiles(
                "Latency by percentile", [("ack", meter.ackLatency), ("delivery", meter.deliveryLatency)]),
            Chart.course("\(title) in the course of the run", unit: "a second", courses),
            Chart.threads(self),
        ].compactMap { $0 }
    }
}
