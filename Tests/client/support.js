/** A router process, a proxy that can be cut and stopped, and clients that get closed. */
import { spawn } from "node:child_process";
import { mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import net from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Switchboard, memoryStorage } from "../../Sources/WebChat/Resources/switchboard.js";

const PATIENCE = 20_000;

/** Debian's package node-ws; without it node's own, which node 22 has. */
export const WebSocket = (() => {
    try { return createRequire(import.meta.url)("/usr/share/nodejs/ws"); } catch { return globalThis.WebSocket; }
})();
if (!WebSocket) throw new Error("there are no WebSockets: node-ws (Debian), or node 22");

/** Waits until `condition` holds. */
export async function until(condition, what, patience = PATIENCE) {
    const deadline = Date.now() + patience;
    for (let value; ; await sleep(5)) {
        if ((value = await condition())) return value;
        if (Date.now() > deadline) throw new Error(`not in ${patience} ms: ${what}`);
    }
}

function freePort() {
    return new Promise((resolve, reject) => {
        const probe = net.createServer().once("error", reject);
        probe.listen(0, "127.0.0.1", () => {
            const { port } = probe.address();
            probe.close(() => resolve(port));
        });
    });
}

/** The program that $ROUTER names, in development mode. */
export class Router {
    static async start(...options) {
        const router = new Router();
        router.directory = mkdtempSync(path.join(tmpdir(), "switchboard-"));
        router.port = await freePort();
        router.tcpPort = await freePort();
        router.options = options;
        await router.start();
        return router;
    }

    async start() {
        const log = openSync(path.join(this.directory, "router.log"), "a");
        this.process = spawn(process.env.ROUTER, [
            "--dev", "--listen", `127.0.0.1:${this.port}`, "--tcp-listen", `127.0.0.1:${this.tcpPort}`,
            "--data", path.join(this.directory, "data"), ...this.options,
        ], { stdio: ["ignore", log, log] });
        this.ended = new Promise((resolve) => this.process.once("exit", resolve));
        await until(async () => {
            if (this.process.exitCode !== null) throw new Error(readFileSync(path.join(this.directory, "router.log"), "utf8"));
            return (await this.http("GET", "/readyz").catch(() => null))?.status === 200;
        }, "the router is ready");
    }

    async kill(signal = "SIGKILL") {
        this.process.kill(signal);
        await this.ended;
    }

    async remove() {
        if (this.process.exitCode === null && this.process.signalCode === null) await this.kill("SIGTERM");
        rmSync(this.directory, { recursive: true });
    }

    http(method, target, body, token) {
        return fetch(`http://127.0.0.1:${this.port}${target}`, {
            method, body: body && JSON.stringify(body),
            headers: { ...(body && { "Content-Type": "application/json" }), ...(token && { Authorization: `Bearer ${token}` }) },
        });
    }
}

/** Stands between a client and the router. */
export class Proxy {
    static async start(port) {
        const proxy = new Proxy();
        proxy.pairs = new Set();
        proxy.isCut = false;
        proxy.server = net.createServer((client) => {
            if (proxy.isCut) return client.destroy();
            const router = net.connect(port, "127.0.0.1");
            const pair = [client, router];
            proxy.pairs.add(pair);
            for (const [from, to] of [pair, [router, client]]) {
                from.on("error", () => {});
                from.on("close", () => { to.destroy(); proxy.pairs.delete(pair); });
                from.pipe(to);
            }
        });
        await new Promise((resolve) => proxy.server.listen(0, "127.0.0.1", resolve));
        proxy.port = proxy.server.address().port;
        return proxy;
    }

    /** Ends all connections and takes no new ones. */
    cut() {
        this.isCut = true;
        for (const pair of this.pairs) for (const socket of pair) socket.destroy();
    }

    mend() { this.isCut = false; }

    /** Reads nothing from the router until `resume`. */
    pause() { for (const [client, router] of this.pairs) { router.unpipe(client); router.pause(); } }
    resume() { for (const [client, router] of this.pairs) router.pipe(client); }

    close() {
        this.cut();
        this.server.close();
    }
}

/** A client together with all that it was given. */
export class Person {
    constructor(name, port, options = {}) {
        this.name = name;
        this.entries = [];
        this.events = [];
        this.storage = options.storage ?? memoryStorage();
        this.client = new Switchboard({
            url: `ws://127.0.0.1:${port}/ws`, token: name, storage: this.storage, WebSocket,
            store: (entries) => { this.entries.push(...entries); },
            backoffBase: 20, backoffMax: 300, confirmDelay: 10, timeout: 10_000, ...options,
        });
        for (const type of ["state", "entry", "outgoing", "typing", "gap", "problem", "frame"]) {
            this.client.on(type, (detail) => this.events.push({ type, ...detail }));
        }
        this.client.connect();
    }

    static async online(name, port, options) {
        const person = new Person(name, port, options);
        await person.online();
        return person;
    }

    online() { return until(() => this.client.state.name === "online", `${this.name} is online`); }
    texts() { return this.entries.map((entry) => entry.content); }
    has(count) { return until(() => this.entries.length >= count, `${this.name} has ${count} entries`); }
}

export { memoryStorage, sleep };
