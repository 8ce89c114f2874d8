"""The paths of a visitor with TLS to a service behind a relay, on loopback."""
import os
import resource
import shutil
import socket
import ssl
import subprocess
import sys

import paths
from paths import ROOT, Path, Tools, wait_listening
from procs import Broken, free_port

HOST = "relay.localhost"
NAME = f"bench.{HOST}"

HAPROXY_SNI = """
global
    maxconn 8000
    nbthread 1
defaults
    mode tcp
    timeout connect 5s
    timeout client 10m
    timeout server 10m
frontend visitors
    bind 127.0.0.1:{port} backlog 4096
    tcp-request inspect-delay 2s
    tcp-request content accept if {{ req_ssl_hello_type 1 }}
    use_backend tunnel if {{ req_ssl_sni -i {name} }}
backend tunnel
    server next 127.0.0.1:{next}
"""

# The second hop is where TLS ends, as it does in a lease's client.
HAPROXY_TLS = """
global
    maxconn 8000
    nbthread 1
    tune.ssl.default-dh-param 2048
defaults
    mode tcp
    timeout connect 5s
    timeout client 10m
    timeout server 10m
listen hop
    bind 127.0.0.1:{port} backlog 4096 ssl crt {pem} alpn http/1.1
    server next 127.0.0.1:{next}
"""


class LeaseTools(Tools):
    def __init__(self, args, workdir):
        super().__init__(args, workdir)
        self.portal = os.environ.get("PORTAL") or shutil.which("portal")
        self.relay_server = os.environ.get("RELAY_SERVER") or shutil.which("relay-server")
        self.portal_peer = os.environ.get("PORTAL_PEER") or self.build_peer(workdir, "portal")
        self.leases = self.adit if self.adit and self.can(self.adit) else None
        self.certificate = self.make_certificate(workdir)

    @staticmethod
    def can(adit):
        return all(subprocess.run([adit, *words, "--help"], capture_output=True,
                                  check=False).returncode == 0
                   for words in (["relay", "run"], ["expose"]))

    @staticmethod
    def make_certificate(workdir):
        cert, key = (os.path.join(workdir, name) for name in ("cert.pem", "key.pem"))
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", cert,
                        "-days", "2", "-subj", f"/CN={HOST}", "-addext",
                        f"subjectAltName=DNS:{HOST},DNS:*.{HOST}"],
                       check=True, capture_output=True)
        with open(os.path.join(workdir, "both.pem"), "w") as out:
            for name in (cert, key):
                with open(name) as f:
                    out.write(f.read())
        return cert, key


class Running(paths.Running):
    """Visitors ask for a name."""

    relay = None  # (API's port, SNI port) when there is one
    load_options = {"n": NAME}

    def echoes(self):
        context = ssl._create_unverified_context()  # pylint: disable=protected-access
        try:
            with socket.create_connection(("127.0.0.1", self.port), 2) as s:
                with context.wrap_socket(s, server_hostname=NAME) as tls:
                    tls.sendall(b"E")
                    return tls.recv(1) == b"E"
        except OSError:
            return False


def start_haproxy(run, tools):
    inner, outer = free_port(), free_port()
    pem = os.path.join(os.path.dirname(tools.certificate[0]), "both.pem")
    for group, port, text in ((run.client, inner, HAPROXY_TLS), (run.server, outer, HAPROXY_SNI)):
        config = os.path.join(run.dir, f"{port}.cfg")
        with open(config, "w") as f:
            f.write(text.format(port=port, next=inner if port == outer else run.target, pem=pem,
                                name=NAME))
        group.start([tools.haproxy, "-db", "-f", config], run.log())
    return outer


def names_for(run, tool):
    """What to start a client with: a stock one is in Go and resolves nothing below localhost."""
    if tool != "portal":
        return []
    sys.path.insert(0, os.path.join(ROOT, "tests/scenario"))
    from lib import hosts  # pylint: disable=import-outside-toplevel
    if hosts.why_not():
        raise Broken(hosts.why_not())
    return hosts.prefix(os.path.join(run.dir, "hosts"), [HOST])


def lease(relay, client):
    """relay and client are words to begin a command with, and the tools that they need."""

    def start(run, tools):
        api, sni = free_port(), free_port()
        state = os.path.join(run.dir, "state")
        os.makedirs(state)
        for source, name in zip(tools.certificate, ("fullchain.pem", "privatekey.pem")):
            shutil.copy(source, os.path.join(state, name))
            os.chmod(os.path.join(state, name), 0o600)
        url = f"https://{HOST}:{sni}"
        tool, *words = relay
        run.server.start([getattr(tools, tool), *words, "--portal-url", url, "--api-port",
                          str(api), "--sni-port", str(sni), "--identity-path", state], run.log())
        wait_listening(run.server, sni)
        run.relay = (api, sni)
        tool, *words = client
        run.client.start([*names_for(run, tool), getattr(tools, tool), *words, "--relays", url,
                          "--discovery=false", "--name", "bench", "--identity-path",
                          os.path.join(run.dir, "id.json"), f"127.0.0.1:{run.target}"],
                         run.log())
        return sni

    return start


class Holder:
    """A process that holds leases, each with two idle sessions, until it is closed."""

    def __init__(self, url, first, last):
        self.process = subprocess.Popen(
            [sys.executable, os.path.abspath(__file__), url, str(first), str(last)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if self.process.stdout.readline().strip() != "ready":
            self.close()
            raise Broken("the idle leases were not all registered")

    def close(self):
        self.process.communicate()


def register_many(run, first, last):
    return Holder(f"https://{HOST}:{run.relay[0]}", first, last)


def hold(url, first, last):
    """Registers one lease after the other: cheap, and as scripted as can be."""
    sys.path.insert(0, os.path.join(ROOT, "tests/scenario"))
    from lib.portal_client import Client  # pylint: disable=import-outside-toplevel
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    kept = []
    for i in range(first, last):
        client = Client(url, name=f"idle-{i}")
        client.register(ttl=600)
        kept.append([client.session().stream.lower for _ in range(2)])
    print("ready", flush=True)
    sys.stdin.read()


ADIT = (("leases", "relay", "run", "--host", "127.0.0.1"), ("leases", "expose"))
PEER = (("portal_peer", "relay"), ("portal_peer", "expose"))
STOCK = (("relay_server", "serve"), ("portal", "expose"))

PATHS = [
    Path("haproxy-sni", "HAProxy by SNI, then HAProxy where TLS ends, a thread each",
         ["haproxy"], start_haproxy),
    Path("portal", "stock relay-server and portal", ["relay_server", "portal"],
         lease(STOCK[0], STOCK[1])),
    Path("portal-peer", "go peer at both ends: stock's timings, not stock", ["portal_peer"],
         lease(PEER[0], PEER[1])),
    Path("lease", "adit relay, adit expose", ["leases"], lease(ADIT[0], ADIT[1])),
    Path("lease/portal-peer", "adit relay, go peer client", ["leases", "portal_peer"],
         lease(ADIT[0], PEER[1])),
    Path("portal-peer/lease", "go peer relay, adit expose", ["leases", "portal_peer"],
         lease(PEER[0], ADIT[1])),
    Path("lease/portal", "adit relay, stock portal", ["leases", "portal"],
         lease(ADIT[0], STOCK[1])),
    Path("portal/lease", "stock relay-server, adit expose", ["leases", "relay_server"],
         lease(STOCK[0], ADIT[1])),
]

if __name__ == "__main__":
    hold(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
