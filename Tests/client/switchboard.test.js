/** `switchboard.js` against a real router: `ROUTER=.build/release/router node --test Tests/client`. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { privateConversation, SwitchboardError } from "../../Sources/WebChat/Resources/switchboard.js";
import { memoryStorage, Person, Proxy, Router, sleep, until, WebSocket } from "./support.js";

const numbers = (count, from = 0) => Array.from({ length: count }, (_, index) => `m${index + from}`);
const seqs = (entries) => entries.map((entry) => entry.seq);
const oneTo = (count) => Array.from({ length: count }, (_, index) => index + 1);

let router;
let people = [];
const join = async (name, options = {}) => {
    const person = await Person.online(name, options.port ?? router.port, options);
    people.push(person);
    return person;
};

before(async () => { router = await Router.start(); });
after(async () => { await router.remove(); });

/** A test whose clients are closed at its end, whatever it came to. */
function scene(name, body) {
    test(name, { timeout: 120_000 }, async (context) => {
        try { await body(context); } finally {
            for (const person of people) person.client.close();
            people = [];
        }
    });
}

describe("a conversation", () => {
    scene("goes both ways, in order, and own messages are entries too", async () => {
        const ann = await join("talk-ann"), bob = await join("talk-bob");
        const item = ann.client.send("talk-bob", { content: "hello", mood: { happy: true } });
        assert.equal(item.state, "sending");
        const sent = await item.acknowledged;
        assert.equal(item.state, "sent");
        assert.equal(sent.conv, "talk-ann:talk-bob");
        assert.equal(sent.conv, privateConversation("talk-bob", "talk-ann"));
        await bob.has(1);
        assert.deepEqual(bob.entries[0].mood, { happy: true });
        bob.client.send("talk-ann", { content: "hello yourself" });
        await ann.has(2);
        assert.deepEqual(ann.texts(), ["hello", "hello yourself"]);
        assert.deepEqual(seqs(ann.entries), [1, 2]);
        assert.deepEqual(ann.client.outgoing, []);
    });

    scene("has a history in pages", async () => {
        const ann = await join("page-ann");
        for (const content of numbers(25)) ann.client.send("page-bob", { content });
        await ann.has(25);
        const conv = "page-ann:page-bob";
        const newest = await ann.client.history(conv, { limit: 10 });
        assert.deepEqual(newest.messages.map((message) => message.content), numbers(10, 15));
        assert.equal(newest.more, true);
        const older = await ann.client.history(conv, { before: newest.messages[0].cseq, limit: 100 });
        assert.deepEqual(older.messages.map((message) => message.content), numbers(15));
        assert.equal(older.more, false);
    });

    scene("tells who types, and who is there", async () => {
        const ann = await join("type-ann"), bob = await join("type-bob");
        ann.client.typing("type-bob");
        const event = await until(() => bob.events.find((event) => event.type === "typing"), "typing");
        assert.equal(event.userid, "type-ann");
        assert.equal(event.conv, "type-ann:type-bob");
        const users = await ann.client.status(["type-bob", "type-nobody"]);
        assert.equal(users["type-bob"].online, true);
        assert.deepEqual(users["type-nobody"], { online: false, last_seen: 0 });
    });

    scene("works in groups, and a refusal says why and can be tried again", async () => {
        const ann = await join("group-ann"), bob = await join("group-bob");
        const made = await router.http("POST", "/api/groups", { id: "hikers", name: "Hikers", members: [] }, "group-ann");
        assert.equal(made.status, 201);
        const early = bob.client.send("hikers", { content: "may I?" }, { group: true });
        await assert.rejects(early.acknowledged, { code: "not_member" });
        assert.equal(early.state, "failed");
        assert.equal(bob.client.outgoing.length, 1);
        await router.http("POST", "/api/groups/hikers/members", { user: "group-bob" }, "group-ann");
        bob.client.retry(early.cid);
        await ann.has(1);
        assert.equal(ann.entries[0].conv, "hikers");
        await until(() => !bob.client.outgoing.length, "the queue is empty");
        const other = bob.client.send("no-such-group", { content: "x" }, { group: true });
        await until(() => other.state === "failed", "the second is refused");
        bob.client.discard(other.cid);
        assert.deepEqual(bob.client.outgoing, []);
        assert.deepEqual(bob.storage.keys().filter((key) => key.startsWith("queue:")), []);
    });

    scene("isn't ended by a message that is too large", async () => {
        const ann = await join("large-ann");
        const aboveTheMessage = ann.client.send("large-bob", { content: "x".repeat(1_200_000) });
        const aboveTheFrame = ann.client.send("large-bob", { content: "x".repeat(20_000_000) });
        const small = ann.client.send("large-bob", { content: "x" });
        await assert.rejects(aboveTheMessage.acknowledged, { code: "too_large" });
        await assert.rejects(aboveTheFrame.acknowledged, { code: "too_large" });
        await small.acknowledged;
        assert.equal(ann.events.filter((event) => event.type === "state" && event.name === "offline").length, 0);
    });
});

describe("requests", () => {
    scene("fail with the router's code, and without a connection", async () => {
        const ann = await join("ask-ann");
        await assert.rejects(ann.client.history("someone:else"), (error) => {
            assert.ok(error instanceof SwitchboardError);
            return ["forbidden", "not_member", "not_found"].includes(error.code);
        });
        await assert.rejects(ann.client.request({ cmd: "no-such-command" }), { code: "unsupported" });
        ann.client.close();
        assert.equal(ann.client.state.name, "idle");
        await assert.rejects(ann.client.status(["x"]), { code: "offline" });
    });
});

describe("signing in", () => {
    test("is refused for good with a wrong token, and works with another one", async () => {
        const strict = await Router.start("--jwt-secret", "0123456789abcdef0123456789abcdef");
        let token = "a.b.c";
        const ann = new Person("strict-ann", strict.port, { token: () => token });
        try {
            await until(() => ann.client.state.name === "refused", "refused");
            assert.equal(ann.client.state.code, 4001);
            token = "strict-ann";
            ann.client.connect();
            await ann.online();
            assert.equal(ann.client.userid, "strict-ann");
        } finally {
            ann.client.close();
            await strict.remove();
        }
    });
});

describe("confirming", () => {
    scene("waits for the store, and what it refuses comes again", async () => {
        const bob = await join("store-bob");
        let failures = 2;
        const kept = [];
        const ann = await join("store-ann", {
            store: async (entries) => {
                await sleep(5);
                if (failures-- > 0) throw new Error("the disk is full");
                kept.push(...entries);
            },
        });
        for (const content of numbers(20)) bob.client.send("store-ann", { content });
        await until(() => kept.length >= 20, "all is kept");
        assert.deepEqual(seqs(kept), oneTo(20));
        assert.equal(ann.events.filter((event) => event.type === "problem").length, 2);
        await ann.client.confirm();
        ann.client.close();
        const again = await join("store-ann", { storage: memoryStorage() });
        await sleep(100);
        assert.deepEqual(again.entries, [], "what this device confirmed doesn't come again");
    });

    scene("becomes one for many entries", async () => {
        let confirms = 0;
        class Counting extends WebSocket {
            send(text) {
                if (text.includes('"confirm"')) confirms++;
                super.send(text);
            }
        }
        const ann = await join("few-ann", { WebSocket: Counting, confirmDelay: 100 }), bob = await join("few-bob");
        for (const content of numbers(200)) bob.client.send("few-ann", { content });
        await ann.has(200);
        await until(async () => {
            const { entries } = await ann.client.fetch();
            return entries.length === 0;
        }, "all is confirmed");
        assert.ok(confirms >= 1 && confirms <= 50, `${confirms} confirms`);
    });
});

describe("two devices", () => {
    scene("both have everything, in one order", async () => {
        const phone = await join("two-ann", { device: "phone" }), desk = await join("two-ann", { device: "desk" });
        const bob = await join("two-bob");
        for (let index = 0; index < 30; index++) {
            phone.client.send("two-bob", { content: `p${index}` });
            desk.client.send("two-bob", { content: `d${index}` });
            bob.client.send("two-ann", { content: `b${index}` });
        }
        for (const person of [phone, desk, bob]) await person.has(90);
        assert.deepEqual(phone.texts(), desk.texts());
        assert.deepEqual(seqs(phone.entries), oneTo(90));
        assert.deepEqual(seqs(desk.entries), oneTo(90));
        assert.equal(new Set(bob.texts()).size, 90);
        assert.deepEqual(phone.events.filter((event) => event.type === "gap"), []);
    });

    scene("one that was away gets what it missed", async () => {
        const desk = await join("away-ann", { device: "desk" });
        const bob = await join("away-bob");
        bob.client.send("away-ann", { content: "first" });
        await desk.has(1);
        desk.client.close();
        for (const content of numbers(1_200)) bob.client.send("away-ann", { content });
        await bob.has(1_201);
        desk.client.connect();
        await desk.has(1_201);
        assert.deepEqual(desk.texts(), ["first", ...numbers(1_200)]);
    });
});

describe("a bad network", () => {
    scene("offline and back: the queue goes out, nothing is missing, nothing comes twice", async () => {
        const proxy = await Proxy.start(router.port);
        try {
            const ann = await join("off-ann", { port: proxy.port }), bob = await join("off-bob");
            proxy.cut();
            await until(() => ann.client.state.name === "offline", "offline");
            assert.ok(ann.client.state.retryAt > 0);
            for (const content of numbers(100)) ann.client.send("off-bob", { content });
            for (const content of numbers(100, 100)) bob.client.send("off-ann", { content });
            await bob.has(100);
            assert.ok(ann.client.outgoing.every((item) => item.state === "waiting"));
            proxy.mend();
            await ann.has(200);
            await bob.has(200);
            assert.deepEqual(ann.texts().sort(), numbers(200).sort());
            assert.deepEqual(bob.texts().slice(100), numbers(100));
            assert.deepEqual(seqs(ann.entries), oneTo(200));
        } finally { proxy.close(); }
    });

    scene("cut again and again in the middle of sending", async () => {
        const proxy = await Proxy.start(router.port);
        try {
            const ann = await join("cut-ann", { port: proxy.port }), bob = await join("cut-bob");
            let written = 0;
            for (let round = 0; round < 12; round++) {
                for (let index = 0; index < 40; index++) {
                    ann.client.send("cut-bob", { content: `m${written++}` });
                    if (index % 8 === 0) await sleep(1);
                }
                proxy.cut();
                proxy.mend();
            }
            await bob.has(written);
            await ann.has(written);
            await until(() => !ann.client.outgoing.length, "the queue is empty");
            assert.deepEqual(bob.texts(), numbers(written));
            assert.deepEqual(ann.texts(), numbers(written));
        } finally { proxy.close(); }
    });

    scene("a slow reader is told so, and fetches the rest", async () => {
        const proxy = await Proxy.start(router.port);
        try {
            let behind = 0;
            class Counting extends WebSocket {
                constructor(...values) {
                    super(...values);
                    this.addEventListener("message", (event) => { if (event.data.startsWith('{"cmd":"behind"')) behind++; });
                }
            }
            const ann = await join("slow-ann", { port: proxy.port, WebSocket: Counting }), bob = await join("slow-bob");
            proxy.pause();
            const filler = "x".repeat(60_000);
            for (const content of numbers(400)) bob.client.send("slow-ann", { content, filler });
            await bob.has(400);
            proxy.resume();
            ann.client.send("slow-bob", { content: "m400" });
            await ann.has(401);
            assert.deepEqual(seqs(ann.entries), oneTo(401));
            assert.deepEqual(ann.texts(), numbers(401));
            assert.ok(behind >= 1, "the router never said behind");
            bob.client.send("slow-ann", { content: "m401" });
            await ann.has(402);
        } finally { proxy.close(); }
    });
});

describe("the router", () => {
    /** A router of the test's own. */
    async function withRouter(body) {
        const own = await Router.start();
        try { await body(own); } finally { await own.remove(); }
    }

    scene("killed in the middle of sending: nothing lost, nothing twice", async () => {
        await withRouter(async (own) => {
            const ann = await join("kill-ann", { port: own.port }), bob = await join("kill-bob", { port: own.port });
            let written = 0;
            for (let round = 0; round < 4; round++) {
                for (let index = 0; index < 150; index++) ann.client.send("kill-bob", { content: `m${written++}` });
                const goal = ann.entries.length + 20;
                await ann.has(goal);
                await own.kill();
                for (let index = 0; index < 20; index++) ann.client.send("kill-bob", { content: `m${written++}` });
                await own.start();
            }
            await bob.has(written);
            await ann.has(written);
            assert.deepEqual(bob.texts(), numbers(written));
            assert.deepEqual(ann.texts(), numbers(written));
            assert.deepEqual(seqs(bob.entries), oneTo(written));
        });
    });

    scene("going down for a restart: clients come back by themselves", async () => {
        await withRouter(async (own) => {
            const ann = await join("down-ann", { port: own.port });
            await own.kill("SIGTERM");
            const left = await until(
                () => ann.events.find((event) => event.type === "state" && event.name === "offline"), "offline");
            assert.equal(left.code, 1001);
            await own.start();
            await ann.online();
        });
    });

    scene("with another store: the client starts over", async () => {
        await withRouter(async (own) => {
            let resets = 0;
            const reset = () => { resets++; ann.entries.length = 0; };
            const ann = await join("over-ann", { port: own.port, reset });
            for (const content of numbers(10)) ann.client.send("over-bob", { content });
            await ann.has(10);
            await own.kill();
            const waiting = ann.client.send("over-bob", { content: "written meanwhile" });
            const other = await Router.start();
            await other.kill();
            [own.directory, other.directory] = [other.directory, own.directory];
            await own.start();
            await waiting.acknowledged;
            await ann.has(1);
            assert.equal(resets, 1);
            assert.deepEqual(ann.texts(), ["written meanwhile"]);
            assert.deepEqual(seqs(ann.entries), [1]);
            await other.remove();
        });
    });
});

describe("a reload", () => {
    scene("keeps the queue and the place in the inbox", async () => {
        const proxy = await Proxy.start(router.port);
        try {
            const storage = memoryStorage();
            const before = await join("load-ann", { port: proxy.port, storage }), bob = await join("load-bob");
            before.client.send("load-bob", { content: "m0" });
            await bob.has(1);
            await before.has(1);
            proxy.cut();
            for (const content of numbers(80, 1)) before.client.send("load-bob", { content });
            before.client.close();
            const later = new Person("load-ann", proxy.port, { storage });
            people.push(later);
            assert.deepEqual(later.client.outgoing.map((item) => item.frame.content), numbers(80, 1));
            proxy.mend();
            await bob.has(81);
            await later.has(80);
            assert.deepEqual(bob.texts(), numbers(81));
            assert.deepEqual(seqs(later.entries), oneTo(81).slice(1), "it resumes behind what was stored");
        } finally { proxy.close(); }
    });

    scene("in the middle of sending, ten times: nothing lost, nothing twice", async () => {
        const storage = memoryStorage();
        const bob = await join("mid-bob");
        const seen = [];
        let written = 0;
        for (let round = 0; round < 10; round++) {
            const ann = await join("mid-ann", { storage, store: (entries) => { seen.push(...entries); } });
            for (let index = 0; index < 60; index++) ann.client.send("mid-bob", { content: `m${written++}` });
            await sleep(round);
            ann.client.close();
        }
        await join("mid-ann", { storage, store: (entries) => { seen.push(...entries); } });
        await bob.has(written);
        await until(() => seen.length >= written, "all came as entries");
        assert.deepEqual(bob.texts(), numbers(written));
        assert.deepEqual(seqs(seen), oneTo(written));
        assert.deepEqual(storage.keys().filter((key) => key.startsWith("queue:")), []);
    });

    scene("two windows on one storage send each message once", async () => {
        const storage = memoryStorage();
        const bob = await join("win-bob");
        const proxy = await Proxy.start(router.port);
        try {
            proxy.cut();
            const first = new Person("win-ann", proxy.port, { storage });
            for (const content of numbers(30)) first.client.send("win-bob", { content });
            const second = new Person("win-ann", proxy.port, { storage });
            people.push(first, second);
            proxy.mend();
            await bob.has(30);
            for (const window of [first, second]) {
                await window.has(30);
                await until(() => !window.client.outgoing.length, "the queue is empty");
            }
            await sleep(100);
            assert.deepEqual(bob.texts(), numbers(30));
        } finally { proxy.close(); }
    });
});

test("conversations are named like the router names them", () => {
    assert.equal(privateConversation("b", "a"), "a:b");
    assert.equal(privateConversation("a", "ab"), "a:ab");
    // By bytes, not by UTF-16 units.
    assert.equal(privateConversation("\u{1F600}", "\uFF5E"), "\uFF5E:\u{1F600}");
});
