"""
The contract of portal agent, line by line, through a link named portal.

Sections are those of the document. Each test has the sentence or the row of a table that it
shows. test_agent*.py have the stories behind them.
"""

import json
import os
import re
import socket

import pytest

from conftest import need
from lib import net, netns
from lib import portal_visitor as visitor
from lib.agent_home import DOCUMENTED, Home
from lib.agents import Agent, text, tunnel
from lib.portal_crypto import Identity
from lib.programs import adit_path
from lib.web import Web

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

MINIMAL = """\
[agent]
control_addr = "127.0.0.1:4018"
service_name = "portal-agent"

[[tunnels]]
id = "web"
name = "myapp"
target = "127.0.0.1:3000"
relays = ["https://portal.example.com"]
discovery = false
description = "Managed web tunnel"
tags = ["web"]
"""

ROUTED = """\
[agent]
control_addr = "127.0.0.1:4018"
service_name = "portal-agent"

[[tunnels]]
id = "frontend"
name = "myapp"
relays = ["https://portal.example.com"]
discovery = false

[[tunnels.http_routes]]
prefix = "/api"
upstream = "http://127.0.0.1:3001"

[[tunnels.http_routes]]
prefix = "/"
upstream = "http://127.0.0.1:5173"
"""


@pytest.fixture
def relay(leases):
    return leases.relay()


@pytest.fixture
def app(world):
    return world.serve()


@pytest.fixture
def script(leases):
    """A scripted relay, which remembers what it is asked."""
    return leases.relay("python")


@pytest.fixture
def start(world):
    """Starts portal agent run --foreground with tunnels."""
    def begin(*tunnels, **agent):
        return Agent(world, "portal", "".join(tunnels), **agent).start()
    return begin


@pytest.fixture
def home(world, adit, authority):
    reason = netns.why_not()
    if reason:
        pytest.skip(reason)
    return Home(world, adit, authority, world.keep(netns.Path()))


# ---- Portal Agent ----

def test_it_runs_one_process_and_keeps_every_declared_tunnel_registered(start, relay, app):
    """... with the selected relays: also after a relay was away."""
    agent = start(tunnel("one", relay, app.port, name="one"),
                  tunnel("two", relay, app.port, name="two"))
    for name in ("one", "two"):
        agent.wait_state(name)
    relay.restart()
    for name in ("one", "two"):
        net.wait_until(lambda n=name: visitor.try_echo(relay.sni_port, f"{n}.{relay.root}",
                                                       relay.ca), 20, message=f"{name} again")
    children = f"/proc/{agent.process.pid}/task/{agent.process.pid}/children"
    with open(children, encoding="utf-8") as f:
        assert f.read() == ""


def test_tunnels_survive_terminal_closes_login_sessions_and_manual_restarts(home):
    home.write(MINIMAL)
    home.serve(3000, b"my app at")
    # A terminal of its own, which is closed after the command.
    script = home.world.call([need("script"), "-qec", " ".join(
        [*home.manager.prefix, "portal", "agent", "run"]), "/dev/null"], env=home.env)
    assert "Portal agent running at 127.0.0.1:4018 with 1 tunnel(s)." in script.stdout
    home.wait_served("/x", b"my app at /x")
    assert "enable-linger" in script.stdout  # how it survives the end of the login session
    home.do("agent", "restart")
    home.wait_served("/y", b"my app at /y")


# ---- What The Agent Owns ----

def test_one_config(start, relay):
    agent = start(tunnel("web", relay, 3000))
    assert agent.status()["config_path"] == agent.config


def test_one_local_loopback_control_api(start, relay):
    agent = start(tunnel("web", relay, 3000))
    host, _, port = agent.endpoint()["control_addr"].rpartition(":")
    assert host == "127.0.0.1" and net.is_listening(int(port), agent.process.pid)


def test_one_os_service_when_run_in_managed_mode(home):
    home.write(MINIMAL)
    home.do("agent", "run")
    home.do("agent", "run")
    assert home.manager.enabled == {"portal-agent.service"}
    assert list(home.manager.units) == ["portal-agent.service"]


def test_one_or_more_tunnel_runtimes(start, relay):
    agent = start(*(tunnel(f"t{i}", relay, 3000 + i, name=f"t{i}") for i in range(3)))
    assert [t["id"] for t in agent.status()["tunnels"]] == ["t0", "t1", "t2"]


def test_identities_are_in_the_state_directory_unless_overridden(start, relay, world):
    agent = start(tunnel("web", relay, 3000, name="web"),
                  tunnel("own", relay, 3000, name="own", identity_path="keys/own.json"))
    agent.wait_state("web")
    agent.wait_state("own")
    assert agent.identity("web")["address"] == agent.tunnel("web")["address"]
    with open(world.path("keys/own.json"), encoding="utf-8") as f:
        assert json.load(f)["address"] == agent.tunnel("own")["address"]
    assert not os.path.exists(os.path.join(agent.state, "own"))


def test_a_tunnel_registers_opens_sessions_renews_and_proxies(start, leases, script, app):
    """Each tunnel still uses the normal Portal path internally."""
    script.script.ttl = 8
    agent = start(tunnel("web", script, app.port, name="myapp"))
    agent.wait_state("web")
    script.script.wait_ready("myapp")
    assert script.script.count("/sdk/register") == 1
    assert leases.echoes(script, "myapp")
    net.wait_until(lambda: script.script.count("/sdk/renew") >= 2, 30, message="two renewals")
    assert script.script.count("/sdk/register") == 1


# ---- Create A Config ----

def test_run_requires_an_existing_config_file(home):
    for words in ([], ["--foreground"]):
        failed = home.call("agent", "run", *words)
        assert failed.returncode == 1 and home.config in failed.stderr
    assert not os.path.exists(home.config) and home.manager.calls == []


def test_the_installer_does_not_create_one():
    """It installs an example among the documents only."""
    with open(os.path.join(ROOT, "packaging/meson.build"), encoding="utf-8") as f:
        text = f.read()
    assert "config.toml" not in text
    assert re.search(r"install_data\([^)]*'agent\.toml\.example'[^)]*install_dir: docdir", text)


def default_config(world, home=None, config_home=None, is_root=False, data_home=None):
    """The path that portal agent check means without --config."""
    link = world.path("portal")
    if not os.path.lexists(link):
        os.symlink(adit_path(), link)
    env = {"HOME": home or "", "XDG_CONFIG_HOME": config_home or "",
           "XDG_DATA_HOME": data_home or ""}
    user = [] if is_root or os.geteuid() != 0 else ["unshare", "--user", "--map-user=1000",
                                                    "--map-group=1000"]
    done = world.call([*user, link, "agent", "run", "--foreground"], env=env)
    assert done.returncode == 1 and "there is no config " in done.stderr, done.stderr
    return re.search(r"there is no config (.*?):", done.stderr).group(1)


def test_path_linux_user(world):
    home = world.path("home")
    os.mkdir(home)
    ending = "portal-tunnel/agent/config.toml"
    assert default_config(world, home) == f"{home}/.config/{ending}"
    assert default_config(world, home, config_home="/x/y") == f"/x/y/{ending}"
    # XDG base directories: a relative path has no meaning.
    assert default_config(world, home, config_home="x/y") == f"{home}/.config/{ending}"


@pytest.mark.skipif(os.geteuid() != 0, reason="skipped: not root")
def test_path_linux_root(world):
    if os.path.exists("/etc/portal-tunnel"):
        pytest.skip("skipped: this machine has a portal agent")
    assert default_config(world, "/root", config_home="/x", is_root=True) == \
        "/etc/portal-tunnel/agent/config.toml"


MAC = "/Library/Application Support/Portal Tunnel/Agent"


@pytest.mark.parametrize("path", [
    "/home/ann/.config/portal-tunnel/agent/config.toml",
    "/etc/portal-tunnel/agent/config.toml",
    "/Users/ann" + MAC + "/config.toml",
    MAC + "/config.toml",
    r"D:\\Data\\Portal Tunnel\\Agent\\config.toml",
], ids=["linux-user", "linux-root", "macos-user", "macos-root", "windows"])
def test_path_on_other_systems_is_that_of_the_unit_test(world, adit, path):
    """The function of the paths is pure, and its test has every row."""
    with open(os.path.join(ROOT, "src/agent/paths_test.c"), encoding="utf-8") as f:
        source = re.sub(r"\bMAC\b", f'"{MAC}"', f.read())
    assert f'"{path}"' in source.replace('" "', "")
    program = os.path.join(os.path.dirname(os.path.realpath(adit.argv[0])), "agent_paths_test")
    if not os.access(program, os.X_OK):
        pytest.skip("skipped: no unit tests beside this program")
    assert world.call([program]).returncode == 0


def test_minimal_config_as_printed(home):
    home.write(MINIMAL)
    home.serve(3000, b"my app at")
    assert home.do("agent", "run").startswith(
        "Portal agent running at 127.0.0.1:4018 with 1 tunnel(s).\n")
    home.wait_served("/x", b"my app at /x")
    status = json.loads(home.do("agent", "status", "--json", "--wait"))
    web = status["tunnels"][0]
    assert (status["control_addr"], web["id"], web["name"], web["target_addr"]) == \
        ("127.0.0.1:4018", "web", "myapp", "127.0.0.1:3000")
    assert web["metadata"] == {"description": "Managed web tunnel", "tags": ["web"]}
    assert web["relays"][0]["public_url"] == f"https://myapp.{DOCUMENTED}"


def test_routed_config_as_printed(home):
    home.write(ROUTED)
    home.serve(3001, b"api")
    home.serve(5173, b"page")
    home.do("agent", "run")
    home.wait_served("/api/users", b"api /users")
    assert b"page /users" in home.visit("/users")


def test_relative_paths_are_resolved_from_the_config_file_directory(world, relay):
    folder = world.path("folder")
    os.mkdir(folder)
    agent = Agent(world, "portal", "", name="folder/config", state_dir="state")
    agent.state = os.path.join(folder, "state")
    agent.write(tunnel("web", relay, 3000, identity_path="keys/web.json"))
    agent.name = "agent"
    agent.start()
    agent.wait_state("web")
    assert os.path.exists(os.path.join(folder, "keys/web.json"))
    assert agent.status()["state_dir"] == os.path.join(folder, "state")


# ---- Run The Agent ----

def test_portal_agent_run(home):
    """Run as a managed OS service."""
    home.write(MINIMAL)
    home.do("agent", "run")
    assert home.manager.units["portal-agent.service"].is_running()


def test_portal_agent_run_with_config_in_the_foreground(home):
    """Run in the current terminal, with a relative path."""
    folder = home.world.path("work")
    os.mkdir(folder)
    home.write(MINIMAL, os.path.join(folder, "config.toml"))
    home.serve(3000, b"my app at")
    process = home.stay("agent", "run", "--config", "config.toml", "--foreground", cwd=folder)
    home.wait_served("/x", b"my app at /x")
    assert home.manager.calls == []
    process.stop()


def test_portal_agent_restart_and_stop(home):
    home.write(MINIMAL)
    home.do("agent", "run")
    first = home.manager.units["portal-agent.service"].popen.pid
    assert home.do("agent", "restart").startswith("Portal agent restarted at 127.0.0.1:4018")
    assert home.manager.units["portal-agent.service"].popen.pid != first
    assert home.do("agent", "stop").startswith("Portal agent stopped.\n")
    assert not home.manager.units["portal-agent.service"].is_running()


def test_run_stop_and_restart_load_the_config_for_state_directory_and_service_name(home):
    home.write(MINIMAL.replace("portal-agent", "mine").replace(
        "[agent]\n", "[agent]\nstate_dir = \"state\"\n"))
    for command in ("run", "restart", "stop"):
        home.do("agent", command)
        assert any("mine.service" in call for call in home.manager.calls), command
        assert not any("portal-agent.service" in call for call in home.manager.calls)
        home.manager.calls.clear()
    assert os.path.isdir(os.path.join(os.path.dirname(home.config), "state"))
    assert not os.path.exists(home.state)


def test_run_service_is_the_entry_that_run_installs(home):
    home.write(MINIMAL)
    home.do("agent", "run")
    assert home.manager.units["portal-agent.service"].command()[1:] == [
        "agent", "run", "--service", "--config", home.config]
    home.do("agent", "stop")
    process = home.stay("agent", "run", "--service", "--foreground")  # it wins
    net.wait_until(lambda: os.path.exists(os.path.join(home.state, "agent-endpoint.json")),
                   message="the agent itself")
    process.stop()


# ---- Dashboard: test_contract_agent_dashboard.py has the other sentences ----

def test_a_change_by_the_control_api_is_in_the_same_config_file(start, relay):
    """It edits the same TOML config file that the service uses."""
    agent = start("# mine\n", tunnel("web", relay, 3000, name="web"))
    agent.do("POST", "tunnels", {"name": "more", "target_addr": "127.0.0.1:3001",
                                 "relays": [relay.url]})
    assert "# mine" in agent.read() and 'id = "more"' in agent.read()


# ---- Tunnel Config Fields ----

def test_field_id(start, relay):
    """Stable local tunnel ID used by the dashboard and control API."""
    agent = start(tunnel("web", relay, 3000, name="first"))
    agent.wait_state("web")
    agent.write(tunnel("web", relay, 3000, name="second"))
    net.wait_until(lambda: (agent.tunnel("web") or {}).get("name") == "second",
                   message="the new name")
    agent.do("PATCH", agent.path_of("web"), {"max_active_relays": 2})


def test_field_name(start, leases, relay, app):
    """Public lease name, used as the subdomain label."""
    agent = start(tunnel("web", relay, app.port, name="myapp"))
    assert agent.wait_state("web")["relays"][0]["public_url"].startswith(
        f"https://myapp.{relay.root}")
    assert leases.echoes(relay, "myapp")


def test_field_target(start, leases, relay, app):
    """Local TCP target, equivalent to portal expose <target>."""
    writings = [str(app.port), f":{app.port}", f"127.0.0.1:{app.port}", f"localhost:{app.port}",
                f"http://127.0.0.1:{app.port}/"]
    agent = start(*(tunnel(f"t{i}", relay, target, name=f"t{i}")
                    for i, target in enumerate(writings)))
    for i, target in enumerate(writings):
        agent.wait_state(f"t{i}")
        assert leases.echoes(relay, f"t{i}"), target


def test_field_http_routes(start, leases, relay, world):
    """Routed HTTP mappings."""
    webs = [world.keep(Web(lambda r, n=name: n + b" " + r.path.encode()))
            for name in (b"api", b"page")]
    agent = start(tunnel("web", relay, name="myapp") + "".join(
        f"[[tunnels.http_routes]]\nprefix = {text(prefix)}\nupstream = {text(web.url)}\n"
        for prefix, web in zip(("/api", "/"), webs)))
    agent.wait_state("web")
    for request, answer in (("/api/x", b"api /x"), ("/x", b"page /x")):
        with leases.visit(relay, "myapp") as tls:
            tls.sendall(f"GET {request} HTTP/1.1\r\nHost: myapp.{relay.root}\r\n"
                        "Connection: close\r\n\r\n".encode())
            assert answer in net.read_all(tls)


def test_field_relays(start, leases, app):
    """Explicit relay API URLs; all are used."""
    relays = [leases.relay(), leases.relay(root="second.localhost")]
    agent = start(tunnel("web", relays, app.port, name="myapp", max_active_relays=1))
    net.wait_until(lambda: agent.tunnel("web")["health"] == "ok", 15, message="both relays")
    assert all(leases.echoes(r, "myapp") for r in relays)
    assert [r["explicit"] for r in agent.tunnel("web")["relays"]] == [True, True]


@pytest.mark.parametrize("wanted", [True, False])
def test_field_discovery(start, relay, wanted):
    """Include registry and relay discovery expansion: explicit relays are used in any case."""
    agent = start(tunnel("web", relay, 3000, name="myapp", discovery=wanted))
    assert agent.wait_state("web")["discovery"] is wanted


@pytest.mark.parametrize("given, meant", [(None, 3), (0, 3), (5, 5)])
def test_field_max_active_relays(start, relay, given, meant):
    """Maximum auto-selected relays kept connected."""
    fields = {} if given is None else {"max_active_relays": given}
    agent = start(tunnel("web", relay, 3000, **fields))
    assert agent.tunnel("web")["max_active_relays"] == meant


def test_field_identity_path(start, world, relay):
    """Tunnel identity JSON path."""
    identity = Identity("myapp")
    world.write("mine.json", json.dumps(identity.file()))
    agent = start(tunnel("web", relay, 3000, name="myapp", identity_path="mine.json"))
    assert agent.wait_state("web")["address"] == identity.address


def test_field_identity_json(start, world, relay):
    """Identity JSON payload; persisted to identity_path when both are set."""
    identities = [Identity("one"), Identity("two")]
    agent = start(*(tunnel(i.name, relay, 3000, name=i.name, identity_json=json.dumps(i.file()),
                           **more)
                    for i, more in zip(identities, ({"identity_path": "kept.json"}, {}))))
    for i in identities:
        assert agent.wait_state(i.name)["address"] == i.address
    with open(world.path("kept.json"), encoding="utf-8") as f:
        assert json.load(f)["private_key"] == identities[0].file()["private_key"]
    assert os.stat(world.path("kept.json")).st_mode & 0o777 == 0o600


def test_field_udp_and_udp_addr_are_read(start, relay):
    """UDP transport settings: see NOT_YET."""
    agent = start(tunnel("web", relay, 3000, udp=True, udp_addr="127.0.0.1:5353"))
    assert agent.wait_state("web", "error")["target_addr"] == "127.0.0.1:3000"


def test_field_tcp(start, leases, app):
    """Dedicated raw TCP port setting."""
    relay = leases.relay(tcp=True)
    agent = start(tunnel("ssh", relay, app.port, name="ssh", tcp=True))
    port = agent.wait_state("ssh")["relays"][0]["tcp_addr"].rpartition(":")[2]
    assert net.echoes(int(port))


def test_field_multi_hop_is_read(start, relay):
    """Explicit ordered multi-hop relay URLs: see NOT_YET."""
    hops = ["https://exit.example.com", "https://a-entry.example.com"]
    agent = start(tunnel("web", relay, 3000, multi_hop=hops))
    assert agent.wait_state("web", "error")["multi_hop"] == hops


@pytest.mark.parametrize("depth, state", [(0, "running"), (1, "running"), (2, "error")])
def test_field_multi_hop_depth_is_read(start, relay, depth, state):
    """Automatically choose one multi-hop route with this depth; 0 and 1 are none."""
    agent = start(tunnel("web", relay, 3000, multi_hop_depth=depth))
    agent.wait_state("web", state)


@pytest.mark.parametrize("bans", [True, False])
def test_field_ban_mitm(start, leases, script, app, bans):
    """Ban relays when the TLS self-probe detects termination; the others stay in use."""
    script.script.hostile = True
    honest = leases.relay(root="second.localhost")
    agent = start(tunnel("web", [script, honest], app.port, name="myapp", ban_mitm=bans))

    def row():
        return next((r for r in agent.tunnel("web").get("relays", [])
                     if r["relay_url"] == script.url), {})

    net.wait_until(lambda: row().get("banned" if bans else "checked_at"), 20,
                   message="the visit to itself")
    assert row()["banned"] is bans
    assert leases.echoes(honest, "myapp")


def test_a_ban_of_the_only_relay_stays_in_the_status_until_it_is_connected(start, script, app):
    script.script.hostile = True
    agent = start(tunnel("web", script, app.port, name="myapp"))
    t = agent.wait_state("web", "error", seconds=20)
    assert [(r["relay_url"], r["banned"]) for r in t["relays"]] == [(script.url, True)]
    assert "can read what visitors say" in t["last_error"]
    script.script.hostile = False
    agent.do("POST", agent.path_of("web", "relays"), {"relay_url": script.url})
    assert agent.wait_state("web")["relays"][0]["banned"] is False


def test_field_description_tags_owner_thumbnail_hide(start, script):
    """Public relay metadata."""
    metadata = {"description": "Managed web tunnel", "tags": ["web", "two"], "owner": "Ann",
                "thumbnail": "https://portal.example.com/x.png", "hide": True}
    agent = start(tunnel("web", script, 3000, name="myapp", **metadata))
    assert agent.wait_state("web")["metadata"] == metadata
    assert script.script.lease("myapp").request["metadata"] == metadata


HOPS = ["https://entry.example.com", "https://exit.example.com"]
ROUTE = [{"prefix": "/", "upstream": "http://127.0.0.1:3001"}]

# The sentence of the document; the fields; what is said of them.
CONSTRAINTS = [
    ("target cannot be combined with http_routes", {"target": "3000", "http_routes": ROUTE},
     "a target or http_routes, not both"),
    ("http_routes cannot be combined with udp", {"http_routes": ROUTE, "udp": True},
     "a tunnel with http_routes has no UDP"),
    ("multi_hop requires at least two relay URLs", {"target": "3000", "multi_hop": HOPS[:1]},
     "multi_hop has at least two relays"),
    ("multi_hop cannot be combined with multi_hop_depth",
     {"target": "3000", "multi_hop": HOPS, "multi_hop_depth": 2},
     "multi_hop or multi_hop_depth, not both"),
    ("multi-hop has no UDP", {"target": "3000", "multi_hop": HOPS, "udp": True},
     "a tunnel through several relays has no UDP port"),
    ("multi-hop has no raw TCP port mode", {"target": "3000", "multi_hop_depth": 2, "tcp": True},
     "a tunnel through several relays has no TCP port"),
]


def inline(value):
    """As TOML, tables in braces."""
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return "[" + ", ".join("{ " + ", ".join(f"{k} = {text(v)}" for k, v in row.items()) + " }"
                               for row in value) + "]"
    return text(value)


@pytest.mark.parametrize("fields, said", [row[1:] for row in CONSTRAINTS],
                         ids=[row[0].replace(" ", "-") for row in CONSTRAINTS])
def test_constraint(start, relay, app, fields, said):
    """The tunnel is in state error with the reason; adit agent refuses the file."""
    broken = tunnel("broken", relay, name="broken") + "".join(
        f"{k} = {inline(v)}\n" for k, v in fields.items())
    agent = start(broken, tunnel("web", relay, app.port, name="myapp"))
    assert said in agent.wait_state("broken", "error")["last_error"]
    agent.wait_state("web")
    warned = agent.call("check")
    assert warned.returncode == 0 and said in warned.stdout and "warning: " in warned.stdout
    agent.kind = "adit"
    refused = agent.call("check")
    assert refused.returncode == 1 and said in refused.stderr
    assert re.search(r":\d+:\d+: ", refused.stderr)


# ---- Identity Layout ----

def test_a_single_tunnel_uses_identity_json_in_the_state_directory(start, relay):
    agent = start(tunnel("web", relay, 3000, name="myapp"))
    address = agent.wait_state("web")["address"]
    assert agent.identity()["address"] == address
    assert not os.path.exists(os.path.join(agent.state, "web"))


def test_multiple_tunnels_use_a_folder_each(start, relay):
    agent = start(*(tunnel(id, relay, 3000, name=id) for id in ("one", "two")))
    for id in ("one", "two"):
        assert agent.wait_state(id)["address"] == agent.identity(id)["address"]
    assert not os.path.exists(os.path.join(agent.state, "identity.json"))


def test_reusing_an_identity_keeps_address_and_lease_across_restarts(start, leases, relay, app):
    agent = start(tunnel("web", relay, app.port, name="myapp"))
    address = agent.wait_state("web")["address"]
    agent.process.kill()
    agent.start()
    assert agent.wait_state("web")["address"] == address
    assert leases.echoes(relay, "myapp")


def test_separate_identity_paths_are_separate_identities(start, relay):
    agent = start(*(tunnel(id, relay, 3000, name=id, identity_path=f"{id}.json")
                    for id in ("one", "two")))
    assert agent.wait_state("one")["address"] != agent.wait_state("two")["address"]


# ---- Local Control API, Agent Wallet Access: test_contract_agent_control.py ----

# ---- Troubleshooting ----

def test_start_it_explicitly(home):
    """If the dashboard says the agent is unavailable."""
    home.write(MINIMAL)
    assert home.call("agent", "status").returncode == 1
    assert home.do("agent", "run", "--config", home.config).startswith("Portal agent running at")
    assert home.call("agent", "status").stdout.startswith("agent: process ")


def test_if_the_service_manager_is_unavailable(home):
    home.write(MINIMAL)
    home.manager.failures["show"] = "System has not been booted with systemd"
    failed = home.call("agent", "run", "--config", home.config)
    assert failed.returncode == 1 and "--foreground" in failed.stderr
    process = home.stay("agent", "run", "--config", home.config, "--foreground")
    net.wait_until(lambda: home.call("agent", "status").stdout, message="the agent")
    process.stop()


def test_error_invalid_local_target(start, relay):
    agent = start(tunnel("web", relay, "no where", name="myapp"))
    assert "target" in agent.wait_state("web", "error")["last_error"]


def test_error_relay_url_that_cannot_be_reached(start):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"https://relay.localhost:{closed.getsockname()[1]}"
        agent = start(tunnel("web", url, 3000, name="myapp"))
        web = agent.wait_state("web", "error")
    assert "refused" in web["last_error"] and web["since"] and web["next_try_at"]


def test_error_transport_disabled_on_the_relay(start, relay):
    agent = start(tunnel("ssh", relay, 22, name="ssh", tcp=True))
    assert "TCP" in agent.wait_state("ssh", "error")["last_error"].upper()


def test_error_invalid_multi_hop_route(start, relay):
    agent = start(tunnel("web", relay, 3000, name="myapp", multi_hop=HOPS[:1]))
    assert "multi_hop" in agent.wait_state("web", "error")["last_error"]


# ---- what is not built yet, and how the program says so ----


NOT_YET = [
    ("udp, udp_addr: UDP transport settings", "config", {"udp": True},
     "UDP through a relay is not supported yet"),
    ("multi_hop: Explicit ordered multi-hop relay URLs", "config", {"multi_hop": HOPS},
     "publishing through several relays is not supported yet"),
    ("multi_hop_depth: Automatically choose one multi-hop route", "config",
     {"multi_hop_depth": 2}, "publishing through several relays is not supported yet"),
    ("POST /v1/agent/tunnels/{id}/multi-hop: Apply a multi-hop route", "request",
     {"relays": HOPS}, "publishing through several relays is not supported yet"),
    ("discovery: Include registry and relay discovery expansion", "config",
     {"relays": [], "discovery": True}, "there is no relay to publish on"),
]


@pytest.mark.parametrize("how, what, said", [row[1:] for row in NOT_YET],
                         ids=[row[0].replace(" ", "-") for row in NOT_YET])
def test_not_yet(world, leases, how, what, said):
    relay = leases.relay()
    fields = what if how == "config" else {}
    agent = Agent(world, "portal", tunnel("web", relay, 3000, name="myapp", **fields)).start()
    if how == "config":
        broken = agent.wait_state("web", "error")
        assert said in broken["last_error"] and broken["health"] == "down"
        assert said in agent.call("status").stdout
        assert not relay.is_alive(f"myapp.{relay.root}")
        return
    agent.wait_state("web")
    status, answer = agent.ask("POST", "tunnels/web/multi-hop", what)
    assert status == 400 and said in answer["error"]["message"]
    assert agent.tunnel("web")["state"] == "running" and "multi_hop" not in agent.read()
