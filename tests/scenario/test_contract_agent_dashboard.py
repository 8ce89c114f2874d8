"""
The contract of portal agent, its section Dashboard, through a link named portal.

The agent and the relays are those of adit, unless a route through several relays is wanted, which
only a scripted agent accepts. test_dashboard.py has the stories behind these.
"""

import os
import time

import pytest

from conftest import need
from lib import agent_api, net
from lib.agents import Agent, tunnel
from lib.process import SANITIZER_ENV, SANITIZERS
from lib.tmux import Terminal

PANES = ["Tunnels", "Settings", "Relays", "Multi-hop"]
ONE, TWO = "https://one.example.com", "https://two.example.com"


class Screen:
    """A terminal with portal agent dashboard."""

    def __init__(self, world, flags, env=None):
        need("tmux")
        link = Agent(world, "portal", "", name="link").argv()[0]
        directory = world.path("terminal")
        os.mkdir(directory)
        self.terminal = world.keep(Terminal(
            directory, 80, 24, [link, "agent", "dashboard", *flags],
            env={**SANITIZER_ENV, **(env or {})}))

    def __getattr__(self, name):
        return getattr(self.terminal, name)

    def go_to(self, pane):
        for _ in range(PANES.index(pane)):
            self.press("Right")
        self.wait(f"[{pane}]")


@pytest.fixture
def dashboard(world):
    opened = []

    def begin(agent, **options):
        flags = ["--config", agent.config] if hasattr(agent, "config") else [
            "--state-dir", world.path("state")]
        opened.append(Screen(world, flags, **options))
        opened[0].wait("[Tunnels]", absent=["Waiting for the agent"])
        return opened[0]

    yield begin
    for screen in opened:
        if not os.path.exists(screen.exit_path):
            screen.press("C-c")
        assert screen.wait_exit() == 0, screen.errors
        assert not SANITIZERS.search(screen.errors), screen.errors


@pytest.fixture
def relay(leases):
    return leases.relay()


@pytest.fixture
def agent(world, relay):
    """With two tunnels."""
    return Agent(world, "portal", "# mine\n" + "".join(
        tunnel(id, relay, 3000 + i, name=id) for i, id in enumerate(("one", "two")))).start()


@pytest.fixture
def scripted(world):
    """With a tunnel at two relays that have an overlay."""
    return world.keep(agent_api.Agent(world.path("state"), [agent_api.tunnel("web", 3000, [
        agent_api.relay(url, "web", state="open", supports_overlay=True) for url in (ONE, TWO)])]))


# ---- the text ----

def test_portal_agent_dashboard_opens_the_local_dashboard(agent, dashboard):
    dashboard(agent).wait("one", "two", "127.0.0.1:3000")


def test_it_polls_agent_status_every_two_seconds(scripted, dashboard):
    dashboard(scripted).wait("web")
    first = scripted.polls
    net.wait_until(lambda: scripted.polls > first, message="a poll")
    begin = time.monotonic()
    net.wait_until(lambda: scripted.polls > first + 2, 10, message="two polls")
    assert 3.0 <= time.monotonic() - begin <= 6.0


def test_it_edits_the_same_toml_config_file_that_the_service_uses(agent, dashboard):
    screen = dashboard(agent)
    screen.type("+myapp 3333")
    screen.press("Enter")
    screen.wait("added myapp")
    assert "# mine" in agent.read() and 'name = "myapp"' in agent.read()


def test_it_attaches_with_only_an_explicit_state_dir(world, agent):
    os.unlink(agent.config)
    screen = Screen(world, ["--state-dir", agent.state])
    screen.wait("[Tunnels]", "one", "two")
    screen.press("C-c")
    assert screen.wait_exit() == 0


def test_it_says_that_the_agent_is_unavailable_and_how_to_start_it(world):
    agent = Agent(world, "portal", "")
    screen = Screen(world, ["--config", agent.config])
    screen.wait("The agent is not running.", "portal agent run", "--foreground")
    screen.press("C-c")
    assert screen.wait_exit() == 0


def test_the_row_of_a_tunnel_in_error_has_its_reason(world, dashboard):
    agent = Agent(world, "portal", tunnel(
        "web", "https://relay.localhost:9", 3000, name="web")).start()
    dashboard(agent).wait("error    web", "Connection refused", "next try in")


# ---- panes ----

def test_pane_tunnels(agent, dashboard):
    """Add, select, and delete simple target tunnels."""
    screen = dashboard(agent)
    screen.type("+myapp 3333")
    screen.press("Enter")
    screen.wait("added myapp")
    screen.wait("127.0.0.1:3333")
    screen.press("Home", "Down")
    screen.wait("── one ──")
    screen.press("DC", "DC")
    screen.wait("deleted one")
    assert agent.tunnel("one") is None and agent.tunnel("two")


def test_pane_settings(agent, dashboard):
    """Edit max active relays and public metadata."""
    screen = dashboard(agent)
    screen.go_to("Settings")
    screen.press("C-u")
    screen.type("5")
    for text in ("Described", "red, blue", "Ann", "https://example.com/x.png"):
        screen.press("Tab", "C-u")
        screen.type(text)
    screen.press("Enter")
    screen.wait("changed one")
    row = agent.tunnel("one")
    assert row["max_active_relays"] == 5
    assert row["metadata"] == {"description": "Described", "tags": ["red", "blue"],
                               "owner": "Ann", "thumbnail": "https://example.com/x.png"}


def test_pane_relays(agent, dashboard, relay):
    """Connect or disconnect relays for the selected tunnel."""
    agent.wait_state("one")
    screen = dashboard(agent)
    screen.go_to("Relays")
    screen.type("+https://second.localhost:9")
    screen.press("Enter")
    net.wait_until(lambda: len(agent.tunnel("one")["relays"]) == 2, message="the relay")
    screen.press("d")
    net.wait_until(lambda: len([r for r in agent.tunnel("one")["relays"] if r.get("explicit")])
                   == 1, message="its end")
    assert len(agent.tunnel("two")["relays"]) == 1


def test_pane_multi_hop(scripted, dashboard):
    """Build and apply an ordered multi-hop route."""
    screen = dashboard(scripted)
    screen.go_to("Multi-hop")
    screen.press("Down", "a")
    screen.wait("hop 1 is two.example.com")
    screen.press("Up", "a")
    screen.press("p")
    assert scripted.wait_request(net.wait_until) == (
        "POST", "tunnels/web/multi-hop", {"relays": [TWO, ONE]})
    screen.wait("route: two.example.com")


# ---- keys ----

def test_key_left_right(scripted, dashboard):
    """Switch panes, in the order of the table."""
    screen = dashboard(scripted)
    for pane in PANES[1:]:
        screen.press("Right")
        screen.wait(f"[{pane}]")
    for pane in reversed(PANES[:-1]):
        screen.press("Left")
        screen.wait(f"[{pane}]")


def test_key_up_down(agent, dashboard):
    """Move within the active pane."""
    screen = dashboard(agent)
    screen.wait("── one ──")
    screen.press("Down")
    screen.wait("── two ──")
    screen.press("Up")
    screen.wait("── one ──")


def test_key_enter(agent, dashboard):
    """Apply the active action."""
    screen = dashboard(agent)
    screen.press("End", "Enter")
    screen.wait("Add Tunnel ──")
    screen.type("myapp 3333")
    screen.press("Enter")
    screen.wait("added myapp")
    assert agent.tunnel("myapp")


def test_key_delete(agent, dashboard, relay):
    """Delete the selected tunnel or disconnect the selected relay."""
    agent.wait_state("two")
    screen = dashboard(agent)
    screen.press("DC")
    screen.wait("delete one?")
    screen.press("DC")
    screen.wait("deleted one", "── two ──", absent=["one.relay"])
    screen.go_to("Relays")
    screen.press("DC")
    screen.wait("disconnected two")


def test_key_c_and_d(agent, dashboard, relay):
    """Connect, and disconnect, the selected relay in the Relays pane."""
    agent.write("".join(tunnel("web", [relay, "https://second.localhost:9"], 3000, name="web")))
    agent.wait_state("web")
    screen = dashboard(agent)
    screen.go_to("Relays")
    screen.press("Down", "d")
    screen.wait("disconnected web from second.localhost")
    net.wait_until(lambda: not any(r.get("explicit") and "second" in r["relay_url"]
                                   for r in agent.tunnel("web")["relays"]), message="its end")


def test_key_c(scripted, dashboard):
    """Connect the selected relay in the Relays pane."""
    del scripted.status["tunnels"][0]["relays"][1]["public_url"]
    scripted.status["tunnels"][0]["relays"][1].update(explicit=False, state="closed")
    screen = dashboard(scripted)
    screen.go_to("Relays")
    screen.press("Down", "c")
    assert scripted.wait_request(net.wait_until) == (
        "POST", "tunnels/web/relays", {"relay_url": TWO})


def test_key_o(world, agent, dashboard, relay):
    """Open the selected public tunnel URL."""
    agent.wait_state("one")
    os.mkdir(world.path("bin"))
    stub = world.write("bin/xdg-open", f'#!/bin/sh\nsleep 0.3\necho "$1" >{world.path("opened")}\n')
    os.chmod(stub, 0o755)
    screen = dashboard(agent, env={"PATH": world.path("bin") + ":" + os.environ["PATH"]})
    screen.wait(f"one.{relay.root}")
    screen.press("o")

    def opened():
        try:
            with open(world.path("opened"), encoding="utf-8") as f:
                return f.read()
        except FileNotFoundError:
            return None
    found = net.wait_until(opened, message="the browser")
    assert found == agent.tunnel("one")["relays"][0]["public_url"] + "\n"


def test_key_a_and_p(scripted, dashboard):
    """Add the selected relay as a multi-hop hop; apply a drafted multi-hop route."""
    screen = dashboard(scripted)
    screen.go_to("Relays")
    screen.press("a")
    screen.wait("hop 1 is one.example.com")
    screen.press("Down", "a")
    screen.press("p")
    assert scripted.wait_request(net.wait_until) == (
        "POST", "tunnels/web/multi-hop", {"relays": [ONE, TWO]})


def test_key_p_with_an_agent_that_cannot_build_it(agent, dashboard, relay):
    """The reason is shown, and the tunnel stays as it was."""
    agent.write(tunnel("web", [relay, "https://second.localhost:9"], 3000, name="web"))
    agent.wait_state("web")
    status, answer = agent.ask("POST", "tunnels/web/multi-hop", {"relays": [ONE, TWO]})
    assert status == 400 and "not supported yet" in answer["error"]["message"]
    assert agent.tunnel("web")["state"] == "running"


def test_key_esc(agent, dashboard):
    """Cancel input or return to the Tunnels pane."""
    screen = dashboard(agent)
    screen.type("+myapp")
    screen.wait("Add Tunnel ──")
    screen.press("Escape")
    screen.wait("[Tunnels]", absent=["Add Tunnel ──"])
    screen.go_to("Relays")
    screen.press("Escape")
    screen.wait("[Tunnels]")


def test_key_ctrl_c(agent, dashboard):
    """Exit the dashboard; the agent goes on."""
    screen = dashboard(agent)
    screen.press("C-c")
    assert screen.wait_exit() == 0
    assert agent.answers()


# ---- the Add Tunnel action ----

def test_add_tunnel_accepts_name_port(agent, dashboard):
    """For example myapp 3000. It creates a simple loopback target tunnel."""
    screen = dashboard(agent)
    screen.type("+myapp 3000")
    screen.press("Enter")
    screen.wait("added myapp")
    row = net.wait_until(lambda: agent.tunnel("myapp"), message="the tunnel")
    assert (row["name"], row["target_addr"]) == ("myapp", "127.0.0.1:3000")
