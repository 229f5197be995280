/** The messages of the conversation that is open: history above, what isn't sent yet below. */
import { textOf } from "./conversations.js";

const PAGE = 40;
/** Pixels from an edge that count as being there. */
const NEAR = 80;

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const date = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long", year: "numeric" });

/** A local time of day. @param {number} time */
export const timeOfDay = (time) => clock.format(time);

/** "Today", or the date. @param {number} time */
export function dayOf(time) {
    const days = Math.round((new Date().setHours(0, 0, 0, 0) - new Date(time).setHours(0, 0, 0, 0)) / 86_400_000);
    return days === 0 ? "Today" : days === 1 ? "Yesterday" : date.format(time);
}

/**
 * An element. Text stays text: nothing here, or anywhere else in the page, makes markup of it.
 * @param {string} name @param {Record<string, string>} attributes @param {...(Node | string)} children
 */
export function element(name, attributes, ...children) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children);
    return made;
}

export class Thread {
    #chat;
    #scroll = document.getElementById("scroll");
    #list = document.getElementById("messages");
    #note = document.getElementById("history-state");
    /** @type {import("./conversations.js").Conversation | null} */ #conversation = null;
    /** Stored messages by their place. */ #messages = new Map();
    /** What is shown, by what it shows. */ #shown = new Map();
    #hasBeginning = false;
    #isLoading = false;
    /** Counts openings, so that a page for another conversation is told apart. */ #opening = 0;

    /** @param {import("./switchboard.js").Switchboard} chat */
    constructor(chat) {
        this.#chat = chat;
        this.#scroll.onscroll = () => { if (this.#scroll.scrollTop < NEAR) void this.#loadOlder(); };
    }

    /** @param {import("./conversations.js").Conversation | null} conversation */
    open(conversation) {
        this.#opening++;
        this.#conversation = conversation;
        this.#messages.clear();
        this.#hasBeginning = this.#isLoading = false;
        this.#note.textContent = "";
        this.#render();
        if (conversation) void this.#loadOlder();
    }

    /** What is here may have a hole: begins anew with the newest page. */
    reload() { this.open(this.#conversation); }

    /** There is a connection (again): loads what is missing. */
    wake() {
        if (this.#conversation && !this.#hasBeginning && this.#scroll.scrollTop < NEAR) void this.#loadOlder();
    }

    /** @param {import("./switchboard.js").Entry} entry */
    take(entry) {
        if (entry.conv !== this.#conversation?.conv) return;
        if (entry.name === "group.changed" && !this.#messages.has(entry.cseq)) return this.reload();
        if (entry.cmd === "notify") return;
        this.#messages.set(entry.cseq, entry);
        this.#update(entry.userid === this.#chat.userid);
    }

    /** Something about messages that aren't sent yet has changed. */
    outgoingChanged(isNew) { if (this.#conversation) this.#update(isNew); }

    /** @param {boolean} follows whether the newest message is to be seen in any case */
    #update(follows) {
        const { scrollHeight, scrollTop, clientHeight } = this.#scroll;
        const isAtEnd = scrollHeight - scrollTop - clientHeight < NEAR;
        this.#render();
        if (isAtEnd || follows) this.#scroll.scrollTop = this.#scroll.scrollHeight;
    }

    async #loadOlder() {
        if (this.#isLoading || this.#hasBeginning || this.#chat.state.name !== "online") return;
        this.#isLoading = true;
        const opening = this.#opening;
        const isFirst = this.#messages.size === 0;
        this.#note.textContent = "Loading…";
        try {
            const before = isFirst ? {} : { before: Math.min(...this.#messages.keys()) };
            const page = await this.#chat.history(this.#conversation.conv, { ...before, limit: PAGE });
            if (opening !== this.#opening) return;
            for (const message of page.messages) this.#messages.set(message.cseq, message);
            this.#hasBeginning = !page.more;
            this.#note.textContent = page.more ? "" : "This is the beginning.";
            const height = this.#scroll.scrollHeight;
            this.#render();
            // What one reads stays where it is; a conversation opens at its end.
            this.#scroll.scrollTop += this.#scroll.scrollHeight - height;
            if (isFirst) this.#scroll.scrollTop = this.#scroll.scrollHeight;
        } catch (error) {
            if (opening !== this.#opening) return;
            const isNew = error.code === "not_found";
            this.#hasBeginning = isNew;
            this.#note.textContent = isNew ? "This is the beginning." : "The history couldn't be loaded.";
        } finally {
            if (opening === this.#opening) this.#isLoading = false;
        }
        // A page may be smaller than the window.
        if (this.#scroll.scrollHeight <= this.#scroll.clientHeight) void this.#loadOlder();
    }

    // MARK: Showing

    #pending() {
        const { kind, with: other } = this.#conversation;
        const command = kind === "group" ? 11 : 10;
        return this.#chat.outgoing.filter((item) =>
            item.frame.cmd === command && item.frame.dstid === other && !this.#messages.has(item.entry?.cseq));
    }

    /** Brings the list up to date; what is there already and unchanged is left alone. */
    #render() {
        const rows = this.#conversation ? this.#rows() : [];
        const old = this.#shown;
        this.#shown = new Map();
        let next = this.#list.firstChild;
        for (const [key, version, make] of rows) {
            let row = old.get(key);
            if (row?.version !== version) {
                row?.node.remove();
                if (row && next === row.node) next = this.#list.firstChild;
                row = { version, node: make() };
            }
            this.#shown.set(key, row);
        }
        for (const [key, row] of old) if (this.#shown.get(key) !== row) row.node.remove();
        next = this.#list.firstChild;
        for (const { node } of this.#shown.values()) {
            if (node === next) next = next.nextSibling;
            else this.#list.insertBefore(node, next);
        }
    }

    /** What is to be seen: for each row its key, a text that changes with it, and how it is made. */
    #rows() {
        const rows = [];
        let day = "", sender = null;
        const add = (key, item, time, userid, state, error) => {
            const itsDay = dayOf(time);
            if (itsDay !== day) {
                rows.push([`day ${itsDay}`, "", () => element("li", { class: "day" }, itsDay)]);
                sender = null;
            }
            const isFirst = userid !== sender;
            [day, sender] = [itsDay, userid];
            rows.push([key, `${state} ${isFirst}`, () => this.#message(item, { time, userid, state, error, isFirst })]);
        };
        for (const cseq of [...this.#messages.keys()].sort((a, b) => a - b)) {
            const entry = this.#messages.get(cseq);
            const state = entry.userid === this.#chat.userid ? "sent" : "";
            add(`m${cseq}`, entry, entry.time, entry.userid, state);
        }
        for (const item of this.#pending()) {
            add(`c${item.cid}`, item.frame, item.time, this.#chat.userid ?? "", item.state, item.error);
        }
        return rows;
    }

    #message(frame, { time, userid, state, error, isFirst }) {
        const isMine = state !== "";
        const kinds = ["message", isMine && "mine", isFirst && "first", state === "failed" && "failed"];
        const row = element("li", { class: kinds.filter(Boolean).join(" ") });
        if (isFirst && !isMine && this.#conversation.kind === "group") {
            row.append(element("div", { class: "who" }, userid));
        }
        row.append(element("div", { class: "text", dir: "auto" }, textOf(frame)));
        const about = element("div", { class: "about" });
        about.append(element("time", { datetime: new Date(time).toISOString() }, timeOfDay(time)));
        if (isMine) about.append(...this.#stateOf(frame.cid, state, error));
        row.append(about);
        return row;
    }

    #stateOf(cid, state, error) {
        if (state === "sent") return [element("span", { title: "Sent: it is stored", "aria-label": "sent" }, "✓")];
        if (state === "sending") return [element("span", {}, "sending…")];
        if (state === "waiting") return [element("span", {}, "waiting for a connection")];
        const button = (label, act) => {
            const made = element("button", { class: "link", type: "button" }, label);
            made.onclick = act;
            return made;
        };
        return [
            element("span", {}, `not sent: ${error?.message ?? "refused"}`),
            button("Retry", () => this.#chat.retry(cid)),
            button("Delete", () => { this.#chat.discard(cid); this.outgoingChanged(false); }),
        ];
    }
}
