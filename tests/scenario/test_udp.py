"""Datagrams, both ways round, each visitor with the answers meant for it."""

import socket
import time

import pytest

from lib import net
from lib.process import wait_until


@pytest.fixture(params=["forward", "reverse"])
def link(request, world, pair):
    """Starts a pair with a UDP remote to that target; gives the port to visit."""
    def start(target_port, **options):
        server_program, client_program = pair
        port = net.free_port()
        prefix = "R:" if request.param == "reverse" else ""
        server = world.server(server_program, "--reverse", **options)
        world.client(client_program, server,
                     f"{prefix}127.0.0.1:{port}:127.0.0.1:{target_port}/udp", **options)
        net.wait_listening(port, kind="udp")
        return port
    return start


@pytest.mark.tsan
def test_a_datagram_is_answered(world, link):
    assert net.udp_echoes(link(world.udp().port))


def test_visitors_get_their_own_answers(world, link):
    target = world.udp()
    port = link(target.port)
    net.udp_echoes(port)
    visitors = [net.udp_visitor(port) for _ in range(20)]
    for i, visitor in enumerate(visitors):
        visitor.send(b"I am %d" % i)
    for i, visitor in enumerate(visitors):
        assert visitor.recv(100) == b"I am %d" % i
        visitor.close()
    assert len(target.sources) >= 20


@pytest.mark.parametrize("size", [1, 127, 128, 1472, 9000])
def test_sizes_pass_unchanged(world, link, size):
    port = link(world.udp().port)
    assert net.udp_echoes(port, bytes(i % 251 for i in range(size)))


def test_an_empty_datagram_passes(world, link):
    target = world.udp(lambda data: b"%d" % len(data))
    port = link(target.port)
    net.udp_echoes_as(port, b"", b"0")


def test_many_datagrams_in_a_row(world, link):
    port = link(world.udp().port)
    net.udp_echoes(port)
    with net.udp_visitor(port) as s:
        for i in range(500):
            s.send(b"%d" % i)
            assert s.recv(100) == b"%d" % i


def test_a_dead_target_that_comes_alive(world, link):
    """Errors on the socket must not end the channel: the visitor would never recover."""
    dead = net.free_port()
    port = link(dead)
    with net.udp_visitor(port, timeout=0.2) as s:
        for _ in range(5):
            s.send(b"anybody?")
            time.sleep(0.02)
        with pytest.raises(OSError):
            s.recv(100)
        late = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        late.bind(("127.0.0.1", dead))
        world.keep(net.Udp(existing=late))
    assert net.udp_echoes(port)


class TestOurs:
    """What is asked of adit beyond what the field does."""

    def test_the_largest_datagram_passes(self, world, adit):
        target = world.udp()
        port = net.free_port()
        server = world.server(adit)
        world.client(adit, server, f"127.0.0.1:{port}:127.0.0.1:{target.port}/udp")
        assert net.udp_echoes(port, b"x" * 65507)

    def test_the_entry_opens_a_closed_channel_again(self, world, adit, peer, program):
        target = world.udp()
        port = net.free_port()
        peer = program("peer")
        server = world.server(type(peer)("peer", peer.argv, flags=["--udp-close"]))
        client = world.client(adit, server,
                              f"127.0.0.1:{port}:127.0.0.1:{target.port}/udp")
        with net.udp_visitor(port) as s:
            before = client.cpu_seconds()
            for _ in range(10):
                s.send(b"x")
                time.sleep(0.05)
            assert client.cpu_seconds() - before < 0.4
        assert client.is_running()

    def test_answers_go_only_to_those_who_asked(self, world, adit, peer):
        target = world.udp()
        port = net.free_port()
        server = world.server(type(peer)("peer", peer.argv, flags=["--src-suffix", "0"]))
        client = world.client(adit, server,
                              f"127.0.0.1:{port}:127.0.0.1:{target.port}/udp")
        with net.udp_visitor(port, timeout=0.5) as s:
            s.send(b"x")
            with pytest.raises(OSError):
                s.recv(10)
        wait_until(lambda: target.sources, message="the datagram")
        assert client.is_running()

    def test_idle_flows_are_forgotten(self, world, adit):
        target = world.udp()
        port = net.free_port()
        server = world.server(adit, env={"CHISEL_UDP_DEADLINE": "300ms"})
        world.client(adit, server, f"127.0.0.1:{port}:127.0.0.1:{target.port}/udp",
                     env={"CHISEL_UDP_DEADLINE": "300ms"})
        net.udp_echoes(port)
        before = server.descriptors()
        visitors = [net.udp_visitor(port) for _ in range(30)]
        for visitor in visitors:
            visitor.send(b"x")
            visitor.recv(10)
        assert server.descriptors() >= before + 25
        wait_until(lambda: server.descriptors() <= before, message="flows ending")
        visitors[0].send(b"again")
        assert visitors[0].recv(10) == b"again"

    def test_more_flows_than_the_limit_push_out_the_oldest(self, world, adit):
        target = world.udp()
        port = net.free_port()
        env = {"CHISEL_UDP_MAX_CONNS": "10"}
        server = world.server(adit, env=env)
        world.client(adit, server, f"127.0.0.1:{port}:127.0.0.1:{target.port}/udp", env=env)
        net.udp_echoes(port)
        before = server.descriptors()
        for i in range(50):
            with net.udp_visitor(port) as s:
                s.send(b"%d" % i)
                assert s.recv(10) == b"%d" % i
        assert server.descriptors() <= before + 11

    def test_a_server_away_does_not_end_the_client(self, world, adit):
        target = world.udp()
        port, server_port = net.free_port(), net.free_port()
        client = world.client(adit, f"http://127.0.0.1:{server_port}",
                              f"127.0.0.1:{port}:127.0.0.1:{target.port}/udp", wait=False,
                              flags=["-v"], env={"CHISEL_SSH_WAIT": "200ms"})
        net.wait_listening(port, kind="udp")
        client.wait_log("Connection error", count=3)
        world.server(adit, port=server_port)
        assert net.udp_echoes(port)
