"""The demo: one command that shows a page, or a service of one's own, through a tunnel."""

import contextlib
import http.server
import os
import pty
import re
import signal
import socket
import subprocess
import threading
import time
import urllib.request

import pytest
from lib import net

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
ADIT = os.environ.get("ADIT") or os.path.join(ROOT, "build", "debug", "src", "adit")
OPEN = re.compile(r"^open +(http://127\.0\.0\.1:\d+/)", re.MULTILINE)


def demo(*args, **env):
    return subprocess.run([ADIT, "demo", *args], stdin=subprocess.DEVNULL, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60,
                          env={**os.environ, **env}, check=False)


def last_line(text):
    return text.rstrip("\n").rpartition("\n")[2]


def children_of(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as children:
        return [int(child) for child in children.read().split()]


def is_running(pid):
    """A process that nobody reaps any more may stay as a zombie."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
            return stat.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def wait_gone(pids, seconds=10):
    end = time.monotonic() + seconds
    while any(is_running(pid) for pid in pids):
        assert time.monotonic() < end, f"of {pids} some still run"
        time.sleep(0.02)


def coloured(**env):
    """Whether a demo whose log goes to a terminal colours it."""
    master, slave = pty.openpty()
    try:
        subprocess.run([ADIT, "demo", "--once"], stdin=subprocess.DEVNULL, stderr=slave,
                       stdout=subprocess.PIPE, timeout=60, check=True,
                       env={**os.environ, "TERM": "xterm", "NO_COLOR": "", **env})
        seen = os.read(master, 65536)
    finally:
        os.close(master)
        os.close(slave)
    assert b"Connected" in seen
    return b"\x1b" in seen


def test_a_log_has_colours_only_where_they_are_wanted():
    assert coloured()
    assert not coloured(NO_COLOR="1")
    assert not coloured(TERM="dumb")


@pytest.fixture(autouse=True)
def directory(tmp_path, monkeypatch):
    """What a demo that is killed leaves behind goes with the test."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))


@contextlib.contextmanager
def running_demo(*args):
    """A demo that stays, as (process, URL, what it printed so far)."""
    process = subprocess.Popen([ADIT, "demo", *args], stdin=subprocess.DEVNULL, text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    log = []
    reader = threading.Thread(target=lambda: log.extend(process.stderr))
    reader.start()
    try:
        text = ""
        while not OPEN.search(text):
            line = process.stdout.readline()
            assert line, "it ended: " + text + "".join(log)
            text += line
        yield process, OPEN.search(text).group(1), text
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        reader.join()
        process.stdout.close()
        process.stderr.close()
    assert "Sanitizer" not in "".join(log)


class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = b"mine " * 20000
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


@contextlib.contextmanager
def serving(version, host="127.0.0.1"):
    handler = type("Handler", (Answer,), {"protocol_version": version})
    kind = type("Server", (http.server.ThreadingHTTPServer,), {
        "address_family": socket.AF_INET6 if ":" in host else socket.AF_INET,
        "daemon_threads": True})
    with kind((host, 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.tsan
def test_once_shows_what_came_through_and_ends():
    done = demo("--once")
    assert done.returncode == 0, done.stdout + done.stderr
    assert last_line(done.stdout) == "demo: ok"
    assert "answer   200 OK, text/html; charset=utf-8" in done.stdout
    rows = re.findall(r"^ +\d+ +200 +[\d.]+ ms +(\d+)  (new|reused)$", done.stdout, re.MULTILINE)
    assert [how for _, how in rows] == ["new", "reused"] * 2
    assert all(int(count) > 500 for count, _ in rows)
    assert "Sanitizer" not in done.stderr


def test_the_relay_carries_what_it_cannot_read():
    done = demo("--once")
    seen = dict(re.findall(r"^  ([a-z]+ - [a-z]+) +\d+ bytes +found (\d+) times$", done.stdout,
                           re.MULTILINE))
    assert seen == {"visitor - relay": "0", "relay - agent": "0", "agent - page": "2"}
    carried = [int(n) for n in re.findall(r" - (?:relay|agent) +(\d+) bytes", done.stdout)]
    assert len(carried) == 2 and min(carried) > 2000
    assert "The certificate was verified." in done.stdout and "(mode 600)" in done.stdout


def test_nothing_of_the_demo_stays_behind(tmp_path):
    done = demo("--once", TMPDIR=str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_password_is_not_shown():
    done = demo("--once")
    assert re.findall(r"AUTH=(\S+)", done.stdout) == ["demo:********"] * 2
    assert "--auth" not in done.stdout


def test_nothing_coloured_is_sent_to_a_file():
    done = demo("--once")
    assert "\033" not in done.stdout + done.stderr


def test_settings_of_other_runs_do_not_matter():
    done = demo("--once", ADIT_LOG="json,error", PORT="1", HOST="nowhere", AUTH="other:one",
                CHISEL_KEY_FILE="/nowhere")
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_page_stays_for_a_browser_until_interrupted():
    with running_demo() as (process, url, _):
        with urllib.request.urlopen(url, timeout=10) as answer:
            page = answer.read().decode()
        assert "<h1>It works.</h1>" in page and "so far: <b>5</b>" in page
        children = children_of(process.pid)
        assert len(children) == 4
        process.send_signal(signal.SIGINT)
        assert last_line(process.stdout.read()) == "demo: ok"
        assert process.wait(20) == 0
        wait_gone(children)


def test_the_name_verifies_for_curl():
    with running_demo() as (process, _, _):
        line = ""
        while "curl --cacert" not in line:
            line = process.stdout.readline()
            assert line
        assert "It works" in subprocess.run(["sh", "-c", line.strip() + " -sS"], text=True, check=True,
                                            stdout=subprocess.PIPE).stdout
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0


def test_every_port_that_is_named_is_explained():
    done = demo("--once")
    wires = dict(re.findall(r"^ +port (\d+) leads to .*, port (\d+)$", done.stdout,
                            re.MULTILINE))
    assert len(wires) == 3
    expose = re.search(r"^\$ adit expose 127.0.0.1:(\d+) .*https://relay.localhost:(\d+) ",
                       done.stdout, re.MULTILINE)
    assert set(expose.groups()) <= set(wires)


def test_children_end_however_the_demo_ends():
    with running_demo() as (process, _, _):
        children = children_of(process.pid)
        process.kill()
        wait_gone(children)


def test_a_child_that_dies_ends_the_demo():
    with running_demo() as (process, _, _):
        children = children_of(process.pid)
        os.kill(children[0], signal.SIGKILL)
        assert last_line(process.stdout.read()) == (
            "demo: failed: the server ended early: killed by SIGKILL")
        assert process.wait(20) == 1
        wait_gone(children)


@pytest.mark.parametrize("version, second", [("HTTP/1.1", "reused"), ("HTTP/1.0", "new")])
def test_a_service_of_one_s_own_is_published(version, second):
    with serving(version) as port:
        done = demo("--once", "--target", f"localhost:{port}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(rf"^ +2 +200 +[\d.]+ ms +100000  {second}$", done.stdout, re.MULTILINE)
    assert last_line(done.stdout) == "demo: ok"


def test_a_service_on_ipv6_is_published():
    if not net.has_ipv6():
        pytest.skip("skipped: no IPv6 loopback")
    with serving("HTTP/1.1", "::1") as port:
        done = demo("--once", "--target", f"[::1]:{port}")
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_dead_target_is_reported_in_one_sentence():
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))
        port = unheard.getsockname()[1]
        done = demo("--once", "--target", f"127.0.0.1:{port}")
    assert done.returncode == 1
    assert last_line(done.stdout) == (
        "demo: failed: the target does not answer: "
        f"dial 127.0.0.1:{port}: Connection refused")
    assert done.stderr == ""


def test_a_target_that_speaks_something_else_is_a_failure():
    def greet(listener):
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                client.sendall(b"SSH-2.0-test\r\n")
                client.close()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=greet, args=(listener,), daemon=True).start()
        done = demo("--once", "--target", f"127.0.0.1:{listener.getsockname()[1]}")
        listener.shutdown(socket.SHUT_RDWR)
    assert done.returncode == 1
    assert last_line(done.stdout).startswith("demo: failed: no answer through the tunnel: ")


@pytest.mark.parametrize("words", [["--target", "nonsense"], ["--target", "host:0"],
                                   ["--target", ":80"], ["--target", "host:http"], ["page"]])
def test_what_makes_no_sense_is_refused(words):
    done = demo(*words)
    assert done.returncode == 2
    assert done.stdout == "" and done.stderr.startswith("adit demo: ")
