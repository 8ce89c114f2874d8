"""TLS over anything that sends and receives, both ways at once, and inside itself."""

import socket
import ssl
import threading


class Tls:
    """One TLS connection in memory over lower, a socket or another Tls. One thread may read
    while another writes, which Python's own TLS sockets do not promise."""

    def __init__(self, lower, context, server_side=False, server_name=None, early=b"",
                 handshake=True, session=None):
        self.lower = lower
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        if early:
            self.incoming.write(early)
        self.object = context.wrap_bio(self.incoming, self.outgoing, server_side=server_side,
                                       server_hostname=server_name, session=session)
        self.lock, self.order = threading.Lock(), threading.Lock()
        if handshake:
            self.handshake()

    def handshake(self):
        self._drive(self.object.do_handshake)

    def _flush(self):
        with self.order:
            with self.lock:
                data = self.outgoing.read()
            if data:
                self.lower.sendall(data)

    def _feed(self):
        data = self.lower.recv(65536)
        with self.lock:
            if data:
                self.incoming.write(data)
            else:
                self.incoming.write_eof()

    def _drive(self, step):
        while True:
            try:
                with self.lock:
                    result = step()
            except ssl.SSLWantReadError:
                self._flush()
                self._feed()
                continue
            except ssl.SSLError:
                self._try_flush()  # an alert says why
                raise
            self._flush()
            return result

    def _try_flush(self):
        try:
            self._flush()
        except OSError:
            pass

    def recv(self, count):
        """b"" after a close_notify; ssl.SSLEOFError when it was cut."""
        try:
            return self._drive(lambda: self.object.read(count))
        except ssl.SSLZeroReturnError:
            return b""

    def sendall(self, data):
        for start in range(0, len(data), 16384):
            with self.order:
                with self.lock:
                    self.object.write(data[start:start + 16384])
                    out = self.outgoing.read()
                self.lower.sendall(out)

    def shutdown(self, how):
        """SHUT_WR sends close_notify and leaves reading as it is."""
        if how == socket.SHUT_RDWR:
            self.lower.shutdown(how)
            return
        with self.lock:
            try:
                self.object.unwrap()
            except ssl.SSLWantReadError:
                pass
        self._flush()

    def close(self):
        self.lower.close()

    def settimeout(self, seconds):
        self.lower.settimeout(seconds)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def client_context(ca=None, alpn=("http/1.1",), versions=None):
    """Without ca nobody is verified. A host's wildcard may have one label after it, which
    OpenSSL will not hear of, so names are not checked by it; covers() does that."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if ca:
        context.load_verify_locations(cafile=ca)
        context.verify_mode = ssl.CERT_REQUIRED
    if alpn:
        context.set_alpn_protocols(list(alpn))
    if versions:
        context.minimum_version, context.maximum_version = versions
    return context


def server_context(certificate, alpn=("http/1.1",), minimum=ssl.TLSVersion.TLSv1_2):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    context.minimum_version = minimum
    if alpn:
        context.set_alpn_protocols(list(alpn))
    return context
