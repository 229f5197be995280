"""The cases of the public WebSocket fuzzing suite (Autobahn|Testsuite 0.8), by their numbers, through /echo.

The suite's sections: 1 framing, 2 pings and pongs, 3 reserved bits, 4 opcodes, 5 fragmentation, 6 UTF-8, 7 closing,
9 limits, 10 automatic fragmentation. 12 and 13 are about compression, which the router doesn't agree to.
"""

import struct
import time

import pytest

from websocket_wire import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, Echo, close_frame, frame, upgrade_request


class Case:
    """What is sent, what must come back, and by what code the server then closes; None: it echoes our 1000."""

    def __init__(self, number, frames, answers=(), code=None):
        self.number, self.frames, self.answers, self.code = number, list(frames), list(answers), code


def play(router, case, chop=None):
    """Sends the case's bytes, all at once or in pieces of `chop` bytes, and checks all that comes back."""
    client = Echo(router)
    octets = b"".join(case.frames) + (close_frame(1000) if case.code is None else b"")
    try:
        if chop is None:
            client.wire.send(octets)
        else:
            for start in range(0, len(octets), chop):
                client.wire.send(octets[start:start + chop])
    except ConnectionError:
        assert case.code is not None, "closed while we still had to say something"
    came = []
    while True:
        opcode, payload = client.read()
        if opcode == CLOSE:
            break
        came.append((opcode, payload))
    assert came == case.answers
    assert payload[:2] == struct.pack(">H", 1000 if case.code is None else case.code)
    assert client.wire.ended()
    client.wire.close()


def cases_of(build):
    built = list(build())
    return pytest.mark.parametrize("case", built, ids=[case.number for case in built])


def echoed(number, frames, *payloads, kind=TEXT):
    return Case(number, frames, [(kind, payload) for payload in payloads])


def pieces(kind, payloads, between=None):
    """A message in fragments; `between` gives frames to stand after the n-th."""
    for index, payload in enumerate(payloads):
        last = index == len(payloads) - 1
        yield frame(kind if index == 0 else CONTINUATION, payload, final=last)
        if between and index in between:
            yield between[index]


# 1 Framing

SIZES = [0, 125, 126, 127, 128, 65_535, 65_536]


@cases_of(lambda: (
    echoed(f"1.{1 + section}.{index + 1}", [frame(kind, byte * size)], byte * size, kind=kind)
    for section, (kind, byte) in enumerate([(TEXT, b"*"), (BINARY, b"\xfe")]) for index, size in enumerate(SIZES)))
def test_framing(router, case):
    play(router, case)


@pytest.mark.parametrize("kind, byte", [(TEXT, b"*"), (BINARY, b"\xfe")], ids=["1.1.8", "1.2.8"])
def test_framing_in_chops(router, kind, byte):
    play(router, echoed("1.x.8", [frame(kind, byte * 65_536)], byte * 65_536, kind=kind), chop=997)


# 2 Pings and pongs


def pings():
    binary = b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff"
    long = b"\xfe" * 125
    ten = [b"payload-%d" % number for number in range(10)]
    yield echoed("2.1", [frame(PING)], b"", kind=PONG)
    yield echoed("2.2", [frame(PING, b"Hello, world!")], b"Hello, world!", kind=PONG)
    yield echoed("2.3", [frame(PING, binary)], binary, kind=PONG)
    yield echoed("2.4", [frame(PING, long)], long, kind=PONG)
    yield Case("2.5", [frame(PING, b"\xfe" * 126)], code=1002)
    yield echoed("2.7", [frame(PONG)])
    yield echoed("2.8", [frame(PONG, b"unsolicited pong payload")])
    yield echoed("2.9", [frame(PONG, b"unsolicited"), frame(PING, b"ping payload")], b"ping payload", kind=PONG)
    yield echoed("2.10", [frame(PING, payload) for payload in ten], *ten, kind=PONG)


@cases_of(pings)
@pytest.mark.parametrize("chop", [None, 1], ids=["at once", "by octets (2.6, 2.11)"])
def test_pings(router, case, chop):
    play(router, case, chop)


# 3 Reserved bits, 4 opcodes


def reserved():
    hello = frame(TEXT, b"Hello, world!")
    heard = [(TEXT, b"Hello, world!")]
    yield Case("3.1", [frame(TEXT, b"Hello, world!", rsv=1)], code=1002)
    yield Case("3.2", [hello, frame(TEXT, b"Hello, world!", rsv=2), frame(PING)], heard, 1002)
    yield Case("3.5", [frame(BINARY, b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff", rsv=5)], code=1002)
    yield Case("3.6", [frame(PING, b"Hello, world!", rsv=6)], code=1002)
    yield Case("3.7", [frame(CLOSE, struct.pack(">H", 1000), rsv=7)], code=1002)
    for section, opcodes in ((1, [3, 4, 5, 6, 7]), (2, [11, 12, 13, 14, 15])):
        for index, opcode in enumerate(opcodes):
            unknown = frame(opcode, b"reserved opcode" if index % 2 else b"")
            if index < 2:
                yield Case(f"4.{section}.{index + 1}", [unknown], code=1002)
            else:
                yield Case(f"4.{section}.{index + 1}", [hello, unknown, frame(PING)], heard, 1002)


@cases_of(reserved)
@pytest.mark.parametrize("chop", [None, 1], ids=["at once", "by octets (3.4, 4.x.5)"])
def test_reserved_bits_and_opcodes(router, case, chop):
    play(router, case, chop)


# 5 Fragmentation


def fragments():
    halves = [b"fragment1", b"fragment2"]
    whole = b"fragment1fragment2"
    ping = frame(PING, b"ping payload")
    pong = (PONG, b"ping payload")
    loose = frame(CONTINUATION, b"non-continuation payload")
    open_loose = frame(CONTINUATION, b"non-continuation payload", final=False)
    hello = frame(TEXT, b"Hello, world!")
    five = [b"fragment%d" % number for number in range(1, 6)]
    yield Case("5.1", pieces(PING, halves), code=1002)
    yield Case("5.2", pieces(PONG, halves), code=1002)
    yield echoed("5.3", pieces(TEXT, halves), whole)
    yield Case("5.6", pieces(TEXT, halves, {0: ping}), [pong, (TEXT, whole)])
    yield Case("5.9", [loose, hello], code=1002)
    yield Case("5.12", [open_loose, hello], code=1002)
    yield Case("5.15", [*pieces(TEXT, halves), open_loose, hello], [(TEXT, whole)], 1002)
    yield Case("5.16", [open_loose, *pieces(TEXT, halves)] * 2, code=1002)
    yield Case("5.17", [loose, *pieces(TEXT, halves)] * 2, code=1002)
    yield Case("5.18", [frame(TEXT, halves[0], final=False), frame(TEXT, halves[1])], code=1002)
    yield Case("5.19", pieces(TEXT, five, {1: ping, 3: ping}), [pong, pong, (TEXT, b"".join(five))])


@cases_of(fragments)
@pytest.mark.parametrize("chop", [None, 13, 1], ids=["at once", "in chops", "by octets"])
def test_fragmentation(router, case, chop):
    play(router, case, chop)


def test_fragments_with_pauses(router):
    """5.20: as 5.19, with a second before the rest."""
    client = Echo(router)
    client.send(frame(TEXT, b"1", final=False), frame(CONTINUATION, b"2", final=False), frame(PING, b"x"))
    assert client.read() == (PONG, b"x")
    time.sleep(1)
    client.send(frame(CONTINUATION, b"3"))
    assert client.read() == (TEXT, b"123")
    client.wire.close()


# 6 UTF-8

KOSME = "κόσμε".encode()
FIRST_AND_LAST = {
    "6.7.1": b"\x00", "6.7.2": b"\xc2\x80", "6.7.3": b"\xe0\xa0\x80", "6.7.4": b"\xf0\x90\x80\x80",
    "6.9.1": b"\x7f", "6.9.2": b"\xdf\xbf", "6.9.3": b"\xef\xbf\xbf", "6.9.4": b"\xf4\x8f\xbf\xbf",
    "6.11.1": b"\xed\x9f\xbf", "6.11.2": b"\xee\x80\x80", "6.11.3": b"\xef\xbf\xbd", "6.11.4": b"\xf4\x8f\xbf\xbf",
}
NONCHARACTERS = {f"6.22.{index + 1}": chr(point).encode() for index, point in enumerate(
    plane << 16 | last for plane in range(17) for last in (0xFFFE, 0xFFFF))}
SPECIALS = {f"6.23.{index + 1}": chr(0xFFF9 + index).encode() for index in range(7)}
TEXTS = {
    "6.1.1": b"", "6.2.1": "Hello-µ@ßöäüàá-UTF-8!!".encode(), "6.5.1": KOSME, **FIRST_AND_LAST, **NONCHARACTERS,
    **SPECIALS}

MISSING_LAST = [
    b"\xc0", b"\xe0\x80", b"\xf0\x80\x80", b"\xf8\x80\x80\x80", b"\xfc\x80\x80\x80\x80", b"\xdf", b"\xef\xbf",
    b"\xf7\xbf\xbf", b"\xfb\xbf\xbf\xbf", b"\xfd\xbf\xbf\xbf\xbf"]
SURROGATES = [b"\xed\xa0\x80", b"\xed\xad\xbf", b"\xed\xae\x80", b"\xed\xaf\xbf"]
LOW_SURROGATES = [b"\xed\xb0\x80", b"\xed\xbe\x80", b"\xed\xbf\xbf"]
NOT_TEXT = {
    "6.3.1": KOSME + b"\xed\xa0\x80edited",
    "6.8": [b"\xf8\x88\x80\x80\x80", b"\xfc\x84\x80\x80\x80\x80"],
    "6.10": [b"\xf7\xbf\xbf\xbf", b"\xfb\xbf\xbf\xbf\xbf", b"\xfd\xbf\xbf\xbf\xbf\xbf"],
    "6.11.5": b"\xf4\x90\x80\x80",
    "6.12": [b"\x80", b"\xbf", *((b"\x80\xbf" * 4)[:size] for size in range(2, 7)), bytes(range(0x80, 0xC0))],
    "6.13": [b"".join(bytes([byte, 0x20]) for byte in span) for span in (
        range(0xC0, 0xE0), range(0xE0, 0xF0), range(0xF0, 0xF8), range(0xF8, 0xFC), range(0xFC, 0xFE))],
    "6.14": MISSING_LAST, "6.15": b"".join(MISSING_LAST),
    "6.16": [b"\xfe", b"\xff", b"\xfe\xfe\xff\xff"],
    "6.17": [b"\xc0\xaf", b"\xe0\x80\xaf", b"\xf0\x80\x80\xaf", b"\xf8\x80\x80\x80\xaf", b"\xfc\x80\x80\x80\x80\xaf"],
    "6.18": [
        b"\xc1\xbf", b"\xe0\x9f\xbf", b"\xf0\x8f\xbf\xbf", b"\xf8\x87\xbf\xbf\xbf", b"\xfc\x83\xbf\xbf\xbf\xbf"],
    "6.19": [b"\xc0\x80", b"\xe0\x80\x80", b"\xf0\x80\x80\x80", b"\xf8\x80\x80\x80\x80", b"\xfc\x80\x80\x80\x80\x80"],
    "6.20": SURROGATES + LOW_SURROGATES,
    "6.21": [high + low for high in SURROGATES for low in (LOW_SURROGATES[0], LOW_SURROGATES[2])],
}


def texts():
    for number, text in TEXTS.items():
        yield echoed(number, [frame(TEXT, text)], text)
        yield echoed(number + " by octet fragments", pieces(TEXT, [bytes([byte]) for byte in text] or [b""]), text)
    yield echoed("6.1.2", pieces(TEXT, [b"", b"", b""]), b"")
    yield echoed("6.1.3", pieces(TEXT, [b"", b"middle frame payload", b""]), b"middle frame payload")
    for size in range(1, len(KOSME)):
        yield echoed(f"6.5 cut at {size}", pieces(TEXT, [KOSME[:size], KOSME[size:]]), KOSME)


def not_texts():
    for number, given in NOT_TEXT.items():
        several = given if isinstance(given, list) else [given]
        for index, text in enumerate(several):
            name = f"{number}.{index + 1}" if isinstance(given, list) else number
            yield Case(name, [frame(TEXT, text)], code=1007)
            yield Case(name + " by octet fragments", pieces(TEXT, [bytes([byte]) for byte in text]), code=1007)
    for size in (size for size in range(1, len(KOSME)) if not is_text(KOSME[:size])):
        yield Case(f"6.6 prefix of {size}", [frame(TEXT, KOSME[:size])], code=1007)


def is_text(octets):
    try:
        octets.decode()
    except UnicodeDecodeError:
        return False
    return True


@cases_of(texts)
def test_text(router, case):
    play(router, case)


@cases_of(not_texts)
def test_no_text(router, case):
    play(router, case)


@pytest.mark.parametrize("number, rest", [("6.4.1", b"\xf4\x90\x80\x80"), ("6.4.2", b"\xf4\x90")])
@pytest.mark.parametrize("chop", [False, True], ids=["by frames", "by chops (6.4.3, 6.4.4)"])
def test_fail_fast(router, number, rest, chop):
    """The connection ends with the octet that can't be text any more, before the message is whole."""
    client = Echo(router)
    if chop:
        octets = frame(TEXT, KOSME + rest + b"edited")
        client.wire.send(octets[:len(octets) - len(b"edited")])
    else:
        client.send(frame(TEXT, KOSME, final=False), frame(CONTINUATION, rest, final=False))
    assert client.closed_with() == 1007


# 7 Closing


def closings():
    hello = frame(TEXT, b"Hello World!")
    big = b"BAsd7&jh23" * 26_214
    yield echoed("7.1.1", [hello], b"Hello World!")
    yield echoed("7.1.2", [close_frame(1000)])
    yield echoed("7.1.3", [close_frame(1000), frame(PING)])
    yield echoed("7.1.4", [close_frame(1000), hello])
    yield echoed("7.1.5", [frame(TEXT, b"fragment1", final=False), close_frame(1000), frame(CONTINUATION, b"2")])
    yield echoed("7.1.6", [frame(TEXT, big), close_frame(1000), frame(PING)], big)
    yield Case("7.3.2", [frame(CLOSE, b"a")], code=1002)
    yield echoed("7.3.4", [close_frame(1000, b"Hello World!")])
    yield echoed("7.3.5", [close_frame(1000, b"*" * 123)])
    yield Case("7.3.6", [close_frame(1000, b"*" * 124)], code=1002)
    yield Case("7.5.1", [close_frame(1000, KOSME + b"\xed\xa0\x80edited")], code=1007)
    for index, code in enumerate([1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999]):
        yield Case(f"7.7.{index + 1}", [close_frame(code)], code=code)
    for index, code in enumerate([0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999]):
        yield Case(f"7.9.{index + 1}", [close_frame(code)], code=1002)
    yield Case("7.13.1", [close_frame(5000)], code=1002)
    yield Case("7.13.2", [close_frame(65_535)], code=1002)


@cases_of(closings)
@pytest.mark.parametrize("chop", [None, 997], ids=["at once", "in chops"])
def test_closing(router, case, chop):
    play(router, case, chop)


def test_close_without_payload(router):
    """7.3.1: answered; nothing says by which code."""
    client = Echo(router)
    client.send(close_frame())
    assert client.closed_with() in (None, 1000)


# 9 Limits, 10 automatic fragmentation

MEBIBYTE = 1 << 20


def exchange(router, kind, payloads, size, chop=None):
    """Sends a message of stars and waits for its echo."""
    client = Echo(router)
    octets = b"".join(payloads)
    if chop is None:
        client.wire.send(octets)
    else:
        for start in range(0, len(octets), chop):
            client.wire.send(octets[start:start + chop])
    opcode, payload = client.read()
    assert opcode == kind and len(payload) == size and payload == b"*" * size
    client.send(close_frame(1000))
    assert client.closed_with() == 1000


@pytest.mark.parametrize("kind", [TEXT, BINARY], ids=["9.1", "9.2"])
@pytest.mark.parametrize("size", [65_536, 262_144, MEBIBYTE, 4 * MEBIBYTE, 8 * MEBIBYTE, 16 * MEBIBYTE])
def test_large_messages(router, kind, size):
    exchange(router, kind, [frame(kind, b"*" * size)], size)


@pytest.mark.parametrize("kind", [TEXT, BINARY], ids=["9.3", "9.4"])
@pytest.mark.parametrize("piece", [64, 256, 1024, 4096, 16_384, 65_536, 262_144, MEBIBYTE, 4 * MEBIBYTE])
def test_large_messages_in_fragments(router, kind, piece):
    size = 4 * MEBIBYTE
    exchange(router, kind, list(pieces(kind, [b"*" * piece] * (size // piece))), size)


@pytest.mark.parametrize("kind", [TEXT, BINARY], ids=["9.5", "9.6"])
@pytest.mark.parametrize("chop", [64, 128, 256, 512, 1024, 2048])
def test_large_messages_in_chops(router, kind, chop):
    exchange(router, kind, [frame(kind, b"*" * MEBIBYTE)], MEBIBYTE, chop)


@pytest.mark.parametrize("kind", [TEXT, BINARY], ids=["9.7", "9.8"])
@pytest.mark.parametrize("size", [0, 16, 64, 256, 1024, 4096])
def test_round_trips(router, kind, size):
    client = Echo(router)
    octets = frame(kind, b"*" * size)
    for _ in range(1_000):
        client.wire.send(octets)
        assert client.read() == (kind, b"*" * size)
    client.wire.close()


def test_automatic_fragmentation(router):
    """10.1.1: a text of 65,536 bytes in fragments of 1,300."""
    whole = b"*" * 65_536
    cut = [whole[start:start + 1_300] for start in range(0, len(whole), 1_300)]
    play(router, echoed("10.1.1", pieces(TEXT, cut), whole))


# 12, 13 Compression


@pytest.mark.parametrize("offer", [
    "permessage-deflate", "permessage-deflate; client_max_window_bits; server_max_window_bits=8", "x-webkit-deflate"])
def test_compression_is_not_agreed_to(router, offer):
    wire = router.raw()
    wire.send(upgrade_request(changes={"Sec-WebSocket-Extensions": offer}))
    answer = wire.read_response()
    assert answer.status == 101 and "sec-websocket-extensions" not in answer.headers
    wire.close()
