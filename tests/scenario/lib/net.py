"""Ports, little servers to be reached, and visitors who reach them."""

import hashlib
import os
import random
import socket
import struct
import threading
import time

from .process import wait_until  # noqa: F401 (also for those who import net)

BLOCK = 100  # ports that a run of the tests reserves at a time

_marks = []  # what reserves them, until this program ends
_rest = range(0)


def _blocks():
    """Where blocks begin of ports that the kernel gives to no program by itself: see free_port()."""
    with open("/proc/sys/net/ipv4/ip_local_port_range") as f:
        low, high = (int(n) for n in f.read().split())
    starts = [n for n in range(10000, 65536 - BLOCK, BLOCK) if n + BLOCK <= low or n > high]
    return starts if len(starts) > 20 else range(10000, 65536 - BLOCK, BLOCK)


def _reserve_block():
    for start in random.sample(_blocks(), len(_blocks())):
        mark = socket.socket(socket.AF_UNIX)
        try:
            mark.bind(f"\0adit-test-ports-{start}")
        except OSError:  # another run beside this one has it, or this one has used it up
            mark.close()
            continue
        _marks.append(mark)
        return range(start, start + BLOCK)
    raise AssertionError("no ports are left for tests")


def _is_free(port, kind):
    with socket.socket(socket.AF_INET, kind) as s:
        try:
            s.bind(("", port))
        except OSError:
            return False
    return True


def free_port(kind=socket.SOCK_STREAM, count=1):
    """
    A port, or the first of some in a row, that no other test is given. It stays free while the
    program that had it is away to start again: the kernel does not give it to a connection.
    """
    global _rest  # pylint: disable=global-statement
    while True:
        if len(_rest) < count:
            _rest = _reserve_block()
        ports, _rest = _rest[:count], _rest[count:]
        if all(_is_free(port, kind) for port in ports):
            return ports[0]


def has_ipv6():
    """Whether this machine has the loopback address of IPv6."""
    try:
        with socket.socket(socket.AF_INET6) as s:
            s.bind(("::1", 0))
        return True
    except OSError:
        return False


def loopback_name():
    """What any program here finds 127.0.0.1 by: a name, if /etc/hosts has one.

    For glibc "::1 localhost" is enough, for programs in Go it is not.
    """
    try:
        with open("/etc/hosts") as f:
            lines = [line.partition("#")[0].split() for line in f]
    except OSError:
        lines = []
    found = any(line[0] == "127.0.0.1" and "localhost" in line[1:] for line in lines if line)
    return "localhost" if found else "127.0.0.1"


def is_listening(port, pid="self", kind="tcp"):
    """Whether somebody listens there, without disturbing whoever it is."""
    wanted = "0A" if kind == "tcp" else "07"
    for family in ("", "6"):
        try:
            with open(f"/proc/{pid}/net/{kind}{family}") as f:
                lines = f.readlines()[1:]
        except FileNotFoundError:
            continue
        for line in lines:
            fields = line.split()
            if fields[3] == wanted and int(fields[1].rpartition(":")[2], 16) == port:
                return True
    return False


def wait_listening(port, process=None, seconds=10.0, kind="tcp"):
    def look():
        if process is not None:
            assert process.is_running(), f"{process.name} ended before port {port} opened"
        return is_listening(port, process.pid if process else "self", kind)

    wait_until(look, seconds, message=f"port {port} being listened to")


def wait_not_listening(port, seconds=10.0, kind="tcp", pid="self"):
    wait_until(lambda: not is_listening(port, pid, kind), seconds,
               message=f"port {port} being let go")


def connect(port, host="127.0.0.1", timeout=10.0):
    s = socket.create_connection((host, port), timeout)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return s


def read_all(s):
    parts = []
    while True:
        data = s.recv(65536)
        if not data:
            return b"".join(parts)
        parts.append(data)


def read_exactly(s, count):
    parts = bytearray()
    while len(parts) < count:
        data = s.recv(min(65536, count - len(parts)))
        if not data:
            raise EOFError(f"{len(parts)} of {count} bytes came")
        parts += data
    return bytes(parts)


def reset(s):
    """Closes with RST."""
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()


def echoes(port, text=b"hello", host="127.0.0.1", timeout=10.0):
    """One visit: whether what was said came back."""
    with connect(port, host, timeout) as s:
        s.sendall(text)
        return read_exactly(s, len(text)) == text


def try_echo(port, host="127.0.0.1", timeout=1.0, text=b"still there?"):
    try:
        return echoes(port, text, host, timeout)
    except (OSError, EOFError):
        return False


class Server:
    """A TCP server in threads: handle(socket) for each connection."""

    def __init__(self, handle, host="127.0.0.1", listener=None, backlog=4096):
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.listener = listener or socket.socket(family, socket.SOCK_STREAM)
        if listener is None:
            self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self.listener.bind((host, 0))
            self.listener.listen(backlog)
        self.port = self.listener.getsockname()[1]
        self.handle = handle
        self.count = 0
        self.open = set()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                s, _ = self.listener.accept()
            except OSError:
                return
            self.count += 1
            self.open.add(s)
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._serve, args=(s,), daemon=True).start()

    def _serve(self, s):
        try:
            self.handle(s)
        except (OSError, EOFError):
            pass
        finally:
            self.open.discard(s)
            s.close()

    def close(self):
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.listener.close()
        for s in list(self.open):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


class UnixServer(Server):
    """A Server at a path."""

    def __init__(self, path, handle=None, backlog=64):
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        listener.listen(backlog)
        super().__init__(handle or echo, listener=Portless(listener))


class Portless:
    """What Server asks a listener for, of one that has no port."""

    def __init__(self, listener):
        self.listener = listener

    def getsockname(self):
        return self.listener.getsockname(), None

    def accept(self):
        s, name = self.listener.accept()
        return Delayless(s), name

    def __getattr__(self, name):
        return getattr(self.listener, name)


class Delayless:
    """A Unix socket knows no TCP_NODELAY, and need not."""

    def __init__(self, inner):
        self.inner = inner

    def setsockopt(self, *_):
        pass

    def __getattr__(self, name):
        return getattr(self.inner, name)


def echo(s):
    while True:
        data = s.recv(65536)
        if not data:
            return
        s.sendall(data)


def answer_after_eof(s):
    """Reads to the end, and only then says how much it was: needs half-close."""
    text = read_all(s)
    s.sendall(b"%d %s" % (len(text), hashlib.sha256(text).hexdigest().encode()))


def talk_then_listen(text):
    """Sends its text and ends its side, then reads on: half-close from the target."""
    def handle(s):
        s.sendall(text)
        s.shutdown(socket.SHUT_WR)
        handle.heard = read_all(s)
        handle.done.set()
    handle.heard = None
    handle.done = threading.Event()
    return handle


class Udp:
    """A UDP server in a thread that answers each datagram with answer(datagram)."""

    def __init__(self, answer=lambda data: data, host="127.0.0.1", existing=None):
        self.socket = existing or socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        if existing is None:
            self.socket.bind((host, 0))
        self.port = self.socket.getsockname()[1]
        self.answer = answer
        self.sources = set()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                data, source = self.socket.recvfrom(65536)
                if source is None:
                    return
                self.sources.add(source)
                reply = self.answer(data)
                if reply is not None:
                    self.socket.sendto(reply, source)
            except OSError:
                return

    def close(self):
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.socket.close()


def udp_visitor(port, host="127.0.0.1", timeout=1.0):
    s = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
    s.settimeout(timeout)
    s.connect((host, port))
    return s


def udp_echoes_as(port, text, answer, seconds=10.0, host="127.0.0.1"):
    """Datagrams may be lost while the session comes up: asks again until answered."""
    with udp_visitor(port, host, timeout=0.3) as s:
        def ask():
            try:
                s.send(text)
                return s.recv(65536) == answer
            except OSError:
                return False
        return wait_until(ask, seconds, message=f"an answer on UDP port {port}")


def udp_echoes(port, text=b"hello", seconds=10.0, host="127.0.0.1"):
    return udp_echoes_as(port, text, text, seconds, host)


class Pattern:
    """A long stream of bytes that is cheap to make, and a hash of what was made."""

    block = os.urandom(1 << 20)

    def __init__(self, size):
        self.size = size

    def chunks(self):
        left = self.size
        i = 0
        while left > 0:
            head = struct.pack(">Q", i)
            chunk = (head + self.block[8:])[:left]
            yield chunk
            left -= len(chunk)
            i += 1

    def digest(self):
        h = hashlib.sha256()
        for chunk in self.chunks():
            h.update(chunk)
        return h.hexdigest()

    def send(self, s):
        for chunk in self.chunks():
            s.sendall(chunk)


def digest_of(s, size=None):
    """Reads to the end, or size bytes; gives (count, hash)."""
    h = hashlib.sha256()
    count = 0
    while size is None or count < size:
        data = s.recv(1 << 18 if size is None else min(1 << 18, size - count))
        if not data:
            break
        h.update(data)
        count += len(data)
    return count, h.hexdigest()


def splice(one, other):
    """Joins two sockets until both ways have ended."""
    def way(source, to):
        try:
            while True:
                data = source.recv(65536)
                if not data:
                    break
                to.sendall(data)
            to.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    back = threading.Thread(target=way, args=(other, one), daemon=True)
    back.start()
    way(one, other)
    back.join()


def echo_nothing(s):
    while s.recv(65536):
        pass


def wait_quietly(seconds):
    """For measuring what happens when nothing should: not for waiting on something."""
    time.sleep(seconds)


class Shim:
    """Stands before a TCP port and passes bytes on, as unkindly as it is told to."""

    def __init__(self, port, chunk=None, limit=None):
        self.target = port
        self.chunk = chunk  # pass on so many bytes at a time, each as its own segment
        self.limit = limit  # cut each connection after so many bytes from the server
        self.pairs = set()
        self.server = Server(self._serve)
        self.port = self.server.port
        self.url = f"http://127.0.0.1:{self.port}"

    @property
    def count(self):
        return self.server.count

    def _serve(self, s):
        up = connect(self.target)
        pair = (s, up)
        self.pairs.add(pair)
        down = threading.Thread(target=self._way, args=(up, s, self.limit), daemon=True)
        down.start()
        self._way(s, up, None)
        down.join()
        self.pairs.discard(pair)
        up.close()

    def _way(self, source, to, limit):
        passed = 0
        try:
            while True:
                data = source.recv(65536 if self.chunk is None else 4096)
                if not data:
                    break
                if limit is not None and passed + len(data) >= limit:
                    to.sendall(data[:limit - passed])
                    raise ConnectionError("enough")
                passed += len(data)
                step = self.chunk or len(data)
                for i in range(0, len(data), step):
                    to.sendall(data[i:i + step])
            to.shutdown(socket.SHUT_WR)
        except OSError:
            for s in (source, to):
                try:
                    s.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    def cut(self):
        """Ends every connection that passes."""
        for pair in list(self.pairs):
            for s in pair:
                try:
                    s.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    def close(self):
        self.server.close()
        self.cut()
