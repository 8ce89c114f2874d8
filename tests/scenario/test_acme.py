"""Certificates by ACME: adit server --tls-domain against pebble, its faults switched on."""

import json
import os
import signal
import ssl
import stat

import pytest

from conftest import need
from lib import acme, net
from lib.process import wait_until


@pytest.fixture
def dns(world):
    need("pebble")
    return world.keep(acme.Dns(world.path("dns")))


@pytest.fixture
def edge(world, adit, authority, dns):
    """Starts a server for names, with a CA of its own or one that is given."""
    def start(*names, ca=None, url=None, flags=(), env=None, wait=True, port=None, http=True):
        ca = ca or acme.Ca(world, authority, dns)
        domains = [word for name in names for word in ("--tls-domain", name)]
        server = world.server(
            adit, "--reverse", *domains, "--acme-url", url or ca.url, "--acme-ca-file",
            authority.cert, *flags, port=port or ca.tls_port,
            env={"CHISEL_LE_CACHE": world.path("cache"), "CHISEL_LE_EMAIL": "me@example.com",
                 "ADIT_ACME_HTTP_PORT": str(ca.http_port) if http else "0", **(env or {})})
        server.ca = ca
        if wait:
            for name in names:
                server.wait_log(rf"certificate of {name.replace('*', '.')}: issued", seconds=30)
        return server
    return start


def visit(world, server, name, port=None):
    """A page for a visitor that verifies the certificate."""
    port = port or server.port
    return world.curl("--cacert", server.ca.root_file, "--resolve",
                      f"{name}:{port}:127.0.0.1", f"https://{name}:{port}/health")


def test_a_certificate_comes_by_tls_alpn_01(world, edge):
    server = edge("a.example.com", http=False)
    assert visit(world, server, "a.example.com") == "OK\n"
    for name in ("a.example.com", "acme_account+key"):
        mode = stat.S_IMODE(os.stat(world.path(f"cache/{name}")).st_mode)
        assert mode == 0o600, name
    assert stat.S_IMODE(os.stat(world.path("cache")).st_mode) == 0o700


def test_a_certificate_comes_by_http_01(world, edge, authority, dns):
    ca = acme.Ca(world, authority, dns)
    server = edge("a.example.com", ca=ca, port=net.free_port())
    assert "trying another challenge" in server.log  # nothing is at the CA's TLS port
    assert visit(world, server, "a.example.com") == "OK\n"
