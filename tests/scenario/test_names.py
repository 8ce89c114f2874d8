"""Names: their sources, the order of addresses, and name servers that do not answer."""

import signal
import socket
import struct
import sys
import threading
import time

import pytest
from lib import net, netns, socks

V4, V6 = "127.0.0.1", "::1"

# The names that NameServer knows, and their addresses.
ZONE = {
    "home.example.com": [V4],
    "both.example.com": [V4, V6],
    "unique-local.example.com": ["10.77.1.2", "fd77::2"],
    "no-route.example.com": ["2001:db8::1", V4],
    "loopback-last.example.com": ["10.77.1.2", V4],
}


class NameServer:
    """A name server in another network, which answers from a zone, or not at all (None)."""

    def __init__(self, path, zone):
        self.path, self.home, self.zone = path, path.home, zone
        path.home.name_server(path.away_address)
        self.socket = path.away.inside(lambda: socket.socket(socket.AF_INET,
                                                             socket.SOCK_DGRAM))
        self.socket.bind((path.away_address, 53))
        self.heard = 0
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        while True:
            request, peer = self.socket.recvfrom(4096)
            if not request:
                return
            self.heard += 1
            if self.zone is not None:
                self.socket.sendto(self._answer(request), peer)

    def _answer(self, request):
        end = request.index(b"\0", 12) + 5  # of the name, its type and class
        labels, at = [], 12
        while request[at]:
            labels.append(request[at + 1:at + 1 + request[at]].decode())
            at += 1 + request[at]
        addresses = self.zone.get(".".join(labels).lower())
        kind = request[end - 3]
        family = {1: socket.AF_INET, 28: socket.AF_INET6}.get(kind)
        records = b"".join(
            b"\xc0\x0c" + struct.pack(">HHIH", kind, 1, 60, len(raw)) + raw
            for raw in (socket.inet_pton(family, a) for a in addresses or []
                        if (":" in a) == (family == socket.AF_INET6)))
        count = len(records) // (16 if kind == 1 else 28)
        flags = 0x8180 if addresses else 0x8183  # no error, or no such name
        return (request[:2] + struct.pack(">HHHHH", flags, 1, count, 0, 0) +
                request[12:end] + records)

    def close(self):
        self.path.away.inside(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(
            b"", (self.path.away_address, 53)))
        self.path.close()


@pytest.fixture
def silent(world):
    reason = netns.why_not()
    if reason:
        pytest.skip(reason)
    return world.keep(NameServer(netns.Path(), None))


@pytest.fixture
def answering(world):
    reason = netns.why_not()
    if reason:
        pytest.skip(reason)
    return world.keep(NameServer(netns.Path(), ZONE))


@pytest.mark.parametrize("words", [
    ["expose", "3000", "--discovery=false", "--relays", "https://relay.example.com"],
    ["client", "https://tunnel.example.com", "R:3000"],
    ["client", "https://tunnel", "R:3000"],
    ["client", "https://tunnel.local", "R:3000"]],
    ids=["expose", "client", "one-label", "local"])
def test_a_program_that_ends_does_not_wait_for_a_lookup(world, adit, silent, words):
    process = world.run("adit", [*silent.home.prefix, adit.argv[0], *words])
    process.graceful = True
    net.wait_until(lambda: silent.heard > 0, message="a request")
    began = time.monotonic()
    process.signal(signal.SIGTERM)
    assert process.wait_exit() == 0
    assert time.monotonic() - began < 3


def test_list_ends_within_its_timeout(world, adit, silent):
    began = time.monotonic()
    done = world.call([*silent.home.prefix, adit.argv[0], "list", "--relays",
                       "https://relay.example.com"])
    assert done.returncode == 0 and "unknown" in done.stdout
    assert silent.heard > 0 and time.monotonic() - began < 6


def socks_server(world, adit, home):
    """Through a tunnel: a function that asks for a host, and returns the stream."""
    port, exit_port = 4000, 4001
    server = world.run("adit", [*home.prefix, adit.argv[0], "server", "--host", V4,
                                "--port", str(port), "--socks5"])
    net.wait_until(lambda: "listening" in server.log.lower(), message="the server")
    world.run("adit", [*home.prefix, adit.argv[0], "client", f"http://{V4}:{port}",
                       f"{V4}:{exit_port}:socks"])
    target = world.keep(home.listen(V4))

    def connect():
        try:
            return home.connect(V4, exit_port)
        except ConnectionRefusedError:
            return None

    def ask(host):
        stream = world.keep(connect())
        stream.sendall(b"\x05\x01\x00")
        assert net.read_exactly(stream, 2) == b"\x05\x00"
        stream.sendall(b"\x05\x01\x00" + socks.address(host) +
                       struct.pack(">H", target.getsockname()[1]))
        return stream

    net.wait_until(connect, message="the client").close()
    return ask


def test_lookups_without_an_answer_do_not_delay_others(world, adit, silent):
    silent.home.hosts(f"{V4} here.example.com\n")
    ask = socks_server(world, adit, silent.home)
    for i in range(40):
        ask(f"n{i}.example.com")
    net.wait_until(lambda: silent.heard >= 40, message="requests")
    began = time.monotonic()
    assert net.read_exactly(ask("here.example.com"), 2) == b"\x05\x00"
    assert time.monotonic() - began < 2


def test_lookups_of_system_names_wait_for_a_thread(world, adit, silent):
    """More names of one label than there are threads: those that are known are all found."""
    silent.home.name_server(silent.path.away_address, options="timeout:1 attempts:1")
    silent.home.hosts("".join(f"{V4} box{i}\n" for i in range(40)))
    ask = socks_server(world, adit, silent.home)
    for i in range(40):
        ask(f"unknown{i}")
    net.wait_until(lambda: silent.heard >= 32, message="as many requests as threads")
    for stream in [ask(f"box{i}") for i in range(40)]:
        assert net.read_exactly(stream, 2) == b"\x05\x00"


def test_a_burst_of_lookups_of_one_system_name_is_answered(world, adit, silent):
    silent.home.hosts(f"{V4} box\n")
    ask = socks_server(world, adit, silent.home)
    for stream in [ask("box") for _ in range(100)]:
        assert net.read_exactly(stream, 2) == b"\x05\x00"
    assert silent.heard == 0


def test_timeout_and_attempts_of_resolv_conf_hold(world, adit, silent):
    add_unique_local(silent.home)
    silent.home.name_server(silent.path.away_address, options="timeout:1 attempts:1")
    began = time.monotonic()
    assert "no name server answered" in dial(world, adit, silent.home, "home.example.com")
    assert silent.heard > 0 and time.monotonic() - began < 4


def dial(world, adit, home, host):
    """
    Runs a client of @host. Returns the address to which it connects first, or what it logs
    of a failed lookup.
    """
    listeners = {}
    port = None
    for address in ("127.0.0.1", "::1", "10.77.1.2", "fd77::2"):
        def listen(address=address):
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            listener = socket.create_server((address, port or 0), family=family)
            listener.settimeout(0)
            return listener
        listeners[address] = home.inside(listen)
        port = listeners[address].getsockname()[1]
    process = world.run("adit", [*home.prefix, adit.argv[0], "client", "--max-retry-count", "0",
                                 f"http://{host}:{port}", "R:3000"])

    def result():
        for address, listener in listeners.items():
            try:
                listener.accept()[0].close()
                return address
            except BlockingIOError:
                pass
        return next((line for line in process.log.splitlines() if "lookup" in line), None)

    found = net.wait_until(result, message="a connection, or a failed lookup")
    for listener in listeners.values():
        listener.close()
    return found


def add_unique_local(home):
    home.ip("-6", "addr", "add", "fd77::2/64", "dev", "up", "nodad")


def first_address(world, home, host):
    """The first address of getaddrinfo()."""
    code = (f"import socket; print(socket.getaddrinfo({host!r}, 80, "
            "type=socket.SOCK_STREAM)[0][4][0])")
    done = world.call([*home.prefix, sys.executable, "-c", code])
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_ipv4_is_before_unique_local_ipv6(world, adit, answering):
    """RFC 6724 10.6. The getaddrinfo() of glibc has the order of RFC 3484 here."""
    add_unique_local(answering.home)
    assert dial(world, adit, answering.home, "unique-local.example.com") == "10.77.1.2"


@pytest.mark.parametrize("host", sorted(set(ZONE) - {"unique-local.example.com"}))
def test_addresses_have_the_order_of_getaddrinfo(world, adit, answering, host):
    add_unique_local(answering.home)
    assert dial(world, adit, answering.home, host) == first_address(world, answering.home, host)


@pytest.mark.parametrize("host", ["both.example.com", "both"])
def test_addresses_in_hosts_have_the_order_of_getaddrinfo(world, adit, silent, host):
    add_unique_local(silent.home)
    silent.home.hosts(f"{V4} {host}\n10.77.1.2 {host}\n{V6} {host}\n")
    assert dial(world, adit, silent.home, host) == first_address(world, silent.home, host)
    assert silent.heard == 0


def test_an_unknown_name_is_reported(world, adit, answering):
    add_unique_local(answering.home)
    assert "lookup away.example.com: no such host" in dial(world, adit, answering.home,
                                                           "away.example.com")


def test_a_name_without_a_name_server_is_reported(world, adit, answering):
    add_unique_local(answering.home)
    answering.home.name_server("")
    began = time.monotonic()
    assert "lookup home.example.com: no name server answered" in dial(
        world, adit, answering.home, "home.example.com")
    assert answering.heard == 0 and time.monotonic() - began < 5


@pytest.mark.parametrize("sources, host", [
    ("files dns", "here.example.com"), ("files mdns4_minimal [NOTFOUND=return] dns", "box.local"),
    ("files myhostname dns", "box")])
def test_a_name_in_hosts_is_not_sent_to_a_name_server(world, adit, silent, sources, host):
    add_unique_local(silent.home)
    silent.home.name_server(silent.path.away_address, sources)
    silent.home.hosts(f"{V4} {host}\n")
    assert dial(world, adit, silent.home, host) == V4
    assert silent.heard == 0


@pytest.mark.parametrize("host", ["127.1", "0x7f.1", "2130706433"])
def test_a_literal_of_the_c_library_is_no_name(world, adit, silent, host):
    add_unique_local(silent.home)
    assert dial(world, adit, silent.home, host) == V4
    assert silent.heard == 0
