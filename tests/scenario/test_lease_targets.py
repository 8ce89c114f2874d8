"""What adit expose leads to, in every way to write it, and how bytes and ends pass through."""

import hashlib
import socket
import ssl

import pytest
from lib import net, pki
from lib.portal_tls import server_context

ROOT = "relay.localhost"


@pytest.fixture(params=["python", "adit", "stock"])
def relay(request, leases):
    return leases.relay(request.param, tcp=request.param != "python")


def tls_target(world, pair, handle=net.echo):
    context = server_context(pair, alpn=())
    return world.serve(lambda s: handle(context.wrap_socket(s, server_side=True)))


def down_page(leases, relay):
    with leases.visit(relay) as tls:
        tls.sendall(b"GET / HTTP/1.1\r\nHost: demo\r\n\r\n")
        return net.read_all(tls)


@pytest.mark.parametrize("form", ["{}", ":{}", "127.0.0.1:{}", "localhost:{}",
                                  "http://127.0.0.1:{}", "http://localhost:{}/"])
def test_a_target_may_be_written_so(world, leases, form):
    relay = leases.relay("python")
    leases.expose("adit", relay, form.format(world.serve().port))
    assert leases.echoes(relay)


def test_a_target_on_the_other_kind_of_loopback(world, leases):
    if not net.has_ipv6():
        pytest.skip("skipped: no IPv6 here")
    relay = leases.relay("python")
    leases.expose("adit", relay, f"[::1]:{world.serve(host='::1').port}")
    assert leases.echoes(relay)


def test_a_unix_socket(world, leases, relay):
    world.keep(net.UnixServer(world.path("s")))
    leases.expose("adit", relay, "unix:" + world.path("s"))
    assert leases.echoes(relay)


# ---- TLS to the target ----

def test_a_home_made_certificate_will_do_on_this_machine(world, leases, relay, certificate):
    target = tls_target(world, certificate)
    leases.expose("adit", relay, f"https://localhost:{target.port}")
    assert leases.echoes(relay, text=b"twice in TLS")


@pytest.fixture
def elsewhere(world):
    """A name that is not this machine's by its looks, and an address that it really has."""
    name = socket.gethostname()
    try:
        address = socket.gethostbyname(name)
        listener = socket.create_server((address, 0))
    except OSError:
        pytest.skip("skipped: this machine's name has no address")
    if name == "localhost" or name.endswith(".localhost"):
        pytest.skip("skipped: this machine has no name of its own")
    world.keep(listener)
    return name, listener


def test_anywhere_else_it_is_verified(world, leases, authority, elsewhere, tmp_path):
    name, listener = elsewhere
    pair = pki.Authority(str(tmp_path / "pki")).issue(name, f"DNS:{name}")
    context = server_context(pair, alpn=())
    world.serve(lambda s: net.echo(context.wrap_socket(s, server_side=True)),
                listener=listener)
    port = listener.getsockname()[1]
    relay = leases.relay("python")
    leases.expose("adit", relay, f"https://{name}:{port}", name="demo")
    assert b" 503 " in down_page(leases, relay)
    leases.expose("adit", relay, f"https+insecure://{name}:{port}", name="careless")
    assert leases.echoes(relay, "careless")
    leases.expose("adit", relay, f"https://{name}:{port}", name="trusting",
                  env={"SSL_CERT_FILE": str(tmp_path / "pki" / "ca.pem")})
    assert leases.echoes(relay, "trusting")


def test_a_target_without_tls_is_down_for_a_tls_target(world, leases):
    relay = leases.relay("python")
    leases.expose("adit", relay, f"https://localhost:{world.serve().port}")
    assert b" 503 " in down_page(leases, relay)


# ---- raw TCP ----

def raw_port(relay, client):
    if relay.script:
        return relay.script.lease("demo").server.port
    return int(net.wait_until(lambda: client.out.partition("tcp://")[2].split(),
                              message="the address")[0].rpartition(":")[2])


def test_raw_bytes_pass_both_ways_and_end_both_ways(world, leases, relay):
    if relay.kind == "stock":
        pytest.skip("skipped: a stock relay does not carry the end of a raw visitor")
    client = leases.expose("adit", relay, world.serve(net.answer_after_eof).port, tcp=True)
    with net.connect(raw_port(relay, client)) as s:
        text = b"\x16\x03\x01 is no ClientHello"
        s.sendall(text)
        s.shutdown(socket.SHUT_WR)
        assert net.read_all(s).decode() == f"{len(text)} {hashlib.sha256(text).hexdigest()}"


def test_a_raw_visitor_of_a_target_that_is_down_is_just_closed(leases, relay):
    client = leases.expose("adit", relay, net.free_port(), tcp=True)
    port = raw_port(relay, client)
    try:
        with net.connect(port) as s:
            s.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert net.read_all(s) == b""
    except (ConnectionResetError, BrokenPipeError):
        pass  # perhaps before connect() itself was over
    client.wait_log("visitor 1: came by TCP")
    assert b" 503 " in down_page(leases, relay)


def test_a_visitor_who_speaks_no_http_has_no_page(leases, relay):
    leases.expose("adit", relay, net.free_port())
    with leases.visit(relay) as tls:
        tls.sendall(b"SSH-2.0-visitor\r\n")
        try:
            assert net.read_all(tls) == b""
        except (ConnectionError, ssl.SSLError):
            pass


# ---- ends and sums ----

def test_the_target_may_end_first_and_still_hear(world, leases, relay):
    handle = net.talk_then_listen(b"my last word")
    leases.expose("adit", relay, world.serve(handle).port)
    with leases.visit(relay) as tls:
        assert net.read_exactly(tls, 12) == b"my last word"
        tls.sendall(b"and mine")
        tls.shutdown(socket.SHUT_WR)
        assert handle.done.wait(10)
    assert handle.heard == b"and mine"


@pytest.mark.parametrize("is_raw", [False, True], ids=["tls", "raw"])
def test_what_is_large_arrives_whole_both_ways(world, leases, relay, is_raw):
    pattern = net.Pattern(6 << 20)

    def exchange(s):
        count, digest = net.digest_of(s, pattern.size)
        pattern.send(s)
        s.sendall(b"%d %s" % (count, digest.encode()))

    client = leases.expose("adit", relay, world.serve(exchange).port, tcp=is_raw)
    visitor = net.connect(raw_port(relay, client)) if is_raw else leases.visit(relay)
    with visitor as s:
        s.settimeout(60)
        pattern.send(s)
        assert net.digest_of(s, pattern.size) == (pattern.size, pattern.digest())
        assert net.read_all(s).decode() == f"{pattern.size} {pattern.digest()}"


def test_a_sum_after_a_half_close(world, leases, relay):
    leases.expose("adit", relay, world.serve(net.answer_after_eof).port)
    text = b"0123456789" * 200000
    with leases.visit(relay, timeout=60) as tls:
        tls.sendall(text)
        tls.shutdown(socket.SHUT_WR)
        size, digest = net.read_all(tls).decode().split()
    assert (int(size), digest) == (len(text), hashlib.sha256(text).hexdigest())
