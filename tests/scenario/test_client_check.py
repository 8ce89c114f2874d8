"""adit client --check: one look, a line for each remote, and a status."""

import json

import pytest

from lib import net


def check(world, adit, server, *remotes, flags=(), env=None):
    url = server if isinstance(server, str) else server.url
    done = world.call([*adit.argv, "client", "--check", *flags, url, *remotes], env=env)
    return done.returncode, done.stdout.splitlines()


@pytest.mark.parametrize("name", ["adit", "peer", "stock"])
def test_all_is_well(world, adit, program, name):
    target, udp = world.serve(), world.udp()
    ports = [net.free_port() for _ in range(4)]
    server = world.server(program(name), "--reverse", "--socks5")
    remotes = [f"R:127.0.0.1:{ports[0]}:127.0.0.1:{target.port}",
               f"127.0.0.1:{ports[1]}:127.0.0.1:{target.port}",
               f"127.0.0.1:{ports[2]}:127.0.0.1:{udp.port}/udp",
               f"127.0.0.1:{ports[3]}:socks", "R:127.0.0.1:0:socks"]
    code, lines = check(world, adit, server, *remotes)
    assert code == 0 and [": ok: " in line for line in lines] == [True] * 5
    assert lines[0].endswith(f"the server can listen on port {ports[0]}, the target answers here")
    for port in ports:
        assert not net.is_listening(port)


@pytest.mark.parametrize("name", ["adit", "peer12", "stock"])
def test_each_mistake_has_its_line(world, adit, program, name):
    target = world.serve()
    taken = world.serve()
    users = {"ann:a": [f"^R:127.0.0.1:{taken.port}$", "^R:127.0.0.1:7[0-9]{3}$",
                       f"^127.0.0.1:{target.port}$", "^127.0.0.1:9$"]}
    server = world.server(program(name), "--reverse", "--authfile",
                          world.write("users.json", json.dumps(users)))
    code, lines = check(
        world, adit, server, "R:127.0.0.1:7012:127.0.0.1:9",
        f"R:127.0.0.1:{taken.port}:127.0.0.1:{target.port}", "R:127.0.0.1:6000:127.0.0.1:9",
        f"127.0.0.1:{net.free_port()}:127.0.0.1:9",
        f"127.0.0.1:{taken.port}:127.0.0.1:{target.port}",
        f"127.0.0.1:{net.free_port()}:127.0.0.1:{target.port}", flags=["--auth", "ann:a"])
    assert code == 1 and len(lines) == 6
    assert "failed: the server can listen on port 7012, but the target is not reachable here: " \
           "dial 127.0.0.1:9: Connection refused" in lines[0]
    assert f"Server cannot listen on R:127.0.0.1:{taken.port}" in lines[1]
    assert "denied: the user's permissions on the server do not allow it" in lines[2]
    assert ": failed: the server " in lines[3]
    assert "failed: cannot listen on 127.0.0.1:" in lines[4]
    assert ": ok: " in lines[5]


@pytest.mark.parametrize("flags,words", [
    (["--auth", "ann:b"], "wrong user or password: check --auth or AUTH"),
    ([], "no password was given"),
    (["--auth", "ann:a", "--fingerprint", "A" * 43 + "="], "Invalid fingerprint (")])
def test_a_server_that_refuses_the_login_is_logged_once(world, adit, flags, words):
    server = world.server(adit, "--auth", "ann:a")
    code, lines = check(world, adit, server, "127.0.0.1:0:127.0.0.1:9", "127.0.0.1:0:127.0.0.1:10",
                        flags=flags)
    assert code == 1 and len(lines) == 1
    assert lines[0].startswith(f"ws://127.0.0.1:{server.port}/: failed: ") and words in lines[0]


def test_a_server_that_is_not_there(world, adit):
    port = net.free_port()
    code, lines = check(world, adit, f"http://127.0.0.1:{port}", "R:1:2")
    assert code == 1
    assert lines == [f"ws://127.0.0.1:{port}/: failed: dial 127.0.0.1:{port}: Connection refused; "
                     "is it running?"]


def test_a_target_without_a_name_is_not_asked_whether_it_runs(world, adit):
    code, lines = check(world, adit, world.server(adit, "--reverse"), "R:0:nowhere.invalid:80")
    assert code == 1 and ": lookup nowhere.invalid: " in lines[0]
    assert lines[0].endswith("; is the name right?")


def test_a_mistake_on_the_command_line(world, adit):
    assert check(world, adit, "http://127.0.0.1:9", "R:foo")[0] == 2


@pytest.mark.parametrize("flags", [[], ["--auth", "ann:a"]])
def test_a_client_that_runs_is_not_disturbed(world, adit, flags):
    target = world.serve()
    port = net.free_port()
    remote = f"R:127.0.0.1:{port}:127.0.0.1:{target.port}"
    server = world.server(adit, "--reverse", *flags)
    client = world.client(adit, server, remote, flags=flags)
    with net.connect(port) as s:
        code, lines = check(world, adit, server, remote, flags=flags)
        assert code == 0
        assert lines[0].endswith(": ok: the port is open already, for a running client of yours")
        s.sendall(b"still")
        assert net.read_exactly(s, 5) == b"still"
    assert "Disconnected" not in client.log


def test_inside_tls(world, adit, authority, certificate):
    server = world.server(adit, "--tls-cert", certificate[0], "--tls-key", certificate[1])
    target = world.serve()
    remote = f"127.0.0.1:0:127.0.0.1:{target.port}"
    url = f"https://127.0.0.1:{server.port}"
    assert check(world, adit, url, remote, flags=["--tls-ca", authority.cert])[0] == 0
    code, lines = check(world, adit, url, remote)
    assert code == 1 and "pass the CA certificate with --tls-ca" in lines[0]
