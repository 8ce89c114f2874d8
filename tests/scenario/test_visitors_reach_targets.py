"""The first story: a link is up, and whoever comes to a port reaches the target."""

import pytest

from lib import net


@pytest.mark.tsan
def test_a_forward_remote_carries_a_visitor(world, pair):
    server_program, client_program = pair
    target = world.serve()
    port = net.free_port()
    server = world.server(server_program)
    world.client(client_program, server, f"127.0.0.1:{port}:127.0.0.1:{target.port}")
    assert net.echoes(port)


@pytest.mark.tsan
def test_a_reverse_remote_carries_a_visitor(world, pair):
    server_program, client_program = pair
    target = world.serve()
    port = net.free_port()
    server = world.server(server_program, "--reverse")
    world.client(client_program, server, f"R:127.0.0.1:{port}:127.0.0.1:{target.port}")
    net.wait_listening(port)
    assert net.echoes(port)
