"""The dashboard, as a person uses it: keys go in at a terminal, and screens come out.

tmux is the terminal. The agent is a scripted one, so that every state can be seen; where there is
a stock portal, its agent, too.
"""

import os
import re
import shutil
import tempfile

import pytest
from conftest import need
from lib import net
from lib.agent_api import Agent, moment, relay, tunnel
from lib.process import SANITIZERS, wait_until
from lib.tmux import Terminal

ONE, TWO = "https://one.example.com", "https://two.example.com"
HERE = os.path.dirname(os.path.abspath(__file__))


@pytest.fixture(params=[(80, 24), (120, 40), (40, 12)], ids=lambda size: "%dx%d" % size)
def size(request):
    """Columns and rows of the terminal."""
    return request.param



def several():
    """A tunnel of each health."""
    return [
        tunnel("api", 8080, [
            relay(ONE, "api", state="open", rtt_ms=12, supports_overlay=True),
            relay(TWO, state="waiting", last_error="connection refused", supports_overlay=True,
                  next_try_at=moment(90))],
               health="degraded", target_health="ok", visitors=9, visitors_now=2),
        tunnel("blog", 4000, [relay(ONE)], state="error", health="down",
               last_error="the name blog belongs to another identity"),
        tunnel("myapp", 3000, [relay(ONE, "myapp", state="open")], health="ok", verified=True,
               metadata={"description": "Managed web tunnel", "tags": ["web"]}),
    ]


@pytest.fixture
def agent(world):
    return world.keep(Agent(world.path("state"), several(), version="adit/0.2.0", pid=7))


@pytest.fixture
def stock_like(world):
    """An agent whose status has only what a stock one reports."""
    return world.keep(Agent(world.path("state"), [
        tunnel("web", 3000, [relay(ONE, "web", supports_overlay=True),
                             relay(TWO, explicit=False, supports_overlay=True)])]))


class Dashboards:
    """Opens dashboards, and sees to it that each ends as it should."""

    def __init__(self, world, adit):
        self.world, self.adit = world, adit
        self.opened = []

    def __call__(self, size=(80, 24), wait=("[Tunnels]",), flags=None, program=None,
                 **options):
        need("tmux")
        directory = self.world.path(f"terminal-{len(self.opened)}")
        os.mkdir(directory)
        flags = ["--state-dir", self.world.path("state")] if flags is None else flags
        terminal = self.world.keep(Terminal(directory, *size, [
            *(program or [self.adit.argv[0]]), "agent", "dashboard", *flags], **options))
        self.opened.append(terminal)
        terminal.wait(*wait, absent=["Waiting for the agent"])
        return terminal

    def leave(self):
        for terminal in self.opened:
            if not os.path.exists(terminal.exit_path):
                terminal.press("C-c")
            assert terminal.wait_exit() == 0, terminal.errors
            assert not SANITIZERS.search(terminal.errors), terminal.errors


class Home:
    """A directory that another user may enter."""

    def __init__(self, path):
        self.path = path

    def close(self):
        shutil.rmtree(self.path, ignore_errors=True)


@pytest.fixture
def dashboard(world, adit):
    dashboards = Dashboards(world, adit)
    yield dashboards
    dashboards.leave()


def blank_times(screen):
    """Without what changes from run to run: times, rates and the agent's port."""
    screen = re.sub(r"  traffic .*", "  traffic RATES", screen)
    screen = re.sub(r"127\.0\.0\.1:\d{5}", "127.0.0.1:PORT", screen)
    screen = re.sub(r"next try in \d+ s", "next try in N s", screen)
    screen = re.sub(r"^\d\d:\d\d:\d\d", "HH:MM:SS", screen, flags=re.MULTILINE)
    screen = re.sub(r"adit/\d+\.\d+\.\d+$", "adit/RELEASE", screen, flags=re.MULTILINE)
    return "\n".join(line.rstrip() for line in screen.rstrip("\n").split("\n"))


# ---- what is shown ----

# Keys that lead from the Tunnels pane to a screen, and text that is there then.
SCREENS = {
    "tunnels": ([], "running  myapp"),
    "settings": (["Right"], "thumbnail"),
    "relays": (["Right", "Right"], "[Relays]"),
    "multi-hop": (["Right", "Right", "Right"], "no route"),
    "links": (["Left", "Left"], "[Links]"),
    "log": (["l"], "tunnel blog: registering"),
    "help": (["?"], "esc back"),
    "add": (["+"], "Add Tunnel ──"),
    "edit": (["e"], "Edit Tunnel ──"),
    "error": (["Down"], "> ✗ error    blog"),
    "delete": (["DC"], "delete api?"),
}


@pytest.mark.parametrize("name", SCREENS)
def test_each_screen_at_each_size(agent, dashboard, size, name):
    """WRITE_SCREENS=1 writes them anew, to be looked at."""
    agent.lines = [("info", "agent: started"), ("warn", "tunnel blog: registering: refused")]
    agent.status["links"] = [{
        "id": "office", "server": "https://tunnel.example.com", "state": "running",
        "health": "ok", "rtt_ms": 21, "remotes": ["R:3000:localhost:3000"],
        "sent_bytes": 12345678, "received_bytes": 345}]
    keys, text = SCREENS[name]
    terminal = dashboard(size, wait=["[Tunnels]", "api"])
    if keys:
        terminal.press(*keys)
    terminal.wait(text)
    path = os.path.join(HERE, "screens", "%dx%d-%s.txt" % (*size, name))
    if os.environ.get("WRITE_SCREENS"):
        polls = agent.polls
        wait_until(lambda: agent.polls > polls + 1, message="two polls")  # all is drawn
        with open(path, "w", encoding="utf-8") as f:
            f.write(blank_times(terminal.screen) + "\n")
    with open(path, encoding="utf-8") as f:
        wanted = f.read().rstrip("\n")
    try:
        wait_until(lambda: blank_times(terminal.screen) == wanted, 5)
    except AssertionError:
        assert blank_times(terminal.screen) == wanted


def test_every_size_shows_help(agent, dashboard, size):
    terminal = dashboard(size)
    terminal.press("?")
    terminal.wait("edits the selected", "esc back")
    for _ in range(20):
        terminal.press("PageDown")
    terminal.wait("dashboard  adit/")
    terminal.press("Escape")
    terminal.wait("[Tunnels]")


def test_a_window_that_changes_its_size(agent, dashboard):
    terminal = dashboard((80, 24))
    terminal.resize(120, 40)
    terminal.wait("[Tunnels] 1/3", "max relays")
    terminal.resize(40, 12)
    terminal.wait("[Tunnels] Set  Rel  Hops  Log", absent=["max relays"])


def test_marks_besides_colour(agent, dashboard):
    plain = dashboard(env={"NO_COLOR": "1"})
    assert not re.search(r"\033\[[0-9;]*[34][0-8]", plain.styled), "a colour"
    assert re.search(r"\033\[([0-9;]*;)?7m", plain.styled), "the selected row is not reversed"
    assert re.search(r"\033\[[0-9;]*38;5;", dashboard().styled)


def test_a_terminal_without_utf8_gets_ascii(agent, dashboard):
    terminal = dashboard(utf8=False)
    screen = terminal.wait("! degraded api", "x error    blog", "* running  myapp")
    assert screen.isascii(), screen


def test_two_hundred_tunnels_scroll(world, dashboard):
    world.keep(Agent(world.path("state"), [tunnel(f"t{n:03}") for n in range(200)]))
    terminal = dashboard()
    terminal.wait("1/200")
    terminal.press("End")
    terminal.wait("> [ + Add Tunnel ]", "t199", absent=["t000"])
    terminal.press("Up")
    terminal.wait("200/200")
    for _ in range(3):
        terminal.press("PageUp")
    terminal.wait("170/200", "t169")
    terminal.press("Home")
    terminal.wait("t000", absent=["t199"])


def test_text_of_relays_cannot_command_the_terminal(world, dashboard):
    world.keep(Agent(world.path("state"), [
        tunnel("evil", name="a\033]2;title\007\033[2Jb\u202e", state="error",
               last_error="x\r\n\033[31mred\u009b5m")]))
    terminal = dashboard()
    terminal.wait("a�]2;title��[2Jb", "x���[31mred�5m")


# ---- what is done ----

def test_a_tunnel_is_added_by_keys_alone(agent, dashboard, size):
    terminal = dashboard(size)
    terminal.press("End", "Enter")
    terminal.wait("Add Tunnel ──", "(myapp 3000)")
    terminal.type("zebra")
    terminal.press("Enter")
    terminal.wait("write a name and a port")
    terminal.type(" 3003")
    terminal.press("Enter")
    assert agent.wait_request(wait_until) == (
        "POST", "tunnels", {"name": "zebra", "target_addr": "3003", "relays": []})
    terminal.wait("added zebra", "> ● running  zebra", absent=["Add Tunnel ──"])


def test_plus_offers_the_relays_of_the_selected_tunnel(agent, dashboard, size):
    terminal = dashboard(size)
    terminal.type("+zebra 3003")
    terminal.wait("zebra 3003", "https://one.example.com, h")
    terminal.press("Tab", "C-u")
    terminal.type("https://three.example.com")
    terminal.press("Enter")
    assert agent.wait_request(wait_until)[2]["relays"] == ["https://three.example.com"]


def test_a_refusal_stays_until_it_is_cleared(agent, dashboard, size):
    agent.refusal = ("invalid_request", 'tunnel "api" already exists')
    terminal = dashboard(size)
    terminal.type("+api 1")
    terminal.press("Enter")
    text = 'cannot add api: tunnel "api" already exists'
    terminal.wait(text, "Add Tunnel ──")
    polls = agent.polls
    wait_until(lambda: agent.polls > polls + 1, message="two polls")
    terminal.wait(text)
    terminal.press("Escape")
    terminal.wait("> ◐ degraded api", absent=["cannot add", "Add Tunnel ──"])


def test_delete_asks_and_can_be_undone(agent, dashboard, size):
    terminal = dashboard(size)
    terminal.press("Down", "DC")
    terminal.wait("delete blog?")
    terminal.press("Up")
    terminal.wait("> ◐ degraded api", absent=["delete blog?"])
    terminal.press("Down", "DC", "DC")
    assert agent.wait_request(wait_until) == ("DELETE", "tunnels/blog", None)
    terminal.wait("deleted blog; u undoes it", absent=["error    blog"])
    terminal.press("u")
    assert agent.wait_request(wait_until) == ("POST", "tunnels/restore", {"id": "blog"})
    terminal.wait("restored blog")


def test_settings_are_a_form_with_a_cursor(agent, dashboard, size):
    terminal = dashboard(size)
    terminal.press("Down", "Down", "Right", "Down")
    terminal.wait("> description    Managed web tunnel")
    terminal.type("!")
    terminal.press("Home")
    terminal.type("A ")
    for _ in range(8):
        terminal.press("Right")
    terminal.type("d")
    screen = terminal.wait("* A Managed dweb tunnel!", "1 field changed: enter app")
    row = [number for number, line in enumerate(screen.splitlines()) if "dweb" in line][0]
    column = screen.splitlines()[row].index("dweb") + 1
    assert terminal.cursor == ((column, row), True)
    # Another tunnel, and back: nothing is lost.
    terminal.press("Tab", "Left", "Up", "Down", "Right")
    terminal.wait("A Managed dweb tunnel!")
    terminal.press("Enter")
    assert agent.wait_request(wait_until) == (
        "PATCH", "tunnels/myapp", {"metadata": {"description": "A Managed dweb tunnel!"}})
    terminal.wait("changed myapp; u undoes it", "[ Applied ]")
    terminal.press("Escape")
    terminal.wait("[Tunnels]")
    terminal.press("u")
    assert agent.wait_request(wait_until) == (
        "PATCH", "tunnels/myapp", {"metadata": {"description": "Managed web tunnel"}})


def test_an_edit_made_elsewhere_is_not_written_back(agent, dashboard, size):
    terminal = dashboard(size)
    terminal.press("Right")
    terminal.type("5")
    terminal.wait("* 35")
    agent.status["tunnels"][0]["metadata"]["owner"] = "somebody else"
    terminal.wait("somebody else")
    terminal.press("Enter")
    assert agent.wait_request(wait_until) == ("PATCH", "tunnels/api", {"max_active_relays": 35})


def test_a_tunnel_is_edited(agent, dashboard, size):
    terminal = dashboard(size)
    terminal.type("e")
    terminal.wait("Edit Tunnel ──", "127.0.0.1:8080")
    terminal.press("Down")
    terminal.press("BSpace", "BSpace")
    terminal.type("99")
    terminal.press("Enter")
    assert agent.wait_request(wait_until) == (
        "PATCH", "tunnels/api", {"target": "127.0.0.1:8099"})
    terminal.wait("changed api", absent=["Edit Tunnel ──"])


def test_relays_are_connected_and_disconnected(agent, dashboard, size):
    terminal = dashboard(size)
    terminal.press("Right", "Right", "c")
    terminal.wait("one.example.com is connected already")
    terminal.press("d")
    assert agent.wait_request(wait_until) == (
        "DELETE", "tunnels/api/relays", {"relay_url": ONE})
    terminal.wait("disconnected api from one.example.com")
    terminal.press("Down", "Enter")
    assert agent.wait_request(wait_until)[0] == "POST"
    terminal.type("+https://three.example.com")
    terminal.wait("Connect Relay ──")
    terminal.press("Enter")
    assert agent.wait_request(wait_until) == (
        "POST", "tunnels/api/relays", {"relay_url": "https://three.example.com"})


def test_a_route_is_built_and_cleared(agent, dashboard, size):
    terminal = dashboard(size)
    terminal.press("Right", "Right", "a")
    terminal.wait("hop 1 is one.example.com")
    terminal.press("p")
    terminal.wait("at least two relays")
    terminal.press("Right", "Down", "a")
    terminal.wait("draft: one.example.com", "hop 2  two.example.com")
    terminal.press("p")
    assert agent.wait_request(wait_until) == (
        "POST", "tunnels/api/multi-hop", {"relays": [ONE, TWO]})
    terminal.wait("route: one.example.com")
    terminal.press("c")
    assert agent.wait_request(wait_until) == ("DELETE", "tunnels/api/multi-hop", None)
    terminal.wait("no route", "u undoes it")


def test_the_public_url_is_opened_and_copied(world, agent, dashboard):
    os.mkdir(world.path("bin"))
    opened = world.path("opened")
    stub = world.write("bin/xdg-open", f'#!/bin/sh\nsleep 0.3\necho "$1" >>{opened}\n')
    os.chmod(stub, 0o755)
    terminal = dashboard(env={"PATH": world.path("bin") + ":" + os.environ["PATH"]})
    terminal.press("o")
    terminal.press("q")  # it lives on
    assert terminal.wait_exit() == 0
    wait_until(lambda: os.path.exists(opened), message="the browser")
    with open(opened, encoding="utf-8") as f:
        assert f.read() == "https://api.one.example.com\n"
    terminal = dashboard()
    terminal.press("y")
    terminal.wait("copied https://api.one.example.com")
    assert terminal.clipboard == "https://api.one.example.com"


def test_a_browser_that_fails_is_reported(world, agent, dashboard):
    os.mkdir(world.path("bin"))
    os.chmod(world.write("bin/xdg-open", "#!/bin/sh\nexit 3\n"), 0o755)
    terminal = dashboard(env={"PATH": world.path("bin") + ":" + os.environ["PATH"]})
    terminal.press("o")
    terminal.wait("no browser opened the URL (exit status 3): y copies it")


def test_the_log_is_shown_and_scrolls(agent, dashboard):
    agent.lines = [("info", f"line {n}") for n in range(100)]
    terminal = dashboard()
    terminal.press("Left", "Left", "l")
    terminal.wait("[Log]", "line 99")
    terminal.press("l")
    terminal.wait("[Multi-hop]")
    terminal.press("l")
    terminal.press("PageUp", "PageUp")
    terminal.wait("line 79", absent=["line 99"])
    agent.lines += [("warn", "line 100")]
    terminal.press("End")
    terminal.wait("warn  line 100")


def test_pasted_text_goes_into_fields_only(agent, dashboard, size):
    terminal = dashboard(size)
    terminal.paste("q\nDc")
    terminal.wait("text can be pasted into a field only")
    terminal.type("+")
    terminal.wait("Add Tunnel ──")
    terminal.paste("my app\n3000")
    terminal.wait("> name port  my app 3000")
    assert not agent.requests


def test_the_mouse_selects_and_presses(agent, dashboard):
    terminal = dashboard()
    terminal.click_on("myapp")
    terminal.wait("> ● running  myapp")
    terminal.click_on("Settings")
    terminal.wait("[Settings]", "Managed web tunnel")
    terminal.click_on("Tunnels")
    terminal.wait("[Tunnels]")
    terminal.click_on("[ + Add Tunnel ]")
    terminal.wait("Add Tunnel ──")
    terminal.click_on("esc cancel")
    terminal.wait("[Tunnels]", absent=["Add Tunnel ──"])
    terminal.click_on("? help")
    terminal.wait("Everywhere")


# ---- agents that come and go ----

def test_without_an_agent_it_says_how_to_start_one(world, dashboard):
    os.mkdir(world.path("state"))
    terminal = dashboard(wait=["The agent is not running.", "agent run", "--foreground"])
    with_agent = world.keep(Agent(world.path("state"), several()))
    terminal.wait("[Tunnels]", "myapp")
    assert with_agent.polls > 0


@pytest.mark.parametrize("persona, place", [("adit", "adit/agent"),
                                            ("portal", "portal-tunnel/agent")])
def test_it_attaches_without_a_config(world, adit, dashboard, persona, place):
    """In the default place of a user, who is not root."""
    home = tempfile.mkdtemp(prefix="adit-home-")
    world.keep(Home(home))
    state = os.path.join(home, ".local/share", place)
    world.keep(Agent(state, several()))
    os.symlink(adit.argv[0], os.path.join(home, persona))
    user = []
    if os.geteuid() == 0:
        user = [need("setpriv"), "--reuid=65534", "--regid=65534", "--clear-groups"]
        for path in (home, state):
            os.chmod(path, 0o755)
        os.chmod(os.path.join(state, "agent-endpoint.json"), 0o644)
    terminal = dashboard(flags=[], program=[*user, os.path.join(home, persona)],
                         env={"HOME": home, "XDG_DATA_HOME": "", "XDG_CONFIG_HOME": ""})
    terminal.wait("running  myapp")


def test_an_agent_that_dies_is_gone_and_comes_back(world, agent, dashboard):
    terminal = dashboard()
    terminal.wait("running  myapp")
    agent.stop(leaves_file=True)
    terminal.wait("The agent is gone for", "unknown  myapp", absent=["running  myapp"])
    terminal.press("DC")
    terminal.wait("nothing can be changed: the agent is not running")
    # Another process: another port, another token.
    world.keep(Agent(world.path("state"), several(), version="adit/0.2.0", pid=8))
    terminal.wait("running  myapp", "the agent is running again", absent=["is gone"])


def test_a_file_that_does_not_run_is_reported(agent, dashboard, size):
    agent.status["config_error"] = "config.toml:3:1: unknown key"
    dashboard(size).wait("The file on the disk is not what runs: config.toml:3:1: unknown key")


def test_a_stock_agent_is_served_as_far_as_it_reports(stock_like, dashboard):
    terminal = dashboard()
    terminal.wait("portal agent", "running  web", "this agent does not report it")
    stock_like.status["tunnels"][0]["relays"][0].pop("public_url")
    terminal.wait("no relay web", "no relay has registered the tunnel")
    terminal.press("e")
    terminal.wait("this agent cannot change name, target, relays and routes")
    terminal.press("DC", "DC")
    assert stock_like.wait_request(wait_until) == ("DELETE", "tunnels/web", None)
    terminal.wait("deleted web; u undoes it")
    terminal.press("u")
    assert stock_like.wait_request(wait_until)[:2] == ("POST", "tunnels")
    assert stock_like.wait_request(wait_until)[:2] == ("PATCH", "tunnels/web")
    terminal.wait("restored web", "web", "127.0.0.1:3000")


def test_another_program_at_the_port_is_not_an_agent(world, agent, dashboard):
    agent.token = "another"
    dashboard(wait=["The agent is not running.", "refuses the token"])


# ---- how it ends ----

def test_it_needs_a_terminal(world, adit):
    done = world.call([adit.argv[0], "agent", "dashboard", "--state-dir", world.directory])
    assert done.returncode == 1
    assert "needs a terminal" in done.stderr and done.stderr.count("\n") == 1


@pytest.mark.parametrize("key", ["q", "C-c"])
def test_it_leaves_the_terminal_as_it_was(agent, dashboard, key):
    terminal = dashboard()
    terminal.press(key)
    assert terminal.wait_exit() == 0
    terminal.wait(absent=["[Tunnels]"])
    assert terminal.cursor[1]
    assert terminal._call("display-message", "-p", "#{alternate_on}#{mouse_any_flag}") == "00\n"


def test_it_stops_and_continues(world, adit, agent):
    need("bash")
    terminal = world.keep(Terminal(world.directory, 80, 24, ["bash", "--norc", "-i"],
                                   env={"PS1": "shell> "}, has_log=False))
    terminal.wait("shell>")
    terminal.type(f"{adit.argv[0]} agent dashboard --state-dir {world.path('state')}\n")
    terminal.wait("[Tunnels]", "myapp")
    terminal.press("C-z")
    terminal.wait("Stopped", "shell>", absent=["[Tunnels]"])
    terminal.type("fg\n")
    terminal.wait("[Tunnels]", "myapp", absent=["Stopped"])
    terminal.press("q")
    terminal.wait("shell>", absent=["[Tunnels]"])
    terminal.type("exit\n")
    assert terminal.wait_exit() == 0, terminal.screen


def test_it_ends_with_its_terminal(world, agent, dashboard):
    terminal = dashboard()
    polls = agent.polls
    wait_until(lambda: agent.polls > polls, message="a poll")
    terminal.close()
    assert not SANITIZERS.search(terminal.errors), terminal.errors
    wait_until(lambda: not agent.connections, message="the end of the dashboard")
    dashboard.opened.remove(terminal)


def test_a_quiet_status_sends_nothing_to_the_terminal(world, dashboard):
    """Over a slow line each byte counts."""
    agent = world.keep(Agent(world.path("state"), [
        tunnel("web", relays=[relay(ONE, "web")])]))
    terminal = dashboard()
    terminal.wait("running  web")
    sent = terminal.record(world.path("sent"))
    polls = agent.polls
    wait_until(lambda: agent.polls > polls + 2, message="three polls")
    assert os.path.getsize(sent) == 0
    terminal.press("Down")
    terminal.wait("> [ + Add")
    wait_until(lambda: 0 < os.path.getsize(sent) < 1500, message="a small change")


# ---- real agents ----

def config_of(world):
    return f"""\
[agent]
control_addr = "127.0.0.1:0"
state_dir = "{world.path('state')}"

# mine
[[tunnels]]
id = "web"
name = "myapp"
target = "127.0.0.1:3000" # also mine
relays = ["https://relay.localhost:{net.free_port()}"]
discovery = false
"""


def test_the_agent_of_adit(world, adit, dashboard):
    config = world.write("config.toml", config_of(world))
    before = config_of_file(config)
    process = world.run("agent", [adit.argv[0], "agent", "run", "--foreground", "--config", config])
    process.graceful = True
    wait_until(lambda: os.path.exists(world.path("state/agent-endpoint.json")), message="it")
    terminal = dashboard(flags=["--config", config])
    terminal.wait("error    myapp", "relay.localhost", "next try in")
    terminal.type("+second 4000")
    terminal.press("Enter")
    terminal.wait("added second", "> ✗ error    second", "127.0.0.1:4000")
    terminal.press("e", "Down", "C-u")
    terminal.type("127.0.0.1:4001")
    terminal.press("Enter")
    terminal.wait("changed second", "127.0.0.1:4001")
    terminal.press("DC", "DC")
    terminal.wait("deleted second; u undoes it", absent=["error    second"])
    assert config_of_file(config) == before
    terminal.press("u")
    terminal.wait("restored second", "127.0.0.1:4001")
    assert config_of_file(config).startswith(before)
    assert process.stop() is None
    terminal.wait("The agent is gone for", f"adit agent run --config {config}"[:40])


def config_of_file(path):
    with open(path, encoding="utf-8") as f:
        return f.read().strip()


def test_the_agent_of_a_stock_portal(world, dashboard):
    portal = os.environ.get("PORTAL")
    if not portal:
        pytest.skip("skipped: no stock portal (set PORTAL=...)")
    config = world.write("config.toml", config_of(world))
    world.run("portal", [portal, "agent", "run", "--config", config, "--foreground"])
    wait_until(lambda: os.path.exists(world.path("state/agent-endpoint.json")), message="it")
    terminal = dashboard()
    terminal.wait("no relay myapp", "no relay has registered the tunnel")
    terminal.press("Right", "Down")
    terminal.type("by hand")
    terminal.press("Enter")
    terminal.wait("changed myapp")
    terminal.press("Escape", "+")
    terminal.type("second 4000")
    terminal.press("Enter")
    terminal.wait("added second", "> ✗ no relay second", "127.0.0.1:4000")
    terminal.press("DC", "DC")
    terminal.wait("deleted second", absent=["no relay second"])
    text = config_of_file(config)
    assert "by hand" in text and "second" not in text
