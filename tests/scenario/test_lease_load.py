"""A relay with several workers under load, and its end in the midst of it."""

import concurrent.futures
import itertools
import signal
import socket
import threading
import time

import pytest
from lib import net, portal_hello
from lib.portal_client import TLS, Refused

WORKERS = 4


def hello_for(name):
    return portal_hello.record(portal_hello.message(f"{name}.relay.localhost"))


def visit(relay, name, text):
    """What comes back to a visitor whose tunnel says everything twice, hello and all."""
    hello = hello_for(name)
    with net.connect(relay.sni_port, timeout=30) as s:
        s.sendall(hello + text)
        first = net.read_exactly(s, len(hello))
        s.shutdown(socket.SHUT_WR)
        return first == hello and net.read_all(s) == text


class Agents:
    """Clients that serve names until close(), and whose sessions echo what they get."""

    def __init__(self, leases, relay, names, slots):
        self.is_ending = False
        self.sessions, self.ends = set(), []
        self.clients = {}
        for name in names:
            client = self.clients[name] = leases.client(relay, name)
            client.register()
            for _ in range(slots):
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        while not self.is_ending:
            try:
                session = client.session()
            except (OSError, EOFError, Refused):
                time.sleep(0.05)
                continue
            self.sessions.add(session)
            try:
                marker = session.activation()
                self.ends.append(marker)
                if marker == TLS:
                    session.settimeout(30)
                    while data := session.recv(65536):
                        session.sendall(data)
                    session.shutdown(socket.SHUT_WR)
            except (OSError, EOFError) as error:
                self.ends.append(error)
            self.sessions.discard(session)
            session.close()

    def kill_one(self):
        try:
            self.sessions.pop().vanish()
        except (KeyError, OSError):
            pass

    def close(self):
        self.is_ending = True


def churn(leases, relay, stop, name):
    """Leases that come, are renewed and replaced, and go."""
    client = leases.client(relay, name)
    while not stop.is_set():
        try:
            client.register()
            session = client.session()
            client.renew()
            client.register()
            client.unregister()
            session.close()
        except (OSError, EOFError, Refused):
            stop.wait(0.05)


def busy(leases, relay, world, names, slots):
    agents = world.keep(Agents(leases, relay, names, slots))
    stop = threading.Event()
    for i in range(3):
        threading.Thread(target=churn, args=(leases, relay, stop, f"churn-{i}"),
                         daemon=True).start()
    return agents, stop


@pytest.mark.tsan
def test_visitors_sessions_and_leases_of_all_workers_at_once(world, leases):
    relay = leases.relay("adit", "--workers", WORKERS)
    names = [f"name-{i}" for i in range(8)]
    agents, stop = busy(leases, relay, world, names, 3)
    for name in names:
        leases.wait_alive(relay, f"{name}.relay.localhost")
    before = relay.process.descriptors()

    def come(i):
        name = names[i % len(names)]
        if i % 11 == 0:  # leaves before it is served
            with net.connect(relay.sni_port) as s:
                s.sendall(hello_for(name)[:i % 200])
            return True
        if i % 13 == 0:
            with net.connect(relay.sni_port) as s:
                s.sendall(hello_for("nobody"))
                return net.read_all(s)[:1] == b"\x15"
        return visit(relay, name, b"%d" % i * 100)

    with concurrent.futures.ThreadPoolExecutor(24) as pool:
        assert all(pool.map(come, range(400)))
    stop.set()
    agents.close()
    net.wait_until(lambda: relay.process.descriptors() <= before + 16, 20,
                   message="the end of every connection")


@pytest.mark.tsan
def test_the_end_in_the_midst_of_load(world, leases):
    relay = leases.relay("adit", "--workers", WORKERS)
    names = [f"name-{i}" for i in range(6)]
    agents, stop = busy(leases, relay, world, names, 3)
    for name in names:
        leases.wait_alive(relay, f"{name}.relay.localhost")
    numbers = itertools.count()
    served = []

    def come():
        while not stop.is_set():
            i = next(numbers)
            if i % 17 == 0:
                agents.kill_one()
            try:
                served.append(visit(relay, names[i % len(names)], b"%d" % i * 100))
            except OSError:
                stop.wait(0.01)

    visitors = [threading.Thread(target=come, daemon=True) for _ in range(16)]
    for v in visitors:
        v.start()
    net.wait_until(lambda: sum(served) > 60, 60, message="visitors being served")
    relay.process.signal(signal.SIGTERM)
    assert relay.process.wait_exit(30) == 0
    stop.set()
    agents.close()
    for v in visitors:
        v.join(30)


def test_agents_hear_of_the_end_at_once_and_in_order(leases):
    relay = leases.relay("adit", "--workers", WORKERS)
    clients = [leases.client(relay, f"name-{i}") for i in range(4)]
    sessions = []
    for client in clients:
        client.register()
        sessions += [client.session(), client.session()]
    relay.process.signal(signal.SIGTERM)
    start = time.monotonic()
    assert [s.activation(10) for s in sessions] == [b""] * 8
    assert time.monotonic() - start < 2
    assert relay.process.wait_exit() == 0


def test_what_was_asked_before_the_end_is_answered(leases):
    relay = leases.relay("adit", "--workers", WORKERS)
    client = leases.client(relay)
    client.register()
    session = client.session()
    body = b'{"access_token":"%s"}' % client.token.encode()
    with client.connect() as s:
        s.sendall((f"POST /sdk/unregister HTTP/1.1\r\nHost: {client.authority}\r\n"
                   f"Content-Length: {len(body)}\r\n\r\n").encode() + body[:10])
        client.domain()
        relay.process.signal(signal.SIGTERM)
        assert session.activation(10) == b""
        s.sendall(body[10:])
        answer = net.read_all(s)
    assert answer.startswith(b"HTTP/1.1 200 ") and b"Connection: close" in answer
    assert relay.process.wait_exit() == 0


def test_a_visitor_that_waits_is_served_by_the_next_registration(leases):
    relay = leases.relay("adit", "--workers", WORKERS)
    client = leases.client(relay)
    client.register()
    hello = hello_for("demo")
    with net.connect(relay.sni_port) as s:
        s.sendall(hello)
        net.wait_quietly(0.2)
        client.register()
        session = client.session()
        assert session.activation(10) == TLS
        assert net.read_exactly(session, len(hello)) == hello
        session.sendall(b"here")
        assert net.read_exactly(s, 4) == b"here"
