"""Online and offline messages, confirm, presence and the md5 session (seed "hope-pet"; contract §2 and §3)."""

import hashlib
import time
from datetime import datetime, timedelta, timezone

import pytest
from websockets.exceptions import InvalidStatus


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


def test_status(people, chat):
    """Who asks learns who is online, and when who isn't was last seen."""
    a, b, never = people(3)
    asker, other = chat(a), chat(b)
    status = asker.request(cmd="status", users=[b, never])
    assert status["cmd"] == "status"
    assert status["users"][b]["online"] is True
    assert status["users"][never]["online"] is False
    before = int(time.time() * 1000) - 1_000
    other.close()
    deadline = time.monotonic() + 10
    while (seen := asker.request(cmd="status", users=[b])["users"][b])["online"]:
        assert time.monotonic() < deadline, "still online after the last session closed"
    assert before <= seen["last_seen"] <= int(time.time() * 1000) + 1_000


def test_watch(people, chat):
    """A watcher is told when a user comes and, with `last_seen`, when the user goes; not after `unwatch`."""
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
    from switchboard import Router

    router = Router(tmp_path_factory.mktemp("md5"), "--session-secret", SECRET, dev=False).start()
    yield router
    router.stop()


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
