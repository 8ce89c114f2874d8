"""A relay in threads, written from the protocol's description. It does what a relay does
until a test tells it otherwise: refuse, expire, forget, fall silent, drop, or listen in."""

import base64
import collections
import datetime
import json
import os
import secrets
import socket
import threading
import time

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, utils

from . import net
from .portal_crypto import eip55, hostname_hash, recover_personal
from .portal_hello import server_name
from .portal_tls import Tls, client_context, server_context

STATUS = {"invalid_json": 400, "invalid_request": 400, "method_not_allowed": 405,
          "unauthorized": 403, "ip_banned": 403, "lease_not_found": 404, "lease_rejected": 403,
          "hostname_conflict": 409, "transport_mismatch": 409, "feature_unavailable": 503,
          "rate_limited": 429, "udp_disabled": 403, "tcp_port_disabled": 403,
          "udp_capacity_exceeded": 503, "tcp_port_capacity_exceeded": 503,
          "udp_port_exhausted": 503, "tcp_port_exhausted": 503, "http11_only": 505,
          "internal": 500}
READY_MAX = 8
CLAIM_S = 10


class Problem(Exception):
    def __init__(self, code, message=None, status=None):
        super().__init__(code)
        self.code, self.status = code, status or STATUS[code]
        self.message = message or code.replace("_", " ")


def rfc3339(seconds):
    """Nanoseconds and an offset, which a reader must bear."""
    zone = datetime.timezone(datetime.timedelta(hours=9))
    whole = datetime.datetime.fromtimestamp(int(seconds), zone)
    return whole.strftime("%Y-%m-%dT%H:%M:%S") + f".{int(seconds % 1 * 1e9):09d}+09:00"


class Waiting:
    """A reverse session that is not claimed yet."""

    def __init__(self, stream):
        self.stream = stream
        self.lock = threading.Lock()
        self.taken = False

    def activate(self, marker):
        with self.lock:
            self.taken = True
            try:
                self.stream.sendall(marker)
                return True
            except OSError:
                return False

    def keep(self):
        with self.lock:
            if not self.taken:
                self.stream.sendall(b"\x00")
            return not self.taken


class Endless:
    """A stream whose end nobody can announce, as both of a stock relay's are: the one that ends
    is closed when the other has ended, too."""

    def __init__(self, inner):
        self.inner = inner

    def shutdown(self, how):
        if how != socket.SHUT_WR:
            self.inner.shutdown(how)

    def __getattr__(self, name):
        return getattr(self.inner, name)


class Lease:
    def __init__(self, identity, address, request):
        self.identity, self.address, self.request = identity, address, request
        self.ready = collections.deque()
        self.changed = threading.Condition()
        self.closed = False
        self.expires = 0.0
        self.server = None

    def offer(self, session):
        with self.changed:
            if self.closed or len(self.ready) >= READY_MAX:
                return False
            self.ready.append(session)
            self.changed.notify()
            return True

    def claim(self, marker):
        end = time.monotonic() + CLAIM_S
        while True:
            with self.changed:
                while not self.ready:
                    left = end - time.monotonic()
                    if left <= 0 or self.closed:
                        return None
                    self.changed.wait(left)
                session = self.ready.popleft()
            if session.activate(marker):
                return session.stream

    def drop(self):
        """Ends the idle sessions."""
        with self.changed:
            dropped, self.ready = list(self.ready), collections.deque()
        for session in dropped:
            session.stream.close()

    def close(self):
        with self.changed:
            self.closed = True
            self.changed.notify_all()
        self.drop()
        if self.server:
            self.server.close()


class Request:
    def __init__(self, method, path, headers, body, peer):
        self.method, self.path, self.headers, self.body = method, path, headers, body
        self.peer = peer

    def json(self):
        try:
            value = json.loads(self.body)
        except ValueError:
            raise Problem("invalid_json") from None
        if not isinstance(value, dict):
            raise Problem("invalid_json")
        return value


def read_request(stream, rest):
    while b"\r\n\r\n" not in rest:
        more = stream.recv(65536)
        if not more:
            return None, rest
        rest += more
    head, _, rest = rest.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    length = int(headers.get("content-length", 0))
    while len(rest) < length:
        more = stream.recv(65536)
        if not more:
            return None, rest
        rest += more
    method, path, _ = first.split(" ")
    return Request(method, path, headers, rest[:length], None), rest[length:]


class Relay:
    def __init__(self, certificate, root="relay.localhost", protocol="7", keepalive=15.0):
        self.root, self.protocol, self.keepalive = root, protocol, keepalive
        self.certify(certificate)
        self.challenges, self.leases, self.tokens = {}, {}, {}
        self.asked = []           # (method, path) of every API request
        self.requests = []        # the requests themselves
        self.carried = bytearray()  # what was bridged, both ways, as the relay sees it
        self.visits = 0
        self.signed = 0
        self.streams = set()
        self.refusals = {}        # path -> Problem, until it is taken out
        self.ttl = None           # the longest lease; None: what is asked
        self.mute = False         # takes questions and never answers
        self.hostile = False      # ends visitors' TLS itself
        self.carries_ends = True  # else as stock: of one direction, only to raw visitors
        self.intercepted = bytearray()  # plaintext that a hostile relay has read
        self.api = net.Server(self._serve_api)
        self.sni = net.Server(self._serve_sni)
        self.url = f"https://{root}:{self.sni.port}"
        self.api_url = f"https://{root}:{self.api.port}"

    # ---- faults ----

    def certify(self, certificate):
        """For connections and signatures from now on."""
        self.certificate = certificate
        self.tls = server_context(certificate)
        with open(certificate[1], "rb") as f:
            self.key = serialization.load_pem_private_key(f.read(), None)

    def refuse(self, path, code, message=None, status=None):
        self.refusals[path] = Problem(code, message, status)

    def forget(self):
        """As after a restart: no leases, no tokens, no connections."""
        leases, self.leases, self.tokens = list(self.leases.values()), {}, {}
        self.challenges = {}
        for lease in leases:
            lease.close()
        for server in (self.api, self.sni):
            for s in list(server.open):
                try:
                    s.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    def expire(self, name):
        self._remove(self.lease(name))

    def drop_sessions(self):
        for lease in list(self.leases.values()):
            lease.drop()

    def lease(self, name):
        return next((x for x in self.leases.values() if x.identity["name"] == name), None)

    def ready(self, name):
        lease = self.lease(name)
        return len(lease.ready) if lease else 0

    def wait_ready(self, name, count=1, seconds=15.0):
        net.wait_until(lambda: self.ready(name) >= count, seconds,
                       message=f"{count} ready sessions of {name}")

    def count(self, path):
        return sum(1 for _, asked in self.asked if asked == path)

    # ---- the API ----

    def _serve_api(self, s, early=b""):
        peer = s.getpeername()[0]
        stream = Tls(s, self.tls, server_side=True, early=early)
        rest = b""
        while True:
            request, rest = read_request(stream, rest)
            if request is None:
                return
            request.peer = peer
            self.asked.append((request.method, request.path))
            self.requests.append(request)
            if self.mute:
                net.echo_nothing(stream)
                return
            if request.path == "/sdk/connect":
                if self._connect(request, stream):
                    return
                continue
            stream.sendall(self._answer(request))
            if request.headers.get("connection", "").lower() == "close":
                stream.shutdown(socket.SHUT_WR)
                return

    @staticmethod
    def _http(status, value):
        body = json.dumps(value).encode() + b"\n"
        return (f"HTTP/1.1 {status} Status\r\nContent-Type: application/json\r\n"
                f"Content-Length: {len(body)}\r\n\r\n").encode() + body

    def _answer(self, request):
        operations = {"/healthz": self._health, "/sdk/domain": self._domain,
                      "/sdk/register/challenge": self._challenge,
                      "/sdk/register": self._register, "/sdk/renew": self._renew,
                      "/sdk/unregister": self._unregister, "/v1/sign": self._sign,
                      "/tunnel/status": self._status}
        operation = operations.get(request.path.partition("?")[0])
        try:
            if request.path in self.refusals:
                raise self.refusals[request.path]
            if operation is None:
                return b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
            status, data = operation(request)
        except Problem as p:
            return self._http(p.status, {"ok": False, "error": {"code": p.code,
                                                                "message": p.message}})
        if request.path == "/v1/sign":
            return self._http(status, data)
        return self._http(status, {"ok": True, "data": data})

    def _health(self, _):
        return 200, {"status": "ok"}

    def _domain(self, _):
        return 200, {"protocol_version": self.protocol, "release_version": "v0.0.0-py",
                     "ens": {"enabled": False, "verified": False}}

    def _status(self, request):
        name = request.path.partition("hostname=")[2]
        lease = self._route(name)
        return 200, {"hostname": name, "registered": lease is not None,
                     "service_alive": lease is not None and len(lease.ready) > 0}

    def _route(self, name):
        return next((x for x in self.leases.values() if x.expires >= time.time() and (
            x.hostname == name or x.hash == hostname_hash(name or ""))), None)

    def _challenge(self, request):
        body = request.json()
        identity = {"name": str(body["identity"]["name"]).strip().lower(),
                    "address": eip55(body["identity"]["address"])}
        host = request.headers["host"]
        number = "rch_" + secrets.token_hex(8)
        now = time.time()

        def stamp(t):
            return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(t))
        text = (f"{host} wants you to sign in with your Ethereum account:\n"
                f"{identity['address']}\n\nRegister a portal lease\n\n"
                f"URI: https://{host}/sdk/register\nVersion: 1\nChain ID: 1\n"
                f"Nonce: {secrets.token_hex(8)}\nIssued At: {stamp(now)}\n"
                f"Expiration Time: {stamp(now + 120)}\nRequest ID: {number}")
        self.challenges[number] = (text, identity, body)
        return 201, {"challenge_id": number, "expires_at": rfc3339(now + 120),
                     "siwe_message": text}

    def _register(self, request):
        body = request.json()
        kept = self.challenges.get(body.get("challenge_id"))
        if kept is None or body.get("siwe_message", "").strip() != kept[0]:
            raise Problem("invalid_request", "challenge is unknown")
        text, identity, asked = kept
        if recover_personal(text, body.get("siwe_signature", "")) != identity["address"]:
            raise Problem("unauthorized", "bad signature")
        del self.challenges[body["challenge_id"]]
        lease = Lease(identity, request.peer, asked)
        lease.hostname = asked.get("route_hostname") or f"{identity['name']}.{self.root}"
        lease.hash = hostname_hash(f"{identity['name']}.{self.root}")
        key = f"{identity['name']}:{identity['address'].lower()}"
        for other_key, other in list(self.leases.items()):
            if other_key != key and (other.hash == lease.hash):
                raise Problem("hostname_conflict")
        data = self._token(lease, asked.get("ttl"))
        if asked.get("tcp_enabled"):
            lease.server = net.Server(lambda s: self._bridge(s, lease, b"\x01"))
            data.update(tcp_enabled=True, tcp_addr=f"{self.root}:{lease.server.port}")
        old = self.leases.get(key)
        self.leases[key] = lease
        if old:
            old.close()
        return 201, {"identity": identity, "sni_port": self.sni.port, **data}

    def _token(self, lease, ttl):
        ttl = ttl if isinstance(ttl, int) and ttl > 0 else 120
        ttl = min(ttl, self.ttl or ttl)
        token = secrets.token_urlsafe(32)
        lease.expires = time.time() + ttl
        self.tokens[token] = lease
        return {"access_token": token, "expires_at": rfc3339(lease.expires)}

    def _lease_of(self, token):
        lease = self.tokens.get(token)
        if lease is None:
            raise Problem("unauthorized")
        if lease not in self.leases.values() or lease.expires < time.time():
            raise Problem("lease_not_found")
        return lease

    def _renew(self, request):
        body = request.json()
        return 200, self._token(self._lease_of(body.get("access_token")), body.get("ttl"))

    def _unregister(self, request):
        self._remove(self._lease_of(request.json().get("access_token")))
        return 200, {}

    def _remove(self, lease):
        self.leases = {k: v for k, v in self.leases.items() if v is not lease}
        lease.close()

    def _sign(self, request):
        self._lease_of(request.headers.get("x-portal-access-token"))
        body = request.json()
        digest = base64.b64decode(body["digest"], validate=True)
        if body["key_id"] != "relay-cert":
            return 403, {"error": "unknown key"}
        if abs(body["timestamp_unix"] - time.time()) > 30 or not body["nonce"]:
            return 400, {"error": "timestamp or nonce"}
        is_ec = isinstance(self.key, ec.EllipticCurvePrivateKey)
        if body["algorithm"].startswith("ECDSA") != is_ec:
            return 400, {"error": "the key cannot do that"}
        plain = getattr(hashes, "SHA" + body["algorithm"][-3:])()
        prehashed = utils.Prehashed(plain)
        if is_ec:
            signature = self.key.sign(digest, ec.ECDSA(prehashed))
        elif "PSS" in body["algorithm"]:
            signature = self.key.sign(digest, padding.PSS(padding.MGF1(plain), len(digest)),
                                      prehashed)
        else:
            signature = self.key.sign(digest, padding.PKCS1v15(), prehashed)
        self.signed += 1
        return 200, {"key_id": "relay-cert", "algorithm": body["algorithm"],
                     "signature": base64.b64encode(signature).decode()}

    # ---- sessions and visitors ----

    def _connect(self, request, stream):
        """Whether the connection has become a session, now over."""
        try:
            if request.path in self.refusals:
                raise self.refusals[request.path]
            lease = self._lease_of(request.headers.get("x-portal-access-token"))
        except Problem as p:
            stream.sendall(self._http(p.status, {"ok": False, "error": {
                "code": p.code, "message": p.message}}))
            return False
        stream.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n")
        session = Waiting(stream)
        stream.over = threading.Event()
        if not lease.offer(session):
            return True
        try:
            while not stream.over.wait(self.keepalive):
                if not session.keep():
                    stream.over.wait()
        except OSError:
            pass
        return True

    def _serve_sni(self, s):
        s.settimeout(2)
        early = net.read_exactly(s, 5)
        early += net.read_exactly(s, int.from_bytes(early[3:5], "big"))
        s.settimeout(None)
        try:
            name = server_name(early)
        except (ValueError, IndexError):
            return
        if name == self.root:
            self._serve_api(s, early)
            return
        lease = self._route(name)
        if lease is None:
            s.sendall(b"\x15\x03\x03\x00\x02\x02\x70")
            return
        if self.hostile:
            self._listen_in(s, lease, name, early)
        else:
            self._bridge(s, lease, b"\x02", early)

    def _bridge(self, visitor, lease, marker, early=b""):
        stream = lease.claim(marker)
        if stream is None:
            return
        self.visits += 1
        try:
            self.carried += early
            if early:
                stream.sendall(early)
            self._copy_both(visitor if self.carries_ends or marker == b"\x01"
                            else Endless(visitor),
                            stream if self.carries_ends else Endless(stream), self.carried)
        finally:
            stream.over.set()
            stream.close()

    def _listen_in(self, visitor, lease, name, early):
        """Ends the visitor's TLS with the relay's own key, and begins another to the client."""
        stream = lease.claim(b"\x02")
        if stream is None:
            return
        self.visits += 1
        try:
            outer = Tls(visitor, self.tls, server_side=True, early=early)
            inner = Tls(stream, client_context(), server_name=name)
            self._copy_both(outer, inner, self.intercepted)
        finally:
            stream.over.set()
            stream.close()

    @staticmethod
    def _copy_both(one, other, record):
        def way(source, to):
            try:
                while True:
                    data = source.recv(65536)
                    if not data:
                        break
                    record.extend(data)
                    to.sendall(data)
                to.shutdown(socket.SHUT_WR)
            except OSError:
                for s in (one, other):
                    try:
                        s.shutdown(socket.SHUT_RDWR)
                    except OSError:
                        pass

        back = threading.Thread(target=way, args=(other, one), daemon=True)
        back.start()
        way(one, other)
        back.join()

    def close(self):
        for lease in list(self.leases.values()):
            lease.close()
        self.api.close()
        self.sni.close()


def lease_certificate(authority, root):
    """(certificate, key) for a root host and its tunnels."""
    return authority.issue(root, f"DNS:{root},DNS:*.{root},DNS:localhost,IP:127.0.0.1")


def write_state(directory, certificate):
    """A relay's state directory with this certificate in it."""
    os.makedirs(directory, exist_ok=True)
    for source, name in zip(certificate, ("fullchain.pem", "privatekey.pem")):
        with open(source, "rb") as f:
            data = f.read()
        path = os.path.join(directory, name)
        with open(path + ".new", "wb") as f:
            f.write(data)
        os.chmod(path + ".new", 0o600)
        os.replace(path + ".new", path)
