"""A SOCKS5 program's side of the dialogue, said plainly."""

import ipaddress
import struct

from . import net

OK, REFUSED, NO_COMMAND, NO_TYPE = 0, 5, 7, 8


def address(host):
    try:
        ip = ipaddress.ip_address(host)
        return bytes([1 if ip.version == 4 else 4]) + ip.packed
    except ValueError:
        return bytes([3, len(host)]) + host.encode()


def ask(port, host, target_port, command=1, kind=None):
    """Gives (reply code, socket)."""
    s = net.connect(port)
    s.sendall(b"\x05\x01\x00")
    assert net.read_exactly(s, 2) == b"\x05\x00"
    where = address(host)
    if kind is not None:
        where = bytes([kind]) + where[1:]
    s.sendall(bytes([5, command, 0]) + where + struct.pack(">H", target_port))
    head = net.read_exactly(s, 4)
    assert head[0] == 5 and head[2] == 0
    net.read_exactly(s, {1: 6, 4: 18}[head[3]])
    return head[1], s
