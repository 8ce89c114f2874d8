"""
What passes through the two places that proxy HTTP: routes of a lease, whose visitors come in
TLS, and the backend of a server of links, in the clear.
"""

import contextlib
import gzip
import select
import socket
import threading
import time
import types

import pytest
from lib import net, netns
from lib.messages import Reader, Upstream
from lib.portal_client import Client

HOST = "demo.relay.localhost"


class Front:
    """A proxy before an upstream."""

    def __init__(self, world, leases, program, kind, up, *flags):
        self.kind = kind
        self.is_stock = kind.startswith("stock")
        self.host = HOST
        if kind in ("backend", "stock-backend"):
            self.process = world.server(program("stock" if self.is_stock else "adit"), "--backend",
                                        f"http://127.0.0.1:{up.port}", *flags)
            self.connect = lambda: net.connect(self.process.port, timeout=30)
        else:
            relay = leases.relay("stock" if kind == "routes-at-stock" else "adit")
            self.process = leases.expose("stock" if self.is_stock else "adit", relay, None,
                                         "--http-route", f"/={up.port}", *flags)
            self.connect = lambda: leases.visit(relay, timeout=30)

    def ask(self, head, body=b"", count=1):
        """Says it on a connection of its own, and gives the answers."""
        with self.connect() as s:
            s.sendall(head.replace("\n", "\r\n").encode("latin-1") + b"\r\n\r\n" + body)
            reader = Reader(s)
            answers = [reader.message() for _ in range(count)]
            return answers if count > 1 else answers[0]


@pytest.fixture
def up(world):
    return world.keep(Upstream())


@pytest.fixture(params=["routes", "backend"])
def front(request, world, leases, program, up):
    return Front(world, leases, program, request.param, up)


@pytest.fixture(params=["routes", "backend", "routes-at-stock"])
def each_front(request, world, leases, program, up):
    return Front(world, leases, program, request.param, up)


@pytest.fixture(params=["routes", "backend", "stock-routes", "stock-backend"])
def any_front(request, world, leases, program, up):
    return Front(world, leases, program, request.param, up)


def body_of(size):
    return bytes((i * 7 + i // 251) & 0xff for i in range(256)) * (size // 256) + b"x" * (size % 256)


def framed(framing, body, chunk=4093):
    if framing == "length":
        return b"Content-Length: %d\r\n\r\n" % len(body) + body
    if framing == "close":
        return b"\r\n" + body
    pieces = [body[i:i + chunk] for i in range(0, len(body), chunk)]
    return (b"Transfer-Encoding: chunked\r\n\r\n"
            + b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in pieces) + b"0\r\n\r\n")


# Around multiples of what is read and moved at once, and what was seen to hang.
SIZES = sorted({0, 1, 100, 40000, 85000, 100000, 140000, 600000} | {
    unit * n + d for unit in (16384, 65536, 66546) for n in (1, 2, 4, 8) for d in (-1, 0, 1)})


@pytest.mark.parametrize("framing, chunk", [("length", 0), ("close", 0), ("chunks", 1),
                                            ("chunks", 4093), ("chunks", 65536)])
def test_answers_of_every_size_end(each_front, up, framing, chunk):
    up.closes = framing == "close"
    with each_front.connect() as s:
        reader = Reader(s)
        for size in SIZES:
            if chunk == 1 and size > 70000:
                continue
            body = body_of(size)
            up.says = b"HTTP/1.1 200 OK\r\n" + framed(framing, body, chunk)
            for _ in range(2):
                s.sendall(f"GET /{size} HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
                assert reader.message().body == body, size


@pytest.mark.parametrize("framing, chunk", [("length", 0), ("chunks", 1), ("chunks", 4093),
                                            ("chunks", 65536)])
def test_uploads_of_every_size_end(each_front, up, framing, chunk):
    up.says = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
    with each_front.connect() as s:
        reader = Reader(s)
        for size in SIZES:
            if chunk == 1 and size > 70000:
                continue
            body = body_of(size)
            s.sendall(f"POST /{size} HTTP/1.1\r\nHost: {HOST}\r\n".encode()
                      + framed(framing, body, chunk))
            assert reader.message().body == b"hi", size
            assert up.requests.pop().body == body, size


def test_many_requests_come_in_one_go(front, up):
    up.says = lambda request, s: (b"HTTP/1.1 200 OK\r\n"
                                  + framed("chunks", request.target.encode() * 5000))
    head = "".join(f"GET /{i} HTTP/1.1\nHost: {HOST}\n\n" for i in range(40))
    answers = front.ask(head[:-2], count=40)
    assert [a.body for a in answers] == [b"/%d" % i * 5000 for i in range(40)]


# ---- lenient towards the user's own service ----

LENIENT = {
    "bare-lf": (b"HTTP/1.1 200 OK\nA: b\nContent-Length: 2\n\nhi", 200, "b"),
    "folded": (b"HTTP/1.1 200 OK\r\nA: b\r\n  c\r\n\td\r\nContent-Length: 2\r\n\r\nhi", 200, "b c d"),
    "same-length-twice": (b"HTTP/1.1 200 OK\r\nA: b\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nhi",
                          200, "b"),
    "other-version": (b"HTTP/1.2 200 OK\r\nA: b\r\nContent-Length: 2\r\n\r\nhi", 200, "b"),
    "status-999": (b"HTTP/1.1 999 Odd\r\nA: b\r\nContent-Length: 2\r\n\r\nhi", 999, "b"),
    "no-reason": (b"HTTP/1.1 200\r\nA: b\r\nContent-Length: 2\r\n\r\nhi", 200, "b"),
    "1000-fields": (b"HTTP/1.1 200 OK\r\nA: b\r\n"
                    + b"".join(b"X-%d: %s\r\n" % (i, b"y" * 240) for i in range(998))
                    + b"Content-Length: 2\r\n\r\nhi", 200, "b"),
    "200-kb": (b"HTTP/1.1 200 OK\r\nA: b\r\nX: " + b"y" * 200000
               + b"\r\nContent-Length: 2\r\n\r\nhi", 200, "b"),
    "coding-and-length": (b"HTTP/1.1 200 OK\r\nA: b\r\nTransfer-Encoding: chunked\r\n"
                          b"Content-Length: 9\r\n\r\n2\r\nhi\r\n0\r\n\r\n", 200, "b"),
    "bytes-above-127": (b"HTTP/1.1 200 OK\r\nA: \xc3\xa4\xff\r\nContent-Length: 2\r\n\r\nhi", 200,
                        "\xc3\xa4\xff"),
}

# These are dropped or refused by the stock programs, and clear enough to be taken.
MORE_LENIENT = {
    "space-before-colon": (b"HTTP/1.1 200 OK\r\nA : b\r\nContent-Length : 2\r\n\r\nhi", 200, "b"),
    "length-listed": (b"HTTP/1.1 200 OK\r\nA: b\r\nContent-Length: 2, 2\r\n\r\nhi", 200, "b"),
    "empty-lines-first": (b"\r\n\nHTTP/1.1 200 OK\r\nA: b\r\nContent-Length: 2\r\n\r\nhi", 200, "b"),
    "controls": (b"HTTP/1.1 200 OK\r\nA: b\x01c\r\nContent-Length: 2\r\n\r\nhi", 200, "b c"),
    "chunks-of-1.0": (b"HTTP/1.0 200 OK\r\nA: b\r\nTransfer-Encoding: chunked\r\n\r\n"
                      b"2\r\nhi\r\n0\r\n\r\n", 200, "b"),
}

UNCLEAR = {
    "two-lengths": (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nhi!",
                    "two different values of Content-Length"),
    "odd-length": (b"HTTP/1.1 200 OK\r\nContent-Length: 2a\r\n\r\nhi",
                   "Content-Length is malformed"),
    "no-colon": (b"HTTP/1.1 200 OK\r\nA b\r\nContent-Length: 2\r\n\r\nhi",
                 "a header line without a colon"),
    "http2": (b"HTTP/2 200\r\nContent-Length: 2\r\n\r\nhi", "the server does not speak HTTP/1"),
    "short-status": (b"HTTP/1.1 20 OK\r\nContent-Length: 2\r\n\r\nhi",
                     "the status line is malformed"),
    "other-coding": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
                     'Transfer-Encoding is not just "chunked"'),
    "other-protocol": (b"SSH-2.0-OpenSSH_9.2\r\n", "the server does not speak HTTP/1"),
    "not-offered": (b"HTTP/1.1 101 Up\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
                    "switches to a protocol that was not offered"),
}


def check_lenient(front, up, rows):
    for name, (says, status, value) in rows.items():
        up.says = says
        answer = front.ask(f"GET /{name} HTTP/1.1\nHost: {HOST}\nAccept-Encoding: identity")
        assert (answer.status, answer.body, answer.header("A")) == (status, b"hi", value), name
        if "1000" in name:
            assert len([line for line in answer.lines if line.startswith("X-")]) >= 998


def test_a_sloppy_upstream_is_understood(any_front, up):
    check_lenient(any_front, up, LENIENT)


def test_an_even_sloppier_one_too(front, up):
    check_lenient(front, up, MORE_LENIENT)


def test_an_unclear_upstream_is_a_bad_gateway(any_front, up):
    """The log says what is wrong with the answer."""
    for name, (says, words) in UNCLEAR.items():
        up.says = says
        up.closes = name == "other-protocol" and any_front.is_stock  # which waits for the end
        assert any_front.ask(f"GET /{name} HTTP/1.1\nHost: {HOST}").status == 502, name
        if not any_front.is_stock:
            any_front.process.wait_log(rf"proxy: 127.0.0.1:{up.port}: .*{words}")


def test_ambiguous_framing_ends_both_connections(front, up):
    up.says = LENIENT["coding-and-length"][0]
    with front.connect() as s:
        reader = Reader(s)
        for _ in range(2):
            s.sendall(f"GET / HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
        answer = reader.message()
        assert answer.framing == "chunks" and answer.header("Connection") == "close"
        assert net.read_all(s) == b""
    assert len(up.requests) == 1
    net.wait_until(lambda: up.ends == 1, message="the upstream's connection ending")


def test_an_answer_of_http_1_0_ends(front, up):
    up.says = b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\n" + b"z" * 300000
    up.closes = True
    assert front.ask(f"GET / HTTP/1.0\nHost: {HOST}").body == b"z" * 300000
    assert front.ask(f"GET / HTTP/1.1\nHost: {HOST}").body == b"z" * 300000


def test_nginx_is_an_upstream(world, leases, program):
    """Chunked by compression, by length, ranges, and nothing, on kept connections at both ends."""
    site = types.SimpleNamespace(port=net.free_port())
    world.static_nginx(site.port)
    sizes = (0, 1, 40000, 85000, 140000, 600000)
    for size in sizes:
        world.write(f"{size}.txt", "0123456789" * (size // 10) + "x" * (size % 10))
    for kind in ("routes", "backend"):
        front = Front(world, leases, program, kind, site)
        with front.connect() as s:
            reader = Reader(s)
            for size in sizes * 2:
                for extra in ("", "Accept-Encoding: gzip\r\n", "Range: bytes=0-0\r\n"):
                    s.sendall(f"GET /{size}.txt HTTP/1.1\r\nHost: {HOST}\r\n{extra}\r\n".encode())
                    answer = reader.message()
                    body = answer.body
                    if answer.header("Content-Encoding") == "gzip":
                        assert answer.framing == "chunks"
                        body = gzip.decompress(body)
                    if extra.startswith("Range") and size:
                        assert answer.status == 206 and len(body) == 1
                    elif size or not extra.startswith("Range"):
                        assert answer.status == 200 and len(body) == size
                s.sendall(f"HEAD /{size}.txt HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
                assert reader.message(has_body=False).header("Content-Length") == str(size)


# ---- strict towards visitors, where it counts ----

@pytest.mark.parametrize("first, target", [
    ("GET /\xc3\xa4 HTTP/1.1", "/\xc3\xa4"), ("GET /?q=\xff HTTP/1.1", "/?q=\xff"),
    ("PROPFIND /x HTTP/1.1", "/x"), ("x-y.z~ /x HTTP/1.1", "/x"), ("GET /x HTTP/1.3", "/x"),
    (f"GET http://{HOST}/abs?q HTTP/1.1", "/abs?q"), (f"GET HTTPS://{HOST} HTTP/1.1", "/"),
    ("GET /long?" + "q" * 60000 + " HTTP/1.1", "/long?" + "q" * 60000)])
def test_unusual_requests_pass(front, up, first, target):
    up.says = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
    assert front.ask(f"{first}\nHost: {HOST}").body == b"hi"
    assert up.requests[0].target == target
    assert up.requests[0].first.split(" ")[0] == first.split(" ")[0]


def test_the_target_s_host_is_the_host(world, leases, program, up):
    front = Front(world, leases, program, "routes", up, "--preserve-host")
    up.says = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
    assert front.ask(f"GET http://{HOST}:1/ HTTP/1.1\nHost: evil.example").status == 200
    assert up.requests[0].headers("Host") == [f"{HOST}:1"]
    assert up.requests[0].headers("X-Forwarded-Host") == [f"{HOST}:1"]
    assert front.ask(f"GET http://evil.example/ HTTP/1.1\nHost: {HOST}").status == 421
    assert front.ask("GET / HTTP/1.1\nHost: evil.example").status == 421
    assert len(up.requests) == 1


def test_a_relay_s_api_takes_absolute_targets(leases):
    relay = leases.relay("adit")
    client = Client(relay.url)
    assert client.ask("GET", f"{relay.url}/healthz").status == 200
    with client.connect() as s:
        s.sendall(f"GET {relay.url}/healthz HTTP/1.1\r\nHost: evil.example\r\n\r\n".encode())
        assert Reader(s).message().status == 200


def test_a_setting_bounds_heads(world, leases, program, up):
    up.says = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
    server = world.server(program("adit"), "--backend", f"http://127.0.0.1:{up.port}",
                          env={"ADIT_HEAD_MAX": "200000"})
    for size, status in ((190000, 200), (210000, 431)):
        with net.connect(server.port) as s:
            s.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"y" * size + b"\r\n\r\n")
            assert Reader(s).message().status == status


def test_h2c_is_left_out(front, up):
    up.says = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
    assert front.ask(f"GET / HTTP/1.1\nHost: {HOST}\nConnection: Upgrade, HTTP2-Settings\n"
                     "Upgrade: h2c\nHTTP2-Settings: AAMAAABkAAQAAP__").status == 200
    for name in ("Upgrade", "HTTP2-Settings"):
        assert up.requests[0].header(name) is None
    assert "pgrade" not in (up.requests[0].header("Connection") or "")


# What two readers could understand in two ways.
SMUGGLING = [
    ("", "Content-Length: 5\r\nTransfer-Encoding: chunked", "0\r\n\r\n"),
    ("", "Transfer-Encoding: chunked\r\nContent-Length: 5", "0\r\n\r\n"),
    ("", "Transfer-Encoding: gzip, chunked", "0\r\n\r\n"),
    ("", "Transfer-Encoding: chunked, chunked", "0\r\n\r\n"),
    ("", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", "0\r\n\r\n"),
    ("", "Transfer-Encoding: identity", "0\r\n\r\n"),
    ("", "Transfer-Encoding: xchunked", "0\r\n\r\n"),
    ("", "Transfer-Encoding:\x0bchunked", "0\r\n\r\n"),
    ("", "Transfer-Encoding : chunked", "0\r\n\r\n"),
    ("", "Transfer-Encoding: chunked;x=y", "0\r\n\r\n"),
    ("", "X: y\r\n Transfer-Encoding: chunked", "0\r\n\r\n"),
    ("", "X: y\nTransfer-Encoding: chunked", "0\r\n\r\n"),
    ("", "X: y\rTransfer-Encoding: chunked", "0\r\n\r\n"),
    ("", "X: y\0z", ""),
    ("", "Content-Length: 5\r\nContent-Length: 6", "hello!"),
    ("", "Content-Length: 5\r\nContent-Length: 5", "hello"),
    ("", "Content-Length: 5, 5", "hello"),
    ("", "Content-Length: +5", "hello"), ("", "Content-Length: -5", "hello"),
    ("", "Content-Length: 0x5", "hello"), ("", "Content-Length: 5 5", "hello"),
    ("", "Content-Length:", "hello"), ("", "Content-Length: 99999999999999999999", "hello"),
    ("", "X y: z", ""), ("", ": z", ""), ("", "no colon", ""), ("", " X: y", ""),
    ("", "Host: other", ""), ("", "Host : other", ""),
    ("POST / HTTP/1.0", "Transfer-Encoding: chunked", "0\r\n\r\n"),
    ("GET  / HTTP/1.1", "X: y", ""), ("GET / HTTP/1.1 ", "X: y", ""), ("GET\t/ HTTP/1.1", "X: y", ""),
    ("GET / HTTP/2.0", "X: y", ""), ("GET / http/1.1", "X: y", ""), ("GET /", "X: y", ""),
    ("GET /#x HTTP/1.1", "X: y", ""), ("GET x HTTP/1.1", "X: y", ""),
    ("GET http://u@x/ HTTP/1.1", "X: y", ""), ("GET http:///x HTTP/1.1", "X: y", ""),
    ("G(T / HTTP/1.1", "X: y", ""), ("PRI * HTTP/2.0", "X: y", "SM\r\n\r\n"),
    ("CONNECT x:80 HTTP/1.1", "X: y", ""),
]

CHUNKS = ["5\nhello\r\n0\r\n\r\n", "5\r\nhello\n0\r\n\r\n", "5\r\nhelloxx0\r\n\r\n",
          "5 \r\nhello\r\n0\r\n\r\n", "0x5\r\nhello\r\n0\r\n\r\n", "+5\r\nhello\r\n0\r\n\r\n",
          "5;a\nhello\r\n0\r\n\r\n", "5;a\rb\r\nhello\r\n0\r\n\r\n", "\r\nhello\r\n0\r\n\r\n",
          "10000000000000005\r\nhello\r\n0\r\n\r\n", "0\r\nX : y\r\n\r\n", "0\r\nX: y\r\n z\r\n\r\n",
          "0\r\nX: y\n\r\n"]


def check_refused(front, up, text, may_arrive=False):
    up.says = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
    before = len(up.requests)
    with front.connect() as s:
        s.sendall(text.encode("latin-1") + b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n")
        with contextlib.suppress(OSError):
            answer = net.read_all(s)
            assert answer == b"" or answer[9:12] in (b"400", b"405"), (text, answer)
            assert answer.count(b"HTTP/1.1") <= 1, (text, answer)
    assert len(up.requests) == before, text


def test_what_could_be_read_in_two_ways_is_refused(front, up):
    for first, line, body in SMUGGLING:
        check_refused(front, up, f"{first or 'POST / HTTP/1.1'}\r\nHost: {HOST}\r\n{line}\r\n\r\n{body}")
    check_refused(front, up, f"GET / HTTP/1.1\nHost: {HOST}\n\n")


def test_chunks_that_are_none_cut_the_connection(front, up):
    for chunks in CHUNKS:
        check_refused(front, up, f"POST / HTTP/1.1\r\nHost: {HOST}\r\nTransfer-Encoding: chunked"
                      f"\r\n\r\n{chunks}")


# ---- what is behind the body, and before it ----

def test_trailers_pass_both_ways(front, up):
    up.says = (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: Digest, Set-Cookie\r\n\r\n"
               b"2\r\nhi\r\n0\r\nDigest: x\r\nSet-Cookie: y\r\nServer-Timing: z\r\n\r\n")
    answer = front.ask(
        f"POST / HTTP/1.1\nHost: {HOST}\nTE: trailers\nTrailer: Sum\nTransfer-Encoding: chunked",
        b"2\r\nab\r\n0\r\nSum: 1\r\nX_Forwarded_For: 6.6.6.6\r\nHost: evil\r\n\r\n")
    assert answer.trailers == ["Digest: x", "Server-Timing: z"]
    assert answer.header("Trailer") == "Digest"
    request = up.requests[0]
    assert request.trailers == ["Sum: 1"] and request.header("Trailer") == "Sum"
    assert request.header("TE") == "trailers"
    assert front.ask(f"GET / HTTP/1.0\nHost: {HOST}").framing == "close"


def test_curl_hears_from_the_upstream_whether_its_body_is_wanted(world, front, up):
    def refuse(reader):
        up.requests.append(reader.head())
        reader.stream.sendall(b"HTTP/1.1 413 Too Much\r\nContent-Length: 3\r\n\r\nno\n")
        up.rest = reader.buffer + net.read_all(reader.stream)

    refuse.takes_reader = True
    up.says = refuse
    with front.connect() as s:
        s.sendall(f"PUT / HTTP/1.1\r\nHost: {HOST}\r\nExpect: 100-continue\r\n"
                  "Content-Length: 1000000\r\n\r\n".encode())
        answer = Reader(s).message()
        assert (answer.status, answer.body) == (413, b"no\n")
        assert net.read_all(s) == b""
    net.wait_until(lambda: hasattr(up, "rest"), message="the upstream's connection ending")
    assert up.rest == b"" and up.requests[0].header("Expect") == "100-continue"


def test_a_body_is_asked_for_when_the_upstream_is_silent(front, up):
    up.says = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
    with front.connect() as s:
        began = time.monotonic()
        s.sendall(f"PUT / HTTP/1.1\r\nHost: {HOST}\r\nExpect: 100-continue\r\n"
                  "Content-Length: 4\r\n\r\n".encode())
        reader = Reader(s)
        assert reader.head().status == 100
        assert 0.9 < time.monotonic() - began < 10
        s.sendall(b"body")
        assert reader.message().body == b"hi"
    assert up.requests[0].body == b"body"


# ---- ends ----

def test_a_visitor_that_goes_takes_the_upstream_along(front, up):
    begun = threading.Semaphore(0)

    def wait(reader):
        reader.head()
        reader.stream.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n: hi\n\n")
        begun.release()
        net.read_all(reader.stream)

    wait.takes_reader = True
    up.says = wait
    for leave in (net.reset, socket.socket.close):
        s = front.connect()
        s.sendall(f"GET / HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
        assert begun.acquire(timeout=20)
        reader = Reader(s)
        reader.head()
        before = up.ends
        began = time.monotonic()
        leave(getattr(s, "lower", s))
        net.wait_until(lambda: up.ends > before, 15, message="the upstream hearing of it")
        assert time.monotonic() - began < (3 if leave == net.reset else 10)


@pytest.mark.slow
def test_a_visitor_whose_path_dies_takes_the_upstream_along(world, adit):
    """Nothing is said any more, and nothing ends: the kernel's keepalive finds out in 150 s."""
    reason = netns.why_not()
    if reason:
        pytest.skip(reason)
    path = world.keep(netns.Path())
    heard, gone = threading.Event(), threading.Event()
    listener = path.home.listen("127.0.0.1")

    def serve():
        s, _ = listener.accept()
        Reader(s).head()
        s.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n: hi\n\n")
        heard.set()
        net.read_all(s)
        gone.set()

    threading.Thread(target=serve, daemon=True).start()
    server = world.server(adit, "--backend", f"http://127.0.0.1:{listener.getsockname()[1]}",
                          host=path.home_address, prefix=path.home.prefix)
    visitor = path.away.connect(path.home_address, server.port)
    visitor.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    Reader(visitor).head()
    assert heard.wait(10)
    path.cut()
    assert not gone.wait(10)
    assert gone.wait(170)
    visitor.close()


def test_a_visitor_that_breaks_off_an_upload_that_is_not_taken(world, adit):
    ended = threading.Event()

    def take_nothing(s):
        poll = select.poll()
        poll.register(s, 0)  # errors and hang-ups only: the end would be behind the bytes
        if poll.poll(20000):
            ended.set()

    server = world.server(adit, "--backend", f"http://127.0.0.1:{world.serve(take_nothing).port}")
    with net.connect(server.port) as s:
        s.sendall(f"POST / HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 999999999\r\n\r\n".encode())
        s.settimeout(1)
        with pytest.raises(TimeoutError):
            while True:
                s.sendall(bytes(65536))
        net.reset(s)
    assert ended.wait(10)


@pytest.mark.slow
def test_a_visitor_may_pause(front, up):
    """Longer than a tunnel's peer may be silent: 8 s."""
    body = body_of(30_000_000)
    up.says = b"HTTP/1.1 200 OK\r\n" + framed("length", body)
    with front.connect() as s:
        s.sendall(f"GET / HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
        time.sleep(25)  # the pause is the story
        assert Reader(s).message().body == body


# ---- what upstreams are told ----

def test_an_outermost_proxy_ignores_forwarded_headers(world, leases, program, up):
    front = Front(world, leases, program, "routes", up)
    up.says = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
    front.ask(f"GET / HTTP/1.1\nHost: {HOST}\nForwarded: for=6.6.6.6\nX-Real-IP: 6.6.6.6\n"
              "X_Real_IP: 6.6.6.6\nX-Forwarded-For: 6.6.6.6\nX_Forwarded-For: 6.6.6.6\n"
              "x_forwarded_proto: 6.6.6.6\nX-Forwarded-Port: 6.6.6.6\nX-Forwarded_Server: 6.6.6.6")
    told = up.requests[0]
    assert not [line for line in told.lines if "6.6.6.6" in line]
    assert told.header("X-Real-IP") == told.header("X-Forwarded-For") == "127.0.0.1"
    assert (told.header("X-Forwarded-Proto"), told.header("X-Forwarded-Host")) == ("https", HOST)
    assert told.header("Host") == f"127.0.0.1:{up.port}"


def test_a_backend_hears_of_those_before(world, leases, program, up):
    front = Front(world, leases, program, "backend", up)
    up.says = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
    front.ask("GET / HTTP/1.1\nHost: any.example\nForwarded: for=1.2.3.4\nX-Real-IP: 1.2.3.4\n"
              "X-Forwarded-For: 1.2.3.4")
    told = up.requests[0]
    assert told.header("Forwarded") == "for=1.2.3.4" and told.header("X-Real-IP") == "1.2.3.4"
    assert told.header("X-Forwarded-For") == "1.2.3.4, 127.0.0.1"


def test_a_tcp_port_s_host_is_the_relay_s(world, leases, up):
    relay = leases.relay("adit", tcp=True)
    up.says = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
    leases.expose("adit", relay, None, "--http-route", f"/={up.port}", tcp=True)
    port = relay.min_port
    for host, status in ((f"relay.localhost:{port}", 200), (f"{HOST}:{port}", 200),
                         ("127.0.0.1", 421), ("evil.example", 421)):
        with net.connect(port) as s:
            s.sendall(f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
            assert Reader(s).message().status == status, host
    with leases.visit(relay) as s:
        s.sendall(b"GET / HTTP/1.1\r\nHost: relay.localhost\r\n\r\n")
        assert Reader(s).message().status == 421
