"""Agents for a story: a config, the program that runs it, and its control API."""

import http.client
import json
import os
import urllib.parse

import pytest

from . import hosts, net
from .leases import ROOT, find
from .process import SANITIZER_ENV
from .programs import Missing, adit_path


def text(value):
    """A value as TOML: JSON's strings and lists are TOML's, too."""
    return json.dumps(value)


def tunnel(id, relay, target=None, **fields):
    """The text of a [[tunnels]] with a relay, several, or none."""
    relays = relay if isinstance(relay, list) else [relay] if relay else []
    pairs = {"id": id, "discovery": False, "relays": [getattr(r, "url", r) for r in relays]}
    if target is not None:
        pairs["target"] = f"127.0.0.1:{target}" if isinstance(target, int) else target
    pairs.update(fields)
    return "[[tunnels]]\n" + "".join(f"{k} = {text(v)}\n" for k, v in pairs.items()) + "\n"


class Agent:
    """One config and state directory, and the agent that runs with them."""

    def __init__(self, world, kind, config, name="agent", **agent):
        self.world, self.kind = world, kind
        self.config = world.path(f"{name}.toml")
        self.state = world.path(f"{name}-state")
        pairs = {"control_addr": "127.0.0.1:0", "state_dir": self.state, **agent}
        self.head = "[agent]\n" + "".join(f"{k} = {text(v)}\n" for k, v in pairs.items())
        self.write(config)
        self.process = None
        self.name = name

    def write(self, config):
        """Replaces the file, with the same [agent]."""
        with open(self.config + ".new", "w") as f:
            f.write(self.head + "\n" + config)
        os.rename(self.config + ".new", self.config)

    def read(self):
        with open(self.config) as f:
            return f.read()

    def argv(self, *words):
        path = adit_path()
        if self.kind == "stock":
            try:
                path = find("stock", None).argv[0]
            except Missing as missing:
                pytest.skip(str(missing))
        if self.kind == "portal":
            path = self.world.path("portal")
            if not os.path.lexists(path):
                os.symlink(adit_path(), path)
        return [path, "agent", *words]

    def start(self, *flags, env=None, wait=True):
        prefix = []
        if self.kind == "stock":
            prefix = hosts.prefix(self.world.path("agent-hosts"), [ROOT])
        argv = [*prefix, *self.argv("run", "--foreground", "--config", self.config, *flags)]
        self.process = self.world.run(f"{self.name}-{self.kind}", argv,
                                      env={**SANITIZER_ENV, **(env or {})})
        self.process.graceful = self.kind != "stock"
        if wait:
            net.wait_until(self.answers, 15, message="the agent's control API")
        return self

    def call(self, *words, **options):
        """A command that finds this agent by its config."""
        return self.world.call(self.argv(*words, "--config", self.config), **options)

    # The control API.

    def endpoint(self):
        with open(os.path.join(self.state, "agent-endpoint.json")) as f:
            return json.load(f)

    def answers(self):
        assert self.process.is_running(), "the agent ended"
        try:
            return self.ask("GET", "status")[0] == 200
        except OSError:
            return False

    def raw(self, method, path, body=None, headers=None, token=True):
        """(status, headers, text) of a request with exactly that path."""
        endpoint = self.endpoint()
        connection = http.client.HTTPConnection(endpoint["control_addr"], timeout=10)
        full = {"Authorization": "Bearer " + endpoint["token"]} if token else {}
        full.update(headers or {})
        try:
            connection.request(method, path, body, full)
            response = connection.getresponse()
            return response.status, response.headers, response.read().decode()
        finally:
            connection.close()

    def ask(self, method, path, body=None, **options):
        """(status, the envelope) of a request below /v1/agent/."""
        sent = body if body is None or isinstance(body, str) else json.dumps(body)
        status, _, answer = self.raw(method, "/v1/agent/" + path, sent, **options)
        return status, json.loads(answer)

    def do(self, method, path, body=None):
        status, answer = self.ask(method, path, body)
        assert (status, answer) == (202, {"data": {"accepted": True}, "ok": True}), answer

    def status(self):
        status, answer = self.ask("GET", "status")
        assert status == 200 and answer["ok"], answer
        return answer["data"]

    def tunnel(self, id):
        found = [t for t in self.status().get("tunnels", []) if t["id"] == id]
        return found[0] if found else None

    def path_of(self, id, *more):
        return "/".join(["tunnels", urllib.parse.quote(id, safe=""), *more])

    def wait_state(self, id, state="running", seconds=15.0):
        net.wait_until(lambda: (self.tunnel(id) or {}).get("state") == state, seconds,
                       every=0.05, message=f"tunnel {id} being {state}: {self.tunnel(id)}")
        return self.tunnel(id)

    def wait_all_running(self, count, seconds=60.0):
        """Until so many tunnels are running, and no other."""
        def states():
            return [t["state"] for t in self.status().get("tunnels", [])]
        net.wait_until(lambda: states() == ["running"] * count, seconds, every=0.2,
                       message=f"{count} tunnels running")

    def identity(self, *path):
        with open(os.path.join(self.state, *path, "identity.json")) as f:
            return json.load(f)
