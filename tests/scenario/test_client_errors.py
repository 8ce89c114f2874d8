"""What a client says that cannot connect: once, what it found, and what to do about it."""

import re
import signal
import time

import pytest

from lib import net, pki, socks
from lib.process import wait_until

LOCAL = "127.0.0.1:0:127.0.0.1:9"


@pytest.fixture
def tls(world, program, certificate):
    def start(*flags, name="adit", pair=None):
        cert, key = pair or certificate
        server = world.server(program(name), "--tls-cert", cert, "--tls-key", key, *flags)
        server.url = f"https://127.0.0.1:{server.port}"
        return server
    return start


def tell(world, adit, server, *remotes, flags=()):
    """Its one line about what is wrong; it goes on trying, and says nothing new."""
    client = world.client(adit, server, *(remotes or (LOCAL,)), flags=flags, wait=False)
    line = client.wait_log("Connection error: (.*)").group(1)
    net.wait_quietly(1.5)
    assert client.is_running()
    assert client.log.count("Connection error") == 1
    assert client.log.count("Retrying") <= 1 and client.log.count("Authentication failed") <= 1
    return line


@pytest.mark.parametrize("name", ["adit", "peer", "stock"])
class TestOfAnyServer:
    def test_no_password(self, world, adit, program, name):
        server = world.server(program(name), "--auth", "ann:a")
        line = tell(world, adit, server)
        assert line.endswith(": no password was given: use --auth or AUTH")

    def test_a_wrong_password(self, world, adit, program, name):
        server = world.server(program(name), "--auth", "ann:a")
        line = tell(world, adit, server, flags=["--auth", "ann:b"])
        assert line.endswith(": check --auth or AUTH")

    def test_a_wrong_fingerprint(self, world, adit, program, name):
        server = world.server(program(name), "--key", "test123")
        wrong = "A" * 43 + "="
        line = tell(world, adit, server, flags=["--fingerprint", wrong])
        assert line.startswith("Invalid fingerprint (qmrRoo8MIqePv3jC8+wv49gU6uaFgD3FASQx9V8"
                               f"KdmY=), expected {wrong}: the server has a new key, or")

    def test_no_reverse(self, world, adit, program, name):
        line = tell(world, adit, world.server(program(name)), "R:0:127.0.0.1:9")
        assert line.endswith("Reverse port forwaring not enabled on server: start the server "
                             "with --reverse")

    def test_not_allowed(self, world, adit, program, name):
        users = world.write("users.json", '{"ann:a": ["^nothing$"]}')
        server = world.server(program(name), "--authfile", users)
        line = tell(world, adit, server, flags=["--auth", "ann:a"])
        assert line.endswith("denied: the user's permissions on the server do not allow it")


@pytest.mark.parametrize("name", ["adit", "stock"])
class TestOfTls:
    def test_https_to_a_server_without(self, world, adit, program, name):
        server = world.server(program(name))
        line = tell(world, adit, f"https://127.0.0.1:{server.port}")
        assert line.endswith(f": this server speaks plain HTTP: write {server.url}")

    def test_http_to_a_server_with_it(self, world, adit, tls, name):
        server = tls(name=name)
        line = tell(world, adit, f"http://127.0.0.1:{server.port}")
        assert line.endswith(f"write {server.url}")

    def test_an_unknown_authority(self, world, adit, tls, name):
        line = tell(world, adit, tls(name=name))
        assert line.endswith(": pass the CA certificate with --tls-ca")

    def test_another_name(self, world, adit, tls, authority, name):
        server = tls(name=name, pair=authority.issue("named", "DNS:a.example,DNS:*.b.example"))
        line = tell(world, adit, server, flags=["--tls-ca", authority.cert])
        assert ": the certificate is for a.example, *.b.example and not for 127.0.0.1: " in line
        line = tell(world, adit, server, flags=["--tls-ca", authority.cert, "--sni", "c.example"])
        assert " and not for c.example: " in line

    def test_one_that_has_expired(self, world, adit, tls, authority, name):
        pair = authority.issue("brief", days=0)
        wait_until(lambda: world.call(["openssl", "x509", "-checkend", "0", "-noout", "-in",
                                       pair[0]]).returncode == 1, message="its end")
        line = tell(world, adit, tls(name=name, pair=pair), flags=["--tls-ca", authority.cert])
        assert re.search(r"certificate has expired on 20\d\d-\d\d-\d\d \d\d:\d\d UTC: the "
                         "server needs a new certificate$", line)

    def test_a_certificate_of_the_client_is_wanted(self, world, adit, tls, authority, name):
        server = tls("--tls-ca", authority.cert, name=name)
        line = tell(world, adit, server, flags=["--tls-ca", authority.cert])
        assert line.endswith(": the server requires a client certificate: see --tls-cert "
                             "and --tls-key")
        other = pki.Authority(world.path("other"), "another").issue("v", None, "clientAuth")
        line = tell(world, adit, server, flags=["--tls-ca", authority.cert, "--tls-cert",
                                                other[0], "--tls-key", other[1]])
        assert "requires a client certificate" in line


@pytest.mark.parametrize("answer,words", [
    (b"404 Not Found", ": the server answered 404 Not Found: is this a tunnel server?"),
    (b"200 OK", ": the server answered 200 OK: is this a tunnel server?"),
    (b"301 Moved\r\nLocation: https://there.example/x",
     ": the server answered 301 Moved Permanently, which points to https://there.example/x: "
     "write that address"),
    (b"502 Bad", ": the server answered 502 Bad Gateway: a proxy in front of the tunnel server "
     "cannot reach it"),
    (b"401 No", ": the server answered 401 Unauthorized: a proxy in front requires a login: see "
     "--header")], ids=["404", "200", "301", "502", "401"])
def test_another_server_is_there(world, adit, answer, words):
    server = world.serve(lambda s: (s.recv(4096), s.sendall(
        b"HTTP/1.1 " + answer + b"\r\nContent-Length: 2\r\n\r\nhi")))
    line = tell(world, adit, f"http://127.0.0.1:{server.port}")
    assert line == "websocket: bad handshake" + words


def test_nothing_is_there(world, adit):
    port = net.free_port()
    assert tell(world, adit, f"http://127.0.0.1:{port}") == (
        f"dial 127.0.0.1:{port}: Connection refused; is it running?")


def test_details_show_every_attempt(world, adit):
    client = world.client(adit, f"http://127.0.0.1:{net.free_port()}", LOCAL, flags=["-v"],
                          wait=False)
    client.wait_log(r"Connection error: .* \(Attempt: 3/unlimited\)", seconds=10)


def test_a_new_failure_is_logged_at_once(world, adit):
    """A server that is away, then another one in its place, then the right one."""
    port = net.free_port()
    client = world.client(adit, f"http://127.0.0.1:{port}", LOCAL, wait=False)
    client.wait_log("Connection refused")
    web = net.Server(lambda s: (s.recv(4096), s.sendall(b"HTTP/1.1 404 No\r\n\r\n")),
                     listener=net.socket.create_server(("127.0.0.1", port)))
    client.wait_log("the server answered 404 Not Found", seconds=8)
    web.close()
    wait_until(lambda: not net.is_listening(port))
    world.server(adit, port=port)
    client.wait_log(r"\bConnected\b", seconds=8)
    assert client.log.count("Connection refused") == 1


def test_what_was_denied_is_not_asked_for_again_soon(world, adit):
    server = world.server(adit, "--auth", "ann:a")
    shim = world.keep(net.Shim(server.port))
    client = world.client(adit, shim, LOCAL, flags=["--auth", "ann:b"], wait=False)
    client.wait_log(r"Retrying in 30s\.\.\.")
    net.wait_quietly(4)
    assert shim.count == 1
    client.signal(signal.SIGHUP)
    wait_until(lambda: shim.count == 2, 2, message="an attempt at once")


def test_the_longest_wait_may_be_given(world, adit):
    server = world.server(adit, "--auth", "ann:a")
    client = world.client(adit, server, LOCAL, wait=False,
                          flags=["--auth", "ann:b", "--max-retry-interval", "300ms",
                                 "--max-retry-count", "2"])
    assert client.wait_exit(10) == 1
    assert "Give up" in client.log


def test_a_new_password_at_the_server_is_noticed_by_a_client_that_waits(world, adit):
    """At the next attempt, which a person may ask for."""
    users = world.write("users.json", '{"ann:a": [""]}')
    server = world.server(adit, "--authfile", users)
    client = world.client(adit, server, LOCAL, flags=["--auth", "ann:new"], wait=False)
    client.wait_log("Authentication failed")
    world.write("users.json", '{"ann:new": [""]}')
    server.wait_log("users: reloaded")
    client.signal(signal.SIGHUP)
    client.wait_log(r"\bConnected\b")


def test_sessions_that_end_at_once_do_not_fill_the_log(world, adit):
    """And when one lasts, that is told."""
    server = world.server(adit)
    shim = world.keep(net.Shim(server.port))
    client = world.client(adit, shim, LOCAL)
    end = time.monotonic() + 8
    while time.monotonic() < end:
        before = shim.count
        shim.cut()
        wait_until(lambda b=before: shim.count > b or time.monotonic() > end, 10)
        net.wait_quietly(0.1)
    connected = client.log.count("Connected (")
    assert shim.count >= connected and connected <= 6
    client.wait_log(r"Connected \(", count=connected + 1, seconds=12)


@pytest.mark.parametrize("name", ["adit", "peer", "stock"])
def test_an_absent_target_is_logged_once(world, adit, program, name):
    port, target_port = net.free_port(), net.free_port()
    server = world.server(program(name), "--reverse")
    client = world.client(adit, server, f"R:127.0.0.1:{port}:127.0.0.1:{target_port}")
    net.wait_listening(port)
    for _ in range(5):
        assert not net.try_echo(port)
    client.wait_log(f"target 127.0.0.1:{target_port}: not reachable: dial 127.0.0.1:"
                    f"{target_port}: Connection refused; is it running\\?")
    listener = net.socket.create_server(("127.0.0.1", target_port))
    world.keep(net.Server(net.echo, listener=listener))
    assert net.echoes(port) and net.echoes(port)
    client.wait_log(f"target 127.0.0.1:{target_port}: reachable again")
    assert client.log.count("not reachable") == client.log.count("reachable again") == 1
    if name == "adit":
        assert server.log.count("Stream error") == 1


def test_targets_of_socks_are_not_logged(world, adit):
    port = net.free_port()
    client = world.client(adit, world.server(adit, "--reverse"), f"R:127.0.0.1:{port}:socks")
    net.wait_listening(port)
    code, s = socks.ask(port, "127.0.0.1", net.free_port())
    assert code != 0
    s.close()
    assert "not reachable" not in client.log
