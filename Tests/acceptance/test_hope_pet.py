"""Online and offline messages, confirm, presence and the md5 session (seed "hope-pet"; contract §2 and §3).

The seed's own business: how it is installed. Its database is the router's store, its coordinator the router's bus.
"""

import hashlib
import time
from datetime import datetime, timedelta, timezone

import pytest
from websockets.exceptions import InvalidStatus

from test_websocket import TEXT, Echo, frame

SECRET = "the hope pet secret"


def test_online_message(people, chat):
    """A message to a user who is there reaches the session at once."""
    a, b = people(2)
    sender, receiver = chat(a), chat(b)
    ack = sender.post(b, "hello")
    frame = receiver.expect(10)
    assert (frame["userid"], frame["content"], frame["id"]) == (a, "hello", ack["id"])


def test_offline_message_fetch_and_confirm(people, chat):
    """Who was away fetches what came meanwhile; once confirmed, a fetch gives nothing more."""
    a, b = people(2)
    sender = chat(a)
    for n in range(3):
        sender.post(b, f"m{n}")
    receiver = chat(b)
    assert (receiver.welcome["seq"], receiver.welcome["confirmed"]) == (3, 0)
    fetched = receiver.request(cmd="fetch")
    assert [e["content"] for e in fetched["entries"]] == ["m0", "m1", "m2"]
    assert [e["seq"] for e in fetched["entries"]] == [1, 2, 3]
    assert fetched["more"] is False
    assert receiver.request(cmd="confirm", seq=3)["cmd"] == "ok"
    assert receiver.request(cmd="fetch")["entries"] == []
    receiver.close()
    assert chat(b).welcome["confirmed"] == 3


def test_unconfirmed_stays(people, chat):
    """Without a confirm the messages stay, session after session."""
    a, b = people(2)
    chat(a).post(b, "keep me")
    for _ in range(2):
        receiver = chat(b)
        assert [e["content"] for e in receiver.request(cmd="fetch")["entries"]] == ["keep me"]
        receiver.close()


def test_devices_confirm_for_themselves(people, chat):
    """One device's confirm takes nothing from another device of the same user."""
    a, b = people(2)
    phone, desk = chat(b, device="phone"), chat(b, device="desk")
    assert (phone.welcome["device"], desk.welcome["device"]) == ("phone", "desk")
    chat(a).post(b, "for both")
    assert phone.expect(10)["content"] == desk.expect(10)["content"] == "for both"
    phone.request(cmd="confirm", seq=1)
    assert phone.request(cmd="fetch")["entries"] == []
    assert [e["content"] for e in desk.request(cmd="fetch")["entries"]] == ["for both"]
    desk.close()
    again = chat(b, device="desk")
    assert again.welcome["confirmed"] == 0
    assert [e["content"] for e in again.request(cmd="fetch")["entries"]] == ["for both"]


def test_heartbeat(people, chat):
    """A heartbeat is answered by a heartbeat."""
    (a,) = people(1)
    client = chat(a)
    client.send(cmd=0)
    assert client.next() == {"cmd": 0}


def test_status(router, people, chat):
    """Who asks learns who is online, and when who isn't was last seen; by HTTP the same."""
    a, b, never = people(3)
    asker, other = chat(a), chat(b)
    status = asker.request(cmd="status", users=[b, never])
    assert status["cmd"] == "status"
    assert status["users"][b]["online"] is True
    assert status["users"][never]["online"] is False
    assert router.http("GET", f"/api/users/{b}/status", bearer=a).json["online"] is True
    before = int(time.time() * 1000) - 1_000
    other.close()
    deadline = time.monotonic() + 10
    while (seen := asker.request(cmd="status", users=[b])["users"][b])["online"]:
        assert time.monotonic() < deadline, "still online after the last session closed"
    assert before <= seen["last_seen"] <= int(time.time() * 1000) + 1_000
    assert router.http("GET", f"/api/users/{b}/status", bearer=a).json == seen


@pytest.mark.slow
def test_a_client_without_heartbeats_is_offline(start_router, chat):
    """Heartbeats every 5 s keep a user online; who sends nothing for 90 s is closed and shown as gone."""
    router = start_router()
    asker = chat("asker", to=router)
    asker.request(cmd="watch", users=["beats", "silent"])
    beats, silent = Echo(router, "/chat?id=beats"), Echo(router, "/chat?id=silent")
    assert beats.read()[0] == silent.read()[0] == TEXT, "welcome"
    began = time.monotonic()
    while time.monotonic() - began < 85:
        beats.send(frame(TEXT, b'{"cmd":0}'))
        states = asker.request(cmd="status", users=["beats", "silent"])["users"]
        assert states["beats"]["online"] is True and states["silent"]["online"] is True
        time.sleep(5)
    beats.send(frame(TEXT, b'{"cmd":0}'))
    silent.wire.sock.settimeout(20)
    assert silent.closed_with() == 4003
    assert 89 < time.monotonic() - began < 100
    gone = asker.take(lambda f: f["cmd"] == "status" and f["users"].get("silent", {}).get("online") is False, "going")
    assert "beats" not in gone["users"]
    assert asker.request(cmd="status", users=["beats"])["users"]["beats"]["online"] is True
    for client in (beats, silent):
        client.wire.close()


def test_watch(people, chat):
    """A watcher is told when a user comes and, with `last_seen`, when the user goes."""
    a, b = people(2)
    watcher = chat(a)
    watcher.request(cmd="watch", users=[b])
    other = chat(b)
    watcher.take(lambda f: f["cmd"] == "status" and f["users"].get(b, {}).get("online") is True, "coming")
    other.close()
    gone = watcher.take(lambda f: f["cmd"] == "status" and f["users"].get(b, {}).get("online") is False, "going", 30)
    assert gone["users"][b]["last_seen"] > 0


def minute(offset):
    """A minute in UTC as the seed writes it, `yymmddhhmm`."""
    return (datetime.now(timezone.utc) + timedelta(minutes=offset)).strftime("%y%m%d%H%M")


def session(user, offset=0, secret=SECRET):
    return hashlib.md5((secret + user + minute(offset)).encode()).hexdigest()


@pytest.fixture(scope="module")
def md5_router(tmp_path_factory):
    """On several loops, so that most messages go from one to another."""
    from switchboard import Router

    options = ("--session-secret", SECRET, "--loops", "3")
    router = Router(tmp_path_factory.mktemp("md5"), *options, dev=False).start()
    yield router
    router.stop()


@pytest.fixture
def private(md5_router, chat):
    """Connects a user by the seed's own address."""
    return lambda user, **query: chat(
        to=md5_router, path="/chat/private", userId=user, session=session(user), **query)


@pytest.mark.parametrize("offset", [0, -1, 1])
def test_md5_session(md5_router, chat, offset):
    """md5(secret + user + minute) signs in, with a clock a minute off either way too."""
    client = chat(to=md5_router, path="/chat/private", userId="1", session=session("1", offset))
    assert client.welcome["userid"] == "1"


@pytest.mark.parametrize(
    "value",
    [
        lambda: session("1", -60),
        lambda: session("1", 60),
        lambda: session("2"),
        lambda: session("1", secret="another"),
        lambda: session("1")[:-1],
        lambda: "",
    ],
    ids=["old", "future", "other user", "other secret", "short", "empty"],
)
def test_md5_session_refused(md5_router, value):
    """Anything else is refused with 401 before the upgrade."""
    with pytest.raises(InvalidStatus) as refusal:
        md5_router.websocket(f"/chat/private?userId=1&session={value()}")
    assert refusal.value.response.status_code == 401


def test_md5_session_is_off_without_a_secret(router):
    """Without a configured secret nobody signs in this way, not even with the md5 of an empty one."""
    with pytest.raises(InvalidStatus) as refusal:
        router.websocket(f"/chat/private?userId=1&session={session('1', secret='')}")
    assert refusal.value.response.status_code == 401


def test_a_session_is_its_users(people, private):
    """Nobody writes in another's name: whoever signed in is the sender, whatever the message says."""
    a, b = people(2)
    receiver = private(b)
    private(a).post(b, "it's b", userid=b)
    assert receiver.expect(10, content="it's b")["userid"] == a


def test_internal_users_log_in(md5_router, chat, private):
    """A user of the system's own logs in with a password; the token opens a session, which is the same user's."""
    account = {"id": "internal", "email": "internal@example.org", "name": "Internal", "password": "a long password"}
    assert md5_router.http("POST", "/api/register", account).status == 201
    wrong = md5_router.http("POST", "/api/login", {"id": "internal", "password": "a long passwore"})
    assert (wrong.status, wrong.json["error"]["code"]) == (401, "unauthorized")
    answer = md5_router.http("POST", "/api/login", {"id": "internal", "password": "a long password"})
    client = chat("internal", to=md5_router, token=answer.json["token"])
    assert client.welcome["userid"] == "internal"
    private("someone").post("internal", "hello")
    assert client.expect(10)["content"] == private("internal", after=0).expect(10)["content"] == "hello"


def test_routed_by_its_recipient(people, private):
    """Each session publishes and subscribes; a message comes to its recipient's sessions and to nobody else's."""
    users = people(9)
    sessions = {user: private(user) for user in users}
    a, b, *others = users
    second = private(b, device="second")
    sessions[a].post(b, "to b")
    sessions[b].post(a, "to a")
    assert [client.messages(1)[0]["content"] for client in (sessions[b], second)] == ["to b"] * 2
    assert sessions[a].messages(1)[0]["content"] == "to a"
    for number, user in enumerate(others):
        sessions[a].post(user, f"marker {number}")
        assert sessions[user].messages(1)[0]["content"] == f"marker {number}", "what went to others came here"
        assert sessions[user].welcome["seq"] == 0 and len(sessions[user].fetch_all()) == 1


def test_unread_until_confirmed(start_router, chat):
    """Delivered live or not, a message is unread on disk until it is confirmed, and is gone from there afterwards."""
    router = start_router()

    def restart():
        router.kill()
        router.start()
        return chat("b", to=router)

    receiver = chat("b", to=router)
    chat("a", to=router).post("b", "online")
    assert receiver.expect(10)["content"] == "online"
    receiver = restart()
    chat("a", to=router).post("b", "second")
    assert [e["content"] for e in receiver.request(cmd="fetch")["entries"]] == ["online", "second"]
    receiver.request(cmd="confirm", seq=1)
    assert [e["content"] for e in receiver.request(cmd="fetch")["entries"]] == ["second"]
    receiver = restart()
    assert receiver.welcome["confirmed"] == 1
    assert [e["content"] for e in receiver.fetch_all()] == ["second"], "also from the start: it was removed"
    receiver.request(cmd="confirm", seq=2)
    receiver = restart()
    assert receiver.fetch_all() == []
    assert [m["content"] for m in receiver.request(cmd="history", conv="a:b")["messages"]] == ["online", "second"]


def test_many_messages_while_offline(people, private, md5_router):
    """All that came while a user was away, of several senders, is fetched page by page, in order, and confirmed."""
    b, *senders = people(4)
    for sender in senders:
        client = private(sender)
        for number in range(50):
            client.send(cmd=10, dstid=b, content=f"{sender} {number}", cid=str(number))
        for number in range(50):
            client.expect("ack", cid=str(number))
    receiver, got = private(b), []
    assert receiver.welcome["seq"] == 150
    while True:
        page = receiver.request(cmd="fetch", limit=40)
        got += page["entries"]
        assert receiver.request(cmd="confirm", seq=got[-1]["seq"])["cmd"] == "ok"
        if not page["more"]:
            break
    assert [e["seq"] for e in got] == list(range(1, 151))
    assert [e["content"] for e in got] == [f"{sender} {number}" for sender in senders for number in range(50)]
    assert receiver.request(cmd="fetch")["entries"] == []
    receiver.close()
    assert private(b).welcome["confirmed"] == 150
