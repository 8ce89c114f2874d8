"""Descriptors run out: those inside stay, those outside wait, and then all is well."""

import shutil

import pytest

from lib import net
from lib.process import wait_until


@pytest.mark.parametrize("side", ["server", "client"])
def test_running_out_pauses_and_recovers(world, adit, side):
    if not shutil.which("prlimit"):
        pytest.skip("skipped: no prlimit")
    limit = ["prlimit", "--nofile=100:100"]
    target = world.serve()
    port = net.free_port()
    server = world.server(adit, "--reverse", prefix=limit if side == "server" else ())
    client = world.client(adit, server, f"R:127.0.0.1:{port}:127.0.0.1:{target.port}",
                          prefix=limit if side == "client" else ())
    net.wait_listening(port)
    first = net.connect(port)
    first.sendall(b"in")
    net.read_exactly(first, 2)

    crowd = []
    for _ in range(300):
        try:
            crowd.append(net.connect(port))
        except ConnectionResetError:
            pass  # turned away before connect() came back
    limited = server if side == "server" else client
    wait_until(lambda: limited.descriptors() >= 90 or target.count >= 80,
               message="descriptors being used up")

    first.sendall(b"still here")
    assert net.read_exactly(first, 10) == b"still here"
    before = limited.cpu_seconds()
    net.wait_quietly(1)
    assert limited.cpu_seconds() - before < 0.8, "busy while it has no descriptors"

    for s in crowd:
        s.close()
    wait_until(lambda: net.try_echo(port), 10, message="visitors being served again")
    first.sendall(b"and still")
    assert net.read_exactly(first, 9) == b"and still"
    first.close()
    assert server.is_running() and client.is_running()


def test_a_server_without_descriptors_still_takes_its_client_back(world, adit):
    if not shutil.which("prlimit"):
        pytest.skip("skipped: no prlimit")
    target = world.serve()
    port = net.free_port()
    server = world.server(adit, "--reverse", prefix=["prlimit", "--nofile=80:80"])
    idle = [net.connect(server.port) for _ in range(150)]
    client = world.client(adit, server, f"R:127.0.0.1:{port}:127.0.0.1:{target.port}",
                          wait=False)
    for s in idle:
        s.close()
    client.wait_log(r"\bConnected\b", seconds=20)
    net.wait_listening(port)
    assert net.echoes(port)
