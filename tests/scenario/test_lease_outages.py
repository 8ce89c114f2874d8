"""A tunnel through outages: who comes after one is served within seconds."""

import concurrent.futures
import signal
import time

import pytest
from lib import net, netns, portal_relay
from lib import portal_visitor as visitor
from lib.portal_tls import Tls, client_context

ROOT = "relay.test"
SOON = 5  # seconds, after whatever it was


@pytest.fixture
def away(world, leases):
    """A relay away and an agent at home; visitors come from where the relay is."""
    reason = netns.why_not()
    if reason:
        pytest.skip(reason)
    return Away(world, leases, world.keep(netns.Path()))


class Away:
    def __init__(self, world, leases, path):
        self.path, self.address = path, path.away_address
        self.move(self.address)
        self.relay = path.away.inside(lambda: leases.relay(
            "adit", root=ROOT, host="0.0.0.0", prefix=path.away.prefix))
        target = world.serve(net.echo, listener=path.home.listen("127.0.0.1"))
        self.agent = leases.expose("adit", self.relay, target.port, wait=False,
                                   prefix=path.home.prefix, env={"SSL_CERT_FILE": leases.ca})
        net.wait_until(self.served, 20, every=0.2, message="the first visitor")

    def move(self, address):
        """The relay's name leads to another address from now on."""
        self.address = address
        for end in (self.path.home, self.path.away):
            end.hosts(f"127.0.0.1 localhost\n{address} {ROOT} demo.{ROOT}\n")

    def served(self):
        try:
            raw = self.path.away.connect(self.address, self.relay.sni_port, 2)
            raw.settimeout(2)
            with Tls(raw, client_context(), server_name="demo." + ROOT) as tls:
                tls.sendall(b"hi")
                return net.read_exactly(tls, 2) == b"hi"
        except (OSError, EOFError):
            return False

    def wait_served_soon(self):
        begin = time.monotonic()
        net.wait_until(self.served, 30, every=0.1, message="a visitor being served")
        assert time.monotonic() - begin < SOON

    def readdress(self, end, old, new):
        """An end of the path gets another address in place of the one it has."""
        end.ip("addr", "del", old + "/24", "dev", "up")
        end.ip("addr", "add", new + "/24", "dev", "up")
        end.ip("route", "replace", "default", "via", new.rpartition(".")[0] + ".1")


@pytest.mark.parametrize("seconds", [5, pytest.param(12, marks=pytest.mark.slow),
                                     pytest.param(60, marks=pytest.mark.slow)])
def test_a_path_that_dies_without_a_word(away, seconds):
    away.path.cut()
    net.wait_quietly(seconds)
    away.path.restore()
    away.wait_served_soon()


def test_the_agent_s_address_changes(away):
    away.readdress(away.path.home, "10.77.1.2", "10.77.1.3")
    away.wait_served_soon()


@pytest.mark.parametrize("seconds", [4, pytest.param(50, marks=pytest.mark.slow)])
def test_an_agent_that_was_stopped_for_a_while(away, seconds):
    away.agent.signal(signal.SIGSTOP)
    net.wait_quietly(seconds)
    away.agent.signal(signal.SIGCONT)
    away.wait_served_soon()


@pytest.mark.slow
@pytest.mark.parametrize("address", ["10.77.1.2", "10.77.1.3"])
def test_a_machine_that_sleeps_and_wakes(away, address):
    """Nothing runs and nothing comes through; it may wake up elsewhere."""
    away.agent.signal(signal.SIGSTOP)
    away.path.cut()
    net.wait_quietly(50)
    if address != away.path.home_address:
        away.readdress(away.path.home, away.path.home_address, address)
    away.path.restore()
    away.agent.signal(signal.SIGCONT)
    away.wait_served_soon()


def test_the_relay_restarts_at_another_address(away):
    away.relay.kill()
    away.readdress(away.path.away, "10.77.2.2", "10.77.2.3")
    away.move("10.77.2.3")
    away.relay.process = away.path.away.inside(away.relay.again)
    away.wait_served_soon()


def test_the_relay_s_address_leads_nowhere_any_more(away):
    """Nobody says so to those who are connected: the machine is gone, and its name is
    another's. Their kernels notice in 8 s."""
    net.wait_quietly(4)  # or the agent has heard of its new network, and looks anyhow
    away.path.away.ip("addr", "add", "10.77.2.3/24", "dev", "up")
    for way in ("from", "to"):
        away.path.router.ip("rule", "add", way, "10.77.2.2", "blackhole")
    away.move("10.77.2.3")
    begin = time.monotonic()
    net.wait_until(away.served, 30, every=0.1, message="a visitor being served")
    assert time.monotonic() - begin < 8 + SOON


@pytest.mark.parametrize("count, seconds", [
    (1, 0), (1, 6), pytest.param(50, 0, marks=pytest.mark.slow),
    pytest.param(50, 20, marks=pytest.mark.slow)])
def test_a_relay_that_was_killed_has_everybody_back(world, leases, count, seconds):
    relay = leases.relay("adit")
    target = world.serve(net.echo)
    names = [f"demo{i}" for i in range(count)]
    for name in names:
        leases.expose("adit", relay, target.port, name=name, wait=False)
    for name in names:
        leases.wait_alive(relay, f"{name}.{relay.root}", seconds=60)
    relay.kill()
    net.wait_quietly(seconds)
    relay.process = relay.again()
    begin = time.monotonic()

    def come(name):
        visitor.wait_served(relay.sni_port, f"{name}.{relay.root}", leases.ca, 60)
        return time.monotonic() - begin

    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        times = sorted(pool.map(come, names))
    assert times[-1] < SOON, times


@pytest.mark.parametrize("kind", ["adit", "python"])
def test_a_relay_that_comes_back_with_another_certificate(world, leases, kind):
    """It is on this machine: what it presents is believed, and nothing else."""
    relay = leases.relay(kind)
    leases.expose("adit", relay, world.serve(net.echo).port)
    relay.kill()
    if relay.script:
        relay.script.certify(leases.certificate())
    else:
        portal_relay.write_state(relay.state, leases.certificate())
        relay.process = relay.again()
    begin = time.monotonic()
    visitor.wait_served(relay.sni_port, "demo." + relay.root, leases.ca, 30)
    assert time.monotonic() - begin < SOON


def test_a_relay_that_accepts_and_never_answers(world, leases):
    listener = world.keep(net.Server(lambda s: s.recv(1 << 16) and time.sleep(60)))
    url = f"https://mute.localhost:{listener.port}"
    client = leases.expose("adit", [Url(url)], 1, wait=False)
    client.wait_log(r"timed out|did not answer", seconds=15)
    client.signal(signal.SIGTERM)
    assert client.wait_exit(5) == 0


class Url:
    def __init__(self, url):
        self.url, self.root = url, "mute.localhost"


@pytest.mark.parametrize("when", ["served", "relay gone", "relay mute"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_clean_end_takes_at_most_five_seconds(world, leases, when, number):
    relay = leases.relay("python")
    client = leases.expose("adit", relay, world.serve(net.echo).port)
    with leases.visit(relay) as tls:
        tls.sendall(b"x")
        assert net.read_exactly(tls, 1) == b"x"
        if when == "relay gone":
            relay.script.close()
        relay.script.mute = when == "relay mute"
        begin = time.monotonic()
        client.signal(number)
        assert client.wait_exit(8) == 0
        assert time.monotonic() - begin < 6


def test_a_second_signal_ends_it_at_once(world, leases):
    relay = leases.relay("python")
    client = leases.expose("adit", relay, world.serve(net.echo).port)
    with leases.visit(relay) as tls:
        tls.sendall(b"x")
        assert net.read_exactly(tls, 1) == b"x"
        client.signal(signal.SIGINT)
        client.wait_log("a second signal stops at once")
        begin = time.monotonic()
        client.signal(signal.SIGINT)
        client.wait_exit(3)
        client.graceful = False
        assert time.monotonic() - begin < 1.5
