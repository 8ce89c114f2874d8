"""A browser at a tunnel's page."""

from conftest import need
from lib import edge, net, web

from test_lease_browser import CHROMIUM, Sockets, pin_of

PAGE = b"""<!doctype html><title>the tunnel</title><script>
(async () => {
  const answer = await fetch("/data", { method: "POST", body: "x".repeat(100000) });
  const text = await answer.text();
  const socket = new WebSocket("wss://talk." + location.host.replace(/^app\\./, "") + "/");
  socket.onopen = () => socket.send("over the socket");
  socket.onmessage = (event) => fetch("/said", { method: "POST", body:
    [location.protocol, answer.status, text, event.data].join(" | ") });
})();
</script>"""


def test_a_browser_opens_a_tunnel(world, leases):
    browser = need("chromium")
    certificate = leases.certificate(edge.DOMAIN)
    panel = edge.Panel(leases, certificate=certificate)
    edge.start_agent(panel, edge.Credentials(panel))
    said = []

    def answer(request):
        if request.path == "/said":
            said.append(request.body.decode())
        return b"%d bytes" % len(request.body) if request.path == "/data" else PAGE

    site = world.keep(web.Web(answer))
    panel.tunnel("app", site.port)
    panel.tunnel("talk", world.keep(Sockets()).port)
    world.run("browser", [browser, *CHROMIUM, f"--user-data-dir={world.path('browser')}",
                          f"--host-resolver-rules=MAP *.{edge.DOMAIN} 127.0.0.1",
                          f"--ignore-certificate-errors-spki-list={pin_of(certificate[0])}",
                          f"https://app.{edge.DOMAIN}:{panel.port}/"],
              env={"TMPDIR": world.directory})

    net.wait_until(lambda: said, 40, message="what the page has to say")
    assert said == ["https: | 200 | 100000 bytes | over the socket"]
