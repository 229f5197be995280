/** Pictures: a small preview goes with the message, the picture itself to the resource server. */

/** A message's own fields, the preview among them, have 64 KiB. */
const PREVIEW_BYTES = 24 << 10;
const SIDES = [320, 240, 160, 96];

/**
 * A preview as a `data:` address, and the size at which it is shown.
 * @param {Blob} file @returns {Promise<{pic: string, width: number, height: number}>}
 */
export async function previewOf(file) {
    const picture = await createImageBitmap(file).catch(() => {
        throw new Error("this browser can't read that as a picture");
    });
    try {
        for (const side of SIDES) {
            const scale = Math.min(1, side / Math.max(picture.width, picture.height));
            const width = Math.max(1, Math.round(picture.width * scale));
            const height = Math.max(1, Math.round(picture.height * scale));
            const pic = drawn(picture, width, height);
            if (pic.length <= PREVIEW_BYTES) return { pic, width, height };
        }
    } finally {
        picture.close();
    }
    throw new Error("no small preview can be made of that picture");
}

function drawn(picture, width, height) {
    const canvas = document.createElement("canvas");
    Object.assign(canvas, { width, height });
    const context = canvas.getContext("2d");
    // JPEG knows no transparency.
    context.fillStyle = "#fff";
    context.fillRect(0, 0, width, height);
    context.drawImage(picture, 0, 0, width, height);
    return canvas.toDataURL("image/jpeg", 0.72);
}

/**
 * Uploads a file to the resource server that the router names; gives where it lies then.
 * @param {import("./api.js").Api} api @param {File} file @param {AbortSignal} signal @returns {Promise<string>}
 */
export async function upload(api, file, signal) {
    const type = file.type || "application/octet-stream";
    const { put, url } = await api.post("/api/media", { name: file.name || "picture", type, size: file.size });
    let answer;
    try {
        answer = await fetch(put, { method: "PUT", body: file, headers: { "Content-Type": type }, signal });
    } catch (error) {
        if (error.name === "AbortError") throw error;
        throw new Error("the resource server can't be reached, or doesn't let this page upload (CORS)");
    }
    if (!answer.ok) throw new Error(`the resource server refused the picture (${answer.status})`);
    return url;
}
