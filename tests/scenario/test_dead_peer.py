"""Paths that die without a FIN: noticed by pings, and back within seconds."""

import time

import pytest

from lib import net, netns
from lib.process import wait_until

# The promise is 10 s with pings every 25 s; scaled down by five to keep this quick.
KEEPALIVE = ["--keepalive", "2s"]
QUICK = {"CHISEL_PING_TIMEOUT": "1s"}
NOTICED = 5.0


@pytest.fixture
def path(world):
    reason = netns.why_not()
    if reason:
        pytest.skip(reason)
    return world.keep(netns.Path())


@pytest.fixture
def link(world, adit, path):
    """A server away, a client at home with an app; visitors come to port 7000 away."""
    def start(flags=(), env=None):
        app = world.keep(net.Server(net.echo, listener=path.home.listen("127.0.0.1")))
        server = world.server(adit, "--reverse", *flags, host=path.away_address,
                              prefix=path.away.prefix, env=env)
        client = world.client(adit, f"http://{path.away_address}:{server.port}",
                              f"R:127.0.0.1:7000:127.0.0.1:{app.port}", flags=flags, env=env,
                              prefix=path.home.prefix)
        wait_until(lambda: visit(path), 5, message="the first visitor being served")
        return server, client
    return start


def visit(path, timeout=1.0):
    try:
        with path.away.connect("127.0.0.1", 7000, timeout) as s:
            s.sendall(b"hello")
            return net.read_exactly(s, 5) == b"hello"
    except (OSError, EOFError):
        return False


def test_both_ends_notice(link, path):
    server, client = link(KEEPALIVE, QUICK)
    path.cut()
    begin = time.monotonic()
    client.wait_log("Disconnected", seconds=NOTICED)
    net.wait_not_listening(7000, seconds=NOTICED, pid=server.pid)
    assert time.monotonic() - begin < NOTICED + 1


def test_visitors_are_served_soon_after_a_short_cut(link, path):
    link(KEEPALIVE, QUICK)
    path.cut()
    time.sleep(6)
    path.restore()
    begin = time.monotonic()
    wait_until(lambda: visit(path), 8, message="a visitor being served")
    assert time.monotonic() - begin < 5.5


def test_a_cut_shorter_than_a_ping_is_nothing(link, path):
    _, client = link(["--keepalive", "10s"])
    path.cut()
    time.sleep(0.5)
    path.restore()
    wait_until(lambda: visit(path, 3.0), 5, message="a visitor being served")
    assert "Disconnected" not in client.log


@pytest.mark.slow
def test_the_default_interval_notices_within_ten_seconds_of_a_late_ping(link, path):
    server, client = link(["--keepalive", "25s"])
    time.sleep(1)
    path.cut()
    begin = time.monotonic()
    client.wait_log("Disconnected", seconds=40)
    net.wait_not_listening(7000, seconds=40, pid=server.pid)
    assert time.monotonic() - begin < 25 + 10 + 1
    path.restore()
    wait_until(lambda: visit(path), 6, message="a visitor being served")


@pytest.mark.slow
def test_a_minute_s_cut(link, path):
    link(KEEPALIVE, QUICK)
    path.cut()
    time.sleep(60)
    path.restore()
    begin = time.monotonic()
    wait_until(lambda: visit(path), 8, message="a visitor being served")
    assert time.monotonic() - begin < 5.5


def test_a_change_of_address_is_survived(link, path):
    """The client's machine gets another address; its old connection is worth nothing."""
    _, client = link(KEEPALIVE, QUICK)
    path.home.ip("addr", "del", "10.77.1.2/24", "dev", "up")
    path.home.ip("addr", "add", "10.77.1.3/24", "dev", "up")
    path.home.ip("route", "replace", "default", "via", "10.77.1.1")
    begin = time.monotonic()
    client.wait_log(r"\bConnected\b", count=2, seconds=10)
    wait_until(lambda: visit(path), 10, message="a visitor being served")
    assert time.monotonic() - begin < 5.5


def test_a_peer_that_answers_no_ping_is_left(world, adit, peer):
    """Bytes still pass, but nobody is at home."""
    silent = type(peer)("peer", peer.argv, flags=["--no-pong"])
    server = world.server(silent, "--reverse", "--keepalive", "0")
    client = world.client(adit, server, f"R:127.0.0.1:{net.free_port()}:127.0.0.1:9",
                          flags=["--keepalive", "500ms"], env={"CHISEL_PING_TIMEOUT": "500ms"})
    client.wait_log("Disconnected", seconds=5)
    client.wait_log(r"\bConnected\b", count=2, seconds=5)


def test_a_client_that_answers_no_ping_is_left(world, adit, peer):
    silent = type(peer)("peer", peer.argv, flags=["--no-pong"])
    port = net.free_port()
    server = world.server(adit, "--reverse", "--keepalive", "500ms",
                          env={"CHISEL_PING_TIMEOUT": "500ms"})
    client = world.client(silent, server, f"R:127.0.0.1:{port}:127.0.0.1:9",
                          flags=["--keepalive", "0"])
    client.wait_log("Disconnected", seconds=5)


def test_keepalive_off_means_off(world, adit, peer):
    silent = type(peer)("peer", peer.argv, flags=["--no-pong"])
    server = world.server(silent, "--reverse", "--keepalive", "0")
    client = world.client(adit, server, f"R:127.0.0.1:{net.free_port()}:127.0.0.1:9",
                          flags=["--keepalive", "0s"], env={"CHISEL_PING_TIMEOUT": "200ms"})
    time.sleep(1)
    assert "Disconnected" not in client.log


def test_a_peer_that_asks_strange_things_is_kept(world, adit, peer):
    odd = type(peer)("peer", peer.argv, flags=["--unknown-request"])
    server = world.server(odd, "--reverse", "--keepalive", "100ms")
    client = world.client(adit, server, f"R:127.0.0.1:{net.free_port()}:127.0.0.1:9")
    server.wait_log("Unknown request answered false 0 bytes", count=3)
    assert "Disconnected" not in client.log
