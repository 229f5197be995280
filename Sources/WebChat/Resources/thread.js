/** The messages of the conversation that is open: history above, what isn't sent yet below. */
import { dayOf, element, find, showRows, startOfDay } from "./dom.js";
import { changedBy, isMessage, messageRow, summaryOf } from "./message.js";

const PAGE = 40, LEAP_PAGE = 200, LEAPS_MAX = 25;
/** Pixels from an edge that count as being there. */
const NEAR = 80;
/** Messages kept while one reads the newest; above this the oldest go, and come again when one scrolls up. */
const KEPT_MAX = 600, KEPT = 200;

/** @typedef {import("./switchboard.js").Entry} Entry */

export class Thread {
    #chat;
    #people;
    #on;
    #scroll = find("scroll");
    #list = find("messages");
    #note = find("history-state");
    #toEnd = find("to-end");
    /** @type {import("./conversations.js").Conversation | null} */ #conversation = null;
    /** Stored messages by their place. @type {Map<number, Entry>} */ #messages = new Map();
    /** Messages that are quoted and lie further back; null until they came. @type {Map<number, Entry | null>} */
    #quoted = new Map();
    /** What is shown, by what it shows. */ #shown = new Map();
    /** Behind this message the new ones begin. @type {number | null} */ #newAfter = null;
    #hasPage = false;
    #hasBeginning = false;
    #isLoading = false;
    /** Counts openings, so that a page for another conversation is told apart. */ #opening = 0;

    /**
     * @param {import("./switchboard.js").Switchboard} chat @param {import("./people.js").People} people
     * @param {{menu: (message: Entry, opener: HTMLElement) => void, seen: () => void}} on what the page does when a
     *   message's menu is wanted, and when the newest message has come into sight
     */
    constructor(chat, people, on) {
        this.#chat = chat;
        this.#people = people;
        this.#on = on;
        this.#scroll.onscroll = () => this.#scrolled();
        this.#toEnd.onclick = () => this.#goToEnd();
        this.#list.onclick = (event) => this.#clicked(event.target);
        this.#list.onkeydown = (event) => this.#step(event);
    }

    // MARK: What is open

    /** @param {import("./conversations.js").Conversation | null} conversation */
    open(conversation) {
        this.#opening++;
        this.#conversation = conversation;
        this.#messages.clear();
        this.#quoted.clear();
        this.#newAfter = conversation?.unread ? conversation.cursor : null;
        this.#hasPage = this.#hasBeginning = this.#isLoading = false;
        this.#note.textContent = "";
        this.#render();
        this.#showToEnd();
        if (conversation) void this.#loadOlder();
    }

    /** What is here may have a hole: begins anew with the newest page. */
    reload() { this.open(this.#conversation); }

    /** There is a connection (again): loads what is missing. */
    wake() {
        if (this.#conversation && !this.#hasBeginning && this.#scroll.scrollTop < NEAR) void this.#loadOlder();
    }

    /** The conversation is another one now: a cursor, a name. @param {import("./conversations.js").Conversation} it */
    update(it) {
        if (it === this.#conversation || it.conv !== this.#conversation?.conv) return;
        this.#conversation = it;
        this.#update(false);
    }

    /** Names have become known. */
    refresh() { if (this.#conversation) this.#update(false); }

    /** @param {Entry} entry */
    take(entry) {
        if (entry.conv !== this.#conversation?.conv) return;
        // In a large group messages may be missed.
        if (this.#hasPage && entry.cseq > this.#newest + 1) return void this.loadNewer();
        const isMine = entry.userid === this.#chat.userid;
        this.#messages.set(entry.cseq, entry);
        if (isMine) this.#newAfter = null;
        else if (!this.isAtEnd && this.#newAfter === null) this.#newAfter = entry.cseq - 1;
        this.#update(isMine);
    }

    /** A message was edited or recalled. @param {Entry} notice */
    takeChange(notice) {
        if (notice.conv !== this.#conversation?.conv) return;
        for (const messages of [this.#messages, this.#quoted]) {
            const message = messages.get(notice.cseq);
            if (message) messages.set(notice.cseq, changedBy(message, notice));
        }
        this.#update(false);
    }

    /** Something about messages that aren't sent yet has changed. */
    outgoingChanged(isNew) { if (this.#conversation) this.#update(isNew); }

    /** Whether the newest message is to be seen. */
    get isAtEnd() {
        const { scrollHeight, scrollTop, clientHeight } = this.#scroll;
        return scrollHeight - scrollTop - clientHeight < NEAR;
    }

    /** The user's own last message that can still be changed. */
    get lastOwn() {
        return [...this.#messages.values()].filter((it) => it.userid === this.#chat.userid && !it.recalled)
            .reduce((last, it) => (last && last.cseq > it.cseq ? last : it), null);
    }

    #goToEnd() {
        this.#scroll.scrollTop = this.#scroll.scrollHeight;
        find("text").focus();
    }

    #scrolled() {
        if (this.#scroll.scrollTop < NEAR) void this.#loadOlder();
        this.#showToEnd();
        if (this.isAtEnd) this.#on.seen();
    }

    #showToEnd() {
        const unread = this.#conversation?.unread ?? 0;
        this.#toEnd.hidden = this.#conversation === null || this.isAtEnd;
        this.#toEnd.textContent = unread ? `↓ ${unread} new` : "↓ Newest";
    }

    /** @param {boolean} follows whether the newest message is to be seen in any case */
    #update(follows) {
        const stays = !this.isAtEnd && !follows;
        if (!stays) this.#forgetOldest();
        this.#render();
        if (!stays) this.#scroll.scrollTop = this.#scroll.scrollHeight;
        this.#showToEnd();
    }

    #forgetOldest() {
        if (this.#messages.size <= KEPT_MAX) return;
        const oldest = [...this.#messages.keys()].sort((a, b) => a - b).slice(0, -KEPT);
        for (const cseq of oldest) this.#messages.delete(cseq);
        this.#hasBeginning = false;
        this.#note.textContent = "";
    }

    // MARK: History

    async #loadOlder(limit = PAGE) {
        if (this.#isLoading || this.#hasBeginning || this.#chat.state.name !== "online") return;
        this.#isLoading = true;
        const opening = this.#opening;
        const isFirst = !this.#hasPage;
        this.#note.textContent = "Loading…";
        try {
            const before = isFirst ? {} : { before: Math.min(...this.#messages.keys()) };
            const page = await this.#chat.history(this.#conversation.conv, { ...before, limit });
            if (opening !== this.#opening) return;
            for (const message of page.messages) this.#messages.set(message.cseq, message);
            this.#hasPage = true;
            this.#hasBeginning = !page.more;
            this.#note.textContent = page.more ? "" : "This is the beginning.";
            const height = this.#scroll.scrollHeight;
            this.#render();
            // What one reads stays where it is; a conversation opens at its end, or where the new ones begin.
            if (isFirst) this.#showNewest();
            else this.#scroll.scrollTop += this.#scroll.scrollHeight - height;
        } catch (error) {
            if (opening !== this.#opening) return;
            const isNew = error.code === "not_found";
            this.#hasBeginning = isNew;
            this.#note.textContent = isNew ? "This is the beginning." : "The history couldn't be loaded.";
            return;
        } finally {
            if (opening === this.#opening) this.#isLoading = false;
        }
        if (isFirst && this.isAtEnd) this.#on.seen();
        // A page may be smaller than the window.
        if (this.#scroll.scrollHeight <= this.#scroll.clientHeight) void this.#loadOlder();
    }

    get #newest() { return Math.max(0, ...this.#messages.keys()); }

    /** Loads what is behind the newest message that is here. */
    async loadNewer() {
        const opening = this.#opening;
        try {
            for (let more = this.#hasPage; more; ) {
                const range = { after: this.#newest, limit: LEAP_PAGE };
                const page = await this.#chat.history(this.#conversation.conv, range);
                if (opening !== this.#opening) return;
                if (!page.messages.length) return;
                for (const message of page.messages) this.#messages.set(message.cseq, message);
                this.#update(false);
                more = page.more;
            }
        } catch { /* The next connection tries again. */ }
    }

    #showNewest() {
        this.#scroll.scrollTop = this.#scroll.scrollHeight;
        const mark = this.#list.querySelector(".new");
        if (mark && mark.offsetTop < this.#scroll.scrollTop) this.#scroll.scrollTop = mark.offsetTop - NEAR / 2;
        this.#showToEnd();
    }

    /** Shows a message, further back too. @param {number} cseq */
    async #leapTo(cseq) {
        const opening = this.#opening;
        for (let leap = 0; leap < LEAPS_MAX && !this.#messages.has(cseq) && !this.#hasBeginning; leap++) {
            await this.#loadOlder(LEAP_PAGE);
            if (opening !== this.#opening) return;
        }
        const row = this.#shown.get(`m${cseq}`)?.node;
        if (!row) return;
        row.scrollIntoView({ block: "center" });
        row.querySelector(".more")?.focus({ preventScroll: true });
        row.classList.add("meant");
        setTimeout(() => row.classList.remove("meant"), 1_500);
    }

    /** What a message answers, as far as it is here. */
    #quoteOf(frame) {
        const cseq = Number(frame.reply);
        if (!Number.isSafeInteger(cseq) || cseq < 1 || frame.forward) return undefined;
        const quoted = this.#messages.get(cseq) ?? this.#quoted.get(cseq);
        if (quoted === undefined) void this.#loadQuoted(cseq);
        if (!quoted) return { author: "", text: `Message ${cseq}` };
        return { author: this.#people.name(quoted.userid), text: summaryOf(quoted) };
    }

    async #loadQuoted(cseq) {
        this.#quoted.set(cseq, null);
        const opening = this.#opening;
        try {
            const { messages } = await this.#chat.history(this.#conversation.conv, { after: cseq - 1, limit: 1 });
            if (opening !== this.#opening || messages[0]?.cseq !== cseq) return;
            this.#quoted.set(cseq, messages[0]);
            this.#update(false);
        } catch { /* Its number is shown. */ }
    }

    // MARK: Hands

    #clicked(target) {
        const row = target.closest(".message");
        if (!row) return;
        const message = this.#shown.get(row.dataset.key)?.subject;
        if (target.closest(".more")) this.#on.menu(message, target.closest(".more"));
        else if (target.closest(".quote")) void this.#leapTo(Number(message.reply));
        else if (target.closest(".retry")) this.#chat.retry(message.cid);
        else if (target.closest(".discard")) {
            this.#chat.discard(message.cid);
            this.outgoingChanged(false);
        }
    }

    /** Arrows go from message to message. */
    #step(event) {
        const step = { ArrowDown: "nextElementSibling", ArrowUp: "previousElementSibling" }[event.key];
        if (!step) return;
        let row = event.target.closest(".message")?.[step];
        while (row && !row.querySelector(".more")) row = row[step];
        if (!row) return;
        event.preventDefault();
        this.#makeCurrent(row);
        row.querySelector(".more").focus();
    }

    /** One message's button at a time is in the order of the tabulator. */
    #makeCurrent(row) {
        this.#list.querySelector('.more[tabindex="0"]')?.setAttribute("tabindex", "-1");
        row?.querySelector(".more")?.setAttribute("tabindex", "0");
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
        this.#shown = showRows(this.#list, this.#shown, rows);
        if (!this.#list.contains(document.activeElement)) this.#makeCurrent(this.#list.lastElementChild);
    }

    /** What is to be seen: for each row its key, a text that changes with it, and how it is made. */
    #rows() {
        const rows = [];
        const places = [...this.#messages.keys()].sort((a, b) => a - b);
        // Where the new ones begin further back, that isn't known yet.
        let hasMark = this.#newAfter === null || places[0] > this.#newAfter + 1;
        let day = null, sender = null;
        const mark = (key, kind, text) => {
            rows.push({ key, version: "", make: () => element("li", { class: kind }, text) });
            sender = null;
        };
        const add = (key, frame, time, userid, state, error) => {
            const itsDay = startOfDay(time);
            if (itsDay !== day) mark(`day ${itsDay}`, "day", dayOf(time));
            if (!hasMark && frame.cseq > this.#newAfter && userid !== this.#chat.userid) {
                mark("new", "new", "New");
                hasMark = true;
            }
            const isFirst = userid !== sender;
            [day, sender] = [itsDay, userid];
            rows.push(this.#row({ key, frame, time, userid, state, error, isFirst }));
        };
        for (const cseq of places) {
            const entry = this.#messages.get(cseq);
            if (isMessage(entry)) add(`m${cseq}`, entry, entry.time, entry.userid, "sent");
        }
        for (const { cid, frame, time, state, error } of this.#pending()) {
            add(`c${cid}`, frame, time, this.#chat.userid, state, error);
        }
        return rows;
    }

    #row({ key, frame, time, userid, state, error, isFirst }) {
        const isMine = userid === this.#chat.userid;
        const isGroup = this.#conversation.kind === "group";
        const author = isFirst && !isMine && isGroup ? this.#people.name(userid) : "";
        const forwardedFrom = frame.forward?.userid ? this.#people.name(String(frame.forward.userid)) : undefined;
        const quote = frame.reply ? this.#quoteOf(frame) : undefined;
        const cursors = isMine && frame.cseq ? Object.values(this.#conversation.readers) : [];
        const readers = cursors.filter((cursor) => cursor >= frame.cseq).length;
        const shownState = isMine ? (state === "sent" && readers ? "read" : state) : "";
        const version = [shownState, readers, isFirst, author, forwardedFrom, quote?.author, quote?.text].join("\n");
        const shown = {
            key, frame, time, isMine, isFirst, author, forwardedFrom, quote, state: shownState, readers, error,
        };
        return { key, version, subject: frame, make: () => messageRow(shown) };
    }
}
