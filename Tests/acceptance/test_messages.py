"""Messages as JSON over WebSocket: acks, order, resends, resume, history, and what is refused (contract §3, §6)."""

import threading
import time

import pytest

from switchboard import Refused


def contents(frames):
    return [frame["content"] for frame in frames]


# Acks


def test_ack(people, chat):
    """The ack names the message: its `cid`, id, conversation, place there, place in the sender's inbox, and time."""
    a, b = people(2)
    sender = chat(a)
    before = int(time.time() * 1000)
    ack = sender.post(b, "hi", cid="x1")
    assert set(ack) == {"cmd", "cid", "id", "conv", "cseq", "seq", "time"}
    assert (ack["cid"], ack["conv"], ack["cseq"], ack["seq"]) == ("x1", f"{a}:{b}", 1, 1)
    assert type(ack["id"]) is int and 0 < ack["id"] < 2**53
    assert type(ack["time"]) is int and before - 1_000 <= ack["time"] <= time.time() * 1000 + 1_000


def test_conversation_id_is_the_same_from_both_sides(people, chat):
    """`smaller:bigger`, compared bytewise: "10" comes before "9", and upper case before lower."""
    a, b = people(2)
    first, second = chat(a), chat(b)
    assert [first.post(b, "1")["conv"], second.post(a, "2")["conv"]] == [f"{a}:{b}"] * 2
    assert first.post("9")["conv"] == f"9:{a}"
    assert first.post("Z")["conv"] == f"Z:{a}"


def test_ack_with_ref(people, chat):
    """A frame with `ref` gets exactly one answer with it: for a message the ack. A number stays a number."""
    a, b = people(2)
    sender = chat(a)
    assert sender.request(cmd=10, dstid=b, content="1", cid="c", ref="mine")["cmd"] == "ack"
    answer = sender.request(cmd=10, dstid=b, content="2", ref=17)
    assert answer["cmd"] == "ack" and type(answer["ref"]) is int
    sender.fence()
    assert sender.backlog == []


def test_accepted_level(people, chat):
    """`level: accepted` gets an early ack without numbers, then the durable one; the early one carries the `ref`."""
    a, b = people(2)
    sender, receiver = chat(a), chat(b)
    sender.send(cmd=10, dstid=b, content="fast", cid="x", ref="r", level="accepted")
    early = sender.expect("ack", level="accepted")
    assert (early["cid"], early["ref"]) == ("x", "r")
    assert not {"id", "cseq", "seq"} & set(early), early
    durable = sender.expect("ack", cid="x")
    assert "level" not in durable or durable["level"] == "durable"
    assert (durable["conv"], durable["cseq"], durable["seq"]) == (f"{a}:{b}", 1, 1)
    assert "ref" not in durable
    assert receiver.expect(10)["id"] == durable["id"]


def test_ids_are_unique_and_increase(people, chat):
    """Message ids increase with time, over all conversations."""
    a, b, c = people(3)
    first, second = chat(a), chat(b)
    ids = [first.post(b)["id"], second.post(c)["id"], first.post(c)["id"], second.post(a)["id"]]
    assert ids == sorted(set(ids))


# Resends


def test_resend(people, chat):
    """A resend stores nothing twice: the same ack comes back, marked `dup`."""
    a, b = people(2)
    sender, receiver = chat(a), chat(b)
    ack = sender.post(b, "once", cid="x1")
    again = sender.post(b, "once", cid="x1")
    assert again == ack | {"dup": True}
    sender.post(b, "after", cid="x2")
    assert contents(receiver.messages(2)) == ["once", "after"]
    assert len(receiver.fetch_all()) == 2


def test_resend_from_another_session_and_after_a_while(people, chat):
    """The window is the user's last 256 messages, whatever session or device sends."""
    a, b = people(2)
    sender = chat(a)
    ack = sender.post(b, "once", cid="first")
    for n in range(255):
        sender.send(cmd=10, dstid=b, content=str(n), cid=f"n{n}")
    sender.expect("ack", cid="n254")
    other = chat(a, device="other")
    assert other.post(b, "once", cid="first") == ack | {"dup": True}


def test_cids_belong_to_their_sender(people, chat):
    """Two users may use the same `cid`."""
    a, b, c = people(3)
    assert "dup" not in chat(a).post(c, "1", cid="same")
    assert "dup" not in chat(b).post(c, "2", cid="same")


def test_pipelined_resend(people, chat):
    """The same `cid` twice in one go, before the first is committed, is stored once all the same."""
    a, b = people(2)
    sender = chat(a)
    for _ in range(2):
        sender.send(cmd=10, dstid=b, content="once", cid="x")
    acks = [sender.expect("ack", cid="x") for _ in range(2)]
    assert acks[0]["seq"] == acks[1]["seq"] and acks[0]["id"] == acks[1]["id"]
    assert [ack.get("dup", False) for ack in acks] == [False, True]
    assert len(chat(b).fetch_all()) == 1


# Sessions and devices


def test_every_session_of_the_recipient(people, chat):
    """A message goes to every session of the recipient, on one device or many."""
    a, b = people(2)
    sessions = [chat(b, device="phone"), chat(b, device="phone"), chat(b, device="desk")]
    chat(a).post(b, "to all")
    frames = [session.expect(10) for session in sessions]
    assert frames[0] == frames[1] == frames[2]


def test_the_senders_other_sessions(people, chat):
    """The sender's other sessions get the message, the sending one its ack, both with the same numbers."""
    a, b = people(2)
    phone, desk = chat(a, device="phone"), chat(a, device="desk")
    ack = phone.post(b, "from my phone")
    copy = desk.expect(10)
    assert (copy["userid"], copy["dstid"], copy["content"]) == (a, b, "from my phone")
    assert {k: copy[k] for k in ("id", "conv", "cseq", "seq", "time")} == {
        k: ack[k] for k in ("id", "conv", "cseq", "seq", "time")}
    phone.fence()
    assert phone.backlog == [], "the sending session got its own message"


def test_message_to_oneself(people, chat):
    """A note to oneself is one entry in one inbox."""
    (a,) = people(1)
    sender, other = chat(a), chat(a)
    ack = sender.post(a, "note")
    assert ack["conv"] == f"{a}:{a}"
    assert other.expect(10)["seq"] == ack["seq"] == 1
    assert len(sender.fetch_all()) == 1


def test_welcome(people, chat):
    """The first frame says who is signed in and where the inbox stands."""
    a, b = people(2)
    chat(a).post(b, "1")
    welcome = chat(b, device="desk").welcome
    assert (welcome["userid"], welcome["device"], welcome["seq"], welcome["confirmed"]) == (b, "desk", 1, 0)
    assert welcome["epoch"] and isinstance(welcome["epoch"], str)
    assert welcome["max_frame"] >= 1 << 20 and welcome["heartbeat"] > 0
    assert abs(welcome["time"] - time.time() * 1000) < 5_000
    assert chat(a).welcome["device"] == "default"


def test_resume(people, chat):
    """With `after=N` every entry above N is pushed first, then what is new."""
    a, b = people(2)
    sender = chat(a)
    for n in range(1, 6):
        sender.post(b, str(n))
    receiver = chat(b, after=2)
    assert [(f["seq"], f["content"]) for f in receiver.messages(3)] == [(3, "3"), (4, "4"), (5, "5")]
    sender.post(b, "6")
    assert receiver.messages(1)[0]["seq"] == 6
    assert contents(chat(b, after=0).messages(6)) == list("123456")


def test_resume_has_what_one_sent_oneself(people, chat):
    """The sender's inbox has the sender's messages too, so a second device sees the whole conversation."""
    a, b = people(2)
    chat(a).post(b, "question")
    chat(b).post(a, "answer")
    assert contents(chat(a, device="desk", after=0).messages(2)) == ["question", "answer"]


def test_no_resume_pushes_nothing_old(people, chat):
    """Without `after` a session starts with what is new."""
    a, b = people(2)
    sender = chat(a)
    sender.post(b, "old")
    receiver = chat(b)
    sender.post(b, "new")
    assert contents(receiver.messages(1)) == ["new"]


def test_long_resume_under_new_messages(people, chat):
    """A resume of thousands while others send: each entry once, in order, without a hole."""
    a, b = people(2)
    sender = chat(a)
    for n in range(1, 3_001):
        sender.send(cmd=10, dstid=b, content=str(n), cid=f"n{n}")
    sender.expect("ack", cid="n3000", timeout=30)
    receiver = chat(b, after=0)
    for n in range(3_001, 3_101):
        sender.send(cmd=10, dstid=b, content=str(n), cid=f"n{n}")
    collect_inbox(receiver, 3_100)


def collect_inbox(receiver, last):
    """Takes entries 1 to `last` as they are pushed; where the router says `behind`, fetches on."""
    seqs = []
    while not seqs or seqs[-1] < last:
        frame = receiver.next()
        if frame["cmd"] == "behind":
            page = receiver.request(cmd="fetch", after=seqs[-1] if seqs else 0, limit=1_000)
            while page["entries"]:
                seqs += [entry["seq"] for entry in page["entries"]]
                page = receiver.request(cmd="fetch", after=seqs[-1], limit=1_000)
        elif "seq" in frame and frame["seq"] > (seqs[-1] if seqs else 0):
            seqs.append(frame["seq"])
    assert seqs == list(range(1, last + 1))


# Order


def test_order_under_concurrent_senders(people, chat):
    """Acks and pushes of one session come in one `seq` order without a hole, whatever others send meanwhile."""
    a, *others = people(4)
    receiver = chat(a)
    clients = [chat(user) for user in others]
    count = 200

    def burst(client):
        for n in range(count):
            client.send(cmd=10, dstid=a, content=str(n), cid=f"b{n}")

    threads = [threading.Thread(target=burst, args=[client]) for client in clients]
    for thread in threads:
        thread.start()
    for n in range(count):
        receiver.send(cmd=10, dstid=others[0], content=str(n), cid=f"own{n}")
    total = count * (len(others) + 1)
    frames = [receiver.next() for _ in range(total)]
    for thread in threads:
        thread.join()
    assert [frame["seq"] for frame in frames] == list(range(1, total + 1))
    for user in others:
        mine = [frame for frame in frames if frame["cmd"] == 10 and frame["userid"] == user]
        assert contents(mine) == [str(n) for n in range(count)], "one sender's messages changed their order"
    inbox = receiver.fetch_all()
    assert [entry["seq"] for entry in inbox] == list(range(1, total + 1))
    assert len({entry["id"] for entry in inbox}) == total


# Fetch and history


@pytest.fixture
def conversation(people, chat):
    """Two users with messages 1 … 10 between them."""
    a, b = people(2)
    sender, receiver = chat(a), chat(b)
    for n in range(1, 11):
        sender.post(b, str(n))
    receiver.messages(10)
    return sender, receiver, f"{a}:{b}"


def test_fetch_pages(conversation):
    """`after` is exclusive, `limit` limits, `more` says whether there is more."""
    _, receiver, _ = conversation
    page = receiver.request(cmd="fetch", after=2, limit=3)
    assert (page["cmd"], contents(page["entries"]), page["more"]) == ("fetched", ["3", "4", "5"], True)
    page = receiver.request(cmd="fetch", after=5, limit=5)
    assert (contents(page["entries"]), page["more"]) == (["6", "7", "8", "9", "10"], False)
    page = receiver.request(cmd="fetch", after=10)
    assert (page["entries"], page["more"]) == ([], False)


def test_fetched_entries_are_the_frames(people, chat):
    """An entry that is fetched is the frame that was pushed."""
    a, b = people(2)
    sender, receiver = chat(a), chat(b)
    sender.post(b, "same", media=1, more="fields")
    pushed = receiver.expect(10)
    assert receiver.request(cmd="fetch", after=0)["entries"] == [pushed]


def test_fetch_limits(people, chat):
    """100 entries unless told otherwise, at most 1,000; a limit above means the maximum."""
    a, b = people(2)
    sender = chat(a)
    for n in range(1_100):
        sender.send(cmd=10, dstid=b, content=str(n), cid=f"n{n}")
    sender.expect("ack", cid="n1099", timeout=30)
    receiver = chat(b)
    sizes = [
        len(receiver.request(cmd="fetch", after=0, **limit)["entries"])
        for limit in ({}, {"limit": 1_000}, {"limit": 5_000}, {"limit": 1})
    ]
    assert sizes == [100, 1_000, 1_000, 1]


@pytest.mark.parametrize(
    "query, expected, more",
    [
        ({}, range(1, 11), False),
        ({"limit": 3}, [8, 9, 10], True),
        ({"before": 8, "limit": 3}, [5, 6, 7], True),
        ({"before": 3}, [1, 2], False),
        ({"after": 8}, [9, 10], False),
        ({"after": 2, "limit": 3}, [3, 4, 5], True),
        ({"after": 10}, [], False),
        ({"before": 1}, [], False),
        ({"after": 0, "limit": 10}, range(1, 11), False),
    ],
)
def test_history(conversation, query, expected, more):
    """Pages come oldest first; without `before` and `after` the newest page."""
    for client in conversation[:2]:
        page = client.request(cmd="history", conv=conversation[2], **query)
        assert (page["cmd"], page["conv"]) == ("history", conversation[2])
        assert [message["cseq"] for message in page["messages"]] == list(expected)
        assert contents(page["messages"]) == [str(n) for n in expected]
        assert page["more"] is more


def test_history_is_for_members(conversation, people, chat):
    """Outsiders can't read a conversation."""
    (outsider,) = people(1)
    code = chat(outsider).refused(cmd="history", conv=conversation[2])
    assert code in ("forbidden", "not_found", "not_member")


# Confirm


def test_confirm_clamps(conversation, people, chat):
    """A confirm beyond the last entry means the last entry; one that goes back changes nothing."""
    sender, receiver, _ = conversation
    assert receiver.request(cmd="confirm", seq=10**9)["cmd"] == "ok"
    assert receiver.request(cmd="confirm", seq=2)["cmd"] == "ok"
    assert chat(receiver.user).welcome["confirmed"] == 10
    sender.post(receiver.user, "11")
    assert contents(receiver.request(cmd="fetch")["entries"]) == ["11"]


# What isn't stored


def test_typing(people, chat):
    """Typing reaches the other's sessions, and no inbox."""
    a, b = people(2)
    sender, receiver = chat(a), chat(b)
    sender.request(cmd="typing", dstid=b)
    frame = receiver.expect("typing")
    assert (frame["userid"], frame["conv"]) == (a, f"{a}:{b}")
    assert "seq" not in frame
    assert receiver.fetch_all() == []


def test_typing_in_a_group(router, people, chat):
    """Typing in a group reaches its members, and an outsider's is refused."""
    a, b, outsider = people(3)
    group = router.group(a, f"group-{a}", b)
    receiver = chat(b)
    chat(a).request(cmd="typing", dstid=group, group=True)
    assert receiver.expect("typing")["conv"] == group
    assert chat(outsider).refused(cmd="typing", dstid=group, group=True) in ("not_member", "not_found", "forbidden")


# Read, edit, recall, forward


def test_read(people, chat):
    """The other member and the reader's other sessions are told how far a conversation was read."""
    a, b = people(2)
    sender, reader, second = chat(a), chat(b), chat(b, device="desk")
    sender.post(b, "1")
    assert reader.request(cmd="read", conv=f"{a}:{b}", cseq=1)["cmd"] == "ok"
    for session in (sender, second):
        frame = session.expect("read")
        assert (frame["conv"], frame["userid"], frame["cseq"]) == (f"{a}:{b}", b, 1)


def test_edit(people, chat):
    """An edit by the author changes the history and is an entry in both inboxes, the author's own session too."""
    a, b = people(2)
    sender, receiver = chat(a), chat(b)
    ack = sender.post(b, "tpyo")
    sender.request(cmd="edit", conv=ack["conv"], cseq=1, content="typo")
    for session in (sender, receiver):
        notice = session.expect("notify", name="message.edited")
        assert (notice["userid"], notice["conv"], notice["cseq"], notice["content"]) == (a, ack["conv"], 1, "typo")
        assert notice["seq"] == 2
    message, = receiver.request(cmd="history", conv=ack["conv"])["messages"]
    assert message["content"] == "typo" and message["edited"]
    assert receiver.refused(cmd="edit", conv=ack["conv"], cseq=1, content="mine") == "forbidden"


def test_recall(people, chat):
    """A recalled message keeps its place; its content comes out of nothing any more."""
    a, b = people(2)
    sender, receiver = chat(a), chat(b)
    ack = sender.post(b, "a secret slipped out")
    assert receiver.refused(cmd="recall", conv=ack["conv"], cseq=1) == "forbidden"
    sender.request(cmd="recall", conv=ack["conv"], cseq=1)
    for session in (sender, receiver):
        notice = session.expect("notify", name="message.recalled")
        assert (notice["conv"], notice["cseq"], notice["seq"]) == (ack["conv"], 1, 2)
    message, = receiver.request(cmd="history", conv=ack["conv"])["messages"]
    assert (message["cseq"], message["recalled"]) == (1, True)
    assert "secret" not in str(message) + str(receiver.fetch_all()) + str(sender.fetch_all())
    assert [entry["seq"] for entry in receiver.fetch_all()] == [1, 2]


def test_forward(people, chat):
    """A forward sends a copy that says where it comes from; who can't read it can't forward it."""
    a, b, c = people(3)
    ack = chat(a).post(b, "pass it on", memo="m")
    receiver = chat(c)
    answer = chat(b).request(cmd="forward", conv=ack["conv"], cseq=1, dstid=c)
    assert answer["cmd"] in ("ack", "ok")
    copy = receiver.expect(10)
    assert (copy["userid"], copy["content"], copy["memo"]) == (b, "pass it on", "m")
    assert copy["forward"] == {"conv": ack["conv"], "cseq": 1, "userid": a}
    assert receiver.refused(cmd="forward", conv=ack["conv"], cseq=1, dstid=c) in (
        "forbidden", "not_found", "not_member")


# Channels


def test_channel(people, chat):
    """Who subscribes gets what is published, with offsets; who comes back recovers what it missed."""
    a, b = people(2)
    channel = f"news-{a}"
    reader, writer = chat(a), chat(b)
    subscribed = reader.request(cmd="subscribe", channel=channel)
    assert (subscribed["cmd"], subscribed["channel"]) == ("subscribed", channel)
    first = subscribed["offset"]
    writer.request(cmd="publish", channel=channel, data={"n": 1})
    frame = reader.expect("channel")
    assert (frame["channel"], frame["data"], frame["userid"], frame["offset"]) == (channel, {"n": 1}, b, first + 1)
    reader.request(cmd="unsubscribe", channel=channel)
    writer.request(cmd="publish", channel=channel, data="missed")
    again = reader.request(cmd="subscribe", channel=channel, after=first + 1)
    assert again["recovered"] is True
    frame = reader.expect("channel")
    assert (frame["data"], frame["offset"]) == ("missed", first + 2)


# What is refused, with the connection going on


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "{", "[]", '"text"', "null", "12", "{}", '{"cmd":10,"dstid":"b"', '{"cmd":10,"dstid":"b"} x',
        '{"cmd":10,"cmd":10,"dstid":"b"}', '{"cmd":10,"dstid":"b","x":1,"x":2}', '{"cmd":10,"dstid":"b","x":01}',
        '{"cmd":10,"dstid":"b","x":1.}', '{"cmd":10,"dstid":"b","x":+1}', '{"cmd":10,"dstid":"b","x":NaN}',
        '{"cmd":10,"dstid":"b","x":-Infinity}', '{"cmd":10,"dstid":"b","content":"\\ud800"}',
        '{"cmd":10,"dstid":"b","content":"\\udc00\\ud800"}', '{"cmd":10,"dstid":"b","content":"\\x"}',
        '{"cmd":10,"dstid":"b","content":"a\tb"}', "{'cmd':10}", '{"cmd":10,"dstid":"b",}',
        '{"cmd":10,"dstid":"b","x":tru}', '{"cmd":10,"dstid":"b","x":' + "[" * 100_000,
        '{"cmd":10,"dstid":"b","\\u0063md":11}',
    ],
    ids=lambda text: text[:40] or "empty",
)
def test_bad_json(people, chat, text):
    """A frame that isn't right is `bad_request`, and the connection goes on."""
    (a,) = people(1)
    client = chat(a)
    client.send_text(text)
    error = client.expect("error")
    assert error["code"] == "bad_request" and error["message"]
    client.fence()


@pytest.mark.parametrize(
    "frame, code",
    [
        ({"cmd": "no such thing"}, "unsupported"),
        ({"cmd": 12, "dstid": "b"}, "unsupported"),
        ({"cmd": 10}, "bad_request"),
        ({"cmd": 10, "dstid": ""}, "bad_request"),
        ({"cmd": 10, "dstid": None}, "bad_request"),
        ({"cmd": 10, "dstid": ["b"]}, "bad_request"),
        ({"cmd": 10, "dstid": 1.5}, "bad_request"),
        ({"cmd": 10, "dstid": "a:b"}, "bad_request"),
        ({"cmd": 10, "dstid": "a/b"}, "bad_request"),
        ({"cmd": 10, "dstid": "a b"}, "bad_request"),
        ({"cmd": 10, "dstid": "a\u00a0b"}, "bad_request"),
        ({"cmd": 10, "dstid": "a\u0085b"}, "bad_request"),
        ({"cmd": 10, "dstid": "x" * 65}, "bad_request"),
        ({"cmd": 10, "dstid": "b", "cid": "x" * 65}, "bad_request"),
        ({"cmd": 10, "dstid": "b", "cid": ""}, "bad_request"),
        ({"cmd": "confirm"}, "bad_request"),
        ({"cmd": "confirm", "seq": "x"}, "bad_request"),
        ({"cmd": "confirm", "seq": -1}, "bad_request"),
        ({"cmd": "fetch", "after": "x"}, "bad_request"),
        ({"cmd": "history"}, "bad_request"),
        ({"cmd": "typing"}, "bad_request"),
    ],
    ids=lambda value: str(value)[:50],
)
def test_refused_frames(people, chat, frame, code):
    """Frames that can't be carried out are answered by an error that repeats the `ref`; the connection goes on."""
    (a,) = people(1)
    client = chat(a)
    assert client.refused(**frame) == code
    client.fence()
    assert client.backlog == [], "more than one answer to a frame with a ref"


def test_a_refused_message_names_its_cid(people, chat):
    """The error of a message carries the sender's `cid`, so the sender knows which one it was."""
    a, b = people(2)
    client = chat(a)
    with pytest.raises(Refused) as refusal:
        client.post("a:b", cid="the-one")
    assert refusal.value.frame["cid"] == "the-one"
    assert "dup" not in client.post(b, "and on", cid="the-one")


def test_longest_ids(people, chat):
    """64 bytes of UTF-8 are a good user id, device id and cid."""
    user = "é" * 32
    client = chat(user, device="d" * 64)
    assert (client.welcome["userid"], client.welcome["device"]) == (user, "d" * 64)
    (b,) = people(1)
    assert client.post(b, "hi", cid="c" * 64)["cid"] == "c" * 64


def test_a_message_of_one_mebibyte(people, chat):
    """A frame of 1 MiB goes through, live and stored."""
    a, b = people(2)
    sender, receiver = chat(a), chat(b)
    head = '{"cmd":10,"dstid":"%s","cid":"big","content":"' % b
    content = "x" * ((1 << 20) - len(head) - 2)
    sender.send_text(head + content + '"}')
    sender.expect("ack", cid="big")
    assert receiver.expect(10)["content"] == content
    assert receiver.request(cmd="fetch", after=0)["entries"][0]["content"] == content


def test_a_frame_above_the_limit(people, chat):
    """Above `max_frame` the connection is closed with 1009."""
    (a,) = people(1)
    client = chat(a)
    client.send_text("x" * (client.welcome["max_frame"] + 1))
    assert client.close_code() == 1009
