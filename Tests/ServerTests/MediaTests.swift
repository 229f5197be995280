import Base
import Testing

@testable import Server

struct MediaTests {
    private let example = RequestSigner(
        accessKey: "AKIAIOSFODNN7EXAMPLE", secretKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", region: "us-east-1")

    /// 2013-05-24 00:00:00 UTC
    private let exampleTime = 1_369_353_600

    @Test("The example of the S3 documentation gets its signature")
    func documentedExample() {
        let request = RequestSigner.Request(
            method: "GET", isTLS: true, host: "examplebucket.s3.amazonaws.com", path: "/test.txt")
        #expect(
            example.address(of: request, expiresIn: 86_400, time: exampleTime)
                == "https://examplebucket.s3.amazonaws.com/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256"
                + "&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request"
                + "&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host"
                + "&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404")
    }

    private func settings(_ change: (inout MediaStorage.Settings) -> Void = { _ in }) -> MediaStorage.Settings {
        var settings = MediaStorage.Settings()
        settings.endpoint = "https://s3.example.com"
        settings.bucket = "media"
        settings.accessKey = "AKIAIOSFODNN7EXAMPLE"
        settings.secretKey = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
        change(&settings)
        return settings
    }

    private func upload(_ change: (inout MediaStorage.Settings) -> Void) throws -> MediaStorage.Upload {
        let storage = try #require(try MediaStorage(settings(change)))
        return storage.upload(key: "a b/r/é+.png", type: "image/png", size: 7, time: exampleTime)
    }

    private let escapedKey = "a%20b/r/%C3%A9%2B.png"

    @Test("The bucket stands in the path or in the host; media are read there or where the operator says")
    func styles() throws {
        let path = try upload { _ in }
        #expect(path.url == "https://s3.example.com/media/" + escapedKey)
        #expect(path.put.hasPrefix(path.url + "?X-Amz-Algorithm=AWS4-HMAC-SHA256&"))
        #expect(path.put.contains("&X-Amz-Expires=600&X-Amz-SignedHeaders=content-length%3Bcontent-type%3Bhost&"))
        let host = try upload { ($0.style, $0.endpoint) = (.host, "http://127.0.0.1:9000/") }
        #expect(host.url == "http://media.127.0.0.1:9000/" + escapedKey)
        #expect(host.put.hasPrefix(host.url + "?"))
        let prefixed = try upload { $0.endpoint = "https://h.example:443/storage/v1/s3" }
        #expect(prefixed.url == "https://h.example/storage/v1/s3/media/" + escapedKey)
        let elsewhere = try upload { $0.publicURL = "https://cdn.example.com/m/" }
        #expect(elsewhere.put == path.put)
        #expect(elsewhere.url == "https://cdn.example.com/m/" + escapedKey)
        let storage = try #require(try MediaStorage(settings { $0.publicURL = "https://cdn.example.com/m/" }))
        #expect(storage.origins == ("https://s3.example.com", "https://cdn.example.com"))
    }

    @Test("Another type, length, key or time has another signature")
    func signed() throws {
        let storage = try #require(try MediaStorage(settings()))
        let puts = [
            storage.upload(key: "k", type: "image/png", size: 7, time: exampleTime),
            storage.upload(key: "k", type: "image/gif", size: 7, time: exampleTime),
            storage.upload(key: "k", type: "image/png", size: 8, time: exampleTime),
            storage.upload(key: "l", type: "image/png", size: 7, time: exampleTime),
            storage.upload(key: "k", type: "image/png", size: 7, time: exampleTime + 1),
        ].map { $0.put.suffix(64) }
        #expect(Set(puts).count == puts.count)
    }

    @Test("Without a setting there is no storage; half of them is an error that names what is missing")
    func settings() throws {
        #expect(try MediaStorage(MediaStorage.Settings()) == nil)
        let cases: [(String, (inout MediaStorage.Settings) -> Void)] = [
            ("--media-secret-key missing", { $0.secretKey = nil }), ("--media-bucket missing", { $0.bucket = "" }),
            ("--media-endpoint missing", { $0.endpoint = nil }),
            ("--media-endpoint “s3.example.com”", { $0.endpoint = "s3.example.com" }),
            ("--media-endpoint “ftp://x”", { $0.endpoint = "ftp://x" }),
            ("--media-endpoint “https://”", { $0.endpoint = "https://" }),
            ("--media-endpoint “https://a;b”", { $0.endpoint = "https://a;b" }),
            ("--media-endpoint “https://a b”", { $0.endpoint = "https://a b" }),
            ("--media-endpoint “https://a/../b”", { $0.endpoint = "https://a/../b" }),
            ("--media-public-url “x”", { $0.publicURL = "x" }), ("--media-bucket must", { $0.bucket = "A b" }),
            ("--media-bucket must", { $0.bucket = "a..b" }), ("--media-region must", { $0.region = "" }),
            ("--media-max-size must", { $0.sizeMax = 0 }), ("--media-max-size must", { $0.sizeMax = 6 << 30 }),
        ]
        for (complaint, change) in cases {
            let error = try #require(throws: ConfigurationError.self) { _ = try MediaStorage(settings(change)) }
            #expect(error.description.contains(complaint), "\(error)")
        }
    }

    @Test(
        "A name becomes one plain segment of a path",
        arguments: [
            ("cat.png", "cat.png"), ("../../etc/passwd", "passwd"), (#"C:\dir\a b.png"#, "a_b.png"), ("..", "file"),
            ("", "file"), ("/", "file"), (".hidden", "hidden"), ("Übung 1 – ärger.pdf", "Übung_1___ärger.pdf"),
            ("写真.jpg", "写真.jpg"), ("a%2Fb?x=1#y.png", "a_2Fb_x_1_y.png"), ("a\u{202E}gnp.exe", "a_gnp.exe"),
            ("a\r\nb", "a__b"),
        ])
    func names(given: String, sanitised: String) { #expect(MediaName.sanitised(given) == sanitised) }

    @Test("A long name is cut in front of its ending")
    func longNames() {
        let long = MediaName.sanitised(String(repeating: "é", count: 300) + ".png")
        #expect(long.utf8.count <= 128 && long.utf8.count > 120 && long.hasSuffix("é.png"))
        #expect(MediaName.sanitised("a." + String(repeating: "x", count: 300)) == "a")
    }

    @Test("A user id of dots is no way up")
    func owners() throws {
        for (id, owner) in [("alice", "alice"), (".", "_"), ("..", "_"), ("a..", "a..")] {
            let user = try #require(Identifier(id))
            #expect(MediaName.key(of: user, random: "r", name: "n") == "\(owner)/r/n")
        }
    }

    @Test("Types are type/subtype with parameters in plain ASCII")
    func types() {
        for type in ["image/png", "text/plain; charset=utf-8", "application/vnd.api+json"] {
            #expect(MediaName.isMediaType(type))
        }
        let wrong = [
            "", "image", "/", "image/", "/png", "image/png/x", "image /png", "image/png\r\nx: y", "im\u{E4}ge/x", "a/b ",
            "a/b;  c",
        ]
        for type in wrong {
            #expect(!MediaName.isMediaType(type), "\(type)")
        }
    }
}
