"""A relay with a domain, agents that are enrolled at it, apps behind them, and visitors."""

import hashlib
import http.client
import json
import os
import socket
import ssl
import subprocess
import threading
import time

from . import net
from .agents import Agent, text
from .http import read_head
from .panel import api
from .process import SANITIZER_ENV

DOMAIN = "relay.localhost"
MIB = 1 << 20
BLOCK = hashlib.shake_256(b"block").digest(MIB - 8)


def pattern(size):
    """Bytes in pieces of at most 1 MiB, no two pieces alike."""
    for number in range(-(-size // MIB)):
        yield (number.to_bytes(8, "big") + BLOCK)[:min(MIB, size - number * MIB)]


def pattern_hash(size):
    digest = hashlib.sha256()
    for piece in pattern(size):
        digest.update(piece)
    return digest.hexdigest()


# ---- the relay ----

class Panel:
    """A relay with a domain, and what is asked of its panel."""

    def __init__(self, leases, *flags, workers=2, **options):
        self.leases, self.world = leases, leases.world
        self.relay = leases.relay("adit", "--domain", DOMAIN, "--workers", workers, *flags,
                                  **options)
        self.program = leases.program("lease-adit-relay").argv[0]
        self.port, self.ca = self.relay.sni_port, leases.ca

    @property
    def process(self):
        return self.relay.process

    def api(self, method, path, body=None):
        return api(self.relay, method, path, body)

    def do(self, method, path, body=None, status=200):
        found, answer = self.api(method, path, body)
        assert found == status, (found, answer)
        return answer

    def command(self, *words):
        """Runs "adit relay ..." and returns its output."""
        done = subprocess.run(
            [self.program, "relay", *(str(w) for w in words), "--state-dir", self.relay.state],
            env={**os.environ, **SANITIZER_ENV}, capture_output=True, text=True, timeout=30,
            check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def tunnel(self, name, port, agent="home", access="public", **fields):
        """Adds a tunnel and returns its id."""
        body = {"subdomain": name, "port": port, "agent": agent, "accessMode": access, **fields}
        return self.do("POST", "/tunnels", body, 201)["tunnel"]["id"]

    def restart(self):
        """Ends it in order, and starts it again with the same state."""
        assert self.process.stop() is None
        self.relay.process = self.relay.again()

    def agent_is(self, label="home", connected=True):
        listed = json.loads(self.command("agent", "list", "--json"))["agents"]
        return [a["connected"] for a in listed if a["label"] == label] == [connected]

    # Visitors.

    def visit(self, name="app", host=None, timeout=20.0):
        """A TLS connection to a tunnel; @host is another ServerName."""
        context = ssl.create_default_context(cafile=self.ca)
        s = net.connect(self.port, timeout=timeout)
        try:
            return context.wrap_socket(s, server_hostname=host or f"{name}.{DOMAIN}")
        except BaseException:
            s.close()
            raise

    def client(self, name="app", timeout=20.0):
        """http.client's connection to a tunnel."""
        connection = http.client.HTTPConnection(f"{name}.{DOMAIN}", self.port, timeout=timeout)
        connection.sock = self.visit(name, timeout=timeout)
        return connection

    def ask(self, name="app", path="/", method="GET", body=None, headers=None, timeout=20.0):
        """(status, headers, body) of one request."""
        connection = self.client(name, timeout)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()

    def status(self, name="app", **options):
        try:
            return self.ask(name, **options)[0]
        except (OSError, EOFError, http.client.HTTPException):
            return 0

    def wait_status(self, status, name="app", seconds=20.0, every=0.02):
        net.wait_until(lambda: self.status(name) == status, seconds, every,
                       message=f"{name} answers {status}")

    def curl(self, name, path, *args, **options):
        return self.world.curl("--cacert", self.ca, "--resolve",
                               f"{name}.{DOMAIN}:{self.port}:127.0.0.1", *args,
                               f"https://{name}.{DOMAIN}:{self.port}{path}", **options)


# ---- agents ----

class Credentials:
    """Key and certificate of an agent, made by openssl and signed by the relay."""

    def __init__(self, panel, label="home"):
        self.label, world = label, panel.world
        self.key_file, request = world.path(f"{label}.key"), world.path(f"{label}.csr")
        subprocess.run(["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", self.key_file,
                        "-out", request, "-subj", "/CN=pending"],
                       check=True, capture_output=True, timeout=20)
        with open(request, encoding="ascii") as f:
            csr = f.read()
        token = json.loads(panel.command("agent", "enroll", label, "--json"))["token"]
        status, _, answer = panel.ask(
            "tunnel", "/api/enroll", "POST", json.dumps({"token": token, "csr": csr}),
            {"Content-Type": "application/json"})
        assert status == 200, answer
        self.cert = json.loads(answer)["cert"]
        with open(self.key_file, encoding="ascii") as f:
            self.key = f.read()

    def install(self, agent, id="home"):
        directory = os.path.join(agent.state, "links", id)
        os.makedirs(directory, mode=0o700, exist_ok=True)
        os.chmod(agent.state, 0o700)
        for name, content in (("key.pem", self.key), ("cert.pem", self.cert)):
            with open(os.open(os.path.join(directory, name), os.O_CREAT | os.O_WRONLY | os.O_TRUNC,
                              0o600), "w", encoding="ascii") as f:
                f.write(content)


def managed_link(server, ca, id="home", **fields):
    pairs = {"id": id, "server": server, "tls_ca": ca, **fields}
    return "[[links]]\nmanaged = true\n" + "".join(f"{k} = {text(v)}\n" for k, v in pairs.items())


def start_agent(panel, credentials, name=None, server=None, ca=None, wait=True):
    """An agent whose one link is managed."""
    server = server or f"https://tunnel.{DOMAIN}:{panel.port}"
    agent = Agent(panel.world, "adit", managed_link(server, ca or panel.ca),
                  name or credentials.label)
    credentials.install(agent)
    agent.start("--no-dashboard")
    if wait:
        agent.process.wait_log(r"\bConnected\b")
    return agent


class Home:
    """A panel with one agent, "home", and one app."""

    def __init__(self, leases, *flags, workers=2):
        self.panel = Panel(leases, *flags, workers=workers)
        self.credentials = Credentials(self.panel)
        self.agent = start_agent(self.panel, self.credentials)
        self.app = leases.world.keep(App())


def connections_of(pid, port):
    """Established connections of a process to a port of this machine."""
    inodes = set()
    for fd in os.listdir(f"/proc/{pid}/fd"):
        try:
            link = os.readlink(f"/proc/{pid}/fd/{fd}")
        except OSError:
            continue
        if link.startswith("socket:["):
            inodes.add(link[8:-1])
    count = 0
    for family in ("tcp", "tcp6"):
        with open(f"/proc/{pid}/net/{family}", encoding="ascii") as f:
            for line in f.readlines()[1:]:
                fields = line.split()
                count += (fields[3] == "01" and fields[9] in inodes and
                          int(fields[2].rpartition(":")[2], 16) == port)
    return count


# ---- the app ----

class Request:
    """What arrived at the app. body() reads it; trailers are there then."""

    def __init__(self, s):
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            byte = s.recv(1)
            if not byte:
                raise EOFError
            head += byte
        first, *self.lines = head[:-4].decode("latin-1").split("\r\n")
        self.method, self.path, _ = first.split(" ")
        self.socket, self.trailers = s, []

    def all(self, name):
        pairs = (line.partition(":") for line in self.lines)
        return [v.strip() for k, _, v in pairs if k.lower() == name.lower()]

    def header(self, name):
        return (self.all(name) or [None])[0]

    def _line(self):
        line = b""
        while not line.endswith(b"\r\n"):
            byte = self.socket.recv(1)
            if not byte:
                raise EOFError
            line += byte
        return line[:-2].decode("latin-1")

    def _sized(self, size):
        while size > 0:
            data = self.socket.recv(min(65536, size))
            if not data:
                raise EOFError
            size -= len(data)
            yield data

    def body(self):
        if self.header("Transfer-Encoding") == "chunked":
            while (size := int(self._line().partition(";")[0], 16)) > 0:
                yield from self._sized(size)
                self._line()
            while line := self._line():
                self.trailers.append(line)
        else:
            yield from self._sized(int(self.header("Content-Length") or 0))

    def answer(self, body, *lines, status="200 OK"):
        head = "".join(line + "\r\n" for line in lines)
        self.socket.sendall(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{head}\r\n"
                            .encode("latin-1") + (b"" if self.method == "HEAD" else body))


class App(net.Server):
    """
    An app in raw HTTP/1.1. Its connections stay open: .count tells the dials.

    /name: its name. /echo: the request's lines. /bytes/SIZE: pattern(SIZE), with ranges.
    /slow/SIZE: the same, half of it after go() only. /upload: size and hash of what came, and trailers.
    /events: SSE, one for each go(). /trailers, /hints, /wait.
    """

    def __init__(self, name="app", listener=None):
        self.name = name
        self.requests = []
        self.pushes = threading.Semaphore(0)
        super().__init__(self._requests, listener=listener)

    def go(self):
        self.pushes.release()

    def _requests(self, s):
        while True:
            r = Request(s)
            self.requests.append(r)
            word, _, rest = r.path[1:].partition("?")[0].partition("/")
            getattr(self, "_on_" + word, self._on_name)(r, rest)

    def _on_name(self, r, _):
        list(r.body())
        r.answer(self.name.encode())

    def _on_echo(self, r, _):
        body = b"".join(r.body())
        r.answer(json.dumps({"lines": r.lines, "method": r.method, "path": r.path,
                             "body": body.decode()}).encode())

    def _on_bytes(self, r, rest):
        size, wanted = int(rest), r.header("Range")
        if wanted:
            first, last = (int(n) for n in wanted.removeprefix("bytes=").split("-"))
            body = b"".join(pattern(size))[first:last + 1]
            r.answer(body, f"Content-Range: bytes {first}-{last}/{size}",
                     status="206 Partial Content")
            return
        r.socket.sendall(f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n".encode())
        if r.method != "HEAD":
            for piece in pattern(size):
                r.socket.sendall(piece)

    def _on_slow(self, r, rest):
        size, sent = int(rest), 0
        r.socket.sendall(f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n".encode())
        for piece in pattern(size):
            if sent <= size // 2 < sent + len(piece):
                self.pushes.acquire()
            r.socket.sendall(piece)
            sent += len(piece)

    def _on_upload(self, r, _):
        if (r.header("Expect") or "").lower() == "100-continue":
            r.socket.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        digest, size = hashlib.sha256(), 0
        for data in r.body():
            digest.update(data)
            size += len(data)
        r.answer(json.dumps({"size": size, "sha256": digest.hexdigest(),
                             "trailers": r.trailers}).encode())

    def _on_deny(self, r, _):
        r.answer(b"too large for me", "Connection: close", status="413 Content Too Large")
        raise EOFError

    def _on_events(self, r, _):
        r.socket.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                         b"Transfer-Encoding: chunked\r\n\r\n")
        number = 0
        while True:
            self.pushes.acquire()
            number += 1
            event = f"id: {number}\ndata: {time.monotonic()}\n\n".encode()
            r.socket.sendall(b"%x\r\n%s\r\n" % (len(event), event))

    def _on_trailers(self, r, _):
        r.socket.sendall(b"HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n"
                         b"5\r\nhello\r\n6\r\n there\r\n0\r\nX-Sum: 11\r\n\r\n")

    def _on_hints(self, r, _):
        r.socket.sendall(b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n")
        r.answer(b"after the hints")


# ---- what visitors see on the wire ----

def say(s, head, body=b""):
    """Sends a request with exactly these lines."""
    s.sendall(head.replace("\n", "\r\n").encode("latin-1") + b"\r\n\r\n" + body)


def hear(s):
    """(status, header lines, first bytes of the body)"""
    status, _, lines, rest = read_head(s)
    return status, lines, rest


class Download(threading.Thread):
    """A download in the background, as slow as its reader is told to be."""

    def __init__(self, panel, name, path, pause=0.0):
        super().__init__(daemon=True)
        self.connection = panel.client(name, timeout=60)
        self.path, self.pause = path, pause
        self.size = self.hash = self.error = None
        self.begun = threading.Event()
        self.start()

    def run(self):
        digest, size = hashlib.sha256(), 0
        try:
            self.connection.request("GET", self.path)
            answer = self.connection.getresponse()
            assert answer.status == 200, answer.status
            while data := answer.read(65536):
                digest.update(data)
                size += len(data)
                self.begun.set()
                if self.pause:
                    time.sleep(self.pause)
        except (OSError, AssertionError, http.client.HTTPException) as e:
            self.error = e
        finally:
            self.begun.set()
            self.connection.close()
        self.size, self.hash = size, digest.hexdigest()

    def result(self, seconds=60):
        self.join(seconds)
        assert not self.is_alive(), "the download did not end"
        assert self.error is None, self.error
        return self.size, self.hash


def tls_alert(port, name):
    """The text of the alert that a ClientHello for this name gets."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with context.wrap_socket(net.connect(port), server_hostname=name):
            return ""
    except ssl.SSLError as e:
        return str(e)
    except (ConnectionError, socket.timeout) as e:
        return repr(e)
