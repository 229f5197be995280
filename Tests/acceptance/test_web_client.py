"""`switchboard.js`, the browser's part of the protocol, under node against a real router: Tests/client."""

import os
import shutil
import subprocess

import pytest

from switchboard import ROOT, router_binary


def test_switchboard_js():
    """Nothing is lost or doubled by cuts, kills, reloads and slow reading."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("there is no node (Debian: nodejs, node-ws)")
    environment = os.environ | {"ROUTER": router_binary()}
    run = subprocess.run(
        [node, "--test", *map(str, (ROOT / "Tests" / "client").glob("*.test.js"))], capture_output=True, text=True,
        timeout=300, env=environment)
    assert run.returncode == 0, run.stdout[-20_000:] + run.stderr[-2_000:]
