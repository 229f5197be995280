/** The operator's page: what `/metrics` and `/readyz` say, over the last minutes. */
import { element, find } from "./dom.js";
import { Metrics } from "./console-metrics.js";
import { Plot } from "./console-plot.js";

const KEY = "switchboard.api-key";
const EVERY_MS = 2_000;
const POINTS_MAX = 450;

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const tenths = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });
const number = (value) => (value < 10 ? tenths : whole).format(value);
const percent = (value) => `${whole.format(value * 100)} %`;
function bytes(value) {
    const units = ["B", "KiB", "MiB", "GiB", "TiB"];
    const power = value >= 1 ? Math.min(units.length - 1, Math.floor(Math.log2(value) / 10)) : 0;
    return `${tenths.format(value / 1024 ** power)} ${units[power]}`;
}
function seconds(value) {
    return value >= 1 ? `${tenths.format(value)} s` : `${tenths.format(value * 1000)} ms`;
}
function duration(value) {
    const [days, hours, minutes] = [value / 86_400, value / 3_600 % 24, value / 60 % 60].map(Math.floor);
    return days ? `${days} d ${hours} h` : hours ? `${hours} h ${minutes} min` : minutes ? `${minutes} min` : `${Math.floor(value)} s`;
}

/** What is plotted: a title, lines, how values are written, and where they come from. */
const PLOTS = [
    ["Connections", ["open", "signed in"], number,
        (now) => [now.sum("switchboard_connections"), now.sum("switchboard_sessions")]],
    ["Messages a second", ["in", "pushed"], number,
        (now, before) => [now.rate("switchboard_messages_received_total", before), now.rate("switchboard_messages_pushed_total", before)]],
    ["Time to the ack", ["p50", "p99"], seconds,
        (now, before) => [0.5, 0.99].map((share) => before && now.quantile("switchboard_ack_seconds", share, before))],
    ["Store", ["index behind", "sync p99"], seconds,
        (now, before) => [now.sum("switchboard_store_lag_seconds"), before && now.quantile("switchboard_store_sync_seconds", 0.99, before)]],
    ["CPU, of one core", ["process", "loops"], percent,
        (now, before) => [now.rate("process_cpu_seconds_total", before), now.rate("switchboard_loop_cpu_seconds_total", before)]],
    ["Memory", ["resident"], bytes, (now) => [now.sum("process_resident_memory_bytes")]],
    ["Traffic a second", ["in", "out"], bytes,
        (now, before) => [now.rate("switchboard_received_bytes_total", before), now.rate("switchboard_sent_bytes_total", before)]],
    ["Refused a second", ["frames", "sign-ins"], number,
        (now, before) => [now.rate("switchboard_errors_total", before), now.rate("switchboard_sign_ins_refused_total", before)]],
].map(([title, names, format, values]) => ({ plot: new Plot(title, names, format, format === bytes ? 1024 : 10), values, points: [] }));

/** What has an end: a name, how much there is, how much there may be. */
const LIMITS = [
    ["Connections", number, (it) => [it.sum("switchboard_connections"), it.sum("switchboard_connections_max")]],
    ["Users of the fullest shard", number, (it) => [it.largest("switchboard_users"), it.sum("switchboard_shard_users_max")]],
    ["Waiting for the disk", bytes, (it) => [it.sum("switchboard_store_queue_bytes"), it.sum("switchboard_store_queue_max_bytes")]],
    ["Not in the index yet", bytes, (it) => [it.sum("switchboard_store_unfolded_bytes"), it.sum("switchboard_store_unfolded_max_bytes")]],
    ["Disk", bytes, (it) => {
        const all = it.sum("switchboard_store_disk_bytes");
        return [all - it.sum("switchboard_store_disk_free_bytes"), all];
    }],
    ["Open files", number, (it) => [it.sum("process_open_fds"), it.sum("process_max_fds")]],
];

/** What went wrong for somebody: a name, and by which label. */
const REFUSED = [
    ["frame", "switchboard_errors_total", "code"], ["sign-in", "switchboard_sign_ins_refused_total", "reason"],
    ["session ended", "switchboard_sessions_ended_total", "reason"],
];

let previous = null;
let timer = 0;
let turn = 0;

async function ask(path, key) {
    return await fetch(path, { headers: key ? { Authorization: `Bearer ${key}` } : {}, cache: "no-store" });
}

async function look() {
    clearTimeout(timer);
    const mine = ++turn;
    const key = sessionStorage.getItem(KEY);
    try {
        const [metrics, ready] = await Promise.all([ask("/metrics", key), ask("/readyz", key)]);
        const text = await metrics.text();
        const state = await ready.json();
        if (mine !== turn) return;
        if (metrics.status === 401) return askForKey(key ? "The router doesn't take this key." : "");
        if (!metrics.ok) throw new Error(`the router answered ${metrics.status}`);
        show(new Metrics(text, Date.now()), ready.ok, state.error?.message ?? "");
    } catch (error) {
        if (mine !== turn) return;
        showState(false, "away", `The router can't be asked: ${error.message}`);
    }
    if (!document.hidden) timer = setTimeout(look, EVERY_MS);
}

function askForKey(complaint) {
    sessionStorage.removeItem(KEY);
    find("app").hidden = true;
    find("sign-in").hidden = false;
    find("key-error").textContent = complaint;
    find("key").focus();
}

function showState(isGood, text, trouble) {
    find("state").textContent = text;
    find("state").classList.toggle("bad", !isGood);
    find("trouble").textContent = trouble;
}

function show(now, isReady, trouble) {
    find("sign-in").hidden = true;
    find("app").hidden = false;
    showState(isReady, isReady ? "ready" : "not ready", trouble);
    find("version").textContent = now.label("switchboard_build_info", "version");
    find("uptime").textContent = `up ${duration(now.sum("switchboard_uptime_seconds"))}`;
    // After a restart counters begin anew.
    if (previous && now.sum("switchboard_uptime_seconds") < previous.sum("switchboard_uptime_seconds")) previous = null;
    for (const it of PLOTS) {
        it.points.push({ time: now.time, values: it.values(now, previous) });
        if (it.points.length > POINTS_MAX) it.points.shift();
        it.plot.show(it.points);
    }
    showLimits(now);
    showRefused(now);
    previous = now;
}

function showLimits(now) {
    find("limits").replaceChildren(...LIMITS.map(([name, format, values]) => {
        const [value, most] = values(now);
        const meter = element("meter", {
            min: "0", max: String(most || 1), low: String(most * 0.7), high: String(most * 0.9), optimum: "0",
            value: String(value), "aria-label": name,
        });
        return element("li", {}, element("span", {}, name), element("b", {}, `${format(value)} of ${format(most)}`), meter);
    }));
}

function showRefused(now) {
    const rows = REFUSED.flatMap(([what, name, label]) =>
        now.sums(name, label).map(([reason, count]) =>
            element("li", {}, element("span", {}, `${what}: ${reason.replaceAll("_", " ")}`), element("b", {}, whole.format(count)))));
    find("refused").replaceChildren(...(rows.length ? rows : [element("li", { class: "hint" }, "Nothing.")]));
}

find("plots").replaceChildren(...PLOTS.map((it) => it.plot.element));
find("key-form").onsubmit = (event) => {
    event.preventDefault();
    sessionStorage.setItem(KEY, find("key").value);
    find("key").value = "";
    look();
};
find("forget").onclick = () => {
    clearTimeout(timer);
    turn += 1;
    askForKey("");
};
document.addEventListener("visibilitychange", () => { if (!document.hidden) look(); });
look();
