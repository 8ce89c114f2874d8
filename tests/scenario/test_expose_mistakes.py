"""What adit expose says to who makes a mistake: one sentence, with what to write."""

import os
import re
import socket

import pytest
from lib import net
from lib import portal_visitor as visitor
from lib.portal_relay import Relay, lease_certificate
from lib.portal_tls import Tls, server_context

ROOT = "relay.localhost"
HOST = f"myapp.{ROOT}"
RELAYS = ("--relays", "https://relay.example.com")
KEY = "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"
FORMS = "write a port, host:port, http://host:port, https://host:port or unix:/path"

USAGE = [
    ([], "write one such as 3000, or use --http-route"),
    (["99999"], 'target "99999": a port is a number from 1 to 65535'),
    (["host:port"], 'target "host:port": a port is a number from 1 to 65535'),
    (["ftp://host"], f'target "ftp://host": {FORMS}'),
    (["unix:app"], "unix:/run/app.sock"),
    (["unix:/" + "a" * 200], "at most 107 characters"),
    (["http://localhost:3000/x"], "write http://localhost:3000, or a route"),
    (["http://a:b@localhost:3000"], "write http://localhost:3000"),
    (["3000", "3001"], 'leave out "3001"'),
    (["3000", "--http-route", "/=3000"], "write --http-route /=3000"),
    (["--http-route", "api=3000"], "begins with / and has no query: /api=3000"),
    (["--http-route", "/api"], "such as /api=3000"),
    (["--http-route", "/a b=3000"], 'a path cannot have " ": write %20'),
    (["--http-route", "/a=ftp://x"], f'"/a=ftp://x": the upstream: {FORMS}'),
    (["--http-route", "/a=99999"], "the upstream: a port is a number from 1 to 65535"),
    (["--http-route", "/a=app:8000/x"], "a path needs the scheme, as in http://localhost:8000/api"),
    (["localhost:3000/x"], "a target has no path: leave it out"),
    (["/run/app.sock"], FORMS),
    (["--http-route", "/a=1", "--http-route", "/a/=2"], "two routes have the path /a"),
    (["--http-route", "/=3000", "--udp"], "--udp: "),
    (["3000", "--udp-addr", "localhost:1"], "--udp-addr: "),
    (["3000", "--multi-hop", "https://a.example,https://b.example"], "--multi-hop: "),
    (["3000", "--multi-hop-depth", "2"], "--multi-hop-depth: "),
    (["3000", "--multi-hop-depth=-1"], "--multi-hop-depth: "),
    (["3000", "--max-active-relays", "few"], 'takes a whole number, not "few"'),
    (["3000", "--discovery=no"], 'takes true or false, not "no"'),
    (["3000", "--metrics-addr", "99999"], '"99999" is not an address; write a port such as 9100'),
    (["3000", "--metrics-addr", ":99999"], '":99999" is not an address; write a port such as 9100'),
    (["3000", "--metrics-addr", "host"], '"host" is not an address; write a port such as 9100'),
    (["3000", "--metrics-addr", "0.0.0.0:9100"], "write a port alone, such as 9100, or add "
                                                 "--metrics-public"),
    (["3000", "--metrics-addr", "[::]:9100"], "anyone who can reach [::]:9100"),
    (["3000", "--metrics-addr", "monitor.example:9100"], "--metrics-public"),
    (["3000", "--name", "!!"], '"!!" cannot be a name; write letters'),
    (["3000", "--name", "a" * 64], "63 at most"),
    (["3000", "--identity-json", "{"], "--identity-json: not JSON"),
    (["3000", "--identity-json", '{"name":"x"}'], "--identity-json: the identity has no"),
    (["3000", "--relay", "x"], "did you mean --relays?"),
]


def call(world, adit, *args, env=None):
    done = world.call([adit.argv[0], "expose", *args], env=env)
    assert done.stdout == ""
    return done


def test_flags_that_make_no_sense(world, adit):
    for args, words in USAGE:
        done = call(world, adit, *args, *RELAYS)
        assert done.returncode == 2, (args, done.stderr)
        assert done.stderr.count("\n") == 1, (args, done.stderr)
        assert done.stderr.startswith("adit expose: ") and words in done.stderr, done.stderr
    assert not os.path.exists(world.path("identity.json"))  # nothing was done


def test_relays_that_are_none(world, adit):
    for relays, words in (("http://a.example", '"http://a.example": the relay\'s URL must '
                                               "begin with https://"),
                          ("https://", "the URL has no host")):
        for command in (["expose", "3000"], ["list"]):
            done = world.call([adit.argv[0], *command, "--relays", relays])
            assert done.returncode == 2 and words in done.stderr, done.stderr
            assert "--relays: " in done.stderr
    for relay, instead in (("https://203.0.113.5", "relay.example.com"),
                           ("https://[2001:db8::1]:4017", "relay.example.com"),
                           ("https://127.0.0.1:4017", "relay.localhost:4017"),
                           ("https://[::1]", "relay.localhost:4017"),
                           ("https://127.1:4017", "relay.example.com")):
        done = call(world, adit, "3000", "--relays", f"https://relay.example.net,{relay}")
        assert done.returncode == 2 and done.stderr.count("\n") == 1, done.stderr
        assert f'--relays: "{relay}": an address has no names below it' in done.stderr
        assert f"write the relay's name, such as https://{instead}" in done.stderr
    done = call(world, adit, "3000", "--discovery=false")
    assert done.returncode == 2 and "write --relays https://" in done.stderr


def test_a_variable_is_named_as_one(world, adit):
    done = call(world, adit, "3000", *RELAYS, env={"BAN_MITM": "perhaps"})
    assert done.returncode == 2 and 'BAN_MITM takes true or false' in done.stderr


IDENTITIES = [
    ("", "the file is empty"),
    ("hello", "not JSON"),
    ("[]", "not a JSON object"),
    ('{"name":"x"}', "has no private_key"),
    ('{"private_key":"zz"}', "private_key is not a valid key"),
    (f'{{"private_key":"{KEY}","address":"0x{"0" * 40}"}}', "does not match its private_key"),
    (" " * 100000, "too long"),
]


def test_an_identity_that_is_none_is_left_alone(world, adit):
    for number, (text, words) in enumerate(IDENTITIES):
        path = world.write(f"identity-{number}", text)
        done = call(world, adit, "3000", *RELAYS, "--identity-path", path)
        assert done.returncode == 1 and words in done.stderr, done.stderr
        assert done.stderr.count(path) == 1 and "--identity-path names another" in done.stderr
        with open(path) as f:
            assert f.read() == text


def test_an_identity_is_a_file(world, adit):
    os.mkdir(world.path("folder"))
    for name, words in (("folder", "Is a directory"), ("none/identity", "cannot be written")):
        done = call(world, adit, "3000", *RELAYS, "--identity-path", world.path(name))
        assert done.returncode == 1 and words in done.stderr, done.stderr


@pytest.fixture
def relay(world, authority):
    return world.keep(Relay(lease_certificate(authority, ROOT), ROOT))


def expose(world, adit, relay, *args):
    process = world.run("expose", [adit.argv[0], "expose", "--relays", relay.url,
                                   "--discovery=false", "--name", "myapp", *args])
    process.graceful = True
    return process


def read(path):
    with open(path) as f:
        return f.read()


def test_a_second_one_with_the_same_identity_is_refused(world, adit, relay):
    first = expose(world, adit, relay, "3000")
    relay.wait_ready("myapp")
    net.wait_until(lambda: "Public" in first.out)
    kept = read(world.path("identity.json"))
    for args in ((), ("--name", "myapp")):  # without --name it is the identity's
        done = call(world, adit, "3001", "--relays", relay.url, *args)
        assert done.returncode == 1 and done.stderr.count("\n") == 1, done.stderr
        assert "another program on this machine publishes as myapp" in done.stderr
        assert all(flag in done.stderr for flag in ("--name", "--identity-path", "--take-over"))
    assert read(world.path("identity.json")) == kept and first.is_running()


@pytest.mark.parametrize("is_portal", [False, True], ids=["adit", "portal"])
def test_a_second_one_may_take_over(world, adit, relay, is_portal):
    first = expose(world, adit, relay, "3000")
    relay.wait_ready("myapp")
    os.symlink(adit.argv[0], world.path("portal"))
    argv = [world.path("portal")] if is_portal else adit.argv
    second = world.run("second", [*argv, "expose", "3001", "--name", "myapp", "--relays",
                                  relay.url, *([] if is_portal else ["--take-over"])])
    second.graceful = True
    second.wait_log("taking over the visitors of another program on this machine that publishes as")
    net.wait_until(lambda: "Public" in second.out)
    assert first.is_running() and "taking" not in first.log


def test_another_name_of_the_same_key_stands_beside_it(world, adit, relay):
    first = expose(world, adit, relay, "3000")
    relay.wait_ready("myapp")
    net.wait_until(lambda: "Public" in first.out)
    second = expose(world, adit, relay, "3001", "--name", "other")
    relay.wait_ready("other")
    assert relay.lease("other").address == relay.lease("myapp").address
    assert first.is_running() and second.is_running()


@pytest.mark.parametrize("is_new", [True, False])
def test_a_name_that_was_refused_is_not_kept(world, adit, relay, is_new):
    if not is_new:
        first = expose(world, adit, relay, "3000")
        net.wait_until(lambda: "Public" in first.out)
        first.stop()
    relay.refuse("/sdk/register", "hostname_conflict")
    done = call(world, adit, "3000", "--name", "taken", "--relays", relay.url)
    assert done.returncode == 1 and "choose another --name" in done.stderr
    relay.refusals.clear()
    again = world.run("again", [*adit.argv, "expose", "3000", "--relays", relay.url])
    again.graceful = True
    net.wait_until(lambda: "Public" in again.out)
    assert "//taken." not in again.out
    assert is_new or "//myapp." in again.out


def test_a_visitor_who_is_not_served_is_explained(world, adit, authority, relay):
    unix = "unix:" + world.path("none.sock")
    port = net.free_port()
    for target, why in ((str(port), f"dial 127.0.0.1:{port}: Connection refused"),
                        (unix, f"connect to {unix[5:]}: No such file")):
        process = expose(world, adit, relay, target)
        relay.wait_ready("myapp")
        with visitor.visit(relay.sni.port, HOST, authority.cert) as tls:
            tls.sendall(f"GET / HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
            assert b"503" in net.read_all(tls)
        line = process.wait_log(r"visitor 1: not served: .*").group(0)
        assert line.endswith(why) or why in line, line
        process.stop()


def test_a_target_that_speaks_no_tls_is_explained(world, adit, authority, relay):
    target = world.serve()  # who speaks no TLS at all
    process = expose(world, adit, relay, f"https://localhost:{target.port}")
    relay.wait_ready("myapp")
    with visitor.visit(relay.sni.port, HOST, authority.cert) as tls:
        tls.sendall(f"GET / HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
        assert b"503" in net.read_all(tls)
    process.wait_log(r"visitor 1: not served: .+")


def own_address():
    """One that is not loopback; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        try:
            s.connect(("198.51.100.1", 9))
        except OSError:
            pytest.skip("skipped: no address but loopback")
        return s.getsockname()[0]


def test_a_target_whose_certificate_is_not_good_is_explained(world, adit, authority, relay,
                                                             certificate):
    def speak(s):
        net.echo(Tls(s, server_context(certificate), server_side=True))
    address = own_address()
    target = world.keep(net.Server(speak, listener=socket.create_server((address, 0))))
    for scheme in ("https", "https+insecure"):
        process = expose(world, adit, relay, f"{scheme}://{address}:{target.port}")
        relay.wait_ready("myapp")
        if scheme == "https+insecure":
            assert visitor.echoes(relay.sni.port, HOST, authority.cert)
        else:
            with visitor.visit(relay.sni.port, HOST, authority.cert) as tls:
                tls.sendall(f"GET / HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
                assert b"503" in net.read_all(tls)
            process.wait_log(r"visitor 1: not served: certificate verify failed: .*"
                             r"https\+insecure://")
        process.stop()


def test_an_upstream_that_is_down_is_named_once(world, adit, authority, relay):
    port = net.free_port()
    process = expose(world, adit, relay, "--http-route", f"/={port}")
    relay.wait_ready("myapp")
    with visitor.visit(relay.sni.port, HOST, authority.cert) as tls:
        tls.sendall(f"GET / HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n".encode())
        assert b"502" in net.read_all(tls)
    line = process.wait_log(r"proxy: .*").group(0)
    assert len(re.findall(str(port), line)) == 1, line


def test_routes_may_have_a_tcp_port(world, adit, relay):
    process = expose(world, adit, relay, "--http-route", f"/={net.free_port()}", "--tcp")
    relay.wait_ready("myapp")
    with net.connect(relay.lease("myapp").server.port) as raw:
        raw.sendall(b"GET / HTTP/1.1\r\nHost: relay.localhost\r\nConnection: close\r\n\r\n")
        assert b"502" in net.read_all(raw)
    process.wait_log("came by TCP")


def test_it_is_public_once_the_relay_lets_sessions_in(world, adit, relay):
    relay.refuse("/sdk/connect", "lease_rejected")
    process = expose(world, adit, relay, "3000")
    process.wait_log(r"lease rejected: the relay's operator has to approve 0x")
    assert "Public at" not in process.out
    relay.refusals.clear()
    net.wait_until(lambda: "Public at" in process.out)
    relay.wait_ready("myapp")
    assert "public again" not in process.log


def test_a_relay_s_text_is_escaped_for_a_terminal(world, adit, relay):
    relay.refuse("/sdk/register", "internal", "\x1b[31mred\x1b]0;title\x07\u202e\r\nmore")
    process = expose(world, adit, relay, "3000")
    process.wait_log("the relay refuses")
    assert all(c == "\n" or " " <= c <= "~" for c in process.log), process.log
    process.stop()
    relay.refusals.clear()
    relay.protocol = "9\x1b[31m"
    process = expose(world, adit, relay, "3000")
    assert process.wait_exit() == 1
    assert all(c == "\n" or " " <= c <= "~" for c in process.log), process.log
