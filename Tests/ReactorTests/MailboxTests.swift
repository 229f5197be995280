import Glibc
import Synchronization
import Testing

@testable import Reactor

struct MailboxTests {
    /// How often the mailbox was signalled since the last look.
    private func wakeUps(_ mailbox: Mailbox) -> UInt64 {
        var count: UInt64 = 0
        return read(mailbox.descriptor, &count, 8) == 8 ? count : 0
    }

    @Test("A sleeping loop is woken once for a batch, an awake one never")
    func oneWakeUp() throws {
        let mailbox = try Mailbox()
        for _ in 0..<100 { mailbox.post {} }
        #expect(wakeUps(mailbox) == 0)
        #expect(!mailbox.prepareToSleep())
        var mails: [Mailbox.Mail] = []
        mailbox.takeAll(into: &mails)
        #expect(mails.count == 100)
        for round in 1...3 {
            #expect(mailbox.prepareToSleep())
            for _ in 0..<100 * round { mailbox.post {} }
            #expect(wakeUps(mailbox) == 1)
            mailbox.wokeUp()
            mailbox.post {}
            #expect(wakeUps(mailbox) == 0)
            mails.removeAll()
            mailbox.takeAll(into: &mails)
            #expect(mails.count == 100 * round + 1)
        }
    }

    @Test("What may be lost is refused when the mailbox is full, what may not is taken")
    func capacity() throws {
        let mailbox = try Mailbox(capacity: 3)
        for _ in 0..<3 { #expect(mailbox.postIfRoom {}) }
        #expect(!mailbox.postIfRoom {})
        mailbox.post {}
        var mails: [Mailbox.Mail] = []
        mailbox.takeAll(into: &mails)
        #expect(mails.count == 4)
        #expect(mailbox.postIfRoom {})
    }

    @Test("Posts of many threads all arrive once, in each thread's order")
    func manyProducers() throws {
        let producers = 4
        let posts = 10_000
        let mailbox = try Mailbox()
        let arrived = Mutex<[[Int]]>(Array(repeating: [], count: producers))
        let threads = (0..<producers).map { producer in
            LoopThread(name: "producer") {
                for post in 0..<posts {
                    mailbox.post { arrived.withLock { $0[producer].append(post) } }
                }
            }
        }
        let loop = try EventLoop(mailbox: mailbox)
        loop.tick(until: { arrived.withLock { $0.allSatisfy { $0.count >= posts } } })
        for thread in threads { thread.join() }
        loop.tickOnce()
        let expected = Array(0..<posts)
        arrived.withLock { for order in $0 { #expect(order == expected) } }
    }

    @Test("Mail that is posted while mail is run comes in the next round, not in the same")
    func postingFromMail() throws {
        let loop = try EventLoop.driven()
        let log = Mutex<[String]>([])
        let mailbox = loop.mailbox
        mailbox.post {
            log.withLock { $0.append("first") }
            mailbox.post { log.withLock { $0.append("later") } }
        }
        mailbox.post { log.withLock { $0.append("second") } }
        loop.runOnce()
        #expect(log.withLock { $0 } == ["first", "second"])
        loop.runOnce()
        #expect(log.withLock { $0 } == ["first", "second", "later"])
    }
}
