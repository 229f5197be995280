"""`router user export` and `router user erase`, through the program, and what others see afterwards."""

import json
import os
import secrets
import shutil
import subprocess
import time

import pytest

from switchboard import Chat, router_binary

MARK = "zebramark" + secrets.token_hex(6)  # no part of it is found anywhere by chance
PASSWORD = "correct horse battery"


def run(router, *arguments, code=0, **settings):
    """Runs `router user …` on a router's data directory."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("SWITCHBOARD_")}
    done = subprocess.run(
        [router_binary(), "user", *arguments, "--data", str(settings.get("data", router.data))],
        capture_output=True, timeout=60, env=environment, cwd=router.directory)
    assert done.returncode == code, (done.returncode, done.stderr.decode())
    return done


def register(router, user):
    mark = MARK if user == "anna" else "plain"
    answer = router.http(
        "POST", "/api/register",
        {"id": user, "name": f"Name of {user} {mark}", "email": f"{user}.{mark}@example.org", "password": PASSWORD})
    assert answer.status == 201, answer
    return answer.json["token"]


def holds(directory, text):
    """The files that hold some bytes, whatever their case."""
    wanted = text.lower().encode()
    return [p.name for p in directory.iterdir() if wanted in p.read_bytes().lower()]


def history(router, bearer, conv):
    return router.http("GET", f"/api/conversations/{conv}/messages?limit=1000", bearer=bearer).json["messages"]


def chats(router, bearer):
    return {c["conv"]: c for c in router.http("GET", "/api/conversations?limit=100", bearer=bearer).json}


@pytest.fixture
def town(start_router):
    """A router with anna, who has done all that a user can, bert and carl."""
    router = start_router("--events", "on", "--api-key", "k" * 20, dev=False)
    tokens = {user: register(router, user) for user in ("anna", "bert", "carl")}
    people = {user: Chat(router, user, token=token, device=f"phone-{user}") for user, token in tokens.items()}
    anna, bert, carl = people.values()
    api = lambda user, method, path, body=None: router.http(method, path, body, bearer=tokens[user])
    assert api("anna", "POST", "/api/contacts/requests", {"to": "bert", "text": f"hello {MARK}"}).status < 300
    assert api("bert", "POST", "/api/contacts/requests/anna/accept", {}).status < 300
    assert api("carl", "POST", "/api/contacts/requests", {"to": "anna", "text": "from carl"}).status < 300
    assert api("anna", "PUT", "/api/blocks/dora", {}).status < 300
    for number in range(5):
        anna.post("bert", f"from anna {number} {MARK}", cid=f"{MARK}.{number}", memo=f"{MARK} memo")
        bert.post("anna", f"from bert {number}")
    anna.request(cmd="edit", conv="anna:bert", cseq=1, content=f"edited {MARK}")
    anna.request(cmd="edit", conv="anna:bert", cseq=1, content=f"edited again {MARK}")
    anna.request(cmd="recall", conv="anna:bert", cseq=3)
    bert.request(cmd="read", conv="anna:bert", cseq=5)
    assert api("anna", "POST", "/api/groups", {"id": "club", "name": "The club", "members": ["bert", "carl"]}).status < 300
    assert api("anna", "POST", "/api/groups", {"id": "alone", "name": "Alone", "members": []}).status < 300
    for sender in (anna, bert, anna, carl):
        sender.post("club", f"from {sender.user} {MARK if sender is anna else ''}", cmd=11)
    anna.post("carl", "x" * 20_000 + MARK)
    anna.post("anna", f"to myself {MARK}")
    yield router, tokens, people


def test_the_export_has_everything_of_one_user(town, tmp_path):
    router, _, people = town
    for one in people.values():
        one.fence()
    entries = [e for e in people["anna"].fetch_all()]
    for one in people.values():
        one.close()
    router.stop()
    done = run(router, "export", "anna", "--output", str(tmp_path / "anna.json"))
    assert done.stdout == b""
    path = tmp_path / "anna.json"
    assert path.stat().st_mode & 0o777 == 0o600
    text = path.read_text()
    export = json.loads(text)
    assert export["format"] == "switchboard-user" and export["version"] == 1 and export["live"] is False
    account = export["account"]
    assert account["id"] == "anna" and account["name"] == f"Name of anna {MARK}"
    assert account["email"] == f"anna.{MARK}@example.org" and account["created"] > 1_700_000_000_000
    assert "scrypt" not in text and "password" not in text
    assert [c["user"] for c in export["contacts"]] == ["bert"]
    assert [(r["user"], r["direction"], r["text"]) for r in export["requests"]] == [("carl", "incoming", "from carl")]
    assert export["blocks"] == ["dora"]
    assert export["groups"] == [
        {"id": "alone", "name": "Alone", "role": "admin"}, {"id": "club", "name": "The club", "role": "admin"}]
    assert {d["device"] for d in export["devices"]} == {"phone-anna"}
    conversations = {c["conv"]: c for c in export["conversations"]}
    assert set(conversations) == {"anna:bert", "anna:carl", "anna:anna", "club"}
    assert conversations["anna:bert"]["unread"] == 5 and conversations["anna:bert"]["cursor"] == 0
    assert conversations["anna:bert"]["kind"] == "private" and conversations["club"]["kind"] == "group"
    assert export["inbox"] == entries and [e["seq"] for e in entries] == list(range(1, len(entries) + 1))
    messages = {(m["conv"], m["cseq"]): m for m in export["messages"]}
    assert len(messages) == len(export["messages"]) == 10 + 4 + 1 + 1
    assert messages["anna:bert", 1]["content"] == f"edited again {MARK}"
    assert messages["anna:bert", 3]["recalled"] is True and "content" not in messages["anna:bert", 3]
    assert messages["anna:bert", 2]["content"] == "from bert 0"
    assert messages["club", 4]["userid"] == "carl"
    (edit,) = export["edits"]
    assert (edit["conv"], edit["cseq"]) == ("anna:bert", 1)
    assert [v["content"] for v in edit["versions"]] == [f"from anna 0 {MARK}", f"edited {MARK}"]
    types = [e["type"] for e in export["events"]]
    assert "connect" in types and "disconnect" in types and types.count("entry") > 10
    assert json.loads(run(router, "export", "anna").stdout)["messages"] == export["messages"]


def test_an_export_next_to_a_running_router(town):
    router, _, people = town
    assert history(router, town[1]["anna"], "anna:bert")  # whoever reads has everything folded
    done = run(router, "export", "bert")
    export = json.loads(done.stdout)
    assert export["live"] is True and b"last seconds" in done.stderr
    assert export["account"]["id"] == "bert" and len(export["messages"]) == 10 + 4
    for one in people.values():
        one.close()


def test_an_export_after_a_kill_has_what_was_acked(start_router, chat):
    router = start_router()
    anna = chat("anna", to=router)
    for number in range(20):
        anna.post("bert", f"m{number}")
    router.kill()
    export = json.loads(run(router, "export", "anna").stdout)
    assert [m["content"] for m in export["messages"]] == [f"m{n}" for n in range(20)]
    assert len(export["inbox"]) == 20
    router.start()


def test_an_erased_user_is_gone_and_others_are_whole(town):
    router, tokens, people = town
    others = ("bert", "carl")
    before = {user: (chats(router, tokens[user]), people[user].fetch_all()) for user in others}
    talks = {(user, conv): history(router, tokens[user], conv) for user in others for conv in before[user][0]}
    for one in people.values():
        one.close()
    router.stop()
    assert holds(router.data, MARK)
    plan = run(router, "erase", "anna", "--dry-run").stdout.decode()
    assert "messages whose content goes: 9" in plan and "the account" in plan
    assert holds(router.data, MARK) and json.loads(run(router, "export", "anna").stdout)["account"]
    run(router, "erase", "anna", "--yes")
    assert holds(router.data, MARK) == [] and holds(router.data, "x" * 20) == []
    assert holds(router.data, "from anna") == [] and holds(router.data, "from carl") == ["switchboard.db"]
    assert b"erased already" in run(router, "erase", "anna", "--yes").stderr
    run(router, "export", "anna", code=3)

    router.start()
    assert router.http("GET", "/api/me", bearer=tokens["anna"]).status == 401
    login = router.http("POST", "/api/login", {"id": "anna", "password": PASSWORD})
    assert login.status == 401, login
    for user in others:
        lists, entries = before[user]
        after = chats(router, tokens[user])
        assert set(after) == set(lists)
        for conv, item in after.items():
            was = lists[conv]
            assert (item["unread"], item["cursor"]) == (was["unread"], was["cursor"]), conv
            talk, old = history(router, tokens[user], conv), talks[user, conv]
            assert [(m["cseq"], m["id"], m["userid"]) for m in talk] == [(m["cseq"], m["id"], m["userid"]) for m in old]
            for message, earlier in zip(talk, old):
                if message["userid"] == "anna":
                    assert message["recalled"] is True and not {"content", "memo", "cid", "edited"} & set(message)
                else:
                    assert message == earlier
        client = Chat(router, user, token=tokens[user], device=f"phone-{user}")
        inbox = client.fetch_all()
        client.close()
        assert [e["seq"] for e in inbox] == list(range(1, len(inbox) + 1))
        assert MARK not in json.dumps(inbox)
        assert [(e["seq"], e.get("cseq"), e["id"]) for e in inbox[: len(entries)]] == [
            (e["seq"], e.get("cseq"), e["id"]) for e in entries]
        told = [(e["name"], e.get("user")) for e in inbox[len(entries):]]
        assert ("group.removed", "anna") in told and ("group.role", "bert") in told
        assert (("contact.removed", user) in told) == (user == "bert")
    club = router.http("GET", "/api/groups/club", bearer=tokens["bert"]).json
    assert {m["user"]: m["role"] for m in club["members"]} == {"bert": "admin", "carl": "member"}
    assert router.http("GET", "/api/contacts", bearer=tokens["bert"]).json == []
    events = router.http("GET", "/api/events?limit=1000", bearer="k" * 20)
    assert events.status == 200 and MARK not in events.body.decode()
    assert [e["n"] for e in events.json["events"]] == list(range(1, len(events.json["events"]) + 1))
    found = router.http("GET", f"/api/search?q={MARK}", bearer=tokens["bert"])
    assert found.json["messages"] == [], found


def test_the_id_can_be_registered_anew_and_starts_empty(town):
    router, tokens, people = town
    for one in people.values():
        one.close()
    router.stop()
    run(router, "erase", "anna", "--yes")
    router.start()
    # What is new since is somebody's: the id is a stranger's no more.
    fresh = register(router, "anna")
    assert router.http("GET", "/api/me", bearer=fresh).json["id"] == "anna"
    assert router.http("GET", "/api/me", bearer=tokens["anna"]).status == 401
    assert chats(router, fresh) == {}
    for path in ("/api/contacts", "/api/contacts/requests", "/api/groups"):
        answer = router.http("GET", path, bearer=fresh)
        assert answer.status != 200 or not any(answer.json.values() if isinstance(answer.json, dict) else answer.json)
    for query in ("", "&after=0", "&before=1000000"):
        answer = router.http("GET", f"/api/conversations/anna:bert/messages?limit=100{query}", bearer=fresh)
        assert answer.status != 200 or answer.json["messages"] == [], answer
    assert router.http("GET", "/api/search?q=bert", bearer=fresh).json["messages"] == []
    forward = router.http("POST", "/api/conversations/anna:bert/messages/2/forward", {"to": "carl"}, bearer=fresh)
    assert forward.status in (403, 404), forward
    assert router.http("POST", "/api/contacts/requests", {"to": "bert"}, bearer=fresh).status < 300
    assert router.http("POST", "/api/contacts/requests/anna/accept", {}, bearer=tokens["bert"]).status < 300
    (contact,) = router.http("GET", "/api/contacts", bearer=fresh).json
    assert (contact["user"], contact["unread"], contact["last"]) == ("bert", 0, None)
    anna = Chat(router, "anna", token=fresh, device="new")
    assert [e["name"] for e in anna.fetch_all()] == ["contact.accepted"]
    bert = Chat(router, "bert", token=tokens["bert"], device="phone-bert")
    head = history(router, tokens["bert"], "anna:bert")[-1]["cseq"]
    assert bert.post("anna", "who are you?")["cseq"] == head + 1
    anna.messages(1)
    assert anna.post("bert", "the new one", cid=f"{MARK}.0")["cseq"] == head + 2  # an old cid is nobody's
    assert [m["content"] for m in history(router, fresh, "anna:bert")] == ["who are you?", "the new one"]
    assert chats(router, fresh)["anna:bert"]["unread"] == 1
    changed = router.http("POST", "/api/password", {"old": PASSWORD, "new": PASSWORD + "!"}, bearer=fresh)
    for one in (anna, bert):
        one.close()
    router.stop()
    export = json.loads(run(router, "export", "anna").stdout)
    assert [m["content"] for m in export["messages"]] == ["who are you?", "the new one"]
    run(router, "erase", "anna", "--yes")
    router.start()
    again = register(router, "anna")
    for token, status in ((tokens["anna"], 401), (fresh, 401), (again, 200)):
        assert router.http("GET", "/api/me", bearer=token).status == status, changed


def test_an_id_with_new_messages_is_no_strangers(town):
    router, tokens, people = town
    for one in people.values():
        one.close()
    router.stop()
    run(router, "erase", "anna", "--yes")
    router.start()
    bert = Chat(router, "bert", token=tokens["bert"], device="phone-bert")
    bert.post("anna", "are you there?")
    bert.close()
    answer = router.http(
        "POST", "/api/register", {"id": "anna", "name": "x", "email": "x@example.org", "password": PASSWORD})
    assert answer.status == 409, answer


def test_a_killed_erasure_is_finished(start_router, chat, tmp_path):
    """Killed again and again; the last one, or the start of the router, finishes it."""
    router = start_router()
    anna = chat("anna", to=router)
    count = 300
    for number in range(count):
        anna.send(cmd=10, dstid="bert", content=f"{MARK} number {number} " + "y" * 500, cid=f"c{number}")
    for number in range(count):
        anna.expect("ack", cid=f"c{number}")
    router.stop()
    spare = tmp_path / "spare"
    shutil.copytree(router.data, spare)
    start = time.monotonic()
    run(router, "erase", "anna", "--yes", data=spare)
    whole = time.monotonic() - start
    arguments = [router_binary(), "user", "erase", "anna", "--yes", "--data", str(router.data)]
    for part in range(1, 12):
        process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            process.wait(whole * part / 12)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    router.start()
    router.stop()
    run(router, "erase", "anna", "--yes")
    assert holds(router.data, MARK) == []
    router.start()
    kept = router.http("GET", "/api/conversations/anna:bert/messages?limit=1000", bearer="bert").json["messages"]
    assert [m["cseq"] for m in kept] == list(range(1, count + 1)) and all(m["recalled"] for m in kept)


def test_errors_say_what_to_do(start_router, tmp_path, chat):
    router = start_router()
    chat("anna", to=router).post("bert", "hello")
    locked = run(router, "erase", "anna", "--yes", code=1)
    assert b"in use by another process" in locked.stderr and b"Stop" in locked.stderr
    router.stop()
    for command in (["export", "nobody"], ["erase", "nobody", "--yes"], ["erase", "nobody", "--dry-run"]):
        assert b"nothing is known" in run(router, *command, code=3).stderr
    assert b"--dry-run" in run(router, "erase", "anna", code=64).stderr
    run(router, "erase", "anna", "--yes", "--dry-run", code=64)
    run(router, "export", "a b", code=64)
    missing = tmp_path / "nowhere"
    for command in (["export", "anna"], ["erase", "anna", "--yes"]):
        assert b"no store" in run(router, *command, code=1, data=missing).stderr
    assert not missing.exists()
    assert b"can't create" in run(router, "export", "anna", "--output", str(tmp_path / "no" / "x"), code=1).stderr
    for command in ("export", "erase"):
        text = run(router, command, "--help").stdout.decode()
        assert "Exit status" in text and "router user " + command in text
    router.start()
