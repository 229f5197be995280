/** Who types where, and telling the others. */
const SHOWN = 4_000, TOLD = 2_000;

export class Typing {
    #chat;
    #people;
    /** @type {Map<string, {userid: string, until: number}>} */ #typing = new Map();
    #told = 0;

    /**
     * @param {import("./switchboard.js").Switchboard} chat @param {import("./people.js").People} people
     * @param {() => void} changed
     */
    constructor(chat, people, changed) {
        this.#chat = chat;
        this.#people = people;
        chat.on("typing", ({ conv, userid }) => {
            this.#typing.set(conv, { userid, until: Date.now() + SHOWN });
            changed();
            setTimeout(changed, SHOWN + 50);
        });
    }

    /** A message has come instead. @param {string} conv */
    ended(conv) { this.#typing.delete(conv); }

    /** @param {string} conv @param {boolean} isGroup */
    text(conv, isGroup) {
        const typing = this.#typing.get(conv);
        if (!typing || typing.until < Date.now()) return "";
        return isGroup ? `${this.#people.name(typing.userid)} is typing…` : "typing…";
    }

    /** Tells the others, now and then. @param {import("./conversations.js").Conversation} conversation */
    tell({ kind, with: other }) {
        if (Date.now() - this.#told < TOLD) return;
        this.#told = Date.now();
        this.#chat.typing(other, { group: kind === "group" });
    }

    /** What was typed is sent: the next word is told at once. */
    sent() { this.#told = 0; }
}
