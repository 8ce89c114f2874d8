"""Links inside TLS, with files, with names, and with certificates both ways."""

import os
import signal
import ssl

import pytest

from lib import net, pki
from lib.process import wait_until


@pytest.fixture
def tls_server(world, program, certificate):
    def start(*flags, name="adit"):
        server = world.server(program(name), "--tls-cert", certificate[0], "--tls-key",
                              certificate[1], "--reverse", *flags)
        server.url = f"https://127.0.0.1:{server.port}"
        return server
    return start


def s_client(world, port, *args):
    return world.call(["openssl", "s_client", "-connect", f"127.0.0.1:{port}", *args],
                      text="Q\n")


@pytest.mark.parametrize("client_name", ["adit", "peer", "stock"])
def test_a_link_runs_inside_tls(world, program, tls_server, authority, client_name):
    server = tls_server()
    target = world.serve()
    port = net.free_port()
    world.client(program(client_name), server,
                 f"R:127.0.0.1:{port}:127.0.0.1:{target.port}",
                 flags=["--tls-ca", authority.cert])
    net.wait_listening(port)
    assert net.echoes(port, b"x" * 3000000)


def test_pages_come_through_tls(world, tls_server, authority):
    server = tls_server()
    assert world.curl("--cacert", authority.cert, server.url + "/health") == "OK\n"
    assert "https://" in server.log


def test_only_tls_1_2_and_1_3_are_spoken_and_no_alpn(world, tls_server):
    server = tls_server()
    for version in ("-tls1_2", "-tls1_3"):
        done = s_client(world, server.port, version, "-alpn", "h2,http/1.1")
        assert done.returncode == 0, done.stderr
        assert "No ALPN negotiated" in done.stdout
    done = s_client(world, server.port, "-tls1_1", "-cipher", "ALL:@SECLEVEL=0")
    assert done.returncode != 0


def test_plain_http_on_the_tls_port_is_no_tunnel(world, tls_server, adit, authority):
    server = tls_server()
    client = world.client(adit, f"http://127.0.0.1:{server.port}", "R:1:2", wait=False)
    client.wait_log("Connection error")
    assert world.curl("--cacert", authority.cert, server.url + "/health") == "OK\n"


def test_an_unknown_authority_is_not_believed(world, tls_server, adit):
    server = tls_server()
    client = world.client(adit, server, "R:1:2", wait=False)
    client.wait_log("Connection error: .*certificate")
    assert "Connected" not in client.log


def test_skipping_verification_connects(world, tls_server, adit):
    server = tls_server()
    client = world.client(adit, server, f"R:127.0.0.1:{net.free_port()}:127.0.0.1:9",
                          flags=["--tls-skip-verify"])
    assert "TLS verification disabled" in client.log


@pytest.mark.parametrize("flags,connects", [
    ([], False),
    (["--sni", "localhost"], True),
    (["--hostname", "localhost"], True),
    (["--hostname", "other.example", "--sni", "localhost"], True),
    (["--hostname", "localhost", "--sni", "other.example"], False),
], ids=["plain", "sni", "hostname", "sni-wins", "sni-wins-wrongly"])
def test_the_name_is_checked(world, adit, program, authority, flags, connects):
    cert = authority.issue("named", "DNS:localhost")
    server = world.server(adit, "--reverse", "--tls-cert", cert[0], "--tls-key", cert[1])
    client = world.client(adit, f"https://127.0.0.1:{server.port}",
                          f"R:127.0.0.1:{net.free_port()}:127.0.0.1:9",
                          flags=["--tls-ca", authority.cert, *flags], wait=False)
    client.wait_log(r"\bConnected\b" if connects else "Connection error")


def test_an_address_in_the_certificate_is_good(world, tls_server, adit, authority):
    server = tls_server()
    world.client(adit, f"https://127.0.0.1:{server.port}",
                 f"R:127.0.0.1:{net.free_port()}:127.0.0.1:9",
                 flags=["--tls-ca", authority.cert])


def test_an_expired_certificate_is_not_believed(world, adit, authority):
    cert, key = authority.issue("brief", days=0)
    server = world.server(adit, "--tls-cert", cert, "--tls-key", key)
    wait_until(lambda: world.call(["openssl", "x509", "-checkend", "0", "-noout", "-in",
                                   cert]).returncode == 1, message="the certificate's end")
    client = world.client(adit, f"https://localhost:{server.port}", "R:1:2",
                          flags=["--tls-ca", authority.cert], wait=False)
    client.wait_log("Connection error: .*expired")


class TestMutual:
    """The server asks who comes."""

    @pytest.fixture
    def server(self, tls_server, authority):
        return tls_server("--tls-ca", authority.cert)

    @pytest.fixture
    def visitor(self, authority):
        return authority.issue("visitor", None, usage="clientAuth")

    def test_a_known_client_comes_in(self, world, server, adit, authority, visitor):
        world.client(adit, server, f"R:127.0.0.1:{net.free_port()}:127.0.0.1:9",
                     flags=["--tls-ca", authority.cert, "--tls-cert", visitor[0],
                            "--tls-key", visitor[1]])
        assert world.curl("--cacert", authority.cert, "--cert", visitor[0], "--key",
                          visitor[1], server.url + "/health") == "OK\n"

    def test_a_client_without_certificate_stays_out(self, world, server, adit, authority):
        client = world.client(adit, server, "R:1:2", wait=False,
                              flags=["--tls-ca", authority.cert])
        client.wait_log("Connection error")
        assert "Connected" not in client.log
        done = world.call(["curl", "-sS", "--cacert", authority.cert,
                           server.url + "/health"])
        assert done.returncode != 0

    def test_a_stranger_s_certificate_stays_out(self, world, server, adit, authority):
        stranger = pki.Authority(world.path("other"), "another").issue(
            "visitor", None, usage="clientAuth")
        client = world.client(adit, server, "R:1:2", wait=False,
                              flags=["--tls-ca", authority.cert, "--tls-cert", stranger[0],
                                     "--tls-key", stranger[1]])
        client.wait_log("Connection error")
        assert "Connected" not in client.log

    def test_a_directory_of_authorities_serves_too(self, world, tls_server, adit, authority,
                                                   visitor):
        os.mkdir(world.path("cas"))
        pki.Authority(world.path("other"), "another")
        for i, source in enumerate((authority.cert, world.path("other/ca.pem"))):
            with open(source) as f:
                world.write(f"cas/{i}.pem", f.read())
        server = tls_server("--tls-ca", world.path("cas"))
        world.client(adit, server, f"R:127.0.0.1:{net.free_port()}:127.0.0.1:9",
                     flags=["--tls-ca", authority.cert, "--tls-cert", visitor[0],
                            "--tls-key", visitor[1]])


class TestRenewal:
    """New files are served without a restart; what is broken changes nothing."""

    @pytest.fixture
    def files(self, world, authority):
        """Paths of a certificate and a key of the server's own, which may be changed."""
        issued = authority.issue("first")
        return [self.copy(source, world.path(name))
                for source, name in zip(issued, ("tls.pem", "tls.key"))]

    @pytest.fixture
    def start(self, world, adit, authority, files):
        def run(*flags, user=()):
            server = world.server(adit, "--reverse", "--tls-cert", files[0], "--tls-key",
                                  files[1], *flags)
            server.url = f"https://localhost:{server.port}"
            target = world.serve()
            port = net.free_port()
            server.link = world.client(adit, server, f"R:127.0.0.1:{port}:127.0.0.1:"
                                       f"{target.port}",
                                       flags=["--tls-ca", authority.cert, *user])
            net.wait_listening(port)
            return server
        return run

    @staticmethod
    def copy(source, to):
        with open(source) as f, open(to, "w") as out:
            out.write(f.read())
        return to

    @staticmethod
    def served(server):
        """The common name in the certificate that a new connection gets."""
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with net.connect(server.port) as s, context.wrap_socket(s) as tls:
            text = ssl.DER_cert_to_PEM_cert(tls.getpeercert(True))
        return pki.openssl("x509", "-noout", "-subject", text=text).split("=")[-1].strip()

    def wait_served(self, server, name):
        wait_until(lambda: self.served(server) == name, message=f"{name} being served")
        assert "Disconnected" not in server.link.log

    def test_written_in_place(self, authority, files, start):
        server = start()
        assert self.served(server) == "first"
        for name in "second", "third":
            for source, to in zip(authority.issue(name), files):
                self.copy(source, to)
            self.wait_served(server, name)

    def test_replaced_by_renaming(self, authority, files, start):
        server = start()
        for source, to in zip(authority.issue("second"), files):
            os.rename(self.copy(source, to + ".new"), to)
        self.wait_served(server, "second")

    def test_links_are_swapped_as_an_acme_client_does(self, world, authority, files, start):
        for i, name in enumerate(("first", "second")):
            for source, kind in zip(authority.issue(name), ("pem", "key")):
                self.copy(source, world.path(f"{kind}{i}"))
        for to, kind in zip(files, ("pem", "key")):
            os.unlink(to)
            os.symlink(f"{kind}0", to)
        server = start()
        for to, kind in zip(files, ("pem", "key")):
            os.symlink(f"{kind}1", to + ".new")
            os.rename(to + ".new", to)
        self.wait_served(server, "second")

    def test_a_hangup_signal_reads_them_again(self, start):
        server = start()
        server.signal(signal.SIGHUP)
        server.wait_log("TLS: reloaded")
        self.wait_served(server, "first")

    @pytest.mark.parametrize("spoil", [
        lambda c, k: open(c, "w").close(), lambda c, k: open(k, "w").close(),
        lambda c, k: os.truncate(c, os.path.getsize(c) - 40), lambda c, k: os.unlink(k),
        lambda c, k: os.unlink(c), lambda c, k: os.rename(k, c)],
        ids=["empty-cert", "empty-key", "cut", "no-key", "no-cert", "key-as-cert"])
    def test_broken_files_keep_the_previous_certificate(self, authority, files, start, spoil):
        server = start()
        spoil(*files)
        server.wait_log("TLS: keeping the previous certificate: ")
        self.wait_served(server, "first")
        for source, to in zip(authority.issue("second"), files):
            self.copy(source, to)
        self.wait_served(server, "second")

    def test_a_pair_that_does_not_belong_together_keeps_it(self, authority, files, start):
        server = start()
        second = authority.issue("second")
        self.copy(second[0], files[0])
        server.wait_log("TLS: keeping the previous certificate: ")
        self.wait_served(server, "first")
        self.copy(second[1], files[1])
        self.wait_served(server, "second")

    @pytest.mark.parametrize("is_directory", [False, True])
    def test_client_authorities_are_read_again(self, world, adit, authority, start,
                                               is_directory):
        other = pki.Authority(world.path("other"), "another")
        known, late = (a.issue("visitor", None, usage="clientAuth") for a in (authority, other))
        os.mkdir(world.path("cas"))
        path = self.copy(authority.cert, world.path("cas/ca.pem"))
        server = start("--tls-ca", world.path("cas") if is_directory else path,
                       user=["--tls-cert", known[0], "--tls-key", known[1]])
        client = world.client(adit, server, f"R:127.0.0.1:{net.free_port()}:127.0.0.1:9",
                              flags=["--tls-ca", authority.cert, "--tls-cert", late[0],
                                     "--tls-key", late[1], "--max-retry-interval", "1s"],
                              wait=False)
        client.wait_log("Connection error")
        if is_directory:
            self.copy(other.cert, world.path("cas/other.pem"))
        else:
            with open(path, "a") as out, open(other.cert) as f:
                out.write(f.read())
        client.wait_log(r"\bConnected\b")


def test_silence_before_the_tls_hello_does_not_block_others(world, tls_server, authority):
    server = tls_server()
    silent = [net.connect(server.port) for _ in range(50)]
    assert world.curl("--cacert", authority.cert, server.url + "/health") == "OK\n"
    for s in silent:
        s.close()
