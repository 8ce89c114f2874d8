"""Remotes of every shape, and what they listen on."""

import json
import os
import socket

import pytest

from lib import net, netns, pypeer, socks
from lib.process import wait_until


def bound_to(port, pid="self", kind="tcp"):
    """Local addresses, as /proc writes them, on which the port is listened to."""
    found = set()
    for family in ("", "6"):
        with open(f"/proc/{pid}/net/{kind}{family}") as f:
            for line in f.readlines()[1:]:
                fields = line.split()
                address, _, number = fields[1].rpartition(":")
                if int(number, 16) == port and fields[3] == ("0A" if kind == "tcp" else "07"):
                    found.add(address)
    return found


LOOPBACK4, ANY = "0100007F", "0" * 32
LOOPBACK6 = "00000000000000000000000001000000"


@pytest.mark.parametrize("shape,address", [
    ("{port}:127.0.0.1:{target}", ANY),
    ("0.0.0.0:{port}:127.0.0.1:{target}", ANY),
    ("127.0.0.1:{port}:127.0.0.1:{target}", LOOPBACK4),
    ("localhost:{port}:localhost:{target}", LOOPBACK4),
    ("[::1]:{port}:127.0.0.1:{target}", LOOPBACK6),
    ("[::]:{port}:127.0.0.1:{target}", ANY),
    ("{port}:{target}", ANY),
    ("127.0.0.1:{port}:{target}", ANY),
    ("::{port}:127.0.0.1:{target}", ANY),
    ("{port}/tcp:127.0.0.1:{target}/tcp", ANY),
    ("{port}:LOCALHOST:{target}/TCP", ANY),
])
@pytest.mark.parametrize("reverse", [False, True], ids=["forward", "reverse"])
def test_a_shape(world, adit, shape, address, reverse):
    if address == LOOPBACK6 and not net.has_ipv6():
        pytest.skip("skipped: no IPv6 loopback")
    target = world.serve()
    port = net.free_port()
    text = shape.format(port=port, target=target.port)
    server = world.server(adit, "--reverse")
    world.client(adit, server, ("R:" if reverse else "") + text)
    net.wait_listening(port)
    addresses = bound_to(port)
    assert addresses == {address}
    for host in ("127.0.0.1", "::1"):
        if address in (ANY, LOOPBACK4 if host == "127.0.0.1" else LOOPBACK6) and (
                host == "127.0.0.1" or net.has_ipv6()):
            assert net.echoes(port, host=host)


@pytest.mark.parametrize("names", [("adit", "adit"), ("adit", "stock"), ("stock", "adit")],
                         ids=["adit-adit", "adit-stock", "stock-adit"])
def test_all_addresses_are_those_of_both_families(world, program, names):
    """Of the server itself, and of TCP and UDP remotes at either end."""
    if not net.has_ipv6():
        pytest.skip("skipped: no IPv6 loopback")
    server_program, client_program = map(program, names)
    target, udp = world.serve(), world.udp()
    server = world.server(server_program, "--reverse", host="0.0.0.0")
    ports = [net.free_port() for _ in range(4)]
    world.client(client_program, f"http://[::1]:{server.port}",
                 f"{ports[0]}:127.0.0.1:{target.port}", f"R:{ports[1]}:127.0.0.1:{target.port}",
                 f"{ports[2]}:127.0.0.1:{udp.port}/udp", f"R:{ports[3]}:127.0.0.1:{udp.port}/udp")
    for host in "127.0.0.1", "::1":
        assert net.echoes(ports[0], host=host)
        assert net.echoes(ports[1], host=host)
        net.udp_echoes(ports[2], host=host)
        net.udp_echoes(ports[3], host=host)


@pytest.fixture
def alone(world):
    """A network of its own, with nothing in its /etc/hosts."""
    reason = netns.why_not()
    if reason:
        pytest.skip(reason)
    end = world.keep(netns.Namespace("alone"))
    end.hosts("")
    return end


@pytest.mark.parametrize("has_ipv6", [True, False])
@pytest.mark.parametrize("host", ["localhost", "0.0.0.0"])
def test_a_machine_without_names_and_addresses(world, adit, alone, host, has_ipv6):
    if not has_ipv6:
        alone.sysctl("net/ipv6/conf/all/disable_ipv6", 1)
    target = world.keep(net.Server(net.echo, listener=alone.listen("127.0.0.1")))
    server = world.server(adit, "--reverse", host=host, prefix=alone.prefix)
    world.client(adit, f"http://localhost:{server.port}",
                 f"R:localhost:7001:localhost:{target.port}",
                 f"{host}:7002:localhost:{target.port}", prefix=alone.prefix)
    for port in 7001, 7002:
        with alone.connect("127.0.0.1", port) as s:
            s.sendall(b"hello")
            assert net.read_exactly(s, 5) == b"hello"


def test_one_number_is_both_ports(world, adit):
    """On two loopback addresses, so that one port can be both ends."""
    port = net.free_port()
    listener = socket.create_server(("127.0.0.2", port))
    world.keep(net.Server(net.echo, listener=listener))
    server = world.server(adit)
    client = world.client(adit, server, f"127.0.0.1:{port}:127.0.0.2:{port}")
    assert f"{port}=>127.0.0.2:{port}: Listening" in client.log
    assert net.echoes(port)


def test_a_target_on_ipv6(world, pair):
    server_program, client_program = pair
    try:
        target = world.serve(host="::1")
    except OSError:
        pytest.skip("skipped: no IPv6 loopback")
    forward, reverse = net.free_port(), net.free_port()
    server = world.server(server_program, "--reverse")
    world.client(client_program, server, f"127.0.0.1:{forward}:[::1]:{target.port}",
                 f"R:127.0.0.1:{reverse}:[::1]:{target.port}")
    net.wait_listening(reverse)
    assert net.echoes(forward)
    assert net.echoes(reverse)


@pytest.mark.parametrize("family", ["127.0.0.1", "::1"])
def test_localhost_is_tried_in_both_families(world, adit, family):
    if family == "::1" and not net.has_ipv6():
        pytest.skip("skipped: no IPv6 loopback")
    target = world.serve(host=family)
    port = net.free_port()
    server = world.server(adit)
    world.client(adit, server, f"127.0.0.1:{port}:localhost:{target.port}")
    assert net.echoes(port)


def test_many_remotes_share_a_session(world, pair):
    server_program, client_program = pair
    targets = [world.serve() for _ in range(4)]
    ports = [net.free_port() for _ in range(8)]
    remotes = [f"{'R:' if i >= 4 else ''}127.0.0.1:{ports[i]}:127.0.0.1:"
               f"{targets[i % 4].port}" for i in range(8)]
    server = world.server(server_program, "--reverse")
    world.client(client_program, server, *remotes)
    for port in ports:
        net.wait_listening(port)
        assert net.echoes(port)
    assert [t.count for t in targets] == [2, 2, 2, 2]


def test_reverse_ports_close_with_their_session(world, pair):
    server_program, client_program = pair
    port = net.free_port()
    server = world.server(server_program, "--reverse")
    client = world.client(client_program, server, f"R:127.0.0.1:{port}:127.0.0.1:9")
    net.wait_listening(port)
    client.kill()
    net.wait_not_listening(port)


def test_a_client_s_port_in_use_stops_it(world, adit):
    target = world.serve()
    done = world.call([*adit.argv, "client", "127.0.0.1:9",
                       f"127.0.0.1:{target.port}:127.0.0.1:9"])
    assert done.returncode == 1
    assert "cannot listen on" in done.stderr


def test_a_dead_target_costs_that_visitor_only(world, pair):
    server_program, client_program = pair
    target, dead = world.serve(), net.free_port()
    ports = net.free_port(), net.free_port()
    server = world.server(server_program)
    world.client(client_program, server, f"127.0.0.1:{ports[0]}:127.0.0.1:{dead}",
                 f"127.0.0.1:{ports[1]}:127.0.0.1:{target.port}")
    for _ in range(3):
        try:
            with net.connect(ports[0]) as s:
                assert s.recv(1) == b""
        except ConnectionError:
            pass
    assert net.echoes(ports[1])


def test_a_visitor_before_the_session_waits_for_it(world, adit):
    target = world.serve()
    port, server_port = net.free_port(), net.free_port()
    world.client(adit, f"http://127.0.0.1:{server_port}",
                 f"127.0.0.1:{port}:127.0.0.1:{target.port}", wait=False)
    net.wait_listening(port)
    with net.connect(port) as s:
        s.sendall(b"hello")
        world.server(adit, port=server_port)
        assert net.read_exactly(s, 5) == b"hello"


def test_a_visitor_is_not_kept_for_ever(world, adit):
    port = net.free_port()
    world.client(adit, f"http://127.0.0.1:{net.free_port()}",
                 f"127.0.0.1:{port}:127.0.0.1:9", wait=False,
                 env={"CHISEL_SSH_WAIT": "500ms"})
    net.wait_listening(port)
    with net.connect(port) as s:
        try:
            assert s.recv(1) == b""
        except ConnectionError:
            pass


def test_the_target_learns_that_a_visitor_left(world, pair):
    server_program, client_program = pair
    target = world.serve()
    port = net.free_port()
    server = world.server(server_program)
    world.client(client_program, server, f"127.0.0.1:{port}:127.0.0.1:{target.port}")
    s = net.connect(port)
    s.sendall(b"hello")
    net.read_exactly(s, 5)
    wait_until(lambda: len(target.open) == 1)
    net.reset(s)
    wait_until(lambda: not target.open, message="the target's connection ending")


class TestPortOfChoice:
    """A local port 0: the listening side chooses one, and says which."""

    def chosen(self, client, count=1):
        return int(client.wait_log(r"proxy#R:\S+: the server listens on port (\d+)",
                                   count=count).group(1))

    @pytest.mark.parametrize("shape", ["R:0:127.0.0.1:{}", "R:127.0.0.1:0:127.0.0.1:{}",
                                       "R:localhost:0:127.0.0.1:{}"])
    def test_of_the_server(self, world, adit, shape):
        target = world.serve()
        server = world.server(adit, "--reverse")
        client = world.client(adit, server, shape.format(target.port))
        port = self.chosen(client)
        assert net.echoes(port)
        server.wait_log(f"Listening on port {port}")

    def test_of_the_client(self, world, adit):
        target = world.serve()
        client = world.client(adit, world.server(adit), f"127.0.0.1:0:127.0.0.1:{target.port}")
        port = int(client.wait_log(r"Listening on port (\d+)").group(1))
        assert net.echoes(port)

    def test_of_udp_and_socks_among_others(self, world, adit):
        target, udp = world.serve(), world.udp()
        fixed = net.free_port()
        server = world.server(adit, "--reverse")
        client = world.client(adit, server, f"R:127.0.0.1:{fixed}:127.0.0.1:{target.port}",
                              f"R:127.0.0.1:0:127.0.0.1:{udp.port}/udp", "R:0:socks",
                              f"127.0.0.1:{net.free_port()}:127.0.0.1:{target.port}")
        net.udp_echoes(self.chosen(client, 1))
        code, s = socks.ask(self.chosen(client, 2), "127.0.0.1", target.port)
        assert code == 0
        s.close()
        assert net.echoes(fixed)

    def test_it_is_kept_over_reconnects(self, world, adit):
        target = world.serve()
        server = world.server(adit, "--reverse")
        shim = world.keep(net.Shim(server.port))
        clients = [world.client(adit, shim, f"R:127.0.0.1:0:127.0.0.1:{target.port}")
                   for _ in range(2)]
        ports = [self.chosen(client) for client in clients]
        assert ports[0] != ports[1]
        for i in range(2, 5):
            shim.cut()
            assert [self.chosen(client, i) for client in clients] == ports
            for port in ports:
                wait_until(lambda p=port: net.try_echo(p), message="a visitor being served")

    def test_it_is_another_one_if_that_is_taken_meanwhile(self, world, adit):
        target = world.serve()
        server = world.server(adit, "--reverse")
        client = world.client(adit, server, f"R:127.0.0.1:0:127.0.0.1:{target.port}")
        port = self.chosen(client)
        server.kill()
        world.keep(net.Server(net.echo, listener=socket.create_server(("127.0.0.1", port))))
        world.server(adit, "--reverse", port=server.port)
        other = self.chosen(client, 2)
        assert other != port and net.echoes(other)

    def test_who_may_choose_any_may_not_choose_each(self, world, adit):
        """The port it asks for again counts only if it can have been chosen."""
        loop = world.keep(pypeer.Loop())
        server = world.server(adit, "--reverse")
        low = 20000 + net.free_port() % 10000

        async def story():
            conn = await pypeer.connect(server.port)
            answer = await conn.request(b"config", json.dumps({"Run": "x", "Remotes": [{
                "LocalHost": "127.0.0.1", "LocalPort": "0", "RemoteHost": "h",
                "RemotePort": "1", "Reverse": True, "LastPort": low}]}).encode())
            conn.close()
            return answer

        ok, details = loop.run(story())
        assert ok and json.loads(details)["Ports"][0] not in (0, low)

    def test_a_list_of_addresses_has_it_as_0(self, world, adit):
        users = world.write("users.json", json.dumps({"ann:a": ["^R:127.0.0.1:0$"]}))
        target = world.serve()
        server = world.server(adit, "--reverse", "--authfile", users)
        client = world.client(adit, server, f"R:127.0.0.1:0:127.0.0.1:{target.port}",
                              flags=["--auth", "ann:a"])
        assert net.echoes(self.chosen(client))
        other = world.client(adit, server, f"R:127.0.0.1:{net.free_port()}:127.0.0.1:9",
                             flags=["--auth", "ann:a"], wait=False)
        other.wait_log("access to 'R:127.0.0.1:[0-9]+' denied")

    def test_a_stock_server_does_not_tell(self, world, program):
        client = world.client(program("adit"), world.server(program("stock"), "--reverse"),
                              "R:127.0.0.1:0:127.0.0.1:9")
        client.wait_log("the server does not report the port it chose")


@pytest.mark.parametrize("words,why", [
    (["127.0.0.1:9", "R:3000:localhost:99999"], "port 99999 is out of range"),
    (["127.0.0.1:9", "70000:localhost:80"], "port 70000 is out of range")])
def test_an_invalid_port_is_reported(world, adit, words, why):
    done = world.call([*adit.argv, "client", *words])
    assert done.returncode == 2 and why in done.stderr


def test_flags_may_stand_behind_the_server(world, adit):
    target = world.serve()
    port = net.free_port()
    server = world.server(adit, "--reverse", "--auth", "ann:a")
    client = world.client(adit, server, f"R:127.0.0.1:{port}:127.0.0.1:{target.port}",
                          "--auth", "ann:a", "-v")
    assert net.echoes(port)
    client.wait_log("Handshaking")


def test_flags_behind_the_server_are_named_where_chisel_takes_none(world, adit):
    os.symlink(adit.argv[0], world.path("chisel"))
    done = world.call([world.path("chisel"), "client", "127.0.0.1:9", "R:3000",
                       "--fingerprint", "x"])
    assert done.returncode == 2
    assert '"--fingerprint" is given where a remote is expected' in done.stderr
