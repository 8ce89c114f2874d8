"""The paths between a visitor and the service, and how each is set up on loopback."""
import getpass
import json
import os
import shutil
import socket
import subprocess
import tempfile
import time

from procs import Broken, Group, free_port

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

HAPROXY = """
global
    maxconn 8000
    nbthread 1
defaults
    mode tcp
    timeout connect 5s
    timeout client 10m
    timeout server 10m
listen hop
    bind 127.0.0.1:{port} backlog 4096
    server next 127.0.0.1:{next}
"""

SSHD = """
ListenAddress 127.0.0.1:{port}
HostKey {dir}/host
AuthorizedKeysFile {dir}/user.pub
StrictModes no
UsePAM no
PidFile none
"""


class Tools:
    """The programs under test. What is absent is None, and its paths are left out."""

    def __init__(self, args, workdir):
        self.load = os.path.join(args.build, "bench/load")
        self.adit = args.adit or os.environ.get("ADIT") or self.built_adit(args.build)
        self.haproxy = self.which("haproxy")
        self.sshd = self.which("sshd")
        self.chisel = os.environ.get("CHISEL") or shutil.which("chisel")
        self.peer = os.environ.get("PEER") or self.build_peer(workdir)

    @staticmethod
    def which(name):
        """Also looks in the directories of daemons, which may not be in PATH."""
        return shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")

    @staticmethod
    def built_adit(build):
        path = os.path.join(build, "src/adit")
        return path if os.path.exists(path) else None

    @staticmethod
    def build_peer(workdir, package="."):
        source = os.path.join(ROOT, "tests/peer")
        go = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin")
        if not go or not os.path.exists(source):
            return None
        out = os.path.join(workdir, "peer" if package == "." else f"{package}-peer")
        done = subprocess.run([go, "build", "-o", out, "./" + package], cwd=source, capture_output=True)
        return out if done.returncode == 0 else None


class Running:
    """A path that is up: where visitors go, and the processes at its ends."""

    load_options = {}  # what its visitors need besides

    def __init__(self, path, tools, workdir):
        self.path = path
        self.dir = tempfile.mkdtemp(dir=workdir)
        self.server, self.client = Group(), Group()
        self.service = subprocess.Popen([tools.load, "serve"], stdout=subprocess.PIPE)
        self.target = json.loads(self.service.stdout.readline())["port"]
        try:
            self.port = path.start(self, tools)
            self.wait_ready()
        except Broken as why:
            self.stop()
            raise Broken(f"{why}: {self.last_words()}") from None
        except BaseException:
            self.stop()
            raise

    def log(self):
        return os.path.join(self.dir, "log")

    def last_words(self):
        try:
            with open(self.log(), errors="replace") as f:
                return (f.read().strip().splitlines() or ["it said nothing"])[-1]
        except FileNotFoundError:
            return "it said nothing"

    def wait_ready(self):
        """An echo has come back through the whole path."""
        until = time.monotonic() + 10
        while not self.echoes():
            self.server.check()
            self.client.check()
            if time.monotonic() > until:
                raise Broken("no echo within 10 s")
            time.sleep(0.05)

    def echoes(self):
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1) as s:
                s.sendall(b"E")
                return s.recv(1) == b"E"
        except OSError:
            return False

    def stop(self):
        self.client.stop()
        self.server.stop()
        self.service.kill()
        self.service.wait()
        self.service.stdout.close()


def start_direct(run, tools):
    return run.target


def start_haproxy(run, tools):
    """One thread each: two of them, the service and the load share the cores as all paths do."""
    inner, outer = free_port(), free_port()
    for group, port, next_port in ((run.client, inner, run.target), (run.server, outer, inner)):
        config = os.path.join(run.dir, f"{port}.cfg")
        with open(config, "w") as f:
            f.write(HAPROXY.format(port=port, next=next_port))
        group.start([tools.haproxy, "-db", "-f", config], run.log())
    return outer


def start_ssh(run, tools):
    port, visitors = free_port(), free_port()
    for key in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f",
                        f"{run.dir}/{key}"], check=True)
    with open(f"{run.dir}/sshd.cfg", "w") as f:
        f.write(SSHD.format(port=port, dir=run.dir))
    if os.geteuid() == 0:
        os.makedirs("/run/sshd", exist_ok=True)  # where it jails itself, when it is root's
    run.server.start([tools.sshd, "-D", "-e", "-f", f"{run.dir}/sshd.cfg"], run.log())
    wait_listening(run.server, port)
    run.client.start(
        ["ssh", "-F", "none", "-N", "-i", f"{run.dir}/user", "-p", str(port),
         "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
         "-o", "BatchMode=yes", "-o", "ExitOnForwardFailure=yes",
         "-R", f"127.0.0.1:{visitors}:127.0.0.1:{run.target}",
         f"{getpass.getuser()}@127.0.0.1"], run.log())
    return visitors


def link(server, client):
    """A reverse remote over Chisel's protocol, whose command line all of these speak."""

    def start(run, tools):
        port, visitors = free_port(), free_port()
        run.server.start([getattr(tools, server), "server", "--reverse", "--host",
                          "127.0.0.1", "--port", str(port)], run.log())
        wait_listening(run.server, port)
        run.client.start([getattr(tools, client), "client", f"http://127.0.0.1:{port}",
                          f"R:127.0.0.1:{visitors}:127.0.0.1:{run.target}"], run.log())
        return visitors

    return start


def wait_listening(group, port):
    until = time.monotonic() + 5
    while time.monotonic() < until:
        group.check()
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.02)
    raise Broken(f"no program listens on port {port}")


class Path:
    def __init__(self, name, what, needs, start):
        self.name, self.what, self.needs, self.start = name, what, needs, start

    def missing(self, tools):
        return [need for need in self.needs if not getattr(tools, need)]


PATHS = [
    Path("direct", "no tunnel at all", [], start_direct),
    Path("haproxy", "HAProxy in TCP mode, twice in a row, a thread each", ["haproxy"],
         start_haproxy),
    Path("ssh", "ssh -R through a private sshd", ["sshd"], start_ssh),
    Path("chisel", "stock chisel at both ends", ["chisel"], link("chisel", "chisel")),
    Path("peer", "go peer at both ends: same libraries as chisel, not chisel", ["peer"],
         link("peer", "peer")),
    Path("adit", "adit at both ends", ["adit"], link("adit", "adit")),
    Path("adit/chisel", "adit server, stock chisel client", ["adit", "chisel"],
         link("adit", "chisel")),
    Path("chisel/adit", "stock chisel server, adit client", ["adit", "chisel"],
         link("chisel", "adit")),
    Path("adit/peer", "adit server, go peer client", ["adit", "peer"], link("adit", "peer")),
    Path("peer/adit", "go peer server, adit client", ["adit", "peer"], link("peer", "adit")),
]
