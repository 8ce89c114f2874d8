"""
Both roles of the link on asyncssh and websockets: key exchange, ciphers, packets, channel
windows and frames are theirs; only what Chisel does differently from SSH is bent here.
It reaches into asyncssh's private parts, as there is no other way to a custom version
line, global requests with raw data, and channels of a type of one's own.
"""

import asyncio
import json
import socket
import threading
import warnings

import pytest

for module in ("asyncssh", "websockets"):
    pytest.importorskip(module, reason=f"skipped: no python3-{module}")

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import asyncssh
    from asyncssh import connection as ssh_connection
    from asyncssh.constants import MSG_REQUEST_FAILURE, MSG_REQUEST_SUCCESS
    from asyncssh.stream import SSHReader, SSHTCPStreamSession, SSHWriter
    import websockets

VERSION = "0.0.0-asyncssh"


class Loop:
    """An event loop in a thread of its own, for tests that are plain functions."""

    def __init__(self):
        self.loop = asyncio.new_event_loop()
        self.loop.set_exception_handler(lambda loop, context: None)
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()

    def run(self, coroutine, seconds=20):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(seconds)

    def close(self):
        async def cancel():
            tasks = [t for t in asyncio.all_tasks() if t is not asyncio.current_task()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        try:
            self.run(cancel(), 5)
        except Exception:  # pylint: disable=broad-except
            pass
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(5)


class Channel:
    """One channel as a pair of streams."""

    def __init__(self, target, chan, session):
        self.target = target
        self.chan = chan
        self.reader = SSHReader(session, chan)
        self.writer = SSHWriter(session, chan)

    async def write(self, data):
        """asyncssh would send data in the middle of a key exchange, which nobody may."""
        while not self.chan._conn._kex_complete:
            await asyncio.sleep(0.001)
        self.writer.write(data)
        await self.writer.drain()

    async def echo(self):
        while True:
            data = await self.reader.read(32768)
            if not data:
                break
            await self.write(data)
        self.writer.write_eof()
        self.chan.close()


class Session(SSHTCPStreamSession):
    """A channel's session that tells its end."""

    def __init__(self, handler=None):
        super().__init__(handler)
        self.lost = asyncio.get_event_loop().create_future()

    def connection_lost(self, exc):
        super().connection_lost(exc)
        if not self.lost.done():
            self.lost.set_result(exc)


class Bent:
    """What both roles change in asyncssh's connection."""

    role = b""

    def _send_version(self):
        version = b"SSH-chisel-v3-" + self.role
        if self.is_client():
            self._client_version = version
        else:
            self._server_version = version
        self._send(version + b"\r\n")

    def _recv_version(self):
        end = self._inpbuf.find(b"\n")
        if end < 0:
            return False
        version = self._inpbuf[:end].rstrip(b"\r")
        self._inpbuf = self._inpbuf[end + 1:]
        assert version.startswith(b"SSH-chisel-v3-"), version
        if self.is_client():
            self._server_version = version
        else:
            self._client_version = version
        self._send_kexinit()
        self._kexinit_sent = True
        self._recv_handler = self._recv_pkthdr
        return True

    def _process_ping_global_request(self, packet):
        self.pings = getattr(self, "pings", 0) + 1
        self._report_global_response(b"pong")

    async def open_chisel(self, target, window=2097152, max_pktsize=32768):
        """Opens a channel; asyncssh.ChannelOpenError says why not."""
        chan = self.create_tcp_channel(window=window, max_pktsize=max_pktsize)
        session = Session()
        await chan._open_forward(lambda: session, b"chisel", target.encode())
        return Channel(target, chan, session)

    def _process_chisel_open(self, packet):
        target = packet.get_remaining_payload().decode()
        chan = self.create_tcp_channel(window=2097152, max_pktsize=32768)
        session = Session()

        async def serve():
            channel = Channel(target, chan, session)
            self.opened.append(channel)
            await self.on_open(channel)

        asyncio.get_event_loop().call_soon(lambda: self.create_task(serve()))
        return chan, session

    async def request(self, name, data=b""):
        kind, packet = await self._make_global_request(name, data)
        return kind == MSG_REQUEST_SUCCESS, packet.get_remaining_payload()


class ClientConnection(Bent, ssh_connection.SSHClientConnection):
    role = b"client"


class ServerConnection(Bent, ssh_connection.SSHServerConnection):
    role = b"server"

    def _process_config_global_request(self, packet):
        text = packet.get_remaining_payload()
        self.config = json.loads(text)
        refusal = self.judge(self.config)
        if refusal:
            self._global_request_queue.pop(0)
            self.send_packet(MSG_REQUEST_FAILURE, refusal.encode())
        else:
            self._report_global_response(True)


def tcp_pair():
    """asyncssh sets TCP options, so a socketpair will not do."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        one = socket.create_connection(listener.getsockname())
        other, _ = listener.accept()
    return one, other


async def pump(ws, sock):
    """Moves bytes between a WebSocket and a socket until either ends."""
    loop = asyncio.get_event_loop()
    sock.setblocking(False)

    async def to_socket():
        async for message in ws:
            await loop.sock_sendall(sock, message)

    async def to_websocket():
        while True:
            data = await loop.sock_recv(sock, 65536)
            if not data:
                return
            await ws.send(data)

    tasks = [asyncio.ensure_future(to_socket()), asyncio.ensure_future(to_websocket())]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        sock.close()
        await ws.close()


def remote(local="", target="", reverse=False, socks=False, proto="tcp"):
    """One entry of the config request, from "host:port" texts."""
    local_host, _, local_port = local.rpartition(":")
    remote_host, _, remote_port = target.rpartition(":")
    return {"LocalHost": local_host, "LocalPort": local_port, "LocalProto": proto,
            "RemoteHost": remote_host, "RemotePort": remote_port, "RemoteProto": proto,
            "Socks": socks, "Reverse": reverse, "Stdio": False}


async def echo_channel(channel):
    await channel.echo()


async def connect(port, user="", password="", on_open=echo_channel, key=None, headers=None,
                  **options_):
    """A client's connection, authenticated (by key if there is one); configure() is next."""
    loop = asyncio.get_event_loop()
    ws = await websockets.connect(f"ws://127.0.0.1:{port}/", subprotocols=["chisel-v3"],
                                  compression=None, max_size=None, ping_interval=None,
                                  extra_headers=headers)
    ours, theirs = tcp_pair()
    pumping = asyncio.ensure_future(pump(ws, theirs))
    options = ssh_connection.SSHClientConnectionOptions(
        username=user, password=password, known_hosts=None, client_keys=[key] if key else None,
        agent_path=None, config=None, preferred_auth="publickey" if key else "password",
        **options_)
    options.waiter = loop.create_future()
    _, conn = await loop.create_connection(
        lambda: ClientConnection(loop, options, wait="auth"), sock=ours)
    conn.pumping, conn.opened, conn.on_open, conn.ws = pumping, [], on_open, ws
    await asyncio.wait_for(options.waiter, 15)
    return conn


async def configure(conn, *remotes):
    """Gives (accepted, text)."""
    body = json.dumps({"Version": VERSION, "Remotes": list(remotes)}).encode()
    ok, text = await asyncio.wait_for(conn.request(b"config", body), 15)
    return ok, text.decode()


class LoginServer(asyncssh.SSHServer):
    users = keys = None

    def begin_auth(self, username):
        return True

    def password_auth_supported(self):
        return True

    def validate_password(self, username, password):
        return not self.users or self.users.get(username) == password

    def public_key_auth_supported(self):
        return self.keys is not None

    def validate_public_key(self, username, key):
        return self.keys.get(username) == key


class Server:
    """A server in the loop: .port, .sessions; judge(config) gives a refusal or None."""

    def __init__(self, loop, users=None, judge=lambda config: None, on_open=echo_channel,
                 keys=None, tls=None, **algorithms):
        self.loop, self.tls = loop, tls
        self.sessions = []
        self.judge = judge
        self.on_open = on_open
        self.algorithms = algorithms
        self.key = asyncssh.generate_private_key("ecdsa-sha2-nistp256")
        self.login = type("Login", (LoginServer,), {"users": users, "keys": keys})
        self.listener = loop.run(self._listen())
        self.port = self.listener.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"

    async def _listen(self):
        return await websockets.serve(self._serve, "127.0.0.1", 0, ssl=self.tls,
                                      subprotocols=["chisel-v3"], compression=None,
                                      max_size=None, ping_interval=None)

    async def _serve(self, ws):
        loop = asyncio.get_event_loop()
        ours, theirs = tcp_pair()
        options = ssh_connection.SSHServerConnectionOptions(
            server_factory=self.login, server_host_keys=[self.key], config=None,
            **self.algorithms)
        options.waiter = loop.create_future()
        options.waiter.add_done_callback(lambda f: f.exception())
        _, conn = await loop.create_connection(
            lambda: ServerConnection(loop, options, wait=None), sock=ours)
        conn.opened, conn.on_open, conn.judge = [], self.on_open, self.judge
        conn.config = None
        self.sessions.append(conn)
        await pump(ws, theirs)

    def close(self):
        async def close():
            self.listener.close()
        self.loop.run(close())
