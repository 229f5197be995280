/** The page: signing in, the list of conversations, writing. The protocol is in switchboard.js. */
import { Conversations } from "./conversations.js";
import { Switchboard, memoryStorage, uniqueID, webStorage } from "./switchboard.js";
import { Thread, dayOf, element, timeOfDay } from "./thread.js";

const find = (id) => document.getElementById(id);
const ID = /^[^\s:/\p{Cc}]{1,64}$/u;
const TYPING_SHOWN = 4_000, TYPING_TOLD = 2_000, PRESENCE_EVERY = 20_000;

/** A browser may refuse to keep anything. */
function area(name) {
    try {
        window[name].setItem("switchboard:test", "");
        window[name].removeItem("switchboard:test");
        return webStorage(window[name], "switchboard:");
    } catch {
        return memoryStorage();
    }
}
const kept = area("localStorage"), ofThisWindow = area("sessionStorage");

/** Whose token it is: what the storage is named after. With `--dev` a name is a token. */
function userOf(token) {
    const parts = token.split(".");
    if (parts.length !== 3) return token;
    try {
        const bytes = atob(parts[1].replaceAll("-", "+").replaceAll("_", "/"));
        return String(JSON.parse(new TextDecoder().decode(Uint8Array.from(bytes, (each) => each.charCodeAt(0)))).sub);
    } catch {
        return token;
    }
}

/** A storage below another one. */
function below(storage, prefix) {
    return {
        get: (key) => storage.get(prefix + key),
        set: (key, value) => storage.set(prefix + key, value),
        remove: (key) => storage.remove(prefix + key),
        keys: () => storage.keys().filter((key) => key.startsWith(prefix)).map((key) => key.slice(prefix.length)),
    };
}

class Page {
    #token;
    #me;
    #storage;
    /** @type {Conversations} */ #conversations;
    /** @type {Switchboard} */ #chat;
    /** @type {Thread} */ #thread;
    /** @type {string | null} */ #open = null;
    /** Who is online, and when the others last were. */ #presence = {};
    /** Who types where, until when. */ #typing = new Map();
    #toldTyping = 0;

    constructor(token) {
        this.#token = token;
        this.#me = userOf(token);
        this.#storage = below(kept, `user:${this.#me}:`);
        this.#conversations = new Conversations(this.#storage, this.#me);
        let device = kept.get("device");
        if (!device) kept.set("device", (device = `web-${uniqueID()}`));
        const address = new URL("ws", location.href);
        address.protocol = location.protocol === "https:" ? "wss:" : "ws:";
        this.#chat = new Switchboard({
            url: address.href, token, device, storage: this.#storage,
            store: (entries) => { for (const entry of entries) this.#conversations.take(entry); },
            reset: () => { this.#conversations.clear(); this.#show(null); },
        });
        this.#thread = new Thread(this.#chat);
        this.#listen();
        this.#wire();
        find("me").textContent = this.#me;
        find("sign-in").hidden = true;
        find("app").hidden = false;
        this.#showList();
        this.#show(ofThisWindow.get("open"));
        this.#chat.connect();
    }

    // MARK: What the router says

    #listen() {
        const chat = this.#chat;
        chat.on("state", (state) => this.#stateChanged(state));
        chat.on("entry", (entry) => this.#arrived(entry));
        chat.on("outgoing", (item) => this.#thread.outgoingChanged(item.state === "waiting"));
        chat.on("gap", () => this.#thread.reload());
        chat.on("problem", (error) => {
            find("connection").textContent = `Something went wrong here: ${error.message}`;
        });
        chat.on("typing", ({ conv, userid }) => {
            this.#typing.set(conv, { userid, until: Date.now() + TYPING_SHOWN });
            this.#showNote();
            setTimeout(() => this.#showNote(), TYPING_SHOWN + 50);
        });
    }

    #stateChanged(state) {
        if (state.name === "refused") return signOut(state.code === 4001 ? "" : state.reason, this.#token);
        const says = {
            offline: "Offline. What you write is kept, and sent once the router is back.", connecting: "Connecting…",
        };
        // A quick reconnect needs no words.
        clearTimeout(this.#stateTimer);
        if (state.name === "online") {
            find("connection").textContent = "";
            this.#thread.wake();
            void this.#askPresence();
            for (const each of this.#conversations.list()) if (each.kind === "group") void this.#nameGroup(each);
        } else if (says[state.name]) {
            this.#stateTimer = setTimeout(() => { find("connection").textContent = says[state.name]; }, 300);
        }
        this.#showNote();
    }
    #stateTimer = 0;

    #arrived(entry) {
        this.#thread.take(entry);
        if (entry.userid !== this.#me) {
            this.#typing.delete(entry.conv);
            find("announcer").textContent = `${entry.userid}: ${this.#conversations.get(entry.conv)?.last?.text ?? ""}`;
        }
        const conversation = this.#conversations.get(entry.conv);
        const isUnnamed = conversation?.kind === "group" && conversation.title === conversation.with;
        if (isUnnamed) void this.#nameGroup(conversation);
        if (conversation?.kind === "private" && !(conversation.with in this.#presence)) void this.#askPresence();
        this.#markRead();
        this.#showList();
        this.#showNote();
    }

    async #nameGroup({ conv }) {
        try {
            const answer = await this.#api("GET", `/api/groups/${encodeURIComponent(conv)}`);
            this.#conversations.change(conv, { title: answer.name });
            this.#showList();
            if (conv === this.#open) this.#showTitle();
        } catch { /* It keeps the name that it has. */ }
    }

    async #askPresence() {
        const people = this.#conversations.people.slice(0, 1_000);
        if (!people.length || document.hidden) return;
        try {
            this.#presence = await this.#chat.status(people);
            this.#showList();
            this.#showNote();
        } catch { /* The next turn asks again. */ }
    }

    async #api(method, path, body) {
        const headers = { Authorization: `Bearer ${this.#token}`, "Content-Type": "application/json" };
        const answer = await fetch(path, { method, headers, body: body && JSON.stringify(body) });
        const value = await answer.json();
        if (!answer.ok) throw new Error(value.error?.message ?? answer.statusText);
        return value;
    }

    // MARK: The list

    #showList() {
        const list = this.#conversations.list();
        find("no-conversations").hidden = list.length > 0;
        const focused = document.activeElement?.dataset?.conv;
        find("conversations").replaceChildren(...list.map((each) => this.#row(each)));
        if (focused) find("conversations").querySelector(`[data-conv="${CSS.escape(focused)}"]`)?.focus();
        const unread = this.#conversations.unread;
        document.title = unread ? `(${unread}) Switchboard` : "Switchboard";
    }

    #row({ conv, kind, with: other, title, last, time, unread }) {
        const isOnline = kind === "private" && this.#presence[other]?.online;
        const look = `${kind} ${isOnline ? "online" : ""}`;
        const button = element("button", { type: "button", class: look, "data-conv": conv });
        if (conv === this.#open) button.setAttribute("aria-current", "true");
        const when = dayOf(time) === "Today" ? timeOfDay(time) : new Date(time).toLocaleDateString();
        const text = last ? (last.userid === this.#me ? `You: ${last.text}` : last.text) : "";
        button.append(
            element("span", { class: "avatar", "aria-hidden": "true" }, [...title][0].toUpperCase()),
            element("span", { class: "title", dir: "auto" }, title), element("span", { class: "when" }, when),
            element("span", { class: "last", dir: "auto" }, text));
        if (unread) {
            button.append(element("span", { class: "unread", "aria-label": `${unread} unread` }, String(unread)));
        }
        if (isOnline) button.append(element("span", { class: "hidden" }, "online"));
        button.onclick = () => { this.#show(conv); find("text").focus(); };
        return element("li", {}, button);
    }

    // MARK: The conversation that is open

    #show(conv) {
        const conversation = conv === null ? undefined : this.#conversations.get(conv);
        this.#open = conversation?.conv ?? null;
        if (this.#open) ofThisWindow.set("open", this.#open);
        else ofThisWindow.remove("open");
        find("app").classList.toggle("open", Boolean(conversation));
        for (const id of ["composer", "scroll"]) find(id).hidden = !conversation;
        find("thread").querySelector(".bar").hidden = !conversation;
        find("nothing-open").hidden = Boolean(conversation);
        find("text").value = conversation?.draft ?? "";
        this.#thread.open(conversation ?? null);
        this.#showTitle();
        this.#markRead();
        this.#showList();
        this.#showNote();
        if (conversation?.kind === "private") void this.#askPresence();
    }

    #showTitle() { find("thread-title").textContent = this.#conversations.get(this.#open)?.title ?? ""; }

    #showNote() {
        const conversation = this.#conversations.get(this.#open);
        if (!conversation) return;
        const typing = this.#typing.get(conversation.conv);
        const presence = conversation.kind === "private" ? this.#presence[conversation.with] : undefined;
        let note = conversation.kind === "group" ? "Group" : "";
        const seen = presence?.last_seen;
        if (presence?.online) note = "online";
        else if (seen) note = `last seen ${dayOf(seen).toLowerCase()}, ${timeOfDay(seen)}`;
        if (typing && typing.until > Date.now()) {
            note = conversation.kind === "group" ? `${typing.userid} is typing…` : "typing…";
        }
        if (find("thread-note").textContent !== note) find("thread-note").textContent = note;
    }

    /** What is on the screen is read. */
    #markRead() {
        const conversation = this.#conversations.get(this.#open);
        if (!conversation?.unread || document.hidden) return;
        this.#conversations.change(conversation.conv, { unread: 0 });
        this.#showList();
    }

    #send() {
        const conversation = this.#conversations.get(this.#open);
        const content = find("text").value;
        if (!conversation || !content.trim()) return;
        try {
            this.#chat.send(conversation.with, { content }, { group: conversation.kind === "group" });
        } catch (error) {
            find("connection").textContent = `This browser can't keep the message: ${error.message}`;
            return;
        }
        find("text").value = "";
        this.#conversations.change(conversation.conv, { draft: "" });
        this.#toldTyping = 0;
    }

    #typed() {
        const conversation = this.#conversations.get(this.#open);
        if (!conversation) return;
        this.#conversations.change(conversation.conv, { draft: find("text").value });
        if (Date.now() - this.#toldTyping < TYPING_TOLD) return;
        this.#toldTyping = Date.now();
        this.#chat.typing(conversation.with, { group: conversation.kind === "group" });
    }

    // MARK: A new conversation

    async #begin() {
        const people = find("new-people").value.split(",").map((name) => name.trim()).filter(Boolean);
        const name = find("new-name").value.trim();
        const wrong = people.find((each) => !ID.test(each));
        if (!people.length || wrong !== undefined) {
            find("new-error").textContent = people.length
                ? `“${wrong}” is no name: at most 64 characters, without spaces, “:” and “/”.` : "Please give a name.";
            return;
        }
        try {
            let conversation;
            if (people.length === 1 && !name) {
                conversation = this.#conversations.begin("private", people[0]);
            } else {
                const title = name || people.join(", ").slice(0, 80);
                const group = await this.#api("POST", "/api/groups", { name: title, members: people });
                conversation = this.#conversations.begin("group", group.id, title);
            }
            find("new-dialog").close();
            this.#show(conversation.conv);
            find("text").focus();
        } catch (error) {
            find("new-error").textContent = `That didn't work: ${error.message}`;
        }
    }

    // MARK: Hands

    #wire() {
        find("composer").onsubmit = (event) => { event.preventDefault(); this.#send(); };
        find("text").onkeydown = (event) => {
            if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
            event.preventDefault();
            this.#send();
        };
        find("text").oninput = () => this.#typed();
        const back = () => {
            const conv = this.#open;
            this.#show(null);
            if (conv) find("conversations").querySelector(`[data-conv="${CSS.escape(conv)}"]`)?.focus();
        };
        find("back").onclick = back;
        find("thread").onkeydown = (event) => { if (event.key === "Escape") back(); };
        find("conversations").onkeydown = (event) => {
            const step = { ArrowDown: "nextElementSibling", ArrowUp: "previousElementSibling" }[event.key];
            const row = step && event.target.closest("li")?.[step];
            if (!row) return;
            event.preventDefault();
            row.firstChild.focus();
        };
        find("new-chat").onclick = () => {
            find("new-form").reset();
            find("new-error").textContent = "";
            find("new-dialog").showModal();
        };
        find("new-cancel").onclick = () => find("new-dialog").close();
        find("new-form").onsubmit = (event) => { event.preventDefault(); void this.#begin(); };
        find("sign-out").onclick = () => { this.#chat.close(); signOut("", ""); };
        window.addEventListener("online", () => this.#chat.connect());
        document.addEventListener("visibilitychange", () => {
            if (document.hidden) return;
            this.#chat.connect();
            this.#chat.probe();
            this.#markRead();
            void this.#askPresence();
        });
        window.addEventListener("storage", ({ key }) => {
            const prefix = `switchboard:user:${this.#me}:conv:`;
            if (!key?.startsWith(prefix)) return;
            this.#conversations.reload(key.slice(prefix.length));
            this.#showList();
        });
        setInterval(() => void this.#askPresence(), PRESENCE_EVERY);
    }
}

/** Back to the beginning, in a fresh page: nothing of the one who was signed in stays in memory. */
function signOut(reason, refusedToken) {
    ofThisWindow.remove("token");
    ofThisWindow.remove("open");
    if (refusedToken) ofThisWindow.set("refused", reason || "The router doesn't know this name or token.");
    location.reload();
}

const token = ofThisWindow.get("token");
if (token) {
    new Page(token);
} else {
    find("sign-in").hidden = false;
    find("sign-in-error").textContent = ofThisWindow.get("refused") ?? "";
    ofThisWindow.remove("refused");
    find("name").focus();
    find("sign-in-form").onsubmit = (event) => {
        event.preventDefault();
        const given = find("token").value.trim() || find("name").value.trim();
        if (!find("token").value.trim() && !ID.test(given)) {
            find("sign-in-error").textContent = "A name has at most 64 characters, without spaces, “:” and “/”.";
            return;
        }
        ofThisWindow.set("token", given);
        new Page(given);
    };
}
