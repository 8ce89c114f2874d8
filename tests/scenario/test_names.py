"""Name servers that do not answer: who waits for them, and who must not."""

import signal
import socket
import threading
import time

import pytest
from lib import net, netns


class Silence:
    """A name server that hears and says nothing, and whom it serves."""

    def __init__(self, path):
        self.path, self.home = path, path.home
        path.home.name_server(path.away_address)
        self.socket = path.away.inside(lambda: socket.socket(socket.AF_INET,
                                                             socket.SOCK_DGRAM))
        self.socket.bind((path.away_address, 53))
        self.heard = 0
        threading.Thread(target=self._hear, daemon=True).start()

    def _hear(self):
        while self.socket.recv(4096):
            self.heard += 1

    def close(self):
        self.path.away.inside(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(
            b"", (self.path.away_address, 53)))
        self.path.close()


@pytest.fixture
def server(world):
    reason = netns.why_not()
    if reason:
        pytest.skip(reason)
    return world.keep(Silence(netns.Path()))


@pytest.mark.parametrize("words", [
    ["expose", "3000", "--discovery=false", "--relays", "https://relay.example.com"],
    ["client", "https://tunnel.example.com", "R:3000"]], ids=["expose", "client"])
def test_nobody_who_leaves_waits_for_one(world, adit, server, words):
    process = world.run("adit", [*server.home.prefix, adit.argv[0], *words])
    process.graceful = True
    net.wait_until(lambda: server.heard > 0, message="a question")
    began = time.monotonic()
    process.signal(signal.SIGTERM)
    assert process.wait_exit() == 0
    assert time.monotonic() - began < 3


def test_a_list_is_there_after_3_seconds(world, adit, server):
    began = time.monotonic()
    done = world.call([*server.home.prefix, adit.argv[0], "list", "--relays",
                       "https://relay.example.com"])
    assert done.returncode == 0 and "unknown" in done.stdout
    assert server.heard > 0 and time.monotonic() - began < 6
