"""Thousands of visitors, together and in a row."""

import selectors
import socket
import threading

import pytest

from lib import net
from lib.process import wait_until

COUNT = 2000


class EventEcho:
    """An echo server in one thread, for more connections than threads are good for."""

    def __init__(self):
        self.selector = selectors.DefaultSelector()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
        self.listener.setblocking(False)
        self.port = self.listener.getsockname()[1]
        self.count = self.open = 0
        self.selector.register(self.listener, selectors.EVENT_READ)
        self.stopping = False
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        while not self.stopping:
            for key, _ in self.selector.select(0.2):
                if key.fileobj is self.listener:
                    s, _ = self.listener.accept()
                    self.count += 1
                    self.open += 1
                    self.selector.register(s, selectors.EVENT_READ)
                else:
                    self._echo(key.fileobj)

    def _echo(self, s):
        try:
            data = s.recv(65536)
            if data:
                s.sendall(data)
                return
        except OSError:
            pass
        self.open -= 1
        self.selector.unregister(s)
        s.close()

    def close(self):
        self.stopping = True
        self.listener.close()


@pytest.mark.tsan
@pytest.mark.parametrize("reverse", [True, False], ids=["reverse", "forward"])
def test_two_thousand_visitors_at_once(world, pair, reverse):
    server_program, client_program = pair
    target = world.keep(EventEcho())
    port = net.free_port()
    server = world.server(server_program, "--reverse")
    client = world.client(client_program, server, ("R:" if reverse else "") +
                          f"127.0.0.1:{port}:127.0.0.1:{target.port}")
    net.wait_listening(port)
    visitors = [net.connect(port, timeout=30) for _ in range(COUNT)]
    for i, s in enumerate(visitors):
        s.sendall(b"%6d" % i)
    for i, s in enumerate(visitors):
        assert net.read_exactly(s, 6) == b"%6d" % i
    assert target.count == COUNT
    for s in visitors:
        s.close()
    wait_until(lambda: target.open == 0, 20, message="the target being left")
    assert net.echoes(port)
    for process in (server, client):
        wait_until(lambda p=process: p.descriptors() < 100, 10,
                   message=f"{process.name} letting go of descriptors")


def test_visitors_come_and_go_in_a_row(world, pair):
    server_program, client_program = pair
    target = world.serve()
    port = net.free_port()
    server = world.server(server_program, "--reverse")
    client = world.client(client_program, server,
                          f"R:127.0.0.1:{port}:127.0.0.1:{target.port}")
    net.wait_listening(port)
    net.echoes(port)
    before = {p: p.descriptors() for p in (server, client)}
    for i in range(500):
        if i % 3 == 0:
            s = net.connect(port)
            net.reset(s)
        elif i % 3 == 1:
            net.connect(port).close()
        else:
            assert net.echoes(port)
    for process, count in before.items():
        wait_until(lambda p=process, n=count: p.descriptors() <= n + 2, 10,
                   message=f"{process.name} letting go of descriptors")


def test_many_clients_share_a_server(world, adit):
    target = world.serve()
    server = world.server(adit, "--reverse")
    ports = [net.free_port() for _ in range(20)]
    for port in ports:
        world.client(adit, server, f"R:127.0.0.1:{port}:127.0.0.1:{target.port}",
                     wait=False)
    for port in ports:
        net.wait_listening(port, seconds=20)
        assert net.echoes(port)


@pytest.mark.tsan
@pytest.mark.parametrize("workers", [1, 4])
def test_any_number_of_workers_serves(world, adit, workers):
    target = world.serve()
    server = world.server(adit, "--reverse", env={"ADIT_WORKERS": workers})
    ports = [net.free_port() for _ in range(6)]
    clients = [world.client(adit, server, f"R:127.0.0.1:{port}:127.0.0.1:{target.port}")
               for port in ports]
    for port in ports:
        net.wait_listening(port)
        for _ in range(20):
            assert net.echoes(port)
    for client, port in zip(clients, ports):
        client.signal(15)
        net.wait_not_listening(port)
