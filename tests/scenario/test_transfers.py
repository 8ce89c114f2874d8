"""Many bytes, few bytes, both ways at once: each arrives once, in its order."""

import socket
import threading
import time

import pytest

from lib import net
from lib.process import wait_until

MIB = 1 << 20
PAIRS = [("adit", "adit"), ("adit", "peer"), ("peer", "adit"), ("adit", "stock"),
         ("stock", "adit")]


@pytest.fixture
def start(world, pair):
    def link(target_port, reverse=True, env=None):
        server_program, client_program = pair
        port = net.free_port()
        server = world.server(server_program, "--reverse", env=env)
        client = world.client(client_program, server, ("R:" if reverse else "") +
                              f"127.0.0.1:{port}:127.0.0.1:{target_port}", env=env)
        net.wait_listening(port)
        return port, server, client
    return link


def download(world, start, size, **options):
    pattern = net.Pattern(size)
    target = world.serve(pattern.send)
    port, *_ = start(target.port, **options)
    with net.connect(port, timeout=60) as s:
        assert net.digest_of(s) == (size, pattern.digest())


def upload(world, start, size, **options):
    pattern = net.Pattern(size)
    result, done = [], threading.Event()

    def take(s):
        result.append(net.digest_of(s, size))
        s.sendall(b"thanks")
        done.set()

    target = world.serve(take)
    port, *_ = start(target.port, **options)
    with net.connect(port, timeout=60) as s:
        pattern.send(s)
        assert net.read_exactly(s, 6) == b"thanks"
    assert done.wait(30)
    assert result == [(size, pattern.digest())]


@pytest.mark.parametrize("reverse", [True, False], ids=["reverse", "forward"])
def test_64_mib_down(world, start, reverse):
    download(world, start, 64 * MIB, reverse=reverse)


@pytest.mark.parametrize("reverse", [True, False], ids=["reverse", "forward"])
def test_64_mib_up(world, start, reverse):
    upload(world, start, 64 * MIB, reverse=reverse)


@pytest.mark.slow
def test_1_gib_down(world, start):
    download(world, start, 1024 * MIB)


@pytest.mark.slow
def test_1_gib_up(world, start):
    upload(world, start, 1024 * MIB)


@pytest.mark.tsan
def test_both_ways_at_once_on_one_connection(world, start):
    size = 24 * MIB
    pattern = net.Pattern(size)
    heard = []

    def both(s):
        sender = threading.Thread(target=pattern.send, args=(s,), daemon=True)
        sender.start()
        heard.append(net.digest_of(s, size))
        sender.join()
        s.recv(1)

    target = world.serve(both)
    port, *_ = start(target.port)
    with net.connect(port, timeout=60) as s:
        sender = threading.Thread(target=pattern.send, args=(s,), daemon=True)
        sender.start()
        assert net.digest_of(s, size) == (size, pattern.digest())
        sender.join()
        wait_until(lambda: heard, 30)
    assert heard == [(size, pattern.digest())]


def test_a_trickle_of_single_bytes(world, start):
    port, *_ = start(world.serve().port)
    with net.connect(port) as s:
        for i in range(1000):
            s.sendall(bytes([i & 255]))
            assert s.recv(1) == bytes([i & 255])


def test_single_bytes_without_waiting(world, start):
    port, *_ = start(world.serve().port)
    with net.connect(port) as s:
        for i in range(5000):
            s.sendall(bytes([i & 255]))
        assert net.read_exactly(s, 5000) == bytes(i & 255 for i in range(5000))


@pytest.mark.parametrize("size", [1, 4095, 4096, 4097, 32767, 32768, 32769, 65535, 65536,
                                  65537, 131072, 262144, 2097151, 2097152, 2097153])
def test_sizes_around_every_limit(world, adit, size):
    target = world.serve()
    port = net.free_port()
    server = world.server(adit)
    world.client(adit, server, f"127.0.0.1:{port}:127.0.0.1:{target.port}")
    text = (b"0123456789abcdef" * (size // 16 + 1))[:size]
    with net.connect(port) as s:
        sender = threading.Thread(target=s.sendall, args=(text,), daemon=True)
        sender.start()
        assert net.read_exactly(s, size) == text
        sender.join()


@pytest.mark.tsan
def test_a_visitor_that_never_reads_does_not_slow_others(world, start):
    """And costs a bounded amount of memory, at both ends."""
    flood = net.Pattern(512 * MIB)
    stuck_target = world.serve(flood.send)
    port, server, client = start(stuck_target.port)
    stuck = [net.connect(port) for _ in range(4)]
    for s in stuck:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    time.sleep(1)
    before = {p: p.resident_kib() for p in (server, client)}
    echoing = world.serve()
    other = net.free_port()
    world.client(client_program_of(client), server,
                 f"R:127.0.0.1:{other}:127.0.0.1:{echoing.port}")
    net.wait_listening(other)
    for _ in range(50):
        begin = time.monotonic()
        assert net.echoes(other, b"x" * 1000)
        assert time.monotonic() - begin < 2
    time.sleep(1)
    for process, kib in before.items():
        assert process.resident_kib() - kib < 40000
    with net.connect(port) as s:
        assert net.read_exactly(s, 16 * MIB)
    for s in stuck:
        s.close()


def client_program_of(process):
    from lib.programs import Program
    at = process.argv.index("client")
    return Program(process.name, process.argv[:at])


def test_a_busy_transfer_leaves_room_for_a_small_one(world, adit):
    """On the same session: fair turns, and the small one first."""
    flood = net.Pattern(1024 * MIB)
    bulk, echoing = world.serve(flood.send), world.serve()
    ports = net.free_port(), net.free_port()
    server = world.server(adit, "--reverse")
    world.client(adit, server, f"R:127.0.0.1:{ports[0]}:127.0.0.1:{bulk.port}",
                 f"R:127.0.0.1:{ports[1]}:127.0.0.1:{echoing.port}")
    net.wait_listening(ports[1])
    stop = threading.Event()

    def drain():
        with net.connect(ports[0]) as s:
            while not stop.is_set() and s.recv(1 << 18):
                pass

    reader = threading.Thread(target=drain, daemon=True)
    reader.start()
    times = []
    with net.connect(ports[1]) as s:
        for _ in range(100):
            begin = time.monotonic()
            s.sendall(b"?")
            s.recv(1)
            times.append(time.monotonic() - begin)
    stop.set()
    reader.join(10)
    assert sorted(times)[90] < 0.25, sorted(times)[-10:]


class TestRekey:
    """Keys change while bytes flow, asked for by either side."""

    @pytest.fixture(params=["ours", "theirs", "both"])
    def knobs(self, request):
        ours = {"ADIT_REKEY_BYTES": str(MIB)} if request.param != "theirs" else None
        theirs = ["--rekey", str(MIB)] if request.param != "ours" else []
        return ours, theirs

    @pytest.mark.parametrize("peer_role", ["server", "client"])
    @pytest.mark.parametrize("cipher", ["", "chacha"])
    def test_against_a_peer(self, world, adit, peer, knobs, peer_role, cipher):
        env, flags = knobs
        if cipher:
            flags = [*flags, "--algorithms", cipher]
        other = type(peer)("peer", peer.argv, flags=flags)
        server_program, client_program = (other, adit) if peer_role == "server" else (
            adit, other)
        self.echo_much(world, server_program, client_program, env)

    @pytest.mark.tsan
    def test_between_ours(self, world, adit):
        self.echo_much(world, adit, adit, {"ADIT_REKEY_BYTES": str(MIB)})

    def echo_much(self, world, server_program, client_program, env):
        size = 12 * MIB
        pattern = net.Pattern(size)
        port = net.free_port()
        target = world.serve()
        server = world.server(server_program, "--reverse", "--keepalive", "100ms", env=env)
        client = world.client(client_program, server,
                              f"R:127.0.0.1:{port}:127.0.0.1:{target.port}", env=env)
        net.wait_listening(port)
        with net.connect(port, timeout=60) as s:
            sender = threading.Thread(target=pattern.send, args=(s,), daemon=True)
            sender.start()
            assert net.digest_of(s, size) == (size, pattern.digest())
            sender.join()
        assert "Disconnected" not in client.log


@pytest.mark.parametrize("algorithms", ["old", "nist", "chacha"])
@pytest.mark.parametrize("peer_role", ["server", "client"])
def test_peers_with_other_algorithms(world, adit, peer, algorithms, peer_role):
    other = type(peer)("peer", peer.argv, flags=["--algorithms", algorithms])
    target = world.serve()
    port = net.free_port()
    server = world.server(other if peer_role == "server" else adit)
    world.client(other if peer_role == "client" else adit, server,
                 f"127.0.0.1:{port}:127.0.0.1:{target.port}")
    assert net.echoes(port, b"x" * 500000)
