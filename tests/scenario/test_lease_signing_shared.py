"""Signatures are shared: a tenant who asks for all there is takes nothing from the others."""

import json
import socket
import ssl
import threading
import time

import pytest
from lib import net, pki
from lib.portal_client import read_http


PIPELINED = 16  # requests on their way on each connection


class Flood:
    """Asks for signatures over many connections, without a pause."""

    def __init__(self, relay, clients, connections):
        self.relay, self.is_on, self.answers, self.failures = relay, True, 0, []
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self._ask, args=(client,), daemon=True)
                        for client in clients for _ in range(connections)]
        for thread in self.threads:
            thread.start()

    def _ask(self, client):
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        body = json.dumps(client.sign_question("RSA_PSS_SHA256")).encode()
        ask = (f"POST /v1/sign HTTP/1.1\r\nHost: {client.authority}\r\n"
               f"X-Portal-Access-Token: {client.token}\r\n"
               f"Content-Length: {len(body)}\r\n\r\n").encode() + body
        try:
            with socket.create_connection(client.dial) as plain, \
                    context.wrap_socket(plain, server_hostname=client.root) as s:
                rest = b""
                while self.is_on:
                    s.sendall(ask * PIPELINED)
                    for _ in range(PIPELINED):
                        status, _, _, rest = read_http(s, rest)
                        assert status in (200, 429), status
                        with self.lock:
                            self.answers += status == 200
        except (OSError, EOFError, AssertionError) as failure:
            self.failures.append(failure)

    def close(self):
        self.is_on = False
        for thread in self.threads:
            thread.join(20)


@pytest.fixture(scope="module")
def rsa(tmp_path_factory):
    """A certificate whose signatures are dear: (certificate, key)."""
    base = str(tmp_path_factory.mktemp("rsa") / "relay")
    pki.openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-out", base + ".pem",
                "-keyout", base + ".key", "-days", "2", "-subj", "/CN=relay.localhost",
                "-addext", "subjectAltName=DNS:relay.localhost,DNS:*.relay.localhost")
    return base + ".pem", base + ".key"


@pytest.mark.slow
@pytest.mark.parametrize("leases_n, connections", [(1, 16), (8, 4), (30, 2)])
def test_a_flood_leaves_the_visitors_of_others_alone(world, leases, rsa, leases_n,
                                                     connections):
    relay = leases.relay("adit", "--workers", "2", certificate=rsa)
    relay.ca = rsa[0]
    leases.expose("adit", relay, world.serve(net.echo).port)
    clients = [leases.client(relay, f"flood-{i}") for i in range(leases_n)]
    for client in clients:
        client.register()
    for _ in range(5):
        assert leases.echoes(relay)
    flood = world.keep(Flood(relay, clients, connections))
    net.wait_until(lambda: flood.answers > 1000, 60, message="a flood")
    begin, before, slowest = time.monotonic(), flood.answers, 0.0
    for i in range(60):
        at = time.monotonic()
        assert leases.echoes(relay, text=b"visitor %d" % i, timeout=10)
        slowest = max(slowest, time.monotonic() - at)
        net.wait_quietly(0.1)
    rate = (flood.answers - before) / (time.monotonic() - begin)
    print(f"{rate:.0f} signatures a second for the others, slowest visit {slowest:.3f} s")
    assert flood.failures == []
    assert rate > 50 and slowest < 5
