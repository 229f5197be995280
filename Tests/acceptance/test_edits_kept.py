"""Edited and recalled messages in the timeline, and after `kill -9`."""

import json

from switchboard import ENTRY_COMMANDS
from test_edits import conv, edit, history, path, recall


def test_the_timeline_syncs_changes(router, people):
    a, b = people(2)
    router.http("POST", "/timeline/send", {"from": a, "to": b, "message": "opaque secret"})
    assert router.http("PATCH", path(conv(a, b), 1), {"memo": "m"}, bearer=a).status == 200

    def synced():
        return [e["message"] for e in router.http("GET", f"/timeline/sync?member={b}").json["entrySet"]]

    entry, notice = map(json.loads, synced())
    assert entry["content"] == "opaque secret" and entry["memo"] == "m" and entry["edited"]
    assert notice["name"] == "message.edited" and notice["memo"] == "m"
    assert router.http("DELETE", path(conv(a, b), 1), bearer=a).status == 200
    assert "secret" not in json.dumps(synced()) and len(synced()) == 3
    one = router.http("GET", f"/timeline/history/single/{a}/{b}").json["entrySet"]
    assert json.loads(one[0]["message"])["recalled"] is True


def test_answered_changes_survive_kill(start_router, chat):
    router = start_router()
    alice = chat("a", to=router)
    edited, recalled = {}, set()
    for turn in range(6):
        for _ in range(10):
            ack = alice.post("b", f"secret {turn}")
            edited[ack["cseq"]] = f"secret {turn}"
        for cseq in list(edited)[turn * 7 :: 3]:
            if cseq in recalled:
                continue
            edit(alice, "a:b", cseq, content=f"edited in {turn}")
            edited[cseq] = f"edited in {turn}"
        for cseq in list(edited)[turn::11]:
            recall(alice, "a:b", cseq)
            recalled.add(cseq)
        router.kill()
        router.start()
        alice = chat("a", to=router)
        kept = {m["cseq"]: m for m in history(alice, "a:b")}
        for cseq, content in edited.items():
            if cseq in recalled:
                assert kept[cseq]["recalled"] is True and "content" not in kept[cseq]
            else:
                assert kept[cseq]["content"] == content
    entries = chat("b", to=router).fetch_all()
    assert [e["seq"] for e in entries] == list(range(1, len(entries) + 1))
    told = {e["cseq"] for e in entries if e.get("name") == "message.recalled"}
    assert told == recalled
    for entry in entries:
        assert entry["cmd"] in ENTRY_COMMANDS
        if entry.get("cseq") in recalled:
            assert "content" not in entry
