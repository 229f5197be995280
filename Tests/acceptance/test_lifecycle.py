"""Starting, configuring and stopping the router (contract §2, §5 "Operations")."""

import re
import subprocess
import time

import pytest
from websockets.exceptions import WebSocketException

from certificate import Certificate
from switchboard import Chat, PATIENCE, Router, router_binary


def run_to_its_end(arguments, directory, environment=None):
    """Runs a router that should refuse to start; answers its exit code and what it said."""
    process = Router(directory, environment=environment).launch(arguments)
    try:
        code = process.wait()
    except subprocess.TimeoutExpired:
        process.kill()
        raise AssertionError(f"it started:\n{process.output()}") from None
    return code, process.output()


def test_health(router):
    """Alive and ready."""
    for path in ("/healthz", "/readyz"):
        assert router.http("GET", path).status == 200


def test_metrics(router):
    """Prometheus text."""
    answer = router.http("GET", "/metrics")
    assert answer.status == 200 and answer.headers["Content-Type"].startswith("text/plain")
    for line in answer.body.decode().splitlines():
        assert not line or line.startswith("#") or float(line.rsplit(" ", 1)[1]) is not None
    assert b"# TYPE " in answer.body


def test_help():
    """--help names the options."""
    run = subprocess.run([router_binary(), "--help"], capture_output=True, text=True, timeout=PATIENCE)
    assert run.returncode == 0
    for option in ("--listen", "--tcp-listen", "--data", "--jwt-secret", "--api-key", "--session-secret", "--config"):
        assert option in run.stdout, option


@pytest.mark.parametrize("words, usage", [(["--help"], "router "), (["token", "--help"], "router token ")])
def test_help_fits_a_terminal(words, usage):
    """80 columns, no line broken that was written whole, and the name that one types."""
    run = subprocess.run([router_binary(), *words], capture_output=True, text=True, timeout=PATIENCE, check=True)
    assert f"\nUSAGE: {usage}" in run.stdout, run.stdout
    lines = run.stdout.splitlines()
    assert max(len(line) for line in lines) <= 80
    # Lines that are too long for the parser leave stumps behind.
    discussion = run.stdout.split("USAGE:")[0].splitlines()[3:]
    stumps = [line for line, following in zip(discussion, discussion[1:])
              if line and following and line[0] != " " and not line.endswith(":") and len(line) < 45]
    assert not stumps, run.stdout


# Stopping and starting again


def test_stop_and_start(start_router, chat):
    """SIGTERM: clients are closed with 1001, the exit is clean, and all that was acked is there afterwards."""
    router = start_router()
    sender, receiver = chat("a", to=router), chat("b", to=router)
    acks = [sender.post("b", str(n)) for n in range(20)]
    receiver.request(cmd="confirm", seq=5)
    router.terminate()
    assert sender.close_code() == 1001 and receiver.close_code() == 1001
    router.stop()

    router.start()
    sender, receiver = chat("a", to=router), chat("b", to=router, after=0)
    assert (receiver.welcome["seq"], receiver.welcome["confirmed"]) == (20, 5)
    pages = receiver.request(cmd="history", conv="a:b", after=0, limit=100)["messages"]
    assert [(m["id"], m["cseq"], m["content"]) for m in pages] == [
        (ack["id"], n + 1, str(n)) for n, ack in enumerate(acks)]
    assert sender.post("b", "19", cid=acks[19]["cid"]) == acks[19] | {"dup": True}
    assert sender.post("b", "20", cid="another")["cseq"] == 21


def test_what_was_under_way_at_sigterm(start_router, chat):
    """What was acked up to the last instant before a stop is stored."""
    router = start_router()
    sender = chat("a", to=router)
    for n in range(2_000):
        sender.send(cmd=10, dstid="b", content=str(n), cid=f"n{n}")
    sender.expect("ack", cid="n100")
    router.terminate()
    assert sender.close_code() == 1001
    acked = {f["cid"] for f in sender.backlog if f["cmd"] == "ack"} | {"n100"}
    router.stop()
    router.start()
    stored = {entry["content"] for entry in chat("b", to=router).fetch_all()}
    assert {cid[1:] for cid in acked} <= stored


def test_no_new_connections_while_stopping(start_router, chat):
    """A router that says 1001 takes nobody new."""
    router = start_router()
    client = chat("a", to=router)
    router.terminate()
    assert client.close_code() == 1001
    with pytest.raises((OSError, EOFError, WebSocketException)):
        Chat(router, "late")
    router.stop()


def test_binary_clients_see_the_end(start_router, binary):
    """SIGTERM ends binary connections too."""
    router = start_router()
    client = binary("a", to=router)
    router.terminate()
    assert client.ended()
    router.stop()


def test_epoch_survives_a_restart(start_router, chat):
    """The epoch changes when a store was restored, not when the router starts again; another store has another."""
    router = start_router()
    epoch = chat("a", to=router).welcome["epoch"]
    router.stop()
    router.start()
    assert chat("a", to=router).welcome["epoch"] == epoch
    router.kill()
    router.start()
    assert chat("a", to=router).welcome["epoch"] == epoch
    assert chat("a", to=start_router()).welcome["epoch"] != epoch


def test_ids_go_on_after_a_restart(start_router, chat):
    """Message ids go on increasing."""
    router = start_router()
    first = chat("a", to=router).post("b")["id"]
    router.stop()
    router.start()
    assert chat("a", to=router).post("b")["id"] > first


def test_groups_survive_a_restart(start_router, chat):
    """Groups and roles are as they were."""
    router = start_router()
    router.group("a", "team", "b", "c")
    router.set_role("a", "team", "c", "silent")
    router.kill()
    router.start()
    assert chat("b", to=router).post("team", "still here", cmd=11)["conv"] == "team"
    assert chat("c", to=router).refused(cmd=11, dstid="team", content="mm") == "silenced"


# Refusing to start


def test_one_data_directory_one_router(start_router, tmp_path):
    """A second router on the same data directory refuses, says why, and leaves the first alone."""
    first = start_router()
    second = Router(tmp_path)
    second.data = first.data
    code, output = run_to_its_end(second.arguments(), tmp_path)
    assert code == 1 and str(first.data) in output, output
    assert first.http("GET", "/readyz").status == 200


def test_a_port_that_is_taken(router, tmp_path):
    """A listener that can't be opened is named."""
    second = Router(tmp_path)
    second.port = router.port
    code, output = run_to_its_end(second.arguments(), tmp_path)
    assert code == 1 and str(router.port) in output, output


@pytest.mark.parametrize(
    "options, named",
    [
        (["--no-such-option"], "no-such-option"),
        (["--listen", "nonsense"], "--listen"),
        (["--listen", "127.0.0.1:99999"], "--listen"),
        (["stray"], "stray"),
        (["--config", "no-such-file.yaml"], "no-such-file.yaml"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_bad_options(tmp_path, options, named):
    """An unknown option or a value that makes no sense is an error that names it."""
    code, output = run_to_its_end(Router(tmp_path).arguments() + options, tmp_path)
    assert code != 0 and named in output, output


@pytest.mark.parametrize("option", ["--listen", "--tcp-listen"])
@pytest.mark.parametrize("address", ["0.0.0.0", "[::]"])
def test_dev_is_for_loopback(tmp_path, option, address):
    """--dev believes everyone, so it is refused where others could come in."""
    own = Router(tmp_path)
    arguments = own.arguments()
    position = arguments.index(option) + 1
    arguments[position] = arguments[position].replace("127.0.0.1", address)
    code, output = run_to_its_end(arguments, tmp_path)
    assert code != 0 and "loopback" in output.lower(), output


# Configuration


def test_environment(tmp_path):
    """Every option as SWITCHBOARD_…"""
    router = Router(tmp_path)
    router.environment = {
        "SWITCHBOARD_LISTEN": f"127.0.0.1:{router.port}", "SWITCHBOARD_TCP_LISTEN": f"127.0.0.1:{router.tcp_port}",
        "SWITCHBOARD_DATA": str(tmp_path / "elsewhere"), "SWITCHBOARD_DEV": "true"}
    check_configured(router, [router_binary()], tmp_path / "elsewhere")


def test_config_file(tmp_path):
    """Every option in a YAML file, by its name."""
    router = Router(tmp_path)
    (tmp_path / "router.yaml").write_text(
        f"listen: 127.0.0.1:{router.port}\ntcp-listen: 127.0.0.1:{router.tcp_port}\n"
        f"data: {tmp_path}/elsewhere\ndev: true\n")
    check_configured(router, [router_binary(), "--config", "router.yaml"], tmp_path / "elsewhere")


def check_configured(router, arguments, data):
    router.start(arguments)
    try:
        assert data.is_dir()
        client = Chat(router, "a")
        assert client.welcome["userid"] == "a"
        client.close()
        router.raw_tcp().close()
    finally:
        router.stop()


def test_the_command_line_comes_first(tmp_path):
    """An option on the command line beats the environment, which beats the file."""
    router = Router(tmp_path)
    (tmp_path / "router.yaml").write_text(f"data: {tmp_path}/file\n")
    router.environment = {"SWITCHBOARD_DATA": str(tmp_path / "environment")}
    without_data = [a for a in router.arguments() if a not in ("--data", str(router.data))]
    check_configured(router, without_data + ["--config", "router.yaml"], tmp_path / "environment")
    check_configured(router, router.arguments() + ["--config", "router.yaml"], router.data)
    assert not (tmp_path / "file").exists()


USAGE_ERROR = 64  # sysexits.h


@pytest.mark.parametrize("text, named", [
    ("no_such_key: 1\n", "no_such_key"), ("listen: [\n", "router.yaml"), ("config: other.yaml\n", "config"),
    ("dev: perhaps\n", "dev")])
def test_bad_config_file(tmp_path, text, named):
    """An unknown key, or a file that can't be read, is an error that names it."""
    (tmp_path / "router.yaml").write_text(text)
    code, output = run_to_its_end(Router(tmp_path).arguments() + ["--config", "router.yaml"], tmp_path)
    assert code == USAGE_ERROR and named in output, output


@pytest.mark.parametrize("arguments", [
    ["--listen", "nowhere"], ["--no-such-option"], ["--loops", "-1"], ["--config", "not-there.yaml"],
    ["--jwt-secret", "short"], ["token", "a b", "--jwt-secret", "x" * 16], ["token", "a", "--jwt-secret", "short"],
    ["token", "a"], ["token", "a", "--config", "not-there.yaml"]])
def test_usage_errors(tmp_path, arguments):
    """What is wrong about how the router was called has an exit status of its own."""
    code, output = run_to_its_end([router_binary(), *arguments], tmp_path)
    assert code == USAGE_ERROR and output, output
    assert not (tmp_path / "data").exists()


def test_every_option_may_stand_in_the_file(tmp_path):
    """The file takes what --help names, so its list can't fall behind."""
    text = subprocess.run([router_binary(), "--help"], capture_output=True, text=True, timeout=PATIENCE).stdout
    options = set(re.findall(r"^  (--[a-z-]+)", text, re.MULTILINE)) - {"--config", "--help", "--version"}
    pair = Certificate(tmp_path)
    subprocess.run(["openssl", "pkey", "-in", pair.key, "-pubout", "-out", "tokens.pem"], cwd=tmp_path, check=True)
    (tmp_path / "tokens.json").write_text('{"keys": [{"kty": "oct", "k": "' + "A" * 43 + '"}]}')
    values = {
        "listen": "127.0.0.1:{port}", "tcp-listen": "127.0.0.1:{tcp_port}", "data": "{directory}/elsewhere",
        "jwt-secret": "x" * 16, "api-key": "k", "session-secret": "s", "session-window": 3, "loops": 2,
        "registration": "claim", "login-days": 7, "origins": "https://chat.example,http://a.example:81",
        "secure-cookies": "true", "trusted-proxies": "127.0.0.1", "media-endpoint": "http://127.0.0.1:9",
        "media-bucket": "chat", "media-region": "eu-1", "media-access-key": "id", "media-secret-key": "secret",
        "media-style": "host", "media-public-url": "https://media.example", "media-max-size": 1000,
        "descriptor-tables": "shared", "shards-per-loop": 2, "shard-limit": 10, "retention": 30, "log-level": "info",
        "strangers": "hold", "search": "off", "events": "on", "events-days": 3, "webhook-url": "http://127.0.0.1:9/",
        "webhook-secret": "w" * 16, "webhook-certificates": "/etc/ssl/certs/ca-certificates.crt",
        "webhook-patience": 60, "inbox-members": 100, "tls-cert": pair.file, "tls-key": pair.key,
        "jwt-key": "{directory}/tokens.pem", "jwt-jwks": "{directory}/tokens.json", "jwt-audience": "chat",
        "jwt-issuer": "https://id.example", "jwt-leeway": 5,
        "metrics": "local", "log-format": "json", "log-file": "{directory}/router.json", "log-syslog": "false",
        "address-connections": 1000, "address-connection-rate": 100, "address-sign-ins": 50, "user-requests": 100,
        "user-frames": 1000, "user-bytes": 1000000, "limit-loopback": "false", "memory": "1G",
        "dev": "true"}
    assert options == {f"--{name}" for name in values}
    router = Router(tmp_path, certificate=pair)
    lines = "".join(f"{name}: {value}\n" for name, value in values.items())
    (tmp_path / "router.yaml").write_text(
        lines.format(port=router.port, tcp_port=router.tcp_port, directory=tmp_path))
    check_configured(router, [router_binary(), "--config", "router.yaml"], tmp_path / "elsewhere")


def test_bad_environment(tmp_path):
    """An unknown SWITCHBOARD_ variable is as wrong as an unknown option."""
    code, output = run_to_its_end(
        Router(tmp_path).arguments(), tmp_path, environment={"SWITCHBOARD_LISTENN": "127.0.0.1:1"})
    assert code == USAGE_ERROR and "SWITCHBOARD_LISTENN" in output, output


@pytest.mark.slow
def test_idle_router_is_quiet(start_router):
    """An idle router with a client uses next to no CPU."""
    router = start_router()
    client = Chat(router, "a")
    before, start = cpu_seconds(router.process.pid), time.monotonic()
    with pytest.raises(AssertionError):
        client.take(lambda f: True, "frame, since nobody sends", timeout=3)
    used = cpu_seconds(router.process.pid) - before
    client.close()
    assert used < 0.1 * (time.monotonic() - start), f"{used} s of CPU in 3 s"


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100
