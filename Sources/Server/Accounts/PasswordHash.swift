internal import Base
internal import COpenSSL
internal import Tokens
internal import Wire

/// What is kept of a password: scrypt (RFC 7914) with a salt of its own, and the parameters beside it, so that they can
/// grow: `$scrypt$ln=15,r=8,p=3$SALT$HASH`.
struct PasswordHash: Sendable, Equatable {
    struct Parameters: Sendable, Equatable {
        /// Logarithm of the rounds, and so of the memory: 128 · r · 2^ln bytes.
        var logRounds: UInt32
        var blockSize: UInt32
        var parallelism: UInt32

        /// What OWASP asks for where 32 MiB are to be had: about 0.2 s of one core.
        static let current = Parameters(logRounds: 15, blockSize: 8, parallelism: 3)

        /// What is stored is checked before memory is asked for.
        var isSane: Bool {
            (1...20).contains(logRounds) && (1...32).contains(blockSize) && (1...16).contains(parallelism)
        }
    }

    var parameters: Parameters
    var salt: [UInt8]
    var digest: [UInt8]

    /// Bytes of a password, in UTF-8.
    static let passwordBytes = 8...256
    private static let saltBytes = 16
    private static let digestBytes = 32

    /// Hashes a new password. It takes long: see ``PasswordWorkers``.
    init(of password: String, _ parameters: Parameters = .current) {
        var random = SystemRandomNumberGenerator()
        let salt = (0..<PasswordHash.saltBytes).map { _ in UInt8.random(in: .min ... .max, using: &random) }
        self.parameters = parameters
        self.salt = salt
        digest = Scrypt.derive(Array(password.utf8), salt: salt, parameters, bytes: PasswordHash.digestBytes)
    }

    /// Whether this is the password. Takes as long as hashing it, whatever the answer.
    func matches(_ password: String) -> Bool {
        let other = Scrypt.derive(Array(password.utf8), salt: salt, parameters, bytes: digest.count)
        return Digests.areEqual(digest, other)
    }

    /// Whether it was made with other parameters than new ones are.
    var isOutdated: Bool { parameters != .current }

    /// What the time for an unknown user is spent on: a hash of nothing that anybody knows.
    static let ofNobody = PasswordHash(
        parameters: .current, salt: [UInt8](repeating: 0, count: saltBytes),
        digest: [UInt8](repeating: 0, count: digestBytes))

    private init(parameters: Parameters, salt: [UInt8], digest: [UInt8]) {
        self.parameters = parameters
        self.salt = salt
        self.digest = digest
    }

    // MARK: Text

    var text: String {
        var output = OutputBuffer()
        output.append("$scrypt$ln=")
        output.append(decimal: UInt64(parameters.logRounds))
        output.append(",r=")
        output.append(decimal: UInt64(parameters.blockSize))
        output.append(",p=")
        output.append(decimal: UInt64(parameters.parallelism))
        output.append("$")
        Base64.url.encode(salt.span.bytes, to: &output)
        output.append("$")
        Base64.url.encode(digest.span.bytes, to: &output)
        return String(decoding: output.unsafeBytes, as: UTF8.self)
    }

    /// What ``text`` wrote; nil for anything else.
    init?(text: String) {
        let parts = text.split(separator: "$", omittingEmptySubsequences: false)
        guard parts.count == 5, parts[0].isEmpty, parts[1] == "scrypt" else { return nil }
        var values: [Substring: UInt32] = [:]
        for pair in parts[2].split(separator: ",") {
            let sides = pair.split(separator: "=")
            guard sides.count == 2, let value = UInt32(sides[1]) else { return nil }
            values[sides[0]] = value
        }
        let salt = Array(parts[3].utf8), digest = Array(parts[4].utf8)
        guard values.count == 3, let logRounds = values["ln"], let blockSize = values["r"],
            let parallelism = values["p"], let salt = Base64.url.decode(salt.span.bytes),
            let digest = Base64.url.decode(digest.span.bytes), (16...64).contains(digest.count)
        else { return nil }
        parameters = Parameters(logRounds: logRounds, blockSize: blockSize, parallelism: parallelism)
        guard parameters.isSane else { return nil }
        self.salt = salt
        self.digest = digest
    }
}

/// scrypt by OpenSSL.
enum Scrypt {
    /// Traps if there is no memory for it.
    static func derive(
        _ password: [UInt8], salt: [UInt8], _ parameters: PasswordHash.Parameters, bytes: Int
    ) -> [UInt8] {
        precondition(parameters.isSane)
        var derived = [UInt8](repeating: 0, count: bytes)
        let rounds = UInt64(1) << UInt64(parameters.logRounds)
        let blocks = UInt64(parameters.blockSize) * 128
        let memory = blocks * (rounds + UInt64(parameters.parallelism) + 2)
        let code = password.withUnsafeBytes { password in
            EVP_PBE_scrypt(
                password.baseAddress?.assumingMemoryBound(to: CChar.self), password.count, salt, salt.count, rounds,
                UInt64(parameters.blockSize), UInt64(parameters.parallelism), memory, &derived, bytes)
        }
        precondition(code == 1, "scrypt gets no memory")
        return derived
    }
}
