"""Search in one's own conversations, in several scripts, and what must never come out of it."""

import time
import urllib.parse

import pytest

from switchboard import PATIENCE


def look(router, user, q, **query):
    """One answer, complete."""
    deadline = time.monotonic() + PATIENCE
    while True:
        text = urllib.parse.urlencode({"q": q} | query)
        answer = router.http("GET", f"/api/search?{text}", bearer=user)
        assert answer.status == 200, answer
        if answer.json["complete"]:
            return answer.json
        assert time.monotonic() < deadline, "the index never catches up"


def found(router, user, q, **query):
    return [message["content"] for message in look(router, user, q, **query)["messages"]]


def refused(router, user, **query):
    answer = router.http("GET", "/api/search?" + urllib.parse.urlencode(query), bearer=user)
    return answer.status, answer.json["error"]["code"]


def test_english(router, chat, people):
    """Whole words and their beginnings, without regard to case and accents; all words must be there."""
    a, b = people(2)
    alice = chat(a)
    for text in ("The quick brown fox", "a lazy Dog sleeps", "Crème brûlée, quickly!", "fox and dog"):
        alice.post(b, text)
    for user in (a, b):
        assert found(router, user, "quick") == ["The quick brown fox", "Crème brûlée, quickly!"], "oldest first"
        assert found(router, user, "FOX") == ["The quick brown fox", "fox and dog"]
        assert found(router, user, "fox dog") == ["fox and dog"]
        assert found(router, user, "creme bru") == ["Crème brûlée, quickly!"]
        assert found(router, user, "uick") == [], "not the middle of words"
        assert found(router, user, "nothing") == []
    answer = look(router, b, "lazy")["messages"][0]
    assert answer["conv"] == f"{a}:{b}" and answer["cseq"] == 2 and answer["userid"] == a


def test_russian(router, chat, people):
    a, b = people(2)
    alice = chat(a)
    for text in ("Привет, мир!", "Ещё одна ёлка", "приветствую всех", "Москва"):
        alice.post(b, text)
    assert found(router, b, "привет") == ["Привет, мир!", "приветствую всех"]
    assert found(router, b, "ПРИВЕТ МИР") == ["Привет, мир!"]
    assert found(router, b, "еще елка") == ["Ещё одна ёлка"] == found(router, b, "ещё ёлка")
    assert found(router, b, "моск") == ["Москва"]


def test_chinese_and_its_neighbours(router, chat, people):
    """Characters in a row, wherever they stand."""
    a, b = people(2)
    alice = chat(a)
    for text in ("你好，世界", "世界你好吗", "我用iPhone手机", "こんにちは世界", "안녕하세요 세계"):
        alice.post(b, text)
    assert found(router, b, "你好") == ["你好，世界", "世界你好吗"]
    assert found(router, b, "好你") == [], "in that order"
    assert found(router, b, "世界") == ["你好，世界", "世界你好吗", "こんにちは世界"]
    assert found(router, b, "世") == ["你好，世界", "世界你好吗", "こんにちは世界"]
    assert found(router, b, "iphone手机") == ["我用iPhone手机"] == found(router, b, "手机")
    assert found(router, b, "にちは") == ["こんにちは世界"]
    assert found(router, b, "녕하") == ["안녕하세요 세계"]


def test_mixed_and_hostile(router, chat, people):
    """What is a language of questions elsewhere is text here."""
    a, b = people(2)
    alice = chat(a)
    alice.post(b, 'say "AND" OR NOT near* (x) content:y ^z', memo="hidden words")
    text = 'say "AND" OR NOT near* (x) content:y ^z'
    for q in ('"AND"', "OR NOT", "near*", "(x)", "content:y", "^z", 'say "', "x')--", "a\\d", "NEAR(say and)"):
        answer = router.http("GET", "/api/search?" + urllib.parse.urlencode({"q": q}), bearer=a)
        assert answer.status == 200, (q, answer)
    assert found(router, a, 'say "and"') == [text]
    assert found(router, a, "near*") == [text]
    assert found(router, a, "hidden") == [], "the content alone is searched"
    assert found(router, a, "\ue000u1") == [], "owners can't be typed"


def test_one_conversation_and_pages(router, chat, people):
    a, b, c = people(3)
    alice = chat(a)
    for number in range(25):
        alice.post(b, f"tea {number}")
    alice.post(c, "tea elsewhere")
    assert found(router, a, "tea", conv=f"{a}:{c}") == ["tea elsewhere"]
    everything, query = [], {"limit": 10, "conv": f"{a}:{b}"}
    while True:
        answer = look(router, a, "tea", **query)
        everything = [message["content"] for message in answer["messages"]] + everything
        if not answer["more"]:
            break
        query["before"] = answer["before"]
    assert everything == [f"tea {number}" for number in range(25)]


def test_outsiders(router, chat, people):
    """Nobody finds what others said to each other."""
    a, b, c = people(3)
    chat(a).post(b, "between us two")
    chat(c).post(a, "hello between")
    assert found(router, c, "between") == ["hello between"]
    assert refused(router, c, q="between", conv=f"{a}:{b}") == (403, "forbidden")
    assert router.http("GET", "/api/search?q=between").status == 401


def test_groups_by_membership(router, chat, people):
    """Members find what was said before they came, and nothing once they are out."""
    a, b, c = people(3)
    group = router.group(a, f"g{a}", b)
    alice = chat(a)
    alice.post(group, "the plan is secret", cmd=11)
    assert found(router, b, "plan") == ["the plan is secret"] == found(router, b, "plan", conv=group)
    assert found(router, c, "plan") == []
    assert refused(router, c, q="plan", conv=group)[0] in (403, 404)
    answer = router.http("POST", f"/api/groups/{group}/members", {"user": c, "role": "silent"}, bearer=a)
    assert answer.status in (200, 201), answer
    assert found(router, c, "plan") == ["the plan is secret"]
    assert router.http("DELETE", f"/api/groups/{group}/members/{b}", bearer=a).status == 200
    assert found(router, b, "plan") == []
    assert refused(router, b, q="plan", conv=group)[0] in (403, 404)


def test_other_forms(router, chat, binary, people):
    """Text of the binary protocol is found, bytes are not."""
    a, b = people(2)
    router.http("POST", "/timeline/send", {"from": a, "to": b, "message": "from the timeline"})
    alice = chat(a)
    alice.post(b, "c29tZSBieXRlcw", encoding="base64")
    alice.post(b, 12)
    alice.post(b, "escaped \u00e9t\u00e9 \"quoted\"")
    assert found(router, b, "timeline") == ["from the timeline"]
    assert found(router, b, "c29tZSBieXRlcw") == []
    assert found(router, b, "ete quoted") == ['escaped été "quoted"']


def test_refusals(router, people):
    a, = people(1)
    assert refused(router, a, q="") == (400, "bad_request")
    assert refused(router, a, q="!?") == (400, "bad_request")
    assert refused(router, a, q="x" * 257) == (413, "too_large")
    assert refused(router, a, q="x", before="y") == (400, "bad_request")
    assert refused(router, a, q="x", limit=0) == (400, "bad_request")
    assert refused(router, a, q="x", conv="a:b:c") == (400, "bad_request")


def test_crash_off_and_on_again(start_router, chat):
    """The index follows after kill -9, and is made anew after it was off."""
    router = start_router()
    alice = chat("alice", to=router)
    for number in range(300):
        alice.post("bob", f"word{number % 3} number{number}")
    assert len(found(router, "bob", "word1", limit=100)) == 100
    router.kill()
    router.start()
    chat("alice", to=router).post("bob", "word1 after")
    assert found(router, "bob", "word1", limit=100)[-1] == "word1 after"
    assert found(router, "bob", "number299") == ["word2 number299"]
    router.stop()
    router.options += ["--search", "off"]
    router.start()
    assert refused(router, "bob", q="word") == (501, "unsupported")
    chat("alice", to=router).post("bob", "word1 unseen")
    router.stop()
    router.options = [option for option in router.options if option not in ("--search", "off")]
    router.start()
    assert found(router, "bob", "word1", limit=100)[-2:] == ["word1 after", "word1 unseen"]
    assert found(router, "bob", "number0") == ["word0 number0"]


def test_edited_and_recalled(router, chat, people):
    """What was recalled comes out no more, what was edited only as it is now; before and after it was indexed."""
    a, b = people(2)
    alice = chat(a)
    conv = f"{a}:{b}"
    for is_indexed in (True, False):
        first, second = alice.post(b, "green apples"), alice.post(b, "green pears")
        if is_indexed:
            assert found(router, b, "green") == ["green apples", "green pears"]
        alice.request(cmd="edit", conv=conv, cseq=first["cseq"], content="red apples")
        alice.request(cmd="recall", conv=conv, cseq=second["cseq"])
        for user in (a, b):
            assert found(router, user, "green") == [] == found(router, user, "pears")
            assert found(router, user, "red apples")[-1] == "red apples"
        alice.request(cmd="recall", conv=conv, cseq=first["cseq"])
        assert found(router, b, "apples") == []


def test_held_messages(start_router, chat):
    """What a stranger says is found by nobody else until the request is accepted."""
    router = start_router("--strangers", "hold")
    chat("alice", to=router).post("bob", "patience")
    assert found(router, "alice", "patience") == ["patience"]
    assert found(router, "bob", "patience") == [] == found(router, "bob", "patience", conv="alice:bob")
    assert router.http("POST", "/api/contacts/requests", {"to": "bob"}, bearer="alice").status == 200
    assert router.http("POST", "/api/contacts/requests/alice/accept", {}, bearer="bob").status == 200
    for query in ({}, {"conv": "alice:bob"}):
        assert found(router, "bob", "patience", **query) == ["patience"]
