/** Sending a copy of a message to another conversation. */
import { attempt, button, element, find, toast } from "./dom.js";
import { summaryOf } from "./message.js";

const SHOWN_MAX = 30;

export class Forward {
    #chat;
    #targets;

    /**
     * @param {import("./switchboard.js").Switchboard} chat
     * @param {() => {conv: string, kind: string, with: string, title: string}[]} targets where it can go
     */
    constructor(chat, targets) {
        this.#chat = chat;
        this.#targets = targets;
        find("forward-filter").oninput = () => this.#show();
        find("forward-cancel").onclick = () => find("forward-dialog").close();
    }

    #message = null;

    /** @param {import("./switchboard.js").Entry} message */
    open(message) {
        this.#message = message;
        find("forward-text").textContent = summaryOf(message);
        find("forward-filter").value = "";
        this.#show();
        find("forward-dialog").showModal();
    }

    #show() {
        const text = find("forward-filter").value.trim().toLowerCase();
        const isMeant = ({ title, with: other }) => `${title} ${other}`.toLowerCase().includes(text);
        const fits = this.#targets().filter(isMeant);
        find("forward-list").replaceChildren(...fits.slice(0, SHOWN_MAX).map((target) =>
            element("li", {}, button(target.title, () => void this.#forward(target), { dir: "auto" }))));
        find("forward-none").hidden = fits.length > 0;
    }

    async #forward({ kind, with: other, title }) {
        const { conv, cseq } = this.#message;
        find("forward-dialog").close();
        const done = await attempt(() => this.#chat.forward(conv, cseq, other, { group: kind === "group" }));
        if (done) toast(`Forwarded to ${title}.`);
    }
}
