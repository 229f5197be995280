internal import Glibc
package import Reactor
internal import Synchronization

/// The threads of a load generator, each with its loop; the main thread tells them what to do and asks what they have.
package final class Crew<Member: LoadLoop> {
    private var desks: [Desk] = []

    /// Where one thread is reached.
    private struct Desk {
        let mailbox: Mailbox
        let member: LoopBound<Member>
        let thread: LoopThread
    }

    /// Starts one thread for each entry of `cores`, pinned there unless it is nil. Several have a descriptor table
    /// each.
    package init(_ plan: Plan, cores: [Int?], make: @escaping @Sendable (Plan, EventLoop) -> Member) throws {
        for (number, core) in cores.enumerated() {
            let mailbox = try Mailbox()
            let answer = Answer<Result<LoopBound<Member>, Errno>>()
            let thread = LoopThread(name: "load-\(number)") {
                if let core { ProcessResources.pinThread(core: core) }
                ProcessResources.sharpenTimers()
                do throws(Errno) {
                    if cores.count > 1 { try DescriptorTable.makeOwn(mailboxes: [mailbox]) }
                    let loop = try EventLoop(mailbox: mailbox)
                    answer.give(.success(LoopBound(make(plan, loop))))
                    loop.run()
                } catch {
                    answer.give(.failure(error))
                }
            }
            desks.append(Desk(mailbox: mailbox, member: try answer.wait().get(), thread: thread))
        }
    }

    package var count: Int { desks.count }

    /// Runs `body` on every loop, one after the other, and waits for its answers.
    @discardableResult
    package func ask<Value: Sendable>(_ body: @escaping @Sendable (Member) throws -> Value) throws -> [Value] {
        try desks.map { desk in
            let answer = Answer<Result<Value, any Error>>()
            let member = desk.member
            desk.mailbox.post { answer.give(Result { try body(member.onLoop) }) }
            return try answer.wait().get()
        }
    }

    /// The same with each loop's number, from 0.
    package func askEach(_ body: @escaping @Sendable (Member, Int) throws -> Void) throws {
        for (number, desk) in desks.enumerated() {
            let answer = Answer<Result<Void, any Error>>()
            let member = desk.member
            desk.mailbox.post { answer.give(Result { try body(member.onLoop, number) }) }
            try answer.wait().get()
        }
    }

    /// `numbers` cut into `count` parts that differ by one at most.
    static func shares(of numbers: Range<Int>, among count: Int) -> [Range<Int>] {
        (0..<count).map { part in
            let bounds = (numbers.count * part / count, numbers.count * (part + 1) / count)
            return numbers.lowerBound + bounds.0..<numbers.lowerBound + bounds.1
        }
    }

    /// Opens `count` clients from `first` on, neighbours on the same loop, and waits until all are signed in.
    ///
    /// - Parameters:
    ///   - secondsMax: what it may take beside the time for each client.
    ///   - progress: called now and then with the clients that are signed in, all that will be, and seconds.
    package func open(
        first: Int = 0, count: Int, secondsMax: Double, progress: (Int, Int, Double) -> Void = { _, _, _ in }
    ) throws {
        for (number, desk) in desks.enumerated() {
            let loops = desks.count
            let indices = (first..<first + count).filter { $0 / 2 % loops == number }
            let member = desk.member
            desk.mailbox.post { member.onLoop.open(indices) }
        }
        let start = Stamp.now
        let deadline = start + UInt64((secondsMax + Double(count) * LoadLoop.signInSecondsMax) * 1e9)
        while true {
            let counts = try ask { ($0.readyCount, $0.failureCount, $0.failures) }
            let ready = counts.reduce(0) { $0 + $1.0 }
            if ready == first + count { return }
            progress(ready - first, count, Double(Stamp.now - start) / 1e9)
            let reasons = Set(counts.flatMap(\.2)).sorted().joined(separator: "; ")
            if counts.contains(where: { $0.1 > 0 }) { throw BenchError("connections failed: \(reasons)") }
            if Stamp.now > deadline { throw BenchError("only \(ready) of \(first + count) clients are signed in") }
            usleep(10_000)
        }
    }

    /// The meters of all loops, added up.
    package func meter() throws -> Meter {
        var sum = Meter()
        for meter in try ask({ $0.meter }) { sum.add(meter) }
        return sum
    }

    /// What was counted since the measured interval began.
    package func measured() throws -> Meter {
        var sum = Meter()
        for meter in try ask({ $0.meter.since($0.baseline) }) { sum.add(meter) }
        return sum
    }

    /// Ends all connections and threads.
    package func stop() {
        for desk in desks {
            let member = desk.member
            desk.mailbox.post {
                member.onLoop.closeAll()
                member.onLoop.stopLoop()
            }
            desk.thread.join()
        }
        desks = []
    }
}

/// A value that one thread gives and another waits for.
private final class Answer<Value: Sendable>: Sendable {
    private let value = Mutex<Value?>(nil)
    private let semaphore: Semaphore

    /// The address of a POSIX semaphore must not change.
    private final class Semaphore: @unchecked Sendable {
        let raw = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)
        init() { sem_init(raw, 0, 0) }
        deinit {
            sem_destroy(raw)
            raw.deallocate()
        }
    }

    init() { semaphore = Semaphore() }

    func give(_ value: Value) {
        self.value.withLock { $0 = value }
        sem_post(semaphore.raw)
    }

    func wait() -> Value {
        while sem_wait(semaphore.raw) != 0 {}
        return value.withLock { $0 }.unsafelyUnwrapped
    }
}
