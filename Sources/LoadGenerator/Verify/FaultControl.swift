internal import CFaultControl

/// The shim in front of a router's C library, as it is steered from here.
///
/// Its numbers lie in a file that both have mapped, so what is set holds for a router that is started again as well.
final class FaultControl {
    private let control: OpaquePointer

    private struct Kind {
        let kind: fct_kind
        /// One call in so many fails.
        let rate: Int64
        let key: String
        let label: String
    }

    private static let kinds = [
        Kind(kind: fct_sync_error, rate: 700, key: "sync_errors", label: "syncs that failed"),
        Kind(kind: fct_write_error, rate: 6_000, key: "write_errors", label: "writes that failed"),
        Kind(kind: fct_write_full, rate: 3_000, key: "write_full", label: "writes that found the disk full"),
        Kind(kind: fct_short_write, rate: 300, key: "short_writes", label: "writes that were done in part"),
        Kind(kind: fct_truncate_error, rate: 50, key: "truncate_errors", label: "truncations that failed"),
    ]

    init(path: String, seed: UInt64) throws {
        guard let control = fct_open(path) else { throw BenchError("\(path) can't be mapped") }
        self.control = control
        fct_set(control, fct_seed.rawValue, Int64(bitPattern: seed))
        for kind in FaultControl.kinds { fct_set(control, fct_first_rate.rawValue + kind.kind.rawValue, kind.rate) }
    }

    deinit { fct_close(control) }

    /// Whether calls fail now.
    var isOn: Bool {
        get { fct_get(control, fct_on.rawValue) != 0 }
        set { fct_set(control, fct_on.rawValue, newValue ? 1 : 0) }
    }

    /// Nanoseconds that the router's clock is ahead.
    var clockOffset: Int64 {
        get { fct_get(control, fct_clock_offset.rawValue) }
        set { fct_set(control, fct_clock_offset.rawValue, newValue) }
    }

    func addCounts(to counts: inout FaultCounts) {
        for kind in FaultControl.kinds {
            counts.add(kind.key, kind.label, Int(fct_get(control, fct_first_count.rawValue + kind.kind.rawValue)))
        }
    }

    /// What a router's environment needs so that the shim stands in front of it.
    static func environment(shim: String, control: String, directory: String) -> [String] {
        ["LD_PRELOAD=\(shim)", "\(FCT_CONTROL)=\(control)", "\(FCT_DIRECTORY)=\(directory)"]
    }
}
