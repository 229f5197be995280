"""The operator's page in a real Chromium, on a desk and on a phone, light and dark."""

import pytest
from playwright.sync_api import expect

from browser import DESKTOP, PHONE, chromium  # noqa: F401
from switchboard import PATIENCE
from test_web_chat_looks import SCREENSHOTS, Camera

KEY = "the operator's key"


@pytest.fixture(params=["light", "dark"])
def scheme(request):
    return request.param


@pytest.fixture(params=[DESKTOP, PHONE], ids=["desktop", "phone"])
def size(request):
    return request.param


@pytest.fixture
def console(chromium):
    """Opens the page of a router; what goes wrong in it fails the test."""
    contexts, wrong = [], []

    def open_console(router, size=DESKTOP, **options):
        context = chromium.new_context(viewport=size, **options)
        context.set_default_timeout(PATIENCE * 1_000)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda message: wrong.append(message.text) if "Content Security" in message.text else None)
        page.goto(f"http://127.0.0.1:{router.port}/console")
        return page

    expect.set_options(timeout=PATIENCE * 1_000)
    yield open_console
    for context in contexts:
        context.close()
    assert not wrong


def sign_in(page, key=KEY):
    page.get_by_label("API key").fill(key)
    page.get_by_role("button", name="Open").click()


def test_what_it_shows(console, start_router, chat, size, scheme):
    """The key is asked for, a wrong one refused; then numbers that move with what clients do."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    router = start_router("--api-key", KEY, "--jwt-secret", "a secret of sixteen", dev=False)
    insider = start_router("--api-key", KEY)
    camera_name = f"{'phone' if size is PHONE else 'desktop'}-{scheme}"
    page = console(router, size, color_scheme=scheme, has_touch=size is PHONE, is_mobile=size is PHONE)
    camera = Camera(page, camera_name)
    camera.take("console-key")
    sign_in(page, "wrong")
    expect(page.locator("#key-error")).to_have_text("The router doesn't take this key.")
    sign_in(page)
    expect(page.locator("#state")).to_have_text("ready")
    page.context.close()

    page = console(insider, size, color_scheme=scheme, has_touch=size is PHONE, is_mobile=size is PHONE)
    camera = Camera(page, camera_name)
    expect(page.locator("#state")).to_have_text("ready")
    expect(page.locator("#plots article")).to_have_count(8)
    sender = chat("a", to=insider)
    chat("b", to=insider)
    assert sender.refused(cmd="nonsense") == "unsupported"
    for round_number in range(4):
        for n in range(25 * (round_number + 1)):
            sender.post("b", "hello")
        page.wait_for_timeout(1_200)
    connections = page.locator("#plots article").filter(has=page.get_by_text("Connections", exact=True))
    expect(connections.locator("b").nth(1)).to_have_text("2")
    assert connections.locator("svg").get_attribute("aria-label").endswith("signed in 2")
    expect(page.locator("#refused")).to_contain_text("frame: unsupported")
    expect(page.locator("#limits li")).to_have_count(6)
    acks = page.locator("#plots article").filter(has=page.get_by_text("Time to the ack", exact=True))
    assert any("," in points for points in acks.locator("polyline").evaluate_all("all => all.map(it => it.getAttribute('points'))"))
    camera.take("console")
    page.screenshot(path=SCREENSHOTS / f"{camera_name}-console-whole.png", full_page=True)


def test_key_goes_with_the_window(console, start_router):
    """It survives a reload, and "Close" forgets it."""
    router = start_router("--api-key", KEY, dev=False)
    page = console(router)
    sign_in(page)
    expect(page.locator("#state")).to_have_text("ready")
    page.reload()
    expect(page.locator("#state")).to_have_text("ready")
    page.get_by_role("button", name="Close").click()
    expect(page.get_by_label("API key")).to_be_visible()
    page.reload()
    expect(page.get_by_label("API key")).to_be_visible()


def test_a_router_that_goes_away(console, start_router):
    router = start_router()
    page = console(router)
    expect(page.locator("#state")).to_have_text("ready")
    router.stop()
    expect(page.locator("#state")).to_have_text("away")
    router.start()
    expect(page.locator("#state")).to_have_text("ready")


def test_headers(start_router):
    """Nothing but the router's own files may run or be asked."""
    answer = start_router(dev=False).http("GET", "/console")
    policy = answer.headers["Content-Security-Policy"]
    assert answer.status == 200 and answer.headers["Content-Type"].startswith("text/html")
    assert "default-src 'none'" in policy and "script-src 'self'" in policy and "unsafe" not in policy
