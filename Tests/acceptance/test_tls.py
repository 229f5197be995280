"""TLS on both listeners, by clients that others wrote: Python's `ssl`, `openssl s_client`, curl, Chromium."""

import json
import re
import signal
import socket
import ssl
import struct
import subprocess
import time

import pytest

from binary_protocol import ACK, DELIVER, FETCH, FETCHED, NO_RESUME, TEXT, BinaryClient, frame, hello, send
from browser import PASSWORD, chromium, sign_in, window  # noqa: F401, the fixtures
from certificate import Certificate
from switchboard import Chat, PATIENCE, Router, Wire, router_binary

SECRET = "a secret of sixteen bytes and more"


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    return Certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture(scope="module")
def router(tmp_path_factory, pair):
    """The router that most tests of this file share, on two loops."""
    shared = Router(tmp_path_factory.mktemp("tls"), "--loops", "2", certificate=pair).start()
    yield shared
    shared.stop()


def s_client(router, *options, said="Q\n", tcp=False):
    """What `openssl s_client` says of a connection."""
    port = router.tcp_port if tcp else router.port
    arguments = ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-CAfile", str(router.certificate.file)]
    done = subprocess.run([*arguments, *options], input=said, capture_output=True, text=True, timeout=PATIENCE)
    return done.stdout + done.stderr


def tcp(router):
    return socket.create_connection(("127.0.0.1", router.port), PATIENCE)


# What is spoken


@pytest.mark.parametrize("listener", [False, True], ids=["http", "binary"])
@pytest.mark.parametrize("version", ["1_2", "1_3"])
def test_versions(router, version, listener):
    """Both listeners speak TLS 1.2 and 1.3, with forward secrecy and without compression."""
    said = s_client(router, f"-tls{version}", tcp=listener)
    assert f"New, TLSv{version.replace('_', '.')}, Cipher is" in said and "Verify return code: 0 (ok)" in said, said
    cipher = re.search(r"Cipher is (\S+)", said)[1]
    assert cipher == ("TLS_AES_128_GCM_SHA256" if version == "1_3" else "ECDHE-ECDSA-AES128-GCM-SHA256"), said
    if version == "1_2":
        assert "Compression: NONE" in said and "Secure Renegotiation IS supported" in said, said


@pytest.mark.parametrize("options", [
    ["-tls1_1", "-cipher", "ALL@SECLEVEL=0"], ["-tls1", "-cipher", "ALL@SECLEVEL=0"],
    ["-tls1_2", "-cipher", "AES128-SHA"], ["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA"]])
def test_what_is_old_is_refused(router, options):
    """TLS before 1.2, and ciphers without forward secrecy or authenticated encryption."""
    said = s_client(router, *options)
    assert "Cipher is (NONE)" in said and "alert" in said, said


def test_the_client_may_not_renegotiate(router):
    """A second handshake on a connection would cost us much and the client little."""
    said = s_client(router, "-tls1_2", said="R\n")
    assert "RENEGOTIATING" in said and "no renegotiation" in said, said


def test_protocols(router):
    """ALPN: http/1.1 where it is offered; who wants something else only is refused; who doesn't ask isn't told."""
    assert "ALPN protocol: http/1.1" in s_client(router, "-alpn", "h3,http/1.1")
    assert "no application protocol" in s_client(router, "-alpn", "h3")
    assert "No ALPN negotiated" in s_client(router)


def test_ciphers_of_clients_without_aes(router):
    """The server chooses, but who puts ChaCha20 first lacks hardware for AES, and gets it."""
    suites = "TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256"
    assert "Cipher is TLS_AES_128_GCM_SHA256" in s_client(router, "-ciphersuites", suites)
    suites = "TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256"
    assert "Cipher is TLS_CHACHA20_POLY1305_SHA256" in s_client(router, "-ciphersuites", suites)


def test_rsa(start_router, tmp_path):
    """A certificate with an RSA key does as well."""
    own = start_router(certificate=Certificate(tmp_path, kind="rsa"))
    assert "ECDHE-RSA-AES128-GCM-SHA256" in s_client(own, "-tls1_2")
    Chat(own, "a").close()


def test_curl(router):
    """https by curl; http is answered in words, as no TLS was spoken."""
    def curl(*arguments):
        return subprocess.run(
            ["curl", "-sS", "-m", "10", *arguments], capture_output=True, text=True, timeout=2 * PATIENCE)

    trust = ["--cacert", str(router.certificate.file)]
    done = curl(*trust, f"https://127.0.0.1:{router.port}/readyz", f"https://127.0.0.1:{router.port}/healthz")
    assert done.stdout == '{"status":"ready"}{"status":"ok"}' and done.returncode == 0, done
    for method in ("GET", "POST", "PUT"):
        done = curl("-i", "-X", method, f"http://127.0.0.1:{router.port}/readyz")
        assert done.stdout.startswith("HTTP/1.1 400 Bad Request") and "https://" in done.stdout, done
    stranger = curl(f"https://127.0.0.1:{router.port}/readyz")
    assert stranger.returncode == 60, "a certificate that curl has no reason to believe"


# The protocols over TLS


@pytest.mark.parametrize("tables", ["shared", "own"])
def test_chat(start_router, pair, tables):
    """JSON and binary clients reach each other whichever loops they come to and belong to."""
    own = start_router("--loops", "2", "--descriptor-tables", tables, certificate=pair)
    chats = [Chat(own, f"j{n}") for n in range(12)]
    for n, client in enumerate(chats):
        client.post(f"j{(n + 5) % 12}", f"from {n}")
    for n, client in enumerate(chats):
        assert client.messages(1)[0]["content"] == f"from {(n - 5) % 12}"
    binaries = [BinaryClient(own, f"b{n}") for n in range(12)]
    for n, client in enumerate(binaries):
        assert client.post(f"j{n}", f"binary {n}".encode()).kind == ACK
        assert chats[n].messages(1)[0]["content"] == f"binary {n}"
        chats[n].post(f"b{n}", f"json {n}")
        assert b"json" in client.expect(DELIVER).body
    for client in chats + binaries:
        client.close()


def test_frames_in_one_record_with_the_sign_in(router, people):
    """What comes right behind a HELLO goes along to the loop of the user."""
    for user, other in zip(people(6), people(6)):
        wire = router.raw_tcp()
        wire.send(hello(user) + b"".join(send(n, other, b"%d" % n, content=TEXT) for n in range(1, 4)))
        receiver = BinaryClient(router, other, after=0)
        assert [receiver.expect(DELIVER).body for _ in range(3)] == [b"1", b"2", b"3"]
        receiver.close()
        wire.close()


def test_bytes_one_by_one(router, people):
    """Records that come in byte by byte, handshake and all."""
    a, = people(1)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = router.certificate.context.wrap_bio(incoming, outgoing, server_hostname="127.0.0.1")
    sock = socket.create_connection(("127.0.0.1", router.tcp_port), PATIENCE)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def until_done(step):
        while True:
            try:
                return step()
            except ssl.SSLWantReadError:
                flush()
                incoming.write(sock.recv(65_536))

    def flush():
        for byte in outgoing.read():
            sock.sendall(bytes([byte]))

    until_done(tls.do_handshake)
    tls.write(hello(a))
    flush()
    assert until_done(lambda: tls.read(100))[4] == 2, "no WELCOME"
    sock.close()


@pytest.mark.parametrize("form", ["json", "binary"])
def test_a_mebibyte(router, people, form):
    """The largest body, both ways."""
    a, b = people(2)
    if form == "json":
        sender, receiver = Chat(router, a), Chat(router, b)
        text = "".join(chr(97 + n % 26) for n in range(1 << 20))
        sender.post(b, text)
        assert receiver.messages(1)[0]["content"] == text
    else:
        sender, receiver = BinaryClient(router, a), BinaryClient(router, b)
        body = bytes(n * 7 % 251 for n in range(1 << 20))
        assert sender.post(b, body, content=0).kind == ACK
        assert receiver.expect(DELIVER).body == body
    sender.close()
    receiver.close()


def test_slow_reader(router, people):
    """Who doesn't read goes into pull mode and loses nothing."""
    a, b = people(2)
    reader, sender = BinaryClient(router, b), BinaryClient(router, a)
    body, count = b"x" * 100_000, 200
    for n in range(count):
        assert sender.post(b, body + str(n).encode(), content=0).kind == ACK
    seq = reader.event("behind")["seq"]
    assert seq < count
    taken = [reader.expect(DELIVER) for _ in range(seq)]
    while len(taken) < count:
        reader.raw(frame(FETCH, struct.pack("<QI", len(taken), 1_000)))
        last = reader.expect(FETCHED).last
        taken += [reader.expect(DELIVER) for _ in range(last - len(taken))]
    assert [(f.seq, f.body) for f in taken] == [(n + 1, body + str(n).encode()) for n in range(count)]
    reader.close()
    sender.close()


def test_goodbye(router, people):
    """The router ends a connection with close_notify, so that nobody can cut one short unnoticed."""
    wire = router.raw()
    wire.sock.suppress_ragged_eofs = False
    wire.send(b"GET /healthz HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
    assert wire.read_response().status == 200
    assert wire.sock.recv(10) == b"", "an end without close_notify raises"
    wire.close()


def test_half_closed(router):
    """Who says that it sends no more still gets its answer."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = router.certificate.context.wrap_bio(incoming, outgoing, server_hostname="127.0.0.1")
    sock = tcp(router)

    def step(action):
        while True:
            try:
                return action()
            except ssl.SSLWantReadError:
                sock.sendall(outgoing.read())
                incoming.write(sock.recv(65_536))

    step(tls.do_handshake)
    tls.write(b"GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n")
    with pytest.raises(ssl.SSLWantReadError):
        tls.unwrap()
    sock.sendall(outgoing.read())
    answer = b""
    while b'{"status":"ok"}' not in answer:
        piece = step(lambda: tls.read(65_536))
        assert piece, answer
        answer += piece
    sock.close()


def test_kill(start_router, pair):
    """What was acked over TLS is there after kill -9."""
    own = start_router(certificate=pair)
    sender = Chat(own, "a")
    for n in range(50):
        sender.post("b", str(n))
    own.kill()
    own.start()
    receiver = Chat(own, "b", after=0)
    assert [f["content"] for f in receiver.messages(50)] == [str(n) for n in range(50)]
    receiver.close()
    sender.close()


# Sessions


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=lambda v: v.name)
def test_resumption(start_router, pair, version):
    """A ticket resumes on every loop, and still after the certificate was read anew."""
    own = start_router("--loops", "2", certificate=pair)
    context = pair.client()
    context.minimum_version = context.maximum_version = version

    def connect(session):
        sock = context.wrap_socket(tcp(own), server_hostname="127.0.0.1", session=session)
        sock.sendall(b"GET /healthz HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        # The ticket comes with what is read.
        while sock.recv(65_536):
            pass
        reused, session = sock.session_reused, sock.session
        sock.close()
        return reused, session

    reused, session = connect(None)
    assert not reused
    for _ in range(10):
        reused, session = connect(session)
        assert reused
    own.process.send_signal(signal.SIGHUP)
    wait_for_line(own, "read anew")
    for _ in range(4):
        reused, session = connect(session)
        assert reused


def test_no_early_data(router, tmp_path):
    """0-RTT is off: what can be replayed isn't taken."""
    saved = tmp_path / "session.pem"
    s_client(router, "-tls1_3", "-sess_out", str(saved), "-no_ign_eof", said="GET /healthz HTTP/1.0\r\n\r\n")
    said = s_client(router, "-tls1_3")
    assert "Early data was not sent" in said or "Max Early Data: 0" in said, said
    if saved.exists():
        text = subprocess.run(
            ["openssl", "sess_id", "-in", str(saved), "-noout", "-text"], capture_output=True, text=True, timeout=10)
        assert "Max Early Data: 0" in text.stdout, text.stdout


# The operator's side


def wait_for_line(router, text, count=1):
    deadline = time.monotonic() + PATIENCE
    while router.output().count(text) < count:
        assert time.monotonic() < deadline, router.output()
        time.sleep(0.02)


def shown(router):
    """The certificate that a new client is shown."""
    return ssl.get_server_certificate(("127.0.0.1", router.port), timeout=PATIENCE)


def test_reload(start_router, tmp_path):
    """SIGHUP: a new certificate for new connections, while the old ones go on; a wrong one changes nothing."""
    pair = Certificate(tmp_path)
    own = start_router(certificate=pair)
    old, first = Chat(own, "a"), pair.file.read_text()
    assert shown(own).split() == first.split()
    pair.make()
    assert shown(own).split() == first.split(), "not before it is told"
    own.process.send_signal(signal.SIGHUP)
    wait_for_line(own, "read anew")
    second = pair.file.read_text()
    assert shown(own).split() == second.split() != first.split()
    new = Chat(own, "b")
    old.post("b", "still here")
    assert new.messages(1)[0]["content"] == "still here"

    # The chain of one pair, the key of another; then no file at all.
    keep = pair.file.read_text()
    pair.make()
    pair.file.write_text(keep)
    own.process.send_signal(signal.SIGHUP)
    wait_for_line(own, "key values mismatch")
    pair.key.unlink()
    own.process.send_signal(signal.SIGHUP)
    wait_for_line(own, "stay in use", 2)
    assert shown(own).split() == second.split()
    old.post("b", "and still")
    assert new.messages(1)[0]["content"] == "and still"
    old.close()
    new.close()


@pytest.mark.parametrize("case, status, words", [
    ("no key", 64, "--tls-key"), ("no file", 1, "No such file"), ("no PEM", 1, "certificate"),
    ("another's key", 1, "key values mismatch")])
def test_wrong_files(tmp_path, case, status, words):
    """A router that can't speak TLS as it was told doesn't start without, and says why."""
    pair = Certificate(tmp_path)
    options = {
        "no key": pair.options[:2],
        "no file": ["--tls-cert", str(tmp_path / "nothing.pem"), *pair.options[2:]],
        "no PEM": ["--tls-cert", router_binary(), *pair.options[2:]],
        "another's key": pair.options,
    }[case]
    if case == "another's key":
        keep = pair.file.read_text()
        pair.make()
        pair.file.write_text(keep)
    process = Router(tmp_path)
    process.certificate = None
    process.launch(process.arguments() + options)
    assert process.wait() == status and words in process.output(), process.output()


def test_cookies_and_transport(start_router, pair):
    """Cookies are for TLS only, and browsers are told to come back over TLS, but not in development."""
    own = start_router("--jwt-secret", SECRET, dev=False, certificate=pair)
    account = {"id": "alice", "email": "a@example.org", "name": "A", "password": PASSWORD}
    answer = own.http("POST", "/api/register", account)
    assert answer.status == 201, answer
    cookie = answer.headers["Set-Cookie"]
    assert "; Secure" in cookie and "; HttpOnly" in cookie, cookie
    assert answer.headers["Strict-Transport-Security"] == "max-age=15552000"
    assert "Strict-Transport-Security" in own.http("GET", "/nothing").headers
    headers = {"Cookie": cookie.split(";")[0], "Origin": own.origin}
    client = Chat(own, path="/ws", headers=headers)
    assert client.welcome["userid"] == "alice"
    client.close()
    development = start_router(certificate=pair)
    assert "Strict-Transport-Security" not in development.http("GET", "/readyz").headers


def test_web_chat(router, window):  # noqa: F811
    """Two browsers talk over https."""
    left = window("tlsann", to=router, ignore_https_errors=True)
    right = window("tlsbob", to=router, ignore_https_errors=True)
    assert left.url.startswith("https://") and right.url.startswith("https://")
    client = Chat(router, "tlsann")
    client.post("tlsbob", "by wss")
    right.get_by_text("by wss").first.wait_for(timeout=PATIENCE * 1_000)
    client.close()


# Who doesn't behave


def test_garbage(router):
    """Who speaks no TLS is closed soon, and nobody else notices."""
    for port in (router.port, router.tcp_port):
        for said in (b"\x16\x03\x01\x00\x05hello" * 20, bytes(range(256)) * 4, hello("a"), b"\x80\x2e\x01" + bytes(60)):
            sock = socket.create_connection(("127.0.0.1", port), PATIENCE)
            sock.sendall(said)
            start = time.monotonic()
            assert Wire(sock).ended() and time.monotonic() - start < 5
            sock.close()
    assert router.http("GET", "/healthz").status == 200


def test_endless_handshake(router):
    """A ClientHello that goes on and on is given up before it is much."""
    sock = tcp(router)
    record, start = b"\x16\x03\x01\x40\x00", time.monotonic()
    with pytest.raises(OSError):
        sock.sendall(record + b"\x01\x01\xff\xff" + bytes(0x3FFC))
        while time.monotonic() - start < 8:
            sock.sendall(record + bytes(0x4000))
            time.sleep(0.01)
    sock.close()


@pytest.mark.slow
def test_handshakes_have_their_time(router):
    """Ten seconds for a handshake, however it stalls; meanwhile others come in."""
    hello_bytes = client_hello(router)
    stalled = [tcp(router) for _ in range(6)]
    start = time.monotonic()
    for sock in stalled[2:4]:
        sock.sendall(hello_bytes[:100])
    for sock in stalled[4:]:
        sock.sendall(hello_bytes)
    drip = socket.create_connection(("127.0.0.1", router.tcp_port), PATIENCE)
    assert router.http("GET", "/healthz").status == 200
    Chat(router, "other").close()
    ended = 0
    while ended < len(hello_bytes) and time.monotonic() - start < 20:
        try:
            drip.sendall(hello_bytes[ended : ended + 1])
            ended += 1
        except OSError:
            break
        time.sleep(0.25)
    assert 9 < time.monotonic() - start < 14, "who drips bytes gets no more time"
    for sock in stalled:
        sock.settimeout(max(0.1, start + 14 - time.monotonic()))
        assert Wire(sock).ended()
        sock.close()
    drip.close()


def client_hello(router):
    """What a client of Python says first."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = router.certificate.context.wrap_bio(incoming, outgoing, server_hostname="127.0.0.1")
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    return outgoing.read()


def test_cut_off(router, people):
    """Connections that end at any point of handshake and sign-in leave the router as it was."""
    hello_bytes = client_hello(router)
    for cut in range(0, len(hello_bytes), 23):
        sock = tcp(router)
        sock.sendall(hello_bytes[:cut])
        sock.close()
    a, = people(1)
    for _ in range(5):
        client = Chat(router, a)
        client.socket.socket.close()
    last = Chat(router, a)
    last.fence()
    last.close()


def test_changed_records(router, people):
    """A record that was changed on its way ends the connection, and what it said isn't done."""
    a, b = people(2)
    receiver = Chat(router, b)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = router.certificate.context.wrap_bio(incoming, outgoing, server_hostname="127.0.0.1")
    sock = socket.create_connection(("127.0.0.1", router.tcp_port), PATIENCE)
    while True:
        try:
            tls.do_handshake()
            break
        except ssl.SSLWantReadError:
            sock.sendall(outgoing.read())
            incoming.write(sock.recv(65_536))
    tls.write(hello(a, after=NO_RESUME) + send(1, b, b"good"))
    sock.sendall(outgoing.read())
    assert receiver.messages(1)[0]["content"] == "good"
    tls.write(send(2, b, b"bad"))
    record = bytearray(outgoing.read())
    record[-1] ^= 1
    sock.sendall(record)
    assert Wire(sock).ended()
    sock.close()
    other = Chat(router, a)
    other.post(b, "after")
    assert receiver.messages(1)[0]["content"] == "after"
    other.close()
    receiver.close()
    assert json.loads(router.http("GET", "/healthz").body) == {"status": "ok"}
