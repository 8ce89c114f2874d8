"""HTTP routes of adit expose, and what stands behind them."""

import asyncio
import http.server
import os
import socket
import ssl
import threading

import pytest
import websockets
from lib import net
from lib.http import read_answer
from lib.portal_tls import server_context

HOST = "demo.relay.localhost"


class Upstream:
    """Answers as path says, and remembers what came."""

    def __init__(self, listener=None):
        self.heads = []
        self.server = net.Server(self._serve, listener=listener)
        self.port = self.server.port
        self.wrap = None

    def _serve(self, s):
        if self.wrap:
            s = self.wrap.wrap_socket(s, server_side=True)
        buffer = b""
        while True:
            while b"\r\n\r\n" not in buffer:
                data = s.recv(65536)
                if not data:
                    return
                buffer += data
            head, _, buffer = buffer.partition(b"\r\n\r\n")
            text = head.decode("latin-1")
            self.heads.append(text)
            path = text.split(" ")[1]
            body = (f"{path}\n").encode()
            extra = {"/moved": f"Location: http://127.0.0.1:{self.port}/there\r\n",
                     "/rooted": "Location: /there\r\n",
                     "/away": "Location: https://other.example/x\r\n",
                     "/cookie": "Set-Cookie: a=b; Path=/; Domain=127.0.0.1; HttpOnly\r\n"}.get(
                         path, "")
            status = "302 Found" if "Location" in extra else "200 OK"
            s.sendall((f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{extra}\r\n")
                      .encode() + body)

    def header(self, name):
        for line in self.heads[-1].split("\r\n")[1:]:
            key, _, value = line.partition(":")
            if key.lower() == name.lower():
                return value.strip()
        return None

    def close(self):
        self.server.close()


@pytest.fixture
def relay(leases):
    return leases.relay("python")


@pytest.fixture
def upstreams(world):
    return world.keep(Upstream()), world.keep(Upstream())


@pytest.fixture
def routed(leases, relay, upstreams):
    root, api = upstreams
    return leases.expose("adit", relay, None, "--http-route", f"/={root.port}", "--http-route",
                         f"/api=http://127.0.0.1:{api.port}/v2")


def ask(leases, relay, head, body=b""):
    with leases.visit(relay) as tls:
        tls.sendall(head.replace("\n", "\r\n").encode("latin-1") + b"\r\n\r\n" + body)
        return read_answer(tls)


def get(leases, relay, path):
    return ask(leases, relay, f"GET {path} HTTP/1.1\nHost: {HOST}")


def test_the_longest_prefix_is_taken_and_taken_off(leases, relay, routed, upstreams):
    for path, body in (("/", "/"), ("/x/y?q=1", "/x/y?q=1"), ("/apix", "/apix"),
                       ("/api", "/v2"), ("/api/x?q=1", "/v2/x?q=1")):
        answer = get(leases, relay, path)
        assert answer.body.decode().strip().rstrip("/") == body.rstrip("/"), path
    assert upstreams[1].header("X-Forwarded-Prefix") == "/api"
    assert upstreams[0].header("X-Forwarded-Prefix") is None


def test_headers_that_upstreams_get(leases, relay, routed, upstreams):
    ask(leases, relay, f"GET /api/x HTTP/1.1\nHost: {HOST}\nX-Forwarded-For: 1.2.3.4\n"
        "X-Forwarded-Host: evil.example\nForwarded: for=1.2.3.4\nConnection: x-hop\nX-Hop: 1")
    api = upstreams[1]
    assert api.header("Host") == f"127.0.0.1:{api.port}"
    assert api.header("X-Forwarded-Proto") == "https"
    assert api.header("X-Forwarded-Host") == HOST
    assert "1.2.3.4" not in api.header("X-Forwarded-For")
    assert api.header("Forwarded") is None and api.header("X-Hop") is None


def test_answers_are_mapped_back(leases, relay, upstreams):
    up = upstreams[1]
    leases.expose("adit", relay, None, "--http-route", f"/api=127.0.0.1:{up.port}")
    port = f":{relay.sni_port}" if relay.sni_port != 443 else ""
    moved = get(leases, relay, "/api/moved").header("Location")
    assert moved in (f"https://{HOST}{port}/api/there", f"https://{HOST}/api/there")
    assert get(leases, relay, "/api/rooted").header("Location") == "/api/there"
    assert get(leases, relay, "/api/away").header("Location") == "https://other.example/x"
    cookie = get(leases, relay, "/api/cookie").header("Set-Cookie")
    assert "Path=/api" in cookie and "Domain" not in cookie and "HttpOnly" in cookie
    assert get(leases, relay, "/elsewhere").status == 404


def test_an_upstream_that_is_down_is_a_bad_gateway(leases, relay):
    leases.expose("adit", relay, None, "--http-route", f"/={net.free_port()}")
    answer = get(leases, relay, "/")
    assert answer.status == 502 and b"bad gateway" in answer.body.lower()


@pytest.mark.parametrize("head, body", [
    ("POST / HTTP/1.1\nHost: x\nContent-Length: 3\nTransfer-Encoding: chunked", b"0\r\n\r\n"),
    ("POST / HTTP/1.1\nHost: x\nContent-Length: 3\nContent-Length: 4", b"abcd"),
    ("POST / HTTP/1.1\nHost: x\nTransfer-Encoding: chunked, gzip", b"0\r\n\r\n"),
    ("POST / HTTP/1.1\nHost: x\nTransfer-Encoding : chunked", b"0\r\n\r\n"),
    ("GET / HTTP/1.1\nHost: x\n folded: yes", b""),
    ("GET / HTTP/1.1\nHost: x\nHost: y", b""),
    ("GET / HTTP/1.1\nX-No-Host: 1", b""),
    ("POST / HTTP/1.1\nHost: x\nContent-Length: +3", b"abc"),
    ("POST / HTTP/1.0\nHost: x\nTransfer-Encoding: chunked", b"0\r\n\r\n"),
    ("GET / HTTP/1.1\nHost: x\nA\0b: c", b"")], ids=range(10))
def test_what_could_be_read_in_two_ways_is_refused(leases, relay, routed, upstreams, head, body):
    before = len(upstreams[0].heads)
    try:
        answer = ask(leases, relay, head, body)
        assert 400 <= answer.status < 502, answer.status
    except (EOFError, OSError, ValueError):
        pass
    assert len(upstreams[0].heads) == before


def test_bare_line_feeds_are_refused(leases, relay, routed, upstreams):
    with leases.visit(relay) as tls:
        tls.sendall(f"GET / HTTP/1.1\nHost: {HOST}\n\n".encode())
        tls.shutdown(socket.SHUT_WR)
        try:
            answer = net.read_all(tls)
        except ssl.SSLError:
            answer = b""
    assert answer == b"" or b" 400 " in answer[:20]
    assert not upstreams[0].heads


def test_h2c_is_not_passed_on(leases, relay, routed, upstreams):
    answer = ask(leases, relay, f"GET / HTTP/1.1\nHost: {HOST}\nConnection: Upgrade, HTTP2-Settings\n"
                 "Upgrade: h2c\nHTTP2-Settings: AAMAAABkAAQAAP__")
    assert answer.status != 101
    if upstreams[0].heads:
        assert upstreams[0].header("Upgrade") is None


def test_many_requests_on_one_connection(leases, relay, routed):
    with leases.visit(relay) as tls:
        for i in range(20):
            tls.sendall(f"GET /n{i} HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
            assert read_answer(tls).body == b"/n%d\n" % i


def test_events_are_streamed_as_they_come(world, leases, relay):
    go = threading.Event()

    def events(s):
        net.read_exactly(s, 20)
        s.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: one\n\n")
        go.wait(20)
        s.sendall(b"data: two\n\n")

    up = world.serve(events)
    leases.expose("adit", relay, None, "--http-route", f"/={up.port}")
    with leases.visit(relay) as tls:
        tls.sendall(f"GET /events HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
        seen = b""
        while b"data: one" not in seen:
            seen += tls.recv(4096)
        assert b"data: two" not in seen
        go.set()
        while b"data: two" not in seen:
            seen += tls.recv(4096)


def test_a_websocket_passes(leases, relay):
    started, stop = threading.Event(), threading.Event()
    port = []

    async def upstream():
        async def echo(ws):
            async for message in ws:
                await ws.send(message)
        async with websockets.serve(echo, "127.0.0.1", 0) as server:
            port.append(server.sockets[0].getsockname()[1])
            started.set()
            await asyncio.get_running_loop().run_in_executor(None, stop.wait)

    thread = threading.Thread(target=lambda: asyncio.run(upstream()), daemon=True)
    thread.start()
    started.wait(10)
    leases.expose("adit", relay, None, "--http-route", f"/ws={port[0]}")

    async def visit():
        context = ssl.create_default_context(cafile=leases.ca)
        async with websockets.connect(f"wss://{HOST}/ws/chat", ssl=context, host="127.0.0.1",
                                      port=relay.sni_port, server_hostname=HOST) as ws:
            for text in ("hello", "x" * 100000):
                await ws.send(text)
                assert await ws.recv() == text

    try:
        asyncio.run(visit())
    finally:
        stop.set()


def test_large_bodies_pass_both_ways(world, leases, relay):
    class Sum(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):  # pylint: disable=arguments-differ
            pass

    site = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Sum)
    threading.Thread(target=site.serve_forever, daemon=True).start()
    try:
        leases.expose("adit", relay, None, "--http-route", f"/={site.server_address[1]}")
        body = world.write("body", "0123456789" * 500000)
        out = world.curl("--cacert", leases.ca, "--resolve",
                         f"{HOST}:{relay.sni_port}:127.0.0.1", "--data-binary", "@" + body,
                         f"https://{HOST}:{relay.sni_port}/")
        assert out == "0123456789" * 500000
    finally:
        site.shutdown()
        site.server_close()


# ---- targets ----

def test_a_target_is_a_unix_socket(world, leases, relay):
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(world.path("s"))
    listener.listen(16)

    def serve():
        while True:
            try:
                s, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=net.echo, args=(s,), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    leases.expose("adit", relay, "unix:" + world.path("s"))
    assert leases.echoes(relay)
    listener.close()


def test_an_https_target_is_spoken_to_in_tls(world, leases, relay, certificate):
    up = world.keep(Upstream())
    up.wrap = server_context(certificate, alpn=())
    leases.expose("adit", relay, f"https://localhost:{up.port}",
                  env={"SSL_CERT_FILE": leases.ca})
    assert get(leases, relay, "/over-tls").body == b"/over-tls\n"


@pytest.mark.parametrize("args, words", [
    ([], "target"), (["3000", "--http-route", "/=3000"], "route"),
    (["--http-route", "/=3000", "--udp"], "udp"), (["--http-route", "x"], "route"),
    (["http://a.example/path"], "path"), (["3000", "--relays", "http://a.example"], "https"),
    (["3000", "--name", "..."], "name")])
def test_what_makes_no_sense_is_one_sentence(world, leases, relay, args, words):
    flags = [] if "--relays" in args else ["--relays", relay.url]
    done = world.call([*leases.program("lease-adit").argv, "expose", "--discovery=false", *flags,
                       "--identity-path", os.path.join(world.directory, "id.json"), *args])
    assert done.returncode != 0 and words in done.stderr.lower(), done.stderr
    assert len(done.stderr.strip().splitlines()) <= 3
