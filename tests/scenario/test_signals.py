"""What each signal does, and that the end is an orderly one."""

import signal

import pytest

from lib import net
from lib.process import wait_until


@pytest.fixture
def link(world, adit):
    target = world.serve()
    port = net.free_port()
    server = world.server(adit, "--reverse")
    client = world.client(adit, server, f"R:127.0.0.1:{port}:127.0.0.1:{target.port}")
    net.wait_listening(port)
    visitor = net.connect(port)
    visitor.sendall(b"hello")
    net.read_exactly(visitor, 5)
    yield server, client, port
    visitor.close()


@pytest.mark.tsan
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("side", [0, 1], ids=["server", "client"])
def test_interrupt_and_terminate_end_it_in_order(link, number, side):
    process = link[side]
    process.signal(number)
    assert process.wait_exit(8) == 0


def test_ends_while_it_cannot_connect(world, adit):
    client = world.client(adit, f"http://127.0.0.1:{net.free_port()}", "R:1:2", wait=False)
    client.wait_log("Connection error", count=2)
    client.signal(signal.SIGTERM)
    assert client.wait_exit(5) == 0


def test_ends_at_the_moment_of_a_retry(world, adit):
    """The path goes, and the client is told to go too, just before it tries again."""
    server = world.server(adit)
    for attempt in range(12):
        shim = net.Shim(server.port)
        client = world.client(adit, shim, f"127.0.0.1:{net.free_port()}:127.0.0.1:9")
        shim.close()
        net.wait_quietly(attempt % 4 * 0.0001)
        client.signal(signal.SIGTERM)
        assert client.wait_exit(5) == 0


def test_a_second_signal_ends_it_at_once(link):
    server, *_ = link
    server.signal(signal.SIGTERM)
    try:
        server.signal(signal.SIGTERM)
    except ProcessLookupError:
        pass
    server.graceful = False
    server.wait_exit(3)


def test_usr2_prints_figures_and_nothing_else_happens(link):
    server, client, port = link
    for process in (server, client):
        before = process.log
        process.signal(signal.SIGUSR2)
        wait_until(lambda p=process, b=before: p.log != b, message="figures")
        assert process.is_running()
    assert net.echoes(port)


def test_hangup_reconnects_the_client(link):
    _, client, port = link
    client.signal(signal.SIGHUP)
    client.wait_log(r"\bConnected\b", count=2)
    wait_until(lambda: net.try_echo(port), 5, message="a visitor being served")


def test_hangup_leaves_the_server_running(link):
    server, client, port = link
    server.signal(signal.SIGHUP)
    assert net.echoes(port)
    assert server.is_running()
    assert "Disconnected" not in client.log


def test_a_broken_stderr_does_not_end_it(world, adit):
    """Whoever read the log has gone: that is SIGPIPE's hour."""
    import os
    import subprocess
    port = net.free_port()
    read_end, write_end = os.pipe()
    process = subprocess.Popen([*adit.argv, "server", "--host", "127.0.0.1", "--port",
                                str(port)], stderr=write_end, stdin=subprocess.DEVNULL)
    try:
        os.close(write_end)
        net.wait_listening(port)
        os.close(read_end)
        for _ in range(3):
            assert world.curl(f"http://127.0.0.1:{port}/health",
                              "-H", "Upgrade: websocket") == "OK\n"
        assert process.poll() is None
    finally:
        process.terminate()
        process.wait(10)
