/**
 * The conversations that this browser knows: those whose entries it received and those begun here. The router doesn't
 * list them yet, so they are kept in the storage, one text each: windows that share it don't overwrite each other.
 */
import { privateConversation } from "./switchboard.js";

const PREVIEW = 160;

/**
 * @typedef {object} Conversation
 * @property {string} conv @property {"private"|"group"} kind
 * @property {string} with the other user, or the group
 * @property {string} title
 * @property {{userid: string, text: string} | null} last
 * @property {number} time of the last message, or of the beginning
 * @property {number} cseq of the last message that was taken @property {number} seq its place in the inbox
 * @property {number} unread
 * @property {string} draft
 */

/** What a message says, as plain text. @param {{content?: unknown, url?: unknown}} frame */
export function textOf(frame) {
    const content = frame.content ?? frame.url ?? "";
    return typeof content === "string" ? content : JSON.stringify(content);
}

export class Conversations {
    #storage;
    #me;
    /** @type {Map<string, Conversation>} */ #all = new Map();

    /** @param {import("./switchboard.js").Storage} storage @param {string} me */
    constructor(storage, me) {
        this.#storage = storage;
        this.#me = me;
        for (const key of storage.keys()) if (key.startsWith("conv:")) this.reload(key.slice("conv:".length));
    }

    /** Reads one again: another window may have changed it. @param {string} conv */
    reload(conv) {
        const text = this.#storage.get(`conv:${conv}`);
        if (text === null) this.#all.delete(conv);
        else this.#all.set(conv, JSON.parse(text));
    }

    #keep(conversation) {
        this.#all.set(conversation.conv, conversation);
        this.#storage.set(`conv:${conversation.conv}`, JSON.stringify(conversation));
    }

    /** The newest first. @returns {Conversation[]} */
    list() { return [...this.#all.values()].sort((a, b) => b.time - a.time || b.seq - a.seq); }

    /** @param {string} conv */
    get(conv) { return this.#all.get(conv); }

    get unread() { return this.list().reduce((sum, conversation) => sum + conversation.unread, 0); }

    /** The users with whom there is a private conversation. */
    get people() { return this.list().filter((each) => each.kind === "private").map((each) => each.with); }

    /** The conversation with a user, or a group; begun if there is none. @returns {Conversation} */
    begin(kind, other, title = other) {
        const conv = kind === "group" ? other : privateConversation(this.#me, other);
        const known = this.#all.get(conv);
        if (known) return known;
        const empty = { last: null, time: Date.now(), cseq: 0, seq: 0, unread: 0, draft: "" };
        this.#keep({ conv, kind, with: other, title, ...empty });
        return this.#all.get(conv);
    }

    /** @param {string} conv @param {Partial<Conversation>} fields */
    change(conv, fields) {
        const known = this.#all.get(conv);
        if (known) this.#keep({ ...known, ...fields });
    }

    /**
     * Takes an inbox entry; one that was taken before changes nothing.
     * @param {import("./switchboard.js").Entry} entry
     */
    take(entry) {
        if (entry.name === "group.changed") return this.#changed(entry);
        if (entry.cmd !== 10 && entry.cmd !== 11) return;
        this.reload(entry.conv);
        const isMine = entry.userid === this.#me;
        const kind = entry.cmd === 11 ? "group" : "private";
        const known = this.begin(kind, kind === "group" || isMine ? entry.dstid : entry.userid);
        if (entry.cseq <= known.cseq) return;
        this.#keep({
            ...known, cseq: entry.cseq, seq: entry.seq ?? known.seq, time: entry.time, unread: isMine ? 0 : known.unread + 1,
            last: { userid: entry.userid, text: textOf(entry).slice(0, PREVIEW) },
        });
    }

    /** A large group has messages that weren't seen here; they are in its history. */
    #changed({ conv, cseq, seq, time }) {
        this.reload(conv);
        const known = this.begin("group", conv);
        if (cseq > known.cseq) this.#keep({ ...known, cseq, seq, time, unread: known.unread + cseq - known.cseq });
    }

    /** Forgets all of them. */
    clear() {
        for (const conv of this.#all.keys()) this.#storage.remove(`conv:${conv}`);
        this.#all.clear();
    }
}
