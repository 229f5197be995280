"""More connections than the limit of open files has room for: loops with descriptor tables of their own."""

import re
import time

import pytest
from websockets.exceptions import InvalidStatus

from binary_protocol import hello
from switchboard import PATIENCE, Chat, Router

LIMIT = 64  # open files of a table that only has connections
SHARED_LIMIT = 128  # of one that the store shares
LOOPS = 4


class LimitedRouter(Router):
    """A router whose limit of open files is low."""

    def arguments(self):
        limit = SHARED_LIMIT if "shared" in self.options else LIMIT
        return ["prlimit", f"--nofile={limit}:{limit}"] + super().arguments()

    def room(self):
        """What the router says at its start, which it may do just after it is ready."""
        deadline = time.monotonic() + PATIENCE
        while not (said := re.search(r"room for (\d+) connections", self.output())):
            assert time.monotonic() < deadline, self.output()
            time.sleep(0.01)
        return int(said[1])


@pytest.fixture
def limited(tmp_path):
    """Starts a router under the low limit; at the end it must stop cleanly."""
    started = []

    def start(tables):
        started.append(LimitedRouter(tmp_path, "--loops", str(LOOPS), "--descriptor-tables", tables))
        return started[-1].start()

    yield start
    for router in started:
        router.stop()


def sign_in_until_full(router):
    """Signs clients in until one is refused; answers them and the refusal."""
    clients = []
    while len(clients) < LOOPS * LIMIT:
        try:
            clients.append(Chat(router, f"u{len(clients)}"))
        except InvalidStatus as refusal:
            return clients, refusal.response
    raise AssertionError(f"{len(clients)} clients under a limit of {LIMIT} in {LOOPS} tables")


def check_refusal(response):
    assert response.status_code == 503 and b'"overloaded"' in response.body


@pytest.mark.parametrize("tables, least", [("own", LIMIT + 10), ("auto", LIMIT + 10), ("shared", SHARED_LIMIT // 3)])
def test_room(limited, tables, least):
    """As many connections as was said at the start, or nearly so where users aren't spread evenly; they reach each
    other across loops; who is too many is told so, and the router still answers and has room again afterwards."""
    router = limited(tables)
    assert least <= router.room() <= (SHARED_LIMIT if tables == "shared" else LOOPS * LIMIT)
    clients, refusal = sign_in_until_full(router)
    try:
        check_refusal(refusal)
        assert len(clients) >= least * 3 // 4, f"{len(clients)} of {router.room()}"
        assert router.http("GET", "/readyz").status == 200
        for sender, receiver in zip(clients, clients[1:]):
            sender.post(receiver.user, f"from {sender.user}")
            assert receiver.messages(1)[0]["content"] == f"from {sender.user}"
            receiver.send(cmd="typing", dstid=sender.user)
            assert sender.expect("typing")["userid"] == receiver.user
        half = len(clients) // 2
        for client in clients[:half]:
            client.close()
        time.sleep(0.2)
        for index in range(half):
            clients[index] = Chat(router, f"u{index}", after=0)
            clients[index].entries(1)
        router.terminate()
        assert {client.close_code() for client in clients} == {1001}
    finally:
        for client in clients:
            client.close()


@pytest.mark.parametrize("tables", ["own", "shared"])
def test_refusals(limited, tables):
    """Every way to sign in says that the server is full, and none leaves a descriptor behind."""
    router = limited(tables)
    clients, _ = sign_in_until_full(router)
    full = f"u{len(clients)}"  # a user whose home has no room
    try:
        for _ in range(2 * LIMIT):
            with pytest.raises(InvalidStatus) as refused:
                Chat(router, full)
            check_refusal(refused.value.response)
        for _ in range(LIMIT):
            client = Chat(router, path="/ws", welcome=False)
            client.send(cmd="connect", token=full)
            assert client.close_code() == 1013
            client.close()
        for _ in range(LIMIT):
            wire = router.raw_tcp()
            wire.send(hello(full))
            answer = wire.read_until(b"overloaded")
            assert answer[4] == 11
            wire.close()
        assert router.http("GET", "/healthz").status == 200
        for client in clients:
            client.fence()
    finally:
        for client in clients:
            client.close()


def test_frames_behind_the_upgrade_travel_along(limited):
    """What a client sends with its upgrade is answered on whichever loop its user lives, after the welcome."""
    router = limited("own")
    frame = b'{"cmd":0,"ref":"early"}'
    mask = b"\x01\x02\x03\x04"
    masked = bytes([0x81, 0x80 | len(frame)]) + mask + bytes(b ^ mask[i % 4] for i, b in enumerate(frame))
    for number in range(12):
        wire = router.raw()
        wire.send(
            f"GET /chat?id=early{number} HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode() + masked)
        assert wire.read_response().status == 101
        seen = wire.read_until(b'"ref":"early"')
        assert b'"welcome"' in seen and f'"early{number}"'.encode() in seen
        wire.close()


def test_unknown_choice(tmp_path):
    """A choice that isn't there is an error that names the option."""
    router = Router(tmp_path, "--descriptor-tables", "many").launch()
    assert router.wait() != 0 and "descriptor-tables" in router.output()
