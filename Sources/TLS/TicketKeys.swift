internal import COpenSSL
internal import Synchronization

/// What the tickets are sealed with by which clients resume. All loops share them, and reloading a certificate keeps
/// them, so that a storm of reconnects resumes. *Thread:* any.
///
/// A key seals for half a day and is good for half a day more; who took it later can read nothing older.
final class TicketKeys: Sendable {
    static let nameBytes = 16
    /// How long a key seals new tickets, and how long a ticket is good for.
    static let lifetimeSeconds: UInt64 = 12 * 3_600

    struct Key {
        var name: [UInt8]
        var cipher: [UInt8]
        var mac: [UInt8]
        var madeAt: UInt64

        init(madeAt: UInt64) {
            name = Key.random(TicketKeys.nameBytes)
            cipher = Key.random(32)
            mac = Key.random(32)
            self.madeAt = madeAt
        }

        private static func random(_ count: Int) -> [UInt8] {
            var bytes = [UInt8](repeating: 0, count: count)
            precondition(RAND_bytes(&bytes, Int32(count)) == 1, "the system has no random numbers")
            return bytes
        }
    }

    /// The one that seals first, then the one before it.
    private let keys: Mutex<[Key]>
    private let seconds: @Sendable () -> UInt64

    /// - Parameter seconds: a clock that only grows.
    init(seconds: @escaping @Sendable () -> UInt64) {
        self.seconds = seconds
        keys = Mutex([Key(madeAt: seconds())])
    }

    /// The key for new tickets.
    var current: Key {
        let now = seconds()
        return keys.withLock { keys in
            TicketKeys.rotate(&keys, now)
            return keys[0]
        }
    }

    /// The key of a ticket, and whether it still seals new ones; nil if it is no more.
    func key(named name: some Sequence<UInt8>) -> (key: Key, isCurrent: Bool)? {
        let now = seconds()
        return keys.withLock { keys in
            TicketKeys.rotate(&keys, now)
            guard let index = keys.firstIndex(where: { $0.name.elementsEqual(name) }) else { return nil }
            return (keys[index], index == 0)
        }
    }

    private static func rotate(_ keys: inout [Key], _ now: UInt64) {
        keys.removeAll { now &- $0.madeAt >= 2 * lifetimeSeconds }
        guard keys.first.map({ now &- $0.madeAt >= lifetimeSeconds }) ?? true else { return }
        keys.insert(Key(madeAt: now), at: 0)
    }

    /// What OpenSSL asks for a ticket that it seals or opens; answers in its numbers: 1 done, 2 done and worth a new
    /// ticket, 0 not one of ours, -1 failed.
    ///
    /// - Parameter renews: whether each ticket is for one use.
    func prepare(
        name: UnsafeMutableRawBufferPointer, iv: UnsafeMutablePointer<UInt8>, cipher: OpaquePointer?,
        mac: OpaquePointer?, isNew: Bool, renews: Bool
    ) -> Int32 {
        var key: Key
        var answer: Int32 = renews && !isNew ? 2 : 1
        if isNew {
            key = current
            name.copyBytes(from: key.name)
            guard RAND_bytes(iv, EVP_CIPHER_get_iv_length(EVP_aes_256_cbc())) == 1 else { return -1 }
        } else {
            guard let known = self.key(named: name) else { return 0 }
            key = known.key
            if !known.isCurrent { answer = 2 }
        }
        let isReady = EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), nil, key.cipher, iv, isNew ? 1 : 0) == 1
        guard isReady, cssl_set_ticket_mac_key(mac, &key.mac, key.mac.count) == 1 else { return -1 }
        return answer
    }
}
