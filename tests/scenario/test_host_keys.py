"""The server's key: from a seed, a file or nowhere, and how a client knows it."""

import os
import re
import shutil
import stat

import pytest

from lib import net, pki

SEEDS = {
    "test123": (
        "qmrRoo8MIqePv3jC8+wv49gU6uaFgD3FASQx9V8KdmY=",
        "a5:32:92:c6:56:7a:9e:61:26:74:1b:81:a6:f5:1b:44",
        "ck-MHcCAQEEIAY8EM+MQ00AcnYULvfhNQYGwdpnEpuyF/IxZH1lut9roAoGCCqGSM49AwEHoUQDQgAEUm5B"
        "IAX/iTzdk+vltA0s3oVFbrOE+r+iOwzL/2iWFfFdVwAKPonzqfT2kV6LuM3+qTwjlG7YbAMnLfbC5e9GsQ"),
    "foobar": (
        "OHclTPr2X1+S7CdRWW7dLFP7SwgtZy6jub2UmnpbTXw=",
        "ed:f2:cf:3c:56:49:c8:98:3c:a0:4c:1e:01:1d:fb:fc",
        "ck-MHcCAQEEIOEOn3c31McTVQbnfTMEU92FSlCoHfMx3T7Egyrg3X4zoAoGCCqGSM49AwEHoUQDQgAE7iUA"
        "hxg7JqKNgq6XmiAox/E02C1i6UT893ryLgNxG2al/Yk7B1pEHh1b5drLe4SK0g0jj1c6RnFqk/9NY+K3hw"),
}


def printed(server):
    return server.wait_log(r"Fingerprint (\S+)$").group(1)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_seed_makes_the_known_key(world, adit, seed):
    assert printed(world.server(adit, "--key", seed)) == SEEDS[seed][0]


def test_the_seed_may_come_from_the_environment(world, adit):
    server = world.server(adit, env={"CHISEL_KEY": "test123"})
    assert printed(server) == SEEDS["test123"][0]


def test_without_a_key_each_start_has_a_new_one(world, adit):
    one, other = printed(world.server(adit)), printed(world.server(adit))
    assert one != other
    assert re.fullmatch(r"[A-Za-z0-9+/]{43}=", one)


@pytest.mark.parametrize("seed", SEEDS)
def test_keygen_writes_the_key_of_the_seed(world, adit, seed):
    path = world.path("key")
    done = world.call([*adit.argv, "server", "--key", seed, "--keygen", path])
    assert done.returncode == 0, done.stderr
    with open(path) as f:
        assert f.read() == SEEDS[seed][2]
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600


def test_keygen_prints_to_stdout(world, adit):
    one = world.call([*adit.argv, "server", "--keygen", "-"])
    other = world.call([*adit.argv, "server", "--keygen", "-"])
    assert one.returncode == 0
    assert one.stdout.startswith("ck-") and "\n" not in one.stdout
    assert one.stdout != other.stdout


def test_a_generated_key_serves(world, adit):
    path = world.path("key")
    world.call([*adit.argv, "server", "--keygen", path])
    one = printed(world.server(adit, "--keyfile", path))
    assert printed(world.server(adit, "--keyfile", path)) == one
    with open(path) as f:
        text = f.read()
    assert printed(world.server(adit, "--keyfile", text)) == one
    assert printed(world.server(adit, env={"CHISEL_KEY_FILE": path})) == one


def test_a_key_file_with_a_newline_serves(world, adit):
    path = world.write("key", SEEDS["foobar"][2] + "\r\n")
    assert printed(world.server(adit, "--keyfile", path)) == SEEDS["foobar"][0]


def test_the_key_file_wins_over_the_seed(world, adit):
    path = world.write("key", SEEDS["foobar"][2])
    server = world.server(adit, "--key", "test123", "--keyfile", path)
    assert printed(server) == SEEDS["foobar"][0]


def test_an_existing_key_is_replaced_only_with_force(world, adit):
    path = world.path("host.key")
    first = world.call([*adit.argv, "server", "--keygen", path])
    assert first.returncode == 0 and re.fullmatch(r"Fingerprint \S{44}\n", first.stderr)
    again = world.call([*adit.argv, "server", "--keygen", path])
    assert again.returncode == 1 and "--force replaces it" in again.stderr
    assert first.stderr.strip() in world.server(adit, "--keyfile", path).log
    forced = world.call([*adit.argv, "server", "--keygen", path, "--force"])
    assert forced.returncode == 0 and forced.stderr != first.stderr
    os.symlink(adit.argv[0], world.path("chisel"))
    stock = world.call([world.path("chisel"), "server", "--keygen", path])
    assert stock.returncode == 0 and stock.stderr not in (first.stderr, forced.stderr)


@pytest.mark.parametrize("mode,warns", [(0o600, False), (0o640, False), (0o644, True),
                                        (0o602, True)])
def test_secrets_that_everybody_may_read_are_warned_of(world, adit, certificate, mode, warns):
    paths = {"--keyfile": world.path("host.key"), "--tls-key": world.path("tls.key"),
             "--authfile": world.write("users.json", '{"ann:a": [""]}')}
    world.call([*adit.argv, "server", "--keygen", paths["--keyfile"]])
    shutil.copy(certificate[1], paths["--tls-key"])
    for path in paths.values():
        os.chmod(path, mode)
    server = world.server(adit, "--tls-cert", certificate[0],
                          *(word for pair in paths.items() for word in pair))
    for flag, path in paths.items():
        assert (f"{flag}: {path} can be read or written by every user" in server.log) == warns


def make_ssh_keygen(world, *args):
    if not shutil.which("ssh-keygen"):
        pytest.skip("skipped: no ssh-keygen")
    path = world.path("pem")
    done = world.call(["ssh-keygen", "-q", "-N", "", "-f", path, *args])
    assert done.returncode == 0, done.stderr
    return path


def make_openssl(world, *args):
    path = world.path("pem")
    pki.openssl(*args, "-out", path)
    return path


KINDS = {
    "openssh-ecdsa": lambda w: make_ssh_keygen(w, "-t", "ecdsa", "-b", "256"),
    "openssh-ecdsa-384": lambda w: make_ssh_keygen(w, "-t", "ecdsa", "-b", "384"),
    "openssh-ed25519": lambda w: make_ssh_keygen(w, "-t", "ed25519"),
    "openssh-rsa": lambda w: make_ssh_keygen(w, "-t", "rsa", "-b", "2048"),
    "sec1-ec": lambda w: make_openssl(w, "ecparam", "-genkey", "-noout", "-name",
                                      "prime256v1"),
    "pkcs1-rsa": lambda w: make_ssh_keygen(w, "-t", "rsa", "-b", "2048", "-m", "PEM"),
    "pkcs8-ec": lambda w: make_openssl(w, "genpkey", "-algorithm", "EC", "-pkeyopt",
                                       "ec_paramgen_curve:P-256"),
    "pkcs8-rsa": lambda w: make_openssl(w, "genpkey", "-algorithm", "RSA", "-pkeyopt",
                                        "rsa_keygen_bits:2048"),
    "pkcs8-ed25519": lambda w: make_openssl(w, "genpkey", "-algorithm", "ED25519"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_key_file_serves(world, adit, peer, kind):
    """The peer reads the same file, works the fingerprint out, and talks to its owner."""
    path = KINDS[kind](world)
    ours = world.server(adit, "--keyfile", path)
    theirs = world.server(peer, "--keyfile", path)
    fingerprint = printed(theirs)
    assert printed(ours) == fingerprint
    for server, client in ((ours, peer), (theirs, adit), (ours, adit)):
        world.client(client, server, f"127.0.0.1:{net.free_port()}:127.0.0.1:9",
                     flags=["--fingerprint", fingerprint])


@pytest.mark.parametrize("content", ["", "ck-", "ck-AAAA", "ck-!!!", "not a key at all\n",
                                     "-----BEGIN EC PRIVATE KEY-----\nAAAA\n"
                                     "-----END EC PRIVATE KEY-----\n"],
                         ids=["empty", "ck-empty", "ck-short", "ck-bad", "text", "pem-bad"])
def test_a_bad_key_file_stops_the_server(world, adit, content):
    path = world.write("key", content)
    done = world.call([*adit.argv, "server", "--host", "127.0.0.1", "--port", "0",
                       "--keyfile", path])
    assert done.returncode in (1, 2)
    assert done.stderr.count("\n") == 1


def test_a_missing_key_file_stops_the_server(world, adit):
    done = world.call([*adit.argv, "server", "--host", "127.0.0.1", "--port", "0",
                       "--keyfile", world.path("none")])
    assert done.returncode in (1, 2)
    assert "none" in done.stderr


def test_an_encrypted_key_stops_the_server(world, adit):
    path = make_openssl(world, "genpkey", "-algorithm", "EC", "-pkeyopt",
                        "ec_paramgen_curve:P-256", "-aes256", "-pass", "pass:secret")
    done = world.call([*adit.argv, "server", "--host", "127.0.0.1", "--port", "0",
                       "--keyfile", path])
    assert done.returncode in (1, 2)


@pytest.mark.parametrize("which", [0, 1], ids=["sha256", "md5"])
def test_the_right_fingerprint_connects_and_is_logged(world, adit, any_server, which):
    server = world.server(any_server, "--key", "test123")
    client = world.client(adit, server, f"127.0.0.1:{net.free_port()}:127.0.0.1:9",
                          flags=["--fingerprint", SEEDS["test123"][which]])
    assert printed(client)


@pytest.mark.parametrize("fingerprint", [SEEDS["foobar"][0], SEEDS["foobar"][1]],
                         ids=["sha256", "md5"])
def test_a_wrong_fingerprint_does_not_connect(world, adit, any_server, fingerprint):
    server = world.server(any_server, "--key", "test123")
    client = world.client(adit, server, f"127.0.0.1:{net.free_port()}:127.0.0.1:9",
                          flags=["-v", "--fingerprint", fingerprint], wait=False)
    client.wait_log("Connection error: .*Invalid fingerprint", count=2)
    assert SEEDS["test123"][0] in client.log
    assert not re.search(r"\bConnected\b", client.log)


def test_the_beginning_of_a_fingerprint_is_not_enough(world, adit, peer):
    server = world.server(peer, "--key", "test123")
    for part in (SEEDS["test123"][1][:11], SEEDS["test123"][1][:-1]):
        done = world.call([*adit.argv, "client", "--max-retry-count", "0", "--fingerprint",
                           part, server.url, "R:1:2"])
        assert done.returncode in (1, 2)
        assert not re.search(r"\bConnected\b", done.stderr)


def test_a_password_is_not_sent_to_the_wrong_server(world, adit, peer):
    server = world.server(peer, "--key", "test123", "--auth", "a:b")
    client = world.client(adit, server, f"127.0.0.1:{net.free_port()}:127.0.0.1:9",
                          flags=["-v", "--fingerprint", SEEDS["foobar"][0], "--auth", "a:b"],
                          wait=False)
    client.wait_log("Invalid fingerprint", count=2)
    assert "password" not in server.log and "unable to authenticate" not in server.log
