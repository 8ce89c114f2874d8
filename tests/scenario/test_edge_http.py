"""What HTTP can do, through the edge and over an agent's link."""

import asyncio
import hashlib
import json
import os
import ssl
import time

import pytest

from lib import edge, net, pypeer
from lib.edge import DOMAIN, MIB


@pytest.fixture
def home(leases):
    home = edge.Home(leases)
    home.panel.tunnel("app", home.app.port)
    return home


def test_a_websocket_carries_large_messages_and_the_close_code(home):
    panel, loop = home.panel, home.panel.world.keep(pypeer.Loop())
    heads = []

    async def serve(ws, *_):
        heads.append(ws.request_headers)
        async for message in ws:
            await ws.send(message)
            if message == "enough":
                await ws.close(4001, "as asked")

    async def begin():
        return await pypeer.websockets.serve(serve, "127.0.0.1", 0, max_size=None,
                                             subprotocols=["echo.v1"], compression="deflate")

    server = loop.run(begin())
    panel.tunnel("talk", server.sockets[0].getsockname()[1])

    async def story():
        context = ssl.create_default_context(cafile=panel.ca)
        ws = await pypeer.websockets.connect(
            f"wss://talk.{DOMAIN}:{panel.port}/room?x=1", host="127.0.0.1", port=panel.port,
            server_hostname=f"talk.{DOMAIN}", ssl=context, max_size=None, subprotocols=["echo.v1"],
            compression="deflate")
        assert ws.subprotocol == "echo.v1"
        for message in (b"", os.urandom(3 * MIB), "text", "enough"):
            await ws.send(message)
            assert await ws.recv() == message
        with pytest.raises(pypeer.websockets.ConnectionClosed) as closed:
            await ws.recv()
        assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4001, "as asked")

    loop.run(asyncio.wait_for(story(), 60), 70)
    assert heads[0]["Host"] == f"talk.{DOMAIN}:{panel.port}"
    assert heads[0]["X-Forwarded-Proto"] == "https"
    loop.loop.call_soon_threadsafe(server.close)


def test_events_arrive_one_by_one(home):
    client = home.panel.client()
    client.request("GET", "/events", headers={"Accept": "text/event-stream"})
    home.app.go()
    answer = client.getresponse()
    assert answer.headers["Content-Type"] == "text/event-stream"
    late = []
    for number in range(1, 21):
        if number > 1:
            home.app.go()
        assert answer.readline() == f"id: {number}\n".encode()
        late.append(time.monotonic() - float(answer.readline().removeprefix(b"data: ")))
        assert answer.readline() == b"\n"
    client.close()
    late.sort()
    print(f"events: median {late[10] * 1000:.1f} ms, longest {late[-1] * 1000:.1f} ms")
    assert late[10] < 1
    net.wait_until(lambda: push_until_gone(home.app), message="the end of the app's connection")


def push_until_gone(app):
    """The app sees that its visitor is gone when it has something to say."""
    app.go()
    return not app.open


def test_head_range_and_what_has_no_body_keep_the_connection(home):
    client = home.panel.client()
    client.request("HEAD", f"/bytes/{5 * MIB}")
    answer = client.getresponse()
    assert (answer.status, answer.headers["Content-Length"]) == (200, str(5 * MIB))
    assert answer.read() == b""
    client.request("GET", f"/bytes/{5 * MIB}", headers={"Range": "bytes=1048570-1048599"})
    answer = client.getresponse()
    whole = b"".join(edge.pattern(5 * MIB))
    assert (answer.status, answer.read()) == (206, whole[1048570:1048600])
    assert answer.headers["Content-Range"] == f"bytes 1048570-1048599/{5 * MIB}"
    for method in ("GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
        client.request(method, "/echo/a%20b?c=%2F&d", None if method == "GET" else b"body")
        answer = json.loads(client.getresponse().read())
        assert (answer["method"], answer["path"]) == (method, "/echo/a%20b?c=%2F&d")
        assert answer["body"] == ("" if method == "GET" else "body")
    client.close()


def test_interim_answers_arrive(home):
    with home.panel.visit() as s:
        edge.say(s, f"GET /hints HTTP/1.1\nHost: app.{DOMAIN}")
        status, lines, rest = edge.hear(s)
        assert status == 103 and "Link: </a.css>; rel=preload" in lines
        while not rest.endswith(b"after the hints"):
            more = s.recv(4096)
            assert more, rest
            rest += more
        assert rest.startswith(b"HTTP/1.1 200")


def test_a_body_waits_for_100_continue(home):
    head = f"POST /%s HTTP/1.1\nHost: app.{DOMAIN}\nExpect: 100-continue\nContent-Length: 5"
    with home.panel.visit() as s:
        edge.say(s, head % "upload")
        status, _, rest = edge.hear(s)
        assert (status, rest) == (100, b"")
        s.sendall(b"hello")
        assert edge.hear(s)[0] == 200
    with home.panel.visit() as s:
        edge.say(s, head % "deny")
        assert edge.hear(s)[0] == 413


def test_trailers_travel_both_ways(home):
    with home.panel.visit() as s:
        edge.say(s, f"POST /upload HTTP/1.1\nHost: app.{DOMAIN}\nTransfer-Encoding: chunked\n"
                    "Trailer: X-Check\nTE: trailers",
                 b"5;ext=1\r\nhello\r\n6\r\n there\r\n0\r\nX-Check: yes\r\n\r\n")
        status, lines, rest = edge.hear(s)
        assert status == 200
        size = int([v for v in lines if v.lower().startswith("content-length")][0].split(":")[1])
        answer = json.loads(rest + net.read_exactly(s, size - len(rest)))
        assert answer["sha256"] == hashlib.sha256(b"hello there").hexdigest()
        assert answer["trailers"] == ["X-Check: yes"]
        edge.say(s, f"GET /trailers HTTP/1.1\nHost: app.{DOMAIN}\nTE: trailers")
        status, lines, rest = edge.hear(s)
        while not rest.endswith(b"\r\n\r\n"):
            more = s.recv(4096)
            assert more, rest
            rest += more
        assert rest.endswith(b"0\r\nX-Sum: 11\r\n\r\n")


@pytest.mark.parametrize("chunked", [False, True], ids=["sized", "chunked"])
def test_a_large_upload_arrives_whole(home, chunked):
    size = 64 * MIB
    client = home.panel.client(timeout=60)
    headers = {} if chunked else {"Content-Length": str(size)}
    began = time.monotonic()
    client.request("POST", "/upload", edge.pattern(size), headers, encode_chunked=chunked)
    answer = json.loads(client.getresponse().read())
    client.close()
    print(f"64 MiB up in {time.monotonic() - began:.2f} s")
    assert (answer["size"], answer["sha256"]) == (size, edge.pattern_hash(size))


def test_curl_uploads_and_downloads(home):
    panel, size = home.panel, 8 * MIB
    path = panel.world.path("up")
    with open(path, "wb") as f:
        for piece in edge.pattern(size):
            f.write(piece)
    answer = json.loads(panel.curl("app", "/upload", "-T", path, "-X", "POST"))
    assert answer["sha256"] == edge.pattern_hash(size)


def test_the_connection_to_the_app_is_kept(home):
    for _ in range(4):
        client = home.panel.client()
        for _ in range(10):
            client.request("GET", "/")
            assert client.getresponse().read() == b"app"
        client.close()
    assert home.app.count == 1
    assert len(home.app.requests) == 40


def test_an_app_that_closes_kept_connections_costs_no_request(home):
    client = home.panel.client()
    for _ in range(5):
        client.request("GET", "/")
        assert client.getresponse().read() == b"app"
        for s in list(home.app.open):
            s.shutdown(2)
        net.wait_until(lambda: not home.app.open, message="the app's connections being closed")
    assert home.app.count >= 5


def test_an_app_that_is_away_gets_a_page_and_is_found_again(home):
    panel, port = home.panel, net.free_port()
    panel.tunnel("late", port)
    status, _, body = panel.ask("late", headers={"Accept": "application/json"})
    assert (status, json.loads(body)["code"]) == (502, "app_not_answering")
    listener = net.socket.create_server(("127.0.0.1", port))
    panel.world.keep(edge.App("late", listener))
    assert panel.ask("late")[2] == b"late"
    panel.tunnel("broken", panel.world.serve(lambda s: s.sendall(b"nonsense\r\n\r\n")).port)
    assert panel.ask("broken")[0] == 502
