/** What all parts of the page share: finding and making elements, times as people read them, words in passing. */

/** @param {string} id @returns {any} */
export const find = (id) => document.getElementById(id);

/**
 * An element. Text stays text: nothing here, or anywhere else in the page, makes markup of it.
 * @param {string} name @param {Record<string, string>} attributes @param {...(Node | string)} children
 */
export function element(name, attributes, ...children) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children);
    return made;
}

/** A button that does something. @param {string} label @param {() => void} act */
export function button(label, act, attributes = {}) {
    const made = element("button", { type: "button", ...attributes }, label);
    made.onclick = act;
    return made;
}

/** The round or square mark beside a name; what it says is beside it in full. @param {string} title */
export function avatar(title) {
    return element("span", { class: "avatar", "aria-hidden": "true" }, ([...title.trim()][0] ?? "?").toUpperCase());
}

/** A number in a coloured mark. @param {number} count */
export function badge(count, meaning = "unread") {
    const text = count > 999 ? "999+" : String(count);
    return element("span", { class: "badge", role: "img", "aria-label": `${count} ${meaning}` }, text);
}

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const date = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long", year: "numeric" });
const shortDate = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", year: "2-digit" });

/** A local time of day. @param {number} time milliseconds since the epoch */
export const timeOfDay = (time) => clock.format(time);

/** The local day that a time is in, as a number. @param {number} time */
export const startOfDay = (time) => new Date(time).setHours(0, 0, 0, 0);

/** "Today", or the date. @param {number} time */
export function dayOf(time) {
    const days = Math.round((startOfDay(Date.now()) - startOfDay(time)) / 86_400_000);
    return days === 0 ? "Today" : days === 1 ? "Yesterday" : date.format(time);
}

/** Where there is little room: the time of today, or a short date. @param {number} time */
export const shortTime = (time) =>
    startOfDay(time) === startOfDay(Date.now()) ? timeOfDay(time) : shortDate.format(time);

/** Puts a number on a tab, or takes it off. @param {string} id @param {number} count */
export function showBadge(id, count, meaning) {
    find(id).replaceChildren(...(count ? [badge(count, meaning)] : []));
}

let toastTimer = 0;

/** Tells the user something in passing. @param {string} text */
export function toast(text) {
    const shown = find("toast");
    // Anew, so that it lies above a dialog that was opened meanwhile.
    shown.hidePopover();
    shown.showPopover();
    shown.textContent = text;
    clearTimeout(toastTimer);
    toastTimer = setTimeout(() => shown.hidePopover(), 6_000);
}

/** Does something that may fail, and says so if it does. @template T @param {() => Promise<T>} act */
export async function attempt(act) {
    try {
        return await act();
    } catch (error) {
        toast(`That didn't work: ${error.message}`);
        return undefined;
    }
}

/**
 * Asks before something that can't be taken back.
 * @param {string} question @param {string} action what the button says @returns {Promise<boolean>}
 */
export function ask(question, action) {
    const dialog = find("ask-dialog");
    find("ask-title").textContent = question;
    find("ask-action").textContent = action;
    dialog.returnValue = "";
    dialog.showModal();
    return new Promise((resolve) => {
        dialog.onclose = () => resolve(dialog.returnValue === "yes");
    });
}

/**
 * Brings a list of rows up to date; what is there already and unchanged is left alone.
 * @param {HTMLElement} list
 * @param {Map<string, {version: string, subject?: object, node: HTMLElement}>} old what this gave the last time
 * @param {{key: string, version: string, subject?: object, make: () => HTMLElement}[]} rows `version` and `subject`
 *   change with what a row shows
 */
export function showRows(list, old, rows) {
    const shown = new Map();
    for (const { key, version, subject, make } of rows) {
        let row = old.get(key);
        if (row?.version !== version || row.subject !== subject) row = { version, subject, node: make() };
        shown.set(key, row);
    }
    const focused = list.contains(document.activeElement) ? document.activeElement : null;
    const focusedKey = focused && [...old].find(([, { node }]) => node.contains(focused))?.[0];
    for (const [key, row] of old) if (shown.get(key) !== row) row.node.remove();
    let next = list.firstChild;
    for (const { node } of shown.values()) {
        if (node === next) next = next.nextSibling;
        else list.insertBefore(node, next);
    }
    // A row that was made anew, or moved, keeps the focus that it had.
    if (focused && document.activeElement !== focused) {
        const row = shown.get(focusedKey)?.node;
        if (row) (row.contains(focused) ? focused : row.querySelector("button"))?.focus({ preventScroll: true });
    }
    return shown;
}
