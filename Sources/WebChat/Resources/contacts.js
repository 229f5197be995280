/** Contacts: requests, blocks, and finding people. */
import { path } from "./api.js";
import { ask, attempt, avatar, badge, button, element, find, showBadge, showRows, toast } from "./dom.js";

const PATIENCE = 250;
/** How someone who was found stands to the user, in a word. */
const STANDING = { none: "", contact: "contact", incoming: "asks you", outgoing: "asked", blocked: "blocked" };

/** @typedef {"none"|"contact"|"incoming"|"outgoing"|"blocked"} Relation how someone stands to the user */

export class Contacts {
    #app;
    #contacts = [];
    #requests = [];
    #blocked = new Set();
    #shown = { contacts: new Map(), requests: new Map(), found: new Map() };
    #found = [];
    #timer = 0;
    #asked = 0;

    /** @param {import("./chat.js").App} app */
    constructor(app) {
        this.#app = app;
        find("people-search").oninput = () => {
            clearTimeout(this.#timer);
            this.#timer = setTimeout(() => void this.#search(), PATIENCE);
        };
        find("people-form").onsubmit = (event) => { event.preventDefault(); void this.#search(); };
        find("person-close").onclick = () => find("person-dialog").close();
    }

    /** @returns {{id: string, name: string}[]} */
    get list() { return this.#contacts.map(({ user }) => ({ id: user, name: this.#app.people.name(user) })); }

    /** @param {string} user @returns {Relation} */
    relation(user) {
        if (this.#blocked.has(user)) return "blocked";
        if (this.#contacts.some((each) => each.user === user)) return "contact";
        return this.#requests.find((each) => each.user === user)?.direction ?? "none";
    }

    /** @param {string} user @returns {string} what a request says */
    requestText(user) { return this.#requests.find((each) => each.user === user)?.text ?? ""; }

    async load() {
        const { api, people } = this.#app;
        const [contacts, requests, blocks] = await Promise.all(
            ["/api/contacts", "/api/contacts/requests", "/api/blocks"].map((each) => api.get(each)));
        this.#contacts = contacts;
        this.#requests = requests;
        this.#blocked = new Set(blocks.map(({ user }) => user));
        for (const { user, name } of contacts) people.learn(user, name);
        people.watch(contacts.map(({ user }) => user));
        this.#app.changed();
    }

    /** Does something to a relation, and shows how things stand then. */
    async #change(act) {
        const done = await attempt(act);
        await attempt(() => this.load());
        if (find("person-dialog").open) this.openPerson(this.#person);
        return done !== undefined;
    }

    /** @param {string} user */
    async request(user) {
        const isDone = await this.#change(() => this.#app.api.post("/api/contacts/requests", { to: user }));
        if (isDone) toast(this.relation(user) === "contact" ? "You are contacts now." : "The request is sent.");
    }
    /** @param {string} user */
    accept(user) { return this.#change(() => this.#app.api.post(path`/api/contacts/requests/${user}/accept`)); }
    /** @param {string} user */
    reject(user) { return this.#change(() => this.#app.api.post(path`/api/contacts/requests/${user}/reject`)); }
    /** @param {string} user */
    unblock(user) { return this.#change(() => this.#app.api.delete(path`/api/blocks/${user}`)); }

    /** @param {string} user */
    async block(user) {
        const name = this.#app.people.name(user);
        if (!await ask(`Block ${name}? ${name} can't write to you any more.`, "Block")) return;
        await this.#change(() => this.#app.api.put(path`/api/blocks/${user}`));
    }

    /** @param {string} user */
    async remove(user) {
        if (!await ask(`Remove ${this.#app.people.name(user)} from your contacts?`, "Remove")) return;
        await this.#change(() => this.#app.api.delete(path`/api/contacts/${user}`));
    }

    // MARK: The list

    async #search() {
        const text = find("people-search").value.trim();
        const asked = ++this.#asked;
        const found = text ? await attempt(() => this.#app.people.search(text)) : [];
        if (asked !== this.#asked || !found) return;
        this.#found = found.filter(({ id }) => id !== this.#app.me);
        find("found").hidden = !text;
        find("found-none").hidden = this.#found.length > 0;
        this.show();
    }

    /** Brings what is seen up to date. */
    show() {
        const incoming = this.#requests.filter(({ direction }) => direction === "incoming");
        showBadge("contacts-badge", incoming.length, "requests");
        find("requests").hidden = !this.#requests.length;
        find("no-contacts").hidden = this.#contacts.length > 0 || this.#requests.length > 0 || !find("found").hidden;
        find("contact-section").hidden = !this.#contacts.length;
        const byName = (a, b) => this.#app.people.name(a.user).localeCompare(this.#app.people.name(b.user));
        const show = (list, rows) => {
            this.#shown[list] = showRows(find(`${list}-list`), this.#shown[list], rows);
        };
        show("requests", this.#requests.map((each) => this.#requestRow(each)));
        const unread = (each) => this.#app.conversations.with(each.user)?.unread ?? each.unread;
        const sorted = [...this.#contacts].sort(byName);
        show("contacts", sorted.map((each) => this.#personRow(each.user, true, unread(each))));
        show("found", this.#found.map(({ id }) => this.#personRow(id, false, 0)));
    }

    #personRow(user, isContact, unread) {
        const { people } = this.#app;
        const name = people.name(user), isOnline = people.isOnline(user);
        const note = isContact ? people.presenceText(user) : user;
        const relation = this.relation(user);
        const make = () => {
            const row = button("", () => isContact ? this.#app.talkTo(user) : this.openPerson(user), {
                class: `row private${isOnline ? " online" : ""}`, "data-user": user });
            row.append(avatar(name), element("span", { class: "title", dir: "auto" }, name),
                element("span", { class: "when" }, isContact ? "" : STANDING[relation]),
                element("span", { class: "last", dir: "auto" }, note));
            if (unread) row.append(badge(unread));
            return element("li", {}, row);
        };
        return { key: user, version: [name, isOnline, unread, note, relation].join("\n"), make };
    }

    #requestRow({ user, direction, text }) {
        const { people } = this.#app;
        const name = people.fullName(user);
        const make = () => {
            const row = element("li", { class: "request" }, element("span", { class: "title", dir: "auto" }, name));
            if (text) row.append(element("span", { class: "last", dir: "auto" }, text));
            if (direction === "outgoing") {
                row.append(element("span", { class: "hint" }, "Waiting for an answer"));
                return row;
            }
            row.append(element("span", { class: "buttons" },
                button("Reject", () => void this.reject(user), { "aria-label": `Reject ${name}` }),
                button("Accept", () => void this.accept(user), { class: "primary", "aria-label": `Accept ${name}` })));
            return row;
        };
        return { key: `${direction} ${user}`, version: [name, text].join("\n"), make };
    }

    // MARK: One person

    #person = "";

    /** @param {string} user */
    openPerson(user) {
        const { people } = this.#app;
        this.#person = user;
        const name = people.name(user);
        find("person-name").textContent = name;
        const email = this.#contacts.find((each) => each.user === user)?.email;
        find("person-id").textContent = [name === user ? "" : user, email].filter(Boolean).join(", ");
        const words = {
            none: people.presenceText(user), contact: people.presenceText(user), blocked: "You have blocked this user.",
            incoming: "Wants to be your contact.", outgoing: "Hasn't answered your request yet.",
        };
        const relation = this.relation(user);
        find("person-note").textContent = words[relation];
        const isAsking = relation === "incoming";
        const actions = [];
        if (isAsking) {
            actions.push(button("Accept", () => void this.accept(user), { class: "primary" }),
                button("Reject", () => void this.reject(user)));
        }
        const write = () => {
            find("person-dialog").close();
            this.#app.talkTo(user);
        };
        actions.push(button("Write", write, isAsking ? {} : { class: "primary" }));
        if (relation === "none") actions.push(button("Add to contacts", () => void this.request(user)));
        if (relation === "contact") actions.push(button("Remove from contacts", () => void this.remove(user)));
        if (relation === "blocked") actions.push(button("Unblock", () => void this.unblock(user)));
        else actions.push(button("Block", () => void this.block(user), { class: "grave" }));
        find("person-actions").replaceChildren(...actions);
        if (!find("person-dialog").open) find("person-dialog").showModal();
    }
}
