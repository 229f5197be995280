import Testing

@testable import Server

struct LivenessTests {
    @Test("Thirty quiet seconds bring a ping, ninety unheard ones the end")
    func limits() {
        #expect(Liveness(unheard: 0, quiet: 0) == .alive(lookAgainIn: 30))
        #expect(Liveness(unheard: 29, quiet: 29) == .alive(lookAgainIn: 1))
        #expect(Liveness(unheard: 30, quiet: 30) == .ping)
        #expect(Liveness(unheard: 89, quiet: 30) == .ping)
        #expect(Liveness(unheard: 90, quiet: 0) == .gone)
    }

    @Test("A client that only listens is pinged before it is given up, however much it is sent")
    func listener() {
        var clock: UInt64 = 0
        var pings = 0
        // Something is sent every second and nothing comes in.
        while true {
            switch Liveness(unheard: clock, quiet: 0) {
            case .alive(let seconds): clock += seconds
            case .ping:
                pings += 1
                clock += 30
            case .gone:
                #expect(pings >= 1)
                return
            }
        }
    }
}
