"""Contacts, requests, blocks, and what becomes of messages from strangers (contract §3, §5, §6)."""

import time

import pytest

import binary_protocol as b4
from switchboard import PATIENCE, Refused

LOOPS = ("--loops", "3")


@pytest.fixture(params=["deliver", "hold", "reject"])
def policy(request):
    return request.param


@pytest.fixture
def own(start_router):
    """Starts a router with a policy for strangers, on several loops."""
    return lambda policy, **settings: start_router("--strangers", policy, *LOOPS, **settings)


def call(router, user, method, path, body=None, status=200):
    answer = router.http(method, path, body, bearer=user)
    assert answer.status == status, answer
    return answer.json


def refused(router, user, method, path, body=None):
    answer = router.http(method, path, body, bearer=user)
    assert answer.status >= 400, answer
    return answer.json["error"]["code"]


def ask(router, user, other, **more):
    return call(router, user, "POST", "/api/contacts/requests", {"to": other} | more)


def accept(router, user, other):
    return call(router, user, "POST", f"/api/contacts/requests/{other}/accept")


def befriend(router, user, other):
    ask(router, user, other)
    accept(router, other, user)


def contacts(router, user):
    return [entry["user"] for entry in call(router, user, "GET", "/api/contacts")]


def requests(router, user):
    return [(r["from"], r["to"], r["direction"]) for r in call(router, user, "GET", "/api/contacts/requests")]


def notices(client, count=1):
    return [client.expect("notify") for _ in range(count)]


def silent(client):
    """Nothing has come to a session but answers."""
    client.fence()
    time.sleep(0.05)
    client.fence()
    return not client.backlog


def contents(messages):
    return [message["content"] for message in messages]


def wait_inbox(client, count):
    """The inbox once it has `count` entries; it must not get more."""
    deadline = time.monotonic() + PATIENCE
    while len(entries := client.fetch_all()) < count and time.monotonic() < deadline:
        time.sleep(0.02)
    assert len(entries) == count, entries
    assert [entry["seq"] for entry in entries] == list(range(1, count + 1))
    return entries


# Requests


def test_request_and_accept(router, people, chat):
    """Both are told, both have a contact, and the request is gone."""
    a, b = people(2)
    alice, bob = chat(a), chat(b)
    conv = f"{a}:{b}"
    assert ask(router, a, b, text="it's me") == {"user": b, "conv": conv, "state": "pending"}
    told = notices(bob)[0]
    assert (told["name"], told["userid"], told["user"], told["conv"], told["text"], told["seq"]) == (
        "contact.request", a, b, conv, "it's me", 1)
    assert requests(router, a) == [(a, b, "outgoing")]
    assert requests(router, b) == [(a, b, "incoming")]
    assert contacts(router, a) == contacts(router, b) == []
    assert accept(router, b, a) == {"user": a, "conv": conv, "state": "contact"}
    for client in (alice, bob):
        told = notices(client)[0]
        assert (told["name"], told["userid"], told["user"], told["conv"]) == ("contact.accepted", b, a, conv)
    assert requests(router, a) == requests(router, b) == []
    entry = call(router, a, "GET", "/api/contacts")[0]
    assert (entry["user"], entry["conv"], entry["online"]) == (b, conv, True)
    bob.close()
    deadline = time.monotonic() + PATIENCE
    while call(router, a, "GET", "/api/contacts")[0]["online"] and time.monotonic() < deadline:
        time.sleep(0.02)
    assert call(router, a, "GET", "/api/contacts")[0]["online"] is False


def test_requests_are_idempotent(router, people, chat):
    a, b = people(2)
    bob = chat(b)
    for _ in range(3):
        assert ask(router, a, b)["state"] == "pending"
    assert len(requests(router, b)) == 1
    for _ in range(2):
        assert accept(router, b, a)["state"] == "contact"
    assert ask(router, a, b)["state"] == "contact"
    assert [n["name"] for n in notices(bob, 2)] == ["contact.request", "contact.accepted"]
    assert silent(bob)


def test_crossing_requests_accept_each_other(router, people, chat):
    a, b = people(2)
    alice = chat(a)
    ask(router, a, b)
    assert ask(router, b, a)["state"] == "contact"
    assert notices(alice)[0]["name"] == "contact.accepted"
    assert contacts(router, a) == [b] and contacts(router, b) == [a]


def test_reject_is_not_told(router, people, chat):
    """Whoever asked sees a request that waits; asking again asks again, and the other one may still ask."""
    a, b = people(2)
    alice, bob = chat(a), chat(b)
    ask(router, a, b)
    notices(bob)
    assert call(router, b, "POST", f"/api/contacts/requests/{a}/reject") == {}
    assert requests(router, a) == [(a, b, "outgoing")] and requests(router, b) == []
    assert silent(alice)
    assert refused(router, b, "POST", f"/api/contacts/requests/{a}/accept") == "not_found"
    ask(router, a, b)
    assert notices(bob)[0]["name"] == "contact.request"
    call(router, b, "POST", f"/api/contacts/requests/{a}/reject")
    assert ask(router, b, a)["state"] == "contact"
    assert notices(alice)[0]["name"] == "contact.accepted"


def test_remove(router, people, chat):
    a, b = people(2)
    befriend(router, a, b)
    alice, bob = chat(a), chat(b)
    assert call(router, b, "DELETE", f"/api/contacts/{a}") == {}
    for client in (alice, bob):
        told = notices(client)[0]
        assert (told["name"], told["userid"], told["user"]) == ("contact.removed", b, a)
    assert contacts(router, a) == contacts(router, b) == []
    assert refused(router, a, "DELETE", f"/api/contacts/{b}") == "not_found"
    assert ask(router, a, b)["state"] == "pending"


def test_refusals(router, people):
    a, b = people(2)
    assert refused(router, a, "POST", "/api/contacts/requests", {"to": a}) == "bad_request"
    assert refused(router, a, "POST", "/api/contacts/requests", {"to": "no:id"}) == "bad_request"
    assert refused(router, a, "POST", "/api/contacts/requests", {}) == "bad_request"
    assert refused(router, a, "POST", "/api/contacts/requests", {"to": b, "text": "x" * 1_025}) == "too_large"
    assert refused(router, a, "POST", f"/api/contacts/requests/{b}/accept") == "not_found"
    assert refused(router, a, "POST", f"/api/contacts/requests/{b}/reject") == "not_found"
    assert refused(router, a, "PUT", f"/api/blocks/{a}") == "bad_request"
    for method, path in [("GET", "/api/contacts"), ("PUT", f"/api/blocks/{b}"), ("GET", "/api/contacts/requests")]:
        assert router.http(method, path).json["error"]["code"] == "unauthorized"


# Blocks


def test_blocked(own, people, chat, binary):
    """Messages over every door, typing and requests are refused; groups and the operator are not concerned."""
    router = own("deliver")
    a, b = people(2)
    alice, bob = chat(a, to=router), chat(b, to=router)
    alice.post(b, "before")
    ask(router, a, b)
    assert call(router, b, "PUT", f"/api/blocks/{a}") == {}
    assert call(router, b, "PUT", f"/api/blocks/{a}") == {}
    assert call(router, b, "GET", "/api/blocks") == [{"user": a}]
    for _ in range(3):
        with pytest.raises(Refused) as refusal:
            alice.post(b, "blocked")
        assert refusal.value.code == "blocked"
    assert alice.refused(cmd="typing", dstid=b) == "blocked"
    for websocket in (False, True):
        answer = binary(a, to=router, websocket=websocket).post(b, b"blocked")
        assert (answer.kind, answer.code) == (b4.ERROR, "blocked")
    assert refused(router, a, "POST", "/api/contacts/requests", {"to": b}) == "blocked"
    assert requests(router, b) == []
    bob.post(a, "the other way is open")
    router.group(a, "g" + a, b)
    alice.post("g" + a, "in the group", cmd=11)
    assert router.http("POST", "/timeline/send", {"from": a, "to": b, "message": "operator"}).status == 200
    assert contents(bob.messages(3)) == ["before", "in the group", "operator"]
    assert call(router, b, "DELETE", f"/api/blocks/{a}") == {}
    alice.post(b, "after")
    assert contents(bob.messages(1)) == ["after"]
    assert call(router, b, "GET", "/api/blocks") == []


def test_blocks_survive_a_kill(own, people, chat):
    router = own("deliver")
    a, b = people(2)
    call(router, b, "PUT", f"/api/blocks/{a}")
    router.kill()
    router.start()
    with pytest.raises(Refused) as refusal:
        chat(a, to=router).post(b, "blocked")
    assert refusal.value.code == "blocked"
    chat(b, to=router).post(a, "open")


def test_a_block_is_in_force_when_it_is_answered(own, people, chat):
    """Many pairs on several loops, with sessions that have sent before."""
    router = own("deliver")
    everyone = people(12)
    victim, others = everyone[0], everyone[1:]
    clients = [chat(user, to=router) for user in others]
    for client in clients:
        client.post(victim, "before")
    for client in clients:
        call(router, victim, "PUT", f"/api/blocks/{client.user}")
        with pytest.raises(Refused):
            client.post(victim, "after")
    assert contents(chat(victim, to=router).request(cmd="fetch", after=0)["entries"]) == ["before"] * len(others)


# Strangers


def test_contacts_write_under_every_policy(own, policy, people, chat, binary):
    router = own(policy)
    a, b = people(2)
    befriend(router, a, b)
    alice, bob = chat(a, to=router), chat(b, to=router)
    alice.post(b, "one")
    binary(a, to=router).post(b, b"two")
    alice.post(a, "to oneself")
    assert contents(bob.messages(2)) == ["one", "two"]
    assert alice.request(cmd="typing", dstid=b)["cmd"] == "ok"
    assert bob.expect("typing")["userid"] == a


def test_strangers_are_delivered_by_default(router, people, chat):
    a, b = people(2)
    chat(a).post(b, "hello")
    bob = chat(b)
    assert contents(bob.request(cmd="fetch", after=0)["entries"]) == ["hello"]


def test_strangers_are_rejected(own, people, chat, binary):
    router = own("reject")
    a, b = people(2)
    alice, bob = chat(a, to=router), chat(b, to=router)
    with pytest.raises(Refused) as refusal:
        alice.post(b, "hello")
    assert refusal.value.code == "forbidden"
    assert alice.refused(cmd="typing", dstid=b) == "forbidden"
    assert binary(a, to=router).post(b, b"hello").code == "forbidden"
    ask(router, a, b)
    with pytest.raises(Refused):
        alice.post(b, "still a stranger")
    accept(router, b, a)
    alice.post(b, "hello")
    assert contents(bob.messages(1)) == ["hello"]
    call(router, a, "DELETE", f"/api/contacts/{b}")
    with pytest.raises(Refused) as refusal:
        bob.post(a, "again")
    assert refusal.value.code == "forbidden"


def test_held_until_accepted(own, people, chat, binary):
    """The sender sees what it sent; the other side sees a request, and the messages once it accepts."""
    router = own("hold")
    a, b = people(2)
    conv = f"{a}:{b}"
    alice, second, bob = chat(a, to=router), chat(a, to=router), chat(b, to=router)
    acks = [alice.post(b, f"m{number}") for number in range(3)]
    acks.append(binary(a, to=router).post(b, b"m3"))
    assert [ack["cseq"] for ack in acks[:3]] == [1, 2, 3] and acks[3].cseq == 4
    assert contents(second.messages(4)) == ["m0", "m1", "m2", "m3"]
    assert contents(alice.request(cmd="history", conv=conv)["messages"]) == ["m0", "m1", "m2", "m3"]
    assert alice.post(b, "m0", cid=acks[0]["cid"])["dup"] is True
    alice.request(cmd="typing", dstid=b)
    assert [(n["name"], n["userid"]) for n in notices(bob)] == [("contact.request", a)]
    assert silent(bob)
    for page in ({}, {"after": 0}, {"before": 99}):
        assert bob.request(cmd="history", conv=conv, **page)["messages"] == []
    assert [entry["cmd"] for entry in bob.fetch_all()] == ["notify"]
    accept(router, b, a)
    assert notices(bob)[0]["name"] == "contact.accepted"
    pushed = bob.messages(4)
    assert contents(pushed) == ["m0", "m1", "m2", "m3"]
    assert [m["cseq"] for m in pushed] == [1, 2, 3, 4] and [m["seq"] for m in pushed] == [3, 4, 5, 6]
    for message, ack in zip(pushed, acks[:3]):
        assert all(message[field] == ack[field] for field in ("id", "cseq", "time", "cid", "conv"))
        assert (message["userid"], message["dstid"]) == (a, b)
    assert bob.fetch_all()[2:] == pushed
    assert contents(bob.request(cmd="history", conv=conv)["messages"]) == ["m0", "m1", "m2", "m3"]
    alice.post(b, "m4")
    assert contents(bob.messages(1)) == ["m4"]
    assert [m["cmd"] for m in alice.fetch_all()] == [10] * 4 + ["notify", 10]


def test_held_comes_to_binary_sessions_too(own, people, chat, binary):
    router = own("hold")
    a, b = people(2)
    bob = binary(b, to=router)
    ack = chat(a, to=router).post(b, "hello")
    accept(router, b, a)
    got = bob.expect(b4.DELIVER)
    assert (got.id, got.cseq, got.seq, got.time, got.sender) == (ack["id"], 1, 3, ack["time"], a)


def test_an_answer_accepts(own, people, chat):
    """A message back crosses the request that the held message made."""
    router = own("hold")
    a, b = people(2)
    alice, bob = chat(a, to=router), chat(b, to=router)
    alice.post(b, "one")
    alice.post(b, "two")
    bob.post(a, "three")
    assert contents(bob.messages(2)) == ["one", "two"]
    assert contents(alice.messages(1)) == ["three"]
    assert contacts(router, a) == [b]
    alice.post(b, "four")
    assert contents(bob.messages(1)) == ["four"]


@pytest.mark.parametrize("how", ["reject", "block"])
def test_rejected_stays_invisible(own, people, chat, how):
    router = own("hold")
    a, b = people(2)
    alice, bob = chat(a, to=router), chat(b, to=router)
    alice.post(b, "hidden")
    notices(bob)
    if how == "reject":
        call(router, b, "POST", f"/api/contacts/requests/{a}/reject")
        alice.post(b, "held, and asks no second time")
    else:
        call(router, b, "PUT", f"/api/blocks/{a}")
        with pytest.raises(Refused) as refusal:
            alice.post(b, "refused")
        assert refusal.value.code == "blocked"
    assert silent(bob)
    assert bob.request(cmd="history", conv=f"{a}:{b}")["messages"] == []
    assert requests(router, b) == []
    assert len(bob.fetch_all()) == 1


def test_http_sends_are_subject_to_it(own, policy, people, chat):
    """Sends over HTTP, whichever loop takes the connection."""
    router = own(policy)
    a, b = people(2)
    path = f"/api/conversations/{a}:{b}/messages"
    expected = "forbidden" if policy == "reject" else None
    for number in range(6):
        answer = router.http("POST", path, {"content": str(number)}, bearer=a)
        assert answer.json.get("error", {}).get("code") == expected, answer
    seen = [m["content"] for m in call(router, b, "GET", path)["messages"]]
    assert seen == ([str(number) for number in range(6)] if policy == "deliver" else [])
    call(router, b, "PUT", f"/api/blocks/{a}")
    for _ in range(6):
        answer = router.http("POST", path, {"content": "blocked"}, bearer=a)
        assert (answer.status, answer.json["error"]["code"]) == (403, "blocked")


def test_lists_and_reads_show_nothing_held(own, people, chat):
    router = own("hold")
    a, b = people(2)
    conv = f"{a}:{b}"

    def listed(user):
        return [(c["last"]["content"], c["unread"]) for c in call(router, user, "GET", "/api/conversations")]

    alice, bob = chat(a, to=router), chat(b, to=router)
    alice.post(b, "held 1")
    assert listed(a) == [("held 1", 0)] and listed(b) == []
    accept(router, b, a)
    bob.messages(1)
    assert listed(b) == [("held 1", 1)]
    alice.post(b, "seen")
    bob.post(a, "answer")
    call(router, b, "DELETE", f"/api/contacts/{a}")
    alice.post(b, "held 2")
    alice.post(b, "held 3")
    alice.request(cmd="read", conv=conv, cseq=3)
    assert listed(b) == [("answer", 2)] and listed(a) == [("held 3", 0)]
    bob.request(cmd="read", conv=conv, cseq=3)
    assert listed(b) == [("answer", 0)]
    assert not [frame for frame in bob.backlog if frame["cmd"] == "read" and frame["userid"] == a]
    accept(router, b, a)
    contents(bob.messages(2))
    assert listed(b) == [("held 3", 2)]
    entry = call(router, b, "GET", "/api/contacts")[0]
    assert (entry["unread"], entry["last"]["content"]) == (2, "held 3")
    assert not alice.backlog or all(frame["cmd"] != "error" for frame in alice.backlog)


def test_names_and_addresses_of_contacts(router, people):
    """An address is shown to contacts, and to nobody else."""
    a, b = people(2)
    for user in (a, b):
        body = {"id": user, "email": f"{user}@example.org", "name": f"Name of {user}", "password": "correct horse"}
        assert router.http("POST", "/api/register", body).status in (200, 201)
    found = next(u for u in call(router, a, "GET", f"/api/users?q={b}") if u["id"] == b)
    assert not found.get("email")
    befriend(router, a, b)
    entry = call(router, a, "GET", "/api/contacts")[0]
    assert (entry["name"], entry["email"]) == (f"Name of {b}", f"{b}@example.org")
    found = next(u for u in call(router, a, "GET", f"/api/users?q={b}") if u["id"] == b)
    assert found["email"] == f"{b}@example.org"


def test_pages_skip_what_is_held(own, people, chat):
    """After a contact is removed, new messages wait among those that both see."""
    router = own("hold")
    a, b = people(2)
    conv = f"{a}:{b}"
    befriend(router, a, b)
    alice, bob = chat(a, to=router), chat(b, to=router)
    for number in range(5):
        alice.post(b, f"seen {number}")
    call(router, b, "DELETE", f"/api/contacts/{a}")
    for number in range(5):
        alice.post(b, f"held {number}")
    page = bob.request(cmd="history", conv=conv, limit=3)
    assert [m["cseq"] for m in page["messages"]] == [3, 4, 5] and page["more"] is True
    page = bob.request(cmd="history", conv=conv, after=3, limit=10)
    assert [m["cseq"] for m in page["messages"]] == [4, 5] and page["more"] is False
    accept(router, b, a)
    assert contents(bob.messages(10))[5:] == [f"held {number}" for number in range(5)]
    assert [m["cseq"] for m in bob.request(cmd="history", conv=conv, limit=3)["messages"]] == [8, 9, 10]


def test_as_much_as_may_wait(own, people, chat):
    router = own("hold")
    a, b = people(2)
    alice = chat(a, to=router)
    for number in range(300):
        alice.send(cmd=10, dstid=b, content=str(number), cid=str(number))
    answers = [alice.take(lambda f, cid=str(n): f.get("cid") == cid) for n in range(300)]
    stored = [answer for answer in answers if answer["cmd"] == "ack"]
    assert len(stored) == 256
    assert {answer["code"] for answer in answers if answer["cmd"] == "error"} == {"rate_limited"}
    accept(router, b, a)
    entries = wait_inbox(chat(b, to=router), 258)
    assert contents(entries[2:]) == [str(number) for number in range(256)]


def test_kills_between_request_and_release(own, people, chat):
    """What was acked is released once and in order, whenever the process ends."""
    router = own("hold")
    a, b = people(2)
    rounds = 4
    for number in range(rounds):
        chat(a, to=router).post(b, f"m{number}")
        router.kill()
        router.start()
    assert requests(router, b) == [(a, b, "incoming")]
    assert chat(b, to=router).request(cmd="history", conv=f"{a}:{b}")["messages"] == []
    accept(router, b, a)
    router.kill()
    for _ in range(3):
        router.start()
        entries = wait_inbox(chat(b, to=router), 2 + rounds)
        assert contents(entries[2:]) == [f"m{number}" for number in range(rounds)]
        router.kill()
    router.start()
    assert contacts(router, b) == [a]


def test_accepting_while_messages_come(own, people, chat):
    """Messages that are on their way while the request is accepted come, each once."""
    router = own("hold")
    a, b = people(2)
    alice, bob = chat(a, to=router), chat(b, to=router)
    alice.post(b, "0")
    count = 200
    for number in range(1, count):
        alice.send(cmd=10, dstid=b, content=str(number), cid=f"c{number}")
        if number == count // 2:
            accept(router, b, a)
    got = contents(bob.messages(count))
    assert sorted(got, key=int) == [str(number) for number in range(count)]
    assert contents(bob.request(cmd="history", conv=f"{a}:{b}", limit=1_000)["messages"]) == [
        str(number) for number in range(count)]


def test_changes_of_a_held_message_reach_nobody_but_their_author(own, people, chat):
    """An edit's new text would tell what is held back; once the author is accepted, all are told again."""
    router = own("hold")
    a, b = people(2)
    alice, bob = chat(a, to=router), chat(b, to=router)
    held = alice.post(b, "first")
    notices(bob)
    change = {"cmd": "edit", "conv": held["conv"], "cseq": held["cseq"]}
    alice.request(**change, content="second")
    bob.fence()
    assert bob.backlog == []
    accept(router, b, a)
    assert [frame["name"] for frame in notices(bob)] == ["contact.accepted"]
    assert contents(bob.messages(1)) == ["second"]
    alice.request(**change, content="third")
    changed = bob.expect("notify")
    assert (changed["name"], changed["content"]) == ("message.edited", "third")


def test_a_blocked_author_takes_back_but_writes_nothing_new(own, people, chat):
    router = own("deliver")
    a, b = people(2)
    alice, bob = chat(a, to=router), chat(b, to=router)
    sent = alice.post(b, "first")
    bob.messages(1)
    call(router, b, "PUT", f"/api/blocks/{a}")
    assert alice.refused(cmd="edit", conv=sent["conv"], cseq=sent["cseq"], content="second") == "blocked"
    alice.request(cmd="recall", conv=sent["conv"], cseq=sent["cseq"])
    assert bob.expect("notify")["name"] == "message.recalled"


def test_who_is_no_contact_any_more_takes_back_but_writes_nothing_new(own, people, chat):
    router = own("reject")
    a, b = people(2)
    befriend(router, a, b)
    alice, bob = chat(a, to=router), chat(b, to=router)
    sent = alice.post(b, "first")
    call(router, a, "DELETE", f"/api/contacts/{b}")
    assert alice.refused(cmd="edit", conv=sent["conv"], cseq=sent["cseq"], content="second") == "forbidden"
    alice.request(cmd="recall", conv=sent["conv"], cseq=sent["cseq"])
    assert bob.expect("notify", name="message.recalled")["cseq"] == sent["cseq"]


def test_changes_of_what_was_delivered_before_are_told(own, people, chat):
    """Who is no contact any more has new messages held; those of before are edited and recalled as always."""
    router = own("hold")
    a, b = people(2)
    befriend(router, a, b)
    alice, bob = chat(a, to=router), chat(b, to=router)
    first, second = alice.post(b, "first"), alice.post(b, "second")
    bob.messages(2)
    call(router, b, "DELETE", f"/api/contacts/{a}")
    notices(bob)
    held = alice.post(b, "held")
    alice.request(cmd="edit", conv=held["conv"], cseq=held["cseq"], content="held, too")
    assert bob.expect("notify")["name"] == "contact.request"
    alice.request(cmd="edit", conv=first["conv"], cseq=first["cseq"], content="edited")
    alice.request(cmd="recall", conv=second["conv"], cseq=second["cseq"])
    told = notices(bob, 2)
    assert [(n["name"], n["cseq"], n.get("content")) for n in told] == [
        ("message.edited", 1, "edited"), ("message.recalled", 2, None)]
    assert silent(bob)


def test_what_stays_held_under_another_policy_is_not_told_of(own, people, chat, tmp_path):
    router = own("hold", directory=tmp_path)
    a, b = people(2)
    held = chat(a, to=router).post(b, "held")
    router.stop()
    router = own("deliver", directory=tmp_path)
    alice, bob = chat(a, to=router), chat(b, to=router)
    alice.request(cmd="edit", conv=held["conv"], cseq=1, content="changed")
    bob.request(cmd="read", conv=held["conv"], cseq=9)
    assert silent(bob)
    assert item_of(router, a, b)["peer_cursor"] == 0


def item_of(router, user, other):
    """The entry of a chat list for the conversation with another user."""
    name = ":".join(sorted((user, other)))
    return next(entry for entry in call(router, user, "GET", "/api/conversations") if entry["conv"] == name)


@pytest.mark.parametrize("door", ["websocket", "http"])
def test_nobody_reads_through_the_hold(own, people, chat, door):
    """Reading far beyond what one sees counts nothing that is held, for the reader, the sender, and later."""
    router = own("hold")
    a, b = people(2)
    befriend(router, a, b)
    alice, bob, desk = chat(a, to=router), chat(b, to=router), chat(b, to=router)
    conv = alice.post(b, "seen 1")["conv"]
    alice.post(b, "seen 2")
    call(router, a, "DELETE", f"/api/contacts/{b}")
    for number in range(3):
        alice.post(b, f"held {number}")
    alice.request(cmd="read", conv=conv, cseq=5)
    assert item_of(router, b, a)["peer_cursor"] == 2, "the sender's own position would tell of what is held"
    if door == "websocket":
        bob.request(cmd="read", conv=conv, cseq=2**53)
    else:
        call(router, b, "POST", f"/api/conversations/{conv}/read", {"cseq": 4})
    assert desk.expect("read")["cseq"] == 2
    for user, other in ((b, a), (a, b)):
        entry = item_of(router, user, other)
        assert (entry["unread"], entry["cursor" if user == b else "peer_cursor"]) == (0, 2)
    accept(router, b, a)
    bob.messages(3)
    entry = item_of(router, b, a)
    assert (entry["unread"], entry["cursor"]) == (3, 2)
    bob.request(cmd="read", conv=conv, cseq=5)
    assert item_of(router, a, b)["peer_cursor"] == 5


def test_nothing_but_held_is_nothing_to_read(own, people, chat):
    """The answer and what one's other sessions hear are as if there were no conversation."""
    router = own("hold")
    a, b = people(2)
    conv = chat(a, to=router).post(b, "held")["conv"]
    bob, desk = chat(b, to=router), chat(b, to=router)
    assert bob.request(cmd="read", conv=conv, cseq=1)["cmd"] == "ok"
    assert silent(desk)


@pytest.mark.parametrize("blocker", [0, 1])
def test_receipts_stop_while_a_block_stands(own, people, chat, blocker):
    """Neither of the two sees how far the other has read, live or in a list, whoever has blocked whom."""
    router = own("deliver")
    pair = a, b = people(2)
    alice, bob = chat(a, to=router), chat(b, to=router)
    conv = alice.post(b, "1")["conv"]
    bob.post(a, "2")
    bob.request(cmd="read", conv=conv, cseq=1)
    assert alice.expect("read")["cseq"] == 1
    assert item_of(router, a, b)["peer_cursor"] == 1
    call(router, pair[blocker], "PUT", f"/api/blocks/{pair[1 - blocker]}")
    for client in (alice, bob):
        client.fence()
        client.backlog.clear()
    alice.request(cmd="read", conv=conv, cseq=2)
    bob.request(cmd="read", conv=conv, cseq=2)
    assert silent(alice) and silent(bob)
    for user, other in ((a, b), (b, a)):
        entry = item_of(router, user, other)
        assert "peer_cursor" not in entry
        assert (entry["cursor"], entry["unread"]) == (2, 0), "one's own position goes on"
        assert "readers" not in call(router, user, "GET", f"/api/conversations/{conv}")
    call(router, pair[blocker], "DELETE", f"/api/blocks/{pair[1 - blocker]}")
    assert item_of(router, a, b)["peer_cursor"] == item_of(router, b, a)["peer_cursor"] == 2
    alice.post(b, "3")
    bob.request(cmd="read", conv=conv, cseq=3)
    assert alice.expect("read")["cseq"] == 3
