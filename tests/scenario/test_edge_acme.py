"""Certificates by ACME for the tunnels of a relay, against pebble."""

import os
import re
import subprocess

import pytest

from conftest import need
from lib import acme, net
from lib.process import wait_until

DOMAIN = "apps.test"


@pytest.fixture
def ca(world, authority):
    need("pebble")
    dns = world.keep(acme.Dns(world.path("dns")))
    ca = acme.Ca(world, authority, dns)
    ca.dns = dns
    return ca


@pytest.fixture
def relay(leases, ca, authority):
    return leases.relay("adit", "--domain", DOMAIN, "--acme", "--acme-url", ca.url,
                        "--acme-ca-file", authority.cert, "--http-port", str(ca.http_port),
                        ports=(net.free_port(), ca.tls_port))


@pytest.fixture
def tunnel(program, relay):
    """Runs "adit relay tunnel ..."."""
    path = program("lease-adit-relay").argv[0]

    def run(*words):
        return subprocess.run([path, "relay", "tunnel", *words, "--state-dir", relay.state],
                              capture_output=True, text=True, timeout=30, check=True).stdout
    return run


def issued(relay, name):
    relay.process.wait_log(rf"certificate of {re.escape(name)}: issued", seconds=30)


def page(world, ca, name):
    return world.curl("--cacert", ca.root_file, "--resolve", f"{name}:{ca.tls_port}:127.0.0.1",
                      "-H", "Accept: application/json", f"https://{name}:{ca.tls_port}/")


def test_a_new_tunnel_gets_a_certificate(world, ca, relay, tunnel):
    issued(relay, f"tunnel.{DOMAIN}")
    tunnel("add", "app", "13000", "--access", "public")
    issued(relay, f"app.{DOMAIN}")
    assert "app.apps.test is offline" in page(world, ca, f"app.{DOMAIN}")
    shown = tunnel("show", "app")
    assert re.search(r"certificate +ok +The certificate is valid until", shown), shown


def test_a_name_without_dns_says_so(ca, relay, tunnel):
    ca.dns.hidden.add(f"gone.{DOMAIN}")
    tunnel("add", "gone", "13000", "--access", "public", "--anyway")
    wait_until(lambda: re.search(r"certificate +broken ", tunnel("show", "gone")))
    issued(relay, f"tunnel.{DOMAIN}")


def test_a_removed_tunnel_leaves_no_certificate(ca, relay, tunnel):
    tunnel("add", "app", "13000", "--access", "public")
    issued(relay, f"app.{DOMAIN}")
    stored = os.path.join(relay.state, "certificates", f"app.{DOMAIN}")
    assert os.path.exists(stored)
    tunnel("remove", "app")
    wait_until(lambda: not os.path.exists(stored))
