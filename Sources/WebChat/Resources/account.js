/** Making an account, signing in and out. A login is a cookie that no script sees; a token is this window's. */
import { Api } from "./api.js";
import { find } from "./dom.js";
import { kept, ofThisWindow } from "./kept.js";

/** What an id may be. */
export const ID = /^[^\s:/\p{Cc}]{1,64}$/u;

/**
 * @typedef {object} Login
 * @property {Api} api
 * @property {string | null} token null: the cookie
 * @property {{id: string, name: string, email?: string}} me
 */

/** Who is signed in already, in this window or by the cookie. @returns {Promise<Login | null>} */
export async function rememberedLogin() {
    const token = ofThisWindow.get("token");
    try {
        return await loginWith(token);
    } catch (error) {
        if (error.code === "offline") throw error;
        if (token) {
            ofThisWindow.remove("token");
            say("The router doesn't know this name or token.");
        }
        return null;
    }
}

async function loginWith(token) {
    const api = new Api(token);
    return { api, token, me: await api.get("/api/me") };
}

/** Asks until someone is signed in. @returns {Promise<Login>} */
export function askForLogin() {
    find("sign-in").hidden = false;
    showForm(kept.get("way") === "token" ? "login" : kept.get("way") ?? "register");
    find("other-ways").open = kept.get("way") === "token";
    const ended = ofThisWindow.get("ended");
    if (ended) say(ended);
    ofThisWindow.remove("ended");
    const first = find("login-form").hidden ? "register-name" : "login-id";
    find(find("other-ways").open ? "name" : first).focus();
    find("to-register").onclick = () => { showForm("register"); find("register-name").focus(); };
    find("to-login").onclick = () => { showForm("login"); find("login-id").focus(); };
    return new Promise((resolve) => {
        const on = (form, way, act) => {
            find(form).onsubmit = async (event) => {
                event.preventDefault();
                const done = await submit(find(form), act);
                if (!done) return;
                kept.set("way", way);
                find("sign-in").hidden = true;
                resolve(done);
            };
        };
        on("login-form", "login", login);
        on("register-form", "login", register);
        on("token-form", "token", useToken);
    });
}

function showForm(name) {
    find("login-form").hidden = name !== "login";
    find("register-form").hidden = name !== "register";
    say("");
}

function say(text) { find("sign-in-error").textContent = text; }

/** One at a time, and what goes wrong is said. */
async function submit(form, act) {
    say("");
    const buttons = form.querySelectorAll("button");
    for (const each of buttons) each.disabled = true;
    try {
        return await act();
    } catch (error) {
        say(error.message.charAt(0).toUpperCase() + error.message.slice(1));
        return null;
    } finally {
        for (const each of buttons) each.disabled = false;
    }
}

async function login() {
    const name = find("login-id").value.trim(), password = find("login-password").value;
    await new Api().post("/api/login", { [name.includes("@") ? "email" : "id"]: name, password });
    find("login-password").value = "";
    return loginWith(null);
}

async function register() {
    const id = find("register-id").value.trim();
    if (id && !ID.test(id)) throw new Error("a user id has at most 64 characters, without spaces, “:” and “/”.");
    await new Api().post("/api/register", {
        name: find("register-name").value.trim(), email: find("register-email").value.trim(),
        password: find("register-password").value, ...(id && { id }),
    });
    find("register-password").value = "";
    return loginWith(null);
}

async function useToken() {
    const token = find("token").value.trim() || find("name").value.trim();
    if (!token) throw new Error("please give a name or a token.");
    if (!find("token").value.trim() && !ID.test(token)) {
        throw new Error("a name has at most 64 characters, without spaces, “:” and “/”.");
    }
    const done = await loginWith(token).catch((error) => {
        throw error.code === "unauthorized" ? new Error("The router doesn't know this name or token.") : error;
    });
    // The cookie of an account would be believed before this window's token.
    await new Api().post("/api/logout").catch(() => {});
    ofThisWindow.set("token", token);
    return done;
}

/**
 * Ends the login, and begins a fresh page: nothing of the one who was signed in stays in memory.
 * @param {Login} login
 */
export async function signOut({ api, token }) {
    // A token isn't ours to end: whoever gave it may use it elsewhere.
    if (!token) await api.post("/api/logout");
    leave("");
}

/** Back to the beginning, with a word about why. @param {string} reason */
export function leave(reason) {
    ofThisWindow.remove("token");
    ofThisWindow.remove("open");
    if (reason) ofThisWindow.set("ended", reason);
    location.reload();
}
