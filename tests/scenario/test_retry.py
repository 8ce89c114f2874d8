"""Sessions end; clients come back, soon and for ever."""

import signal
import time

import pytest

from lib import net
from lib.process import wait_until


def served_within(port, seconds, **options):
    begin = time.monotonic()
    wait_until(lambda: net.try_echo(port, **options), seconds,
               message=f"a visitor being served on port {port}")
    return time.monotonic() - begin


@pytest.fixture
def link(world, pair):
    """(server, client, port of a reverse remote, restart)"""
    server_program, client_program = pair
    target = world.serve()
    port = net.free_port()
    server = world.server(server_program, "--reverse")
    client = world.client(client_program, server,
                          f"R:127.0.0.1:{port}:127.0.0.1:{target.port}")
    net.wait_listening(port)
    assert net.echoes(port)
    return server, client, port, lambda: world.server(server_program, "--reverse",
                                                      port=server.port)


def test_a_server_killed_and_started_again(link):
    server, _, port, restart = link
    server.kill()
    restart()
    served_within(port, 5)


def test_a_server_ended_and_started_again(link):
    server, _, port, restart = link
    server.signal(signal.SIGTERM)
    server.wait_exit()
    restart()
    served_within(port, 5)


def test_a_client_killed_and_started_again(world, link):
    server, client, port, _ = link
    client.kill()
    target = world.serve()
    again = world.run("client-again", [*client.argv[:-1],
                                       f"R:127.0.0.1:{port}:127.0.0.1:{target.port}"])
    again.wait_log(r"\bConnected\b", seconds=10)
    served_within(port, 5)


def test_an_outage_of_some_seconds_is_over_soon(world, adit):
    target = world.serve()
    port = net.free_port()
    server = world.server(adit, "--reverse")
    client = world.client(adit, server, f"R:127.0.0.1:{port}:127.0.0.1:{target.port}",
                          flags=["-v"])
    server.kill()
    client.wait_log("Connection error", count=6, seconds=30)
    world.server(adit, "--reverse", port=server.port)
    served_within(port, 5.5)


@pytest.mark.slow
def test_an_outage_of_a_minute_is_over_soon(world, adit):
    target = world.serve()
    port = net.free_port()
    server = world.server(adit, "--reverse")
    world.client(adit, server, f"R:127.0.0.1:{port}:127.0.0.1:{target.port}")
    server.kill()
    time.sleep(60)
    world.server(adit, "--reverse", port=server.port)
    served_within(port, 5.5)


def test_the_first_retry_comes_at_once(world, adit):
    target = world.serve()
    port = net.free_port()
    server = world.server(adit, "--reverse")
    shim = world.keep(net.Shim(server.port))
    client = world.client(adit, shim, f"R:127.0.0.1:{port}:127.0.0.1:{target.port}")
    for i in range(3):
        net.wait_listening(port)
        shim.cut()
        client.wait_log(r"\bConnected\b", count=2 + i, seconds=2)
    served_within(port, 5)


@pytest.mark.parametrize("limit", [0, 1, 12, 90, 129, 130, 140, 160, 400, 800])
def test_a_handshake_cut_anywhere_is_tried_again(world, adit, limit):
    server = world.server(adit)
    shim = world.keep(net.Shim(server.port, limit=limit))
    client = world.client(adit, shim, f"127.0.0.1:{net.free_port()}:127.0.0.1:9",
                          wait=False)
    wait_until(lambda: shim.count >= 2, 10, message="another attempt")
    shim.limit = None
    client.wait_log(r"\bConnected\b", seconds=10)


@pytest.mark.parametrize("chunk", [1, 7])
def test_segments_of_single_bytes_change_nothing(world, pair, chunk):
    """A busy machine may need some seconds for one packet: nothing here depends on time."""
    server_program, client_program = pair
    slow = {"CHISEL_PING_TIMEOUT": "100s"}
    target = world.serve()
    port = net.free_port()
    server = world.server(server_program, "--reverse", "--keepalive", "100s", env=slow)
    shim = world.keep(net.Shim(server.port, chunk=chunk))
    world.client(client_program, shim, f"R:127.0.0.1:{port}:127.0.0.1:{target.port}",
                 flags=["--keepalive", "100s"], env=slow)
    net.wait_listening(port)
    assert net.echoes(port, b"0123456789" * 3000, timeout=90)


def test_the_wrong_server_first(world, adit, any_server):
    """A plain web server answers at that address for a while; then the tunnel does."""
    target = world.serve()
    wrong = world.serve(lambda s: (s.recv(4096), s.sendall(
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")))
    port = net.free_port()
    client = world.client(adit, f"http://127.0.0.1:{wrong.port}",
                          f"127.0.0.1:{port}:127.0.0.1:{target.port}", flags=["-v"], wait=False)
    client.wait_log("Connection error", count=3)
    wrong.close()
    world.server(any_server, port=wrong.port)
    served_within(port, 8, timeout=8)


@pytest.mark.parametrize("speech", [
    b"", b"nonsense\r\n\r\n", b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n",
    b"HTTP/1.1 301 Moved\r\nLocation: http://127.0.0.1:9/\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nX: " + b"y" * 200000, b"\x16\x03\x01\x00\x05hello", b"\x00" * 1000],
    ids=["silence", "nonsense", "bare-101", "wrong-accept", "redirect", "endless", "tls",
         "zeros"])
def test_whatever_a_server_says_the_client_tries_on(world, adit, speech):
    def talk(s):
        s.recv(4096)
        s.sendall(speech)

    server = world.serve(talk)
    client = world.client(adit, f"http://127.0.0.1:{server.port}", "R:1:2", wait=False,
                          flags=["--max-retry-count", "2"])
    assert client.wait_exit(15) == 1
    assert server.count == 3


def test_a_silent_server_is_given_up(world, adit):
    server = world.serve(net.echo_nothing)
    client = world.client(adit, f"http://127.0.0.1:{server.port}", "R:1:2", wait=False,
                          flags=["--max-retry-count", "1"], env={"CHISEL_WS_TIMEOUT": "300ms"})
    assert client.wait_exit(15) == 1
    assert "Give up" in client.log


@pytest.mark.parametrize("count", [0, 1, 3])
def test_attempts_are_counted(world, adit, count):
    server = world.serve(lambda s: None)
    client = world.client(adit, f"http://127.0.0.1:{server.port}", "R:1:2", wait=False,
                          flags=["--max-retry-count", count])
    assert client.wait_exit(30) == 1
    assert server.count == count + 1


def test_waits_are_bounded_by_default(world, adit):
    """Five seconds at most, with jitter: twelve attempts take well under a minute."""
    client = world.client(adit, f"http://127.0.0.1:{net.free_port()}", "R:1:2", wait=False,
                          flags=["--max-retry-interval", "1s", "--max-retry-count", "8"])
    assert client.wait_exit(20) == 1


def test_a_hangup_signal_retries_at_once(world, adit):
    port = net.free_port()
    client = world.client(adit, f"http://127.0.0.1:{port}", "R:1:2", flags=["-v"], wait=False)
    client.wait_log("Connection error", count=7, seconds=30)
    before = client.log.count("Connection error")
    for i in range(5):
        client.signal(signal.SIGHUP)
        wait_until(lambda n=i: client.log.count("Connection error") > before + n, 2,
                   message="another attempt")


def test_a_name_is_asked_for_again_at_each_try(world, adit):
    client = world.client(adit, "http://no-such-host.invalid", "R:1:2", flags=["-v"], wait=False)
    client.wait_log("Connection error", count=3)


def test_a_stopped_client_continues(world, adit):
    target = world.serve()
    port = net.free_port()
    server = world.server(adit, "--reverse", "--keepalive", "1s",
                          env={"CHISEL_PING_TIMEOUT": "1s"})
    client = world.client(adit, server, f"R:127.0.0.1:{port}:127.0.0.1:{target.port}",
                          flags=["--keepalive", "1s"], env={"CHISEL_PING_TIMEOUT": "1s"})
    net.wait_listening(port)
    client.signal(signal.SIGSTOP)
    net.wait_not_listening(port, seconds=10)
    client.signal(signal.SIGCONT)
    served_within(port, 5)


@pytest.mark.slow
@pytest.mark.parametrize("side", [0, 1], ids=["server", "client"])
def test_a_minute_asleep_is_over_soon(world, adit, side):
    target = world.serve()
    port = net.free_port()
    server = world.server(adit, "--reverse")
    client = world.client(adit, server, f"R:127.0.0.1:{port}:127.0.0.1:{target.port}")
    net.wait_listening(port)
    sleeper = (server, client)[side]
    sleeper.signal(signal.SIGSTOP)
    net.wait_quietly(60)
    sleeper.signal(signal.SIGCONT)
    served_within(port, 5)
