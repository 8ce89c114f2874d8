"""What the manual pages print, copied from a terminal, works."""

import glob
import json
import os
import re
import socket
import subprocess
import textwrap
import threading

import pytest

from conftest import need
from lib import net, pki
from lib.portal_tls import client_context

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PAGES = sorted(glob.glob(os.path.join(ROOT, "docs", "man", "*.1")))


def rendered(page):
    """A page as man shows it on a terminal of 80 columns."""
    done = subprocess.run([need("groff"), "-mandoc", "-Tutf8", "-P-cbou", "-rLL=80n",
                           os.path.join(ROOT, "docs", "man", page)], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, check=True)
    assert done.stderr == ""
    return done.stdout


def displays(page):
    """Its indented blocks."""
    blocks = re.findall(r"(?:^ {10,}\S.*\n(?:\n(?= {10}))*)+", rendered(page), re.MULTILINE)
    return [textwrap.dedent(block) for block in blocks]


@pytest.mark.parametrize("page", PAGES, ids=os.path.basename)
def test_no_line_is_too_wide(page):
    wide = [line for line in rendered(page).splitlines() if len(line) > 80]
    assert not wide


def free_port_of(ports):
    for port in ports:
        with socket.socket() as s:
            try:
                s.bind(("0.0.0.0", port))
                return port
            except OSError:
                pass
    raise AssertionError("no port is free")


def test_the_users_file_is_one(world, adit):
    text = next(d for d in displays("adit-server.1") if d.startswith("{"))
    users = json.loads(text)
    assert users["bob:hidden"][0] == r"^R:0\.0\.0\.0:70[0-9][0-9]$"
    server = world.server(adit, "--reverse", "--authfile", world.write("users.json", text))
    port = free_port_of(range(7000, 7100))  # as the rule has it
    target = world.serve()
    world.client(adit, server, f"R:0.0.0.0:{port}:127.0.0.1:{target.port}",
                 flags=["--auth", "bob:hidden"])
    net.wait_until(lambda: net.try_echo(port))
    refused = world.client(adit, server, f"R:127.0.0.1:{port}:127.0.0.1:{target.port}",
                           flags=["--auth", "bob:hidden"], wait=False)
    refused.wait_log("denied")


class Application:
    """A web application with a WebSocket that echoes and a stream that takes its time."""

    def __init__(self):
        self.heads = []
        self.go_on = threading.Event()

    def __call__(self, s):
        head = b""
        while b"\r\n\r\n" not in head:
            more = s.recv(65536)
            if not more:
                return
            head += more
        self.heads.append(head.decode())
        if b"\r\nupgrade: websocket\r\n" in head.lower():
            s.sendall(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
                      b"Upgrade: websocket\r\n\r\n")
            net.echo(s)
            return
        s.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n")
        self.go_on.wait(20)
        s.sendall(b"4\r\nlast\r\n0\r\n\r\n")


@pytest.fixture
def site(world, adit, tmp_path_factory):
    """nginx as the manual has it, a server and a client behind it; (visit, application)."""
    text = next(d for d in displays("adit-server.1") if d.startswith("map $http_upgrade"))
    authority = pki.Authority(str(tmp_path_factory.mktemp("pki")))
    names = ["DNS:tunnel.example.com", "DNS:myapp.example.com"]
    cert, key = authority.issue("example.com", ",".join(names))
    listen, public = net.free_port(), net.free_port()
    server = world.server(adit, "--reverse")
    for old, new in (("/etc/ssl/example.com/fullchain.pem", cert),
                     ("/etc/ssl/example.com/privkey.pem", key),
                     ("listen 443 ", f"listen 127.0.0.1:{listen} "),
                     ("127.0.0.1:9090", f"127.0.0.1:{server.port}"),
                     ("127.0.0.1:3000", f"127.0.0.1:{public}")):
        assert old in text
        text = text.replace(old, new)
    config = world.write("nginx.conf", f"""
daemon off; master_process off; pid {world.path("nginx.pid")}; error_log stderr info;
events {{ worker_connections 100; }}
http {{
access_log off;
{"".join(f"{kind}_temp_path {world.path(kind)};" for kind in
         ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))}
{text}
}}""")
    nginx = world.run("nginx", [need("nginx"), "-c", config, "-p", world.directory])
    net.wait_listening(listen, nginx)
    application = Application()
    target = world.serve(application)
    world.client(adit, f"https://127.0.0.1:{listen}",
                 f"R:127.0.0.1:{public}:127.0.0.1:{target.port}",
                 flags=["--hostname", "tunnel.example.com", "--tls-ca", authority.cert])
    net.wait_listening(public)

    def visit(request):
        s = client_context(authority.cert).wrap_socket(
            net.connect(listen), server_hostname="myapp.example.com")
        s.sendall(f"{request}\r\nHost: myapp.example.com\r\n".encode())
        return world.keep(s)

    return visit, application


def read_until(s, end):
    got = b""
    while end not in got:
        more = s.recv(65536)
        assert more, got
        got += more
    return got


def test_nginx_passes_visitors_on(site):
    visit, application = site
    s = visit("GET / HTTP/1.1\r\nX-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Proto: gopher\r\n"
              "X-Forwarded-Host: evil.example\r\nForwarded: for=6.6.6.6\r\nX-Real-IP: 6.6.6.6")
    s.sendall(b"\r\n")
    read_until(s, b"first")  # before the answer has ended
    application.go_on.set()
    read_until(s, b"last")
    head = application.heads[0].lower()
    assert "6.6.6.6" not in head and "evil" not in head and "gopher" not in head
    for line in ("host: myapp.example.com", "x-forwarded-for: 127.0.0.1",
                 "x-forwarded-host: myapp.example.com", "x-forwarded-proto: https"):
        assert f"\r\n{line}\r\n" in head

    s = visit("GET /socket HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket")
    s.sendall(b"\r\n")
    read_until(s, b"101 Switching Protocols")
    for text in (b"hello", b"x" * 100000 + b"end"):
        s.sendall(text)
        read_until(s, text[-3:])
