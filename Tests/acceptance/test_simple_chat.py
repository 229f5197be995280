"""Chats with cursors, a server API and a comet server that pushes (seed "Simple chat").

The client's: the looks, drawing a message before it is sent, asking for old messages no more once there are none. Out
of scope: MySQL, Redis, Centrifugo and nginx (all of it is in the router), collecting logs, sharding over machines.
"""

import time
import urllib.parse

import pytest

from switchboard import PATIENCE, Router
from test_sign_in import SECRET, token

SHARDED = ("--jwt-secret", SECRET, "--loops", "2", "--shards-per-loop", "2")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """Believes JSON Web Tokens alone, and has its users and chats in several shards."""
    router = Router(tmp_path_factory.mktemp("simple"), *SHARDED, dev=False).start()
    yield router
    router.stop()


class User:
    """A client of the server's API, and of the comet server once it has connected."""

    def __init__(self, router, chat, user):
        self.router, self.chat, self.id, self.token = router, chat, user, token(user)

    def connect(self, **query):
        return self.chat(self.id, to=self.router, token=self.token, **query)

    def answer(self, method, path, body=None):
        return self.router.http(method, "/api" + path, body, bearer=self.token)

    def call(self, method, path, body=None):
        answer = self.answer(method, path, body)
        assert answer.status in (200, 201), answer
        return answer.json

    def refused(self, method, path, body=None):
        answer = self.answer(method, path, body)
        assert answer.status == 403, answer
        return answer.json["error"]["code"]

    def create(self, chat, *members):
        return self.call("POST", "/groups", {"id": chat, "name": f"Chat {chat}", "members": [m.id for m in members]})

    def send(self, conv, text, **fields):
        return self.call("POST", f"/conversations/{conv}/messages", {"content": text} | fields)

    def read(self, conv, cseq):
        assert self.call("POST", f"/conversations/{conv}/read", {"cseq": cseq}) == {}

    def messages(self, conv, **query):
        return self.call("GET", f"/conversations/{conv}/messages?" + urllib.parse.urlencode(query))

    def search(self, words):
        """The places of the messages that have these words, once the index has followed."""
        deadline = time.monotonic() + PATIENCE
        while not (answer := self.call("GET", "/search?" + urllib.parse.urlencode({"q": words})))["complete"]:
            assert time.monotonic() < deadline, "the index never catches up"
        return [(message["conv"], message["cseq"]) for message in answer["messages"]]

    def chats(self):
        """The chat list, the newest activity last."""
        return self.call("GET", "/conversations")

    def item(self, conv):
        return next(item for item in self.chats() if item["conv"] == conv)

    def unread(self, conv):
        """What a client marks as unread: what others wrote behind the cursor."""
        item = self.item(conv)
        found = [
            m["content"] for m in self.messages(conv, after=item["cursor"])["messages"] if m["userid"] != self.id]
        assert len(found) == item["unread"], (found, item)
        return found


@pytest.fixture
def users(server, people, chat):
    return lambda count, router=None: [User(router or server, chat, user) for user in people(count)]


@pytest.fixture
def chat_of_three(users):
    a, b, c = users(3)
    a.create(f"chat-{a.id}", b, c)
    return f"chat-{a.id}", a, b, c


def contents(page):
    return [message["content"] for message in page["messages"]]


# The domain


def test_a_chat_takes_messages_and_shows_them_to_all(chat_of_three):
    """All participants see each message, in one order, which is that of time; nobody else does."""
    conv, a, b, c = chat_of_three
    sessions = [user.connect() for user in (a, b, c)]
    acks = [user.send(conv, f"message {number}") for number, user in enumerate((a, b, c, a))]
    expected = [(n + 1, f"message {n}", user.id) for n, user in enumerate((a, b, c, a))]
    for session in sessions:
        pushed = session.messages(4)
        assert [(m["cseq"], m["content"], m["userid"]) for m in pushed] == expected
    for user in (a, b, c):
        kept = user.messages(conv)["messages"]
        assert [(m["cseq"], m["content"], m["userid"]) for m in kept] == expected
        assert [m["time"] for m in kept] == sorted(ack["time"] for ack in acks)
    outsider = User(a.router, a.chat, f"{a.id}-outsider")
    assert outsider.refused("GET", f"/conversations/{conv}/messages") == "not_member"
    assert outsider.refused("POST", f"/conversations/{conv}/messages", {"content": "x"}) == "not_member"


def test_a_message_has_text_date_and_user(chat_of_three):
    conv, a, b, _ = chat_of_three
    before = int(time.time() * 1_000)
    ack = a.send(conv, "text 在吗？ <b>")
    message, = b.messages(conv)["messages"]
    assert (message["content"], message["userid"], message["id"]) == ("text 在吗？ <b>", a.id, ack["id"])
    assert before - 1_000 <= message["time"] == ack["time"] <= time.time() * 1_000 + 1_000


def test_a_user_has_a_name(server, people, chat):
    """An account's name is found, and is that of the chat with its owner."""
    (a,) = people(1)
    account = {"id": a, "email": f"{a}@example.org", "name": f"Anna {a}", "password": "a long enough password"}
    assert server.http("POST", "/api/register", account).status == 201
    other = User(server, chat, f"{a}-other")
    assert other.call("GET", "/users?" + urllib.parse.urlencode({"q": f"anna {a}"})) == [{"id": a, "name": f"Anna {a}"}]
    other.send(f"{a}:{other.id}", "hello")
    assert other.item(f"{a}:{other.id}")["name"] == f"Anna {a}"


def test_roles(chat_of_three):
    """An admin gives roles, a moderator lets in and puts out, and who is silent reads only."""
    conv, a, b, c = chat_of_three
    roles = {"admin": a, "moderator": b, "silent": c}
    for role, user in list(roles.items())[1:]:
        a.call("PATCH", f"/groups/{conv}/members/{user.id}", {"role": role})
    members = {m["user"]: m["role"] for m in c.call("GET", f"/groups/{conv}")["members"]}
    assert members == {user.id: role for role, user in roles.items()}
    a.send(conv, "can you hear?")
    assert contents(c.messages(conv)) == ["can you hear?"]
    assert c.refused("POST", f"/conversations/{conv}/messages", {"content": "mm"}) == "silenced"
    promotion = (f"/groups/{conv}/members/{c.id}", {"role": "admin"})
    assert b.refused("PATCH", *promotion) == c.refused("PATCH", *promotion) == "forbidden"
    b.call("PATCH", f"/groups/{conv}/members/{c.id}", {"role": "member"})
    c.send(conv, "thanks")
    b.call("DELETE", f"/groups/{conv}/members/{c.id}")
    assert c.refused("GET", f"/conversations/{conv}/messages") == "not_member"
    assert b.refused("DELETE", f"/groups/{conv}/members/{a.id}") == "forbidden"


def test_messages_may_be_edited(chat_of_three):
    conv, a, b, _ = chat_of_three
    session = b.connect()
    a.send(conv, "helo")
    a.call("PATCH", f"/conversations/{conv}/messages/1", {"content": "hello"})
    assert session.messages(1)[0]["content"] == "helo"
    told = session.expect("notify", name="message.edited")
    assert (told["conv"], told["cseq"], told["content"], told["userid"]) == (conv, 1, "hello", a.id)
    message, = b.messages(conv)["messages"]
    assert message["content"] == "hello" and message["edited"] == told["time"]
    assert b.refused("PATCH", f"/conversations/{conv}/messages/1", {"content": "mine"}) == "forbidden"


def test_messages_may_be_removed(chat_of_three):
    """By their author or a moderator; then the content comes out of nothing, and the order of the others stays."""
    conv, a, b, c = chat_of_three
    a.call("PATCH", f"/groups/{conv}/members/{b.id}", {"role": "moderator"})
    session = a.connect()
    for text in ("unwise", "rude", "kept"):
        c.send(conv, text)
    assert a.search("rude") == [(conv, 2)]
    c.call("DELETE", f"/conversations/{conv}/messages/1")
    b.call("DELETE", f"/conversations/{conv}/messages/2")
    assert [session.expect("notify", name="message.recalled")["cseq"] for _ in range(2)] == [1, 2]
    page = a.messages(conv)["messages"]
    assert [(m["cseq"], m.get("recalled"), m.get("content")) for m in page] == [
        (1, True, None), (2, True, None), (3, None, "kept")]
    everything = str([page, session.fetch_all(), a.chats()])
    assert "unwise" not in everything and "rude" not in everything
    assert a.search("rude") == a.search("unwise") == []
    c.send(conv, "not mine")
    a_plain_member = User(a.router, a.chat, f"{a.id}-plain")
    a.call("POST", f"/groups/{conv}/members", {"user": a_plain_member.id, "role": "member"})
    assert a_plain_member.refused("DELETE", f"/conversations/{conv}/messages/4") == "forbidden"


def test_messages_may_be_forwarded(chat_of_three, users):
    """A copy that says whose it was and where; only who can read it can forward it."""
    conv, a, b, _ = chat_of_three
    d, = users(1)
    session = d.connect()
    a.send(conv, "pass it on", memo="with its fields")
    ack = b.call("POST", f"/conversations/{conv}/messages/1/forward", {"to": d.id})
    copy = session.expect(10)
    assert (copy["id"], copy["userid"], copy["content"], copy["memo"]) == (
        ack["id"], b.id, "pass it on", "with its fields")
    assert copy["forward"] == {"conv": conv, "cseq": 1, "userid": a.id}
    assert d.refused("POST", f"/conversations/{conv}/messages/1/forward", {"to": d.id}) == "not_member"


def test_messages_may_be_replies(chat_of_three):
    """`reply` names the message that is answered, by its place in the chat; it is there live and in the history."""
    conv, a, b, c = chat_of_three
    session = c.connect()
    question = a.send(conv, "who is there?")
    b.send(conv, "me", reply=question["cseq"])
    assert [m.get("reply") for m in session.messages(2)] == [None, 1]
    assert [m.get("reply") for m in c.messages(conv)["messages"]] == [None, 1]


# The comet server


def test_pushed_without_being_asked(chat_of_three):
    """Whoever is connected gets a chat's messages without a request, whichever way they were sent."""
    conv, a, b, c = chat_of_three
    listener, sender = b.connect(), c.connect()
    a.send(conv, "by the API")
    sender.post(conv, "by the comet server", cmd=11)
    assert [m["content"] for m in listener.messages(2)] == ["by the API", "by the comet server"]


def test_a_channel_for_each_chat(chat_of_three):
    """Clients subscribe to a chat's channel; what is published there comes to them alone, and is recovered."""
    conv, a, b, c = chat_of_three
    publisher, subscriber, other = a.connect(), b.connect(), c.connect()
    first = subscriber.request(cmd="subscribe", channel=conv)
    assert first["cmd"] == "subscribed" and first["offset"] == 0
    other.request(cmd="subscribe", channel=f"another-{conv}")
    for number in (1, 2):
        assert publisher.request(cmd="publish", channel=conv, data={"text": number})["offset"] == number
        frame = subscriber.expect("channel")
        assert (frame["channel"], frame["data"], frame["offset"], frame["userid"]) == (
            conv, {"text": number}, number, a.id)
    subscriber.close()
    publisher.request(cmd="publish", channel=conv, data="missed")
    again = b.connect()
    place = {"after": 2, "epoch": first["epoch"]}
    assert again.request(cmd="subscribe", channel=conv, **place)["recovered"] is True
    assert again.expect("channel")["data"] == "missed"
    again.request(cmd="unsubscribe", channel=conv)
    publisher.request(cmd="publish", channel=conv, data="unheard")
    for session in (again, other):
        session.fence()
        assert [frame for frame in session.backlog if frame["cmd"] == "channel"] == []


# Client and server


def test_chat_list_with_the_last_messages(users):
    """Each chat once, with its last message and what is unread: the left column."""
    a, b, c = users(3)
    conv, private = f"chat-{a.id}", f"{a.id}:{b.id}"
    assert a.chats() == []
    a.create(conv, b, c)
    b.send(conv, "to all")
    first = b.send(private, "to a")
    last = b.send(private, "to a again")
    assert [item["conv"] for item in a.chats()] == [conv, private]
    item = a.item(private)
    assert (item["last"]["id"], item["last"]["content"], item["last"]["userid"]) == (last["id"], "to a again", b.id)
    assert (item["kind"], item["name"], item["unread"], item["cursor"]) == ("private", b.id, 2, 0)
    item = a.item(conv)
    assert (item["kind"], item["name"], item["unread"]) == ("group", f"Chat {conv}", 1)
    assert item["last"]["content"] == "to all"
    c.send(conv, "newest")
    assert [item["conv"] for item in a.chats()] == [private, conv]
    assert [item["conv"] for item in c.chats()] == [conv]
    assert first["cseq"] == 1 and last["cseq"] == 2


def test_a_number_of_messages_from_a_certain_one(chat_of_three):
    """Pages in both directions; the end is told, so that a client needn't ask again."""
    conv, a, b, _ = chat_of_three
    for number in range(1, 11):
        a.send(conv, str(number))

    def page(**query):
        answer = b.messages(conv, **query)
        return [m["cseq"] for m in answer["messages"]], answer["more"]

    assert page(limit=4) == ([7, 8, 9, 10], True)
    assert page(before=7, limit=4) == ([3, 4, 5, 6], True)
    assert page(before=3, limit=4) == ([1, 2], False)
    assert page(after=5, limit=3) == ([6, 7, 8], True)
    assert page(after=8, limit=3) == ([9, 10], False)
    assert page(before=1) == page(after=10) == ([], False)


def test_sent_or_not(chat_of_three):
    """A client learns for each message, by its own id, that it is stored or why not; a resend is no second one."""
    conv, a, b, _ = chat_of_three
    session = a.connect()
    ack = session.post(conv, "once", cmd=11, cid="drawn-1")
    assert (ack["cid"], ack["conv"], ack["cseq"]) == ("drawn-1", conv, 1)
    assert session.post(conv, "once", cmd=11, cid="drawn-1") == ack | {"dup": True}
    assert a.send(conv, "once", cid="drawn-1")["dup"] is True
    session.send(cmd=11, dstid=f"no-{conv}", content="nowhere", cid="drawn-2")
    assert session.expect("error", cid="drawn-2")["code"] in ("not_found", "not_member")
    assert contents(b.messages(conv)) == ["once"]


def test_read_up_to_a_message(chat_of_three):
    """The cursor parts what was read from what wasn't, for each user and chat; it moves by reading, and forward."""
    conv, a, b, c = chat_of_three
    private = f"{a.id}:{b.id}"
    for number in range(1, 6):
        a.send(conv, str(number))
    a.send(private, "private")
    b.send(conv, "my own")
    assert b.unread(conv) == ["1", "2", "3", "4", "5"] and c.unread(conv) == ["1", "2", "3", "4", "5", "my own"]
    b.read(conv, 3)
    assert b.unread(conv) == ["4", "5"] and b.item(conv)["cursor"] == 3
    assert b.unread(private) == ["private"] and len(c.unread(conv)) == 6
    b.read(conv, 1)
    assert b.item(conv)["cursor"] == 3
    watcher = a.connect()
    b.connect().request(cmd="read", conv=conv, cseq=6)
    assert b.unread(conv) == []
    assert watcher.expect("read") == {"cmd": "read", "conv": conv, "userid": b.id, "cseq": 6}
    b.read(private, 1)
    assert a.item(private)["peer_cursor"] == 1


# Storage


def test_all_is_kept(start_router, users):
    """Chats, messages, users' cursors and roles survive a crash, and the chats go on."""
    router = start_router(*SHARDED, dev=False)
    a, b, c = users(3, router)
    convs = [f"chat-{number}" for number in range(6)]  # in one shard and the other
    for conv in convs:
        a.create(conv, b, c)
        a.call("PATCH", f"/groups/{conv}/members/{c.id}", {"role": "silent"})
        for number in range(4):
            a.send(conv, f"{conv} {number}")
        b.read(conv, 3)
    before = b.chats()
    assert [item["conv"] for item in before] == convs
    router.kill()
    router.start()
    assert b.chats() == before
    for conv in convs:
        assert contents(b.messages(conv)) == [f"{conv} {number}" for number in range(4)]
        assert b.unread(conv) == [f"{conv} 3"]
        assert a.send(conv, "goes on")["cseq"] == 5
        assert c.refused("POST", f"/conversations/{conv}/messages", {"content": "x"}) == "silenced"


def test_search(chat_of_three, users):
    """Old messages are found by their words, by who may read them."""
    conv, a, b, _ = chat_of_three
    outsider, = users(1)
    a.send(conv, f"the deployment of {conv} is on Friday")
    a.send(conv, "nothing of that here")
    assert b.search("deployment friday") == [(conv, 1)]
    assert outsider.search("deployment friday") == []


# Authorization, the page


def test_tokens(server, users):
    """Signed and in time, or nothing is answered; and they are one user's."""
    a, b = users(2)
    a.send(f"{a.id}:{b.id}", "between us")
    wrong = [token(a.id, secret="x" * 40), token(a.id, exp=int(time.time()) - 120), token(a.id, algorithm="none"), None]
    for path in ("/api/conversations", f"/api/conversations/{a.id}:{b.id}/messages", "/api/me"):
        for bearer in wrong:
            answer = server.http("GET", path, bearer=bearer)
            assert (answer.status, answer.json["error"]["code"]) == (401, "unauthorized"), (path, bearer)
    (c,) = users(1)
    assert c.refused("GET", f"/conversations/{a.id}:{b.id}/messages") == "forbidden"
    assert c.refused("POST", f"/conversations/{a.id}:{b.id}/messages", {"content": "x"}) == "forbidden"


def test_the_page_is_guarded(server):
    """What a message says can't become code on the page: scripts are the server's own files only."""
    page = server.http("GET", "/")
    assert page.status == 200 and page.headers["Content-Type"].startswith("text/html")
    policy = {
        words[0]: set(words[1:])
        for words in (part.split() for part in page.headers["Content-Security-Policy"].split(";")) if words}
    allowed = policy.get("script-src", policy.get("default-src"))
    assert allowed == {"'self'"}, policy
