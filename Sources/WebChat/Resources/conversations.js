/** The chat list: what the router says, kept up to date by the entries that come in, and what was begun here. */
import { path } from "./api.js";
import { changedBy } from "./message.js";
import { privateConversation } from "./switchboard.js";

const PAGE = 40;

/**
 * @typedef {object} Conversation
 * @property {string} conv @property {"private"|"group"} kind
 * @property {string} with the other user, or the group
 * @property {string} name of a group; empty in private
 * @property {object | null} last the last message
 * @property {number} time of the last message, or of the beginning
 * @property {number} place what the router sorts by; 0 of what it doesn't list
 * @property {number} unread
 * @property {number} cursor up to where the user has read
 * @property {Record<string, number>} readers up to where others have read, as far as it is known
 */

export class Conversations {
    #api;
    #me;
    #storage;
    #changed;
    /** @type {Map<string, Conversation>} */ #all = new Map();
    /** Whether the router has no older ones. */ hasAll = false;
    #loading = null;
    #refreshTimer = 0;

    /**
     * @param {import("./api.js").Api} api @param {string} me @param {import("./switchboard.js").Storage} storage
     * @param {() => void} changed
     */
    constructor(api, me, storage, changed) {
        this.#api = api;
        this.#me = me;
        this.#storage = storage;
        this.#changed = changed;
        for (const { kind, with: other, name, time } of this.#drafts()) this.#put(kind, other, { name, time });
    }

    /** The newest first. @returns {Conversation[]} */
    list() { return [...this.#all.values()].sort((a, b) => b.time - a.time || b.place - a.place); }

    /** @param {string | null} conv */
    get(conv) { return this.#all.get(conv); }

    /** The private conversation with a user. @param {string} user */
    with(user) { return this.#all.get(privateConversation(this.#me, user)); }

    get unread() { return this.list().reduce((sum, { unread }) => sum + unread, 0); }

    // MARK: What the router lists

    /** The newest page again, or for the first time. */
    refresh() { return this.#load(null); }

    /** Soon; once for many reasons. */
    refreshSoon() {
        this.#refreshTimer ||= setTimeout(() => {
            this.#refreshTimer = 0;
            void this.refresh().catch(() => {});
        }, 150);
    }

    /** The next older page. */
    async loadMore() {
        if (this.hasAll || this.#loading) return;
        const places = [...this.#all.values()].map(({ place }) => place).filter(Boolean);
        if (places.length) await this.#load(Math.min(...places));
    }

    async #load(before) {
        while (this.#loading) await this.#loading.catch(() => {});
        this.#loading = this.#api.get(path`/api/conversations?limit=${PAGE}` + (before ? `&before=${before}` : ""));
        let page;
        try {
            page = await this.#loading;
        } finally {
            this.#loading = null;
        }
        if (!page.length) this.hasAll = true;
        for (const item of page) this.#takeItem(item);
        this.#changed();
    }

    #takeItem({ conv, kind, name, last, unread, cursor, peer_cursor: peer, time, id }) {
        const other = kind === "group" ? conv : this.#otherOf(conv);
        const known = this.#all.get(conv);
        // An entry was quicker than the list.
        if (known?.last && (!last || last.cseq < known.last.cseq)) return;
        // So was what the user has read since.
        if (known && known.cursor > cursor) ({ unread, cursor } = known);
        const readers = { ...known?.readers, ...(peer && { [other]: Math.max(peer, known?.readers[other] ?? 0) }) };
        this.#put(kind, other, {
            last, unread, cursor, readers, place: id, time: Math.max(time, last?.time ?? 0),
            name: kind === "group" ? name : "",
        });
    }

    #otherOf(conv) {
        const [a, b] = conv.split(":");
        return a === this.#me ? b : a;
    }

    #put(kind, other, fields) {
        const conv = kind === "group" ? other : privateConversation(this.#me, other);
        const known = this.#all.get(conv) ?? {
            conv, kind, with: other, name: "", last: null, time: Date.now(), place: 0, unread: 0, cursor: 0,
            readers: {},
        };
        const changed = { ...known, ...fields };
        this.#all.set(conv, changed);
        return changed;
    }

    // MARK: What happens

    /** The conversation with a user, or a group; begun if there is none. @returns {Conversation} */
    begin(kind, other, name = "") {
        const conv = kind === "group" ? other : privateConversation(this.#me, other);
        return this.#all.get(conv) ?? this.#put(kind, other, { name, time: Date.now() });
    }

    /** @param {string} conv @param {Partial<Conversation>} fields */
    change(conv, fields) {
        const known = this.#all.get(conv);
        if (known) this.#put(known.kind, known.with, fields);
    }

    /** Takes it off the list. @param {string} conv */
    remove(conv) {
        this.#all.delete(conv);
        this.#storage.remove(`draft:${conv}`);
    }

    /**
     * Takes a message; one that was taken before changes nothing.
     * @param {import("./switchboard.js").Entry} entry @returns {boolean} whether it is new
     */
    take(entry) {
        const isMine = entry.userid === this.#me;
        const kind = entry.cmd === 11 ? "group" : "private";
        const known = this.#all.get(entry.conv);
        if (known?.last && entry.cseq <= known.last.cseq) {
            // What was held until a request was accepted comes late.
            if (entry.cseq < known.last.cseq && !isMine) this.refreshSoon();
            return false;
        }
        // What else is in it, the router knows.
        if (!known || entry.cseq !== (known.last?.cseq ?? 0) + 1) this.refreshSoon();
        const taken = this.#put(kind, kind === "group" || isMine ? entry.dstid : entry.userid, {});
        this.change(entry.conv, {
            last: entry, time: entry.time, place: entry.id,
            unread: taken.unread + (isMine || entry.cseq <= taken.cursor ? 0 : 1),
        });
        return true;
    }

    /** A message was edited or recalled. @param {import("./switchboard.js").Entry} notice */
    takeChange(notice) {
        const last = this.#all.get(notice.conv)?.last;
        if (last?.cseq === notice.cseq) this.change(notice.conv, { last: changedBy(last, notice) });
    }

    /** Someone has read up to a message; the user too, elsewhere. @param {string} conv @param {string} user */
    readBy(conv, user, cseq) {
        const known = this.#all.get(conv);
        if (!known) return;
        if (user !== this.#me) {
            const readers = { ...known.readers, [user]: Math.max(cseq, known.readers[user] ?? 0) };
            return this.change(conv, { readers });
        }
        if (cseq <= known.cursor) return;
        this.change(conv, { cursor: cseq });
        if (cseq >= (known.last?.cseq ?? 0)) this.change(conv, { unread: 0 });
        else this.refreshSoon();
    }

    /** Messages that wait to be sent have a conversation too. @param {import("./switchboard.js").Outgoing[]} items */
    takeOutgoing(items) {
        for (const { frame, time } of items) {
            const kind = frame.cmd === 11 ? "group" : "private";
            const conv = kind === "group" ? frame.dstid : privateConversation(this.#me, frame.dstid);
            if (!this.#all.has(conv)) this.#put(kind, frame.dstid, { time });
        }
    }

    /** Forgets what the router said. */
    clear() {
        this.#all.clear();
        this.hasAll = false;
    }

    // MARK: Drafts

    #drafts() {
        return this.#storage.keys().filter((key) => key.startsWith("draft:")).flatMap((key) => {
            try { return [JSON.parse(this.#storage.get(key))]; } catch { return []; }
        });
    }

    /** @param {string} conv */
    draft(conv) {
        try { return JSON.parse(this.#storage.get(`draft:${conv}`))?.text ?? ""; } catch { return ""; }
    }

    /** @param {Conversation} conversation @param {string} text */
    setDraft({ conv, kind, with: other, name, time }, text) {
        if (text) this.#storage.set(`draft:${conv}`, JSON.stringify({ kind, with: other, name, time, text }));
        else this.#storage.remove(`draft:${conv}`);
    }
}

