"""Leases and links through the proxy that the environment names."""

import os

import pytest

from lib import http, net


class ConnectProxy:
    """Takes CONNECT for any name, which is on this machine then."""

    def __init__(self, world):
        self.asked = []
        self.server = world.serve(self.handle)
        self.url = f"http://127.0.0.1:{self.server.port}"

    def handle(self, s):
        words = http.read_head_raw(s).split(b"\r\n")[0].decode().split()
        self.asked.append(words[1])
        with net.connect(int(words[1].rpartition(":")[2])) as up:
            s.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            net.splice(s, up)


@pytest.fixture
def proxy(world):
    return ConnectProxy(world)


# ---- leases ----

@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
def test_a_lease_is_served_through_the_proxy(world, leases, proxy, variable):
    relay = leases.relay("python", root="relay.test")
    target = world.serve()
    client = leases.expose("adit", relay, target.port, wait=False,
                           env={variable: proxy.url, "SSL_CERT_FILE": leases.ca})
    net.wait_until(lambda: relay.script.lease("demo"), 15, message="the lease")
    relay.script.wait_ready("demo")
    assert leases.echoes(relay)
    assert f"connecting through the proxy {proxy.url}" in client.log
    assert f"relay.test:{relay.sni_port}" in proxy.asked
    # Its own visits are those of a visitor, and go the same way.
    net.wait_until(lambda: f"demo.relay.test:{relay.sni_port}" in proxy.asked, 15,
                   message="a probe through the proxy")


def test_a_relay_on_this_machine_needs_no_proxy(world, leases, proxy):
    relay = leases.relay("python")
    leases.expose("adit", relay, world.serve().port, env={"HTTPS_PROXY": proxy.url})
    assert leases.echoes(relay) and not proxy.asked


def test_a_relay_in_no_proxy_is_reached_directly(leases, world, proxy):
    relay = leases.relay("python", root="relay.invalid") # has no address
    client = leases.expose("adit", relay, world.serve().port, wait=False,
                           env={"HTTPS_PROXY": proxy.url, "NO_PROXY": "10.0.0.0/8, invalid"})
    client.wait_log("relay.invalid")
    assert not proxy.asked


def test_a_variable_that_makes_no_sense_is_named(world, adit, tmp_path):
    done = world.call([*adit.argv, "expose", "3000", "--relays", "https://relay.test",
                       "--discovery=false", "--identity-path", str(tmp_path / "identity.json")],
                      env={"HTTPS_PROXY": "https://proxy.example:3128"})
    assert done.returncode == 1
    assert ("HTTPS_PROXY: a proxy cannot be reached by https; write http://<host>:<port> or "
            "socks5://<host>:<port>\n") in done.stderr


# ---- links ----

def link(world, program, environment, *flags, wait=True):
    server = world.server(program("adit"), "--reverse", host="0.0.0.0")
    return server, world.client(program("adit"), f"http://server.test:{server.port}",
                                f"R:127.0.0.1:{net.free_port()}:127.0.0.1:9",
                                env=environment, flags=flags, wait=wait)


def test_a_link_goes_through_the_proxy(world, program, proxy):
    server, client = link(world, program, {"http_proxy": proxy.url})
    assert f" via {proxy.url}" in client.log
    assert proxy.asked == [f"server.test:{server.port}"]


def test_the_flag_overrides_the_environment(world, program, proxy):
    other = ConnectProxy(world)
    link(world, program, {"HTTP_PROXY": proxy.url, "no_proxy": "*"}, "--proxy", other.url)
    assert other.asked and not proxy.asked


def test_a_server_in_no_proxy_is_reached_directly(world, program, proxy):
    _, client = link(world, program, {"HTTP_PROXY": proxy.url, "NO_PROXY": ".test"},
                     wait=False)
    client.wait_log("Connection error: .*server.test")
    assert not proxy.asked


def test_called_as_chisel_it_reads_no_variable_as_stock(world, adit, proxy):
    chisel = world.path("chisel")
    os.symlink(os.path.abspath(adit.argv[0]), chisel)
    client = world.run("chisel", [chisel, "client", "http://server.test:1", "R:1:2"],
                       env={"HTTP_PROXY": proxy.url})
    client.wait_log("Connection error: .*server.test")
    assert not proxy.asked and " via " not in client.log
