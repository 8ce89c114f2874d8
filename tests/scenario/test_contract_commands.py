"""The commands of the contract, as printed, through a link named chisel, behind nginx."""

import os

import pytest

from lib import net, netns, services
from conftest import need

NGINX_PORT = 443


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
    world.client(client_program, f"https://localhost:{nginx.port}",
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
