/** Groups: making one, and who is in it. */
import { path } from "./api.js";
import { ask, attempt, button, element, find, toast } from "./dom.js";
import { Picker } from "./picker.js";

const ROLES = { admin: "Admin", moderator: "Moderator", member: "Member", silent: "Silent: reads only" };
/** Members that are shown without looking for one. */
const SHOWN_MAX = 100;

export class Groups {
    #app;
    #invitations;
    #newPeople;
    /** The group that is open: as the router answers. */ #group = null;

    /** @param {import("./chat.js").App} app */
    constructor(app) {
        this.#app = app;
        const contacts = () => app.contacts.list;
        this.#newPeople = new Picker(find("new-picker"), find("new-people"), app.people, contacts);
        this.#invitations = new Picker(find("invite-picker"), find("invite"), app.people,
            () => contacts().filter(({ id }) => !this.#group?.members.some(({ user }) => user === id)));
        find("new-cancel").onclick = () => find("new-dialog").close();
        find("new-form").onsubmit = (event) => { event.preventDefault(); void this.#begin(); };
        find("group-close").onclick = () => find("group-dialog").close();
        find("invite-form").onsubmit = (event) => { event.preventDefault(); void this.#invite(); };
        find("rename-form").onsubmit = (event) => { event.preventDefault(); void this.#rename(); };
        find("member-filter").oninput = () => this.#showMembers();
        find("leave").onclick = () => void this.#leave();
    }

    // MARK: A new conversation

    openNew() {
        find("new-form").reset();
        find("new-error").textContent = "";
        this.#newPeople.clear();
        find("new-dialog").showModal();
        find("new-people").focus();
    }

    async #begin() {
        const { api, conversations } = this.#app;
        const name = find("new-name").value.trim();
        try {
            const people = this.#newPeople.take();
            if (!people.length) throw new Error("please choose someone.");
            let conversation;
            if (people.length === 1 && !name) {
                conversation = conversations.begin("private", people[0]);
            } else {
                const title = name || people.map((each) => this.#app.people.name(each)).join(", ").slice(0, 80);
                const group = await api.post("/api/groups", { name: title, members: people });
                conversation = conversations.begin("group", group.id, group.name);
            }
            find("new-dialog").close();
            this.#app.open(conversation.conv);
        } catch (error) {
            find("new-error").textContent = error.message.charAt(0).toUpperCase() + error.message.slice(1);
        }
    }

    // MARK: The members

    /** @param {string} conv */
    async openGroup(conv) {
        const group = await attempt(() => this.#app.api.get(path`/api/groups/${conv}`));
        if (!group) return;
        this.#show(group);
        find("member-filter").value = "";
        this.#invitations.clear();
        if (!find("group-dialog").open) find("group-dialog").showModal();
    }

    /** A group has changed: shown if it is open. @param {string} conv */
    async changed(conv) {
        if (!find("group-dialog").open || this.#group?.id !== conv) return;
        try {
            this.#show(await this.#app.api.get(path`/api/groups/${conv}`));
        } catch {
            find("group-dialog").close();
        }
    }

    get #ownRole() { return this.#group.members.find(({ user }) => user === this.#app.me)?.role; }
    get #rules() { return this.#ownRole === "admin" || this.#ownRole === "moderator"; }

    #show(group) {
        this.#group = group;
        this.#app.conversations.change(group.id, { name: group.name });
        this.#app.changed();
        find("group-name").textContent = group.name;
        find("group-count").textContent = group.members.length === 1 ? "1 member" : `${group.members.length} members`;
        find("rename").value = group.name;
        find("rename-form").hidden = this.#ownRole !== "admin";
        find("invite-form").hidden = !this.#rules;
        find("member-filter").parentElement.hidden = group.members.length <= 10;
        this.#showMembers();
    }

    #showMembers() {
        const text = find("member-filter").value.trim().toLowerCase();
        const { people } = this.#app;
        const order = Object.keys(ROLES);
        const isMeant = ({ user }) => !text || people.fullName(user).toLowerCase().includes(text);
        const fits = this.#group.members.filter(isMeant)
            .sort((a, b) => order.indexOf(a.role) - order.indexOf(b.role));
        find("members").replaceChildren(...fits.slice(0, SHOWN_MAX).map((each) => this.#memberRow(each)));
        find("members-more").textContent = fits.length > SHOWN_MAX ? `and ${fits.length - SHOWN_MAX} more` : "";
    }

    #memberRow({ user, role }) {
        const { people, me } = this.#app;
        const name = people.fullName(user);
        const title = user === me ? `${name}, you` : name;
        const row = element("li", {}, element("span", { class: "title", dir: "auto" }, title));
        const isBelow = role === "member" || role === "silent";
        const mayChange = user !== me && (this.#ownRole === "admin" || (this.#ownRole === "moderator" && isBelow));
        if (!mayChange) {
            row.append(element("span", { class: "hint" }, ROLES[role] ?? role));
            return row;
        }
        const select = element("select", { "aria-label": `Role of ${name}` });
        for (const [value, label] of Object.entries(ROLES)) {
            if (this.#ownRole === "moderator" && value !== "member" && value !== "silent") continue;
            select.append(element("option", { value, ...(value === role && { selected: "" }) }, label));
        }
        select.onchange = () => void this.#change(() =>
            this.#app.api.patch(path`/api/groups/${this.#group.id}/members/${user}`, { role: select.value }));
        const remove = () => void this.#remove(user, name);
        row.append(select, button("×", remove, { "aria-label": `Remove ${name}`, class: "icon" }));
        return row;
    }

    async #change(act) {
        const { id } = this.#group;
        const done = await attempt(act);
        await this.changed(id);
        return done !== undefined;
    }

    async #remove(user, name) {
        if (!await ask(`Remove ${name} from the group?`, "Remove")) return;
        await this.#change(() => this.#app.api.delete(path`/api/groups/${this.#group.id}/members/${user}`));
    }

    async #invite() {
        await this.#change(async () => {
            const people = this.#invitations.take();
            if (!people.length) throw new Error("please choose someone");
            for (const user of people) {
                await this.#app.api.post(path`/api/groups/${this.#group.id}/members`, { user, role: "member" });
            }
            toast(people.length === 1 ? "One was added." : `${people.length} were added.`);
            return people;
        });
        this.#invitations.clear();
    }

    #rename() {
        const name = find("rename").value.trim();
        if (!name || name === this.#group.name) return undefined;
        return this.#change(() => this.#app.api.patch(path`/api/groups/${this.#group.id}`, { name }));
    }

    async #leave() {
        const { id, name } = this.#group;
        if (!await ask(`Leave ${name}? You won't see what is said there any more.`, "Leave")) return;
        const done = await attempt(() => this.#app.api.delete(path`/api/groups/${id}/members/${this.#app.me}`));
        if (!done) return;
        find("group-dialog").close();
        this.#app.forget(id);
    }
}
