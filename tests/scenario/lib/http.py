"""HTTP said byte by byte, for what well-behaved libraries will not say."""

import base64
import hashlib
import os
import socket

from . import net

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Answer:
    def __init__(self, status, reason, lines, body, rest=b""):
        self.status = status
        self.reason = reason
        self.lines = lines  # ["Name: value", ...] in their order
        self.body = body
        self.rest = rest    # what followed a head without a body

    def header(self, name):
        for line in self.lines:
            key, _, value = line.partition(":")
            if key.lower() == name.lower():
                return value.strip()
        return None


def read_head(s):
    data = b""
    while b"\r\n\r\n" not in data:
        more = s.recv(4096)
        if not more:
            raise EOFError(f"the head ended after {data!r}")
        data += more
    head, _, rest = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    _, status, reason = (first + " ").split(" ", 2)
    return int(status), reason.strip(), lines, rest


def read_answer(s, method="GET"):
    status, reason, lines, rest = read_head(s)
    answer = Answer(status, reason, lines, b"", rest)
    length = answer.header("Content-Length")
    if status == 101 or method == "HEAD":
        return answer
    if length is not None:
        answer.body = rest + net.read_exactly(s, max(0, int(length) - len(rest)))
    else:
        answer.body = rest + net.read_all(s)
    return answer


def ask(port, head, body=b"", method="GET"):
    """Says exactly that and reads one answer."""
    with net.connect(port) as s:
        s.sendall(head.replace("\n", "\r\n").encode("latin-1") + b"\r\n\r\n" + body)
        return read_answer(s, method)


def accept_for(key):
    return base64.b64encode(hashlib.sha1(key.encode() + GUID).digest()).decode()


def upgrade_head(key="QeqBjxyxCzN+gukk8Tdi0g==", path="/", protocol="chisel-v3"):
    return (f"GET {path} HTTP/1.1\nHost: localhost\nConnection: Upgrade\n"
            f"Sec-WebSocket-Key: {key}\nSec-WebSocket-Protocol: {protocol}\n"
            "Sec-WebSocket-Version: 13\nUpgrade: websocket")


class RawWebSocket:
    """Frames as they are wanted, right or wrong."""

    def __init__(self, port, **options):
        self.socket = net.connect(port)
        self.socket.sendall(upgrade_head(**options).replace("\n", "\r\n").encode()
                            + b"\r\n\r\n")
        status, _, self.lines, self.buffer = read_head(self.socket)
        assert status == 101, status

    def send(self, payload, opcode=2, fin=True, masked=True, rsv=0):
        first = (0x80 if fin else 0) | rsv << 4 | opcode
        size = len(payload)
        flag = 0x80 if masked else 0
        if size < 126:
            head = bytes([first, flag | size])
        elif size < 65536:
            head = bytes([first, flag | 126]) + size.to_bytes(2, "big")
        else:
            head = bytes([first, flag | 127]) + size.to_bytes(8, "big")
        if masked:
            mask = os.urandom(4)
            head += mask
            payload = bytes(b ^ mask[i % 4] for i, b in enumerate(payload))
        self.socket.sendall(head + payload)

    def _read(self, count):
        while len(self.buffer) < count:
            data = self.socket.recv(65536)
            if not data:
                raise EOFError("the connection ended")
            self.buffer += data
        taken, self.buffer = self.buffer[:count], self.buffer[count:]
        return taken

    def receive(self):
        """Gives (opcode, fin, payload) of the next frame."""
        first, second = self._read(2)
        assert not second & 0x80, "a server's frame is masked"
        assert not first & 0x70, "a reserved bit is set"
        size = second & 0x7F
        if size == 126:
            size = int.from_bytes(self._read(2), "big")
        elif size == 127:
            size = int.from_bytes(self._read(8), "big")
        return first & 0x0F, bool(first & 0x80), self._read(size)

    def is_ended(self, seconds=5.0):
        """Whether the other side ends it soon, whatever it says before."""
        self.socket.settimeout(seconds)
        try:
            while self.socket.recv(65536):
                pass
            return True
        except ConnectionError:
            return True
        except socket.timeout:
            return False

    def close(self):
        self.socket.close()


def read_head_raw(s):
    data = b""
    while b"\r\n\r\n" not in data:
        more = s.recv(1)
        if not more:
            raise EOFError(f"the head ended after {data!r}")
        data += more
    return data
