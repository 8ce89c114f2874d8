"""A CA for one story: Debian's pebble, a DNS server that it asks, and what sits before it."""

import http.server
import json
import os
import socket
import ssl
import struct
import threading
import urllib.request

from lib import net

A, TXT = 1, 16


class Dns:
    """
    Answers A for every name with one address, unless .hidden has the name. TXT records are
    lines of files in a directory: a hook program writes them.
    """

    def __init__(self, directory, address="127.0.0.1"):
        self.directory = directory
        self.address = address
        self.hidden = set()
        self.asked = []
        os.makedirs(directory, exist_ok=True)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def texts(self, name):
        try:
            with open(os.path.join(self.directory, name), encoding="ascii") as f:
                return f.read().split()
        except FileNotFoundError:
            return []

    def _answers(self, name, kind):
        if kind == A and name not in self.hidden:
            return [socket.inet_aton(self.address)]
        if kind == TXT:
            return [bytes([len(t)]) + t.encode() for t in self.texts(name)]
        return []

    def _reply(self, query):
        at, labels = 12, []
        while query[at] != 0:
            labels.append(query[at + 1:at + 1 + query[at]].decode())
            at += 1 + query[at]
        kind = struct.unpack(">H", query[at + 1:at + 3])[0]
        name = ".".join(labels).lower()
        self.asked.append((name, kind))
        answers = self._answers(name, kind)
        status = 3 if name in self.hidden else 0
        return (query[:2] + struct.pack(">HHHHH", 0x8580 | status, 1, len(answers), 0, 0)
                + query[12:at + 5]
                + b"".join(struct.pack(">HHHIH", 0xc00c, kind, 1, 1, len(a)) + a
                           for a in answers))

    def _serve(self):
        while True:
            query, client = self.socket.recvfrom(4096)
            if query == b"":  # close()
                break
            self.socket.sendto(self._reply(query), client)

    def close(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.sendto(b"", ("127.0.0.1", self.port))
        self.thread.join()
        self.socket.close()


class Ca:
    """pebble, with real validation, at .url; .root_file has the root of what it issues."""

    def __init__(self, world, authority, dns, env=None, **config):
        self.authority = authority
        self.port, self.admin = net.free_port(), net.free_port()
        self.http_port, self.tls_port = net.free_port(), net.free_port()
        cert, key = authority.issue("ca.test", "DNS:localhost,IP:127.0.0.1")
        settings = {
            "listenAddress": f"127.0.0.1:{self.port}",
            "managementListenAddress": f"127.0.0.1:{self.admin}",
            "certificate": cert, "privateKey": key,
            "httpPort": self.http_port, "tlsPort": self.tls_port,
            "ocspResponderURL": "", "externalAccountBindingRequired": False,
            **config}
        path = world.write("pebble.json", json.dumps({"pebble": settings}))
        full = {"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "0",
                "PEBBLE_AUTHZREUSE": "0", **(env or {})}
        self.process = world.run("pebble", ["pebble", "-strict", "-config", path,
                                            "-dnsserver", f"127.0.0.1:{dns.port}"], env=full)
        net.wait_listening(self.port, self.process)
        net.wait_listening(self.admin, self.process)
        self.url = f"https://127.0.0.1:{self.port}/dir"
        self.root_file = world.write("root.pem", self.get("/roots/0"))

    def get(self, path):
        context = ssl.create_default_context(cafile=self.authority.cert)
        url = f"https://127.0.0.1:{self.admin}{path}"
        with urllib.request.urlopen(url, context=context, timeout=10) as reply:
            return reply.read().decode()


class Ari:
    """
    Renewal info (RFC 9773) in front of a CA without it: everything else is passed on. The
    window is what the story says.
    """

    def __init__(self, world, ca):
        self.ca = ca
        self.window = ("2100-01-01T00:00:00Z", "2100-01-02T00:00:00Z")
        self.retry_after = "21600"
        self.asked = []
        self.orders = []
        cert, key = ca.authority.issue("ari.test", "DNS:localhost,IP:127.0.0.1")
        owner = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args):
                pass

            def do_GET(self):
                owner.handle(self, None)

            do_HEAD = do_GET

            def do_POST(self):
                owner.handle(self, self.rfile.read(int(self.headers["Content-Length"])))

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, key)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.host = f"127.0.0.1:{self.server.server_port}"
        self.url = f"https://{self.host}/dir"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        world.keep(self)

    def handle(self, request, body):
        if request.path.startswith("/renewal/"):
            self.asked.append(request.path.removeprefix("/renewal/"))
            start, end = self.window
            self.reply(request, 200, [("Retry-After", self.retry_after)], json.dumps(
                {"suggestedWindow": {"start": start, "end": end}}).encode())
            return
        status, headers, content = self.pass_on(request, body)
        if request.path == "/dir":
            directory = json.loads(content)
            directory["renewalInfo"] = f"https://{self.host}/renewal"
            content = json.dumps(directory).encode()
        self.reply(request, status, headers, content)

    def pass_on(self, request, body):
        context = ssl.create_default_context(cafile=self.ca.authority.cert)
        headers = {"Host": self.host, "User-Agent": request.headers["User-Agent"]}
        if body is not None:
            headers["Content-Type"] = request.headers["Content-Type"]
        asked = urllib.request.Request(f"https://127.0.0.1:{self.ca.port}{request.path}",
                                       data=body, headers=headers, method=request.command)
        try:
            with urllib.request.urlopen(asked, context=context, timeout=10) as reply:
                return reply.status, reply.headers.items(), reply.read()
        except urllib.error.HTTPError as reply:
            return reply.code, reply.headers.items(), reply.read()

    @staticmethod
    def reply(request, status, headers, content):
        request.send_response(status)
        for name, value in headers:
            if name.lower() in ("replay-nonce", "location", "link", "content-type",
                                "retry-after"):
                request.send_header(name, value)
        request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        if request.command != "HEAD":
            request.wfile.write(content)

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def served_serial(port, name, cafile):
    """The serial number of the certificate that a visitor of name gets; verified."""
    context = ssl.create_default_context(cafile=cafile)
    with socket.create_connection(("127.0.0.1", port), timeout=5) as plain:
        with context.wrap_socket(plain, server_hostname=name) as tls:
            return tls.getpeercert()["serialNumber"]
