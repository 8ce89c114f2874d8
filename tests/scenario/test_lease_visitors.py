"""A visitor of a name reaches what is published there, whoever wrote the relay and the
client, and the relay carries ciphertext."""

import concurrent.futures
import hashlib
import re
import socket
import ssl

import pytest
from conftest import need
from lib import net, web
from lib import portal_visitor as visitor
from lib.portal_crypto import Identity


@pytest.fixture
def lease(leases, lease_pair):
    """Gives a function that publishes a target: (relay, client)."""
    def publish(target, *flags, **options):
        relay = leases.relay(lease_pair[0], tcp=options.get("tcp", False))
        return relay, leases.expose(lease_pair[1], relay, target, *flags, **options)
    return publish


def test_curl_openssl_and_python_reach_the_target(world, leases, lease):
    site = world.keep(web.Web())
    relay, _ = lease(site.port)
    host = f"demo.{relay.root}"
    text = world.curl("--cacert", relay.ca, "--resolve", f"{host}:{relay.sni_port}:127.0.0.1",
                      f"https://{host}:{relay.sni_port}/a/page")
    assert text.startswith("GET /a/page")
    done = world.call([need("openssl"), "s_client", "-connect", f"127.0.0.1:{relay.sni_port}",
                       "-servername", host, "-CAfile", relay.ca, "-verify_return_error",
                       "-quiet", "-ign_eof"],
                      text=f"GET /s HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")
    assert "GET /s" in done.stdout, done.stderr
    with leases.visit(relay) as tls:
        assert tls.object.selected_alpn_protocol() == "http/1.1"
        tls.sendall(f"GET /p HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        assert b"200 OK" in tls.recv(65536)


def test_the_wire_shows_no_plaintext(world, leases, lease):
    secret = b"what nobody on the way may read"
    target = world.serve(net.echo)
    relay, _ = lease(target.port)
    seen = []
    tap = world.serve(lambda s: net.splice(Tap(s, seen), net.connect(relay.sni_port)))
    assert visitor.echoes(tap.port, f"demo.{relay.root}", relay.ca, secret)
    carried = b"".join(seen)
    assert len(carried) > 1000 and secret not in carried
    if relay.script:
        assert secret not in relay.script.carried and len(relay.script.carried) > 500


class Tap:
    """A socket that remembers what passed, both ways."""

    def __init__(self, inner, seen):
        self.inner, self.seen = inner, seen

    def recv(self, count):
        data = self.inner.recv(count)
        self.seen.append(data)
        return data

    def sendall(self, data):
        self.seen.append(data)
        self.inner.sendall(data)

    def shutdown(self, how):
        self.inner.shutdown(how)


@pytest.mark.tsan
def test_large_transfers_arrive_whole_both_ways(world, leases, lease):
    pattern = net.Pattern(8 << 20)

    heard = []

    def exchange(s):
        heard.append(net.digest_of(s, pattern.size))
        pattern.send(s)
        net.echo_nothing(s)

    relay, _ = lease(world.serve(exchange).port)
    with leases.visit(relay, timeout=60) as tls:
        pattern.send(tls)
        assert net.digest_of(tls, pattern.size) == (pattern.size, pattern.digest())
    # A stock client's own probe may slip through to the target: only this one counts.
    assert (pattern.size, pattern.digest()) in heard


def test_a_visitor_s_eof_arrives_and_is_answered(world, leases, lease):
    relay, _ = lease(world.serve(net.answer_after_eof).port)
    with leases.visit(relay) as tls:
        tls.sendall(b"all of it")
        tls.shutdown(socket.SHUT_WR)
        size, digest = net.read_all(tls).decode().split()
    assert (size, digest) == ("9", hashlib.sha256(b"all of it").hexdigest())


def test_when_the_target_ends_the_visitor_sees_a_clean_end(world, leases, lease):
    relay, _ = lease(world.serve(lambda s: s.sendall(b"that is all")).port)
    with leases.visit(relay) as tls:
        assert net.read_all(tls) == b"that is all"


@pytest.mark.tsan
def test_many_visitors_at_once(world, leases, lease):
    relay, _ = lease(world.serve(net.echo).port)

    def come(i):
        return leases.echoes(relay, text=b"visitor %d" % i, timeout=60)

    with concurrent.futures.ThreadPoolExecutor(40) as pool:
        assert all(pool.map(come, range(120)))


def test_both_names_of_a_lease_lead_to_it(world, leases, lease_pair):
    relay = leases.relay(lease_pair[0])
    if lease_pair[1] == "python":
        pytest.skip("skipped: the scripted client knows its own route name elsewhere")
    target = world.serve(net.echo)
    leases.expose(lease_pair[1], relay, target.port)
    kept = leases.identity_of()
    identity = Identity(kept["name"], int(kept["private_key"], 16), kept["token_secret"])
    assert visitor.echoes(relay.sni_port, f"DEMO.{relay.root}", None)
    if lease_pair[1] == "peer":
        assert visitor.echoes(relay.sni_port, identity.route_hostname(relay.root), relay.ca)


def test_http_visitors_get_an_error_when_the_target_is_down(leases, lease):
    relay, client = lease(net.free_port())
    if not hasattr(client, "pid"):
        pytest.skip("skipped: the scripted client has no page")
    with leases.visit(relay) as tls:
        tls.sendall(b"GET / HTTP/1.1\r\nHost: demo\r\n\r\n")
        page = net.read_all(tls)
    assert page.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
    assert b"Connection: close" in page and b"Service Unavailable" in page


def test_visitors_who_offer_only_another_protocol_are_refused(world, leases, lease):
    relay, client = lease(world.serve(net.echo).port)
    if not hasattr(client, "pid"):
        pytest.skip("skipped: Python's TLS servers refuse no protocols")
    with pytest.raises(ssl.SSLError) as refused:
        leases.visit(relay, alpn=("h2",))
    assert "alert no application protocol" in str(refused.value)
    assert leases.echoes(relay, alpn=())


def test_a_returning_visitor_resumes_without_a_signature(world, leases, lease):
    relay, _ = lease(world.serve(net.echo).port)
    with leases.visit(relay) as tls:
        tls.sendall(b"first")
        assert net.read_exactly(tls, 5) == b"first"
        session, context = tls.object.session, tls.object.context
    signed = relay.script.signed if relay.script else None
    with leases.visit(relay, session=session, context=context) as tls:
        assert tls.object.session_reused
        tls.sendall(b"again")
        assert net.read_exactly(tls, 5) == b"again"
    if signed is not None:
        assert relay.script.signed <= signed + 2  # a client's trial and its probe may need one


def test_a_tcp_port_carries_raw_bytes(world, leases, lease):
    relay, client = lease(world.serve(net.echo).port, tcp=True)
    port = tcp_port_of(relay, client)
    assert net.echoes(port, b"no TLS at all")
    assert leases.echoes(relay)


def tcp_port_of(relay, client):
    if hasattr(client, "lease"):
        return int(client.lease["tcp_addr"].rpartition(":")[2])
    if relay.script:
        return relay.script.lease("demo").server.port
    if "stock" in client.name:
        return relay.min_port  # it never says: the first lease has the lowest
    look = re.compile(r"tcp\S*//\S+:(\d+)")
    return int(net.wait_until(lambda: look.search(client.log + client.out),
                              message="the address of a TCP port").group(1))
