"""Visitors of a lease: TLS to the SNI port, with a name."""

import contextlib

from . import net
from .portal_tls import Tls, client_context

UNRECOGNIZED_NAME = b"\x02\x70"


def visit(port, name, ca=None, host="127.0.0.1", timeout=20.0, session=None, context=None,
          **options):
    """A connected TLS stream whose end has proved the name, when ca says who may."""
    s = net.connect(port, host, timeout)
    try:
        tls = Tls(s, context or client_context(ca, **options), server_name=name,
                  session=session)
        if ca:
            assert covers(tls.object.getpeercert(), name), tls.object.getpeercert()
        return tls
    except BaseException:
        s.close()
        raise


def covers(certificate, name):
    """Whether the certificate is for the name; a wildcard stands for one label."""
    names = [value for kind, value in certificate.get("subjectAltName", ()) if kind == "DNS"]
    return name in names or "*." + name.partition(".")[2] in names


def echoes(port, name, ca=None, text=b"hello", **options):
    with visit(port, name, ca, **options) as tls:
        tls.sendall(text)
        return net.read_exactly(tls, len(text)) == text


def try_echo(port, name, ca=None, timeout=2.0):
    try:
        return echoes(port, name, ca, timeout=timeout)
    except (OSError, EOFError):
        return False


def wait_served(port, name, ca=None, seconds=10.0):
    net.wait_until(lambda: try_echo(port, name, ca), seconds, every=0.1,
                   message=f"a visitor of {name} being served")


def alert_to(port, hello, timeout=15.0):
    """What the other end says to these bytes before it ends: an alert's two bytes, or b""."""
    with net.connect(port, timeout=timeout) as s:
        answer = b""
        with contextlib.suppress(ConnectionError):
            s.sendall(hello)
            answer = net.read_all(s)
    if not answer:
        return b""
    assert answer[0] == 21 and len(answer) == 7, answer
    return answer[5:]

