"""The peers agree with each other, so that a quarrel with adit is worth a look."""

from lib import net


def test_a_peer_reaches_through_a_peer(world, program):
    target = world.serve()
    forward, reverse, socks = net.free_port(), net.free_port(), net.free_port()
    server = world.server(program("peer"), "--reverse", "--socks5", "--key", "test123")
    fingerprint = "qmrRoo8MIqePv3jC8+wv49gU6uaFgD3FASQx9V8KdmY="
    world.client(program("peer12"), server,
                 f"127.0.0.1:{forward}:127.0.0.1:{target.port}",
                 f"R:127.0.0.1:{reverse}:127.0.0.1:{target.port}", f"{socks}:socks",
                 flags=["--fingerprint", fingerprint])
    net.wait_listening(reverse)
    assert net.echoes(forward)
    assert net.echoes(reverse)


def test_a_peer_carries_datagrams(world, program):
    target = world.udp()
    port = net.free_port()
    server = world.server(program("peer"))
    world.client(program("peer"), server,
                 f"127.0.0.1:{port}:127.0.0.1:{target.port}/udp")
    assert net.udp_echoes(port)
