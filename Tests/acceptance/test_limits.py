"""Sizes of messages and of the texts that the API takes (contract §3–§5, docs/protocol.md)."""

import itertools
import json
import urllib.parse

import pytest

import binary_protocol as b4
from switchboard import Refused

MIB = 1 << 20
OTHERS = 64 << 10

# What a content of so many bytes is made of, as it is and as it may be written in JSON.
WRITTEN = {"plain": ("x", "x"), "newlines": ("\n", "\\n"), "latin": ("é", "\\u00e9"), "quotes": ('"', '\\"')}


@pytest.mark.parametrize("difference", [-1, 0, 1])
@pytest.mark.parametrize("how", WRITTEN)
def test_content_counts_as_the_text_it_is(people, chat, how, difference):
    """Escapes are no part of the 1 MiB, as long as the frame is none above `max_frame`."""
    unit, written = WRITTEN[how]
    width = len(unit.encode())
    # No more escapes than fit into a frame.
    count = min(MIB // width, (2 * MIB - MIB - 1_000) // (len(written) - width or 1))
    filler = "x" * (MIB - count * width + difference)
    a, b = people(2)
    sender, receiver = chat(a), chat(b)
    sender.send_text('{"cmd":10,"dstid":"%s","cid":"c","content":"%s"}' % (b, filler + written * count))
    if difference > 0:
        error = sender.expect("error")
        assert (error["code"], error["cid"]) == ("too_large", "c")
    else:
        sender.expect("ack", cid="c")
        assert receiver.expect(10)["content"] == filler + unit * count
        page = receiver.request(cmd="history", conv=f"{a}:{b}")
        assert len(page["messages"][0]["content"].encode()) == MIB + difference


@pytest.mark.parametrize("difference", [-1, 0, 1])
def test_all_else_counts_as_it_is_written(router, people, chat, binary, difference):
    """`memo` and whatever else there is has 64 KiB together, over every door, beside a content of any size."""
    a, b = people(2)
    members = {"content": "c" * 900_000, "memo": ""}
    empty = len(json.dumps(members, separators=(",", ":"))) - len(json.dumps(members["content"]))
    members["memo"] = "m" * (OTHERS - empty + difference)
    text = json.dumps(members, separators=(",", ":"))
    sender, receiver = chat(a), chat(b)
    answer = router.http("POST", f"/api/conversations/{a}:{b}/messages", text.encode(), bearer=a)
    binary_answer = binary(a).post(b, text.encode(), content=b4.MEMBERS)
    if difference > 0:
        with pytest.raises(Refused) as refusal:
            sender.post(b, **members)
        assert refusal.value.code == "too_large"
        assert (answer.status, answer.json["error"]["code"]) == (413, "too_large")
        assert (binary_answer.kind, binary_answer.code) == (b4.ERROR, "too_large")
    else:
        # The cid of `post` is a part of the message.
        sender.send_text('{"cmd":10,"dstid":"%s",%s' % (b, text[1:]))
        assert (answer.status, binary_answer.kind) == (200, b4.ACK)
        assert all(len(receiver.expect(10)["memo"]) == len(members["memo"]) for _ in range(3))


@pytest.mark.parametrize("difference", [-1, 0, 1])
@pytest.mark.parametrize("kind", ["TEXT", "OPAQUE"])
def test_binary_bodies(people, binary, kind, difference):
    a, b = people(2)
    answer = binary(a).post(b, b"x" * (MIB + difference), content=getattr(b4, kind))
    if difference > 0:
        assert (answer.kind, answer.code) == (b4.ERROR, "too_large")
    else:
        assert answer.kind == b4.ACK


@pytest.mark.parametrize("difference", [-1, 0, 1])
def test_bodies_of_requests(router, people, difference):
    """1 MiB as it is written: over HTTP escapes do count."""
    a, b = people(2)
    content = "\\n" * 1_000
    content += "x" * (MIB + difference - len('{"content":""}') - len(content))
    body = b'{"content":"%s"}' % content.encode()
    assert len(body) == MIB + difference
    answer = router.http("POST", f"/api/conversations/{a}:{b}/messages", body, bearer=a)
    assert answer.status == (413 if difference > 0 else 200)
    if difference > 0:
        assert answer.json["error"]["code"] == "too_large"


TEXTS = [
    ("POST", "/api/register", "name", 1, 256, {"email": "%s@example.org", "password": "correct horse"}),
    ("POST", "/api/register", "email", 3, 254, {"name": "n", "password": "correct horse"}),
    ("POST", "/api/groups", "name", 1, 256, {}),
    ("POST", "/api/contacts/requests", "text", 0, 1_024, {"to": "somebody"}),
    ("GET", "/api/users", "q", 1, 254, {}),
    ("GET", "/api/search", "q", 1, 256, {}),
]


@pytest.mark.parametrize(("method", "path", "field", "least", "most", "others"), TEXTS)
def test_texts_of_the_api(router, people, method, path, field, least, most, others):
    """One rule for all: at most so many bytes, no controls, UTF-8."""
    (a,) = people(1)

    def call(text):
        if method == "GET":
            return router.http("GET", f"{path}?{field}={urllib.parse.quote(text)}", bearer=a)
        # Another account with each call.
        name = f"{a}{next(numbers)}"
        body = {key: value % name if "%s" in value else value for key, value in others.items()}
        return router.http(method, path, body | {field: text}, bearer=a)

    def code(answer):
        return answer.json["error"]["code"] if answer.status >= 400 else answer.status

    numbers = itertools.count()
    # An account's name has at most 64 characters besides.
    wide = "\U0001F600" if path == "/api/register" else "é"
    fill = lambda count: "a@" + "é" * (count // 2 - 1) if field == "email" else wide * (count // len(wide.encode()))
    assert len(fill(most).encode()) == most
    assert code(call(fill(most))) in (200, 201)
    refused = call(fill(most) + "x")
    assert (refused.status, code(refused)) == (413, "too_large")
    if least:
        assert code(call("")) == "bad_request"
    for control in "\x01\x1b\x7f\x85\u2028\u2029":
        assert code(call(f"a@b{control}c")) == "bad_request", repr(control)
    for line in "\n\t":
        isLined = field == "text" or path == "/api/search"
        assert code(call(f"a@b{line}c")) == (200 if isLined else "bad_request"), repr(line)


@pytest.mark.parametrize("path", ["/api/groups", "/api/contacts/requests", "/api/register"])
def test_bodies_are_utf_8(router, people, path):
    (a,) = people(1)
    body = b'{"name":"\xff","text":"\xff","to":"b","email":"\xff@b","password":"correct horse"}'
    answer = router.http("POST", path, body, bearer=a)
    assert (answer.status, answer.json["error"]["code"]) == (400, "bad_request")
