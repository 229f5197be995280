"""Clients that want too much: limits by address and by user, memory, time, and answers for who leaves early."""

import json
import os
import socket
import struct
import time

import pytest

from websockets.exceptions import ConnectionClosed, InvalidMessage, InvalidStatus

from binary_protocol import ERROR, frame, hello, send
from switchboard import Chat, PATIENCE, Refused, router_binary
from test_lifecycle import run_to_its_end
from websocket_wire import TEXT, frame as websocket_frame, upgrade_request

LOCAL = "--limit-loopback"


def upgrade(router, path):
    """A WebSocket as plain bytes."""
    wire = router.raw()
    wire.send(upgrade_request(path))
    assert wire.read_response().status == 101
    return wire


def client_frame(payload):
    return websocket_frame(TEXT, payload)


def resident(router):
    """MiB of memory that the router has."""
    with open(f"/proc/{router.process.pid}/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE") / 2**20


def refused_status(router, user, headers=None):
    """The answer that an upgrade is refused with; None if it is let in."""
    try:
        Chat(router, user, headers=headers).close()
    except InvalidStatus as refusal:
        return refusal.response
    return None


def test_connections_of_one_address(start_router, chat, binary):
    """Whoever has enough connections is told so, in words of each protocol, until one of them ends."""
    router = start_router(LOCAL, "--address-connections", "12")
    clients = [chat(f"a{n}", to=router) for n in range(12)]
    wire = router.raw()
    answer = wire.read_response()
    assert answer.status == 429 and int(answer.headers["retry-after"]) >= 1, answer
    assert answer.json["error"]["code"] == "rate_limited" and wire.ended()
    wire = router.raw_tcp()
    length, kind = struct.unpack("<IBxxx", wire.read(8))
    assert kind == ERROR and b"rate_limited" in wire.read(length) and wire.ended()
    assert clients[0].request(cmd=0)["cmd"] == 0
    clients[5].close()
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            if refused_status(router, "late") is None:
                break
        except (ConnectionClosed, InvalidMessage, OSError):
            # Closed at the door while the request was on its way: the answer may be lost with it.
            pass
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_new_connections_of_one_address(start_router):
    """Connections that come too fast are refused until time has passed; loopback isn't counted by default."""
    router = start_router(LOCAL, "--address-connection-rate", "2")
    statuses = [router.http("GET", "/healthz").status for _ in range(40)]
    assert statuses[0] == 200 and 429 in statuses, statuses
    time.sleep(1.2)
    assert router.http("GET", "/healthz").status == 200
    free = start_router("--address-connection-rate", "2")
    assert {free.http("GET", "/healthz").status for _ in range(40)} == {200}


def test_sign_ins_of_one_address(start_router):
    """Sign-ins are counted, by what a trusted proxy says where there is one."""
    router = start_router("--address-sign-ins", "1", "--trusted-proxies", "127.0.0.1")
    there = {"X-Forwarded-For": "192.0.2.7"}
    answers = [refused_status(router, "a", there) for _ in range(20)]
    refusals = [answer for answer in answers if answer is not None]
    assert answers[0] is None and refusals
    assert {answer.status_code for answer in refusals} == {429}
    assert all(int(answer.headers["Retry-After"]) >= 1 for answer in refusals)
    assert refused_status(router, "b", {"X-Forwarded-For": "192.0.2.8"}) is None
    answer = [router.http("GET", "/api/groups", bearer="no.such.token", headers=there) for _ in range(3)][-1]
    assert answer.status == 429 and answer.headers["Retry-After"], answer
    assert router.http("GET", "/api/groups", bearer="no.such.token").status == 401


def test_binary_sign_ins_of_one_address(start_router):
    """HELLOs count like upgrades."""
    router = start_router(LOCAL, "--address-sign-ins", "1")
    for _ in range(30):
        wire = router.raw_tcp()
        wire.send(hello("a"))
        length, kind = struct.unpack("<IBxxx", wire.read(8))
        payload = wire.read(length)
        wire.close()
        if kind == ERROR:
            assert b"rate_limited" in payload and b"retry in " in payload
            return
    raise AssertionError("nobody was refused")


def test_frames_of_one_user(start_router, chat):
    """Beyond the allowance frames are refused with the time to wait; who waits goes on, who doesn't is closed."""
    router = start_router("--user-frames", "20")
    client, other = chat("a", to=router), chat("b", to=router)
    for n in range(260):
        client.send(cmd=10, dstid="b", content=str(n), cid=f"c{n}", ref=f"r{n}")
    answers = [client.take(lambda f: f["cmd"] in ("ack", "error")) for _ in range(260)]
    refused = [f for f in answers if f["cmd"] == "error"]
    assert 20 <= len(refused) <= 65 and {f["code"] for f in refused} == {"rate_limited"}
    assert all(f["retry"] > 0 and f["cid"][1:] == f["ref"][1:] for f in refused)
    assert other.request(cmd=0)["cmd"] == 0
    time.sleep(refused[-1]["retry"] / 1000)
    assert client.post("b", "again")["cmd"] == "ack"
    with pytest.raises(ConnectionClosed):
        while True:
            client.send(cmd=0)
    assert client.close_code() == 4008
    assert chat("a", to=router).request(cmd=0)["cmd"] == 0


def test_binary_frames_of_one_user(start_router, binary):
    """The same in the binary protocol: ERROR with the cid, then the end."""
    router = start_router("--user-frames", "5")
    client = binary("a", to=router)
    client.raw(b"".join(send(n + 1, "b", b"x") for n in range(80)))
    error = client.expect(ERROR)
    assert error.code == "rate_limited" and error.cid > 50 and "retry in " in error.message
    client.raw(b"".join(send(n + 1, "b", b"x") for n in range(80)))
    assert client.ended()


def test_bytes_of_one_user(start_router, chat):
    """Bytes are counted too, and a message of the largest size always fits who waits."""
    router = start_router("--user-bytes", "100000")
    client = chat("a", to=router)
    with pytest.raises(Refused) as refusal:
        for _ in range(8):
            client.post("b", "x" * 1_000_000)
    assert refusal.value.code == "rate_limited" and 0 < refusal.value.frame["retry"] < 30_000


def test_requests_of_one_user(start_router):
    """HTTP: 429 with Retry-After; other users go on."""
    router = start_router("--user-requests", "1")
    answers = [router.http("GET", "/api/groups", bearer="a") for _ in range(30)]
    last = answers[-1]
    assert answers[0].status == 200 and last.status == 429 and int(last.headers["Retry-After"]) >= 1
    assert last.json["error"]["code"] == "rate_limited"
    assert router.http("GET", "/api/groups", bearer="b").status == 200


def test_memory_limit(start_router, chat):
    """Near the limit nobody new is let in and those who are in go on; afterwards there is room again."""
    router = start_router()
    base = int(resident(router))
    router.stop()
    router.options = ["--memory", f"{max(base + 60, 70)}M"]
    router.start()
    member = chat("a", to=router)
    hoarders = [chat(f"h{n}", to=router) for n in range(50)]
    for hoarder in hoarders:
        raw = hoarder.socket.socket
        raw.sendall(struct.pack("!BBQ", 0x82, 0x80 | 127, 2_000_000) + b"\0\0\0\0" + bytes(1_900_000))
    deadline = time.monotonic() + PATIENCE
    while (answer := refused_status(router, "late")) is None:
        assert time.monotonic() < deadline, f"{resident(router)} MiB, {base} at first"
        time.sleep(0.1)
    assert answer.status_code == 503 and int(answer.headers["Retry-After"]) >= 1
    assert router.http("GET", "/api/groups", bearer="late").status == 503
    assert router.http("GET", "/healthz").status == 200
    wire = router.raw_tcp()
    wire.send(hello("late"))
    length, kind = struct.unpack("<IBxxx", wire.read(8))
    assert kind == ERROR and b"overloaded" in wire.read(length)
    assert member.post("b", "still here")["cmd"] == "ack"
    print(f"{base} MiB at first, {resident(router):.0f} MiB when it is tight", end=", ")
    for hoarder in hoarders:
        hoarder.socket.socket.close()
    deadline = time.monotonic() + 2 * PATIENCE
    while refused_status(router, "late") is not None:
        assert time.monotonic() < deadline, f"{resident(router)} MiB, {base} at first"
        time.sleep(0.2)
    print(f"{resident(router):.0f} MiB afterwards")


@pytest.mark.parametrize("options", [
    ["--memory", "5"], ["--memory", "many"], ["--address-connections", "-1"], ["--user-frames", "99999999"]])
def test_wrong_limits(tmp_path, options):
    """A limit that makes no sense is an error at the start."""
    code, said = run_to_its_end([router_binary(), "--dev"] + options, tmp_path)
    assert code == 64 and options[0] in said, said


# Who leaves early


def test_answers_for_who_ended_its_side(router, people):
    """A WebSocket client that has ended its side gets its answers all the same, and then the end."""
    sender, other = people(2)
    wire = upgrade(router, f"/chat?id={sender}")
    frames = [{"cmd": 10, "dstid": other, "content": str(n), "cid": f"c{n}"} for n in range(200)]
    frames.append({"cmd": "fetch", "after": 0, "limit": 5, "ref": "last"})
    wire.send(b"".join(client_frame(json.dumps(f).encode()) for f in frames))
    wire.sock.shutdown(socket.SHUT_WR)
    everything = b""
    while data := wire.sock.recv(65_536):
        everything += data
    assert everything.count(b'"cmd":"ack"') == 200 and b'"ref":"last"' in everything


def test_binary_answers_for_who_ended_its_side(router, people):
    """The same over TCP, with the sign-in still under way."""
    sender, other = people(2)
    wire = router.raw_tcp()
    wire.send(hello(sender) + b"".join(send(n + 1, other, b"x") for n in range(200)))
    wire.sock.shutdown(socket.SHUT_WR)
    kinds, data = [], b""
    while more := wire.sock.recv(65_536):
        data += more
    while data:
        length, kind = struct.unpack_from("<IBxxx", data)
        kinds.append(kind)
        data = data[8 + length:]
    assert kinds.count(4) == 200, kinds


# Time


def drip(wires, seconds):
    """Sends each wire's bytes one a second; answers after how many seconds each was ended by the router."""
    began, ended = time.monotonic(), {}
    pending = dict(wires)
    for wire, _ in pending.values():
        wire.sock.settimeout(0.01)
    while pending and time.monotonic() - began < seconds:
        for name, (wire, data) in list(pending.items()):
            try:
                if wire.drip:
                    wire.send(data[wire.at:wire.at + 1])
                    wire.at = min(wire.at + 1, len(data) - 1)
                if not wire.sock.recv(65_536):
                    raise EOFError
            except TimeoutError:
                continue
            except (OSError, EOFError):
                ended[name] = time.monotonic() - began
                del pending[name]
        time.sleep(0.9)
    return ended


def slow(wire, data=b"", dripping=True):
    wire.drip, wire.at = dripping, 0
    return wire, data


@pytest.mark.slow
def test_slow_sign_ins(start_router, chat):
    """Who says nothing, or its request, its headers or its HELLO a byte a second, has ten seconds."""
    router = start_router()
    awaiting = upgrade(router, "/ws")
    wires = {
        "silent": slow(router.raw(), dripping=False),
        "silent binary": slow(router.raw_tcp(), dripping=False),
        "silent /ws": slow(awaiting, dripping=False),
        "request line": slow(router.raw(), b"GET /" + b"a" * 1000),
        "headers": slow(router.raw(), b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 1000),
        "HELLO": slow(router.raw_tcp(), hello("u" * 60, credential="c" * 100)),
        "frame of /ws": slow(upgrade(router, "/ws"), client_frame(b"x" * 100)),
    }
    client = chat("a", to=router)
    ended = drip(wires, 20)
    assert ended.keys() == wires.keys() and all(8 < after < 16 for after in ended.values()), ended
    assert client.post("b", "x")["cmd"] == "ack"


@pytest.mark.slow
@pytest.mark.skipif("GUARD_MINUTES" not in os.environ, reason="takes two minutes: set GUARD_MINUTES")
def test_slow_messages(start_router, chat):
    """A body has a minute, a frame of a client that is signed in a minute and a half to two."""
    router = start_router()
    header = upgrade(router, "/chat?id=h")
    payload = upgrade(router, "/chat?id=p")
    binary = router.raw_tcp()
    binary.send(hello("q"))
    body = b"POST /timeline/send HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\n"
    posting = router.raw()
    posting.send(body)
    unread = router.raw()
    unread.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    wires = {
        "body": slow(posting, b" " * 500),
        "payload": slow(payload, client_frame(b" " * 60_000)),
        "binary frame": slow(binary, frame(12, b" " * 60_000)),
    }
    header.send(client_frame(b" " * 60_000)[:1])
    wires["header"] = slow(header, dripping=False)
    client = chat("a", to=router)
    ended = drip(wires, 140)
    print(ended)
    assert ended.keys() == wires.keys(), ended
    assert 50 < ended.pop("body") < 75 and all(60 < after < 130 for after in ended.values())
    assert client.request(cmd=0)["cmd"] == 0
