"""
Links that are authenticated by public key. asyncssh asks first whether a key would do (RFC
4252 section 7), which our client never does.
"""

import os
import signal
import time

import pytest

from lib import net, pypeer
from lib.process import wait_until

KINDS = ["ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ssh-ed25519"]
USER = "agent:home"


class Key:
    def __init__(self, kind=KINDS[0]):
        self.private = pypeer.asyncssh.generate_private_key(kind)
        self.public = self.private.convert_to_public()
        # Chisel's fingerprints are padded, those of OpenSSH are not.
        text = self.private.get_fingerprint().removeprefix("SHA256:")
        self.fingerprint = text + "=" * (-len(text) % 4)

    def save(self, world):
        return world.write("user.key", self.private.export_private_key("pkcs8-pem").decode())


@pytest.fixture
def loop(world):
    return world.keep(pypeer.Loop())


@pytest.fixture
def drive(adit, world):
    program = os.path.join(os.path.dirname(os.path.realpath(adit.argv[0])), "link_drive")
    if not os.access(program, os.X_OK):
        pytest.skip("skipped: no link_drive beside this program")
    return program


@pytest.fixture
def server(world, drive):
    """start(key, access) gives a server; .put() changes the key and what it may reach."""
    def start(key, access):
        path, port = world.path("keys"), net.free_port()

        def put(key, access):
            world.write("keys", f"{USER} {key.fingerprint} {access}\n" if key else "\n")

        put(key, access)
        process = world.run("server", [drive, "server", str(port), path])
        process.port, process.put = port, put
        process.url = f"http://127.0.0.1:{port}"
        net.wait_listening(port, process)
        return process

    return start


@pytest.mark.parametrize("kind", KINDS)
def test_asyncssh_logs_in_and_reaches_what_its_key_may(world, loop, server, kind):
    key, port, other = Key(kind), net.free_port(), net.free_port()
    relay = server(key, f"R:127.0.0.1:{port}")

    async def story():
        conn = await pypeer.connect(relay.port, USER, key=key.private)
        local = pypeer.remote(f"127.0.0.1:{port}", "127.0.0.1:3000", reverse=True)
        assert await pypeer.configure(conn, local) == (True, "")
        assert await conn.request(b"ping") == (True, b"pong")
        with pytest.raises(pypeer.asyncssh.ChannelOpenError):
            await conn.open_chisel(f"127.0.0.1:{other}")
        conn.close()
        conn = await pypeer.connect(relay.port, USER, key=key.private)
        local = pypeer.remote(f"127.0.0.1:{other}", "127.0.0.1:3000", reverse=True)
        accepted, text = await pypeer.configure(conn, local)
        assert not accepted and "denied" in text
        conn.close()

    loop.run(story())


def test_neither_another_key_nor_a_password_logs_in(loop, server):
    relay = server(Key(), "any")

    async def story():
        with pytest.raises(pypeer.asyncssh.PermissionDenied):
            await pypeer.connect(relay.port, USER, key=Key().private)
        for password in ("", "secret"):
            with pytest.raises(pypeer.asyncssh.PermissionDenied):
                await pypeer.connect(relay.port, USER, password)

    loop.run(story())
    relay.wait_log(f'Login failed for user "{USER}"')


def test_failed_keys_are_delayed_as_passwords_are(loop, server):
    relay = server(Key(), "any")
    taken = []

    async def story():
        for _ in range(4):
            began = time.monotonic()
            with pytest.raises(pypeer.asyncssh.PermissionDenied):
                await pypeer.connect(relay.port, USER, key=Key().private,
                                     headers={"X-Forwarded-For": "203.0.113.9"})
            taken.append(time.monotonic() - began)

    loop.run(story())
    relay.wait_log(f'Login failed from 203.0.113.9 for user "{USER}"')
    assert taken[3] >= 0.9, taken


def test_a_key_that_is_revoked_ends_its_session(world, loop, drive, server):
    key, port = Key(), net.free_port()
    target = world.serve()
    relay = server(key, f"R:127.0.0.1:{port}")
    client = world.run("client", [drive, "client", relay.url, key.save(world), USER,
                                  f"R:127.0.0.1:{port}:127.0.0.1:{target.port}"])
    client.wait_log(r"\bConnected\b")
    assert net.echoes(port, b"hello")

    began = time.monotonic()
    relay.put(None, None)
    relay.signal(signal.SIGHUP)
    relay.wait_log("closing: the key was revoked")
    client.wait_log("Disconnected")
    assert time.monotonic() - began < 1
    client.wait_log("the server does not accept this key: it is unknown there, or was revoked")
    with pytest.raises(OSError):
        net.echoes(port, b"hello")


def test_what_a_key_may_reach_changes_without_a_new_session(world, drive, server):
    key, port = Key(), net.free_port()
    target = world.serve()
    relay = server(key, f"R:127.0.0.1:{port}")
    client = world.run("client", [drive, "client", relay.url, key.save(world), USER,
                                  f"R:127.0.0.1:{port}:127.0.0.1:{target.port}"])
    client.wait_log(r"\bConnected\b")
    relay.put(key, "nothing")
    relay.signal(signal.SIGHUP)
    relay.wait_log("closed: access to")
    with pytest.raises(OSError):
        net.echoes(port, b"hello")
    relay.put(key, f"R:127.0.0.1:{port}")
    relay.signal(signal.SIGHUP)

    def is_served():
        try:
            return net.echoes(port, b"hello")
        except OSError:
            return False

    wait_until(is_served, message="the port")
    assert client.log.count("Connected") == 1


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("is_known", [True, False])
def test_the_client_logs_in_at_asyncssh(world, loop, drive, kind, is_known):
    key = Key(kind)
    known = key if is_known else Key(kind)
    server = world.keep(pypeer.Server(loop, users={"ann": "secret"}, keys={USER: known.public}))
    client = world.run("client", [drive, "client", server.url, key.save(world), USER, "R:7000:80"])
    client.wait_log(r"\bConnected\b" if is_known else "the server does not accept this key")
