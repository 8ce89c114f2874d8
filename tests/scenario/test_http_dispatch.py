"""What a server says to those who come without a tunnel in mind."""

import pytest

from lib import http


@pytest.mark.parametrize("path,status,body", [
    ("/health", 200, b"OK\n"),
    ("/", 404, b"Not found"),
    ("/health/", 404, b"Not found"),
    ("/healthy", 404, b"Not found"),
    ("/version/more", 404, b"Not found"),
])
def test_pages_by_their_path(world, any_server, path, status, body):
    server = world.server(any_server)
    answer = http.ask(server.port, f"GET {path} HTTP/1.1\nHost: x")
    assert (answer.status, answer.body) == (status, body)
    assert answer.header("Content-Length") == str(len(body))
    assert answer.header("Date")
    assert answer.header("Content-Type") == "text/plain; charset=utf-8"
    assert answer.header("Server") is None


def test_the_version_is_a_page_without_a_newline(world, adit):
    server = world.server(adit)
    answer = http.ask(server.port, "GET /version HTTP/1.1\nHost: x")
    assert answer.status == 200
    assert answer.body and answer.body.strip() == answer.body


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_every_method_is_answered(world, adit, method):
    server = world.server(adit)
    head = f"{method} /health HTTP/1.1\nHost: x\nContent-Length: 3"
    assert http.ask(server.port, head, b"abc").body == b"OK\n"


def test_head_has_no_body(world, adit):
    server = world.server(adit)
    answer = http.ask(server.port, "HEAD /health HTTP/1.1\nHost: x\nConnection: close",
                      method="HEAD")
    assert (answer.status, answer.header("Content-Length")) == (200, "3")
    assert answer.rest == b""


def test_one_connection_asks_many_times(world, adit):
    server = world.server(adit)
    done = world.call(["curl", "-sS", "-w", "%{num_connects} "] +
                      [f"{server.url}/health"] * 5)
    assert done.stdout.split() == ["OK", "1", "OK", "0", "OK", "0", "OK", "0", "OK", "0"]


@pytest.mark.parametrize("protocol", ["chisel-v2", "chisel-v3, other", "CHISEL-V3", "x"])
def test_another_protocol_gets_an_ordinary_page(world, any_server, protocol):
    server = world.server(any_server)
    head = http.upgrade_head(path="/health", protocol=protocol)
    answer = http.ask(server.port, head)
    assert (answer.status, answer.body) == (200, b"OK\n")
    server.wait_log(f"ignored client connection using protocol '{protocol}', "
                    "expected 'chisel-v3'")


def test_no_protocol_gets_an_ordinary_page(world, any_server):
    server = world.server(any_server)
    head = "GET /health HTTP/1.1\nHost: x\nUpgrade: websocket\nConnection: Upgrade"
    assert http.ask(server.port, head).body == b"OK\n"


@pytest.mark.parametrize("path", ["/", "/health", "/any/path?with=query", "/version"])
def test_any_path_leads_to_a_tunnel(world, any_server, path):
    server = world.server(any_server)
    ws = http.RawWebSocket(server.port, path=path)
    assert ws.receive()[2].startswith(b"SSH-chisel-v3-server\r\n")
    ws.close()


@pytest.mark.parametrize("head", [
    "GET / HTTP/1.1\nHost: x\nHost: y",
    "GET / HTTP/1.1\nHost: x\nContent-Length: 1\nContent-Length: 2",
    "GET / HTTP/1.1\nHost: x\nContent-Length: 5\nTransfer-Encoding: chunked",
    "GET / HTTP/1.1\nHost: x\nTransfer-Encoding: gzip",
    "GET / HTTP/1.1\nHost: x\nBad Header: y",
    "GET /\x01 HTTP/1.1\nHost: x",
    "GET / HTTP/3.0\nHost: x",
    "GET / HTTP/1.1\nHost: x\nX: " + "y" * 100000,
], ids=["two-hosts", "two-lengths", "length-and-chunked", "gzip", "bad-name", "control-byte",
        "version-3", "endless"])
def test_ambiguous_requests_are_refused(world, adit, head):
    server = world.server(adit)
    try:
        answer = http.ask(server.port, head)
        assert answer.status in (400, 413, 414, 431, 501, 505)
    except (EOFError, ConnectionError):
        pass
    assert http.ask(server.port, "GET /health HTTP/1.1\nHost: x").body == b"OK\n"
