"""The timeline service: store and forward for other servers, by HTTP (contract §5, seed "go-timeline").

The client's: what a message means, and the HTML page. Out of scope: MongoDB and Redis, which the router does without.
"""

import json
import subprocess
import threading
from urllib.parse import urlencode

import pytest

from switchboard import ERROR_CODES, PATIENCE

GREETING = '{"from": "user_a","to":"user_b","text":"在吗？"}'
GROUP_GREETING = '{"from":"user_a","to":"test_group","is_group":true,"text":"大家好"}'


def send(router, sender, to, message):
    answer = router.http("POST", "/timeline/send", {"from": sender, "to": to, "message": message})
    assert answer.status == 200, answer
    assert set(answer.json) == {"sequence"}, answer
    return answer.json["sequence"]


def send_group(router, sender, group, members, message):
    body = {"group_name": group, "group_members": members, "message": message}
    if sender is not None:
        body["from"] = sender
    answer = router.http("POST", "/timeline/sendGroup", body)
    assert (answer.status, answer.json) == (200, {"failedMembers": []}), answer


def entries(router, path, **query):
    """The entries of a GET as (sequence, message) pairs."""
    answer = router.http("GET", path + ("?" + urlencode(query) if query else ""))
    assert answer.status == 200, answer
    assert set(answer.json) == {"entrySet"}, answer
    for entry in answer.json["entrySet"]:
        assert set(entry) == {"sequence", "message"} and isinstance(entry["sequence"], str), entry
    return [(int(entry["sequence"]), entry["message"]) for entry in answer.json["entrySet"]]


def sync(router, member, last_read=0, count=100):
    return entries(router, "/timeline/sync", member=member, last_read=last_read, count=count)


def numbered(first, *messages):
    return list(enumerate(messages, first))


@pytest.fixture(scope="module")
def scenario(tmp_path_factory):
    """The seed's conversation on a fresh router: a and b alone, then a and c in group_a."""
    from switchboard import Router

    router = Router(tmp_path_factory.mktemp("timeline")).start()
    assert send(router, "a", "b", "吃了吗？") == "1"
    assert send(router, "b", "a", "吃了") == "2"
    members = ["a", "c", "d"]
    send_group(router, "a", "group_a", members, "大家好")
    send_group(router, "c", "group_a", members, "报三围")
    send_group(router, "a", "group_a", members, "初次见面，多多指教")
    yield router
    router.stop()


@pytest.mark.parametrize(
    "member, expected",
    [
        ("a", ["吃了吗？", "吃了", "大家好", "报三围", "初次见面，多多指教"]),
        ("b", ["吃了吗？", "吃了"]),
        ("c", ["大家好", "报三围", "初次见面，多多指教"]),
        ("d", ["大家好", "报三围", "初次见面，多多指教"]),
    ],
)
def test_scenario_sync(scenario, member, expected):
    """Sender and recipient each get one entry, with sequences 1, 2, 3 … of their own; no count is too large."""
    assert sync(scenario, member, count=2**63 - 1) == numbered(1, *expected)


def test_scenario_is_kept(start_router):
    """Inboxes and histories outlive a crash, and each sequence goes on where it stood."""
    router = start_router()
    send(router, "a", "b", "吃了吗？")
    send_group(router, "a", "group_a", ["a", "c", "d"], "大家好")
    router.kill()
    router.start()
    assert sync(router, "a") == numbered(1, "吃了吗？", "大家好")
    assert entries(router, "/timeline/history/single/b/a") == numbered(1, "吃了吗？")
    assert send(router, "b", "a", "吃了") == "3"
    send_group(router, "c", "group_a", ["a", "c", "d"], "报三围")
    assert sync(router, "d") == numbered(1, "大家好", "报三围")
    assert sync(router, "a", 2) == numbered(3, "吃了", "报三围")
    assert entries(router, "/timeline/history/single/a/b") == numbered(1, "吃了吗？", "吃了")
    assert entries(router, "/timeline/history/group/group_a") == numbered(1, "大家好", "报三围")


@pytest.mark.parametrize("pair", ["a/b", "b/a"])
def test_scenario_history_single(scenario, pair):
    """A private conversation has one history, whichever side asks."""
    history = entries(scenario, f"/timeline/history/single/{pair}", last_read=0, count=10)
    assert history == numbered(1, "吃了吗？", "吃了")


def test_scenario_history_group(scenario):
    """A group message is stored once, under the group's id."""
    history = entries(scenario, "/timeline/history/group/group_a", last_read=0, count=10)
    assert history == numbered(1, "大家好", "报三围", "初次见面，多多指教")


def test_paging(scenario):
    """`last_read` is exclusive, `count` limits; pages put together are the whole."""
    assert sync(scenario, "a", 1, 2) == numbered(2, "吃了", "大家好")
    assert sync(scenario, "a", 4, 10) == numbered(5, "初次见面，多多指教")
    assert sync(scenario, "a", 5, 10) == []
    page = entries(scenario, "/timeline/history/group/group_a", last_read=1, count=1)
    assert page == numbered(2, "报三围")


def test_nobody_and_nothing(scenario):
    """An inbox or a conversation that nobody wrote to is empty, not an error."""
    assert sync(scenario, "never-seen") == []
    assert entries(scenario, "/timeline/history/single/never/seen") == []
    assert entries(scenario, "/timeline/history/group/never-seen") == []


# The seed's command lines as it prints them; only the port is ours.

CURL_SEND = r"""curl -X POST http://localhost:8000/timeline/send \
-H 'Content-Type:application/json' \
-d '{"from":"user_a","to":"user_b","message":"{\"from\": \"user_a\",\"to\":\"user_b\",\"text\":\"在吗？\"}"}'
"""
CURL_SEND_GROUP = r"""curl -X POST http://localhost:8000/timeline/sendGroup \
-H 'Content-Type:application/json' \
-d '{"group_name":"test_group","group_members":["user_a","user_b","user_c","user_d"],"message":"{\"from\":\"user_a\",\"to\":\"test_group\",\"is_group\":true,\"text\":\"大家好\"}"}'
"""
CURL_SYNC = "curl -X GET http://localhost:8000/timeline/sync?member=user_a&last_read=0&count=10"
CURL_HISTORY_SINGLE = "curl -X GET http://localhost:8000/timeline/history/single/user_a/user_b"
CURL_HISTORY_GROUP = "curl -X GET http://localhost:8000/timeline/history/group/test_group"


def test_every_curl_line_of_the_seed(start_router):
    """The seed's own command lines work, typed into a shell."""
    router = start_router()

    def shell(line):
        line = line.replace("localhost:8000", f"localhost:{router.port}").replace("curl ", "curl -sS ")
        # `wait`: in a shell the `&` of the sync line ends the command there and sends it to the background.
        run = subprocess.run(
            ["bash", "-c", line + "\nwait"], capture_output=True, timeout=PATIENCE, text=True, cwd=router.directory)
        assert run.returncode == 0, run.stderr
        return json.loads(run.stdout)

    assert shell(CURL_SEND) == {"sequence": "1"}
    assert shell(CURL_SEND) == {"sequence": "2"}
    assert shell(CURL_SEND) == {"sequence": "3"}
    assert shell(CURL_SEND_GROUP) == {"failedMembers": []}

    def entry(sequence, message):
        return {"sequence": str(sequence), "message": message}

    inbox = [entry(n, GREETING) for n in (1, 2, 3)] + [entry(4, GROUP_GREETING)]
    assert shell(CURL_SYNC) == {"entrySet": inbox}
    assert shell(CURL_SYNC.replace("http", "'http") + "'") == {"entrySet": inbox}
    assert shell(CURL_HISTORY_SINGLE) == {"entrySet": [entry(n, GREETING) for n in (1, 2, 3)]}
    assert shell(CURL_HISTORY_GROUP) == {"entrySet": [entry(1, GROUP_GREETING)]}


@pytest.mark.parametrize(
    "message",
    [
        GREETING,
        "",
        " leading and trailing ",
        '"quoted"',
        'back\\slash \\u0041 \\" \\n',
        "".join(map(chr, range(0x20))) + "\x7f",
        "吃了吗？ Ünï 👩‍👩‍👧‍👦 \U0001f600 \u2028\u2029\ufeff\uffff",
        '{"cmd":10,"userid":"forged","seq":99}',
        "<script>&amp;</script>",
        "x" * 200_000,
    ],
    ids=["json", "empty", "space", "quotes", "escapes", "control", "unicode", "frame", "markup", "200KB"],
)
def test_messages_come_out_byte_for_byte(router, people, message):
    """`message` is an opaque string: sync and history give back exactly what was sent."""
    a, b = people(2)
    send(router, a, b, message)
    for member in (a, b):
        assert sync(router, member) == [(1, message)]
    assert entries(router, f"/timeline/history/single/{b}/{a}") == [(1, message)]


def test_escaped_and_plain_json_are_the_same_string(router, people):
    """A sender that writes \\u escapes (surrogate pairs too) and one that writes UTF-8 send the same message."""
    a, b = people(2)
    message = '在吗？ "😀" \\ /'
    for ascii_only in (True, False):
        body = json.dumps({"from": a, "to": b, "message": message}, ensure_ascii=ascii_only).encode()
        assert router.http("POST", "/timeline/send", body).status == 200
    assert sync(router, b) == numbered(1, message, message)


def test_each_inbox_counts_for_itself(router, people):
    """Sequences of one inbox are 1, 2, 3 … without a gap, whoever writes and however."""
    a, b, c = people(3)
    assert [send(router, a, b, str(n)) for n in range(3)] == ["1", "2", "3"]
    assert send(router, c, b, "3") == "4"
    send_group(router, a, f"group-{a}", [b, c], "4")
    assert sync(router, b) == numbered(1, "0", "1", "2", "3", "4")
    assert sync(router, c) == numbered(1, "3", "4")
    assert sync(router, a) == numbered(1, "0", "1", "2")


def test_each_inbox_counts_for_itself_under_load(router, people):
    """Many servers write to one member at once: every answer is another number, and none is left out."""
    writers = people(8)
    (member,) = people(1)
    answers = []

    def write(sender):
        for number in range(25):
            answers.append((int(send(router, sender, member, f"{sender} {number}")), f"{sender} {number}"))

    threads = [threading.Thread(target=write, args=(sender,)) for sender in writers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [sequence for sequence, _ in sorted(answers)] == list(range(1, 201))
    assert sync(router, member, count=1_000) == sorted(answers), "each message is where its answer says"
    for sender in writers:
        history = entries(router, f"/timeline/history/single/{sender}/{member}")
        assert history == numbered(1, *(f"{sender} {number}" for number in range(25)))


def test_what_was_pulled_leaves_the_inbox_and_not_the_history(router, people):
    """Confirmed entries are deleted from the member's inbox alone; the conversation can be read from any place on."""
    a, b = people(2)
    for n in range(3):
        send(router, a, b, str(n))
    assert sync(router, b) == numbered(1, "0", "1", "2"), "pulling alone deletes nothing"
    answer = router.http("POST", "/timeline/confirm", {"member": b, "sequence": "2", "device": "default"})
    assert (answer.status, answer.json) == (200, {}), answer
    assert sync(router, b) == [(3, "2")]
    assert sync(router, a) == numbered(1, "0", "1", "2")
    assert entries(router, f"/timeline/history/single/{a}/{b}") == numbered(1, "0", "1", "2")
    assert entries(router, f"/timeline/history/single/{a}/{b}", last_read=1, count=1) == [(2, "1")]
    assert send(router, a, b, "3") == "4"
    assert sync(router, b) == [(3, "2"), (4, "3")]


def test_failed_members(router, people):
    """Whoever can't have an inbox is named in the answer; the others get the message, once each."""
    a, b = people(2)
    body = {"group_name": f"group-{a}", "group_members": [a, "x:y", b, "", a], "message": "m"}
    answer = router.http("POST", "/timeline/sendGroup", body)
    assert (answer.status, answer.json) == (200, {"failedMembers": ["x:y", ""]}), answer
    assert sync(router, a) == sync(router, b) == [(1, "m")]
    assert entries(router, f"/timeline/history/group/group-{a}") == [(1, "m")]


def test_timeline_to_websocket(router, people, chat):
    """What timeline sends arrives on a WebSocket as `content`, from its sender and with all numbers."""
    a, b = people(2)
    listener, sender = chat(b), chat(a)
    assert send(router, a, b, GREETING) == "1"
    frame = listener.expect(10)
    assert (frame["userid"], frame["dstid"], frame["content"]) == (a, b, GREETING)
    assert (frame["conv"], frame["cseq"], frame["seq"]) == (f"{a}:{b}", 1, 1)
    assert isinstance(frame["id"], int) and isinstance(frame["time"], int)
    assert sender.expect(10)["content"] == GREETING


def test_timeline_group_to_websocket(router, people, chat):
    """A timeline group message reaches the named members' sessions as cmd 11."""
    a, b = people(2)
    listener = chat(b)
    send_group(router, a, f"group-{a}", [a, b], GROUP_GREETING)
    frame = listener.expect(11)
    assert (frame["dstid"], frame["conv"], frame["content"]) == (f"group-{a}", f"group-{a}", GROUP_GREETING)


def test_websocket_to_timeline(router, people, chat):
    """What a WebSocket sends comes out of /timeline/sync as the JSON text of its frame."""
    a, b = people(2)
    ack = chat(a).post(b, '在吗？ "quoted"', media=3, extra={"deep": [1, None, "ü"]})
    (sequence, text), = sync(router, b)
    frame = json.loads(text)
    assert sequence == 1
    assert {k: frame[k] for k in ("cmd", "userid", "dstid")} == {"cmd": 10, "userid": a, "dstid": b}
    assert {k: frame[k] for k in ("id", "conv", "cseq", "time")} == {k: ack[k] for k in ("id", "conv", "cseq", "time")}
    assert (frame["content"], frame["media"], frame["extra"]) == (
        '在吗？ "quoted"', 3, {"deep": [1, None, "ü"]})
    assert entries(router, f"/timeline/history/single/{a}/{b}")[0][0] == ack["cseq"]


GOOD = {"from": "f", "to": "t", "message": "m"}
GOOD_GROUP = {"group_name": "g", "group_members": ["m"], "message": "m"}


@pytest.mark.parametrize(
    "path, body",
    [
        ("send", b'{"from":"f","to":'),
        ("send", b""),
        ("send", b"[]"),
        ("send", b'"text"'),
        ("send", b'{"from":"f","to":"t","message":"m"} trailing'),
        ("send", b'{"from":"f","to":"t","message":"\xff"}'),
        ("send", b'{"from":"f","to":"t","message":"\\ud800"}'),
        ("send", {"to": "t", "message": "m"}),
        ("send", {"from": "f", "message": "m"}),
        ("send", {"from": "f", "to": "t"}),
        ("send", GOOD | {"message": 5}),
        ("send", GOOD | {"to": ""}),
        ("send", GOOD | {"to": "a:b"}),
        ("send", GOOD | {"to": "a/b"}),
        ("send", GOOD | {"to": "a b"}),
        ("send", GOOD | {"to": "a\u3000b"}),
        ("send", GOOD | {"to": "a\nb"}),
        ("send", GOOD | {"to": "x" * 65}),
        ("send", GOOD | {"to": "吃" * 22}),
        ("send", GOOD | {"from": 1.5}),
        ("send", GOOD | {"from": True}),
        ("sendGroup", {"group_members": ["m"], "message": "m"}),
        ("sendGroup", {"group_name": "g", "message": "m"}),
        ("sendGroup", GOOD_GROUP | {"group_members": "m"}),
        ("sendGroup", GOOD_GROUP | {"group_name": "a:b"}),
        ("confirm", {"member": "m"}),
        ("confirm", {"sequence": "1"}),
        ("confirm", {"member": "m", "sequence": "one"}),
    ],
    ids=lambda value: str(value)[:40] if isinstance(value, (dict, bytes)) else value,
)
def test_bad_requests(router, path, body):
    """Bad JSON, missing fields and bad ids are refused with `bad_request`."""
    check_error(router.http("POST", f"/timeline/{path}", body), 400, "bad_request")


@pytest.mark.parametrize(
    "query", ["", "member=", "member=a:b", "member=m&last_read=x", "member=m&count=x"])
def test_bad_queries(router, query):
    """A sync needs a member; numbers must be numbers."""
    check_error(router.http("GET", f"/timeline/sync?{query}"), 400, "bad_request")


def check_error(answer, status, code=None):
    assert answer.status == status, answer
    assert set(answer.json) == {"error"} and {"code", "message"} <= set(answer.json["error"]), answer
    assert answer.json["error"]["code"] in ({code} if code else ERROR_CODES), answer
    assert answer.json["error"]["message"], answer


def test_too_large(router):
    """A body above 1 MiB is 413."""
    check_error(router.http("POST", "/timeline/send", GOOD | {"message": "x" * (1 << 20)}), 413, "too_large")


def test_unknown_path_and_wrong_method(router):
    """404 for a path that isn't there, 405 with Allow for a method it doesn't have."""
    check_error(router.http("GET", "/timeline/nothing"), 404, "not_found")
    for method, path, allowed in [("GET", "/timeline/send", "POST"), ("POST", "/timeline/sync", "GET")]:
        answer = router.http(method, path, b"{}" if method == "POST" else None)
        check_error(answer, 405)
        assert allowed in answer.headers["Allow"], answer.headers


def test_integer_ids(router, people):
    """A JSON integer where an id stands means its decimal string."""
    (a,) = people(1)
    answer = router.http("POST", "/timeline/send", {"from": a, "to": 9_007_199_254, "message": "m"})
    assert answer.status == 200, answer
    assert sync(router, "9007199254")[-1][1] == "m"


def test_api_key(start_router):
    """Outside --dev the timeline service is open to holders of the API key alone."""
    router = start_router("--api-key", "k" * 32, "--jwt-secret", "s" * 32, dev=False)
    for bearer in (None, "wrong", "k" * 31):
        check_error(router.http("POST", "/timeline/send", GOOD, bearer=bearer), 401, "unauthorized")
    assert router.http("POST", "/timeline/send", GOOD, bearer="k" * 32).json == {"sequence": "1"}
    check_error(router.http("GET", "/timeline/sync?member=t"), 401, "unauthorized")
