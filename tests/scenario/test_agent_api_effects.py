"""What actions of the agent's control API do: to the agent, to its config, and at the relays."""

import http.client
import json
import os
import re
import shlex
import socket
import subprocess
import tomllib

import pytest
from conftest import need
from lib import hosts, net
from lib.agents import Agent, tunnel
from lib.leases import find
from lib.portal_visitor import try_echo

KINDS = ["adit", "stock"]
DEAD = "https://relay.localhost:1"  # nothing listens there
V1 = "/v1/agent/"


class Offline(Agent):
    """An agent that no server of names answers: a new tunnel of a stock one looks for relays."""

    def argv(self, *words):
        argv = super().argv(*words)
        if self.kind != "stock" or "run" not in words:
            return argv
        return [*hosts.no_resolver(self.world.path("resolv.conf")), *argv]


@pytest.fixture(params=KINDS)
def kind(request, program):
    if request.param == "stock":
        program("lease-stock")
    return request.param


@pytest.fixture
def relay(leases):
    return leases.relay()


@pytest.fixture
def app(world):
    return world.serve()


@pytest.fixture
def agent(world, kind, relay, app):
    """Of either kind, with the tunnel "web", which the relay serves as myapp."""
    a = Offline(world, kind, tunnel("web", relay, app.port, name="myapp"),).start()
    net.wait_until(lambda: relay.is_alive(f"myapp.{relay.root}"), 15, message="the lease")
    return a


@pytest.fixture
def ours(world, relay, app):
    a = Agent(world, "adit", tunnel("web", relay, app.port, name="myapp")).start()
    a.wait_state("web")
    return a


def relay_of(agent, id, url):
    return next((r for r in agent.tunnel(id).get("relays", []) if r["relay_url"] == url), None)


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost")
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)


def ask_unix(path, method, target):
    connection = UnixConnection(path)
    try:
        connection.request(method, target)
        answer = connection.getresponse()
        return answer.status, json.load(answer)["data"]
    finally:
        connection.close()


# ---- adding and removing ----

def test_a_new_tunnel_is_served_and_in_the_file(agent, relay, app):
    body = json.dumps({"name": "  My  App:2/x ", "target_addr": f"127.0.0.1:{app.port}",
                       "relays": [relay.url], "colour": "red"}) + " and more"
    status, answer = agent.ask("POST", "tunnels", body, headers={"Content-Type": "text/plain"})
    assert (status, answer) == (202, {"data": {"accepted": True}, "ok": True})
    added = agent.tunnel("my-app-2-x")  # the first status after the answer
    assert added["name"] == "My  App:2/x"
    net.wait_until(lambda: try_echo(relay.sni_port, f"my-app-2-x.{relay.root}", relay.ca), 15,
                   message="a visitor")
    web, new = tomllib.loads(agent.read())["tunnels"]
    assert web["id"] == "web" and new["id"] == "my-app-2-x" and new["discovery"] is True
    assert new["target"] == f"127.0.0.1:{app.port}" and new["relays"] == [relay.url]


def test_a_new_tunnel_has_the_usual_target_and_its_id_as_name(agent, relay):
    agent.do("POST", "tunnels", {"id": "Second", "relays": [relay.url]})
    added = agent.tunnel("Second")
    assert added["name"] == "Second" and added["max_active_relays"] == 3
    net.wait_until(lambda: agent.tunnel("Second").get("target_addr") == "127.0.0.1:3000",
                   message="the usual target")


def test_texts_of_a_new_tunnel_are_made_canonical(agent):
    agent.do("POST", "tunnels", {"id": " x ", "target_addr": " 3001 ", "relays": [
        "", " relay.localhost:1/ , https://relay.localhost:2/relay", "https://relay.localhost:1"]})
    agent.do("POST", "tunnels", {"name": "a*b?c", "target_addr": "  ", "relays": [DEAD]})
    x, abc = tomllib.loads(agent.read())["tunnels"][1:]
    assert (x["id"], x["name"], x["target"]) == ("x", "x", "3001")
    assert x["relays"] == ["https://relay.localhost:1", "https://relay.localhost:2"]
    assert (abc["id"], abc["name"], abc["target"]) == ("a-b-c", "a*b?c", "127.0.0.1:3000")


def test_a_second_tunnel_does_not_change_the_address_of_the_first(agent, relay):
    before = agent.tunnel("web")["address"]
    agent.do("POST", "tunnels", {"name": "other", "relays": [relay.url]})
    assert agent.tunnel("web")["address"] == before
    net.wait_until(lambda: agent.tunnel("other").get("address") not in (None, before),
                   message="another address")


def test_a_removed_tunnel_ends_at_once_and_keeps_its_identity_file(agent, relay):
    address = agent.identity()["address"]
    agent.do("DELETE", "tunnels/web")
    assert agent.tunnel("web") is None
    assert tomllib.loads(agent.read()).get("tunnels", []) == []
    net.wait_until(lambda: not relay.is_alive(f"myapp.{relay.root}"), 5, message="its end")
    assert agent.identity()["address"] == address
    assert agent.ask("DELETE", "tunnels/web")[0] == 400


def test_a_tunnel_is_found_by_an_escaped_id(world, kind, relay):
    agent = Offline(world, kind, tunnel("a+b%é", relay, 3000)).start()
    agent.do("PATCH", agent.path_of("a+b%é") if kind == "adit" else "tunnels/a+b%2525%C3%A9",
             {"max_active_relays": 7})
    assert agent.tunnel("a+b%é")["max_active_relays"] == 7


# ---- changing ----

def test_metadata_is_set_by_members_and_trimmed(agent):
    agent.do("PATCH", "tunnels/web", {"metadata": {"description": " one ", "tags": [" a ", ""],
                                                   "owner": "me", "thumbnail": "t", "hide": True}})
    assert agent.tunnel("web")["metadata"] == {"description": "one", "tags": ["a"],
                                               "owner": "me", "thumbnail": "t", "hide": True}
    agent.do("PATCH", "tunnels/web", {"Metadata": {"OWNER": "", "hide": False, "tags": []},
                                      "max_active_relays": 5})
    changed = agent.tunnel("web")
    assert changed["metadata"] == {"description": "one", "thumbnail": "t"}
    assert changed["max_active_relays"] == 5
    stored = tomllib.loads(agent.read())["tunnels"][0]
    assert stored["description"] == "one" and stored["max_active_relays"] == 5
    assert "owner" not in stored and "tags" not in stored and not stored.get("hide")


def test_metadata_reaches_the_relay_at_once(ours, relay):
    """A stock agent sends it with the next renewal, up to 90 s later."""
    ours.do("PATCH", "tunnels/web", {"metadata": {"description": "Managed", "tags": ["x", "y"]}})

    def listed():
        leases = ask_unix(os.path.join(relay.state, "admin.sock"), "GET", "/admin/snapshot")[1]
        return "Managed" in json.dumps(leases) and '["x", "y"]' in json.dumps(leases)

    net.wait_until(listed, 5, message="the new metadata at the relay")


def test_visitors_stay_while_their_tunnel_changes(agent, leases, relay):
    with leases.visit(relay, "myapp") as visitor:
        visitor.sendall(b"one")
        assert net.read_exactly(visitor, 3) == b"one"
        agent.do("PATCH", "tunnels/web", {"metadata": {"owner": "me"}, "max_active_relays": 2})
        visitor.sendall(b"two")
        assert net.read_exactly(visitor, 3) == b"two"


def test_name_target_relays_and_routes_can_be_changed(world, leases, ours, relay):
    new = world.serve(lambda s: s.sendall(b"new"))
    address = ours.tunnel("web")["address"]
    ours.do("PATCH", "tunnels/web", {"target": f"127.0.0.1:{new.port}"})
    assert ours.tunnel("web")["target_addr"] == f"127.0.0.1:{new.port}"
    with leases.visit(relay, "myapp") as v:
        assert net.read_exactly(v, 3) == b"new"
    ours.do("PATCH", "tunnels/web", {"name": "renamed"})
    assert ours.tunnel("web")["name"] == "renamed" and ours.tunnel("web")["id"] == "web"
    net.wait_until(lambda: relay.is_alive(f"renamed.{relay.root}"), message="the new name")
    assert ours.wait_state("web")["address"] == address
    routes = [{"prefix": "/", "upstream": f"http://127.0.0.1:{new.port}"},
              {"prefix": "/api", "upstream": "http://127.0.0.1:1"}]
    ours.do("PATCH", "tunnels/web", {"target": "", "http_routes": routes})
    assert ours.tunnel("web")["http_routes"] == routes
    assert "target_addr" not in ours.tunnel("web")
    ours.do("PATCH", "tunnels/web", {"target": "3000", "http_routes": []})
    assert ours.tunnel("web")["target_addr"] == "127.0.0.1:3000"
    assert "http_routes" not in ours.tunnel("web")
    ours.do("PATCH", "tunnels/web", {"relays": [DEAD]})
    assert [r["relay_url"] for r in ours.tunnel("web")["relays"] if r.get("explicit")] == [DEAD]
    net.wait_until(lambda: not relay.is_alive(f"renamed.{relay.root}"), message="the lease's end")


# ---- relays ----

def test_a_relay_is_connected_until_the_next_start(agent, leases, relay):
    other = leases.relay()
    before = agent.read()
    agent.do("POST", "tunnels/web/relays", {"relay_url": other.url + "/"})
    row = relay_of(agent, "web", other.url)
    assert row["explicit"] and row["bootstrap"]
    net.wait_until(lambda: try_echo(other.sni_port, f"myapp.{other.root}", other.ca), 15,
                   message="a visitor at the other relay")
    assert relay_of(agent, "web", other.url)["public_url"].startswith("https://myapp.")
    agent.do("POST", "tunnels/web/relays", {"relay_url": other.url})  # again: nothing happens
    agent.do("DELETE", "tunnels/web/relays", {"relay_url": relay.url})
    row = relay_of(agent, "web", relay.url)  # stays in the list
    assert "explicit" not in row and not row["connecting"] and not row["bootstrap"]
    assert "public_url" not in row
    net.wait_until(lambda: not relay.is_alive(f"myapp.{relay.root}"), 5, message="its end")
    assert agent.read() == before
    agent.do("POST", "tunnels/web/relays", {"relay_url": relay.url})
    net.wait_until(lambda: relay.is_alive(f"myapp.{relay.root}"), 15, message="its return")


def test_the_last_relay_can_be_disconnected_and_connected(agent, relay):
    agent.do("DELETE", "tunnels/web/relays", {"relay_url": relay.url})
    net.wait_until(lambda: not relay.is_alive(f"myapp.{relay.root}"), 5, message="its end")
    agent.do("POST", "tunnels/web/relays", {"relay_url": relay.url})
    net.wait_until(lambda: relay.is_alive(f"myapp.{relay.root}"), 15, message="its return")


def test_clearing_a_route_that_is_not_there_is_accepted(agent):
    for method, body in [("POST", {}), ("POST", {"relays": None}), ("POST", {"relays": []}),
                         ("DELETE", None)]:
        agent.do(method, "tunnels/web/multi-hop", body)


def test_a_route_that_cannot_be_built_closes_nothing(leases, ours, relay):
    """A stock agent accepts it, and the tunnel is not reachable any more."""
    with leases.visit(relay, "myapp") as visitor:
        visitor.sendall(b"one")
        assert net.read_exactly(visitor, 3) == b"one"
        hops = {"relays": [relay.url, "https://b.example"]}
        assert ours.ask("POST", "tunnels/web/multi-hop", hops)[0] == 400
        visitor.sendall(b"two")
        assert net.read_exactly(visitor, 3) == b"two"
    assert leases.echoes(relay, "myapp")
    assert ours.process.log.count("public at https://myapp.") == 1


def test_a_route_in_the_config_can_be_cleared(world, ours, relay, app):
    ours.write(tunnel("web", relay, app.port, name="myapp",
                      multi_hop=[DEAD, "https://b.example"]))
    broken = ours.wait_state("web", "error")
    assert broken["multi_hop"] == [DEAD, "https://b.example"] and broken["last_error"]
    assert ours.ask("DELETE", "tunnels/web/relays", {"relay_url": DEAD}) == (
        400, {"error": {"code": "invalid_request", "message":
                        "relay is part of the multi-hop route; clear multi-hop first"},
              "ok": False})
    ours.do("DELETE", "tunnels/web/multi-hop")
    assert "multi_hop" not in ours.tunnel("web")
    ours.wait_state("web")
    assert "multi_hop" not in ours.read()


# ---- the file ----

FILE = """\
# My agent.
[agent]
  control_addr="127.0.0.1:0" # any port
  state_dir   = 'STATE'

# The shop.
[[tunnels]]
target = 'PORT'   # the shop's server
relays = [
  "RELAY", # ours
]
discovery = false
name = "myapp"    # as before
id = "web"

# The blog, later:
# [[tunnels]]
# id = "blog"
"""


def edited(world, relay, app, text=FILE):
    """An agent whose config is a symbolic link to a file of mode 640 with that text."""
    agent = Agent(world, "adit", "")
    real = world.write("real.toml", text.replace("STATE", agent.state)
                       .replace("RELAY", relay.url).replace("PORT", f"127.0.0.1:{app.port}"))
    os.chmod(real, 0o640)
    os.unlink(agent.config)
    os.symlink("real.toml", agent.config)
    agent.start()
    return agent, real


def test_an_edit_keeps_comments_order_mode_and_link(world, relay, app):
    agent, real = edited(world, relay, app)
    before = agent.read()
    agent.do("PATCH", "tunnels/web", {"metadata": {"owner": "me", "tags": ["a", "b"]}})
    assert agent.read() == before.replace('id = "web"\n',
                                          'id = "web"\nowner = "me"\ntags = ["a", "b"]\n')
    agent.do("PATCH", "tunnels/web", {"metadata": {"tags": ["c"]}})
    agent.do("PATCH", "tunnels/web", {"metadata": {"tags": [], "owner": ""}})
    assert agent.read() == before
    agent.do("PATCH", "tunnels/web", {"target": "3000"})
    assert agent.read() == before.replace(f"'127.0.0.1:{app.port}'", '"3000"')
    agent.do("PATCH", "tunnels/web", {"target": f"127.0.0.1:{app.port}"})
    changed = agent.read()
    assert changed == before.replace(f"'127.0.0.1:{app.port}'", f'"127.0.0.1:{app.port}"')
    agent.do("POST", "tunnels", {"name": "second", "relays": [relay.url]})
    assert agent.read().startswith(changed.partition("# The blog")[0])
    assert "# The blog, later:\n# [[tunnels]]\n# id = \"blog\"\n" in agent.read()
    agent.do("DELETE", "tunnels/second")
    assert agent.read() == changed
    assert os.path.islink(agent.config) and os.readlink(agent.config) == "real.toml"
    assert os.stat(real).st_mode & 0o777 == 0o640
    assert sorted(n for n in os.listdir(world.directory) if "toml" in n) == [
        "agent.toml", "real.toml"]


def test_a_removed_tunnel_is_put_back_with_its_comments(world, leases, relay, app):
    last = "# The last.\n[[tunnels]]\nid = 'last'\ntarget = '3000'\nrelays = ['RELAY']\n"
    agent, _ = edited(world, relay, app, FILE.partition("# The blog")[0] + last)
    address = agent.wait_state("web")["address"]
    before = agent.read()
    agent.do("DELETE", "tunnels/web")
    assert agent.tunnel("web") is None and "# The last." in agent.read()
    assert "myapp" not in agent.read() and "# The shop." not in agent.read()
    agent.do("POST", "tunnels/restore")
    assert agent.read() == before
    net.wait_until(lambda: (agent.tunnel("web") or {}).get("state") == "running", 15,
                   message="the tunnel")
    assert agent.tunnel("web")["address"] == address and leases.echoes(relay, "myapp")
    assert agent.ask("POST", "tunnels/restore")[0] == 400


INLINE = """\
agent = { control_addr = "127.0.0.1:0", state_dir = "STATE" } # all in one line
tunnels = [
  { id = "web", name = "myapp", target = "PORT", relays = ["RELAY"], discovery = false }, # one
]
"""


def test_tables_in_braces_are_edited_in_their_form(world, relay, app):
    agent, _ = edited(world, relay, app, INLINE)
    before = agent.read()
    agent.do("PATCH", "tunnels/web", {"metadata": {"hide": True}, "max_active_relays": 2})
    stored = tomllib.loads(agent.read())["tunnels"]
    assert stored[0]["hide"] is True and stored[0]["max_active_relays"] == 2
    assert "# one\n" in agent.read() and "# all in one line\n" in agent.read()
    agent.do("POST", "tunnels", {"name": "second", "relays": [relay.url]})
    assert [t["id"] for t in tomllib.loads(agent.read())["tunnels"]] == ["web", "second"]
    agent.do("DELETE", "tunnels/second")
    agent.do("PATCH", "tunnels/web", {"metadata": {"hide": False}})
    assert "# one\n" in agent.read() and "hide" not in agent.read()
    routes = [{"prefix": "/", "upstream": "http://127.0.0.1:1"}]
    agent.do("PATCH", "tunnels/web", {"target": "", "http_routes": routes})
    assert tomllib.loads(agent.read())["tunnels"][0]["http_routes"] == routes
    assert agent.read().splitlines()[0] == before.splitlines()[0]


def test_routes_with_headers_are_replaced(world, relay, app):
    head = FILE.replace("target = 'PORT'   # the shop's server\n", "").partition("# The blog")[0]
    agent, _ = edited(world, relay, app, head.rstrip() + """

[[tunnels.http_routes]]
prefix = "/" # all
upstream = "http://127.0.0.1:1"

[[tunnels]]
id = "last" # stays
target = "3000"
relays = ["RELAY"]
""")
    routes = [{"prefix": "/", "upstream": "http://127.0.0.1:2"},
              {"prefix": "/a", "upstream": "http://127.0.0.1:3"}]
    agent.do("PATCH", "tunnels/web", {"http_routes": routes})
    first, last = tomllib.loads(agent.read())["tunnels"]
    assert first["http_routes"] == routes == agent.tunnel("web")["http_routes"]
    assert last["id"] == "last" and 'id = "last" # stays' in agent.read()


def test_an_edit_by_hand_is_applied_with_one_of_the_api(agent, relay, app):
    with open(agent.config, "a") as f:
        f.write(tunnel("byhand", relay, app.port, name="byhand"))
    agent.do("POST", "tunnels", {"name": "third", "relays": [relay.url]})
    assert agent.tunnel("byhand") and agent.tunnel("third") and agent.tunnel("web")
    assert {t["id"] for t in tomllib.loads(agent.read())["tunnels"]} == {"web", "byhand", "third"}


def test_a_broken_or_missing_file_is_not_touched(agent):
    before = agent.read()
    actions = [("POST", "tunnels", {"name": "x", "relays": [DEAD]}),
               ("PATCH", "tunnels/web", {"max_active_relays": 4}), ("DELETE", "tunnels/web", None)]
    with open(agent.config, "a") as f:
        f.write("[[tunnels]]\nid = ")
    for method, path, body in actions:
        status, answer = agent.ask(method, path, body)
        assert (status, answer["error"]["code"]) == (400, "invalid_request"), path
        assert agent.read() == before + "[[tunnels]]\nid = "
    os.unlink(agent.config)
    for method, path, body in actions:
        status, answer = agent.ask(method, path, body)
        assert (status, answer["error"]["code"]) == (400, "invalid_request"), path
        assert "no such file or directory" in answer["error"]["message"].lower()
        assert not os.path.exists(agent.config)
    assert agent.tunnel("web")


# ---- the whole ----

def test_shutdown_ends_the_agent(agent, relay):
    agent.do("POST", "shutdown")
    assert agent.process.wait_exit(15) == 0
    assert not os.path.exists(os.path.join(agent.state, "agent-endpoint.json"))
    net.wait_until(lambda: not relay.is_alive(f"myapp.{relay.root}"), 5, message="its end")


def test_the_unix_socket_needs_no_token(ours):
    path = os.path.join(ours.state, "agent.sock")
    status, data = ask_unix(path, "GET", "/v1/agent/status")
    assert status == 200 and data["tunnels"][0]["id"] == "web"
    assert ask_unix(path, "POST", "/v1/agent/shutdown")[0] == 202
    assert ours.process.wait_exit() == 0 and not os.path.exists(path)


# ---- what can be read ----

def metrics_of(agent, **options):
    """(status, {sample: value}) of the metrics."""
    status, headers, answer = agent.raw("GET", "/metrics", **options)
    if status == 200:
        assert headers["Content-Type"].startswith("text/plain; version=0.0.4")
    lines = [line for line in answer.splitlines() if status == 200 and not line.startswith("#")]
    return status, {key: float(value) for key, value in (x.rsplit(" ", 1) for x in lines)}


def test_metrics_need_the_token_unless_the_config_says_otherwise(world):
    agent = Agent(world, "adit", "").start()
    assert metrics_of(agent)[0] == 200
    assert metrics_of(agent, token=False)[0] == 401
    agent.head = agent.head.rstrip() + "\nmetrics_without_token = true\n"
    agent.write("")
    agent.process.wait_log("the config has changed")
    assert metrics_of(agent, token=False)[0] == 200
    assert metrics_of(agent, token=False, headers={"Host": "evil.example"})[0] == 403
    assert agent.ask("GET", "status", token=False)[0] == 401
    assert agent.ask("GET", "log", token=False)[0] == 401


def test_metrics_count_tunnels_and_links(world, leases, program, relay, app):
    server = world.server(program("adit"), "--reverse")
    port = net.free_port()
    agent = Agent(world, "adit", tunnel("web", relay, app.port, name="myapp") +
                  tunnel("bad", relay, app.port, name="u", udp=True) +
                  f'[[links]]\nid = "home"\nserver = "{server.url}"\n'
                  f'remotes = ["R:{port}:127.0.0.1:{app.port}"]\n').start()
    agent.wait_state("web")
    assert leases.echoes(relay, "myapp")
    net.wait_until(lambda: net.try_echo(port), 10, message="a visitor of the link")
    with net.connect(port) as visitor:
        visitor.sendall(b"one")
        assert net.read_exactly(visitor, 3) == b"one"
        net.wait_until(lambda: metrics_of(agent)[1][
            'adit_agent_tunnel_visitors_total{tunnel="web"}'] >= 1, message="the visitor")
        found = metrics_of(agent)[1]
    assert {k: v for k, v in found.items() if k.startswith("adit_agent_tunnels")} == {
        'adit_agent_tunnels{state="stopped"}': 0, 'adit_agent_tunnels{state="starting"}': 0,
        'adit_agent_tunnels{state="running"}': 1, 'adit_agent_tunnels{state="error"}': 1}
    assert found['adit_agent_tunnel_relays_open{tunnel="web"}'] == 1
    assert found['adit_agent_tunnel_relays_open{tunnel="bad"}'] == 0
    assert found['adit_agent_tunnel_target_up{tunnel="web"}'] == 1
    assert 'adit_agent_tunnel_target_up{tunnel="bad"}' not in found
    assert found['adit_agent_link_open{link="home"}'] == 1
    assert found['adit_agent_link_channels{link="home"}'] == 1
    assert found['adit_agent_link_received_bytes_total{link="home"}'] >= 3
    assert found["process_resident_memory_bytes"] > 0 and found["process_cpu_seconds_total"] > 0
    assert found["adit_agent_config_error"] == 0
    net.wait_until(lambda: metrics_of(agent)[1][
        'adit_agent_tunnel_received_bytes_total{tunnel="web"}'] >= 5, message="its bytes")


def log_of(agent, after=None):
    status, answer = agent.ask("GET", "log" + ("" if after is None else f"?after={after}"))
    assert status == 200, answer
    return answer["data"]


def test_the_log_can_be_read_from_a_line_on(ours, relay):
    first = log_of(ours)
    assert [line["n"] for line in first["lines"]] == list(range(1, first["next"] + 1))
    for line in first["lines"]:
        assert set(line) == {"n", "at", "level", "text"}
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", line["at"])
    assert any(line["level"] == "info" and line["text"].startswith(
        f"agent: web: public at https://myapp.{relay.root}") for line in first["lines"])
    assert log_of(ours, first["next"]) == {"lines": [], "next": first["next"]}
    ours.do("PATCH", "tunnels/web", {"metadata": {"owner": "me"}})
    more = log_of(ours, first["next"])
    assert "web: changed: metadata" in [x["text"].removeprefix("agent: ") for x in more["lines"]]
    assert more["lines"][0]["n"] == first["next"] + 1
    assert log_of(ours, 10**12)["lines"]  # a number of an agent that ran before


@pytest.mark.parametrize("after", ["x", "-1", "1.5", "", "9" * 40, "%zz"])
def test_a_malformed_number_of_a_line_is_refused(world, after):
    agent = Agent(world, "adit", "").start()
    status, answer = agent.ask("GET", "log?after=" + after)
    assert (status, answer["error"]["code"]) == (400, "invalid_request")
    assert "write ?after=0" in answer["error"]["message"]


# ---- stock programs ----

class StockDashboard:
    """The dashboard of a stock agent in a tmux of its own, 120 columns and 50 rows."""

    def __init__(self, world, state):
        self.tmux = [need("tmux"), "-f", "/dev/null", "-S", world.path("tmux")]
        words = [find("stock", None).argv[0], "agent", "dashboard", "--state-dir", state]
        self.call("new-session", "-d", "-x", "120", "-y", "50", shlex.join(words))

    def call(self, *words):
        return subprocess.run([*self.tmux, *words], stdout=subprocess.PIPE, text=True, timeout=20,
                              check=True).stdout

    def screen(self):
        return self.call("capture-pane", "-p")

    def wait(self, text):
        net.wait_until(lambda: text in self.screen(), message=f"{text} on the screen")

    def press(self, *keys):
        self.call("send-keys", *keys)

    def close(self):
        self.call("kill-server")


def test_the_dashboard_of_a_stock_program_shows_and_changes_ours(world, program, relay, app):
    program("lease-stock")
    agent = Agent(world, "portal", tunnel("web", relay, app.port, name="myapp") +
                  tunnel("zoo", relay, app.port, name="zoo")).start()
    agent.wait_state("web")
    agent.wait_state("zoo")
    screen = world.keep(StockDashboard(world, agent.state))
    for text in ["running", "zoo", f"127.0.0.1:{app.port}", "Relays", "direct",
                 f"https://myapp.{relay.root}", agent.endpoint()["control_addr"]]:
        screen.wait(text)
    screen.press("Right", "Right")
    screen.press("d")  # disconnects the selected relay of the first tunnel
    net.wait_until(lambda: not relay.is_alive(f"myapp.{relay.root}"), message="its end")
    net.wait_until(lambda: "explicit" not in relay_of(agent, "web", relay.url),
                   message="the relay being disconnected")
    net.wait_until(lambda: "direct" not in screen.screen(), message="the row without a state")
    screen.press("c")
    net.wait_until(lambda: relay.is_alive(f"myapp.{relay.root}"), 15, message="its return")
    screen.wait("direct")
    screen.press("Escape")  # back to the tunnels
    screen.press("DC")
    net.wait_until(lambda: agent.tunnel("web") is None, message="the tunnel being removed")
    net.wait_until(lambda: "myapp" not in screen.screen(), message="the row being removed")
    assert agent.process.is_running()


def test_stop_of_a_stock_program_ends_ours(world, program, relay, app):
    program("lease-stock")
    agent = Agent(world, "portal", tunnel("web", relay, app.port, name="myapp")).start()
    agent.wait_state("web")
    empty = world.path("none")  # without systemctl: no service of this machine is meant
    os.mkdir(empty)
    done = world.call([find("stock", None).argv[0], "agent", "stop", "--state-dir", agent.state],
                      env={"PATH": empty, "HOME": empty, "XDG_CONFIG_HOME": empty})
    assert done.returncode == 0, done.stderr
    assert agent.process.wait_exit() == 0
    net.wait_until(lambda: not relay.is_alive(f"myapp.{relay.root}"), 5, message="its end")
