"""Uploads of media: the router signs an address, and an S3 server takes what was agreed to and nothing else.

The S3 server is moto's. It keeps objects like the real one but believes every signature, so a check stands in front of
it that signs each request again with botocore, which is Amazon's own implementation.
"""

import contextlib
import datetime
import http.client
import re
import threading
import time
import urllib.parse

import boto3
import pytest
from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

ACCESS, SECRET = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
REGION, BUCKET = "eu-central-1", "media"
MAX = 1 << 20


def signature(method, url, headers, at):
    """The signature that botocore gives a request of this moment."""
    parts = urllib.parse.urlsplit(url)
    query = dict(urllib.parse.parse_qsl(parts.query))
    signed = {name: headers[name] for name in query["X-Amz-SignedHeaders"].split(";") if name != "host"}
    signer = S3SigV4QueryAuth(Credentials(ACCESS, SECRET), "s3", REGION, int(query["X-Amz-Expires"]))
    request = AWSRequest(method, f"{parts.scheme}://{parts.netloc}{parts.path}", headers=signed)
    request.context["timestamp"] = at
    # What `add_auth` does, with the time of the request instead of now.
    signer._modify_request_before_signing(request)
    canonical = signer.canonical_request(request)
    return signer.signature(signer.string_to_sign(request, canonical), request)


class Check:
    """Lets through what is signed as S3 would have it, by a URL's query."""

    def __init__(self, application):
        self.application = application

    def __call__(self, environ, start_response):
        if refusal := self.refusal(environ):
            start_response("403 Forbidden", [("Content-Type", "text/plain")])
            return [refusal.encode()]
        return self.application(environ, start_response)

    @staticmethod
    def refusal(environ):
        query = dict(urllib.parse.parse_qsl(environ["QUERY_STRING"]))
        if "X-Amz-Signature" not in query:
            return None if environ["REQUEST_METHOD"] in ("GET", "HEAD") else "AccessDenied"
        at = query["X-Amz-Date"]
        signed = datetime.datetime.strptime(at, "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.timezone.utc)
        age = time.time() - signed.timestamp()
        if not -900 < age < int(query["X-Amz-Expires"]):
            return "AccessDenied: Request has expired"
        headers = {
            "content-length": environ.get("CONTENT_LENGTH", ""), "content-type": environ.get("CONTENT_TYPE", "")}
        url = f"http://{environ['HTTP_HOST']}{environ['RAW_URI'].split('?')[0]}?{environ['QUERY_STRING']}"
        if signature(environ["REQUEST_METHOD"], url, headers, at) != query["X-Amz-Signature"]:
            return "SignatureDoesNotMatch"
        return None


@pytest.fixture(scope="module")
def s3():
    """The port of an S3 server with a bucket."""
    application = DomainDispatcherApplication(create_backend_app)
    server = make_server("127.0.0.1", 0, Check(application), threaded=True)
    open_server = make_server("127.0.0.1", 0, application, threaded=True)
    for each in (server, open_server):
        threading.Thread(target=each.serve_forever, daemon=True).start()
    client = boto3.client(
        "s3", endpoint_url=f"http://127.0.0.1:{open_server.port}", aws_access_key_id=ACCESS, region_name=REGION,
        aws_secret_access_key=SECRET)
    # The server loads its S3 part with the first request; on a slow machine the client asks again meanwhile.
    with contextlib.suppress(client.exceptions.BucketAlreadyOwnedByYou):
        client.create_bucket(
            Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION}, ACL="public-read")
    yield server.port
    for each in (server, open_server):
        each.shutdown()


@pytest.fixture(scope="module")
def media_router(s3, tmp_path_factory):
    from switchboard import Router

    # One option each by command line, environment and file, as all options may come.
    directory = tmp_path_factory.mktemp("media")
    (directory / "router.yaml").write_text(f"media-bucket: {BUCKET}\nmedia-max-size: {MAX}\n")
    router = Router(
        directory, "--media-endpoint", f"http://127.0.0.1:{s3}", "--media-region", REGION, "--config", "router.yaml",
        environment={"SWITCHBOARD_MEDIA_ACCESS_KEY": ACCESS, "SWITCHBOARD_MEDIA_SECRET_KEY": SECRET})
    router.start()
    yield router
    router.stop()


def ask(router, user="alice", **body):
    return router.http("POST", "/api/media", {"name": "cat.png", "type": "image/png", "size": 5} | body, bearer=user)


def send(method, url, body=None, headers=None):
    parts = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=10)
    try:
        connection.request(method, parts.path + ("?" + parts.query if parts.query else ""), body, headers or {})
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


@pytest.mark.parametrize("name", ["cat.png", "Übung 1 & 2?.png", "../写真+.jpg", "a'()*!~.bin"])
@pytest.mark.parametrize("user", ["alice", "jörg+1@example.com"])
def test_upload(media_router, name, user):
    """What is uploaded to `put` is found at `url`, with its type."""
    body = b"\x89PNG\x00" * 100
    answer = ask(media_router, user, name=name, size=len(body))
    assert answer.status == 200 and set(answer.json) == {"put", "url"}
    status, _, text = send("PUT", answer.json["put"], body, {"Content-Type": "image/png"})
    assert status == 200, text
    status, headers, got = send("GET", answer.json["url"])
    assert (status, got, headers["Content-Type"]) == (200, body, "image/png")


def test_nothing_else_may_be_uploaded(media_router):
    """Another type, length, key or method isn't what was signed; and nothing can be written without a signature."""
    agreed = ask(media_router).json
    put, kind = agreed["put"], {"Content-Type": "image/png"}
    refused = [
        send("PUT", put, b"12345", {"Content-Type": "text/html"}), send("PUT", put, b"12345"),
        send("PUT", put, b"123456", kind), send("PUT", put, b"1234", kind),
        send("PUT", put.replace("cat.png", "dog.png"), b"12345", kind), send("GET", put),
        send("PUT", put.replace("X-Amz-Expires=600", "X-Amz-Expires=6000"), b"12345", kind),
        send("PUT", put[:-1] + ("0" if put[-1] != "0" else "1"), b"12345", kind),
        send("PUT", agreed["url"], b"12345", kind),
    ]
    assert [status for status, _, _ in refused] == [403] * len(refused), refused
    assert send("GET", agreed["url"])[0] == 404
    assert send("PUT", put, b"12345", kind)[0] == 200


def test_address(media_router, s3):
    """The key has the user's id, something random and the plain name; the address holds for ten minutes."""
    urls = [ask(media_router, "bob", name="../a b.png").json for _ in range(2)]
    for each in urls:
        assert re.fullmatch(rf"http://127\.0\.0\.1:{s3}/{BUCKET}/bob/[0-9a-f]{{32}}/a_b\.png", each["url"]), each
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(each["put"]).query)
        assert query["X-Amz-Expires"] == ["600"] and query["X-Amz-SignedHeaders"] == ["content-length;content-type;host"]
        assert SECRET not in each["put"]
    assert urls[0]["url"] != urls[1]["url"]


def test_host_style(s3, start_router):
    """With the bucket in the host the signature is what botocore makes of it."""
    router = start_router(
        "--media-endpoint", "https://s3.example.com", "--media-bucket", BUCKET, "--media-region", REGION,
        "--media-access-key", ACCESS, "--media-secret-key", SECRET, "--media-style", "host",
        "--media-public-url", "https://cdn.example.com/m")
    answer = ask(router).json
    assert answer["put"].startswith(f"https://{BUCKET}.s3.example.com/alice/")
    assert answer["url"].startswith("https://cdn.example.com/m/alice/")
    query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(answer["put"]).query))
    headers = {"content-length": "5", "content-type": "image/png"}
    assert signature("PUT", answer["put"], headers, query["X-Amz-Date"]) == query["X-Amz-Signature"]
    policy = router.http("GET", "/").headers["Content-Security-Policy"]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["connect-src"] == f"'self' https://{BUCKET}.s3.example.com"
    assert rules["img-src"] == "'self' data: https://cdn.example.com" and rules["media-src"] == "'self' https://cdn.example.com"


@pytest.mark.parametrize(
    "body, status, code",
    [
        ({"name": ""}, 400, "bad_request"), ({"name": "x" * 1_025}, 413, "too_large"),
        ({"name": None}, 400, "bad_request"), ({"type": "png"}, 400, "bad_request"), ({"type": "image/png\r\nx-amz-acl: public-read"}, 400, "bad_request"),
        ({"size": 0}, 400, "bad_request"), ({"size": -1}, 400, "bad_request"), ({"size": "5"}, 400, "bad_request"),
        ({"size": MAX + 1}, 413, "too_large"), ({"size": 1 << 62}, 413, "too_large"),
        ({"size": 1 << 64}, 400, "bad_request"),
    ])
def test_refused(media_router, body, status, code):
    answer = ask(media_router, **body)
    assert (answer.status, answer.json["error"]["code"]) == (status, code), answer


def test_needs_a_user(media_router):
    answer = media_router.http("POST", "/api/media", {"name": "a", "type": "a/b", "size": 1})
    assert (answer.status, answer.json["error"]["code"]) == (401, "unauthorized")


def test_largest(media_router):
    assert ask(media_router, size=MAX).status == 200


def test_not_configured(router):
    """Without a media server the answer says how to set one up, and the page may ask nobody else."""
    answer = ask(router)
    assert (answer.status, answer.json["error"]["code"]) == (501, "unsupported")
    assert "--media-endpoint" in answer.json["error"]["message"]
    policy = router.http("GET", "/").headers["Content-Security-Policy"]
    assert "connect-src 'self';" in policy and "img-src 'self' data:;" in policy


def test_half_a_configuration_is_an_error(tmp_path):
    from switchboard import Router

    router = Router(tmp_path, "--media-endpoint", "https://s3.example.com").launch()
    assert router.wait() == 64 and "--media-bucket" in router.output()
