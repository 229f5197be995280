"""RFC 6455 as the router keeps it, on /echo and by raw bytes."""

import base64
import hashlib
import os

import pytest

from switchboard import PATIENCE
from websocket_wire import (
    BINARY, CLOSE, CONTINUATION, KEY, PING, PONG, TEXT, Echo, close_frame, frame, upgrade_request)


@pytest.fixture
def echo(router):
    opened = Echo(router)
    yield opened
    opened.wire.close()


# The opening handshake


def test_handshake(echo):
    """The answer proves that the server understood the key; no extension is agreed to unasked."""
    headers = echo.answer.headers
    digest = hashlib.sha1((KEY + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()
    assert headers["sec-websocket-accept"] == base64.b64encode(digest).decode()
    assert headers["upgrade"].lower() == "websocket" and headers["connection"].lower() == "upgrade"
    assert "sec-websocket-extensions" not in headers and "sec-websocket-protocol" not in headers


def test_frames_right_behind_the_handshake(router):
    """A client that sends its first frame with the handshake isn't kept waiting."""
    wire = router.raw()
    wire.send(upgrade_request() + frame(TEXT, b"early"))
    assert wire.read_response().status == 101
    assert wire.read(7) == b"\x81\x05early"


def test_handshake_byte_by_byte(router):
    """Neither handshake nor frame needs to come in one piece."""
    wire = router.raw()
    for byte in upgrade_request() + frame(TEXT, b"slow"):
        wire.send(bytes([byte]))
    assert wire.read_response().status == 101
    assert wire.read(6) == b"\x81\x04slow"


def test_header_names_and_lists_in_any_case(router):
    """Names and tokens are compared without case; Connection may be a list."""
    wire = router.raw()
    wire.send(
        b"GET /echo HTTP/1.1\r\nhOST: x\r\nUPGRADE: WebSocket\r\nconnection: keep-alive, upgrade\r\n"
        b"sec-websocket-key: " + KEY.encode() + b"\r\nSEC-WEBSOCKET-VERSION: 13\r\n\r\n")
    assert wire.read_response().status == 101


@pytest.mark.parametrize("version", ["12", "14", "0", "8", "x", ""])
def test_wrong_version(router, version):
    """Another WebSocket version is answered 426 with the version that is spoken."""
    wire = router.raw()
    wire.send(upgrade_request(changes={"Sec-WebSocket-Version": version}))
    answer = wire.read_response()
    assert (answer.status, answer.headers["sec-websocket-version"]) == (426, "13"), answer


@pytest.mark.parametrize(
    "changes, extra",
    [
        ({"Host": None}, ""),
        ({}, "Host: other\r\n"),
        ({"Sec-WebSocket-Key": None}, ""),
        ({"Sec-WebSocket-Key": "short"}, ""),
        ({"Sec-WebSocket-Key": "!" * 24}, ""),
        ({}, f"Sec-WebSocket-Key: {KEY}\r\n"),
    ],
    ids=["no Host", "two Hosts", "no key", "short key", "key not base64", "two keys"],
)
def test_bad_handshake(router, changes, extra):
    wire = router.raw()
    wire.send(upgrade_request(changes=changes, extra=extra))
    assert wire.read_response().status == 400


@pytest.mark.parametrize(
    "request_",
    [
        upgrade_request(version="HTTP/1.0"),
        upgrade_request().replace(b"GET", b"POST"),
        upgrade_request(changes={"Upgrade": None}),
        upgrade_request(changes={"Connection": None}),
    ],
    ids=["HTTP/1.0", "POST", "no Upgrade", "no Connection"],
)
def test_no_upgrade(router, request_):
    """What isn't a WebSocket handshake isn't taken for one."""
    wire = router.raw()
    wire.send(request_)
    assert 400 <= wire.read_response().status < 500


# Data frames


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65_535, 65_536, 1 << 20, 16 << 20])
@pytest.mark.parametrize("kind", ["text", "binary"])
def test_echo_sizes(router, size, kind):
    """Messages of every length form come back whole and of their kind."""
    message = os.urandom(size) if kind == "binary" else "é" * (size // 2) + "x" * (size % 2)
    with router.websocket("/echo") as client:
        client.send(message)
        assert client.recv(timeout=30) == message


def test_fragments_with_a_ping_between(echo):
    """A message in fragments is one message; a ping between them is answered at once."""
    echo.send(frame(TEXT, b"one ", final=False), frame(CONTINUATION, b"two ", final=False), frame(PING, b"here?"))
    assert echo.read() == (PONG, b"here?")
    echo.send(frame(CONTINUATION, b"three"))
    assert echo.read() == (TEXT, b"one two three")


def test_fragments_inside_a_character(echo):
    """A character may lie in two fragments."""
    data = "吃了吗😀".encode()
    echo.send(*(frame(CONTINUATION if i else TEXT, bytes([b]), final=False) for i, b in enumerate(data)))
    echo.send(frame(CONTINUATION))
    assert echo.read() == (TEXT, data)


def test_empty_fragments(echo):
    echo.send(frame(BINARY, final=False), frame(CONTINUATION, final=False), frame(CONTINUATION, b"\xff"))
    assert echo.read() == (BINARY, b"\xff")


def test_many_frames_in_one_write(echo):
    """Frames that arrive together are answered one by one, in order."""
    echo.send(*(frame(TEXT, str(n).encode()) for n in range(1_000)))
    assert [echo.read() for _ in range(1_000)] == [(TEXT, str(n).encode()) for n in range(1_000)]


@pytest.mark.parametrize("size", [0, 125])
def test_ping(echo, size):
    payload = os.urandom(size)
    echo.send(frame(PING, payload))
    assert echo.read() == (PONG, payload)


def test_unasked_pong(echo):
    """A pong that nobody asked for is no error."""
    echo.send(frame(PONG, b"hello"), frame(TEXT, b"on"))
    assert echo.read() == (TEXT, b"on")


# Closing


@pytest.mark.parametrize("code", [1000, 1001, 1003, 1007, 1011, 1014, 3000, 3999, 4000, 4999])
def test_close_is_answered(echo, code):
    """A close with a good code is answered with the same code, then the server ends the connection."""
    echo.send(close_frame(code, "bye ü".encode()))
    assert echo.closed_with() == code


def test_close_without_a_code(echo):
    echo.send(close_frame())
    assert echo.closed_with() in (None, 1000)


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 1016, 2000, 2999, 5000, 65_535])
def test_bad_close_codes(echo, code):
    echo.send(close_frame(code))
    assert echo.closed_with() == 1002


def test_close_of_one_byte(echo):
    echo.send(frame(CLOSE, b"\x03"))
    assert echo.closed_with() == 1002


def test_close_reason_is_text(echo):
    echo.send(close_frame(1000, b"\xff\xfe"))
    assert echo.closed_with() == 1007


def test_nothing_after_close(echo):
    """Frames after a close are not answered."""
    echo.send(close_frame(1000), frame(TEXT, b"too late"))
    assert echo.read()[0] == CLOSE
    assert echo.wire.ended()


# What breaks the protocol


@pytest.mark.parametrize(
    "frames, code",
    [
        ([frame(TEXT, b"x", masked=False)], 1002),
        ([frame(TEXT, b"x", rsv=4)], 1002),
        ([frame(TEXT, b"x", rsv=2)], 1002),
        ([frame(TEXT, b"x", rsv=1)], 1002),
        ([frame(3, b"x")], 1002),
        ([frame(7)], 1002),
        ([frame(11)], 1002),
        ([frame(15)], 1002),
        ([frame(PING, b"x" * 126)], 1002),
        ([frame(PING, b"x", final=False)], 1002),
        ([frame(CLOSE, b"", final=False)], 1002),
        ([frame(CONTINUATION, b"x")], 1002),
        ([frame(TEXT, b"x", final=False), frame(TEXT, b"y")], 1002),
        ([frame(TEXT, b"x"), frame(CONTINUATION, b"y")], 1002),
        ([frame(BINARY, b"x" * 5, length=(16, 5))], 1002),
        ([frame(BINARY, b"x" * 300, length=(64, 300))], 1002),
        ([frame(BINARY, b"", length=(64, 2**63))], 1002),
        ([frame(TEXT, b"\xff")], 1007),
        ([frame(TEXT, b"\xc0\xaf")], 1007),
        ([frame(TEXT, b"\xed\xa0\x80")], 1007),
        ([frame(TEXT, b"\xf4\x90\x80\x80")], 1007),
        ([frame(TEXT, b"cut \xe5\x90")], 1007),
        ([frame(TEXT, b"cut \xe5", final=False), frame(CONTINUATION, b"x")], 1007),
        ([frame(TEXT, b"\xce\xba\xff", final=False)], 1007),
    ],
    ids=[
        "unmasked", "rsv1", "rsv2", "rsv3", "opcode 3", "opcode 7", "opcode 11", "opcode 15", "long ping",
        "ping in fragments", "close in fragments", "continuation of nothing", "text inside a message",
        "continuation after the end", "16 bits for 5", "64 bits for 300", "length with the top bit", "byte ff",
        "overlong", "surrogate", "above U+10FFFF", "cut character", "cut by a fragment", "fail fast",
    ],
)
def test_protocol_errors(echo, frames, code):
    """Each breach ends the connection with its code; bad text already in the fragment that holds it."""
    echo.send(*frames)
    assert echo.closed_with() == code


def test_oversized_on_echo(echo):
    """A frame that announces more than the limit is refused before its payload comes."""
    echo.send(frame(BINARY, b"", length=(64 << 20) + 1))
    assert echo.closed_with() == 1009


def test_oversized_in_fragments(router, people):
    """Fragments can't sum up to more than a frame may hold."""
    (user,) = people(1)
    client = Echo(router, f"/chat?id={user}")
    assert client.read()[0] == TEXT
    piece = b" " * (1 << 20)
    try:
        client.send(frame(TEXT, piece, final=False))
        for _ in range(80):
            client.send(frame(CONTINUATION, piece, final=False))
    except ConnectionError:
        pass  # the router may close while we still send
    assert client.closed_with() == 1009


def test_echo_is_for_development(start_router):
    """Outside --dev there is no /echo."""
    router = start_router("--jwt-secret", "s" * 32, dev=False)
    wire = router.raw()
    wire.send(upgrade_request())
    assert wire.read_response().status == 404
    assert router.http("GET", "/healthz").status == 200


def test_idle_connection(echo):
    """An idle connection stays open: nothing but silence until we speak again."""
    echo.wire.sock.settimeout(1)
    with pytest.raises(TimeoutError):
        echo.wire.read(1)
    echo.wire.sock.settimeout(PATIENCE)
    echo.send(frame(TEXT, b"still here"))
    assert echo.read() == (TEXT, b"still here")
