"""The web chat: accounts, contacts, groups."""

import re

import pytest
from playwright.sync_api import expect

from browser import (
    PASSWORD, act, begin, choose, chromium, is_in, message, register, texts, window, write)  # noqa: F401


def chosen(page, name):
    """A row of the contacts."""
    return page.locator("#contacts-list button").filter(has=page.get_by_text(name, exact=True))


def find_people(page, text):
    page.get_by_role("tab", name="Contacts").click()
    page.get_by_label("Find people").fill(text)


def test_account(window, people, start_router):
    """Made, left, come back to by id and by address; the login outlives the window, and ends for all of them."""
    own = start_router(dev=False)
    ann = people(1)[0]
    page = window(to=own)
    register(page, "Ann of the north", f"{ann}@example.org", ann)
    begin(page, "somebody")
    write(page, "hello")
    expect(page.locator("#messages").get_by_label("sent", exact=True)).to_have_count(1)
    assert page.evaluate("document.cookie + JSON.stringify(sessionStorage)").count("sb1.") == 0
    second = window(to=own, beside=page)
    is_in(second, "Ann of the north")
    page.get_by_role("button", name="Menu").click()
    page.get_by_role("menuitem", name="Sign out").click()
    for each in (page, second):
        expect(each.locator("#login-form")).to_be_visible()
    for name in (ann, f"{ann}@example.org"):
        page.get_by_label("E-mail or user id").fill(name)
        page.locator("#login-password").fill("wrong")
        page.get_by_role("button", name="Sign in", exact=True).click()
        expect(page.locator("#sign-in-error")).not_to_be_empty()
        page.locator("#login-password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in", exact=True).click()
        is_in(page, "Ann of the north")
        choose(page, "somebody")
        expect(texts(page)).to_have_text(["hello"])
        page.get_by_role("button", name="Menu").click()
        page.get_by_role("menuitem", name="Sign out").click()
    expect(page.locator("#login-form")).to_be_visible()


def test_account_that_is_refused(window, people, router):
    """The reason is said, and what was typed stays."""
    ann = people(1)[0]
    router.http("POST", "/api/register", {"id": ann, "name": "A", "email": f"{ann}@example.org", "password": PASSWORD})
    page = window()
    page.get_by_label("Your name").fill("Another")
    page.get_by_label("E-mail", exact=True).fill(f"{ann}@example.org")
    page.locator("#register-password").fill(PASSWORD)
    page.get_by_role("button", name="Create the account").click()
    expect(page.locator("#sign-in-error")).not_to_be_empty()
    expect(page.get_by_label("Your name")).to_have_value("Another")


@pytest.mark.parametrize("policy", ["deliver", "hold", "reject"])
def test_stranger_to_group(window, people, start_router, policy):
    """Two strangers: a search, a request, its acceptance, a conversation, a group with a third one."""
    own = start_router("--strangers", policy, dev=False)
    ids = people(3)
    names = ["Ann", "Bob", "Eve"]
    left, right, third = (window(to=own) for _ in ids)
    for page, user, name in zip((left, right, third), ids, names):
        register(page, name, f"{user}@example.org", user)
    find_people(left, "Bob")
    left.locator("#found-list").get_by_role("button", name=re.compile("Bob")).click()
    left.get_by_role("button", name="Add to contacts").click()
    expect(left.locator("#person-note")).to_have_text("Hasn't answered your request yet.")
    left.get_by_role("button", name="Done").click()
    expect(right.locator("#contacts-badge")).to_have_text("1")
    expect(right.locator("#toast")).to_have_text("Ann wants to be your contact.")
    right.get_by_role("tab", name="Contacts").click()
    right.get_by_role("button", name="Accept Ann").click()
    for page, other in ((left, "Bob"), (right, "Ann")):
        page.get_by_label("Find people").fill("")
        expect(chosen(page, other)).to_contain_text("online")
    chosen(left, "Bob").click()
    write(left, "hello Bob")
    expect(chosen(right, "Ann").locator(".badge")).to_have_text("1")
    chosen(right, "Ann").click()
    expect(texts(right)).to_have_text(["hello Bob"])
    expect(right.locator("#thread-title")).to_have_text("Ann")
    write(right, "hello Ann")
    # Eve isn't Ann's contact: she is found by her address.
    left.get_by_role("button", name="New conversation").click()
    left.locator("#new-picker").get_by_role("button", name="Bob").click()
    left.locator("#new-people").press_sequentially(f"{ids[2]}@example.org")
    left.locator("#new-picker").get_by_role("button", name="Eve").click()
    left.locator("#new-name").fill("The three")
    left.get_by_role("button", name="Begin").click()
    expect(left.locator("#thread-title")).to_have_text("The three")
    write(left, "hello both")
    for page in (right, third):
        page.get_by_role("tab", name="Chats").click()
        choose(page, "The three")
        expect(texts(page)).to_have_text(["hello both"])
        expect(page.locator("#thread-note")).to_have_text("Group: 3 members")
    write(third, "hello from Eve")
    expect(left.locator("#messages .who")).to_have_text("Eve")
    expect(left.locator("#messages").get_by_label("read by 2")).to_have_count(1)


def test_request_in_the_conversation(window, people, chat, router):
    """Someone who writes may be accepted, rejected or blocked where one reads it."""
    ann, bob = people(2)
    chat(bob).post(ann, "it's me")
    asked = router.http("POST", "/api/contacts/requests", {"to": ann, "text": "from the choir"}, bearer=bob)
    assert asked.status == 200
    page = window(ann)
    choose(page, bob)
    expect(page.locator("#banner")).to_contain_text("from the choir")
    page.locator("#banner").get_by_role("button", name="Reject").click()
    expect(page.locator("#banner")).to_be_hidden()
    assert router.http("GET", "/api/contacts/requests", bearer=ann).json == []


def test_remove_and_block(window, people, chat, router):
    """A contact is removed; a user who is blocked can't write, until unblocked."""
    ann, bob = people(2)
    for user, call in ((bob, "requests"), (ann, f"requests/{bob}/accept")):
        assert router.http("POST", f"/api/contacts/{call}", {"to": ann}, bearer=user).status == 200
    page, sender = window(ann), chat(bob)
    page.get_by_role("tab", name="Contacts").click()
    chosen(page, bob).click()
    page.get_by_role("button", name="About this user").click()
    page.get_by_role("button", name="Remove from contacts").click()
    page.locator("#ask-dialog").get_by_role("button", name="Remove").click()
    expect(page.get_by_role("button", name="Add to contacts")).to_be_visible()
    page.get_by_role("button", name="Block").click()
    page.locator("#ask-dialog").get_by_role("button", name="Block").click()
    expect(page.locator("#person-note")).to_have_text("You have blocked this user.")
    assert sender.refused(cmd=10, dstid=ann, content="let me in", cid="b1") == "blocked"
    page.get_by_role("button", name="Unblock").click()
    expect(page.get_by_role("button", name="Block")).to_be_visible()
    page.get_by_role("button", name="Done").click()
    sender.post(ann, "here again")
    expect(texts(page)).to_have_text(["here again"])


def test_members(window, people, chat, router):
    """Invite, roles, remove and leave, as far as one's own role goes."""
    ann, bob, eve, zoe = people(4)
    left, right = window(ann), window(bob)
    begin(left, f"{bob}, {eve}", "Walkers")
    write(left, "hello")
    choose(right, "Walkers")
    left.get_by_role("button", name="Members of the group").click()
    members = left.locator("#members li")
    expect(members).to_have_count(3)
    left.get_by_label("Invite").fill(zoe)
    left.get_by_role("button", name="Add", exact=True).click()
    expect(members).to_have_count(4)
    left.get_by_label(f"Role of {bob}").select_option("moderator")
    expect(right.locator("#toast")).to_have_text("You are moderator in Walkers now.")
    left.get_by_role("button", name=f"Remove {eve}").click()
    left.locator("#ask-dialog").get_by_role("button", name="Remove").click()
    expect(members).to_have_count(3)
    left.get_by_role("button", name="Done").click()
    right.get_by_role("button", name="Members of the group").click()
    expect(right.locator("#members li")).to_have_count(3)
    expect(right.get_by_label(f"Role of {ann}")).to_have_count(0)
    right.get_by_label(f"Role of {zoe}").select_option("silent")
    expect(right.get_by_label(f"Role of {zoe}")).to_have_value("silent")
    right.get_by_role("button", name="Leave the group").click()
    right.locator("#ask-dialog").get_by_role("button", name="Leave").click()
    expect(right.locator("#conversations button")).to_have_count(0)
    expect(left.locator("#thread-note")).to_have_text("Group: 2 members")
    # Put out while one reads.
    router.http("POST", f"/api/groups/{left.locator('[aria-current]').get_attribute('data-conv')}/members",
                {"user": bob, "role": "admin"}, bearer=ann)
    expect(right.locator("#conversations button")).to_have_count(1)
    choose(right, "Walkers")
    right.get_by_role("button", name="Members of the group").click()
    right.get_by_role("button", name=f"Remove {ann}").click()
    right.locator("#ask-dialog").get_by_role("button", name="Remove").click()
    expect(left.locator("#toast")).to_have_text("You were removed from Walkers.")
    expect(left.locator("#conversations button")).to_have_count(0)
    expect(left.locator("#nothing-open")).to_be_visible()


def test_presence(window, people, chat):
    """Someone who comes and goes is shown, without asking again."""
    ann, bob = people(2)
    first = chat(bob)
    first.post(ann, "hello")
    page = window(ann)
    choose(page, bob)
    expect(page.locator("#thread-note")).to_have_text("online")
    expect(page.locator("#conversations .online")).to_have_count(1)
    first.close()
    expect(page.locator("#thread-note")).to_contain_text("last seen today")
    expect(page.locator("#conversations .online")).to_have_count(0)
    chat(bob)
    expect(page.locator("#thread-note")).to_have_text("online")


def test_list_of_many_conversations(window, people, chat):
    """It comes in pages while one scrolls; activity brings a conversation to the top."""
    ann = people(1)[0]
    sender = chat(ann)
    others = [f"{ann}-other{index:03}" for index in range(130)]
    for other in others:
        sender.post(other, f"to {other}")
    # A new device begins where the others have confirmed to: all of it comes from the list.
    sender.request(cmd="confirm", seq=len(others))
    page = window(ann)
    rows = page.locator("#conversations button")
    expect(rows.first).to_contain_text(others[-1])
    assert rows.count() < 100
    for _ in range(10):
        if rows.count() == len(others):
            break
        page.evaluate("document.getElementById('conversations').scrollTop = 1e6")
        page.wait_for_timeout(300)
    assert [title for title in page.locator("#conversations .title").all_text_contents()] == others[::-1]
    chat(others[0]).post(ann, "back again")
    page.evaluate("document.getElementById('conversations').scrollTop = 0")
    expect(rows.first).to_contain_text("back again")
    expect(rows).to_have_count(len(others))


def test_rename(window, people):
    """An admin renames a group; all members see it."""
    ann, bob = people(2)
    left, right = window(ann), window(bob)
    begin(left, bob, "Walkers")
    write(left, "hello")
    choose(right, "Walkers")
    left.get_by_role("button", name="Members of the group").click()
    left.locator("#rename").fill("Runners")
    left.get_by_role("button", name="Rename").click()
    for page in (left, right):
        expect(page.locator("#thread-title")).to_have_text("Runners")
        expect(page.locator("#conversations .title")).to_have_text("Runners")


def test_large_group(window, people, start_router, chat):
    """Its messages are in no inbox: they are seen live, counted, and there after one was away."""
    own = start_router("--inbox-members", "2")
    ann, bob, eve, zoe = people(4)
    left, right = window(ann, to=own), window(bob, to=own)
    begin(left, f"{bob}, {eve}, {zoe}", "Crowd")
    write(left, "hello")
    choose(right, "Crowd")
    expect(texts(right)).to_have_text(["hello"])
    write(right, "hi", "there")
    expect(texts(left)).to_have_text(["hello", "hi", "there"])
    right.keyboard.press("Escape")
    write(left, "unread")
    expect(right.locator("#conversations .badge")).to_have_text("1")
    right.reload()
    expect(right.locator("#conversations .badge")).to_have_text("1")
    choose(right, "Crowd")
    expect(right.locator("#conversations .badge")).to_have_count(0)
    act(left, "unread", "Edit")
    write(left, "read by now")
    act(left, "hello", "Recall")
    left.locator("#ask-dialog").get_by_role("button", name="Recall").click()
    for page in (left, right):
        expect(texts(page)).to_have_text(["Message recalled", "hi", "there", "read by now"])
    own.kill()
    own.start()
    group = left.locator("[aria-current]").get_attribute("data-conv")
    chat(zoe, to=own).post(group, "while away", cmd=11)
    for page in (left, right):
        expect(texts(page)).to_have_text(
            ["Message recalled", "hi", "there", "read by now", "while away"], timeout=45_000)
