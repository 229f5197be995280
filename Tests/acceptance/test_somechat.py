"""A web chat with address books: private rooms, requests, unread counts, strangers who wait (seed "somechat").

The client's: drawing pages, local times. Out of scope: Postgres and Redis (the store is embedded), a bus over several
machines, a choice of where logs go; `web` and `chat` are one process here, and cobra's commands are its options.
"""

import time
from datetime import datetime, timezone

import pytest

from switchboard import PATIENCE, Router

KEY = "the operator's key"
PASSWORD = "correct horse battery staple"
CONFIGURATION = f"strangers: hold\nevents: on\nloops: 3\napi-key: {KEY}\n"


@pytest.fixture(scope="module")
def somechat(tmp_path_factory):
    """The seed starts by `--conf={file}`; so does this router, which believes nobody without a login."""
    directory = tmp_path_factory.mktemp("somechat")
    (directory / "somechat.yaml").write_text(CONFIGURATION)
    router = Router(directory, "--config=somechat.yaml", dev=False).start()
    yield router
    router.stop()


class Person:
    """A user of the web chat: all that the browser keeps is a cookie."""

    def __init__(self, router, chat, user):
        self.router, self.chat, self.id = router, chat, user
        self.name, self.email = f"Name of {user}", f"{user}@example.org"
        body = {"id": user, "email": self.email, "name": self.name, "password": PASSWORD}
        answer = router.http("POST", "/api/register", body)
        assert answer.status == 201, answer
        assert PASSWORD not in answer.body.decode()
        self.keep_cookie(answer)

    def keep_cookie(self, answer):
        self.cookie = {"Cookie": answer.headers["Set-Cookie"].split(";")[0]}

    def call(self, method, path, body=None, status=200):
        if method != "GET" and body is None:
            body = {}
        answer = self.router.http(method, path, body, headers=self.cookie)
        assert answer.status == status, answer
        return answer.json

    def page(self, **query):
        """An open page: a WebSocket connection of its own."""
        return self.chat(to=self.router, path="/ws", headers=self.cookie, **query)

    def ask(self, other, **more):
        return self.call("POST", "/api/contacts/requests", {"to": other.id} | more)

    def accept(self, other):
        return self.call("POST", f"/api/contacts/requests/{other.id}/accept")

    def requests(self):
        return [(r["from"], r["to"]) for r in self.call("GET", "/api/contacts/requests")]

    def contacts(self):
        return {entry["user"]: entry for entry in self.call("GET", "/api/contacts")}

    def room(self, other):
        return ":".join(sorted((self.id, other.id)))

    def seen(self, other):
        """What this user can read of the room with another."""
        return self.call("GET", f"/api/conversations/{self.room(other)}/messages")["messages"]


@pytest.fixture
def register(somechat, people, chat):
    return lambda count, router=None: [Person(router or somechat, chat, user) for user in people(count)]


@pytest.fixture
def friends(register):
    """Two users, each in the other's address book."""
    a, b = register(2)
    a.ask(b)
    b.accept(a)
    return a, b


def contents(messages):
    return [message["content"] for message in messages]


def notice(page, name):
    return page.expect("notify", name=name)


def nothing_came(page):
    page.fence()
    return [frame for frame in page.backlog if frame["cmd"] in (10, 11, "notify")] == []


# Registering and logging in


def test_users(somechat, register):
    """A user has an e-mail address, a name and a password, and is logged in by a cookie that scripts don't see."""
    (a,) = register(1)
    assert a.call("GET", "/api/me") == {"id": a.id, "name": a.name, "email": a.email}
    wrong = somechat.http("POST", "/api/login", {"email": a.email, "password": PASSWORD + "!"})
    assert (wrong.status, wrong.json["error"]["code"], wrong.headers["Set-Cookie"]) == (401, "unauthorized", None)
    answer = somechat.http("POST", "/api/login", {"email": a.email, "password": PASSWORD})
    assert answer.status == 200 and "httponly" in answer.headers["Set-Cookie"].lower()
    a.keep_cookie(answer)
    assert a.page().welcome["userid"] == a.id
    a.call("POST", "/api/logout")
    a.call("GET", "/api/me", status=401)
    again = {"id": f"{a.id}2", "email": a.email.upper(), "name": "another", "password": PASSWORD}
    assert somechat.http("POST", "/api/register", again).status == 409, "an address is one user's"


def test_pages_are_served(somechat):
    """The page comes from the server; what it shows needs a login."""
    page = somechat.http("GET", "/")
    assert page.status == 200 and page.headers["Content-Type"].startswith("text/html")
    assert b"<html" in page.body
    for path in ("/api/contacts", "/api/contacts/requests", "/api/conversations"):
        assert somechat.http("GET", path).status == 401


# The address book


def test_request_and_acceptance(register):
    """A request is kept and told; accepting it fills both books, removes it, and is told to who asked."""
    a, b = register(2)
    home, other = a.page(), b.page()
    assert a.ask(b)["state"] == "pending"
    told = notice(other, "contact.request")
    assert (told["cmd"], told["userid"], told["user"], told["conv"]) == ("notify", a.id, b.id, a.room(b))
    assert a.requests() == b.requests() == [(a.id, b.id)]
    assert a.contacts() == b.contacts() == {}
    assert b.accept(a)["state"] == "contact"
    told = notice(home, "contact.accepted")
    assert (told["userid"], told["user"], told["conv"]) == (b.id, a.id, a.room(b))
    assert a.requests() == b.requests() == []
    for owner, entry in ((a, b), (b, a)):
        book = owner.contacts()
        assert list(book) == [entry.id]
        assert (book[entry.id]["name"], book[entry.id]["email"]) == (entry.name, entry.email)
        assert book[entry.id]["conv"] == a.room(b)


def test_requests_wait_for_who_is_away(register):
    """Both notices are there when a page is opened later."""
    a, b = register(2)
    a.ask(b)
    later = b.page(after=0)
    assert notice(later, "contact.request")["userid"] == a.id
    b.accept(a)
    assert notice(a.page(after=0), "contact.accepted")["userid"] == b.id


def test_the_list_has_what_is_unread_of_each(register):
    """Who isn't on the bus gets the message stored and counted, contact by contact."""
    a, b, c, d = register(4)
    for other in (b, c, d):
        other.ask(a)
        a.accept(other)
    for number in range(3):
        b.page().post(a.id, f"from b {number}")
    c.page().post(a.id, "from c")
    book = a.contacts()
    assert {user: entry["unread"] for user, entry in book.items()} == {b.id: 3, c.id: 1, d.id: 0}
    assert book[b.id]["last"]["content"] == "from b 2" and book[d.id]["last"] is None
    assert b.contacts()[a.id]["unread"] == 0, "one's own are not unread"


def test_unread_on_an_open_page(friends):
    """An open page hears of each message; opening the chat clears the count there and on the other page."""
    a, b = friends
    home, writer = b.page(), a.page()
    for count in (1, 2, 3):
        ack = writer.post(b.id, f"message {count}")
        pushed = home.expect(10)
        assert (pushed["userid"], pushed["conv"], pushed["cseq"]) == (a.id, a.room(b), count)
        assert b.contacts()[a.id]["unread"] == count
    room = b.page()
    b.call("POST", f"/api/conversations/{a.room(b)}/read", {"cseq": ack["cseq"]})
    assert b.contacts()[a.id]["unread"] == 0
    told = {"cmd": "read", "conv": a.room(b), "userid": b.id, "cseq": 3}
    assert home.expect("read") == told and room.expect("read") == told
    assert writer.expect("read") == told, "the writer sees it too"
    writer.post(b.id, "message 4")
    assert b.contacts()[a.id]["unread"] == 1


# Messages


def test_head_and_body(friends):
    """The head says what it is, from whom, in which room and when, in UTC; the body is the string that was written."""
    a, b = friends
    page, body = b.page(), ' <b>你好</b> & "quotes" \\ \n\t😀 '
    before = datetime.now(timezone.utc).timestamp()
    ack = a.page().post(b.id, body)
    after = datetime.now(timezone.utc).timestamp()
    message = page.expect(10)
    assert (message["cmd"], message["userid"], message["dstid"], message["conv"]) == (10, a.id, b.id, a.room(b))
    assert message["content"] == body
    assert (message["id"], message["cseq"], message["time"]) == (ack["id"], ack["cseq"], ack["time"])
    assert before - 1 <= message["time"] / 1_000 <= after + 1
    b.call("DELETE", f"/api/contacts/{a.id}")
    told = notice(page, "contact.removed")
    assert (told["cmd"], told["userid"], told["user"], told["conv"]) == ("notify", b.id, a.id, a.room(b))
    assert message["time"] <= told["time"] <= (time.time() + 1) * 1_000


def test_a_room_counts_for_itself(friends, register):
    """One room for two, whoever writes; its index is 1, 2, 3 …, and another room has its own."""
    a, b = friends
    (c,) = register(1)
    c.ask(a)
    a.accept(c)
    first, second = a.page(), b.page()
    acks = []
    for number in range(6):
        writer, other = ((first, b), (second, a))[number % 2]
        acks.append(writer.post(other.id, str(number)))
    elsewhere = first.post(c.id, "elsewhere")
    assert {ack["conv"] for ack in acks} == {a.room(b)} == {b.room(a)} and elsewhere["conv"] == a.room(c)
    assert [ack["cseq"] for ack in acks] == [1, 2, 3, 4, 5, 6] and elsewhere["cseq"] == 1
    room = a.seen(b)
    assert room == b.seen(a)
    assert [(m["cseq"], m["content"], m["userid"]) for m in room] == [
        (n + 1, str(n), (a.id, b.id)[n % 2]) for n in range(6)]
    times = [m["time"] for m in room]
    assert times == sorted(times)
    c.call("GET", f"/api/conversations/{a.room(b)}/messages", status=403)


# Strangers


def test_stranger(register):
    """A stranger's message makes a room and a request; it is seen only once the request is accepted."""
    a, b = register(2)
    room, home = a.page(), b.page()
    acks = [room.post(b.id, text) for text in ("hello?", "it's me")]
    told = notice(home, "contact.request")
    assert (told["userid"], told["conv"]) == (a.id, a.room(b))
    assert b.requests() == [(a.id, b.id)]
    assert contents(a.seen(b)) == ["hello?", "it's me"], "who wrote it has the room"
    assert b.seen(a) == [] and nothing_came(home)
    assert b.call("GET", "/api/conversations") == [] and b.contacts() == {}
    b.accept(a)
    assert notice(room, "contact.accepted")["userid"] == b.id
    pushed = home.messages(2)
    assert [(m["content"], m["id"], m["cseq"]) for m in pushed] == [
        (text, ack["id"], ack["cseq"]) for text, ack in zip(("hello?", "it's me"), acks)]
    assert contents(b.seen(a)) == ["hello?", "it's me"]
    assert b.contacts()[a.id]["unread"] == 2


def test_the_room_stays_whatever_becomes_of_the_request(register):
    """A rejection deletes nothing, nor does the end of a contact; a later request shows all that was written."""
    a, b = register(2)
    room, home = a.page(), b.page()
    room.post(b.id, "one")
    notice(home, "contact.request")
    b.call("POST", f"/api/contacts/requests/{a.id}/reject")
    room.post(b.id, "two")
    assert contents(a.seen(b)) == ["one", "two"]
    assert b.requests() == [] and b.seen(a) == [] and nothing_came(home)
    assert b.ask(a)["state"] == "contact", "the other one had asked"
    assert contents(home.messages(2)) == ["one", "two"]
    home.post(a.id, "three")
    a.call("DELETE", f"/api/contacts/{b.id}")
    assert a.contacts() == b.contacts() == {}
    assert contents(a.seen(b)) == contents(b.seen(a)) == ["one", "two", "three"]


# Pages, agents and the bus


def test_one_connection_a_page(friends):
    """Each page has its connection: all of a user's get a message, and one that is closed takes nothing from others."""
    a, b = friends
    pages = [b.page() for _ in range(3)]
    writer, second = a.page(), a.page()
    writer.post(b.id, "to all pages")
    for page in (*pages, second):
        assert page.messages(1)[0]["content"] == "to all pages"
    pages.pop().close()
    writer.post(b.id, "to the others")
    assert [page.messages(1)[0]["content"] for page in pages] == ["to the others"] * 2
    writer.fence()
    assert not [frame for frame in writer.backlog if frame["cmd"] == 10], "the page that wrote it has it already"


def test_agents_register_and_leave(friends):
    """An agent is found on the bus with its first connection, and not any more some time after its last."""
    a, b = friends
    assert a.contacts()[b.id]["online"] is False
    first, second = b.page(), b.page()
    assert a.contacts()[b.id]["online"] is True
    first.close()
    writer = a.page()
    writer.post(b.id, "still there")
    assert second.messages(1)[0]["content"] == "still there"
    second.close()
    deadline = time.monotonic() + PATIENCE
    while a.contacts()[b.id]["online"]:
        assert time.monotonic() < deadline, "still on the bus"
        time.sleep(0.1)
    writer.post(b.id, "to nobody")
    assert b.contacts()[a.id]["unread"] == 2
    assert contents(b.page().request(cmd="fetch", after=0)["entries"][-2:]) == ["still there", "to nobody"]


def test_other_services_hear_by_events(somechat, register):
    """Other services learn what happens from events, in its order, and share no tables."""
    assert somechat.http("GET", "/api/events", bearer="not the key").status == 401
    last = somechat.http("GET", "/api/events?limit=1", bearer=KEY).json["last"]
    a, b = register(2)
    a.ask(b)
    b.accept(a)
    a.page().post(b.id, "for the other service")
    found, deadline = [], time.monotonic() + PATIENCE
    while not found or found[-1] != ("message", "for the other service"):
        assert time.monotonic() < deadline, found
        events = somechat.http("GET", f"/api/events?after={last}&limit=1000", bearer=KEY).json["events"]
        told = [(e["type"], e.get("message") or e.get("notify") or {}) for e in events]
        found = [
            (kind, what["content"] if kind == "message" else what["userid"])
            for kind, what in told if what.get("conv") == a.room(b)]
    assert [found[0], found[-1]] == [("contact.request", a.id), ("message", "for the other service")]
    assert set(found[1:-1]) == {("contact.accepted", b.id)}


def test_everything_is_kept(start_router, register):
    """Users, books, requests, rooms, what is unread and logins are there after a crash: the server holds no state."""
    router = start_router("--strangers", "hold", "--api-key", KEY, dev=False)
    a, b, c, d = register(4, router)
    a.ask(b)
    b.accept(a)
    writer = a.page()
    for number in range(3):
        writer.post(b.id, str(number))
    b.call("POST", f"/api/conversations/{a.room(b)}/read", {"cseq": 1})
    c.ask(b)
    d.page().post(b.id, "held")
    router.kill()
    router.start()
    assert b.call("GET", "/api/me")["email"] == b.email, "the cookie is as good as before"
    entry = b.contacts()[a.id]
    assert (entry["unread"], entry["last"]["content"], entry["name"]) == (2, "2", a.name)
    assert sorted(b.requests()) == [(c.id, b.id), (d.id, b.id)]
    assert contents(b.seen(a)) == ["0", "1", "2"] and b.seen(d) == []
    b.accept(d)
    assert b.page(after=0).expect(10, userid=d.id)["content"] == "held"
    assert a.page().post(b.id, "3")["cseq"] == 4
