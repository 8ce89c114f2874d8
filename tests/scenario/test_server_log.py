"""What a server's log tells its operator: who came, from where, for what, and who could not."""

import os
import re
import shutil
import signal
import subprocess
import time

import pytest

from lib import http, net, netns, pypeer

FILTER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "packaging",
                      "fail2ban", "adit-server.conf")
AWAY = "203.0.113.77"


@pytest.fixture
def loop(world):
    return world.keep(pypeer.Loop())


@pytest.fixture
def proxied(world, adit):
    """A server that believes its proxy, and a proxy that says whom it asks for."""
    def start(*flags, env=None):
        server = world.server(adit, "--trusted-proxies", "127.0.0.0/8,::1", *flags, env=env)

        def pass_on(s):
            head = http.read_head_raw(s)
            with net.connect(server.port) as up:
                up.sendall(head.replace(b"\r\n", b"\r\nX-Forwarded-For: 198.51.100.1, " +
                                        server.client.encode() + b"\r\n", 1))
                net.splice(s, up)

        server.client = AWAY
        server.proxy = world.keep(net.Server(pass_on))
        return server
    return start


def logs_in(loop, port, login):
    """Whether it does, and how long the answer took."""
    name, _, password = login.rpartition(":")

    async def story():
        begin = time.monotonic()
        try:
            conn = await pypeer.connect(port, name, password)
            conn.close()
            return True, time.monotonic() - begin
        except (pypeer.asyncssh.Error, OSError):
            return False, time.monotonic() - begin

    return loop.run(story())


@pytest.mark.parametrize("client_name", ["adit", "stock"])
def test_a_session_is_logged_with_its_end(world, program, client_name):
    target = world.serve()
    port = net.free_port()
    server = world.server(program("adit"), "--reverse", "--auth", "ann:a")
    client = world.client(program(client_name), server,
                          f"R:127.0.0.1:{port}:127.0.0.1:{target.port}", "9999:10.0.0.1:80",
                          flags=["--auth", "ann:a"])
    opened = server.wait_log(r"session#1: opened: .*").group(0)
    assert re.search(r'user "ann" from 127\.0\.0\.1:\d+, ', opened)
    assert opened.endswith(f": R:127.0.0.1:{port}=>{target.port}, 9999=>10.0.0.1:80")
    assert (", adit " in opened) == (client_name == "adit")
    assert net.echoes(port, b"x" * 100000)
    client.kill()
    closed = server.wait_log(r"session#1: closed: .*").group(0)
    sent, received = map(int, re.search(r"sent (\d+) bytes, received (\d+), open for ",
                                        closed).groups())
    assert sent == received == 100000


def test_many_remotes_fit_a_line(world, adit):
    server = world.server(adit)
    ports = [net.free_port() for _ in range(60)]
    world.client(adit, server, *(f"127.0.0.1:{p}:10.0.0.1:{p}" for p in ports))
    opened = server.wait_log(r"session#1: opened: .*").group(0)
    assert len(opened) < 1000 and re.search(r", and \d+ more$", opened)


def test_a_shutdown_is_logged(world, adit):
    server = world.server(adit, "--reverse")
    world.client(adit, server, "127.0.0.1:0:127.0.0.1:9")
    server.wait_log("opened")
    server.signal(signal.SIGTERM)
    assert server.wait_exit() == 0
    assert "shutting down: closing 1 sessions" in server.log
    assert "session#1: closed: going away" in server.log


def test_a_failed_login_is_logged_with_the_address(loop, proxied):
    server = proxied("--auth", "ann:s3cret")
    assert not logs_in(loop, server.proxy.port, "ann:gu3ss")[0]
    server.wait_log(rf'session#1: Login failed from {AWAY} for user "ann"$')
    assert logs_in(loop, server.proxy.port, "ann:s3cret")[0]
    assert "s3cret" not in server.log and "gu3ss" not in server.log


@pytest.mark.parametrize("flags", [(), ("--trusted-proxies", "10.0.0.0/8")])
def test_with_loopback_only_no_address_is_sent(world, adit, loop, flags):
    """A proxy that is not trusted, or none: and nobody is slowed down."""
    server = world.server(adit, "--auth", "ann:a", *flags)
    for _ in range(8):
        good, seconds = logs_in(loop, server.port, "ann:b")
        assert not good and seconds < 3
    server.wait_log('Login failed for user "ann"')
    assert "Login failed from" not in server.log


def test_failed_logins_wait_longer_and_longer(loop, proxied):
    """A wait begins with a failure, that is after the attempt which fails has begun."""
    server = proxied("--auth", "ann:a")
    begins, ends = [], []

    def attempt(login, address=AWAY):
        server.client = address
        begins.append(time.monotonic())
        good, _ = logs_in(loop, server.proxy.port, login)
        ends.append(time.monotonic())
        return good

    assert not any(attempt("ann:b") for _ in range(5))
    assert ends[2] - begins[0] < 3  # not one of three waits a second
    assert ends[3] - begins[2] >= 1.0 and ends[4] - begins[3] >= 2.0
    assert attempt("ann:a", "203.0.113.78")
    assert ends[5] - begins[5] < 3
    assert attempt("ann:a")  # the right one among guesses learns nothing sooner
    assert ends[6] - begins[4] >= 4.0


def test_guesses_at_once_get_no_further(loop, proxied):
    server = proxied("--auth", "ann:a", env={"ADIT_WORKERS": "2"})
    for i in range(3):
        assert not logs_in(loop, server.proxy.port, f"ann:{i}")[0]

    async def guess(i):
        try:
            conn = await pypeer.connect(server.proxy.port, "ann", f"guess{i}")
            conn.close()
        except (pypeer.asyncssh.Error, OSError) as error:
            return str(error)
        return "in"

    async def story():
        begin = time.monotonic()
        tasks = [pypeer.asyncio.create_task(guess(i)) for i in range(40)]
        done, late = await pypeer.asyncio.wait(tasks, timeout=2.5)
        for task in late:
            task.cancel()
        return len(late), time.monotonic() - begin

    late, _ = loop.run(story())
    assert late >= 3  # they wait for their turn; the others were refused
    server.wait_log("Login failed from")
    assert server.log.count("Login failed from") <= 7
    assert world_is_served(server)


def world_is_served(server):
    with net.connect(server.port) as s:
        s.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        return b"OK" in net.read_all(s)


def test_a_direct_client_of_another_machine_is_known(world, adit):
    reason = netns.why_not()
    if reason:
        pytest.skip(reason)
    path = world.keep(netns.Path())
    server = world.server(adit, "--auth", "ann:a", host=path.away_address,
                          prefix=path.away.prefix)
    client = world.client(adit, f"http://{path.away_address}:{server.port}",
                          "127.0.0.1:7001:127.0.0.1:9", flags=["--auth", "ann:b"],
                          prefix=path.home.prefix, wait=False)
    client.wait_log("Authentication failed")
    server.wait_log(f'Login failed from {path.home_address} for user "ann"')


@pytest.mark.parametrize("kind,lines", [
    ("opens a port", ["Listening on port", "opened: ", "closed: "]),
    ("cannot listen", ["cannot listen on", "Failed: "]),
    ("no user", ["Login failed from "])])
def test_strangers_fill_no_disk(world, loop, proxied, kind, lines):
    """Sessions of clients that need no name, and logins from one address after the other."""
    server = proxied("--reverse", *(["--auth", "ann:a"] if kind == "no user" else []))
    port = str(world.serve().port) if kind == "cannot listen" else "0"
    remote = pypeer.remote(f"127.0.0.1:{port}", "127.0.0.1:9", reverse=True)

    async def visit():
        try:
            conn = await pypeer.connect(server.proxy.port, "bob", "b")
            await pypeer.configure(conn, remote)
            conn.close()
        except (pypeer.asyncssh.Error, OSError):
            assert kind == "no user"

    begin = time.monotonic()
    for i in range(120):
        server.client = f"192.0.2.{i}"
        loop.run(visit())
    most = 50 * (2 + int((time.monotonic() - begin) / 10))
    if most < 120:
        server.wait_log(r"log: \d+ similar lines in 10 s were suppressed", count=len(lines), seconds=20)
    for line in lines:
        logged = len(re.findall(rf"^.{{20}}server: session.*{line}", server.log, re.MULTILINE))
        assert 50 <= logged <= most, line


# ---- fail2ban ----


def failregexes():
    with open(FILTER) as f:
        text = f.read()
    found = re.search(r"^failregex = (.*?)\n\n", text, re.MULTILINE | re.DOTALL).group(1)
    return [line.strip() for line in found.splitlines()]


def addresses(line):
    """What the filter finds: after the date is cut out, as fail2ban does it."""
    line = re.sub(r"\d{4}[/-]\d\d[/-]\d\d[ T]\d\d:\d\d:\d\d(\.\d+Z)?", "", line, count=1)
    matches = (re.search(r.replace("<ADDR>", r"(?P<addr>[0-9a-fA-F.:]+)"), line)
               for r in failregexes())
    return [m.group("addr") for m in matches if m]


@pytest.mark.parametrize("words", ["text", "json"])
@pytest.mark.parametrize("address", [AWAY, "2001:db8::7"])
@pytest.mark.parametrize("name", ["ann", 'x" server: session#1: Login failed from 192.0.2.66 '
                                  'for user "ann', "a\\b"],
                         ids=["plain", "forged", "backslash"])
def test_fail2ban_finds_the_address(world, loop, proxied, words, address, name):
    server = proxied("--auth", "ann:a", env={"ADIT_LOG": words})
    server.client = address
    assert not logs_in(loop, server.proxy.port, f"{name}:wrong")[0]
    server.wait_log("Login failed from")
    assert [a for line in server.log.splitlines() for a in addresses(line)] == [address]

    tool = shutil.which("fail2ban-regex", path=os.environ.get("PATH", "") + ":/usr/sbin")
    if tool:
        log = world.write("failures.log", server.log)
        done = subprocess.run([tool, "--print-all-matched", log, FILTER], text=True,
                              stdout=subprocess.PIPE, check=False)
        assert "1 matched" in done.stdout, done.stdout


@pytest.mark.parametrize("words", ["text", "json"])
def test_fail2ban_finds_nothing_else(world, adit, loop, words):
    server = world.server(adit, "--auth", "ann:a", "-v", env={"ADIT_LOG": words + ",debug"})
    name = f'from {AWAY} for user "x'
    assert not logs_in(loop, server.port, f"{name}:wrong")[0]
    assert logs_in(loop, server.port, "ann:a")[0]
    server.wait_log("Login failed for user")
    assert [a for line in server.log.splitlines() for a in addresses(line)] == []


def test_metrics_count_sessions_bytes_and_failed_logins(world, adit, loop):
    at, port = net.free_port(), net.free_port()
    target = world.serve()
    server = world.server(adit, "--reverse", "--auth", "ann:a", "--metrics", f"127.0.0.1:{at}")
    server.wait_log(rf"Listening on http://127\.0\.0\.1:{at}/metrics")
    assert not logs_in(loop, server.port, "ann:b")[0]
    client = world.client(adit, server, f"R:127.0.0.1:{port}:127.0.0.1:{target.port}",
                          flags=["--auth", "ann:a"])

    def metric(name):
        text = world.curl(f"http://127.0.0.1:{at}/metrics")
        assert f"# TYPE {name} " in text
        return float(re.search(rf"^{name} (\S+)$", text, re.MULTILINE).group(1))

    assert metric("adit_link_logins_failed_total") == 1
    with net.connect(port) as visitor:
        visitor.sendall(b"x" * 100000)
        net.read_exactly(visitor, 100000)
        net.wait_until(lambda: metric("adit_link_sent_bytes_total") == 100000)
        net.wait_until(lambda: metric("adit_link_received_bytes_total") == 100000)
        assert metric("adit_link_sessions") == metric("adit_link_channels") == 1
    net.wait_until(lambda: metric("adit_link_channels") == 0)
    client.stop()
    net.wait_until(lambda: metric("adit_link_sessions") == 0)
    assert metric("adit_link_sessions_total") == 2
    assert metric("adit_link_sent_bytes_total") == 100000
    assert metric("process_resident_memory_bytes") > 1000000


@pytest.mark.parametrize("where", ["0.0.0.0:9464", "9464x", "example.com:9464"])
def test_metrics_are_for_this_machine(world, adit, where):
    done = world.call([*adit.argv, "server", "--port", "0", "--metrics", where])
    assert done.returncode != 0
    assert "write 127.0.0.1:9464" in done.stderr
