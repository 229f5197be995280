"""HTTP/1.1 as the router keeps it: connections, bodies, and requests that two readers could read differently."""

import json

import pytest

from switchboard import ERROR_CODES

BODY = b'{"from":"http-a","to":"http-b","message":"m"}'


def post(headers, body=b"", path="/timeline/send"):
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
    return f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n{lines}\r\n".encode() + body


def get(path="/healthz", headers="Host: x\r\n", version="HTTP/1.1"):
    return f"GET {path} {version}\r\n{headers}\r\n".encode()


@pytest.fixture
def wire(router):
    opened = router.raw()
    yield opened
    opened.close()


def test_keep_alive(wire):
    """One connection serves request after request."""
    for _ in range(3):
        wire.send(get())
        assert wire.read_response().status == 200


def test_pipelining(wire):
    """Requests that arrive together are answered in their order, slow and quick ones mixed."""
    send = post([("Content-Length", len(BODY))], BODY)
    wire.send(get() + send + get("/nothing-here") + send + get("/timeline/sync?member=http-b&count=1") + get())
    answers = [wire.read_response() for _ in range(6)]
    assert [answer.status for answer in answers] == [200, 200, 404, 200, 200, 200]
    assert int(answers[3].json["sequence"]) == int(answers[1].json["sequence"]) + 1
    assert len(answers[4].json["entrySet"]) == 1


@pytest.mark.parametrize(
    "request_, ends",
    [
        (get(headers="Host: x\r\nConnection: close\r\n"), True),
        (get(version="HTTP/1.0"), True),
    ],
    ids=["Connection: close", "HTTP/1.0"],
)
def test_end_of_the_connection(wire, request_, ends):
    """The client's wish to end the connection is kept."""
    wire.send(request_)
    assert wire.read_response().status == 200
    assert wire.ended() is ends


def test_head(wire):
    """HEAD is GET without a body, and the next answer follows right behind."""
    wire.send(get().replace(b"GET", b"HEAD") + get())
    assert wire.read_response("HEAD").status == 200
    assert wire.read_response().status == 200


def chunks(*parts, end=b"0\r\n\r\n"):
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + end


@pytest.mark.parametrize(
    "body",
    [
        chunks(BODY),
        chunks(*(bytes([byte]) for byte in BODY)),
        chunks(BODY, end=b"000\r\n\r\n"),
        b"%X;name=value\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY),
        chunks(BODY, end=b"0\r\nTrailer: value\r\n\r\n"),
    ],
    ids=["one", "byte by byte", "long zero", "extension", "trailer"],
)
def test_chunked_body(wire, body):
    """A body in chunks is one body; the next request starts behind it."""
    wire.send(post([("Transfer-Encoding", "chunked")], body) + get())
    assert int(wire.read_response().json["sequence"]) > 0
    assert wire.read_response().status == 200


def test_a_request_byte_by_byte(wire):
    for byte in post([("Content-Length", len(BODY))], BODY):
        wire.send(bytes([byte]))
    assert wire.read_response().status == 200


def test_100_continue(wire):
    """Who asks first is told to go on, then answered."""
    wire.send(post([("Content-Length", len(BODY)), ("Expect", "100-continue")]))
    assert wire.read_response().status == 100
    wire.send(BODY)
    assert wire.read_response().status == 200


def test_100_continue_refused(wire):
    """Who asks to send too much is refused before sending it."""
    wire.send(post([("Content-Length", 5 << 20), ("Expect", "100-continue")]))
    assert wire.read_response().status == 413


def test_too_large_in_chunks(wire):
    """The limit of 1 MiB holds for chunks too."""
    piece = chunks(b" " * (256 << 10), end=b"")
    try:
        wire.send(post([("Transfer-Encoding", "chunked")], piece * 5))
    except ConnectionError:
        pass  # refused while we still send
    assert wire.read_response().status == 413


def test_the_largest_body(router):
    """1 MiB is still taken."""
    message = "x" * ((1 << 20) - len(json.dumps({"from": "http-a", "to": "http-b", "message": ""})))
    body = json.dumps({"from": "http-a", "to": "http-b", "message": message}).encode()
    assert len(body) == 1 << 20
    assert router.http("POST", "/timeline/send", body).status == 200


CL = f"Content-Length: {len(BODY)}\r\n"
SMUGGLING = {
    "length and chunks": CL + "Transfer-Encoding: chunked\r\n",
    "two lengths": CL + "Content-Length: 5\r\n",
    "two lengths in a list": "Content-Length: 5, 6\r\n",
    "plus sign": f"Content-Length: +{len(BODY)}\r\n",
    "negative": "Content-Length: -1\r\n",
    "hexadecimal": "Content-Length: 0x2d\r\n",
    "overflow": "Content-Length: 18446744073709551661\r\n",
    "empty length": "Content-Length:\r\n",
    "space in the length": "Content-Length: 4 5\r\n",
    "unknown coding": "Transfer-Encoding: xchunked\r\n",
    "chunked not last": "Transfer-Encoding: chunked, identity\r\n",
    "chunked twice": "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
    "space before the colon": f"Content-Length : {len(BODY)}\r\n",
    "folded line": "X-Folded: a\r\n b\r\n" + CL,
    "line of only a colon": ": value\r\n" + CL,
    "no colon": "Garbage\r\n" + CL,
    "NUL in a value": "X-Nul: a\0b\r\n" + CL,
    "CR in a value": "X-Cr: a\rb\r\n" + CL,
    "control in a name": "X\x01: a\r\n" + CL,
    "no Host": None,
    "two Hosts": "Host: other\r\n" + CL,
}


@pytest.mark.parametrize("lines", SMUGGLING.values(), ids=SMUGGLING.keys())
def test_smuggling(router, wire, people, lines):
    """A request that two readers could end at different places is refused, and nothing behind it is read."""
    (user,) = people(1)
    head = "POST /timeline/send HTTP/1.1\r\nContent-Type: application/json\r\n"
    head += CL if lines is None else "Host: x\r\n" + lines
    hidden = json.dumps({"from": user, "to": user + "x", "message": "smuggled"}).encode()
    wire.send(head.encode() + b"\r\n" + BODY + post([("Content-Length", len(hidden))], hidden))
    assert wire.read_response().status in (400, 413, 501)
    assert wire.ended(), "the connection goes on after a request that can't be read"
    assert router.http("GET", f"/timeline/sync?member={user}x").json == {"entrySet": []}


@pytest.mark.parametrize(
    "chunk",
    [b"-1\r\n", b"+5\r\nhello\r\n", b"0x5\r\nhello\r\n", b"\r\n", b"5 \r\nhello\r\n", b"g\r\n", b"5\r\nhelloXX",
     b"fffffffffffffffff\r\n", b"5\nhello\r\n"],
    ids=repr,
)
def test_bad_chunks(wire, chunk):
    """A chunk that isn't written right ends the connection."""
    wire.send(post([("Transfer-Encoding", "chunked")], chunk + b"0\r\n\r\n"))
    assert wire.read_response().status in (400, 413)
    assert wire.ended()


@pytest.mark.parametrize(
    "request_, statuses",
    [
        (b"GET\r\n\r\n", {400}),
        (b"GET /healthz\r\n\r\n", {400}),
        (b"GET  /healthz HTTP/1.1\r\nHost: x\r\n\r\n", {400}),
        (b"GET /healthz HTTP/1.1 x\r\nHost: x\r\n\r\n", {400}),
        (b"GET /healthz HTTP/2.0\r\nHost: x\r\n\r\n", {400, 505}),
        (b"GET /healthz HTTP/x\r\nHost: x\r\n\r\n", {400}),
        (b"G@T /healthz HTTP/1.1\r\nHost: x\r\n\r\n", {400}),
        (b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", {400, 414, 431}),
        (b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 200_000 + b"\r\n\r\n", {400, 431}),
        (b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + b"X: a\r\n" * 20_000 + b"\r\n", {400, 431}),
        (b"BREW /healthz HTTP/1.1\r\nHost: x\r\n\r\n", {405, 501}),
    ],
    ids=["one word", "HTTP/0.9", "two spaces", "four words", "HTTP/2.0", "no version", "bad method", "long path",
         "long header", "many headers", "unknown method"],
)
def test_bad_requests(router, wire, request_, statuses):
    """Requests that can't be read are refused, and others are served as before."""
    try:
        wire.send(request_)
    except ConnectionError:
        pass  # refused while we still send
    assert wire.read_response().status in statuses
    assert router.http("GET", "/healthz").status == 200


def test_tls_on_a_plain_listener(router, wire):
    """A TLS handshake where none is spoken ends the connection, with or without a word, and nothing else."""
    wire.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64))
    assert wire.ended()
    assert router.http("GET", "/healthz").status == 200


def test_errors_are_json(router):
    """Every error has the one form."""
    answer = router.http("GET", "/nothing-here")
    assert answer.headers["Content-Type"].startswith("application/json")
    assert answer.json["error"]["code"] in ERROR_CODES and answer.json["error"]["message"]


def test_api_needs_a_sign_in(router):
    """The application API is closed to nobody in particular, in development too."""
    for path in ("/api/me", "/api/conversations", "/api/contacts"):
        answer = router.http("GET", path)
        assert (answer.status, answer.json["error"]["code"]) == (401, "unauthorized"), path
