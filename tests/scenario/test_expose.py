"""adit expose, on a relay written from the protocol's description."""

import concurrent.futures
import json
import os
import re
import signal
import subprocess
import time

import pytest
from cryptography.hazmat.primitives import serialization
from lib import net
from lib import portal_visitor as visitor
from lib.portal_relay import Relay, lease_certificate
from lib.web import Web

ROOT = "relay.localhost"


@pytest.fixture
def relay(world, authority):
    return world.keep(Relay(lease_certificate(authority, ROOT), ROOT))


def expose(world, adit, *args, wait=True, name="myapp", relays=(), env=None):
    urls = ",".join(r if isinstance(r, str) else r.url for r in relays)
    flags = ["--name", name, "--relays", urls, "--discovery=false"]
    process = world._start(adit, "expose", [*flags, *args], env, ())
    if wait:
        process.wait_out = lambda pattern: net.wait_until(
            lambda: re.search(pattern, process.out), 15, message=pattern)
        process.wait_out(r"Public at https://")
        for r in relays:
            if isinstance(r, Relay):
                r.wait_ready(name)
    return process


def host(name="myapp"):
    return f"{name}.{ROOT}"


def test_a_visitor_reaches_a_local_service_and_the_relay_sees_ciphertext(
        world, adit, authority, relay):
    process = expose(world, adit, world.serve().port, relays=[relay])
    assert f"Public at https://{host()}" in process.out
    assert visitor.echoes(relay.sni.port, host(), authority.cert, b"a secret of ours")
    assert b"a secret of ours" not in relay.carried and len(relay.carried) > 500
    assert relay.signed >= 1  # the probe needs one, too
    process.wait_log(r"visitor 1: ")


def test_flags_may_stand_behind_the_target(world, adit, authority, relay):
    argv = [adit.argv[0], "expose", world.serve().port, "--relays", relay.url,
            "--name=late", "--discovery=false"]
    process = world.run("late", argv)
    process.graceful = True
    visitor.wait_served(relay.sni.port, host("late"), authority.cert)


def test_a_visitor_who_comes_back_needs_no_signature(world, adit, authority, relay):
    expose(world, adit, world.serve().port, relays=[relay])
    context = visitor.client_context(authority.cert)
    with visitor.visit(relay.sni.port, host(), authority.cert, context=context) as tls:
        tls.sendall(b"x")
        net.read_exactly(tls, 1)
        session = tls.object.session
    net.wait_until(lambda: relay.signed == 3, message="the trial, the visitor's, the probe's")
    with visitor.visit(relay.sni.port, host(), authority.cert, context=context,
                       session=session) as tls:
        tls.sendall(b"y")
        assert net.read_exactly(tls, 1) == b"y"
        assert tls.object.session_reused
    assert relay.signed == 3


def test_many_visitors_at_once(world, adit, authority, relay):
    expose(world, adit, world.serve().port, relays=[relay])
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        results = pool.map(
            lambda _: visitor.echoes(relay.sni.port, host(), authority.cert), range(40))
        assert all(results)


def test_a_tcp_port_carries_raw_bytes(world, adit, relay):
    process = expose(world, adit, world.serve().port, "--tcp", relays=[relay])
    port = int(re.search(r"tcp://[^:]*:(\d+)", process.out).group(1))
    assert net.echoes(port, b"raw bytes")


def test_http_routes(world, adit, authority, relay):
    one, two = world.keep(Web(lambda r: b"one " + r.path.encode())), world.keep(
        Web(lambda r: b"two " + r.path.encode()))
    expose(world, adit, "--http-route", f"/=127.0.0.1:{one.port}", "--http-route",
           f"/api=127.0.0.1:{two.port}", relays=[relay])
    for path, text in (("/x", b"one /x"), ("/api/y", b"two /y")):
        with visitor.visit(relay.sni.port, host(), authority.cert) as tls:
            tls.sendall(f"GET {path} HTTP/1.1\r\nHost: {host()}\r\n"
                        "Connection: close\r\n\r\n".encode())
            assert text in net.read_all(tls)


def test_a_target_that_is_down_has_a_page(world, adit, authority, relay):
    expose(world, adit, net.free_port(), relays=[relay])
    with visitor.visit(relay.sni.port, host(), authority.cert) as tls:
        tls.sendall(f"GET / HTTP/1.1\r\nHost: {host()}\r\n\r\n".encode())
        assert b"503" in net.read_all(tls)


def test_a_dead_relay_disturbs_no_other(world, adit, authority, relay):
    dead = f"https://localhost:{net.free_port()}"
    process = expose(world, adit, world.serve().port, relays=[dead, relay])
    assert visitor.echoes(relay.sni.port, host(), authority.cert)
    process.wait_log(r"refused")
    time.sleep(3)
    assert len(re.findall("refused", process.log)) == 1


def test_two_relays_are_two_addresses(world, adit, authority, relay):
    other = world.keep(Relay(lease_certificate(authority, "other.localhost"),
                             "other.localhost"))
    expose(world, adit, world.serve().port, relays=[relay, other])
    assert visitor.echoes(relay.sni.port, host(), authority.cert)
    visitor.wait_served(other.sni.port, "myapp.other.localhost", authority.cert)


def test_a_relay_that_forgot_us_serves_again_within_5_seconds(world, adit, authority,
                                                              relay):
    process = expose(world, adit, world.serve().port, relays=[relay])
    relay.forget()
    visitor.wait_served(relay.sni.port, host(), authority.cert, seconds=5)
    process.wait_log(r"public again")


def test_leaving_unregisters(world, adit, relay):
    process = expose(world, adit, world.serve().port, relays=[relay])
    process.signal(signal.SIGTERM)
    assert process.wait_exit() == 0
    assert relay.count("/sdk/unregister") == 1


def test_leases_are_renewed(world, adit, authority, relay):
    relay.ttl = 4
    expose(world, adit, world.serve().port, relays=[relay])
    net.wait_until(lambda: relay.count("/sdk/renew") >= 2, 15)
    assert relay.count("/sdk/register") == 1
    assert visitor.echoes(relay.sni.port, host(), authority.cert)


def test_a_new_certificate_is_taken_up(world, adit, authority, relay):
    expose(world, adit, world.serve().port, relays=[relay])
    assert visitor.echoes(relay.sni.port, host(), authority.cert)
    time.sleep(5)  # it does not look again sooner
    certificate = lease_certificate(authority, ROOT)
    relay.tls.load_cert_chain(*certificate)
    with open(certificate[1], "rb") as f:
        relay.key = serialization.load_pem_private_key(f.read(), None)
    visitor.wait_served(relay.sni.port, host(), authority.cert, seconds=5)


def test_a_relay_that_listens_in_is_banned(world, adit, authority, relay):
    relay.hostile = True
    process = expose(world, adit, world.serve().port, relays=[relay])
    visitor.try_echo(relay.sni.port, host(), authority.cert)
    assert process.wait_exit(15) == 1
    assert "banned" in process.log and "tls_exporter_mismatch" in process.log
    assert relay.count("/sdk/unregister") == 1
    process.graceful = False


def test_it_may_stay_in_use(world, adit, authority, relay):
    relay.hostile = True
    process = expose(world, adit, world.serve().port, "--ban-mitm=false", relays=[relay])
    assert visitor.try_echo(relay.sni.port, host(), authority.cert, timeout=10)
    process.wait_log("tls_exporter_mismatch")
    assert visitor.try_echo(relay.sni.port, host(), authority.cert, timeout=10)


def test_an_honest_relay_is_not_banned(world, adit, authority, relay):
    process = expose(world, adit, world.serve().port, "--v", relays=[relay])
    assert visitor.echoes(relay.sni.port, host(), authority.cert)
    process.wait_log(r"probe: TLS is not intercepted")


def test_a_refusal_that_is_final_ends_it(world, adit, relay):
    relay.refuse("/sdk/register", "hostname_conflict")
    process = expose(world, adit, "3000", relays=[relay], wait=False)
    assert process.wait_exit() == 1
    assert "no relay is left" in process.log and "choose another --name" in process.log


def test_without_relays_it_says_so(world, adit):
    done = world.call([adit.argv[0], "expose", "3000"])
    assert done.returncode == 1 and "--relays" in done.stderr


def test_what_is_not_there_yet_is_refused(world, adit):
    for flag in ("--udp", "--multi-hop=https://a.example"):
        done = world.call([adit.argv[0], "expose", "3000", flag])
        assert done.returncode == 2 and "yet" in done.stderr


def test_the_name_stays_with_the_identity(world, adit, relay):
    first = expose(world, adit, "3000", name="kept", relays=[relay])
    address = relay.lease("kept").address
    first.stop()
    second = world.run("again", [adit.argv[0], "expose", "3000", "--relays", relay.url])
    second.graceful = True
    relay.wait_ready("kept")
    assert relay.lease("kept").address == address
    assert "only the relays" in second.log


@pytest.mark.parametrize("form, flags", [("{}", []), (":{}", []), ("localhost:{}", []),
                                         ("0.0.0.0:{}", ["--metrics-public"])])
def test_metrics(world, adit, authority, relay, form, flags):
    port = net.free_port()
    process = expose(world, adit, world.serve().port, "--metrics-addr", form.format(port),
                     *flags, relays=[relay])
    assert visitor.echoes(relay.sni.port, host(), authority.cert)
    text = world.curl(f"http://127.0.0.1:{port}/metrics")
    assert "adit_expose_all_visitors_total 1\n" in text
    assert f'adit_expose_open{{relay="{relay.url}"}} 1' in text
    assert "anyone" not in process.log
    at = f"http://127.0.0.1:{port}/metrics"
    assert "adit_expose" in world.curl("-H", f"Host: localhost:{port}", at)
    assert "Unknown host" in world.curl("-H", f"Host: evil.example:{port}", at)  # rebound to us


def test_through_portal_metrics_for_everybody_are_warned_of(world, adit, relay):
    link, port = world.path("portal"), net.free_port()
    os.symlink(adit.argv[0], link)
    process = world.run("portal", [link, "expose", "3000", "--name", "myapp", "--relays",
                                   relay.url, "--metrics-addr", f"0.0.0.0:{port}"])
    process.graceful = True
    process.wait_log(rf"metrics: anyone who can reach 0.0.0.0:{port} can read them")
    net.wait_listening(port, process)


def test_list(world, adit, relay):
    dead = f"https://localhost:{net.free_port()}"
    argv = [adit.argv[0], "list", "--relays", f"{relay.url},{dead}"]
    lines = world.call(argv).stdout.splitlines()
    assert lines[0].split() == ["RELAY", "VERSION"]
    assert lines[1].split()[0] == relay.url and lines[1].split()[1] != "unknown"
    assert re.match(rf"{dead} +unknown: dial .*: Connection refused$", lines[2])
    rows = json.loads(world.call([*argv, "--json"]).stdout)
    assert rows[0].keys() == rows[1].keys() and rows[0]["error"] is None
    assert rows[1]["relay"] == dead and rows[1]["version"] is None
    assert rows[1]["error"].endswith("Connection refused")


def test_portal_s_command_runs_letter_for_letter(world, adit, authority, relay):
    link = world.path("portal")
    subprocess.run(["ln", "-s", adit.argv[0], link], check=True)
    process = world.run("portal", ["sh", "-c", f"exec {link} expose "
                                   f"{world.serve().port} --name myapp --relays {relay.url} "
                                   "--discovery=false"])
    process.graceful = True
    visitor.wait_served(relay.sni.port, host(), authority.cert)
