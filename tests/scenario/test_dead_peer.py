"""Paths that die without a FIN: noticed by pings, and back within seconds."""

import select
import socket
import threading
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
def link(world, program, path):
    """A server away, a client at home with an app; visitors come to port 7000 away."""
    def start(flags=(), env=None, handle=net.echo, programs=("adit", "adit")):
        app = world.keep(net.Server(handle, listener=path.home.listen("127.0.0.1")))
        server = world.server(program(programs[0]), "--reverse", *flags,
                              host=path.away_address, prefix=path.away.prefix, env=env)
        client = world.client(program(programs[1]),
                              f"http://{path.away_address}:{server.port}",
                              f"R:127.0.0.1:7000:127.0.0.1:{app.port}", flags=flags, env=env,
                              prefix=path.home.prefix)
        wait_until(lambda: net.is_listening(7000, server.pid), 5)
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


def visited(path, every=0.2):
    """Visitors come all the time; gives a call for how long none was served lately."""
    last = [time.monotonic()]
    over = threading.Event()

    def come():
        while not over.is_set():
            if visit(path):
                last[0] = time.monotonic()
            over.wait(every)

    thread = threading.Thread(target=come, daemon=True)
    thread.start()
    return over, last


def served_again(path, what, limit):
    """What happens while visitors come, and how long none is served then."""
    over, last = visited(path)
    try:
        time.sleep(1)
        begin = time.monotonic()
        what()
        time.sleep(0.3)
        lost = last[0]
        wait_until(lambda: last[0] > max(begin + 0.2, lost), 10,
                   message="a visitor being served")
        assert last[0] - begin < limit
    finally:
        over.set()


def test_a_change_of_address_is_survived(link, path):
    """The client's machine gets another address; its old connection is worth nothing."""
    def move():
        path.home.ip("addr", "del", "10.77.1.2/24", "dev", "up")
        path.home.ip("addr", "add", "10.77.1.3/24", "dev", "up")
        path.home.ip("route", "replace", "default", "via", "10.77.1.1")

    _, client = link()
    served_again(path, move, 3.0)
    assert client.log.count("Disconnected") == 1


def test_a_forgotten_flow_is_noticed_while_visitors_come(link, path):
    server, client = link()
    served_again(path, lambda: path.forget(client.pid, server.port), 5.0)


@pytest.mark.parametrize("programs", [("adit", "adit"), ("stock", "adit")],
                         ids=["adit", "stock"])
def test_a_forgotten_flow_is_noticed_by_a_client_with_visitors(world, program, path, programs):
    """Visitors come to the client, and go to the server's side."""
    app = world.keep(net.Server(net.echo, listener=path.away.listen("127.0.0.1")))
    server = world.server(program(programs[0]), host=path.away_address,
                          prefix=path.away.prefix)
    client = world.client(program(programs[1]), f"http://{path.away_address}:{server.port}",
                          f"127.0.0.1:7000:127.0.0.1:{app.port}", prefix=path.home.prefix)

    def ask():
        try:
            with path.home.connect("127.0.0.1", 7000, 1.0) as s:
                s.sendall(b"hello")
                return net.read_exactly(s, 5) == b"hello"
        except (OSError, EOFError):
            return False

    assert ask()
    time.sleep(1.5)  # it is idle again
    path.forget(client.pid, server.port)
    begin = time.monotonic()
    wait_until(ask, 10, message="a visitor being served")
    assert time.monotonic() - begin < 5.0


@pytest.mark.parametrize("programs", [("adit", "adit"), ("adit", "stock")],
                         ids=["adit", "stock"])
def test_a_server_with_visitors_gives_a_silent_client_up(link, path, programs):
    server, client = link(programs=programs)
    time.sleep(1.5)
    path.forget(client.pid, server.port)
    with path.away.connect("127.0.0.1", 7000, timeout=5.0) as s:
        try:
            s.sendall(b"hello")
            assert s.recv(1) == b""
        except ConnectionError:
            pass


def hold(s):
    """Takes what comes, slowly, and says nothing."""
    while s.recv(4096):
        pass


@pytest.mark.parametrize("flags", [(), ("--keepalive", "2s")], ids=["25s", "2s"])
@pytest.mark.parametrize("programs", [("adit", "adit"), ("adit", "stock"), ("stock", "adit")],
                         ids=["adit-adit", "adit-stock", "stock-adit"])
def test_a_saturated_path_is_not_cut(link, path, flags, programs):
    """1 Mbit/s, two seconds of it waiting in the router, and both directions are filled."""
    def pour(s):
        threading.Thread(target=hold, args=(s,), daemon=True).start()
        while True:
            s.sendall(b"x" * 65536)

    server, client = link(flags, handle=pour, programs=programs)
    path.narrow()
    with path.away.connect("127.0.0.1", 7000) as s:
        s.settimeout(0.2)
        came, end = 0, time.monotonic() + 14
        while time.monotonic() < end:
            try:
                s.send(b"y" * 65536)
            except TimeoutError:
                pass
            try:
                came += len(s.recv(65536))
            except TimeoutError:
                pass
    assert came > 500000
    for process in server, client:
        assert "Disconnected" not in process.log and "does not answer" not in process.log


@pytest.mark.parametrize("programs", [("adit", "adit"), ("adit", "stock"), ("stock", "adit")],
                         ids=["adit-adit", "adit-stock", "stock-adit"])
def test_a_target_that_takes_long_to_connect_to_is_waited_for(world, program, programs):
    """Its queue is full, so the handshake is lost, and tried again by the kernel."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=0)
    address = listener.getsockname()
    full = []
    while True:
        s = socket.socket()
        s.setblocking(False)
        s.connect_ex(address)
        full.append(s)
        if not select.select([], [s], [], 0.3)[1]:
            break
    port = net.free_port()
    server = world.server(program(programs[0]), "--reverse")
    client = world.client(program(programs[1]), server,
                          f"R:127.0.0.1:{port}:127.0.0.1:{address[1]}")
    net.wait_listening(port)
    with net.connect(port, timeout=30) as s:
        s.sendall(b"hello")
        time.sleep(5)
        for other in full:
            other.close()
        world.keep(net.Server(net.echo, listener=listener))
        assert net.read_exactly(s, 5) == b"hello"
    for process in server, client:
        assert "Disconnected" not in process.log and "does not answer" not in process.log


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
