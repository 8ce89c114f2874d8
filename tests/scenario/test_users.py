"""Who may come in, and what each may reach: at the config, and at every channel."""

import json
import os
import signal
import subprocess
import time

import pytest

from lib import net, pypeer, socks
from lib.process import wait_until


@pytest.fixture
def loop(world):
    return world.keep(pypeer.Loop())


def users_file(world, users):
    return world.write("users.json", json.dumps(users))


def put(path, text):
    with open(path, "w") as f:
        f.write(text)


def replace(path, users):
    """As editors do: a new file takes the place of the old one."""
    put(path + ".new", json.dumps(users))
    os.rename(path + ".new", path)


class Mount:
    def __init__(self, path):
        self.path = path

    def close(self):
        subprocess.run(["umount", self.path], check=False)


def refused(loop, port, user, target):
    """The reason for which a channel to the target is refused; 0 if it opens."""
    name, _, password = user.partition(":")

    async def story():
        conn = await pypeer.connect(port, name, password)
        assert (await pypeer.configure(conn))[0]
        try:
            channel = await conn.open_chisel(target)
            channel.chan.close()
            return 0
        except pypeer.asyncssh.ChannelOpenError as error:
            return error.reason if error.code == 1 else error.code
        finally:
            conn.close()

    return loop.run(story())


def configured(loop, port, user, *remotes):
    name, _, password = user.partition(":")

    async def story():
        conn = await pypeer.connect(port, name, password)
        try:
            return await pypeer.configure(conn, *remotes)
        finally:
            conn.close()

    return loop.run(story())


def logs_in(loop, port, user):
    try:
        return configured(loop, port, user)[0]
    except pypeer.asyncssh.PermissionDenied:
        return False


def test_a_password_lets_in(world, pair):
    server_program, client_program = pair
    target = world.serve()
    port = net.free_port()
    server = world.server(server_program, "--auth", "ann:pass:word")
    world.client(client_program, server, f"127.0.0.1:{port}:127.0.0.1:{target.port}",
                 flags=["--auth", "ann:pass:word"])
    assert net.echoes(port)


@pytest.mark.parametrize("auth", ["ann:wrong", "bob:secret", ":", None])
def test_a_wrong_password_is_logged_by_the_client(world, any_server, adit, auth):
    server = world.server(any_server, "--auth", "ann:secret")
    client = world.client(adit, server, f"127.0.0.1:{net.free_port()}:127.0.0.1:9",
                          flags=["--auth", auth] if auth else [], wait=False)
    client.wait_log("Authentication failed")
    assert "Connected" not in client.log


def test_the_login_may_come_from_the_environment(world, adit):
    server = world.server(adit, env={"AUTH": "ann:secret"})
    assert "User authentication enabled" in server.log
    world.client(adit, server, f"127.0.0.1:{net.free_port()}:127.0.0.1:9",
                 env={"AUTH": "ann:secret"})


def test_six_failures_end_the_connection(world, adit, loop):
    server = world.server(adit, "--auth", "ann:secret")

    async def story():
        class Guesser(pypeer.asyncssh.SSHClient):
            guesses = 0

            def password_auth_requested(self):
                Guesser.guesses += 1
                return "wrong"

        with pytest.raises(pypeer.asyncssh.DisconnectError) as ended:
            await pypeer.connect(server.port, "ann", password=None,
                                 client_factory=Guesser)
        return Guesser.guesses, ended.value

    guesses, error = loop.run(story())
    assert guesses == 6
    assert error.code in (2, 14)


@pytest.mark.parametrize("server_name,pattern", [
    ("adit", "^socks$"), ("adit", "^:$"), ("stock", "^:$"), ("adit", ""), ("stock", "")])
@pytest.mark.parametrize("client_name", ["adit", "stock"])
def test_socks_in_the_list_allows_all_destinations(world, program, server_name, client_name,
                                                   pattern):
    target = world.serve()
    server = world.server(program(server_name), "--socks5", "--authfile",
                          users_file(world, {"p:p": [pattern]}))
    port = net.free_port()
    world.client(program(client_name), server, f"127.0.0.1:{port}:socks",
                 flags=["--auth", "p:p"])
    for host in {"127.0.0.1", net.loopback_name()}:
        code, s = socks.ask(port, host, target.port)
        assert code == 0
        s.sendall(b"in")
        assert net.read_exactly(s, 2) == b"in"
        s.close()


def test_without_socks_in_the_list_there_is_none(world, adit):
    target = world.serve()
    server = world.server(adit, "--socks5", "--authfile",
                          users_file(world, {"p:p": [rf"^127\.0\.0\.1:{target.port}$"]}))
    client = world.client(adit, server, f"127.0.0.1:{net.free_port()}:socks",
                          flags=["--auth", "p:p"], wait=False)
    client.wait_log("access to 'socks' denied")


def test_each_socks_destination_can_be_checked(world, adit):
    target, other = world.serve(), world.serve()
    users = users_file(world, {"p:p": ["^socks$", rf"^127\.0\.0\.1:{target.port}$"]})
    server = world.server(adit, "--socks5", "--socks-acl", "--authfile", users)
    port = net.free_port()
    world.client(adit, server, f"127.0.0.1:{port}:socks", flags=["--auth", "p:p"])
    code, s = socks.ask(port, "127.0.0.1", target.port)
    assert code == 0
    s.sendall(b"in")
    assert net.read_exactly(s, 2) == b"in"
    s.close()
    for host, elsewhere in ("127.0.0.1", other.port), ("localhost", target.port):
        code, s = socks.ask(port, host, elsewhere)
        assert code == 2
        assert s.recv(1) == b""
        s.close()
    assert other.count == 0


class TestAccess:
    """Each place where a list of addresses is asked."""

    USERS = {
        "root:toor": [""],
        "star:s": ["*"],
        "none:n": [],
        "web:w": [r"^127\.0\.0\.1:\d+$"],
        "one:o": ["^10\\.0\\.0\\.1:80$"],
        "rev:r": ["^R:127.0.0.1:7[0-9]{3}$"],
        "sock:s": ["^socks$"],
        "case:c": ["(?i)^EXAMPLE\\.com:80$"],
    }

    @pytest.fixture
    def server(self, world, adit):
        return world.server(adit, "--reverse", "--socks5", "--authfile",
                            users_file(world, self.USERS))

    @pytest.fixture
    def target(self, world):
        return world.serve()

    @pytest.mark.parametrize("user,answer", [
        ("root:toor", 0), ("star:s", 0), ("web:w", 0), ("none:n", "access denied"),
        ("one:o", "access denied"), ("rev:r", "access denied"),
        ("sock:s", "access denied")])
    def test_a_channel(self, server, target, loop, user, answer):
        address = f"127.0.0.1:{target.port}"
        assert refused(loop, server.port, user, address) == answer
        assert refused(loop, server.port, user, address + "/tcp") == answer
        assert refused(loop, server.port, user, address + "/udp") == answer

    @pytest.mark.parametrize("user,answer", [
        ("root:toor", 0), ("star:s", 0), ("sock:s", 0), ("none:n", "access denied"),
        ("web:w", "access denied"), ("rev:r", "access denied")])
    def test_a_socks_channel(self, server, loop, user, answer):
        assert refused(loop, server.port, user, "socks") == answer

    @pytest.mark.parametrize("user,address,ok", [
        ("web:w", "127.0.0.1:9", True), ("web:w", "localhost:9", False),
        ("one:o", "10.0.0.1:80", True), ("one:o", "10.0.0.1:8080", False),
        ("case:c", "example.COM:80", True), ("case:c", "example.com:81", False),
        ("none:n", "127.0.0.1:9", False)])
    def test_a_forward_remote(self, server, loop, user, address, ok):
        remote = pypeer.remote("127.0.0.1:1000", address)
        expected = (True, "") if ok else (False, f"server: access to '{address}' denied")
        assert configured(loop, server.port, user, remote) == expected

    @pytest.mark.parametrize("user,ok", [("root:toor", True), ("rev:r", False),
                                         ("web:w", False)])
    def test_a_reverse_remote(self, server, loop, user, ok):
        port = net.free_port()
        remote = pypeer.remote(f"127.0.0.1:{port}", "anywhere:1", reverse=True)
        expected = (True, "")
        if not ok:
            expected = (False, f"server: access to 'R:127.0.0.1:{port}' denied")
        assert configured(loop, server.port, user, remote) == expected

    def test_a_reverse_remote_by_its_port(self, server, loop):
        remote = pypeer.remote("127.0.0.1:7342", "anywhere:1", reverse=True)
        assert configured(loop, server.port, "rev:r", remote) == (True, "")

    @pytest.mark.parametrize("user,ok", [("root:toor", True), ("sock:s", True),
                                         ("web:w", False), ("none:n", False)])
    def test_a_socks_remote(self, server, loop, user, ok):
        remote = pypeer.remote("127.0.0.1:1080", "", socks=True)
        answer = configured(loop, server.port, user, remote)
        assert answer[0] == ok
        if not ok:
            assert "access to '" in answer[1] and "' denied" in answer[1]

    def test_the_first_denied_remote_is_named(self, server, loop):
        good = pypeer.remote("127.0.0.1:1", "127.0.0.1:1")
        bad = pypeer.remote("127.0.0.1:2", "bad.example:2")
        worse = pypeer.remote("127.0.0.1:3", "worse.example:3")
        assert configured(loop, server.port, "web:w", good, bad, worse) == (
            False, "server: access to 'bad.example:2' denied")


class TestReload:
    """The file is read again when it changes, however it is changed."""

    def start(self, world, adit, *flags):
        path = users_file(world, {"old:o": [""]})
        return path, world.server(adit, "--authfile", path, *flags)

    def test_written_in_place(self, world, adit, loop):
        path, server = self.start(world, adit)
        assert logs_in(loop, server.port, "old:o")
        with open(path, "w") as f:
            json.dump({"new:n": [""]}, f)
        wait_until(lambda: logs_in(loop, server.port, "new:n"), message="the new user")
        assert not logs_in(loop, server.port, "old:o")

    def test_replaced_by_renaming_again_and_again(self, world, adit, loop):
        path, server = self.start(world, adit)
        for name in ("one:1", "two:2", "three:3"):
            with open(path + ".tmp", "w") as f:
                json.dump({name: [""]}, f)
            os.rename(path + ".tmp", path)
            wait_until(lambda n=name: logs_in(loop, server.port, n), message=name)
        assert not logs_in(loop, server.port, "two:2")

    def test_replaced_through_symbolic_links_as_kubernetes_does(self, world, adit, loop):
        for version, user in (("v1", "old:o"), ("v2", "new:n")):
            os.mkdir(world.path(version))
            world.write(f"{version}/users.json", json.dumps({user: [""]}))
        os.symlink("v1", world.path("data"))
        os.symlink("data/users.json", world.path("users.json"))
        server = world.server(adit, "--authfile", world.path("users.json"))
        assert logs_in(loop, server.port, "old:o")
        os.symlink("v2", world.path("data.tmp"))
        os.rename(world.path("data.tmp"), world.path("data"))
        wait_until(lambda: logs_in(loop, server.port, "new:n"), message="the new user")

    @pytest.mark.parametrize("spoil", [
        lambda path: open(path, "w").close(),
        lambda path: os.truncate(path, os.path.getsize(path) - 1),
        lambda path: put(path, "{ this is no JSON"),
        lambda path: put(path, "[]"),
        lambda path: put(path, '{"x:y": [1]}'),
        lambda path: put(path, " "),
        os.unlink,
        lambda path: os.rename(path, path + ".bak"),
        lambda path: (os.unlink(path), os.symlink("nowhere", path)),
        lambda path: (os.unlink(path), os.mkdir(path))],
        ids=["empty", "cut", "no-json", "no-object", "no-pattern", "blank", "removed", "moved",
             "dangling", "directory"])
    def test_what_is_no_users_file_keeps_the_previous_users(self, world, adit, loop, spoil):
        path, server = self.start(world, adit)
        spoil(path)
        server.wait_log("users: keeping the previous users: ")
        assert logs_in(loop, server.port, "old:o")
        assert not logs_in(loop, server.port, "x:y")
        server.signal(1)  # a person asks again
        server.wait_log("users: keeping the previous users: ", count=2)
        assert logs_in(loop, server.port, "old:o")
        if os.path.isdir(path):
            os.rmdir(path)
        replace(path, {"new:n": [""]})
        wait_until(lambda: logs_in(loop, server.port, "new:n"), message="the new user")

    def test_the_same_failure_is_logged_once(self, world, adit):
        path, server = self.start(world, adit)
        for _ in range(5):
            put(path, "")
            net.wait_quietly(0.25)
        assert server.log.count("is empty; {} means no users") == 1

    def test_a_file_that_cannot_be_read_keeps_the_previous_users(self, world, adit, loop):
        if os.geteuid() == 0:
            pytest.skip("skipped: root reads everything")
        path, server = self.start(world, adit)
        os.chmod(path, 0)
        server.wait_log("keeping the previous users: .*Permission denied")
        assert logs_in(loop, server.port, "old:o")

    def test_a_full_disk_keeps_the_previous_users(self, world, adit, loop):
        """What an editor leaves there when nothing can be written."""
        disk = world.path("disk")
        os.mkdir(disk)
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", disk],
                          stderr=subprocess.DEVNULL, check=False).returncode != 0:
            pytest.skip("skipped: no disk of our own can be mounted here")
        world.keep(Mount(disk))
        path = os.path.join(disk, "users.json")
        put(path, json.dumps({"old:o": [""]}))
        server = world.server(adit, "--authfile", path)
        with pytest.raises(OSError):
            put(os.path.join(disk, "filler"), "x" * 100000)
        with pytest.raises(OSError):
            put(path, json.dumps({f"new{i}:n": [""] for i in range(10000)}))
        server.wait_log("keeping the previous users: ")
        assert logs_in(loop, server.port, "old:o")

    def test_a_removed_user_is_reported_once_for_each_session(self, world, adit, certificate):
        """Also if a certificate is read again with the users, as SIGHUP does."""
        path, server = self.start(world, adit, "--reverse", "--tls-cert", certificate[0],
                                  "--tls-key", certificate[1])
        for _ in range(6):
            world.client(adit, f"https://127.0.0.1:{server.port}",
                         f"R:127.0.0.1:{net.free_port()}:127.0.0.1:9",
                         flags=["--tls-skip-verify", "--auth", "old:o"])
        replace(path, {"new:n": [""]})
        server.signal(signal.SIGHUP)
        server.wait_log("closed: .*the user was removed", count=6)
        assert server.log.count("closing: the user was removed") == 6

    def test_an_empty_object_means_no_users(self, world, adit, loop):
        path, server = self.start(world, adit)
        put(path, "{}")
        wait_until(lambda: not logs_in(loop, server.port, "old:o"), message="the refusal")
        server.wait_log("the file has no users: all logins will fail")

    def test_an_empty_file_is_no_start(self, world, adit):
        done = world.call([*adit.argv, "server", "--port", "0", "--authfile",
                           world.write("users.json", "")])
        assert done.returncode == 1 and "is empty; {} means no users" in done.stderr

    def test_the_user_of_the_command_line_stays(self, world, adit, loop):
        path, server = self.start(world, adit, "--auth", "boss:b")
        with open(path, "w") as f:
            json.dump({"new:n": [""], "boss:other": []}, f)
        wait_until(lambda: logs_in(loop, server.port, "new:n"), message="the new user")
        assert logs_in(loop, server.port, "boss:b")
        assert not logs_in(loop, server.port, "boss:other")

    def test_a_hangup_signal_reloads(self, world, adit, loop):
        path, server = self.start(world, adit)
        with open(path, "w") as f:
            json.dump({"new:n": [""]}, f)
        server.signal(1)
        wait_until(lambda: logs_in(loop, server.port, "new:n"), message="the new user")

    @pytest.mark.parametrize("client_name", ["adit", "stock"])
    def test_a_port_that_is_not_allowed_any_more_closes(self, world, program, client_name):
        """At once, with its visitors; the user's other tunnels go on; and it comes back."""
        target = world.serve()
        ports = [net.free_port() for _ in range(3)]
        reverse, other = f"^R:127.0.0.1:{ports[0]}$", f"^R:127.0.0.1:{ports[1]}$"
        forward = f"^127.0.0.1:{target.port}$"
        path = users_file(world, {"ann:a": [reverse, other, forward]})
        server = world.server(program("adit"), "--reverse", "--authfile", path)
        client = world.client(program(client_name), server, *(
            f"{way}127.0.0.1:{port}:127.0.0.1:{target.port}"
            for way, port in zip(("R:", "R:", ""), ports)), flags=["--auth", "ann:a"])
        visitors = [net.connect(port) for port in ports]
        for s in visitors:
            s.sendall(b"hello")
            assert net.read_exactly(s, 5) == b"hello"

        replace(path, {"ann:a": [other]})
        begin = time.monotonic()
        for s in visitors[0], visitors[2]:
            s.settimeout(5)
            try:
                assert s.recv(1) == b""
            except ConnectionResetError:
                pass
        net.wait_not_listening(ports[0], pid=server.pid)
        assert time.monotonic() - begin < 1.0
        visitors[1].sendall(b"still")
        assert net.read_exactly(visitors[1], 5) == b"still"
        assert not net.try_echo(ports[2])

        replace(path, {"ann:a": [reverse, other, forward]})
        for port in ports:
            wait_until(lambda p=port: net.try_echo(p), message="a visitor being served")
        assert "Disconnected" not in client.log

    @pytest.mark.parametrize("client_name", ["adit", "stock"])
    def test_a_udp_target_that_is_not_allowed_any_more_hears_nothing(self, world, program,
                                                                     client_name):
        target, other = world.udp(), world.udp()
        port, other_port = net.free_port(), net.free_port()
        allowed = [f"^127.0.0.1:{target.port}$", f"^127.0.0.1:{other.port}$"]
        path = users_file(world, {"ann:a": allowed})
        server = world.server(program("adit"), "--authfile", path)
        client = world.client(program(client_name), server,
                              f"127.0.0.1:{port}:127.0.0.1:{target.port}/udp",
                              f"127.0.0.1:{other_port}:127.0.0.1:{other.port}/udp",
                              flags=["--auth", "ann:a"])
        net.udp_echoes(port)
        replace(path, {"ann:a": allowed[1:]})
        server.wait_log("no longer allowed")
        with net.udp_visitor(port, timeout=0.3) as s, pytest.raises(OSError):
            s.send(b"hello")
            s.recv(100)
        net.udp_echoes(other_port)
        before = client.cpu_seconds()
        net.wait_quietly(0.5)
        assert client.cpu_seconds() - before < 0.25  # a stock client does not spin
        replace(path, {"ann:a": allowed})
        net.udp_echoes(port)

    @pytest.mark.parametrize("flags,ends", [((), False), (("--socks-acl",), True)])
    def test_a_socks_destination_that_is_not_allowed_any_more_ends(self, world, adit, flags,
                                                                   ends):
        target = world.serve()
        path = users_file(world, {"ann:a": ["^socks$", f"^127.0.0.1:{target.port}$"]})
        server = world.server(adit, "--socks5", "--authfile", path, *flags)
        port = net.free_port()
        world.client(adit, server, f"127.0.0.1:{port}:socks", flags=["--auth", "ann:a"])
        code, s = socks.ask(port, "127.0.0.1", target.port)
        assert code == 0
        replace(path, {"ann:a": ["^socks$"]})
        server.wait_log("users: reloaded")
        if not ends:
            s.sendall(b"hello")
            assert net.read_exactly(s, 5) == b"hello"
            replace(path, {"ann:a": []})
        try:
            assert s.recv(1) == b""
        except ConnectionResetError:
            pass

    @pytest.mark.parametrize("client_name", ["adit", "stock"])
    def test_a_new_password_ends_sessions_of_the_old_one(self, world, program, client_name):
        target = world.serve()
        ports = [net.free_port() for _ in range(2)]
        path = users_file(world, {"ann:a": [""], "bob:b": [""]})
        server = world.server(program("adit"), "--reverse", "--authfile", path)
        clients = [world.client(program(client_name), server,
                                f"R:127.0.0.1:{port}:127.0.0.1:{target.port}",
                                flags=["--auth", login])
                   for port, login in zip(ports, ("ann:a", "bob:b"))]
        for port in ports:
            net.wait_listening(port)
        replace(path, {"ann:new": [""], "bob:b": ["^R:"]})
        begin = time.monotonic()
        net.wait_not_listening(ports[0], pid=server.pid)
        assert time.monotonic() - begin < 1.0
        server.wait_log("the user's password was changed")
        clients[0].wait_log("Authentication failed")
        assert net.echoes(ports[1])
        assert "Disconnected" not in clients[1].log

    def test_running_sessions_obey_the_new_list(self, world, adit, loop):
        target = world.serve()
        path = users_file(world, {"ann:a": [""]})
        server = world.server(adit, "--authfile", path)
        address = f"127.0.0.1:{target.port}"

        async def begin():
            conn = await pypeer.connect(server.port, "ann", "a")
            assert (await pypeer.configure(conn))[0]
            channel = await conn.open_chisel(address)
            channel.chan.close()
            return conn

        async def is_denied():
            try:
                channel = await conn.open_chisel(address)
                channel.chan.close()
                return False
            except (pypeer.asyncssh.ChannelOpenError, pypeer.asyncssh.ConnectionLost,
                    OSError):
                return True

        conn = loop.run(begin())
        with open(path, "w") as f:
            json.dump({"ann:a": ["^nothing$"]}, f)
        wait_until(lambda: loop.run(is_denied()), message="a refusal")
        target_count = target.count
        assert loop.run(is_denied())
        assert target.count == target_count


@pytest.mark.parametrize("text", ["[]", "{", '{"nocolon": [""]}', '{":p": [""]}',
                                  '{"a:b": "x"}', '{"a:b": [1]}', '{"a:b": ["("]}'])
def test_a_bad_users_file_stops_the_server(world, adit, text):
    path = world.write("users.json", text)
    done = world.call([*adit.argv, "server", "--host", "127.0.0.1", "--port", "0",
                       "--authfile", path])
    assert done.returncode in (1, 2)
    assert done.stderr.strip()
    assert "AddressSanitizer" not in done.stderr


def test_a_missing_users_file_stops_the_server(world, adit):
    done = world.call([*adit.argv, "server", "--host", "127.0.0.1", "--port", "0",
                       "--authfile", world.path("none.json")])
    assert done.returncode in (1, 2)
    assert "none.json" in done.stderr


def test_passwords_do_not_reach_the_log(world, adit, loop):
    server = world.server(adit, "-v", "--auth", "ann:s3cret")
    assert not logs_in(loop, server.port, "ann:gu3ss")
    assert logs_in(loop, server.port, "ann:s3cret")
    assert "s3cret" not in server.log and "gu3ss" not in server.log


def test_a_name_cannot_forge_a_line_of_the_log(world, adit, peer):
    server = world.server(adit, "--auth", "ann:s3cret")
    client = world.client(peer, server, f"127.0.0.1:{net.free_port()}:127.0.0.1:9",
                          flags=["--auth", "evil\n2026/01/01 server: \x1b[2Jhello:x"],
                          wait=False)
    client.wait_log("Authentication failed")
    server.wait_log("Login failed for user .*evil")
    assert "\n2026/01/01" not in server.log and "\x1b" not in server.log
