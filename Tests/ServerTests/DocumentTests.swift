import Foundation
import Logging
import Reactor
import Store
import Testing
import WebChat
import Wire

@testable import Server

/// The API document and the table of routes say the same.
struct DocumentTests {
    private struct Document: Decodable {
        struct Operation: Decodable {
            struct Answer: Decodable {}
            var operationId: String
            var responses: [String: Answer]
        }
        var openapi: String
        var paths: [String: [String: Operation]]
    }

    private let document: Document
    private let routes: [APIRouter.Route]

    init() throws {
        document = try JSONDecoder().decode(Document.self, from: Data(DocumentAPI.document.body))
        let log = RouterLog.silent
        let node = try NodeHandle()
        let context = try RouterContext(
            Configuration(), nodes: [node], logins: Logins(LoginState(key: [1], ends: [])),
            passwords: PasswordWorkers(count: 1), tls: nil, log: log)
        routes = APIRouter(context: context, node: node).routes
    }

    @Test("Each route is in the document, and nothing else; pages are no API")
    func sameTable() {
        let pages = Set((WebChat.files + OperatorConsole.files).map(\.path))
        let served = routes.filter { !pages.contains($0.path) }.map { "\($0.method.rawValue) \($0.path)" }
        let described = document.paths.flatMap { path, operations in
            operations.keys.map { "\($0.uppercased()) \(path)" }
        }
        #expect(served.sorted() == described.sorted())
        #expect(Set(served).count == served.count)
    }

    @Test("Operations have names of their own, and each can succeed and be refused")
    func operations() {
        let operations = document.paths.values.flatMap(\.values)
        #expect(Set(operations.map(\.operationId)).count == operations.count)
        for operation in operations {
            #expect(operation.responses.keys.contains { $0.hasPrefix("2") }, "\(operation.operationId)")
            #expect(operation.responses["400"] != nil, "\(operation.operationId)")
        }
    }
}
