/// What happened in a run: always a hash of it, and the words on request, since making them takes most of the time.
package struct Trace {
    /// The same for two runs in which the same happened.
    package private(set) var hash: UInt64 = 0xCBF2_9CE4_8422_2325
    package private(set) var lines: [String] = []
    let isKept: Bool

    init(isKept: Bool) { self.isKept = isKept }

    mutating func note(
        _ kind: StaticString, _ first: UInt64 = 0, _ second: UInt64 = 0, _ words: @autoclosure () -> String
    ) {
        let name = UInt64(kind.utf8CodeUnitCount) << 8 | UInt64(kind.utf8Start[0])
        for value in [name, first, second] {
            hash = (hash ^ value) &* 0x0000_0100_0000_01B3
            hash ^= hash >> 29
        }
        if isKept { lines.append("\(kind) \(words())") }
    }
}
