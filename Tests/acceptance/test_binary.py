"""The binary protocol over TCP and in WebSocket binary frames (contract §4)."""

import base64
import json
import struct
import time

import pytest

import binary_protocol as b4
from binary_protocol import ACK, DELIVER, ERROR, FETCHED, MEMBERS, OPAQUE, PONG, READS_LZ4, TEXT, WELCOME

pytestmark = pytest.mark.parametrize("websocket", [False, True], ids=["tcp", "websocket"])


@pytest.fixture
def connect(binary, websocket):
    """Binary clients over the transport of this run."""

    def open_client(user=None, **options):
        return binary(user, websocket=websocket, **options)

    return open_client


def deliveries(client, count):
    return [client.expect(DELIVER) for _ in range(count)]


def test_welcome(people, connect):
    a, b = people(2)
    connect(a).post(b, b"1")
    welcome = connect(b, device="desk").welcome
    assert (welcome.user, welcome.device, welcome.seq, welcome.confirmed) == (b, "desk", 1, 0)
    assert welcome.max_frame >= 1 << 20 and welcome.heartbeat > 0
    assert abs(welcome.time - time.time() * 1000) < 5_000


def test_send_ack_deliver(people, connect):
    """A message goes to the recipient and to the sender's other sessions, the ack to the sender."""
    a, b = people(2)
    sender, second, receiver = connect(a), connect(a), connect(b)
    ack = sender.post(b, "hello 在吗".encode(), cid=77)
    assert (ack.kind, ack.cid, ack.cseq, ack.seq, ack.duplicate) == (ACK, 77, 1, 1, False)
    for client in (receiver, second):
        got = client.expect(DELIVER)
        assert (got.cmd, got.sender, got.destination) == (10, a, b)
        assert (got.id, got.cseq, got.seq, got.time) == (ack.id, ack.cseq, 1, ack.time)
        assert (got.content, got.body.decode(), got.compressed) == (TEXT, "hello 在吗", False)


def test_resend(people, connect):
    """A resend gets the same ack with the duplicate flag, and stores nothing."""
    a, b = people(2)
    sender = connect(a)
    first, again = sender.post(b, b"once", cid=5), sender.post(b, b"once", cid=5)
    assert (again.id, again.cseq, again.seq, again.duplicate) == (first.id, first.cseq, first.seq, True)
    assert connect(b).welcome.seq == 1


def test_group(router, people, connect):
    a, b = people(2)
    group = router.group(a, f"group-{a}", b)
    receiver = connect(b)
    connect(a).post(group, b"all", cmd=11)
    got = receiver.expect(DELIVER)
    assert (got.cmd, got.destination, got.body) == (11, group, b"all")


def test_resume(people, connect):
    """`after` in HELLO: entries above it are delivered first, then what is new."""
    a, b = people(2)
    sender = connect(a)
    for n in range(1, 5):
        sender.post(b, str(n).encode())
    receiver = connect(b, after=1)
    sender.post(b, b"5")
    assert [(d.seq, d.body) for d in deliveries(receiver, 4)] == [(2, b"2"), (3, b"3"), (4, b"4"), (5, b"5")]


def test_fetch_and_confirm(people, connect):
    """FETCH is answered by DELIVERs and one FETCHED; CONFIRM is the device's own."""
    a, b = people(2)
    sender = connect(a)
    for n in range(1, 6):
        sender.post(b, str(n).encode())
    receiver, _ = connect(b, device="phone"), connect(b, device="desk")
    receiver.raw(b4.frame(b4.FETCH, struct.pack("<QI", 1, 2)))
    assert [d.seq for d in deliveries(receiver, 2)] == [2, 3]
    fetched = receiver.expect(FETCHED)
    assert (fetched.last, fetched.more) == (3, 1)
    receiver.raw(b4.frame(b4.CONFIRM, struct.pack("<Q", 3)))
    receiver.raw(b4.frame(b4.FETCH, struct.pack("<QI", 3, 100)))
    assert [d.seq for d in deliveries(receiver, 2)] == [4, 5]
    assert receiver.expect(FETCHED).more == 0
    # A confirm that was answered is durable; over COMMAND it can be answered.
    receiver.command(cmd="confirm", seq=4, ref=1)
    assert receiver.event("ok")["ref"] == 1
    receiver.close()
    assert connect(b, device="phone").welcome.confirmed == 4
    assert connect(b, device="desk").welcome.confirmed == 0


@pytest.mark.parametrize("body", [b"", b"12345678", bytes(range(256)) * 8])
def test_ping(people, connect, body):
    """PING is answered by PONG with the same body."""
    (a,) = people(1)
    client = connect(a)
    client.raw(b4.frame(b4.PING, body))
    assert client.expect(PONG).body == body


def test_pong(people, connect):
    """A client answers the router's PINGs by PONGs, and isn't asked for more than that it lives."""
    (a,) = people(1)
    client = connect(a)
    for frame in (b4.frame(PONG), b4.frame(PONG, b"as it came"), b4.frame(b4.PING, b"still here")):
        client.raw(frame)
    assert client.expect(PONG).body == b"still here"


def test_command_and_event(people, connect, chat):
    """JSON commands work inside COMMAND; live events come as EVENT."""
    a, b = people(2)
    client, other = connect(a), chat(b)
    client.command(cmd="status", users=[b], ref="s")
    event = client.event("status")
    assert event["ref"] == "s" and event["users"][b]["online"] is True
    other.request(cmd="typing", dstid=a)
    assert client.event("typing")["userid"] == b
    client.command(cmd="no such thing", ref="x")
    event = client.event("error")
    assert (event["code"], event["ref"]) == ("unsupported", "x")


def test_an_edit_is_an_event(people, connect, chat):
    """A notification is an inbox entry; here it comes as EVENT with its `seq`."""
    a, b = people(2)
    client, sender = connect(b), chat(a)
    ack = sender.post(b, "tpyo")
    client.expect(DELIVER)
    sender.request(cmd="edit", conv=ack["conv"], cseq=1, content="typo")
    event = client.event("notify")
    assert (event["name"], event["content"], event["seq"]) == ("message.edited", "typo", 2)


# Across protocols


def test_text_to_json(people, connect, chat):
    """Content type 1 becomes `content`."""
    a, b = people(2)
    receiver = chat(b)
    ack = connect(a).post(b, 'a "quoted" \\ \n 在吗\u2028'.encode())
    got = receiver.expect(10)
    assert (got["content"], got["userid"], got["id"], got["seq"]) == ('a "quoted" \\ \n 在吗\u2028', a, ack.id, 1)
    assert "encoding" not in got
    assert receiver.request(cmd="history", conv=got["conv"])["messages"][0]["content"] == got["content"]


def test_members_to_json(people, connect, chat):
    """Content type 2 becomes the message's fields; reserved ones are dropped."""
    a, b = people(2)
    receiver = chat(b)
    members = {"content": "hi", "media": 2, "x": {"y": [1, None]}, "userid": "forged", "seq": 99}
    connect(a).post(b, json.dumps(members).encode(), content=MEMBERS)
    got = receiver.expect(10)
    assert (got["content"], got["media"], got["x"]) == ("hi", 2, {"y": [1, None]})
    assert (got["userid"], got["seq"]) == (a, 1)


@pytest.mark.parametrize("size", [0, 1, 2, 3, 1_000])
def test_opaque_to_json(people, connect, chat, size):
    """Content type 0 becomes base64."""
    a, b = people(2)
    receiver = chat(b)
    body = bytes(n * 7 % 256 for n in range(size))
    connect(a).post(b, body, content=OPAQUE)
    got = receiver.expect(10)
    assert (got["encoding"], base64.b64decode(got["content"], validate=True)) == ("base64", body)


def test_json_to_binary(people, connect, chat):
    """JSON fields become content type 2 and hold the message's own members only."""
    a, b = people(2)
    receiver = connect(b)
    ack = chat(a).post(b, "在吗", media=1, more={"deep": [1]}, ref="r")
    got = receiver.expect(DELIVER)
    assert (got.content, got.sender, got.destination, got.id) == (MEMBERS, a, b, ack["id"])
    members = json.loads(got.body)
    assert (members["content"], members["media"], members["more"]) == ("在吗", 1, {"deep": [1]})
    server = {"cmd", "dstid", "ref", "userid", "id", "conv", "cseq", "seq", "time", "level", "device"}
    assert not server & set(members), members


def test_timeline_to_binary(router, people, connect):
    """A timeline message reaches a binary client too."""
    a, b = people(2)
    receiver = connect(b)
    router.http("POST", "/timeline/send", {"from": a, "to": b, "message": "from a server"})
    got = receiver.expect(DELIVER)
    text = got.body.decode() if got.content == TEXT else json.loads(got.body)["content"]
    assert text == "from a server"


# Compression

LONG = ("在吗 hello " * 500).encode()


def test_lz4_goes_out_as_it_came(people, connect):
    """A compressed body isn't touched for a client that reads LZ4, live and fetched."""
    a, b = people(2)
    receiver = connect(b, features=READS_LZ4)
    body = b4.compress(LONG)
    assert connect(a).post(b, body, compressed=True).kind == ACK
    live = receiver.expect(DELIVER)
    receiver.raw(b4.frame(b4.FETCH, struct.pack("<QI", 0, 10)))
    for got in (live, receiver.expect(DELIVER)):
        assert (got.compressed, got.content, got.body) == (True, TEXT, body)


def test_lz4_is_opened_for_others(people, connect, chat):
    """A client that didn't say it reads LZ4, and JSON, get the body itself."""
    a, b = people(2)
    plain, web = connect(b), chat(b)
    connect(a).post(b, b4.compress(LONG), compressed=True)
    got = plain.expect(DELIVER)
    assert (got.compressed, got.content, got.body) == (False, TEXT, LONG)
    assert web.expect(10)["content"] == LONG.decode()
    assert web.request(cmd="fetch", after=0)["entries"][0]["content"] == LONG.decode()


def test_plain_body_to_a_reader_of_lz4(people, connect):
    """Whether or not the router compresses, the reader of LZ4 gets the same text."""
    a, b = people(2)
    receiver = connect(b, features=READS_LZ4)
    connect(a).post(b, LONG)
    got = receiver.expect(DELIVER)
    assert (b4.decompress(got.body) if got.compressed else got.body) == LONG


@pytest.mark.parametrize(
    "body",
    [b"", b"\x10", struct.pack("<I", 100), struct.pack("<I", 100) + b"\xff\xff\xff",
     struct.pack("<I", 2**32 - 1) + b4.compress(b"short")[4:], struct.pack("<I", 4) + b4.compress(LONG)[4:]],
    ids=["empty", "cut length", "no block", "bad block", "huge length", "length too small"],
)
def test_bad_lz4(people, connect, body):
    """A body that can't be opened is refused; the connection goes on."""
    a, b = people(2)
    sender = connect(a)
    refused = sender.post(b, body, compressed=True)
    assert refused.kind == ERROR and refused.code in ("bad_request", "too_large")
    assert sender.post(b, b"fine").kind == ACK


# What is refused


@pytest.mark.parametrize(
    "destination, body, options, code",
    [
        ("a:b", b"x", {}, "bad_request"),
        ("", b"x", {}, "bad_request"),
        ("b", b"\xff\xfe", {"content": TEXT}, "bad_request"),
        ("b", b"not json", {"content": MEMBERS}, "bad_request"),
        ("b", b"[1]", {"content": MEMBERS}, "bad_request"),
        ("b", b'{"x":1,"x":2}', {"content": MEMBERS}, "bad_request"),
        ("b", b"x", {"content": 9}, "bad_request"),
        ("b", b"x", {"cmd": 12}, None),
        ("no-such-group", b"x", {"cmd": 11}, None),
    ],
    ids=["bad id", "empty id", "not UTF-8", "not JSON", "no object", "duplicate keys", "content type", "cmd", "group"],
)
def test_refused_send(people, connect, destination, body, options, code):
    """A refused SEND is answered by an ERROR with its cid, and the connection goes on."""
    a, b = people(2)
    sender = connect(a)
    refused = sender.post(destination, body, cid=41, **options)
    assert refused.kind == ERROR and refused.message
    assert code is None or refused.code == code
    assert sender.post(b, b"fine", cid=42).kind == ACK


@pytest.mark.parametrize("kind", [0, WELCOME, DELIVER, 14, 99, 255])
def test_unknown_frames(people, connect, kind):
    """A frame that is unknown, or isn't a client's, gets an ERROR, then the end."""
    (a,) = people(1)
    client = connect(a)
    client.raw(b4.frame(kind))
    client.expect(ERROR)
    assert client.ended()


@pytest.mark.parametrize(
    "data",
    [b4.frame(b4.CONFIRM, b"\x01"), b4.frame(b4.CONFIRM, bytes(9)), b4.frame(b4.SEND, b"\x01"), b4.frame(b4.FETCH)],
    ids=["short CONFIRM", "long CONFIRM", "short SEND", "short FETCH"],
)
def test_cut_frames(people, connect, data):
    """A frame whose fields don't fit is refused with an ERROR."""
    (a,) = people(1)
    client = connect(a)
    client.raw(data)
    assert client.expect(ERROR).code == "bad_request"


def test_over_long_frame(people, connect, websocket):
    """Above `max_frame` an ERROR (or, in WebSocket, close 1009) arrives before the connection ends."""
    (a,) = people(1)
    client = connect(a)
    if websocket:
        client.raw(b4.frame(b4.PING, bytes(client.welcome.max_frame + 1)))
    else:
        client.raw(struct.pack("<IBBH", client.welcome.max_frame + 1, b4.PING, 0, 0))
        assert client.expect(ERROR).code == "too_large"
    assert client.ended()


def test_a_message_of_one_mebibyte(people, connect, chat):
    """1 MiB of text fits, to binary and to JSON."""
    a, b = people(2)
    receiver, web = connect(b), chat(b)
    body = b"x" * (1 << 20)
    assert connect(a).post(b, body).kind == ACK
    assert receiver.expect(DELIVER).body == body
    assert web.expect(10)["content"] == body.decode()


@pytest.mark.parametrize(
    "data",
    [
        b4.hello("a:b"), b4.hello(""), b4.hello("a", version=2), b4.hello("a", auth=7),
        b4.hello("a", auth=b4.MD5_SESSION, credential="0" * 32),
        b4.hello("a", device="d" * 65), b4.frame(b4.HELLO, b"\x01"), b4.frame(b4.PING),
    ],
    ids=["bad id", "no id", "version", "auth", "session", "device", "cut", "not HELLO"],
)
def test_refused_hello(connect, data):
    """A refused HELLO gets an ERROR, then the end."""
    client = connect()
    client.raw(data)
    client.expect(ERROR)
    assert client.ended()


def test_frames_behind_hello(people, connect, websocket):
    """Frames may follow HELLO without waiting for WELCOME, over TCP in any cut."""
    a, b = people(2)
    client = connect()
    frames = [b4.hello(a)] + [b4.send(n, b, str(n).encode()) for n in range(1, 4)]
    if websocket:
        for data in frames:
            client.raw(data)
    else:
        for byte in b"".join(frames):
            client.raw(bytes([byte]))
    assert client.expect(WELCOME).user == a
    assert [client.expect(ACK).cid for _ in range(3)] == [1, 2, 3]


def test_both_on_one_connection(router, people, chat, websocket):
    """A connection that signed in by URL may speak binary too, and is answered in kind."""
    if not websocket:
        pytest.skip("a WebSocket matter")
    a, b = people(2)
    client = chat(a).socket
    client.send(b4.frame(b4.PING, b"binary?"))
    assert client.recv(timeout=10) == b4.frame(PONG, b"binary?")
    client.send(b4.send(9, b, b"from binary"))
    data = client.recv(timeout=10)
    assert isinstance(data, bytes) and data[4] == ACK
    client.send(json.dumps({"cmd": 0}))
    assert json.loads(client.recv(timeout=10)) == {"cmd": 0}


@pytest.mark.slow
def test_hello_timeout(router, websocket):
    """Who says nothing for 10 s is closed."""
    if websocket:
        pytest.skip("test_sign_in has it")
    wire = router.raw_tcp()
    wire.sock.settimeout(15)
    start = time.monotonic()
    assert wire.ended()
    assert 9 <= time.monotonic() - start <= 13
