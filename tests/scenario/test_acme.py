"""Certificates by ACME: adit server --tls-domain against pebble, its faults switched on."""

import os
import signal
import stat

import pytest

from conftest import need
from lib import acme, net, programs
from lib.process import wait_until


@pytest.fixture
def dns(world):
    need("pebble")
    return world.keep(acme.Dns(world.path("dns")))


@pytest.fixture
def edge(world, adit, authority, dns):
    """Starts a server for names, with a CA of its own or one that is given."""
    def start(*names, ca=None, url=None, flags=(), env=None, wait=True, port=None, http=True):
        ca = ca or acme.Ca(world, authority, dns)
        domains = [word for name in names for word in ("--tls-domain", name)]
        server = world.server(
            adit, "--reverse", *domains, "--acme-url", url or ca.url, "--acme-ca-file",
            authority.cert, *flags, port=port or ca.tls_port,
            env={"CHISEL_LE_CACHE": world.path("cache"), "CHISEL_LE_EMAIL": "me@example.com",
                 "ADIT_ACME_HTTP_PORT": str(ca.http_port) if http else "0", **(env or {})})
        server.ca = ca
        if wait:
            for name in names:
                server.wait_log(rf"certificate of {name.replace('*', '.')}: issued", seconds=30)
        return server
    return start


def visit(world, server, name, port=None):
    """A page for a visitor that verifies the certificate."""
    port = port or server.port
    return world.curl("--cacert", server.ca.root_file, "--resolve",
                      f"{name}:{port}:127.0.0.1", f"https://{name}:{port}/health")


def test_a_certificate_comes_by_tls_alpn_01(world, edge):
    server = edge("a.example.com", http=False)
    assert visit(world, server, "a.example.com") == "OK\n"
    for name in ("a.example.com", "acme_account+key"):
        mode = stat.S_IMODE(os.stat(world.path(f"cache/{name}")).st_mode)
        assert mode == 0o600, name
    assert stat.S_IMODE(os.stat(world.path("cache")).st_mode) == 0o700


def test_a_certificate_comes_by_http_01(world, edge, authority, dns):
    ca = acme.Ca(world, authority, dns)
    server = edge("a.example.com", ca=ca, port=net.free_port())
    assert "trying another challenge" in server.log  # nothing is at the CA's TLS port
    assert visit(world, server, "a.example.com") == "OK\n"


@pytest.mark.parametrize("client_name", ["adit", "stock"])
def test_a_client_connects_by_the_name(world, edge, program, client_name):
    server = edge("a.example.com")
    target = world.serve()
    port = net.free_port()
    world.client(program(client_name), f"https://127.0.0.1:{server.port}",
                 f"R:127.0.0.1:{port}:127.0.0.1:{target.port}",
                 flags=["--tls-ca", server.ca.root_file, "--sni", "a.example.com"])
    net.wait_listening(port)
    assert net.echoes(port, b"x" * 300000)


def test_only_the_given_names_are_served(world, edge):
    server = edge("a.example.com", "b.example.com")
    for name in ("a.example.com", "b.example.com"):
        assert visit(world, server, name) == "OK\n"
    for more in (["-servername", "c.example.com"], ["-noservername"],
                 ["-servername", "a.example.com", "-alpn", "acme-tls/1"]):
        done = world.call(["openssl", "s_client", "-connect", f"127.0.0.1:{server.port}",
                           *more], text="")
        assert "unrecognized name" in done.stderr, more


def test_a_restart_uses_what_is_stored(world, edge):
    first = edge("a.example.com")
    serial = acme.served_serial(first.port, "a.example.com", first.ca.root_file)
    assert "created an account" in first.log
    assert first.stop() is None
    second = edge("a.example.com", "b.example.com", ca=first.ca, wait=False)
    second.wait_log(r"certificate of b\.example\.com: issued")
    assert "using the account" in second.log and "created an account" not in second.log
    assert "certificate of a.example.com: issued" not in second.log
    assert acme.served_serial(second.port, "a.example.com", first.ca.root_file) == serial


def test_without_a_cache_nothing_is_stored(world, edge):
    server = edge("a.example.com", env={"CHISEL_LE_CACHE": "-"})
    assert visit(world, server, "a.example.com") == "OK\n"
    assert "are not stored" in server.log
    assert not os.path.exists(world.path("cache"))


def test_a_cache_of_stock_chisel_is_used_on(world, edge, authority):
    cert, key = authority.issue("a.example.com", "DNS:a.example.com")
    os.mkdir(world.path("cache"), 0o700)
    with open(world.path("cache/a.example.com"), "w") as cached:
        for path in (key, cert):
            with open(path) as part:
                cached.write(part.read())
    server = edge("a.example.com", wait=False)
    acme.served_serial(server.port, "a.example.com", authority.cert)
    assert "issued" not in server.log


def test_half_of_the_nonces_may_be_bad(world, edge, authority, dns):
    ca = acme.Ca(world, authority, dns, env={"PEBBLE_WFE_NONCEREJECT": "50"})
    server = edge("a.example.com", "b.example.com", ca=ca)
    assert visit(world, server, "b.example.com") == "OK\n"


def test_a_slow_validation_is_waited_for(world, edge, authority, dns):
    ca = acme.Ca(world, authority, dns,
                 env={"PEBBLE_VA_NOSLEEP": "0", "PEBBLE_VA_SLEEPTIME": "4"})
    server = edge("a.example.com", ca=ca)
    assert visit(world, server, "a.example.com") == "OK\n"


def test_a_name_that_is_proved_already_is_not_proved_again(world, edge, authority, dns):
    ca = acme.Ca(world, authority, dns, env={"PEBBLE_AUTHZREUSE": "100"})
    server = edge("a.example.com", ca=ca)
    assert server.stop() is None
    os.unlink(world.path("cache/a.example.com"))
    again = edge("a.example.com", ca=ca, port=net.free_port(), http=False)
    assert visit(world, again, "a.example.com") == "OK\n"


def test_an_external_account_is_bound(world, edge, authority, dns):
    key = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"
    ca = acme.Ca(world, authority, dns, externalAccountBindingRequired=True,
                 externalAccountMACKeys={"kid-1": key})
    server = edge("a.example.com", ca=ca, env={"ADIT_ACME_EAB_KID": "kid-1",
                                               "ADIT_ACME_EAB_KEY": key})
    assert visit(world, server, "a.example.com") == "OK\n"


def test_a_missing_external_account_is_a_sentence(world, edge, authority, dns):
    ca = acme.Ca(world, authority, dns, externalAccountBindingRequired=True,
                 externalAccountMACKeys={"kid-1": "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajV"})
    server = edge("a.example.com", ca=ca, wait=False)
    line = server.wait_log("certificate of a.example.com: .*external account.*").group(0)
    assert "trying again in" in line
    assert server.is_running()


# ---- DNS-01 ----

HOOK = """#!/bin/sh
set -eu
echo "$@" >>{directory}/calls
case $1 in
present) echo "$3" >>"{directory}/$2" ;;
cleanup) sed -i "/^$3$/d" "{directory}/$2" ;;
esac
"""


@pytest.fixture
def hook(world, dns):
    path = world.write("hook", HOOK.format(directory=dns.directory))
    os.chmod(path, 0o755)
    return path


def test_a_wildcard_comes_by_dns_01(world, edge, dns, hook):
    server = edge("*.example.com", "example.com", flags=["--acme-dns-hook", hook])
    for name in ("any.example.com", "example.com"):
        assert visit(world, server, name) == "OK\n"
    server.wait_log("certificate of example.com: issued")
    with open(os.path.join(dns.directory, "calls")) as f:
        calls = [line.split() for line in f]
    assert sorted({c[0] for c in calls}) == ["cleanup", "present"]
    assert {c[1] for c in calls} == {"_acme-challenge.example.com"}
    assert dns.texts("_acme-challenge.example.com") == []
    assert os.path.exists(world.path("cache/+wildcard.example.com"))


def test_a_hook_that_fails_says_so(world, edge):
    path = world.write("hook", "#!/bin/sh\necho 'no such zone' >&2\nexit 3\n")
    os.chmod(path, 0o755)
    server = edge("*.example.com", flags=["--acme-dns-hook", path], wait=False)
    line = server.wait_log("certificate of .*example.com: .*trying again.*").group(0)
    assert "the DNS hook failed (present): exit status 3, no such zone" in line


# ---- failures ----

def test_a_validation_that_fails_says_what_to_do(world, edge, authority, dns):
    ca = acme.Ca(world, authority, dns)
    dns.address = "127.0.0.9"  # where nothing listens
    server = edge("a.example.com", ca=ca, wait=False)
    first = server.wait_log("certificate of a.example.com: .*trying another challenge").group(0)
    assert "port 443 of a.example.com" in first and "the CA says: " in first
    line = server.wait_log("certificate of a.example.com: .*trying again.*").group(0)
    assert "the CA cannot connect to port 80 of a.example.com" in line
    assert "open the port in all firewalls, and correct the A and AAAA records" in line
    assert "the CA says: " in line and "refused" in line
    assert "trying again in 5m" in line or "trying again in 6m" in line
    net.wait_listening(server.port, server)  # it goes on
    done = world.call(["openssl", "s_client", "-connect", f"127.0.0.1:{server.port}",
                       "-servername", "a.example.com"], text="")
    assert "unrecognized name" in done.stderr


def test_a_name_without_address_says_so(edge, dns):
    dns.hidden.add("a.example.com")
    server = edge("a.example.com", wait=False)
    line = server.wait_log("certificate of a.example.com: .*trying again.*").group(0)
    assert "A and AAAA records" in line or "A or AAAA record" in line


def test_an_operator_who_has_corrected_it_need_not_wait(world, edge, authority, dns):
    ca = acme.Ca(world, authority, dns)
    dns.hidden.add("a.example.com")
    server = edge("a.example.com", ca=ca, wait=False)
    server.wait_log("certificate of a.example.com: .*trying again")
    dns.hidden.clear()
    server.signal(signal.SIGHUP)
    server.wait_log("certificate of a.example.com: issued")
    assert visit(world, server, "a.example.com") == "OK\n"


def test_a_ca_that_is_away_is_waited_for(world, edge, authority, dns):
    ca = acme.Ca(world, authority, dns)
    ca.process.kill()
    server = edge("a.example.com", ca=ca, wait=False)
    line = server.wait_log("certificate of a.example.com: .*trying again.*").group(0)
    assert f"127.0.0.1:{ca.port}" in line
    assert server.is_running()


# ---- renewal ----

@pytest.mark.tsan
def test_a_renewal_cuts_no_connection(world, edge, authority, dns, adit):
    ca = acme.Ca(world, authority, dns)
    ari = acme.Ari(world, ca)
    server = edge("a.example.com", ca=ca, url=ari.url)
    wait_until(lambda: ari.asked, message="renewal info")
    target = world.serve()
    port = net.free_port()
    client = world.client(adit, f"https://127.0.0.1:{server.port}",
                          f"R:127.0.0.1:{port}:127.0.0.1:{target.port}",
                          flags=["--tls-ca", ca.root_file, "--sni", "a.example.com"])
    net.wait_listening(port)
    first = acme.served_serial(server.port, "a.example.com", ca.root_file)
    with net.connect(port) as visitor:
        visitor.sendall(b"before")
        assert net.read_exactly(visitor, 6) == b"before"
        ari.window = ("2020-01-01T00:00:00Z", "2020-01-02T00:00:00Z")
        server.signal(signal.SIGHUP)
        server.wait_log("certificate of a.example.com: issued", count=2)
        second = acme.served_serial(server.port, "a.example.com", ca.root_file)
        assert first != second
        visitor.sendall(b"after")
        assert net.read_exactly(visitor, 5) == b"after"
    assert client.log.count("Connected") == 1


def test_a_short_life_is_renewed_in_time(world, edge, authority, dns):
    ca = acme.Ca(world, authority, dns, certificateValidityPeriod=12)
    server = edge("a.example.com", ca=ca)
    first = acme.served_serial(server.port, "a.example.com", ca.root_file)
    server.wait_log("certificate of a.example.com: issued", count=2, seconds=20)
    assert acme.served_serial(server.port, "a.example.com", ca.root_file) != first


def test_client_certificates_do_not_keep_the_ca_out(world, edge, authority):
    visitor = authority.issue("visitor", None, usage="clientAuth")
    server = edge("a.example.com", flags=["--tls-ca", authority.cert], http=False)
    url = f"https://a.example.com:{server.port}/health"
    common = ["--cacert", server.ca.root_file, "--resolve",
              f"a.example.com:{server.port}:127.0.0.1"]
    assert world.curl(*common, "--cert", visitor[0], "--key", visitor[1], url) == "OK\n"
    done = world.call(["curl", "-sS", *common, url])
    assert done.returncode != 0


# ---- the example of a DNS hook ----

NSUPDATE = """#!/bin/sh
set -eu
[ "$1" = -k ] && [ -r "$2" ]
while read -r word verb name rest; do
	echo "$word $verb $name $rest" >>{directory}/updates
	case "$word $verb" in
	"update add") echo "$rest" | sed 's/.*"\\(.*\\)"/\\1/' >>"{directory}/${{name%.}}" ;;
	"update delete") rm "{directory}/${{name%.}}" ;;
	esac
done
"""

DIG = """#!/bin/sh
[ "$2" = NS ] && [ "$3" = example.com. ] && echo ns.example.com.
[ "$2" = TXT ] && [ "$4" = @ns.example.com. ] && sed 's/.*/"&"/' "{directory}/${{3%.}}"
true
"""


def test_the_example_of_a_hook_sets_records_with_nsupdate(world, edge, dns):
    hook = os.path.join(programs.ROOT, "packaging", "acme-dns-nsupdate")
    os.mkdir(world.path("bin"))
    for name, text in (("nsupdate", NSUPDATE), ("dig", DIG)):
        os.chmod(world.write(f"bin/{name}", text.format(directory=dns.directory)), 0o755)
    server = edge("*.example.com", flags=["--acme-dns-hook", hook],
                  env={"PATH": world.path("bin") + ":" + os.environ["PATH"],
                       "NSUPDATE_KEY": world.write("key", "secret"),
                       "NSUPDATE_SERVER": "127.0.0.53"})
    assert visit(world, server, "any.example.com") == "OK\n"
    with open(os.path.join(dns.directory, "updates")) as f:
        updates = f.read()
    assert "server 127.0.0.53" in updates
    assert "update add _acme-challenge.example.com. 60 TXT" in updates
    assert "update delete _acme-challenge.example.com. TXT" in updates
    assert dns.texts("_acme-challenge.example.com") == []
