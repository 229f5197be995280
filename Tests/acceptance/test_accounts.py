"""Accounts: registering, logging in and out, cookies, passwords, and finding others (contract §5 and §6)."""

import base64
import concurrent.futures
import hashlib
import itertools
import sqlite3
import threading
import time

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from binary_protocol import ERROR, TOKEN
from switchboard import PATIENCE, Router
from test_sign_in import SECRET, token

PASSWORD = "correct horse battery staple"
KEY = "the operator's key"
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def strict(tmp_path_factory):
    """A router that believes nobody without a token."""
    options = ("--jwt-secret", SECRET, "--api-key", KEY, "--origins", "https://chat.example, http://other.example:81")
    router = Router(tmp_path_factory.mktemp("accounts"), *options, dev=False).start()
    yield router
    router.stop()


class Account:
    """A registered user, by what the router answered."""

    def __init__(self, router, **fields):
        number = next(_numbers)
        body = {"id": f"acc{number}", "email": f"Acc{number}@example.org", "name": f"Person {number}"}
        answer = router.http("POST", "/api/register", body | {"password": PASSWORD} | fields)
        assert answer.status == 201, answer
        user, self.token = answer.json["user"], answer.json["token"]
        self.id, self.name, self.email = user["id"], user["name"], user["email"]
        self.cookie = answer.headers["Set-Cookie"].split(";")[0]
        self.answer = answer


@pytest.fixture
def account(strict):
    return Account(strict)


def login(router, **fields):
    return router.http("POST", "/api/login", fields)


def code(answer):
    return answer.status, answer.json["error"]["code"]


def is_believed(router, bearer):
    return router.http("GET", "/api/me", bearer=bearer).status == 200


def upgrade_status(router, path, **options):
    with pytest.raises(InvalidStatus) as refusal:
        router.websocket(path, **options)
    return refusal.value.response.status_code


# Registering


def test_register_and_login(strict, account):
    """Who registers is logged in; later the address in any case, or the id, and the password do it again."""
    user = {"id": account.id, "name": account.name, "email": account.email}
    assert account.answer.json["user"] == user
    for name in ({"email": account.email}, {"email": account.email.upper()}, {"id": account.id}):
        answer = login(strict, password=PASSWORD, **name)
        assert answer.status == 200 and answer.json["user"] == user, answer
        days = (answer.json["expires"] / 1000 - time.time()) / 86_400
        assert 29.9 < days < 30.1
        assert strict.http("GET", "/api/me", bearer=answer.json["token"]).json == user
    assert answer.headers["Cache-Control"] == "no-store"


def test_cookie_attributes(strict, account):
    """The cookie is for this host, over HTTP only, and goes with the login."""
    parts = {part.strip().lower() for part in account.answer.headers["Set-Cookie"].split(";")[1:]}
    assert parts == {"path=/", "httponly", "samesite=lax", f"max-age={30 * 86_400}"}
    assert account.cookie == f"switchboard_session={account.token}"


def test_an_id_is_made(strict):
    """Who gives no id gets one."""
    body = {"email": "made@example.org", "name": "Made", "password": PASSWORD}
    answer = strict.http("POST", "/api/register", body)
    assert answer.status == 201
    user = answer.json["user"]["id"]
    assert login(strict, id=user, password=PASSWORD).json["user"]["id"] == user


def test_taken(strict, account):
    """An address, in whatever case, and an id belong to one account."""
    other = {"email": "other@example.org", "name": "Other", "password": PASSWORD}
    assert code(strict.http("POST", "/api/register", other | {"id": account.id})) == (409, "conflict")
    again = other | {"email": account.email.swapcase()}
    assert code(strict.http("POST", "/api/register", again)) == (409, "conflict")


@pytest.mark.parametrize("fields", [
    {"email": "no address"}, {"email": "a@b@c"}, {"email": "@b"}, {"email": "a @b"},
    {"name": ""}, {"name": "n" * 65}, {"name": "line\nbreak"}, {"password": "1234567"}, {"password": "p" * 257},
    {"id": "a:b"}, {"id": ""}, {"id": "x" * 65}, {"email": None}, {"name": 7}, {"password": None},
])
def test_bad_registrations(strict, fields):
    """What can be no account is refused, with what is wrong."""
    body = {"email": "bad@example.org", "name": "Bad", "password": PASSWORD} | fields
    assert code(strict.http("POST", "/api/register", body)) == (400, "bad_request")


def test_an_inbox_is_not_given_away(strict):
    """An id with messages is its owner's: a stranger can't register it; a token proves who isn't one."""
    sent = {"from": "svc", "to": "inboxed", "message": "secret"}
    assert strict.http("POST", "/timeline/send", sent, bearer=KEY).status == 200
    body = {"email": "inboxed@example.org", "name": "I", "password": PASSWORD, "id": "inboxed"}
    assert code(strict.http("POST", "/api/register", body)) == (409, "conflict")
    assert code(strict.http("POST", "/api/register", body, bearer=token("another"))) == (409, "conflict")
    assert strict.http("POST", "/api/register", body, bearer=token("inboxed")).status == 201
    # The API key is the operator's word.
    body |= {"email": "svc@example.org", "id": "svc"}
    assert code(strict.http("POST", "/api/register", body, bearer=KEY + "x")) == (409, "conflict")
    assert strict.http("POST", "/api/register", body, bearer=KEY).status == 201


def test_registration_options(start_router):
    """`closed`: the operator makes accounts; `claim`: whoever comes first may take an id with messages."""
    body = {"email": "a@example.org", "name": "A", "password": PASSWORD, "id": "a"}
    closed = start_router("--registration", "closed", "--api-key", KEY, dev=False)
    assert code(closed.http("POST", "/api/register", body)) == (403, "forbidden")
    assert closed.http("POST", "/api/register", body, bearer=KEY).status == 201
    assert login(closed, id="a", password=PASSWORD).status == 200
    claim = start_router("--registration", "claim", "--api-key", KEY, dev=False)
    assert claim.http("POST", "/timeline/send", {"from": "b", "to": "a", "message": "m"}, bearer=KEY).status == 200
    assert claim.http("POST", "/api/register", body).status == 201


# Logging in


def test_wrong_logins(strict, account):
    """A wrong password and an unknown account are told the same, in about the same time."""
    def timed(**fields):
        start = time.monotonic()
        answer = login(strict, **fields)
        assert code(answer) == (401, "unauthorized")
        return time.monotonic() - start, answer.json["error"]["message"]

    wrong, unknown = timed(id=account.id, password="wrong"), timed(email="nobody@example.org", password=PASSWORD)
    assert wrong[1] == unknown[1]
    assert unknown[0] > wrong[0] / 4, "an unknown account is answered without a hash"
    for body in ({"password": PASSWORD}, {"id": account.id}, {"id": "a", "email": "a@b", "password": PASSWORD}):
        assert code(login(strict, **body)) == (400, "bad_request")


def test_throttling(start_router, strict):
    """After ten failures an account waits, and is told how long; others log in, and so does the token there is."""
    router = start_router(dev=False)
    victim, other = Account(router), Account(router)
    answers = [login(router, id=victim.id, password="wrong one") for _ in range(10)]
    assert all(answer.status == 401 for answer in answers)
    refused = login(router, email=victim.email, password=PASSWORD)
    assert code(refused) == (429, "rate_limited")
    assert 1 <= int(refused.headers["Retry-After"]) <= 30
    assert f"{refused.headers['Retry-After']} s" in refused.json["error"]["message"]
    assert login(router, id=other.id, password=PASSWORD).status == 200
    assert is_believed(router, victim.token)


def test_success_is_not_counted(strict, account):
    """Whoever knows the password may log in as often as they like."""
    assert all(login(strict, id=account.id, password=PASSWORD).status == 200 for _ in range(12))


# Tokens


def test_token_signs_in_everywhere(strict, account, chat, binary):
    """The token does wherever a JWT does."""
    assert chat(to=strict, path="/ws", token=account.token).welcome["userid"] == account.id
    assert chat(account.id, to=strict, token=account.token).welcome["userid"] == account.id
    bearer = {"Authorization": f"Bearer {account.token}"}
    assert chat(to=strict, path="/ws", headers=bearer).welcome["userid"] == account.id
    first = chat(to=strict, path="/ws", welcome=False)
    first.send(cmd="connect", token=account.token)
    assert first.expect("welcome")["userid"] == account.id
    assert binary("", to=strict, auth=TOKEN, credential=account.token).welcome.user == account.id
    assert binary(account.id, to=strict, auth=TOKEN, credential=account.token).welcome.user == account.id
    assert upgrade_status(strict, f"/chat?id=another&token={account.token}") == 401


@pytest.mark.parametrize("path", ["/ws?token={}", "/chat?id={user}&token={}"])
def test_forged_tokens(strict, account, path):
    """A token with another letter somewhere isn't believed."""
    for index in (0, 4, 20, 40, len(account.token) - 1):
        letter = "A" if account.token[index] != "A" else "B"
        forged = account.token[:index] + letter + account.token[index + 1:]
        assert upgrade_status(strict, path.format(forged, user=account.id)) == 401
        assert not is_believed(strict, forged)


def test_another_router_does_not_believe_it(start_router, account):
    """Each store has a key of its own."""
    router = start_router(dev=False)
    Account(router, id=account.id)
    assert not is_believed(router, account.token)


def test_in_development(router, people, chat):
    """--dev believes an id, yet no token that is wrong."""
    (a,) = people(1)
    registered = Account(router, id=a, email=f"{a}@example.org")
    assert chat(to=router, path="/ws", token=registered.token).welcome["userid"] == a
    assert chat(a).welcome["userid"] == a
    assert not is_believed(router, registered.token[:-1])
    assert router.http("GET", "/api/me", bearer="somebody").json == {"id": "somebody", "name": "somebody"}
    assert router.http("POST", "/api/logout", {}, bearer=a).status == 200
    assert chat(a).welcome["userid"] == a


# Browsers


def test_cookie_on_websockets(strict, account, chat):
    """The cookie signs in to /ws from the own origin and those of the list."""
    for origin in (f"http://127.0.0.1:{strict.port}", "https://chat.example", "http://other.example:81"):
        headers = {"Cookie": account.cookie, "Origin": origin}
        assert chat(to=strict, path="/ws", headers=headers).welcome["userid"] == account.id
    for origin in ("http://chat.example", "https://evil.example", f"http://127.0.0.1:{strict.port + 1}", "null"):
        headers = {"Cookie": account.cookie, "Origin": origin}
        assert upgrade_status(strict, "/ws", additional_headers=headers) == 403


def test_cookie_on_calls(strict, account):
    """The cookie does for calls; what changes something must be JSON and come from the own origin."""
    own = {"Cookie": account.cookie, "Origin": f"http://127.0.0.1:{strict.port}"}
    assert strict.http("GET", "/api/me", headers={"Cookie": account.cookie}).json["id"] == account.id
    group = {"id": f"group-{account.id}", "name": "G", "members": []}
    path = "/api/groups"
    foreign = own | {"Origin": "https://evil.example"}
    assert code(strict.http("GET", "/api/me", headers=foreign)) == (403, "forbidden")
    assert code(strict.http("POST", path, group, headers=foreign)) == (403, "forbidden")
    for site in ("cross-site", "same-site"):
        fetch = {"Cookie": account.cookie, "Sec-Fetch-Site": site}
        assert code(strict.http("POST", path, group, headers=fetch)) == (403, "forbidden")
    form = own | {"Content-Type": "text/plain"}
    assert code(strict.http("POST", path, group, headers=form)) == (415, "bad_request")
    assert strict.http("GET", f"/api/groups/{group['id']}", headers=own).status == 404
    typed = own | {"Content-Type": "application/json; charset=utf-8"}
    assert strict.http("POST", path, group, headers=typed).status == 201
    # A token in a header isn't sent by browsers unasked, so it may come from anywhere.
    other = {"Origin": "https://evil.example"}
    again = strict.http("POST", path, group | {"id": f"{group['id']}2"}, bearer=account.token, headers=other)
    assert again.status == 201


def test_no_login_across_origins(strict, account):
    """A page elsewhere can't log its visitors in as somebody."""
    headers = {"Origin": "https://evil.example"}
    body = {"id": account.id, "password": PASSWORD}
    assert code(strict.http("POST", "/api/login", body, headers=headers)) == (403, "forbidden")
    body = {"email": "x@example.org", "name": "X", "password": PASSWORD}
    assert code(strict.http("POST", "/api/register", body, headers=headers)) == (403, "forbidden")


def test_secure_cookies(start_router):
    """--secure-cookies: over TLS only; --login-days: how long."""
    router = start_router("--secure-cookies", "--login-days", "2", dev=False)
    answer = Account(router).answer
    assert "; Secure" in answer.headers["Set-Cookie"] and f"Max-Age={2 * 86_400}" in answer.headers["Set-Cookie"]
    assert abs(answer.json["expires"] / 1000 - time.time() - 2 * 86_400) < 60


# Logging out


def test_logout(strict, account, chat, binary):
    """Logout ends all that the token opened with 4001, over each protocol, and nothing else."""
    second = login(strict, id=account.id, password=PASSWORD).json["token"]
    mine = [chat(to=strict, path="/ws", token=account.token), chat(account.id, to=strict, token=account.token)]
    tcp = binary(account.id, to=strict, auth=TOKEN, credential=account.token)
    others = [chat(to=strict, path="/ws", token=second), chat(account.id, to=strict, token=token(account.id))]
    answer = strict.http("POST", "/api/logout", {}, bearer=account.token)
    assert answer.status == 200 and answer.json == {} and "Set-Cookie" not in answer.headers
    assert [client.close_code() for client in mine] == [4001, 4001]
    assert tcp.expect(ERROR).code == "unauthorized"
    assert tcp.ended()
    for client in others:
        client.fence()
    assert not is_believed(strict, account.token) and is_believed(strict, second)
    assert upgrade_status(strict, f"/ws?token={account.token}") == 401
    assert code(strict.http("POST", "/api/logout", {}, bearer=account.token)) == (401, "unauthorized")


def test_no_session_outlives_logout(strict, account):
    """Who is signing in while the token is logged out is refused, or closed with 4001 like the others."""
    for _ in range(3):
        bearer = login(strict, id=account.id, password=PASSWORD).json["token"]
        opened, begun = [], threading.Barrier(5)

        def sign_in():
            begun.wait()
            try:
                while len(opened) < 5_000:
                    opened.append(strict.websocket(f"/ws?token={bearer}"))
            except InvalidStatus as refusal:
                assert refusal.response.status_code == 401

        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            threads = [pool.submit(sign_in) for _ in range(4)]
            begun.wait()
            while len(opened) < 20:
                time.sleep(0.001)
            assert strict.http("POST", "/api/logout", {}, bearer=bearer).status == 200
            for thread in threads:
                thread.result(PATIENCE)
        for client in opened:
            with pytest.raises(ConnectionClosed) as closed:
                while True:
                    client.recv(timeout=PATIENCE)
            assert closed.value.rcvd.code == 4001


def test_logout_by_cookie(strict, account, chat):
    """A browser's logout takes the cookie back, also when it was worth nothing any more."""
    headers = {"Cookie": account.cookie, "Origin": f"http://127.0.0.1:{strict.port}"}
    client = chat(to=strict, path="/ws", headers=headers)
    foreign = headers | {"Origin": "https://evil.example"}
    assert code(strict.http("POST", "/api/logout", {}, headers=foreign)) == (403, "forbidden")
    client.fence()
    answer = strict.http("POST", "/api/logout", {}, headers=headers)
    assert answer.status == 200
    assert answer.headers["Set-Cookie"].startswith("switchboard_session=;")
    assert "max-age=0" in answer.headers["Set-Cookie"].lower()
    assert client.close_code() == 4001
    again = strict.http("POST", "/api/logout", {}, headers=headers)
    assert again.status == 401 and "max-age=0" in again.headers["Set-Cookie"].lower()


def test_logout_of_a_jwt(strict, chat):
    """A JWT can be ended too, before its time, and only that one."""
    one, other = token("jwt-user"), token("jwt-user", jti="other")
    ended, going = chat(to=strict, path="/ws", token=one), chat(to=strict, path="/ws", token=other)
    assert strict.http("POST", "/api/logout", {}, bearer=one).status == 200
    assert ended.close_code() == 4001
    going.fence()
    assert not is_believed(strict, one) and is_believed(strict, other)


# The password


def test_change_of_password(strict, account, chat):
    """A new password ends the other logins, and not the one that asked for it."""
    other = login(strict, id=account.id, password=PASSWORD).json["token"]
    mine, theirs = chat(to=strict, path="/ws", token=account.token), chat(to=strict, path="/ws", token=other)
    jwt = chat(account.id, to=strict, token=token(account.id))
    change = {"old": PASSWORD, "new": "another password"}
    assert code(strict.http("POST", "/api/password", change | {"old": "wrong"}, bearer=other)) == (403, "forbidden")
    assert code(strict.http("POST", "/api/password", change | {"new": "short"}, bearer=other)) == (400, "bad_request")
    theirs.fence()
    assert strict.http("POST", "/api/password", change, bearer=account.token).status == 200
    assert theirs.close_code() == 4001
    mine.fence()
    jwt.fence()
    assert is_believed(strict, account.token) and not is_believed(strict, other)
    assert code(login(strict, id=account.id, password=PASSWORD)) == (401, "unauthorized")
    new = login(strict, id=account.id, password="another password").json["token"]
    assert is_believed(strict, new)
    # And once more, by another login: now the first one ends.
    change = {"old": "another password", "new": PASSWORD}
    assert strict.http("POST", "/api/password", change, bearer=new).status == 200
    assert is_believed(strict, new) and not is_believed(strict, account.token)
    assert mine.close_code() == 4001


def test_hashes_grow(start_router):
    """A login brings a hash with smaller parameters up to those of today."""
    router = start_router(dev=False)
    account = Account(router)
    router.stop()

    def encoded(data):
        return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

    salt = bytes(range(16))
    digest = hashlib.scrypt(b"an old password", salt=salt, n=16, r=8, p=1, dklen=32)
    old = f"$scrypt$ln=4,r=8,p=1${encoded(salt)}${encoded(digest)}"
    with sqlite3.connect(router.data / "switchboard.db") as database:
        assert database.execute("UPDATE accounts SET password = ?", (old,)).rowcount == 1
    database.close()
    router.start()
    assert login(router, id=account.id, password=PASSWORD).status == 401
    assert all(login(router, id=account.id, password="an old password").status == 200 for _ in range(2))
    change = {"old": "an old password", "new": PASSWORD}
    assert router.http("POST", "/api/password", change, bearer=account.token).status == 200
    router.stop()
    with sqlite3.connect(router.data / "switchboard.db") as database:
        (text,) = database.execute("SELECT password FROM accounts").fetchone()
    database.close()
    assert text.startswith("$scrypt$ln=15,r=8,p=3$")


def test_no_password_without_an_account(strict):
    answer = strict.http("POST", "/api/password", {"old": PASSWORD, "new": PASSWORD}, bearer=token("passwordless"))
    assert code(answer) == (404, "not_found")


# Finding others


def test_search(strict):
    """By the beginning of the name, the id, or the whole address, which is shown to nobody else."""
    anna = Account(strict, name="Änna Söderberg")
    bert = Account(strict, name="Änne Berg")

    def found(text):
        answer = strict.http("GET", f"/api/users?q={text}", bearer=bert.token)
        assert answer.status == 200
        return answer.json

    stranger = {"id": anna.id, "name": anna.name}
    assert found("%C3%A4nna") == [stranger]
    assert found("%C3%84NN") == [stranger, {"id": bert.id, "name": bert.name, "email": bert.email}]
    assert found(anna.email.upper()) == [stranger]
    assert found(anna.id) == [stranger]
    assert found(anna.email[:-1]) == [] and found("derberg") == [] and found("%25") == [] and found("_nna") == []
    assert code(strict.http("GET", "/api/users", bearer=bert.token)) == (400, "bad_request")
    assert code(strict.http("GET", "/api/users?q=a")) == (401, "unauthorized")


# Restarts and crashes


def test_what_was_answered_survives(start_router, tmp_path):
    """kill -9 right after each answer: accounts, logins, their ends and new passwords are there."""
    router = start_router("--jwt-secret", SECRET, dev=False)

    def crash():
        router.kill()
        router.start()

    account = Account(router)
    crash()
    assert is_believed(router, account.token)
    second = login(router, id=account.id, password=PASSWORD).json["token"]
    third = login(router, id=account.id, password=PASSWORD).json["token"]
    jwt = token("jwt-user")
    for ended in (account.token, jwt):
        assert router.http("POST", "/api/logout", {}, bearer=ended).status == 200
    crash()
    assert not is_believed(router, account.token) and not is_believed(router, jwt)
    assert is_believed(router, second) and is_believed(router, third)
    change = {"old": PASSWORD, "new": "another password"}
    assert router.http("POST", "/api/password", change, bearer=second).status == 200
    crash()
    assert is_believed(router, second) and not is_believed(router, third)
    assert login(router, id=account.id, password=PASSWORD).status == 401
    router.stop()
    router.start()
    assert login(router, email=account.email, password="another password").status == 200
    assert not is_believed(router, account.token)
    assert code(router.http("POST", "/api/register", {
        "id": account.id, "email": "new@example.org", "name": "N", "password": PASSWORD})) == (409, "conflict")
