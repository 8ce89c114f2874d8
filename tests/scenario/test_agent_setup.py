"""
adit agent setup: a machine becomes an agent of a relay. The relay is scripted here: it signs
requests with openssl and speaks the link with asyncssh.
"""

import json
import os
import pty
import re
import stat
import subprocess

import pytest

from lib import net, pki, pypeer
from lib.agents import Agent
from lib.enrol_relay import EnrolRelay, files_below, tunnel
from lib.fake_systemd import FakeSystemd
from lib.leases import ROOT

FIRST = "# mine\n[agent] # the agent\ncontrol_addr = '127.0.0.1:0'\n\n# a link of mine\n"
OTHER = '[[links]]\nid = "home"\nserver = "http://127.0.0.1:9" # away\nremotes = ["R:1:2"]\n'


@pytest.fixture
def relay(world):
    return world.keep(EnrolRelay(world, world.keep(pypeer.Loop())))


@pytest.fixture
def panel(world):
    """One without a link."""
    return world.keep(EnrolRelay(world))


@pytest.fixture
def home(world):
    return world.path("home")


@pytest.fixture
def setup(world, adit, home):
    """Runs the command with a state directory of its own, without a service."""
    def run(relay, *flags, token=None, trust=True, state=True, service=False, **options):
        words = ["--relay", relay.url] if relay else []
        words += ["--token", token] if token else []
        words += ["--ca-file", relay.ca.cert] if trust else []
        words += ["--state-dir", home] if state else []
        words += [] if service else ["--no-service"]
        env = {"ADIT_ENROLLMENT_TOKEN": "", "PORTLAMA_ENROLLMENT_TOKEN": "",
               "HOME": world.path("nobody"), **options.pop("env", {})}
        return world.call([adit.argv[0], "agent", "setup", *words, *flags], env=env, **options)
    return run


def fails(done, *words):
    assert done.returncode in (1, 2) and done.stdout.count("Enrolled") == 0, done
    assert len(done.stderr.splitlines()) == 1, done.stderr
    for word in words:
        assert word in done.stderr, done.stderr


def nothing_is_left(home):
    assert not os.path.exists(home) or files_below(home) == []


class Enrolled(Agent):
    """The agent of a setup: its config is in its state directory."""

    def __init__(self, world, home):  # pylint: disable=super-init-not-called
        self.world, self.kind, self.name, self.process = world, "adit", "agent", None
        self.state, self.config = home, os.path.join(home, "config.toml")

    def link(self):
        return self.status()["links"][0]


# ---- what is there afterwards ----


def test_a_machine_enrols_and_serves_its_tunnels(world, adit, relay, setup, home):
    app = world.serve()
    relay.tunnels["nas"] = [tunnel("myapp", app.port), tunnel("old", 1, "restricted", True)]
    done = setup(relay, "--json", token=relay.token())
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout)
    directory = os.path.join(home, "links", "panel.localhost")
    assert made.pop("expires_at").startswith("20")
    assert made == {"label": "nas", "relay": relay.url, "config": home + "/config.toml",
                    "state_dir": home, "credentials": directory, "tunnels": []}
    assert files_below(home) == ["config.toml"] + [
        f"links/panel.localhost/{name}.pem" for name in ("ca", "cert", "key")]
    for name in files_below(home):
        assert stat.S_IMODE(os.stat(os.path.join(home, name)).st_mode) == 0o600
    assert stat.S_IMODE(os.stat(directory).st_mode) == 0o700

    # The key has not travelled, and is that of the certificate.
    label, cert = relay.enrolled[0]
    key = os.path.join(directory, "key.pem")
    assert label == "nas" and "PRIVATE" not in cert
    assert pki.openssl("pkey", "-in", key, "-pubout") == pki.openssl(
        "x509", "-pubkey", "-noout", text=cert)

    agent = Enrolled(world, home)
    words = [adit.argv[0], "agent", "run", "--foreground", "--state-dir", home]
    agent.process = world.run("agent", words)
    agent.process.graceful = True
    net.wait_until(agent.answers, 15, message="the agent")
    net.wait_until(lambda: agent.link()["state"] == "running", 10, message="the link")
    net.wait_until(lambda: "tunnels_at" in agent.link(), 5, message="the tunnels")
    assert [t["host"] for t in agent.link()["tunnels"]] == ["myapp.localhost", "old.localhost"]
    shown = world.call([adit.argv[0], "agent", "status", "--state-dir", home]).stdout
    assert "    connected since 20" in shown and ", from 127.0.0.1:" in shown
    assert ", round trip " in shown
    assert f"    https://myapp.localhost -> 127.0.0.1:{app.port}\n" in shown
    assert "    https://old.localhost -> 127.0.0.1:1 (restricted) (paused)\n" in shown


def test_update_reconnects_and_shows_what_is_served(world, adit, relay, setup, home):
    done = setup(relay, token=relay.token())
    assert done.returncode == 0, done.stderr
    assert f"Start the agent with: adit agent run --config {home}/config.toml\n" in done.stdout
    agent = Enrolled(world, home).start()
    net.wait_until(lambda: agent.link()["state"] == "running", 10, message="the link")
    update = [adit.argv[0], "agent", "update", "--state-dir", home]
    shown = world.call(update)
    assert shown.returncode == 0 and len(relay.link.sessions) == 2, shown.stderr
    assert "link panel.localhost: connected\n    connected since 20" in shown.stdout
    assert "no tunnels yet: add one at the relay" in shown.stdout
    relay.tunnels["nas"] = [tunnel("myapp", 3000)]
    relay.tell()
    net.wait_until(lambda: agent.link().get("tunnels"), 5, message="the new tunnel")
    assert len(relay.link.sessions) == 2  # it was told on the open connection
    assert "https://myapp.localhost -> 127.0.0.1:3000" in world.call(update).stdout
    relay.keys.clear()  # revoked
    refused = world.call(update)
    assert refused.returncode == 1
    assert "the link panel.localhost is not open: " in refused.stderr
    assert "it is unknown there, or was revoked" in refused.stderr


def test_the_rest_of_the_config_stays(world, panel, setup, home):
    os.mkdir(home)
    with open(home + "/config.toml", "w", encoding="utf-8") as f:
        f.write(FIRST + OTHER)
    os.chmod(home + "/config.toml", 0o640)
    panel.link_url = "https://tunnel.example.com"
    panel.answer = None
    done = setup(panel, token=panel.token())
    assert done.returncode == 0, done.stderr
    with open(home + "/config.toml", encoding="utf-8") as f:
        text = f.read()
    assert text == (FIRST.replace("'127.0.0.1:0'\n", f"'127.0.0.1:0'\nstate_dir = \"{home}\"\n")
                    + OTHER + '\n[[links]]\nid = "panel.localhost"\n'
                    f'server = "https://tunnel.localhost:{panel.port}"\nmanaged = true\n')
    assert stat.S_IMODE(os.stat(home + "/config.toml").st_mode) == 0o640


def test_running_it_again_replaces_the_credentials(world, adit, relay, setup, home):
    assert setup(relay, token=relay.token()).returncode == 0
    with open(home + "/config.toml", encoding="utf-8") as f:
        before = f.read()
    assert f'fingerprint = "{relay.fingerprint}"' in before
    agent = Enrolled(world, home).start()
    net.wait_until(lambda: agent.link()["state"] == "running", 10, message="the link")
    relay.tunnels["nas2"] = [tunnel("second", 3000)]
    again = setup(relay, token=relay.token("nas2"))  # an agent runs, so it waits for the link
    assert again.returncode == 0, again.stderr
    assert "The link is open:" in again.stdout and "https://second.localhost" in again.stdout
    with open(home + "/config.toml", encoding="utf-8") as f:
        assert f.read() == before
    assert [label for label, _ in relay.enrolled] == ["nas", "nas2"]
    with open(home + "/links/panel.localhost/cert.pem", encoding="ascii") as f:
        assert f.read() == relay.enrolled[1][1]
    assert files_below(home + "/links") == [
        f"panel.localhost/{name}.pem" for name in ("ca", "cert", "key")]


# ---- a relay that is not as it should be ----


REFUSALS = [
    (401, {"error": "Invalid token"}, "make a new one there with adit relay agent enroll LABEL"),
    (429, {"error": "Too many"}, "wait a minute, and try again"),
    (404, {"error": "Not found"}, "is it the address of the relay's panel"),
    (400, {"error": "Bad", "details": [{"path": "csr", "message": "no\x1b[2J"}]}, ": no\\x1b[2J"),
    (503, {"error": "busy"}, "the relay has failed with status 503: busy"),
    (200, {"ok": True}, "is not that of an enrolment"),
]


@pytest.mark.parametrize("status, body, words", REFUSALS, ids=[str(r[0]) for r in REFUSALS])
def test_a_refusal_is_explained_and_leaves_nothing(panel, setup, home, status, body, words):
    panel.answer = status, body
    fails(setup(panel, "--json", token=panel.token()), words)
    nothing_is_left(home)


def test_a_refusal_leaves_earlier_credentials(panel, setup, home):
    assert setup(panel, token=panel.token()).returncode == 0
    before = {name: open(os.path.join(home, name), "rb").read() for name in files_below(home)}
    fails(setup(panel, token="ab" * 32), "make a new one")
    assert before == {name: open(os.path.join(home, name), "rb").read()
                      for name in files_below(home)}


def test_the_certificate_of_another_key_is_refused(panel, setup, home):
    assert setup(panel, token=panel.token()).returncode == 0
    token = panel.token()
    panel.answer = 200, {"ok": True, "cert": panel.enrolled[0][1], "label": "nas"}
    fails(setup(panel, token=token), "its certificate is for another key")


@pytest.mark.parametrize("minutes, words", [(-61, "61 minutes ahead of the relay's"),
                                            (11, " minutes behind the relay's")])
def test_a_wrong_clock_is_said_before_the_token_is_used(panel, setup, home, minutes, words):
    panel.ahead_s = minutes * 60
    fails(setup(panel, token=panel.token()), words, "set the clock")
    assert panel.requests == ["/api/health"] and panel.tokens
    nothing_is_left(home)


def test_a_certificate_that_is_not_trusted_is_refused(world, panel, setup, home):
    token = panel.token()
    fails(setup(panel, token=token, trust=False), "is of no authority that is trusted here",
          "--pin", "--ca-file")
    fails(setup(panel, "--pin", panel.pin()[:10] + "A" + panel.pin()[11:], token=token),
          "the key of panel.localhost is not that of --pin, but " + panel.pin())
    assert panel.requests == [] and panel.tokens
    nothing_is_left(home)
    other = world.keep(EnrolRelay(world, cert=panel.ca.issue("other", "DNS:a.example")))
    fails(setup(other, "--ca-file", panel.ca.cert, token=token, trust=False),
          "is for a.example and not for panel.localhost")


def test_an_expired_certificate_names_both_clocks(world, panel, setup):
    late = world.keep(EnrolRelay(world, cert=panel.ca.issue("late", "DNS:panel.localhost",
                                                            days=-1)))
    fails(setup(late, "--ca-file", panel.ca.cert, token=late.token(), trust=False),
          "expired on 20", "the clock of this machine says 20")


@pytest.mark.parametrize("whole", [False, True], ids=["key", "certificate"])
def test_a_pin_is_enough(panel, setup, home, whole):
    done = setup(panel, "--pin", panel.pin(whole), token=panel.token(), trust=False)
    assert done.returncode == 0, done.stderr
    assert "verified by its pin" in done.stdout
    with open(home + "/links/panel.localhost/ca.pem", encoding="ascii") as f:
        assert f.read().count("BEGIN CERTIFICATE") == 1


def test_a_relay_that_is_away_is_explained(world, adit, setup, panel):
    token = panel.token()
    plain = world.serve()
    words = [adit.argv[0], "agent", "setup", "--no-service", "--state-dir", world.path("s"),
             "--token", token, "--relay"]
    fails(world.call([*words, f"https://panel.localhost:{net.free_port()}"]),
          "Connection refused", "is it running, and is port ")
    fails(world.call([*words, "panel.adit.invalid"]), "panel.adit.invalid")
    done = world.call([*words, f"127.0.0.1:{plain.port}"])
    fails(done, "does not speak TLS" if "speak" in done.stderr else "TLS handshake")
    fails(world.call([*words, "http://panel.localhost"]), "enrolment needs https")


# ---- this machine ----


def test_a_config_with_a_mistake_is_said_before_the_token_is_used(panel, setup, home):
    os.mkdir(home)
    with open(home + "/config.toml", "w", encoding="utf-8") as f:
        f.write("[[links]]\nserverr = 1\n")
    fails(setup(panel, token=panel.token()), "config.toml:2:1", "serverr")
    assert panel.requests == []
    assert files_below(home) == ["config.toml"]


def test_a_state_directory_that_cannot_be_written_is_said_before(world, panel, setup, home):
    with open(home, "w", encoding="utf-8") as f:
        f.write("in the way")
    fails(setup(panel, token=panel.token()), home)
    assert panel.requests == []


def test_a_state_directory_that_the_config_contradicts(panel, setup, home):
    os.mkdir(home)
    with open(home + "/config.toml", "w", encoding="utf-8") as f:
        f.write("[agent]\nstate_dir = '/elsewhere'\n")
    fails(setup(panel, token=panel.token()), "has the state directory /elsewhere")


def test_without_a_terminal_it_says_what_to_give(panel, setup, home):
    fails(setup(None, trust=False), "--relay is missing")
    fails(setup(panel), "--token is missing", "ADIT_ENROLLMENT_TOKEN")
    fails(setup(panel, token="abc"), "the token has 64 hexadecimal digits")
    fails(setup(panel, "--pin", "abc", token=panel.token()), "--pin is the SHA-256")
    fails(setup(panel, "--fingerprint", "abc", token=panel.token()), "fingerprint")
    nothing_is_left(home)


@pytest.mark.parametrize("name", ["ADIT_ENROLLMENT_TOKEN", "PORTLAMA_ENROLLMENT_TOKEN"])
def test_the_token_may_be_in_the_environment(panel, setup, name):
    done = setup(panel, env={name: panel.token()})
    assert done.returncode == 0, done.stderr
    assert "Enrolled: as nas, until 20" in done.stdout


def test_portlama_agent_has_the_same_commands(world, adit, relay, home):
    portlama = world.path("portlama-agent")
    os.symlink(adit.argv[0], portlama)
    done = world.call([portlama, "setup", "--panel-url", relay.url, "--token", relay.token(),
                       "--ca-file", relay.ca.cert, "--state-dir", home, "--no-service"])
    assert done.returncode == 0, done.stderr
    assert "Start the agent with: portlama-agent agent run" in done.stdout
    none = world.call([portlama, "update", "--state-dir", home])
    assert none.returncode == 1 and "no agent runs" in none.stderr
    agent = Enrolled(world, home).start()
    net.wait_until(lambda: agent.link()["state"] == "running", 10, message="the link")
    assert world.call([portlama, "update", "--state-dir", home]).returncode == 0
    shown = world.call([portlama, "status", "--state-dir", home])
    assert shown.returncode == 0 and "connected since" in shown.stdout


def test_the_help_of_a_command_that_has_no_links(world, adit, home):
    agent = Agent(world, "adit", OTHER).start()
    done = agent.call("update")
    assert done.returncode == 1
    assert "no managed link: adit agent setup enrols it at a relay" in done.stderr


def test_a_setup_that_runs_already_is_named(world, panel, setup, home):
    """The lock of another setup is held by flock(1)."""
    links = home + "/links"
    os.makedirs(links)
    with subprocess.Popen(["flock", links, "sh", "-c", "echo held; cat"], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "held\n"
        fails(setup(panel, token=panel.token()), "another setup writes to " + links)
        holder.stdin.close()
        holder.wait(10)
    assert panel.requests == []


# ---- the service ----


@pytest.fixture
def fake(world):
    return world.keep(FakeSystemd(world))


def run_with(world, fake, adit, relay, *flags):
    words = ["--relay", relay.url, "--token", relay.token(), "--ca-file", relay.ca.cert, *flags]
    return world.call([*fake.prefix, adit.argv[0], "agent", "setup", *words], env=fake.env)


def own_config(fake):
    """So that no other agent of this machine has the usual control address."""
    path = os.path.join(fake.home, ".config/adit/agent/config.toml")
    os.makedirs(os.path.dirname(path))
    with open(path, "w", encoding="utf-8") as f:
        f.write(FIRST)
    return path


def test_the_service_is_installed_and_serves(world, adit, fake, relay):
    config = own_config(fake)
    relay.tunnels["nas"] = [tunnel("myapp", 3000)]
    done = run_with(world, fake, adit, relay)
    assert done.returncode == 0, done.stderr + fake.log("adit-agent.service")
    lines = done.stdout.splitlines()
    assert re.fullmatch(f"Relay: {relay.url} at (127.0.0.1|::1), verified by its certificate",
                        lines[0])
    assert lines[1].startswith("Enrolled: as nas, until 20")
    assert lines[2] == f"Config: {config}, link panel.localhost to {relay.link_url}"
    assert lines[-1] == "    https://myapp.localhost -> 127.0.0.1:3000"
    assert os.path.exists(fake.unit_path("adit-agent.service"))
    # Again, while the service runs: it is not started again, and has the new credentials.
    calls = len(fake.calls)
    again = run_with(world, fake, adit, relay, "--json")
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["tunnels"] == [
        {"url": "https://myapp.localhost", "host": "myapp.localhost", "target": "127.0.0.1:3000",
         "access": "public", "paused": False}]
    assert not any(" start " in call for call in fake.calls[calls:])


def test_without_a_service_manager_the_token_is_not_used(world, adit, fake, relay):
    os.unlink(os.path.join(fake.bin, "systemctl"))
    words = ["--relay", relay.url, "--token", relay.token(), "--ca-file", relay.ca.cert]
    done = world.call([*fake.prefix, adit.argv[0], "agent", "setup", *words],
                      env={**fake.env, "PATH": fake.bin})
    fails(done, "--foreground", "--no-service")
    assert relay.requests == [] and files_below(fake.home) == []


def test_a_service_that_does_not_start_is_said_with_what_was_done(world, adit, fake, relay):
    own_config(fake)
    fake.failures["start"] = "Failed to start: no"
    done = run_with(world, fake, adit, relay)
    assert done.returncode == 1
    assert "this machine is enrolled as nas, but " in done.stderr
    assert not os.path.exists(fake.unit_path("adit-agent.service"))


# ---- a terminal ----


class Terminal:
    """A person who answers questions."""

    def __init__(self, world, argv, env):
        self.master, slave = pty.openpty()
        self.process = world.run("setup", argv, stdin=slave, stdout=slave, env=env)
        os.close(slave)
        os.set_blocking(self.master, False)
        self.seen = ""

    def wait(self, pattern):
        def look():
            try:
                self.seen += os.read(self.master, 65536).decode().replace("\r\n", "\n")
            except (BlockingIOError, OSError):
                pass
            return re.search(pattern, self.seen)
        return net.wait_until(look, 15, message=pattern)

    def type(self, text):
        os.write(self.master, text.encode())

    def close(self):
        os.close(self.master)


@pytest.fixture
def dialog(world, adit, home):
    """The command in a terminal of its own; standard error is that, too."""
    def start(*flags):
        words = " ".join(f"'{w}'" for w in [adit.argv[0], "agent", "setup", "--no-service",
                                            "--state-dir", home, *flags])
        return world.keep(Terminal(world, ["/bin/sh", "-c", f"exec {words} 2>&1"], {
            "ADIT_ENROLLMENT_TOKEN": "", "PORTLAMA_ENROLLMENT_TOKEN": ""}))
    return start


def test_in_a_terminal_it_asks_for_what_is_missing(panel, dialog, home):
    terminal = dialog("--ca-file", panel.ca.cert)
    terminal.wait(r"Address of the relay \(https://panel.example.com\): $")
    terminal.type("http://panel.localhost\n")
    terminal.wait(r"enrolment needs https.*\nAddress of the relay .*: $")
    terminal.type(panel.url.removeprefix("https://") + "\n")
    terminal.wait(r"Token \(.*\): $")
    terminal.type("too short\n")
    terminal.wait(r"64 hexadecimal digits.*\nToken .*: $")
    token = panel.token()
    terminal.type(" xx\x15" + token + "00\x7f\x7f\n")  # Ctrl-U, and two that were too many
    terminal.wait(r"Enrolled: as nas, until")
    assert terminal.process.wait_exit() == 0
    assert token not in terminal.seen and "too short" not in terminal.seen
    assert "config.toml" in files_below(home)


@pytest.mark.parametrize("key, status", [("\x03", -2), ("\x04", 1)], ids=["Ctrl-C", "Ctrl-D"])
def test_a_person_may_give_up(panel, dialog, home, key, status):
    terminal = dialog("--relay", panel.url)
    terminal.wait(r"Token .*: $")
    terminal.type(key)
    assert terminal.process.wait_exit() == status
    nothing_is_left(home)


# ---- the relay ----


def hello(s):
    """An app with one answer."""
    while s.recv(65536):
        s.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")


def test_the_relay_s_own_command_sets_an_agent_up(world, adit, leases, program, authority, home):
    """Its tunnels are served at once, and a revoked agent comes back with a new token."""
    relay = leases.relay("adit", "--domain", ROOT)
    path = program("lease-adit-relay").argv[0]

    def admin(*words):
        done = world.call([path, "relay", *words, "--state-dir", relay.state])
        assert done.returncode == 0, done.stderr
        return done.stdout

    def enrol():
        made = json.loads(admin("agent", "enroll", "nas", "--json"))
        words = made["command"].split()[1:]
        return world.call([adit.argv[0], *words, "--ca-file", authority.cert, "--no-service",
                           "--json", "--state-dir", home])

    app = world.serve(hello)
    first = enrol()
    assert first.returncode == 0, first.stderr
    agent = Enrolled(world, home).start()
    net.wait_until(lambda: agent.link()["state"] == "running", 15, message="the link")
    admin("tunnel", "add", "myapp", str(app.port), "--access", "public", "--anyway")
    net.wait_until(lambda: agent.link().get("tunnels"), 5, message="its tunnel")
    assert agent.link()["tunnels"] == [{
        "host": f"myapp.{ROOT}", "target": f"localhost:{app.port}", "access": "public",
        "paused": False}]
    url = f"https://myapp.{ROOT}:{relay.sni_port}/"
    assert world.curl("--cacert", authority.cert, "--resolve",
                      f"myapp.{ROOT}:{relay.sni_port}:127.0.0.1", url) == "hello"
    admin("agent", "revoke", "nas")
    net.wait_until(lambda: agent.link()["state"] == "error", 5, message="the revocation")
    again = enrol()
    assert again.returncode == 0, again.stderr
    assert [t["url"] for t in json.loads(again.stdout)["tunnels"]] == [
        f"https://myapp.{ROOT}"]
