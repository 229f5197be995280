/** Writing: drafts, answers, changes of one's own messages, pictures. */
import { find, toast } from "./dom.js";
import { previewOf, upload } from "./media.js";
import { summaryOf, textOf } from "./message.js";

/** `media` of a message that is a picture. */
const PICTURE = 4;

/** @typedef {import("./switchboard.js").Entry} Entry */
/** @typedef {{kind: "reply"|"edit", message: Entry, title: string}} About */

export class Composer {
    #api;
    #chat;
    #conversations;
    #typing;
    #thread;
    /** @type {import("./conversations.js").Conversation | null} */ #conversation = null;
    /** What is done with the next text: answer a message, or change it. @type {About | null} */
    #about = null;
    /** Ends the upload that runs. @type {AbortController | null} */ #upload = null;
    #text = find("text");

    /**
     * @param {import("./api.js").Api} api @param {import("./switchboard.js").Switchboard} chat
     * @param {import("./conversations.js").Conversations} conversations @param {import("./typing.js").Typing} typing
     * @param {import("./thread.js").Thread} thread
     */
    constructor(api, chat, conversations, typing, thread) {
        this.#api = api;
        this.#chat = chat;
        this.#conversations = conversations;
        this.#typing = typing;
        this.#thread = thread;
        find("composer").onsubmit = (event) => { event.preventDefault(); void this.#submit(); };
        this.#text.onkeydown = (event) => this.#key(event);
        this.#text.oninput = () => this.#typed();
        this.#text.onpaste = (event) => {
            const file = [...event.clipboardData.files].find(({ type }) => type.startsWith("image/"));
            if (!file) return;
            event.preventDefault();
            void this.#sendPicture(file);
        };
        find("attach").onclick = () => find("file").click();
        find("file").onchange = () => {
            const [file] = find("file").files;
            find("file").value = "";
            if (file) void this.#sendPicture(file);
        };
        find("about-cancel").onclick = () => this.#cancel();
    }

    /** @param {import("./conversations.js").Conversation | null} conversation */
    open(conversation) {
        this.#conversation = conversation;
        this.#setAbout(null);
        this.#text.value = conversation ? this.#conversations.draft(conversation.conv) : "";
    }

    /** The next message answers this one. @param {Entry} message @param {string} author */
    reply(message, author) {
        if (this.#about?.kind === "edit") this.open(this.#conversation);
        this.#setAbout({ kind: "reply", message, title: `Reply to ${author}` });
        this.#text.focus();
    }

    /** Changes a message. @param {Entry} message */
    edit(message) {
        this.#setAbout({ kind: "edit", message, title: "Edit the message" });
        this.#text.value = textOf(message);
        this.#text.focus();
    }

    #setAbout(about) {
        this.#about = about;
        this.#say(about?.title ?? "", about ? summaryOf(about.message) : "");
    }

    /** What stands above the text; empty: nothing. */
    #say(title, text) {
        find("about").hidden = !title;
        find("about-title").textContent = title;
        find("about-text").textContent = text;
    }

    /** True if there was something to cancel. */
    #cancel() {
        if (this.#upload) {
            this.#upload.abort();
            return true;
        }
        if (!this.#about) return false;
        this.open(this.#conversation);
        this.#text.focus();
        return true;
    }

    #key(event) {
        if (event.key === "Escape" && this.#cancel()) event.stopPropagation();
        if (event.key === "ArrowUp" && !this.#text.value && !this.#about && this.#thread.lastOwn) {
            event.preventDefault();
            this.edit(this.#thread.lastOwn);
        }
        if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
        event.preventDefault();
        void this.#submit();
    }

    #typed() {
        if (!this.#conversation || this.#about?.kind === "edit") return;
        this.#conversations.setDraft(this.#conversation, this.#text.value);
        this.#typing.tell(this.#conversation);
    }

    async #submit() {
        const content = this.#text.value;
        if (!this.#conversation || !content.trim()) return;
        if (this.#about?.kind === "edit") return this.#change(this.#about.message, content);
        if (!this.#send({ content })) return;
        this.#conversations.setDraft(this.#conversation, "");
        this.open(this.#conversation);
        this.#typing.sent();
    }

    #send(fields) {
        const { kind, with: other } = this.#conversation;
        const reply = this.#about?.kind === "reply" && { reply: this.#about.message.cseq };
        try {
            this.#chat.send(other, { ...fields, ...reply }, { group: kind === "group" });
            return true;
        } catch (error) {
            toast(`This browser can't keep the message: ${error.message}`);
            return false;
        }
    }

    async #change(message, content) {
        const conversation = this.#conversation;
        if (content === textOf(message)) return this.open(conversation);
        try {
            await this.#chat.edit(message.conv, message.cseq, { content });
            if (this.#about?.message === message) this.open(conversation);
        } catch (error) {
            toast(`The message couldn't be changed: ${error.message}`);
        }
    }

    // MARK: Pictures

    async #sendPicture(file) {
        if (this.#upload || !this.#conversation) return;
        const conversation = this.#conversation, caption = this.#about?.kind === "edit" ? "" : this.#text.value;
        const aborted = this.#upload = new AbortController();
        this.#say(`Sending ${file.name || "a picture"}…`, "");
        try {
            const preview = await previewOf(file);
            const url = await upload(this.#api, file, aborted.signal);
            if (conversation.conv !== this.#conversation?.conv) {
                return toast("The picture wasn't sent: you went elsewhere.");
            }
            const isSent = this.#send({ media: PICTURE, url, ...preview, ...(caption.trim() && { content: caption }) });
            if (!isSent) return;
            this.#conversations.setDraft(conversation, "");
            this.#text.value = "";
            this.#about = null;
        } catch (error) {
            if (error.name === "AbortError") return;
            find("trouble-text").textContent = `${file.name || "The picture"} wasn't sent: ${error.message}.`;
            find("trouble-more").hidden = error.code !== "unsupported";
            find("trouble-dialog").showModal();
        } finally {
            this.#upload = null;
            this.#setAbout(this.#about);
        }
    }
}
