"""What the store does when its directory is in trouble: a full disk, damaged or missing files, other versions; and
`router check`, `backup` and `restore`."""

import os
import shutil
import sqlite3
import subprocess
import threading
import time
from pathlib import Path

import pytest

from switchboard import PATIENCE, Chat, Router, router_binary

COMMAND_PATIENCE = 60  # seconds: a command that reads everything, on a machine that has other work


def command(*words):
    """Runs a command of the router to its end; answers its exit code and all that it said."""
    run = subprocess.run(
        [router_binary(), *map(str, words)], capture_output=True, text=True, timeout=COMMAND_PATIENCE, check=False)
    return run.returncode, run.stdout + run.stderr


def check(directory):
    return command("check", "--data", directory)


def refused_start(router):
    """Starts a router that must refuse; answers what it said."""
    before = len(router.output())
    router.launch()
    try:
        code = router.process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        router.kill()
        raise AssertionError(f"it started:\n{router.output()}") from None
    router.process = None
    said = router.output()[before:]
    assert code == 1, f"it ended with {code}:\n{said}"
    assert "can't open the store" in said or "data directory" in said, said
    return said


def filled(start_router, messages=50, **settings):
    """A router with messages from `a` to `b`, which are acked, and their ids in order."""
    router = start_router(**settings)
    client = Chat(router, "a")
    ids = [client.post("b", f"message {number}", cid=f"c{number}")["id"] for number in range(messages)]
    client.close()
    return router, ids


def history(router, one="a", other="b"):
    client = Chat(router, one, device="reader")
    try:
        found, more = [], True
        while more:
            after = found[-1]["cseq"] if found else 0
            page = client.request(cmd="history", conv=f"{one}:{other}", after=after, limit=1_000)
            found += page["messages"]
            more = page["more"]
        return found
    finally:
        client.close()


def change(path, *statements):
    """Changes a database that no router has open."""
    database = sqlite3.connect(path)
    with database:
        for statement in statements:
            changed = database.execute(statement).rowcount
            assert changed != 0, statement
    database.close()


def bytes_of(directory):
    """What is in the databases and their WALs."""
    return {path.name: path.read_bytes() for path in Path(directory).iterdir() if not path.name.endswith("-shm")}


# Damaged, missing and foreign files


def test_check_finds_nothing_wrong(start_router):
    """A directory is whole after a stop, and after a kill; the check changes neither."""
    router, _ = filled(start_router)
    code, said = check(router.data)
    assert code == 1 and "in use" in said, said
    router.kill()
    before = bytes_of(router.data)
    code, said = check(router.data)
    assert code == 0 and "is whole" in said, said
    assert bytes_of(router.data) == before
    router.start()
    router.stop()
    before = bytes_of(router.data)
    code, said = check(router.data)
    assert code == 0 and "50 indexed messages" in said, said
    assert bytes_of(router.data) == before
    router.start()


@pytest.mark.parametrize("name", ["switchboard.db", "journal.db"])
def test_a_database_that_is_no_database(start_router, name):
    """Refused with the file's name; the rest stays as it is, and with the file back everything is there."""
    router, ids = filled(start_router)
    router.stop()
    kept = bytes_of(router.data)
    (router.data / name).write_bytes(b"no database at all" * 1_000)
    damaged = bytes_of(router.data)
    said = refused_start(router)
    assert name in said, said
    assert bytes_of(router.data) | {"switchboard.lock": b""} == damaged | {"switchboard.lock": b""}
    code, said = check(router.data)
    assert code == 1 and "not a database" in said, said
    (router.data / name).write_bytes(kept[name])
    router.start()
    assert [message["id"] for message in history(router)] == ids


def test_a_message_that_was_deleted(start_router):
    """`check` finds what integrity_check can't: an index that leads to nothing, and a count that is wrong."""
    router, _ = filled(start_router)
    router.stop()
    change(router.data / "switchboard.db", "DELETE FROM messages WHERE id = (SELECT max(id) FROM messages)")
    code, said = check(router.data)
    assert code == 1 and "isn't its message" in said and "the histories have 50" in said, said


def test_a_damaged_batch(start_router):
    """A journal row whose checksum is wrong is neither believed nor thrown away."""
    router, _ = filled(start_router)
    router.kill()
    change(router.data / "journal.db", "UPDATE batches SET checksum = checksum + 1 WHERE n > 1")
    (router.data / "journal.db-wal").touch()  # Python's SQLite moved it into the file
    assert "is damaged" in refused_start(router)
    code, said = check(router.data)
    assert code == 1 and "is damaged" in said, said


@pytest.mark.parametrize("name", ["switchboard.db-wal", "journal.db-wal"])
def test_a_missing_wal(start_router, name):
    """A store that was in use isn't opened without its WAL, also at the second attempt; with it all is there."""
    router, ids = filled(start_router)
    router.kill()
    wal = router.data / name
    kept = wal.read_bytes()
    wal.unlink()
    for _ in range(2):
        assert f"{name} is missing" in refused_start(router)
    code, said = check(router.data)
    assert code == 1 and f"{name} is missing" in said, said
    wal.write_bytes(kept)
    router.start()
    assert [message["id"] for message in history(router)] == ids


def test_a_missing_database(start_router):
    """The journal without its index isn't taken for a new store."""
    router, ids = filled(start_router)
    router.kill()
    moved = [path for path in router.data.iterdir() if path.name.startswith("switchboard.db")]
    for path in moved:
        path.rename(router.directory / path.name)
    assert "doesn't belong to this switchboard.db" in refused_start(router)
    for path in router.data.glob("switchboard.db*"):
        path.unlink()
    for path in moved:
        shutil.move(router.directory / path.name, path)
    router.start()
    assert [message["id"] for message in history(router)] == ids


def test_a_newer_schema(start_router):
    """A store of a newer version is refused and left as it is."""
    router, ids = filled(start_router)
    router.stop()
    for name in ["switchboard.db", "journal.db"]:
        change(router.data / name, "INSERT INTO migrations VALUES('from the future')")
        said = refused_start(router)
        assert "newer version" in said and "from the future" in said and name in said, said
        code, said = check(router.data)
        assert code == 1 and "newer version" in said, said
        change(router.data / name, "DELETE FROM migrations WHERE name = 'from the future'")
    router.start()
    assert [message["id"] for message in history(router)] == ids


def test_an_older_schema(start_router):
    """A store that lacks the last step is brought up to date, and has what it had."""
    router, ids = filled(start_router)
    router.stop()
    change(router.data / "switchboard.db", "DROP TABLE events", "DELETE FROM migrations WHERE name = 'events'")
    code, said = check(router.data)
    assert code == 1 and "older version" in said, said
    router.start()
    assert [message["id"] for message in history(router)] == ids
    router.stop()
    code, said = check(router.data)
    assert code == 0, said
    router.start()


def test_two_halves_of_different_stores(start_router):
    """A journal of another store is refused."""
    first, _ = filled(start_router)
    second, _ = filled(start_router)
    first.kill()
    second.kill()
    for path in first.data.glob("journal.db*"):
        shutil.copy(second.data / path.name, path)
    assert "doesn't belong to this switchboard.db" in refused_start(first)
    code, said = check(first.data)
    assert code == 1 and "aren't of one store" in said, said


@pytest.fixture
def mounted(tmp_path):
    """Mounts a file system of some MiB, on a file where that may be done, else in memory."""
    places = []

    def mount(mebibytes):
        place = tmp_path / f"mounted{len(places)}"
        place.mkdir()
        image = tmp_path / f"image{len(places)}"
        with open(image, "wb") as file:
            file.truncate(mebibytes << 20)
        made = subprocess.run(["mkfs.ext4", "-q", "-O", "^has_journal", image], capture_output=True, check=False)
        on_file = ["mount", "-o", "loop", image, place]
        in_memory = ["mount", "-t", "tmpfs", "-o", f"size={mebibytes}m", "none", place]
        for words in ([on_file] if made.returncode == 0 else []) + [in_memory]:
            if subprocess.run(words, capture_output=True, check=False).returncode == 0:
                places.append(place)
                return place
        return pytest.skip("this user may not mount")

    if os.geteuid() != 0:
        pytest.skip("only root may mount")
    yield mount
    for place in places:
        subprocess.run(["umount", "-l", place], check=False)


def test_a_read_only_directory(mounted, start_router):
    """Said in the first line, with what to do; when it is writable again, everything is there."""
    place = mounted(64)
    router, ids = filled(start_router, directory=place.parent, data=place.name)
    router.stop()
    subprocess.run(["mount", "-o", "remount,ro", place], check=True)
    said = refused_start(router)
    assert "can't write in the data directory" in said and "Make it writable" in said, said
    code, said = check(router.data)
    assert code == 0, said
    subprocess.run(["mount", "-o", "remount,rw", place], check=True)
    router.start()
    assert [message["id"] for message in history(router)] == ids
    router.stop()


# A full disk


def test_a_full_disk(mounted, start_router):
    """Sends are refused, reads go on, and with room again everything goes on: no restart, and nothing acked is lost."""
    place = mounted(48)
    router = start_router(directory=place.parent, data=place.name)
    sender = Chat(router, "a")
    (place / "ballast").write_bytes(b"x" * (24 << 20))
    acked, refused = send_until_refused(sender, "first")
    assert len(acked) > 20
    # Reads, also of somebody who wasn't there yet. They make the index take up all that was acked.
    assert [message["id"] for message in history(router)] == [ack["id"] for ack in acked]
    disk = os.statvfs(place)
    leave = 3 << 20
    (place / "more").write_bytes(b"x" * (disk.f_bavail * disk.f_frsize - leave))
    more, _ = send_until_refused(sender, "second")
    assert not more
    message = {"from": "a", "to": "b", "message": "by HTTP"}
    assert router.http("POST", "/timeline/send", message).status >= 500
    assert [message["id"] for message in history(router)] == [ack["id"] for ack in acked]
    reader = Chat(router, "b", after=0)
    assert reader.welcome["seq"] == len(acked)
    reader.close()
    wait_for_log(router, "the disk is full")

    for name in ["ballast", "more"]:
        (place / name).unlink()
    ack = sender.post("b", "room again", cid=refused)
    assert ack["cseq"] == len(acked) + 1
    wait_for_log(router, "well again")
    assert sender.post("b", "known", cid=acked[-1]["cid"])["dup"]
    router.kill()
    code, said = check(router.data)
    assert code == 0, said
    router.start()
    assert [message["id"] for message in history(router)] == [a["id"] for a in acked] + [ack["id"]]
    sender.close()
    router.stop()


def wait_for_log(router, words):
    deadline = time.monotonic() + PATIENCE
    while words not in router.output():
        assert time.monotonic() < deadline, f"it doesn't say “{words}”:\n{router.output()}"
        time.sleep(0.05)


def send_until_refused(client, name):
    """Sends until ten in a row are refused; answers the acks, and a `cid` that was refused."""
    acked, refusals = [], 0
    for number in range(600):
        cid = f"{name}{number}"
        client.send(cmd=10, dstid="b", content="x" * 50_000, cid=cid)
        answer = client.take(lambda frame, cid=cid: frame.get("cid") == cid, "an answer")
        if answer["cmd"] == "ack":
            acked.append(answer)
            refusals = 0
            continue
        assert answer["cmd"] == "error" and "nothing was stored" in answer["message"], answer
        refusals += 1
        if refusals == 10:
            return acked, cid
    raise AssertionError("the disk never became full")


# Backup and restore


def test_backup_while_people_chat(start_router, tmp_path):
    """What was acked before a backup began is in it; what comes out of it is whole, and goes on."""
    router, _ = filled(start_router, messages=5)
    acked, stop = [], threading.Event()

    def chat():
        client, number = Chat(router, "a"), 0
        while not stop.is_set():
            number += 1
            acked.append(client.post("b", "x" * (number % 2_000), cid=f"load{number}")["id"])
        client.close()

    writer = threading.Thread(target=chat)
    writer.start()
    try:
        for number in range(4):
            time.sleep(0.7)
            before = list(acked)
            code, said = command("backup", "--data", router.data, "--to", tmp_path / f"backup{number}")
            assert code == 0, said
            assert len(acked) > len(before) > 0, "nobody wrote meanwhile: the test shows nothing"
            look_into_backup(tmp_path / f"backup{number}", tmp_path / f"restored{number}", before, start_router)
    finally:
        stop.set()
        writer.join(PATIENCE)


def look_into_backup(backup, data, acked, start_router):
    code, said = check(backup)
    assert code == 0, said
    code, said = command("restore", "--from", backup, "--data", data)
    assert code == 0 and "is whole" in said, said
    restored = start_router(directory=data.parent, data=data.name)
    messages = history(restored)
    assert [message["cseq"] for message in messages] == list(range(1, len(messages) + 1))
    missing = set(acked) - {message["id"] for message in messages}
    assert not missing, f"{len(missing)} of {len(acked)} messages that were acked before are missing"
    client = Chat(restored, "a")
    assert client.post("b", "after")["cseq"] == len(messages) + 1
    client.close()
    restored.stop()


def test_a_restored_store_has_another_epoch(start_router, tmp_path):
    """Clients must start over: what they know may not be there. A backup also has groups, confirms and the rest."""
    router, ids = filled(start_router)
    router.group("a", "team", "b", "c")
    reader = Chat(router, "b")
    reader.request(cmd="confirm", seq=7)
    epoch = reader.welcome["epoch"]
    reader.close()
    code, said = command("backup", "--data", router.data, "--to", tmp_path / "backup")
    assert code == 0, said
    code, said = command("restore", "--from", tmp_path / "backup", "--data", tmp_path / "restored")
    assert code == 0, said
    restored = start_router(directory=tmp_path, data="restored")
    reader = Chat(restored, "b", after=0)
    assert reader.welcome["epoch"] != epoch and reader.welcome["confirmed"] == 7
    assert reader.post("team", "still here", cmd=11)["conv"] == "team"
    reader.close()
    assert [message["id"] for message in history(restored)] == ids


def test_backup_and_restore_refuse(start_router, tmp_path):
    """Nothing is written over, and nothing that isn't a whole backup is restored."""
    router, _ = filled(start_router)
    (tmp_path / "there").mkdir()
    code, said = command("backup", "--data", router.data, "--to", tmp_path / "there")
    assert code == 1 and "exists already" in said, said
    code, said = command("backup", "--data", tmp_path / "there", "--to", tmp_path / "backup")
    assert code == 1 and "no data directory" in said, said
    code, said = command("backup", "--data", router.data, "--to", tmp_path / "backup")
    assert code == 0, said
    assert sorted(path.name for path in (tmp_path / "backup").iterdir()) == ["journal.db", "switchboard.db"]
    code, said = command("restore", "--from", tmp_path / "backup", "--data", router.data)
    assert code == 1 and "isn't empty" in said, said
    code, said = command("restore", "--from", router.data, "--data", tmp_path / "restored")
    assert code == 1 and "a router ran on it" in said, said
    code, said = command("restore", "--from", tmp_path / "there", "--data", tmp_path / "restored")
    assert code == 1 and "is no backup" in said, said
    assert not (tmp_path / "restored").exists()
