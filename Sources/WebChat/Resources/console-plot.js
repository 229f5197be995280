/** Lines over time, as SVG: small, and without anything from elsewhere. */
import { element } from "./dom.js";

const [WIDTH, HEIGHT] = [300, 100];

function shape(name, attributes) {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    return made;
}

/** Where an axis ends well: at 1, 2 or 5 and zeros of a unit. @param {number} value @param {number} base of the units */
function roundUp(value, base) {
    if (!(value > 0)) return 1;
    const unit = base === 10 ? 1 : base ** Math.max(0, Math.floor(Math.log(value) / Math.log(base)));
    const power = unit * 10 ** Math.floor(Math.log10(value / unit));
    return [1, 2, 5, 10].map((step) => step * power).find((step) => step >= value) ?? value;
}

export class Plot {
    #names;
    #format;
    #svg = shape("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img" });
    #most = element("span", { class: "most", "aria-hidden": "true" });
    #values;
    #since = element("span", {});
    #until = element("span", {});
    #title;
    #base;
    /** @type {{ time: number, values: (number | null)[] }[]} */
    #points = [];
    #pointed = null;

    /**
     * @param {string} title @param {string[]} names one a line @param {(value: number) => string} format
     * @param {number} base of the units that `format` writes: 10, or 1024
     */
    constructor(title, names, format, base) {
        this.#base = base;
        this.#title = title;
        this.#names = names;
        this.#format = format;
        this.#values = names.map(() => element("b", {}));
        const legend = element("p", { class: "legend" },
            ...names.map((name, index) => element("span", {}, `${name} `, this.#values[index])));
        const area = element("div", { class: "area" }, this.#svg, this.#most);
        this.element = element("article", { class: "tile plot" }, element("h2", {}, title), legend, area,
            element("p", { class: "span", "aria-hidden": "true" }, this.#since, this.#until));
        area.onpointermove = (event) => this.#point(event);
        area.onpointerleave = () => this.#point(null);
    }

    /** @param {{ time: number, values: (number | null)[] }[]} points the oldest first; null where nothing is known */
    show(points) {
        this.#points = points;
        this.#draw();
    }

    #point(event) {
        const box = this.#svg.getBoundingClientRect();
        this.#pointed = event && box.width > 0 ? (event.clientX - box.left) / box.width : null;
        this.#draw();
    }

    #draw() {
        const points = this.#points;
        if (points.length === 0) return;
        const [first, last] = [points[0].time, points[points.length - 1].time];
        const known = points.flatMap((point) => point.values).filter((value) => value !== null);
        const most = roundUp(Math.max(0, ...known), this.#base);
        const x = (time) => last > first ? (time - first) / (last - first) * WIDTH : WIDTH;
        const lines = this.#names.map((_, line) => points
            .filter((point) => point.values[line] !== null)
            .map((point) => `${x(point.time).toFixed(1)},${(HEIGHT - point.values[line] / most * HEIGHT).toFixed(1)}`));
        const grid = [0, HEIGHT / 2].map((y) => shape("line", { class: "grid", x1: 0, x2: WIDTH, y1: y, y2: y }));
        const at = this.#pointed === null ? points[points.length - 1] : this.#nearest(first + this.#pointed * (last - first));
        const cursor = this.#pointed === null ? []
            : [shape("line", { class: "cursor", x1: x(at.time), x2: x(at.time), y1: 0, y2: HEIGHT })];
        this.#svg.replaceChildren(
            ...grid, ...cursor, ...lines.map((line) => shape("polyline", { points: line.join(" ") })));
        this.#most.textContent = this.#format(most);
        const shown = at.values.map((value) => value === null ? "–" : this.#format(value));
        shown.forEach((text, line) => { this.#values[line].textContent = text; });
        this.#svg.setAttribute("aria-label",
            `${this.#title}: ${this.#names.map((name, line) => `${name} ${shown[line]}`).join(", ")}`);
        const seconds = Math.round((last - first) / 1000);
        this.#since.textContent = seconds < 120 ? `${seconds} s ago` : `${Math.round(seconds / 60)} min ago`;
        this.#until.textContent = this.#pointed === null ? "now" : new Date(at.time).toLocaleTimeString();
    }

    #nearest(time) {
        return this.#points.reduce((best, point) =>
            Math.abs(point.time - time) < Math.abs(best.time - time) ? point : best);
    }
}
