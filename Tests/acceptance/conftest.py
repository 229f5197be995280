"""Fixtures: a router that all tests of a run share, routers of a test's own, and clients that get closed."""

import itertools

import pytest

from binary_protocol import BinaryClient
from switchboard import Chat, Router, router_binary

_numbers = itertools.count(1)


def pytest_report_header():
    try:
        return f"router: {router_binary()}"
    except FileNotFoundError as missing:
        return str(missing)


def pytest_collection_modifyitems(items):
    """The quick tests first, so that a run that fails does so early; the crash test last."""
    items.sort(key=lambda item: ("test_crash" in item.path.name, "slow" in item.keywords))


@pytest.fixture(scope="session")
def router(tmp_path_factory):
    """The shared router, in development mode. Tests keep apart by user ids of their own (`people`)."""
    shared = Router(tmp_path_factory.mktemp("shared")).start()
    yield shared
    shared.stop()


@pytest.fixture
def start_router(tmp_path_factory):
    """Starts routers of this test's own; at the end each must stop cleanly."""
    started = []

    def start(*options, **settings):
        own = Router(settings.pop("directory", None) or tmp_path_factory.mktemp("own"), *options, **settings)
        started.append(own)
        return own.start()

    yield start
    for own in started:
        own.stop()


@pytest.fixture
def people():
    """Gives user ids that no other test uses, in bytewise order: `a, b = people(2)`."""

    def give(count):
        number = next(_numbers)
        return [f"u{number}{chr(ord('a') + index)}" for index in range(count)]

    return give


@pytest.fixture
def chat(router):
    """Connects JSON clients, to the shared router unless told otherwise; closes them at the end."""
    opened = []

    def open_chat(user=None, to=None, **options):
        opened.append(Chat(to or router, user, **options))
        return opened[-1]

    yield open_chat
    for client in opened:
        client.close()


@pytest.fixture
def binary(router):
    """Connects binary clients over TCP (or `websocket=True`); closes them at the end."""
    opened = []

    def open_binary(user=None, to=None, **options):
        opened.append(BinaryClient(to or router, user, **options))
        return opened[-1]

    yield open_binary
    for client in opened:
        client.close()
