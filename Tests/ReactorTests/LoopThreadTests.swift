import Glibc
import Synchronization
import Testing

@testable import Reactor

struct LoopThreadTests {
    /// Waits for `continuation` to be resumed by another thread.
    private static func hop() async {
        await withCheckedContinuation { continuation in
            _ = LoopThread(name: "elsewhere") { continuation.resume() }
        }
    }

    @Test("An await comes back to the thread of its loop, in the middle of its ticks")
    func awaiting() throws {
        let loop = try EventLoop.driven()
        let threads = Mutex<[pthread_t]>([])
        let executor = loop.executor
        Task(executorPreference: executor) {
            for _ in 0..<20 {
                threads.withLock { $0.append(pthread_self()) }
                await LoopThreadTests.hop()
            }
        }
        loop.tick(until: { threads.withLock { $0.count } == 20 })
        #expect(threads.withLock { $0.allSatisfy { pthread_equal($0, pthread_self()) != 0 } })
    }

    @Test("A thread has run its function when join returns, however often that is asked")
    func joining() {
        let isDone = Atomic(false)
        let thread = LoopThread(name: "worker") { isDone.store(true, ordering: .releasing) }
        thread.join()
        let wasDone = isDone.load(ordering: .acquiring)
        #expect(wasDone)
        thread.join()
    }

    @Test("A loop runs on its thread until it is stopped, and closes what is open")
    func running() throws {
        let mailbox = try Mailbox()
        let closed = Atomic(0)
        let (detached, peer) = socketPair()
        let thread = LoopThread(name: "loop") {
            guard let loop = try? EventLoop(mailbox: mailbox) else { return }
            let recorder = Recorder()
            guard (try? loop.adopt(detached, delegate: recorder)) != nil else { return }
            let bound = LoopBound(loop)
            mailbox.post { bound.onLoop.stop() }
            loop.run()
            closed.store(recorder.closed, ordering: .releasing)
        }
        thread.join()
        let count = closed.load(ordering: .acquiring)
        #expect(count == 1)
        #expect(peer.read() == [])
    }

    @Test("What belongs to a loop is there on its thread")
    func bound() {
        let bound = LoopBound([1, 2, 3])
        #expect(bound.onLoop == [1, 2, 3])
    }

    @Test("What belongs to a loop traps on another thread")
    func boundElsewhere() async {
        await #expect(processExitsWith: .failure) {
            let bound = LoopBound(1)
            LoopThread(name: "elsewhere") { _ = bound.onLoop }.join()
        }
    }
}
