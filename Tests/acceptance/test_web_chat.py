"""The web chat: its files over HTTP, and the page in a real Chromium."""

import re
import subprocess

import pytest
from playwright.sync_api import expect

from browser import (
    RESOURCES, begin, choose, chromium, is_in, scroll_to_beginning, sign_in, texts, window, write)  # noqa: F401
from switchboard import PATIENCE, router_binary

KINDS = {".html": "text/html", ".css": "text/css", ".svg": "image/svg+xml", ".js": "text/javascript"}
PAGES = {"index.html": "/", "console.html": "/console"}
FILES = {PAGES.get(each.name, f"/{each.name}"): each for each in RESOURCES.iterdir()}


# The files.


@pytest.mark.parametrize("path", FILES)
def test_files(router, path):
    """GET and HEAD give the same head; nothing but the router's own files may run."""
    got, head = router.http("GET", path), router.http("HEAD", path)
    assert got.status == head.status == 200
    assert got.headers["Content-Type"].startswith(KINDS[FILES[path].suffix]) and len(got.body) > 100
    assert head.body == b"" and dict(head.headers) == dict(got.headers)
    policy = got.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy
    assert got.headers["X-Content-Type-Options"] == "nosniff" and got.headers["Referrer-Policy"] == "no-referrer"
    assert got.body == FILES[path].read_bytes()


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


def test_two_windows(window, people):
    """A conversation: unread in list and title, typing, presence, a state at one's own messages."""
    ann, bob = people(2)
    left, right = window(ann), window(bob)
    begin(left, bob)
    write(left, "hello", "two\nlines")
    expect(texts(left)).to_have_text(["hello", "two\nlines"])
    expect(left.locator("#messages").get_by_label("sent", exact=True)).to_have_count(2)
    expect(right).to_have_title("(2) Switchboard")
    expect(right.locator("#conversations .badge")).to_have_text("2")
    choose(right, ann)
    expect(right).to_have_title("Switchboard")
    expect(right.locator("#conversations .badge")).to_have_count(0)
    expect(left.locator("#messages").get_by_label("read", exact=True)).to_have_count(2)
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


# Scrolls up by 400 points a frame; gives the frames' durations in ms, sorted.
SCROLL = """() => new Promise((done) => {
    const scroll = document.getElementById("scroll"), frames = [];
    let last = performance.now();
    const step = (now) => {
        frames.push(now - last);
        last = now;
        scroll.scrollTop = frames.length === 1 ? scroll.scrollHeight : scroll.scrollTop - 400;
        if (frames.length < 120) requestAnimationFrame(step);
        else done(frames.slice(1).sort((a, b) => a - b));
    };
    requestAnimationFrame(step);
})"""


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
    frames = page.evaluate(SCROLL)
    # 17 ms on a machine that does nothing else.
    assert frames[len(frames) // 2] < 50, frames
    write(page, "mine")
    expect(texts(page).last).to_be_in_viewport()
    assert texts(page).count() < 700, "the oldest go while one reads the newest"
    scroll_to_beginning(page)
    expect(texts(page)).to_have_count(2_002)


def test_refused_message_can_be_deleted(window, people, chat, router):
    """A refusal is shown at the message, with its reason and a way on."""
    ann, bob = people(2)
    group = router.group(bob, f"quiet-{bob}", ann)
    chat(bob).post(group, "welcome", cmd=11)
    page = window(ann)
    choose(page, group)
    write(page, "here")
    expect(page.locator("#messages").get_by_label("sent", exact=True)).to_have_count(1)
    router.set_role(bob, group, ann, "silent")
    write(page, "still here?")
    expect(page.locator(".message.failed")).to_contain_text("not sent")
    page.get_by_role("button", name="Retry").click()
    expect(page.locator(".message.failed")).to_contain_text("not sent")
    page.get_by_role("button", name="Delete").click()
    expect(texts(page)).to_have_text(["welcome", "here"])


def test_drafts_and_keyboard(window, people):
    """Everything works without a mouse; what was begun is there after a reload."""
    ann, bob = people(2)
    page = window()
    expect(page.get_by_label("Your name")).to_be_focused()
    page.get_by_text("Other ways to sign in").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
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
    page.get_by_text("Other ways to sign in").click()
    page.get_by_label("Any name").fill(ann)
    page.get_by_role("button", name="Sign in this way").click()
    expect(page.get_by_role("alert").first).to_contain_text("doesn't know this name or token")
    page.get_by_label("Or a token").fill(token)
    page.get_by_role("button", name="Sign in this way").click()
    expect(page.locator("#me")).to_have_text(ann)
    begin(page, "anyone")
    write(page, "signed in")
    expect(page.locator("#messages").get_by_label("sent", exact=True)).to_have_count(1)
    page.get_by_role("button", name="Menu").click()
    page.get_by_role("menuitem", name="Sign out").click()
    expect(page.get_by_label("Any name")).to_be_visible()
