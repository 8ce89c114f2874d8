"""
A relay at which agents enrol: its panel over HTTPS, which signs requests with openssl, and
its link, on asyncssh, which logs enrolled keys in and tells them their tunnels.

    relay = world.keep(EnrolRelay(world, loop))
    relay.tokens["ab" * 32] = "nas"
    relay.tunnels["nas"] = [{"host": "myapp.localhost", "target": "127.0.0.1:3000", ...}]

relay.answer is (status, body) in place of an enrolment; relay.ahead_s is how far its clock is.
"""

import base64
import hashlib
import http.server
import json
import os
import secrets
import ssl
import subprocess
import threading
import time

from . import pki, pypeer
from asyncssh.constants import MSG_GLOBAL_REQUEST  # lib.pypeer has imported it or skipped
from asyncssh.packet import Boolean, String

HOST = "panel.localhost"


def tunnel(name, port, access="public", paused=False):
    return {"host": f"{name}.localhost", "target": f"127.0.0.1:{port}", "access": access,
            "paused": paused}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format, *args):  # pylint: disable=redefined-builtin
        pass

    def date_time_string(self, timestamp=None):
        return super().date_time_string(time.time() + self.server.relay.ahead_s)

    def reply(self, status, body):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        self.server.relay.requests.append(self.path)
        self.reply(200, {"status": "ok"})

    def do_POST(self):
        relay = self.server.relay
        relay.requests.append(self.path)
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.reply(*(relay.answer or relay.enrol(body)))


class HttpServer(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        pass  # a client that does not trust it


class EnrolRelay:
    def __init__(self, world, loop=None, cert=None):
        """cert: (certificate, key) of the panel; else of the relay's own CA."""
        self.world = world
        self.ca = pki.Authority(world.path(f"relay-ca-{len(world.closers)}"), "relay CA")
        self.pair = cert or self.ca.issue("panel", f"DNS:{HOST},DNS:tunnel.localhost")
        self.tokens, self.tunnels, self.enrolled, self.keys = {}, {}, [], {}
        self.answer, self.ahead_s, self.requests = None, 0, []
        self.says_fingerprint = self.says_link = True
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.pair)
        self.http = HttpServer(("127.0.0.1", 0), Handler)
        self.http.relay = self
        self.http.socket = context.wrap_socket(self.http.socket, server_side=True,
                                               do_handshake_on_connect=False)
        self.port = self.http.server_address[1]
        self.url = f"https://{HOST}:{self.port}"
        threading.Thread(target=self.http.serve_forever, args=(0.05,), daemon=True).start()
        self.link = self.loop = None
        if loop is not None:
            self._open_link(loop)

    def _open_link(self, loop):
        link_pair = self.ca.issue("link", "DNS:tunnel.localhost")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*link_pair)
        self.loop = loop
        self.link = pypeer.Server(loop, keys=self.keys, tls=context,
                                  judge=self._judge)
        self.link_url = f"https://tunnel.localhost:{self.link.port}"
        text = self.link.key.get_fingerprint().removeprefix("SHA256:")
        self.fingerprint = text + "=" * (-len(text) % 4)

    def token(self, label="nas"):
        token = secrets.token_hex(32)
        self.tokens[token] = label
        return token

    def pin(self, whole=False):
        """Of the panel's public key, or of its whole certificate."""
        with open(self.pair[0], encoding="ascii") as f:
            pem = f.read()
        der = ssl.PEM_cert_to_DER_cert(pem)
        if not whole:
            public = pki.openssl("x509", "-pubkey", "-noout", text=pem)
            der = base64.b64decode("".join(public.splitlines()[1:-1]))
        return base64.b64encode(hashlib.sha256(der).digest()).decode()

    def enrol(self, body):
        label = self.tokens.pop(body["token"], None)
        if label is None:
            return 401, {"error": "Invalid or expired enrollment token"}
        base = self.world.path(f"enrolled-{len(self.enrolled)}")
        with open(base + ".csr", "w", encoding="ascii") as f:
            f.write(body["csr"])
        subprocess.run(["openssl", "x509", "-req", "-in", base + ".csr", "-CA", self.ca.cert,
                        "-CAkey", self.ca.key, "-CAcreateserial", "-days", "730", "-out",
                        base + ".pem", "-set_serial", str(1000 + len(self.enrolled)), "-subj",
                        f"/CN=agent:{label}/O=Portlama"],
                       check=True, capture_output=True)
        with open(base + ".pem", encoding="ascii") as f:
            cert = f.read()
        with open(self.ca.cert, encoding="ascii") as f:
            ca = f.read()
        self.enrolled.append((label, cert))
        public = pki.openssl("x509", "-pubkey", "-noout", text=cert)
        self.keys[label] = pypeer.asyncssh.import_public_key(public)
        answer = {"ok": True, "cert": cert, "caCert": ca, "label": label, "serial": "3E8",
                  "expiresAt": "2028-11-29T12:00:00.000Z"}
        if self.link is not None and self.says_link:
            answer["tunnelUrl"] = self.link_url
            if self.says_fingerprint:
                answer["fingerprint"] = self.fingerprint
        return 200, answer

    # The link.

    def _judge(self, config):
        assert config["Remotes"] == [] or config["Remotes"] is None
        session = self.link.sessions[-1]
        self.loop.loop.call_soon(self._tell, session)

    def _tell(self, session):
        label = session.get_extra_info("username")
        body = json.dumps({"tunnels": self.tunnels.get(label, [])}).encode()
        session.send_packet(MSG_GLOBAL_REQUEST, String(b"adit-tunnels"), Boolean(False), body)

    def tell(self):
        """The tunnels have changed."""
        self.loop.loop.call_soon_threadsafe(self._tell, self.link.sessions[-1])

    def close(self):
        self.http.shutdown()
        self.http.server_close()
        if self.link is not None:
            self.link.close()


def files_below(directory):
    return sorted(os.path.relpath(os.path.join(where, name), directory)
                  for where, _, names in os.walk(directory) for name in names)
