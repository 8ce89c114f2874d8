"""
What every story needs: programs to run, a world to run them in, and an honest end.

    /usr/bin/python3 -m pytest tests/scenario            the quick stories
    /usr/bin/python3 -m pytest tests/scenario --slow     the long ones too
    ... -m tsan                                          what ThreadSanitizer should see

ADIT= names the program under test, CHISEL= a stock chisel, PEER= a built Go peer.
"""

import collections
import os
import re
import shutil
import signal
import subprocess
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from lib import leases as lease_ends  # noqa: E402
from lib import net, pki, programs, services  # noqa: E402
from lib.process import SANITIZER_ENV, Process  # noqa: E402


def pytest_addoption(parser):
    parser.addoption("--slow", action="store_true", help="run the long stories too")


def end_in_order(number, frame):
    """SIGTERM ends the run as Ctrl-C does: whatever was started is ended too."""
    raise KeyboardInterrupt


def pytest_configure(config):
    signal.signal(signal.SIGTERM, end_in_order)
    config.addinivalue_line("markers", "slow: takes long; run with --slow")
    config.addinivalue_line("markers", "tsan: worth running under ThreadSanitizer")


def pytest_collection_modifyitems(config, items):
    if config.getoption("--slow"):
        return
    skip = pytest.mark.skip(reason="slow: run with --slow")
    for item in items:
        if "slow" in item.keywords:
            item.add_marker(skip)


def pytest_terminal_summary(terminalreporter):
    """Says what was not tried, and why: each reason once."""
    reasons = collections.Counter()
    for report in terminalreporter.stats.get("skipped", []):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else "skipped"
        reasons[reason.removeprefix("Skipped: ").removeprefix("skipped: ")] += 1
    for reason, count in reasons.most_common():
        terminalreporter.write_line(f"skipped {count}: {reason}")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """Shows every program's log beside a failure."""
    outcome = yield
    report = outcome.get_result()
    world = getattr(item, "_world", None)
    if report.failed and world is not None:
        for process in world.processes:
            report.sections.append((f"log of {process.name}: {' '.join(process.argv)}",
                                    process.log[-8000:]))


class Finder:
    """Looks each program up once per run; asking for a missing one skips the test."""

    def __init__(self, directory):
        self.directory = directory
        self.found = {}

    def _find(self, name):
        if name == "adit":
            return programs.find_adit()
        if name == "stock":
            return programs.find_stock()
        if name.startswith("lease-"):
            return lease_ends.find(name.removeprefix("lease-"), self.directory)
        path = self.found.get("peer-path")
        if path is None:
            path = self.found["peer-path"] = programs.build_peer(self.directory)
        if name == "peer":
            return programs.Program("peer", [path])
        return programs.Program("peer12", [path], half_close=True, flags=["--half-close"])

    def __call__(self, name):
        if name not in self.found:
            try:
                self.found[name] = self._find(name)
            except programs.Missing as missing:
                self.found[name] = missing
        if isinstance(self.found[name], programs.Missing):
            pytest.skip(str(self.found[name]))
        return self.found[name]


@pytest.fixture(scope="session")
def program(tmp_path_factory):
    return Finder(str(tmp_path_factory.mktemp("programs")))


@pytest.fixture
def adit(program):
    return program("adit")


@pytest.fixture
def peer(program):
    return program("peer")


PAIRS = [("adit", "adit"), ("adit", "peer"), ("peer", "adit"), ("adit", "stock"),
         ("stock", "adit")]


@pytest.fixture(params=PAIRS, ids=[f"{s}-serves-{c}" for s, c in PAIRS])
def pair(request, program):
    """(server program, client program), adit being one of them at least."""
    server, client = request.param
    return program(server), program(client)


@pytest.fixture(params=["adit", "peer", "stock"])
def any_client(request, program):
    return program(request.param)


@pytest.fixture(params=["adit", "peer", "stock"])
def any_server(request, program):
    return program(request.param)


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    return pki.Authority(str(tmp_path_factory.mktemp("pki")))


@pytest.fixture(scope="session")
def certificate(authority):
    """(certificate, key) for localhost and 127.0.0.1."""
    return authority.issue("localhost")


def need(tool):
    path = shutil.which(tool, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if not path:
        pytest.skip(f"skipped: no {tool}")
    return path


class World:
    """Starts things for one test and ends them after it."""

    def __init__(self, directory):
        self.directory = directory
        self.processes = []
        self.closers = []

    def path(self, name):
        return os.path.join(self.directory, name)

    def write(self, name, text):
        with open(self.path(name), "w") as f:
            f.write(text)
        return self.path(name)

    def keep(self, closer):
        self.closers.append(closer)
        return closer

    def run(self, name, argv, **options):
        """Starts any program; its log is called after name."""
        names = [p.name for p in self.processes]
        unique, n = name, 2
        while unique in names:
            unique, n = f"{name}-{n}", n + 1
        process = Process(unique, argv, self.directory, **options)
        self.processes.append(process)
        return process

    def _start(self, program, role, args, env, prefix, **options):
        full = dict(SANITIZER_ENV if program.is_ours else {})
        full.update(env or {})
        argv = [*prefix, *program.command(role, *args)]
        process = self.run(f"{role}-{program.name}", argv, env=full, **options)
        process.graceful = program.is_ours
        return process

    def server(self, program, *flags, port=None, host="127.0.0.1", env=None, prefix=(),
               wait=True, **options):
        """A server that listens; .port says where."""
        port = port or net.free_port()
        args = ["--host", host, "--port", port, *flags]
        process = self._start(program, "server", args, env, prefix, **options)
        process.port = port
        process.url = f"http://127.0.0.1:{port}"
        if wait:
            net.wait_listening(port, process)
        return process

    def client(self, program, server, *remotes, flags=(), env=None, prefix=(), wait=True,
               **options):
        """A client of a server process or URL; waits until it is connected."""
        url = server if isinstance(server, str) else server.url
        process = self._start(program, "client", [*flags, url, *remotes], env, prefix,
                              **options)
        if wait:
            process.wait_log(r"\bConnected\b")
        return process

    def call(self, argv, env=None, text=None, seconds=30):
        """Runs a program to its end."""
        full = dict(os.environ)
        full.update(SANITIZER_ENV)
        full.update(env or {})
        return subprocess.run([str(a) for a in argv], env=full, input=text, text=True,
                              cwd=self.directory, timeout=seconds, check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def serve(self, handle=net.echo, **options):
        return self.keep(net.Server(handle, **options))

    def udp(self, *args, **options):
        return self.keep(net.Udp(*args, **options))

    def nginx(self, backend, certificate):
        """nginx with the contract's location block, TLS in front; .port says where."""
        listen = net.free_port()
        config = services.nginx_config(self.directory, listen, backend, *certificate)
        process = self.run("nginx", [need("nginx"), "-c", config, "-p", self.directory])
        process.port = listen
        net.wait_listening(listen, process)
        return process

    def static_nginx(self, listen):
        """nginx that serves the world's files, compressed if that is wanted."""
        config = services.static_config(self.directory, listen)
        process = self.run("nginx", [need("nginx"), "-c", config, "-p", self.directory])
        net.wait_listening(listen, process)
        return process

    def tinyproxy(self, user=None, password=None):
        port = net.free_port()
        config = services.tinyproxy_config(self.directory, port, user, password)
        process = self.run("tinyproxy", [need("tinyproxy"), "-d", "-c", config])
        process.port = port
        net.wait_listening(port, process)
        return process

    def microsocks(self, user=None, password=None):
        port = net.free_port()
        login = ["-u", user, "-P", password] if user else []
        process = self.run("microsocks",
                           [need("microsocks"), "-i", "127.0.0.1", "-p", port, *login])
        process.port = port
        net.wait_listening(port, process)
        return process

    def curl(self, *args, seconds=20):
        done = self.call([need("curl"), "-sS", "--max-time", seconds, *args],
                         seconds=seconds + 5)
        assert done.returncode == 0, f"curl {args}: {done.stderr}"
        return done.stdout

    def end(self):
        """Ends everything; gives what there is to complain of."""
        for closer in reversed(self.closers):
            closer.close()
        complaints = []
        for process in reversed(self.processes):
            if process.graceful:
                complaints.append(process.stop())
            else:
                if process.is_running():
                    process.signal(signal.SIGCONT)
                    process.kill()
                complaints.append(process.complaint())
        return [c for c in complaints if c]


@pytest.fixture(autouse=True)
def patience(request):
    """A story that hangs fails, and says where it hung."""
    seconds = 900 if request.config.getoption("--slow") else 120

    def give_up(number, frame):
        raise TimeoutError(f"the story took longer than {seconds} s")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(seconds)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture
def tmp_path(request, tmp_path_factory):
    """Paths of Unix sockets have 107 bytes at most, so it is shorter than pytest's own."""
    return tmp_path_factory.mktemp(re.sub(r"\W", "_", request.node.name)[5:20])


@pytest.fixture
def world(request, tmp_path):
    w = World(str(tmp_path))
    request.node._world = w
    yield w
    complaints = w.end()
    if complaints:
        pytest.fail("; ".join(complaints), pytrace=False)


@pytest.fixture
def leases(world, program, authority):
    return lease_ends.Leases(world, program, authority)


@pytest.fixture(params=lease_ends.PAIRS, ids=[f"{r}-relay-{c}" for r, c in lease_ends.PAIRS])
def lease_pair(request):
    """(kind of the relay, kind of the client)."""
    return request.param
