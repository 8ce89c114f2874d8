"""A browser visits what is published: a page, what its script asks for, and a WebSocket."""

import asyncio
import base64
import hashlib
import threading

import websockets
from conftest import need
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from lib import net, web

PAGE = b"""<!doctype html><title>published</title><script>
(async () => {
  const sent = "x".repeat(100000);
  const answer = await fetch("/api/echo", { method: "POST", body: sent });
  const text = await answer.text();
  const socket = new WebSocket("wss://" + location.host + "/ws");
  socket.onopen = () => socket.send("over the socket");
  socket.onmessage = (event) => fetch("/api/said", { method: "POST", body:
    [location.protocol, answer.status, text, event.data].join(" | ") });
})();
</script>"""

# It asks for nothing but what it is told to, and keeps nothing.
CHROMIUM = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync",
            "--disable-dev-shm-usage", "--disable-extensions"]


def pin_of(path):
    """The hash of a certificate's key, as the browser is told to trust it."""
    with open(path, "rb") as f:
        key = x509.load_pem_x509_certificate(f.read()).public_key()
    spki = key.public_bytes(serialization.Encoding.DER,
                            serialization.PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(hashlib.sha256(spki).digest()).decode()


class Sockets:
    """A WebSocket server that says everything back."""

    def __init__(self):
        self.loop = asyncio.new_event_loop()
        self.port = None
        self.ready = threading.Event()
        self.thread = threading.Thread(target=self._run)
        self.thread.start()
        assert self.ready.wait(10)

    def _run(self):
        async def serve():
            async def echo(ws, *_):
                async for text in ws:
                    await ws.send(text)
            self.end = self.loop.create_future()
            async with websockets.serve(echo, "127.0.0.1", 0) as server:
                self.port = server.sockets[0].getsockname()[1]
                self.ready.set()
                await self.end
        self.loop.run_until_complete(serve())

    def close(self):
        self.loop.call_soon_threadsafe(self.end.set_result, None)
        self.thread.join(10)


def test_a_browser_sees_the_page_and_what_belongs_to_it(world, leases):
    browser = need("chromium")
    site = world.keep(web.Web(lambda request: PAGE))
    api = world.keep(web.Web(lambda request: b"%d bytes" % len(request.body)))
    sockets = world.keep(Sockets())
    certificate = leases.certificate()
    relay = leases.relay("adit", certificate=certificate)
    leases.expose("adit", relay, None, "--http-route", f"/={site.port}", "--http-route",
                  f"/api={api.port}", "--http-route", f"/ws=http://127.0.0.1:{sockets.port}")
    world.run("browser", [browser, *CHROMIUM, f"--user-data-dir={world.path('browser')}",
                          f"--host-resolver-rules=MAP demo.{relay.root} 127.0.0.1",
                          f"--ignore-certificate-errors-spki-list={pin_of(certificate[0])}",
                          f"https://demo.{relay.root}:{relay.sni_port}/"],
              env={"TMPDIR": world.directory})

    def said():
        return [r.body.decode() for r in api.requests if r.path.endswith("/said")]

    net.wait_until(said, 30, message="what the page has to say")
    assert said() == ["https: | 200 | 100000 bytes | over the socket"]
    assert site.requests
