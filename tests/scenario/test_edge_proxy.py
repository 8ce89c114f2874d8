"""Links of agents behind nginx, with the location block that its users have."""

import re

from lib import edge, net


def test_a_managed_link_works_through_nginx(world, leases, certificate, authority):
    port = net.free_port()
    panel = edge.Panel(leases, "--link-listen", f"127.0.0.1:{port}")
    nginx = world.nginx(port, certificate)
    agent = edge.start_agent(panel, edge.Credentials(panel),
                             server=f"https://localhost:{nginx.port}", ca=authority.cert)
    app = world.keep(edge.App())
    panel.tunnel("app", app.port)
    size = 8 * edge.MIB
    assert panel.ask()[2] == b"app"
    assert edge.Download(panel, "app", f"/bytes/{size}").result() == \
        (size, edge.pattern_hash(size))
    assert edge.connections_of(agent.process.pid, nginx.port) == 1
    assert edge.connections_of(agent.process.pid, panel.port) == 0
    # On two threads the header has passed nginx, and the first attempt was right.
    assert len(re.findall("opened: user", panel.process.log)) == 1
    panel.restart()
    panel.wait_status(200)
