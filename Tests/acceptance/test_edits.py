"""Edited, recalled and forwarded messages: who may, what everybody sees, and that what was recalled is gone."""

import json
import struct
import threading

import pytest

from binary_protocol import DELIVER, FETCH, FETCHED, MEMBERS, OPAQUE, TEXT, compress, frame

CHANGED = {"cmd", "userid", "seq", "id", "time", "ref"}


def conv(*users):
    return ":".join(sorted(users))


def history(client, conversation):
    return client.request(cmd="history", conv=conversation, limit=1_000)["messages"]


def message(client, conversation, cseq):
    return next(m for m in history(client, conversation) if m["cseq"] == cseq)


def edit(client, conversation, cseq, **fields):
    return client.request(cmd="edit", conv=conversation, cseq=cseq, **fields)


def recall(client, conversation, cseq):
    return client.request(cmd="recall", conv=conversation, cseq=cseq)


def path(conversation, cseq, tail=""):
    return f"/api/conversations/{conversation}/messages/{cseq}{tail}"


def everything(router, client, *conversations):
    """All that a client can read, as one text."""
    parts = [client.fetch_all()] + [history(client, conversation) for conversation in conversations]
    after, synced = 0, []
    sync = f"/timeline/sync?member={client.user}&count=1000&last_read="
    while page := router.http("GET", f"{sync}{after}").json["entrySet"]:
        synced += page
        after = int(page[-1]["sequence"])
    return json.dumps(parts + synced)


class Pair:
    def __init__(self, chat, people):
        self.a, self.b = people(2)
        self.alice, self.bob = chat(self.a), chat(self.b)
        self.conv = conv(self.a, self.b)


@pytest.fixture
def pair(chat, people):
    return Pair(chat, people)


# Edits


def test_everybody_is_told_of_an_edit_and_history_has_it(pair, chat):
    other = chat(pair.a, device="other")
    ack = pair.alice.post(pair.b, "helo", memo="stays", pic="p1")
    for client in (pair.bob, other):
        client.entries(1)
    answer = edit(pair.alice, pair.conv, ack["cseq"], content="hello", pic="p2", extra=[1, {"x": None}])
    assert answer["cmd"] == "ok"
    for client in (pair.alice, pair.bob, other):
        (told,) = client.entries(1)
        assert told["cmd"] == "notify" and told["name"] == "message.edited" and told["userid"] == pair.a
        assert told["conv"] == pair.conv and told["cseq"] == ack["cseq"]
        assert told["content"] == "hello" and told["pic"] == "p2" and told["extra"] == [1, {"x": None}]
        assert "memo" not in told and told["seq"] == 2 and told["time"] >= ack["time"]
    kept = message(pair.bob, pair.conv, ack["cseq"])
    assert kept["content"] == "hello" and kept["memo"] == "stays" and kept["pic"] == "p2"
    assert kept["edited"] == told["time"] and kept["time"] == ack["time"] and kept["id"] == ack["id"]
    entry, notice = pair.bob.fetch_all()
    assert entry["content"] == "hello" and entry["edited"] == told["time"]
    assert notice == told


def test_the_entry_comes_before_the_answer(pair):
    ack = pair.alice.post(pair.b, "x")
    pair.alice.send(cmd="edit", conv=pair.conv, cseq=ack["cseq"], content="y", ref=7)
    assert [pair.alice.next()["cmd"] for _ in range(2)] == ["notify", "ok"]


def test_edits_follow_each_other(pair):
    ack = pair.alice.post(pair.b, "0", a=1)
    for number in range(1, 6):
        pair.alice.send(cmd="edit", conv=pair.conv, cseq=ack["cseq"], content=str(number), **{f"f{number}": number})
    told = [pair.alice.entries(1)[0] for _ in range(5)]
    assert [t["content"] for t in told] == list("12345")
    kept = message(pair.bob, pair.conv, ack["cseq"])
    assert kept["content"] == "5" and kept["a"] == 1 and [kept[f"f{n}"] for n in range(1, 6)] == [1, 2, 3, 4, 5]
    assert kept["edited"] == told[-1]["time"]


def test_a_resent_edit_is_harmless(pair):
    ack = pair.alice.post(pair.b, "x")
    for _ in range(3):
        edit(pair.alice, pair.conv, ack["cseq"], content="y")
    assert message(pair.bob, pair.conv, ack["cseq"])["content"] == "y"
    assert [e["seq"] for e in pair.bob.fetch_all()] == [1, 2, 3, 4]


def test_who_may_not_edit_or_recall(pair, chat, people):
    ack = pair.alice.post(pair.b, "mine")
    (stranger,) = people(1)
    outsider = chat(stranger)
    for client, code in ((pair.bob, "forbidden"), (outsider, "forbidden")):
        assert client.refused(cmd="edit", conv=pair.conv, cseq=ack["cseq"], content="no") == code
        assert client.refused(cmd="recall", conv=pair.conv, cseq=ack["cseq"]) == code
    for cseq in (0, ack["cseq"] + 1, 2**63, 2**64 - 1):
        assert pair.alice.refused(cmd="edit", conv=pair.conv, cseq=cseq, content="no") == "not_found"
        assert pair.alice.refused(cmd="recall", conv=pair.conv, cseq=cseq) == "not_found"
    assert pair.alice.refused(cmd="edit", conv=conv(pair.a, "nobody-at-all"), cseq=1, content="x") == "not_found"
    assert pair.alice.refused(cmd="edit", conv="no-such-group", cseq=1, content="x") == "not_found"
    assert message(pair.bob, pair.conv, ack["cseq"])["content"] == "mine"


@pytest.mark.parametrize("broken", [
    {"cseq": 1, "content": "x"}, {"conv": "C", "content": "x"}, {"conv": "a:b:c", "cseq": 1, "content": "x"},
    {"conv": "C", "cseq": -1, "content": "x"}, {"conv": "C", "cseq": "1", "content": "x"}, {"conv": "C", "cseq": 1},
    {"conv": "C", "cseq": 1, "name": "x"}, {"conv": "C", "cseq": 1, "edited": 1, "recalled": True},
])
def test_a_malformed_edit_is_refused(pair, broken):
    pair.alice.post(pair.b, "as it was")
    fields = broken | ({"conv": pair.conv} if broken.get("conv") == "C" else {})
    assert pair.alice.refused(cmd="edit", **fields) == "bad_request"
    assert message(pair.bob, pair.conv, 1)["content"] == "as it was"


def test_an_edit_can_be_as_large_as_a_message_and_not_larger(pair):
    ack = pair.alice.post(pair.b, "small")
    edit(pair.alice, pair.conv, ack["cseq"], content="x" * (1 << 20))
    assert len(message(pair.bob, pair.conv, ack["cseq"])["content"]) == 1 << 20
    assert pair.alice.refused(cmd="edit", conv=pair.conv, cseq=ack["cseq"], other="y" * (1 << 20)) == "too_large"
    assert len(message(pair.bob, pair.conv, ack["cseq"])["content"]) == 1 << 20


def test_many_edits_at_once_stay_bounded(pair):
    ack = pair.alice.post(pair.b, "small")
    for number in range(48):
        pair.alice.send(cmd="edit", conv=pair.conv, cseq=ack["cseq"], **{f"f{number}": "y" * 60_000})
    pair.alice.entries(31)
    kept = message(pair.bob, pair.conv, ack["cseq"])
    assert len(json.dumps(kept)) < 2 << 20


# Reserved fields


FORGED = {"forward": {"conv": "x:y", "cseq": 1, "userid": "x"}, "recalled": True, "edited": 5}


def test_what_the_server_sets_cannot_be_forged_in_json(pair):
    text = json.dumps({"cmd": 10, "dstid": pair.b, "content": "x", "cid": "f1"} | FORGED)
    pair.alice.send_text(text.replace('"recalled"', '"rec\\u0061lled"').replace('"forward"', '"f\\u006frward"'))
    ack = pair.alice.expect("ack")
    (got,) = pair.bob.entries(1)
    assert not FORGED.keys() & got.keys()
    edit(pair.alice, pair.conv, ack["cseq"], content="y", **FORGED)
    (told,) = pair.bob.entries(1)
    assert not FORGED.keys() & told.keys()
    kept = message(pair.bob, pair.conv, ack["cseq"])
    assert kept["edited"] == told["time"] and "forward" not in kept and "recalled" not in kept


@pytest.mark.parametrize("compressed", [False, True])
def test_what_the_server_sets_cannot_be_forged_in_binary(pair, binary, compressed):
    client = binary(pair.a)
    body = json.dumps({"content": "x", "seq": 9} | FORGED).encode()
    client.post(pair.b, compress(body) if compressed else body, content=MEMBERS, compressed=compressed)
    (got,) = pair.bob.entries(1)
    assert got["content"] == "x" and got["seq"] == 1 and not FORGED.keys() & got.keys()
    assert not FORGED.keys() & message(pair.bob, pair.conv, 1).keys()


# Recalls


def test_a_recalled_message_keeps_its_place_and_nothing_else(router, pair, chat):
    other = chat(pair.a, device="other")
    pair.alice.post(pair.b, "before")
    ack = pair.alice.post(pair.b, "secret-1", memo="secret-2")
    pair.alice.post(pair.b, "after")
    edit(pair.alice, pair.conv, ack["cseq"], content="secret-3", more="secret-4")
    edit(pair.alice, pair.conv, ack["cseq"], content="secret-5")
    assert recall(pair.alice, pair.conv, ack["cseq"])["cmd"] == "ok"
    for client in (pair.alice, pair.bob, other):
        told = client.take(lambda f: f.get("name") == "message.recalled")
        assert told["cmd"] == "notify" and told["userid"] == pair.a
        assert {k: v for k, v in told.items() if k not in CHANGED} == {
            "name": "message.recalled", "conv": pair.conv, "cseq": ack["cseq"]}
    for client in (pair.alice, pair.bob):
        assert "secret" not in everything(router, client, pair.conv)
        messages = history(client, pair.conv)
        assert [m["cseq"] for m in messages] == [1, 2, 3]
        gone = messages[1]
        assert gone["recalled"] is True and gone["id"] == ack["id"] and gone["userid"] == pair.a
        assert gone["time"] == ack["time"] and not {"content", "memo", "edited", "more"} & gone.keys()
        assert [e["seq"] for e in client.fetch_all()] == [1, 2, 3, 4, 5, 6]


def test_recall_is_idempotent_and_final(pair):
    ack = pair.alice.post(pair.b, "gone")
    for _ in range(3):
        assert recall(pair.alice, pair.conv, ack["cseq"])["cmd"] == "ok"
    assert len(pair.bob.fetch_all()) == 2
    assert pair.alice.refused(cmd="edit", conv=pair.conv, cseq=ack["cseq"], content="back") == "conflict"
    assert pair.alice.refused(cmd="forward", conv=pair.conv, cseq=ack["cseq"], dstid=pair.b) == "conflict"
    assert pair.alice.post(pair.b, "gone", cid=ack["cid"])["dup"] is True
    assert len(pair.bob.fetch_all()) == 2


def test_a_session_that_comes_later_never_sees_what_was_recalled(pair, chat):
    ack = pair.alice.post(pair.b, "secret")
    edit(pair.alice, pair.conv, ack["cseq"], content="secret too")
    recall(pair.alice, pair.conv, ack["cseq"])
    late = chat(pair.b, device="late", after=0)
    entries = late.entries(3)
    assert "secret" not in json.dumps(entries)
    assert [e.get("name") for e in entries] == [None, "message.edited", "message.recalled"]


@pytest.mark.parametrize("round_number", range(5))
def test_edits_and_recalls_that_race_end_alike_for_everybody(router, pair, chat, round_number):
    """Two sessions edit, one recalls, all at once: everybody is told the same, and nothing after the recall."""
    ack = pair.alice.post(pair.b, "secret")
    clients = [chat(pair.a, device=f"d{n}") for n in range(3)]

    def run(client, number):
        for turn in range(20):
            if number == 2 and turn == 10:
                client.send(cmd="recall", conv=pair.conv, cseq=ack["cseq"], ref="last")
            elif number < 2:
                client.send(cmd="edit", conv=pair.conv, cseq=ack["cseq"], content=f"secret {number} {turn}", ref=turn)
        if number < 2:
            codes = [client.take(lambda f, t=t: f.get("ref") == t).get("code") for t in range(20)]
            assert set(codes) <= {None, "conflict"}, codes
            first = codes.index("conflict") if "conflict" in codes else len(codes)
            assert set(codes[first:]) <= {"conflict"}, codes
        else:
            assert client.take(lambda f: f.get("ref") == "last")["cmd"] == "ok"

    threads = [threading.Thread(target=run, args=(c, n)) for n, c in enumerate(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for client in (pair.alice, pair.bob):
        entries = client.fetch_all()
        assert entries[-1]["name"] == "message.recalled", "nothing is told after the recall"
        assert "secret" not in json.dumps(entries)
    pushed = pair.bob.take(lambda f: f.get("name") == "message.recalled")
    assert not [f for f in pair.bob.backlog if f.get("seq", 0) > pushed["seq"]]


# Groups


@pytest.fixture
def group(router, chat, people):
    owner, moderator, author, silent, outsider = people(5)
    name = router.group(owner, f"g-{owner}", moderator, author, silent)
    router.set_role(owner, name, moderator, "moderator")
    clients = {role: chat(user) for role, user in {
        "admin": owner, "moderator": moderator, "author": author, "member": silent, "outsider": outsider}.items()}
    clients["name"] = name
    return clients


@pytest.mark.parametrize("role", ["author", "admin", "moderator"])
def test_in_a_group_author_admins_and_moderators_may(group, role):
    conversation = group["name"]
    ack = group["author"].post(conversation, "first", cmd=11)
    edit(group[role], conversation, ack["cseq"], content="second")
    for reader in ("author", "admin", "moderator", "member"):
        told = group[reader].expect("notify", name="message.edited")
        assert told["userid"] == group[role].user and told["conv"] == conversation and told["content"] == "second"
    kept = message(group["member"], conversation, ack["cseq"])
    assert kept["content"] == "second" and kept["userid"] == group["author"].user
    recall(group[role], conversation, ack["cseq"])
    for reader in ("author", "admin", "moderator", "member"):
        told = group[reader].expect("notify", name="message.recalled")
        assert told["userid"] == group[role].user and told["cseq"] == ack["cseq"]
    assert message(group["member"], conversation, ack["cseq"])["recalled"] is True


def test_in_a_group_others_may_not(router, group):
    conversation = group["name"]
    ack = group["author"].post(conversation, "first", cmd=11)
    for who, code in (("member", "forbidden"), ("outsider", "not_member")):
        for fields in ({"cmd": "edit", "content": "no"}, {"cmd": "recall"}):
            assert group[who].refused(conv=conversation, cseq=ack["cseq"], **fields) == code
    router.set_role(group["admin"].user, conversation, group["author"].user, "silent")
    assert group["author"].refused(cmd="edit", conv=conversation, cseq=ack["cseq"], content="x") == "silenced"
    assert recall(group["author"], conversation, ack["cseq"])["cmd"] == "ok"


# Forwards


def test_a_forward_is_a_message_that_says_where_it_comes_from(pair, chat, people):
    (c,) = people(1)
    carol = chat(c)
    ack = pair.alice.post(pair.b, "news", memo="m", reply=1)
    edit(pair.alice, pair.conv, ack["cseq"], content="better news")
    copy = pair.bob.request(cmd="forward", conv=pair.conv, cseq=ack["cseq"], dstid=c, cid="fw1", content="ignored")
    assert copy["cmd"] == "ack" and copy["cid"] == "fw1" and copy["conv"] == conv(pair.b, c) and copy["cseq"] == 1
    (got,) = carol.entries(1)
    assert got["cmd"] == 10 and got["userid"] == pair.b and got["content"] == "better news" and got["memo"] == "m"
    assert got["forward"] == {"conv": pair.conv, "cseq": ack["cseq"], "userid": pair.a} and "edited" not in got
    again = pair.bob.request(cmd="forward", conv=pair.conv, cseq=ack["cseq"], dstid=c, cid="fw1")
    assert again["dup"] is True and again["id"] == copy["id"]
    # Of a copy that is forwarded in turn, the last one counts; a copy stays when its original is recalled.
    onward = carol.request(cmd="forward", conv=conv(pair.b, c), cseq=1, dstid=pair.a)
    assert onward["conv"] == conv(pair.a, c)
    recall(pair.alice, pair.conv, ack["cseq"])
    kept = message(carol, conv(pair.a, c), onward["cseq"])
    assert kept["content"] == "better news"
    assert kept["forward"] == {"conv": conv(pair.b, c), "cseq": 1, "userid": pair.b}


def test_only_what_one_may_read_can_be_forwarded(group, pair):
    ack = pair.alice.post(pair.b, "private")
    outsider = group["outsider"]
    assert outsider.refused(cmd="forward", conv=pair.conv, cseq=ack["cseq"], dstid=pair.a) == "forbidden"
    inside = group["author"].post(group["name"], "inside", cmd=11)
    assert outsider.refused(cmd="forward", conv=group["name"], cseq=inside["cseq"], dstid=pair.a) == "not_member"
    assert pair.alice.refused(cmd="forward", conv=pair.conv, cseq=99, dstid=pair.b) == "not_found"
    assert pair.alice.refused(cmd="forward", conv=pair.conv, cseq=1) == "bad_request"


def test_a_forward_to_a_group_needs_its_membership(router, group, pair):
    ack = group["author"].post(group["name"], "to all", cmd=11)
    own = router.group(group["author"].user, f"h-{pair.a}", group["member"].user)
    copy = group["author"].request(cmd="forward", conv=group["name"], cseq=ack["cseq"], dstid=own, group=True)
    assert copy["conv"] == own and copy["cseq"] == 1
    got = group["member"].take(lambda f: f.get("cmd") == 11 and "forward" in f)
    assert got["dstid"] == own and got["forward"]["conv"] == group["name"] and "group" not in got
    refusal = group["moderator"].refused(cmd="forward", conv=group["name"], cseq=ack["cseq"], dstid=own, group=True)
    assert refusal == "not_member"


# Binary


@pytest.mark.parametrize("content,body,field", [
    (TEXT, "text é\n".encode(), "text é\n"), (OPAQUE, bytes(range(256)), None),
    (MEMBERS, b' { "content" : "m" , "k" : [ 1 ] } ', "m"),
])
@pytest.mark.parametrize("compressed", [False, True])
def test_messages_that_came_in_binary_are_edited(pair, binary, content, body, field, compressed):
    client = binary(pair.a)
    client.post(pair.b, compress(body) if compressed else body, content=content, compressed=compressed)
    (got,) = pair.bob.entries(1)
    edit(pair.alice, pair.conv, got["cseq"], memo="added")
    kept = message(pair.bob, pair.conv, got["cseq"])
    assert kept["content"] == got["content"] and kept["memo"] == "added" and kept["edited"]
    assert kept.get("encoding") == ("base64" if content == OPAQUE else None) and kept.get("k") == got.get("k")
    edit(pair.alice, pair.conv, got["cseq"], content="plain")
    kept = message(pair.bob, pair.conv, got["cseq"])
    assert kept["content"] == "plain" and kept["memo"] == "added" and "encoding" not in kept
    copy = pair.bob.request(cmd="forward", conv=pair.conv, cseq=got["cseq"], dstid=pair.a)
    assert message(pair.bob, pair.conv, copy["cseq"])["content"] == "plain"
    recall(pair.alice, pair.conv, got["cseq"])
    assert message(pair.bob, pair.conv, got["cseq"])["recalled"] is True


def test_binary_clients_command_and_are_told_in_events(pair, binary):
    anna, ben = binary(pair.a), binary(pair.b)
    anna.post(pair.b, b"first")
    anna.command(cmd="edit", conv=pair.conv, cseq=1, content="second", ref="e")
    told = ben.event("notify")
    assert told["name"] == "message.edited" and told["content"] == "second" and told["seq"] == 2
    assert anna.event("notify") == told
    assert anna.event("ok")["ref"] == "e"
    anna.command(cmd="recall", conv=pair.conv, cseq=1)
    assert ben.event("notify")["name"] == "message.recalled"
    ben.raw(frame(FETCH, struct.pack("<QI", 0, 10)))
    got = ben.expect(DELIVER, seq=1, content=MEMBERS)
    assert json.loads(got.body) == {"recalled": True}
    ben.expect(FETCHED)


# HTTP


def test_http_edits_recalls_and_forwards(router, pair, people):
    ack = pair.alice.post(pair.b, "over http")
    answer = router.http("PATCH", path(pair.conv, ack["cseq"]), {"content": "edited", "recalled": True}, bearer=pair.a)
    assert answer.status == 200 and answer.json["conv"] == pair.conv and answer.json["cseq"] == ack["cseq"]
    told = pair.alice.expect("notify", name="message.edited")
    assert told["content"] == "edited" and told["time"] == answer.json["edited"] and "recalled" not in told
    escaped = path(pair.conv.replace(":", "%3A"), ack["cseq"], "/forward")
    copy = router.http("POST", escaped, {"to": pair.b, "cid": "h1"}, bearer=pair.a)
    assert copy.status == 200 and copy.json["conv"] == pair.conv and copy.json["cseq"] == ack["cseq"] + 1, copy
    assert {"id", "seq", "time", "cid"} <= copy.json.keys() and copy.json["cid"] == "h1"
    assert router.http("POST", escaped, {"to": pair.b, "cid": "h1"}, bearer=pair.a).json["dup"] is True
    got = pair.bob.take(lambda f: "forward" in f)
    assert got["content"] == "edited" and got["userid"] == pair.a
    for _ in range(2):
        assert router.http("DELETE", path(pair.conv, ack["cseq"]), bearer=pair.a).status == 200
    pair.bob.expect("notify", name="message.recalled")
    assert message(pair.bob, pair.conv, ack["cseq"])["recalled"] is True
    assert router.http("PATCH", path(pair.conv, ack["cseq"]), {"content": "x"}, bearer=pair.a).status == 409
    assert len(pair.bob.fetch_all()) == 4


def test_http_refusals(router, pair, people):
    (stranger,) = people(1)
    ack = pair.alice.post(pair.b, "x")
    one = path(pair.conv, ack["cseq"])

    def status(method, where, body=None, bearer=pair.a):
        answer = router.http(method, where, body, bearer=bearer)
        assert answer.status == 200 or answer.json["error"]["code"], answer
        return answer.status

    assert status("PATCH", one, {"content": "y"}, bearer=None) == 401
    assert status("DELETE", one, bearer=None) == 401
    assert status("PATCH", one, {"content": "y"}, bearer=pair.b) == 403
    assert status("DELETE", one, bearer=stranger) == 403
    assert status("POST", one + "/forward", {"to": pair.a}, bearer=stranger) == 403
    assert status("GET", one + "/edits", bearer=pair.b) == 403
    assert status("DELETE", path(pair.conv, 99)) == 404
    assert status("PATCH", path(pair.conv, "x"), {"content": "y"}) == 400
    assert status("PATCH", path("a:b:c", 1), {"content": "y"}) == 400
    for body in ({}, {"name": "x"}, b"no json", b"[]", b'{"a":1,"a":2}'):
        assert status("PATCH", one, body) == 400
    assert status("POST", one + "/forward", {}) == 400
    assert status("POST", one + "/forward", {"to": "a b"}) == 400
    assert status("POST", one + "/forward", {"to": pair.b, "cid": ""}) == 400
    assert message(pair.bob, pair.conv, ack["cseq"])["content"] == "x"


def test_earlier_versions_are_for_author_and_admins(router, group):
    conversation = group["name"]
    ack = group["author"].post(conversation, "v1", cmd=11, memo="m")
    edit(group["author"], conversation, ack["cseq"], content="v2")
    edit(group["moderator"], conversation, ack["cseq"], content="v3")
    where = path(conversation, ack["cseq"], "/edits")
    for who, status in (("author", 200), ("admin", 200), ("moderator", 403), ("member", 403), ("outsider", 403)):
        assert router.http("GET", where, bearer=group[who].user).status == status
    page = router.http("GET", where, bearer=group["admin"].user).json
    assert page["conv"] == conversation and page["cseq"] == ack["cseq"] and page["more"] is False
    first, second = page["edits"]
    author = group["author"].user
    assert first["content"] == "v1" and first["memo"] == "m" and first["time"] == ack["time"] and "edited" not in first
    assert second["content"] == "v2" and second["memo"] == "m" and second["userid"] == author == first["userid"]
    part = router.http("GET", where + "?limit=1", bearer=author).json
    assert part["edits"] == [first] and part["more"] is True
    rest = router.http("GET", where + f"?after={first['id']}", bearer=author).json
    assert rest["edits"] == [second] and rest["more"] is False
    recall(group["admin"], conversation, ack["cseq"])
    assert router.http("GET", where, bearer=author).json["edits"] == []
