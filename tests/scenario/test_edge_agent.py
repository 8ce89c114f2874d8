"""Agents of the edge that die, come back, are doubled, revoked, or want more than they may."""

import json
import re
import signal
import time

import pytest

from lib import edge, net, pypeer
from lib.edge import DOMAIN

LACKS = "the request lacks the header Adit-Agent with the agent's label"


@pytest.fixture
def home(leases):
    home = edge.Home(leases, "--link-listen", f"127.0.0.1:{net.free_port()}")
    home.panel.tunnel("app", home.app.port)
    return home


def code(panel, name="app"):
    """(status, code of the page)"""
    status, _, body = panel.ask(name, headers={"Accept": "application/json"})
    return status, json.loads(body).get("code") if body.startswith(b"{") else None


def test_an_agent_that_dies_leaves_a_page_and_comes_back(home):
    panel = home.panel
    assert panel.ask()[2] == b"app"
    began = time.monotonic()
    home.agent.process.kill()
    panel.wait_status(503)
    print(f"503 after {time.monotonic() - began:.3f} s")
    status, headers, body = panel.ask()
    assert "is offline" in body.decode() and headers["Retry-After"] == "10"
    assert code(panel) == (503, "agent_offline")
    net.wait_until(lambda: panel.agent_is(connected=False), message="the agent being away")
    home.agent.start("--no-dashboard")
    panel.wait_status(200)
    assert panel.agent_is()


def test_a_request_that_is_under_way_ends_with_its_agent(home):
    download = edge.Download(home.panel, "app", f"/slow/{8 * edge.MIB}")
    assert download.begun.wait(20)
    home.agent.process.kill()
    download.join(20)
    assert not download.is_alive()
    assert download.error is not None or download.size < 8 * edge.MIB


@pytest.mark.parametrize("how", ["in order", "killed"])
def test_a_relay_that_starts_again_serves_what_it_served(home, how):
    panel = home.panel
    assert panel.ask()[2] == b"app"
    if how == "killed":
        panel.relay.restart()
    else:
        panel.restart()
    began = time.monotonic()
    panel.wait_status(200)
    took = time.monotonic() - began
    print(f"{how}: served {took:.2f} s after the relay was up")
    assert took < 5
    assert panel.ask()[2] == b"app"


def test_the_newest_connection_of_an_agent_wins(home):
    panel = home.panel
    assert panel.ask()[2] == b"app"
    other = edge.start_agent(panel, home.credentials, "copy")
    home.agent.process.wait_log("another connection with this agent's key has replaced this one")
    panel.wait_status(200)
    # It does not fight for its place: the other one stays until the next attempt.
    home.agent.process.wait_log("Retrying in 30s")
    assert edge.connections_of(other.process.pid, panel.port) == 1
    assert edge.connections_of(home.agent.process.pid, panel.port) == 0
    assert len(re.findall("opened: user", panel.process.log)) == 2


def test_an_agent_that_is_revoked_is_cut_and_stays_out(home):
    panel = home.panel
    assert panel.ask()[2] == b"app"
    began = time.monotonic()
    panel.command("agent", "revoke", "home")
    home.agent.process.wait_log("Disconnected")
    took = time.monotonic() - began
    print(f"cut {took:.3f} s after the command began")
    assert took < 5
    assert code(panel) == (503, "agent_offline")
    said = "the server does not accept this key: it is unknown there, or was revoked"
    home.agent.process.wait_log(said)
    home.agent.process.stop()
    again = edge.start_agent(panel, home.credentials, "again", wait=False)
    again.process.wait_log(said)
    assert panel.status() == 503
    again.process.stop()
    panel.restart()
    late = edge.start_agent(panel, home.credentials, "late", wait=False)
    late.process.wait_log(said)
    assert panel.status() == 503
    late.process.stop()
    fresh = edge.start_agent(panel, edge.Credentials(panel), "fresh")
    panel.wait_status(200)
    assert fresh.process.is_running()


# ---- what a program with an agent's key may do ----

class Peer:
    """Speaks SSH in WebSocket frames with an agent's key."""

    def __init__(self, home):
        self.loop = home.panel.world.keep(pypeer.Loop())
        flags = home.panel.relay.process.argv
        self.port = int(flags[flags.index("--link-listen") + 1].rpartition(":")[2])
        self.key = pypeer.asyncssh.import_private_key(home.credentials.key)

    def connect(self, label="home", key=None, password="", **options):
        headers = {"Adit-Agent": label} if label else None
        return pypeer.connect(self.port, "agent:home", password, headers=headers,
                              key=key or (None if password else self.key), **options)

    def run(self, story):
        return self.loop.run(story, 60)

    def login(self, label):
        """What the relay says to a client that declares nothing: "" or a refusal."""
        async def story():
            conn = await self.connect(label)
            accepted, said = await pypeer.configure(conn)
            conn.close()
            return "" if accepted else said
        return self.run(story())


@pytest.fixture
def peer(home):
    home.agent.process.stop()
    return Peer(home)


def test_the_relay_opens_channels_and_the_agent_none(home, peer):
    async def story():
        async def serve(channel):
            head = await channel.reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"GET /over-asyncssh HTTP/1.1\r\n")
            await channel.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
        conn = await peer.connect(on_open=serve)
        assert await pypeer.configure(conn) == (True, "")
        for target in (f"127.0.0.1:{home.app.port}", f"localhost:{home.app.port}", "socks",
                       f"127.0.0.1:{home.panel.port}", "127.0.0.1:22", "127.0.0.1:53/udp",
                       f"app.{DOMAIN}:80", "", ":", "unix:/run/x"):
            with pytest.raises(pypeer.asyncssh.ChannelOpenError):
                await conn.open_chisel(target)
        return conn

    conn = peer.run(story())
    assert home.panel.ask(path="/over-asyncssh")[2] == b"hi"
    assert [c.target for c in conn.opened] == [f"localhost:{home.app.port}"]
    assert home.app.count == 0


@pytest.mark.parametrize("remote", [
    pypeer.remote("0.0.0.0:0", "127.0.0.1:22", reverse=True),
    pypeer.remote("127.0.0.1:0", "127.0.0.1:22", reverse=True, proto="udp"),
    pypeer.remote("127.0.0.1:0", "", reverse=True, socks=True),
    pypeer.remote("127.0.0.1:3000", "127.0.0.1:22"),
    pypeer.remote("127.0.0.1:1080", "", socks=True),
], ids=["reverse", "reverse-udp", "reverse-socks", "forward", "socks"])
def test_an_agent_that_declares_remotes_is_refused(home, peer, remote):
    async def story():
        conn = await peer.connect()
        accepted, said = await pypeer.configure(conn, remote)
        conn.close()
        return accepted, said

    accepted, said = peer.run(story())
    assert not accepted and "denied" in said
    assert home.panel.agent_is(connected=False)


def test_an_unknown_key_and_a_password_do_not_log_in(home, peer):
    async def story():
        for options in ({"key": pypeer.asyncssh.generate_private_key("ecdsa-sha2-nistp256")},
                        {"password": "secret"}):
            with pytest.raises(pypeer.asyncssh.PermissionDenied):
                await peer.connect(**options)

    peer.run(story())
    home.panel.process.wait_log('Login failed for user "agent:home"')


def test_a_link_on_the_wrong_thread_is_told_what_it_lacks(home, peer):
    assert peer.login("home") == ""
    answers = {peer.login(label) for label in ("nas", "office", "attic", "a", "b", "c", "d")}
    assert len(answers) <= 2 and any(LACKS in answer for answer in answers)
    # Without the header connections go round the threads.
    answers = [peer.login(None) for _ in range(8)]
    assert any(LACKS in answer for answer in answers)
    assert all(answer == "" or LACKS in answer for answer in answers)


@pytest.mark.slow
def test_an_agent_that_does_not_answer_is_offline_until_it_does(home):
    panel = home.panel
    assert panel.ask()[2] == b"app"
    home.agent.process.signal(signal.SIGSTOP)
    began = time.monotonic()
    status, _, body = panel.ask(headers={"Accept": "application/json"}, timeout=60)
    assert (status, json.loads(body)["code"]) == (503, "agent_offline")
    print(f"the page after {time.monotonic() - began:.1f} s")
    home.agent.process.signal(signal.SIGCONT)
    panel.wait_status(200)
