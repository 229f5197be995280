/** Drawing attention while the page is out of sight: the number in the title, and notifications of the desktop. */
import { kept } from "./kept.js";

/** @param {number} unread */
export function showInTitle(unread) {
    document.title = unread ? `(${unread}) Switchboard` : "Switchboard";
}

/** Whether the browser has them at all. */
export const canNotify = () => "Notification" in window;

/** Whether the user wants them, and the browser allows them. */
export const isNotifying = () => canNotify() && Notification.permission === "granted" && kept.get("notify") === "on";

/** Turns them on, which the browser asks the user about, or off. @returns {Promise<string>} what to tell the user */
export async function toggleNotifications() {
    if (isNotifying()) {
        kept.remove("notify");
        return "Notifications are off.";
    }
    const answer = await Notification.requestPermission();
    if (answer !== "granted") return "The browser doesn't allow notifications for this page.";
    kept.set("notify", "on");
    return "Notifications are on: they come while this page is out of sight.";
}

/**
 * One for each conversation, the newest in place of the one before; only while the page is out of sight.
 * @param {string} title @param {string} body @param {string} tag @param {() => void} open
 */
export function notify(title, body, tag, open) {
    if (!document.hidden || !isNotifying()) return;
    try {
        const shown = new Notification(title, { body, tag, icon: "/icon.svg" });
        shown.onclick = () => {
            window.focus();
            open();
            shown.close();
        };
    } catch { /* Some browsers, on phones, know no such constructor. */ }
}
