import Base
import Foundation
import Logging
import Reactor
import Store
import Testing
import WebChat
import Wire

@testable import Server

struct APIRouterTests {
    private let context: RouterContext
    private let router: APIRouter

    init() throws {
        var configuration = Configuration()
        configuration.apiKey = "key"
        let node = try NodeHandle()
        let log = RouterLog.silent
        let logins = Logins(LoginState(key: [1, 2, 3], ends: []))
        context = try RouterContext(
            configuration, nodes: [node], logins: logins, passwords: PasswordWorkers(count: 1), tls: nil, log: log)
        router = APIRouter(context: context, node: node)
    }

    private func respond(_ method: HTTPMethod, _ target: String, body: String = "") async throws -> HTTPResponse {
        var bytes = Array("\(method.rawValue) \(target) HTTP/1.1\r\nHost: h\r\nContent-Length: \(body.utf8.count)\r\n\r\n".utf8)
        bytes += Array(body.utf8)
        var decoder = HTTPRequestDecoder()
        var offset = 0
        guard case .request(let request) = decoder.next(bytes.span.bytes, &offset) else { throw NoRequest() }
        return await router.respond(to: request, from: "127.0.0.1").response
    }

    private struct NoRequest: Error {}

    private struct Refusal: Decodable, Equatable {
        struct Details: Decodable, Equatable {
            var code: String
            var message: String
        }
        var error: Details
    }

    private func code(_ response: HTTPResponse) throws -> String {
        #expect(response.headers.first("Content-Type") == "application/json")
        let refusal = try JSONDecoder().decode(Refusal.self, from: Data(response.body))
        #expect(!refusal.error.message.isEmpty)
        return refusal.error.code
    }

    @Test("A known path answers; HEAD goes where GET goes")
    func known() async throws {
        let get = try await respond(.get, "/healthz")
        #expect(get.status == .ok && get.body == Array(#"{"status":"ok"}"#.utf8))
        #expect(try await respond(.head, "/healthz").status == .ok)
        #expect(try await respond(.get, "/readyz").status == .ok)
        context.beginDraining()
        let draining = try await respond(.get, "/readyz")
        #expect(draining.status == .serviceUnavailable)
        #expect(try code(draining) == "overloaded")
        #expect(try await respond(.get, "/healthz").status == .ok)
    }

    @Test("The web chat's files are served, each as what it is")
    func webChat() async throws {
        for file in WebChat.files {
            let response = try await respond(.get, file.path)
            #expect(response.status == .ok && response.body == file.body, "\(file.path)")
            #expect(response.headers.first("Content-Type") == file.contentType)
            #expect(response.headers.first("ETag") == file.entityTag)
            #expect(try await respond(.post, file.path).status == .methodNotAllowed)
        }
        #expect(Set(WebChat.files.map(\.entityTag)).count == WebChat.files.count)
    }

    @Test("An unknown path is 404, in JSON")
    func unknown() async throws {
        for target in ["/index.html", "/nothing", "/healthz/", "/healthz/more", "/api/groups/g/members", "/timeline"] {
            let response = try await respond(.get, target)
            // The members of a group can be added to, but not listed.
            let isKnown = target == "/api/groups/g/members"
            #expect(response.status == (isKnown ? .methodNotAllowed : .notFound), "\(target)")
            #expect(try code(response) == (isKnown ? "bad_request" : "not_found"))
        }
    }

    @Test("Another method of a known path is 405 and names those that there are")
    func otherMethod() async throws {
        let cases: [(HTTPMethod, String, String)] = [
            (.post, "/healthz", "GET, HEAD"), (.delete, "/timeline/send", "POST"), (.put, "/api/groups", "GET, HEAD, POST"),
            (.put, "/api/groups/g/members/u", "DELETE, PATCH"), (.head, "/timeline/send", "POST"),
        ]
        for (method, target, allowed) in cases {
            let response = try await respond(method, target)
            #expect(response.status == .methodNotAllowed, "\(target)")
            #expect(response.headers.first("Allow") == allowed)
            #expect(try code(response) == "bad_request")
        }
    }

    @Test("Who doesn't say who it is gets 401 before anything else is looked at")
    func unauthorized() async throws {
        for (method, target) in [
            (.post, "/api/groups"), (.get, "/api/groups/g"), (.post, "/timeline/send"), (.get, "/timeline/sync"),
        ] as [(HTTPMethod, String)] {
            let response = try await respond(method, target, body: method == .post ? "not json" : "")
            #expect(response.status == .unauthorized, "\(target)")
            #expect(try code(response) == "unauthorized")
        }
    }

    @Test("Every error code has a status of its own kind")
    func statuses() {
        for code in ErrorCode.allCases {
            let status = HTTPStatus(code)
            #expect((400..<600).contains(status.rawValue))
            let response = HTTPResponse.failure(APIError(code, "a \"quoted\" word"))
            #expect(response.status == status)
            let refusal = try? JSONDecoder().decode(Refusal.self, from: Data(response.body))
            #expect(refusal == Refusal(error: .init(code: code.rawValue, message: "a \"quoted\" word")))
        }
    }

    @Test("An id in JSON is a string, or an integer that means its digits")
    func looseID() throws {
        func decode(_ json: String) -> String? {
            (try? JSONDecoder().decode([LooseID].self, from: Data("[\(json)]".utf8)))?.first?.text
        }
        let known = [
            #""alice""#: "alice", "7": "7", "0": "0", "-3": "-3", "9223372036854775807": "9223372036854775807",
            "18446744073709551615": "18446744073709551615", #""7""#: "7",
        ]
        for (json, text) in known { #expect(decode(json) == text, "\(json)") }
        for json in ["1.5", "true", "null", "[]", "{}", "1e30"] { #expect(decode(json) == nil, "\(json)") }
        let bad = try JSONDecoder().decode([LooseID].self, from: Data(#"["a b","",":"]"#.utf8))
        for id in bad { #expect(throws: APIError.self) { try id.validated("id") } }
    }
}
