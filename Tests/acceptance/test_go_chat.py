"""The Go chat app's message, private and in groups, with all its fields (seed "Chat app by Golang"; contract §3).

The client's: its queue of messages and the making of previews. Out of scope here: figures of performance, which are for
`bench`, the operator's limits of open files, and growing over several machines. HTTPS and HTTP/2 aren't served yet.
"""

import time

import pytest
from websockets.exceptions import InvalidStatus

from binary_protocol import ACK, DELIVER, READS_LZ4, TEXT, compress
from switchboard import Refused, Router
from test_media import ask as ask_for_upload, media_router, s3, send as http_send  # noqa: F401 (two are fixtures)
from test_sign_in import SECRET, token
from test_websocket import PING, PONG, Echo
from test_websocket import TEXT as TEXT_FRAME, frame as websocket_frame

FIELDS = {
    "media": 4, "content": "text 在吗？", "pic": "http://r.example/p.png", "url": "http://r.example/v.mp4",
    "memo": "a simple description", "amount": 12,
}


def test_private_message_with_every_field(people, chat):
    """All fields of the app's message reach the recipient; who sent it and its id are the server's."""
    a, b = people(2)
    sender, receiver = chat(a), chat(b)
    ack = sender.post(b, id=77, userid="forged", **FIELDS)
    frame = receiver.expect(10)
    assert {k: frame[k] for k in FIELDS} == FIELDS
    assert (frame["cmd"], frame["userid"], frame["dstid"], frame["id"]) == (10, a, b, ack["id"])
    assert ack["id"] != 77


def test_integer_ids(chat, people):
    """The app's ids are integers: 8001 and "8001" name the same user, and go out as a string."""
    (a,) = people(1)
    receiver, sender = chat("8001"), chat("8002")
    ack = sender.post(8001, "to an integer")
    assert ack["conv"] == "8001:8002"
    frame = receiver.expect(10, content="to an integer")
    assert (frame["dstid"], frame["userid"]) == ("8001", "8002")
    chat(a).post("8001", "to a string")
    assert receiver.expect(10, content="to a string")["dstid"] == "8001"


def test_amount_as_it_was_written(people, chat):
    """The router doesn't interpret a message's fields: numbers and strings stay what they were."""
    a, b = people(2)
    sender, receiver = chat(a), chat(b)
    for amount in (0, -1, "12", 2**53, 1.25):
        sender.post(b, amount=amount)
        assert receiver.expect(10)["amount"] == amount


def test_unknown_fields_reach_the_recipient_untouched(people, chat):
    """Fields the server doesn't know are part of the message, live and in the inbox."""
    a, b = people(2)
    sender, receiver = chat(a), chat(b)
    extra = {
        "x-app": {"nested": [1, {"deep": None}], "empty": {}}, "flag": False, "ключ": "значение", "n": 1e-7}
    sender.post(b, "with more", **extra)
    frame = receiver.expect(10)
    assert {k: frame[k] for k in extra} == extra
    entry = receiver.request(cmd="fetch", after=0)["entries"][0]
    assert {k: entry[k] for k in extra} == extra


def test_unknown_fields_keep_their_bytes(people, chat):
    """`untouched` is meant literally: a number too long for a double and an escape keep their writing."""
    a, b = people(2)
    sender, receiver = chat(a), chat(b)
    member = r'"big":123456789012345678901234567890.5,"escape":"\u00fc\/"'
    sender.send_text('{"cmd":10,"dstid":"%s","cid":"x",%s}' % (b, member))
    sender.expect("ack", cid="x")
    text = receiver.socket.recv(timeout=10)
    assert '"big":123456789012345678901234567890.5' in text
    assert r'"escape":"\u00fc\/"' in text


RESERVED = {
    "userid": "forged", "id": 1, "conv": "forged", "cseq": 999, "seq": 999, "time": 1, "forward": {"userid": "x"},
    "recalled": True, "edited": 1,
}


def test_reserved_fields_are_dropped(people, chat):
    """The server's own fields can't be forged: a sender's values are dropped, the message goes through."""
    a, b = people(2)
    sender, receiver = chat(a), chat(b)
    ack = sender.post(b, "genuine", **RESERVED)
    live = receiver.expect(10)
    stored = receiver.request(cmd="fetch", after=0)["entries"][0]
    for frame in (live, stored):
        assert (frame["userid"], frame["conv"], frame["content"]) == (a, f"{a}:{b}", "genuine")
        assert (frame["id"], frame["cseq"], frame["time"]) == (ack["id"], ack["cseq"], ack["time"])
        assert frame["seq"] == 1
        assert not {"forward", "recalled", "edited"} & set(frame), frame


def test_the_senders_requests_are_not_forwarded(people, chat):
    """`ref`, `level` and `device` speak to the server and never reach the recipient."""
    a, b = people(2)
    sender, receiver = chat(a), chat(b)
    sender.post(b, "plain", ref="mine", level="durable", device="phone")
    live = receiver.expect(10)
    stored = receiver.request(cmd="fetch", after=0)["entries"][0]
    for frame in (live, stored):
        assert not {"ref", "level", "device"} & set(frame), frame


def test_group_message(router, people, chat):
    """A group message reaches every member's session, with the group as destination and conversation."""
    a, b, c, outsider = people(4)
    group = router.group(a, f"group-{a}", b, c)
    clients = [chat(user) for user in (a, b, c)]
    listener = chat(outsider)
    ack = clients[0].post(group, cmd=11, **FIELDS)
    assert ack["conv"] == group
    for client in clients[1:]:
        frame = client.expect(11)
        assert {k: frame[k] for k in FIELDS} == FIELDS
        assert (frame["userid"], frame["dstid"], frame["conv"], frame["cseq"]) == (a, group, group, ack["cseq"])
    clients[0].post(outsider, "marker")
    assert listener.messages(1)[0]["content"] == "marker", "a group message reached an outsider"


def test_members_hear_of_their_invitation(router, people, chat):
    """Being put into a group is a durable notification: the member's inbox has it."""
    a, b = people(2)
    listener = chat(b)
    group = router.group(a, f"group-{a}", b)
    notice = listener.expect("notify")
    assert (notice["name"], notice["userid"], notice["seq"]) == ("group.invited", a, 1)
    assert group in notice.values() and isinstance(notice["time"], int)


def test_who_is_no_member_cannot_send(router, people, chat):
    """`not_member`, and nobody sees the message."""
    a, b, outsider = people(3)
    group = router.group(a, f"group-{a}", b)
    member = chat(b)
    with pytest.raises(Refused) as refusal:
        chat(outsider).post(group, "let me in", cmd=11)
    assert refusal.value.code == "not_member"
    chat(a).post(group, "among us", cmd=11)
    assert member.messages(1)[0]["content"] == "among us"


def test_silent_members_read_only(router, people, chat):
    """The role `silent` may not send until the role changes, and still receives."""
    a, b = people(2)
    group = router.group(a, f"group-{a}", b)
    admin, quiet = chat(a), chat(b)
    router.set_role(a, group, b, "silent")
    with pytest.raises(Refused) as refusal:
        quiet.post(group, "mm", cmd=11)
    assert refusal.value.code == "silenced"
    admin.post(group, "you may listen", cmd=11)
    assert quiet.expect(11)["content"] == "you may listen"
    router.set_role(a, group, b, "member")
    quiet.post(group, "thanks", cmd=11)
    assert admin.expect(11)["content"] == "thanks"


def test_roles_are_for_admins_to_give(router, people):
    """A plain member can't change roles, its own neither."""
    a, b = people(2)
    group = router.group(a, f"group-{a}", b)
    answer = router.http("PATCH", f"/api/groups/{group}/members/{b}", {"role": "admin"}, bearer=b)
    assert (answer.status, answer.json["error"]["code"]) == (403, "forbidden"), answer


def test_unknown_group(people, chat):
    """A group that doesn't exist takes no messages."""
    (a,) = people(1)
    with pytest.raises(Refused) as refusal:
        chat(a).post(f"no-group-{a}", "hello?", cmd=11)
    assert refusal.value.code in ("not_found", "not_member")


# Signing in


@pytest.fixture(scope="module")
def strict(tmp_path_factory):
    """Believes nobody without a token, on several loops: its map of users to connections is in parts."""
    router = Router(tmp_path_factory.mktemp("go"), "--jwt-secret", SECRET, "--loops", "3", dev=False).start()
    yield router
    router.stop()


def test_id_and_token(strict, chat):
    """`/chat?id=uid&token=token` checks both before there is a connection."""
    assert chat("8001", to=strict, token=token("8001")).welcome["userid"] == "8001"
    for query in (
        f"id=8001&token={token('8002')}", f"id=8001&token={token('8001')}x", "id=8001&token=8001", "id=8001",
        f"id=8001&token={token('8001', exp=int(time.time()) - 600)}", f"token={token('8001')}",
    ):
        with pytest.raises(InvalidStatus) as refusal:
            strict.websocket(f"/chat?{query}")
        assert refusal.value.response.status_code in ((401,) if query.startswith("id=") else (400, 401)), query


def test_login_gives_the_token(strict, chat):
    """Auth and login: a user who registered logs in and connects with what the login gave, until the logout."""
    account = {"id": "9001", "email": "9001@example.org", "name": "Number 9001", "password": "a long password"}
    assert strict.http("POST", "/api/register", account).status == 201
    assert strict.http("POST", "/api/login", {"id": "9001", "password": "not the password"}).status == 401
    answer = strict.http("POST", "/api/login", {"id": "9001", "password": "a long password"})
    assert answer.status == 200 and answer.json["user"]["name"] == "Number 9001"
    client = chat("9001", to=strict, token=answer.json["token"])
    chat("9002", to=strict, token=token("9002")).post(9001, "welcome")
    assert client.expect(10)["userid"] == "9002"
    assert strict.http("POST", "/api/logout", {}, bearer=answer.json["token"]).status == 200
    assert client.close_code() == 4001


# Connections


def test_every_connection_of_a_user(strict, chat, people):
    """The map finds all of a user's connections, on whichever loop; who has none finds the message later."""
    a, b, absent = people(3)
    group = strict.group(token(a), f"group-{a}", b, absent)
    sender = chat(a, to=strict, token=token(a))
    connections = [chat(b, to=strict, token=token(b)) for _ in range(6)]
    sender.post(b, "private")
    sender.post(group, "in the group", cmd=11)
    for connection in connections:
        assert [m["content"] for m in connection.messages(2)] == ["private", "in the group"]
    late = chat(absent, to=strict, token=token(absent), after=0)
    assert late.messages(1)[0]["content"] == "in the group"


def test_a_queue_of_messages(people, chat):
    """What a client's queue sends without waiting is answered and delivered in its order."""
    a, b = people(2)
    sender, receiver = chat(a), chat(b)
    for number in range(500):
        sender.send(cmd=10, dstid=b, content=str(number), cid=f"q{number}")
    acks = [sender.expect("ack") for _ in range(500)]
    assert [ack["cid"] for ack in acks] == [f"q{number}" for number in range(500)]
    assert [ack["cseq"] for ack in acks] == list(range(1, 501))
    ids = [ack["id"] for ack in acks]
    assert ids == sorted(set(ids)) and ids[-1] < 2**53
    assert [m["content"] for m in receiver.messages(500)] == [str(number) for number in range(500)]


def test_every_interface(router, people, chat, binary):
    """TCP, WebSocket in text and in binary, and HTTP: each brings a message to a connection of each kind."""
    a, b = people(2)
    receivers = [binary(b), binary(b, websocket=True)]
    web = chat(b)
    chat(a).post(b, "text frame")
    assert binary(a).post(b, b"TCP").kind == ACK
    assert binary(a, websocket=True).post(b, b"binary frame").kind == ACK
    answer = router.http("POST", f"/api/conversations/{a}:{b}/messages", {"content": "HTTP"}, bearer=a)
    assert answer.status == 200 and answer.json["cseq"] == 4
    assert [m["content"] for m in web.messages(4)] == ["text frame", "TCP", "binary frame", "HTTP"]
    for receiver in receivers:
        delivered = [receiver.expect(DELIVER) for _ in range(4)]
        assert [(d.cseq, d.sender) for d in delivered] == [(n, a) for n in (1, 2, 3, 4)]
        assert [delivered[1].body, delivered[2].body] == [b"TCP", b"binary frame"]


@pytest.mark.slow
def test_the_server_beats_after_30_seconds(router, people):
    """The next heartbeat is due 30 s after the latest message, not earlier; who answers it stays."""
    (a,) = people(1)
    client = Echo(router, f"/chat?id={a}")
    try:
        assert client.read()[0] == TEXT_FRAME, "welcome"
        time.sleep(5)
        client.send(websocket_frame(TEXT_FRAME, b'{"cmd":0}'))
        assert client.read() == (TEXT_FRAME, b'{"cmd":0}')
        latest = time.monotonic()
        client.wire.sock.settimeout(40)
        kind, payload = client.read()
        assert kind == PING and 29 < time.monotonic() - latest < 35
        client.send(websocket_frame(PONG, payload), websocket_frame(TEXT_FRAME, b'{"cmd":0}'))
        assert client.read() == (TEXT_FRAME, b'{"cmd":0}')
    finally:
        client.wire.close()


def test_the_beat_is_announced(people, chat):
    """A client learns every how many seconds to expect a sign of life."""
    (a,) = people(1)
    assert chat(a).welcome["heartbeat"] == 30


# Resources and compression


def test_resources_go_to_their_own_server(media_router, people, chat):  # noqa: F811 (a fixture)
    """Picture and preview are uploaded elsewhere, and a group gets their addresses alone: content by URL."""
    a, b, c = people(3)
    group = media_router.group(a, f"group-{a}", b, c)
    members = [chat(user, to=media_router) for user in (b, c)]
    files = {"pic": b"\x89PNG preview", "url": b"\x89PNG original" * 5_000}
    addresses = {}
    for field, data in files.items():
        agreed = ask_for_upload(media_router, a, name=f"{field}.png", size=len(data)).json
        assert http_send("PUT", agreed["put"], data, {"Content-Type": "image/png"})[0] == 200
        addresses[field] = agreed["url"]
    chat(a, to=media_router).post(group, cmd=11, media=4, memo="a cat", amount=len(files["url"]), **addresses)
    for member in members:
        message = member.expect(11)
        assert (message["media"], message["memo"], message["amount"]) == (4, "a cat", len(files["url"]))
        assert "content" not in message
        for field, data in files.items():
            status, headers, got = http_send("GET", message[field])
            assert (status, got, headers["Content-Type"]) == (200, data, "image/png")


def test_compressed_body(people, chat, binary):
    """A body that comes in compressed goes out so to who reads that, and readable to the others."""
    a, b = people(2)
    web, reader = chat(b), binary(b, features=READS_LZ4)
    text = "a message that says the same again and again " * 500
    body = compress(text.encode())
    assert len(body) < len(text) / 10
    assert binary(a).post(b, body, compressed=True).kind == ACK
    got = reader.expect(DELIVER)
    assert (got.compressed, got.content, got.body) == (True, TEXT, body)
    assert web.expect(10)["content"] == text
