internal import CSimulatedDisk
internal import Glibc
internal import Synchronization

/// Many runs on several threads, each with a disk of its own.
package final class Campaign: Sendable {
    private let firstSeed: UInt64
    private let runs: Int
    private let steps: Int
    private let plant: Plant?
    private let progress = Mutex(Progress())

    /// What is done so far.
    package struct Progress: Sendable {
        package var started = 0
        package var done = 0
        package var messages = 0
        package var crashes = 0
        package var diskFailures = 0
        /// The broken run with the lowest seed.
        package var failure: RunResult?
        /// Whether there are runs to do or to finish.
        fileprivate var isWorking = true
    }

    package init(firstSeed: UInt64, runs: Int, steps: Int, plant: Plant? = nil) {
        self.firstSeed = firstSeed
        self.runs = runs
        self.steps = steps
        self.plant = plant
    }

    /// Runs until all are done or one is broken.
    ///
    /// - Parameter report: called about once a second, and at the end.
    package func run(jobs: Int, report: (Progress) -> Void) -> Progress {
        simulated_disk_prepare_sqlite()
        _ = DiskImage.emptyStore
        let threads = (0..<jobs).map { job in spawn { [self] in work(job) } }
        wait(for: threads) { report(progress.withLock { $0 }) }
        return progress.withLock { $0 }
    }

    private func work(_ job: Int) {
        let runner = Runner(name: "disk \(job)", plant: plant)
        while let run = progress.withLock({ $0.next(runs) }) {
            let result = runner.run(firstSeed &+ UInt64(run), steps: steps)
            progress.withLock { $0.add(result) }
        }
    }

    // MARK: Threads

    private final class Body: Sendable {
        let run: @Sendable () -> Void
        init(_ run: @escaping @Sendable () -> Void) { self.run = run }
    }

    private func spawn(_ body: @escaping @Sendable () -> Void) -> pthread_t {
        var thread = pthread_t()
        var attributes = pthread_attr_t()
        pthread_attr_init(&attributes)
        pthread_attr_setstacksize(&attributes, 8 << 20)
        let argument = Unmanaged.passRetained(Body(body)).toOpaque()
        let code = pthread_create(
            &thread, &attributes,
            { argument in
                if let argument { Unmanaged<Body>.fromOpaque(argument).takeRetainedValue().run() }
                return nil
            }, argument)
        precondition(code == 0, "the system gave no thread")
        pthread_attr_destroy(&attributes)
        return thread
    }

    /// Returns when all threads are through; calls `report` about once a second.
    private func wait(for threads: [pthread_t], report: () -> Void) {
        var turns = 0
        while progress.withLock({ $0.isWorking }) {
            usleep(20_000)
            turns += 1
            if turns % 50 == 0 { report() }
        }
        for thread in threads { pthread_join(thread, nil) }
        report()
    }
}

extension Campaign.Progress {
    /// The next run to do; nil if there is none.
    fileprivate mutating func next(_ runs: Int) -> Int? {
        guard started < runs, failure == nil else {
            isWorking = done < started
            return nil
        }
        started += 1
        return started - 1
    }

    fileprivate mutating func add(_ result: RunResult) {
        done += 1
        messages += result.messages
        crashes += result.crashes
        diskFailures += result.diskFailures
        guard result.violation != nil else { return }
        if let failure, failure.seed < result.seed { return }
        failure = result
    }
}
