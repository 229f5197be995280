"""WebSocket by raw bytes, for what no well-behaved client would send."""

import os
import struct

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
UPGRADE = {
    "Host": "127.0.0.1", "Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Key": KEY,
    "Sec-WebSocket-Version": "13",
}


def upgrade_request(path="/echo", changes=(), version="HTTP/1.1", extra=""):
    """An opening handshake; a header changed to None is left out."""
    headers = {k: v for k, v in (UPGRADE | dict(changes)).items() if v is not None}
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"GET {path} {version}\r\n{lines}{extra}\r\n".encode()


def frame(opcode, payload=b"", final=True, rsv=0, masked=True, length=None):
    """A frame of a client. `length` writes another length, or (form, length) another form of it."""
    form, size = length if isinstance(length, tuple) else (None, len(payload) if length is None else length)
    form = form or (7 if size < 126 else 16 if size < 65_536 else 64)
    mask_bit = 0x80 if masked else 0
    head = bytes([(0x80 if final else 0) | rsv << 4 | opcode])
    if form == 7:
        head += bytes([mask_bit | size])
    else:
        head += struct.pack(">BH", mask_bit | 126, size) if form == 16 else struct.pack(">BQ", mask_bit | 127, size)
    if not masked:
        return head + payload
    mask = os.urandom(4)
    repeated = (mask * (len(payload) // 4 + 1))[: len(payload)]
    return head + mask + (
        int.from_bytes(payload, "big") ^ int.from_bytes(repeated, "big")).to_bytes(len(payload), "big")


def close_frame(code=None, reason=b""):
    return frame(CLOSE, b"" if code is None else struct.pack(">H", code) + reason)


class Echo:
    """A raw WebSocket connection."""

    def __init__(self, router, path="/echo"):
        self.wire = router.raw()
        self.wire.send(upgrade_request(path))
        self.answer = self.wire.read_response()
        assert self.answer.status == 101, self.answer

    def send(self, *frames):
        self.wire.send(b"".join(frames))

    def read(self):
        """One frame of the server as (opcode, payload); it must be whole, unmasked and minimal."""
        first, second = self.wire.read(2)
        assert first & 0x70 == 0 and second & 0x80 == 0, "reserved bits or a mask from the server"
        length = second & 0x7F
        if length == 126:
            (length,) = struct.unpack(">H", self.wire.read(2))
            assert length > 125
        elif length == 127:
            (length,) = struct.unpack(">Q", self.wire.read(8))
            assert length > 65_535
        assert first & 0x80, "a fragment from the server"
        return first & 0x0F, self.wire.read(length)

    def closed_with(self):
        """Waits for the server's close frame and for the end of the connection; answers the code."""
        while True:
            opcode, payload = self.read()
            if opcode == CLOSE:
                break
        assert self.wire.ended(), "the connection stays open after its close frame"
        return struct.unpack(">H", payload[:2])[0] if payload else None
