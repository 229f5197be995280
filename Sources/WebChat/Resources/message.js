/** What a message says, and how one is shown. */
import { element, timeOfDay } from "./dom.js";

/** Pictures that come within a message; anything else would be fetched from who knows where. */
const PICTURE = /^data:image\/(?:png|jpeg|webp|gif);base64,[A-Za-z0-9+/=]+$/;
const SUMMARY = 160;

/** @typedef {import("./switchboard.js").Entry} Entry */

/** @param {Entry} entry */
export const isMessage = (entry) => entry.cmd === 10 || entry.cmd === 11;

/** Anything as plain text. */
function asText(value) {
    if (value === undefined || value === null) return "";
    return typeof value === "string" ? value : JSON.stringify(value);
}

/** What a message says, as plain text. @param {Entry} frame */
export const textOf = (frame) => asText(frame.content);

/** @param {unknown} pic */
export const isPicture = (pic) => typeof pic === "string" && PICTURE.test(pic);

/**
 * A message after it was edited or recalled, which a notice tells; the message itself if it knows of more already.
 * @param {Entry} message @param {Entry} notice @returns {Entry}
 */
export function changedBy(message, notice) {
    if (message.recalled || (message.edited ?? 0) > notice.time) return message;
    const { cmd, userid, dstid, id, conv, cseq, seq, time } = message;
    const fixed = { cmd, userid, dstid, id, conv, cseq, seq, time };
    if (notice.name === "message.recalled") return { ...fixed, recalled: true };
    const { name, ...fields } = notice;
    return { ...message, ...fields, ...fixed, edited: notice.time };
}

/** A message in one line. @param {Entry} frame */
export function summaryOf(frame) {
    if (frame.recalled) return "Message recalled";
    const addresses = isPicture(frame.pic) ? "Picture" : asText(frame.url) || asText(frame.pic);
    const text = textOf(frame) || asText(frame.memo) || addresses;
    return text.replace(/\s+/g, " ").slice(0, SUMMARY);
}

/** The address if it is one of the web's: no other is made a link of. @param {unknown} text */
function webAddress(text) {
    if (typeof text !== "string" || !/^https?:\/\//i.test(text)) return null;
    try { return new URL(text).href; } catch { return null; }
}

function link(address, ...children) {
    return element("a", { href: address, target: "_blank", rel: "noopener noreferrer" }, ...children);
}

/**
 * @typedef {object} Shown How a message is shown.
 * @property {string} key names it to the thread
 * @property {Entry} frame
 * @property {number} time
 * @property {boolean} isMine
 * @property {boolean} isFirst of several by one author
 * @property {string} author to be shown above it; empty: not
 * @property {string} [forwardedFrom] whose words they were
 * @property {{author: string, text: string}} [quote] what it answers
 * @property {"waiting"|"sending"|"sent"|"read"|"failed"|""} state of one's own
 * @property {number} readers of one's own in a group: how many have read it
 * @property {{message: string}} [error]
 */

/** @param {Shown} shown */
export function messageRow(shown) {
    const { key, frame, isMine, isFirst, state } = shown;
    const kinds = ["message", isMine && "mine", isFirst && "first", state === "failed" && "failed"];
    const row = element("li", { class: kinds.filter(Boolean).join(" "), "data-key": key });
    if (shown.author) row.append(element("div", { class: "who", dir: "auto" }, shown.author));
    if (frame.recalled) {
        row.append(element("div", { class: "text recalled" }, "Message recalled"));
    } else {
        row.append(...contentOf(shown));
    }
    row.append(about(shown));
    if (state !== "failed" && !frame.recalled) {
        row.append(element("button", {
            type: "button", class: "more", "aria-label": `Actions for: ${summaryOf(frame).slice(0, 60)}`,
            "aria-haspopup": "menu", "aria-expanded": "false", tabindex: "-1",
        }, "⋯"));
    }
    return row;
}

function contentOf({ frame, forwardedFrom, quote }) {
    const parts = [];
    const line = (kind, text) => element("div", { class: kind, dir: "auto" }, text);
    if (forwardedFrom) parts.push(line("forwarded", `Forwarded from ${forwardedFrom}`));
    if (quote) {
        const attributes = { type: "button", class: "quote", "aria-label": `Go to: ${quote.text}`, tabindex: "-1" };
        const author = element("span", { class: "who", dir: "auto" }, quote.author);
        parts.push(element("button", attributes, author, element("span", { dir: "auto" }, quote.text)));
    }
    const address = webAddress(frame.url);
    if (isPicture(frame.pic)) {
        const alt = address ? "Picture: open it in full" : "Picture";
        const picture = element("img", { src: frame.pic, alt, class: "picture", ...sizeOf(frame) });
        parts.push(address ? link(address, picture) : picture);
    } else {
        for (const text of [frame.pic, frame.url].map(asText).filter(Boolean)) {
            const web = webAddress(text);
            parts.push(element("div", { class: "address", dir: "auto" }, web ? link(web, text) : text));
        }
    }
    const text = textOf(frame);
    if (text) parts.push(line("text", text));
    const memo = asText(frame.memo);
    if (memo) parts.push(line("memo", memo));
    if (!parts.length) parts.push(element("div", { class: "text" }, "(no text)"));
    return parts;
}

/** The preview's size, so that nothing moves once it is decoded. */
function sizeOf({ width, height }) {
    const isSize = (value) => Number.isInteger(value) && value > 0 && value <= 1_000;
    return isSize(width) && isSize(height) ? { width: String(width), height: String(height) } : {};
}

function about({ frame, time, isMine, state, readers, error }) {
    const row = element("div", { class: "about" });
    if (frame.edited && !frame.recalled) row.append(element("span", {}, "edited"));
    row.append(element("time", { datetime: new Date(time).toISOString() }, timeOfDay(time)));
    if (isMine) row.append(...stateOf(state, readers, error));
    return row;
}

function stateOf(state, readers, error) {
    switch (state) {
    case "waiting": return [element("span", {}, "waiting for a connection")];
    case "sending": return [element("span", {}, "sending…")];
    case "sent": return [element("span", { role: "img", title: "Sent: it is stored", "aria-label": "sent" }, "✓")];
    case "read": {
        const label = readers > 1 ? `read by ${readers}` : "read";
        return [element("span", { role: "img", class: "read", title: label, "aria-label": label }, "✓✓")];
    }
    default: return [
        element("span", {}, `not sent: ${error?.message ?? "refused"}`),
        element("button", { type: "button", class: "link retry" }, "Retry"),
        element("button", { type: "button", class: "link discard" }, "Delete"),
    ];
    }
}

