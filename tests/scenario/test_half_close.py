"""The end of one way is not the end of the other, and peers who think so are survived."""

import hashlib
import select
import socket
import threading
import time

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


def answered(s):
    s.sendall(b"hello")
    net.read_exactly(s, 5)


def asked(s):
    s.sendall(b"hello")


def asked_and_ended(s):
    s.sendall(b"hello")
    s.shutdown(socket.SHUT_WR)


def answered_and_ended(s):
    answered(s)
    s.shutdown(socket.SHUT_WR)


def reads_nothing(s):
    s.sendall(b"hello")
    net.wait_quietly(0.5)


def reset_by(world, start, names_, visit, target):
    """Seconds from the visitor's reset until the target's connection is over."""
    over = threading.Event()

    def handle(s):
        try:
            target(s)
            select.select([s], [], [s], 20)  # wakes up when there is an end, or a reset
            while s.recv(65536):
                pass
            s.settimeout(20)
            poll = select.poll()
            poll.register(s, 0)  # an end alone is no news
            while not any(flags & (select.POLLHUP | select.POLLERR)
                          for _, flags in poll.poll(100)):
                s.sendall(b"still there")
        finally:
            over.set()

    port = start(names_, world.serve(handle).port)
    s = net.connect(port)
    visit(s)
    net.wait_quietly(0.3)  # so that an end of one way arrives before the reset
    begin = time.monotonic()
    net.reset(s)
    assert over.wait(20)
    return time.monotonic() - begin


@pytest.mark.parametrize("visit", [answered, asked, answered_and_ended, asked_and_ended])
@pytest.mark.parametrize("names_", PAIRS + OLD, ids=names(PAIRS + OLD))
def test_a_visitor_s_reset_reaches_a_target_within_a_second(world, start, names_, visit):
    def target(s):
        if visit in (answered, answered_and_ended):
            s.sendall(net.read_exactly(s, 5))

    assert reset_by(world, start, names_, visit, target) < 1.0


@pytest.mark.parametrize("names_", PAIRS + OLD, ids=names(PAIRS + OLD))
def test_a_reset_of_a_visitor_that_reads_nothing_arrives(world, start, names_):
    def target(s):
        while True:
            s.sendall(TEXT)

    assert reset_by(world, start, names_, reads_nothing, target) < 1.0


@pytest.mark.parametrize("names_", PAIRS + OLD, ids=names(PAIRS + OLD))
def test_a_target_s_reset_reaches_the_visitor_within_a_second(world, start, names_):
    target = world.serve(lambda s: (s.recv(1), net.reset(s)))
    port = start(names_, target.port)
    with net.connect(port) as s:
        s.sendall(b"?")
        begin = time.monotonic()
        try:
            assert s.recv(1) == b""
        except ConnectionError:
            pass
        assert time.monotonic() - begin < 1.0


def test_a_target_s_reset_after_its_last_byte_reaches_the_visitor(world, start):
    """The visitor has had the end of the answer; what it would send has no taker."""
    def handle(s):
        s.recv(1)
        s.shutdown(socket.SHUT_WR)
        net.wait_quietly(0.3)
        net.reset(s)

    port = start(PAIRS[0], world.serve(handle).port)
    with net.connect(port) as s:
        s.sendall(b"?")
        assert s.recv(1) == b""
        poll = select.poll()
        poll.register(s, 0)
        assert poll.poll(2000)
