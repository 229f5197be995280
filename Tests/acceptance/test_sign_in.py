"""Signing in: tokens, cookies, the first frame, and how it is refused (contract §2)."""

import base64
import hashlib
import hmac
import json
import os
import subprocess
import time

import pytest
from websockets.exceptions import InvalidStatus

from binary_protocol import DEV, ERROR, TOKEN
from switchboard import PATIENCE, Router, router_binary

SECRET = "a secret of at least thirty-two bytes"


def part(value):
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def token(user, secret=SECRET, algorithm="HS256", **claims):
    """A JWT, signed by HMAC-SHA256 whatever its header says."""
    claims = {"sub": user, "exp": int(time.time()) + 600} | claims
    signed = part({"alg": algorithm, "typ": "JWT"}) + "." + part({k: v for k, v in claims.items() if v is not None})
    return signed + "." + part(hmac.new(secret.encode(), signed.encode(), hashlib.sha256).digest())


@pytest.fixture(scope="module")
def strict(tmp_path_factory):
    """A router that believes nobody without a token."""
    router = Router(tmp_path_factory.mktemp("strict"), "--jwt-secret", SECRET, dev=False).start()
    yield router
    router.stop()


def upgrade_status(router, path, **options):
    """The status that refuses an upgrade."""
    with pytest.raises(InvalidStatus) as refusal:
        router.websocket(path, **options)
    return refusal.value.response.status_code


def test_dev_believes_an_id(router, people, chat):
    """--dev: a user id is enough, in the URL, as a bearer and as `?token=` of /ws."""
    (a,) = people(1)
    assert chat(a).welcome["userid"] == a
    assert chat(path="/ws", token=a).welcome["userid"] == a
    assert chat(path="/ws", headers={"Authorization": f"Bearer {a}"}).welcome["userid"] == a


def test_chat_takes_a_token(strict, chat):
    assert chat("anna", to=strict, token=token("anna")).welcome["userid"] == "anna"


def test_the_router_prints_tokens(strict, chat):
    """`router token U --jwt-secret S` prints a token that signs U in."""
    run = subprocess.run(
        [router_binary(), "token", "anna", "--jwt-secret", SECRET], capture_output=True, text=True,
        timeout=PATIENCE, check=True)
    assert chat("anna", to=strict, token=run.stdout.strip()).welcome["userid"] == "anna"


def printed_token(*arguments, directory=None, **environment):
    run = subprocess.run(
        [router_binary(), "token", "anna", *arguments], capture_output=True, text=True, timeout=PATIENCE, check=True,
        cwd=directory, env={**os.environ, **environment})
    return run.stdout.strip()


def test_tokens_from_the_routers_own_file(strict, chat, tmp_path):
    """`router token` takes the secret from where the router takes it, and passes over what else stands there."""
    (tmp_path / "router.yaml").write_text(f"jwt-secret: {SECRET}\napi-key: k\ndata: /nowhere\nloops: 2\n")
    by_option = printed_token("--config", "router.yaml", directory=tmp_path)
    by_variable = printed_token(SWITCHBOARD_CONFIG=str(tmp_path / "router.yaml"), SWITCHBOARD_API_KEY="k")
    by_secret = printed_token(SWITCHBOARD_JWT_SECRET=SECRET)
    for printed in (by_option, by_variable, by_secret):
        assert chat("anna", to=strict, token=printed).welcome["userid"] == "anna"
    wrong = printed_token("--config", "router.yaml", directory=tmp_path, SWITCHBOARD_JWT_SECRET="x" * 16)
    assert upgrade_status(strict, f"/chat?id=anna&token={wrong}") == 401
    best = printed_token("--jwt-secret", SECRET, SWITCHBOARD_JWT_SECRET="x" * 16)
    assert chat("anna", to=strict, token=best).welcome["userid"] == "anna"


GOOD = token("anna")
BAD_TOKENS = {
    "none": "",
    "a user id": "anna",
    "no token at all": "x.y.z",
    "wrong signature": token("anna", secret="another secret of thirty-two bytes!"),
    "cut signature": GOOD[:-2],
    "no signature": GOOD.rsplit(".", 1)[0] + ".",
    "changed claims": ".".join([GOOD.split(".")[0], part({"sub": "anna", "exp": 9_999_999_999}), GOOD.split(".")[2]]),
    "expired": token("anna", exp=int(time.time()) - 3_600),
    "not yet valid": token("anna", nbf=int(time.time()) + 3_600),
    "no subject": token(None),
    "an empty subject": token(""),
    "a subject that is no id": token("a:b"),
    "alg none": token("anna", algorithm="none"),
    "alg none, unsigned": part({"alg": "none"}) + "." + part({"sub": "anna"}) + ".",
    "another alg": token("anna", algorithm="RS256"),
}


@pytest.mark.parametrize("bad", BAD_TOKENS.values(), ids=BAD_TOKENS.keys())
def test_bad_tokens_on_chat(strict, bad):
    """A bad token is answered 401 before the upgrade."""
    assert upgrade_status(strict, f"/chat?id=anna&token={bad}") == 401


def test_a_token_is_for_its_subject(strict):
    assert upgrade_status(strict, f"/chat?id=bert&token={token('anna')}") == 401


def test_chat_needs_both(strict):
    assert upgrade_status(strict, "/chat?id=anna") == 401
    assert upgrade_status(strict, "/chat") in (400, 401)


def test_ws_query_and_bearer(strict, chat):
    """/ws takes the token in the query or as a bearer; the user is the token's subject."""
    assert chat(to=strict, path="/ws", token=token("anna")).welcome["userid"] == "anna"
    bearer = {"Authorization": f"Bearer {token('anna')}"}
    assert chat(to=strict, path="/ws", headers=bearer, device="d").welcome["device"] == "d"


@pytest.mark.parametrize("bad", BAD_TOKENS.values(), ids=BAD_TOKENS.keys())
def test_bad_tokens_on_ws(strict, bad):
    if not bad:
        pytest.skip("without a token /ws waits for the first frame")
    assert upgrade_status(strict, f"/ws?token={bad}") == 401
    assert upgrade_status(strict, "/ws", additional_headers={"Authorization": f"Bearer {bad}"}) == 401


def test_connect_frame(strict, chat):
    """The first frame on /ws may bring the token and the device."""
    client = chat(to=strict, path="/ws", welcome=False)
    client.send(cmd="connect", token=token("anna"), device="desk")
    welcome = client.expect("welcome")
    assert (welcome["userid"], welcome["device"]) == ("anna", "desk")
    assert client.post("bert", "hello")["seq"] >= 1


@pytest.mark.parametrize("bad", BAD_TOKENS.values(), ids=BAD_TOKENS.keys())
def test_bad_connect_frame(strict, chat, bad):
    """A bad token in the first frame closes with 4001."""
    client = chat(to=strict, path="/ws", welcome=False)
    client.send(cmd="connect", token=bad)
    assert client.close_code() == 4001


def test_nothing_before_sign_in(strict, chat):
    """Another first frame than `connect` does nothing but end the connection."""
    client = chat(to=strict, path="/ws", welcome=False)
    client.send(cmd=10, dstid="bert", content="anonymous", cid="x")
    assert client.close_code() == 4001
    assert not [f for f in client.backlog if f["cmd"] != "error"]


@pytest.mark.slow
def test_sign_in_timeout(strict, chat):
    """Who says nothing for 10 s is closed with 4002."""
    client = chat(to=strict, path="/ws", welcome=False)
    start = time.monotonic()
    assert client.close_code(timeout=15) == 4002
    assert 9 <= time.monotonic() - start <= 13


def test_hello_takes_a_token(strict, binary):
    """HELLO brings the token in the binary protocol."""
    client = binary("anna", to=strict, auth=TOKEN, credential=token("anna"))
    assert client.welcome.user == "anna"


@pytest.mark.parametrize("bad", BAD_TOKENS.values(), ids=BAD_TOKENS.keys())
def test_bad_token_in_hello(strict, binary, bad):
    """A bad token in HELLO is answered by an ERROR, then the end."""
    client = binary("anna", to=strict, auth=TOKEN, credential=bad, welcome=False)
    assert client.expect(ERROR).code == "unauthorized"
    assert client.ended()


def test_hello_for_another(strict, binary):
    """A good token of somebody else, or none outside --dev, isn't believed."""
    for options in ({"auth": TOKEN, "credential": token("bert")}, {"auth": DEV}):
        client = binary("anna", to=strict, welcome=False, **options)
        assert client.expect(ERROR).code == "unauthorized"


@pytest.fixture
def account(strict, people):
    """A registered user: its id and the opaque token that login gave, as body and as cookie."""
    (a,) = people(1)
    email, password = f"{a}@example.org", "correct horse battery staple"
    answer = strict.http("POST", "/api/register", {"id": a, "email": email, "name": "A", "password": password})
    assert answer.status in (200, 201), answer
    answer = strict.http("POST", "/api/login", {"email": email, "password": password})
    assert answer.status == 200 and answer.json["user"]["id"] == a, answer
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith("switchboard_session=") and "httponly" in cookie.lower(), cookie
    assert "samesite=lax" in cookie.lower(), cookie
    return a, answer.json["token"], cookie.split(";")[0]


def test_login_token(strict, account, chat):
    """The opaque token of /api/login signs in wherever a JWT does."""
    user, opaque, _ = account
    assert chat(to=strict, path="/ws", token=opaque).welcome["userid"] == user
    assert chat(user, to=strict, token=opaque).welcome["userid"] == user


def test_cookie(strict, account, chat):
    """The session cookie signs in to /ws from the router's own origin, and from no other."""
    user, _, cookie = account
    own = {"Cookie": cookie, "Origin": f"http://127.0.0.1:{strict.port}"}
    assert chat(to=strict, path="/ws", headers=own).welcome["userid"] == user
    foreign = {"Cookie": cookie, "Origin": "http://elsewhere.example"}
    assert upgrade_status(strict, "/ws", additional_headers=foreign) in (401, 403)


def test_logout_ends_the_tokens_sessions(strict, account, chat):
    """Logout closes what the token opened (4001), and the token is worth nothing from then on."""
    _, opaque, _ = account
    client = chat(to=strict, path="/ws", token=opaque)
    assert strict.http("POST", "/api/logout", {}, bearer=opaque).status in (200, 204)
    assert client.close_code() == 4001
    assert upgrade_status(strict, f"/ws?token={opaque}") == 401


@pytest.mark.parametrize("query", ["device=a:b", "device=" + "d" * 65, "after=x"])
def test_bad_parameters(router, query):
    """A device id that is none, or an `after` that is no number, is refused before the upgrade."""
    assert upgrade_status(router, f"/chat?id=anna&{query}") == 400
