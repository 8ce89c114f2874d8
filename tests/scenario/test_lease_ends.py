"""Visits end, whichever side ends them first, and leave nothing behind at either end. A stock
relay tells neither side that the other has ended."""

import concurrent.futures
import socket
import ssl
import time

import pytest
from lib import net
from lib.portal_tls import server_context
from test_lease_visitors import tcp_port_of

RELAYS = [("python-as-stock", "adit"), ("stock", "adit"), ("adit", "adit"), ("adit", "stock")]
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\nover"
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nover"


def answer(s):
    """Reads a request and is the first to end."""
    text = b""
    while b"\r\n\r\n" not in text:
        text += s.recv(65536)
    s.sendall(SWITCH if b"upgrade" in text.lower() else ANSWER)


@pytest.fixture(params=RELAYS, ids=[f"{r}-relay-{c}" for r, c in RELAYS])
def ends(request, leases):
    """(relay, function that publishes a target of some kind)."""
    kind, client = request.param
    relay = leases.relay(kind, tcp=kind in ("adit", "stock"))
    return relay, lambda target, *flags: leases.expose(client, relay, target, *flags, tcp=True)


def target_of(world, certificate, kind):
    if kind == "unix":
        world.keep(net.UnixServer(world.path("s"), answer))
        return "unix:" + world.path("s"), []
    if kind == "tls":
        context = server_context(certificate, alpn=())
        target = world.serve(lambda s: answer(context.wrap_socket(s, server_side=True)))
        return f"https://localhost:{target.port}", []
    target = world.serve(answer)
    if kind in ("route", "upgrade"):
        return None, ["--http-route", f"/=http://127.0.0.1:{target.port}"]
    return target.port, []


def visit(leases, relay, port=None, kind="tcp"):
    """port is a lease's own, or None. True: the answer came, and its end."""
    head = f"GET / HTTP/1.1\r\nHost: demo.{relay.root}\r\n"
    head += "Upgrade: x\r\nConnection: upgrade" if kind == "upgrade" else "Connection: close"
    with net.connect(port) if port else leases.visit(relay) as s:
        s.sendall(head.encode() + b"\r\n\r\n")
        return net.read_all(s).endswith(b"over")


def counts(relay, client):
    return [p.descriptors() for p in (client, relay.process) if p is not None]


def settle(relay, client):
    """The descriptors of both when no visit is under way, and the client has its sessions."""
    net.wait_until(lambda: relay.is_alive(client.hostname), message="a session")
    net.wait_quietly(0.5)
    return counts(relay, client)


def wait_flat(relay, client, before, slack=30):
    """Visits that come fast have more sessions wait, and a stock relay has 3 for each."""
    net.wait_until(lambda: all(now <= then + slack
                               for now, then in zip(counts(relay, client), before)),
                   message=f"descriptors like {before}")


def end_at_once(leases, client):
    """No visit is left for it to wait for."""
    began = time.monotonic()
    status = leases.end(client)
    assert time.monotonic() - began < 4
    assert status == 0 or "stock" in client.name


@pytest.mark.parametrize("kind", ["tcp", "raw", "route", "upgrade", "tls", "unix"])
def test_visits_whose_target_ends_first_leave_no_descriptors(world, leases, certificate, ends,
                                                             kind):
    relay, publish = ends
    if kind in ("tls", "unix") and relay.kind == "adit":
        pytest.skip("skipped: a stock client has no such targets, and the rest is the same")
    target, flags = target_of(world, certificate, kind)
    client = publish(target, *flags)
    port = tcp_port_of(relay, client) if kind == "raw" else None
    assert visit(leases, relay, port, kind)
    before = settle(relay, client)
    for _ in range(60):
        assert visit(leases, relay, port, kind)
    wait_flat(relay, client, before)
    end_at_once(leases, client)


@pytest.mark.parametrize("kind", ["tcp", "down"])
def test_a_visitor_hears_of_a_target_that_breaks(world, leases, ends, kind):
    """And does not take a part for the whole, as one of a stock client does."""
    relay, publish = ends

    def break_off(s):
        s.recv(100)
        s.sendall(b"a part")
        net.wait_quietly(0.2)
        net.reset(s)

    client = publish(world.serve(break_off).port if kind == "tcp" else net.free_port())
    if "stock" in client.name:
        pytest.skip("skipped: a stock client ends with close_notify, whatever happens")
    with leases.visit(relay, timeout=10) as s:
        s.sendall(b"no HTTP at all\r\n")
        if kind == "tcp":
            assert net.read_exactly(s, 6) == b"a part"
        with pytest.raises((ConnectionError, ssl.SSLError)):
            net.read_all(s)


@pytest.mark.slow
def test_thousands_of_visits_whose_target_ends_first(world, leases, ends):
    relay, publish = ends
    client = publish(world.serve(answer).port)
    assert visit(leases, relay)
    before = settle(relay, client)
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        assert all(pool.map(lambda _: visit(leases, relay), range(2000)))
    wait_flat(relay, client, before, slack=60)
    end_at_once(leases, client)


@pytest.mark.parametrize("kind", ["tcp", "raw"])
def test_an_upload_goes_on_after_its_target_has_ended(world, leases, ends, kind):
    relay, publish = ends
    handle = net.talk_then_listen(b"my last word")
    client = publish(world.serve(handle).port)
    if "stock" in client.name:
        pytest.skip("skipped: a stock client ends a visit with its target")
    port = tcp_port_of(relay, client) if kind == "raw" else None
    with net.connect(port) if port else leases.visit(relay) as s:
        s.sendall(b"x")
        assert net.read_exactly(s, 12) == b"my last word"
        for _ in range(4):
            s.sendall(b"more" * 50000)
            net.wait_quietly(0.5)
        s.shutdown(socket.SHUT_WR)
        assert handle.done.wait(20)
    assert handle.heard == b"x" + b"more" * 200000


@pytest.mark.parametrize("visits", [0, 3])
def test_a_stock_relay_need_not_wait_for_its_clients(world, leases, visits):
    """It waits up to 5 s for connections on which nothing was asked yet."""
    relay = leases.relay("stock")
    leases.expose("adit", relay, world.serve(net.echo).port)
    for _ in range(visits):
        assert leases.echoes(relay)
    began = time.monotonic()
    leases.end(relay.process)
    assert time.monotonic() - began < 3
