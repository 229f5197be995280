/** The page: brings its parts together. The protocol is in switchboard.js. */
import { askForLogin, leave, rememberedLogin, signOut } from "./account.js";
import { path } from "./api.js";
import { Composer } from "./composer.js";
import { Contacts } from "./contacts.js";
import { ConversationList } from "./conversation-list.js";
import { Conversations } from "./conversations.js";
import { ask, attempt, find, showBadge, toast } from "./dom.js";
import { Forward } from "./forward.js";
import { Groups } from "./groups.js";
import { below, kept, ofThisWindow } from "./kept.js";
import { openMenu } from "./menu.js";
import { isMessage, summaryOf, textOf } from "./message.js";
import { canNotify, isNotifying, notify, showInTitle, toggleNotifications } from "./notifications.js";
import { People } from "./people.js";
import { Switchboard, uniqueID } from "./switchboard.js";
import { wireTabs } from "./tabs.js";
import { Thread } from "./thread.js";
import { Typing } from "./typing.js";

const ENDED = "The login has ended. Please sign in again.";

export class App {
    #login;
    me;
    api;
    /** @type {Switchboard} */ #chat;
    /** @type {string | null} */ #open = null;
    /** The group that is open, as the router answers. */ #group = null;
    #stateTimer = 0;
    #isShowing = false;

    /** @param {import("./account.js").Login} login */
    constructor(login) {
        this.#login = login;
        this.me = login.me.id;
        this.api = login.api;
        const storage = below(kept, `user:${this.me}:`);
        this.#chat = this.#makeChat(login, storage);
        this.people = new People(this.api, this.#chat, () => this.#namesChanged());
        this.people.learn(this.me, login.me.name);
        this.conversations = new Conversations(this.api, this.me, storage, () => this.changed());
        this.#typing = new Typing(this.#chat, this.people, () => this.changed());
        this.#list = new ConversationList(
            this.conversations, this.people, this.me, this.#typing, (conv) => this.open(conv));
        this.#thread = new Thread(this.#chat, this.people, {
            menu: (message, opener) => this.#messageMenu(message, opener), seen: () => this.#markRead(),
        });
        this.#composer = new Composer(this.api, this.#chat, this.conversations, this.#typing, this.#thread);
        this.contacts = new Contacts(this);
        this.#groups = new Groups(this);
        this.#forward = new Forward(this.#chat, () => this.#forwardTargets());
        this.#listen();
        this.#wire();
        find("me").textContent = login.me.name;
        find("app").hidden = false;
        this.conversations.takeOutgoing(this.#chat.outgoing);
        const wasOpen = ofThisWindow.get("open");
        this.#show(wasOpen);
        if (!this.#open) this.#wasOpen = wasOpen;
        this.#chat.connect();
    }

    #makeChat({ token, me }, storage) {
        let device = kept.get("device");
        if (!device) kept.set("device", (device = `web-${uniqueID()}`));
        const address = new URL("ws", location.href);
        address.protocol = location.protocol === "https:" ? "wss:" : "ws:";
        return new Switchboard({
            url: address.href, token, userid: me.id, device, storage,
            // The router keeps the messages; what has come is shown.
            store: () => {},
            reset: () => { this.conversations.clear(); this.#show(null); },
        });
    }

    /** The conversation that was open before a reload, until the router has told of it. */ #wasOpen = null;
    #typing; #list; #thread; #composer; #groups; #forward;

    // MARK: What the router says

    #listen() {
        const chat = this.#chat;
        chat.on("state", (state) => this.#stateChanged(state));
        chat.on("entry", (entry) => { if (isMessage(entry)) this.#arrived(entry); });
        chat.on("notice", (notice) => this.#noticed(notice));
        chat.on("read", ({ conv, userid, cseq }) => {
            this.conversations.readBy(conv, userid, cseq);
            this.changed();
        });
        chat.on("outgoing", (item) => {
            this.conversations.takeOutgoing([item]);
            this.#thread.outgoingChanged(item.state === "waiting");
        });
        chat.on("gap", () => { this.#thread.reload(); this.conversations.refreshSoon(); });
        chat.on("problem", (error) => toast(`Something went wrong here: ${error.message}`));
    }

    #stateChanged(state) {
        if (state.name === "refused") return leave(state.code === 4001 ? state.reason || ENDED : state.reason);
        const says = {
            offline: "Offline. What you write is kept, and sent once the router is back.", connecting: "Connecting…",
        };
        // A quick reconnect needs no words.
        clearTimeout(this.#stateTimer);
        if (state.name === "online") {
            find("connection").textContent = "";
            void this.#catchUp();
        } else if (says[state.name]) {
            this.#stateTimer = setTimeout(() => { find("connection").textContent = says[state.name]; }, 300);
        }
        if (state.name === "offline" && state.code === 1006) void this.#checkLogin();
        this.changed();
    }

    /** What isn't an entry may have changed while there was no connection. */
    async #catchUp() {
        this.#thread.wake();
        await Promise.all([attempt(() => this.conversations.refresh()), attempt(() => this.contacts.load())]);
        if (this.#wasOpen && !this.#open) this.#show(this.#wasOpen);
        else await this.#loadReaders();
        this.#wasOpen = null;
    }

    /** A refusal before the upgrade looks to a page like a broken network. */
    async #checkLogin() {
        try {
            const { id } = await this.api.get("/api/me");
            if (id !== this.me) leave(`This browser is signed in as ${id} now.`);
        } catch (error) {
            if (error.status === 401) leave(ENDED);
        }
    }

    #arrived(entry) {
        const isNew = this.conversations.take(entry);
        this.#thread.take(entry);
        if (isNew && entry.userid !== this.me) {
            this.#typing.ended(entry.conv);
            void this.#announce(entry);
        }
        this.changed();
        this.#markRead();
    }

    async #announce(entry) {
        const text = `${await this.people.surelyName(entry.userid)}: ${summaryOf(entry)}`;
        find("announcer").textContent = text;
        const conversation = this.conversations.get(entry.conv);
        if (conversation) notify(this.#title(conversation), text, entry.conv, () => this.open(entry.conv));
    }

    #noticed(notice) {
        const [subject, what] = notice.name.split(".");
        if (subject === "contact") void this.#contactNoticed(notice, what);
        if (subject === "message") {
            this.conversations.takeChange(notice);
            this.#thread.takeChange(notice);
            this.changed();
        }
        if (subject === "group") this.#groupNoticed(notice, what);
    }

    async #contactNoticed({ userid }, what) {
        void this.contacts.load().catch(() => {});
        if (userid === this.me) return;
        const name = await this.people.surelyName(userid);
        const words = { request: `${name} wants to be your contact.`, accepted: `${name} is your contact now.` }[what];
        if (!words) return;
        toast(words);
        notify("Switchboard", words, `contact ${userid}`, () => find("tab-contacts").click());
    }

    #groupNoticed({ conv, group, user, userid, role }, what) {
        if (what === "removed" && user === this.me) {
            if (userid !== this.me) toast(`You were removed from ${group ?? conv}.`);
            return this.forget(conv);
        }
        if (group) {
            this.conversations.begin("group", conv, group);
            this.conversations.change(conv, { name: group });
        }
        this.conversations.refreshSoon();
        const isMine = user === this.me && userid !== this.me;
        if (what === "role" && isMine) toast(`You are ${role} in ${group ?? conv} now.`);
        // Messages of a large group that came while one was away.
        if (what === "changed") return conv === this.#open ? void this.#thread.loadNewer() : undefined;
        if (conv === this.#open) void this.#loadGroup();
        void this.#groups.changed(conv);
        this.changed();
    }

    #namesChanged() {
        this.#thread.refresh();
        this.changed();
    }

    // MARK: What is seen

    /** Something has changed that is to be seen: soon, and once for many changes. */
    changed() {
        if (this.#isShowing) return;
        this.#isShowing = true;
        queueMicrotask(() => {
            this.#isShowing = false;
            this.#showAll();
        });
    }

    #showAll() {
        const { conversations } = this;
        this.people.watch(conversations.list().filter(({ kind }) => kind === "private").map((each) => each.with));
        this.#list.show(this.#open);
        this.contacts.show();
        showInTitle(conversations.unread);
        showBadge("chats-badge", conversations.unread, "unread messages");
        const open = conversations.get(this.#open);
        if (!open) return;
        this.#thread.update(open);
        this.#showHead(open);
    }

    #title({ kind, with: other, name }) { return kind === "group" ? name || other : this.people.name(other); }

    #showHead(open) {
        const isGroup = open.kind === "group";
        find("thread-title").textContent = this.#title(open);
        let note = isGroup ? "Group" : this.people.presenceText(open.with);
        const count = isGroup && this.#group?.id === open.conv ? this.#group.members.length : 0;
        if (count) note = count === 1 ? "Group: 1 member" : `Group: ${count} members`;
        note = this.#typing.text(open.conv, isGroup) || note;
        find("text").placeholder = this.#ownRole === "silent" ? "Reading only" : "Message";
        if (find("thread-note").textContent !== note) find("thread-note").textContent = note;
        find("details").setAttribute("aria-label", isGroup ? "Members of the group" : "About this user");
        const relation = isGroup ? "none" : this.contacts.relation(open.with);
        find("banner").hidden = relation !== "incoming";
        const text = isGroup ? "" : this.contacts.requestText(open.with);
        const asks = `${this.#title(open)} wants to be your contact.`;
        find("banner-text").textContent = text ? `${asks} “${text}”` : asks;
    }

    /** In the group that is open; undefined in private. */
    get #ownRole() { return this.#group?.members.find(({ user }) => user === this.me)?.role; }

    #show(conv) {
        const conversation = this.conversations.get(conv);
        this.#open = conversation?.conv ?? null;
        if (this.#open) ofThisWindow.set("open", this.#open);
        else ofThisWindow.remove("open");
        find("app").classList.toggle("open", Boolean(conversation));
        for (const id of ["composer", "scroll"]) find(id).hidden = !conversation;
        find("thread").querySelector(".bar").hidden = !conversation;
        find("banner").hidden = true;
        find("nothing-open").hidden = Boolean(conversation);
        this.#group = null;
        this.#composer.open(conversation ?? null);
        this.#thread.open(conversation ?? null);
        if (conversation?.kind === "group") {
            void this.#loadGroup();
            void this.#loadReaders();
        }
        this.changed();
    }

    /** Who of a group has read how far: the chat list doesn't tell. */
    async #loadReaders() {
        const conv = this.#open;
        if (this.conversations.get(conv)?.kind !== "group") return;
        try {
            const { readers } = await this.api.get(path`/api/conversations/${conv}`);
            for (const { user, cseq } of readers ?? []) this.conversations.readBy(conv, user, cseq);
            this.changed();
        } catch { /* What is told from now on is shown. */ }
    }

    async #loadGroup() {
        const conv = this.#open;
        try {
            const group = await this.api.get(path`/api/groups/${conv}`);
            if (conv !== this.#open) return;
            this.#group = group;
            this.conversations.change(conv, { name: group.name });
            this.changed();
        } catch { /* It keeps the name that it has. */ }
    }

    /** Shows a conversation, and begins to write. @param {string} conv */
    open(conv) {
        if (conv !== this.#open) this.#show(conv);
        find("text").focus();
    }

    /** @param {string} user */
    talkTo(user) { this.open(this.conversations.begin("private", user).conv); }

    /** The user isn't in it any more. @param {string} conv */
    forget(conv) {
        this.conversations.remove(conv);
        if (conv === this.#open) this.#show(null);
        this.changed();
    }

    /** What is on the screen is read. */
    #markRead() {
        const open = this.conversations.get(this.#open);
        if (!open?.unread || !open.last || document.hidden || !this.#thread.isAtEnd) return;
        this.#chat.read(open.conv, open.last.cseq);
        this.conversations.change(open.conv, { cursor: open.last.cseq, unread: 0 });
        this.changed();
    }

    // MARK: Hands

    #messageMenu(message, opener) {
        const isMine = message.userid === this.me || message.userid === undefined;
        const isStored = message.cseq !== undefined;
        const rules = this.#ownRole === "admin" || this.#ownRole === "moderator";
        const items = [];
        const add = (label, act, isGrave = false) => items.push({ label, act, isGrave });
        const author = isMine ? "yourself" : this.people.name(message.userid);
        if (isStored) add("Reply", () => this.#composer.reply(message, author));
        if (isStored && isMine) add("Edit", () => this.#composer.edit(message));
        add("Copy text", () => void attempt(() => navigator.clipboard.writeText(textOf(message))));
        if (isStored) add("Forward", () => this.#forward.open(message));
        if (isStored && (isMine || rules)) add("Recall", () => void this.#recall(message), true);
        openMenu(opener, items, "Message");
    }

    async #recall({ conv, cseq }) {
        if (!await ask("Recall this message? Nobody sees it any more.", "Recall")) return;
        await attempt(() => this.#chat.recall(conv, cseq));
    }

    #forwardTargets() {
        const known = this.conversations.list().map((each) => ({ ...each, title: this.#title(each) }));
        const contacts = this.contacts.list.filter(({ id }) => !this.conversations.with(id));
        return [...known, ...contacts.map(({ id, name }) => ({ conv: "", kind: "private", with: id, title: name }))];
    }

    #ownMenu() {
        const items = [];
        if (canNotify()) {
            items.push({
                label: isNotifying() ? "Turn notifications off" : "Turn notifications on",
                act: () => void attempt(async () => toast(await toggleNotifications())),
            });
        }
        items.push({ label: "Sign out", act: () => void this.#signOut() });
        openMenu(find("own-menu"), items, "You");
    }

    async #signOut() {
        this.#chat.close();
        const failure = await signOut(this.#login).catch((error) => error);
        if (!failure) return;
        this.#chat.connect();
        toast(`You couldn't be signed out: ${failure.message}`);
    }

    #back() {
        const conv = this.#open;
        this.#show(null);
        if (conv) queueMicrotask(() => this.#list.focus(conv));
    }

    #wire() {
        wireTabs();
        const other = () => this.conversations.get(this.#open).with;
        find("back").onclick = () => this.#back();
        find("thread").onkeydown = (event) => { if (event.key === "Escape" && this.#open) this.#back(); };
        find("details").onclick = () => {
            if (this.conversations.get(this.#open)?.kind === "group") void this.#groups.openGroup(this.#open);
            else this.contacts.openPerson(other());
        };
        find("banner-accept").onclick = () => void this.contacts.accept(other());
        find("banner-reject").onclick = () => void this.contacts.reject(other());
        find("banner-block").onclick = () => void this.contacts.block(other());
        find("new-chat").onclick = () => this.#groups.openNew();
        find("own-menu").onclick = () => this.#ownMenu();
        window.addEventListener("online", () => this.#chat.connect());
        document.addEventListener("visibilitychange", () => {
            if (document.hidden) return;
            this.#chat.connect();
            this.#chat.probe();
            this.#markRead();
        });
    }
}

/** Signs in, if need be, and begins. */
async function begin() {
    for (;;) {
        try {
            return new App(await rememberedLogin() ?? await askForLogin());
        } catch (error) {
            if (error.code !== "offline") throw error;
            find("waiting").hidden = false;
            await new Promise((resolve) => setTimeout(resolve, 2_000));
            find("waiting").hidden = true;
        }
    }
}

void begin();
