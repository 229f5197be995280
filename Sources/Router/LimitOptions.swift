import ArgumentParser
import Server

/// What keeps one client from taking what is everybody's. See docs/limits.md.
struct LimitOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Connections of one address at a time; 0 (here and below): any number.", valueName: "n"))
    var addressConnections = TrafficLimits().connections
    @Option(help: ArgumentHelp("New connections of one address a second.", valueName: "n"))
    var addressConnectionRate = TrafficLimits().connectionRate
    @Option(help: ArgumentHelp("Sign-ins of one address a second.", valueName: "n"))
    var addressSignIns = TrafficLimits().signIns
    @Option(help: ArgumentHelp("HTTP requests of one user a second; 200, with --dev 0.", valueName: "n"))
    var userRequests: Int?
    @Option(help: ArgumentHelp("Frames of one user a second.", valueName: "n"))
    var userFrames = TrafficLimits().frames
    @Option(help: ArgumentHelp("Bytes of one user's frames a second.", valueName: "n"))
    var userBytes = TrafficLimits().bytes
    @Flag(help: "Addresses of this machine are limited like others.") var limitLoopback = false
    @Option(
        help: ArgumentHelp(
            "Memory near which nobody new is let in: like 4G; auto is 80 % of what there is.",
            valueName: "auto|none|size"))
    var memory = "auto"

    /// What was asked for, unchecked.
    var traffic: TrafficLimits {
        var traffic = TrafficLimits()
        traffic.connections = addressConnections
        traffic.connectionRate = addressConnectionRate
        traffic.signIns = addressSignIns
        traffic.requests = userRequests
        traffic.frames = userFrames
        traffic.bytes = userBytes
        traffic.includesLoopback = limitLoopback
        return traffic
    }

    var memoryLimit: MemoryLimit {
        get throws {
            guard let limit = MemoryLimit(memory) else {
                throw ValidationError("--memory must be auto, none or a size of at least 64M, like 512M or 4G")
            }
            return limit
        }
    }
}
