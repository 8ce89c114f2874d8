"""The log never holds up the program, whatever becomes of its reader."""

import fcntl
import glob
import json
import os
import pty
import re
import signal
import termios

import pytest

from lib import net
from lib.net import wait_until
from lib.process import SANITIZER_ENV, SANITIZERS, Process

ROLES = ["server", "client", "relay", "expose"]


class Fifo:
    """A pipe that is full, with a reader that has stopped."""

    def __init__(self, world):
        self.path = world.path("log")
        os.mkfifo(self.path)
        self.fd = os.open(self.path, os.O_RDWR | os.O_NONBLOCK)
        fcntl.fcntl(self.fd, fcntl.F_SETPIPE_SZ, 4096)
        self.fill()

    def fill(self):
        try:
            while True:
                os.write(self.fd, b"x" * 63 + b"\n")
        except BlockingIOError:
            pass

    def read(self):
        try:
            return os.read(self.fd, 65536).decode()
        except BlockingIOError:
            return ""

    def close(self):
        os.close(self.fd)


class Terminal:
    """A terminal whose user has pressed Ctrl-S."""

    def __init__(self, world):
        self.master, self.slave = pty.openpty()
        self.path = os.ttyname(self.slave)
        termios.tcflow(self.slave, termios.TCOOFF)

    def close(self):
        os.close(self.master)
        os.close(self.slave)


def led_to(path):
    """Words before a command that lead all it says to path."""
    return ["sh", "-c", f'exec "$@" >{path} 2>&1', "sh"]


class Daemon:
    """A program of one role, all it says led to path; serves() is true when it works."""

    def __init__(self, role, world, adit, leases, path, flags=()):
        prefix = led_to(path)
        target = world.serve()
        # A sanitizer's own words wait for their reader.
        self.words = world.path("sanitizer")
        env = {"ASAN_OPTIONS": f"{SANITIZER_ENV['ASAN_OPTIONS']}:log_path={self.words}"}
        if role in ("server", "client"):
            port = net.free_port()
            server = world.server(adit, "--reverse", *(flags if role == "server" else ()),
                                  prefix=prefix if role == "server" else (), env=env)
            client = world.client(adit, server, f"R:127.0.0.1:{port}:127.0.0.1:{target.port}",
                                  flags=flags if role == "client" else (),
                                  prefix=prefix if role == "client" else (), env=env,
                                  wait=False)
            self.process = server if role == "server" else client
            self.serves = lambda: net.try_echo(port)
        else:
            relay = leases.relay("adit", *(flags if role == "relay" else ()),
                                 prefix=prefix if role == "relay" else (), env=env)
            expose = leases.expose("adit", relay, target.port,
                                   *(flags if role == "expose" else ()),
                                   prefix=prefix if role == "expose" else (), env=env)
            self.process = relay.process if role == "relay" else expose
            self.serves = lambda: leases.echoes(relay)

    def end(self, seconds):
        self.process.signal(signal.SIGTERM)
        assert self.process.wait_exit(seconds) == 0
        for path in glob.glob(self.words + ".*"):
            with open(path) as f:
                assert not SANITIZERS.search(f.read())


@pytest.mark.parametrize("kind", [Fifo, Terminal])
@pytest.mark.parametrize("role", ROLES)
def test_a_reader_that_stops_stops_nothing_else(world, adit, leases, role, kind):
    log = world.keep(kind(world))
    daemon = Daemon(role, world, adit, leases, log.path, ["-v"])
    for _ in range(20):
        wait_until(daemon.serves, 15, message="a visitor being served")
    daemon.end(4)


def test_lines_that_were_lost_are_counted_when_the_reader_goes_on(world, adit, leases):
    log = world.keep(Fifo(world))
    daemon = Daemon("server", world, adit, leases, log.path, ["-v"])
    for _ in range(300):
        wait_until(daemon.serves, 15, message="a visitor being served")
    seen = []

    def look():
        seen.append(log.read())
        return re.search(r"log: (\d+) lines lost", "".join(seen))

    assert int(wait_until(look, 5, message="the number of lines lost").group(1)) > 10
    lines = [line for line in "".join(seen).split("\n")[:-1] if not line.startswith("xxx")]
    assert all(re.match(r"\d{4}/\d\d/\d\d \d\d:\d\d:\d\d (server|log): ", line)
               for line in lines), lines


def test_strangers_fill_no_disk(world, adit):
    """So many lines of a kind in ten seconds, and then one with the number of the others."""
    server = world.server(adit)
    for _ in range(300):
        with net.connect(server.port) as s:
            s.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, close\r\n"
                      b"Upgrade: websocket\r\nSec-WebSocket-Protocol: none\r\n\r\n")
            net.read_all(s)
    told = server.wait_log(r"log: (\d+) similar lines in 10 s were suppressed; the last: server: "
                           r"ignored client connection using protocol 'none'", 20)
    logged = len(re.findall("^.{20}server: ignored client", server.log, re.MULTILINE))
    assert logged + int(told.group(1)) == 300 and logged <= 100


def parse(text):
    lines = [json.loads(line) for line in text.splitlines()]
    assert lines and all(set(line) == {"time", "level", "who", "what"} for line in lines)
    return lines


@pytest.mark.parametrize("role", ROLES)
def test_json_is_json_from_the_first_line_to_the_last(world, adit, leases, monkeypatch, role):
    monkeypatch.setenv("ADIT_LOG", "json,debug")
    daemon = Daemon(role, world, adit, leases, world.path("all"))
    wait_until(daemon.serves, 15, message="a visitor being served")
    daemon.process.signal(signal.SIGHUP)
    daemon.end(8)
    with open(world.path("all")) as f:
        text = f.read()
    if role == "expose":  # what it says on standard output is for people
        text = re.sub(r"^(Public at|  leads to).*\n", "", text, flags=re.MULTILINE)
    parse(text)


@pytest.mark.parametrize("words", [
    ["server", "--port", "0", "--keyfile", "/none"], ["server", "--auhtfile", "x"],
    ["server", "--authfile", "/none", "--port", "0", "--host", "127.0.0.1"],
    ["client", "localhost:1", "R:nonsense"], ["client", "--fingerprint", "x"],
    ["relay", "run", "--portal-url", "http://"], ["relay", "run", "--config", "/none"],
    ["expose"], ["expose", "3000", "--relays", "http://["],
    ["expose", "3000", "--udp", "--relays", "https://localhost:1"],
    ["nonsense"], ["help", "nonsense"], ["relay", "nonsense"], ["relay", "lease"],
    ["relay", "lease", "nonsense"], ["relay", "lease", "list", "--identity-path", "/none"],
    ["list", "--nonsense"], ["completion", "nonsense"], ["version", "--nonsense"],
    ["demo", "--nonsense"], ["server", "--keygen", "/none/key"]])
def test_a_mistake_is_json_too(world, adit, words):
    done = world.call([*adit.argv, *words], env={"ADIT_LOG": "json"})
    assert done.returncode in (1, 2)
    assert done.stdout == ""
    assert parse(done.stderr)[-1]["level"] == "error"


@pytest.mark.parametrize("words,what", [
    (["server", "--keygen", "-", "--key", "test123"],
     "Fingerprint qmrRoo8MIqePv3jC8+wv49gU6uaFgD3FASQx9V8KdmY="),
    (["list"], "No relays are built in: name some with --relays")])
def test_what_a_command_says_besides_is_json_too(world, adit, words, what):
    done = world.call([*adit.argv, *words], env={"ADIT_LOG": "json"})
    assert done.returncode == 0 and done.stdout
    assert [line["what"] for line in parse(done.stderr)] == [what]


def test_the_journal_gets_priorities_and_no_time(world, adit):
    log = os.open(world.path("journal"), os.O_WRONLY | os.O_CREAT)
    st = os.fstat(log)
    env = {"JOURNAL_STREAM": f"{st.st_dev}:{st.st_ino}"}
    server = world.server(adit, prefix=led_to(world.path("journal")), env=env)
    server.stop()
    done = Process("usage", [*adit.argv, "server", "--keyfile", "/none"], world.directory,
                   env=env, preexec=lambda: os.dup2(log, 2) and os.lseek(2, 0, os.SEEK_END))
    assert done.wait_exit() != 0
    os.close(log)
    with open(world.path("journal")) as f:
        lines = f.read().splitlines()
    assert all(re.match(r"<[3467]>[a-z]", line) for line in lines), lines
    assert any(line.startswith("<4>server: ") for line in lines)
    assert lines[-1].startswith("<3>")
