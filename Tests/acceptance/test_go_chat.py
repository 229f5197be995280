"""The Go chat app's message, private and in groups, with all its fields (seed "Chat app by Golang"; contract §3)."""

import pytest

from switchboard import Refused

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
