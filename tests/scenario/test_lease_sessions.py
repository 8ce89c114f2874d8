"""Reverse sessions of a relay of adit's, seen from a client that looks at every byte."""

import concurrent.futures
import contextlib
import socket
import time

import pytest
from lib import net, portal_hello
from lib import portal_visitor as visitor
from lib.portal_client import RAW, TLS, Refused

HELLO = portal_hello.record(portal_hello.message("demo.relay.localhost"))


@pytest.fixture
def relay(leases):
    return leases.relay(tcp=True)


@pytest.fixture
def client(leases, relay):
    client = leases.client(relay)
    client.register(tcp_enabled=True)
    return client


def come(relay):
    s = net.connect(relay.sni_port)
    s.sendall(HELLO)
    return s


def test_the_answer_is_what_old_clients_expect(client):
    session = client.session()
    assert session.headers == {"content-length": "0", "connection": "keep-alive"}


def test_a_visitor_activates_the_oldest_and_its_bytes_follow_the_marker(relay, client):
    first, second = client.session(), client.session()
    with come(relay) as visit:
        assert first.activation() == TLS
        assert net.read_exactly(first, len(HELLO)) == HELLO
        first.sendall(b"anything at all")
        assert net.read_exactly(visit, 15) == b"anything at all"
    with come(relay):
        assert second.activation() == TLS
    assert first.keepalives == 0


def test_a_visitor_waits_for_a_session(relay, client):
    with come(relay):
        net.wait_quietly(0.5)
        session = client.session()
        assert session.activation() == TLS
        assert net.read_exactly(session, len(HELLO)) == HELLO


@pytest.mark.slow
def test_a_visitor_waits_ten_seconds_and_no_more(relay, client):
    start = time.monotonic()
    visitor.alert_to(relay.sni_port, HELLO, timeout=20)
    assert 9 < time.monotonic() - start < 12


def test_sessions_beyond_eight_are_closed(client):
    kept = [client.session() for _ in range(8)]
    assert client.session().activation(10) == b""
    assert all(s.rest == b"" for s in kept)


def test_a_session_whose_client_is_gone_is_passed_over(relay, client):
    gone, silent, good = client.session(), client.session(), client.session()
    gone.vanish()
    silent.close()
    net.wait_until(lambda: relay.is_alive(client.hostname))
    with come(relay):
        assert good.activation() == TLS


def test_a_dead_session_is_noticed_while_it_is_idle(relay, client):
    session = client.session()
    net.wait_until(lambda: relay.is_alive(client.hostname))
    session.close()
    net.wait_until(lambda: not relay.is_alive(client.hostname), 5,
                   message="the end of a session being noticed")


def test_a_client_that_talks_too_early_loses_its_session(relay, client):
    early, good = client.session(), client.session()
    early.sendall(b"too early")
    assert early.activation(10) == b""
    with come(relay):
        assert good.activation() == TLS


def test_a_client_that_stops_reading_stops_only_its_own_visitor(leases, relay, client):
    stuck = client.session()
    with come(relay) as visit:
        assert stuck.activation() == TLS
        visit.settimeout(1)
        with pytest.raises(TimeoutError):
            while True:
                visit.sendall(bytes(1 << 16))
        other = leases.client(relay, "other")
        other.register()
        session = other.session()
        with net.connect(relay.sni_port) as s:
            s.sendall(portal_hello.record(portal_hello.message(other.hostname)))
            assert session.activation() == TLS


@pytest.mark.slow
def test_idle_sessions_are_kept_alive(relay, client):
    session = client.session()
    start = time.monotonic()
    assert session.marker() == b"\x00" and 13 < time.monotonic() - start < 17
    assert session.marker() == b"\x00" and 28 < time.monotonic() - start < 32
    with come(relay):
        assert session.activation() == TLS
        assert net.read_exactly(session, len(HELLO)) == HELLO


def test_the_end_of_either_side_passes_and_the_other_side_goes_on(relay, client):
    session = client.session()
    with come(relay) as visit:
        assert session.activation() == TLS
        net.read_exactly(session, len(HELLO))
        visit.sendall(b"last words")
        visit.shutdown(socket.SHUT_WR)
        assert net.read_all(session) == b"last words"
        session.sendall(b"an answer to them")
        assert net.read_exactly(visit, 17) == b"an answer to them"
        session.shutdown(socket.SHUT_WR)
        assert net.read_all(visit) == b""
    session = client.session()
    with come(relay) as visit:
        assert session.activation() == TLS
        net.read_exactly(session, len(HELLO))
        session.sendall(b"that is all")
        session.shutdown(socket.SHUT_WR)
        assert net.read_all(visit) == b"that is all"
        visit.sendall(b"I go on")
        assert net.read_exactly(session, 7) == b"I go on"


def test_a_visitor_that_vanishes_ends_its_session(relay, client):
    session = client.session()
    visit = come(relay)
    assert session.activation() == TLS
    net.read_exactly(session, len(HELLO))
    net.reset(visit)
    session.settimeout(10)
    try:
        assert net.read_all(session) == b""
    except OSError:
        pass


def test_a_client_that_vanishes_ends_its_visitor(relay, client):
    session = client.session()
    with come(relay) as visit:
        assert session.activation() == TLS
        session.vanish()
        try:
            assert net.read_all(visit) == b""
        except ConnectionError:
            pass


def test_a_tcp_port_activates_raw_and_the_name_tls(relay, client):
    port = int(client.lease["tcp_addr"].rpartition(":")[2])
    raw, tls = client.session(), client.session()
    with net.connect(port) as visit:
        visit.sendall(b"no hello")
        assert raw.activation() == RAW
        assert net.read_exactly(raw, 8) == b"no hello"
        raw.sendall(b"nor here")
        assert net.read_exactly(visit, 8) == b"nor here"
    with come(relay):
        assert tls.activation() == TLS


def test_a_tcp_port_of_a_server_that_speaks_first(client):
    port = int(client.lease["tcp_addr"].rpartition(":")[2])
    session = client.session()
    with net.connect(port) as visit:
        assert session.activation() == RAW
        session.sendall(b"220 hello\r\n")
        assert net.read_exactly(visit, 11) == b"220 hello\r\n"


def test_unregistering_ends_what_waits_and_not_what_runs(relay, client):
    running, waiting = client.session(), client.session()
    with come(relay) as visit:
        assert running.activation() == TLS
        net.read_exactly(running, len(HELLO))
        client.unregister()
        assert waiting.activation(10) == b""
        running.sendall(b"goes on")
        assert net.read_exactly(visit, 7) == b"goes on"
    port = int(client.lease["tcp_addr"].rpartition(":")[2])
    net.wait_not_listening(port, pid=relay.process.pid)
    with pytest.raises(Refused) as refused:
        client.session()
    assert (refused.value.status, refused.value.code) == (404, "lease_not_found")


@pytest.mark.tsan
def test_sessions_and_visitors_that_come_and_go_at_once(world, leases, relay, client):
    target = world.serve(net.echo)
    world.keep(client.serve(lambda s: net.splice(s, net.connect(target.port)),
                            leases.certificate(), slots=8))

    def visit(i):
        if i % 5 == 0:  # some leave at once
            come(relay).close()
            return True
        return leases.echoes(relay, text=b"%d" % i, timeout=60)

    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        assert all(pool.map(visit, range(200)))


def test_http10_and_a_connect_with_a_body_are_no_reason_to_fall_over(client):
    with client.connect() as s:
        s.sendall((f"GET /sdk/connect HTTP/1.0\r\nHost: x\r\nX-Portal-Access-Token: "
                   f"{client.token}\r\nContent-Length: 3\r\n\r\nabc").encode())
        s.settimeout(10)
        try:
            assert s.recv(4096)[:9] in (b"HTTP/1.1 ", b"HTTP/1.0 ", b"")
        except OSError:
            pass
    assert client.domain()


# ---- two with one identity ----

def test_the_last_one_to_register_has_the_visitors(leases, relay):
    """An older token opens no sessions, renews nothing, and ends nothing that is not its own."""
    older = leases.client(relay)
    older.register()
    newer = leases.client(relay, identity=older.identity)
    newer.register()
    for call in (older.session, older.renew):
        with pytest.raises(Refused) as refused:
            call()
        assert (refused.value.status, refused.value.code) == (409, "hostname_conflict")
    older.unregister()
    with contextlib.closing(newer.session()) as session, come(relay):
        assert session.activation() == TLS


def test_an_agent_that_is_replaced_says_so_and_ends(world, leases, relay):
    target = world.serve().port
    older = leases.expose("adit", relay, target)
    newer = leases.expose("adit", relay, target, "--take-over", wait=False)
    older.wait_log("another agent has registered with the same identity since: "
                   "stop one of the two, or give this one an --identity-path of its own")
    assert older.wait_exit() == 1
    net.wait_until(lambda: leases.echoes(relay), message="the newer one")
    assert newer.is_running() and "another agent" not in newer.log
