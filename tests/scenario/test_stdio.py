"""One visitor, who is the parent process."""

import subprocess

import pytest

from lib import net


def ask(process, text, count):
    process.popen.stdin.write(text)
    process.popen.stdin.flush()
    return process.popen.stdout.read(count)


@pytest.fixture
def client(world, pair):
    def start(remote, *server_flags):
        server_program, client_program = pair
        server = world.server(server_program, *server_flags)
        process = world.client(client_program, server, remote, stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, wait=False)
        process.graceful = False  # it ends by itself when its target goes, at any moment
        return process
    return start


def test_stdin_and_stdout_are_the_visitor(world, client):
    target = world.serve()
    process = client(f"stdio:127.0.0.1:{target.port}")
    assert ask(process, b"hello", 5) == b"hello"


def test_stdio_speaks_socks_too(world, client):
    target = world.serve()
    process = client("stdio:socks", "--socks5")
    said = b"\x05\x01\x00\x05\x01\x00\x01\x7f\x00\x00\x01" + target.port.to_bytes(2, "big")
    assert ask(process, said, 12)[:4] == b"\x05\x00\x05\x00"
    assert ask(process, b"hello", 5) == b"hello"


def test_nothing_else_is_written_to_stdout(world, adit):
    target = world.serve(lambda s: s.sendall(b"only this"))
    server = world.server(adit)
    process = world.client(adit, server, f"stdio:127.0.0.1:{target.port}", flags=["-v"],
                           stdin=subprocess.PIPE, stdout=subprocess.PIPE, wait=False)
    out, _ = process.popen.communicate(timeout=10)
    assert out == b"only this"
    assert process.wait_exit() == 0


def test_the_program_ends_with_its_stream(world, adit):
    target = world.serve()
    server = world.server(adit)
    process = world.client(adit, server, f"stdio:127.0.0.1:{target.port}",
                           stdin=subprocess.PIPE, stdout=subprocess.PIPE, wait=False)
    out, _ = process.popen.communicate(b"x" * 1000000, timeout=15)
    assert out == b"x" * 1000000
    assert process.wait_exit() == 0


def test_a_dead_target_is_a_failure(world, adit):
    server = world.server(adit)
    process = world.client(adit, server, f"stdio:127.0.0.1:{net.free_port()}",
                           stdin=subprocess.PIPE, stdout=subprocess.PIPE, wait=False)
    process.popen.communicate(timeout=10)
    assert process.wait_exit() in (0, 1)


def test_files_serve_as_stdin_and_stdout(world, adit):
    """A regular file is no pipe: it cannot be waited for, only read."""
    target = world.serve()
    server = world.server(adit)
    text = bytes(range(256)) * 4000
    with open(world.path("in"), "wb") as f:
        f.write(text)
    with open(world.path("in"), "rb") as source, open(world.path("to"), "wb") as sink:
        process = world.client(adit, server, f"stdio:127.0.0.1:{target.port}", stdin=source,
                               stdout=sink, wait=False)
        assert process.wait_exit(15) == 0
    with open(world.path("to"), "rb") as f:
        assert f.read() == text


@pytest.mark.parametrize("remotes", [["R:stdio:x:1"], ["stdio:a:1", "stdio:b:2"]])
def test_what_makes_no_sense_is_refused(world, adit, remotes):
    done = world.call([*adit.argv, "client", "127.0.0.1:9", *remotes])
    assert done.returncode == 2
    assert "stdio" in done.stderr
