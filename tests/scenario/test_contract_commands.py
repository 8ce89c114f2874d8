"""The commands of the contracts, as printed, through links named chisel and portal."""

import json
import os

import pytest

from lib import net, netns, portal_relay, services
from lib import portal_visitor as visitor
from lib.web import Web
from conftest import need

NGINX_PORT = 443
PORTAL = "portal.example.com"


@pytest.fixture
def path(world):
    reason = netns.why_not()
    if reason:
        pytest.skip(reason)
    return world.keep(netns.Path())


@pytest.fixture
def chisel(world, adit):
    """A directory for PATH in which chisel is adit."""
    os.mkdir(world.path("bin"))
    os.symlink(adit.argv[0], world.path("bin/chisel"))
    return world.path("bin") + ":" + os.environ["PATH"]


def test_the_contract_runs_as_printed(world, adit, chisel, path, authority):
    cert, key = authority.issue("tunnel.example.com", "DNS:tunnel.example.com")
    for end in (path.home, path.away):
        end.hosts("127.0.0.1 localhost\n::1 localhost\n"
                  f"{path.away_address} tunnel.example.com\n")
    apps = {port: world.keep(net.Server(
        lambda s, p=port: s.sendall(b"app %d" % p),
        listener=path.home.listen("127.0.0.1", port))) for port in (3000, 8080)}

    server = world.run("chisel-server", [
        *path.away.prefix, "chisel",
        "server", "--reverse", "--port", "9090", "--host", "127.0.0.1"],
        env={"PATH": chisel})
    server.graceful = True
    net.wait_listening(9090, server)

    config = services.nginx_config(world.directory, NGINX_PORT, 9090, cert, key,
                                   address=path.away_address)
    nginx = world.run("nginx", [*path.away.prefix, need("nginx"), "-c", config, "-p",
                                world.directory])
    net.wait_listening(NGINX_PORT, nginx)

    client = world.run("chisel-client", [
        *path.home.prefix, "chisel",
        "client", "--keepalive", "25s",
        "https://tunnel.example.com",
        "R:3000:localhost:3000",
        "R:8080:localhost:8080"],
        env={"PATH": chisel, "SSL_CERT_FILE": authority.cert})
    client.graceful = True
    client.wait_log(r"\bConnected\b")

    for port in apps:
        net.wait_listening(port, server)
        with path.away.connect("127.0.0.1", port) as visitor:
            assert net.read_all(visitor) == b"app %d" % port


def test_a_link_runs_through_nginx(world, pair, authority, certificate):
    server_program, client_program = pair
    target = world.serve()
    port = net.free_port()
    server = world.server(server_program, "--reverse")
    nginx = world.nginx(server.port, certificate)
    world.client(client_program, f"https://127.0.0.1:{nginx.port}",
                 f"R:127.0.0.1:{port}:127.0.0.1:{target.port}",
                 flags=["--keepalive", "25s", "--tls-ca", authority.cert])
    net.wait_listening(port)
    assert net.echoes(port, b"x" * 3000000)


def test_health_and_pages_pass_through_nginx(world, adit, authority, certificate):
    server = world.server(adit)
    nginx = world.nginx(server.port, certificate)
    base = f"https://localhost:{nginx.port}"
    assert world.curl("--cacert", authority.cert, base + "/health") == "OK\n"
    assert world.curl("--cacert", authority.cert, base + "/none") == "Not found"


@pytest.fixture
def portal(world, adit):
    """A directory for PATH in which portal is adit."""
    os.mkdir(world.path("bin"))
    os.symlink(adit.argv[0], world.path("bin/portal"))
    return {"PATH": world.path("bin") + ":" + os.environ["PATH"]}


@pytest.fixture
def relay(world, adit, path, authority):
    """adit relay run, away, with all of its defaults but the names."""
    for end in (path.home, path.away):
        end.hosts("127.0.0.1 localhost\n::1 localhost\n"
                  f"{path.away_address} {PORTAL} myapp.{PORTAL}\n")
    state = world.path("relay-state")
    portal_relay.write_state(state, portal_relay.lease_certificate(authority, PORTAL))
    relay = world.run("relay", [*path.away.prefix, adit.argv[0], "relay", "run",
                                "--portal-url", f"https://{PORTAL}",
                                "--identity-path", state])
    relay.graceful = True
    relay.wait_log("Listening on .* for visitors")
    return relay


def at_home(world, path, portal, authority, *words):
    """A command that stays."""
    process = world.run("portal", [*path.home.prefix, "portal", *words],
                        env={**portal, "SSL_CERT_FILE": authority.cert})
    process.graceful = True
    return process


def visit(path, host, ca, request):
    """What the tunnel answers to a visitor who comes to the relay's port 443 from away."""
    def ask():
        with visitor.visit(443, host, ca, host=path.away_address) as tls:
            tls.sendall(f"GET {request} HTTP/1.1\r\nHost: {host}\r\n"
                        "Connection: close\r\n\r\n".encode())
            return net.read_all(tls)
    return path.away.inside(ask)


def serve_at_home(world, path, port, name):
    return world.keep(Web(lambda r: name + b" " + r.path.encode(),
                          listener=path.home.listen("127.0.0.1", port)))


def test_one_command_publishes_as_printed(world, path, portal, authority, relay):
    serve_at_home(world, path, 3000, b"my app at")
    process = at_home(world, path, portal, authority, "expose", "3000", "--name", "myapp",
                      "--relays", "https://portal.example.com", "--discovery=false")
    host = f"myapp.{PORTAL}"
    net.wait_until(lambda: f"Public at https://{host}\n" in process.out)
    assert b"my app at /x" in visit(path, host, authority.cert, "/x")
    with open(world.path("identity.json")) as f:
        identity = json.load(f)
    assert identity["name"] == "myapp" and identity["address"].startswith("0x")
    assert os.stat(world.path("identity.json")).st_mode & 0o777 == 0o600
    process.stop()


def test_the_routed_configuration_as_flags(world, path, portal, authority, relay):
    api = serve_at_home(world, path, 3001, b"api")
    serve_at_home(world, path, 5173, b"page")
    process = at_home(world, path, portal, authority, "expose", "--name", "myapp", "--relays",
                      "https://portal.example.com", "--discovery=false", "--http-route",
                      "/api=http://127.0.0.1:3001", "--http-route", "/=http://127.0.0.1:5173",
                      "--description", "Managed web tunnel", "--tags", "web",
                      "--ban-mitm=true", "--max-active-relays", "3", "--hide=false")
    host = f"myapp.{PORTAL}"
    net.wait_until(lambda: f"Public at https://{host}\n" in process.out)
    assert b"api /users" in visit(path, host, authority.cert, "/api/users")
    assert api.requests[0].headers["X-Forwarded-For"] == path.away_address  # the relay's
    assert api.requests[0].headers["X-Forwarded-Host"] == host
    assert b"page /users" in visit(path, host, authority.cert, "/users")
    process.stop()


def test_the_other_commands_of_portal(world, path, portal, authority, relay):
    def call(*words):
        return world.call([*path.home.prefix, "portal", *words],
                          env={**portal, "SSL_CERT_FILE": authority.cert})
    rows = call("list", "--relays", "https://portal.example.com").stdout.splitlines()
    assert rows[0].split() == ["RELAY", "VERSION"]
    assert rows[1].split()[0] == "https://portal.example.com"
    assert rows[1].split()[1] != "unknown"
    assert call("list", "-relays=https://portal.example.com",
                "--default-relays=false").stdout.splitlines() == rows
    for words, text in ((["help"], "Commands:"), (["help", "expose"], "--http-route"),
                        (["help", "list"], "--default-relays"), (["version"], "adit "),
                        (["--version"], "adit "), (["expose", "--help"], "--ban-mitm"),
                        (["expose", "-h"], "--ban-mitm")):
        done = call(*words)
        assert done.returncode == 0 and text in done.stdout and done.stderr == "", words


def test_flags_of_portal_stand_anywhere_in_any_writing(world, path, portal, authority, relay):
    serve_at_home(world, path, 3000, b"my app at")
    for words in (["3000", "-name=myapp", "-relays", f"https://{PORTAL}", "--discovery=0"],
                  ["--name=myapp", ":3000", f"--relays={PORTAL}", "-discovery=f"],
                  ["--hide", f"--relays=//{PORTAL}/relay/", "--name", "myapp", "127.0.0.1:3000"],
                  ["http://localhost:3000/", "--relays", f"https://{PORTAL}/,", "--tcp=false",
                   "--name", "MyApp"]):
        process = at_home(world, path, portal, authority, "expose", *words)
        net.wait_until(lambda p=process: f"Public at https://myapp.{PORTAL}\n" in p.out,
                       message=" ".join(words))
        assert b"my app at /" in visit(path, f"myapp.{PORTAL}", authority.cert, "/")
        process.stop()
