"""The end of one way is not the end of the other, and peers who think so are survived."""

import hashlib
import socket

import pytest

from lib import net

PAIRS = [("adit", "adit"), ("adit", "peer12"), ("peer12", "adit")]
OLD = [("adit", "peer"), ("peer", "adit"), ("adit", "stock"), ("stock", "adit")]
TEXT = b"0123456789" * 50000


def names(pairs):
    return [f"{s}-serves-{c}" for s, c in pairs]


@pytest.fixture(params=["forward", "reverse"])
def start(request, world, program):
    def link(names_, target_port):
        server_name, client_name = names_
        port = net.free_port()
        prefix = "R:" if request.param == "reverse" else ""
        server = world.server(program(server_name), "--reverse")
        world.client(program(client_name), server,
                     f"{prefix}127.0.0.1:{port}:127.0.0.1:{target_port}")
        net.wait_listening(port)
        return port
    return link


@pytest.mark.tsan
@pytest.mark.parametrize("names_", PAIRS, ids=names(PAIRS))
def test_an_answer_may_come_after_the_question_has_ended(world, start, names_):
    target = world.serve(net.answer_after_eof)
    port = start(names_, target.port)
    with net.connect(port) as s:
        s.sendall(TEXT)
        s.shutdown(socket.SHUT_WR)
        expected = b"%d %s" % (len(TEXT), hashlib.sha256(TEXT).hexdigest().encode())
        assert net.read_all(s) == expected


@pytest.mark.parametrize("names_", PAIRS, ids=names(PAIRS))
def test_a_visitor_may_speak_on_after_the_target_has_ended(world, start, names_):
    handle = net.talk_then_listen(b"that is all")
    target = world.serve(handle)
    port = start(names_, target.port)
    with net.connect(port) as s:
        assert net.read_all(s) == b"that is all"
        s.sendall(TEXT)
        s.shutdown(socket.SHUT_WR)
        assert handle.done.wait(10)
    assert handle.heard == TEXT


@pytest.mark.parametrize("names_", PAIRS + OLD, ids=names(PAIRS + OLD))
def test_all_of_an_answer_arrives_before_its_end(world, start, names_):
    target = world.serve(lambda s: (s.recv(1), s.sendall(TEXT)))
    port = start(names_, target.port)
    for _ in range(5):
        with net.connect(port) as s:
            s.sendall(b"?")
            assert net.read_all(s) == TEXT


@pytest.mark.parametrize("names_", OLD, ids=names(OLD))
def test_a_peer_without_half_close_is_survived(world, start, names_):
    """The answer may be lost; the session is not."""
    target = world.serve(net.answer_after_eof)
    port = start(names_, target.port)
    with net.connect(port) as s:
        s.sendall(TEXT)
        s.shutdown(socket.SHUT_WR)
        try:
            net.read_all(s)
        except ConnectionError:
            pass
    before = target.count
    with net.connect(port) as s:
        s.sendall(b"x")
        net.wait_until(lambda: target.count > before, message="the next visitor arriving")


@pytest.mark.parametrize("names_", PAIRS, ids=names(PAIRS))
def test_a_reset_ends_both_ways(world, start, names_):
    target = world.serve()
    port = start(names_, target.port)
    s = net.connect(port)
    s.sendall(b"hello")
    net.read_exactly(s, 5)
    net.reset(s)
    net.wait_until(lambda: not target.open, message="the target being left")
