"""Channels: publish and subscribe with a bounded history that can be recovered, over JSON and binary, on several loops."""

import json
import threading

import pytest

from switchboard import Chat

LOOPS = 3
HISTORY = 1_000  # publications that a channel keeps
MAX_CHANNELS = 256
MAX_DATA = 64 << 10


@pytest.fixture(scope="module")
def loops(tmp_path_factory):
    """A router with several loops: channel, publisher and subscribers live apart."""
    from switchboard import Router

    own = Router(tmp_path_factory.mktemp("channels"), "--loops", str(LOOPS)).start()
    yield own
    own.stop()


def subscribe(client, channel, **more):
    answer = client.request(cmd="subscribe", channel=channel, **more)
    assert (answer["cmd"], answer["channel"]) == ("subscribed", channel)
    assert isinstance(answer["epoch"], str) and isinstance(answer["offset"], int)
    return answer


def publish(client, channel, data):
    answer = client.request(cmd="publish", channel=channel, data=data)
    assert answer["cmd"] == "ok"
    return answer["offset"]


def take(client, channel, count):
    return [client.expect("channel", channel=channel) for _ in range(count)]


def test_everyone_on_every_loop(loops, chat, binary, people):
    """All subscribers get each publication once and in order, whatever they speak."""
    channel = f"all-{people(1)[0]}"
    readers = [chat(user, to=loops) for user in people(6)]
    events = [binary(user, to=loops) for user in people(3)] + [binary(people(1)[0], to=loops, websocket=True)]
    writer = chat(people(1)[0], to=loops)
    for reader in readers:
        assert subscribe(reader, channel)["offset"] == 0
    for reader in events:
        reader.command(cmd="subscribe", channel=channel, ref=1)
        assert reader.event("subscribed")["ref"] == 1
    values = [None, True, 1.5, "text", "\u00e9\u2028\"\\", [], {"deep": [{"x": 1}]}]
    assert [publish(writer, channel, value) for value in values] == list(range(1, len(values) + 1))
    for reader in readers:
        frames = take(reader, channel, len(values))
        assert [frame["data"] for frame in frames] == values
        assert [frame["offset"] for frame in frames] == list(range(1, len(values) + 1))
        assert {frame["userid"] for frame in frames} == {writer.user}
    for reader in events:
        frames = [reader.event("channel") for _ in values]
        assert [(frame["offset"], frame["data"]) for frame in frames] == list(enumerate(values, 1))


def test_binary_publisher(loops, chat, binary, people):
    a, b = people(2)
    reader, writer = chat(a, to=loops), binary(b, to=loops)
    subscribe(reader, f"bin-{a}")
    writer.command(cmd="publish", channel=f"bin-{a}", data=[1, 2], ref="p")
    assert writer.event("ok") == {"cmd": "ok", "ref": "p", "offset": 1}
    frame = reader.expect("channel")
    assert (frame["data"], frame["userid"]) == ([1, 2], b)


def test_no_gap_while_others_publish(loops, chat, people):
    """Whoever subscribes with `after` while publications fly gets every one of them."""
    channel = f"busy-{people(1)[0]}"
    writer = chat(people(1)[0], to=loops)
    total = 600

    def write():
        for number in range(1, total + 1):
            writer.send(cmd="publish", channel=channel, data=number)
            if number % 50 == 0:
                writer.fence()

    thread = threading.Thread(target=write)
    thread.start()
    try:
        for user in people(8):
            reader = chat(user, to=loops)
            have = 0
            while have < total:
                assert subscribe(reader, channel, after=have)["recovered"] is True
                for frame in take(reader, channel, min(97, total - have)):
                    assert (frame["offset"], frame["data"]) == (have + 1, have + 1)
                    have += 1
                reader.request(cmd="unsubscribe", channel=channel)
                reader.backlog.clear()
    finally:
        thread.join()


def test_epoch(start_router, chat, people):
    """A restart loses the history: the epoch is another one, and nothing is recovered."""
    a, b = people(2)
    own = start_router("--loops", "2")
    writer = chat(b, to=own)
    for number in range(5):
        publish(writer, "c", number)
    reader = chat(a, to=own)
    first = subscribe(reader, "c", after=2)
    assert first["recovered"] is True and first["offset"] == 5
    assert [frame["offset"] for frame in take(reader, "c", 3)] == [3, 4, 5]
    assert subscribe(reader, "c", after=5, epoch=first["epoch"])["recovered"] is True
    own.stop()
    own.start()
    reader = chat(a, to=own)
    again = subscribe(reader, "c", after=0, epoch=first["epoch"])
    assert again["recovered"] is False and again["epoch"] != first["epoch"]


def test_history_is_bounded(loops, chat, people):
    channel = f"long-{people(1)[0]}"
    writer, reader = chat(people(1)[0], to=loops), chat(people(1)[0], to=loops)
    total = HISTORY + 50
    for number in range(1, total + 1):
        writer.send(cmd="publish", channel=channel, data=number)
    writer.fence()
    assert publish(writer, channel, "last") == total + 1
    assert subscribe(reader, channel, after=50)["recovered"] is False
    assert subscribe(reader, channel, after=51)["recovered"] is True
    assert [frame["offset"] for frame in take(reader, channel, HISTORY)] == list(range(52, total + 2))


def test_slow_reader(loops, people):
    """Who reads slowly is served from the history; when that is too short, it is told what it lost."""
    channel = f"slow-{people(1)[0]}"
    slow = Chat(loops, people(1)[0])
    writer = Chat(loops, people(1)[0])
    try:
        subscribe(slow, channel)
        # The client library reads by itself as long as its queue takes it: stop it underneath.
        slow.socket.recv_messages.pause()
        total = 2_500
        for number in range(1, total + 1):
            writer.send(cmd="publish", channel=channel, data=[number, "x" * 8_000])
            if number % 50 == 0:
                writer.fence()
        publish(writer, channel, [total + 1, ""])
        slow.socket.recv_messages.resume()
        expected, losses = 1, 0
        while expected <= total + 1:
            frame = slow.take(lambda f: f["cmd"].startswith("channel"))
            if frame["cmd"] == "channel.lost":
                assert frame["after"] == expected - 1 and frame["offset"] >= expected
                expected = frame["offset"] + 1
                losses += 1
            else:
                assert frame["offset"] == frame["data"][0] == expected
                expected += 1
        assert losses >= 1
    finally:
        slow.close()
        writer.close()


def test_presence(loops, chat, people):
    channel = f"room-{people(1)[0]}"
    a, b, c = people(3)
    watcher = chat(a, to=loops)
    subscribe(watcher, channel, presence=True)
    first, second = chat(b, to=loops, device="1"), chat(b, to=loops, device="2")
    third = chat(c, to=loops)
    subscribe(first, channel)
    assert watcher.expect("channel.joined") == {"cmd": "channel.joined", "channel": channel, "userid": b}
    subscribe(second, channel)
    subscribe(third, channel)
    assert watcher.expect("channel.joined")["userid"] == c
    answer = third.request(cmd="subscribers", channel=channel)
    assert (answer["cmd"], sorted(answer["users"]), answer["count"]) == ("subscribers", [a, b, c], 3)
    first.close()
    third.request(cmd="unsubscribe", channel=channel)
    assert watcher.expect("channel.left")["userid"] == c
    second.close()
    assert watcher.expect("channel.left") == {"cmd": "channel.left", "channel": channel, "userid": b}
    watcher.fence()
    assert not [frame for frame in watcher.backlog if frame["cmd"].startswith("channel")]
    assert watcher.request(cmd="subscribers", channel=channel)["users"] == [a]


def test_limits(loops, chat, people):
    client = chat(people(1)[0], to=loops)
    name = client.user
    assert client.refused(cmd="subscribe") == "bad_request"
    assert client.refused(cmd="subscribe", channel="a/b") == "bad_request"
    assert client.refused(cmd="subscribe", channel="x" * 65) == "bad_request"
    assert client.refused(cmd="publish", channel=name) == "bad_request"
    assert client.refused(cmd="publish", channel=name, data="x" * MAX_DATA) == "too_large"
    largest = "x" * (MAX_DATA - 2)
    subscribe(client, name)
    assert publish(client, name, largest) == 1
    assert client.expect("channel")["data"] == largest
    for index in range(MAX_CHANNELS - 1):
        subscribe(client, f"{name}-{index}")
    assert client.refused(cmd="subscribe", channel=f"{name}-more") == "too_large"
    client.request(cmd="unsubscribe", channel=name)
    subscribe(client, f"{name}-more")
    assert client.request(cmd="unsubscribe", channel="never-there")["cmd"] == "ok"


def test_data_is_not_changed(loops, chat, people):
    a, b = people(2)
    reader, writer = chat(a, to=loops), chat(b, to=loops)
    subscribe(reader, a)
    data = '{ "n" : 1.500e+2 , "t":"\\u00e9\\/" }'
    writer.send_text('{"cmd":"publish","channel":"%s","data":%s,"userid":"other","offset":9}' % (a, data))
    text = reader.socket.recv(timeout=10)
    assert data in text
    frame = json.loads(text)
    assert (frame["userid"], frame["offset"]) == (b, 1)
