"""The web chat: nothing that anyone can write runs, whatever field it is in."""

import re

from playwright.sync_api import expect

from browser import PASSWORD, begin, choose, chromium, sign_in, texts, window, write  # noqa: F401

INJECTIONS = [
    "<script>window.injected=1</script>", "<img src=x onerror=window.injected=1>", '"><svg onload=window.injected=1>',
    "javascript:window.injected=1", "</li></ol><h1>out</h1>", "&lt;b&gt; ${1+1} {{1+1}}", "\u202egnp.exe\u2060end",
    "data:text/html,<script>opener.injected=1</script>",
]
# What may be in the page, and how often.
FOREIGN = "#conversations, #messages, #contacts, #members, #menu, #toast, dialog"


def nothing_foreign(page):
    """No element that a message or a name could have made, and no link that isn't the web's."""
    assert page.evaluate("window.injected") is None
    made = page.evaluate(
        """(places) => [...document.querySelectorAll(places)].flatMap((place) =>
            [...place.querySelectorAll("script, iframe, object, embed, style, link, base, meta, h1, svg, video, audio")]
                .filter((it) => !it.closest("button.icon")).map((it) => it.outerHTML))""", FOREIGN)
    assert made == []
    addresses = page.evaluate("[...document.querySelectorAll('a[href], img[src]')].map((it) => it.href || it.src)")
    assert all(re.match("https?://|data:image/", each) for each in addresses), addresses
    handlers = page.evaluate(
        """[...document.querySelectorAll("*")].flatMap((it) => [...it.attributes])
            .filter(({ name }) => name.startsWith("on") || name === "style").map(({ name }) => name)""")
    assert handlers == []


def test_messages(window, chat, people, router):
    """Markup in any field of a message, and in the names of users and groups, is text."""
    ann, bob = people(2)
    strange = "<svg\u2060onload=window.injected=1>\"'`&lt;"
    sender, odd = chat(bob), chat(strange)
    page = window(ann)
    for text in INJECTIONS:
        for field in ("content", "url", "pic", "memo"):
            sender.post(ann, **{field: text})
        sender.post(ann, {"html": text}, forward={"userid": text}, reply=text, media=text, width=text, height=text)
        sender.post(ann, "a picture", pic=f"data:image/png;base64,{text}", url=f"https://x.example/{text}")
        odd.post(ann, text)
        group = router.http("POST", "/api/groups", {"name": text, "members": [ann]}, bearer=bob).json["id"]
        sender.post(group, text, cmd=11)
    expect(page.locator("#conversations button")).to_have_count(len(INJECTIONS) + 2)
    page.get_by_role("button", name=re.compile(re.escape(strange[:4]))).first.click()
    expect(texts(page)).to_have_text(INJECTIONS)
    nothing_foreign(page)
    choose(page, bob)
    expect(page.locator("#messages .message")).to_have_count(min(40, len(INJECTIONS) * 6))
    nothing_foreign(page)
    write(page, *INJECTIONS)
    expect(page.locator("#messages").get_by_label("sent", exact=True)).to_have_count(len(INJECTIONS))
    for text in INJECTIONS:
        page.locator("#text").fill(text)
    page.reload()
    expect(page.locator("#text")).to_have_value(INJECTIONS[-1])
    expect(page.locator("#conversations")).to_contain_text(INJECTIONS[0])
    nothing_foreign(page)
    for group in range(len(INJECTIONS)):
        page.locator("#conversations .group").nth(group).click()
        expect(texts(page)).to_have_count(1)
        page.get_by_role("button", name="Members of the group").click()
        expect(page.locator("#members li")).to_have_count(2)
        nothing_foreign(page)
        page.get_by_role("button", name="Done").click()


def test_fields_of_the_page(window, people):
    """What is typed anywhere is text too: search, names of people and groups, filters, sign-in."""
    ann, bob = people(2)
    page = window()
    for text in INJECTIONS:
        page.get_by_label("Your name").fill(text)
        page.get_by_label("E-mail", exact=True).fill("x@example.org")
        page.get_by_label("User id (optional)").fill(text)
        page.locator("#register-password").fill("short")
        page.get_by_role("button", name="Create the account").click()
        expect(page.locator("#sign-in-error")).not_to_be_empty()
        nothing_foreign(page)
    sign_in(page, ann)
    for index, text in enumerate(INJECTIONS):
        begin(page, bob, text)
        expect(page.locator("#thread-title")).to_have_text(text)
        page.get_by_role("button", name="Members of the group").click()
        page.get_by_label("Invite").fill(text)
        page.get_by_role("button", name="Add", exact=True).click()
        nothing_foreign(page)
        page.get_by_role("button", name="Done").click()
        page.get_by_role("button", name="New conversation").click()
        page.locator("#new-people").fill(text)
        page.locator("#new-name").fill(text)
        page.get_by_role("button", name="Begin").click()
        page.wait_for_timeout(50)
        nothing_foreign(page)
        if page.locator("#new-dialog").is_visible():
            page.locator("#new-cancel").click()
        page.get_by_role("tab", name="Contacts").click()
        page.get_by_label("Find people").fill(text)
        page.get_by_label("Find people").press("Enter")
        expect(page.locator("#found")).to_be_visible()
        nothing_foreign(page)
        page.get_by_role("tab", name="Chats").click()


def test_names_and_requests(window, people, router):
    """A name and the words of a request are other people's text."""
    ann = people(1)[0]
    page = window(ann)
    page.get_by_role("tab", name="Contacts").click()
    for index, text in enumerate(INJECTIONS):
        user = f"{ann}-{index}"
        made = router.http("POST", "/api/register", {
            "id": user, "name": text, "email": f"{user}@example.org", "password": PASSWORD})
        if made.status != 201:
            assert made.json["error"]["code"] == "bad_request"
        asked = router.http("POST", "/api/contacts/requests", {"to": ann, "text": text}, bearer=user)
        assert asked.status == 200
    expect(page.locator("#requests-list li")).to_have_count(len(INJECTIONS))
    nothing_foreign(page)
    for _ in INJECTIONS:
        page.locator("#requests-list").get_by_role("button", name=re.compile("^Accept")).first.click()
        page.wait_for_timeout(100)
    expect(page.locator("#contacts-list li")).to_have_count(len(INJECTIONS))
    nothing_foreign(page)


def test_policy_stops_what_slips_through(window, people):
    """If the page's code did make markup of a text, the browser would refuse it."""
    page = window(people(1)[0])
    for attempt in (
            "document.body.innerHTML = '<b>x</b>'", "document.body.insertAdjacentHTML('beforeend', '<b>x</b>')",
            "document.createElement('script').src = '/chat.js'",
            "document.createElement('iframe').srcdoc = '<b>x</b>'"):
        refused = page.evaluate(f"(() => {{ try {{ {attempt}; return false; }} catch {{ return true; }} }})()")
        assert refused, attempt
    assert page.locator("body > b").count() == 0
