"""Who is online: watches over JSON and in binary, with several loops; and what presence must not cost."""

import time

import pytest

GRACE = 3.0  # seconds for which a user who dropped counts as online
LATE = 3.0  # how much later than that an event may come


def standing(client, user, online, timeout=10.0):
    """The next event that tells this of the user."""
    frame = client.take(
        lambda f: f["cmd"] == "status" and "ref" not in f and f["users"].get(user, {}).get("online") is online,
        f"status of {user}: online {online}", timeout)
    return frame["users"][user]


def nothing(client, seconds):
    """Expects that no presence event comes for a while."""
    with pytest.raises(AssertionError, match="no status"):
        client.take(lambda f: f["cmd"] == "status", "status", seconds)


@pytest.fixture(params=[1, 4], ids=["one loop", "four loops"])
def loops(request, start_router):
    return start_router("--loops", str(request.param))


def test_watch(loops, chat):
    """The answer is how things stand; then comings and goings, with `last_seen`, until `unwatch`."""
    watcher, there = chat("watcher", to=loops), chat("there", to=loops)
    answer = watcher.request(cmd="watch", users=["there", "later", 7])
    assert answer["cmd"] == "status" and set(answer["users"]) == {"there", "later", "7"}
    assert answer["users"]["there"]["online"] is True
    assert answer["users"]["later"] == {"online": False, "last_seen": 0}
    later = chat("later", to=loops)
    assert standing(watcher, "later", True)["last_seen"] > 0
    before = int(time.time() * 1000)
    later.close()
    went = time.monotonic()
    seen = standing(watcher, "later", False)["last_seen"]
    assert GRACE - 1 < time.monotonic() - went < GRACE + LATE
    assert before - 1_000 <= seen <= int(time.time() * 1000)
    assert watcher.request(cmd="unwatch", users=["later"])["cmd"] == "ok"
    chat("later", to=loops)
    nothing(watcher, 2.0)
    assert watcher.request(cmd="unwatch")["cmd"] == "ok"
    there.close()
    nothing(watcher, GRACE + LATE)


def test_a_killed_connection(loops, chat):
    """A connection that is cut without a goodbye is a going too."""
    watcher, victim = chat("watcher", to=loops), chat("victim", to=loops)
    watcher.request(cmd="watch", users=["victim"])
    victim.socket.socket.close()
    assert standing(watcher, "victim", False)["last_seen"] > 0


def test_coming_back_is_no_news(loops, chat):
    """Who is back within the grace causes no event; neither does one of several sessions that ends."""
    watcher, first = chat("watcher", to=loops), chat("b", to=loops)
    watcher.request(cmd="watch", users=["b"])
    for _ in range(3):
        first.close()
        time.sleep(0.5)
        assert watcher.request(cmd="status", users=["b"])["users"]["b"]["online"] is True
        first = chat("b", to=loops)
    chat("b", to=loops, device="second")
    first.close()
    nothing(watcher, GRACE + LATE)


def test_several_users_come_in_few_frames(loops, chat):
    """Changes of a second come together, and all of them come."""
    watcher = chat("watcher", to=loops)
    users = [f"p{number}" for number in range(60)]
    watcher.request(cmd="watch", users=users)
    began = time.monotonic()
    for user in users:
        chat(user, to=loops)
    missing, frames = set(users), 0
    while missing:
        frame = watcher.expect("status")
        frames += 1
        assert all(state["online"] for state in frame["users"].values())
        missing -= set(frame["users"])
    assert frames <= time.monotonic() - began + 2


def test_many_watchers(loops, chat):
    """All who watch are told, and nobody else."""
    watchers = [chat(f"w{number}", to=loops) for number in range(40)]
    stranger = chat("stranger", to=loops)
    for watcher in watchers:
        watcher.request(cmd="watch", users=["star"])
    chat("star", to=loops)
    for watcher in watchers:
        standing(watcher, "star", True)
    nothing(stranger, 1.0)


def test_binary(loops, binary, chat):
    """The same in COMMAND and EVENT."""
    client = binary("watcher", to=loops)
    client.command(cmd="watch", users=["b"], ref="w")
    answer = client.event("status")
    assert answer["ref"] == "w" and answer["users"]["b"]["online"] is False
    chat("b", to=loops)
    assert client.event("status")["users"]["b"]["online"] is True
    client.command(cmd="unwatch", users=["b"], ref="u")
    assert client.event("ok")["ref"] == "u"


def test_limit(router, people, chat):
    """At most 1,000 users a session; what is refused changes nothing."""
    (a,) = people(1)
    client = chat(a)
    users = [f"{a}.{number}" for number in range(1_001)]
    assert client.refused(cmd="watch", users=users) == "too_large"
    client.request(cmd="watch", users=users[:1_000])
    assert client.refused(cmd="watch", users=users[1_000:]) == "too_large"
    assert client.refused(cmd="watch") == "bad_request"
    assert client.refused(cmd="watch", users="x") == "bad_request"
    client.request(cmd="unwatch", users=users[:1])
    client.request(cmd="watch", users=users[1_000:])


def test_over_http(router, people, chat):
    """`GET /api/users/{id}/status` tells the same, to those who are signed in."""
    a, b, never = people(3)
    other = chat(b)
    path = f"/api/users/{b}/status"
    assert router.http("GET", path).status == 401
    state = router.http("GET", path, bearer=a).json
    assert state["online"] is True and state["last_seen"] > 0 and set(state) == {"online", "last_seen"}
    assert router.http("GET", f"/api/users/{never}/status", bearer=a).json == {"online": False, "last_seen": 0}
    assert router.http("GET", "/api/users/a%20b/status", bearer=a).status == 400
    before = int(time.time() * 1000)
    other.close()
    deadline = time.monotonic() + GRACE + LATE
    while (state := router.http("GET", path, bearer=a).json)["online"]:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert before - 1_000 <= state["last_seen"] <= int(time.time() * 1000)


def test_last_seen_survives_a_restart(start_router, chat):
    """When a user was last seen is on disk, and a watch tells it."""
    router = start_router()
    chat("b", to=router).close()
    time.sleep(1)
    router.stop()
    router.start()
    watcher = chat("a", to=router)
    state = watcher.request(cmd="watch", users=["b"])["users"]["b"]
    assert state["online"] is False and 0 < state["last_seen"] <= int(time.time() * 1000)


def test_heartbeats_write_nothing(start_router, chat):
    """Heartbeats, and presence that is told, leave the store's files alone."""
    router = start_router()
    watcher, other = chat("a", to=router), chat("b", to=router)
    watcher.request(cmd="watch", users=["b"])

    def files():
        found = [(path.name, path.stat()) for path in router.data.rglob("*") if path.is_file()]
        return sorted((name, stat.st_size, stat.st_mtime_ns) for name, stat in found)

    # What the sign-ins left to do is done once nothing has changed for as long as we beat below.
    before, still, deadline = files(), time.monotonic(), time.monotonic() + 60
    while time.monotonic() - still < 8:
        assert time.monotonic() < deadline, "the store doesn't come to rest"
        time.sleep(0.2)
        if (now := files()) != before:
            before, still = now, time.monotonic()
    for _ in range(80):
        for client in (watcher, other):
            client.request(cmd=0)
        time.sleep(0.1)
    assert files() == before
