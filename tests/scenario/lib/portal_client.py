"""A lease's client that does what it is told, well or badly: written from the protocol's
description, and as inspectable as a test wants it."""

import base64
import hashlib
import json
import os
import socket
import ssl
import threading
import time
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils

from . import net
from .portal_crypto import Identity, hostname_hash
from .portal_tls import Tls, client_context, server_context

KEEPALIVE, RAW, TLS = b"\x00", b"\x01", b"\x02"


class Refused(Exception):
    """An answer that is not a success."""

    def __init__(self, answer):
        super().__init__(f"{answer.status} {answer.code}: {answer.message}")
        self.answer = answer
        self.status, self.code = answer.status, answer.code


class ApiAnswer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body
        try:
            self.json = json.loads(body)
        except ValueError:
            self.json = None
        envelope = self.json if isinstance(self.json, dict) else {}
        error = envelope.get("error")
        error = error if isinstance(error, dict) else {}
        self.is_ok = 200 <= status < 300 and envelope.get("ok") is not False
        self.data = envelope.get("data")
        self.code, self.message = error.get("code", ""), error.get("message", "")


def read_http(s, rest=b""):
    """Gives (status, {name: value}, body, what followed)."""
    while b"\r\n\r\n" not in rest:
        more = s.recv(65536)
        if not more:
            raise EOFError(f"the head ended after {rest!r}")
        rest += more
    head, _, rest = rest.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    if headers.get("transfer-encoding", "").lower() == "chunked":
        body, rest = read_chunked(s, rest)
        return int(first.split(" ")[1]), headers, body, rest
    length = int(headers.get("content-length", 0))
    while len(rest) < length:
        more = s.recv(65536)
        if not more:
            raise EOFError("the body was cut")
        rest += more
    return int(first.split(" ")[1]), headers, rest[:length], rest[length:]


def read_chunked(s, rest):
    body = b""
    while True:
        while b"\r\n" not in rest:
            rest += s.recv(65536)
        line, _, rest = rest.partition(b"\r\n")
        size = int(line.split(b";")[0], 16)
        while len(rest) < size + 2:
            rest += s.recv(65536)
        body, rest = body + rest[:size], rest[size + 2:]
        if size == 0:
            return body, rest


class Session:
    """A reverse session: idle until it is activated, then the visitor's bytes."""

    def __init__(self, client, token=None):
        self.client = client
        self.stream = client.connect()
        token = client.token if token is None else token
        self.stream.sendall((f"GET /sdk/connect HTTP/1.1\r\nHost: {client.authority}\r\n"
                             f"X-Portal-Access-Token: {token}\r\n"
                             "Connection: keep-alive\r\n\r\n").encode())
        self.status, self.headers, body, self.rest = read_http(self.stream)
        self.answer = ApiAnswer(self.status, self.headers, body)
        self.keepalives = 0
        if self.status != 200:
            self.stream.close()
            raise Refused(self.answer)

    def recv(self, count):
        if self.rest:
            taken, self.rest = self.rest[:count], self.rest[count:]
            return taken
        return self.stream.recv(count)

    def sendall(self, data):
        self.stream.sendall(data)

    def shutdown(self, how):
        self.stream.shutdown(how)

    def settimeout(self, seconds):
        self.stream.settimeout(seconds)

    def close(self):
        self.stream.close()

    def vanish(self):
        """Ends with RST and not a word."""
        net.reset(self.stream.lower)

    def marker(self, seconds=30.0):
        self.settimeout(seconds)
        byte = self.recv(1)
        if byte == KEEPALIVE:
            self.keepalives += 1
        return byte

    def activation(self, seconds=30.0):
        """The marker that is not a keepalive, in so many seconds, or with None as long as
        keepalives come; b"" when the relay ended it."""
        end = time.monotonic() + seconds if seconds is not None else None
        while True:
            left = 30.0 if end is None else end - time.monotonic()
            if left <= 0:
                raise TimeoutError("keepalives, and no visitor")
            try:
                byte = self.marker(left)
            except (ConnectionError, ssl.SSLEOFError):
                return b""
            if byte != KEEPALIVE:
                return byte


class Client:
    """One identity at one relay. dial is where connections go; the names are the URL's."""

    def __init__(self, url, identity=None, name="demo", ca=None, dial=None):
        parts = urlsplit(url)
        self.root = parts.hostname
        self.port = parts.port or 443
        self.authority = parts.netloc
        self.dial = dial or ("127.0.0.1", self.port)
        self.identity = identity or Identity(name)
        self.context = client_context(ca)
        self.token = None
        self.lease = None
        self.tenants = []
        self.failures = []

    @property
    def hostname(self):
        return f"{self.identity.name}.{self.root}"

    def connect(self, context=None):
        return Tls(net.connect(self.dial[1], self.dial[0]), context or self.context,
                   server_name=self.root)

    def ask(self, method, path, body=None, headers=(), raw=None):
        """One question on a connection of its own."""
        data = raw if raw is not None else b"" if body is None else json.dumps(body).encode()
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self.authority}", "Connection: close",
                 *(f"{name}: {value}" for name, value in dict(headers).items())]
        if data:
            lines.append(f"Content-Length: {len(data)}")
            if "Content-Type" not in dict(headers):
                lines.append("Content-Type: application/json")
        elif method != "GET":
            lines.append("Content-Length: 0")
        with self.connect() as s:
            s.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + data)
            return ApiAnswer(*read_http(s)[:3])

    def want(self, *args, **options):
        answer = self.ask(*args, **options)
        if not answer.is_ok:
            raise Refused(answer)
        return answer.data

    # ---- the lease ----

    def domain(self):
        return self.want("GET", "/sdk/domain")

    def challenge(self, **fields):
        body = {"identity": self.identity.message(), "metadata": {}, "ttl": 120, **fields}
        return self.want("POST", "/sdk/register/challenge", body)

    def redeem(self, challenge, message=None, signature=None, **fields):
        message = challenge["siwe_message"] if message is None else message
        data = self.want("POST", "/sdk/register", {
            "challenge_id": challenge["challenge_id"], "siwe_message": message,
            "siwe_signature": signature or self.identity.sign_personal(message), **fields})
        self.lease, self.token = data, data["access_token"]
        return data

    def register(self, **fields):
        return self.redeem(self.challenge(**fields))

    def register_like_stock(self, **fields):
        """With the route host, its hash and an ECH list, as stock clients always do."""
        return self.register(route_hostname=self.identity.route_hostname(self.root),
                             hostname_hash=hostname_hash(self.hostname),
                             ech_config_list=base64.b64encode(
                                 self.identity.ech(self.root)[1]).decode(), **fields)

    def renew(self, **fields):
        data = self.want("POST", "/sdk/renew", {"access_token": self.token, "ttl": 120,
                                                "metadata": {}, **fields})
        self.token = data["access_token"]
        return data

    def unregister(self, token=None):
        return self.want("POST", "/sdk/unregister", {"access_token": token or self.token})

    def session(self, token=None):
        return Session(self, token)

    # ---- signing ----

    def chain(self):
        """The relay's leaf certificate, unverified."""
        with self.connect() as s:
            return x509.load_der_x509_certificate(s.object.getpeercert(True))

    def sign_question(self, algorithm="ECDSA_SHA256", digest=None, /, **fields):
        digest = hashlib.new("sha" + algorithm[-3:]).digest() if digest is None else digest
        return {"key_id": "relay-cert", "algorithm": algorithm,
                "digest": base64.b64encode(digest).decode(), "timestamp_unix": int(time.time()),
                "nonce": os.urandom(16).hex(), **fields}

    def sign(self, question=None, token=None, headers=(), raw=None):
        token = self.token if token is None else token
        return self.ask("POST", "/v1/sign", question,
                        headers={"X-Portal-Access-Token": token, **dict(headers)}, raw=raw)

    # ---- serving visitors, with a certificate of one's own ----

    def serve(self, handle, certificate=None, slots=2):
        """Keeps sessions ready until close(); handle(stream) has each visitor's plaintext."""
        context = server_context(certificate) if certificate else None
        self.serving = True
        for _ in range(slots):
            threading.Thread(target=self._slot, args=(handle, context), daemon=True).start()
        return self

    def _slot(self, handle, context):
        while self.serving:
            try:
                session = self.session()
                self.tenants.append(session)
                marker = session.activation(None)
                session.settimeout(None)
            except (OSError, EOFError, Refused) as error:
                self.failures.append(error)
                if self.serving:
                    time.sleep(0.1)
                continue
            if marker in (RAW, TLS):
                threading.Thread(target=self._tenant, daemon=True,
                                 args=(session, marker, handle, context)).start()

    def _tenant(self, session, marker, handle, context):
        try:
            stream = Tls(session, context, server_side=True) if marker == TLS and context \
                else session
            handle(stream)
            stream.shutdown(socket.SHUT_WR)
        except (OSError, EOFError) as error:
            self.failures.append(error)
        finally:
            session.close()

    def close(self):
        self.serving = False
        for session in self.tenants:
            try:
                session.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


def verify_signature(certificate, algorithm, digest, signature):
    """Raises unless the certificate's key made it."""
    chosen = utils.Prehashed({"256": hashes.SHA256(), "384": hashes.SHA384(),
                              "512": hashes.SHA512()}[algorithm[-3:]])
    key = certificate.public_key()
    if algorithm.startswith("ECDSA"):
        key.verify(signature, digest, ec.ECDSA(chosen))
    elif algorithm.startswith("RSA_PSS"):
        plain = chosen._algorithm  # pylint: disable=protected-access
        key.verify(signature, digest, padding.PSS(padding.MGF1(plain), len(digest)), chosen)
    else:
        key.verify(signature, digest, padding.PKCS1v15(), chosen)


def algorithms_of(certificate):
    """(those its key can do, those it cannot)"""
    of = {kind: [f"{kind}_SHA{bits}" for bits in (256, 384, 512)]
          for kind in ("ECDSA", "RSA_PKCS1V15", "RSA_PSS")}
    if isinstance(certificate.public_key(), rsa.RSAPublicKey):
        return of["RSA_PKCS1V15"] + of["RSA_PSS"], of["ECDSA"]
    return of["ECDSA"], of["RSA_PKCS1V15"] + of["RSA_PSS"]
