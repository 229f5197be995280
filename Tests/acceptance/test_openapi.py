"""The API's own description: the router serves it, and does what it says.

Schemathesis makes requests from the document, good and bad ones, and holds each answer against it: no 5xx, no status,
content type or body that isn't described. From the same answers a run makes the same choices; `OPENAPI_SEED` makes
others, and `OPENAPI_SECONDS` lets it go on that long.
"""

import collections
import itertools
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from switchboard import ERROR_CODES, Router

SECONDS = os.environ.get("OPENAPI_SECONDS")
EXAMPLES = "15"  # requests that are made up for each operation, besides those for the edges of its values
SEED = os.environ.get("OPENAPI_SEED", "1")
PASSWORD = "correct horse battery"
KEY = "the-operators-key"
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
MEDIA = (
    "--media-endpoint", "http://127.0.0.1:9", "--media-bucket", "media", "--media-access-key", "AK",
    "--media-secret-key", "SK")
METHODS = ("get", "put", "post", "patch", "delete")


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """A router with everything turned on, in which alice has a bit of everything; and her token."""
    options = ("--api-key", KEY, "--events", "on", "--registration", "claim", *MEDIA)
    router = Router(tmp_path_factory.mktemp("openapi"), *options).start()
    yield router, seed(router)
    router.stop()


def seed(router):
    """Makes what the document's examples name; answers alice's token."""

    def call(method, path, body=None, by=None, expected=(200, 201)):
        answer = router.http(method, path, body, bearer=by)
        assert answer.status in expected, (method, path, answer)
        return answer.json

    tokens = {
        name: call("POST", "/api/register", {
            "id": name, "email": f"{name}@example.org", "name": name.title(), "password": PASSWORD}, by=KEY)["token"]
        for name in ("alice", "bob")}
    alice, bob = tokens["alice"], tokens["bob"]
    call("POST", "/api/contacts/requests", {"to": "bob"}, by=alice)
    call("POST", "/api/contacts/requests/alice/accept", {}, by=bob)
    for asker in ("dave", "erin"):
        call("POST", "/api/contacts/requests", {"to": "alice", "text": "hello"}, by=asker)
    call("POST", "/api/groups", {"id": "team", "name": "Team", "members": ["bob", "frank"]}, by=alice)
    for conv in ("alice:bob", "team"):
        for text in ("hello", "how are you", "well"):
            call("POST", f"/api/conversations/{conv}/messages", {"content": text}, by=alice)
            call("POST", f"/api/conversations/{conv}/messages", {"content": text, "media": 1}, by=bob)
    call("PATCH", "/api/conversations/team/messages/1", {"content": "hello all"}, by=alice)
    return alice


def operations(document):
    for path, item in document["paths"].items():
        for method in METHODS:
            if method in item:
                yield method, path, item[method]


def closed(document):
    """The document, with members that it doesn't name forbidden where it doesn't allow them: none may be left out."""

    def close(value):
        if isinstance(value, dict):
            if value.get("type") == "object" and "properties" in value:
                value.setdefault("additionalProperties", False)
            for inner in value.values():
                close(inner)
        elif isinstance(value, list):
            for inner in value:
                close(inner)
        return value

    copy = json.loads(json.dumps(document))
    close(copy["components"])
    for _, _, operation in operations(copy):
        # An object of which only some members are named there, the document itself, stays open.
        if operation["operationId"] != "document":
            close(operation["responses"])
    return copy


def test_document_is_served(served):
    router, _ = served
    answer = router.http("GET", "/api/openapi.json")
    assert answer.status == 200 and answer.headers["Content-Type"] == "application/json"
    assert answer.json["openapi"].startswith("3.1.")
    tag = answer.headers["ETag"]
    again = router.http("GET", "/api/openapi.json", headers={"If-None-Match": tag})
    assert again.status == 304 and again.body == b"" and again.headers["ETag"] == tag
    head = router.http("HEAD", "/api/openapi.json")
    assert head.status == 200 and int(head.headers["Content-Length"]) == len(answer.body)


def test_every_reference_leads_somewhere(served):
    router, _ = served
    document = router.http("GET", "/api/openapi.json").json
    references = set(re.findall(r'"\$ref": "#/([^"]+)"', json.dumps(document)))
    for reference in references:
        value = document
        for step in reference.split("/"):
            value = value[step]
    kinds = ("parameters", "responses", "schemas")
    unused = {f"components/{kind}/{name}" for kind in kinds for name in document["components"][kind]} - references
    assert not unused
    assert set(document["components"]["schemas"]["Error"]["properties"]["error"]["properties"]["code"]["enum"]) \
        == ERROR_CODES


def test_what_needs_a_token_says_so(tmp_path_factory):
    """Without `--dev`, what the document calls secured answers 401 to nobody, and everything else doesn't."""
    router = Router(tmp_path_factory.mktemp("strict"), "--api-key", KEY, "--jwt-secret", "s" * 32, dev=False).start()
    try:
        for method, path, operation in operations(router.http("GET", "/api/openapi.json").json):
            target = path.replace("{conv}", "a:b").replace("{cseq}", "1")
            answer = router.http(method.upper(), re.sub(r"{\w+}", "x", target))
            is_secured = bool(operation["security"]) and {} not in operation["security"]
            assert (answer.status == 401) == is_secured, (method, path, answer)
            if is_secured:
                assert answer.json["error"]["code"] == "unauthorized"
    finally:
        router.stop()


# Requests take the seeded things more often than not, and what a schema makes of itself else.
CONFIGURATION = """
[auth.openapi]
UserToken = { bearer = "%(token)s" }
ApiKey = { bearer = "%(key)s" }

[checks]
not_a_server_error = { expected-statuses = %(fine)s }

[phases.coverage]
unexpected-methods = ["GET", "PUT", "POST", "DELETE", "OPTIONS", "PATCH"]

[dictionaries]
users = { values = ["bob", "carol", "dave", "erin", "frank"] }
conversations = { values = ["alice:bob", "alice:carol", "team"] }
groups = { values = ["team", "news"] }
places = { values = [1, 2, 3, 4] }
recalled = { values = [5, 6] }

[parameters]
"path.user" = { dictionary = "users", probability = 0.7 }
"path.from" = { dictionary = "users", probability = 0.7 }
"path.conv" = { dictionary = "conversations", probability = 0.8 }
"path.cseq" = { dictionary = "places", probability = 0.7 }
"path.id" = { dictionary = "groups", probability = 0.7 }

# The others are still to be edited and forwarded.
[[operations]]
include-operation-id = "recallMessage"
parameters = { "path.cseq" = { dictionary = "recalled", probability = 0.9 } }

# What is right costs a password's hash each time; there is enough of it without the edges of each value.
[[operations]]
include-path = ["/api/register", "/api/login", "/api/password"]
generation = { max-examples = 5 }
phases = { coverage = { generation = { mode = "negative" } } }

# Would end the login that all requests use; the plain id is no login.
[[operations]]
include-path = "/api/logout"
headers = { Authorization = "Bearer alice" }
"""


def schemathesis(router, token, directory, description, *options, fine=("2xx", "3xx", "4xx")):
    """Holds the router against a description; what the tester said, and its report."""
    document = directory / "openapi.json"
    document.write_text(json.dumps(closed(description)))
    configuration = directory / "schemathesis.toml"
    configuration.write_text(CONFIGURATION % {"token": token, "key": KEY, "fine": json.dumps(fine)})
    report = directory / "report.ndjson"
    program = Path(sys.executable).with_name("schemathesis")
    command = [
        program, "--config-file", configuration, "run", document, "--url", f"http://127.0.0.1:{router.port}",
        "--checks", CHECKS, "--seed", SEED, "--max-examples", EXAMPLES, "--request-timeout", "10", "--no-color",
        "--generation-database", "none", "--continue-on-failure", "--report", "ndjson",
        "--report-ndjson-path", report, *options]
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=int(SECONDS or 0) + 240)
    return done, report


def statuses(report):
    """How often each operation answered with which status."""
    counts = collections.defaultdict(collections.Counter)
    for line in report.read_text().splitlines():
        scenario = json.loads(line).get("ScenarioFinished")
        if scenario is None:
            continue
        recorder = scenario["recorder"]
        for number, interaction in recorder.get("interactions", {}).items():
            if response := interaction.get("response"):
                case = recorder["cases"][number]["value"]
                counts[f"{case['method']} {case['path']}"][response["status_code"]] += 1
    return counts


def test_the_tester_finds_what_is_wrong(served, tmp_path):
    """A status, a member and a type that the document doesn't have: each is noticed."""
    router, token = served
    document = router.http("GET", "/api/openapi.json").json
    schemas, paths = document["components"]["schemas"], document["paths"]
    del paths["/api/contacts/{user}"]["delete"]["responses"]["200"]
    del schemas["Presence"]["properties"]["last_seen"]
    schemas["Presence"]["required"].remove("last_seen")
    schemas["Messages"]["properties"]["more"] = {"type": "integer"}
    # Only what doesn't change anything, but for the contact that ends here and comes back.
    names = "removeContact", "userStatus", "history"
    done, _ = schemathesis(
        router, token, tmp_path, document, "--phases", "examples",
        *itertools.chain.from_iterable(("--include-operation-id", name) for name in names))
    router.http("POST", "/api/contacts/requests", {"to": "bob"}, bearer=token)
    router.http("POST", "/api/contacts/requests/alice/accept", {}, bearer="bob")
    assert done.returncode == 1, done.stdout + done.stderr
    for finding in ("Undocumented status code", "'last_seen' was unexpected", 'false is not of type "integer"'):
        assert finding in done.stdout, (finding, done.stdout)


def test_what_is_turned_off_is_refused_as_the_document_says(start_router, tmp_path):
    """Without media, events and search, and with strangers' messages held: 501 where there is nothing."""
    router = start_router("--api-key", KEY, "--search", "off", "--strangers", "hold", "--inbox-members", "2")
    token, document = seed(router), router.http("GET", "/api/openapi.json").json
    done, report = schemathesis(
        router, token, tmp_path, document, "--phases", "examples", fine=("2xx", "3xx", "4xx", "501"))
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-2_000:]
    off = {name for name, seen in statuses(report).items() if 501 in seen}
    assert off == {"POST /api/media", "GET /api/events", "GET /api/search"}


def test_the_router_does_what_the_document_says(served, tmp_path):
    router, token = served
    document = router.http("GET", "/api/openapi.json").json
    done, report = schemathesis(router, token, tmp_path, document, *(["--max-time", SECONDS] if SECONDS else []))
    assert router.process.poll() is None, router.output()
    assert router.http("GET", "/api/me", bearer=token).json["id"] == "alice", "the tester logged itself out"
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-2_000:]
    counts = statuses(report)
    expected = {f"{method.upper()} {path}" for method, path, _ in operations(document)}
    successes = {name for name, seen in counts.items() if any(200 <= status < 300 for status in seen)}
    assert expected <= successes, {name: dict(counts[name]) for name in expected - successes}
