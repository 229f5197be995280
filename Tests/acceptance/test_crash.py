"""The promises under `kill -9`: nothing acked is lost, nothing is stored twice, every inbox is whole and in order.

Some users chat, each with one connection and a journal of its own: what it sent, what was acked, what it saw. The
router is killed at random instants, some of them while it still recovers from the last kill, and the users lose their
connections now and then with frames on the way. They reconnect with `after`, resend what wasn't acked, and go on. Each
frame is checked as it comes; at the end the whole store is read and compared with the journals.

CRASH_ROUNDS sets the number of kills (default 10), CRASH_SEED repeats a run's choices.
"""

import asyncio
import json
import os
import random
import time
from collections import defaultdict

from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from switchboard import PATIENCE, Router

USERS = [f"user{n}" for n in range(6)]
GROUP = "everyone"
WINDOW = 16  # unacked messages a user has under way
MESSAGES_A_ROUND = 400  # a user's, at most: bounds the work of the final check
LOSS = 0.002  # how often a frame, and its connection with it, is lost on the way to a user
BACK_OFF = {"rate_limited", "overloaded"}


class Journal:
    """What one user knows; survives every crash of the router."""

    def __init__(self, user, confirms):
        self.user, self.confirms = user, confirms
        self.sent = {}  # cid → destination; the cid is also the content
        self.unacked = {}  # cid → frame, in sending order
        self.acked = {}  # cid → (id, conv, cseq, seq)
        self.seen = {}  # seq → (id, content), pushed or acked
        self.head = 0  # everything up to here was seen
        self.confirmed = 0  # the last confirm that was answered
        self.epoch = None
        self.duplicates = 0

    def compose(self, choose):
        """A new message, to a user or to the group."""
        cid = f"{self.user}.{len(self.sent)}"
        to_group = choose.random() < 0.2
        destination = GROUP if to_group else choose.choice([user for user in USERS if user != self.user])
        self.sent[cid] = destination
        frame = {"cmd": 11 if to_group else 10, "dstid": destination, "content": cid, "cid": cid}
        self.unacked[cid] = frame
        return frame

    def see(self, seq, identifier, content):
        """An entry in this session: the next one, without a hole. The group's invitation has no content."""
        assert seq == self.head + 1, f"{self.user}: seq {seq} came after {self.head}"
        self.head = seq
        self.seen[seq] = (identifier, content)

    def take_ack(self, ack, behind):
        cid, numbers = ack["cid"], tuple(ack[name] for name in ("id", "conv", "cseq", "seq"))
        assert self.acked.setdefault(cid, numbers) == numbers, f"two acks for {cid}: {self.acked[cid]} and {numbers}"
        self.unacked.pop(cid, None)
        if ack.get("dup"):
            self.duplicates += 1
        elif not behind:  # who is behind gets acks ahead of the entries before them, and fetches those
            self.see(ack["seq"], ack["id"], cid)


class Session:
    """A user's connections during one round."""

    def __init__(self, journal, choose, budget, loss):
        self.journal, self.choose, self.budget, self.loss = journal, choose, budget, loss
        self.socket, self.behind, self.over = None, False, False
        self.idle = asyncio.Event()

    async def run(self, router):
        """Connects, and connects again when the connection is lost, until the round is over."""
        while not self.over:
            try:
                await self.chat(f"ws://127.0.0.1:{router.port}/chat?id={self.journal.user}&after={self.journal.head}")
            except (OSError, EOFError, WebSocketException):
                pass  # lost or killed: that's the point

    async def chat(self, address):
        """Resends, sends while there is budget, and takes what comes until the connection breaks."""
        self.behind = False
        async with connect(address, compression=None, ping_interval=None, proxy=None, max_queue=None) as self.socket:
            self.welcome(await self.receive())
            for frame in list(self.journal.unacked.values()):
                await self.send(frame)
            await self.fill()
            while True:
                frame = await self.receive()
                if self.choose.random() < self.loss:
                    self.socket.transport.abort()  # this frame never arrived, nor what is behind it
                    return
                await self.handle(frame)

    async def receive(self):
        return json.loads(await self.socket.recv())

    async def send(self, frame):
        await self.socket.send(json.dumps(frame))

    def welcome(self, frame):
        journal = self.journal
        assert frame["cmd"] == "welcome", frame
        assert journal.epoch in (None, frame["epoch"]), "another epoch after a crash that lost nothing"
        journal.epoch = frame["epoch"]
        assert frame["seq"] >= journal.head, f"{journal.user} saw {journal.head}, the inbox ends at {frame['seq']}"
        assert frame["confirmed"] >= journal.confirmed, "a confirm that was answered is gone"

    async def fill(self):
        """Keeps the window full while there is budget."""
        while self.budget and len(self.journal.unacked) < WINDOW:
            self.budget -= 1
            await self.send(self.journal.compose(self.choose))
        if not self.budget and not self.journal.unacked:
            self.idle.set()

    async def handle(self, frame):
        journal, cmd = self.journal, frame["cmd"]
        if cmd == "ack":
            journal.take_ack(frame, self.behind)
            await self.fill()
        elif cmd in (10, 11, "notify"):
            journal.see(frame["seq"], frame.get("id"), frame.get("content"))
        elif cmd == "behind":
            self.behind = True
            await self.send({"cmd": "fetch", "after": journal.head, "limit": 1_000})
        elif cmd == "fetched":
            for entry in frame["entries"]:
                if entry["seq"] > journal.head:
                    journal.see(entry["seq"], entry.get("id"), entry.get("content"))
            self.behind = frame["more"]
            if self.behind:
                await self.send({"cmd": "fetch", "after": journal.head, "limit": 1_000})
        elif cmd == "ok":
            journal.confirmed = max(journal.confirmed, frame["ref"])
        elif cmd == "error":
            assert frame["code"] in BACK_OFF and "cid" in frame, frame
            await asyncio.sleep(0.02)
            await self.send(journal.unacked[frame["cid"]])
        else:
            raise AssertionError(f"unexpected: {frame}")
        if journal.confirms and cmd in (10, 11) and self.choose.random() < 0.02:
            await self.send({"cmd": "confirm", "seq": journal.head, "ref": journal.head})


async def chat_until_killed(router, journals, choose):
    """One round: everyone connects and chats; after a random while the router is killed."""
    sessions = [Session(journal, choose, MESSAGES_A_ROUND, LOSS) for journal in journals]
    tasks = [asyncio.create_task(session.run(router)) for session in sessions]
    await asyncio.sleep(choose.uniform(0.02, 0.6))
    for session in sessions:
        session.over = True
    router.kill()
    await asyncio.wait_for(asyncio.gather(*tasks), PATIENCE)


async def finish(router, journals, choose):
    """The last round: nothing new, nothing lost; everyone resends until all is acked."""
    sessions = [Session(journal, choose, budget=0, loss=0) for journal in journals]
    tasks = [asyncio.create_task(session.run(router)) for session in sessions]
    idle = asyncio.gather(*(session.idle.wait() for session in sessions))
    await asyncio.wait([idle, *tasks], timeout=3 * PATIENCE, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        if task.done():
            task.result()  # raises what a session found wrong
    assert idle.done(), f"never acked: {[sorted(journal.unacked) for journal in journals]}"
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def test_killed_at_random_instants(tmp_path, capsys):
    """See the module's text; this is its run."""
    rounds = int(os.environ.get("CRASH_ROUNDS", "10"))
    seed = int(os.environ.get("CRASH_SEED", random.SystemRandom().randrange(2**32)))
    with capsys.disabled():
        print(f"\nCRASH_SEED={seed} CRASH_ROUNDS={rounds}", flush=True)
    choose = random.Random(seed)
    journals = [Journal(user, confirms=index % 2 == 1) for index, user in enumerate(USERS)]
    router = Router(tmp_path).start()
    try:
        router.group(USERS[0], GROUP, *USERS[1:])
        for _ in range(rounds):
            asyncio.run(chat_until_killed(router, journals, choose))
            if choose.random() < 0.3:  # once more, while it recovers
                router.launch()
                time.sleep(choose.uniform(0, 0.15))
                router.kill()
            router.start()
        asyncio.run(finish(router, journals, choose))
        check(router, journals)
        router.stop()
    except BaseException:
        print(router.output())
        raise
    finally:
        router.kill()
    sent = sum(len(journal.sent) for journal in journals)
    duplicates = sum(journal.duplicates for journal in journals)
    with capsys.disabled():
        print(f"{rounds} kills, {sent} messages, all acked; {duplicates} resends were known already")
    assert sent > rounds, "next to nothing was sent: the test shows nothing"


# The final check: the store against the journals


def check(router, journals):
    from switchboard import Chat

    clients = {journal.user: Chat(router, journal.user, device="auditor") for journal in journals}
    try:
        stored = check_conversations(clients, journals)
        for journal in journals:
            check_inbox(clients[journal.user], journal, journals, stored)
    finally:
        for client in clients.values():
            client.close()


def conversation_of(sender, destination):
    return GROUP if destination == GROUP else ":".join(sorted([sender, destination]))


def check_conversations(clients, journals):
    """Every history is numbered without a gap, every message is in it once, under the numbers of its ack."""
    expected = defaultdict(dict)
    for journal in journals:
        for cid, destination in journal.sent.items():
            expected[conversation_of(journal.user, destination)][cid] = journal.acked[cid]
    stored, identifiers = {}, set()
    for conversation, messages in expected.items():
        reader = clients[USERS[0] if conversation == GROUP else conversation.split(":")[0]]
        history = read_history(reader, conversation)
        assert [m["cseq"] for m in history] == list(range(1, len(history) + 1)), f"a gap in {conversation}"
        assert [m["id"] for m in history] == sorted(m["id"] for m in history), f"ids out of order in {conversation}"
        contents = [m["content"] for m in history]
        assert len(contents) == len(set(contents)), f"stored twice in {conversation}"
        assert set(contents) == set(messages), f"lost or invented in {conversation}"
        for message in history:
            numbers = messages[message["content"]]
            assert (message["id"], message["conv"], message["cseq"]) == numbers[:3]
            assert message["id"] not in identifiers, "an id given twice"
            identifiers.add(message["id"])
            stored[message["content"]] = message
    return stored


def read_history(client, conversation):
    messages, more = [], True
    while more:
        after = messages[-1]["cseq"] if messages else 0
        page = client.request(cmd="history", conv=conversation, after=after, limit=1_000)
        messages += page["messages"]
        more = page["more"]
        assert page["messages"] or not more
    return messages


def check_inbox(client, journal, journals, stored):
    """The inbox is 1, 2, 3 …; what was seen is what is stored; everything addressed to the user is in it, once."""
    inbox = client.fetch_all()
    seqs = [entry["seq"] for entry in inbox]
    first = 1
    if journal.confirms:  # what every device confirmed may be gone, up to the last entry
        first = seqs[0] if seqs else client.welcome["seq"] + 1
    assert first <= journal.head + 1
    assert seqs == list(range(first, len(seqs) + first)), f"a hole in the inbox of {journal.user}"
    assert client.welcome["seq"] == first + len(seqs) - 1
    entries = {entry["seq"]: (entry.get("id"), entry.get("content")) for entry in inbox}
    for seq, seen in journal.seen.items():
        assert seq < first or entries[seq] == seen, f"{journal.user} saw {seen} at {seq}, stored is {entries.get(seq)}"
    # The union of what is stored and what was seen must be all of the user's messages, each once.
    everything = [content for _, content in (journal.seen | entries).values() if content is not None]
    addressed = {
        cid for other in journals for cid, destination in other.sent.items()
        if other is journal or destination in (journal.user, GROUP)}
    assert len(everything) == len(set(everything)), f"an entry twice in the inbox of {journal.user}"
    assert set(everything) == addressed, f"{journal.user} misses or has too much"
    for cid, (identifier, _, _, seq) in journal.acked.items():
        assert (journal.seen | entries)[seq] == (identifier, cid)
        assert stored[cid]["userid"] == journal.user
