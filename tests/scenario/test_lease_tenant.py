"""Visitors' TLS as adit expose ends it, with a key that is at the relay."""

import concurrent.futures
import contextlib
import re
import ssl
import threading

import pytest
from conftest import need
from cryptography.hazmat.primitives import serialization
from lib import net, portal_hello
from lib.portal_tls import Tls, client_context

HOST = "demo.relay.localhost"
V12, V13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
# The client's own probe may have a signature, too, and so has its trial at the start.
PROBES = 2


@pytest.fixture
def relay(leases):
    return leases.relay("python")


@pytest.fixture
def served(world, leases, relay):
    return leases.expose("adit", relay, world.serve().port)


def greet(leases, relay, **options):
    """Visits and says hello: (session, context, whether it was resumed)."""
    with leases.visit(relay, **options) as tls:
        tls.sendall(b"hello")
        assert net.read_exactly(tls, 5) == b"hello"
        return tls.object.session, tls.object.context, tls.object.session_reused


def s_client(world, leases, relay, *options):
    config = world.write("openssl.cnf", "openssl_conf=a\n[a]\nssl_conf=b\n[b]\nsystem_default=c\n"
                         "[c]\nMinProtocol=TLSv1\nCipherString=ALL:@SECLEVEL=0\n")
    done = world.call([need("openssl"), "s_client", "-connect", f"127.0.0.1:{relay.sni_port}",
                       "-servername", HOST, "-CAfile", leases.ca, *options],
                      env={"OPENSSL_CONF": config}, text="")
    found = re.search(r"New, \S+, Cipher is (\S+)", done.stdout)
    return found.group(1) if found and found.group(1) != "(NONE)" else None


@pytest.mark.usefixtures("served")
@pytest.mark.parametrize("version", [V12, V13])
def test_both_versions_are_spoken(leases, relay, version):
    with leases.visit(relay, versions=(version, version)) as tls:
        assert tls.object.version() == {V12: "TLSv1.2", V13: "TLSv1.3"}[version]
        tls.sendall(b"hello")
        assert net.read_exactly(tls, 5) == b"hello"


@pytest.mark.usefixtures("served")
def test_all_suites_keep_yesterday_secret(world, leases, relay):
    """Of all that OpenSSL has, only what makes a new key each time is taken."""
    names = world.call([need("openssl"), "ciphers", "-s", "-tls1_2",
                        "ALL:COMPLEMENTOFALL:@SECLEVEL=0"]).stdout.strip().split(":")
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        taken = list(pool.map(lambda n: s_client(world, leases, relay, "-tls1_2", "-cipher",
                                                 n + ":@SECLEVEL=0"), names))
    taken = {t for t in taken if t}
    assert taken and all(t.startswith(("ECDHE-", "DHE-")) for t in taken), taken
    assert all("GCM" in t or "CHACHA20" in t or "CCM" in t for t in taken), taken


@pytest.mark.usefixtures("served")
@pytest.mark.parametrize("offered, chosen", [
    (("http/1.1",), "http/1.1"), (("h2", "http/1.1"), "http/1.1"), ((), None),
    (("h2",), ssl.SSLError), (("http/1.0", "spdy/3"), ssl.SSLError)])
def test_http11_or_nothing_is_agreed_upon(leases, relay, offered, chosen):
    if chosen is ssl.SSLError:
        with pytest.raises(ssl.SSLError, match="no application protocol"):
            leases.visit(relay, alpn=offered)
        return
    with leases.visit(relay, alpn=offered) as tls:
        assert tls.object.selected_alpn_protocol() == chosen


@pytest.mark.usefixtures("served")
@pytest.mark.parametrize("version", [V12, V13])
def test_a_returning_visitor_costs_no_signature(leases, relay, version):
    session, context, _ = greet(leases, relay, versions=(version, version))
    net.wait_until(lambda: relay.script.signed >= 1 + PROBES, message="the probe")
    signed = relay.script.count("/v1/sign")
    for _ in range(5):
        session, _, resumed = greet(leases, relay, session=session, context=context)
        assert resumed
    assert relay.script.count("/v1/sign") == signed


@pytest.mark.usefixtures("served")
def test_each_new_visitor_costs_exactly_one(leases, relay):
    greet(leases, relay)
    net.wait_until(lambda: relay.script.signed >= 1 + PROBES, message="the probe")
    for _ in range(10):
        assert greet(leases, relay)[2] is False
    assert relay.script.signed == 11 + PROBES


@pytest.mark.usefixtures("served")
def test_many_handshakes_at_once(leases, relay):
    with concurrent.futures.ThreadPoolExecutor(30) as pool:
        made = list(pool.map(lambda _: greet(leases, relay, timeout=60), range(90)))
    assert len(made) == 90 and relay.script.signed <= 90 + PROBES


# ---- signers in trouble ----

class Gate:
    """Holds what the scripted relay is asked to sign, until it is opened."""

    def __init__(self, script):
        self.script, self.sign = script, script._sign
        self.open = threading.Event()
        self.waiting = 0
        script._sign = self._held

    def _held(self, request):
        self.waiting += 1
        self.open.wait(30)
        return self.sign(request)


def test_a_slow_signer_does_not_delay_others(world, leases, relay):
    """One of two relays is slow to sign: who comes by the other, or is there, or comes back
    notices nothing; and who waits is served in the end."""
    other = leases.relay("python", root="other.localhost")
    leases.expose("adit", [relay, other], world.serve().port)
    session, context, _ = greet(leases, relay)
    net.wait_until(lambda: relay.script.signed >= 1 + PROBES, message="the probe")
    held = Gate(relay.script)
    with leases.visit(relay, session=session, context=context) as there, \
            concurrent.futures.ThreadPoolExecutor(4) as pool:
        waiting = [pool.submit(greet, leases, relay) for _ in range(4)]
        net.wait_until(lambda: held.waiting == 4, message="four waiting signatures")
        for _ in range(3):
            assert leases.echoes(other)
            assert greet(leases, relay, session=session, context=context)[2]
            there.sendall(b"still here")
            assert net.read_exactly(there, 10) == b"still here"
        assert not any(w.done() for w in waiting)
        held.open.set()
        assert all(w.result() for w in waiting)


def test_a_dead_signer_is_logged_once_and_recovers(leases, relay, served):
    session, context, _ = greet(leases, relay)
    net.wait_until(lambda: relay.script.signed >= 1 + PROBES, message="the probe")
    relay.script.refuse("/v1/sign", "internal", "the key is lost")
    for _ in range(3):
        with pytest.raises((OSError, EOFError)):
            greet(leases, relay)
    assert greet(leases, relay, session=session, context=context)[2]
    assert len(re.findall("did not sign", served.log)) == 1, served.log
    relay.script.refusals.clear()
    assert leases.echoes(relay)
    served.wait_log("signed again")


def key_of_another(authority):
    with open(authority.issue("other")[1], "rb") as f:
        return serialization.load_pem_private_key(f.read(), None)


def test_a_signature_by_another_key_is_refused(leases, relay, served, authority):
    good, relay.script.key = relay.script.key, key_of_another(authority)
    for _ in range(2):
        with pytest.raises((OSError, EOFError)):
            greet(leases, relay)
    served.wait_log("signs with another key")  # at the latest after a visitor refused one
    relay.script.key = good
    assert leases.echoes(relay) and served.is_running()


def test_a_proxy_with_another_certificate_before_the_api_is_reported(world, leases, relay,
                                                                   authority):
    good, relay.script.key = relay.script.key, key_of_another(authority)
    served = leases.expose("adit", relay, world.serve().port)
    line = served.wait_log("the relay signs with another key than .*").group(0)
    assert line.endswith("give both the same certificate and key"), line
    with pytest.raises((OSError, EOFError)):
        greet(leases, relay)
    relay.script.key = good
    assert leases.echoes(relay)
    served.wait_log("signed again")


# ---- visitors who go ----

def test_visitors_who_vanish_while_a_signature_is_made(leases, relay, served):
    before = None
    greet(leases, relay)
    net.wait_until(lambda: relay.script.signed >= 1 + PROBES, message="the probe")
    held = Gate(relay.script)
    for how in (net.reset, lambda s: s.close()):
        gone, seen = [net.connect(relay.sni_port) for _ in range(3)], held.waiting
        tls = [Tls(s, client_context(), server_name=HOST, handshake=False) for s in gone]
        for t in tls:
            with contextlib.suppress(ssl.SSLWantReadError):
                t.object.do_handshake()
            t._flush()
        net.wait_until(lambda n=seen + 3: held.waiting >= n, message="their signatures")
        before = before or served.descriptors()
        for s in gone:
            how(s)
    held.open.set()
    assert leases.echoes(relay)
    net.wait_until(lambda: served.descriptors() <= before, message="their descriptors' end")


@pytest.mark.usefixtures("served")
def test_visitors_who_speak_no_tls_after_their_hello(leases, relay):
    hello = portal_hello.record(portal_hello.message(HOST))
    for more in (b"GET / HTTP/1.1\r\n\r\n", b"\x17\x03\x03\xff\xff" + bytes(100), b""):
        with net.connect(relay.sni_port) as s:
            with contextlib.suppress(ConnectionError):
                s.sendall(hello + more)
                s.recv(65536)
    assert leases.echoes(relay)
