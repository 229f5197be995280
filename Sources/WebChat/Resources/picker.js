/** Choosing people: contacts and whoever a search finds, or ids as they are typed. */
import { ID } from "./account.js";
import { button, element } from "./dom.js";

const PATIENCE = 250, SUGGESTED_MAX = 8;

export class Picker {
    #people;
    #suggestions;
    #input;
    #list;
    #chosenList;
    /** @type {Map<string, string>} */ #chosen = new Map();
    #timer = 0;
    #asked = 0;

    /**
     * @param {HTMLElement} root gets what was chosen and what can be
     * @param {HTMLInputElement} input @param {import("./people.js").People} people
     * @param {() => {id: string, name: string}[]} suggestions whom to offer before anything is typed
     */
    constructor(root, input, people, suggestions) {
        this.#people = people;
        this.#suggestions = suggestions;
        this.#input = input;
        this.#chosenList = element("ul", { class: "chips", "aria-label": "Chosen" });
        this.#list = element("ul", { class: "picks", "aria-label": "Suggestions" });
        root.replaceChildren(this.#chosenList, this.#list);
        input.oninput = () => {
            clearTimeout(this.#timer);
            this.#timer = setTimeout(() => void this.#suggest(), PATIENCE);
        };
    }

    /** Begins anew. */
    clear() {
        this.#chosen.clear();
        this.#input.value = "";
        this.#showChosen();
        void this.#suggest();
    }

    /** Who was chosen, with what is typed and not chosen yet. @returns {string[]} */
    take() {
        const typed = this.#input.value.split(",").map((name) => name.trim()).filter(Boolean);
        const wrong = typed.find((each) => !ID.test(each));
        if (wrong !== undefined) {
            throw new Error(`“${wrong}” is no user id: at most 64 characters, without spaces, “:” and “/”.`);
        }
        return [...new Set([...this.#chosen.keys(), ...typed])];
    }

    async #suggest() {
        const asked = ++this.#asked;
        const text = this.#input.value.split(",").at(-1).trim();
        const matches = (each) => !text || `${each.name} ${each.id}`.toLowerCase().includes(text.toLowerCase());
        const offered = this.#suggestions().filter(matches);
        this.#show(offered);
        if (!text) return;
        const found = await this.#people.search(text).catch(() => []);
        if (asked !== this.#asked) return;
        this.#show([...offered, ...found.filter(({ id }) => !offered.some((each) => each.id === id))]);
    }

    #show(offered) {
        const rows = offered.filter(({ id }) => !this.#chosen.has(id)).slice(0, SUGGESTED_MAX).map(({ id, name }) => {
            const label = name === id ? id : `${name} (${id})`;
            return element("li", {}, button(label, () => this.#choose(id, name), { dir: "auto" }));
        });
        this.#list.replaceChildren(...rows);
    }

    #choose(id, name) {
        this.#chosen.set(id, name);
        // What was typed led here.
        this.#input.value = this.#input.value.split(",").slice(0, -1).map((each) => `${each},`).join("");
        this.#showChosen();
        void this.#suggest();
        this.#input.focus();
    }

    #showChosen() {
        this.#chosenList.replaceChildren(...[...this.#chosen].map(([id, name]) => {
            const remove = () => {
                this.#chosen.delete(id);
                this.#showChosen();
                void this.#suggest();
                this.#input.focus();
            };
            return element("li", {}, element("span", { dir: "auto" }, name),
                button("×", remove, { "aria-label": `Remove ${name}` }));
        }));
    }
}
