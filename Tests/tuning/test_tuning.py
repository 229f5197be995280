"""tuning/check, apply and revert, on trees of files that stand for a host; nothing of this host is changed."""

import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
TUNING = PROJECT / "tuning"
SCRIPTS = ["check", "apply", "revert", "document", "common", "state"]
SYSCTLS = {
    "fs/nr_open": "1048576",
    "fs/file-max": "9223372036854775807",
    "fs/epoll/max_user_watches": "5000000",
    "net/core/somaxconn": "4096",
    "net/core/netdev_max_backlog": "1000",
    "net/ipv4/tcp_syncookies": "1",
    "net/ipv4/tcp_mem": "10\t2000000\t30",
    "net/ipv4/tcp_rmem": "4096\t131072\t6291456",
    "net/ipv4/tcp_notsent_lowat": "4294967295",
    "net/ipv4/tcp_slow_start_after_idle": "1",
    "net/ipv4/tcp_max_orphans": "131072",
    "net/ipv4/ip_local_port_range": "32768\t60999",
    "net/netfilter/nf_conntrack_max": "1000",
    "vm/swappiness": "60",
}
SYSCTL_FILE = "etc/sysctl.d/60-switchboard.conf"
UNIT = "etc/systemd/system/switchboard.service"


def run(script, *options, status=0):
    result = subprocess.run([TUNING / script, *map(str, options)], capture_output=True, text=True, timeout=60)
    if status is not None:
        assert result.returncode == status, result.stdout + result.stderr
    return result


def tree(root):
    """Every path below root with its kind, mode and content."""
    entries = {}
    for path in sorted(Path(root).rglob("*")):
        content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None
        entries[str(path.relative_to(root))] = (oct(path.lstat().st_mode), content)
    return entries


@pytest.fixture
def host(tmp_path):
    """A host with swap, a firewall, a governor and huge pages everywhere, and files of its own in the way."""
    root = tmp_path / "host"
    files = {f"proc/sys/{name}": value for name, value in SYSCTLS.items()}
    files["proc/meminfo"] = "MemTotal:       64000000 kB\nSwapTotal:       1000 kB\n"
    files["sys/kernel/mm/transparent_hugepage/enabled"] = "[always] madvise never"
    for core in (0, 1):
        files[f"sys/devices/system/cpu/cpu{core}/cpufreq/scaling_governor"] = "powersave"
    files[SYSCTL_FILE] = "# somebody's own\nvm.swappiness = 59"
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content + "\n")
    (root / SYSCTL_FILE).chmod(0o640)
    return root


def settings(root, *options, status=None):
    answer = json.loads(run("check", "--json", "--root", root, *options, status=status).stdout)
    return {entry["setting"]: entry for entry in answer["settings"]}


# MARK: The table


def test_every_setting_has_one_reason_of_one_sentence():
    rows = [line.split("|") for line in (TUNING / "settings").read_text().splitlines()
            if line and not line.startswith(("#", "let "))]
    assert len(rows) > 10
    for row in rows:
        assert len(row) == 6, row
        name, reason = row[0].strip(), row[5].strip()
        assert len(reason) > 40 and reason.endswith("."), name
    assert len({row[0].strip() for row in rows}) == len(rows)


def test_the_page_has_the_tables_of_the_settings():
    page = (PROJECT / "docs/tuning.md").read_text()
    parts = [part.split("\n", 1) for part in ("\n" + run("document", "--print").stdout).split("\n@")[1:]]
    assert [name for name, _ in parts] == ["settings", "figures", "memory"]
    for name, table in parts:
        assert f"<!-- begin: {name} -->\n{table.strip()}\n<!-- end -->" in page, "run tuning/document"


def test_shellcheck():
    if not shutil.which("shellcheck"):
        pytest.skip("shellcheck isn't installed")
    subprocess.run(["shellcheck", "-x", *SCRIPTS], cwd=TUNING, check=True)


# MARK: check


def test_check_judges_each_field(host):
    found = settings(host, status=1)
    verdicts = {name: entry["verdict"] for name, entry in found.items()}
    assert verdicts == {
        "nofile": "can't be read here",
        "fs.nr_open": "ok",
        "fs.file-max": "ok",
        "fs.epoll.max_user_watches": "ok",
        "net.core.somaxconn": "ok",
        "net.ipv4.tcp_syncookies": "ok",
        "net.core.netdev_max_backlog": "low",
        "net.ipv4.tcp_mem": "low",
        "net.ipv4.tcp_rmem": "high",
        "net.ipv4.tcp_notsent_lowat": "high",
        "net.ipv4.tcp_slow_start_after_idle": "high",
        "net.ipv4.tcp_max_orphans": "ok",
        "net.netfilter.nf_conntrack_max": "low",
        "vm.swappiness": "high",
        "/sys/kernel/mm/transparent_hugepage/enabled": "other",
        "/sys/devices/system/cpu/cpu*/cpufreq/scaling_governor": "other",
        "memory": "ok",
    }
    assert found["/sys/kernel/mm/transparent_hugepage/enabled"]["present"] == "always"
    assert found["net.ipv4.tcp_mem"]["wanted"] == "50000 100000 200000"
    assert all(entry["why"] for entry in found.values())


def test_wanted_values_grow_with_the_connections(host):
    found = settings(host, "--connections=10000000")
    assert found["fs.nr_open"]["wanted"] == str(10_000_000 + 1_250_000 + 1024)
    assert [found[name]["verdict"] for name in ("fs.nr_open", "fs.epoll.max_user_watches", "memory")] == ["low"] * 3


def test_what_is_not_there_is_not_asked_for(host):
    shutil.rmtree(host / "sys")
    (host / "proc/sys/net/netfilter/nf_conntrack_max").unlink()
    (host / "proc/meminfo").write_text("MemTotal: 64000000 kB\nSwapTotal: 0 kB\n")
    names = settings(host)
    assert not [name for name in names if "conntrack" in name or name.startswith("/sys") or name == "vm.swappiness"]
    assert "net.ipv4.ip_local_port_range" not in names
    assert settings(host, "--local-clients")["net.ipv4.ip_local_port_range"]["verdict"] == "low"


def test_a_host_that_fits_is_told_so(host):
    assert "limits" in run("check", "--root", host, "--only", "vm.swappiness", status=1).stdout
    (host / "proc/sys/vm/swappiness").write_text("10\n")
    run("check", "--root", host, "--only", "vm.swappiness", status=0)


def test_what_cannot_be_read_does_not_count(tmp_path):
    result = run("check", "--root", tmp_path, status=0)
    assert "can't be read here" in result.stdout


def test_the_table_has_present_wanted_verdict_and_why():
    lines = run("check", status=None).stdout.splitlines()
    head = lines[2]
    columns = [head.index(word) for word in ("setting", "present", "wanted", "verdict", "why")]
    rows = [line for line in lines[3:lines.index("", 3)] if line] if "" in lines[3:] else lines[3:]
    assert len(rows) > 8
    for row in rows:
        cells = [row[start:end].strip() for start, end in zip(columns, columns[1:] + [None])]
        assert all(cells) and cells[4].endswith("."), row
        assert cells[3] in ("ok", "low", "high", "other", "can't be read here")


@pytest.mark.parametrize("script", ["check", "apply", "revert"])
@pytest.mark.parametrize("options", [
    ["--unknown"], ["word"], ["--connections"], ["--connections=0"], ["--connections", "many"], ["--only=fs.nothing"],
    ["--root=/nowhere/at/all"], ["--really=yes"],
])
def test_wrong_options_are_refused(script, options):
    result = run(script, *options, status=2)
    assert result.stdout == "" and script in result.stderr


# MARK: apply and revert


def test_a_dry_run_writes_nothing(host):
    before = tree(host)
    output = run("apply", "--root", host).stdout
    assert tree(host) == before
    assert "would replace" in output and "LimitNOFILE=113524" in output and "dry run" in output
    run("apply", "--root", host, "--really")
    before = tree(host)
    assert "would remove" in run("revert", "--root", host).stdout
    assert tree(host) == before


def test_apply_writes_what_does_not_fit(host):
    run("apply", "--root", host, "--really", "--user", "chat", "--router", "/opt/router")
    lines = [line for line in (host / SYSCTL_FILE).read_text().splitlines() if not line.startswith("#")]
    assert lines == [
        "net.core.netdev_max_backlog = 10000",
        "net.ipv4.tcp_mem = 50000 2000000 200000",
        "net.ipv4.tcp_rmem = 4096 16384 6291456",
        "net.ipv4.tcp_notsent_lowat = 131072",
        "net.ipv4.tcp_slow_start_after_idle = 0",
        "net.netfilter.nf_conntrack_max = 200000",
        "vm.swappiness = 10",
    ]
    devices = (host / "etc/tmpfiles.d/switchboard.conf").read_text()
    assert "\nw /sys/kernel/mm/transparent_hugepage/enabled - - - - madvise\n" in devices
    assert "\nw /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor - - - - performance\n" in devices
    assert "\nchat hard nofile 113524\n" in (host / "etc/security/limits.d/60-switchboard.conf").read_text()
    unit = (host / UNIT).read_text()
    for line in ("User=chat", "LimitNOFILE=113524", "KillSignal=SIGTERM", "NoNewPrivileges=yes",
                 "ExecStart=/opt/router --data /var/lib/switchboard"):
        assert f"\n{line}" in unit


def test_applying_twice_changes_nothing_the_second_time(host):
    run("apply", "--root", host, "--really")
    once = tree(host)
    assert "Nothing to do." in run("apply", "--root", host, "--really").stdout
    assert tree(host) == once


@pytest.mark.parametrize("rounds", [[100_000], [100_000, 100_000], [1_000_000, 1_000], [1_000, 3_000_000]])
def test_revert_restores_every_byte(host, rounds):
    before = tree(host)
    for connections in rounds:
        run("apply", "--root", host, "--really", "--connections", connections)
    assert tree(host) != before
    run("revert", "--root", host, "--really")
    assert tree(host) == before
    assert "Nothing to do" in run("revert", "--root", host, "--really").stdout


def test_the_running_kernel_is_left_alone_below_a_root(host):
    before = tree(host / "proc")
    run("apply", "--root", host, "--really")
    assert tree(host / "proc") == before


def test_an_image_without_a_running_kernel(tmp_path):
    root, state = tmp_path / "image", tmp_path / "state"
    root.mkdir()
    run("apply", "--root", root, "--state", state, "--really")
    text = (root / SYSCTL_FILE).read_text()
    assert "\nnet.core.somaxconn = 4096\n" in text and "tcp_rmem" not in text
    run("revert", "--root", root, "--state", state, "--really")
    assert tree(tmp_path) == {"image": tree(tmp_path)["image"]}


def test_what_others_put_beside_ours_stays(tmp_path):
    run("apply", "--root", tmp_path, "--really")
    other = tmp_path / "etc/sysctl.d/70-other.conf"
    other.write_text("vm.swappiness = 1\n")
    run("revert", "--root", tmp_path, "--really")
    assert [name for name, (_, content) in tree(tmp_path).items() if content] == ["etc/sysctl.d/70-other.conf"]


def test_more_shards_where_four_a_core_are_too_few(host):
    run("apply", "--root", host, "--really", "--connections", 90_000 * 5 * os.cpu_count())
    assert "--shards-per-loop" in (host / UNIT).read_text()


def test_the_unit_is_one_that_systemd_reads(host, tmp_path):
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd isn't installed")
    run("apply", "--root", host, "--really", "--router", "/bin/true")
    unit = tmp_path / "switchboard.service"
    unit.write_text((host / UNIT).read_text().replace("User=switchboard", "User=root"))
    result = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, timeout=60)
    assert "switchboard.service" not in result.stderr, result.stderr


def test_a_value_of_the_running_kernel_there_and_back(tmp_path):
    """In a network and a mount namespace, so that neither the host's value nor its /etc is touched."""
    key = "net.ipv4.tcp_slow_start_after_idle"
    (tmp_path / "sysctl.d").mkdir()
    script = f"""
        set -e
        mount --bind {tmp_path}/sysctl.d /etc/sysctl.d
        value() {{ cat /proc/sys/net/ipv4/tcp_slow_start_after_idle; }}
        echo 1 > /proc/sys/net/ipv4/tcp_slow_start_after_idle || exit 77
        options="--only {key} --state {tmp_path}/state --really"
        {TUNING}/apply --only {key} --state {tmp_path}/state; value
        {TUNING}/apply $options; value
        ls /etc/sysctl.d
        {TUNING}/check --only {key}
        {TUNING}/apply $options
        {TUNING}/revert --state {tmp_path}/state --really; value
        ls /etc/sysctl.d {tmp_path}
    """
    try:
        probe = subprocess.run(["unshare", "--net", "--mount", "true"], capture_output=True, timeout=60)
    except FileNotFoundError:
        pytest.skip("unshare isn't installed")
    if probe.returncode != 0:
        pytest.skip("namespaces need root: " + probe.stderr.decode().strip())
    result = subprocess.run(["unshare", "--net", "--mount", "bash", "-c", script], capture_output=True, text=True,
                            timeout=60)
    if result.returncode == 77:
        pytest.skip("sysctls can't be written here: " + result.stderr)
    assert result.returncode == 0, result.stdout + result.stderr
    lines = result.stdout.splitlines()
    assert [line for line in lines if line in ("0", "1")] == ["1", "0", "1"]
    assert "60-switchboard.conf" in lines and "Nothing to do." in lines
    assert not any((tmp_path / "sysctl.d").iterdir()) and not (tmp_path / "state").exists()
