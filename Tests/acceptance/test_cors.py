"""Pages of other origins and the HTTP API (docs/protocol.md, Accounts)."""

import pytest

from switchboard import Router

PAGE = "https://chat.example"
OTHER = "https://evil.example"
PASSWORD = "correct horse"


@pytest.fixture(scope="module")
def router(tmp_path_factory):
    own = Router(tmp_path_factory.mktemp("cors"), "--origins", f"{PAGE},http://localhost:5173").start()
    yield own
    own.stop()


def cors(answer):
    return {name.lower(): value for name, value in answer.headers.items() if name.lower().startswith("access-control-")}


def preflight(router, path, origin=PAGE, method="PUT"):
    asked = {"Origin": origin, "Access-Control-Request-Method": method,
             "Access-Control-Request-Headers": "authorization, content-type"}
    return router.http("OPTIONS", path, headers=asked)


@pytest.mark.parametrize("origin", [PAGE, "http://localhost:5173"])
def test_preflight(router, origin):
    """A page of an allowed origin is told the methods of the path and what it may send."""
    answer = preflight(router, "/api/blocks/b", origin)
    assert (answer.status, answer.body) == (204, b"")
    told = cors(answer)
    assert told["access-control-allow-origin"] == origin
    assert told["access-control-allow-credentials"] == "true"
    assert told["access-control-allow-methods"] == "DELETE, PUT"
    assert {name.strip().lower() for name in told["access-control-allow-headers"].split(",")} >= {
        "authorization", "content-type"}
    assert answer.headers["Vary"] == "Origin"
    assert cors(preflight(router, "/api/contacts", origin))["access-control-allow-methods"] == "GET, HEAD"


@pytest.mark.parametrize("origin", [
    OTHER, "null", "*", "https://chat.example.evil.example", "http://chat.example", "https://chat.example:444", "",
])
def test_other_origins_are_told_nothing(router, origin):
    answer = preflight(router, "/api/blocks/b", origin)
    assert (answer.status, cors(answer), answer.headers["Vary"]) == (403, {}, "Origin")
    answer = router.http("GET", "/api/contacts", bearer="a", headers={"Origin": origin})
    assert (answer.status, cors(answer), answer.headers["Vary"]) == (200, {}, "Origin")


def test_answers_and_refusals_can_be_read(router):
    """Whatever the status is: else a page couldn't tell its user what is wrong."""
    for method, path, bearer, status in [
        ("GET", "/api/contacts", "a", 200), ("GET", "/api/contacts", None, 401), ("GET", "/api/nothing", "a", 404),
        ("POST", "/api/contacts", "a", 405), ("PUT", "/api/blocks/a", "a", 400), ("HEAD", "/api/contacts", "a", 200),
    ]:
        answer = router.http(method, path, bearer=bearer, headers={"Origin": PAGE})
        told = cors(answer)
        assert (answer.status, told["access-control-allow-origin"]) == (status, PAGE), (method, path)
        assert told["access-control-allow-credentials"] == "true"
        assert "Retry-After" in told["access-control-expose-headers"]
        assert answer.headers["Vary"] == "Origin"
    assert "*" not in str(told.values())


def test_a_page_of_another_origin_logs_in_by_cookie(router):
    body = {"id": "ann", "email": "ann@example.org", "name": "Ann", "password": PASSWORD}
    answer = router.http("POST", "/api/register", body, headers={"Origin": PAGE})
    assert answer.status == 201 and cors(answer)["access-control-allow-origin"] == PAGE
    cookie = answer.headers["Set-Cookie"].split(";")[0]
    me = router.http("GET", "/api/me", headers={"Origin": PAGE, "Cookie": cookie})
    assert (me.status, me.json["id"], cors(me)["access-control-allow-origin"]) == (200, "ann", PAGE)
    me = router.http("GET", "/api/me", headers={"Origin": OTHER, "Cookie": cookie})
    assert (me.status, cors(me)) == (403, {})


def test_nothing_else_is_opened(router):
    """Neither pages nor the operator's API, and without Origin nothing but Vary changes."""
    for path in ("/", "/healthz", "/timeline/sync?member=a&last_read=0&count=1"):
        answer = router.http("GET", path, headers={"Origin": PAGE})
        assert cors(answer) == {} and answer.headers["Vary"] is None, path
    answer = router.http("GET", "/api/contacts", bearer="a")
    assert cors(answer) == {} and answer.headers["Vary"] == "Origin"
    assert router.http("OPTIONS", "/api/contacts").status == 405
    assert router.http("OPTIONS", "/api/nothing", headers={"Origin": PAGE}).status == 404


def test_without_origins_there_is_none(start_router):
    own = start_router()
    answer = own.http("GET", "/api/contacts", bearer="a", headers={"Origin": PAGE})
    assert (answer.status, cors(answer), answer.headers["Vary"]) == (200, {}, None)
    assert preflight(own, "/api/blocks/b").status == 403


def test_no_wildcard(tmp_path):
    with pytest.raises(AssertionError, match="is no web origin"):
        Router(tmp_path, "--origins", "*").start()


def test_allow_names_head(router):
    """A path that takes GET takes HEAD."""
    answer = router.http("POST", "/api/contacts", bearer="a")
    assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD")
    assert router.http("HEAD", "/api/contacts", bearer="a").status == 200
    assert router.http("GET", "/api/login").headers["Allow"] == "POST"
