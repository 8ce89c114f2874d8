"""Flags that make no sense stop the program with one sentence and status 2."""

import json

import pytest

from lib import net

BAD_SERVER = [
    ["--no-such-flag"],
    ["--auth", "nocolon"],
    ["--port", "http"],
    ["--port", "70000"],
    ["--keepalive", "25"],
    ["--keepalive", "-5s"],
    ["--reverse=perhaps"],
    ["--tls-key", "key.pem"],
    ["--tls-cert", "cert.pem"],
    ["--tls-domain", "example.com/"],
    ["--tls-domain", "example.com", "--tls-key", "k", "--tls-cert", "c"],
    ["--backend", "nonsense"],
    ["--backend", "http://"],
    ["--auth"],
    ["stray"],
]
BAD_CLIENT = [
    [],
    ["http://127.0.0.1:9"],
    ["--no-such-flag", "http://127.0.0.1:9", "R:1:2"],
    ["--auth", "nocolon", "http://127.0.0.1:9", "R:1:2"],
    ["--keepalive", "soon", "http://127.0.0.1:9", "R:1:2"],
    ["--max-retry-count", "many", "http://127.0.0.1:9", "R:1:2"],
    ["--tls-key", "k", "https://127.0.0.1:9", "R:1:2"],
    ["--tls-cert", "c", "https://127.0.0.1:9", "R:1:2"],
    ["--proxy", "ftp://127.0.0.1:9", "http://127.0.0.1:9", "R:1:2"],
    ["--header", "no colon", "http://127.0.0.1:9", "R:1:2"],
    ["--header", "Upgrade: x", "http://127.0.0.1:9", "R:1:2"],
    ["http://127.0.0.1:9", "foo"],
    ["http://127.0.0.1:9", "0"],
    ["http://127.0.0.1:9", "65536"],
    ["http://127.0.0.1:9", "socks/udp"],
    ["http://127.0.0.1:9", "5353/udp:1.1.1.1:53"],
    ["http://127.0.0.1:9", "5000/udp:socks"],
    ["http://127.0.0.1:9", "a:1:b:2:c"],
    ["http://127.0.0.1:9", ""],
    ["http://127.0.0.1:9", "R:"],
    ["http://127.0.0.1:9", "--keepalive"],
    ["http://user:pass@127.0.0.1:9", "R:1:2"],
]


def refused(world, adit, role, args):
    done = world.call([*adit.argv, role, *args], seconds=10)
    assert done.returncode == 2, (done.returncode, done.stdout, done.stderr)
    lines = done.stderr.strip().splitlines()
    assert lines and len(lines) <= 2, done.stderr
    assert done.stdout == ""
    return done.stderr


@pytest.mark.parametrize("args", BAD_SERVER, ids=" ".join)
def test_a_server_flag_that_makes_no_sense(world, adit, args):
    refused(world, adit, "server", ["--host", "127.0.0.1", *args])


@pytest.mark.parametrize("args", BAD_CLIENT, ids=lambda a: " ".join(a) or "nothing")
def test_a_client_flag_that_makes_no_sense(world, adit, args):
    refused(world, adit, "client", args)


def test_one_tls_file_of_two_names_the_other(world, adit):
    assert "--tls-cert" in refused(world, adit, "server", ["--tls-key", "k"])
    assert "--tls-key" in refused(world, adit, "server", ["--tls-cert", "c"])


def test_a_wildcard_wants_a_program_for_its_challenge(world, adit):
    done = world.call([*adit.argv, "server", "--host", "127.0.0.1", "--port", "0",
                       "--tls-domain", "*.example.com"],
                      env={"CHISEL_LE_CACHE": world.path("cache"), "ADIT_ACME_HTTP_PORT": "0"})
    assert done.returncode == 1
    assert "--acme-dns-hook" in done.stderr


def test_a_secret_is_not_repeated(world, adit):
    assert "s3cret" not in refused(world, adit, "server", ["--auth", "s3cret"])


@pytest.mark.parametrize("args", [["server", "--help"], ["client", "--help"],
                                  ["server", "-h"], ["help"], ["version"], ["--version"]])
def test_asking_is_no_mistake(world, adit, args):
    done = world.call([*adit.argv, *args])
    assert done.returncode == 0
    assert done.stdout.strip() and done.stderr == ""


@pytest.mark.parametrize("flag", [
    "--host", "--port", "--key", "--keygen", "--keyfile", "--authfile", "--auth",
    "--keepalive", "--backend", "--socks5", "--reverse", "--tls-key", "--tls-cert",
    "--tls-domain", "--tls-ca", "--pid", "-v"])
def test_the_server_s_help_has_each_flag(world, adit, flag):
    assert flag in world.call([*adit.argv, "server", "--help"]).stdout


@pytest.mark.parametrize("flag", [
    "--fingerprint", "--auth", "--keepalive", "--max-retry-count", "--max-retry-interval",
    "--proxy", "--header", "--hostname", "--sni", "--tls-ca", "--tls-skip-verify",
    "--tls-key", "--tls-cert", "--pid", "-v"])
def test_the_client_s_help_has_each_flag(world, adit, flag):
    assert flag in world.call([*adit.argv, "client", "--help"]).stdout


@pytest.mark.parametrize("spelling", [
    ["--reverse", "--keepalive", "1m30s"], ["-reverse", "-keepalive", "1m30s"],
    ["--reverse=true", "--keepalive=1m30s"], ["-reverse=1", "-keepalive=0"]])
def test_one_dash_or_two_apart_or_joined(world, adit, spelling):
    server = world.server(adit, *spelling)
    assert "Reverse tunnelling enabled" in server.log


def test_host_and_port_may_come_from_the_environment(world, adit):
    port = net.free_port()
    process = world.run("server", [*adit.argv, "server"],
                        env={"HOST": "127.0.0.1", "PORT": port})
    process.graceful = True
    net.wait_listening(port, process)


def test_the_short_port_flag(world, adit):
    port = net.free_port()
    process = world.run("server", [*adit.argv, "server", "--host", "127.0.0.1", "-p", port])
    process.graceful = True
    net.wait_listening(port, process)


def test_the_pid_file(world, adit):
    server = world.server(adit, "--pid")
    with open(world.path("chisel.pid")) as f:
        assert f.read() == str(server.pid)


def test_a_port_in_use_stops_the_server(world, adit):
    taken = world.serve()
    done = world.call([*adit.argv, "server", "--host", "127.0.0.1", "--port", taken.port])
    assert done.returncode == 1
    assert str(taken.port) in done.stderr


def test_headers_and_path_reach_the_server(world, adit):
    heads = []

    def listen(s):
        data = b""
        while b"\r\n\r\n" not in data:
            data += s.recv(4096)
        heads.append(data.decode())
        s.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")

    server = world.serve(listen)
    client = world.client(adit, f"http://127.0.0.1:{server.port}/some/path?q=1", "R:1:2",
                          wait=False, flags=[
                              "--header", "X-One: 1", "--header", "x-two:  two  ",
                              "--header", "X-One: uno", "--header", "User-Agent: me"])
    client.wait_log("Connection error: .*bad handshake|Connection error")
    lines = heads[0].split("\r\n")
    assert lines[0] == "GET /some/path?q=1 HTTP/1.1"
    assert lines[1] == f"Host: 127.0.0.1:{server.port}"
    fields = dict(line.lower().split(": ", 1) for line in lines[1:] if line)
    assert fields["x-one"] == "uno"
    assert fields["x-two"] == "two"
    assert fields["user-agent"] == "me"
    assert fields["sec-websocket-protocol"] == "chisel-v3"
    assert fields["sec-websocket-version"] == "13"
    assert "sec-websocket-extensions" not in fields


@pytest.mark.parametrize("flags,host", [
    (["--hostname", "front.example"], "front.example"),
    (["--header", "Host: other.example"], "other.example")])
def test_the_host_can_be_chosen(world, adit, flags, host):
    heads = []
    server = world.serve(lambda s: heads.append(s.recv(4096).decode()))
    client = world.client(adit, f"http://127.0.0.1:{server.port}", "R:1:2", flags=flags,
                          wait=False)
    client.wait_log("Retrying|Connection error")
    assert f"\r\nHost: {host}\r\n" in heads[0]
    assert heads[0].lower().count("\r\nhost:") == 1


def test_the_log_can_be_json(world, adit):
    server = world.server(adit, "--reverse", env={"ADIT_LOG": "json,debug"})
    client = world.client(adit, server, f"R:127.0.0.1:{net.free_port()}:127.0.0.1:9",
                          env={"ADIT_LOG": "json"})
    for process in (server, client):
        for line in process.log.splitlines():
            assert {"time", "level", "who", "what"} <= set(json.loads(line))
