"""What one stranger can take of a relay of adit's, and what is left for all others."""

import contextlib

import pytest
from lib import net

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
