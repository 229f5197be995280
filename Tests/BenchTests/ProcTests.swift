import LoadGenerator
import Testing

@Suite struct ProcTests {
    @Test func aThreadsNameMayHoldBracketsAndSpaces() throws {
        let line = "42 (a) b (c)) S 1 2 3 4 5 6 7 8 9 10 250 50 0 0 20 0 3 0 100 1000 200"
        let thread = try #require(ProcessUsage.thread(stat: line, ticksPerSecond: 100))
        #expect(thread.id == 42)
        #expect(thread.name == "a) b (c)")
        #expect(thread.userMicroseconds == 2_500_000)
        #expect(thread.systemMicroseconds == 500_000)
    }

    @Test(arguments: ["", "42", "42 (x) S 1 2", "(x) S", "x (y) S 1 2 3 4 5 6 7 8 9 10 11 12 13"])
    func refusesWhatIsNoStatLine(_ line: String) {
        #expect(ProcessUsage.thread(stat: line, ticksPerSecond: 100) == nil)
    }

    @Test func differencesGoByThread() {
        let loop = ProcessUsage.Thread(id: 1, name: "loop", userMicroseconds: 10, systemMicroseconds: 20)
        let later = ProcessUsage.Thread(id: 1, name: "loop", userMicroseconds: 15, systemMicroseconds: 50)
        let new = ProcessUsage.Thread(id: 2, name: "new", userMicroseconds: 1, systemMicroseconds: 2)
        let used = ProcessUsage(threads: [later, new]).since(ProcessUsage(threads: [loop]))
        #expect(used.userMicroseconds == 6)
        #expect(used.systemMicroseconds == 32)
    }

    @Test func readsItsOwnProcess() throws {
        let pid = ProcessUsage.ownPID
        #expect(try !ProcessUsage(pid: pid).threads.isEmpty)
        #expect(try MemoryUsage(pid: pid).resident > 0)
    }

    @Test func theMachinesTimeIsThatOfAllCores() throws {
        let stat = "cpu  100 10 50 1000 70 5 5 20 0 0\ncpu0 50 5 25 500 35 2 2 10 0 0\nintr 1\n"
        let usage = try #require(MachineUsage(stat: stat, ticksPerSecond: 100))
        #expect(usage.busyMicroseconds == 1_700_000)
        #expect(usage.stolenMicroseconds == 200_000)
        #expect(MachineUsage(stat: "cpu  1 2 3", ticksPerSecond: 100) == nil)
        #expect(try MachineUsage().busyMicroseconds > 0)
    }

    @Test func findsListeningSockets() {
        let table = """
              sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
               0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 777 1 0 100 0
               1: 0100007F:1F90 0100007F:9999 01 00000000:00000000 00:00000000 00000000     0        0 778 1 0 100 0
               2: 0100007F:1F91 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 779 1 0 100 0
            """
        #expect(ProcessUsage.listeningSockets(table: table, port: 8080) == ["777"])
        #expect(ProcessUsage.listeningSockets(table: table, port: 80).isEmpty)
    }

    @Test func memoryIsSharedOutAmongConnections() {
        let sockets = "sockets: used 200\nTCP: inuse 5 orphan 0 tw 3 alloc 8 mem 25\nUDP: inuse 1 mem 0\n"
        let before = MemoryUsage(rollup: "Rss:  1000 kB\nAnonymous:  400 kB\n", sockets: "", machine: "Slab: 10 kB")
        let after = MemoryUsage(
            rollup: "Rss:  2000 kB\nPss:  1 kB\nAnonymous:  900 kB\n", sockets: sockets, machine: "Slab:  20 kB\n")
        #expect(after == MemoryUsage(resident: 2000, anonymous: 900, tcpBuffers: 100, slab: 20))
        #expect(after.bytes(\.resident, since: before, each: 1000) == 1024)
    }
}
