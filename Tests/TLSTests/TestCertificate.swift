import Foundation
import Testing

@testable import TLS

/// A self-signed certificate and its key, in files that go with it.
final class TestCertificate: Sendable {
    let directory: URL
    var certificate: String { directory.appending(path: "certificate.pem").path() }
    var key: String { directory.appending(path: "key.pem").path() }

    init(rsa: Bool = false) throws {
        directory = FileManager.default.temporaryDirectory.appending(path: "switchboard-tls-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        try make(rsa: rsa)
    }

    deinit { try? FileManager.default.removeItem(at: directory) }

    /// Writes another pair over the files.
    func make(rsa: Bool = false) throws {
        let kind = rsa ? ["rsa:2048"] : ["ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/openssl")
        process.arguments =
            ["req", "-x509", "-nodes", "-days", "2", "-subj", "/CN=localhost", "-keyout", key, "-out", certificate]
            + ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-newkey"] + kind
        process.standardError = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        try #require(process.terminationStatus == 0)
    }

    func server(seconds: @escaping @Sendable () -> UInt64 = { 0 }) throws -> ServerTLS {
        try ServerTLS(certificate: certificate, key: key, seconds: seconds)
    }
}
