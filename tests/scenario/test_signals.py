"""What each signal does, and that the end is an orderly one."""

import itertools
import os
import re
import signal
import socket
import subprocess

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
    client = world.client(adit, f"http://127.0.0.1:{net.free_port()}", "R:1:2", flags=["-v"],
                          wait=False)
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


def test_signals_up_to_the_last_moment_do_not_change_the_end(world, adit):
    """Also while the program is on its way out, when nothing takes them any more."""
    for _ in range(6):
        client = world.client(adit, f"http://127.0.0.1:{net.free_port()}", "R:1:2", wait=False)
        client.wait_log("Connection error")
        while client.is_running():
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


def blocked(process):
    """The signals that wait, as far as /proc knows."""
    with open(f"/proc/{process.pid}/status") as f:
        mask = int(re.search(r"^SigBlk:\s+(\w+)$", f.read(), re.MULTILINE).group(1), 16)
    return {number for number in signal.Signals if mask >> (number - 1) & 1}


def started(process):
    """main() has begun: signals wait. SIGUSR1 does so for ever: no program of ours wants it."""
    while signal.SIGUSR1 not in blocked(process):
        assert process.is_running(), process.log
    return process


MOMENTS = [0, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05]


@pytest.fixture(params=["server", "client", "relay", "expose", "demo"])
def newborn(request, world, adit):
    """Starts a program of that role, and hands it out when its main() has begun."""
    listener = world.keep(socket.create_server(("127.0.0.1", 0)))  # takes, and never answers
    nowhere = listener.getsockname()[1]
    directories = itertools.count()

    def start():
        words = {
            "server": ["server", "--host", "127.0.0.1", "--port", "0", "--reverse"],
            "client": ["client", f"127.0.0.1:{nowhere}", "R:127.0.0.1:0:1"],
            "relay": ["relay", "run", "--host", "127.0.0.1", "--api-port", "0", "--sni-port",
                      "0", "--identity-path", world.path(f"state-{next(directories)}")],
            "expose": ["expose", "3000", "--relays", f"https://localhost:{nowhere}",
                       "--identity-path", world.path(f"identity-{next(directories)}.json")],
            "demo": ["demo"],
        }[request.param]
        process = world.run(request.param, [*adit.argv, *words],
                            env={"TMPDIR": world.directory})
        process.role = request.param
        return started(process)
    return start


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_end_that_is_asked_for_at_once_is_an_orderly_one(newborn, number):
    for moment in MOMENTS:
        process = newborn()
        net.wait_quietly(moment)
        process.signal(number)
        status = process.wait_exit(20)
        if process.role == "demo":  # it has not shown what it is for
            assert status == 1 and process.out.endswith("demo: failed: interrupted\n")
        else:
            assert status == 0, process.log


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2])
def test_no_other_signal_ends_it_at_once(newborn, number):
    for moment in MOMENTS:
        process = newborn()
        if process.role == "demo" and number == signal.SIGHUP:
            pytest.skip("skipped: its terminal is gone: that ends a demo")
        net.wait_quietly(moment)
        process.signal(number)
        process.signal(signal.SIGTERM)
        assert process.wait_exit(20) == (1 if process.role == "demo" else 0), process.log


def test_a_reload_that_is_asked_for_at_once_is_done(world, adit):
    for moment in MOMENTS:
        users = world.write("users.json", "{}")
        server = world.server(adit, "--authfile", users, wait=False)
        net.wait_quietly(moment)
        started(server).signal(signal.SIGHUP)
        net.wait_listening(server.port, server)
        server.signal(signal.SIGTERM)
        assert server.wait_exit() == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_command_that_does_not_stay_dies_of_signals(world, adit, number):
    listener = world.keep(socket.create_server(("127.0.0.1", 0)))
    listener.settimeout(10)
    # A shell starts what runs in the background with SIGINT ignored.
    process = world.run("list", [*adit.argv, "list", "--relays",
                                 f"https://localhost:{listener.getsockname()[1]}"],
                        preexec=lambda: signal.signal(number, signal.SIG_DFL))
    connection, _ = listener.accept()
    process.signal(number)
    assert process.wait_exit() == -number
    connection.close()
