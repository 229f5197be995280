import Testing

@testable import Server

struct SignInProgressTests {
    @Test("A signed-in connection holds one word for it")
    func size() {
        #expect(MemoryLayout<SignInProgress>.size == MemoryLayout<Int>.size)
    }

    @Test("More than may wait, sent while the store is asked, is answered whole and in order")
    func keptBack() async throws {
        try await withRouter { running in
            let client = try running.client()
            // With the upgrade, so that the store is still being asked when they come.
            let padding = String(repeating: "x", count: 100)
            let frames = (1...1_000).map { #"{"cmd":0,"padding":"\#(padding)","ref":\#($0)}"# }
            try client.upgrade("/chat?id=alice", sending: frames)
            _ = try client.text(with: #""cmd":"welcome""#)
            for number in 1...1_000 { _ = try client.text(with: #""ref":\#(number)"#) }
        }
    }
}
