internal import Base
internal import Reactor
internal import Wire

/// A client that keeps a journal, loses its connection now and then, resumes and resends.
final class VerifyRole: ClientRole {
    private(set) var journal: ClientJournal
    /// Frames without an ack, by `cid`.
    private var unacked: [String: OutgoingMessage] = [:]
    /// Their order; holds `cid`s that were acked, too.
    private var order: [String] = []
    private var head: UInt64 = 0
    private var isBehind = false
    private var random: SeededRandom
    private var audit: Audit?
    /// What was refused and is to be sent again.
    private var refusedCids: [String] = []
    /// Whether a page that was asked for wasn't read.
    private var fetchFailed = false
    private unowned let verification: VerifyLoop

    init(_ client: LoadClient, _ verification: VerifyLoop) {
        self.verification = verification
        random = SeededRandom(seed: verification.setup.seed &+ UInt64(client.index) &* 0x9E37_79B9)
        journal = ClientJournal(user: verification.plan.target.user(client.index))
        super.init(client)
    }

    private var index: Int { client.index }

    override var resumeAfter: UInt64? { head }

    /// Nothing is under way.
    var isQuiet: Bool { client.state == .ready && unacked.isEmpty && !isBehind }

    /// Where the client stands, for whoever looks for what it waits for.
    var standing: String {
        let waiting = "\(unacked.count) messages without an ack, \(refusedCids.count) of them refused"
        let place =
            "connection \(client.state), has inbox entries through \(head)\(isBehind ? ", was told it is behind" : "")"
        return "\(journal.user): \(waiting); \(place); session \(journal.sessions.count)"
    }

    /// Entries and messages of large groups that were seen.
    var seenThrough: UInt64 { head + UInt64(journal.sessions.last?.pushes.count ?? 0) }

    // MARK: Sending

    /// Sends a message of its own choice unless too many wait for their acks.
    func compose() {
        guard client.state == .ready, unacked.count < VerifyRole.unackedMax else { return }
        let setup = verification.setup
        let group = setup.groups.isEmpty ? nil : setup.group(of: index, Int.random(in: 0..<1 << 30, using: &random))
        let isGroup = group != nil && Int.random(in: 0..<5, using: &random) == 0
        let other = (index + Int.random(in: 1..<setup.clients, using: &random)) % setup.clients
        let destination = isGroup ? group ?? "" : verification.plan.target.user(other)
        let number = UInt64(journal.sent.count) + 1
        let cid = String(number)
        // Where a recipient may speak binary, it knows the message by what stands in front of its text.
        let mark = verification.plan.target.wire == .json ? "" : VerifyContent.mark(number)
        let content = mark + VerifyContent.make(&random)
        journal.sent[cid] = ClientJournal.Sent(
            destination: destination, isGroup: isGroup, digest: VerifyContent.digest(content))
        let message = OutgoingMessage(
            kind: isGroup ? .group : .privateMessage, destination: destination, cid: number, cidText: cid,
            content: content)
        unacked[cid] = message
        order.append(cid)
        client.send(message)
    }

    private static let unackedMax = 32

    private func resend() {
        order.removeAll { unacked[$0] == nil }
        for cid in order {
            guard let message = unacked[cid] else { continue }
            journal.resendCount += 1
            client.send(message)
        }
    }

    /// Sends again what the router was too busy for.
    func retryRefused() {
        let cids = refusedCids
        refusedCids = []
        for cid in cids { if let message = unacked[cid] { client.send(message) } }
        if fetchFailed, isBehind { client.fetch(after: head) }
        fetchFailed = false
    }

    // MARK: Receiving

    override func take(json: UnsafeRawBufferPointer, _ now: UInt64) {
        if losesConnection() { return }
        guard let frame = try? VerifyFrame.decode(json) else {
            return surprise("no JSON: \(String(decoding: json.prefix(200), as: UTF8.self))")
        }
        take(frame, or: String(decoding: json.prefix(200), as: UTF8.self))
    }

    override func take(_ header: BinaryHeader, _ payload: UnsafeRawBufferPointer, _ now: UInt64) {
        if losesConnection() { return }
        do {
            take(try VerifyFrame(header, payload), or: "binary frame \(header.type)")
        } catch {
            surprise("binary frame \(header.type): \(error)")
        }
    }

    private func surprise(_ text: String) { journal.surprises.append(text) }

    /// Loses the connection now and then, and with it the frame that came.
    private func losesConnection() -> Bool {
        guard verification.isDisturbing, client.state == .ready,
            Int.random(in: 0..<VerifyRole.lossOneIn, using: &random) == 0
        else { return false }
        client.channel?.abort()
        return true
    }

    /// Takes a frame, whatever it came as; `text` shows it if it had no business to come.
    private func take(_ frame: VerifyFrame, or text: @autoclosure () -> String) {
        verification.meter.other += 1
        switch frame.cmd {
        case .number(10), .number(11), .name("notify"): see(frame.entry())
        case .name("ack"): take(ack: frame)
        case .name("welcome"): begin(frame)
        case .name("behind"):
            isBehind = true
            client.fetch(after: head)
        case .name("fetched"): take(page: frame)
        case .name("history"): take(history: frame)
        case .name("ok"): journal.confirmed = max(journal.confirmed, frame.ref.flatMap { UInt64($0) } ?? 0)
        case .name("error"): take(error: frame)
        default: surprise(text())
        }
    }

    /// How many frames come for one that is lost together with its connection.
    private static let lossOneIn = 2_000

    private func begin(_ welcome: VerifyFrame) {
        isBehind = false
        fetchFailed = false
        refusedCids = []
        journal.sessions.append(
            ClientJournal.Session(
                after: head, announced: welcome.seq ?? 0, confirmed: welcome.confirmed ?? 0,
                confirmedBefore: journal.confirmed))
        client.becameReady()
        resend()
    }

    private func see(_ entry: StoredEntry) {
        guard !journal.sessions.isEmpty else { return surprise("before welcome: \(entry.summary)") }
        guard entry.seq > 0 else { return journal.sessions[journal.sessions.count - 1].pushes.append(entry) }
        // In the binary protocol the entries of a page come one by one, and may have been pushed as well.
        if isBehind, entry.seq <= head, verification.plan.target.wire(of: index) == .binary { return }
        journal.sessions[journal.sessions.count - 1].entries.append(entry)
        head = max(head, entry.seq)
        guard verification.isDisturbing, index % 2 == 1, Int.random(in: 0..<50, using: &random) == 0 else { return }
        client.send(command: #"{"cmd":"confirm","seq":\#(head),"ref":"\#(head)"}"#)
    }

    private func take(ack frame: VerifyFrame) {
        var ack = frame.entry(sender: journal.user)
        // A binary ack doesn't name the conversation.
        if frame.conv == nil, let sent = journal.sent[ack.cid] {
            ack.conversation = PromiseChecker.conversation(journal.user, sent)
        }
        journal.acks.append(ack)
        if frame.dup == true { journal.duplicateCount += 1 }
        unacked[ack.cid] = nil
        // An ack takes its entry's place, but for a session that is behind; one of a resend may come later as well.
        if !isBehind, ack.seq > head { see(ack) }
    }

    private func take(error frame: VerifyFrame) {
        let isRefusal = frame.code == "overloaded" || verification.setup.expectsDiskErrors && frame.code == "internal"
        if isRefusal, let cid = frame.cid {
            refusedCids.append(cid)
        } else if isRefusal, verification.setup.expectsDiskErrors {
            // A page or a confirm.
            fetchFailed = true
        } else {
            surprise("error \(frame.code ?? ""): \(frame.message ?? "")")
        }
    }

    private func take(page frame: VerifyFrame) {
        let entries = frame.entries ?? []
        guard frame.ref == nil else { return takeAudit(inbox: entries, isLast: frame.more != true) }
        for entry in entries where (entry.seq ?? 0) > head { see(entry.entry()) }
        isBehind = frame.more == true
        if isBehind { client.fetch(after: head) }
    }

    // MARK: Reading the store

    /// Everything that this client may read of the store, as it comes in.
    struct Audit {
        var conversations: [String]
        var inbox: [StoredEntry] = []
        var histories: [String: [StoredEntry]] = [:]
        var isComplete = false
    }

    /// What the store says; nil as long as not everything came.
    var audited: Audit? { audit.flatMap { $0.isComplete ? $0 : nil } }

    /// Reads this client's inbox and these conversations, all of them.
    func beginAudit(_ conversations: [String]) {
        audit = Audit(conversations: conversations)
        askInbox(after: 0)
    }

    private func askInbox(after seq: UInt64) {
        client.send(command: #"{"cmd":"fetch","after":\#(seq),"limit":1000,"ref":"audit"}"#)
    }

    private func takeAudit(inbox entries: [VerifyFrame], isLast: Bool) {
        audit?.inbox += entries.map { $0.entry() }
        guard isLast || entries.isEmpty else { return askInbox(after: audit?.inbox.last?.seq ?? 0) }
        askHistory(after: 0)
    }

    private func askHistory(after cseq: UInt64) {
        guard let conversation = audit?.conversations.last else {
            audit?.isComplete = true
            return
        }
        client.send(
            command: #"{"cmd":"history","conv":"\#(conversation)","after":\#(cseq),"limit":1000,"ref":"audit"}"#)
    }

    private func take(history frame: VerifyFrame) {
        guard let conversation = audit?.conversations.last, conversation == frame.conv else {
            return surprise("a history that wasn't asked for: \(frame.conv ?? "")")
        }
        let messages = (frame.messages ?? []).map { $0.entry() }
        audit?.histories[conversation, default: []] += messages
        if frame.more == true, let last = messages.last { return askHistory(after: last.cseq) }
        audit?.conversations.removeLast()
        askHistory(after: 0)
    }
}
