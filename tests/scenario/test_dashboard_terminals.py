"""The dashboard at terminals of several kinds, and at the end of a slow line."""

import os
import re

import pytest
from lib.agent_api import Agent, moment, relay, tunnel
from lib.process import wait_until
from test_dashboard import agent, dashboard  # noqa: F401 (fixtures)

RELAY = "https://one.example.com"
COST = 400  # bytes, at most, for a row up or down

# What the libraries of a terminal type keep until the end is none of our leaks.
NOT_OURS = {"ASAN_OPTIONS": "detect_leaks=0"}


@pytest.mark.parametrize("term", ["xterm-256color", "xterm", "screen", "tmux-256color", "linux",
                                  "vt100", "vt220", "rxvt"])
def test_every_kind_of_terminal_shows_it(agent, dashboard, term):  # noqa: F811
    """tmux sends End as VT220 does, whatever it is called: so do others."""
    terminal = dashboard(env={"TERM": term, **NOT_OURS})
    terminal.wait("[Tunnels]", "degraded api", "error    blog", "running  myapp",
                  "the name blog belongs to another identity", "? help")
    terminal.press("Down")
    terminal.wait("2/3")
    terminal.press("End")
    terminal.wait("> [ + Add Tunnel ]")
    terminal.press("Home", "Right")
    terminal.wait("[Settings]")
    terminal.press("Left", "PageDown", "PageUp", "?")
    terminal.wait("Everywhere")
    terminal.press("Escape")
    terminal.wait("> ", "degraded api", "1/3")
    terminal.press("q")
    assert terminal.wait_exit() == 0, terminal.errors


@pytest.mark.parametrize("term, words", [
    ("dumb", "needs a terminal that moves its cursor: set TERM, for instance to xterm-256color"),
    ("", "needs a terminal that moves its cursor: set TERM, for instance to xterm-256color"),
    ("no-such-terminal", "the terminal type no-such-terminal is not known here: set TERM")])
def test_a_terminal_that_cannot_show_it(agent, dashboard, term, words):  # noqa: F811
    terminal = dashboard(wait=[], env={"TERM": term, **NOT_OURS})
    assert terminal.wait_exit() == 1
    assert words in terminal.errors and terminal.errors.count("\n") == 1
    dashboard.opened.remove(terminal)


def colours(styled):
    """The parameters of all colours and marks on a screen."""
    return set(";".join(re.findall(r"\033\[([0-9;]*)m", styled)).split(";"))


@pytest.mark.parametrize("term", ["xterm-256color", "xterm"])
@pytest.mark.parametrize("background", ["0;15", "15;0"], ids=["light", "dark"])
def test_a_background_stays_as_it_is(agent, dashboard, term, background):  # noqa: F811
    """No background is set, and no text is black or white, by whichever way to say so."""
    terminal = dashboard(env={"TERM": term, "COLORFGBG": background})
    styled = terminal.styled
    texts = re.findall(r"\033\[([0-9;]*)m", styled)
    assert any("38;5;" in t for t in texts) == (term == "xterm-256color")
    for parameters in texts:
        assert not re.search(r"(^|;)(4[0-7]|48|10[0-7]|30|37|9[07])(;|$)",
                             re.sub(r"38;5;\d+", "", parameters)), parameters
        assert not re.search(r"38;5;(0|7|8|15|16|231|232|255)(;|$)", parameters), parameters
    assert "7" in colours(styled)  # the selected row is reversed


@pytest.mark.parametrize("term", ["xterm-256color", "xterm", "linux"])
def test_no_color_leaves_marks(agent, dashboard, term):  # noqa: F811
    terminal = dashboard(env={"TERM": term, "NO_COLOR": "1", **NOT_OURS})
    screen = terminal.wait("error    blog", "> ")
    assert not re.search(r"\033\[([0-9;]*;)?([34][0-8]|9[0-7]|10[0-7])[;m]", terminal.styled)
    assert re.search(r"[✗x] error", screen) and re.search(r"[◐!] degraded", screen)


@pytest.mark.parametrize("env", [{"LC_ALL": "", "LANG": "C"}, {"LC_ALL": "POSIX"},
                                 {"LC_ALL": "", "LC_CTYPE": "C", "LANG": "C.UTF-8"},
                                 {"TERM": "linux", **NOT_OURS}],
                         ids=["LANG", "LC_ALL", "LC_CTYPE", "console"])
def test_without_utf8_all_of_it_is_ascii(agent, dashboard, env):  # noqa: F811
    terminal = dashboard(env=env)
    for keys in [[], ["Right"], ["Right"], ["Right"], ["?"]]:
        if keys:
            terminal.press(*keys)
            terminal.wait(absent=["[Tunnels]"])
        assert terminal.screen.isascii(), terminal.screen


# ---- a slow line ----

def test_a_key_costs_a_few_hundred_bytes(world, dashboard):  # noqa: F811
    """With 200 tunnels: the two rows that change, and what is new below."""
    many = world.keep(Agent(world.path("state"), [
        tunnel(f"t{n:03}", relays=[relay(RELAY, f"t{n:03}", state="open", rtt_ms=12)],
               health="ok", visitors=n, visitors_now=0, sent_bytes=n, received_bytes=n)
        for n in range(200)], version="adit/0.2.0", pid=7))
    terminal = dashboard(wait=["1/200"])
    sent = terminal.record(world.path("sent"))

    def cost(keys, text):
        """The bytes until the keys' effect is there, and until the next status."""
        before, polls = os.path.getsize(sent), many.polls
        terminal.press(*keys)
        terminal.wait(text)
        wait_until(lambda: many.polls > polls, message="a poll")
        return os.path.getsize(sent) - before

    assert 0 < cost(["Down"] * 4, "5/200") < 4 * COST
    for _ in range(7):
        terminal.press("Down")
    terminal.wait("12/200")
    assert 0 < cost(["Down"] * 4, "16/200") < 4 * COST  # it scrolls
    terminal.press("End")
    terminal.wait("> [ + Add Tunnel ]")
    terminal.press("Up")
    terminal.wait("200/200")
    assert 0 < cost(["Up"] * 4, "196/200") < 4 * COST


def test_an_idle_dashboard_sends_next_to_nothing(world, dashboard):  # noqa: F811
    """Only the plot of the traffic grows, and the seconds until the next try go by."""
    quiet = world.keep(Agent(world.path("state"), [
        tunnel("api", relays=[relay(RELAY, "api", state="open", rtt_ms=12)], health="ok",
               visitors=9, visitors_now=0, sent_bytes=10, received_bytes=10),
        tunnel("blog", relays=[relay(RELAY, state="waiting", last_error="connection refused",
                                     next_try_at=moment(80))],
               state="error", health="down", last_error="connection refused",
               next_try_at=moment(80))], version="adit/0.2.0", pid=7))
    terminal = dashboard(wait=["error    blog"])
    sent = terminal.record(world.path("sent"))
    polls = quiet.polls
    wait_until(lambda: quiet.polls >= polls + 4, 20, message="four polls, which are 8 s")
    assert os.path.getsize(sent) < 8 * 60
