"""Events for the operator's own systems: /api/events and the webhook, whose receiver here is a real HTTP server."""

import hashlib
import hmac
import http.server
import json
import signal
import ssl
import subprocess
import threading
import time

import pytest

from switchboard import PATIENCE, Chat

SECRET = "a secret that is long enough"


class Receiver:
    """Takes webhook requests on a port of its own; can be told to fail, to be slow and to be gone."""

    def __init__(self, port=0, certificate=None):
        self.port, self.certificate = port, certificate
        self.bodies, self.signatures, self.attempts = [], [], 0
        self.answers = []  # statuses of the next answers; 200 after them
        self.delay = 0
        self.server = None
        self.open()

    def open(self):
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.attempts += 1
                time.sleep(receiver.delay)
                status = receiver.answers.pop(0) if receiver.answers else 200
                if status == 200:
                    receiver.bodies.append(body)
                    receiver.signatures.append(self.headers["Switchboard-Signature"])
                self.send_response(status)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"ok")

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            allow_reuse_address = True

            def handle_error(self, *_):
                pass  # the router was killed in the middle of a request

        self.server = Server(("127.0.0.1", self.port), Handler)
        self.port = self.server.server_port
        if self.certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*self.certificate)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self):
        if self.server:
            self.server.shutdown()
            self.server.server_close()
            self.server = None

    @property
    def url(self):
        return f"http{'s' if self.certificate else ''}://127.0.0.1:{self.port}/events"

    @property
    def events(self):
        """What came, repeats dropped by their number as a receiver should."""
        taken = {}
        for body in list(self.bodies):
            for event in json.loads(body)["events"]:
                assert taken.setdefault(event["n"], event) == event
        return list(taken.values())

    def wait(self, done, timeout=3 * PATIENCE):
        deadline = time.monotonic() + timeout
        while not done(self.events):
            assert time.monotonic() < deadline, self.events[-5:]
            time.sleep(0.05)
        return self.events


@pytest.fixture
def receiver():
    opened = []

    def open_receiver(**options):
        opened.append(Receiver(**options))
        return opened[-1]

    yield open_receiver
    for each in opened:
        each.close()


def hooked(receiver, *options):
    return ("--webhook-url", receiver.url, "--webhook-secret", SECRET, *options)


def contents(events):
    return [event["message"]["content"] for event in events if event["type"] == "message"]


def page(router, **query):
    text = "&".join(f"{name}={value}" for name, value in query.items())
    answer = router.http("GET", f"/api/events?{text}")
    assert answer.status == 200, answer
    return answer.json


def everything(router):
    events, more = [], True
    while more:
        answer = page(router, after=events[-1]["n"] if events else 0, limit=7)
        events += answer["events"]
        more = answer["more"]
    return events, answer["last"]


def test_off_unless_turned_on(router, start_router):
    answer = router.http("GET", "/api/events")
    assert (answer.status, answer.json["error"]["code"]) == (501, "unsupported")
    closed = start_router("--jwt-secret", "0123456789abcdef", "--api-key", "key", "--events", "on", dev=False)
    assert closed.http("GET", "/api/events").status == 401
    assert closed.http("GET", "/api/events", bearer="other").status == 401
    assert closed.http("GET", "/api/events", bearer="key").json["events"][0]["type"] == "start"


def test_what_happens_in_its_order(start_router, chat):
    """Connects, messages, group changes and disconnects, numbered without a gap."""
    router = start_router("--events", "on")
    alice, second = chat("alice", to=router), chat("alice", to=router)
    acked = alice.post("bob", "hello", memo="kept")
    router.group("alice", "friends", "bob")
    alice.take(lambda frame: frame.get("name") == "group.invited")
    alice.post("friends", "all", cmd=11)
    router.http("POST", "/timeline/send", {"from": "shop", "to": "bob", "message": "bought"})
    second.close()
    alice.close()
    deadline = time.monotonic() + PATIENCE
    while (found := everything(router)) and found[0][-1]["type"] != "disconnect":
        assert time.monotonic() < deadline, found
        time.sleep(0.05)
    events, last = found
    assert [event["n"] for event in events] == list(range(1, last + 1))
    assert [event["type"] for event in events] == [
        "start", "connect", "message", "group.invited", "message", "message", "disconnect"]
    assert events[1]["userid"] == events[6]["userid"] == "alice"
    message = events[2]["message"]
    assert message["content"] == "hello" and message["memo"] == "kept" and message["userid"] == "alice"
    assert [message[key] for key in ("id", "cseq", "conv", "time")] == [
        acked[key] for key in ("id", "cseq", "conv", "time")]
    assert events[3]["notify"]["name"] == "group.invited" and events[3]["notify"]["conv"] == "friends"
    assert events[4]["message"]["cmd"] == 11 and events[5]["message"]["content"] == "bought"
    assert all(event["time"] > 1_700_000_000_000 for event in events)
    assert page(router, after=last) == {"epoch": alice.welcome["epoch"], "events": [], "more": False, "last": last}


def test_edits_and_recalls(start_router, chat):
    """They are events; a message's own event shows it as it is now."""
    router = start_router("--events", "on")
    alice = chat("alice", to=router)
    alice.post("bob", "a mistake")
    alice.post("bob", "a secret")
    alice.request(cmd="edit", conv="alice:bob", cseq=1, content="mended")
    alice.request(cmd="recall", conv="alice:bob", cseq=2)
    events, _ = everything(router)
    assert [event["type"] for event in events] == [
        "start", "connect", "message", "message", "message.edited", "message.recalled"]
    assert events[2]["message"]["content"] == "mended" and events[3]["message"]["recalled"] is True
    assert events[4]["notify"]["content"] == "mended" and events[4]["notify"]["cseq"] == 1
    assert "secret" not in str(events)


def test_contacts(start_router, chat):
    """What users are told of contacts, and a message that was held only once."""
    router = start_router("--events", "on", "--strangers", "hold")
    router.http("POST", "/timeline/send", {"from": "eve", "to": "bob", "message": "not held"})
    alice = chat("alice", to=router)
    alice.post("bob", "held")
    assert router.http("POST", "/api/contacts/requests", {"to": "bob"}, bearer="alice").status == 200
    assert router.http("POST", "/api/contacts/requests/alice/accept", {}, bearer="bob").status == 200
    alice.post("bob", "told")
    deadline = time.monotonic() + PATIENCE
    while not any(event["type"] == "contact.accepted" for event in everything(router)[0]):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    events, _ = everything(router)
    assert sorted(event["type"] for event in events) == sorted(
        ["start", "message", "connect", "message", "contact.request", "contact.accepted", "message"])
    assert contents(events) == ["not held", "held", "told"]
    request = next(event for event in events if event["type"] == "contact.request")
    assert request["notify"]["userid"] == "alice"


def test_crash_loses_none(start_router, chat):
    """Every acked message is an event after kill -9, in order and once."""
    router = start_router("--events", "on")
    sent = []
    for round in range(3):
        alice = chat("alice", to=router)
        for number in range(40):
            sent.append(f"{round}.{number}")
            alice.post("bob", sent[-1])
        router.kill()
        router.start()
    events, last = everything(router)
    assert contents(events) == sent
    assert [event["n"] for event in events] == list(range(1, last + 1))
    assert [event["type"] for event in events].count("start") == 4, "after each start nobody is connected"


def test_webhook_is_signed(start_router, chat, receiver):
    target = receiver()
    router = start_router(*hooked(target))
    chat("alice", to=router).post("bob", "hello")
    target.wait(contents)
    for body, header in zip(target.bodies, target.signatures):
        parts = dict(part.split("=") for part in header.split(","))
        assert abs(time.time() - int(parts["t"])) < 60
        expected = hmac.new(SECRET.encode(), parts["t"].encode() + b"." + body, hashlib.sha256).hexdigest()
        assert hmac.compare_digest(expected, parts["v1"])
    assert page(router, after=0)["events"] == target.events, "both ways tell the same"


def test_webhook_receiver_that_fails_is_slow_and_dies(start_router, chat, receiver):
    """Order and completeness through errors, slowness, a dead receiver and kill -9 of the router."""
    target = receiver()
    target.answers = [500, 503, 301]
    router = start_router(*hooked(target))
    sent = []

    def say(count):
        alice = chat("alice", to=router)
        for _ in range(count):
            sent.append(f"m{len(sent)}")
            alice.post("bob", sent[-1])

    say(150)
    target.wait(lambda events: len(contents(events)) == 150)
    assert target.attempts >= 5, "the failures were tried again, and a batch has at most 100"
    target.delay = 0.7
    say(150)
    time.sleep(0.5)
    router.kill()  # in the middle of a slow request, or between it and its note
    router.start()
    say(50)
    target.wait(lambda events: len(contents(events)) >= 200)
    target.close()
    target.delay = 0
    say(50)
    router.kill()
    router.start()
    target.open()
    events = target.wait(lambda events: len(contents(events)) == len(sent))
    assert contents(events) == sent
    assert [event["n"] for event in events] == list(range(1, len(events) + 1)), "first sight is in order"


def test_webhook_goes_on_where_it_stood(start_router, chat, receiver):
    target = receiver()
    router = start_router(*hooked(target))
    alice = chat("alice", to=router)
    alice.post("bob", "one")
    target.wait(lambda events: contents(events) == ["one"])
    deadline = time.monotonic() + PATIENCE
    while target.events[-1]["n"] < everything(router)[1]:
        assert time.monotonic() < deadline
    time.sleep(0.5)  # its note is in the store
    seen = target.events[-1]["n"]
    router.stop()
    target.bodies.clear()
    router.start()
    events = target.wait(lambda events: any(event["type"] == "start" for event in events))
    assert events[0]["n"] == seen + 1, "what was taken isn't sent again"
    assert [event["type"] for event in events[:2]] == ["disconnect", "start"]


def test_webhook_parks_and_is_told_to_go_on(start_router, chat, receiver):
    target = receiver()
    target.close()
    router = start_router(*hooked(target, "--webhook-patience", "2"))
    chat("alice", to=router).post("bob", "kept")
    deadline = time.monotonic() + 3 * PATIENCE
    while "parked" not in router.output():
        assert time.monotonic() < deadline, router.output()
        time.sleep(0.05)
    assert "SIGHUP" in router.output() and SECRET not in router.output()
    target.open()
    time.sleep(1)
    assert not target.events, "parked means that nothing is sent"
    router.process.send_signal(signal.SIGHUP)
    target.wait(lambda events: contents(events) == ["kept"])


def test_webhook_over_tls_is_verified(start_router, chat, receiver, tmp_path):
    """Only a certificate of a known authority for that name will do."""
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1",
         "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate],
        check=True, capture_output=True, timeout=30)
    target = receiver(certificate=(certificate, key))
    stranger = start_router(*hooked(target))
    chat("alice", to=stranger).post("bob", "secret")
    deadline = time.monotonic() + PATIENCE
    while "weren't taken" not in stranger.output():
        assert time.monotonic() < deadline, stranger.output()
        time.sleep(0.05)
    assert not target.bodies
    friend = start_router(*hooked(target, "--webhook-certificates", str(certificate)))
    chat("alice", to=friend).post("bob", "hello")
    target.wait(lambda events: contents(events) == ["hello"])


def test_options_that_make_no_sense(start_router, tmp_path):
    from switchboard import Router

    for options in (
            ("--webhook-url", "http://127.0.0.1:1/"), ("--webhook-secret", SECRET),
            ("--webhook-url", "ftp://host/", "--webhook-secret", SECRET),
            ("--webhook-url", "http://127.0.0.1:1/", "--webhook-secret", "short"), ("--events", "maybe"),
            ("--events-days", "0")):
        router = Router(tmp_path, *options).launch()
        assert router.wait() == 64, options
        router.process = None
