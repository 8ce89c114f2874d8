"""Strangers who mean harm or nothing: each costs a bounded amount and ends alone."""

import os
import random
import socket
import struct
import time

import pytest

from lib import http, net, pypeer
from lib.process import wait_until


@pytest.fixture
def server(world, adit):
    """A server with a client and a visitor in the middle of something."""
    target = world.serve()
    port = net.free_port()
    process = world.server(adit, "--reverse")
    world.client(adit, process, f"R:127.0.0.1:{port}:127.0.0.1:{target.port}")
    net.wait_listening(port)
    visitor = net.connect(port)
    visitor.sendall(b"before")
    net.read_exactly(visitor, 6)
    yield process
    visitor.sendall(b"after")
    assert net.read_exactly(visitor, 5) == b"after"
    visitor.close()
    assert net.echoes(port)


def handshake(port):
    ws = http.RawWebSocket(port)
    ws.send(b"SSH-chisel-v3-client\r\n")
    return ws


def packet(payload, length=None, padding=None):
    if padding is None:
        padding = 4 + (-(5 + len(payload) + 4)) % 8
    size = 1 + len(payload) + padding if length is None else length
    return struct.pack(">IB", size, padding) + payload + b"\0" * padding


KEXINIT = bytes.fromhex("14") + bytes(16)


@pytest.mark.parametrize("bytes_", [
    packet(b"\x14" * 8, length=262145),
    packet(b"\x14" * 8, length=0xFFFFFFFF),
    packet(b"\x14" * 8, length=0),
    packet(b"\x14" * 8, length=1),
    packet(b"\x14" * 8, length=4, padding=255),
    packet(b"\x02\0\0\0\0"),
    packet(b"\x04\0\0\0\0\0\0\0\0\0"),
    packet(b"\x15"),
    packet(b"\x1e" + struct.pack(">I", 32) + b"\0" * 32),
    packet(KEXINIT),
    packet(KEXINIT + struct.pack(">I", 0xFFFFFFFF)),
    packet(KEXINIT + b"\0\0\0\1x" * 10 + b"\0" * 5),
    packet(b"\x5a"),
    packet(b"\x32" + b"\0" * 40),
    packet(b""),
    packet(b"\xff" * 100),
    b"\0" * 10000,
    os.urandom(10000),
], ids=["beyond-limit", "huge", "zero", "one", "padding-overrun", "ignore-first",
        "debug-first", "newkeys-first", "ecdh-first", "kexinit-cut", "kexinit-overrun",
        "kexinit-nothing-common", "channel-first", "auth-first", "no-payload",
        "unknown-message", "zeros", "random"])
def test_a_bad_packet_ends_that_session(server, bytes_):
    ws = handshake(server.port)
    try:
        ws.send(bytes_)
        ws.send(b"\0" * 300000)
    except OSError:
        pass
    assert ws.is_ended(35)
    ws.close()


@pytest.mark.parametrize("line", [b"x" * 100000, b"SSH-" + b"x" * 300 + b"\r\n",
                                  b"\n" * 100000, b"HTTP/1.1 200 OK\r\n" * 100],
                         ids=["endless", "long", "newlines", "wrong"])
def test_a_bad_version_line_ends_that_session(server, line):
    ws = http.RawWebSocket(server.port)
    try:
        ws.send(line)
    except OSError:
        pass
    assert ws.is_ended(35)
    ws.close()


def test_half_open_handshakes_by_the_hundred(server):
    before = server.resident_kib()
    waiting = [handshake(server.port) for _ in range(150)]
    waiting += [http.RawWebSocket(server.port) for _ in range(150)]
    assert server.resident_kib() - before < 150000
    assert http.ask(server.port, "GET /health HTTP/1.1\nHost: x").body == b"OK\n"
    for ws in waiting:
        ws.close()
    wait_until(lambda: server.descriptors() < 60, 15, message="descriptors let go")


def test_half_open_handshakes_end_by_themselves(world, adit):
    server = world.server(adit, env={"CHISEL_SSH_TIMEOUT": "500ms"})
    for ws in [handshake(server.port), http.RawWebSocket(server.port)]:
        assert ws.is_ended(5)


def test_slow_heads_do_not_hold_others_up(server):
    slow = [net.connect(server.port) for _ in range(200)]
    for s in slow:
        s.sendall(b"GET / HTTP/1.1\r\nHost:")
    assert http.ask(server.port, "GET /health HTTP/1.1\nHost: x").body == b"OK\n"
    for s in slow:
        s.close()


@pytest.mark.slow
def test_a_head_that_never_ends_is_ended(server):
    begin = time.monotonic()
    with net.connect(server.port, timeout=30) as s:
        try:
            for _ in range(60):
                s.sendall(b"X: y\r\n")
                time.sleep(0.5)
        except OSError:
            pass
    assert time.monotonic() - begin < 20


def test_garbage_of_every_kind(server):
    seed = random.randrange(1 << 32)
    print("seed", seed)
    chance = random.Random(seed)
    for _ in range(100):
        with net.connect(server.port) as s:
            try:
                if chance.random() < 0.5:
                    s.sendall(http.upgrade_head().replace("\n", "\r\n").encode()
                              + b"\r\n\r\n")
                    s.recv(200)
                s.sendall(chance.randbytes(chance.randrange(1, 5000)))
            except OSError:
                pass


class TestInsideASession:
    """After a login, a client may still mean harm."""

    @pytest.fixture
    def loop(self, world):
        return world.keep(pypeer.Loop())

    def harm(self, loop, server, act):
        """Does something to a fresh session; tells whether it was ended."""
        async def story():
            conn = await pypeer.connect(server.port)
            assert (await pypeer.configure(conn))[0]
            await act(conn)
            try:
                await pypeer.asyncio.wait_for(conn.wait_closed(), 5)
                return True
            except pypeer.asyncio.TimeoutError:
                conn.abort()
                return False

        return loop.run(story(), 40)

    @pytest.mark.parametrize("kind,body", [
        (94, b"\0\0\0\x63" + b"\0\0\0\5hello"),
        (93, b"\0\0\0\x63\xff\xff\xff\xff"),
        (96, b"\0\0\0\x63"),
        (97, b"\0\0\0\x63"),
        (91, b"\0\0\0\0" * 4),
        (92, b"\0\0\0\0" * 4),
        (90, b"\0\0\0\6chisel\0\0"),
        (90, b"\xff\xff\xff\xff"),
        (94, b"\0"),
        (80, b"\xff\xff\xff\xffping"),
        (52, b""),
        (200, b"what is this"),
    ], ids=["data-nowhere", "window-nowhere", "eof-nowhere", "close-nowhere",
            "confirm-nothing", "refuse-nothing", "open-cut", "open-overrun", "data-cut",
            "request-overrun", "auth-again", "unknown"])
    def test_a_message_that_makes_no_sense(self, server, loop, kind, body):
        async def act(conn):
            conn.send_packet(kind, body)

        self.harm(loop, server, act)

    def test_a_window_overrun_ends_the_session(self, world, server, loop):
        target = world.serve(lambda s: time.sleep(3))

        async def act(conn):
            channel = await conn.open_chisel(f"127.0.0.1:{target.port}")
            number = channel.chan._send_chan
            for _ in range(40000):
                if not conn._transport:
                    break
                conn.send_packet(94, struct.pack(">II", number, 32768) + b"x" * 32768)
                await pypeer.asyncio.sleep(0)

        assert self.harm(loop, server, act)

    def test_a_window_beyond_counting_ends_the_session(self, world, server, loop):
        target = world.serve()

        async def act(conn):
            channel = await conn.open_chisel(f"127.0.0.1:{target.port}")
            number = channel.chan._send_chan
            for _ in range(2):
                conn.send_packet(93, struct.pack(">II", number, 0xFFFFFFFF))

        assert self.harm(loop, server, act)

    def test_a_flood_of_channels_is_bounded(self, world, server, loop):
        target = world.serve()
        before = server.resident_kib()

        async def act(conn):
            address = f"127.0.0.1:{target.port}".encode()
            for i in range(20000):
                if not conn._transport:
                    break
                conn.send_packet(90, b"\0\0\0\6chisel" + struct.pack(
                    ">III", 100000 + i, 65536, 32768) + b"256.0.0.1:1" if i % 2 else
                    b"\0\0\0\6chisel" + struct.pack(">III", 100000 + i, 65536, 32768)
                    + address[:0] + b"no port at all")
                if i % 100 == 0:
                    await pypeer.asyncio.sleep(0)

        self.harm(loop, server, act)
        assert server.resident_kib() - before < 200000

    def test_another_type_of_channel_is_refused(self, server, loop):
        async def act(conn):
            chan = conn.create_tcp_channel()
            with pytest.raises(pypeer.asyncssh.ChannelOpenError) as refused:
                await chan._open_forward(pypeer.Session, b"session")
            assert refused.value.code == 3
            assert await conn.request(b"ping") == (True, b"pong")
            conn.abort()

        assert self.harm(loop, server, act)

    @pytest.mark.parametrize("extra", [
        b"", b":", b"127.0.0.1:", b":80", b"127.0.0.1:0", b"127.0.0.1:65536", b"[::1:80",
        b"x" * 5000 + b":80", b"a\0b:80", b"127.0.0.1:80/sctp", b"\xff\xfe:80", b"a b:80",
        b"%s%n:80"], ids=["nothing", "colon", "no-port", "no-host", "port-0", "port-65536",
                      "open-bracket", "long", "nul", "sctp", "latin-1", "space", "format"])
    def test_a_target_that_is_none(self, server, loop, extra):
        async def act(conn):
            chan = conn.create_tcp_channel()
            with pytest.raises(pypeer.asyncssh.ChannelOpenError):
                await chan._open_forward(pypeer.Session, b"chisel", extra)
            assert await conn.request(b"ping") == (True, b"pong")
            conn.abort()

        assert self.harm(loop, server, act)

    def test_bad_gob_ends_that_channel(self, server, loop):
        async def act(conn):
            for text in (b"\xff" * 100, b"\x00" * 100, os.urandom(1000),
                         b"\xf8" + b"\xff" * 8, b"\x03\xff\x80\x00" * 100):
                channel = await conn.open_chisel("127.0.0.1:9/udp")
                channel.writer.write(text)
                try:
                    await pypeer.asyncio.wait_for(channel.reader.read(), 2)
                except pypeer.asyncio.TimeoutError:
                    pass
                channel.chan.abort()
            assert await conn.request(b"ping") == (True, b"pong")
            conn.abort()

        assert self.harm(loop, server, act)


def test_a_server_that_means_harm_costs_the_client_nothing(world, adit):
    """The client meets garbage behind a perfect upgrade, again and again."""
    chance = random.Random(7)

    def talk(s):
        lines = http.read_head_raw(s).decode().split("\r\n")
        key = next(line.split(": ")[1] for line in lines
                   if line.lower().startswith("sec-websocket-key"))
        s.sendall((f"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                   f"Connection: Upgrade\r\nSec-WebSocket-Accept: {http.accept_for(key)}"
                   "\r\n\r\n").encode())
        body = chance.choice([b"SSH-chisel-v3-server\r\n", b"SSH-2.0-x\r\n", b""])
        body += chance.randbytes(chance.randrange(2000))
        s.sendall(b"\x82\x7e" + len(body).to_bytes(2, "big") + body)
        s.shutdown(socket.SHUT_WR)
        net.read_all(s)

    server = world.serve(talk)
    client = world.client(adit, f"http://127.0.0.1:{server.port}", "R:1:2", wait=False,
                          flags=["--max-retry-interval", "1s"])
    client.wait_log("Connecting to")
    for i in range(30):
        client.signal(1)
        wait_until(lambda n=i: server.count > n, 5, message="another attempt")
    assert client.is_running()
