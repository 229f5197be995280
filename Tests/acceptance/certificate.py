"""A self-signed certificate for 127.0.0.1, and what a client needs to believe it."""

import functools
import os
import ssl
import subprocess
import tempfile
from pathlib import Path


class Certificate:
    """A certificate and its key, in files."""

    def __init__(self, directory, kind="ec"):
        self.directory = Path(directory)
        self.file, self.key = self.directory / "certificate.pem", self.directory / "key.pem"
        self.make(kind)

    def make(self, kind="ec"):
        """Writes another pair over the files."""
        form = ["rsa:2048"] if kind == "rsa" else ["ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
        subprocess.run(
            ["openssl", "req", "-x509", "-nodes", "-days", "2", "-subj", "/CN=localhost", "-keyout", str(self.key),
             "-out", str(self.file), "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-newkey", *form],
            check=True, capture_output=True, timeout=30)
        self.context = self.client()

    def client(self):
        """A client's settings that believe the pair as it is now."""
        return ssl.create_default_context(cafile=str(self.file))

    @property
    def options(self):
        return ["--tls-cert", str(self.file), "--tls-key", str(self.key)]


@functools.cache
def of_all_routers():
    """With $ROUTER_TLS every router of a run speaks TLS, so that any test can be run over it; else None."""
    if not os.environ.get("ROUTER_TLS"):
        return None
    return Certificate(tempfile.mkdtemp(prefix="switchboard-tls-"))
