"""ClientHellos whole, split, late and hostile: a relay of adit's routes by the name in
them, or says that it knows none, and never gives a visitor to anybody else."""

import os
import ssl
import time

import pytest
from lib import net, portal_hello
from lib import portal_visitor as visitor
from lib.portal_client import Client


@pytest.fixture
def relay(leases):
    return leases.relay()


@pytest.fixture
def served(world, leases, relay):
    """A lease whose target echoes."""
    return leases.expose("python", relay, world.serve(net.echo).port)


def finish(relay, name, pieces):
    """Sends a real ClientHello as pieces(record) says, and ends the handshake."""
    tls, incoming, outgoing, hello = portal_hello.real(name)
    with net.connect(relay.sni_port) as s:
        for piece in pieces(hello):
            s.sendall(piece)
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                s.sendall(outgoing.read())
                data = s.recv(65536)
                if not data:
                    raise EOFError("closed in the handshake") from None
                incoming.write(data)
        s.sendall(outgoing.read())
        tls.write(b"through")
        s.sendall(outgoing.read())
        while True:
            try:
                return tls.read(7) == b"through"
            except ssl.SSLWantReadError:
                incoming.write(s.recv(65536))


def one_byte_segments(hello):
    for i in range(40):
        yield hello[i:i + 1]
    yield hello[40:]


WAYS = {"whole": lambda h: [h], "one byte at a time": one_byte_segments,
        "head alone": lambda h: [h[:5], h[5:]], "all but the last byte": lambda h: [h[:-1], h[-1:]]}


@pytest.mark.parametrize("way", WAYS, ids=lambda w: w.replace(" ", "-"))
def test_a_hello_may_come_in_pieces(relay, served, way):
    assert finish(relay, served.hostname, WAYS[way])


@pytest.mark.parametrize("size", [200, 64, 8])
def test_a_hello_may_lie_in_several_records(world, leases, relay, size):
    """Seen where the tenant's end is: all of it arrives there, as it was sent. In the smallest
    ones it takes all 64 that are allowed: one that TLS libraries make may be longer."""
    client = leases.client(relay)
    client.register()
    session = client.session()
    bare = len(portal_hello.message(client.hostname, padding=1)) - 1
    hello = portal_hello.record(portal_hello.message(client.hostname, padding=8 * 64 - bare))
    split = portal_hello.split_over_records(hello, size)
    with net.connect(relay.sni_port) as s:
        s.sendall(split)
        assert session.activation() == b"\x02"
        assert net.read_exactly(session, len(split)) == split


@pytest.mark.parametrize("name", ["nobody.relay.localhost", "demo.elsewhere.localhost",
                                  "a.demo.relay.localhost", "nobody.localhost", "demo", "-",
                                  "demo.relay.localhost.localhost", "*.relay.localhost"])
def test_an_unknown_name_gets_an_alert(relay, served, name):
    hello = portal_hello.record(portal_hello.message(name))
    assert visitor.alert_to(relay.sni_port, hello) == visitor.UNRECOGNIZED_NAME


def test_a_missing_name_gets_an_alert(relay, served):
    hello = portal_hello.record(portal_hello.message(None))
    assert visitor.alert_to(relay.sni_port, hello) == visitor.UNRECOGNIZED_NAME


def test_a_browser_gets_the_alert_too(relay, served):
    with pytest.raises(ssl.SSLError) as refused:
        visitor.visit(relay.sni_port, "nobody.relay.localhost")
    assert "unrecognized name" in str(refused.value).lower()


@pytest.mark.parametrize("name", ["DEMO.Relay.LocalHost", "demo.relay.localhost."])
def test_case_and_a_last_dot_make_no_other_name(leases, relay, name):
    client = leases.client(relay)
    client.register()
    session = client.session()
    hello = portal_hello.record(portal_hello.message(name))
    with net.connect(relay.sni_port) as s:
        s.sendall(hello)
        assert session.activation() == b"\x02"
        assert net.read_exactly(session, len(hello)) == hello


def good():
    return portal_hello.message("demo.relay.localhost")


HOSTILE = {
    "http": b"GET / HTTP/1.1\r\nHost: demo.relay.localhost\r\n\r\n",
    "ssh": b"SSH-2.0-OpenSSH_9.2\r\n",
    "noise": bytes(range(256)) * 4,
    "nul": bytes(600),
    "an empty record": portal_hello.record(b""),
    "an alert": portal_hello.record(b"\x02\x28", kind=21),
    "application data": portal_hello.record(b"x" * 100, kind=23),
    "another message": portal_hello.record(b"\x02" + good()[1:]),
    "a length beyond the record": portal_hello.record(good()[:1] + b"\xff\xff\xff" + good()[4:]),
    "a length of nothing": portal_hello.record(b"\x01\x00\x00\x00"),
    "cut in the random": portal_hello.record(b"\x01\x00\x00\x10" + bytes(16)),
    "extensions beyond the end": portal_hello.record(
        (lambda m: m[:1] + (len(m) - 6).to_bytes(3, "big") + m[4:-2])(good())),
    "a name with a NUL": portal_hello.record(portal_hello.message(b"demo\0.relay.localhost")),
    "a name of 300": portal_hello.record(portal_hello.message(b"a" * 300)),
    "a name that is not ASCII": portal_hello.record(portal_hello.message("démo.relay.localhost")),
    "a name of dots": portal_hello.record(portal_hello.message(b"...")),
    "an empty name": portal_hello.record(portal_hello.message(b"")),
    "an address": portal_hello.record(portal_hello.message(b"127.0.0.1")),
    "SSL 2": b"\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10" + os.urandom(37),
}


@pytest.mark.parametrize("what", HOSTILE, ids=lambda w: w.replace(" ", "-"))
def test_what_is_no_hello_for_us_reaches_no_agent(world, leases, relay, what):
    client = leases.client(relay)
    client.register()
    session = client.session()
    with net.connect(relay.sni_port) as s:
        s.settimeout(12)
        s.sendall(HOSTILE[what])
        try:
            answer = net.read_all(s)
        except ConnectionError:
            answer = b""
    assert answer == b"" or answer[0] == 21, answer
    hello = portal_hello.record(good())
    with net.connect(relay.sni_port) as s:  # and the next visitor finds the session unharmed
        s.sendall(hello)
        assert session.activation() == b"\x02"
        assert net.read_exactly(session, len(hello)) == hello


def test_a_hello_of_many_records_is_bounded(relay, served):
    huge = portal_hello.message("demo.relay.localhost", padding=60000)
    endless = portal_hello.split_over_records(b"12345" + huge + huge, 1000)
    with net.connect(relay.sni_port) as s:
        try:
            s.sendall(endless)
            net.read_all(s)
        except ConnectionError:
            pass
    assert relay.is_alive(served.hostname)


def test_a_hello_that_takes_longer_than_two_seconds_is_given_up(relay, served):
    _, _, _, hello = portal_hello.real(served.hostname)
    start = time.monotonic()
    with net.connect(relay.sni_port) as s:
        s.settimeout(0.25)
        ended = False
        for i in range(len(hello)):
            try:
                s.sendall(hello[i:i + 1])
                ended = s.recv(100) == b""
            except ConnectionError:
                ended = True
            except TimeoutError:
                continue
            if ended:
                break
    assert ended and 1.5 < time.monotonic() - start < 5


def test_silent_connections_do_not_block_others(world, relay, served, leases):
    idle = [net.connect(relay.sni_port) for _ in range(200)]
    start = time.monotonic()
    assert leases.echoes(relay)
    assert time.monotonic() - start < 2
    for s in idle:
        s.close()


def test_the_root_host_on_the_sni_port_is_the_api(relay):
    answer = Client(relay.url).ask("GET", "/healthz")
    assert answer.status == 200 and answer.data == {"status": "ok"}
    assert Client(relay.api_url).domain()["protocol_version"] == "7"


def test_the_hello_passes_unchanged(leases, relay):
    client = leases.client(relay)
    client.register()
    session = client.session()
    hello = portal_hello.record(portal_hello.message(client.hostname, padding=9000,
                                                     session=os.urandom(32)))
    with net.connect(relay.sni_port) as s:
        s.sendall(hello + b"and more at once")
        assert session.activation() == b"\x02"
        assert net.read_exactly(session, len(hello) + 16) == hello + b"and more at once"
