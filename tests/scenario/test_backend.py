"""Ordinary requests pass on to the server behind, tunnels do not."""

import asyncio

import pytest

from lib import http, net, pypeer, web
from lib.process import wait_until


@pytest.fixture
def backend(world):
    return world.keep(web.Web())


@pytest.fixture(params=["adit", "stock"])
def server(request, world, program, backend):
    return world.server(program(request.param), "--backend", backend.url + "/ignored/path")


def test_a_page_comes_from_the_backend(world, server, backend):
    assert world.curl(server.url + "/some/page?q=1").startswith("GET /some/page?q=1 0 ")
    seen = backend.requests[0].headers
    assert seen["Host"] == f"127.0.0.1:{backend.port}"
    assert seen["X-Forwarded-For"] == "127.0.0.1"


def test_health_and_version_are_the_backend_s(world, server, backend):
    assert world.curl(server.url + "/health").startswith("GET /health")
    assert world.curl(server.url + "/version").startswith("GET /version")


def test_forwarded_for_is_appended_to(world, server, backend):
    world.curl("-H", "X-Forwarded-For: 10.9.8.7", server.url + "/")
    assert backend.requests[0].headers["X-Forwarded-For"] == "10.9.8.7, 127.0.0.1"


def test_hop_by_hop_headers_stay_here(world, server, backend):
    world.curl("-H", "Connection: close, X-Mine", "-H", "X-Mine: 1", "-H", "Keep-Alive: 5",
               "-H", "X-Yours: 2", server.url + "/")
    seen = backend.requests[0].headers
    assert (seen["X-Mine"], seen["Keep-Alive"], seen["X-Yours"]) == (None, None, "2")


def test_no_user_agent_is_invented(server, backend):
    http.ask(server.port, "GET / HTTP/1.1\nHost: x")
    assert backend.requests[0].headers["User-Agent"] is None


def test_bodies_pass_both_ways(world, server, backend):
    text = "0123456789abcdef" * 300000
    world.write("body", text)
    backend.reply = lambda request: request.body
    world.curl("--data-binary", "@" + world.path("body"), "-o", world.path("out"),
               server.url + "/upload")
    with open(world.path("out")) as f:
        assert f.read() == text


def test_a_chunked_body_passes(world, server, backend):
    world.write("body", "x" * 100000)
    length = []
    backend.reply = lambda request: length.append(
        request.headers["Transfer-Encoding"]) or b"ok"
    world.curl("-H", "Transfer-Encoding: chunked", "--data-binary",
               "@" + world.path("body"), "-H", "Connection: close", server.url + "/")
    assert length == ["chunked"]


def test_a_dead_backend_is_a_bad_gateway(world, adit):
    server = world.server(adit, "--backend", f"http://127.0.0.1:{net.free_port()}")
    assert http.ask(server.port, "GET / HTTP/1.1\nHost: x").status == 502


def test_tunnels_still_arrive(world, server, peer, backend):
    target = world.serve()
    port = net.free_port()
    world.client(peer, server, f"127.0.0.1:{port}:127.0.0.1:{target.port}")
    assert net.echoes(port)
    assert not backend.requests


def test_other_websockets_reach_the_backend(world, adit):
    loop = world.keep(pypeer.Loop())

    async def echo(ws):
        async for message in ws:
            await ws.send(message)

    async def serve():
        return await pypeer.websockets.serve(echo, "127.0.0.1", 0, subprotocols=["chat"])

    behind = loop.run(serve())
    port = behind.sockets[0].getsockname()[1]
    server = world.server(adit, "--backend", f"http://127.0.0.1:{port}")

    async def talk():
        async with pypeer.websockets.connect(f"ws://127.0.0.1:{server.port}/chat",
                                             subprotocols=["chat"], max_size=None) as ws:
            assert ws.subprotocol == "chat"
            for text in ("hello", "x" * 200000):
                await ws.send(text)
                assert await ws.recv() == text

    loop.run(asyncio.wait_for(talk(), 15))


def test_keep_alive_survives_many_requests(world, server, backend):
    done = world.call(["curl", "-sS", "-w", "%{num_connects}\n"] +
                      [f"{server.url}/{i}" for i in range(20)])
    assert done.stdout.count("GET /") == 20
    assert len(backend.requests) == 20


def test_slow_answers_do_not_hold_others_up(world, adit, backend):
    server = world.server(adit, "--backend", backend.url)
    slow = net.connect(server.port)
    slow.sendall(b"POST /slow HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n")
    slow.sendall(b"x" * 1000)
    wait_until(lambda: len(backend.requests) == 1)
    assert world.curl(server.url + "/quick").startswith("GET /quick")
    slow.close()
