/** A menu below a button: arrows go through it, Escape and a click elsewhere close it. */
import { button, find } from "./dom.js";

/**
 * @param {HTMLElement} opener @param {{label: string, act: () => void, isGrave?: boolean}[]} items
 * @param {string} label what the menu is for
 */
export function openMenu(opener, items, label) {
    const menu = find("menu");
    const close = () => { menu.hidePopover(); };
    menu.setAttribute("aria-label", label);
    menu.replaceChildren(...items.map(({ label, act, isGrave }) => button(label, () => {
        close();
        opener.focus();
        act();
    }, { role: "menuitem", class: isGrave ? "grave" : "" })));
    menu.onkeydown = (event) => {
        const all = [...menu.children], here = all.indexOf(document.activeElement);
        const to = {
            ArrowDown: (here + 1) % all.length, ArrowUp: (here + all.length - 1) % all.length,
            Home: 0, End: all.length - 1,
        }[event.key];
        if (event.key === "Escape" || event.key === "Tab") {
            close();
            opener.focus();
        } else if (to !== undefined) {
            all[to].focus();
        } else {
            return;
        }
        event.preventDefault();
        // Escape closes the menu, not what is behind it.
        event.stopPropagation();
    };
    opener.setAttribute("aria-expanded", "true");
    menu.ontoggle = (event) => { if (event.newState === "closed") opener.setAttribute("aria-expanded", "false"); };
    menu.showPopover();
    place(menu, opener.getBoundingClientRect());
    menu.firstChild?.focus();
}

/** Below what opened it if there is room, else above; always inside of the window. */
function place(menu, { left, top, bottom }) {
    const { width, height } = menu.getBoundingClientRect();
    const y = bottom + height + 8 > innerHeight ? top - height - 4 : bottom + 4;
    menu.style.left = `${Math.max(8, Math.min(left, innerWidth - width - 8))}px`;
    menu.style.top = `${Math.max(8, y)}px`;
}
