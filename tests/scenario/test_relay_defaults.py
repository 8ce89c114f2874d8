"""A relay without settings: for trying things out on one machine."""

import ssl
import subprocess

import pytest
from lib import hosts, net
from lib import portal_visitor as visitor
from lib.leases import RelayEnd
from lib.portal_client import Client


@pytest.fixture
def relay(world, program):
    """Its ports are chosen, since the usual ones may be taken; nothing else is."""
    end = RelayEnd("adit", "relay.localhost", net.free_port(), net.free_port())
    end.state = world.path("state")
    end.ca = f"{end.state}/fullchain.pem"
    # --portal-url stays what it is: the port in it is for people
    argv = [*program("lease-adit-relay").argv, "relay", "run", "--identity-path", end.state,
            "--api-port", end.api_port, "--sni-port", end.sni_port, "--host", "127.0.0.1"]
    end.process = world.run("relay", argv)
    end.process.graceful = True
    net.wait_listening(end.sni_port, end.process)
    net.wait_listening(end.api_port, end.process)
    return end


def publish(world, program, kind, relay, host, target):
    """A client that is told of the relay by one of its names."""
    url = f"https://{host}:{relay.api_port}"
    found = program("lease-" + kind)
    argv = [*found.argv, "expose", "--relays", url, "--discovery=false", "--name", "demo",
            "--identity-path", world.path("identity.json"), f"127.0.0.1:{target.port}"]
    if kind == "stock":
        argv = [*hosts.prefix(world.path("hosts"), [host]), *argv]
    process = world.run("expose", argv)
    process.graceful = kind == "adit"
    net.wait_until(lambda: Client(relay.api_url).ask(
        "GET", "/tunnel/status?hostname=demo." + host).data["service_alive"], 20,
        message="the tunnel being served")
    return process


@pytest.mark.parametrize("kind, host", [("adit", "relay.localhost"), ("adit", "localhost"),
                                        ("stock", "localhost"), ("stock", "relay.localhost")])
def test_a_client_publishes_by_either_name(world, program, relay, kind, host):
    publish(world, program, kind, relay, host, world.serve(net.echo))
    for name in ("demo.relay.localhost", "demo.localhost"):
        assert visitor.echoes(relay.sni_port, name, timeout=10), name
    assert visitor.echoes(relay.sni_port, "demo.relay.localhost", relay.ca)


def test_curl_verifies_the_names_of_leases(world, program, relay):
    target = world.serve(lambda s: (s.recv(4096), s.sendall(
        b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\nhello\n")))
    publish(world, program, "adit", relay, "relay.localhost", target)
    done = subprocess.run(["curl", "-sS", "--cacert", relay.ca, "--resolve",
                           f"demo.relay.localhost:{relay.sni_port}:127.0.0.1",
                           f"https://demo.relay.localhost:{relay.sni_port}/"],
                          capture_output=True, timeout=20, check=False)
    assert done.stdout == b"hello\n", done.stderr


@pytest.mark.parametrize("port", ["api", "sni"])
def test_the_api_goes_by_two_names(relay, port):
    number = relay.api_port if port == "api" else relay.sni_port
    for host in ("relay.localhost", "localhost"):
        client = Client(f"https://{host}:{number}", ca=relay.ca, dial=("127.0.0.1", number))
        assert client.ask("GET", "/sdk/domain").status == 200
    for host in ("demo.relay.localhost", "evil.example"):
        client = Client(f"https://{host}:{number}", dial=("127.0.0.1", number))
        if port == "sni":
            with pytest.raises((ssl.SSLError, OSError)):
                client.ask("GET", "/sdk/domain")
            continue
        assert client.ask("GET", "/sdk/domain").status == 421
        assert client.ask("GET", "/healthz").status == 200
