import Testing

@testable import Reactor

struct TimerWheelTests {
    /// Ticks of `wheel` in which `token` comes up, out of the next `ticks`.
    private func firings(_ wheel: inout TimerWheel, of token: UInt64, in ticks: Int) -> [UInt64] {
        var due: [UInt64] = []
        var fired: [UInt64] = []
        for _ in 0..<ticks {
            wheel.advance(into: &due)
            if due.contains(token) { fired.append(wheel.tick) }
        }
        return fired
    }

    @Test("Every delay from every slot comes up in its own tick, once")
    func everyDelay() {
        for start in UInt64(0)..<256 {
            var wheel = TimerWheel(tick: start)
            for delay in UInt64(1)...255 { wheel.schedule(delay, in: delay) }
            #expect(wheel.count == 255)
            var due: [UInt64] = []
            for delay in UInt64(1)...255 {
                wheel.advance(into: &due)
                #expect(due == [delay])
                #expect(wheel.tick == start + delay)
            }
            #expect(wheel.count == 0)
            wheel.advance(into: &due)
            #expect(due.isEmpty)
        }
    }

    @Test("Delays outside of the wheel are brought into it")
    func clamping() {
        for (asked, given) in [(0, 1), (255, 255), (256, 255), (100_000, 255)] as [(UInt64, UInt64)] {
            var wheel = TimerWheel(tick: 1_000)
            wheel.schedule(7, in: asked)
            #expect(firings(&wheel, of: 7, in: 600) == [1_000 + given])
        }
    }

    @Test("An entry that asks for more time while it is handled gets it, also a whole turn later")
    func rescheduling() {
        for delay in [1, 2, 254, 255] as [UInt64] {
            var wheel = TimerWheel(tick: 77)
            wheel.schedule(9, in: delay)
            var due: [UInt64] = []
            var fired: [UInt64] = []
            for _ in 0..<1_024 {
                wheel.advance(into: &due)
                for token in due {
                    fired.append(wheel.tick)
                    wheel.schedule(token, in: delay)
                }
            }
            #expect(fired == Array(stride(from: 77 + delay, through: 77 + 1_024, by: Int(delay))))
            #expect(wheel.count == 1)
        }
    }

    @Test("Entries of one tick come up in the order in which they were put in, doubles included")
    func order() {
        var wheel = TimerWheel(tick: 0)
        for token in [5, 3, 5, 1] as [UInt64] { wheel.schedule(token, in: 4) }
        var due: [UInt64] = []
        for _ in 0..<4 { wheel.advance(into: &due) }
        #expect(due == [5, 3, 5, 1])
    }
}
