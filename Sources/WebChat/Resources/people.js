/** What is known of other users: their names, and who is online. */
import { path } from "./api.js";
import { dayOf, timeOfDay } from "./dom.js";

/** What one session may watch. */
const WATCHED_MAX = 1_000;

export class People {
    #api;
    #chat;
    #changed;
    /** @type {Map<string, string>} */ #names = new Map();
    /** @type {Map<string, {online: boolean, last_seen: number}>} */ #presence = new Map();
    #watched = new Set();
    /** Ids whose names are wanted. */ #wanted = new Set();
    #isAsking = false;

    /**
     * @param {import("./api.js").Api} api @param {import("./switchboard.js").Switchboard} chat
     * @param {() => void} changed called when a name or someone's presence has changed
     */
    constructor(api, chat, changed) {
        this.#api = api;
        this.#chat = chat;
        this.#changed = changed;
        chat.on("status", ({ users }) => {
            for (const [user, presence] of Object.entries(users)) this.#presence.set(user, presence);
            this.#changed();
        });
    }

    /** @param {string} user @param {string | null | undefined} name */
    learn(user, name) { if (name && name !== user) this.#names.set(user, name); }

    /** The name, or the id as long as there is none. @param {string} user */
    name(user) {
        const known = this.#names.get(user);
        if (known === undefined && !this.#wanted.has(user)) {
            this.#wanted.add(user);
            void this.#askNames();
        }
        return known ?? user;
    }

    /** The name and, where they differ, the id: names aren't unique. @param {string} user */
    fullName(user) {
        const name = this.name(user);
        return name === user ? user : `${name} (${user})`;
    }

    /** One after the other, and each once: who has no account has no name but the id. */
    async #askNames() {
        if (this.#isAsking) return;
        this.#isAsking = true;
        let isNew = false;
        for (const user of this.#wanted) {
            if (this.#names.has(user)) continue;
            try {
                isNew ||= await this.#askName(user) !== user;
            } catch {
                // Asked again when it is shown again.
                this.#wanted.delete(user);
                break;
            }
        }
        this.#isAsking = false;
        if (isNew) this.#changed();
    }

    async #askName(user) {
        const found = await this.#api.get(path`/api/users?q=${user}`);
        const name = found.find((each) => each.id === user)?.name ?? user;
        this.#names.set(user, name);
        return name;
    }

    /** The name, for words that aren't said again once it is known. @param {string} user @returns {Promise<string>} */
    async surelyName(user) { return this.#names.get(user) ?? this.#askName(user).catch(() => user); }

    /** Wants to know who of these comes and goes. @param {Iterable<string>} users */
    watch(users) {
        const added = [...users].filter((user) => !this.#watched.has(user)).slice(0, WATCHED_MAX - this.#watched.size);
        if (!added.length) return;
        for (const user of added) this.#watched.add(user);
        this.#chat.watch(added);
    }

    /** @param {string} user */
    isOnline(user) { return this.#presence.get(user)?.online === true; }

    /** "online", or when someone was last seen; empty if that isn't known. @param {string} user */
    presenceText(user) {
        const presence = this.#presence.get(user);
        if (presence?.online) return "online";
        const seen = presence?.last_seen;
        return seen ? `last seen ${dayOf(seen).replace(/^[TY]/, (it) => it.toLowerCase())}, ${timeOfDay(seen)}` : "";
    }

    /**
     * Finds users by the beginning of a name, by id or by a whole e-mail address.
     * @param {string} text @returns {Promise<{id: string, name: string, email?: string}[]>}
     */
    async search(text) {
        const found = await this.#api.get(path`/api/users?q=${text}`);
        for (const { id, name } of found) this.learn(id, name);
        return found;
    }
}
