"""The newest session of the same user has the port; others do not get it."""

import signal
import time

import pytest

from lib import net
from lib.process import wait_until

LIMIT = 4.0  # three seconds by promise, and some for a busy machine


def says(text):
    return lambda s: s.sendall(text)


def answer(port):
    try:
        with net.connect(port, timeout=1) as s:
            return net.read_all(s)
    except OSError:
        return None


@pytest.mark.parametrize("client_name", ["adit", "peer", "stock"])
def test_the_same_user_takes_over_from_a_stopped_client(world, adit, program, client_name):
    old, new = world.serve(says(b"old")), world.serve(says(b"new"))
    port = net.free_port()
    server = world.server(adit, "--reverse", "--auth", "ann:a")
    first = world.client(program(client_name), server,
                         f"R:127.0.0.1:{port}:127.0.0.1:{old.port}", flags=["--auth", "ann:a"])
    net.wait_listening(port)
    assert answer(port) == b"old"
    first.signal(signal.SIGSTOP)
    begin = time.monotonic()
    world.client(program(client_name), server,
                 f"R:127.0.0.1:{port}:127.0.0.1:{new.port}", flags=["--auth", "ann:a"],
                 wait=False)
    wait_until(lambda: answer(port) == b"new", 8, message="the new client being served")
    assert time.monotonic() - begin < LIMIT
    first.kill()


def test_a_stopped_client_that_wakes_up_is_out(world, adit):
    old, new = world.serve(says(b"old")), world.serve(says(b"new"))
    port = net.free_port()
    server = world.server(adit, "--reverse", "--auth", "ann:a")
    first = world.client(adit, server, f"R:127.0.0.1:{port}:127.0.0.1:{old.port}",
                         flags=["--auth", "ann:a"])
    net.wait_listening(port)
    first.signal(signal.SIGSTOP)
    world.client(adit, server, f"R:127.0.0.1:{port}:127.0.0.1:{new.port}",
                 flags=["--auth", "ann:a"], wait=False)
    wait_until(lambda: answer(port) == b"new", 8, message="the new client being served")
    first.signal(signal.SIGCONT)
    first.wait_log("Disconnected")
    assert answer(port) == b"new"
    first.kill()


def test_another_user_does_not_take_over(world, adit):
    import json
    path = world.write("users.json", json.dumps({"ann:a": [""], "bob:b": [""]}))
    old, new = world.serve(says(b"old")), world.serve(says(b"new"))
    port = net.free_port()
    server = world.server(adit, "--reverse", "--authfile", path)
    world.client(adit, server, f"R:127.0.0.1:{port}:127.0.0.1:{old.port}",
                 flags=["--auth", "ann:a"])
    net.wait_listening(port)
    other = world.client(adit, server, f"R:127.0.0.1:{port}:127.0.0.1:{new.port}",
                         flags=["--auth", "bob:b"], wait=False)
    other.wait_log("Server cannot listen on")
    assert answer(port) == b"old"


def test_a_client_that_lives_keeps_its_port(world, adit):
    old, new = world.serve(says(b"old")), world.serve(says(b"new"))
    port = net.free_port()
    server = world.server(adit, "--reverse")
    world.client(adit, server, f"R:127.0.0.1:{port}:127.0.0.1:{old.port}")
    net.wait_listening(port)
    other = world.client(adit, server, f"R:127.0.0.1:{port}:127.0.0.1:{new.port}",
                         wait=False)
    other.wait_log("Server cannot listen on|in use")
    assert answer(port) == b"old"
