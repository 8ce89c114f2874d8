"""SOCKS5 at the exit, either way round."""

import pytest

from lib import net, socks


@pytest.fixture(params=["forward", "reverse"])
def link(request, world, pair):
    server_program, client_program = pair
    port = net.free_port()
    prefix = "R:" if request.param == "reverse" else ""
    server = world.server(server_program, "--reverse", "--socks5")
    world.client(client_program, server, f"{prefix}127.0.0.1:{port}:socks")
    net.wait_listening(port)
    return port


@pytest.mark.parametrize("host", ["127.0.0.1", net.loopback_name()])
def test_a_target_is_reached(world, link, host):
    target = world.serve()
    code, s = socks.ask(link, host, target.port)
    assert code == socks.OK
    s.sendall(b"hello")
    assert net.read_exactly(s, 5) == b"hello"
    s.close()


def test_curl_comes_through(world, link):
    target = world.serve(lambda s: (s.recv(4096), s.sendall(
        b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello")))
    for scheme in ("socks5", "socks5h"):
        assert world.curl("-x", f"{scheme}://127.0.0.1:{link}",
                          f"http://127.0.0.1:{target.port}/") == "hello"


def test_a_refused_target_is_logged(link):
    code, s = socks.ask(link, "127.0.0.1", net.free_port())
    assert code == socks.REFUSED
    assert s.recv(1) == b""
    s.close()


def test_an_unknown_name_is_logged(link):
    code, s = socks.ask(link, "no-such-host.invalid", 80)
    assert code in (1, 4)
    s.close()


@pytest.mark.parametrize("command", [2, 3, 9])
def test_only_connect_is_known(link, command):
    code, s = socks.ask(link, "127.0.0.1", 9, command=command)
    assert code == socks.NO_COMMAND
    s.close()


def test_no_common_method_is_logged(link):
    with net.connect(link) as s:
        s.sendall(b"\x05\x01\x02")
        assert net.read_exactly(s, 2) == b"\x05\xff"
        assert s.recv(1) == b""


def test_another_version_is_hung_up_on(link):
    with net.connect(link) as s:
        s.sendall(b"\x04\x01\x00\x50\x7f\x00\x00\x01\x00")
        try:
            assert s.recv(1) == b""
        except ConnectionError:
            pass


def test_the_dialogue_may_come_byte_by_byte(world, link):
    target = world.serve()
    with net.connect(link) as s:
        said = b"\x05\x02\x02\x00\x05\x01\x00\x01\x7f\x00\x00\x01"
        for byte in said + target.port.to_bytes(2, "big"):
            s.sendall(bytes([byte]))
        assert net.read_exactly(s, 12)[:4] == b"\x05\x00\x05\x00"
        s.sendall(b"hello")
        assert net.read_exactly(s, 5) == b"hello"


def test_data_may_follow_the_request_at_once(world, adit):
    target = world.serve()
    port = net.free_port()
    server = world.server(adit, "--socks5")
    world.client(adit, server, f"127.0.0.1:{port}:socks")
    with net.connect(port) as s:
        s.sendall(b"\x05\x01\x00\x05\x01\x00\x01\x7f\x00\x00\x01"
                  + target.port.to_bytes(2, "big") + b"hello")
        assert net.read_exactly(s, 2 + 10 + 5)[-5:] == b"hello"


@pytest.mark.parametrize("client_name", ["adit", "peer"])
def test_the_end_of_a_target_reaches_the_program(world, adit, program, client_name):
    target = world.serve(lambda s: s.sendall(b"all there is"))
    port = net.free_port()
    server = world.server(adit, "--socks5")
    world.client(program(client_name), server, f"127.0.0.1:{port}:socks")
    code, s = socks.ask(port, "127.0.0.1", target.port)
    assert code == socks.OK
    assert net.read_all(s) == b"all there is"
    s.close()


def test_socks_is_off_unless_allowed(world, any_server, adit):
    target = world.serve()
    port = net.free_port()
    server = world.server(any_server)
    world.client(adit, server, f"127.0.0.1:{port}:socks")
    try:
        with net.connect(port) as s:
            s.sendall(b"\x05\x01\x00")
            assert s.recv(2) == b""
    except ConnectionError:
        pass
    assert target.count == 0


def test_the_default_port_is_1080_on_loopback(world, adit):
    if net.is_listening(1080):
        pytest.skip("skipped: something listens on port 1080")
    server = world.server(adit, "--socks5")
    client = world.client(adit, server, "socks")
    assert "127.0.0.1:1080=>socks: Listening" in client.log
    code, s = socks.ask(1080, "127.0.0.1", server.port)
    assert code == socks.OK
    s.close()
