import ArgumentParser
import LoadGenerator
import Reactor

extension Product: ExpressibleByArgument {}

struct CompareCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "compare",
        abstract: "The same 1:1 work for this router and for NATS, mosquitto and Redis from Debian, in turn.",
        discussion: """
            Starts each server itself, on a free port with fresh data; --configurations shows how. What isn't installed
            is skipped: apt-get install nats-server mosquitto redis-server

            The work is the same for all: as many connections, each with --windows messages in flight, all pipelined,
            --size bytes carried in each. In flight ends with the server's answer where it stores, else with the
            arrival. Rounds take turns, each with a new server; the figures are medians.

              bench compare --rounds 5 --seconds 5 --markdown
            """)

    @OptionGroup var options: RunOptions
    @OptionGroup var page: PageOption

    @Option(help: "The router's program.")
    var router = ".build/release/router"

    @Option(parsing: .upToNextOption, help: "Which products, all without.")
    var only: [Product] = []

    @Option(
        help: "Messages without an answer that each sender keeps in flight, as 1,16: one after the other.",
        transform: list)
    var windows: [Int] = [1, 16]

    @Option(help: "Clients; each sends to its neighbour and receives from it.")
    var connections = 100

    @Option(help: "Bytes of a message.")
    var size = 64

    @Option(help: "How often each is measured; the products take turns.")
    var rounds = 3

    @Flag(help: "Print a table for a document.")
    var markdown = false

    @Flag(help: "Print the servers' configurations and measure nothing.")
    var configurations = false

    mutating func validate() throws {
        try require((2...5_000).contains(connections) && connections % 2 == 0, "--connections: even, from 2 to 5000")
        try require((12...65_536).contains(size), "--size from 12 to 65536")
        try require(windows.allSatisfy((1...1_000).contains), "--windows from 1 to 1000 each, as 1,16")
        try require((1...50).contains(rounds), "--rounds from 1 to 50")
    }

    func run() throws {
        prepareProcess()
        let products = only.isEmpty ? Product.allCases : only
        if configurations { return show(products) }
        let scenario = CompareScenario(
            products: products, windows: windows, connections: connections, size: size, rounds: rounds,
            circumstances: options.circumstances(serverPID: nil), router: router)
        let outcomes = try scenario.run()
        let report = scenario.report(outcomes)
        if markdown { print(scenario.markdown(outcomes), terminator: "") } else { options.show(report) }
        if !options.json { for line in scenario.skipped { print(line) } }
        try page.write(report, scenario.charts(outcomes), title: "bench compare")
    }

    private func show(_ products: [Product]) {
        for product in products where product.package != nil {
            let version = product.version.map { ", \($0)" } ?? ""
            print("\(product.title) (\(product.program ?? "not installed")\(version))")
            let address = SocketAddress(host: "127.0.0.1", port: 4222)
            print(product.configuration(directory: "DIRECTORY", address: address))
        }
    }
}
