"""The chat list, unread counts, read positions and messages over HTTP."""

import time
import urllib.parse

import pytest

from switchboard import Refused


def listed(router, user, **query):
    answer = router.http("GET", "/api/conversations?" + urllib.parse.urlencode(query), bearer=user)
    assert answer.status == 200, answer
    return answer.json


def item(router, user, conv):
    return next(item for item in listed(router, user) if item["conv"] == conv)


def path(conv, rest="messages"):
    return f"/api/conversations/{conv}/{rest}"


# The chat list


def test_chat_list(router, chat, people):
    """Who talked with whom, the last message, what is unread, up to where both have read."""
    a, b, c = people(3)
    alice = chat(a)
    assert listed(router, a) == []
    alice.post(b, "one")
    last = alice.post(b, "two", memo="kept")
    alice.post(c, "three")
    first, second = listed(router, a)
    assert [first["conv"], second["conv"]] == [f"{a}:{b}", f"{a}:{c}"], "the oldest activity comes first"
    assert first["kind"] == "private" and first["name"] == b
    assert first["last"] == {
        "cmd": 10, "userid": a, "dstid": b, "content": "two", "memo": "kept", "cid": last["cid"], "id": last["id"],
        "conv": f"{a}:{b}", "cseq": 2, "time": last["time"]}
    assert (first["unread"], first["cursor"], first["peer_cursor"]) == (0, 0, 0), "one's own are never unread"
    assert first["time"] == last["time"]
    (mine,) = listed(router, b)
    assert (mine["conv"], mine["name"], mine["unread"], mine["cursor"]) == (f"{a}:{b}", a, 2, 0)
    bob = chat(b)
    bob.request(cmd="read", conv=f"{a}:{b}", cseq=1)
    assert (item(router, b, f"{a}:{b}")["unread"], item(router, b, f"{a}:{b}")["cursor"]) == (1, 1)
    assert item(router, a, f"{a}:{b}")["peer_cursor"] == 1
    alice.post(b, "four")
    assert [item["conv"] for item in listed(router, a)] == [f"{a}:{c}", f"{a}:{b}"]


def test_names_of_accounts(router, chat, people):
    """Who has an account is listed by its name."""
    a, b = people(2)
    account = {"id": b, "name": "Bobby B.", "email": f"{b}@example.org", "password": "a long enough password"}
    registered = router.http("POST", "/api/register", account)
    assert registered.status in (200, 201), registered
    chat(a).post(b, "hello")
    assert [item["name"] for item in listed(router, a)] == ["Bobby B."]
    assert [item["name"] for item in listed(router, registered.json["token"])] == [a]


def test_chat_list_pages(router, chat, people):
    """`before` is the id of the oldest item; the pages have everything once and are full, the last one is empty. A time
    leads to what was before it."""
    a, *others = people(8)
    alice = chat(a)
    for other in others:
        alice.post(other, "hello")
        time.sleep(0.002)
    for key in ("id", "time"):
        found, query, sizes = [], {"limit": 3}, []
        while page := listed(router, a, **query):
            sizes.append(len(page))
            assert [item["id"] for item in page] == sorted(item["id"] for item in page)
            found = page + found
            query["before"] = page[0][key]
        assert [item["name"] for item in found] == others and sizes == [3, 3, 1]
    assert len(listed(router, a, limit=100_000)) == 7, "above the maximum means the maximum"
    for wrong in ("limit=0", "limit=x", "before=-1", "before=x"):
        assert router.http("GET", f"/api/conversations?{wrong}", bearer=a).status == 400


def test_unread_in_groups(router, chat, people):
    """Each member has a count of its own; groups that were left aren't listed."""
    a, b, c = people(3)
    group = router.group(a, f"{a}_group", b, c)
    alice, bob = chat(a), chat(b)
    for content in ("1", "2", "3"):
        alice.post(group, content, cmd=11)
    bob.post(group, "4", cmd=11)
    assert item(router, a, group)["kind"] == "group" and item(router, a, group)["name"] == group
    assert "peer_cursor" not in item(router, a, group)
    assert [item(router, user, group)["unread"] for user in (a, b, c)] == [1, 3, 4]
    bob.request(cmd="read", conv=group, cseq=2)
    assert item(router, b, group)["unread"] == 1, "one of others behind the cursor, and bob's own"
    bob.request(cmd="read", conv=group, cseq=99)
    assert (item(router, b, group)["unread"], item(router, b, group)["cursor"]) == (0, 4)
    bob.request(cmd="read", conv=group, cseq=1)
    assert item(router, b, group)["cursor"] == 4, "a cursor never goes back"
    assert router.http("DELETE", f"/api/groups/{group}/members/{c}", bearer=c).status == 200
    assert group not in [item["conv"] for item in listed(router, c)]


def test_a_group_without_messages_is_listed(router, chat, people):
    """From when its members are told of it."""
    a, b = people(2)
    sessions = [chat(a), chat(b)]
    group = router.group(a, f"{a}_quiet", b)
    for session, user in zip(sessions, (a, b)):
        session.expect("notify", conv=group)
        quiet = item(router, user, group)
        assert (quiet["last"], quiet["unread"], quiet["cursor"]) == (None, 0, 0)


def test_lists_survive_a_restart(start_router, chat):
    """Cursors and counts are durable, also those that are not in the index yet."""
    own = start_router()
    alice, bob = chat("a", to=own), chat("b", to=own)
    for content in "12345":
        alice.post("b", content)
    bob.request(cmd="read", conv="a:b", cseq=2)
    before = listed(own, "b")
    alice.post("b", "6")
    own.kill()
    own.start()
    assert before[0]["unread"] == 3
    (after,) = listed(own, "b")
    assert (after["unread"], after["cursor"], after["last"]["content"]) == (4, 2, "6")


# Reading


def test_others_are_told_of_a_read(chat, people):
    """The other side's sessions and the reader's own others, in both protocols' frames; not the session that read."""
    a, b = people(2)
    alice, bob, desk = chat(a), chat(b), chat(b, device="desk")
    alice.post(b, "hello")
    assert bob.request(cmd="read", conv=f"{a}:{b}", cseq=7)["cmd"] == "ok"
    told = {"cmd": "read", "conv": f"{a}:{b}", "userid": b, "cseq": 1}
    assert alice.expect("read") == told, "beyond the head means the head"
    assert desk.expect("read") == told
    bob.fence()
    assert all(frame["cmd"] != "read" for frame in bob.backlog)
    bob.send(cmd="read", conv=f"{b}:{a}", cseq=1)
    assert alice.expect("read") == told, "without a ref too, and whichever id comes first"


def test_members_are_told_of_a_read(router, chat, people):
    a, b, c = people(3)
    group = router.group(a, f"{a}_group", b)
    alice, bob, carol = chat(a), chat(b), chat(c)
    alice.post(group, "hello", cmd=11)
    bob.request(cmd="read", conv=group, cseq=1)
    assert alice.expect("read") == {"cmd": "read", "conv": group, "userid": b, "cseq": 1}
    carol.fence()
    assert all(frame["cmd"] != "read" for frame in carol.backlog)


def test_binary_clients_read_too(router, chat, binary, people):
    a, b = people(2)
    alice = chat(a)
    alice.post(b, "hello")
    for options in ({}, {"websocket": True}):
        bob = binary(b, **options)
        bob.command(cmd="read", conv=f"{a}:{b}", cseq=1, ref="r")
        assert bob.event("ok")["ref"] == "r"
        assert alice.expect("read")["userid"] == b
    assert item(router, b, f"{a}:{b}")["unread"] == 0


def test_who_may_not_read(router, chat, people):
    a, b, c = people(3)
    group = router.group(a, f"{a}_group", b)
    chat(a).post(b, "secret")
    carol = chat(c)
    assert carol.refused(cmd="read", conv=f"{a}:{b}", cseq=1) == "forbidden"
    assert carol.refused(cmd="read", conv=group, cseq=1) == "not_member"
    assert carol.refused(cmd="read", conv=f"{a}_none", cseq=1) == "not_found"
    assert carol.refused(cmd="read", cseq=1) == "bad_request"
    assert carol.refused(cmd="read", conv=f"{a}:{c}") == "bad_request"
    assert carol.refused(cmd="read", conv=f"{a}:{c}", cseq="x") == "bad_request"
    assert carol.request(cmd="read", conv=f"{a}:{c}", cseq=1)["cmd"] == "ok", "nothing to read yet"


# Over HTTP


@pytest.mark.parametrize("escaped", [False, True])
def test_messages_over_http(router, chat, people, escaped):
    """Sent, pushed to both, and read back; the colon escaped or not."""
    a, b = people(2)
    conv = urllib.parse.quote(f"{a}:{b}") if escaped else f"{a}:{b}"
    alice, bob = chat(a), chat(b)
    answer = router.http("POST", path(conv), {"content": "hi", "memo": "é", "cid": "x1", "userid": "mallory"}, bearer=a)
    assert answer.status == 200, answer
    ack = answer.json
    assert (ack["cid"], ack["conv"], ack["cseq"], ack["seq"]) == ("x1", f"{a}:{b}", 1, 1) and ack["id"] and ack["time"]
    pushed = {
        "cmd": 10, "userid": a, "dstid": b, "content": "hi", "memo": "é", "cid": "x1", "id": ack["id"],
        "conv": f"{a}:{b}", "cseq": 1, "seq": 1, "time": ack["time"]}
    assert alice.messages(1) == [pushed] and bob.messages(1) == [pushed]
    page = router.http("GET", path(conv), bearer=b).json
    pushed.pop("seq")
    assert page == {"conv": f"{a}:{b}", "messages": [pushed], "more": False}


def test_one_namespace_of_cids(router, chat, people):
    """A resend is recognised whichever way it comes."""
    a, b = people(2)
    alice = chat(a)
    first = alice.post(b, "hi", cid="same")
    again = router.http("POST", path(f"{a}:{b}"), {"content": "hi", "cid": "same"}, bearer=a).json
    assert again.pop("dup") is True
    assert again == {key: first[key] for key in again}
    second = router.http("POST", path(f"{a}:{b}"), {"content": "hi", "cid": "http"}, bearer=a).json
    assert "dup" not in second and second["cseq"] == 2
    assert alice.post(b, "hi", cid="http")["dup"] is True
    third = router.http("POST", path(f"{a}:{b}"), {"content": "none"}, bearer=a).json
    assert "cid" not in third and third["cseq"] == 3


def test_history_pages_over_http(router, chat, people):
    a, b = people(2)
    alice = chat(a)
    for number in range(1, 8):
        alice.post(b, str(number))

    def page(query):
        answer = router.http("GET", path(f"{a}:{b}") + query, bearer=b).json
        return [message["cseq"] for message in answer["messages"]], answer["more"]

    assert page("?limit=3") == ([5, 6, 7], True)
    assert page("?before=5&limit=3") == ([2, 3, 4], True)
    assert page("?before=2&limit=3") == ([1], False)
    assert page("?after=0&limit=3") == ([1, 2, 3], True)
    assert page("?after=5") == ([6, 7], False)
    for wrong in ("?before=1&after=1", "?before=x", "?limit=0"):
        assert router.http("GET", path(f"{a}:{b}") + wrong, bearer=b).status == 400


def test_group_messages_over_http(router, chat, people):
    a, b, c = people(3)
    group = router.group(a, f"{a}_group", b, c)
    router.set_role(a, group, c, "silent")
    bob = chat(b)
    ack = router.http("POST", path(group), {"content": "hello"}, bearer=a).json
    assert ack["conv"] == group and ack["cseq"] == 1
    (message,) = bob.messages(1)
    assert (message["cmd"], message["dstid"], message["content"]) == (11, group, "hello")
    silenced = router.http("POST", path(group), {"content": "no"}, bearer=c)
    assert (silenced.status, silenced.json["error"]["code"]) == (403, "silenced")


def test_reading_over_http(router, chat, people):
    a, b = people(2)
    alice, bob = chat(a), chat(b)
    alice.post(b, "hi")
    assert router.http("POST", path(f"{a}:{b}", "read"), {"cseq": 1}, bearer=b).status == 200
    told = {"cmd": "read", "conv": f"{a}:{b}", "userid": b, "cseq": 1}
    assert alice.expect("read") == told and bob.expect("read") == told
    assert item(router, b, f"{a}:{b}")["unread"] == 0
    for wrong in ({}, {"cseq": -1}, {"cseq": "x"}, []):
        assert router.http("POST", path(f"{a}:{b}", "read"), wrong, bearer=b).status == 400


def test_outsiders(router, chat, people):
    """Nobody sees, writes or reads what isn't theirs; without a token nobody sees anything."""
    a, b, c = people(3)
    group = router.group(a, f"{a}_group", b)
    chat(a).post(b, "secret")
    for conv, code in ((f"{a}:{b}", "forbidden"), (group, "not_member")):
        for method, where, body in (
            ("GET", path(conv), None), ("POST", path(conv), {"content": "x"}), ("POST", path(conv, "read"), {"cseq": 1}),
        ):
            answer = router.http(method, where, body, bearer=c)
            assert (answer.status, answer.json["error"]["code"]) == (403, code), (method, where)
    assert router.http("GET", path(f"{a}_none"), bearer=c).status == 404
    assert router.http("GET", path("a:b:c"), bearer=c).status == 400
    assert router.http("GET", "/api/conversations").status == 401
    assert router.http("POST", path(f"{a}:{b}"), {"content": "x"}).status == 401


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{", b'{"a":1,"a":2}', b'{"content":"\xff"}', b'{"cid":""}', b'{"cid":"' + b"x" * 65 + b'"}'])
def test_what_is_no_message(router, people, body):
    a, b = people(2)
    answer = router.http("POST", path(f"{a}:{b}"), body, bearer=a, headers={"Content-Type": "application/json"})
    assert (answer.status, answer.json["error"]["code"]) == (400, "bad_request")


def test_a_long_list_pages_quickly_and_completely(router, chat, people):
    """Many conversations, some of them active again: each once, in the order of its last activity."""
    (a,) = people(1)
    alice = chat(a)
    names = [f"{a}-{number}" for number in range(300)]
    for number, name in enumerate(names + names[::7]):
        alice.send(cmd=10, dstid=name, content="x", cid=f"c{number}")
    for number in range(300 + len(names[::7])):
        alice.expect("ack")
    expected = [name for name in names if name not in names[::7]] + names[::7]
    for limit in (7, 100):
        found, query, sizes = [], {"limit": limit}, []
        while page := listed(router, a, **query):
            sizes.append(len(page))
            found = page + found
            query["before"] = page[0]["id"]
        assert [item["name"] for item in found] == expected
        assert set(sizes[:-1]) == {limit}, "also where many are of one millisecond"


def view(router, user, conv):
    answer = router.http("GET", f"/api/conversations/{urllib.parse.quote(conv)}", bearer=user)
    assert answer.status == 200, answer
    return answer.json


def test_one_conversation(router, chat, people):
    """As in the chat list, and how far the other one has read; also before anything is said."""
    a, b, c = people(3)
    conv = f"{a}:{b}"
    assert view(router, a, conv) == {
        "conv": conv, "kind": "private", "name": b, "last": None, "unread": 0, "cursor": 0, "readers": []}
    alice, bob = chat(a), chat(b)
    alice.post(b, "1")
    bob.post(a, "2")
    bob.request(cmd="read", conv=conv, cseq=1)
    listed_item = item(router, a, conv)
    del listed_item["id"], listed_item["time"]
    assert view(router, a, conv) == listed_item | {"readers": [{"user": b, "cseq": 1}]}
    assert view(router, b, conv)["readers"] == []
    for user, status in ((c, 403), (a, 200)):
        assert router.http("GET", f"/api/conversations/{conv}", bearer=user).status == status
    assert router.http("GET", "/api/conversations/nowhere", bearer=a).status == 404
    assert router.http("GET", f"/api/conversations/{conv}").status == 401


def test_readers_of_a_group(router, chat, people):
    """What a session was told live is what a new one asks for: each member's position, one's own left out."""
    a, b, c, d, e = people(5)
    group = router.group(a, f"{a}-group", b, c, d)
    alice, bob, carol = chat(a), chat(b), chat(c)
    for content in "123":
        alice.post(group, content, cmd=11)
    told = {}
    for client, user, cseq in ((bob, b, 2), (carol, c, 1), (carol, c, 3), (alice, a, 3)):
        client.request(cmd="read", conv=group, cseq=cseq)
        if client is not alice:
            event = alice.expect("read", userid=user)
            told[event["userid"]] = event["cseq"]
    assert told == {b: 2, c: 3}
    assert {reader["user"]: reader["cseq"] for reader in view(router, a, group)["readers"]} == told
    assert view(router, d, group)["readers"] == [
        {"user": a, "cseq": 3}, {"user": b, "cseq": 2}, {"user": c, "cseq": 3}]
    assert (view(router, d, group)["unread"], view(router, d, group)["last"]["content"]) == (3, "3")
    assert router.http("DELETE", f"/api/groups/{group}/members/{c}", bearer=a).status == 200
    assert view(router, a, group)["readers"] == [{"user": b, "cseq": 2}]
    for outsider in (c, e):
        answer = router.http("GET", f"/api/conversations/{group}", bearer=outsider)
        assert (answer.status, answer.json["error"]["code"]) == (403, "not_member")


def test_readers_of_a_group_that_is_too_large_for_it(router, chat, people):
    (a,) = people(1)
    group = router.group(a, f"{a}-large", *(f"{a}-{number}" for number in range(500)))
    chat(a).post(group, "hello", cmd=11)
    chat(f"{a}-1").request(cmd="read", conv=group, cseq=1)
    assert "readers" not in view(router, a, group)
    assert router.http("DELETE", f"/api/groups/{group}/members/{a}-2", bearer=a).status == 200
    assert view(router, a, group)["readers"] == [{"user": f"{a}-1", "cseq": 1}]
