"""A handle on the router's process and small clients for each of its doors.

Everything here speaks to the router from outside, over sockets, and knows only the public contract. Each wait has
a limit, so a router that hangs fails a test instead of stopping the run.
"""

import http.client
import json
import os
import random
import secrets
import signal
import socket
import subprocess
import time
import urllib.parse
from pathlib import Path

from websockets.exceptions import ConnectionClosed, InvalidMessage
from websockets.sync.client import connect

import certificate as certificates

PATIENCE = 10.0  # seconds: the longest wait for anything that should come at once
ROOT = Path(__file__).resolve().parents[2]
ENTRY_COMMANDS = (10, 11, "notify")  # the frames that are inbox entries
ERROR_CODES = {
    "bad_request", "unauthorized", "forbidden", "not_found", "not_member", "silenced", "blocked", "too_large",
    "rate_limited", "overloaded", "conflict", "unsupported", "internal",
}


def router_binary():
    """The program under test: $ROUTER, else the newest build of this tree."""
    if "ROUTER" in os.environ:
        return str(Path(os.environ["ROUTER"]).resolve())
    builds = [ROOT / ".build" / mode / "router" for mode in ("release", "debug")]
    found = [path for path in builds if path.exists()]
    if not found:
        raise FileNotFoundError("no router: build it (make build) or name it in $ROUTER")
    return str(max(found, key=lambda path: path.stat().st_mtime))


def free_port():
    """A port nobody listens on, below the range the kernel gives to clients: so no client can take it meanwhile."""
    for _ in range(200):
        port = random.SystemRandom().randrange(12_000, 32_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise RuntimeError("no free port")


class Response:
    """An HTTP answer, read whole."""

    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"<{self.status} {self.body[:300]!r}>"


class Router:
    """One router process on its own ports and data directory; start, stop, kill and start again."""

    def __init__(self, directory, *options, dev=True, environment=None, data="data", certificate=None):
        self.directory = Path(directory)
        self.data = self.directory / data
        self.options, self.dev, self.environment = list(options), dev, environment or {}
        self.port, self.tcp_port = free_port(), free_port()
        self.certificate = certificate or certificates.of_all_routers()
        self.log = self.directory / "router.log"
        self.process = None

    def arguments(self):
        arguments = [router_binary()] + (["--dev"] if self.dev else [])
        arguments += ["--listen", f"127.0.0.1:{self.port}", "--tcp-listen", f"127.0.0.1:{self.tcp_port}"]
        arguments += self.certificate.options if self.certificate else []
        return arguments + ["--data", str(self.data)] + self.options

    def launch(self, arguments=None):
        """Starts the process and doesn't wait for it."""
        environment = {k: v for k, v in os.environ.items() if not k.startswith("SWITCHBOARD_")}
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                arguments or self.arguments(), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                cwd=self.directory, env=environment | self.environment)
        return self

    def start(self, arguments=None):
        self.launch(arguments)
        return self.wait_ready()

    def wait_ready(self):
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise AssertionError(f"the router ended with {self.process.returncode}:\n{self.output()}")
            try:
                if self.http("GET", "/readyz").status == 200:
                    return self
            except OSError:
                pass
            time.sleep(0.02)
        self.kill()
        raise AssertionError(f"the router isn't ready after {PATIENCE} s:\n{self.output()}")

    def output(self):
        return self.log.read_text(errors="replace")[-8_000:] if self.log.exists() else ""

    def terminate(self):
        self.process.send_signal(signal.SIGTERM)

    def wait(self):
        return self.process.wait(PATIENCE)

    def stop(self):
        """Asks the router to end and expects that it does so cleanly."""
        if self.process is None:
            return
        if self.process.poll() is None:
            self.terminate()
        try:
            code = self.wait()
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"SIGTERM didn't end the router in {PATIENCE} s:\n{self.output()}") from None
        self.process = None
        assert code == 0, f"the router ended with {code}:\n{self.output()}"

    def kill(self):
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(PATIENCE)
        self.process = None

    def http(self, method, path, body=None, bearer=None, headers=None):
        """One request on a connection of its own. A body that isn't bytes goes out as JSON."""
        fields = dict(headers or {})
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body, ensure_ascii=False).encode()
            fields.setdefault("Content-Type", "application/json")
        if bearer is not None:
            fields["Authorization"] = f"Bearer {bearer}"
        if self.certificate:
            connection = http.client.HTTPSConnection(
                "127.0.0.1", self.port, timeout=PATIENCE, context=self.certificate.context)
        else:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.request(method, path, body, fields)
            answer = connection.getresponse()
            return Response(answer.status, answer.headers, answer.read())
        finally:
            connection.close()

    def group(self, owner, group, *members):
        """Makes a group by the application API; answers its id."""
        answer = self.http("POST", "/api/groups", {"id": group, "name": group, "members": members}, bearer=owner)
        assert answer.status in (200, 201), answer
        return group

    def set_role(self, owner, group, user, role):
        answer = self.http("PATCH", f"/api/groups/{group}/members/{user}", {"role": role}, bearer=owner)
        assert answer.status in (200, 204), answer

    def websocket(self, path, **options):
        """A plain WebSocket connection (Python `websockets`)."""
        options = dict(
            open_timeout=PATIENCE, close_timeout=2, ping_interval=None, compression=None, max_size=None,
            max_queue=None, proxy=None) | options
        scheme = "ws"
        if self.certificate:
            scheme, options = "wss", {"ssl": self.certificate.context} | options
        address = f"{scheme}://127.0.0.1:{self.port}{path}"
        # Entered here and closed by whoever asked for it: tests hold several connections at once.
        try:
            return connect(address, **options).__enter__()
        except InvalidMessage:
            # The client's threads share one TLS object: once in some thousand connections, when the server's tickets
            # come at the wrong moment, its request never goes out (seen by strace of the router).
            if not self.certificate:
                raise
            return connect(address, **options).__enter__()

    def raw(self):
        """A connection to the HTTP listener, for bytes as they are."""
        return self._wire(self.port)

    def raw_tcp(self):
        """A connection to the binary listener, for bytes as they are."""
        return self._wire(self.tcp_port)

    def _wire(self, port):
        sock = socket.create_connection(("127.0.0.1", port), PATIENCE)
        if self.certificate:
            sock = self.certificate.context.wrap_socket(sock, server_hostname="127.0.0.1")
        return Wire(sock)

    @property
    def origin(self):
        """What browsers call the router."""
        return f"http{'s' if self.certificate else ''}://127.0.0.1:{self.port}"


class Wire:
    """A socket with exact reads."""

    def __init__(self, sock):
        self.sock, self.buffer = sock, b""
        sock.settimeout(PATIENCE)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, data):
        self.sock.sendall(data)

    def _more(self):
        data = self.sock.recv(65_536)
        if not data:
            raise EOFError(f"the router closed the connection; unread: {self.buffer[:200]!r}")
        self.buffer += data

    def read(self, count):
        while len(self.buffer) < count:
            self._more()
        data, self.buffer = self.buffer[:count], self.buffer[count:]
        return data

    def read_until(self, mark):
        while mark not in self.buffer:
            self._more()
        end = self.buffer.index(mark) + len(mark)
        return self.read(end)

    def read_response(self, method="GET"):
        """One HTTP answer, its body by Content-Length or by chunks."""
        head = self.read_until(b"\r\n\r\n").decode("latin-1")
        status_line, *lines = head.rstrip("\r\n").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        status = int(status_line.split(" ")[1])
        if status < 200 or status in (204, 304) or method == "HEAD":
            return Response(status, headers, b"")
        if headers.get("transfer-encoding") == "chunked":
            return Response(status, headers, self._read_chunks())
        return Response(status, headers, self.read(int(headers.get("content-length", 0))))

    def _read_chunks(self):
        body = b""
        while size := int(self.read_until(b"\r\n").split(b";")[0], 16):
            body += self.read(size)
            self.read(2)
        self.read_until(b"\r\n")
        return body

    def ended(self):
        """Waits until the router closes this connection; False if it stays open."""
        try:
            while self.sock.recv(65_536):
                pass
            return True
        except ConnectionError:
            return True
        except TimeoutError:
            return False

    def close(self):
        self.sock.close()


class Refused(Exception):
    """The router answered a frame with `error`."""

    def __init__(self, frame):
        super().__init__(f"{frame.get('code')}: {frame.get('message')}")
        self.frame, self.code = frame, frame.get("code")


class Chat:
    """A client that speaks JSON over WebSocket. Frames that a wait passes over are kept for later waits."""

    def __init__(self, router, user=None, path="/chat", headers=None, welcome=True, **query):
        if user is not None:
            query["id"] = user
        target = path + ("?" + urllib.parse.urlencode(query) if query else "")
        self.user, self.backlog, self.count = user, [], 0
        self.name = secrets.token_hex(4)  # two clients of one user must not use the same cid
        self.socket = router.websocket(target, additional_headers=headers)
        self.welcome = self.expect("welcome") if welcome else None

    def send(self, **frame):
        self.send_text(json.dumps(frame, ensure_ascii=False))

    def send_text(self, text):
        self.socket.send(text)

    def _read(self, deadline):
        data = self.socket.recv(timeout=max(0.0, deadline - time.monotonic()))
        assert isinstance(data, str), f"a binary frame for a JSON client: {data!r}"
        return json.loads(data)

    def take(self, wanted, what="frame", timeout=PATIENCE):
        """The first frame, of those kept and those to come, for which `wanted` holds."""
        for index, frame in enumerate(self.backlog):
            if wanted(frame):
                return self.backlog.pop(index)
        deadline = time.monotonic() + timeout
        while True:
            try:
                frame = self._read(deadline)
            except TimeoutError:
                raise AssertionError(f"no {what} in {timeout} s; kept: {self.backlog}") from None
            if wanted(frame):
                return frame
            self.backlog.append(frame)

    def next(self):
        return self.take(lambda frame: True)

    def expect(self, cmd, timeout=PATIENCE, **fields):
        wanted = {"cmd": cmd} | fields
        return self.take(lambda frame: all(frame.get(k) == v for k, v in wanted.items()), str(wanted), timeout)

    def entries(self, count):
        """The next inbox entries that were pushed to this session."""
        return [self.take(lambda f: f.get("cmd") in ENTRY_COMMANDS, "inbox entry") for _ in range(count)]

    def messages(self, count):
        return [self.take(lambda f: f.get("cmd") in (10, 11), "message") for _ in range(count)]

    def request(self, **frame):
        """Sends a frame with a `ref` and gives the answer that repeats it; an error raises `Refused`."""
        self.count += 1
        ref = frame.setdefault("ref", f"r{self.count}")
        self.send(**frame)
        answer = self.take(lambda f: f.get("ref") == ref, f"answer to {frame}")
        if answer["cmd"] == "error":
            raise Refused(answer)
        return answer

    def refused(self, **frame):
        """The error that a frame is refused with."""
        try:
            answer = self.request(**frame)
        except Refused as refusal:
            assert refusal.code in ERROR_CODES and refusal.frame["message"], refusal.frame
            return refusal.code
        raise AssertionError(f"{frame} was accepted: {answer}")

    def post(self, dstid, content=None, cmd=10, **fields):
        """Sends a message with a `cid` and waits for its durable ack; an error raises `Refused`."""
        self.count += 1
        cid = fields.setdefault("cid", f"{self.name}.{self.count}")
        if content is not None:
            fields["content"] = content
        self.send(cmd=cmd, dstid=dstid, **fields)
        answer = self.take(
            lambda f: f.get("cid") == cid and f["cmd"] in ("ack", "error") and "level" not in f, f"ack of {cid}")
        if answer["cmd"] == "error":
            raise Refused(answer)
        return answer

    def fence(self):
        """Waits until the router has handled everything this session sent before."""
        self.request(cmd=0)

    def fetch_all(self):
        """The whole inbox from the start, page by page."""
        entries, after, more = [], 0, True
        while more:
            page = self.request(cmd="fetch", after=after, limit=1_000)
            entries += page["entries"]
            more = page["more"]
            if page["entries"]:
                after = page["entries"][-1]["seq"]
            else:
                assert not more, "an empty page that says there is more"
        return entries

    def close_code(self, timeout=PATIENCE):
        """Waits until the router closes the connection; answers the close code."""
        deadline = time.monotonic() + timeout
        try:
            while True:
                self.backlog.append(self._read(deadline))
        except ConnectionClosed as closed:
            return closed.rcvd.code if closed.rcvd else None
        except TimeoutError:
            raise AssertionError(f"the connection is still open after {timeout} s") from None

    def close(self):
        self.socket.close()
