"""The web chat: its files over HTTP, and the page in a real Chromium."""

import os
import re
import shutil
import subprocess

import pytest
from playwright.sync_api import expect, sync_playwright

from switchboard import PATIENCE, ROOT, router_binary

SCREENSHOTS = ROOT / ".build" / "screenshots"
DESKTOP, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 844}
FILES = {
    "/": "text/html", "/chat.css": "text/css", "/icon.svg": "image/svg+xml", "/switchboard.js": "text/javascript",
    "/chat.js": "text/javascript", "/conversations.js": "text/javascript", "/thread.js": "text/javascript",
}
INJECTIONS = [
    "<script>window.injected=1</script>", "<img src=x onerror=window.injected=1>", '"><svg onload=window.injected=1>',
    "javascript:window.injected=1", "</li></ol><h1>out</h1>", "&lt;b&gt; ${1+1} {{1+1}}", "‮gnp.exe\u0000end",
]


# The files.


@pytest.mark.parametrize("path", FILES)
def test_files(router, path):
    """GET and HEAD give the same head; nothing but the router's own files may run."""
    got, head = router.http("GET", path), router.http("HEAD", path)
    assert got.status == head.status == 200
    assert got.headers["Content-Type"].startswith(FILES[path]) and len(got.body) > 100
    assert head.body == b"" and dict(head.headers) == dict(got.headers)
    policy = got.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy
    assert got.headers["X-Content-Type-Options"] == "nosniff" and got.headers["Referrer-Policy"] == "no-referrer"
    source = ROOT / "Sources" / "WebChat" / "Resources" / (path[1:] or "index.html")
    assert got.body == source.read_bytes()


def test_files_are_revalidated(router):
    """A copy that still holds isn't sent again; one of another version is."""
    tags = {path: router.http("GET", path).headers["ETag"] for path in FILES}
    assert len(set(tags.values())) == len(FILES)
    for path, tag in tags.items():
        for known in (tag, f'W/{tag}', f'"other", {tag}', "*"):
            again = router.http("GET", path, headers={"If-None-Match": known})
            assert again.status == 304 and again.body == b"" and again.headers["ETag"] == tag
        assert router.http("GET", path, headers={"If-None-Match": '"other"'}).status == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_files_take_no_other_method(router, method):
    answer = router.http(method, "/")
    assert answer.status == 405 and "GET" in answer.headers["Allow"]


def test_page_has_no_inline_code(router):
    page = router.http("GET", "/").body.decode()
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=|javascript:", page)


# The page.


# Ended with this file: while it runs, no other test of this process may have an event loop of its own.
@pytest.fixture(scope="module")
def chromium():
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("there is no chromium (Debian: chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path, args=["--no-sandbox"] if os.geteuid() == 0 else [])
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
            contexts.append(context)
        page = (beside.context if beside else context).new_page()
        page.on("pageerror", lambda error: wrong.append(f"{name}: {error}"))
        page.on("dialog", lambda dialog: (wrong.append(f"{name}: {dialog.message}"), dialog.dismiss()))
        page.on("console", lambda message: wrong.append(message.text) if "Content Security" in message.text else None)
        page.goto(f"http://127.0.0.1:{(to or router).port}/")
        if name is not None:
            sign_in(page, name)
        return page

    expect.set_options(timeout=PATIENCE * 1_000)
    yield open_window
    for context in contexts:
        context.close()
    assert not wrong


def sign_in(page, name):
    page.get_by_label("Your name").fill(name)
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator("#me")).to_have_text(name)
    expect(page.locator("#connection")).to_be_empty()


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


def test_two_windows(window, people):
    """A conversation: unread in list and title, typing, presence, a state at one's own messages."""
    ann, bob = people(2)
    left, right = window(ann), window(bob)
    begin(left, bob)
    write(left, "hello", "two\nlines")
    expect(texts(left)).to_have_text(["hello", "two\nlines"])
    expect(left.locator("#messages").get_by_label("sent")).to_have_count(2)
    expect(right).to_have_title("(2) Switchboard")
    expect(right.locator(".unread")).to_have_text("2")
    choose(right, ann)
    expect(right).to_have_title("Switchboard")
    expect(right.locator(".unread")).to_have_count(0)
    expect(texts(right)).to_have_text(["hello", "two\nlines"])
    expect(right.locator("#thread-note")).to_have_text("online")
    right.locator("#text").press_sequentially("a")
    expect(left.locator("#thread-note")).to_have_text("typing…")
    write(right, "hello yourself")
    expect(texts(left).last).to_have_text("hello yourself")
    expect(left).to_have_title("Switchboard")


def test_group(window, people):
    """A group is made in the page; its name reaches the members with the first message."""
    ann, bob, eve = people(3)
    left, right = window(ann), window(bob)
    begin(left, f"{bob}, {eve}", "Hikers")
    write(left, "to the hills")
    choose(right, "Hikers")
    expect(texts(right)).to_have_text(["to the hills"])
    expect(right.locator(".who")).to_have_text(ann)
    write(right, "when?")
    expect(texts(left)).to_have_text(["to the hills", "when?"])


def test_offline_and_back(window, start_router, people):
    """What is written without a router is shown at once, kept, and sent once."""
    own = start_router()
    ann, bob = people(2)
    left, right = window(ann, to=own), window(bob, to=own)
    begin(left, bob)
    write(left, "before")
    choose(right, ann)
    own.kill()
    expect(left.locator("#connection")).to_contain_text("Offline")
    write(left, "while away 1", "while away 2")
    write(right, "while away 3")
    expect(left.get_by_text("waiting for a connection")).to_have_count(2)
    left.goto("about:blank")
    own.start()
    left.goto(f"http://127.0.0.1:{own.port}/")
    for page in (left, right):
        expect(texts(page)).to_have_count(4, timeout=45_000)
        expect(page.locator("#connection")).to_be_empty()
        expect(page.get_by_text("waiting for a connection")).to_have_count(0)
    assert sorted(texts(left).all_text_contents()) == ["before"] + [f"while away {index}" for index in (1, 2, 3)]
    assert texts(left).all_text_contents() == texts(right).all_text_contents()


def test_reload_in_the_middle_of_sending(window, people):
    """Thrice, with messages on their way: each arrives once, in order."""
    ann, bob = people(2)
    left, right = window(ann), window(bob)
    begin(left, bob)
    for round in range(3):
        left.evaluate(
            """(round) => {
                const text = document.getElementById("text");
                for (let index = 0; index < 40; index++) {
                    text.value = `m${round * 40 + index}`;
                    document.getElementById("composer").requestSubmit();
                }
                location.reload();
            }""", round)
        left.wait_for_load_state()
        expect(left.locator("#me")).to_have_text(ann)
    choose(right, ann)
    expected = [f"m{index}" for index in range(120)]
    for page in (left, right):
        expect(texts(page).last).to_have_text("m119")
        expect(page.get_by_text("sending…")).to_have_count(0)
        scroll_to_beginning(page)
        expect(texts(page)).to_have_text(expected)


def scroll_to_beginning(page):
    note = page.locator("#history-state")
    for _ in range(200):
        page.evaluate("document.getElementById('scroll').scrollTop = 0")
        expect(note).not_to_have_text("Loading…")
        if note.text_content() == "This is the beginning.":
            return
    raise AssertionError("no beginning")


def test_two_thousand_messages(window, chat, people):
    """History comes in pages while one scrolls up, and stops at the beginning."""
    ann, bob = people(2)
    sender = chat(bob)
    for index in range(2_000):
        sender.send(cmd=10, dstid=ann, content=f"m{index}", cid=f"c{index}")
    for index in range(2_000):
        sender.expect("ack", cid=f"c{index}")
    page = window(ann)
    choose(page, bob)
    expect(texts(page).last).to_be_in_viewport()
    expect(texts(page).last).to_have_text("m1999")
    assert texts(page).count() < 200
    scroll_to_beginning(page)
    assert texts(page).all_text_contents() == [f"m{index}" for index in range(2_000)]
    sender.send(cmd=10, dstid=ann, content="one more", cid="more")
    expect(texts(page).last).to_have_text("one more")
    expect(texts(page).last).not_to_be_in_viewport()


def test_nothing_injected_runs(window, chat, people, router):
    """Markup in any field is text: messages, other members, names of users and groups, drafts."""
    ann, bob = people(2)
    strange = "<svg\u2060onload=window.injected=1>\"'`&lt;"
    sender, odd = chat(bob), chat(strange)
    page = window(ann)
    for index, text in enumerate(INJECTIONS):
        for field in ("content", "url", "pic", "memo"):
            sender.request(cmd=10, dstid=ann, **{field: text})
        sender.request(cmd=10, dstid=ann, content={"html": text})
        odd.request(cmd=10, dstid=ann, content=text)
        group = router.http("POST", "/api/groups", {"name": text, "members": [ann]}, bearer=bob).json["id"]
        sender.request(cmd=11, dstid=group, content=text)
        expect(page.locator("#conversations")).to_contain_text(strange)
    expect(page.locator("#conversations button")).to_have_count(len(INJECTIONS) + 2)
    page.get_by_role("button", name=re.compile("^" + re.escape(strange[:4]))).first.click()
    expect(texts(page)).to_have_text(INJECTIONS)
    choose(page, bob)
    expect(texts(page)).to_have_count(len(INJECTIONS) * 5)
    write(page, *INJECTIONS)
    expect(texts(page)).to_have_count(len(INJECTIONS) * 6)
    for text in INJECTIONS:
        page.get_by_role("button", name="New conversation").click()
        page.locator("#new-people").fill(text)
        page.locator("#new-name").fill(text)
        page.get_by_role("button", name="Begin").click()
        page.wait_for_timeout(50)
        if page.locator("#new-dialog").is_visible():
            page.locator("#new-cancel").click()
        page.locator("#text").fill(text)
    page.reload()
    expect(page.locator("#conversations")).to_contain_text(INJECTIONS[0])
    assert page.evaluate("window.injected") is None
    made = ", ".join(f"#conversations {name}, #thread {name}" for name in ("img", "script", "a", "h2", "h1 + h1", "li li"))
    assert page.locator(made).count() == 0
    assert page.locator("#conversations svg, #messages svg").count() == 0


def test_refused_message_can_be_deleted(window, people, chat, router):
    """A refusal is shown at the message, with its reason and a way on."""
    ann, bob = people(2)
    page = window(ann)
    begin(page, bob, "Short-lived")
    write(page, "here")
    expect(page.locator("#messages").get_by_label("sent")).to_have_count(1)
    conv = page.locator("#conversations button").get_attribute("data-conv")
    assert router.http("DELETE", f"/api/groups/{conv}/members/{ann}", bearer=ann).status == 200
    write(page, "still here?")
    expect(page.locator(".message.failed")).to_contain_text("not sent")
    page.get_by_role("button", name="Retry").click()
    expect(page.locator(".message.failed")).to_contain_text("not sent")
    page.get_by_role("button", name="Delete").click()
    expect(texts(page)).to_have_text(["here"])


def test_drafts_and_keyboard(window, people):
    """Everything works without a mouse; what was begun is there after a reload."""
    ann, bob = people(2)
    page = window()
    expect(page.get_by_label("Your name")).to_be_focused()
    page.keyboard.type(ann)
    page.keyboard.press("Enter")
    expect(page.locator("#me")).to_have_text(ann)
    for other in (bob, "other-" + bob):
        page.locator("#new-chat").focus()
        page.keyboard.press("Enter")
        page.keyboard.type(other)
        page.keyboard.press("Enter")
        expect(page.locator("#text")).to_be_focused()
        page.keyboard.type(f"draft for {other}")
    page.keyboard.press("Escape")
    expect(page.locator("#conversations button").first).to_be_focused()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.locator("#text")).to_have_value(f"draft for {bob}")
    page.reload()
    expect(page.locator("#thread-title")).to_have_text(bob)
    expect(page.locator("#text")).to_have_value(f"draft for {bob}")
    page.locator("#new-chat").click()
    page.keyboard.press("Escape")
    expect(page.locator("#new-dialog")).to_be_hidden()


def test_two_windows_of_one_browser(window, people):
    """They share one storage and show the same, each message once."""
    ann, bob = people(2)
    first = window(ann)
    second = window(beside=first)
    sign_in(second, ann)
    begin(first, bob)
    write(first, "from the first")
    choose(second, bob)
    write(second, "from the second")
    for page in (first, second):
        expect(texts(page)).to_have_text(["from the first", "from the second"])
        expect(page.locator("#conversations button")).to_have_count(1)


def test_token(window, start_router, people):
    """Without --dev a name isn't enough, a token is."""
    secret = "0123456789abcdef0123456789abcdef"
    own = start_router("--jwt-secret", secret, dev=False)
    ann = people(1)[0]
    token = subprocess.run(
        [router_binary(), "token", ann, "--jwt-secret", secret], capture_output=True, text=True, check=True,
        timeout=PATIENCE).stdout.strip()
    page = window(to=own)
    page.get_by_label("Your name").fill(ann)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert").first).to_contain_text("doesn't know this name or token")
    page.get_by_text("Sign in with a token").click()
    page.get_by_label("Token").fill(token)
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator("#me")).to_have_text(ann)
    begin(page, "anyone")
    write(page, "signed in")
    expect(page.locator("#messages").get_by_label("sent")).to_have_count(1)
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("Your name")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_screenshots(window, chat, people, router, size, scheme):
    """What it looks like, kept in .build/screenshots; nothing is wider than the window."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    name = f"{'phone' if size is PHONE else 'desktop'}-{scheme}"
    suffix = people(1)[0]
    ann, bob, eve, group = (f"{each}-{suffix}" for each in ("Ann", "Bob", "Evelyn", "hikers"))
    others = {each: chat(each) for each in (bob, eve)}
    router.http("POST", "/api/groups", {"id": group, "name": "Hikers of the north", "members": [ann, eve]}, bearer=bob)

    def say(user, text, to=ann, cmd=10):
        others[user].request(cmd=cmd, dstid=to, content=text)

    page = window(size=size, color_scheme=scheme)
    page.screenshot(path=SCREENSHOTS / f"{name}-sign-in.png")
    sign_in(page, ann)
    page.screenshot(path=SCREENSHOTS / f"{name}-empty.png")
    for text in ("Are you coming on Saturday?", "We leave at eight, from the old station.", "🥾🏔️"):
        say(bob, text, group, 11)
    say(eve, "I'd bring the map and some bread, " * 6, group, 11)
    for index in range(3):
        say(eve, f"By the way ({index})")
    say(bob, "Hello Ann")
    choose(page, "Hikers of the north")
    expect(texts(page)).to_have_count(4)
    write(page, "Yes!", "averylongwordwithoutanyspace" * 8)
    expect(page.locator("#messages").get_by_label("sent")).to_have_count(2)
    page.screenshot(path=SCREENSHOTS / f"{name}-thread.png")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.keyboard.press("Escape")
    page.screenshot(path=SCREENSHOTS / f"{name}-list.png")
    page.get_by_role("button", name="New conversation").click()
    page.screenshot(path=SCREENSHOTS / f"{name}-dialog.png")
