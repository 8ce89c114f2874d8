"""What adit expose shows on a terminal: a QR code that leads where the text says."""

import fcntl
import os
import pty
import re
import struct
import termios

import pytest
from lib import net, qr
from lib.portal_relay import Relay, lease_certificate


class Terminal:
    """The end that a person looks at."""

    def __init__(self, columns):
        self.master, self.slave = pty.openpty()
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", 60, columns, 0, 0))
        self.seen = b""

    def wait(self, pattern):
        def look():
            os.set_blocking(self.master, False)
            try:
                self.seen += os.read(self.master, 65536)
            except BlockingIOError:
                pass
            return re.search(pattern, self.text, re.DOTALL)
        return net.wait_until(look, 15, message=pattern)

    @property
    def text(self):
        return self.seen.decode(errors="replace").replace("\r\n", "\n")

    def close(self):
        os.close(self.master)
        os.close(self.slave)


def show(world, adit, authority, name, root, columns=100, locale="C.UTF-8", env=()):
    """What is on the terminal when the tunnel is public, and the URL there."""
    relay = world.keep(Relay(lease_certificate(authority, root), root))
    terminal = world.keep(Terminal(columns))
    process = world.run("expose", [adit.argv[0], "expose", "3000", "--relays", relay.url,
                                   "--discovery=false", "--name", name],
                        stdout=terminal.slave, env={"LC_ALL": locale, "TERM": "xterm", "NO_COLOR": "",
                             **dict(env)})
    process.graceful = True
    found = terminal.wait(r"Public at (\S+)\n")
    relay.wait_ready(name)
    process.stop()
    terminal.wait(r"leads to 127.0.0.1:3000\n")
    return terminal.text, found.group(1)


@pytest.mark.parametrize("name, root", [
    ("a", "r.localhost"), ("myapp", "relay.localhost"),
    ("a-name-of-more-letters-than-most", "relay.some.where.localhost"),
    ("n" * 63, "relay.at.a.place.with.a.long.name.localhost"),
    ("n" * 63, "r" * 54 + ".localhost")], ids=len)
def test_the_code_leads_where_the_text_says(world, adit, authority, name, root):
    text, url = show(world, adit, authority, name, root)
    code = qr.modules(text)
    assert code is not None and qr.decode(code) == url


def test_a_code_needs_a_terminal_that_can_show_it(world, adit, authority):
    for columns, locale in ((100, "C"), (30, "C.UTF-8")):
        text, _ = show(world, adit, authority, "myapp", "relay.localhost", columns, locale)
        assert qr.modules(text) is None, text


def test_a_code_has_colours_only_where_they_are_wanted(world, adit, authority):
    for env, has_code, has_colours in (({}, True, True), ({"NO_COLOR": "1"}, True, False),
                                       ({"TERM": "dumb"}, False, False),
                                       ({"TERM": ""}, False, False)):
        text, _ = show(world, adit, authority, "myapp", "relay.localhost", env=env)
        assert (qr.modules(text) is not None) == has_code, env
        assert ("\033[" in text) == has_colours, env


def test_a_code_that_is_too_wide_is_not_shown(world, adit, authority):
    name, root = "n" * 63, "r" * 54 + ".localhost"
    text, _ = show(world, adit, authority, name, root, columns=47)
    assert qr.modules(text) is None, text
