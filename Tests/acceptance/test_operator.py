"""What the operator sees: metrics, the log, `router status`, readiness, and the documented names of all of it."""

import json
import os
import re
import resource
import subprocess
import time

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse

from switchboard import PATIENCE, ROOT, Router, router_binary

KEY = "the operator's key, which no log may have"
DOCUMENT = ROOT / "docs" / "operations.md"
KIBI = 1024


class Metrics:
    """A page of metrics, parsed as Prometheus does."""

    def __init__(self, router, bearer=None):
        answer = router.http("GET", "/metrics", bearer=bearer)
        assert answer.status == 200, answer
        assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        self.text = answer.body.decode()
        self.families = list(parse(self.text))
        self.samples = [sample for family in self.families for sample in family.samples]

    def sum(self, name, **labels):
        """All samples of a name that have these labels, together."""
        return sum(it.value for it in self.samples
                   if it.name == name and all(it.labels.get(key) == value for key, value in labels.items()))


def eventually(condition, what):
    deadline = time.monotonic() + PATIENCE
    while not (result := condition()):
        assert time.monotonic() < deadline, what() if callable(what) else what
        time.sleep(0.05)
    return result


# Metrics


def test_metrics_are_well_formed(start_router):
    """Each family has one HELP and one TYPE and begins once; each series comes once; counters end in _total."""
    page = Metrics(start_router())
    families = re.findall(r"^# TYPE (\S+) (\S+)$", page.text, re.M)
    names = [name for name, _ in families]
    assert len(names) == len(set(names)) and names == re.findall(r"^# HELP (\S+) \S.*$", page.text, re.M)
    assert all(name.endswith("_total") == (kind == "counter") for name, kind in families)
    assert {kind for _, kind in families} == {"counter", "gauge", "histogram"}
    assert all(family.documentation and family.type != "unknown" for family in page.families)
    series = [(it.name, tuple(sorted(it.labels.items()))) for it in page.samples]
    assert len(series) == len(set(series))


def test_openmetrics(start_router):
    """The same numbers for a scraper that prefers OpenMetrics."""
    router = start_router()
    router.http("POST", "/timeline/send", {"from": "a", "to": "b", "message": "hi"})
    answer = router.http("GET", "/metrics", headers={"Accept": "application/openmetrics-text;version=1.0.0,text/plain;q=0.5"})
    assert answer.headers["Content-Type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    families = {family.name: family for family in parse_openmetrics(answer.body.decode())}
    assert families["switchboard_store_messages"].type == "counter"
    assert [sample.value for sample in families["switchboard_store_messages"].samples] == [1]


def test_every_metric_is_documented(start_router):
    """The table of docs/operations.md has exactly the metrics there are, with their types."""
    router = start_router("--webhook-url", "http://127.0.0.1:9/", "--webhook-secret", "0123456789abcdef")
    there = dict(re.findall(r"^# TYPE (\S+) (\S+)$", Metrics(router).text, re.M))
    rows = re.findall(r"^\| `((?:switchboard|process)_\w+)(?:\{[^}]*\})?` \| (\w+) \|", DOCUMENT.read_text(), re.M)
    assert dict(rows) == there and len(rows) == len(there)


def test_counters_add_up(start_router, chat, binary):
    """What the test does is what the counters say, whichever loops the users live on."""
    router = start_router("--loops", "2")
    before = Metrics(router)
    senders = [chat(f"sender{n}", to=router) for n in range(4)]
    receiver, other = chat("receiver", to=router), binary("other", to=router)
    for index, sender in enumerate(senders):
        for n in range(5):
            sender.post("receiver", f"{index}.{n}")
    receiver.messages(20)
    assert senders[0].refused(cmd=10) == "bad_request"
    assert senders[0].refused(cmd="no such thing") == "unsupported"
    router.group("receiver", "g", "sender0", "other")
    receiver.post("g", "hello all", cmd=11)
    senders[0].messages(1)
    router.http("POST", "/timeline/send", {"from": "system", "to": "receiver", "message": "hi"})
    receiver.messages(1)
    assert router.http("GET", "/nowhere").status == 404
    after = Metrics(router)

    def grown(name, **labels):
        return after.sum(name, **labels) - before.sum(name, **labels)

    assert grown("switchboard_messages_received_total", kind="private") == 21
    assert grown("switchboard_messages_received_total", kind="group") == 1
    assert grown("switchboard_store_messages_total") == 22
    # Acks go to senders, and the call over HTTP is answered.
    assert grown("switchboard_acks_total") == grown("switchboard_ack_seconds_count") == 22
    assert grown("switchboard_store_commits_total") == grown("switchboard_store_commit_seconds_count")
    assert grown("switchboard_store_commit_messages_sum") == 22
    # 20 and the operator's to the receiver, one to the two others of the group; the invitations besides.
    assert 23 <= grown("switchboard_messages_pushed_total") <= 26
    assert grown("switchboard_errors_total", code="bad_request") == 1
    assert grown("switchboard_errors_total", code="unsupported") == 1
    assert grown("switchboard_errors_total") == 2
    assert grown("switchboard_frames_received_total", form="json") == 23
    assert grown("switchboard_sign_ins_total") == after.sum("switchboard_sessions") == 6
    assert after.sum("switchboard_users") == 6 and grown("switchboard_presence_changes_total", change="came") == 6
    assert grown("switchboard_http_requests_total", route="websocket", status="101") == 5
    assert grown("switchboard_http_requests_total", route="/timeline/send", status="200") == 1
    assert grown("switchboard_http_request_seconds_count", route="/timeline/send") == 1
    assert grown("switchboard_http_requests_total", route="other", status="404") == 1
    assert grown("switchboard_connections_accepted_total") >= 9
    # The scraper has a seventh; its earlier ones may take a moment to be gone.
    eventually(lambda: Metrics(router).sum("switchboard_connections") == 7, "connections stay")
    assert grown("switchboard_received_bytes_total") > 22 * 30
    assert grown("switchboard_sent_bytes_total") > 22 * 60
    assert after.sum("process_resident_memory_bytes") > 1 << 20 and after.sum("process_cpu_seconds_total") > 0
    assert abs(after.sum("process_start_time_seconds") - time.time()) < 60
    assert after.sum("switchboard_store_file_bytes", file="journal-wal") > 0

    for client in senders:
        client.close()
    other.close()
    ended = eventually(lambda: (page := Metrics(router)).sum("switchboard_sessions") == 1 and page, "sessions stay")
    assert ended.sum("switchboard_presence_changes_total", change="left") == 5
    closed = ended.sum("switchboard_connections_closed_total") - before.sum("switchboard_connections_closed_total")
    assert closed >= 5


def test_refused_sign_ins_are_counted_by_reason(start_router, binary):
    """A wrong token before the upgrade and in a first frame, one that is no sign-in, and a HELLO."""
    router = start_router("--jwt-secret", "a secret of sixteen", "--metrics", "open", dev=False)
    assert router.http("GET", "/chat?id=a&token=wrong", headers=UPGRADE).status == 401
    for frame in ('{"cmd":"connect","token":"wrong"}', '{"cmd":10}'):
        with router.websocket("/ws") as connection:
            connection.send(frame)
            with pytest.raises(Exception):
                connection.recv(timeout=PATIENCE)
    page = Metrics(router)
    assert page.sum("switchboard_sign_ins_refused_total", reason="unauthorized") == 2
    assert page.sum("switchboard_sign_ins_refused_total", reason="malformed") == 1
    assert page.sum("switchboard_http_requests_total", route="websocket", status="401") == 1


UPGRADE = {
    "Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="}


def test_who_falls_behind_is_counted(start_router, chat):
    """A session that reads nothing is behind until it has fetched up."""
    router = start_router()
    sender = chat("sender", to=router)
    with router.websocket("/chat?id=slow", max_queue=1) as slow:
        for n in range(200):
            sender.post("slow", "x" * 100_000)
            if Metrics(router).sum("switchboard_behind_total"):
                break
        page = Metrics(router)
        assert page.sum("switchboard_behind_total") == page.sum("switchboard_sessions_behind") == 1
        assert page.sum("switchboard_connection_buffer_bytes", **{"class": "output"}) > 64 * KIBI
        last, more = 0, True
        while more:
            slow.send(json.dumps({"cmd": "fetch", "after": last, "limit": 10}))
            while (frame := json.loads(slow.recv(timeout=PATIENCE)))["cmd"] != "fetched":
                pass
            last, more = max([last, *(entry["seq"] for entry in frame["entries"])]), frame["more"]
        page = Metrics(router)
    assert page.sum("switchboard_behind_total") == 1 and page.sum("switchboard_sessions_behind") == 0


def test_channels_and_live_events(start_router, chat):
    router = start_router()
    one = chat("one", to=router)
    one.request(cmd="subscribe", channel="news")
    for n in range(3):
        one.request(cmd="publish", channel="news", data=n)
    page = Metrics(router)
    assert page.sum("switchboard_channel_publications_total") == 3 and page.sum("switchboard_channels") == 1


def test_metrics_want_the_key(start_router):
    """Without a key nobody, with --metrics local this machine but no proxy on it, with --metrics open everybody."""
    forwarded = {"X-Forwarded-For": "203.0.113.7"}
    router = start_router("--api-key", KEY, dev=False)
    assert router.http("GET", "/metrics").status == 401 and router.http("GET", "/metrics", bearer="x").status == 401
    assert Metrics(router, bearer=KEY).samples
    router = start_router("--metrics", "local", dev=False)
    assert router.http("GET", "/metrics").status == 200
    assert router.http("GET", "/metrics", headers=forwarded).status == 401
    router = start_router("--metrics", "open", dev=False)
    assert router.http("GET", "/metrics", headers=forwarded).status == 200


def test_a_scrape_holds_no_loop_up(start_router, chat):
    """Less than 5 ms of each loop, with some hundred connections, by the loops' own measure."""
    router = start_router("--loops", "2")
    for n in range(300):
        chat(f"u{n}", to=router)
    took = [sample.value for _ in range(5) for sample in Metrics(router).samples
            if sample.name == "switchboard_loop_scrape_seconds"]
    assert len(took) == 10 and sorted(took)[5] < 0.005, took


# Readiness


def test_not_ready_while_the_disk_takes_nothing(start_router, chat):
    """A file may grow no more: 503 with the reason, in the log, in the metrics and in `status`, until a restart."""
    router = start_router("--log-format", "json")
    sender = chat("a", to=router)
    sender.post("b", "stored")
    assert router.http("GET", "/readyz").status == 200
    limit = os.path.getsize(router.data / "journal.db-wal") // KIBI * KIBI
    resource.prlimit(router.process.pid, resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    text = "x" * 200_000
    sender.send(cmd=10, dstid="b", content=text, cid="not stored")
    assert sender.expect("error")["cid"] == "not stored"
    answer = router.http("GET", "/readyz")
    assert answer.status == 503 and "can't be stored" in answer.json["error"]["message"]
    assert router.http("GET", "/healthz").status == 200
    page = Metrics(router)
    assert page.sum("switchboard_store_ready") == 0 and page.sum("switchboard_store_failed_commits_total") >= 1
    eventually(lambda: any(line["subsystem"] == "store" and line["level"] == "error" for line in lines(router)), router.output)
    status = subcommand(router, "status")
    assert status.returncode == 1 and "NOT READY" in status.stdout and "can't be stored" in status.stdout
    resource.prlimit(router.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    router.terminate()
    router.wait()
    router.start()
    assert chat("a", to=router).post("b", text)["cseq"] == 2


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a file system")
def test_ready_again_when_the_disk_has_room(tmp_path):
    """A full disk: 503, and 200 by itself once there is room, though nobody sends meanwhile."""
    data = tmp_path / "data"
    data.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "none", data], capture_output=True).returncode:
        pytest.skip("no file system can be mounted here")
    router = Router(tmp_path)
    try:
        router.start()
        send = {"from": "a", "to": "b", "message": "x" * 500_000}
        assert router.http("POST", "/timeline/send", send).status == 200
        with open(data / "ballast", "wb") as ballast:
            try:
                while True:
                    ballast.write(b"\0" * 65_536)
                    ballast.flush()
            except OSError:
                pass
        eventually(lambda: router.http("POST", "/timeline/send", send).status != 200, "the disk isn't full")
        answer = router.http("GET", "/readyz")
        assert answer.status == 503 and "full" in answer.json["error"]["message"]
        (data / "ballast").unlink()
        eventually(lambda: router.http("GET", "/readyz").status == 200, router.output)
        eventually(lambda: "well again" in router.output(), router.output)
        assert router.http("POST", "/timeline/send", send).status == 200
    finally:
        router.kill()
        subprocess.run(["umount", data], check=True)


# The log


def lines(router, path=None):
    text = path.read_text() if path else router.output()
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


def test_log_as_json(start_router, chat):
    """Each line an object; with debug, requests by their route. No key, token, path or body is ever in it."""
    router = start_router("--log-format", "json", "--log-level", "debug", "--api-key", KEY)
    chat("alice", to=router, token="a-token-of-alice")
    router.http("POST", "/timeline/send", {"from": "a", "to": "b", "message": "a very private text"}, bearer=KEY)
    router.http("GET", "/api/users?q=somebody@example.org", bearer="another-token")
    router.http("GET", "/timeline/history/single/whom/towhom?last_read=0&count=1", bearer=KEY)
    wanted = {"/timeline/send", "/timeline/history/single/{from}/{to}"}
    eventually(lambda: wanted <= {line.get("route") for line in lines(router)}, router.output)
    written = lines(router)
    assert len(written) == len(router.output().splitlines())
    for line in written:
        assert {"time", "level", "subsystem", "message"} <= line.keys()
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["time"])
    request = next(line for line in written if line.get("route") == "/timeline/send")
    assert (request["method"], request["status"], request["subsystem"]) == ("POST", 200, "http")
    for secret in (KEY, "a-token-of-alice", "another-token", "private text", "somebody", "towhom"):
        assert secret not in router.output()


def test_log_levels_change_while_it_runs(start_router):
    """By the API and by `router log-level`; by key only; what isn't a level changes nothing."""
    router = start_router("--api-key", KEY, dev=False)
    assert router.http("GET", "/api/log-level").status == 401
    assert router.http("PUT", "/api/log-level", {"level": "debug"}).status == 401
    assert router.http("GET", "/api/log-level", bearer=KEY).json == {"level": "notice"}
    answer = router.http("PUT", "/api/log-level", {"level": "warning,http=debug"}, bearer=KEY)
    assert (answer.status, answer.json) == (200, {"level": "warning,http=debug"})
    router.http("GET", "/healthz")
    eventually(lambda: "route=/healthz" in router.output(), router.output)
    for wrong in ("loud", "http=loud", "kitchen=debug", "", "info,"):
        assert router.http("PUT", "/api/log-level", {"level": wrong}, bearer=KEY).status == 400, wrong
    assert json.loads(subcommand(router, "log-level", "--api-key", KEY).stdout) == {"level": "warning,http=debug"}
    done = subcommand(router, "log-level", "error", "--api-key", KEY)
    assert done.returncode == 0 and json.loads(done.stdout) == {"level": "error"}
    before = router.output().count("/healthz")
    router.http("GET", "/healthz")
    time.sleep(0.2)
    assert router.output().count("/healthz") == before


def test_log_file_is_opened_anew(start_router, tmp_path):
    """SIGHUP after logrotate has moved the file: later lines are in a new one, and none is lost."""
    path, moved = tmp_path / "router.log.json", tmp_path / "moved"
    router = start_router("--log-file", str(path), "--log-format", "json", "--log-level", "http=debug")
    eventually(lambda: "is ready" in path.read_text(), "nothing in the file")
    path.rename(moved)
    router.http("GET", "/healthz")
    eventually(lambda: "/healthz" in moved.read_text(), "a line is lost")
    router.process.send_signal(1)
    eventually(path.exists, "no new file")
    router.http("GET", "/api/openapi.json")
    eventually(lambda: "openapi" in path.read_text(), "nothing in the new file")
    assert "openapi" not in moved.read_text() and not router.output()


def test_a_full_pipe_holds_nobody_up(tmp_path):
    """Nobody reads standard error: lines are dropped and counted, and requests are answered all the same."""
    router = Router(tmp_path, "--log-level", "http=debug")
    read_end, write_end = os.pipe()
    router.process = subprocess.Popen(
        router.arguments(), stdin=subprocess.DEVNULL, stdout=write_end, stderr=write_end, cwd=tmp_path)
    os.close(write_end)
    try:
        router.wait_ready()
        wire = router.raw()
        request = b"GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n"
        for _ in range(150):
            wire.send(request * 100)
            for _ in range(100):
                assert wire.read_response().status == 200
        wire.close()
        assert Metrics(router).sum("switchboard_log_lines_dropped_total") > 0
        began = time.monotonic()
        router.stop()
        assert time.monotonic() - began < 8
    finally:
        router.kill()
        os.close(read_end)


def test_wrong_log_options(tmp_path):
    """Refused in words, before anything starts."""
    for options in (["--log-level", "loud"], ["--log-file", "x", "--log-syslog"], ["--log-format", "xml"]):
        done = subprocess.run([router_binary(), *options], capture_output=True, text=True, timeout=PATIENCE, cwd=tmp_path)
        assert done.returncode == 64 and options[0].replace("-", " ").strip() in done.stderr.replace("-", " "), done
    options = ["--log-file", str(tmp_path / "no" / "such" / "directory")]
    done = subprocess.run([router_binary(), *options], capture_output=True, text=True, timeout=PATIENCE, cwd=tmp_path)
    assert done.returncode != 0 and "can't open the log file" in done.stderr


# Commands


def subcommand(router, *words):
    command = [router_binary(), *words, "--url", f"http://127.0.0.1:{router.port}"]
    return subprocess.run(command, capture_output=True, text=True, timeout=20, cwd=router.directory)


def test_version():
    done = subprocess.run([router_binary(), "--version"], capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0 and re.fullmatch(r"\d+\.\d+\.\d+\n", done.stdout)


def test_status(start_router, chat):
    """A page for people, and an exit status for scripts."""
    router = start_router("--api-key", KEY, dev=True)
    sender = chat("a", to=router)
    sender.post("b", "hi")
    done = subcommand(router, "status")
    assert done.returncode == 0, done
    version = subprocess.run([router_binary(), "--version"], capture_output=True, text=True, check=True).stdout.strip()
    assert done.stdout.startswith(f"Switchboard {version} at http://127.0.0.1:{router.port}: ready\n")
    for row in ("connections", "traffic", "acks", "store", "disk", "memory", "CPU", "open files"):
        assert re.search(rf"^  {row} +\S", done.stdout, re.M), (row, done.stdout)
    assert "1 sessions, 1 users" in done.stdout and "p99 ≤" in done.stdout


def test_status_where_it_can_not_be_asked(start_router):
    router = start_router("--api-key", KEY, dev=False)
    refused = subcommand(router, "status")
    assert refused.returncode == 1 and "--api-key" in refused.stderr
    assert subcommand(router, "status", "--api-key", KEY).returncode == 0
    command = [router_binary(), "status", "--url", "http://127.0.0.1:1"]
    away = subprocess.run(command, capture_output=True, text=True, timeout=20)
    assert away.returncode == 1 and "can't be reached" in away.stderr
