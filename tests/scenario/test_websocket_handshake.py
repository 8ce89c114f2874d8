"""The upgrade: its answer to the letter, its refusals in their order, and bad frames."""

import pytest

from lib import http, net
from lib.process import wait_until

GOOD = {"method": "GET", "Host": "x", "Connection": "Upgrade", "Upgrade": "websocket",
        "Sec-WebSocket-Key": "QeqBjxyxCzN+gukk8Tdi0g==",
        "Sec-WebSocket-Protocol": "chisel-v3", "Sec-WebSocket-Version": "13"}


def request(**changes):
    fields = dict(GOOD)
    fields.update({k.replace("_", "-"): v for k, v in changes.items()})
    method = fields.pop("method")
    lines = [f"{k}: {v}" for k, v in fields.items() if v is not None]
    return "\n".join([f"{method} / HTTP/1.1", *lines])


@pytest.mark.parametrize("changes,status", [
    ({"Connection": "keep-alive"}, 400),
    ({"Connection": None}, 400),
    ({"Upgrade": "WebSocket", "Connection": "close"}, 400),
    ({"method": "POST"}, 405),
    ({"method": "POST", "Connection": None}, 400),
    ({"method": "POST", "Sec_WebSocket_Version": "8"}, 405),
    ({"Sec_WebSocket_Version": "8"}, 400),
    ({"Sec_WebSocket_Version": None}, 400),
    ({"Sec_WebSocket_Key": None}, 400),
    ({"Sec_WebSocket_Key": "not base64!"}, 400),
    ({"Sec_WebSocket_Key": "c2hvcnQ="}, 400),
])
def test_a_bad_handshake_is_refused(world, any_server, changes, status):
    server = world.server(any_server)
    answer = http.ask(server.port, request(**changes))
    assert answer.status == status
    assert answer.header("Sec-WebSocket-Version") == "13"
    assert answer.header("X-Content-Type-Options") == "nosniff"
    text = {400: b"Bad Request\n", 405: b"Method Not Allowed\n"}[status]
    assert answer.body == text


@pytest.mark.parametrize("changes", [
    {}, {"Connection": "keep-alive, upgrade"}, {"Connection": "UPGRADE"},
    {"Upgrade": "WebSocket"}, {"Origin": "https://elsewhere.example"},
    {"Sec_WebSocket_Extensions": "permessage-deflate; client_max_window_bits"},
])
def test_a_good_handshake_is_answered_to_the_letter(world, any_server, changes):
    server = world.server(any_server)
    answer = http.ask(server.port, request(**changes))
    assert (answer.status, answer.reason) == (101, "Switching Protocols")
    assert [line.title() for line in answer.lines[:3]] == [
        "Upgrade: Websocket", "Connection: Upgrade",
        "Sec-WebSocket-Accept: HyZR4j7+3HvrDii05Zjwbs97D9I=".title()]
    assert answer.header("Sec-WebSocket-Accept") == "HyZR4j7+3HvrDii05Zjwbs97D9I="
    assert answer.header("Sec-WebSocket-Protocol") in (None, "chisel-v3")
    assert answer.header("Sec-WebSocket-Extensions") is None
    assert answer.header("Date") is None


def test_data_before_the_answer_ends_the_connection(world, any_server):
    server = world.server(any_server)
    with net.connect(server.port) as s:
        s.sendall(request().replace("\n", "\r\n").encode() + b"\r\n\r\nSSH-2.0-eager\r\n")
        try:
            assert b" 101 " not in net.read_all(s)
        except ConnectionError:
            pass


def test_the_server_speaks_first(world, any_server):
    server = world.server(any_server)
    ws = http.RawWebSocket(server.port)
    opcode, fin, payload = ws.receive()
    assert (opcode, fin) == (2, True)
    assert payload.startswith(b"SSH-chisel-v3-server\r\n")
    ws.close()


def test_a_ping_is_answered_between_fragments(world, any_server):
    server = world.server(any_server)
    ws = http.RawWebSocket(server.port)
    ws.send(b"SSH-chisel-", fin=False)
    ws.send(b"are you there", opcode=9)
    wait_until(lambda: ws.receive() == (10, True, b"are you there"), message="a pong")
    ws.send(b"v3-client\r\n", opcode=0)
    ws.send(b"", opcode=10)
    ws.send(b"again", opcode=9)
    wait_until(lambda: ws.receive() == (10, True, b"again"), message="the second pong")
    ws.close()


def test_a_close_is_answered_with_its_code(world, any_server):
    server = world.server(any_server)
    ws = http.RawWebSocket(server.port)
    ws.send(b"\x03\xe9going", opcode=8)
    while True:
        opcode, _, payload = ws.receive()
        if opcode == 8:
            break
    assert payload[:2] == b"\x03\xe9"
    assert ws.is_ended()
    ws.close()


@pytest.mark.parametrize("frame", [
    {"payload": b"SSH-x\r\n", "masked": False},
    {"payload": b"SSH-x\r\n", "rsv": 4},
    {"payload": b"SSH-x\r\n", "opcode": 3},
    {"payload": b"SSH-x\r\n", "opcode": 0},
    {"payload": b"x" * 126, "opcode": 9},
    {"payload": b"x", "opcode": 9, "fin": False},
], ids=["unmasked", "reserved-bit", "unknown-opcode", "lone-continuation", "long-ping",
        "fragmented-ping"])
def test_a_bad_frame_ends_that_session_only(world, any_server, frame):
    server = world.server(any_server)
    other = http.RawWebSocket(server.port)
    other.receive()
    ws = http.RawWebSocket(server.port)
    ws.send(**frame)
    assert ws.is_ended()
    ws.close()
    other.send(b"here", opcode=9)
    wait_until(lambda: other.receive() == (10, True, b"here"), message="a pong")
    other.close()
