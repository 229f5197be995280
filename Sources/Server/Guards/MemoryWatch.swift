internal import EmbeddedStore
internal import Logging
internal import Reactor
internal import Synchronization

/// How much memory the process may take.
package enum MemoryLimit: Sendable, Equatable {
    /// A share of what the machine, or the container, has.
    case auto
    case none
    case bytes(Int)

    /// Parses `4G`, `512M`, a number of bytes, `auto` and `none`; nil if it is none of these.
    package init?(_ text: String) {
        switch text {
        case "auto": self = .auto
        case "none": self = .none
        default:
            let units: [Character: Int] = ["K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40]
            let unit = text.last.flatMap { units[Character($0.uppercased())] }
            guard let number = Int(unit == nil ? text[...] : text.dropLast()), number > 0 else { return nil }
            let (bytes, isTooMuch) = number.multipliedReportingOverflow(by: unit ?? 1)
            guard !isTooMuch, bytes >= MemoryLimit.bytesMin else { return nil }
            self = .bytes(bytes)
        }
    }

    /// What an empty router needs, with room for some clients.
    package static let bytesMin = 64 << 20
    /// Of what there is, in hundredths: the rest is for the kernel's socket buffers and the page cache.
    private static let share = 80

    /// In bytes; nil for no limit.
    var bytes: Int? {
        switch self {
        case .none: nil
        case .bytes(let bytes): bytes
        case .auto:
            ProcessResources.memoryBytes > 0 ? ProcessResources.memoryBytes / 100 * MemoryLimit.share : nil
        }
    }
}

/// Whether there is memory for more clients. *Thread:* any.
final class MemoryState: Sendable {
    private let tight = Atomic(false)

    /// Whether the process is so near its limit that nobody new comes in.
    var isTight: Bool { tight.load(ordering: .relaxed) }

    /// From this part of the limit on nobody new comes in, and below that part they do again, in hundredths.
    private static let tightFrom = 90
    private static let easyBelow = 85

    /// Takes what the process has; returns whether that changes how things stand.
    func note(resident: Int, limit: Int) -> Bool {
        let hundredth = limit / 100
        let isTightNow = resident >= hundredth * (isTight ? MemoryState.easyBelow : MemoryState.tightFrom)
        return tight.exchange(isTightNow, ordering: .relaxed) != isTightNow
    }
}

/// Looks once a second how much memory the process has, and near its limit has all that is kept for speed given back.
enum MemoryWatch {
    private static let intervalNanoseconds: UInt64 = 1_000_000_000
    /// Seconds between two times at which memory is given back while it is tight: it holds allocations up.
    private static let tidyingSeconds = 5

    static func run(
        _ state: MemoryState, limit: Int, _ nodes: [NodeHandle], _ store: EmbeddedStore, _ log: Logger
    ) async {
        var turn = 0
        while !Task.isCancelled {
            try? await Task.sleep(nanoseconds: intervalNanoseconds)
            guard let resident = ProcessResources.residentBytes else { continue }
            if state.note(resident: resident, limit: limit) {
                let figures = "\(resident >> 20) MiB of \(limit >> 20) MiB (--memory)"
                if state.isTight {
                    log.warning("memory is short, \(figures): nobody new is let in")
                } else {
                    log.notice("there is memory again: \(figures)")
                }
                turn = 0
            }
            guard state.isTight else { continue }
            if turn % tidyingSeconds == 0 { await MemoryTidying.tidy(nodes, store) }
            turn += 1
        }
    }
}
