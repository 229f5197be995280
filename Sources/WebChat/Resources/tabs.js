/** The tabs of the side: conversations and contacts. */
import { find } from "./dom.js";

const TABS = ["chats", "contacts"];

export function wireTabs() {
    const choose = (name) => {
        for (const each of TABS) {
            const isChosen = each === name, tab = find(`tab-${each}`);
            find(each).hidden = !isChosen;
            tab.setAttribute("aria-selected", String(isChosen));
            tab.tabIndex = isChosen ? 0 : -1;
        }
    };
    for (const [index, name] of TABS.entries()) {
        find(`tab-${name}`).onclick = () => choose(name);
        find(`tab-${name}`).onkeydown = ({ key }) => {
            if (key !== "ArrowLeft" && key !== "ArrowRight") return;
            const next = TABS[(index + 1) % TABS.length];
            choose(next);
            find(`tab-${next}`).focus();
        };
    }
    choose(TABS[0]);
}
