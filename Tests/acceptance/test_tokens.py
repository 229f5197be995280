"""JWTs of every algorithm, keys in files, and tokens that end: by time, by `jti`, by user (contract §2)."""

import base64
import hmac
import json
import signal
import subprocess
import time

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from websockets.exceptions import InvalidStatus

from binary_protocol import ERROR, TOKEN
from switchboard import PATIENCE, Router, router_binary

SECRET = b"a secret of at least thirty-two bytes"
KEY = "the-operators-key"
LEEWAY = 1  # seconds: sessions that end with their token do so soon


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def number(value):
    return b64(value.to_bytes((value.bit_length() + 7) // 8, "big"))


class Signer:
    """A key of one algorithm, and what is made with it."""

    def __init__(self, algorithm):
        self.algorithm = algorithm
        self.key = {
            "RS256": lambda: rsa.generate_private_key(65537, 2048),
            "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
            "EdDSA": ed25519.Ed25519PrivateKey.generate,
        }.get(algorithm, lambda: SECRET)()

    def sign(self, data):
        if self.algorithm == "RS256":
            return self.key.sign(data, padding.PKCS1v15(), hashes.SHA256())
        if self.algorithm == "ES256":
            both = decode_dss_signature(self.key.sign(data, ec.ECDSA(hashes.SHA256())))
            return b"".join(value.to_bytes(32, "big") for value in both)
        if self.algorithm == "EdDSA":
            return self.key.sign(data)
        return hmac.new(self.key, data, "sha" + self.algorithm[2:]).digest()

    def token(self, user, header=None, **claims):
        claims = {"sub": user, "exp": int(time.time()) + 600} | claims
        head = {"alg": self.algorithm, "typ": "JWT"} | (header or {})
        parts = [b64(json.dumps({k: v for k, v in part.items() if v is not None}).encode()) for part in (head, claims)]
        signed = ".".join(parts)
        return signed + "." + b64(self.sign(signed.encode()))

    def public_pem(self):
        return self.key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)

    def private_pem(self):
        return self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())

    def jwk(self, kid):
        return {"kid": kid, "use": "sig", "alg": self.algorithm} | self.members()

    def members(self):
        if self.algorithm.startswith("HS"):
            return {"kty": "oct", "k": b64(self.key)}
        public = self.key.public_key()
        if self.algorithm == "EdDSA":
            return {"kty": "OKP", "crv": "Ed25519", "x": b64(public.public_bytes_raw())}
        numbers = public.public_numbers()
        if self.algorithm == "RS256":
            return {"kty": "RSA", "n": number(numbers.n), "e": number(numbers.e)}
        return {"kty": "EC", "crv": "P-256"} | {c: b64(getattr(numbers, c).to_bytes(32, "big")) for c in "xy"}


SIGNERS = {algorithm: Signer(algorithm) for algorithm in ("HS256", "HS384", "HS512", "RS256", "ES256", "EdDSA")}
ASYMMETRIC = ("RS256", "ES256", "EdDSA")
algorithms = pytest.mark.parametrize("algorithm", SIGNERS)


@pytest.fixture(scope="module")
def strict(tmp_path_factory):
    """A router that believes one key of each kind."""
    directory = tmp_path_factory.mktemp("tokens")
    options = ["--jwt-secret", SECRET.decode(), "--api-key", KEY, "--jwt-leeway", str(LEEWAY)]
    for algorithm in ASYMMETRIC:
        path = directory / f"{algorithm}.pem"
        path.write_bytes(SIGNERS[algorithm].public_pem())
        options += ["--jwt-key", str(path)]
    router = Router(directory, *options, dev=False).start()
    yield router
    router.stop()


def is_refused(router, token):
    try:
        router.websocket(f"/ws?token={token}").close()
    except InvalidStatus as refusal:
        assert refusal.response.status_code == 401
        return True
    return False


def revoke(router, expected=200, **body):
    answer = router.http("POST", "/api/tokens/revoke", body, bearer=KEY)
    assert answer.status == expected, answer
    return answer.json


@algorithms
def test_every_algorithm_signs_in(strict, chat, binary, algorithm):
    token = SIGNERS[algorithm].token("anna")
    assert chat("anna", to=strict, token=token).welcome["userid"] == "anna"
    assert binary("anna", to=strict, auth=TOKEN, credential=token).welcome.user == "anna"
    assert strict.http("GET", "/api/me", bearer=token).json["id"] == "anna"


@algorithms
def test_what_isnt_believed(strict, binary, algorithm):
    signer, now = SIGNERS[algorithm], int(time.time())
    good = signer.token("anna")
    head, payload, signature = good.split(".")
    bad = {
        "another key": Signer(algorithm).token("anna") if algorithm in ASYMMETRIC else good[:-2],
        "other claims": ".".join([head, b64(b'{"sub":"bert"}'), signature]),
        "no signature": f"{head}.{payload}.",
        "zeros": f"{head}.{payload}.{b64(bytes(len(base64.urlsafe_b64decode(signature + '==='))))}",
        "none": ".".join([b64(b'{"alg":"none"}'), payload, signature]),
        "expired": signer.token("anna", exp=now - 60),
        "early": signer.token("anna", nbf=now + 60),
        "from the future": signer.token("anna", iat=now + 60),
        "exp as text": signer.token("anna", exp=str(now + 60)),
        "exp in milliseconds": signer.token("anna", exp=(now + 60) * 1000),
        "crit": signer.token("anna", header={"crit": ["exp"]}),
    }
    for name, token in bad.items():
        assert is_refused(strict, token), name
    client = binary("anna", to=strict, auth=TOKEN, credential=bad["other claims"], welcome=False)
    assert client.expect(ERROR).code == "unauthorized"


@pytest.mark.parametrize("algorithm", ASYMMETRIC)
def test_a_public_key_is_no_secret(strict, algorithm):
    """The old trick: HS256 with what everyone may know."""
    forger = Signer("HS256")
    for key in (SIGNERS[algorithm].public_pem(), SIGNERS[algorithm].public_pem().strip()):
        forger.key = key
        assert is_refused(strict, forger.token("anna"))
        assert is_refused(strict, forger.token("anna", header={"alg": algorithm}))


def test_audience_and_issuer(tmp_path, chat):
    options = ("--jwt-secret", SECRET.decode(), "--jwt-audience", "chat", "--jwt-issuer", "https://id.example")
    router = Router(tmp_path, *options, dev=False).start()
    try:
        token, right = SIGNERS["HS256"].token, {"aud": ["web", "chat"], "iss": "https://id.example"}
        assert chat(to=router, path="/ws", token=token("anna", **right)).welcome["userid"] == "anna"
        for wrong in ({"aud": "web"}, {"aud": None}, {"aud": []}, {"iss": "x"}, {"iss": None}):
            assert is_refused(router, token("anna", **(right | wrong))), wrong
        printed = print_token(*options)
        assert chat(to=router, path="/ws", token=printed).welcome["userid"] == "anna"
        assert is_refused(router, print_token(*options, "--audience", "web"))
        assert is_refused(router, print_token(*options, "--issuer", "me"))
    finally:
        router.stop()


def print_token(*arguments, code=0):
    run = subprocess.run(
        [router_binary(), "token", "anna", *arguments], capture_output=True, text=True, timeout=PATIENCE)
    assert run.returncode == code, run
    return run.stdout.strip()


def test_the_router_signs_by_each_algorithm(strict, chat, tmp_path):
    for algorithm in ASYMMETRIC:
        path = tmp_path / f"{algorithm}.pem"
        path.write_bytes(SIGNERS[algorithm].private_pem())
        for extra in ((), ("--alg", algorithm, "--expires", "90s")):
            token = print_token("--key", str(path), *extra)
            assert chat(to=strict, path="/ws", token=token).welcome["userid"] == "anna"
        print_token("--key", str(path), "--alg", "HS256", code=64)
    for algorithm in ("HS256", "HS384", "HS512"):
        token = print_token("--jwt-secret", SECRET.decode(), "--alg", algorithm)
        assert chat(to=strict, path="/ws", token=token).welcome["userid"] == "anna"
        claims = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
        assert len(claims["jti"]) == 32 and claims["exp"] - claims["iat"] == 30 * 86_400
    for wrong in (("--alg", "RS256"), ("--alg", "none"), ("--expires", "5"), ("--expires", "0s"), ("--key", "/nowhere")):
        print_token("--jwt-secret", SECRET.decode(), *wrong, code=64)


# Sets of keys


def wait_for_log(router, text, times):
    deadline = time.monotonic() + PATIENCE
    while router.log.read_text(errors="replace").count(text) < times:
        assert time.monotonic() < deadline, router.output()
        time.sleep(0.02)


def test_a_set_of_keys_and_its_rotation(tmp_path, chat):
    """The kid chooses the key; SIGHUP takes new keys, and keeps the old ones if the new file is wrong."""
    path = tmp_path / "jwks.json"
    old, new = Signer("ES256"), Signer("ES256")
    kids = {algorithm: f"kid-{algorithm}" for algorithm in SIGNERS}
    others = [SIGNERS[algorithm].jwk(kid) for algorithm, kid in kids.items()]
    strange = [{"kty": "RSA", "use": "enc", "n": "AQAB", "e": "AQAB"}, {"kty": "EC", "crv": "P-521"}]
    path.write_text(json.dumps({"keys": others + strange + [old.jwk("old")]}))
    router = Router(tmp_path, "--jwt-jwks", str(path), dev=False).start()
    try:
        for algorithm, kid in kids.items():
            token = SIGNERS[algorithm].token("anna", header={"kid": kid})
            assert chat(to=router, path="/ws", token=token).welcome["userid"] == "anna"
            wrong = next(other for other in kids.values() if other != kid)
            if algorithm in ASYMMETRIC:
                assert is_refused(router, SIGNERS[algorithm].token("anna", header={"kid": wrong}))
        before, after = (key.token("anna", header={"kid": kid}) for key, kid in ((old, "old"), (new, "new")))
        staying = chat(to=router, path="/ws", token=before)
        assert is_refused(router, after)
        path.write_text(json.dumps({"keys": [new.jwk("new"), {"kty": "oct", "k": "AA"}]}))
        router.process.send_signal(signal.SIGHUP)
        wait_for_log(router, "stay as they were", 1)
        assert not is_refused(router, before) and is_refused(router, after)
        path.write_text(json.dumps({"keys": others + [new.jwk("new")]}))
        router.process.send_signal(signal.SIGHUP)
        wait_for_log(router, "were read again", 1)
        assert is_refused(router, before) and not is_refused(router, after)
        staying.send(cmd=0)
        assert staying.expect(0)["cmd"] == 0
    finally:
        router.stop()


def test_wrong_keys_stop_the_start(tmp_path):
    small = rsa.generate_private_key(65537, 1024).public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    files = {
        "small": ("--jwt-key", small, "2048"), "private": ("--jwt-key", SIGNERS["ES256"].private_pem(), "public key"),
        "empty": ("--jwt-key", b"", "public key"), "set": ("--jwt-jwks", b'{"keys":[]}', "no key"),
        "text": ("--jwt-jwks", b"hello", "JSON"), "none": ("--jwt-jwks", None, "No such file"),
    }
    for name, (option, content, message) in files.items():
        path = tmp_path / name
        if content is not None:
            path.write_bytes(content)
        run = subprocess.run(
            [router_binary(), option, str(path), "--data", str(tmp_path / "data"), "--listen", "127.0.0.1:0",
             "--tcp-listen", "127.0.0.1:0"], capture_output=True, text=True, timeout=PATIENCE)
        assert run.returncode == 1 and message in run.stderr and name in run.stderr, (name, run)


def test_several_keys_from_the_configuration_file(tmp_path, chat):
    names = []
    for algorithm in ("RS256", "EdDSA"):
        names.append(tmp_path / f"{algorithm}.pem")
        names[-1].write_bytes(SIGNERS[algorithm].public_pem())
    (tmp_path / "router.yaml").write_text("jwt-key:\n" + "".join(f"  - {name}\n" for name in names))
    router = Router(tmp_path, "--config", str(tmp_path / "router.yaml"), dev=False).start()
    try:
        for algorithm in ("RS256", "EdDSA"):
            assert not is_refused(router, SIGNERS[algorithm].token("anna"))
        assert is_refused(router, SIGNERS["ES256"].token("anna"))
    finally:
        router.stop()


# The end of tokens


def test_a_session_ends_with_its_token(strict, chat, binary):
    """4001 when the token's time and the leeway are over, also for a session that is busy."""
    now = time.time()
    ends = int(now) + 3
    short = SIGNERS["ES256"].token("anna", exp=ends)
    quiet, busy = chat(to=strict, path="/ws", token=short), chat(to=strict, path="/ws", token=short)
    tcp = binary("anna", to=strict, auth=TOKEN, credential=short)
    longer = chat(to=strict, path="/ws", token=SIGNERS["ES256"].token("anna", exp=ends + 60))
    while time.time() < ends:
        busy.send(cmd=0)
        assert busy.expect(0)["cmd"] == 0
        time.sleep(0.1)
    assert quiet.close_code(timeout=LEEWAY + 4) == 4001
    assert ends + LEEWAY - 0.5 <= time.time() <= ends + LEEWAY + 3
    assert busy.close_code(timeout=3) == 4001
    assert tcp.expect(ERROR).code == "unauthorized" and tcp.ended()
    assert is_refused(strict, short)
    longer.send(cmd=0)
    assert longer.expect(0)["cmd"] == 0


def test_revoking_one_token(strict, chat, binary, people):
    (a,) = people(1)
    exp = int(time.time()) + 600
    bad, good = (SIGNERS["RS256"].token(a, jti=f"{a}-{n}", exp=exp) for n in (1, 2))
    ending, tcp = chat(to=strict, path="/ws", token=bad), binary(a, to=strict, auth=TOKEN, credential=bad)
    staying = chat(to=strict, path="/ws", token=good)
    assert revoke(strict, jti=f"{a}-1", exp=exp) == {"jti": f"{a}-1"}
    assert ending.close_code() == 4001
    assert tcp.expect(ERROR).code == "unauthorized" and tcp.ended()
    assert is_refused(strict, bad) and not is_refused(strict, good)
    # The same name in another token, too.
    assert is_refused(strict, SIGNERS["EdDSA"].token(a, jti=f"{a}-1", exp=exp))
    staying.send(cmd=0)
    assert staying.expect(0)["cmd"] == 0
    strict.kill()
    strict.start()
    assert is_refused(strict, bad) and not is_refused(strict, good)


def test_revoking_all_of_a_user(strict, chat, people):
    a, b = people(2)
    now = int(time.time())
    old, undated = SIGNERS["HS256"].token(a, iat=now - 10), SIGNERS["EdDSA"].token(a)
    fresh, other = SIGNERS["HS256"].token(a, iat=now), SIGNERS["HS256"].token(b, iat=now - 10)
    answer = strict.http(
        "POST", "/api/register", {"id": b, "email": f"{b}@example.org", "name": "B", "password": "correct horse"},
        bearer=other)
    login = answer.json["token"]
    ending = [chat(to=strict, path="/ws", token=token) for token in (old, undated)]
    staying = [chat(to=strict, path="/ws", token=token) for token in (fresh, other, login)]
    assert revoke(strict, user=a, before=now) == {"user": a, "before": now}
    assert [client.close_code() for client in ending] == [4001, 4001]
    assert is_refused(strict, old) and is_refused(strict, undated)
    for client in staying:
        client.send(cmd=0)
        assert client.expect(0)["cmd"] == 0
    assert not is_refused(strict, fresh) and not is_refused(strict, other)
    # Without a time: until now, and a login with a password as well.
    assert revoke(strict, user=b)["before"] > now
    assert [client.close_code() for client in staying[1:]] == [4001, 4001]
    assert is_refused(strict, other) and is_refused(strict, login)
    # An earlier time takes nothing back.
    assert revoke(strict, user=b, before=5) == {"user": b, "before": 5}
    strict.kill()
    strict.start()
    for token in (old, undated, other, login):
        assert is_refused(strict, token)
    assert not is_refused(strict, fresh)
    answer = strict.http("POST", "/api/login", {"id": b, "password": "correct horse"})
    assert not is_refused(strict, answer.json["token"])


def test_who_may_revoke_what(strict, people):
    (a,) = people(1)
    token = SIGNERS["HS256"].token(a)
    for bearer in (None, token, "x"):
        assert strict.http("POST", "/api/tokens/revoke", {"user": a}, bearer=bearer).status == 401
    for body in (
            {}, {"user": a, "jti": "x", "exp": 1}, {"jti": "x"}, {"jti": "", "exp": 1}, {"jti": "x" * 1025, "exp": 1},
            {"jti": "x", "exp": -1}, {"jti": "x", "exp": 1e300}, {"jti": 1, "exp": 1}, {"user": "a b"}, {"user": ""},
            {"user": a, "before": -1}, {"user": a, "exp": 1}, {"jti": "x", "exp": 1, "before": 1}):
        assert revoke(strict, expected=400, **body)["error"]["code"] == "bad_request", body
    assert not is_refused(strict, token)
    # Over already: nothing to keep.
    assert revoke(strict, jti="x", exp=5) == {"jti": "x"}
