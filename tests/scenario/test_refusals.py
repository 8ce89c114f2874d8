"""What a server refuses, in the words that clients of the field know."""

import pytest

from lib import net, pypeer
from lib.process import wait_until


@pytest.fixture
def loop(world):
    return world.keep(pypeer.Loop())


def raw_config(loop, port, text, name=b"config"):
    async def story():
        conn = await pypeer.connect(port)
        try:
            return await conn.request(name, text)
        finally:
            conn.close()

    return loop.run(story())


@pytest.mark.parametrize("name", [b"ping", b"tcpip-forward", b"Config", b""])
def test_the_first_request_must_be_config(world, adit, loop, name):
    server = world.server(adit)
    assert raw_config(loop, server.port, b"{}", name) == (
        False, b"server: expecting config request")


@pytest.mark.parametrize("text", [
    b"", b"{", b"nonsense", b"[]", b'"x"', b'{"Version":1}', b'{"Remotes":{}}',
    b'{"Remotes":[1]}', b'{"Remotes":[{"LocalPort":3000}]}', b'{"Remotes":[{"Socks":"yes"}]}',
    b"{}{}", b'{"Version":"\xff"', b"[" * 10000], ids=[
        "empty", "brace", "nonsense", "array", "string", "version-number", "remotes-object",
        "remote-number", "port-number", "socks-text", "twice", "bad-utf8", "deep"])
def test_a_config_that_does_not_parse(world, adit, loop, text):
    server = world.server(adit)
    assert raw_config(loop, server.port, text) == (False, b"server: invalid config")


@pytest.mark.parametrize("text", [
    b"{}", b'{"Remotes":null}', b'{"Version":"9","Remotes":[]}', b'{"Remotes":[null,null]}',
    b'{"version":"1","REMOTES":[],"Unknown":{"deep":[1,2,{}]}}',
    b'{"Version":"\\u003c\\u2028","Remotes":[]}',
    b'{"Remotes":[{"LocalHost":"","LocalPort":"1","RemoteHost":"h","RemotePort":"1"}]}'],
    ids=["empty", "null-remotes", "no-remotes", "null-elements", "any-case", "escapes",
         "no-protos"])
def test_a_config_that_is_odd_but_good(world, adit, loop, text):
    server = world.server(adit)
    assert raw_config(loop, server.port, text) == (True, b"")


def test_too_much_config_is_refused(world, adit, loop):
    server = world.server(adit)
    many = b",".join([b'{"LocalPort":"1","RemoteHost":"h","RemotePort":"1"}'] * 3000)
    try:
        ok, _ = raw_config(loop, server.port, b'{"Remotes":[' + many + b"]}")
        assert not ok
    except (pypeer.asyncssh.Error, OSError):
        pass
    assert world.curl(server.url + "/health") == "OK\n"


def test_reverse_is_off_unless_allowed(world, adit, loop):
    server = world.server(adit)
    remote = pypeer.remote(f"127.0.0.1:{net.free_port()}", "h:1", reverse=True)

    async def story():
        conn = await pypeer.connect(server.port)
        answer = await pypeer.configure(conn, remote)
        conn.close()
        return answer

    assert loop.run(story()) == (False,
                                 "server: Reverse port forwaring not enabled on server")


def test_a_port_in_use_is_refused(world, adit, loop):
    taken = world.serve()
    server = world.server(adit, "--reverse")

    async def story(local, target):
        conn = await pypeer.connect(server.port)
        answer = await pypeer.configure(conn, pypeer.remote(local, target, reverse=True))
        conn.close()
        return answer

    assert loop.run(story(f"127.0.0.1:{taken.port}", "127.0.0.1:9")) == (
        False, f"server: Server cannot listen on R:127.0.0.1:{taken.port}=>9: the port is in use")
    assert loop.run(story(f"0.0.0.0:{taken.port}", "h:9")) == (
        False, f"server: Server cannot listen on R:{taken.port}=>h:9: the port is in use")


@pytest.mark.parametrize("client_name", ["adit", "peer", "stock"])
def test_the_client_shows_the_server_s_words(world, adit, program, client_name):
    taken = world.serve()
    server = world.server(adit, "--reverse")
    client = world.client(program(client_name), server,
                          f"R:127.0.0.1:{taken.port}:127.0.0.1:9", wait=False)
    client.wait_log(f"Server cannot listen on R:127.0.0.1:{taken.port}=>9")


def test_our_client_shows_a_peer_s_words(world, any_server, adit):
    server = world.server(any_server)
    client = world.client(adit, server, f"R:127.0.0.1:{net.free_port()}:h:9", wait=False)
    client.wait_log("Connection error: .*Reverse port forwaring not enabled on server: "
                    "start the server with --reverse")


def test_a_refused_session_is_closed_after_a_while(world, adit, loop):
    server = world.server(adit)

    async def story():
        conn = await pypeer.connect(server.port)
        ok, _ = await conn.request(b"config", b"no json")
        assert not ok
        await pypeer.asyncio.wait_for(conn.wait_closed(), 8)

    loop.run(story())


def test_a_silent_session_is_closed(world, adit, loop):
    server = world.server(adit, env={"CHISEL_CONFIG_TIMEOUT": "300ms"})

    async def story():
        conn = await pypeer.connect(server.port)
        await pypeer.asyncio.wait_for(conn.wait_closed(), 5)

    loop.run(story())


def test_a_server_that_never_answers_config_is_left(world, adit, peer):
    server = world.server(type(peer)("peer", peer.argv, flags=["--mute"]))
    client = world.client(adit, server, f"127.0.0.1:{net.free_port()}:127.0.0.1:9",
                          wait=False, env={"CHISEL_CONFIG_TIMEOUT": "300ms",
                                           "CHISEL_SSH_TIMEOUT": "300ms"})
    client.wait_log("Connection error", seconds=25)


@pytest.mark.parametrize("version", ["", "1.11.5", "v0", "x" * 1000, "a\\nb"])
@pytest.mark.parametrize("is_ours", [True, False])
def test_versions_are_only_talked_about(world, adit, loop, version, is_ours):
    """And only those of other adits can be compared."""
    server = world.server(adit)
    text = b'{"Version":"' + version.encode() + b'","Remotes":[]'
    text += b',"Client":"x"}' if is_ours else b"}"
    assert raw_config(loop, server.port, text)[0]
    opened = server.wait_log("opened: from .*").group(0)
    assert ("1.11.5" in opened) == (version == "1.11.5")
    assert ("differs from server version" in server.log) == is_ours
    assert "\nb" not in server.log
