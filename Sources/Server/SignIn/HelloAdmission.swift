internal import Base
internal import Reactor
internal import Wire

extension LoopNode {
    /// Decides who a HELLO is from, and what it asks for; throws if it is another frame, or isn't believed.
    func signInRequest(of request: BinaryRequest, _ payload: RawSpan) throws(BinaryError) -> SignInRequest {
        guard case .hello(let hello, let texts) = request else {
            throw BinaryError("the first frame must be HELLO", code: .unauthorized)
        }
        let credential = payload.extracting(texts.credential).withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
        let claimed = texts.user(in: payload)
        let believed: Credential?
        switch hello.authentication {
        case .none: believed = context.configuration.dev ? claimed.map { Credential(user: $0) } : nil
        case .token: believed = tokenCredential(credential, claimed: claimed)
        case .session:
            believed = claimed.flatMap {
                let isGood = context.authenticator.allows($0, session: credential, now: loop.milliseconds)
                return isGood ? Credential(user: $0) : nil
            }
        }
        guard let believed else {
            throw BinaryError("the credential is missing, wrong or out of date", code: .unauthorized)
        }
        return SignInRequest(
            credential: believed, device: texts.device(in: payload) ?? .defaultDevice, after: hello.after,
            form: .binary(readsLZ4: hello.features & BinaryFeatures.readsLZ4 != 0))
    }

    private func tokenCredential(_ token: String, claimed: Identifier?) -> Credential? {
        let now = loop.milliseconds
        guard let claimed else { return context.authenticator.credential(token, now: now) }
        return context.authenticator.credential(of: claimed, token: token, now: now)
    }
}

extension OutputBuffer {
    /// Appends a PONG of the binary protocol with the PING's body.
    mutating func appendBinaryPong(_ body: RawSpan, isWebSocket: Bool) {
        if isWebSocket { appendFrameHeader(.binary, payloadBytes: BinaryHeader.byteCount + body.byteCount) }
        BinaryHeader(.pong, length: body.byteCount).append(to: &self)
        append(body)
    }
}
