"""Relays and clients of leases, whichever program is which, for a story to use."""

import json
import os
import shutil
import signal
import subprocess

from . import hosts, net, portal_relay
from . import portal_visitor as visitor
from .portal_client import Client
from .process import SANITIZER_ENV
from .programs import Missing, Program, adit_path, build_peer, find_adit

ROOT = "relay.localhost"

PAIRS = [("adit", "adit"), ("adit", "peer"), ("adit", "python"), ("peer", "adit"),
         ("python", "adit"), ("python", "peer"), ("peer", "python"), ("adit", "stock"),
         ("stock", "adit")]


def find(name, directory):
    """The program that stands at an end of a lease."""
    if name.startswith("adit"):
        found = find_adit()
        words = ["relay", "run"] if name == "adit-relay" else ["expose"]
        done = subprocess.run([found.argv[0], *words, "--help"], check=False,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if done.returncode != 0:
            raise Missing(f"skipped: this adit has no {words[0]}")
        return found
    if name == "peer":
        return Program("portal-peer", [os.environ.get("PORTAL_PEER")
                                       or build_peer(directory, "portal")])
    variable, usual = {"stock": ("PORTAL", "portal"),
                       "stock-relay": ("RELAY_SERVER", "relay-server")}[name]
    path = os.environ.get(variable) or shutil.which(usual)
    if not path or os.path.realpath(path) == os.path.realpath(adit_path()):
        raise Missing(f"skipped: no stock {usual} (set {variable}=...)")
    if name == "stock" and hosts.why_not():
        raise Missing(hosts.why_not())
    return Program(usual, [path])


class RelayEnd:
    """A relay that runs. process is None when it is the scripted one: then script is it."""

    def __init__(self, kind, root, api_port, sni_port):
        self.kind, self.root = kind, root
        self.api_port, self.sni_port = api_port, sni_port
        self.url = f"https://{root}:{sni_port}"
        self.api_url = f"https://{root}:{api_port}"
        self.process = self.script = self.state = self.again = None
        self.ca = None  # the file whose certificate vouches for the relay's

    def ask(self, path):
        return Client(self.api_url).ask("GET", path)

    def is_alive(self, hostname):
        """Whether the tunnel has a session ready, as the relay says."""
        try:
            data = self.ask("/tunnel/status?hostname=" + hostname).data
        except (OSError, EOFError):
            return False
        return bool(data and data["service_alive"])

    def kill(self):
        if self.script:
            self.script.forget()
        else:
            self.process.kill()

    def restart(self):
        """kill -9, and another in its place."""
        self.kill()
        if self.process:
            self.process = self.again()


class Leases:
    """Starts both ends for one story."""

    def __init__(self, world, program, authority):
        self.world, self.program, self.authority = world, program, authority
        self.ca = authority.cert
        self.count = 0

    def certificate(self, root=ROOT):
        return portal_relay.lease_certificate(self.authority, root)

    def relay(self, kind="adit", *flags, root=ROOT, tcp=False, certificate=None, state=None,
              url_port="sni", prefix=(), host="127.0.0.1", env=None, ports=None):
        certificate = certificate or self.certificate(root)
        if kind in ("python", "python-as-stock"):
            script = self.world.keep(portal_relay.Relay(certificate, root))
            script.carries_ends = kind == "python"
            end = RelayEnd(kind, root, script.api.port, script.sni.port)
            end.script, end.ca = script, self.ca
            return end
        self.count += 1
        end = RelayEnd(kind, root, *(ports or (net.free_port(), net.free_port())))
        end.state = state or self.world.path(f"relay-state-{self.count}")
        portal_relay.write_state(end.state, certificate)
        # A stock relay whose name is a local one replaces what it finds by one of its own.
        end.ca = f"{end.state}/fullchain.pem" if kind == "stock" else self.ca
        port = end.sni_port if url_port == "sni" else end.api_port
        args = ["--portal-url", f"https://{root}:{port}", "--identity-path", end.state,
                "--api-port", end.api_port, "--sni-port", end.sni_port, *flags]
        if kind == "adit":
            args += ["--host", host]
        if tcp:
            low = net.free_port(count=51)
            args += ["--tcp-enabled", "--min-port", low, "--max-port", low + 50]
            end.min_port = low
        program = self.program("lease-peer" if kind == "peer" else f"lease-{kind}-relay")
        role = {"adit": ["relay", "run"], "peer": ["relay"], "stock": ["serve"]}[kind]

        def start():
            process = self._start(f"relay-{kind}", [*prefix, *program.argv, *role, *args], env)
            process.graceful = kind == "adit"
            net.wait_listening(end.sni_port, process)
            net.wait_listening(end.api_port, process)
            return process

        end.again = start
        end.process = start()
        return end

    def _start(self, name, argv, env=None):
        return self.world.run(name, argv, env={**SANITIZER_ENV, **(env or {})})

    def expose(self, kind, relay, target, *flags, name="demo", wait=True, prefix=(), tcp=False,
               env=None):
        """A client for one relay or several. target is a port, text, or None (with routes)."""
        relays = relay if isinstance(relay, list) else [relay]
        if kind == "python":
            return self._script(relays[0], target, name, tcp)
        program = self.program("lease-" + kind)
        self.count += 1
        args = ["--relays", ",".join(getattr(r, "url", r) for r in relays),
                "--discovery=false", "--name", name,
                "--identity-path", self.world.path(f"identity-{name}.json"), *flags]
        args += ["--tcp"] if tcp else []
        if target is not None:
            args.append(f"127.0.0.1:{target}" if isinstance(target, int) else target)
        if kind == "stock":
            names = [getattr(r, "root", ROOT) for r in relays]
            prefix = [*prefix, *hosts.prefix(self.world.path(f"hosts-{self.count}"), names)]
        process = self._start(f"expose-{kind}", [*prefix, *program.argv, "expose", *args], env)
        process.graceful = kind == "adit"
        process.hostname = f"{name}.{getattr(relays[0], 'root', ROOT)}"
        if wait:
            for r in relays:
                self.wait_alive(r, f"{name}.{r.root}", process)
        return process

    def _script(self, relay, target, name, tcp):
        client = Client(relay.url, name=name)
        if tcp:
            client.register(tcp_enabled=True)
        else:
            client.register_like_stock()

        def handle(stream):
            with net.connect(target) as inner:
                net.splice(stream, inner)

        self.world.keep(client.serve(handle, self.certificate(relay.root)))
        self.wait_alive(relay, client.hostname)
        return client

    def wait_alive(self, relay, hostname, process=None, seconds=15.0):
        def look():
            assert process is None or process.is_running(), f"{process.name} ended"
            return relay.is_alive(hostname)
        net.wait_until(look, seconds, every=0.05, message=f"{hostname} being served")

    def visit(self, relay, name="demo", **options):
        return visitor.visit(relay.sni_port, f"{name}.{relay.root}", relay.ca, **options)

    def echoes(self, relay, name="demo", text=b"hello", **options):
        return visitor.echoes(relay.sni_port, f"{name}.{relay.root}", relay.ca, text,
                              **options)

    def client(self, relay, name="demo", identity=None):
        """A scripted client that has not asked for anything yet."""
        return Client(relay.url, identity, name)

    def identity_of(self, name="demo"):
        with open(self.world.path(f"identity-{name}.json")) as f:
            return json.load(f)

    @staticmethod
    def end(process):
        process.signal(signal.SIGTERM)
        return process.wait_exit()
