internal import COpenSSL

/// What the connections of one certificate, or of a client, have in common. OpenSSL counts its users by itself and lets
/// many threads make connections of it, as it isn't changed once it is made.
final class TLSContext: @unchecked Sendable {
    let pointer: OpaquePointer
    /// The callbacks point to it.
    private let tickets: TicketKeys?

    /// For clients; `trusted` is a file of certificates (PEM), without which every server is believed.
    init(trusting trusted: String?) throws(TLSConfigurationError) {
        pointer = TLSContext.make(TLS_client_method())
        tickets = nil
        TLSContext.offerHTTP(pointer)
        guard let trusted else { return }
        guard SSL_CTX_load_verify_locations(pointer, trusted, nil) == 1 else {
            throw .last("can't use the certificates in \(trusted)")
        }
        SSL_CTX_set_verify(pointer, SSL_VERIFY_PEER, nil)
    }

    /// For a server with a certificate chain and its key, in files (PEM).
    init(certificate: String, key: String, tickets: TicketKeys) throws(TLSConfigurationError) {
        pointer = TLSContext.make(TLS_server_method())
        self.tickets = tickets
        cssl_set_server_options(pointer)
        TLSContext.setCiphers(pointer)
        setTickets(tickets)
        SSL_CTX_set_alpn_select_cb(pointer, TLSContext.chooseProtocol, nil)
        // Without this OpenSSL asks on the terminal.
        SSL_CTX_set_default_passwd_cb(pointer) { _, _, _, _ in -1 }
        guard SSL_CTX_use_certificate_chain_file(pointer, certificate) == 1 else {
            throw .last("can't use the certificate \(certificate)")
        }
        guard SSL_CTX_use_PrivateKey_file(pointer, key, SSL_FILETYPE_PEM) == 1,
            SSL_CTX_check_private_key(pointer) == 1
        else { throw .last("can't use the key \(key) with the certificate \(certificate)") }
    }

    deinit { SSL_CTX_free(pointer) }

    private static func make(_ method: OpaquePointer?) -> OpaquePointer {
        ERR_clear_error()
        guard let pointer = SSL_CTX_new(method) else { preconditionFailure("no memory for TLS") }
        let isSet = cssl_set_versions(pointer, TLS1_2_VERSION, TLS1_3_VERSION)
        precondition(isSet == 1, "this OpenSSL knows TLS 1.2 and 1.3")
        cssl_set_mode(pointer, Int(SSL_MODE_RELEASE_BUFFERS))
        return pointer
    }

    private static func setCiphers(_ pointer: OpaquePointer) {
        // Forward secrecy and authenticated encryption only; AES-128 first, which costs least. Who lacks hardware for
        // AES names ChaCha20 first, and gets it.
        let old = """
            ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:\
            ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305
            """
        let new = "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
        let isSet =
            SSL_CTX_set_cipher_list(pointer, old) == 1 && SSL_CTX_set_ciphersuites(pointer, new) == 1
            && cssl_set_groups(pointer, "X25519:P-256:P-384") == 1
        precondition(isSet, "this OpenSSL knows the ciphers of TLS 1.3 and their elders")
    }

    // MARK: Tickets

    private func setTickets(_ tickets: TicketKeys) {
        // A session is in the client's ticket alone, so it costs no memory and every loop knows it.
        cssl_set_session_cache_mode(pointer, Int(SSL_SESS_CACHE_OFF))
        let name = Array("switchboard".utf8)
        SSL_CTX_set_session_id_context(pointer, name, UInt32(name.count))
        SSL_CTX_set_timeout(pointer, Int(TicketKeys.lifetimeSeconds))
        // A device has one connection, and each brings it the ticket for the next.
        SSL_CTX_set_num_tickets(pointer, 1)
        SSL_CTX_set_ex_data(pointer, 0, Unmanaged.passUnretained(tickets).toOpaque())
        SSL_CTX_set_tlsext_ticket_key_evp_cb(pointer) { ssl, name, iv, cipher, mac, isNew in
            guard let data = SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), 0), let name, let iv else { return -1 }
            let tickets = Unmanaged<TicketKeys>.fromOpaque(data).takeUnretainedValue()
            // By a ticket that is used twice, an onlooker knows its client again (RFC 8446, appendix C.4). In TLS 1.2
            // it goes in the clear anyway.
            return tickets.prepare(
                name: UnsafeMutableRawBufferPointer(start: name, count: TicketKeys.nameBytes), iv: iv,
                cipher: cipher, mac: mac, isNew: isNew == 1, renews: SSL_version(ssl) == TLS1_3_VERSION)
        }
    }

    // MARK: ALPN

    private static let http: StaticString = "\u{8}http/1.1"

    private static func offerHTTP(_ pointer: OpaquePointer) {
        SSL_CTX_set_alpn_protos(pointer, http.utf8Start, UInt32(http.utf8CodeUnitCount))
    }

    /// Takes `http/1.1` where it is offered; who wants only something else is refused, as RFC 7301 has it.
    private static let chooseProtocol: SSL_CTX_alpn_select_cb_func = { _, chosen, chosenCount, offered, count, _ in
        var found: UnsafeMutablePointer<UInt8>?
        let result = SSL_select_next_proto(
            &found, chosenCount, http.utf8Start, UInt32(http.utf8CodeUnitCount), offered, count)
        guard result == OPENSSL_NPN_NEGOTIATED, let found else { return SSL_TLSEXT_ERR_ALERT_FATAL }
        chosen?.pointee = UnsafePointer(found)
        return SSL_TLSEXT_ERR_OK
    }
}

/// What is wrong with a certificate or a key, in words for the operator.
package struct TLSConfigurationError: Error, CustomStringConvertible {
    package let description: String

    static func last(_ what: String) -> TLSConfigurationError {
        // The first error is the cause, what follows says where it was noticed.
        let code = ERR_get_error()
        ERR_clear_error()
        return TLSConfigurationError(description: "\(what): \(LibraryError.text(code))")
    }
}
