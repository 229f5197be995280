"""The web chat in a real Chromium: windows, and what one does in them."""

import os
import shutil

import pytest
from playwright.sync_api import expect, sync_playwright

from switchboard import PATIENCE, ROOT

RESOURCES = ROOT / "Sources" / "WebChat" / "Resources"
DESKTOP, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 844}
FROM_SOURCE = "WEB_CHAT_FROM_SOURCE"
PASSWORD = "correct horse battery staple"


# Ended with its file: while it runs, no other test of this process may have an event loop of its own.
@pytest.fixture(scope="module")
def chromium():
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("there is no chromium (Debian: chromium)")
    with sync_playwright() as playwright:
        options = ["--no-sandbox"] if os.geteuid() == 0 else []
        # A page that comes from the tree isn't known to come from this machine.
        if os.environ.get(FROM_SOURCE):
            options.append("--disable-features=LocalNetworkAccessChecks")
        browser = playwright.chromium.launch(executable_path=path, args=options)
        yield browser
        browser.close()


@pytest.fixture
def window(chromium, router):
    """Opens a browser window with a storage of its own, or of another window (`beside`); what goes wrong in a page
    fails the test."""
    contexts, wrong = [], []

    def open_window(name=None, size=DESKTOP, to=None, beside=None, **options):
        if beside is None:
            context = chromium.new_context(viewport=size, **options)
            context.set_default_timeout(PATIENCE * 1_000)
            if os.environ.get(FROM_SOURCE):
                context.route("**/*", from_source)
            contexts.append(context)
        page = (beside.context if beside else context).new_page()
        page.on("pageerror", lambda error: wrong.append(f"{name}: {error}"))
        page.on("dialog", lambda dialog: (wrong.append(f"{name}: {dialog.message}"), dialog.dismiss()))
        page.on("console", lambda message: wrong.append(message.text) if "Content Security" in message.text else None)
        page.goto(f"{(to or router).origin}/")
        if name is not None:
            sign_in(page, name)
        return page

    expect.set_options(timeout=PATIENCE * 1_000)
    yield open_window
    for context in contexts:
        context.close()
    assert not wrong


def from_source(route):
    """For work on the page: its files from the tree instead of the program, with the program's header fields."""
    name = route.request.url.split("/", 3)[3].split("?")[0] or "index.html"
    source = RESOURCES / name
    if route.request.method == "GET" and source.is_file():
        answer = route.fetch(url=route.request.url.rsplit("/", 1)[0] + "/")
        kinds = {"js": "text/javascript", "css": "text/css", "svg": "image/svg+xml", "html": "text/html"}
        headers = answer.headers | {"content-type": f"{kinds[source.suffix[1:]]}; charset=utf-8"}
        for field in ("content-length", "etag"):
            headers.pop(field, None)
        return route.fulfill(status=200, headers=headers, body=source.read_bytes())
    return route.continue_()


def sign_in(page, name):
    """By a name, which a router in development mode believes."""
    if not page.get_by_label("Any name").is_visible():
        page.get_by_text("Other ways to sign in").click()
    page.get_by_label("Any name").fill(name)
    page.get_by_role("button", name="Sign in this way").click()
    is_in(page, name)


def is_in(page, name):
    expect(page.locator("#me")).to_have_text(name)
    expect(page.locator("#connection")).to_be_empty()


def register(page, name, email, user_id="", password=PASSWORD):
    """Makes an account in the page."""
    if not page.locator("#register-form").is_visible():
        page.get_by_role("button", name="Create an account").click()
    page.get_by_label("Your name").fill(name)
    page.get_by_label("E-mail", exact=True).fill(email)
    page.get_by_label("User id (optional)").fill(user_id)
    page.locator("#register-password").fill(password)
    page.get_by_role("button", name="Create the account").click()
    is_in(page, name)


def begin(page, people, name=""):
    page.get_by_role("button", name="New conversation").click()
    page.locator("#new-people").fill(people)
    page.locator("#new-name").fill(name)
    page.get_by_role("button", name="Begin").click()
    expect(page.locator("#text")).to_be_focused()


def write(page, *texts):
    for text in texts:
        page.locator("#text").fill(text)
        page.locator("#text").press("Enter")


def choose(page, title):
    page.locator("#conversations button").filter(has=page.get_by_text(title, exact=True)).click()


def texts(page):
    return page.locator("#messages .text")


def message(page, text):
    return page.locator("#messages .message").filter(has=page.get_by_text(text, exact=True)).last


def act(page, text, action):
    """Chooses an action in a message's menu."""
    row = message(page, text)
    row.hover()
    row.locator(".more").click()
    page.get_by_role("menuitem", name=action).click()


def scroll_to_beginning(page):
    note = page.locator("#history-state")
    for _ in range(200):
        page.evaluate("document.getElementById('scroll').scrollTop = 0")
        expect(note).not_to_have_text("Loading…")
        if note.text_content() == "This is the beginning.":
            return
    raise AssertionError("no beginning")
