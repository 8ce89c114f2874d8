"""Tunnels of a relay, by its command and by its API, on the relay's own machine."""

import json
import os
import re
import subprocess
import threading

import pytest
from lib import net
from lib.acme import Dns
from lib.panel import api
from lib.portal_client import Refused

DOMAIN = "tunnels.localhost"


@pytest.fixture
def relay(leases):
    return leases.relay("adit", "--domain", DOMAIN)


@pytest.fixture
def tunnel(program, relay):
    """Runs "adit relay tunnel ...": (status, output, errors)."""
    path = program("lease-adit-relay").argv[0]

    def run(*words, env=None):
        done = subprocess.run([path, "relay", "tunnel", *words], capture_output=True, text=True,
                              timeout=30, check=False,
                              env=os.environ | (env or {"ADIT_STATE_DIR": relay.state}))
        return done.returncode, done.stdout, done.stderr
    return run


def test_a_tunnel_is_added_shown_changed_and_removed(relay, tunnel):
    status, out, err = tunnel("add", "myapp", "3000")
    assert status == 0, err
    assert out.startswith("https://myapp.tunnels.localhost leads to localhost:3000")
    assert "no sign-in yet" in out and "adit relay tunnel set myapp --access public" in out
    status, out, _ = tunnel("set", "myapp", "--access", "public", "--note", "a site",
                            "--target", "8080")
    assert status == 0 and "localhost:8080" in out and "warning" not in out
    status, out, _ = tunnel("show", "myapp.tunnels.localhost")
    lines = out.splitlines()
    assert status == 0 and lines[1] == "access: public; note: a site"
    assert lines[2].startswith("status: no-agent, since 20")
    assert [line.split()[0] for line in lines[3:]] == ["dns", "certificate", "sign-in",
                                                       "agent", "app"]
    status, out, _ = tunnel("pause", "myapp")
    assert status == 0
    status, out, _ = tunnel("list")
    assert re.search(r"^myapp +paused +public +- +localhost:8080 +a site$", out, re.MULTILINE)
    assert tunnel("resume", "myapp", "--json")[0] == 0
    shown = json.loads(tunnel("show", "myapp", "--json")[1])
    assert shown["enabled"] is True and shown["path"]["stations"][0]["name"] == "dns"
    assert tunnel("remove", "myapp")[:2] == (0, "myapp.tunnels.localhost: removed\n")
    assert json.loads(tunnel("list", "--json")[1]) == {"tunnels": []}
    relay.process.wait_log("panel: local administrator: remove tunnel myapp.tunnels.localhost")


def test_a_command_waits_for_what_only_a_person_changes_no_longer(tunnel):
    status, out, err = tunnel("add", "myapp", "3000", "--wait")
    assert status == 1 and out.splitlines()[-1].startswith("no-sign-in: ")
    assert "visitors do not reach it yet: no-sign-in" in err


@pytest.mark.parametrize("words, says", [
    (["add", "my_app", "3000"], "write one such as my-app"),
    (["add", "myapp"], "write: add NAME PORT"),
    (["add", "myapp", "many"], "write the port of the app"),
    (["add", "myapp", "80"], "port: write a port from 1024 to 65535, not 80"),
    (["add", "panel", "3000"], "choose another name, such as my-panel"),
    (["add", "myapp", "9090"], "used by adit"),
    (["add", "myapp", "3000", "--access", "open"], "write public, authenticated or restricted"),
    (["add", "myapp", "3000", "--agent", "nas"], "no agent is enrolled as nas"),
    (["add", "myapp", "3000", "--target", "a b"], "such as localhost:3000"),
    (["add", "myapp", "3000", "--limit", "x=1"], "x is none of connections"),
    (["add", "myapp", "3000", "--limit", "x"], "bodyBytes=1000000"),
    (["set", "myapp"], "write what to change"),
    (["show", "myapp"], "there is no tunnel myapp"),
    (["shwo", "myapp"], "did you mean show?"),
])
def test_a_mistake_is_one_sentence(tunnel, words, says):
    status, out, err = tunnel(*words)
    assert status in (1, 2) and out == "" and says in err
    assert err.count("\n") == 1


def test_the_state_directory_has_three_spellings(relay, tunnel):
    nowhere = {"ADIT_STATE_DIR": "/nonexistent"}
    assert tunnel("list")[0] == 0
    assert tunnel("list", env=nowhere)[0] == 1
    assert tunnel("list", "--state-dir", relay.state, env=nowhere)[0] == 0
    assert tunnel("list", "--identity-path", relay.state, env=nowhere)[0] == 0


def test_the_api_has_the_bodies_and_codes_of_the_contract(relay):
    status, made = api(relay, "POST", "/tunnels", {"subdomain": "myapp", "port": 3000})
    assert status == 201 and made["ok"] is True
    t = made["tunnel"]
    assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}",
                        t["id"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", t["createdAt"])
    assert {k: t[k] for k in ("subdomain", "fqdn", "port", "description", "type", "accessMode",
                              "enabled")} == {
        "subdomain": "myapp", "fqdn": "myapp.tunnels.localhost", "port": 3000, "description": None,
        "type": "app", "accessMode": "restricted", "enabled": True}
    status, refused = api(relay, "POST", "/tunnels", {"subdomain": "My_App", "port": 80})
    assert status == 400 and refused["error"] == "Validation failed"
    assert [i["path"] for i in refused["details"]["issues"]] == [["subdomain"], ["port"]]
    assert api(relay, "PATCH", "/tunnels/" + t["id"], {"enabled": False})[0] == 200
    status, config = api(relay, "GET", "/tunnels/agent-config")
    assert status == 200 and config["tunnels"] == [] and config["domain"] == DOMAIN
    assert config["chiselArgs"] == ["client", "--keepalive", "25s",
                                    f"https://tunnel.tunnels.localhost:{relay.sni_port}"]
    assert api(relay, "DELETE", "/tunnels/" + t["id"]) == (200, {"ok": True})
    assert api(relay, "DELETE", "/tunnels/" + t["id"])[0] == 404
    assert api(relay, "GET", "/health")[1]["status"] == "ok"


def test_fifty_at_once_have_one_winner_for_a_name_and_a_port(relay):
    """The check 38 of the contract: all are answered, and what is listed is what won."""
    answers = []

    def create(body):
        answers.append((api(relay, "POST", "/tunnels", body)[0], body))

    bodies = [{"subdomain": "same", "port": 3000 + i} for i in range(25)]
    bodies += [{"subdomain": f"other{i}", "port": 4000} for i in range(25)]
    threads = [threading.Thread(target=create, args=(body,)) for body in bodies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(status for status, _ in answers) == [201, 201] + [400] * 48
    won = [body for status, body in answers if status == 201]
    listed = api(relay, "GET", "/tunnels")[1]["tunnels"]
    assert sorted((t["subdomain"], t["port"]) for t in listed) == sorted(
        (body["subdomain"], body["port"]) for body in won)


def test_tunnels_survive_a_kill_of_the_relay(relay):
    for i in range(3):
        api(relay, "POST", "/tunnels", {"subdomain": f"app{i}", "port": 3000 + i})
    before = api(relay, "GET", "/tunnels")[1]
    relay.restart()
    net.wait_until(lambda: os.path.exists(os.path.join(relay.state, "admin.sock")))
    after = api(relay, "GET", "/tunnels")[1]
    assert [t["id"] for t in after["tunnels"]] == [t["id"] for t in before["tunnels"]]


def test_a_name_that_a_lease_has_is_taken(world, leases):
    relay = leases.relay("adit", "--domain", "portal.localhost", root="portal.localhost")
    leases.expose("adit", relay, world.serve(net.echo).port)
    status, refused = api(relay, "POST", "/tunnels", {"subdomain": "demo", "port": 3000})
    assert status == 400 and refused["error"] == "demo is taken: a lease has it"


def test_a_name_that_a_tunnel_has_is_reserved_for_leases(leases):
    relay = leases.relay("adit", "--domain", "portal.localhost", root="portal.localhost")
    client = leases.client(relay)
    assert api(relay, "POST", "/tunnels", {"subdomain": "demo", "port": 3000})[0] == 201
    with pytest.raises(Refused) as refused:
        client.register()
    assert "reserved" in str(refused.value)


def test_the_host_where_agents_connect_is_no_lease_s(leases):
    """Also if the operator reserves no names."""
    relay = leases.relay("adit", "--domain", "portal.localhost", "--reserved-names", "none",
                         root="portal.localhost")
    with pytest.raises(Refused) as refused:
        leases.client(relay, name="tunnel").register()
    assert "reserved" in str(refused.value)


def test_the_status_of_leases_has_no_tunnels(relay):
    assert api(relay, "POST", "/tunnels", {"subdomain": "myapp", "port": 3000})[0] == 201
    for name in ("myapp", "tunnel"):
        told = relay.ask(f"/tunnel/status?hostname={name}.{DOMAIN}").data
        assert told["registered"] is False and told["service_alive"] is False


@pytest.mark.parametrize("member, value, says", [
    ("type", "tcp", "tunnels of TCP and UDP ports are not supported yet"),
    ("type", "udp", "tunnels of TCP and UDP ports are not supported yet"),
    ("target", "unix:/run/app.sock", "a Unix socket as the target is not supported yet"),
])
def test_what_cannot_be_served_is_refused(relay, member, value, says):
    """It would be stored, and its agent would get no list of tunnels any more."""
    status, refused = api(relay, "POST", "/tunnels",
                          {"subdomain": "myapp", "port": 3000, member: value})
    assert status == 400 and says in refused["error"], refused
    assert api(relay, "GET", "/tunnels")[1] == {"tunnels": []}


@pytest.mark.parametrize("address, status, says", [
    ("203.0.113.42", "dns-wrong", "is 127.0.0.1, this relay is 203.0.113.42"),
    ("127.0.0.1,::1", "no-agent", "points to this relay"),
])
def test_dns_is_compared_with_the_addresses_of_the_relay(leases, address, status, says):
    relay = leases.relay("adit", "--domain", "tunnels.localhost", "--public-addresses", address)
    t = api(relay, "POST", "/tunnels", {"subdomain": "web", "port": 3000,
                                        "accessMode": "public"})[1]["tunnel"]

    def path():
        return api(relay, "GET", f"/tunnels/{t['id']}/path")[1]

    net.wait_until(lambda: path()["stations"][0]["state"] != "unknown")
    assert path()["status"] == status and says in path()["stations"][0]["text"]


def test_a_record_that_is_mended_is_noticed(world, leases):
    dns = world.keep(Dns(world.path("dns"), "198.51.100.7"))
    relay = leases.relay("adit", "--domain", "example.com", "--public-addresses", "203.0.113.42",
                         "--dns-server", f"127.0.0.1:{dns.port}")
    t = api(relay, "POST", "/tunnels", {"subdomain": "web", "port": 3000,
                                        "accessMode": "public"})[1]["tunnel"]

    def station():
        return api(relay, "GET", f"/tunnels/{t['id']}/path")[1]["stations"][0]

    net.wait_until(lambda: station()["state"] == "broken")
    assert station()["text"] == (
        "DNS of web.example.com is 198.51.100.7, this relay is 203.0.113.42.")
    dns.address = "203.0.113.42"
    net.wait_until(lambda: station()["state"] == "ok", 20)
    relay.process.wait_log("DNS of web.example.com leads to this relay")


def test_a_relay_without_a_domain_has_no_panel(leases):
    status, refused = api(leases.relay("adit"), "GET", "/tunnels")
    assert status == 404 and "domain" in refused["details"]


def test_a_domain_is_a_name(program):
    path = program("lease-adit-relay").argv[0]
    for word in ("https://example.com", "192.0.2.1", "localhost", "example.com:443"):
        done = subprocess.run([path, "relay", "run", "--domain", word], capture_output=True,
                              text=True, timeout=20, check=False)
        assert done.returncode == 2 and "such as example.com" in done.stderr
