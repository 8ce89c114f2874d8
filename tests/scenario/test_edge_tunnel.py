"""Tunnels of one agent: how they come, change and go, and what visitors see of that."""

import asyncio
import json
import re
import ssl
import threading
import time

import pytest

from lib import edge, net, pypeer
from lib.edge import DOMAIN, MIB, Download


@pytest.fixture
def home(leases):
    return edge.Home(leases)


def test_a_name_and_a_port_are_live_at_once(home):
    panel = home.panel
    began = time.monotonic()
    panel.command("tunnel", "add", "app", home.app.port, "--agent", "home", "--access", "public")
    added = time.monotonic()
    out = panel.world.path("body")
    shown = panel.curl("app", f"/bytes/{3 * MIB}", "-o", out, "-w", "%{http_code} %{time_total}")
    served = time.monotonic()
    assert shown.split()[0] == "200"
    with open(out, "rb") as f:
        assert f.read() == b"".join(edge.pattern(3 * MIB))
    print(f"add {added - began:.3f} s, then {shown.split()[1]} s for curl's first request")
    assert served - added < 5
    assert panel.status() == 200


def test_the_app_learns_who_asks_and_no_forged_header_arrives(home):
    home.panel.tunnel("app", home.app.port)
    forged = {"X-Forwarded-For": "1.2.3.4", "X-Forwarded-Proto": "http", "X-Real-IP": "1.2.3.4",
              "X-Forwarded-Host": "evil.test", "Forwarded": "for=1.2.3.4;host=evil.test",
              "X_Forwarded_For": "1.2.3.4", "X-Forwarded-Port": "1", "Remote-User": "root",
              "Remote-Groups": "admin", "Remote-Name": "Root", "Remote-Email": "root@evil.test",
              "Remote_User": "root", "X-Other": "stays"}
    status, headers, body = home.panel.ask(path="/echo?q=1", headers=forged)
    assert status == 200
    lines = [line.split(": ", 1) for line in json.loads(body)["lines"]]
    got = {}
    for name, value in lines:
        got.setdefault(name.lower().replace("_", "-"), []).append(value)
    host = f"app.{DOMAIN}:{home.panel.port}"
    assert got["host"] == [host] and got["x-forwarded-host"] == [host]
    assert got["x-forwarded-for"] == got["x-real-ip"] == ["127.0.0.1"]
    assert got["x-forwarded-proto"] == ["https"]
    assert got["forwarded"] == [f'for=127.0.0.1;host="{host}";proto=https']
    assert got["x-other"] == ["stays"]
    assert got["x-request-id"] == [headers["X-Request-Id"]]
    assert not [name for name in got if name.startswith("remote-")]
    assert "1.2.3.4" not in str(lines) and "evil.test" not in str(lines)


def test_three_tunnels_share_one_connection_and_do_not_mix(home):
    panel, world = home.panel, home.panel.world
    apps = {name: world.keep(edge.App(name)) for name in ("one", "two", "three")}
    for name, app in apps.items():
        panel.tunnel(name, app.port)
    size = 64 * MIB
    slow = Download(panel, "one", f"/bytes/{size}", pause=0.001)
    big = Download(panel, "two", f"/bytes/{size + 1}")
    assert slow.begun.wait(20) and big.begun.wait(20)
    took, small = [], panel.client("three")
    while big.is_alive() or len(took) < 20:
        began = time.monotonic()
        small.request("GET", f"/echo/{len(took)}")
        answer = json.loads(small.getresponse().read())
        took.append(time.monotonic() - began)
        assert answer["path"] == f"/echo/{len(took) - 1}"
        assert f"Host: three.{DOMAIN}:{panel.port}" in answer["lines"]
    assert edge.connections_of(home.agent.process.pid, panel.port) == 1
    assert big.result() == (size + 1, edge.pattern_hash(size + 1))
    assert slow.result() == (size, edge.pattern_hash(size))
    took.sort()
    print(f"{len(took)} small requests beside them: median {took[len(took) // 2]:.4f} s, "
          f"longest {took[-1]:.4f} s")
    assert took[len(took) // 2] < 2
    for name in apps:
        assert panel.ask(name)[2] == name.encode()


class Guarded(threading.Thread):
    """A thread whose failure is its result's."""

    def __init__(self, what):
        super().__init__(daemon=True)
        self.what, self.error = what, None
        self.start()

    def run(self):
        try:
            self.what()
        except Exception as e:  # pylint: disable=broad-except
            self.error = e

    def result(self):
        self.join(40)
        assert self.error is None, repr(self.error)


class Talk(threading.Thread):
    """A WebSocket through a tunnel that says and hears numbers until it is told to stop."""

    def __init__(self, panel, name):
        super().__init__(daemon=True)
        self.panel, self.name_ = panel, name
        self.count, self.error, self.ends = 0, None, False
        self.start()

    async def _talk(self):
        context = ssl.create_default_context(cafile=self.panel.ca)
        async with pypeer.websockets.connect(
                f"wss://{self.name_}.{DOMAIN}:{self.panel.port}/", host="127.0.0.1",
                server_hostname=f"{self.name_}.{DOMAIN}", port=self.panel.port, ssl=context,
                ping_interval=None) as ws:
            while not self.ends:
                said = f"{self.count} " + "x" * (self.count % 5000)
                await ws.send(said)
                heard = await asyncio.wait_for(ws.recv(), 30)
                assert heard == said
                self.count += 1

    def run(self):
        try:
            asyncio.run(self._talk())
        except Exception as e:  # pylint: disable=broad-except
            self.error = e

    def wait_more(self):
        before = self.count
        net.wait_until(lambda: self.count > before or self.error, 20, message="the WebSocket")
        assert self.error is None, repr(self.error)

    def stop(self):
        self.ends = True
        self.join(40)
        assert self.error is None, repr(self.error)
        return self.count


@pytest.fixture
def echo_socket(world):
    """The port of a WebSocket server that says everything back."""
    loop = world.keep(pypeer.Loop())

    async def serve():
        async def echo(ws, *_):
            async for message in ws:
                await ws.send(message)
        return await pypeer.websockets.serve(echo, "127.0.0.1", 0, max_size=None,
                                             ping_interval=None)

    return loop.run(serve()).sockets[0].getsockname()[1]


def test_changes_of_one_tunnel_lose_no_byte_of_another(home, echo_socket):
    panel, world, size = home.panel, home.panel.world, 96 * MIB
    other, third = world.keep(edge.App("other")), world.keep(edge.App("third"))
    panel.tunnel("app", home.app.port)
    panel.tunnel("talk", echo_socket)
    talk = Talk(panel, "talk")
    download = Download(panel, "app", f"/slow/{size}")
    assert download.begun.wait(20)
    talk.wait_more()
    rounds = 0
    for rounds in range(1, 6):
        id = panel.tunnel("other", other.port)
        assert panel.ask("other")[2] == b"other"
        panel.do("PATCH", f"/tunnels/{id}", {"port": third.port})
        assert panel.ask("other")[2] == b"third"
        panel.do("PATCH", f"/tunnels/{id}", {"enabled": False})
        assert panel.status("other") == 503
        panel.do("PATCH", f"/tunnels/{id}", {"enabled": True, "accessMode": "restricted"})
        assert panel.status("other") == 503
        panel.do("PATCH", f"/tunnels/{id}", {"accessMode": "public"})
        assert panel.status("other") == 200
        panel.do("DELETE", f"/tunnels/{id}")
        assert panel.status("other") == 0
    assert download.is_alive()
    talk.wait_more()
    home.app.go()
    assert download.result() == (size, edge.pattern_hash(size))
    print(f"{rounds} rounds of changes, {talk.stop()} messages")
    assert edge.connections_of(home.agent.process.pid, panel.port) == 1
    assert len(re.findall(r"\bConnected\b", home.agent.process.log)) == 1


def test_a_tunnel_that_changes_is_never_away(home):
    """The new route takes the place of the old one: there is no moment without a route."""
    panel, world = home.panel, home.panel.world
    other = world.keep(edge.App("other"))
    id = panel.tunnel("app", home.app.port)
    ends, seen = threading.Event(), []

    def visit():
        while not ends.is_set():
            seen.append(panel.ask()[2])

    def visit_on():
        client = panel.client()
        while not ends.is_set():
            client.request("GET", "/")
            seen.append(client.getresponse().read())

    visitors = [Guarded(visit), Guarded(visit), Guarded(visit_on)]
    changes = 0
    while (changes < 40 or len(seen) < 100) and all(v.is_alive() for v in visitors):
        panel.do("PATCH", f"/tunnels/{id}", {"port": (other, home.app)[changes % 2].port})
        changes += 1
    ends.set()
    for visitor in visitors:
        visitor.result()
    assert set(seen) <= {b"app", b"other"}
    print(f"{len(seen)} requests during {changes} changes")


@pytest.mark.parametrize("change", ["pause", "access", "remove"])
def test_a_right_that_is_taken_cuts_those_who_have_it(home, echo_socket, change):
    panel = home.panel
    id = panel.tunnel("talk", echo_socket)
    talk = Talk(panel, "talk")
    talk.wait_more()
    if change == "remove":
        panel.do("DELETE", f"/tunnels/{id}")
    else:
        panel.do("PATCH", f"/tunnels/{id}",
                 {"enabled": False} if change == "pause" else {"accessMode": "restricted"})
    began = time.monotonic()
    net.wait_until(lambda: talk.error, 5, message="the end of the WebSocket")
    print(f"cut after {time.monotonic() - began:.3f} s")


@pytest.mark.parametrize("access", ["authenticated", "restricted"])
def test_a_tunnel_that_needs_a_sign_in_says_so(home, access):
    panel = home.panel
    panel.tunnel("app", home.app.port, access=access)
    status, headers, body = panel.ask(headers={"Accept": "text/html,*/*;q=0.8"})
    assert status == 503 and headers["Content-Type"].startswith("text/html")
    assert "Sign-in is not available yet" in body.decode()
    status, headers, body = panel.ask(headers={"Accept": "application/json"})
    assert status == 503 and headers["Content-Type"] == "application/json"
    answer = json.loads(body)
    assert answer["error"] == "Sign-in is not available yet."
    assert answer["code"] == "sign_in_not_available"
    assert answer["request_id"] == headers["X-Request-Id"]
    assert home.app.count == 0


def test_names_that_are_not_there_are_refused(home):
    panel = home.panel
    panel.tunnel("app", home.app.port)
    assert "UNRECOGNIZED_NAME" in edge.tls_alert(panel.port, f"nothing.{DOMAIN}").upper()
    assert "UNRECOGNIZED_NAME" in edge.tls_alert(panel.port, "app.example.org").upper()
    panel.tunnel("other", net.free_port())
    for host, status in ((f"other.{DOMAIN}", 421), (f"nothing.{DOMAIN}", 404),
                         (DOMAIN, 421), (f"APP.{DOMAIN}.:{panel.port}", 200)):
        with panel.visit("app") as s:
            edge.say(s, f"GET / HTTP/1.1\nHost: {host}")
            assert (host, edge.hear(s)[0]) == (host, status)
