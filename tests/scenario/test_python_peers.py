"""asyncssh and websockets at the other end: libraries that share nothing with adit."""

import asyncio
import signal

import pytest

from lib import net, pypeer
from lib.process import wait_until


@pytest.fixture
def loop(world):
    return world.keep(pypeer.Loop())


CIPHERS = ["aes128-gcm@openssh.com", "aes256-gcm@openssh.com",
           "chacha20-poly1305@openssh.com"]
EXCHANGES = ["curve25519-sha256", "curve25519-sha256@libssh.org", "ecdh-sha2-nistp256"]


def test_asyncssh_reaches_a_target_through_the_server(world, adit, loop):
    target = world.serve()
    server = world.server(adit)

    async def story():
        conn = await pypeer.connect(server.port)
        assert await pypeer.configure(conn) == (True, "")
        channel = await conn.open_chisel(f"127.0.0.1:{target.port}")
        channel.writer.write(b"hello")
        assert await channel.reader.readexactly(5) == b"hello"
        assert await conn.request(b"ping") == (True, b"pong")
        channel.writer.write_eof()
        assert await channel.reader.read() == b""
        conn.close()

    loop.run(story())


@pytest.mark.parametrize("cipher", CIPHERS)
@pytest.mark.parametrize("exchange", EXCHANGES)
def test_the_server_speaks_each_algorithm(world, adit, loop, cipher, exchange):
    target = world.serve()
    server = world.server(adit)

    async def story():
        conn = await pypeer.connect(server.port, encryption_algs=[cipher],
                                    kex_algs=[exchange])
        assert await pypeer.configure(conn) == (True, "")
        channel = await conn.open_chisel(f"127.0.0.1:{target.port}")
        block = bytes(range(256)) * 4096
        channel.writer.write(block)
        assert await channel.reader.readexactly(len(block)) == block
        conn.close()

    loop.run(story())


@pytest.mark.parametrize("cipher", CIPHERS)
@pytest.mark.parametrize("exchange", EXCHANGES)
def test_the_client_speaks_each_algorithm(world, adit, loop, cipher, exchange):
    server = world.keep(pypeer.Server(loop, encryption_algs=[cipher], kex_algs=[exchange]))
    port = net.free_port()
    world.client(adit, server, f"127.0.0.1:{port}:example.test:80")
    assert net.echoes(port, bytes(range(256)) * 4096)
    assert server.sessions[0].opened[0].target == "example.test:80"


def test_asyncssh_serves_a_reverse_remote(world, adit, loop):
    target = world.serve()
    server = world.keep(pypeer.Server(loop))
    world.client(adit, server, f"R:127.0.0.1:7000:127.0.0.1:{target.port}")
    session = server.sessions[0]
    assert session.config["Remotes"] == [{
        "LocalHost": "127.0.0.1", "LocalPort": "7000", "LocalProto": "tcp",
        "RemoteHost": "127.0.0.1", "RemotePort": str(target.port), "RemoteProto": "tcp",
        "Socks": False, "Reverse": True, "Stdio": False}]

    async def story():
        channel = await session.open_chisel(f"127.0.0.1:{target.port}")
        channel.writer.write(b"hello")
        assert await channel.reader.readexactly(5) == b"hello"
        channel.writer.write_eof()
        assert await channel.reader.read() == b""

    loop.run(story())


def test_a_server_reaches_only_what_the_client_published(world, adit, loop):
    target, secret = world.serve(), world.serve()
    server = world.keep(pypeer.Server(loop))
    world.client(adit, server, f"R:127.0.0.1:7000:127.0.0.1:{target.port}")
    session = server.sessions[0]

    async def opened(text):
        try:
            await session.open_chisel(text)
        except pypeer.asyncssh.ChannelOpenError as error:
            return error.code
        return 0

    assert loop.run(opened(f"127.0.0.1:{secret.port}")) == 1
    assert loop.run(opened("socks")) == 1
    assert loop.run(opened(f"127.0.0.1:{target.port}/udp")) == 1
    assert loop.run(opened("no target at all")) in (1, 2)
    assert secret.count == 0
    assert loop.run(opened(f"127.0.0.1:{target.port}")) == 0


def test_a_target_that_refuses_refuses_the_channel(world, adit, loop):
    server = world.server(adit)
    closed = net.free_port()

    async def story():
        conn = await pypeer.connect(server.port)
        await pypeer.configure(conn)
        with pytest.raises(pypeer.asyncssh.ChannelOpenError) as refused:
            await conn.open_chisel(f"127.0.0.1:{closed}")
        assert refused.value.code == 2
        with pytest.raises(pypeer.asyncssh.ChannelOpenError) as refused:
            await conn.open_chisel("socks")
        assert (refused.value.code, refused.value.reason) == (1, "SOCKS5 is not enabled")
        conn.close()

    loop.run(story())


def test_a_small_window_is_kept_to(world, adit, loop):
    """asyncssh ends the connection when a window or packet size is overrun."""
    body = bytes(range(256)) * 8192
    target = world.serve(lambda s: s.sendall(body))
    server = world.server(adit)

    async def story():
        conn = await pypeer.connect(server.port)
        await pypeer.configure(conn)
        for window, packet in ((10000, 32768), (2097152, 1000), (10, 10), (70000, 40000)):
            size = 500 if window == 10 else len(body)
            channel = await conn.open_chisel(f"127.0.0.1:{target.port}", window, packet)
            assert await channel.reader.readexactly(size) == body[:size]
            channel.chan.close()
        conn.close()

    loop.run(story(), 60)


def test_login_is_by_password(world, adit, loop):
    server = world.server(adit, "--auth", "ann:se:cret")

    async def attempt(user, password):
        try:
            conn = await pypeer.connect(server.port, user, password)
        except pypeer.asyncssh.PermissionDenied:
            return False
        answer = await pypeer.configure(conn)
        conn.close()
        return answer == (True, "")

    assert loop.run(attempt("ann", "se:cret"))
    assert not loop.run(attempt("ann", "se"))
    assert not loop.run(attempt("bob", "se:cret"))
    assert not loop.run(attempt("", ""))


def test_a_refusal_of_the_server_is_shown(world, adit, loop):
    text = "server: access to 'R:0.0.0.0:1' denied"
    server = world.keep(pypeer.Server(loop, users={"a": "b"}, judge=lambda config: text))
    client = world.client(adit, server, "R:1:2", flags=["--auth", "a:b"], wait=False)
    client.wait_log("access to 'R:0.0.0.0:1' denied")
    client.signal(signal.SIGHUP)
    wait_until(lambda: len(server.sessions) >= 2, message="another attempt")


@pytest.mark.parametrize("role", ["server", "client"])
def test_keys_change_under_way(world, adit, loop, role):
    """At adit's wish only: asyncssh goes on sending data behind a KEXINIT of its own."""
    knob = {"ADIT_REKEY_BYTES": "300000"}
    block = bytes(range(256)) * 16384

    async def write_all(channel):
        for i in range(0, len(block), 32768):
            await channel.write(block[i:i + 32768])

    async def story():
        conn = await pypeer.connect(server.port)
        await pypeer.configure(conn)
        channel = await conn.open_chisel(f"127.0.0.1:{target.port}")
        writing = asyncio.ensure_future(write_all(channel))
        assert await channel.reader.readexactly(len(block)) == block
        await writing
        conn.close()

    if role == "server":
        target = world.serve()
        server = world.server(adit, env=knob)
        loop.run(story(), 60)
    else:
        server = world.keep(pypeer.Server(loop))
        port = net.free_port()
        world.client(adit, server, f"127.0.0.1:{port}:example.test:80", env=knob)
        assert net.echoes(port, block)


def test_many_channels_of_one_session_keep_apart(world, adit, loop):
    target = world.serve()
    server = world.server(adit)

    async def visit(conn, i):
        channel = await conn.open_chisel(f"127.0.0.1:{target.port}")
        text = (b"%d," % i) * 5000
        channel.writer.write(text)
        assert await channel.reader.readexactly(len(text)) == text
        channel.chan.close()

    async def story():
        conn = await pypeer.connect(server.port)
        await pypeer.configure(conn)
        await asyncio.gather(*(visit(conn, i) for i in range(100)))
        conn.close()

    loop.run(story(), 60)


def test_an_unknown_request_is_answered_and_changes_nothing(world, adit, loop):
    server = world.server(adit)

    async def story():
        conn = await pypeer.connect(server.port)
        assert (await pypeer.configure(conn))[0]
        assert await conn.request(b"keepalive@openssh.com") == (False, b"")
        assert await conn.request(b"nobody-knows", b"data") == (False, b"")
        assert await conn.request(b"ping") == (True, b"pong")
        conn.close()

    loop.run(story())


def test_both_sides_ping(world, adit, loop):
    server = world.keep(pypeer.Server(loop))
    world.client(adit, server, "R:1:2", flags=["--keepalive", "100ms"])
    wait_until(lambda: getattr(server.sessions[0], "pings", 0) >= 3, message="three pings")

    other = world.server(adit, "--keepalive", "100ms")

    async def story():
        conn = await pypeer.connect(other.port)
        assert (await pypeer.configure(conn))[0]
        for _ in range(100):
            if getattr(conn, "pings", 0) >= 3:
                return
            await asyncio.sleep(0.05)
        raise AssertionError("the server does not ping")

    loop.run(story())
