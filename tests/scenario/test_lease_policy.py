"""What an administrator of a relay decides, through its API, and what follows at once."""

import contextlib
import ssl
import time

import pytest
from lib import net, portal_hello
from lib import portal_visitor as visitor
from lib.portal_admin import Admin
from lib.portal_client import TLS, Refused
from lib.portal_crypto import Identity


@pytest.fixture
def wallet():
    return Identity("admin")


@pytest.fixture
def relay(leases, wallet):
    return leases.relay("adit", "--admin-wallets", wallet.address, tcp=True)


@pytest.fixture
def admin(leases, relay, wallet):
    admin = Admin(leases.client(relay), wallet)
    answer = admin.sign_in()
    assert answer.status == 200, answer.body
    return admin


@pytest.fixture
def lease(world, leases, relay):
    client = leases.client(relay)
    client.register()
    world.keep(client.serve(net.echo, leases.certificate()))
    leases.wait_alive(relay, client.hostname)
    return client


def is_served(leases, relay, name="demo"):
    return visitor.try_echo(relay.sni_port, f"{name}.{relay.root}", leases.ca)


def test_only_a_wallet_that_is_allowed_signs_in(leases, relay, admin):
    cookie = admin.sign_in().headers["set-cookie"]
    for part in ("portal_admin=was_", "HttpOnly", "Secure", "SameSite=Strict", "Path=/admin"):
        assert part in cookie
    stranger = Admin(leases.client(relay), Identity("x"))
    assert stranger.sign_in().status == 403
    for method, path in (("GET", "/admin/snapshot"), ("POST", "/admin/settings/approval-mode"),
                         ("GET", "/admin/metrics"), ("POST", "/admin/ips/1.2.3.4/ban")):
        answer = stranger.ask(method, path, {} if method == "POST" else None)
        assert (answer.status, answer.code) == (401, "unauthorized"), path
    admin.want("POST", "/admin/logout")
    assert admin.ask("GET", "/admin/snapshot").status == 401


def test_the_snapshot_shows_the_leases(admin, lease):
    snapshot = admin.want("GET", "/admin/snapshot")
    assert snapshot["approval_mode"] == "auto"
    row = next(x for x in snapshot["leases"] if x["name"] == "demo")
    assert row["Hostname"] == lease.hostname and row["address"] == lease.identity.address
    assert row["identity_key"] == lease.identity.key
    assert row["IsApproved"] and not row["IsBanned"] and not row["IsDenied"]


@pytest.mark.parametrize("what", ["ban", "deny"])
def test_a_banned_or_denied_identity_is_not_routed(leases, relay, admin, lease, what):
    admin.lease("POST", lease, what)
    assert not is_served(leases, relay)
    for call in (lease.session, lambda: lease.want("POST", "/v1/sign", lease.sign_question(),
                                                   headers={"X-Portal-Access-Token":
                                                            lease.token})):
        with pytest.raises(Refused) as refused:
            call()
        assert (refused.value.status, refused.value.code) == (403, "lease_rejected")
    lease.renew()
    admin.lease("DELETE", lease, what)
    visitor.wait_served(relay.sni_port, lease.hostname, leases.ca)


@pytest.mark.parametrize("since", ["nothing", "registered again", "unregistered"])
def test_a_ban_ends_every_visit(leases, relay, admin, since):
    """Also those that began at a lease that is no more."""
    client = leases.client(relay)
    client.register()
    session = client.session()
    hello = portal_hello.record(portal_hello.message(client.hostname))
    with net.connect(relay.sni_port) as visit:
        visit.sendall(hello)
        assert session.activation() == TLS
        assert net.read_exactly(session, len(hello)) == hello
        if since == "registered again":
            client.register()
        elif since == "unregistered":
            client.unregister()
        session.sendall(b"goes on")
        assert net.read_exactly(visit, 7) == b"goes on"
        admin.lease("POST", client, "ban")
        try:
            assert visit.recv(1) == b""
        except ConnectionError:
            pass


def test_manual_approval(leases, relay, admin, lease):
    admin.want("POST", "/admin/settings/approval-mode", {"mode": "manual"})
    assert not is_served(leases, relay)
    admin.lease("POST", lease, "approve")
    visitor.wait_served(relay.sni_port, lease.hostname, leases.ca)
    admin.lease("DELETE", lease, "approve")
    assert not is_served(leases, relay)
    assert admin.ask("POST", "/admin/settings/approval-mode", {"mode": "x"}).code == "invalid_mode"
    admin.want("POST", "/admin/settings/approval-mode", {"mode": "auto"})
    visitor.wait_served(relay.sni_port, lease.hostname, leases.ca)


def test_decisions_outlive_a_kill(leases, relay, admin, lease):
    admin.lease("POST", lease, "ban")
    admin.want("POST", "/admin/settings/approval-mode", {"mode": "manual"})
    relay.restart()
    assert admin.sign_in().status == 200
    assert admin.want("GET", "/admin/snapshot")["approval_mode"] == "manual"
    again = leases.client(relay, identity=lease.identity)
    again.register()
    with pytest.raises(Refused) as refused:
        again.session()
    assert refused.value.code == "lease_rejected"


def test_a_banned_address_is_refused(leases, relay, admin, lease):
    """And loses what it has: the lease, its sessions, its visitors and its signatures."""
    idle = lease.session()
    with leases.visit(relay, timeout=60) as tls:
        tls.sendall(b"x")
        assert net.read_exactly(tls, 1) == b"x"
        admin.want("POST", "/admin/ips/127.0.0.1/ban")
        assert idle.activation(10) == b""
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            assert tls.recv(1) == b""
    relay.process.wait_log("lease demo: ended: the address of its client is banned")
    for call in (lease.challenge, lease.renew, lease.session, lease.unregister):
        with pytest.raises(Refused) as refused:
            call()
        assert (refused.value.status, refused.value.code) == (403, "ip_banned")
    answer = lease.sign(lease.sign_question())
    assert (answer.status, answer.code) == (403, "ip_banned")
    assert lease.domain()
    admin.want("DELETE", "/admin/ips/127.0.0.1/ban")
    lease.register()
    assert lease.sign(lease.sign_question()).status == 200
    assert admin.ask("POST", "/admin/ips/not-one/ban").code == "invalid_ip"


def test_a_rate_holds_a_running_bridge_at_once(leases, relay, admin, lease):
    rate, size = 100_000, 250_000
    with leases.visit(relay, timeout=60) as tls:
        tls.sendall(b"x")
        assert net.read_exactly(tls, 1) == b"x"
        admin.lease("POST", lease, "bps", {"bps": rate})
        start = time.monotonic()
        tls.sendall(bytes(size))
        net.read_exactly(tls, size)
        took = time.monotonic() - start
    # both ways count; a second's worth may come at once
    assert took > (2 * size - rate) / rate * 0.7, took
    admin.lease("DELETE", lease, "bps")
    start = time.monotonic()
    assert leases.echoes(relay, text=bytes(size), timeout=60)
    assert time.monotonic() - start < took / 2


def test_tcp_ports_can_be_switched_off_and_counted(leases, relay, admin):
    admin.want("POST", "/admin/settings/tcp-port", {"enabled": False, "max_leases": 0})
    client, other = leases.client(relay, "one"), leases.client(relay, "two")
    with pytest.raises(Refused) as refused:
        client.register(tcp_enabled=True)
    assert (refused.value.status, refused.value.code) == (403, "tcp_port_disabled")
    admin.want("POST", "/admin/settings/tcp-port", {"enabled": True, "max_leases": 1})
    client.register(tcp_enabled=True)
    with pytest.raises(Refused) as refused:
        other.register(tcp_enabled=True)
    assert (refused.value.status, refused.value.code) == (503, "tcp_port_capacity_exceeded")


def test_metrics_are_prometheus_text(admin, lease):
    answer = admin.ask("GET", "/admin/metrics")
    assert answer.status == 200 and answer.headers["content-type"].startswith("text/plain")
    assert b"# TYPE" in answer.body and lease.token


def test_proxies_are_believed_only_where_they_are_trusted(leases, wallet):
    for flags, banned in ((["--trust-proxy-headers"], True), ([], False)):
        relay = leases.relay("adit", "--admin-wallets", wallet.address, *flags)
        admin = Admin(leases.client(relay), wallet)
        admin.sign_in()
        admin.want("POST", "/admin/ips/203.0.113.9/ban")
        client = leases.client(relay)
        answer = client.ask("POST", "/sdk/register/challenge",
                            {"identity": client.identity.message()},
                            {"X-Forwarded-For": "203.0.113.9, 10.0.0.1"})
        assert (answer.code == "ip_banned") == banned
