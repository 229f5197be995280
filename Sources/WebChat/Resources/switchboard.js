/**
 * A client of Switchboard's JSON protocol, for browsers and for node (18 or newer). No dependency and no build step:
 * `import { Switchboard } from "/switchboard.js"`.
 *
 *     const chat = new Switchboard({ url: "ws://127.0.0.1:8080/ws", token: "alice", store: (entries) => { … } });
 *     chat.on("entry", (entry) => console.log(entry.userid, entry.content));
 *     chat.connect();
 *     chat.send("bob", { content: "hello" });
 *
 * What it promises:
 * - **Received.** Every inbox entry reaches `store` in the order of its `seq`, own messages included. It is confirmed
 *   to the router after `store` has taken it, so what an application fails to store comes again. Whether entries were
 *   pushed, resumed or fetched makes no difference to the application.
 *   The one exception are the messages of large groups, and changes of them: they have no `seq` and are only passed on
 *   ("entry") as they come; what was missed is told by the entry `group.changed`, and lies in the history.
 * - **Sent.** `send` puts a message into a queue that lies in `storage`. It is sent, and sent again after every kind of
 *   failure, under one `cid` until the router has acknowledged or refused it: stored once, shown once.
 * - **Connected.** A lost connection comes back with exponential backoff and full jitter, and resumes behind the last
 *   entry that was stored.
 */

/** Commands of frames that are inbox entries. */
const ENTRY_COMMANDS = new Set([10, 11, "notify"]);
/** Refusals that pass: the message stays in the queue and is sent again. */
const PASSING_CODES = new Set(["overloaded", "internal", "rate_limited"]);
/** Close codes after which the same would happen again. */
const FINAL_CLOSES = new Set([1002, 1003, 1007, 1009]);
/** Close codes of a server that wants some rest: full, its store away, or we were too quick. */
const SLOW_CLOSES = new Set([1011, 1013, 4008]);
/**
 * Messages that are on their way at a time. The router knows the sender's last 256 `cid`s, over all devices: a resend
 * must not be older than that.
 */
const WINDOW = 64;
const FETCH_LIMIT = 500;

/**
 * @typedef {object} Entry An inbox entry as the router sends it: a message, or a notification.
 * @property {10|11|"notify"} cmd private message, group message, notification
 * @property {string} userid who sent it
 * @property {string} [dstid] user or group it was sent to
 * @property {string} [cid] the sender's own id
 * @property {string} [content] the text
 * @property {string} [name] of a notification, such as `message.edited`
 * @property {number} id @property {string} conv @property {number} cseq @property {number} seq @property {number} time
 */

/**
 * @typedef {object} Outgoing A message of the queue.
 * @property {string} cid
 * @property {object} frame what is sent: `cmd`, `dstid` and the message's fields
 * @property {"waiting"|"sending"|"sent"|"failed"} state waiting for a connection or its turn; on its way; durable;
 *   refused. That others have read it is told by the event `read`
 * @property {number} time when it was written, by this machine's clock
 * @property {{code: string, message: string}} [error] why it failed
 * @property {Entry} [entry] once it is sent: the entry that it became
 */

/**
 * @typedef {object} State
 * @property {"idle"|"connecting"|"catching-up"|"online"|"offline"|"refused"} name `refused`: it won't connect again by
 *   itself, since the token is wrong or the router and this client don't understand each other
 * @property {number} [retryAt] offline: when the next attempt begins, in milliseconds since the epoch
 * @property {number} [code] the close code that led here
 * @property {string} [reason]
 */

/**
 * @typedef {object} Events What `on` can listen to, with what the listener gets.
 * @property {State} state
 * @property {Entry} entry an inbox entry that was stored, each once and in order; or a message of a large group
 * @property {Outgoing} outgoing a message of the queue changed its state
 * @property {Entry} notice of these entries, a notification: `name` says of what
 * @property {{userid: string, conv: string}} typing
 * @property {{conv: string, userid: string, cseq: number}} read someone has read a conversation up to a message; the
 *   user too, in another session
 * @property {{users: Record<string, {online: boolean, last_seen: number}>}} status of users who are watched
 * @property {{after: number, to: number}} gap entries of these numbers are no longer in the inbox (expired, or another
 *   session of this device confirmed them); history has them
 * @property {Error} problem `store` or the storage failed; the client goes on and tries again
 * @property {object} frame a frame that has no event of its own
 */

/**
 * @typedef {object} Storage What survives a reload: texts by name. All calls are synchronous; `set` may throw.
 * @property {(key: string) => string | null} get
 * @property {(key: string, value: string) => void} set
 * @property {(key: string) => void} remove
 * @property {() => string[]} keys
 */

/**
 * @typedef {object} ChannelHandlers What a subscriber listens to; each may be left out.
 * @property {(frame: {channel: string, offset: number, data: any, userid: string}) => void} [publication] in the order
 *   of `offset`, each once
 * @property {(place: {offset: number, epoch: string, recovered: boolean}) => void} [subscribed] with every connection
 * @property {(gap: {after: number, offset: number}) => void} [lost] what came behind `after` is gone; it goes on behind
 *   `offset`, which may be smaller: the router has restarted
 * @property {(userid: string) => void} [joined] @property {(userid: string) => void} [left] with `presence`
 * @property {(error: SwitchboardError) => void} [refused] there is no subscription
 */

/** A storage that ends with the page. @returns {Storage} */
export function memoryStorage() {
    const texts = new Map();
    return {
        get: (key) => texts.get(key) ?? null,
        set: (key, value) => void texts.set(key, value),
        remove: (key) => void texts.delete(key),
        keys: () => [...texts.keys()],
    };
}

/**
 * A storage in `localStorage` (or `sessionStorage`) whose names begin with `prefix`: one for each user.
 * @param {globalThis.Storage} area @param {string} prefix @returns {Storage}
 */
export function webStorage(area, prefix) {
    return {
        get: (key) => area.getItem(prefix + key),
        set: (key, value) => area.setItem(prefix + key, value),
        remove: (key) => area.removeItem(prefix + key),
        keys: () => Object.keys(area).filter((key) => key.startsWith(prefix)).map((key) => key.slice(prefix.length)),
    };
}

/** A text that no other call gives, here or elsewhere. It is no secret. */
export function uniqueID() {
    return Date.now().toString(36) + "-" + Math.random().toString(36).slice(2, 12);
}

/** The conversation of two users, as the router names it. @param {string} a @param {string} b */
export function privateConversation(a, b) {
    const encoder = new TextEncoder();
    const left = encoder.encode(a), right = encoder.encode(b);
    for (let index = 0; index < Math.min(left.length, right.length); index++) {
        if (left[index] !== right[index]) return left[index] < right[index] ? `${a}:${b}` : `${b}:${a}`;
    }
    return left.length <= right.length ? `${a}:${b}` : `${b}:${a}`;
}

/** A request that the router refused, or that got no answer (`offline`, `timeout`). */
export class SwitchboardError extends Error {
    /** @param {string} code @param {string} message */
    constructor(code, message) {
        super(message);
        this.name = "SwitchboardError";
        this.code = code;
    }
}

/**
 * @typedef {object} Options
 * @property {string} url the router's `/ws`, such as `wss://chat.example.org/ws`
 * @property {string | null | (() => string | null | Promise<string | null>)} token who signs in; a function is asked
 *   before each connection. With `--dev` a user id is a token. It goes in the first frame and never into the address,
 *   which others may log. null: the browser's cookie says who it is
 * @property {string} [userid] who it has to be: as another user, which a cookie might name, nobody is signed in
 * @property {string} [device] default `default`
 * @property {Storage} [storage] default: memory
 * @property {(entries: Entry[]) => void | Promise<void>} [store] keeps entries; they are confirmed once it has returned
 * @property {() => void | Promise<void>} [reset] forgets everything stored: the router's store is another one now
 * @property {typeof WebSocket} [WebSocket] the implementation, where the platform has none
 * @property {number} [backoffBase] milliseconds, default 500 @property {number} [backoffMax] default 30,000
 * @property {number} [confirmDelay] milliseconds in which confirms become one, default 200
 * @property {number} [timeout] milliseconds to wait for any answer, default 15,000
 */

export class Switchboard {
    #options;
    #storage;
    #target = new EventTarget();
    /** @type {State} */ #state = { name: "idle" };
    #wanted = false;
    #socket = null;
    #userid = null;
    #welcome = null;
    #attempt = 0;
    #welcomedAt = 0;
    #timers = { retry: 0, confirm: 0, heartbeat: 0, answer: 0, catchUp: 0, resend: 0 };
    #requests = new Map();
    #nextRef = 1;

    /** @type {Map<string, Outgoing & {key: string, resolve: Function, reject: Function}>} */ #queue = new Map();
    #queued = 0;

    /** The last entry in order that came; up to it nothing is missing. */ #received = 0;
    /** The last entry that `store` took. */ #stored = 0;
    #confirmed = 0;
    /** Entries that came and wait for `store`. */ #inbox = [];
    /** Ends when the inbox is empty. @type {Promise<void> | null} */ #storing = null;
    /** Which store of the router the positions are about. @type {string | null} */ #epoch;
    /** Entries that came ahead of a missing one, by `seq`. */ #ahead = new Map();
    #isPulling = false;
    #isBehind = false;
    /** Subscriptions by channel, with the place of the last publication. */ #channels = new Map();
    /** Counts connections, so that what belongs to an old one is told apart. */ #generation = 0;
    /** Up to where the user has read what, until the router knows. @type {Map<string, number>} */ #reads = new Map();
    #watched = new Set();

    /** @param {Options} options */
    constructor(options) {
        this.#options = {
            device: "default", storage: memoryStorage(), store: () => {}, reset: () => {},
            WebSocket: globalThis.WebSocket, backoffBase: 500, backoffMax: 30_000, confirmDelay: 200, timeout: 15_000,
            ...options,
        };
        this.#storage = this.#options.storage;
        this.#epoch = this.#storage.get("epoch");
        this.#received = this.#stored = Number(this.#storage.get("position") ?? 0);
        this.#loadQueue();
    }

    // MARK: What one sees

    /** @returns {State} */ get state() { return this.#state; }
    /** The user that is signed in, once the router has said so. @returns {string | null} */
    get userid() { return this.#userid; }
    /** The `seq` of the last entry that was stored. */ get position() { return this.#stored; }
    /** Messages that aren't sent yet, oldest first. @returns {Outgoing[]} */
    get outgoing() { return [...this.#queue.values()]; }

    /**
     * Listens; the answer ends it.
     * @template {keyof Events} K
     * @param {K} type @param {(detail: Events[K]) => void} listener @returns {() => void}
     */
    on(type, listener) {
        const handler = (event) => listener(event.detail);
        this.#target.addEventListener(type, handler);
        return () => this.#target.removeEventListener(type, handler);
    }

    #emit(type, detail) {
        const event = new Event(type);
        event.detail = detail;
        this.#target.dispatchEvent(event);
    }

    #setState(name, more = {}) {
        this.#state = { name, ...more };
        this.#emit("state", this.#state);
    }

    // MARK: Connecting

    /** Connects, and stays connected until `close`. At once, if it waits for its next attempt. */
    connect() {
        this.#wanted = true;
        if (this.#socket) return;
        clearTimeout(this.#timers.retry);
        this.#open();
    }

    /** Ends the connection; the queue stays in the storage. */
    close() {
        this.#wanted = false;
        clearTimeout(this.#timers.retry);
        this.#drop(1000, "closed");
        this.#setState("idle");
    }

    async #open() {
        const generation = ++this.#generation;
        this.#setState("connecting");
        try {
            const { token, url, device } = this.#options;
            const value = typeof token === "function" ? await token() : token;
            // Resume behind what is stored, and let nothing come twice.
            await this.#storing;
            if (generation !== this.#generation || !this.#wanted) return;
            const address = new URL(url);
            address.searchParams.set("device", device);
            address.searchParams.set("after", String(this.#received));
            const socket = new this.#options.WebSocket(address.href);
            this.#socket = socket;
            const isCurrent = () => socket === this.#socket;
            socket.addEventListener("open", () => {
                if (isCurrent() && value !== null) this.#write({ cmd: "connect", token: value, device });
            });
            socket.addEventListener("message", (event) => isCurrent() && this.#take(event.data));
            socket.addEventListener("close", (event) => isCurrent() && this.#lost(event.code, event.reason));
            // A close follows in browsers; node 20 says no more than this when it can't connect.
            socket.addEventListener("error", () => setTimeout(() => isCurrent() && this.#lost(1006, ""), 100));
            this.#timers.answer = setTimeout(() => this.#drop(4003, "no answer"), this.#options.timeout);
        } catch (error) {
            this.#emit("problem", error);
            this.#lost(1006, String(error.message));
        }
    }

    /** Ends a connection from this side, without waiting for the other one. */
    #drop(code, reason) {
        const socket = this.#socket;
        if (!socket) return;
        this.#lost(code, reason);
        try { socket.close(); } catch { /* It was never open. */ }
    }

    #lost(code, reason) {
        this.#socket = null;
        this.#generation++;
        this.#isPulling = this.#isBehind = false;
        this.#ahead.clear();
        for (const timer of ["confirm", "heartbeat", "answer", "catchUp", "resend"]) {
            clearTimeout(this.#timers[timer]);
            this.#timers[timer] = 0;
        }
        for (const request of this.#requests.values()) {
            clearTimeout(request.timer);
            request.reject(new SwitchboardError("offline", "the connection ended before the answer came"));
        }
        this.#requests.clear();
        for (const item of this.#queue.values()) if (item.state === "sending") this.#setItem(item, "waiting");
        if (!this.#wanted) return;
        if (code === 4001 || FINAL_CLOSES.has(code)) {
            this.#wanted = false;
            this.#setState("refused", { code, reason });
            return;
        }
        // Attempts count until a connection has held for a while: a router that drops everyone isn't stormed.
        if (this.#welcomedAt && Date.now() - this.#welcomedAt > 5_000) this.#attempt = 0;
        this.#welcomedAt = 0;
        this.#retry(code, reason);
    }

    #retry(code, reason) {
        const { backoffBase, backoffMax } = this.#options;
        // A restart drops everyone at one moment, and a server that is full has no use for the next try soon.
        const steps = this.#attempt + (SLOW_CLOSES.has(code) ? 4 : code === 1001 ? 1 : 0);
        const ceiling = Math.min(backoffMax, backoffBase * 2 ** steps);
        // The router may say itself when to come back.
        const asked = Math.min(Number(/: retry in (\d{1,6}) ms$/.exec(reason)?.[1] ?? 0), 60_000);
        const delay = asked + Math.random() * (asked ? backoffBase : ceiling);
        this.#attempt = Math.min(this.#attempt + 1, 16);
        clearTimeout(this.#timers.retry);
        this.#timers.retry = setTimeout(() => this.#open(), delay);
        this.#setState("offline", { retryAt: Date.now() + delay, code, reason });
    }

    #write(frame) {
        // OPEN is 1 in every implementation.
        if (this.#socket?.readyState !== 1) return false;
        this.#socket.send(JSON.stringify(frame));
        return true;
    }

    // MARK: Heartbeats

    /** Any frame shows that the other side is there. */
    #heard() {
        clearTimeout(this.#timers.answer);
        this.#timers.answer = 0;
    }

    #beat() {
        const seconds = this.#welcome.heartbeat || 30;
        this.#timers.heartbeat = setTimeout(() => {
            this.probe();
            this.#beat();
        }, seconds * 1_000);
    }

    /** Sends a heartbeat; without a sign of life the connection ends. Useful when a device wakes up. */
    probe() {
        if (!this.#write({ cmd: 0 }) || this.#timers.answer) return;
        this.#timers.answer = setTimeout(() => this.#drop(4003, "no sign of life"), this.#options.timeout);
    }

    // MARK: Frames

    #take(text) {
        this.#heard();
        let frame;
        try { frame = JSON.parse(text); } catch { return this.#drop(1007, "not JSON"); }
        if (ENTRY_COMMANDS.has(frame.cmd)) {
            // Of a large group: in no inbox, so there is nothing to keep in order and nothing to confirm.
            return frame.seq === undefined ? this.#tell(frame) : this.#arrived(frame);
        }
        switch (frame.cmd) {
        case 0: return;
        case "welcome": return this.#welcomed(frame);
        case "ack": return this.#acknowledged(frame);
        case "behind": this.#isBehind = true; return void this.#pull();
        case "typing": case "read": return this.#emit(frame.cmd, frame);
        case "status": return void (this.#answered(frame) || this.#emit("status", frame));
        case "channel": return this.#published(frame);
        case "subscribed": this.#subscribed(frame); return void this.#answered(frame);
        case "channel.lost": return this.#lostOn(frame);
        case "channel.joined": return this.#channels.get(frame.channel)?.handlers.joined?.(frame.userid);
        case "channel.left": return this.#channels.get(frame.channel)?.handlers.left?.(frame.userid);
        case "error": return this.#refused(frame);
        default: if (!this.#answered(frame)) this.#emit("frame", frame);
        }
    }

    #welcomed(welcome) {
        const { userid = welcome.userid } = this.#options;
        if (userid !== welcome.userid) return this.#drop(4001, `signed in as ${welcome.userid}`);
        const known = this.#epoch;
        const isOther = known !== null && known !== welcome.epoch;
        if (isOther || welcome.seq < this.#received) return void this.#startOver(welcome);
        this.#welcome = welcome;
        this.#userid = welcome.userid;
        this.#welcomedAt = Date.now();
        this.#confirmed = welcome.confirmed;
        if (known === null) {
            this.#epoch = welcome.epoch;
            this.#keep("epoch", welcome.epoch);
            // Nothing is here yet: begin where the device begins.
            this.#received = this.#stored = Math.max(this.#received, welcome.confirmed);
        }
        this.#beat();
        for (const [channel, place] of this.#channels) void this.#askFor(channel, place);
        if (this.#stored > this.#confirmed) this.#scheduleConfirm();
        if (this.#received >= welcome.seq) return this.#caughtUp();
        this.#setState("catching-up");
        this.#watchCatchUp(this.#received);
    }

    /** The inbox may have lost its oldest entries to the retention: then nothing comes by itself. */
    #watchCatchUp(before) {
        this.#timers.catchUp = setTimeout(() => {
            if (this.#state.name !== "catching-up") return;
            if (this.#received === before) void this.#pull();
            else this.#watchCatchUp(this.#received);
        }, 2_000);
    }

    #checkCaughtUp() {
        if (this.#state.name === "catching-up" && this.#received >= this.#welcome.seq) this.#caughtUp();
    }

    /** Only now the queue goes out: what of it was stored before has come as an entry, and left the queue. */
    #caughtUp() {
        clearTimeout(this.#timers.catchUp);
        this.#setState("online");
        for (const conv of this.#reads.keys()) void this.#tellRead(conv);
        this.#sendWatches([...this.#watched]);
        this.#flush();
    }

    /** The router's store is another one than before, restored from a copy: its numbers mean other entries. */
    async #startOver(welcome) {
        const generation = this.#generation;
        this.#inbox = [];
        await this.#storing;
        this.#received = this.#stored = 0;
        this.#epoch = welcome.epoch;
        try {
            await this.#options.reset();
            this.#storage.remove("position");
            this.#storage.set("epoch", welcome.epoch);
        } catch (error) {
            this.#emit("problem", error);
        }
        if (generation === this.#generation) this.#drop(1001, "another epoch");
    }

    // MARK: Entries

    /** Takes a pushed entry, or one that an ack stands for. */
    #arrived(entry) {
        if (entry.seq <= this.#received) return;
        if (entry.seq !== this.#received + 1 || this.#isPulling) {
            this.#ahead.set(entry.seq, entry);
            if (!this.#isPulling) void this.#pull();
            return;
        }
        this.#accept(entry);
        this.#checkCaughtUp();
    }

    #accept(entry) {
        this.#received = entry.seq;
        const item = entry.userid === this.#userid ? this.#queue.get(String(entry.cid)) : undefined;
        // It was stored before the last connection ended: not to be sent again.
        if (item && item.state !== "sent") {
            item.entry = entry;
            this.#setItem(item, "sent");
        }
        this.#inbox.push(entry);
        this.#storeInbox();
    }

    #takeAhead() {
        for (let entry; (entry = this.#ahead.get(this.#received + 1)); ) this.#accept(entry);
        for (const seq of this.#ahead.keys()) if (seq <= this.#received) this.#ahead.delete(seq);
    }

    /** Fetches whatever is behind the last entry, until there is no more: after a hole, and when this side was slow. */
    async #pull() {
        if (this.#isPulling) return;
        this.#isPulling = true;
        const generation = this.#generation;
        try {
            while (await this.#pullPage(generation));
            if (generation !== this.#generation) return;
            this.#isPulling = false;
            this.#checkCaughtUp();
        } catch (error) {
            if (generation === this.#generation) this.#drop(1011, `fetch failed: ${error.message}`);
        }
    }

    /** Fetches a page; true if another is needed. What a page leaves out, the inbox no longer has. */
    async #pullPage(generation) {
        this.#isBehind = false;
        const firstAhead = this.#ahead.size ? Math.min(...this.#ahead.keys()) : null;
        const page = await this.request({ cmd: "fetch", after: this.#received, limit: FETCH_LIMIT });
        if (generation !== this.#generation) return false;
        for (const entry of page.entries) {
            if (entry.seq <= this.#received) continue;
            if (entry.seq > this.#received + 1) this.#skip(entry.seq - 1);
            this.#accept(entry);
        }
        this.#takeAhead();
        if (page.more) return true;
        if (this.#ahead.size) {
            // An entry that was ahead before this page was asked for: all that the inbox has below it has come now.
            if (this.#ahead.has(firstAhead)) this.#skip(firstAhead - 1);
            this.#takeAhead();
        }
        if (this.#ahead.size || this.#isBehind) return true;
        if (this.#received < this.#welcome.seq) this.#skip(this.#welcome.seq);
        return false;
    }

    #skip(to) {
        this.#emit("gap", { after: this.#received, to });
        this.#received = to;
        if (!this.#storing) this.#advance(to);
        for (const item of [...this.#queue.values()]) {
            if (item.entry && item.entry.seq <= to) this.#settle(item.cid, item.entry);
        }
    }

    #storeInbox() {
        this.#storing ??= this.#storeAll().finally(() => {
            this.#storing = null;
            // What came in between the two.
            if (this.#inbox.length) this.#storeInbox();
        });
    }

    async #storeAll() {
        while (this.#inbox.length) {
            const entries = this.#inbox;
            this.#inbox = [];
            try {
                await this.#options.store(entries);
            } catch (error) {
                // The next session gives them again.
                this.#emit("problem", error);
                this.#inbox = [];
                this.#received = this.#stored;
                this.#drop(1011, "storing failed");
                return;
            }
            this.#haveStored(entries);
        }
    }

    #haveStored(entries) {
        this.#advance(entries[entries.length - 1].seq);
        for (const entry of entries) {
            if (entry.userid === this.#userid && entry.cid !== undefined) this.#settle(String(entry.cid), entry);
            this.#tell(entry);
        }
    }

    #tell(entry) {
        this.#emit("entry", entry);
        if (entry.cmd === "notify") this.#emit("notice", entry);
    }

    #advance(seq) {
        this.#stored = seq;
        // Windows that share the storage may be ahead of this one.
        this.#keep("position", String(Math.max(seq, Number(this.#storage.get("position") ?? 0))));
        this.#scheduleConfirm();
    }

    #scheduleConfirm() {
        if (this.#timers.confirm || !this.#socket) return;
        this.#timers.confirm = setTimeout(() => {
            this.#timers.confirm = 0;
            if (this.#stored > this.#confirmed && this.#write({ cmd: "confirm", seq: this.#stored })) {
                this.#confirmed = this.#stored;
            }
        }, this.#options.confirmDelay);
    }

    #keep(key, value) {
        try { this.#storage.set(key, value); } catch (error) { this.#emit("problem", error); }
    }

    // MARK: Sending

    /**
     * Sends a message, now or as soon as there is a connection. Throws if the storage refuses it.
     * @param {string} to user id, or group id with `group`
     * @param {object} fields the message: `content`, `media`, `pic`, `url`, `memo`, `amount`, or fields of one's own
     * @param {{group?: boolean}} [options]
     * @returns {Outgoing & {acknowledged: Promise<Entry>}} `acknowledged` fails if the router refuses the message
     */
    send(to, fields, { group = false } = {}) {
        const cid = uniqueID();
        const frame = { ...fields, cmd: group ? 11 : 10, dstid: to, cid };
        const item = { cid, frame, state: "waiting", time: Date.now() };
        // Named so that their order is that in which they were written.
        item.key = `queue:${String(item.time).padStart(15, "0")}:${String(this.#queued++).padStart(8, "0")}:${cid}`;
        this.#storage.set(item.key, JSON.stringify({ frame: item.frame, time: item.time }));
        this.#add(item);
        this.#emit("outgoing", item);
        this.#flush();
        return item;
    }

    /** Sends a failed message again. @param {string} cid */
    retry(cid) {
        const item = this.#queue.get(cid);
        if (item?.state !== "failed") return;
        delete item.error;
        this.#keepItem(item);
        this.#setItem(item, "waiting");
        this.#flush();
    }

    /** Takes a failed message out of the queue. @param {string} cid */
    discard(cid) {
        const item = this.#queue.get(cid);
        if (item?.state === "failed") this.#remove(item);
    }

    #add(item) {
        item.acknowledged = new Promise((resolve, reject) => Object.assign(item, { resolve, reject }));
        // Nobody has to listen.
        item.acknowledged.catch(() => {});
        this.#queue.set(item.cid, item);
    }

    #loadQueue() {
        for (const key of this.#storage.keys().filter((key) => key.startsWith("queue:")).sort()) {
            try {
                const { frame, time, error } = JSON.parse(this.#storage.get(key));
                this.#add({ cid: frame.cid, frame, time, error, state: error ? "failed" : "waiting", key });
            } catch {
                this.#storage.remove(key);
            }
        }
    }

    #keepItem({ key, frame, time, error }) {
        this.#keep(key, JSON.stringify({ frame, time, error }));
    }

    #setItem(item, state) {
        item.state = state;
        this.#emit("outgoing", item);
    }

    #remove(item) {
        this.#queue.delete(item.cid);
        this.#storage.remove(item.key);
    }

    #flush() {
        if (this.#state.name !== "online") return;
        let room = WINDOW;
        for (const item of this.#queue.values()) {
            if (item.state === "waiting") {
                // Another window of this user has seen to it.
                if (this.#storage.get(item.key) === null) { this.#queue.delete(item.cid); continue; }
                if (this.#isTooLarge(item.frame)) {
                    this.#fail(item, "too_large", "the message is too large");
                    continue;
                }
                if (!this.#write(item.frame)) return;
                this.#setItem(item, "sending");
            }
            if (item.state === "sending" && --room === 0) return;
        }
    }

    /** A frame above the limit would end the connection. */
    #isTooLarge(frame) {
        const text = JSON.stringify(frame), max = this.#welcome.max_frame;
        return text.length * 3 > max && new TextEncoder().encode(text).length > max;
    }

    #fail(item, code, message) {
        item.error = { code, message };
        this.#keepItem(item);
        this.#setItem(item, "failed");
        item.reject(new SwitchboardError(code, message));
    }

    #acknowledged(ack) {
        // The first of two acks, of a message that was sent with a level; it isn't durable yet.
        if (ack.level) return;
        this.#answered(ack);
        const item = this.#queue.get(String(ack.cid));
        if (!item) return void (ack.seq > this.#received && this.#pull());
        const { conv, id, cseq, seq, time } = ack;
        const entry = { ...item.frame, userid: this.#userid, conv, id, cseq, seq, time };
        // A resend's: the entry came before.
        if (seq <= this.#received) return this.#settle(item.cid, entry);
        item.entry = entry;
        this.#setItem(item, "sent");
        this.#arrived(entry);
        this.#flush();
    }

    /** Takes a message out of the queue whose entry is stored. */
    #settle(cid, entry) {
        const item = this.#queue.get(cid);
        if (!item) return;
        this.#remove(item);
        item.entry = entry;
        if (item.state !== "sent") this.#setItem(item, "sent");
        item.resolve(entry);
        this.#flush();
    }

    #refused(frame) {
        if (this.#answered(frame)) return;
        const item = frame.cid === undefined ? undefined : this.#queue.get(String(frame.cid));
        if (!item) return this.#emit("frame", frame);
        if (PASSING_CODES.has(frame.code)) {
            this.#setItem(item, "waiting");
            clearTimeout(this.#timers.resend);
            this.#timers.resend = setTimeout(() => this.#flush(), 1_000 + Math.random() * 4_000);
            return;
        }
        this.#fail(item, frame.code, frame.message);
        this.#flush();
    }

    // MARK: Channels

    /**
     * Subscribes to a channel until `unsubscribe`. After a lost connection it goes on behind the last publication that
     * came, as far as the router's history reaches; what is missing is told to `lost`.
     * @param {string} channel @param {ChannelHandlers} handlers
     * @param {{after?: number, epoch?: string, presence?: boolean}} [options] `after` and `epoch` of a place that was
     *   kept; `presence` to hear who comes and goes
     */
    subscribe(channel, handlers, { after, epoch, presence = false } = {}) {
        const place = { handlers, offset: after, epoch, presence };
        this.#channels.set(channel, place);
        if (["catching-up", "online"].includes(this.#state.name)) void this.#askFor(channel, place);
    }

    /** @param {string} channel */
    unsubscribe(channel) {
        if (this.#channels.delete(channel)) this.#write({ cmd: "unsubscribe", channel });
    }

    /**
     * Publishes on a channel, subscribed or not; like any request it isn't repeated.
     * @param {string} channel @param {any} data @returns {Promise<number>} the publication's `offset`
     */
    async publish(channel, data) {
        return (await this.request({ cmd: "publish", channel, data })).offset;
    }

    async #askFor(channel, place) {
        const generation = this.#generation;
        const { offset, epoch, presence } = place;
        try {
            await this.request({ cmd: "subscribe", channel, after: offset, epoch, presence: presence || undefined });
        } catch (error) {
            // Without a connection the next one asks again.
            if (generation !== this.#generation || this.#channels.get(channel) !== place) return;
            if (PASSING_CODES.has(error.code)) {
                setTimeout(() => {
                    const isWanted = generation === this.#generation && this.#channels.get(channel) === place;
                    if (isWanted) void this.#askFor(channel, place);
                }, 1_000 + Math.random() * 4_000);
            } else if (error.code !== "offline" && error.code !== "timeout") {
                this.#channels.delete(channel);
                place.handlers.refused?.(error);
            }
        }
    }

    #subscribed({ channel, offset, epoch, recovered }) {
        const place = this.#channels.get(channel);
        if (!place) return;
        const after = place.offset;
        place.epoch = epoch;
        if (!recovered) place.offset = offset;
        place.handlers.subscribed?.({ offset, epoch, recovered });
        if (!recovered && after !== undefined) place.handlers.lost?.({ after, offset });
    }

    #published(frame) {
        const place = this.#channels.get(frame.channel);
        if (!place || frame.offset <= place.offset) return;
        place.offset = frame.offset;
        place.handlers.publication?.(frame);
    }

    #lostOn({ channel, after, offset }) {
        const place = this.#channels.get(channel);
        if (!place) return;
        place.offset = offset;
        place.handlers.lost?.({ after, offset });
    }

    // MARK: Requests

    /**
     * Sends a frame with a `ref` and gives its answer. It isn't repeated: fails with a `SwitchboardError` if the router
     * refuses it, and with `offline` or `timeout` if no answer comes.
     * @param {object} frame @returns {Promise<any>}
     */
    request(frame) {
        return new Promise((resolve, reject) => {
            const ref = `r${this.#nextRef++}`;
            if (!this.#welcome || !this.#write({ ...frame, ref })) {
                return reject(new SwitchboardError("offline", "there is no connection"));
            }
            const timer = setTimeout(() => {
                this.#requests.delete(ref);
                reject(new SwitchboardError("timeout", "no answer came"));
            }, this.#options.timeout);
            this.#requests.set(ref, { resolve, reject, timer });
        });
    }

    #answered(frame) {
        const request = this.#requests.get(frame.ref);
        if (!request) return false;
        this.#requests.delete(frame.ref);
        clearTimeout(request.timer);
        if (frame.cmd === "error") request.reject(new SwitchboardError(frame.code, frame.message));
        else request.resolve(frame);
        return true;
    }

    /**
     * A page of a conversation, oldest first; without `before` and `after` the newest one.
     * @param {string} conv @param {{before?: number, after?: number, limit?: number}} [page]
     * @returns {Promise<{conv: string, messages: Entry[], more: boolean}>}
     */
    history(conv, page = {}) { return this.request({ cmd: "history", conv, ...page }); }

    /**
     * Inbox entries. The client fetches what it misses by itself; this is for looking back.
     * @param {{after?: number, limit?: number}} [page] @returns {Promise<{entries: Entry[], more: boolean}>}
     */
    fetch(page = {}) { return this.request({ cmd: "fetch", ...page }); }

    /**
     * Who is online. @param {string[]} users at most 1,000
     * @returns {Promise<Record<string, {online: boolean, last_seen: number}>>}
     */
    async status(users) { return (await this.request({ cmd: "status", users })).users; }

    /** Confirms all that was stored, and waits until the router has it on disk. @returns {Promise<void>} */
    async confirm() {
        const seq = this.#stored;
        await this.request({ cmd: "confirm", seq });
        this.#confirmed = Math.max(this.#confirmed, seq);
    }

    /**
     * Says that the user is typing; lost if there is no connection.
     * @param {string} to @param {{group?: boolean}} [options]
     */
    typing(to, { group = false } = {}) {
        if (this.#state.name === "online") this.#write({ cmd: "typing", dstid: to, ...(group && { group }) });
    }

    /**
     * The user has read a conversation up to a message: it is told now, or as soon as there is a connection.
     * @param {string} conv @param {number} cseq
     */
    read(conv, cseq) {
        if ((this.#reads.get(conv) ?? 0) >= cseq) return;
        this.#reads.set(conv, cseq);
        if (this.#state.name === "online") void this.#tellRead(conv);
    }

    async #tellRead(conv) {
        const cseq = this.#reads.get(conv);
        try {
            await this.request({ cmd: "read", conv, cseq });
        } catch (error) {
            if (error.code === "offline" || error.code === "timeout" || PASSING_CODES.has(error.code)) return;
        }
        if (this.#reads.get(conv) === cseq) this.#reads.delete(conv);
    }

    // MARK: Messages that are stored

    /**
     * Gives a message other fields. All sessions are told, this one too, by a `message.edited`.
     * @param {string} conv @param {number} cseq @param {object} fields @returns {Promise<object>}
     */
    edit(conv, cseq, fields) { return this.request({ ...fields, cmd: "edit", conv, cseq }); }

    /** Takes a message back, for everyone. @param {string} conv @param {number} cseq @returns {Promise<object>} */
    recall(conv, cseq) { return this.request({ cmd: "recall", conv, cseq }); }

    /**
     * Sends a copy of a message to another conversation.
     * @param {string} conv @param {number} cseq @param {string} to @param {{group?: boolean}} [options]
     * @returns {Promise<object>} the ack
     */
    forward(conv, cseq, to, { group = false } = {}) {
        return this.request({ cmd: "forward", conv, cseq, dstid: to, cid: uniqueID(), ...(group && { group }) });
    }

    // MARK: Presence

    /**
     * Wants `status` events of these users, now and after each reconnect, until `unwatch`.
     * @param {string[]} users the router takes 1,000 a session
     */
    watch(users) {
        const added = users.filter((user) => !this.#watched.has(user));
        for (const user of added) this.#watched.add(user);
        if (this.#state.name === "online") this.#sendWatches(added);
    }

    /** @param {string[]} users */
    unwatch(users) {
        const known = users.filter((user) => this.#watched.delete(user));
        if (known.length && this.#state.name === "online") this.#write({ cmd: "unwatch", users: known });
    }

    #sendWatches(users) { if (users.length) this.#write({ cmd: "watch", users }); }
}
