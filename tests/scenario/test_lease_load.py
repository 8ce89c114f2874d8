"""A relay with several workers under load, and its end in the midst of it."""

import concurrent.futures
import itertools
import selectors
import signal
import socket
import threading
import time

import pytest
from lib import net, portal_hello
from lib.portal_admin import Admin
from lib.portal_client import TLS, Refused
from lib.portal_crypto import Identity

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


class Visit:
    """One of a crowd: says a hello and a text of his own, and hears both again."""

    def __init__(self, relay, name, number):
        self.relay, self.name = relay, name
        self.said = hello_for(name) + b"%d " % number * 50
        self.ended = False
        self.come()

    def come(self):
        self.heard = b""
        self.socket = net.connect(self.relay.sni_port, timeout=30)
        self.socket.sendall(self.said)
        self.socket.setblocking(False)

    def hear(self):
        """Whether there is more to wait for."""
        try:
            data = self.socket.recv(65536)
        except BlockingIOError:
            return True
        except ConnectionError:
            data = b""
        self.heard += data
        assert self.said.startswith(self.heard), "what was another's"
        self.ended = not data
        return data and self.heard != self.said

    def finish(self, fickle):
        try:
            self.socket.shutdown(socket.SHUT_WR)
        except OSError:
            assert self.name in fickle

    def leave(self, fickle):
        self.socket.settimeout(30)
        try:
            assert net.read_all(self.socket) == b""
        except ConnectionError:
            assert self.name in fickle
        self.socket.close()


def hear_all(visits, again, end):
    """Until each has heard all, or was closed; who is to come again does."""
    with selectors.DefaultSelector() as selector:
        for v in visits:
            selector.register(v.socket, selectors.EVENT_READ, v)
        while selector.get_map():
            assert time.monotonic() < end, f"{len(selector.get_map())} visitors hear nothing"
            for key, _ in selector.select(1):
                v = key.data
                if v.hear():
                    continue
                selector.unregister(v.socket)
                if v.ended and v.heard != v.said and again(v):
                    v.socket.close()
                    v.come()
                    selector.register(v.socket, selectors.EVENT_READ, v)


def crowd(relay, names, count, fickle=(), seconds=60):
    """So many visitors, there all at the same time and then gone. Only those of fickle names
    may go unserved. Gives how many were served."""
    end = time.monotonic() + seconds
    visits = [Visit(relay, names[i % len(names)], i) for i in range(count)]
    hear_all(visits, lambda v: v.name not in fickle, end)
    there = [v for v in visits if not v.ended]
    for v in there:
        v.finish(fickle)
    for v in visits:
        v.leave(fickle)
    return len(there)


class Agents:
    """Clients that serve names until close(), and whose sessions echo what they get."""

    def __init__(self, leases, relay, names, slots):
        self.is_ending = False
        self.sessions = set()
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
                marker = session.activation(None)
            except (OSError, EOFError):
                marker = None
            if marker == TLS:
                threading.Thread(target=self._echo, args=(session,), daemon=True).start()
            else:
                self._forget(session)

    def _echo(self, session):
        session.settimeout(30)
        try:
            net.echo(session)
            session.shutdown(socket.SHUT_WR)
        except (OSError, EOFError):
            pass
        self._forget(session)

    def _forget(self, session):
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
    """Leases that come, are renewed and replaced, and go; with a port if the relay has any."""
    client = leases.client(relay, name)
    has_port = hasattr(relay, "min_port")
    while not stop.is_set():
        try:
            client.register(tcp_enabled=has_port)
            session = client.session()
            client.renew()
            client.register(tcp_enabled=has_port)
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


def decide(admin, client):
    """What policy may say of a lease, one after the other; in the end nothing."""
    for what in ("ban", "deny"):
        admin.lease("POST", client, what)
        admin.lease("DELETE", client, what)
    for rate in (1000, 100000, 3000000):
        admin.lease("POST", client, "bps", {"bps": rate})
    admin.want("POST", "/admin/ips/203.0.113.9/ban")
    admin.want("DELETE", "/admin/ips/203.0.113.9/ban")
    admin.lease("DELETE", client, "bps")


def change_minds(leases, relay, wallet, clients, stop, failures):
    """An administrator who decides about these leases, looks, and reloads, again and again."""
    try:
        admin = Admin(leases.client(relay), wallet)
        assert admin.sign_in().status == 200
        while not stop.is_set():
            for client in clients:
                decide(admin, client)
                client.renew()
                assert admin.want("GET", "/admin/snapshot")["leases"]
                relay.process.signal(signal.SIGHUP)
    except (OSError, EOFError, Refused, AssertionError) as error:
        failures.append(error)


@pytest.mark.tsan
def test_hundreds_at_once_while_policy_changes(world, leases):
    """Who serves a name that is banned now and then may lose visitors; nobody else does, and
    nobody hears what is another's."""
    wallet = Identity("admin")
    relay = leases.relay("adit", "--workers", WORKERS, "--admin-wallets", wallet.address,
                         tcp=True)
    names = [f"name-{i}" for i in range(12)]
    fickle = names[:3]
    agents, stop = busy(leases, relay, world, names, 4)
    failures = []
    for name in names:
        leases.wait_alive(relay, f"{name}.relay.localhost")
    before = relay.process.descriptors()
    minds = threading.Thread(target=change_minds, daemon=True, args=(
        leases, relay, wallet, [agents.clients[n] for n in fickle], stop, failures))
    minds.start()
    for _ in range(2):
        assert crowd(relay, names, 240, fickle) >= 180
    stop.set()
    minds.join(30)
    assert not failures and not minds.is_alive()
    assert crowd(relay, names, 48) == 48
    agents.close()
    net.wait_until(lambda: relay.process.descriptors() <= before + 48, 20,
                   message="the end of every connection")


def test_thousands_of_visitors(world, leases):
    relay = leases.relay("adit", "--workers", WORKERS)
    names = [f"name-{i}" for i in range(24)]
    agents, stop = busy(leases, relay, world, names, 4)
    for name in names:
        leases.wait_alive(relay, f"{name}.relay.localhost")
    assert sum(crowd(relay, names, 480) for _ in range(5)) == 2400
    stop.set()
    agents.close()


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
