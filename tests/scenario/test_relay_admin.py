"""An administrator on the relay's own machine: adit relay lease and status, over a socket."""

import json
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import tempfile

import pytest
from lib import net
from lib import portal_visitor as visitor
from lib.portal_client import Refused


@pytest.fixture
def relay(leases):
    return leases.relay("adit", tcp=True)


def ask(path, state, *words, user=None):
    """Runs "adit relay ..." for a relay's directory: (status, output, errors)."""
    done = subprocess.run([path, "relay", *words, "--identity-path", state],
                          capture_output=True, text=True, timeout=30, check=False,
                          preexec_fn=(lambda: os.setuid(user)) if user else None)
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def adit_relay(program, relay):
    path = program("lease-adit-relay").argv[0]
    return lambda *words, state=None: ask(path, state or relay.state, *words)


@pytest.fixture
def shared_directory(program):
    """A directory that every user may enter, with a copy of adit in it."""
    if os.geteuid() != 0:
        pytest.skip("skipped: this needs root, to run as another user")
    with tempfile.TemporaryDirectory(prefix="adit-") as path:
        os.chmod(path, 0o755)
        shutil.copy(program("lease-adit-relay").argv[0], path + "/adit")
        yield path


def listed(adit_relay):
    status, out, err = adit_relay("lease", "list", "--json")
    assert status == 0, err
    return json.loads(out)


def test_the_list_has_what_a_script_wants(leases, relay, adit_relay):
    assert listed(adit_relay) == {"approval": "auto", "leases": [], "identities": [],
                                  "banned_networks": []}
    client = leases.client(relay)
    client.register(tcp_enabled=True)
    session = client.session()
    net.wait_until(lambda: listed(adit_relay)["leases"][0]["sessions"] == 1)
    lease = listed(adit_relay)["leases"][0]
    assert lease["name"] == "demo" and lease["hostname"] == client.hostname
    assert lease["address"] == client.identity.address
    assert lease["client_ip"] == "127.0.0.1" and lease["reported_ip"] is None
    assert lease["tcp_address"].startswith(relay.root + ":")
    assert (lease["approved"], lease["denied"], lease["banned"], lease["ip_banned"]) == (
        True, False, False, False)
    assert lease["bytes_per_s"] == 0
    status, out, _ = adit_relay("lease", "list")
    assert status == 0
    assert re.search(rf"^demo +{client.identity.address} +127.0.0.1 +1  served$", out,
                     re.MULTILINE)
    session.close()


@pytest.mark.parametrize("who", ["name", "address", "both"])
def test_a_lease_is_approved_denied_banned_and_forgotten(world, leases, relay, adit_relay, who):
    leases.expose("adit", relay, world.serve(net.echo).port)
    address = leases.identity_of()["address"]
    word = {"name": "demo", "address": address, "both": f"demo:{address.lower()}"}[who]

    def is_served():
        return visitor.try_echo(relay.sni_port, "demo." + relay.root, leases.ca, 3)

    def say(*words):
        status, out, err = adit_relay("lease", *words)
        assert status == 0, err
        return out

    key = f"demo:{address.lower()}"
    for action, state in (("deny", "denied"), ("ban", "banned")):
        assert say(action, word) == f"{key}: {state}\n"
        net.wait_until(lambda: not is_served())
        assert re.search(rf"^demo .* {state}$", say("list"), re.MULTILINE)
        if action == "ban":
            assert say("unban", word) == f"{key}: not banned\n"
            net.wait_until(is_served)
            say("ban", word)
        assert say("forget", word) == f"{key}: no policy\n"
        net.wait_until(is_served)
    assert say("approval", "manual") == "approval: manual\n"
    net.wait_until(lambda: not is_served())
    assert re.search(r"^demo .* waits for approval$", say("list"), re.MULTILINE)
    say("approve", word)
    net.wait_until(is_served)
    assert say("limit", word, "100000") == f"{key}: limited to 100000 bytes/s\n"
    assert re.search(r"^demo .* served, limited to 100000 bytes/s$", say("list"), re.MULTILINE)
    assert say("limit", word, "0") == f"{key}: no limit\n"
    say("approval", "auto")
    say("forget", word)
    assert listed(adit_relay)["identities"] == []
    relay.process.wait_log("policy: local administrator: approve demo:0x")


@pytest.mark.parametrize("network", ["127.0.0.1", "127.0.0.0/8"])
def test_a_network_is_banned(leases, relay, adit_relay, network):
    client = leases.client(relay)
    client.register()
    assert adit_relay("lease", "ban", network)[:2] == (0, network + ": banned\n")
    assert listed(adit_relay)["banned_networks"] == [network] and not listed(adit_relay)["leases"]
    assert f"banned networks: {network}\n" in adit_relay("lease", "list")[1]
    with pytest.raises(Refused):
        client.register()
    assert adit_relay("lease", "unban", network)[0] == 0
    client.register()
    assert adit_relay("lease", "ban", "2001:db8::/32")[0] == 0
    assert listed(adit_relay)["banned_networks"] == ["2001:db8::/32"]


def test_one_that_is_not_there_is_named_in_full(leases, relay, adit_relay):
    client = leases.client(relay)
    key = f"demo:{client.identity.address.lower()}"
    for word in ("demo", client.identity.address):
        status, _, err = adit_relay("lease", "ban", word)
        assert status == 1 and "write NAME:0xADDRESS" in err
    assert adit_relay("lease", "ban", key)[0] == 0
    assert re.search(r"^demo +0x\w+ +- +-  banned$", adit_relay("lease", "list")[1], re.MULTILINE)
    client.register()
    with pytest.raises(Refused) as refused:
        client.session()
    assert refused.value.code == "lease_rejected"
    assert adit_relay("lease", "unban", "demo")[0] == 0  # policy knows it by now
    client.session()


def test_settings_of_all_leases(leases, relay, adit_relay):
    client = leases.client(relay)
    assert adit_relay("lease", "tcp", "off")[0] == 0
    with pytest.raises(Refused) as refused:
        client.register(tcp_enabled=True)
    assert refused.value.code == "tcp_port_disabled"
    assert adit_relay("lease", "tcp", "on", "1")[0] == 0
    client.register(tcp_enabled=True)
    with pytest.raises(Refused) as refused:
        leases.client(relay, "two").register(tcp_enabled=True)
    assert refused.value.code == "tcp_port_capacity_exceeded"
    assert adit_relay("lease", "page", "on")[0] == 0
    assert json.loads(adit_relay("status", "--json")[1])["landing_page"] is True


def test_a_relay_without_ports_says_so(leases, program):
    relay = leases.relay()
    argv = [*program("adit").argv, "relay", "lease", "tcp", "on", "--identity-path", relay.state]
    done = leases.world.call(argv)
    assert done.returncode == 1 and "set tcp_enabled, min_port and max_port" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("words, said", [
    ((), "the action is missing"), (("lst",), 'did you mean list?'), (("list", "x"), "write: list"),
    (("ban",), "write: ban LEASE|NETWORK"), (("ban", "203.0.113.0/33"), "not a network; write one"),
    (("unban", "203.0.113"), "not a network; write one"),
    (("limit", "demo"), "write: limit LEASE BYTES_PER_S"),
    (("limit", "demo", "fast"), "number of bytes"), (("approval", "maybe"), "auto or manual"),
    (("tcp", "maybe"), "on or off"), (("page", "1"), "on or off")])
def test_misuse_is_one_sentence(adit_relay, words, said):
    status, out, err = adit_relay("lease", *words)
    assert status == 2 and out == "" and said in err and err.count("\n") == 1


# ---- status ----

def test_status_is_one_object(leases, relay, adit_relay):
    status, out, _ = adit_relay("status", "--json")
    told = json.loads(out)
    assert status == 0 and told["running"] is True
    assert told["url"].startswith("https://" + relay.root)
    assert (told["api_port"], told["sni_port"]) == (relay.api_port, relay.sni_port)
    assert told["pid"] == relay.process.pid and told["metrics_address"] is None
    assert told["certificate"]["names"][:2] == [relay.root, "*." + relay.root]
    assert isinstance(told["certificate"]["days"], int)
    assert told["tcp"]["min_port"] == relay.min_port
    assert all(isinstance(value, int) for value in told["metrics"].values())
    assert told["metrics"]["adit_relay_leases"] == 0
    status, out, _ = adit_relay("status")
    assert status == 0 and f"port {relay.api_port} of 127.0.0.1" in out
    assert f"{relay.root}, *.{relay.root}" in out


def test_status_of_a_relay_that_is_not_there(world, relay, adit_relay):
    for state in (world.path("nowhere"), str(world.path("empty"))):
        if state.endswith("empty"):
            os.mkdir(state)
        status, out, err = adit_relay("status", "--json", state=state)
        assert (status, json.loads(out)) == (1, {"running": False})
        assert "no relay serves from" in err
        assert adit_relay("lease", "list", state=state)[0] == 1
    relay.process.kill()  # its socket stays
    assert os.path.exists(relay.state + "/admin.sock")
    assert json.loads(adit_relay("status", "--json")[1]) == {"running": False}


def test_another_user_may_not_ask(leases, shared_directory):
    adit, state = shared_directory + "/adit", shared_directory + "/state"
    relay = leases.relay("adit", state=state)
    socket_path = state + "/admin.sock"
    assert stat.S_IMODE(os.stat(socket_path).st_mode) == 0o600
    os.chmod(state, 0o755)
    status, out, err = ask(adit, state, "status", "--json", user=65534)
    assert (status, json.loads(out)) == (1, {"running": None})
    assert "only root and the relay's own user" in err
    os.chmod(socket_path, 0o666)  # and if somebody opened it to all, the relay looks who it is
    status, _, err = ask(adit, state, "lease", "list", user=65534)
    assert status == 1, err
    relay.process.wait_log("admin.sock: closed a connection of another user")
    assert ask(adit, state, "lease", "list")[0] == 0


def test_a_relay_of_another_user_is_asked_by_root_and_by_that_user(world, shared_directory):
    adit, state = shared_directory + "/adit", shared_directory + "/theirs"
    os.mkdir(state, 0o700)
    os.chown(state, 65534, 65534)
    process = world.run("relay-theirs", ["setpriv", "--reuid=65534", "--regid=65534",
                                         "--clear-groups", adit, "relay", "run",
                                         "--identity-path", state, "--api-port", "0",
                                         "--sni-port", "0"])
    process.wait_log("Listening on .* for visitors")
    for user in (None, 65534):
        status, out, err = ask(adit, state, "status", "--json", user=user)
        assert status == 0 and json.loads(out)["pid"] == process.pid, err
    process.signal(signal.SIGTERM)
    assert process.wait_exit() == 0


# ---- the socket ----

def test_the_socket_comes_and_goes_with_the_relay(leases, relay):
    path = relay.state + "/admin.sock"
    relay.process.kill()
    assert os.path.exists(path)
    relay.process = relay.again()  # takes the place of what was left
    net.wait_until(lambda: _connects(path))
    relay.process.signal(signal.SIGTERM)
    assert relay.process.wait_exit() == 0
    assert not os.path.exists(path)


def _connects(path):
    with socket.socket(socket.AF_UNIX) as s:
        try:
            s.connect(path)
        except OSError:
            return False
        return True


def test_nothing_but_a_socket_is_replaced(leases, relay, adit_relay):
    path = relay.state + "/admin.sock"
    relay.process.signal(signal.SIGTERM)
    relay.process.wait_exit()
    with open(path, "w", encoding="ascii") as f:
        f.write("mine")
    relay.process = relay.again()
    relay.process.wait_log("admin socket: not opened: .* exists and is not a socket")
    assert leases.client(relay).domain()  # it serves all the same
    assert adit_relay("status")[0] == 1
    with open(path, encoding="ascii") as f:
        assert f.read() == "mine"


def test_a_path_may_be_longer_than_an_address(world, leases, program):
    state = world.path("x" * 120)
    relay = leases.relay("adit", state=state)
    done = subprocess.run([*program("lease-adit-relay").argv, "relay", "status", "--json",
                           "--identity-path", state], capture_output=True, timeout=30, check=False)
    assert json.loads(done.stdout)["pid"] == relay.process.pid, done.stderr


def test_only_administrators_operations_are_there(relay):
    for request, status in (("GET /admin/status", 200), ("GET /sdk/domain", 404), ("GET /", 404),
                            ("POST /v1/sign", 404), ("GET /administer", 404),
                            ("DELETE /admin/status", 405), ("GET /admin/x", 404)):
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(relay.state + "/admin.sock")
            s.settimeout(10)
            s.sendall(f"{request} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n"
                      "Connection: close\r\n\r\n".encode())
            assert int(net.read_all(s).split(b" ")[1]) == status, request


def test_a_relay_that_waits_for_its_certificate_says_so(world, program):
    state = world.path("bare")
    argv = program("lease-adit-relay").argv
    process = world.run("relay", [*argv, "relay", "run", "--identity-path", state, "--portal-url",
                                  "https://relay.example.com"])
    process.wait_log("waiting for it")
    done = subprocess.run([*argv, "relay", "status", "--json", "--identity-path", state],
                          capture_output=True, timeout=30, check=False)
    assert (done.returncode, json.loads(done.stdout)) == (1, {"running": True})
    assert b"does not serve yet" in done.stderr
