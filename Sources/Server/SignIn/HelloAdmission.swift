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
        let user: Identifier?
        switch hello.authentication {
        case .none: user = context.configuration.dev ? claimed : nil
        case .token: user = tokenUser(credential, claimed: claimed)
        case .session:
            user = claimed.flatMap {
                context.authenticator.allows($0, session: credential, now: loop.milliseconds) ? $0 : nil
            }
        }
        guard let user else {
            throw BinaryError("the credential is missing, wrong or out of date", code: .unauthorized)
        }
        return SignInRequest(
            user: user, device: texts.device(in: payload) ?? .defaultDevice, after: hello.after,
            form: .binary(readsLZ4: hello.features & BinaryFeatures.readsLZ4 != 0))
    }

    private func tokenUser(_ token: String, claimed: Identifier?) -> Identifier? {
        if let claimed {
            return context.authenticator.allows(claimed, token: token, now: loop.milliseconds) ? claimed : nil
        }
        return context.authenticator.user(token: token, now: loop.milliseconds)
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
