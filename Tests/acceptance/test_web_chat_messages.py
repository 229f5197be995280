"""The web chat: what can be done with a message, and with pictures."""

import http.server
import re
import struct
import threading
import zlib

import pytest
from playwright.sync_api import expect

from browser import act, begin, choose, chromium, is_in, message, texts, window, write  # noqa: F401


def pair(window, people):
    """Two windows that are in one conversation, with a message of each."""
    ann, bob = people(2)
    left, right = window(ann), window(bob)
    begin(left, bob)
    write(left, "from ann")
    choose(right, ann)
    write(right, "from bob")
    expect(texts(left)).to_have_text(["from ann", "from bob"])
    return ann, bob, left, right


def test_answer(window, people):
    """An answer shows what it answers, and leads there."""
    ann, bob, left, right = pair(window, people)
    act(right, "from ann", "Reply")
    expect(right.locator("#about")).to_contain_text(f"Reply to {ann}")
    expect(right.locator("#text")).to_be_focused()
    right.keyboard.press("Escape")
    expect(right.locator("#about")).to_be_hidden()
    act(right, "from ann", "Reply")
    write(right, "an answer")
    expect(right.locator("#about")).to_be_hidden()
    quote = message(left, "an answer").locator(".quote")
    expect(quote).to_contain_text(ann)
    expect(quote).to_contain_text("from ann")
    quote.click()
    expect(left.locator("#messages .message").first).to_have_class(re.compile("meant"))


def test_answer_to_what_is_far_back(window, chat, people):
    """The quoted message isn't loaded with the newest page; going there loads what lies between."""
    ann, bob = people(2)
    sender = chat(bob)
    for index in range(120):
        sender.post(ann, f"m{index}")
    sender.post(ann, "about the first one", reply=1)
    page = window(ann)
    choose(page, bob)
    quote = message(page, "about the first one").locator(".quote")
    expect(quote).to_contain_text("m0")
    expect(page.get_by_text("m0", exact=True)).to_have_count(1)
    quote.click()
    expect(texts(page)).to_have_count(121)
    expect(texts(page).first).to_have_text("m0")
    expect(texts(page).first).to_be_in_viewport()


def test_change_and_recall(window, people):
    """Both sides see the change, its mark and the recall; history has them; the list too."""
    ann, bob, left, right = pair(window, people)
    left.locator("#text").press("ArrowUp")
    expect(left.locator("#text")).to_have_value("from ann")
    write(left, "changed by ann")
    for page in (left, right):
        expect(texts(page)).to_have_text(["changed by ann", "from bob"])
        expect(message(page, "changed by ann")).to_contain_text("edited")
    expect(left.locator("#text")).to_have_value("")
    act(right, "from bob", "Recall")
    right.get_by_role("dialog").get_by_role("button", name="Recall").click()
    for page in (left, right):
        expect(texts(page)).to_have_text(["changed by ann", "Message recalled"])
        expect(page.locator("#conversations .last")).to_contain_text("Message recalled")
        page.reload()
        expect(texts(page)).to_have_text(["changed by ann", "Message recalled"])
    message(left, "changed by ann").hover()
    message(left, "changed by ann").locator(".more").click()
    expect(left.get_by_role("menuitem")).to_have_text(["Reply", "Edit", "Copy text", "Forward", "Recall"])
    left.keyboard.press("Escape")
    expect(left.get_by_role("menuitem").first).to_be_hidden()
    expect(left.locator("#thread-title")).to_have_text(bob)
    message(right, "changed by ann").hover()
    message(right, "changed by ann").locator(".more").click()
    expect(right.get_by_role("menuitem")).to_have_text(["Reply", "Copy text", "Forward"])


def test_forward(window, chat, people):
    """A copy goes to another conversation, and says whose words they were."""
    ann, bob, eve = people(3)
    chat(bob).post(ann, "tell eve")
    other = chat(eve)
    other.post(ann, "hello ann")
    page = window(ann)
    choose(page, bob)
    act(page, "tell eve", "Forward")
    page.get_by_label("Find a conversation").fill(eve)
    page.locator("#forward-list").get_by_role("button", name=eve).click()
    assert other.take(lambda frame: frame.get("cmd") == 10, "message")["forward"]["userid"] == bob
    choose(page, eve)
    expect(texts(page)).to_have_text(["hello ann", "tell eve"])
    expect(message(page, "tell eve")).to_contain_text(f"Forwarded from {bob}")


def test_messages_by_keyboard(window, people):
    """Tabulator, arrows, Enter and Escape reach each message and what can be done with it."""
    ann, bob, left, right = pair(window, people)
    left.locator("#scroll").focus()
    left.keyboard.press("Tab")
    expect(message(left, "from bob").locator(".more")).to_be_focused()
    left.keyboard.press("ArrowUp")
    expect(message(left, "from ann").locator(".more")).to_be_focused()
    left.keyboard.press("Enter")
    expect(left.get_by_role("menuitem", name="Reply")).to_be_focused()
    left.keyboard.press("ArrowUp")
    expect(left.get_by_role("menuitem", name="Recall")).to_be_focused()
    left.keyboard.press("Escape")
    expect(message(left, "from ann").locator(".more")).to_be_focused()
    left.keyboard.press("ArrowDown")
    left.keyboard.press("Enter")
    left.keyboard.press("Enter")
    expect(left.locator("#about")).to_contain_text(f"Reply to {bob}")
    expect(left.locator("#text")).to_be_focused()


def test_read_ticks(window, people):
    """What the other one has read says so, after a reload too; what came while one looked away isn't read."""
    ann, bob, left, right = pair(window, people)
    read = left.locator("#messages").get_by_label("read", exact=True)
    expect(read).to_have_count(1)
    left.reload()
    expect(read).to_have_count(1)
    right.keyboard.press("Escape")
    write(left, "while bob is in the list")
    expect(right.locator("#conversations .badge")).to_have_text("1")
    expect(left.locator("#messages").get_by_label("sent", exact=True)).to_have_count(1)
    right.reload()
    expect(right.locator("#conversations .badge")).to_have_text("1")
    choose(right, ann)
    expect(right.locator("#messages .new")).to_have_text("New")
    expect(read).to_have_count(2)


def test_read_ticks_in_a_group(window, router, chat, people):
    """How many have read a message is the same after a reload, and goes on from there."""
    ann, bob, carol = people(3)
    group = router.group(ann, f"{ann}-group", bob, carol)
    readers = {user: chat(user) for user in (bob, carol)}
    left = window(ann)
    choose(left, group)
    write(left, "one")
    write(left, "two")
    ticks = left.locator("#messages .read")
    expect(left.locator("#messages").get_by_label("sent", exact=True)).to_have_count(2)
    readers[bob].request(cmd="read", conv=group, cseq=2)
    readers[carol].request(cmd="read", conv=group, cseq=1)
    for is_new in (True, False):
        expect(ticks).to_have_count(2)
        expect(ticks.nth(0)).to_have_attribute("aria-label", "read by 2")
        expect(ticks.nth(1)).to_have_attribute("aria-label", "read")
        if is_new:
            left.reload()
    readers[carol].request(cmd="read", conv=group, cseq=2)
    expect(ticks.nth(1)).to_have_attribute("aria-label", "read by 2")


def test_read_elsewhere(window, people, chat):
    """What is read in one window isn't unread in the other."""
    ann, bob = people(2)
    first = window(ann)
    second = window(beside=first)
    second.evaluate("sessionStorage.setItem('switchboard:token', '%s')" % ann)
    second.reload()
    is_in(second, ann)
    chat(bob).post(ann, "hello")
    for page in (first, second):
        expect(page.locator("#conversations .badge")).to_have_text("1")
    choose(first, bob)
    for page in (first, second):
        expect(page.locator("#conversations .badge")).to_have_count(0)


def test_new_messages_while_reading_above(window, chat, people):
    """They don't move what one reads, and a button leads to them."""
    ann, bob = people(2)
    sender = chat(bob)
    for index in range(60):
        sender.post(ann, f"m{index}")
    page = window(ann)
    choose(page, bob)
    expect(page.locator("#conversations .badge")).to_have_count(0)
    page.evaluate("document.getElementById('scroll').scrollTop = 200")
    expect(page.locator("#to-end")).to_have_text("↓ Newest")
    sender.post(ann, "one more")
    expect(page.locator("#to-end")).to_have_text("↓ 1 new")
    expect(page.locator("#conversations .badge")).to_have_text("1")
    page.locator("#to-end").click()
    expect(message(page, "one more")).to_be_in_viewport()
    expect(page.locator("#to-end")).to_be_hidden()
    expect(page.locator("#conversations .badge")).to_have_count(0)


def test_notifications(window, chat, people):
    """Asked for by hand, and only while the page is out of sight."""
    ann, bob = people(2)
    page = window(permissions=["notifications"])
    page.add_init_script("""
        window.shown = [];
        window.Notification = class {
            static permission = "granted";
            static requestPermission() { return Promise.resolve("granted"); }
            constructor(title, { body }) { window.shown.push([title, body]); } };
        Object.defineProperty(document, "hidden", { get: () => Boolean(window.outOfSight) });
    """)
    page.reload()
    page.get_by_text("Other ways to sign in").click()
    page.get_by_label("Any name").fill(ann)
    page.get_by_role("button", name="Sign in this way").click()
    is_in(page, ann)
    sender = chat(bob)
    page.evaluate("window.outOfSight = true")
    sender.post(ann, "not asked for")
    expect(page).to_have_title("(1) Switchboard")
    page.evaluate("window.outOfSight = false")
    page.get_by_role("button", name="Menu").click()
    page.get_by_role("menuitem", name="Turn notifications on").click()
    expect(page.locator("#toast")).to_contain_text("Notifications are on")
    sender.post(ann, "in sight")
    expect(page).to_have_title("(2) Switchboard")
    page.evaluate("window.outOfSight = true")
    sender.post(ann, "out of sight")
    expect(page).to_have_title("(3) Switchboard")
    assert page.evaluate("window.shown") == [[bob, f"{bob}: out of sight"]]


# Pictures.


def png(width, height):
    """A picture with a gradient."""
    rows = b"".join(
        b"\0" + bytes(value for x in range(width) for value in (x * 255 // width, y * 255 // height, 128))
        for y in range(height))

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


@pytest.fixture
def resource_server():
    """Takes what is put to it, from pages of any origin. That uploads are signed as S3 wants it, test_media sees."""
    stored = {}

    class Handler(http.server.BaseHTTPRequestHandler):
        def answer(self, status, body=b"", **fields):
            self.send_response(status)
            allow = {"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Methods": "PUT, GET",
                     "Access-Control-Allow-Headers": "content-type"}
            for name, value in (allow | fields | {"Content-Length": str(len(body))}).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def do_OPTIONS(self):
            self.answer(204)

        def do_PUT(self):
            stored[self.path.split("?")[0]] = self.rfile.read(int(self.headers["Content-Length"]))
            self.answer(200)

        def do_GET(self):
            body = stored.get(self.path.split("?")[0])
            self.answer(404 if body is None else 200, body or b"", **{"Content-Type": "image/png"})

        def log_message(self, *arguments):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    server.stored = stored
    yield server
    server.shutdown()
    server.server_close()
    thread.join(5)


def test_picture(window, start_router, people, resource_server):
    """A preview goes with the message, the picture itself to the resource server; a caption is the text."""
    own = start_router(
        "--media-endpoint", f"http://127.0.0.1:{resource_server.server_port}", "--media-bucket", "pictures",
        "--media-access-key", "key", "--media-secret-key", "secret")
    ann, bob = people(2)
    left, right = window(ann, to=own), window(bob, to=own)
    begin(left, bob)
    picture = png(900, 600)
    left.locator("#text").fill("the lake")
    left.locator("#file").set_input_files({"name": "lake.png", "mimeType": "image/png", "buffer": picture})
    expect(texts(left)).to_have_text(["the lake"])
    assert list(resource_server.stored.values()) == [picture]
    choose(right, ann)
    for page in (left, right):
        shown = page.locator("#messages img.picture")
        expect(shown).to_have_count(1)
        expect(shown).to_have_js_property("naturalWidth", 320)
        assert shown.get_attribute("src").startswith("data:image/jpeg;base64,")
        assert len(shown.get_attribute("src")) <= 24 << 10
    address = right.locator("#messages a").get_attribute("href")
    assert address.split("/", 3)[3] in {path[1:] for path in resource_server.stored}
    with right.context.expect_page() as opened:
        right.locator("#messages a").click()
    opened.value.wait_for_load_state()
    assert opened.value.evaluate("opener") is None
    expect(right.locator("#conversations .last")).to_have_text("the lake")


def test_picture_without_a_resource_server(window, people):
    """The answer says what the operator has to do; nothing is sent."""
    ann, bob = people(2)
    page = window(ann)
    begin(page, bob)
    page.locator("#file").set_input_files({"name": "p.png", "mimeType": "image/png", "buffer": png(10, 10)})
    dialog = page.locator("#trouble-dialog")
    expect(dialog).to_contain_text("--media-endpoint")
    dialog.get_by_role("button", name="Close").click()
    page.locator("#file").set_input_files({"name": "p.png", "mimeType": "image/png", "buffer": b"no picture"})
    expect(dialog).to_contain_text("can't read that as a picture")
    expect(page.locator("#trouble-more")).to_be_hidden()
    expect(texts(page)).to_have_count(0)
