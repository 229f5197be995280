"""The binary protocol, written from section 4 of the contract: frames, and a client over TCP or WebSocket."""

import json
import secrets
import struct
import time
from types import SimpleNamespace

import lz4.block

from switchboard import PATIENCE

HELLO, WELCOME, SEND, ACK, DELIVER, CONFIRM, FETCH, FETCHED, PING, PONG, ERROR, COMMAND, EVENT = range(1, 14)
NO_RESUME = 2**64 - 1
OPAQUE, TEXT, MEMBERS = 0, 1, 2  # content types
COMPRESSED, DUPLICATE = 1, 2  # flags
DEV, TOKEN, MD5_SESSION = 0, 1, 2  # ways to sign in
READS_LZ4 = 1  # feature


def frame(kind, payload=b"", flags=0, content=0):
    return struct.pack("<IBBH", len(payload), kind, flags | content << 4, 0) + payload


def str8(text):
    data = text.encode()
    return struct.pack("<B", len(data)) + data


def str16(text):
    data = text.encode()
    return struct.pack("<H", len(data)) + data


def hello(user, device="default", after=NO_RESUME, auth=DEV, credential="", features=0, version=1):
    head = struct.pack("<BBBBQ", version, auth, features, 0, after)
    return frame(HELLO, head + str8(user) + str8(device) + str16(credential))


def send(cid, destination, body, cmd=10, content=TEXT, compressed=False):
    return frame(
        SEND, struct.pack("<QB", cid, cmd) + str8(destination) + body, COMPRESSED if compressed else 0, content)


def compress(data):
    """A body as LZ4: the raw length, then one block."""
    return struct.pack("<I", len(data)) + lz4.block.compress(data, store_size=False)


def decompress(body):
    (length,) = struct.unpack_from("<I", body)
    return lz4.block.decompress(body[4:], uncompressed_size=length)


class Reader:
    """Takes fields off the front of a payload."""

    def __init__(self, data):
        self.data, self.offset = data, 0

    def numbers(self, layout):
        values = struct.unpack_from("<" + layout, self.data, self.offset)
        self.offset += struct.calcsize("<" + layout)
        return values

    def text(self, layout):
        (length,) = self.numbers(layout)
        data = self.data[self.offset : self.offset + length]
        assert len(data) == length, "a text that ends after its frame"
        self.offset += length
        return data.decode()

    def rest(self):
        data, self.offset = self.data[self.offset :], len(self.data)
        return data


def decode(kind, flags, payload):
    """A frame of the server as an object with the fields' names."""
    reader, result = Reader(payload), SimpleNamespace(kind=kind, flags=flags, content=flags >> 4)
    if kind == WELCOME:
        (result.seq, result.confirmed, result.time, result.max_frame, result.heartbeat, result.features, _) = (
            reader.numbers("QQQIHBB"))
        result.user, result.device = reader.text("B"), reader.text("B")
    elif kind == ACK:
        result.cid, result.id, result.cseq, result.seq, result.time = reader.numbers("QQQQQ")
        result.duplicate = bool(flags & DUPLICATE)
    elif kind == DELIVER:
        result.seq, result.id, result.cseq, result.time, result.cmd = reader.numbers("QQQQB")
        result.sender, result.destination, result.body = reader.text("B"), reader.text("B"), reader.rest()
        result.compressed = bool(flags & COMPRESSED)
    elif kind == FETCHED:
        result.last, result.more = reader.numbers("QB")
    elif kind == ERROR:
        (result.cid,) = reader.numbers("Q")
        result.code, result.message = reader.text("B"), reader.text("H")
    elif kind in (PING, PONG):
        result.body = reader.rest()
    elif kind == EVENT:
        result.json = json.loads(reader.rest())
    else:
        raise AssertionError(f"a frame of type {kind} from the router")
    assert reader.offset == len(payload), f"type {kind}: {len(payload) - reader.offset} bytes too many"
    return result


class TCPTransport:
    def __init__(self, router):
        self.wire = router.raw_tcp()

    def send(self, data):
        self.wire.send(data)

    def receive(self, deadline):
        self.wire.sock.settimeout(max(0.001, deadline - time.monotonic()))
        header = self.wire.read(8)
        return header + self.wire.read(int.from_bytes(header[:4], "little"))

    def close(self):
        self.wire.close()


class WebSocketTransport:
    """One protocol frame a WebSocket message."""

    def __init__(self, router, path):
        self.socket = router.websocket(path)

    def send(self, data):
        self.socket.send(data)

    def receive(self, deadline):
        data = self.socket.recv(timeout=max(0.0, deadline - time.monotonic()))
        assert isinstance(data, bytes), f"a text frame for a binary client: {data!r}"
        return data

    def close(self):
        self.socket.close()


class BinaryClient:
    """A client of the binary protocol. Frames that a wait passes over are kept for later waits."""

    def __init__(self, router, user=None, websocket=False, path="/ws", welcome=True, **greeting):
        self.transport = WebSocketTransport(router, path) if websocket else TCPTransport(router)
        self.backlog, self.cid = [], secrets.randbits(48)  # two clients of one user must not use the same cid
        if user is not None:
            self.raw(hello(user, **greeting))
            self.welcome = self.expect(WELCOME) if welcome else None

    def raw(self, data):
        self.transport.send(data)

    def read(self, deadline):
        data = self.transport.receive(deadline)
        length, kind, flags, zero = struct.unpack_from("<IBBH", data)
        assert zero == 0 and len(data) == 8 + length, data[:80]
        return decode(kind, flags, data[8:])

    def expect(self, *kinds, timeout=PATIENCE, **fields):
        def wanted(f):
            return f.kind in kinds and all(getattr(f, name, None) == value for name, value in fields.items())

        for index, kept in enumerate(self.backlog):
            if wanted(kept):
                return self.backlog.pop(index)
        deadline = time.monotonic() + timeout
        while True:
            try:
                received = self.read(deadline)
            except TimeoutError:
                raise AssertionError(f"no frame {kinds} {fields} in {timeout} s; kept: {self.backlog}") from None
            if wanted(received):
                return received
            self.backlog.append(received)

    def post(self, destination, body, **options):
        """Sends a message and answers its ACK, or the ERROR that refused it."""
        self.cid += 1
        cid = options.pop("cid", self.cid)
        self.raw(send(cid, destination, body, **options))
        return self.expect(ACK, ERROR, cid=cid)

    def command(self, **members):
        self.raw(frame(COMMAND, json.dumps(members).encode()))

    def event(self, cmd):
        """The next EVENT with this `cmd`."""
        passed = []
        while True:
            event = self.expect(EVENT)
            if event.json.get("cmd") == cmd:
                self.backlog += passed
                return event.json
            passed.append(event)

    def ended(self):
        """Waits until the router closes the connection."""
        deadline = time.monotonic() + PATIENCE
        try:
            while True:
                self.backlog.append(self.read(deadline))
        except TimeoutError:
            return False
        except Exception as end:  # EOFError, ConnectionError, ConnectionClosed: the three faces of an end
            if isinstance(end, AssertionError):
                raise
            return True

    def close(self):
        self.transport.close()
