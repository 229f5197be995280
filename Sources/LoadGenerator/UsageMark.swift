/// What server, load generator and machine had used at one instant. Two of them make what an interval cost.
package struct UsageMark: Sendable {
    /// When it was taken.
    package var time: UInt64
    /// Nil if the server's process isn't known.
    package var server: ProcessUsage?
    package var client: ProcessUsage
    package var machine: MachineUsage

    package init(time: UInt64, server: ProcessUsage?, client: ProcessUsage, machine: MachineUsage) {
        self.time = time
        self.server = server
        self.client = client
        self.machine = machine
    }

    package init(serverPID: Int?) throws {
        server = try serverPID.map { try ProcessUsage(pid: $0) }
        client = try ProcessUsage(pid: ProcessUsage.ownPID)
        machine = try MachineUsage()
        time = Stamp.now
    }
}

extension Measurement {
    /// Tells what was used between two instants, over the time between the same two: another interval would add up to
    /// more, or less, than the machine has.
    ///
    /// What others used is unknown without the server's process, and left out.
    package mutating func noteUsage(
        from before: UsageMark, to after: UsageMark, cores: Int = MachineUsage.coreCount
    ) {
        seconds = Double(after.time - before.time) / 1e9
        client = after.client.since(before.client)
        guard let earlier = before.server, let used = after.server?.since(earlier) else { return }
        server = used
        let busy = after.machine.busyMicroseconds - before.machine.busyMicroseconds
        let stolen = after.machine.stolenMicroseconds - before.machine.stolenMicroseconds
        let accounted = used.microseconds + client.microseconds
        // The machine's time is counted in ticks, a thread's exactly, so that a short interval may not add up.
        let left = max(0, seconds * 1e6 * Double(cores) - accounted)
        disturbance = min(left, max(0, busy - accounted) + stolen)
    }
}
