"""What a relay of adit's signs for its tenants, and what not; versions and suites of TLS."""

import base64
import os
import ssl
import time

import pytest
from conftest import need
from lib import net, pki, portal_hello, portal_relay
from lib.portal_client import Client, algorithms_of, verify_signature
from lib.portal_tls import Tls, client_context

KINDS = {"p256": ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"],
         "p384": ["ec", "-pkeyopt", "ec_paramgen_curve:P-384"], "rsa": ["rsa:2048"]}


@pytest.fixture(scope="session")
def pairs(tmp_path_factory):
    """{kind: (certificate, key)}, each its own authority."""
    directory = str(tmp_path_factory.mktemp("keys"))
    made = {}
    for kind, options in KINDS.items():
        paths = os.path.join(directory, kind + ".pem"), os.path.join(directory, kind + ".key")
        pki.openssl("req", "-x509", "-newkey", *options, "-nodes", "-out", paths[0], "-keyout",
                    paths[1], "-days", "2", "-subj", "/CN=relay.localhost", "-addext",
                    "subjectAltName=DNS:relay.localhost,DNS:*.relay.localhost")
        made[kind] = paths
    return made


@pytest.mark.parametrize("kind", KINDS)
def test_all_that_the_key_can_do_verifies_and_the_rest_is_refused(leases, pairs, kind):
    relay = leases.relay(certificate=pairs[kind])
    client = leases.client(relay)
    client.register()
    leaf = client.chain()
    can, cannot = algorithms_of(leaf)
    for algorithm in can:
        digest = os.urandom(int(algorithm[-3:]) // 8)
        answer = client.sign(client.sign_question(algorithm, digest))
        assert answer.status == 200, (algorithm, answer.body)
        assert answer.headers["content-type"] == "application/json"
        assert answer.json["key_id"] == "relay-cert" and answer.json["algorithm"] == algorithm
        verify_signature(leaf, algorithm, digest, base64.b64decode(answer.json["signature"]))
    for algorithm in [*cannot, "ED25519", "", "ecdsa_sha256", "ECDSA_SHA1"]:
        question = client.sign_question("ECDSA_SHA256", os.urandom(32), algorithm=algorithm)
        answer = client.sign(question)
        assert answer.status == 400 and isinstance(answer.json["error"], str), algorithm


@pytest.mark.parametrize("kind", KINDS)
def test_a_client_serves_with_any_kind_of_key(world, leases, pairs, kind):
    """Adit's and the Go client's TLS both end with a key that they never had."""
    relay = leases.relay(certificate=pairs[kind])
    relay.ca = pairs[kind][0]
    target = world.serve(net.echo)
    for who in ("adit", "peer"):
        leases.expose(who, relay, target.port, name="by-" + who)
        assert leases.echoes(relay, "by-" + who)


@pytest.fixture
def client(leases):
    client = leases.client(leases.relay())
    client.register()
    return client


@pytest.mark.parametrize("fields, status", [
    ({"key_id": "other"}, 403), ({"key_id": ""}, 403), ({"digest": "!!"}, 400),
    ({"digest": ""}, 400), ({"digest": base64.b64encode(bytes(31)).decode()}, 400),
    ({"digest": base64.b64encode(bytes(64)).decode()}, 400),
    ({"nonce": ""}, 400), ({"timestamp_unix": 0}, 400),
    ({"timestamp_unix": "now"}, 400), ({"algorithm": 5}, 400)])
def test_fields_that_are_wrong(client, fields, status):
    answer = client.sign(client.sign_question() | fields)
    assert answer.status == status and isinstance(answer.json["error"], str), answer.body


@pytest.mark.parametrize("skew, status", [(-25, 200), (25, 200), (-35, 400), (35, 400)])
def test_clocks_may_differ_by_half_a_minute(client, skew, status):
    question = client.sign_question(timestamp_unix=int(time.time()) + skew)
    assert client.sign(question).status == status


def test_forms_that_are_wrong(client):
    assert client.sign(raw=b"{").status == 400
    question = client.sign_question()
    assert client.sign(question, headers={"Content-Type": "text/plain"}).status == 415
    assert client.sign(question, headers={"Content-Type": "application/json; charset=utf-8"}
                       ).status == 200
    answer = client.ask("GET", "/v1/sign", headers={"X-Portal-Access-Token": client.token})
    assert answer.status == 405 and answer.headers["allow"] == "POST"
    big = client.sign(client.sign_question(filler="x" * 8000))
    assert big.status in (400, 413), big.body


def test_only_a_tenant_has_signatures(client):
    question = client.sign_question()
    answer = client.sign(question, token="not a token")
    assert (answer.status, answer.code) == (403, "unauthorized")
    client.unregister()
    answer = client.sign(question)
    assert 400 <= answer.status < 500 and answer.code in ("lease_not_found", "unauthorized")


def test_the_api_speaks_http11_and_new_tls_only(client):
    tls = Tls(net.connect(client.port), client_context(alpn=("h2", "http/1.1")),
              server_name=client.root)
    assert tls.object.selected_alpn_protocol() == "http/1.1"
    assert tls.object.version() == "TLSv1.3"


@pytest.mark.parametrize("options, is_good", [
    (["-tls1_3"], True), (["-tls1_1"], False), (["-tls1"], False),
    (["-tls1_2", "-cipher", "kRSA"], False), (["-tls1_2", "-cipher", "RC4:3DES:aNULL:eNULL"], False)],
    ids=lambda v: " ".join(v) if isinstance(v, list) else "")
@pytest.mark.parametrize("who", ["relay", "expose"])
def test_versions_and_suites(world, leases, who, options, is_good):
    relay = leases.relay()
    name = relay.root
    if who == "expose":
        leases.expose("adit", relay, world.serve(net.echo).port)
        name = f"demo.{relay.root}"
    config = world.write("openssl.cnf", "openssl_conf=a\n[a]\nssl_conf=b\n[b]\nsystem_default=c\n"
                         "[c]\nMinProtocol=TLSv1\nCipherString=ALL:@SECLEVEL=0\n")
    done = world.call([need("openssl"), "s_client", "-connect", f"127.0.0.1:{relay.sni_port}",
                       "-servername", name, "-CAfile", leases.ca, *options],
                      env={"OPENSSL_CONF": config}, text="")
    handshaken = "Cipher is (NONE)" not in done.stdout and "New, " in done.stdout
    assert handshaken == is_good, done.stdout + done.stderr


def test_a_new_certificate_is_used_without_cutting_connections(world, leases, authority):
    relay = leases.relay()
    client = leases.client(relay)
    client.register()
    before = client.chain().serial_number
    session = client.session()
    portal_relay.write_state(relay.state, portal_relay.lease_certificate(authority, relay.root))
    relay.process.signal(1)
    net.wait_until(lambda: client.chain().serial_number != before,
                   message="the new certificate being shown")
    leaf, digest = client.chain(), os.urandom(32)
    answer = client.sign(client.sign_question("ECDSA_SHA256", digest))
    verify_signature(leaf, "ECDSA_SHA256", digest, base64.b64decode(answer.json["signature"]))
    with net.connect(relay.sni_port) as s:
        s.sendall(portal_hello.record(portal_hello.message(client.hostname)))
        assert session.activation() == b"\x02"


def test_a_certificate_that_does_not_fit_changes_nothing(leases, authority):
    relay = leases.relay()
    before = Client(relay.url).chain().serial_number
    portal_relay.write_state(relay.state, authority.issue("elsewhere", "DNS:elsewhere.example"))
    relay.process.signal(1)
    relay.process.wait_log("certificate")
    assert Client(relay.url).chain().serial_number == before


def test_signing_is_bounded_for_each_lease(leases):
    relay = leases.relay("adit", "--sign-rate", "1")
    client, other = leases.client(relay), leases.client(relay, "other")
    client.register()
    other.register()
    statuses = [client.sign(client.sign_question()).status for _ in range(30)]
    assert statuses[0] == 200 and statuses[-1] != 200
    assert other.sign(other.sign_question()).status == 200


def test_no_verified_visitor_is_fooled_by_another_authority(leases, relay_of_another):
    with pytest.raises(ssl.SSLCertVerificationError):
        leases.echoes(relay_of_another)


@pytest.fixture
def relay_of_another(world, leases, pairs):
    relay = leases.relay(certificate=pairs["p256"])
    leases.expose("adit", relay, world.serve(net.echo).port)
    return relay
