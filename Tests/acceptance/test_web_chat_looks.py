"""What the web chat looks like: pictures in .build/screenshots, and what of looks can be measured."""

import pytest
from playwright.sync_api import expect

from browser import (
    DESKTOP, PASSWORD, PHONE, act, choose, chromium, message, sign_in, texts, window, write)  # noqa: F401
from switchboard import ROOT

SCREENSHOTS = ROOT / ".build" / "screenshots"
# A gradient of 160 by 100 points.
PICTURE = """() => {
    const canvas = Object.assign(document.createElement("canvas"), { width: 160, height: 100 });
    const context = canvas.getContext("2d"), colours = context.createLinearGradient(0, 0, 0, 100);
    colours.addColorStop(0, "#8cc4e8"); colours.addColorStop(0.6, "#dcebf2"); colours.addColorStop(0.6, "#47705a");
    colours.addColorStop(1, "#23402f");
    context.fillStyle = colours; context.fillRect(0, 0, 160, 100);
    return canvas.toDataURL("image/jpeg");
}"""

# The least contrast of a text with what is behind it, over all texts that are seen (WCAG 2.2, 1.4.3).
CONTRAST = """() => {
    const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    const channels = (colour) => {
        canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
        return [...canvas.getImageData(0, 0, 1, 1).data].map((value) => value / 255);
    };
    const over = ([r, g, b, a], [x, y, z]) => [r * a + x * (1 - a), g * a + y * (1 - a), b * a + z * (1 - a), 1];
    const behind = (it) =>
        it ? over(channels(getComputedStyle(it).backgroundColor), behind(it.parentElement)) : [1, 1, 1, 1];
    const light = (colour) => {
        const [r, g, b] = colour.map((value) => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const poor = [];
    const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let text; (text = walk.nextNode()); ) {
        const it = text.parentElement, style = getComputedStyle(it);
        if (!text.data.trim() || !it.checkVisibility({ opacityProperty: true, visibilityProperty: true })) continue;
        if (it.closest(".hidden, .more, dialog:not([open])") || it.closest("button:disabled")) continue;
        const back = behind(it), front = over(channels(style.color), back);
        const [a, b] = [light(front), light(back)].sort((one, other) => other - one);
        const ratio = (a + 0.05) / (b + 0.05);
        if (ratio < 4.5) poor.push(`${ratio.toFixed(2)} ${it.tagName}.${it.className} ${text.data.slice(0, 30)}`);
    }
    return poor;
}"""

# Names for all that can be worked; nothing wider than the window.
NAMELESS = """() => [...document.querySelectorAll("button, input, textarea, select, a")]
    .filter((it) => it.checkVisibility() && !(it.ariaLabel || it.labels?.length || it.textContent.trim()
        || it.querySelector("img[alt]")?.alt))
    .map((it) => it.outerHTML)"""


class Camera:
    def __init__(self, page, name):
        self.page, self.name = page, name

    def take(self, what):
        """A picture, and what has to hold of every one."""
        self.page.wait_for_timeout(150)
        self.page.screenshot(path=SCREENSHOTS / f"{self.name}-{what}.png")
        assert self.page.evaluate("document.documentElement.scrollWidth <= innerWidth"), what
        assert self.page.evaluate(CONTRAST) == [], what
        assert self.page.evaluate(NAMELESS) == [], what


@pytest.fixture(params=["light", "dark"])
def scheme(request):
    return request.param


@pytest.fixture(params=[DESKTOP, PHONE], ids=["desktop", "phone"])
def size(request):
    return request.param


def device(size):
    return {"size": size, "has_touch": size is PHONE, "is_mobile": size is PHONE}


def world(router, chat, people):
    """Accounts, contacts, a request, a group, conversations: as (Ann, Bob, Eve, clients of both)."""
    suffix = people(1)[0]
    ids = [f"{each}-{suffix}" for each in ("ann", "bob", "evelyn", "theodora")]
    names = ["Ann Kowalski", "Bob", "Evelyn", "Theodora Papadopoulou-Featherstonehaugh"]
    for user, name in zip(ids, names):
        body = {"id": user, "name": name, "email": f"{user}@example.org", "password": PASSWORD}
        assert router.http("POST", "/api/register", body).status == 201
    ann, bob, eve, theo = ids
    for other in (bob, eve):
        router.http("POST", "/api/contacts/requests", {"to": ann}, bearer=other)
        router.http("POST", f"/api/contacts/requests/{other}/accept", bearer=ann)
    router.http("POST", "/api/contacts/requests", {"to": ann, "text": "We met at the choir."}, bearer=theo)
    hikers = {"id": f"g-{suffix}", "name": "Hikers of the north", "members": [ann, eve]}
    router.http("POST", "/api/groups", hikers, bearer=bob)
    router.set_role(bob, f"g-{suffix}", ann, "admin")
    return ann, bob, eve, theo, f"g-{suffix}", {each: chat(each) for each in (bob, eve, theo)}


def test_signing_in(window, size, scheme):
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page = window(color_scheme=scheme, **device(size))
    camera = Camera(page, f"{'phone' if size is PHONE else 'desktop'}-{scheme}")
    camera.take("register")
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.get_by_label("E-mail or user id").fill("nobody")
    page.locator("#login-password").fill("not a password")
    page.locator("#login-form").get_by_role("button", name="Sign in", exact=True).click()
    expect(page.locator("#sign-in-error")).not_to_be_empty()
    page.get_by_text("Other ways to sign in").click()
    camera.take("sign-in")


def test_chat(window, chat, people, router, size, scheme):
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    ann, bob, eve, theo, group, clients = world(router, chat, people)
    page = window(color_scheme=scheme, **device(size))
    camera = Camera(page, f"{'phone' if size is PHONE else 'desktop'}-{scheme}")
    page.get_by_text("Other ways to sign in").click()
    page.get_by_label("Any name").fill(ann)
    page.get_by_role("button", name="Sign in this way").click()
    expect(page.locator("#me")).to_have_text("Ann Kowalski")
    expect(page.locator("#contacts-badge")).to_have_text("1")
    clients[eve].post(group, "Are you coming on Saturday?", cmd=11)
    clients[bob].post(group, "We leave at eight, from the old station.", cmd=11)
    clients[bob].post(group, "🥾🏔️", cmd=11)
    clients[eve].post(group, "I'd bring the map and some bread, " * 6, cmd=11)
    clients[bob].post(group, "Last year", cmd=11, media=4, pic=page.evaluate(PICTURE), width=160, height=100,
                      url="https://pictures.example/lake.jpg")
    for index in range(3):
        clients[eve].post(ann, f"By the way ({index})")
    clients[theo].post(ann, "Hello, do you remember me? It was long ago, in the choir of the town where we both lived.")
    choose(page, "Hikers of the north")
    expect(page.locator("#messages .message")).to_have_count(5)
    write(page, "Yes!", "averylongwordwithoutanyspace" * 8, "a mistake")
    act(page, "Are you coming on Saturday?", "Reply")
    write(page, "With pleasure, if it doesn't rain.")
    act(page, "With pleasure, if it doesn't rain.", "Edit")
    write(page, "With pleasure, rain or not.")
    expect(message(page, "With pleasure, rain or not.")).to_contain_text("edited")
    act(page, "a mistake", "Recall")
    page.locator("#ask-dialog").get_by_role("button", name="Recall").click()
    expect(page.get_by_text("Message recalled", exact=True)).to_have_count(1)
    clients[bob].request(cmd="read", conv=group, cseq=9)
    expect(page.locator("#messages").get_by_label("read", exact=True).first).to_be_visible()
    page.evaluate("document.activeElement.blur(), document.getElementById('toast').hidePopover()")
    camera.take("thread")
    page.evaluate("document.getElementById('scroll').scrollTop = 0")
    camera.take("thread-top")
    page.locator("#messages .more").first.click()
    camera.take("message-menu")
    page.keyboard.press("Escape")
    act(page, "Yes!", "Reply")
    camera.take("reply")
    page.keyboard.press("Escape")
    act(page, "Yes!", "Forward")
    camera.take("forward")
    page.locator("#forward-cancel").click()
    page.get_by_role("button", name="Members of the group").click()
    expect(page.locator("#members li")).to_have_count(3)
    camera.take("group")
    page.get_by_role("button", name="Done").click()
    page.locator("#text").press("Escape")
    camera.take("list")
    choose(page, "Theodora Papadopoulou-Featherstonehaugh")
    expect(page.locator("#banner")).to_be_visible()
    camera.take("request")
    page.get_by_role("button", name="About this user").click()
    camera.take("person")
    page.get_by_role("button", name="Done").click()
    page.locator("#text").press("Escape")
    page.get_by_role("tab", name="Contacts").click()
    camera.take("contacts")
    page.get_by_label("Find people").fill(theo)
    expect(page.locator("#found-list li")).to_have_count(1)
    camera.take("search")
    page.get_by_role("button", name="New conversation").click()
    page.locator("#new-picker").get_by_role("button").first.click()
    camera.take("new")
    page.locator("#new-cancel").click()
    page.get_by_role("button", name="Menu").click()
    camera.take("menu")


def test_empty_and_failed(window, people, chat, router, start_router, size, scheme):
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    own = start_router()
    ann, bob = people(2)
    page = window(ann, to=own, color_scheme=scheme, **device(size))
    camera = Camera(page, f"{'phone' if size is PHONE else 'desktop'}-{scheme}")
    expect(page.locator("#no-conversations")).to_be_visible()
    camera.take("empty")
    page.get_by_role("tab", name="Contacts").click()
    camera.take("empty-contacts")
    page.get_by_role("tab", name="Chats").click()
    group = own.group(bob, f"quiet-{bob}", ann)
    chat(bob, to=own).post(group, "Welcome", cmd=11)
    own.set_role(bob, group, ann, "silent")
    choose(page, group)
    write(page, "May I?")
    expect(page.locator(".message.failed")).to_be_visible()
    own.kill()
    expect(page.locator("#connection")).to_contain_text("Offline")
    write(page, "Later then")
    expect(page.get_by_text("waiting for a connection")).to_be_visible()
    page.evaluate("document.getElementById('toast').hidePopover()")
    camera.take("failed")
    page.locator("#text").press("Escape")
    camera.take("offline")
    own.start()
