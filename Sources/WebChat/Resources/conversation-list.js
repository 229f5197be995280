/** The chat list as it is seen: loaded page by page while one scrolls. */
import { avatar, badge, button, element, find, shortTime, showRows } from "./dom.js";
import { summaryOf } from "./message.js";

/** Pixels from the end at which the next page is asked for. */
const NEAR = 300;

export class ConversationList {
    #conversations;
    #people;
    #me;
    #typing;
    #open;
    #shown = new Map();
    #list = find("conversations");

    /**
     * @param {import("./conversations.js").Conversations} conversations @param {import("./people.js").People} people
     * @param {string} me @param {import("./typing.js").Typing} typing @param {(conv: string) => void} open
     */
    constructor(conversations, people, me, typing, open) {
        this.#conversations = conversations;
        this.#people = people;
        this.#me = me;
        this.#typing = typing;
        this.#open = open;
        this.#list.onscroll = () => this.#loadMore();
        this.#list.onkeydown = (event) => {
            const step = { ArrowDown: "nextElementSibling", ArrowUp: "previousElementSibling" }[event.key];
            const row = step && event.target.closest("li")?.[step];
            if (!row) return;
            event.preventDefault();
            row.firstChild.focus();
        };
    }

    #loadMore() {
        const { scrollHeight, scrollTop, clientHeight } = this.#list;
        if (scrollHeight - scrollTop - clientHeight > NEAR || !clientHeight) return;
        this.#conversations.loadMore().catch(() => { /* Scrolling asks again. */ });
    }

    /** @param {string | null} current the conversation that is open */
    show(current) {
        const list = this.#conversations.list();
        find("no-conversations").hidden = list.length > 0 || !this.#conversations.hasAll;
        this.#shown = showRows(this.#list, this.#shown, list.map((each) => this.#row(each, each.conv === current)));
        // A page may be smaller than the window.
        if (list.length && !this.#conversations.hasAll) this.#loadMore();
    }

    /** @param {string} conv */
    focus(conv) { this.#shown.get(conv)?.node.firstChild.focus(); }

    #row({ conv, kind, with: other, name, last, time, unread }, isCurrent) {
        const title = kind === "group" ? name || other : this.#people.name(other);
        const isOnline = kind === "private" && other !== this.#me && this.#people.isOnline(other);
        const when = shortTime(time);
        const typing = this.#typing.text(conv, kind === "group");
        const text = typing || this.#lastWords(kind, last);
        const version = [title, isOnline, when, text, typing !== "", unread, isCurrent].join("\n");
        const make = () => {
            const row = button("", () => this.#open(conv), {
                class: `row ${kind}${isOnline ? " online" : ""}`, "data-conv": conv,
                ...(isCurrent && { "aria-current": "true" }),
            });
            row.append(
                avatar(title), element("span", { class: "title", dir: "auto" }, title),
                element("span", { class: "when" }, when),
                element("span", { class: typing ? "last typing" : "last", dir: "auto" }, text));
            if (unread) row.append(badge(unread));
            if (isOnline) row.append(element("span", { class: "hidden" }, "online"));
            return element("li", {}, row);
        };
        return { key: conv, version, make };
    }

    #lastWords(kind, last) {
        if (!last) return "";
        if (last.userid === this.#me) return `You: ${summaryOf(last)}`;
        return kind === "group" ? `${this.#people.name(last.userid)}: ${summaryOf(last)}` : summaryOf(last);
    }
}
