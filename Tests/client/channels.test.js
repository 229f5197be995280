/** Channels of `switchboard.js` against a real router: cut connections, a restart, presence, refusals. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Person, Proxy, Router, until } from "./support.js";

let router;
const people = [];

before(async () => { router = await Router.start("--loops", "2"); });
after(async () => {
    for (const person of people) person.client.close();
    await router.remove();
});

async function join(name, port = router.port) {
    const person = await Person.online(name, port);
    people.push(person);
    return person;
}

/** Subscribes, and keeps what the handlers are told. */
async function listen(person, channel, options) {
    const heard = { offsets: [], data: [], lost: [], places: [], joined: [], left: [], refused: [] };
    person.client.subscribe(channel, {
        publication: ({ offset, data }) => { heard.offsets.push(offset); heard.data.push(data); },
        subscribed: (place) => heard.places.push(place),
        lost: (gap) => heard.lost.push(gap),
        joined: (userid) => heard.joined.push(userid),
        left: (userid) => heard.left.push(userid),
        refused: (error) => heard.refused.push(error.code),
    }, options);
    await until(() => heard.places.length || heard.refused.length, "an answer");
    return heard;
}

const oneTo = (count) => Array.from({ length: count }, (_, index) => index + 1);

test("a cut connection misses nothing, many times", { timeout: 60_000 }, async () => {
    const proxy = await Proxy.start(router.port);
    try {
        const reader = await join("cut-reader", proxy.port), writer = await join("cut-writer");
        const heard = await listen(reader, "cut");
        let count = 0;
        for (let round = 0; round < 8; round++) {
            for (let index = 0; index < 20; index++) {
                count += 1;
                const sent = writer.client.publish("cut", { n: count });
                if (index === 10) proxy.cut();
                assert.equal(await sent, count);
            }
            proxy.mend();
            await until(() => heard.offsets.length === count, `${count} publications`);
        }
        assert.deepEqual(heard.offsets, oneTo(count));
        assert.deepEqual(heard.data, oneTo(count).map((n) => ({ n })));
        assert.deepEqual(heard.lost, []);
        assert.ok(heard.places.length > 8 && heard.places.slice(1).every((place) => place.recovered));
    } finally { proxy.close(); }
});

test("who leaves hears nothing more; who kept a place goes on there", { timeout: 60_000 }, async () => {
    const reader = await join("leave-reader"), writer = await join("leave-writer");
    const heard = await listen(reader, "leave");
    await writer.client.publish("leave", 1);
    await until(() => heard.offsets.length === 1, "the first");
    reader.client.unsubscribe("leave");
    await reader.client.status(["leave-writer"]);
    await writer.client.publish("leave", 2);
    await reader.client.status(["leave-writer"]);
    assert.deepEqual(heard.offsets, [1]);
    const again = await listen(reader, "leave", { after: 1, epoch: heard.places[0].epoch });
    await until(() => again.offsets.length, "what was missed");
    assert.deepEqual([again.offsets, again.data, again.lost], [[2], [2], []]);
});

test("presence, and a refusal", { timeout: 60_000 }, async () => {
    const host = await join("host"), guest = await join("guest");
    const heard = await listen(host, "room", { presence: true });
    await listen(guest, "room");
    await until(() => heard.joined.length, "the guest");
    guest.client.unsubscribe("room");
    await until(() => heard.left.length, "the guest's leaving");
    assert.deepEqual([heard.joined, heard.left], [["guest"], ["guest"]]);
    assert.deepEqual((await listen(guest, "no/channel")).refused, ["bad_request"]);
    await assert.rejects(guest.client.publish("room", "x".repeat(70_000)), { code: "too_large" });
});

test("a restarted router has another epoch: what is gone is told", { timeout: 60_000 }, async () => {
    const reader = await join("restart-reader"), writer = await join("restart-writer");
    const heard = await listen(reader, "restart");
    for (const n of oneTo(3)) await writer.client.publish("restart", n);
    await until(() => heard.offsets.length === 3, "three");
    await router.kill();
    await router.start();
    await until(() => heard.places.length === 2, "the second place");
    await writer.online();
    await writer.client.publish("restart", "new");
    await until(() => heard.offsets.length === 4, "the new one");
    assert.deepEqual(heard.lost, [{ after: 3, offset: 0 }]);
    assert.notEqual(heard.places[0].epoch, heard.places[1].epoch);
    assert.equal(heard.data[3], "new");
});
