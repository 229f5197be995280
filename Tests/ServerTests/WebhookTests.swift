import Testing

@testable import Server

/// What of the webhook needs no receiver.
struct WebhookTests {
    @Test("A signature is that of the time, a dot and the body")
    func signature() {
        // From: printf '1700000000.{}' | openssl dgst -sha256 -hmac 0123456789abcdef
        let header = Webhook.signature(of: Array("{}".utf8), secret: "0123456789abcdef", seconds: 1_700_000_000)
        #expect(header == "t=1700000000,v1=e4f8e2ecae2295b2ddb2f0b5584c8275e226c0ebe9b3b819e70156bb67122e3e")
    }

    @Test("Attempts come less and less often, and not together")
    func delays() {
        var failing = Webhook.Failing()
        var longest: [UInt64] = []
        for count in 1...40 {
            failing.count = count
            let (least, most) = (failing.delay(random: 0), failing.delay(random: 0.999_999))
            #expect(least * 2 <= most + 2 && least > 0)
            longest.append(most)
        }
        #expect(longest == longest.sorted())
        #expect(longest[0] <= 1_000 && longest[1] > 1_900 && longest[39] <= 300_000 && longest[39] > 299_000)
    }

    @Test(
        "What makes no sense is refused",
        arguments: [
            ("ftp://a/", "0123456789abcdef", 1), ("https://", "0123456789abcdef", 1),
            ("http://a b", "0123456789abcdef", 1),
            ("http://a/", "short", 1), ("http://a/", "0123456789abcdef", 0),
        ])
    func refusals(_ url: String, _ secret: String, _ patience: Int) {
        var settings = WebhookSettings(url: url, secret: secret)
        settings.patienceSeconds = patience
        #expect(throws: ConfigurationError.self) { try settings.validate() }
    }
}
