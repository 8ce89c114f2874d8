"""
An agent with many tunnels: an edit touches one of them, idle ones cost next to nothing,
and all are back soon when their relay is.
"""

import concurrent.futures
import socket
import threading
import time

import pytest
from lib import net
from lib import portal_visitor as visitor
from lib.agents import Agent, tunnel

COUNT = 100
EDITED = 50  # the tunnel that is edited
BLOCK = 512
SOON = 5  # seconds from a relay's return to the last tunnel


def block(name, turn):
    """A download's block: it is of this tunnel, and comes in this turn."""
    return f"{name} {turn:06} ".encode().ljust(BLOCK, b".")


class SlowService:
    """Its visitors write their name, and get a block of their download in each turn."""

    def __init__(self, world):
        self.turn, self.ends = 0, False
        self.changed = threading.Condition()
        self.server = world.serve(self.serve)
        self.port = self.server.port
        world.keep(self)

    def serve(self, s):
        name = s.recv(100).decode(errors="replace")
        sent = 0
        while name.startswith("app"):  # not the agent's own visit, on a machine that is late
            with self.changed:
                self.changed.wait_for(lambda: self.turn > sent or self.ends)
                if sent == self.turn:
                    return
            sent += 1
            s.sendall(block(name, sent))

    def next(self, ends=False):
        with self.changed:
            self.turn += not ends
            self.ends |= ends
            self.changed.notify_all()

    def close(self):
        self.next(ends=True)


class Download:
    """A visitor who has asked for one."""

    def __init__(self, leases, relay, name):
        self.name, self.turn = name, 0
        self.stream = leases.visit(relay, name)
        self.stream.sendall(name.encode())

    def read_to(self, turn):
        while self.turn < turn:
            self.turn += 1
            assert net.read_exactly(self.stream, BLOCK) == block(self.name, self.turn)


def counters(agent):
    """{tunnel: (bytes to its visitors, visitors so far, visitors now)}"""
    return {t["id"]: (t["sent_bytes"], t["visitors"], t["visitors_now"])
            for t in agent.status()["tunnels"]}


@pytest.mark.parametrize("way", ["hand", "api"])
def test_an_edit_leaves_the_downloads_of_all_other_tunnels_alone(world, leases, way):
    relay = leases.relay()
    old, new = SlowService(world), world.serve(lambda s: s.sendall(b"new"))
    config = [tunnel(f"t{i}", relay, old.port, name=f"app{i}", ban_mitm=False)
              for i in range(COUNT)]
    agent = Agent(world, "adit", "".join(config)).start()
    agent.wait_all_running(COUNT)
    downloads = {f"t{i}": Download(leases, relay, f"app{i}") for i in range(COUNT)
                 if i != EDITED}
    net.wait_until(lambda: all(n > 0 for id, (_, _, n) in counters(agent).items()
                               if id != f"t{EDITED}"), message="99 downloads")
    log, before = len(agent.process.log), counters(agent)

    def is_live():
        """Looks for the edit, while the downloads go on."""
        old.next()
        for d in downloads.values():
            d.read_to(old.turn)
        with leases.visit(relay, f"app{EDITED}") as one:
            one.sendall(b"?")
            return one.recv(3) == b"new"

    if way == "hand":
        config[EDITED] = tunnel(f"t{EDITED}", relay, new.port, name=f"app{EDITED}",
                                ban_mitm=False, tags=["edited"])
        agent.write("".join(config))
    else:
        agent.do("PATCH", f"tunnels/t{EDITED}", {"target": f"127.0.0.1:{new.port}",
                                                 "metadata": {"tags": ["edited"]}})
    net.wait_until(is_live, 15, message="the edit being live")
    old.next()
    old.next(ends=True)
    for d in downloads.values():
        d.read_to(old.turn)
        assert d.stream.recv(1) == b""  # all of it, and nothing else
    after = counters(agent)
    for id in downloads:
        assert after[id][:2] == (before[id][0] + old.turn * BLOCK, before[id][1])
    changed = [line for line in agent.process.log[log:].splitlines() if ": changed: " in line]
    assert changed and all(f"t{EDITED}: changed: " in line for line in changed), changed
    assert agent.process.log.count("public at https://") == COUNT


def test_ten_idle_tunnels_wake_the_agent_at_most_once_a_second(world, leases):
    """Beyond the keepalives of the relay, which this one does not send meanwhile."""
    relay = leases.relay("python")
    relay.script.keepalive = 3600
    app = world.serve()
    agent = Agent(world, "adit", "".join(
        tunnel(f"t{i}", relay, app.port, name=f"app{i}") for i in range(10))).start()
    agent.wait_all_running(10)
    net.wait_until(lambda: all(t["target_health"] == "ok" and t["verified"]
                               for t in agent.status()["tunnels"]), 30, every=0.2,
                   message="a dial of each service, and a visit to each name")
    before = agent.process.switches()
    net.wait_quietly(5)
    assert agent.process.switches() - before <= 5


# ---- a relay that is away ----

class Stub:
    """At the port of a relay that is away: counts the attempts, and resets them."""

    def __init__(self, port):
        self.times = []
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen(4096)
        self.server = net.Server(self.refuse, listener=listener)
        self.close = self.server.close

    def refuse(self, s):
        self.times.append(time.monotonic())
        net.reset(s)

    def most(self, seconds, since):
        """The most attempts within so many seconds."""
        times = [t for t in self.times if t >= since]
        return max((sum(start <= t < start + seconds for t in times) for start in times),
                   default=0)


def sleep_and_find_lag(seconds):
    """Sleeps, and tells by how much the machine was late at most."""
    worst, end = 0, time.monotonic() + seconds
    while time.monotonic() < end:
        before = time.monotonic()
        time.sleep(0.01)
        worst = max(worst, time.monotonic() - before - 0.01)
    return worst


@pytest.mark.parametrize("agents, each, away", [
    (1, 40, 3), (8, 1, 5),
    pytest.param(1, 100, 45, marks=pytest.mark.slow),
    pytest.param(20, 1, 45, marks=pytest.mark.slow)])
def test_a_relay_that_was_away_has_all_tunnels_back_without_a_stampede(
        world, leases, agents, each, away):
    relay = leases.relay()
    app = world.serve()
    names = [[f"app{a}-{i}" for i in range(each)] for a in range(agents)]
    count, started = agents * each, []
    for a in range(agents):
        config = "".join(tunnel(name, relay, app.port, name=name) for name in names[a])
        started.append(Agent(world, "adit", config, name=f"agent{a}").start(wait=False))
    for agent in started:
        net.wait_until(agent.answers, 60, message="its control API")
        agent.wait_all_running(each)
    relay.kill()
    begin = time.monotonic()
    stub = Stub(relay.sni_port)
    lag = sleep_and_find_lag(away)
    stub.close()
    settled = begin + min(2, away / 2)  # the first attempts come at once
    if lag < 0.05:  # else the machine lets them wait, and they come together
        assert stub.most(0.05, settled) <= max(count, 14)
    seconds = time.monotonic() - settled
    attempts = sum(t > settled for t in stub.times)
    assert count * seconds / 10 < attempts < count * seconds * 4
    relay.process = relay.again()
    begin = time.monotonic()

    def come(name):
        visitor.wait_served(relay.sni_port, f"{name}.{relay.root}", leases.ca, 60)
        return time.monotonic() - begin

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        times = sorted(pool.map(come, sum(names, [])))
    assert times[-1] < SOON, times
    for agent in started:
        agent.wait_all_running(each)
