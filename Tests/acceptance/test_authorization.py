"""Who may do what: every operation on a group, a private conversation and the operator's parts, for every role.

One table says who is let in; everybody else must be refused, over HTTP and, where a frame does the same, over WebSocket.
"""

import itertools
from urllib.parse import quote

import pytest

from switchboard import Router
from test_sign_in import SECRET, token

KEY = "the operator's key"
ROLES = ["admin", "moderator", "member", "author", "silent", "former", "stranger"]
INSIDE = {"admin", "moderator", "member", "author", "silent"}
LEADERS = {"admin", "moderator"}
# Not tokens of a user: nothing, a token signed by somebody else, the operator's key.
OUTSIDERS = {"nobody": None, "forger": token("forger", secret="x" * 32), "operator": KEY}
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def strict(tmp_path_factory):
    options = ("--jwt-secret", SECRET, "--api-key", KEY, "--events", "on")
    router = Router(tmp_path_factory.mktemp("authorization"), *options, dev=False).start()
    yield router
    router.stop()


class Group:
    """A group with one of each role, a member to act upon, and the author's message in it."""

    def __init__(self, router):
        number = next(_numbers)
        self.router = router
        self.users = {role: f"z{number}{role}" for role in ROLES + ["other"]}
        self.id = f"zg{number}"
        inside = [self.users[role] for role in ("moderator", "member", "author", "silent", "former", "other")]
        self.call("admin", "POST", "/api/groups", {"id": self.id, "name": "z", "members": inside})
        for role in ("moderator", "silent"):
            self.call("admin", "PATCH", f"/api/groups/{self.id}/members/{self.users[role]}", {"role": role})
        self.call("admin", "DELETE", f"/api/groups/{self.id}/members/{self.users['former']}")
        self.call("author", "POST", f"/api/conversations/{self.id}/messages", {"content": "mine"})

    def ask(self, role, method, path, body=None):
        bearer = OUTSIDERS[role] if role in OUTSIDERS else token(self.users[role])
        # The operator's calls know no user's rights, so JSON is all a change needs.
        headers = {"Content-Type": "application/json"}
        return self.router.http(method, path.format(group=self.id, **self.users), body, bearer, headers)

    def call(self, role, method, path, body=None):
        answer = self.ask(role, method, path, body)
        assert answer.status in (200, 201), answer


MESSAGES = "/api/conversations/{group}/messages"
MEMBERS = "/api/groups/{group}/members"

# What it is, how it is asked, and who may.
ON_GROUPS = [
    ("see it", "GET", "/api/groups/{group}", None, INSIDE),
    ("rename it", "PATCH", "/api/groups/{group}", {"name": "y"}, {"admin"}),
    ("add a member", "POST", MEMBERS, {"user": "znew", "role": "member"}, LEADERS),
    ("add a silent one", "POST", MEMBERS, {"user": "znew", "role": "silent"}, LEADERS),
    ("add a moderator", "POST", MEMBERS, {"user": "znew", "role": "moderator"}, {"admin"}),
    ("add an admin", "POST", MEMBERS, {"user": "znew", "role": "admin"}, {"admin"}),
    ("silence a member", "PATCH", MEMBERS + "/{other}", {"role": "silent"}, LEADERS),
    ("make a moderator", "PATCH", MEMBERS + "/{other}", {"role": "moderator"}, {"admin"}),
    ("make an admin", "PATCH", MEMBERS + "/{other}", {"role": "admin"}, {"admin"}),
    ("lower a moderator", "PATCH", MEMBERS + "/{moderator}", {"role": "member"}, {"admin"}),
    ("remove a member", "DELETE", MEMBERS + "/{other}", None, LEADERS),
    ("remove the admin", "DELETE", MEMBERS + "/{admin}", None, set()),
    ("look at its conversation", "GET", "/api/conversations/{group}", None, INSIDE),
    ("read its history", "GET", MESSAGES, None, INSIDE),
    ("send", "POST", MESSAGES, {"content": "x"}, INSIDE - {"silent"}),
    ("edit a message", "PATCH", MESSAGES + "/1", {"content": "x"}, LEADERS | {"author"}),
    ("recall a message", "DELETE", MESSAGES + "/1", None, LEADERS | {"author"}),
    ("forward a message", "POST", MESSAGES + "/1/forward", {"to": "zfriend"}, INSIDE),
    ("mark it read", "POST", "/api/conversations/{group}/read", {"cseq": 1}, INSIDE),
    ("search in it", "GET", "/api/search?q=mine&conv={group}", None, INSIDE),
]


@pytest.mark.parametrize("role", ROLES + list(OUTSIDERS))
@pytest.mark.parametrize("operation", ON_GROUPS, ids=[operation[0] for operation in ON_GROUPS])
def test_groups(strict, operation, role):
    """Exactly those whom the table names get in; the others leave the group as it was."""
    name, method, path, body, allowed = operation
    group = Group(strict)
    before = group.ask("admin", "GET", "/api/groups/{group}").json
    history = group.ask("admin", "GET", MESSAGES).json
    answer = group.ask(role, method, path, body)
    if role in allowed:
        assert answer.status in (200, 201), answer
        return
    expected = (401,) if role in OUTSIDERS else (403, 404)
    if (name, role) == ("remove the admin", "admin"):
        expected = (409,)
    assert answer.status in expected, answer
    assert group.ask("admin", "GET", "/api/groups/{group}").json == before
    assert group.ask("admin", "GET", MESSAGES).json == history


FRAMES = [
    ("send", {"cmd": 11, "dstid": "{group}", "content": "x", "cid": "c"}, INSIDE - {"silent"}),
    ("type", {"cmd": "typing", "dstid": "{group}", "group": True}, INSIDE),
    ("read its history", {"cmd": "history", "conv": "{group}"}, INSIDE),
    ("mark it read", {"cmd": "read", "conv": "{group}", "cseq": 1}, INSIDE),
    ("edit a message", {"cmd": "edit", "conv": "{group}", "cseq": 1, "content": "x"}, LEADERS | {"author"}),
    ("recall a message", {"cmd": "recall", "conv": "{group}", "cseq": 1}, LEADERS | {"author"}),
    ("forward a message", {"cmd": "forward", "conv": "{group}", "cseq": 1, "dstid": "zfriend"}, INSIDE),
]


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("operation", FRAMES, ids=[operation[0] for operation in FRAMES])
def test_groups_by_frames(strict, chat, operation, role):
    name, frame, allowed = operation
    group = Group(strict)
    frame = {key: value.format(group=group.id) if isinstance(value, str) else value for key, value in frame.items()}
    user = group.users[role]
    client = chat(user, to=strict, token=token(user))
    client.send(**frame, ref="asked")
    answer = client.take(lambda f: f.get("ref") == "asked" or f.get("cid") == "c" and f["cmd"] in ("ack", "error"))
    if role in allowed:
        assert answer["cmd"] != "error", answer
    else:
        assert answer["cmd"] == "error" and answer["code"] in ("forbidden", "not_member", "silenced", "not_found")


ON_PRIVATE = [
    ("look", "GET", "/api/conversations/{conv}", None, {"author", "other"}),
    ("read", "GET", "/api/conversations/{conv}/messages", None, {"author", "other"}),
    ("send", "POST", "/api/conversations/{conv}/messages", {"content": "x"}, {"author", "other"}),
    ("edit", "PATCH", "/api/conversations/{conv}/messages/1", {"content": "x"}, {"author"}),
    ("recall", "DELETE", "/api/conversations/{conv}/messages/1", None, {"author"}),
    ("forward", "POST", "/api/conversations/{conv}/messages/1/forward", {"to": "zfriend"}, {"author", "other"}),
    ("mark read", "POST", "/api/conversations/{conv}/read", {"cseq": 1}, {"author", "other"}),
    ("search", "GET", "/api/search?q=mine&conv={conv}", None, {"author", "other"}),
]


@pytest.mark.parametrize("role", ["author", "other", "stranger", *OUTSIDERS])
@pytest.mark.parametrize("operation", ON_PRIVATE, ids=[operation[0] for operation in ON_PRIVATE])
def test_private_conversations(strict, operation, role):
    _, method, path, body, allowed = operation
    number = next(_numbers)
    users = {name: f"y{number}{name}" for name in ("author", "other", "stranger")}
    conversation = quote(f"{users['author']}:{users['other']}")
    first = strict.http(
        "POST", f"/api/conversations/{conversation}/messages", {"content": "mine"}, token(users["author"]))
    assert first.status in (200, 201), first
    bearer = OUTSIDERS[role] if role in OUTSIDERS else token(users[role])
    answer = strict.http(
        method, path.format(conv=conversation), body, bearer, {"Content-Type": "application/json"})
    if role in allowed:
        assert answer.status in (200, 201), answer
    else:
        assert answer.status in ((401,) if role in OUTSIDERS else (403, 404)), answer


OPERATORS = [
    ("GET", "/api/events?after=0", None),
    ("POST", "/timeline/send", {"From": "a", "To": "b", "Message": "x"}),
    ("POST", "/timeline/sendGroup", {"From": "a", "To": "g", "Message": "x", "Members": ["b"]}),
    ("POST", "/timeline/confirm", {"user": "a", "id": 1}),
    ("GET", "/timeline/sync?user=a&id=0&count=1", None),
    ("GET", "/timeline/history/single/a/b?count=1", None),
    ("GET", "/timeline/history/group/g?count=1", None),
]


@pytest.mark.parametrize("method, path, body", OPERATORS, ids=[path.split("?")[0] for _, path, _ in OPERATORS])
def test_operator(strict, method, path, body):
    """The operator's parts want the key, and no user's token is one; the key opens them."""
    headers = {"Content-Type": "application/json"}
    for bearer in (None, token("a"), OUTSIDERS["forger"], KEY + "x", KEY[:-1], ""):
        assert strict.http(method, path, body, bearer, headers).status == 401, bearer
    assert strict.http(method, path, body, KEY, headers).status not in (401, 403)
