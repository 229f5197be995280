import Base
import Core
import Foundation
import Logging
import Reactor
import Store
import Testing
import Wire

@testable import Server

@Suite(.serialized)
struct RouterServerTests {
    // MARK: HTTP

    @Test("Who ends its side after the last request still gets every answer")
    func halfClosed() async throws {
        try await withRouter { running in
            let client = try running.client()
            client.send("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /readyz HTTP/1.1\r\nHost: x\r\n\r\n")
            client.endSending()
            #expect(try client.response().status == 200)
            #expect(try client.response().status == 200)
            #expect(client.isAtEnd())
        }
    }

    @Test("A JSON body with a key twice, or that isn't UTF-8, is refused")
    func strictBodies() async throws {
        try await withRouter { running in
            let client = try running.client()
            for body in [#"{"id":"g","id":"h","members":[]}"#, "{\"id\":\"\u{7F}\" x}", "[]"] {
                client.send(
                    "POST /api/groups HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                        + "Authorization: Bearer alice\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)")
                #expect(try client.response().status == 400, "\(body)")
            }
        }
    }

    @Test("Pipelined requests are answered in their order on one connection")
    func pipelining() async throws {
        try await withRouter { running in
            let client = try running.client()
            let targets = ["/healthz", "/nothing", "/timeline/sync?member=u", "/readyz", "/healthz"]
            client.send(targets.map { "GET \($0) HTTP/1.1\r\nHost: h\r\n\r\n" }.joined())
            let responses = try targets.map { _ in try client.response() }
            #expect(responses.map(\.status) == [200, 404, 200, 200, 200])
            #expect(responses[0].body == #"{"status":"ok"}"#)
            #expect(responses[2].body == #"{"entrySet":[]}"#)
            #expect(responses[3].body == #"{"status":"ready"}"#)
            #expect(try client.request("GET", "/healthz").status == 200)
        }
    }

    @Test("HEAD has the length and no body; a last request closes; a request of nonsense is refused")
    func otherRequests() async throws {
        try await withRouter { running in
            let client = try running.client()
            let head = try client.request("HEAD", "/healthz")
            #expect(head.status == 200 && head.head.contains("Content-Length: 15"))
            #expect(try client.request("POST", "/healthz").status == 405)
            client.send("GET /healthz HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
            let last = try client.response()
            #expect(last.status == 200 && last.head.contains("Connection: close"))
            #expect(client.isAtEnd())
            let bad = try running.client()
            bad.send("nonsense\r\n\r\n")
            #expect(try bad.response().status == 400)
            #expect(bad.isAtEnd())
        }
    }

    @Test("Who expects 100 gets it before the body is sent")
    func expectContinue() async throws {
        try await withRouter { running in
            let client = try running.client()
            let body = #"{"from":"a","to":"b","message":"hi"}"#
            client.send(
                "POST /timeline/send HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: "
                    + "\(body.utf8.count)\r\n\r\n")
            #expect(try client.response().status == 100)
            client.send(body)
            let answer = try client.response()
            #expect(answer.status == 200 && answer.body == #"{"sequence":"1"}"#)
        }
    }

    @Test("What the timeline service stores comes out of it as it went in")
    func timeline() async throws {
        try await withRouter(change: { $0.dev = false; $0.apiKey = "key" }) { running in
            let client = try running.client()
            #expect(try client.request("GET", "/timeline/sync?member=b").status == 401)
            let json = #"{"from":7,"to":"b","message":"a \"quoted\" line\n"}"#
            let sent = try client.request("POST", "/timeline/send", json: json, bearer: "key")
            #expect(sent.body == #"{"sequence":"1"}"#)
            let synced = try client.request("GET", "/timeline/sync?member=b", bearer: "key")
            #expect(synced.body == #"{"entrySet":[{"sequence":"1","message":"a \"quoted\" line\n"}]}"#)
            let history = try client.request("GET", "/timeline/history/single/7/b", bearer: "key")
            #expect(history.body == synced.body)
        }
    }

    // MARK: WebSocket

    @Test("A frame that comes with the upgrade is answered behind the welcome")
    func firstMessage() async throws {
        try await withRouter { running in
            let client = try running.client()
            try client.upgrade(
                "/chat?id=alice", sending: [#"{"cmd":10,"dstid":"alice","content":"x","cid":"1"}"#, #"{"cmd":0}"#])
            _ = try client.text(with: #""cmd":"welcome""#, #""seq":0"#)
            let answers = try [client.text(with: "cmd"), client.text(with: "cmd")].sorted()
            #expect(answers[0].hasPrefix(#"{"cmd":"ack","cid":"1""#))
            #expect(answers[1] == #"{"cmd":0}"#)
        }
    }

    @Test(
        "Users of all loops reach each other, whichever loop took their connection", arguments: [1, 2, 3],
        [DescriptorTables.shared, .own])
    func acrossLoops(loops: Int, tables: DescriptorTables) async throws {
        try await withRouter(loops: loops, change: { $0.descriptorTables = tables }) { running in
            let users = running.usersByLoop(loops: loops, count: 2).flatMap { $0 }
            #expect(users.count == loops * 2)
            let clients = try users.map { try running.chat($0) }
            for (from, sender) in zip(users, clients) {
                for (to, recipient) in zip(users, clients) where to != from {
                    sender.sendText(#"{"cmd":10,"dstid":"\#(to)","content":"from \#(from)"}"#)
                    _ = try recipient.text(with: #""userid":"\#(from)""#, #""content":"from \#(from)""#)
                    _ = try sender.text(with: #""cmd":"ack""#)
                    sender.sendText(#"{"cmd":"typing","dstid":"\#(to)"}"#)
                    _ = try recipient.text(with: #""cmd":"typing""#, #""userid":"\#(from)""#)
                }
            }
        }
    }

    @Test("A wrong sign-in is refused before the upgrade; a first frame that doesn't sign in is closed with 4001, once")
    func refusedSignIn() async throws {
        try await withRouter(change: { $0.dev = false; $0.jwtSecret = "a secret of 16 bytes or more" }) { running in
            for target in ["/chat?id=a", "/chat?id=a&token=x.y.z", "/chat/private?userId=a&session=1", "/ws?token=a"] {
                let client = try running.client()
                #expect(throws: HTTPFailure.self, "\(target)") { try client.upgrade(target) }
            }
            let client = try running.client()
            try client.upgrade("/ws", sending: [#"{"cmd":"connect","token":"x"}"#, #"{"cmd":0}"#, "more"])
            #expect(try client.frame() == .close(WebSocketCloseCode.unauthorized))
            #expect(client.isAtEnd())
        }
    }

    @Test("A close frame behind a frame that ends the connection isn't answered by a second one")
    func oneCloseFrame() async throws {
        try await withRouter { running in
            let client = try running.client()
            try client.upgrade("/ws")
            var output = OutputBuffer()
            let text = Array(#"{"cmd":0}"#.utf8)
            output.appendMaskedFrame(.text, text.span.bytes, key: 9)
            output.appendMaskedCloseFrame(WebSocketCloseCode.normal, key: 7)
            client.send(Array(output.unsafeBytes))
            #expect(try client.frame() == .close(WebSocketCloseCode.unauthorized))
            #expect(client.isAtEnd())
        }
    }

    @Test("Resuming brings everything, however much it is at once, and then goes on live")
    func resuming() async throws {
        try await withRouter { running in
            let alice = try running.chat("alice")
            let text = String(repeating: "x", count: 2_000)
            for _ in 0..<350 { alice.sendText(#"{"cmd":10,"dstid":"bob","content":"\#(text)"}"#) }
            for number in 1...350 { _ = try alice.text(with: #""cmd":"ack""#, #""seq":\#(number),"#) }
            let bob = try running.client()
            try bob.upgrade("/chat?id=bob&after=0")
            _ = try bob.text(with: #""cmd":"welcome""#, #""seq":350"#)
            for number in 1...350 { _ = try bob.text(with: #""seq":\#(number)}"#) }
            alice.sendText(#"{"cmd":10,"dstid":"bob","content":"live"}"#)
            _ = try bob.text(with: #""content":"live""#, #""seq":351}"#)
        }
    }

    // MARK: Going down

    @Test(
        "Going down answers what was taken, says 1001, and lets go of ports and data",
        arguments: [DescriptorTables.shared, .own])
    func stopping(tables: DescriptorTables) async throws {
        let running = try await Running(change: { $0.descriptorTables = tables })
        let alice = try running.chat("alice"), bob = try running.chat("bob")
        for number in 0..<50 { alice.sendText(#"{"cmd":10,"dstid":"bob","content":"\#(number)","cid":"c\#(number)"}"#) }
        // The first ack: the server has begun to take them.
        _ = try alice.text(with: #""cid":"c0""#)
        await running.server.stop()
        var acked = 1
        while case .text(let text) = try alice.frame() {
            #expect(text.contains(#""cid":"c\#(acked)""#))
            acked += 1
        }
        #expect(alice.isAtEnd())
        var pushed = 0
        var last = try bob.frame()
        while case .text = last {
            pushed += 1
            last = try bob.frame()
        }
        #expect(last == .close(WebSocketCloseCode.goingAway))
        #expect(pushed >= acked)
        #expect(throws: TestClient.GivenUp.self) { try running.client() }
        // The same data again: what was acked is there.
        try await withRouter(change: { $0.data = running.directory }) { again in
            let client = try again.client()
            let synced = try client.request("GET", "/timeline/sync?member=bob&count=1000")
            #expect(synced.body.ranges(of: #""sequence""#).count == pushed)
        }
    }

    @Test("A port that is taken is said, and nothing is left running")
    func takenPort() async throws {
        try await withRouter { running in
            do {
                _ = try await Running(change: { $0.listen = running.server.http })
                Issue.record("two routers listen on one port")
            } catch let error as ListenError {
                #expect(error.description.contains("\(running.server.http)"))
            }
            #expect(try running.client().request("GET", "/healthz").status == 200)
        }
    }

    @Test("Two routers don't share a data directory")
    func takenData() async throws {
        try await withRouter { running in
            await #expect(throws: (any Error).self) {
                _ = try await Running(change: { $0.data = running.directory })
            }
        }
    }

    @Test("A bad configuration starts nothing")
    func badConfiguration() async throws {
        await #expect(throws: ConfigurationError.self) { _ = try await Running(change: { $0.apiKey = "" }) }
    }
}
