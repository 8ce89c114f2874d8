"""ClientHellos: read as a relay reads them, and made as a visitor should not."""

import os
import ssl


def server_name(data):
    """The name a first record asks for; None: none; ValueError: not a ClientHello."""
    if len(data) < 9 or data[0] != 22 or data[5] != 1:
        raise ValueError("not a ClientHello")
    body = data[9:9 + int.from_bytes(data[6:9], "big")]
    at = 34
    at += 1 + body[at]
    at += 2 + int.from_bytes(body[at:at + 2], "big")
    at += 1 + body[at]
    end = at + 2 + int.from_bytes(body[at:at + 2], "big")
    at += 2
    while at + 4 <= end:
        kind, size = int.from_bytes(body[at:at + 2], "big"), int.from_bytes(
            body[at + 2:at + 4], "big")
        if kind == 0:
            length = int.from_bytes(body[at + 7:at + 9], "big")
            return body[at + 9:at + 9 + length].decode("ascii").strip().lower().rstrip(".")
        at += 4 + size
    return None


def record(payload, kind=22, version=b"\x03\x01"):
    return bytes([kind]) + version + len(payload).to_bytes(2, "big") + payload


def message(name, extensions=b"", padding=0, session=b"", suites=b"\x13\x01\xc0\x2b"):
    """A ClientHello's handshake message, well formed whatever it is asked."""
    if name is not None:
        host = name if isinstance(name, bytes) else name.encode()
        entry = b"\x00" + len(host).to_bytes(2, "big") + host
        listed = len(entry).to_bytes(2, "big") + entry
        extensions = b"\x00\x00" + len(listed).to_bytes(2, "big") + listed + extensions
    if padding:
        extensions += b"\x00\x15" + padding.to_bytes(2, "big") + bytes(padding)
    body = (b"\x03\x03" + os.urandom(32) + bytes([len(session)]) + session
            + len(suites).to_bytes(2, "big") + suites + b"\x01\x00"
            + len(extensions).to_bytes(2, "big") + extensions)
    return b"\x01" + len(body).to_bytes(3, "big") + body


def real(name, context=None):
    """Gives (TLS object, incoming, outgoing, the ClientHello record that it began with)."""
    context = context or ssl._create_unverified_context()  # pylint: disable=protected-access
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_hostname=name)
    try:
        tls.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return tls, incoming, outgoing, outgoing.read()


def split_over_records(hello, size):
    """The same handshake message in records of so many bytes."""
    payload = hello[5:]
    return b"".join(record(payload[i:i + size]) for i in range(0, len(payload), size))
