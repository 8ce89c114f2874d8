"""
Authentication by public key with asyncssh at the other end: it asks first whether a key
would do (RFC 4252 section 7), which our client never does.
"""

import asyncio
import os
import subprocess

import pytest

from lib import pypeer

KINDS = ["ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ssh-ed25519"]


@pytest.fixture
def loop(world):
    return world.keep(pypeer.Loop())


def key_of(kind):
    key = pypeer.asyncssh.generate_private_key(kind)
    # Chisel's fingerprints are padded, those of OpenSSH are not.
    text = key.get_fingerprint().removeprefix("SHA256:")
    return key, text + "=" * (-len(text) % 4)


@pytest.fixture
def drive(adit, world):
    program = os.path.join(os.path.dirname(os.path.realpath(adit.argv[0])), "ssh_drive")
    if not os.access(program, os.X_OK):
        pytest.skip("skipped: no ssh_drive beside this program")

    class Drive:
        def __init__(self, role, word):
            self.sock, theirs = pypeer.tcp_pair()
            self.process = subprocess.Popen([program, role, word], stdin=theirs,
                                            stdout=theirs, stderr=subprocess.PIPE, text=True)
            theirs.close()

        def ended(self):
            """The exit status, and the lines of events."""
            _, text = self.process.communicate(timeout=20)
            return self.process.returncode, text.splitlines()

        def close(self):
            self.process.kill()
            self.process.wait()
            self.process.stderr.close()
            self.sock.close()

    return lambda role, word: world.keep(Drive(role, word))


async def connect(sock, key):
    loop = asyncio.get_event_loop()
    options = pypeer.ssh_connection.SSHClientConnectionOptions(
        username="agent:home", password=None, known_hosts=None, client_keys=[key],
        agent_path=None, config=None, preferred_auth="publickey")
    options.waiter = loop.create_future()
    _, conn = await loop.create_connection(
        lambda: pypeer.ClientConnection(loop, options, wait="auth"), sock=sock)
    conn.opened, conn.on_open = [], pypeer.echo_channel
    await asyncio.wait_for(options.waiter, 15)
    return conn


@pytest.mark.parametrize("kind", KINDS)
def test_the_server_knows_a_key(loop, drive, kind):
    key, fingerprint = key_of(kind)
    server = drive("server", fingerprint)

    async def story():
        conn = await connect(server.sock, key)
        assert await conn.request(b"ping") == (True, b"pong")
        conn.close()

    loop.run(story())
    assert server.ended() == (0, [f"key {fingerprint} of agent:home: proven", "up"])


def test_the_server_refuses_a_key_that_it_does_not_know(loop, drive):
    key, fingerprint = key_of(KINDS[0])
    server = drive("server", key_of(KINDS[0])[1])

    async def story():
        with pytest.raises(pypeer.asyncssh.PermissionDenied):
            await connect(server.sock, key)

    loop.run(story())
    status, lines = server.ended()
    assert status == 1
    assert lines[0] == f"key {fingerprint} of agent:home: proven"
    assert "up" not in lines


class KeyServer(pypeer.asyncssh.SSHServer):
    key = None

    def begin_auth(self, username):
        return True

    def public_key_auth_supported(self):
        return True

    def validate_public_key(self, username, key):
        return username == "agent:home" and key == self.key


async def serve(sock, user_key):
    loop = asyncio.get_event_loop()
    options = pypeer.ssh_connection.SSHServerConnectionOptions(
        server_factory=type("Login", (KeyServer,), {"key": user_key}),
        server_host_keys=[pypeer.asyncssh.generate_private_key(KINDS[0])], config=None)
    options.waiter = loop.create_future()
    options.waiter.add_done_callback(lambda f: f.exception())
    _, conn = await loop.create_connection(
        lambda: pypeer.ServerConnection(loop, options, wait=None), sock=sock)
    conn.opened, conn.on_open = [], pypeer.echo_channel


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("is_known", [True, False])
def test_the_client_shows_its_key(world, loop, drive, kind, is_known):
    key, _ = key_of(kind)
    path = world.write("user.key", key.export_private_key("pkcs8-pem").decode())
    client = drive("client", path)
    known = key if is_known else key_of(kind)[0]
    loop.run(serve(client.sock, known.convert_to_public()))
    if is_known:
        assert client.ended() == (0, ["up"])
    else:
        assert client.ended() == (1, ["failed: the server does not accept this key"])
