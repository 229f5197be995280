/** A page of metrics in Prometheus's text form, read back. */
export class Metrics {
    /** @type {Map<string, { labels: Map<string, string>, value: number }[]>} */
    #samples = new Map();

    /** @param {string} text @param {number} time milliseconds */
    constructor(text, time) {
        this.time = time;
        for (const line of text.split("\n")) {
            const found = /^([\w:]+)(?:\{(.*)\})? (\S+)$/.exec(line);
            if (!found) continue;
            const labels = new Map([...(found[2] ?? "").matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map((it) => [it[1], it[2]]));
            const all = this.#samples.get(found[1]) ?? [];
            all.push({ labels, value: found[3] === "+Inf" ? Infinity : Number(found[3]) });
            this.#samples.set(found[1], all);
        }
    }

    /** All samples of a name together. @param {string} name */
    sum(name) { return this.#all(name).reduce((sum, it) => sum + it.value, 0); }

    /** The largest sample of a name. @param {string} name */
    largest(name) { return this.#all(name).reduce((most, it) => Math.max(most, it.value), 0); }

    /** A label of the first sample of a name. @param {string} name @param {string} label */
    label(name, label) { return this.#all(name)[0]?.labels.get(label) ?? ""; }

    /** The sums of the samples with each value of a label, the largest first. @param {string} name @param {string} label */
    sums(name, label) {
        const sums = new Map();
        for (const it of this.#all(name)) {
            const key = it.labels.get(label);
            sums.set(key, (sums.get(key) ?? 0) + it.value);
        }
        return [...sums].filter(([, sum]) => sum > 0).sort((one, other) => other[1] - one[1]);
    }

    /** What a counter grew by in a second. @param {string} name @param {Metrics | null} earlier */
    rate(name, earlier) {
        if (!earlier || this.time <= earlier.time) return null;
        return Math.max(0, this.sum(name) - earlier.sum(name)) / ((this.time - earlier.time) / 1000);
    }

    /**
     * A quantile of what a histogram counted since `earlier`, by a straight line within its bucket; null if it counted
     * nothing. @param {string} name @param {number} share @param {Metrics | null} earlier
     */
    quantile(name, share, earlier) {
        const counts = new Map();
        for (const [reading, sign] of [[this, 1], [earlier, -1]]) {
            for (const it of reading?.#all(`${name}_bucket`) ?? []) {
                const bound = it.labels.get("le") === "+Inf" ? Infinity : Number(it.labels.get("le"));
                counts.set(bound, (counts.get(bound) ?? 0) + sign * it.value);
            }
        }
        const wanted = share * (counts.get(Infinity) ?? 0);
        if (!(wanted > 0)) return null;
        let [below, before] = [0, 0];
        for (const [bound, count] of [...counts].sort((one, other) => one[0] - other[0])) {
            if (count >= wanted) {
                return bound === Infinity ? below : below + (bound - below) * ((wanted - before) / (count - before));
            }
            [below, before] = [bound, count];
        }
        return null;
    }

    #all(name) { return this.#samples.get(name) ?? []; }
}
