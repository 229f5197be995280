"""Clients that flood, stall and dawdle: the router's memory stays bounded, and nobody who behaves feels it.

Small by default; `LOAD=10` makes each crowd ten times as large (2,000 slow readers, 20,000 half-open handshakes with
`LOAD=10`, a group of 10,000 with `LOAD=20`), as descriptors allow. Every test prints what it saw.
"""

import os
import resource
import select
import socket
import struct
import threading
import time

import pytest

from binary_protocol import ACK, ERROR, TEXT, hello, send
from switchboard import PATIENCE, Chat

LOAD = float(os.environ.get("LOAD", "1"))
# A calm figure of a few milliseconds doubles by what else the machine does.
NOISE = 0.1


def crowd(count):
    """A size, as many as this process has descriptors for."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return min(int(count * LOAD), hard - 500)


class Memory:
    """The router's resident memory in MiB: at first, at most, and now."""

    def __init__(self, router):
        self.path = f"/proc/{router.process.pid}/statm"
        self.first = self.most = self.now()
        self.done = threading.Event()
        self.thread = threading.Thread(target=self._sample, daemon=True)
        self.thread.start()

    def now(self):
        with open(self.path) as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE") / 2**20

    def _sample(self):
        while not self.done.wait(0.05):
            self.most = max(self.most, self.now())

    def end(self):
        self.done.set()
        self.thread.join()
        return f"memory {self.first:.0f} MiB, at most {self.most:.0f}, then {self.now():.0f}"


def member(router, user, buffer=None):
    """A binary client as a plain socket, signed in."""
    sock = socket.socket()
    if buffer:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    sock.settimeout(PATIENCE)
    sock.connect(("127.0.0.1", router.tcp_port))
    sock.sendall(hello(user))
    assert sock.recv(8, socket.MSG_PEEK)
    return sock


def latencies(router, seconds, name):
    """How long acks of a client that behaves take, one message every 20 ms; 99th of a hundred and the worst."""
    client, took = Chat(router, name), []
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        began = time.monotonic()
        client.post(name + "friend", "x")
        took.append(time.monotonic() - began)
        time.sleep(max(0.0, 0.02 - took[-1]))
    client.close()
    took.sort()
    return took[int(len(took) * 0.99)], took[-1]


def frames(data):
    """Types of the whole frames in `data`, and what is left of it."""
    kinds, at = [], 0
    while len(data) - at >= 8:
        length, kind = struct.unpack_from("<IB", data, at)
        if len(data) - at < 8 + length:
            break
        kinds.append(kind)
        at += 8 + length
    return kinds, data[at:]


class Publisher:
    """Sends as fast as the router reads, or at a rate, and counts acks."""

    def __init__(self, router, user, destination, cmd, size=1024, rate=None):
        self.sock, self.rate, self.acks, self.errors = member(router, user), rate, 0, 0
        self.message = send(0, destination, b"x" * size, cmd=cmd, content=TEXT)
        self.ending, self.sent, self.rest, self.error = False, 0, b"", None
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        sock, block = self.sock, self.message * (1 if self.rate else 256)
        sock.setblocking(False)
        view, next_time, idle = memoryview(b""), time.monotonic(), None
        while not self.ending or view or self.acks + self.errors < self.sent:
            due = not self.ending and (not self.rate or time.monotonic() >= next_time)
            if not view and due:
                view, next_time = memoryview(block), next_time + (1 / self.rate if self.rate else 0)
                self.sent += len(block) // len(self.message)
            readable, writable, _ = select.select([sock], [sock] if view else [], [], 0.01 if self.rate else 0.5)
            if writable:
                view = view[sock.send(view):]
            if readable:
                data = sock.recv(1 << 18)
                if not data:
                    self.error = "the router ended the publisher"
                    return
                kinds, self.rest = frames(self.rest + data)
                self.acks += kinds.count(ACK)
                self.errors += kinds.count(ERROR)
                idle = None
            elif self.ending:
                idle = idle or time.monotonic()
                if time.monotonic() - idle > 3 * PATIENCE:
                    self.error = f"{self.sent - self.acks - self.errors} answers are missing"
                    return

    def end(self):
        self.ending = True
        self.thread.join(6 * PATIENCE)
        assert not self.thread.is_alive() and self.error is None, self.error
        return self.acks


def check_pace(calm, loud):
    print(f"99 of 100 acks within {calm[0] * 1e3:.1f} ms in calm, {loud[0] * 1e3:.1f} ms under load "
          f"(worst {calm[1] * 1e3:.0f} and {loud[1] * 1e3:.0f})")
    assert loud[0] <= 2 * calm[0] + NOISE


@pytest.mark.slow
def test_publisher_beyond_the_disk(start_router, chat):
    """A publisher that sends all that it can: others go on, memory stays, and every ack is kept."""
    router = start_router("--memory", "none")
    latencies(router, 1, "warm")
    calm = latencies(router, 3, "calm")
    memory = Memory(router)
    publisher = Publisher(router, "flood", "sink", cmd=10)
    time.sleep(0.5)
    loud = latencies(router, 5, "loud")
    acks = publisher.end()
    print(f"\n{acks} messages of 1 KiB acked, {publisher.errors} refused; {memory.end()}")
    check_pace(calm, loud)
    page = chat("sink", to=router).request(cmd="history", conv="flood:sink", limit=1)
    assert page["messages"][0]["cseq"] == acks
    assert memory.most - memory.first < 400


def dawdle(socks, seconds_left):
    """Reads a KiB a second from each."""
    while not seconds_left.is_set():
        for sock in socks:
            try:
                sock.recv(1024, socket.MSG_DONTWAIT)
            except BlockingIOError:
                pass
        seconds_left.wait(1)


def group_of(router, name, members):
    router.group(members[0], name, *members[1:])


@pytest.mark.slow
@pytest.mark.parametrize("stalled", [False, True], ids=["slow", "stalled"])
def test_members_that_do_not_keep_up(start_router, chat, stalled):
    """Members that read a KiB a second, or half of them nothing, during a flood: they fall behind and lose nothing."""
    count = crowd(500 if stalled else 200)
    router = start_router("--memory", "none")
    users = ["head"] + [f"m{n}" for n in range(count - 1)]
    group_of(router, "crowd", users)
    keeping = chat("m0", to=router)
    late = users[2:2 + (count // 2 if stalled else count - 3)]
    socks = [member(router, user, buffer=4096) for user in late]
    done = threading.Event()
    if not stalled:
        threading.Thread(target=dawdle, args=(socks, done), daemon=True).start()
    latencies(router, 1, "warm")
    calm = latencies(router, 3, "calm")
    memory = Memory(router)
    publisher = Publisher(router, "head", "crowd", cmd=11, rate=100)
    loud = latencies(router, 8, "loud")
    acks = publisher.end()
    got = 0
    while got < acks:
        got += sum(1 for _ in keeping.messages(1))
    done.set()
    print(f"\n{count} members, {len(socks)} of them late; {acks} messages of 1 KiB acked; {memory.end()}")
    check_pace(calm, loud)
    # None was dropped: each still takes what is written to it.
    for sock in socks:
        sock.setblocking(False)
        try:
            while data := sock.recv(1 << 16):
                pass
            raise AssertionError("a slow member was dropped")
        except BlockingIOError:
            pass
        finally:
            sock.close()
    # What doesn't fit its socket waits for each: the kernel's part isn't the router's.
    assert memory.most - memory.first < 150 + len(socks) * 0.15
    history = chat(late[0], to=router).request(cmd="history", conv="crowd", limit=1)["messages"]
    assert history[0]["cseq"] == acks


@pytest.mark.slow
def test_half_open_handshakes(start_router):
    """Thousands that begin a request and say no more: a place each for ten seconds, and nobody else notices."""
    count = crowd(2_000)
    router = start_router("--memory", "none", "--loops", "4", "--descriptor-tables", "own")
    latencies(router, 1, "warm")
    calm = latencies(router, 3, "calm")
    memory = Memory(router)
    socks = []
    for n in range(count):
        sock = socket.create_connection(("127.0.0.1", router.port), PATIENCE)
        sock.sendall(b"GET /chat?id=x HTTP/1.1\r\nHost: x\r\nX-Slow: ")
        socks.append(sock)
    loud = latencies(router, 5, "loud")
    deadline = time.monotonic() + 15
    for sock in socks:
        sock.settimeout(max(0.1, deadline - time.monotonic()))
        while sock.recv(4096):
            pass
        sock.close()
    print(f"\n{count} half-open handshakes; {memory.end()}")
    check_pace(calm, loud)
    assert memory.most - memory.first < 50 + count * 0.004
    assert latencies(router, 1, "after")[0] < PATIENCE


def test_many_fetches_in_one_read(start_router, chat):
    """A client that asks for many large pages at once and reads none costs one page, not all of them."""
    router = start_router("--memory", "none")
    writer = chat("w", to=router)
    for n in range(30):
        writer.post("glutton", "x" * 500_000)
    memory = Memory(router)
    sock = member(router, "glutton", buffer=4096)
    fetch = struct.pack("<IBBHQI", 12, 7, 0, 0, 0, 1000)
    sock.sendall(fetch * 200)
    time.sleep(3)
    print(f"\n200 pages of 4 MiB asked for; {memory.end()}")
    assert memory.most - memory.first < 80
    assert writer.request(cmd=0)["cmd"] == 0


def test_restart_under_clients(start_router):
    """SIGTERM: everyone gets 1001 with a time to come back, no two the same, and watchers hear of nobody leaving; who
    comes back hears of nobody arriving either."""
    router = start_router()
    clients = [Chat(router, f"c{n}") for n in range(int(200 * LOAD))]
    watcher = clients[0]
    users = [f"c{n}" for n in range(1, len(clients))]
    assert all(state["online"] for state in watcher.request(cmd="watch", users=users[:1000])["users"].values())
    router.terminate()
    delays = []
    for client in clients:
        assert client.close_code(timeout=PATIENCE) == 1001
        reason = client.socket.close_reason
        delays.append(int(reason.rpartition(": retry in ")[2].removesuffix(" ms")))
        assert not [frame for frame in client.backlog if frame["cmd"] == "status"]
    assert 50 <= min(delays) and max(delays) <= 31_000 and len(set(delays)) > len(clients) / 4, delays
    router.stop()
    router.start()
    watcher = Chat(router, "c0")
    answer = watcher.request(cmd="watch", users=users[:1000])["users"]
    assert all(state["online"] for state in answer.values()), answer
    back = [Chat(router, user) for user in users[: len(users) // 2]]
    time.sleep(5)
    watcher.fence()
    assert not [frame for frame in watcher.backlog if frame["cmd"] == "status"], watcher.backlog[:3]
    # The others never came back: that is told, when the time for coming back is over.
    gone = set()
    while len(gone) < len(users) - len(back):
        told = watcher.expect("status", timeout=20)["users"]
        assert not any(state["online"] for state in told.values())
        gone |= told.keys()
    assert gone == set(users[len(back):])
    for client in back + [watcher]:
        client.close()
