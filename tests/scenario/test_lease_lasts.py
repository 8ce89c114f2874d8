"""A lease lives through renewals, restarts, dead paths and bad company."""

import concurrent.futures
import signal

import pytest
from lib import net, netns
from lib import portal_visitor as visitor
from lib.portal_tls import Tls, client_context

CLIENTS = ["adit", "peer", "stock"]


@pytest.fixture
def script(world, leases):
    """The scripted relay itself, and its end for Leases."""
    return leases.relay("python")


def test_a_lease_is_renewed_again_and_again(world, leases, script):
    script.script.ttl = 8
    leases.expose("adit", script, world.serve(net.echo).port)
    net.wait_until(lambda: script.script.count("/sdk/renew") >= 3, 30,
                   message="three renewals")
    assert script.script.count("/sdk/register") == 1
    assert leases.echoes(script)


@pytest.mark.parametrize("ttl, away", [(3, 0), (8, 2)])
def test_a_short_lease_outlives_renewals_that_fail(world, leases, script, ttl, away):
    """The first attempts are refused; what is left of the lease is enough for another."""
    script.script.ttl = ttl
    client = leases.expose("adit", script, world.serve(net.echo).port)
    if away:
        script.script.refuse("/sdk/renew", "internal", "not just now")
        client.wait_log("not just now")
        net.wait_quietly(away)
        script.script.refusals.clear()
    before = script.script.count("/sdk/renew")
    net.wait_until(lambda: script.script.count("/sdk/renew") >= before + 3, 30)
    assert script.script.count("/sdk/register") == 1
    assert leases.echoes(script)
    assert client.log.count("not just now") == (1 if away else 0)
    assert client.log.count("renewed again") == (1 if away else 0)


def test_a_short_lease_is_kept_by_a_relay_of_adits(world, leases):
    relay = leases.relay()
    client = leases.client(relay)
    client.register(ttl=3)
    world.keep(client.serve(net.echo, leases.certificate()))
    for _ in range(3):
        net.wait_quietly(1.5)
        client.renew(ttl=3)
    assert leases.echoes(relay)


def test_a_lease_that_is_lost_is_registered_again(world, leases, script):
    leases.expose("adit", script, world.serve(net.echo).port)
    script.script.ttl = None
    script.script.expire("demo")
    net.wait_until(lambda: script.script.count("/sdk/register") >= 2, 20,
                   message="another registration")
    visitor.wait_served(script.sni_port, "demo." + script.root, leases.ca)


# A client of the field would try its slots for half a minute, and then leave the relay alone:
# our relay takes its old token for a registration.
@pytest.mark.parametrize("client", ["adit", "peer", "stock"])
def test_a_relay_that_was_killed_has_its_clients_back_within_seconds(world, leases, client):
    relay = leases.relay("adit")
    leases.expose(client, relay, world.serve(net.echo).port)
    for _ in range(2):
        relay.restart()
        visitor.wait_served(relay.sni_port, "demo." + relay.root, relay.ca, 6)


@pytest.mark.parametrize("kind", ["python", "peer", "adit", "stock"])
def test_adit_is_back_within_seconds_of_its_relay(world, leases, kind):
    relay = leases.relay(kind)
    leases.expose("adit", relay, world.serve(net.echo).port)
    relay.restart()
    visitor.wait_served(relay.sni_port, "demo." + relay.root, relay.ca, 6)


@pytest.mark.parametrize("kind", ["python", "stock"])
def test_a_name_that_was_lost_to_another_is_taken_back_when_it_is_free(world, leases, kind):
    relay = leases.relay(kind)
    client = leases.expose("adit", relay, world.serve(net.echo).port)
    client.signal(signal.SIGSTOP)
    relay.restart()
    squatter = leases.client(relay)
    squatter.register()
    client.signal(signal.SIGCONT)
    client.wait_log("the name demo is taken or reserved there, which was ours: trying again")
    squatter.unregister()
    visitor.wait_served(relay.sni_port, "demo." + relay.root, relay.ca, 35)
    client.wait_log("public again")


def test_sessions_that_are_dropped_are_opened_again(world, leases, script):
    leases.expose("adit", script, world.serve(net.echo).port)
    for _ in range(3):
        script.script.drop_sessions()
        script.script.wait_ready("demo")
    assert leases.echoes(script) and script.script.count("/sdk/register") == 1


@pytest.mark.parametrize("code, is_fatal", [
    ("feature_unavailable", True), ("transport_mismatch", True), ("hostname_conflict", True),
    ("ip_banned", True), ("rate_limited", False), ("internal", False),
    ("lease_rejected", False), ("unauthorized", False)])
def test_refusals_end_it_or_are_tried_again(world, leases, script, code, is_fatal):
    script.script.refuse("/sdk/register", code, "because the relay says so")
    client = leases.expose("adit", script, 1, wait=False)
    net.wait_until(lambda: script.script.count("/sdk/register") >= 1)
    client.wait_log("because the relay says so")
    if is_fatal:
        assert client.wait_exit(20) != 0
        client.graceful = False
    else:
        script.script.refusals.clear()
        leases.wait_alive(script, "demo." + script.root, client)


def test_another_protocol_is_logged_and_not_retried(leases, script):
    script.script.protocol = "9"
    client = leases.expose("adit", script, 1, wait=False)
    assert client.wait_exit(20) != 0
    client.graceful = False
    assert "9" in client.log and script.script.count("/sdk/register/challenge") == 0


def test_a_dead_relay_disturbs_no_other(world, leases):
    live = leases.relay("adit")
    dead = f"https://dead.localhost:{net.free_port()}"
    silent = leases.relay("python", root="silent.localhost")
    silent.script.mute = True
    client = leases.expose("adit", [live], world.serve(net.echo).port, wait=False, name="first")
    leases.wait_alive(live, "first." + live.root, client)
    target = world.serve(net.echo)
    both = leases.expose("adit", [live, _Url(dead), silent], target.port, wait=False,
                         name="second")
    leases.wait_alive(live, "second." + live.root, both)
    assert leases.echoes(live, "second")
    silent.script.mute = False
    leases.wait_alive(silent, "second." + silent.root, both, seconds=30)


class _Url:
    def __init__(self, url):
        self.url = url


def test_two_relays_serve_the_same_target(world, leases):
    one, two = leases.relay("adit"), leases.relay("python", root="two.localhost")
    leases.expose("adit", [one, two], world.serve(net.echo).port)
    assert leases.echoes(one)
    assert visitor.echoes(two.sni_port, "demo.two.localhost", leases.ca)


@pytest.mark.parametrize("client", CLIENTS)
def test_an_agent_that_ends_unregisters(world, leases, client):
    relay = leases.relay("adit")
    process = leases.expose(client, relay, world.serve(net.echo).port)
    leases.end(process)
    path = "/tunnel/status?hostname=demo." + relay.root
    assert relay.ask(path).data["registered"] is False


def test_the_name_and_the_address_stay(world, leases, script):
    target = world.serve(net.echo)
    first = leases.expose("adit", script, target.port)
    address = script.script.lease("demo").identity["address"]
    leases.end(first)
    leases.expose("adit", script, target.port)
    assert script.script.lease("demo").identity["address"] == address
    assert leases.identity_of()["address"] == address


def test_a_relay_that_ends_drains_its_bridges(world, leases):
    relay = leases.relay("adit", "--drain", "20s")
    leases.expose("adit", relay, world.serve(net.echo).port)
    with leases.visit(relay) as tls:
        tls.sendall(b"before")
        assert net.read_exactly(tls, 6) == b"before"
        relay.process.signal(signal.SIGTERM)
        net.wait_not_listening(relay.sni_port, pid=relay.process.pid)
        tls.sendall(b"during")
        assert net.read_exactly(tls, 6) == b"during"
    assert relay.process.wait_exit(10) == 0


def test_sighup_drops_no_connection(world, leases):
    relay = leases.relay("adit")
    leases.expose("adit", relay, world.serve(net.echo).port)
    with leases.visit(relay) as tls:
        for i in range(5):
            relay.process.signal(signal.SIGHUP)
            tls.sendall(b"%d" % i)
            assert net.read_exactly(tls, 1) == b"%d" % i
    assert leases.echoes(relay)


@pytest.mark.tsan
def test_several_workers_share_the_work(world, leases):
    relay = leases.relay("adit", "--workers", "4")
    target = world.serve(net.echo)
    for i in range(4):
        leases.expose("adit" if i else "peer", relay, target.port, name=f"demo{i}")

    def come(i):
        return leases.echoes(relay, f"demo{i % 4}", b"%d" % i, timeout=60)

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        assert all(pool.map(come, range(160)))
    relay.process.signal(signal.SIGHUP)
    assert all(leases.echoes(relay, f"demo{i}") for i in range(4))


@pytest.mark.slow
def test_thousands_of_visitors_at_once(world, leases):
    relay = leases.relay("adit")
    leases.expose("adit", relay, world.serve(net.echo).port)
    context, kept = client_context(), []
    for i in range(2000):
        tls = visitor.visit(relay.sni_port, "demo." + relay.root, context=context, timeout=60)
        tls.sendall(b"x")
        assert net.read_exactly(tls, 1) == b"x"
        kept.append(tls)
    assert all(t.sendall(b"y") is None and net.read_exactly(t, 1) == b"y" for t in kept)
    before = relay.process.descriptors()
    for tls in kept:
        tls.close()
    net.wait_until(lambda: relay.process.descriptors() < before - 3900, 30)


@pytest.mark.slow
def test_a_path_that_dies_without_a_word_is_noticed_at_both_ends(world, leases):
    reason = netns.why_not()
    if reason:
        pytest.skip(reason)
    path = world.keep(netns.Path())
    hosts = f"127.0.0.1 localhost\n{path.away_address} relay.test demo.relay.test\n"
    path.home.hosts(hosts)
    path.away.hosts(hosts)
    end = path.away.inside(lambda: leases.relay("adit", root="relay.test", host="0.0.0.0",
                                                prefix=path.away.prefix))
    listener = path.home.listen("127.0.0.1")
    target = world.serve(net.echo, listener=listener)
    client = leases.expose("adit", end, target.port, wait=False, prefix=path.home.prefix,
                           env={"SSL_CERT_FILE": leases.ca})

    def served():
        try:
            raw = path.away.connect("127.0.0.1", end.sni_port, 2)
            with Tls(raw, client_context(), server_name="demo.relay.test") as tls:
                tls.sendall(b"hi")
                return net.read_exactly(tls, 2) == b"hi"
        except (OSError, EOFError):
            return False

    net.wait_until(served, 20, every=0.2)
    path.cut()
    net.wait_quietly(50)
    path.restore()
    net.wait_until(served, 15, every=0.2, message="the path being used again")
    assert client.is_running()


# ---- a relay that ends its visitors' TLS itself ----

@pytest.mark.parametrize("ban", [True, False])
def test_a_relay_that_listens_in_is_found_out(world, leases, script, ban):
    script.script.hostile = True
    client = leases.expose("adit", script, world.serve(net.echo).port,
                           f"--ban-mitm={str(ban).lower()}", wait=False)
    net.wait_until(lambda: script.script.ready("demo"))
    assert leases.echoes(script)
    client.wait_log(rf"tls_exporter_mismatch: {script.url} can read what visitors say")
    assert "--ban-mitm=false" in client.log
    if ban:
        assert "is banned" in client.log
        net.wait_until(lambda: not script.script.ready("demo"), message="the relay being left")
        client.wait_exit()  # it had no other
        client.graceful = False
    else:
        assert leases.echoes(script)


def test_an_honest_relay_is_not_accused(world, leases, script):
    heard = []

    def remember(s):
        data = s.recv(65536)
        heard.append(data)
        s.sendall(data)

    client = leases.expose("adit", script, world.serve(remember).port)
    for i in range(3):
        assert leases.echoes(script, text=b"visit %d" % i)
    net.wait_until(lambda: script.script.visits >= 4, message="the client's own probe")
    assert heard == [b"visit 0", b"visit 1", b"visit 2"]  # its probe reached nobody
    assert script.script.ready("demo") and client.is_running()
