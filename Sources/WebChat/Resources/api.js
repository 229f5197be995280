/** Calls of the router's HTTP API. Signed in by the cookie, or by a token that this window was given. */

/** A call that was refused, or got no answer (`offline`). */
export class ApiError extends Error {
    /** @param {string} code @param {string} message @param {number} status */
    constructor(code, message, status) {
        super(message);
        this.name = "ApiError";
        this.code = code;
        this.status = status;
    }
}

/** A path whose values are escaped: path`/api/groups/${id}`. */
export const path = (texts, ...values) =>
    texts.reduce((whole, text, index) => whole + encodeURIComponent(values[index - 1]) + text);

export class Api {
    #token;

    /** @param {string | null} token without one the cookie counts */
    constructor(token = null) { this.#token = token; }

    /** @param {string} path */ get(path) { return this.#call("GET", path); }
    /** @param {string} path @param {object} body */ post(path, body = {}) { return this.#call("POST", path, body); }
    /** @param {string} path @param {object} body */ patch(path, body) { return this.#call("PATCH", path, body); }
    /** @param {string} path */ put(path) { return this.#call("PUT", path, {}); }
    /** @param {string} path */ delete(path) { return this.#call("DELETE", path, {}); }

    async #call(method, path, body) {
        const headers = {};
        if (body) headers["Content-Type"] = "application/json";
        if (this.#token) headers.Authorization = `Bearer ${this.#token}`;
        let answer, value;
        try {
            answer = await fetch(path, { method, headers, body: body && JSON.stringify(body) });
            value = await answer.json();
        } catch (error) {
            if (answer) throw new ApiError("internal", `the router answered ${answer.status}`, answer.status);
            throw new ApiError("offline", "the router can't be reached", 0);
        }
        if (answer.ok) return value;
        const { code = "internal", message = `the router answered ${answer.status}` } = value.error ?? {};
        throw new ApiError(code, message, answer.status);
    }
}
