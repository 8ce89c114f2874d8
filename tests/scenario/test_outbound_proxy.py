"""Clients that must go through somebody else's proxy."""

import base64

import pytest

from lib import http, net


@pytest.fixture
def link(world, adit):
    """Starts a client through a proxy and visits a target."""
    def start(proxy, scheme="http", flags=()):
        server = world.server(adit, "--reverse", host="0.0.0.0")  # ::1 too
        target = world.serve()
        port = net.free_port()
        client = world.client(adit, f"{scheme}://{net.loopback_name()}:{server.port}",
                              f"R:127.0.0.1:{port}:127.0.0.1:{target.port}",
                              flags=["--proxy", proxy, *flags])
        net.wait_listening(port)
        assert net.echoes(port, b"x" * 100000)
        return client
    return start


def test_through_an_http_proxy(world, link):
    proxy = world.tinyproxy()
    client = link(f"http://127.0.0.1:{proxy.port}")
    assert "via http://127.0.0.1" in client.log
    assert f"CONNECT {net.loopback_name()}" in proxy.out + proxy.log


def test_through_an_http_proxy_with_a_password(world, link):
    proxy = world.tinyproxy("ann", "s3cret")
    client = link(f"http://ann:s3cret@127.0.0.1:{proxy.port}")
    assert "s3cret" not in client.log


def test_a_wrong_password_is_logged_and_retried(world, adit):
    proxy = world.tinyproxy("ann", "s3cret")
    client = world.client(adit, "http://127.0.0.1:9", "R:1:2", wait=False,
                          flags=["-v", "--proxy", f"http://ann:wrong@127.0.0.1:{proxy.port}"])
    client.wait_log("Connection error: .*40[17]")
    client.wait_log("Connection error: .*40[17]", count=2)


@pytest.mark.parametrize("scheme", ["socks", "socks5", "socks5h"])
def test_through_a_socks_proxy(world, link, scheme):
    proxy = world.microsocks()
    link(f"{scheme}://127.0.0.1:{proxy.port}")


def test_through_a_socks_proxy_with_a_password(world, link):
    proxy = world.microsocks("ann", "p:w@rd")
    client = link(f"socks://ann:p%3Aw%40rd@127.0.0.1:{proxy.port}")
    assert "p:w@rd" not in client.log and "p%3Aw%40rd" not in client.log


def test_a_socks_proxy_that_refuses_is_logged(world, adit):
    proxy = world.microsocks("ann", "right")
    client = world.client(adit, "http://127.0.0.1:9", "R:1:2", wait=False,
                          flags=["--proxy", f"socks://ann:wrong@127.0.0.1:{proxy.port}"])
    client.wait_log("Connection error")


def test_tls_goes_through_the_proxy(world, adit, authority, certificate):
    proxy = world.tinyproxy()
    server = world.server(adit, "--reverse", "--tls-cert", certificate[0], "--tls-key",
                          certificate[1], host="0.0.0.0")
    world.client(adit, f"https://{net.loopback_name()}:{server.port}",
                 f"R:127.0.0.1:{net.free_port()}:127.0.0.1:9",
                 flags=["--proxy", f"http://127.0.0.1:{proxy.port}", "--tls-ca",
                        authority.cert])


@pytest.mark.parametrize("login,decoded", [("", None), ("a%40b:c%3Ad@", b"a@b:c:d")])
def test_the_connect_request_to_the_letter(world, any_client_with_proxy, login, decoded):
    heads = []

    def proxy(s):
        data = b""
        while b"\r\n\r\n" not in data:
            data += s.recv(4096)
        heads.append(data)
        s.sendall(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")

    server = world.serve(proxy)
    client = world.client(any_client_with_proxy, "http://server.example:8080/path", "R:1:2",
                          flags=["--proxy", f"http://{login}127.0.0.1:{server.port}",
                                 "--header", "X-Not: here"], wait=False)
    client.wait_log("Connection error")
    expected = ("CONNECT server.example:8080 HTTP/1.1\r\nHost: server.example:8080\r\n"
                "User-Agent: Go-http-client/1.1\r\n")
    if decoded:
        expected += f"Proxy-Authorization: Basic {base64.b64encode(decoded).decode()}\r\n"
    assert heads[0].decode() == expected + "\r\n"


@pytest.fixture(params=["adit", "stock"])
def any_client_with_proxy(request, program):
    return program(request.param)


def test_a_proxy_that_answers_and_speaks_on_loses_no_byte(world, adit):
    """The answer to CONNECT and the first bytes behind it may come in one piece."""
    server = world.server(adit, "--reverse")

    def proxy(s):
        head = http.read_head_raw(s)
        assert head.startswith(b"CONNECT")
        with net.connect(server.port) as up:
            s.sendall(b"HTTP/1.0 200 OK\r\nX-Long: " + b"y" * 3000 + b"\r\n\r\n")
            net.splice(s, up)

    through = world.serve(proxy)
    world.client(adit, f"http://127.0.0.1:{server.port}",
                 f"R:127.0.0.1:{net.free_port()}:127.0.0.1:9",
                 flags=["--proxy", f"http://127.0.0.1:{through.port}"])
