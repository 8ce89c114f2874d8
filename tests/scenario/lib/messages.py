"""HTTP/1 messages over a socket, whoever says them; and an upstream that says anything."""

from . import net


class Message:
    def __init__(self, head):
        self.first, *self.lines = head.decode("latin-1").split("\r\n")
        self.body, self.trailers, self.framing = b"", [], None

    @property
    def status(self):
        return int(self.first.split(" ")[1])

    @property
    def target(self):
        return self.first.split(" ")[1]

    def headers(self, name):
        pairs = (line.partition(":") for line in self.lines)
        return [value.strip() for key, _, value in pairs if key.lower() == name.lower()]

    def header(self, name):
        return (self.headers(name) or [None])[0]


class Reader:
    """Takes messages off a stream, one after the other, and is as strict as can be."""

    def __init__(self, stream):
        self.stream, self.buffer = stream, b""

    def _more(self):
        data = self.stream.recv(65536)
        if not data:
            raise EOFError(f"the connection ended after {self.buffer[-200:]!r}")
        self.buffer += data

    def _until(self, end):
        while end not in self.buffer:
            self._more()
        taken, _, self.buffer = self.buffer.partition(end)
        return taken

    def _exactly(self, count):
        while len(self.buffer) < count:
            self._more()
        taken, self.buffer = self.buffer[:count], self.buffer[count:]
        return taken

    def head(self):
        message = Message(self._until(b"\r\n\r\n"))
        for line in message.lines:
            assert line[0] not in " \t" and "\n" not in line and "\r" not in line, line
            assert " " not in line.partition(":")[0], line
        return message

    def chunk(self):
        size = int(self._until(b"\r\n"), 16)
        data = self._exactly(size)
        if size:
            assert self._exactly(2) == b"\r\n"
        return data

    def message(self, has_body=True):
        """A whole message. A body without a length lasts until the end of the connection."""
        message = self.head()
        length = message.headers("Content-Length")
        coding = message.headers("Transfer-Encoding")
        assert len(length) + len(coding) <= 1, message.lines
        is_answer = message.first.startswith("HTTP/")
        if coding:
            message.framing = "chunks"
            while data := self.chunk():
                message.body += data
            while line := self._until(b"\r\n"):
                message.trailers.append(line.decode("latin-1"))
        elif length:
            message.framing = "length"
            message.body = self._exactly(int(length[0])) if has_body else b""
        elif is_answer and has_body and message.status >= 200:
            message.framing = "close"
            message.body = self.buffer + net.read_all(self.stream)
            self.buffer = b""
        return message


class Upstream:
    """
    Remembers each request and says self.says, or what that returns for it, and closes the
    connection if self.closes. A function may also talk by itself, and return None.
    """

    def __init__(self, says=b"", closes=False):
        self.says, self.closes = says, closes
        self.requests = []
        self.ends = 0
        self.server = net.Server(self._serve)
        self.port = self.server.port

    def _serve(self, s):
        reader = Reader(s)
        try:
            while True:
                if callable(self.says) and getattr(self.says, "takes_reader", False):
                    self.says(reader)
                    return
                request = reader.message()
                self.requests.append(request)
                says = self.says(request, s) if callable(self.says) else self.says
                if says:
                    s.sendall(says)
                if self.closes:
                    return
        finally:
            self.ends += 1

    def close(self):
        self.server.close()
