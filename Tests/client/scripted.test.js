/** `switchboard.js` against a scripted server: what a real router does rarely, or not for an hour. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Switchboard, memoryStorage } from "../../Sources/WebChat/Resources/switchboard.js";
import { sleep, until } from "./support.js";

/** A WebSocket whose other side is the test. */
class Scripted extends EventTarget {
    static all = [];
    static get last() { return Scripted.all.at(-1); }
    readyState = 0;
    sent = [];
    constructor(address) {
        super();
        this.address = new URL(address);
        Scripted.all.push(this);
    }
    send(text) { this.sent.push(JSON.parse(text)); }
    close() { this.readyState = 3; }
    open() {
        this.readyState = 1;
        this.dispatchEvent(new Event("open"));
        return this;
    }
    say(...frames) {
        for (const frame of frames) this.dispatchEvent(Object.assign(new Event("message"), { data: JSON.stringify(frame) }));
        return this;
    }
    end(code) {
        this.readyState = 3;
        this.dispatchEvent(Object.assign(new Event("close"), { code, reason: "" }));
    }
    frames(cmd) { return this.sent.filter((frame) => frame.cmd === cmd); }
    /** The next request of the kind, for an answer with its `ref`. */
    asked(cmd, number = 1) { return until(() => this.frames(cmd)[number - 1], `request ${number} of ${cmd}`); }
}

const welcome = (more) => ({
    cmd: "welcome", userid: "ann", device: "d", seq: 0, confirmed: 0, epoch: "e", max_frame: 1 << 21, heartbeat: 30, time: 1,
    ...more,
});
const message = (seq, more) => (
    { cmd: 10, userid: "bob", dstid: "ann", content: `m${seq}`, conv: "ann:bob", id: seq, cseq: seq, seq, time: seq, ...more });

scripted("a message of a large group is passed on without a place in the inbox", {}, async (scene, connected) => {
    const shown = [];
    scene.client.on("entry", (entry) => shown.push(entry.content));
    const server = await connected();
    const pushed = message(undefined, { cmd: 11, dstid: "g", conv: "g", id: 7, cseq: 7, content: "live" });
    server.say(message(1), pushed, message(2));
    await until(() => scene.client.position === 2, "both entries");
    await until(() => shown.length === 3, "all three");
    assert.deepEqual(scene.entries.map((entry) => entry.content), ["m1", "m2"]);
    assert.deepEqual([...shown].sort(), ["live", "m1", "m2"]);
    assert.equal(server.frames("fetch").length, 0);
});

function scripted(name, options, body) {
    test(name, { timeout: 60_000 }, async () => {
        const scene = { entries: [], gaps: [], states: [] };
        const client = scene.client = new Switchboard({
            url: "ws://h/ws", token: "ann", WebSocket: Scripted, confirmDelay: 5, timeout: 5_000,
            store: (entries) => { scene.entries.push(...entries); }, ...options,
        });
        client.on("gap", (gap) => scene.gaps.push(gap));
        client.on("state", (state) => scene.states.push(state));
        Scripted.all = [];
        client.connect();
        const connected = (more) => until(() => Scripted.last, "a connection").then((it) => it.open().say(welcome(more)));
        try { await body(scene, connected); } finally { client.close(); }
    });
}

test("how long it waits is random, doubles, and depends on the close code", { timeout: 60_000 }, async () => {
    /** The longest of many waits before the attempt of that number. */
    const longest = async (code, attempts) => {
        let most = 0;
        for (let run = 0; run < 40; run++) {
            const client = new Switchboard({
                url: "ws://h/ws", token: "ann", WebSocket: Scripted, backoffBase: 100, backoffMax: 3_000,
            });
            for (let attempt = 0; attempt < attempts; attempt++) {
                Scripted.all = [];
                client.connect();
                while (!Scripted.last) await new Promise(setImmediate);
                Scripted.last.open().end(code);
                assert.equal(client.state.name, "offline");
                assert.equal(client.state.code, code);
            }
            most = Math.max(most, client.state.retryAt - Date.now());
            client.close();
        }
        return most;
    };
    for (const [code, attempts, ceiling] of [
        [1006, 1, 100], [1006, 3, 400], [1006, 8, 3_000], [4003, 1, 100], [1001, 1, 200], [1011, 1, 1_600],
        [1013, 1, 1_600], [4008, 1, 1_600], [1013, 8, 3_000],
    ]) {
        const most = await longest(code, attempts);
        assert.ok(most <= ceiling && most > ceiling * 0.7, `${code}, attempt ${attempts}: ${most} of ${ceiling}`);
    }
});

for (const code of [4001, 1002, 1003, 1007, 1009]) {
    scripted(`a close with ${code} is the end, until someone connects again`, { backoffBase: 1 }, async (scene, connected) => {
        (await connected()).end(code);
        assert.deepEqual(scene.client.state, { name: "refused", code, reason: "" });
        await sleep(30);
        assert.equal(Scripted.all.length, 1);
        scene.client.connect();
        await until(() => Scripted.all.length === 2, "another connection");
    });
}

scripted("the token goes in the first frame, not in the address", { device: "d" }, async (scene, connected) => {
    const server = await connected();
    assert.deepEqual(server.sent[0], { cmd: "connect", token: "ann", device: "d" });
    assert.equal(server.address.href, "ws://h/ws?device=d&after=0");
});

scripted("a heartbeat without an answer ends the connection", { timeout: 40, backoffBase: 1 }, async (scene, connected) => {
    const server = await connected({ heartbeat: 0.02 });
    for (let beat = 1; beat <= 3; beat++) {
        await server.asked(0, beat);
        server.say({ cmd: 0 });
    }
    assert.equal(Scripted.all.length, 1);
    await until(() => Scripted.all.length === 2, "another connection");
    assert.equal(scene.states.find((state) => state.name === "offline").code, 4003);
});

scripted("a server that says nothing is left", { timeout: 40, backoffBase: 1 }, async () => {
    await until(() => Scripted.all.length >= 3, "the third attempt");
});

scripted("a hole is fetched; nothing comes twice or out of order", {}, async (scene, connected) => {
    const server = await connected({ seq: 1 });
    server.say(message(1), message(4), message(5));
    const first = await server.asked("fetch");
    assert.equal(first.after, 1);
    server.say(message(6), { cmd: "fetched", ref: first.ref, entries: [message(2), message(3), message(4)], more: true });
    const second = await server.asked("fetch", 2);
    assert.equal(second.after, 6);
    server.say({ cmd: "fetched", ref: second.ref, entries: [], more: false }, message(6), message(7));
    await until(() => scene.entries.length === 7, "all entries");
    assert.deepEqual(scene.entries.map((entry) => entry.seq), [1, 2, 3, 4, 5, 6, 7]);
    assert.deepEqual(scene.gaps, []);
});

scripted("entries that the inbox has no more are told as a gap", {}, async (scene, connected) => {
    const server = await connected({ seq: 9 });
    server.say(message(1), message(8), message(9));
    const { ref } = await server.asked("fetch");
    server.say({ cmd: "fetched", ref, entries: [message(6), message(8), message(9)], more: false });
    await until(() => scene.client.state.name === "online", "online");
    await until(() => scene.entries.length === 4, "all that there is");
    assert.deepEqual(scene.entries.map((entry) => entry.seq), [1, 6, 8, 9]);
    assert.deepEqual(scene.gaps, [{ after: 1, to: 5 }, { after: 6, to: 7 }]);
});

scripted("an inbox that lost its end is found out by asking", {}, async (scene, connected) => {
    const server = await connected({ seq: 9 });
    const { ref, after } = await server.asked("fetch");
    assert.equal(after, 0);
    server.say({ cmd: "fetched", ref, entries: [], more: false });
    await until(() => scene.client.state.name === "online", "online");
    assert.deepEqual(scene.gaps, [{ after: 0, to: 9 }]);
    assert.equal(scene.client.position, 9);
});

scripted("behind in the middle of fetching is fetched too, acks included", {}, async (scene, connected) => {
    const server = await connected();
    server.say({ cmd: "behind", seq: 0 });
    const first = await server.asked("fetch");
    const item = scene.client.send("bob", { content: "mine" });
    // Out of turn, as acks are while a session is behind.
    server.say({ cmd: "behind", seq: 0 }, { cmd: "ack", cid: item.cid, conv: "ann:bob", id: 3, cseq: 3, seq: 3, time: 3 });
    assert.equal(item.state, "sent");
    server.say({ cmd: "fetched", ref: first.ref, entries: [message(1)], more: false });
    const second = await server.asked("fetch", 2);
    assert.equal(second.after, 1);
    const own = { ...item.frame, userid: "ann", conv: "ann:bob", id: 3, cseq: 3, seq: 3, time: 3 };
    server.say({ cmd: "fetched", ref: second.ref, entries: [message(2), own], more: false });
    assert.equal((await item.acknowledged).seq, 3);
    assert.deepEqual(scene.entries.map((entry) => entry.seq), [1, 2, 3]);
    assert.deepEqual(scene.gaps, []);
});

scripted("a message that was stored before comes as an entry and isn't sent again", { backoffBase: 1 }, async (scene, connected) => {
    const server = await connected();
    const item = scene.client.send("bob", { content: "mine" });
    assert.equal(server.frames(10).length, 1);
    server.end(1006);
    assert.equal(item.state, "waiting");
    const next = (await until(() => Scripted.all[1], "the next connection")).open().say(welcome({ seq: 1 }));
    assert.equal(next.frames(10).length, 0);
    next.say({ ...item.frame, userid: "ann", conv: "ann:bob", id: 1, cseq: 1, seq: 1, time: 1 });
    await item.acknowledged;
    assert.equal(scene.client.state.name, "online");
    assert.equal(next.frames(10).length, 0);
    assert.deepEqual(scene.client.outgoing, []);
});

scripted("a refusal that passes is no failure", {}, async (scene, connected) => {
    const server = await connected();
    const item = scene.client.send("bob", { content: "x" });
    server.say({ cmd: "error", code: "overloaded", message: "later", cid: item.cid });
    assert.equal(item.state, "waiting");
    await server.asked(10, 2);
    assert.equal(server.frames(10)[1].cid, item.cid);
});

scripted("at most 64 messages are on their way", {}, async (scene, connected) => {
    const server = await connected();
    const items = Array.from({ length: 200 }, (_, index) => scene.client.send("bob", { content: `${index}` }));
    assert.equal(server.frames(10).length, 64);
    server.say({ cmd: "ack", cid: items[0].cid, conv: "ann:bob", id: 1, cseq: 1, seq: 1, time: 1 });
    assert.equal(server.frames(10).length, 65);
});

scripted("an ack before the commit is no promise", {}, async (scene, connected) => {
    const server = await connected();
    const item = scene.client.send("bob", { content: "x", level: "accepted" });
    server.say({ cmd: "ack", cid: item.cid, level: "accepted" });
    assert.equal(item.state, "sending");
    assert.equal(scene.client.outgoing.length, 1);
});

test("a storage that is full refuses the message at once", () => {
    const storage = { ...memoryStorage(), set: () => { throw new Error("full"); } };
    const client = new Switchboard({ url: "ws://h/ws", token: "ann", WebSocket: Scripted, storage });
    assert.throws(() => client.send("bob", { content: "x" }), /full/);
    assert.deepEqual(client.outgoing, []);
});

scripted("what comes again is no news, and no reason to ask", {}, async (scene, connected) => {
    const server = await connected({ seq: 1 });
    server.say(message(1), message(1), message(2), message(1));
    await until(() => scene.entries.length === 2, "both entries");
    await sleep(20);
    assert.deepEqual(scene.entries.map((entry) => entry.seq), [1, 2]);
    assert.equal(server.frames("fetch").length, 0);
});

test("a connection resumes behind what is stored, once it is stored", { timeout: 60_000 }, async () => {
    const stored = [];
    let finish;
    const store = async (entries) => {
        await new Promise((resolve) => { finish = resolve; });
        stored.push(...entries);
    };
    const client = new Switchboard({ url: "ws://h/ws", token: "ann", WebSocket: Scripted, store, backoffBase: 1 });
    Scripted.all = [];
    client.connect();
    (await until(() => Scripted.last, "a connection")).open().say(welcome({ seq: 1 }), message(1)).end(1006);
    await sleep(30);
    assert.equal(Scripted.all.length, 1, "it connects before it knows where it is");
    finish();
    const next = await until(() => Scripted.all[1], "the next connection");
    assert.equal(next.address.searchParams.get("after"), "1");
    assert.deepEqual(stored.map((entry) => entry.seq), [1]);
    client.close();
});

scripted("behind in the middle of fetching means to fetch again", {}, async (scene, connected) => {
    const server = await connected();
    server.say({ cmd: "behind", seq: 0 });
    const first = await server.asked("fetch");
    server.say({ cmd: "behind", seq: 0 }, { cmd: "fetched", ref: first.ref, entries: [message(1)], more: false });
    const second = await server.asked("fetch", 2);
    server.say({ cmd: "fetched", ref: second.ref, entries: [message(2)], more: false });
    await until(() => scene.entries.length === 2, "both entries");
    assert.equal(server.frames("fetch").length, 2);
});

let resets = 0;
scripted("another epoch starts over, whatever the numbers", { backoffBase: 1, reset: () => { resets++; } },
    async (scene, connected) => {
        (await connected({ seq: 2 })).say(message(1), message(2));
        await until(() => scene.entries.length === 2, "both entries");
        Scripted.last.end(1006);
        const next = await until(() => Scripted.all[1], "the next connection");
        assert.equal(next.address.searchParams.get("after"), "2");
        next.open().say(welcome({ seq: 50, epoch: "other" }));
        const fresh = await until(() => Scripted.all[2], "a fresh connection");
        assert.equal(fresh.address.searchParams.get("after"), "0");
        assert.equal(resets, 1);
        fresh.open().say(welcome({ seq: 1, epoch: "other" }), message(1, { content: "restored" }));
        await until(() => scene.entries.length === 3, "the restored entry");
        assert.equal(scene.entries[2].content, "restored");
    });

const shared = memoryStorage();
scripted("a message that another window has sent isn't sent again", { storage: shared }, async (scene, connected) => {
    scene.client.send("bob", { content: "x" });
    shared.remove(shared.keys().find((key) => key.startsWith("queue:")));
    const server = await connected();
    assert.equal(scene.client.state.name, "online");
    assert.equal(server.frames(10).length, 0);
});

scripted("what was read is told once there is a connection, the furthest only", { backoffBase: 1 }, async (scene, connected) => {
    const { client } = scene;
    client.read("ann:bob", 3);
    client.read("ann:bob", 5);
    client.read("ann:bob", 4);
    client.read("hikers", 1);
    const server = await connected();
    assert.deepEqual(server.frames("read").map(({ conv, cseq }) => [conv, cseq]), [["ann:bob", 5], ["hikers", 1]]);
    server.say({ cmd: "ok", ref: server.frames("read")[1].ref });
    server.end(1006);
    const next = await until(() => Scripted.all[1], "the next connection");
    next.open().say(welcome());
    const again = await next.asked("read");
    assert.deepEqual([again.conv, again.cseq, next.frames("read").length], ["ann:bob", 5, 1]);
    next.say({ cmd: "error", code: "forbidden", message: "no", ref: again.ref });
    await sleep(10);
    client.read("ann:bob", 5);
    assert.equal(next.frames("read").length, 2);
});

scripted("watches are asked for with every connection, until they end", { backoffBase: 1 }, async (scene, connected) => {
    const { client } = scene, told = [];
    client.on("status", ({ users }) => told.push(users));
    client.watch(["bob"]);
    const server = await connected();
    client.watch(["bob", "eve", "zoe"]);
    client.unwatch(["eve", "nobody"]);
    assert.deepEqual(server.frames("watch").map(({ users }) => users), [["bob"], ["eve", "zoe"]]);
    assert.deepEqual(server.frames("unwatch").map(({ users }) => users), [["eve"]]);
    const asked = client.status(["bob"]);
    const { ref } = await server.asked("status");
    server.say(
        { cmd: "status", users: { bob: { online: true, last_seen: 1 } } },
        { cmd: "status", users: { bob: { online: false, last_seen: 2 } }, ref });
    assert.deepEqual(await asked, { bob: { online: false, last_seen: 2 } });
    assert.deepEqual(told, [{ bob: { online: true, last_seen: 1 } }]);
    server.end(1006);
    const next = await until(() => Scripted.all[1], "the next connection");
    next.open().say(welcome());
    assert.deepEqual(next.frames("watch").map(({ users }) => users), [["bob", "zoe"]]);
});

scripted("edits, recalls and forwards are requests; a forwarded message comes as an entry", {}, async (scene, connected) => {
    const { client } = scene, server = await connected();
    const edit = client.edit("ann:bob", 2, { content: "new", cmd: "no", conv: "no" });
    const recall = client.recall("ann:bob", 3);
    const forward = client.forward("ann:bob", 2, "hikers", { group: true });
    const frames = ["edit", "recall", "forward"].map((cmd) => server.frames(cmd)[0]);
    assert.deepEqual(frames.map(({ ref, cid, ...rest }) => rest), [
        { cmd: "edit", conv: "ann:bob", cseq: 2, content: "new" }, { cmd: "recall", conv: "ann:bob", cseq: 3 },
        { cmd: "forward", conv: "ann:bob", cseq: 2, dstid: "hikers", group: true }]);
    server.say(
        { cmd: "ok", ref: frames[0].ref }, { cmd: "error", code: "forbidden", message: "not yours", ref: frames[1].ref },
        { cmd: "ack", cid: frames[2].cid, ref: frames[2].ref, id: 9, conv: "hikers", cseq: 7, seq: 1, time: 9 });
    assert.equal((await edit).cmd, "ok");
    await assert.rejects(recall, { code: "forbidden" });
    assert.equal((await forward).cseq, 7);
    const fetch = await server.asked("fetch");
    server.say({ cmd: "fetched", ref: fetch.ref, more: false, entries: [message(1, { cmd: 11, userid: "ann", conv: "hikers" })] });
    await until(() => scene.entries.length === 1, "the forwarded message");
});

scripted("notices are entries with an event of their own; reads, and messages of large groups, are none", {}, async (scene, connected) => {
    const { client } = scene, heard = [];
    for (const type of ["notice", "read", "entry"]) client.on(type, (it) => heard.push([type, it.conv]));
    const server = await connected();
    server.say(
        { cmd: "notify", name: "group.changed", conv: "hikers", cseq: 4, seq: 1, userid: "hikers", time: 1 },
        { cmd: 11, conv: "crowd", cseq: 5, id: 3, userid: "bob", content: "x", time: 1 },
        { cmd: "notify", name: "message.recalled", conv: "crowd", cseq: 5, id: 4, userid: "bob", time: 2 },
        { cmd: "read", conv: "ann:bob", userid: "bob", cseq: 1 });
    await until(() => scene.entries.length === 1, "the notice");
    assert.deepEqual(heard.sort(), [
        ["entry", "crowd"], ["entry", "crowd"], ["entry", "hikers"], ["notice", "crowd"], ["notice", "hikers"], ["read", "ann:bob"]]);
    assert.equal(server.frames("fetch").length, 0);
});

scripted("with a cookie nothing is said about who it is", { token: null }, async (scene, connected) => {
    const server = await connected();
    assert.equal(server.frames("connect").length, 0);
    assert.equal(scene.client.state.name, "online");
});

scripted("nobody is signed in as another than the one who was meant", { userid: "bob" }, async (scene, connected) => {
    (await connected()).say(message(1));
    await until(() => scene.client.state.name === "refused", "the end");
    assert.equal(scene.client.state.code, 4001);
    assert.deepEqual(scene.entries, []);
});
