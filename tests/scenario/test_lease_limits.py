"""What one stranger can take of a relay of adit's, and what is left for all others."""

import contextlib
import json
import threading
import time

import pytest
from lib import net, pki
from lib.portal_client import read_http

BODY = 256 * 1024


@pytest.fixture
def relay(leases):
    return leases.relay("adit", "--workers", "1")


def test_bodies_of_strangers_have_a_bound_together(leases, relay):
    client = leases.client(relay)
    large = b"x" * (BODY - 1)

    def is_busy():
        answer = client.ask("POST", "/sdk/renew", raw=large)
        assert answer.status == 400 or answer.code == "internal"
        return answer.status == 503

    assert not is_busy()
    with contextlib.ExitStack() as strangers:
        for _ in range(140):
            s = strangers.enter_context(client.connect())
            s.sendall((f"POST /sdk/renew HTTP/1.1\r\nHost: {client.authority}\r\n"
                       f"Content-Length: {BODY}\r\n\r\n").encode() + large)
        net.wait_until(is_busy, message="the relay being full of bodies")
        assert client.ask("GET", "/sdk/domain").is_ok
        client.register()
        client.session().close()
    net.wait_until(lambda: not is_busy(), message="room for bodies again")


def signatures(client, count, ahead=20):
    """Asks for so many over one connection, always some ahead; gives the statuses of the answers.
    Each question is written when it is sent, since its time must not be long ago."""
    def request():
        body = json.dumps(client.sign_question("RSA_PSS_SHA256"))
        return (f"POST /v1/sign HTTP/1.1\r\nHost: {client.authority}\r\n"
                f"X-Portal-Access-Token: {client.token}\r\nContent-Length: {len(body)}\r\n"
                f"Content-Type: application/json\r\n\r\n{body}").encode()

    statuses, rest = [], b""
    with client.connect() as s:
        for sent in range(count + ahead):
            if sent < count:
                s.sendall(request())
            if sent >= ahead:
                status, _, _, rest = read_http(s, rest)
                statuses.append(status)
    return statuses


def test_signatures_leave_a_worker_half_of_its_time(tmp_path, leases):
    """With a key that is slow enough for one who asks without end to be too many."""
    pair = str(tmp_path / "rsa.pem"), str(tmp_path / "rsa.key")
    pki.openssl("req", "-x509", "-newkey", "rsa:3072", "-nodes", "-out", pair[0], "-keyout",
                pair[1], "-days", "2", "-subj", "/CN=relay.localhost", "-addext",
                "subjectAltName=DNS:relay.localhost,DNS:*.relay.localhost")
    relay = leases.relay("adit", "--workers", "1", "--sign-rate", "1000000", certificate=pair)
    client = leases.client(relay)
    client.register()
    statuses = []
    flood = [threading.Thread(target=lambda: statuses.extend(signatures(client, 300)))
             for _ in range(8)]
    for thread in flood:
        thread.start()
    slowest = 0.0
    while any(thread.is_alive() for thread in flood):
        begin = time.monotonic()
        assert client.ask("GET", "/sdk/domain").is_ok
        slowest = max(slowest, time.monotonic() - begin)
    assert statuses == [200] * 8 * 300  # they have waited for their turns
    assert slowest < 5
