/** What the browser keeps: for all windows, for one window, and for one user. */
import { memoryStorage, webStorage } from "./switchboard.js";

/** A browser may refuse to keep anything. @param {"localStorage" | "sessionStorage"} name */
function area(name) {
    try {
        window[name].setItem("switchboard:test", "");
        window[name].removeItem("switchboard:test");
        return webStorage(window[name], "switchboard:");
    } catch {
        return memoryStorage();
    }
}

export const kept = area("localStorage");
export const ofThisWindow = area("sessionStorage");

/** A storage below another one. @param {import("./switchboard.js").Storage} storage @param {string} prefix */
export function below(storage, prefix) {
    return {
        get: (key) => storage.get(prefix + key),
        set: (key, value) => storage.set(prefix + key, value),
        remove: (key) => storage.remove(prefix + key),
        keys: () => storage.keys().filter((key) => key.startsWith(prefix)).map((key) => key.slice(prefix.length)),
    };
}
