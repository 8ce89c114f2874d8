"""The machine of the contracts: portal.example.com is a relay, and a user has an agent at home."""

import os

from . import net, portal_relay
from . import portal_visitor as visitor
from .fake_systemd import FakeSystemd
from .process import SANITIZER_ENV
from .web import Web

DOCUMENTED = "portal.example.com"


class Home:
    """A user's machine in a network of its own, where portal.example.com is a relay."""

    def __init__(self, world, adit, authority, path):
        self.world, self.path, self.ca = world, path, authority.cert
        for end in (path.home, path.away):
            end.hosts("127.0.0.1 localhost\n::1 localhost\n"
                      f"{path.away_address} {DOCUMENTED} myapp.{DOCUMENTED}\n")
        state = world.path("relay-state")
        portal_relay.write_state(state, portal_relay.lease_certificate(authority, DOCUMENTED))
        relay = world.run("relay", [*path.away.prefix, adit.argv[0], "relay", "run",
                                    "--portal-url", f"https://{DOCUMENTED}",
                                    "--identity-path", state])
        relay.graceful = True
        relay.wait_log("Listening on .* for visitors")
        self.manager = world.keep(Elsewhere(world, path.home, authority.cert))
        os.symlink(adit.argv[0], os.path.join(self.manager.bin, "portal"))
        self.config = os.path.join(self.manager.home, ".config/portal-tunnel/agent/config.toml")
        self.state = os.path.join(self.manager.home, ".local/share/portal-tunnel/agent")
        os.makedirs(os.path.dirname(self.config))

    def write(self, config, path=None):
        with open(path or self.config, "w", encoding="utf-8") as f:
            f.write(config)

    @property
    def env(self):
        return {**SANITIZER_ENV, **self.manager.env}

    def call(self, *words):
        return self.world.call([*self.manager.prefix, "portal", *words], env=self.env)

    def do(self, *words):
        done = self.call(*words)
        assert done.returncode == 0, done.stderr + self.manager.log("portal-agent.service")
        return done.stdout

    def stay(self, *words, cwd=None):
        process = self.world.run("portal", [*self.manager.prefix, "portal", *words], env=self.env,
                                 cwd=cwd)
        process.graceful = True
        return process

    def serve(self, port, name):
        return self.world.keep(Web(lambda r: name + b" " + r.path.encode(),
                                   listener=self.path.home.listen("127.0.0.1", port)))

    def visit(self, request):
        """What https://myapp.portal.example.com answers to a visitor from away."""
        host = f"myapp.{DOCUMENTED}"

        def ask():
            with visitor.visit(443, host, self.ca, host=self.path.away_address) as tls:
                tls.sendall(f"GET {request} HTTP/1.1\r\nHost: {host}\r\n"
                            "Connection: close\r\n\r\n".encode())
                return net.read_all(tls)
        return self.path.away.inside(ask)

    def wait_served(self, request, answer):
        def served():
            try:
                return answer in self.visit(request)
            except OSError:
                return False
        net.wait_until(served, 20, every=0.1, message=f"{request} being served")


class Elsewhere(FakeSystemd):
    """Its programs run in another network."""

    def __init__(self, world, namespace, ca):
        self.namespace, self.ca = namespace, ca
        super().__init__(world)

    @property
    def prefix(self):
        return [*self.namespace.prefix, *super().prefix, "env", f"SSL_CERT_FILE={self.ca}"]
