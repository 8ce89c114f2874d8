"""The tests' own relays and clients understand each other: a quarrel is then adit's."""

import base64
import hashlib
import socket

import pytest
from lib import net
from lib import portal_visitor as visitor
from lib.portal_client import Client, Refused, algorithms_of, verify_signature
from lib.portal_relay import Relay, lease_certificate

ROOT = "relay.localhost"


@pytest.fixture
def relay(world, authority):
    return world.keep(Relay(lease_certificate(authority, ROOT), ROOT))


def test_a_visitor_reaches_a_client_through_a_relay_that_sees_no_plaintext(
        world, authority, relay):
    client = Client(relay.url)
    client.register_like_stock()
    world.keep(client.serve(net.echo, relay.certificate))
    for name in (client.hostname, client.identity.route_hostname(ROOT)):
        assert visitor.echoes(relay.sni.port, name, authority.cert, b"a secret of ours")
    assert b"a secret of ours" not in relay.carried and len(relay.carried) > 500


def test_large_transfers_and_half_closes_pass(world, authority, relay):
    client = Client(relay.url)
    client.register()
    world.keep(client.serve(net.answer_after_eof, relay.certificate))
    pattern = net.Pattern(4 << 20)
    with visitor.visit(relay.sni.port, client.hostname, authority.cert) as tls:
        pattern.send(tls)
        tls.shutdown(socket.SHUT_WR)
        assert net.read_all(tls).decode().split() == [str(4 << 20), pattern.digest()]


def test_a_relay_that_ends_tls_itself_reads_everything(world, authority, relay):
    relay.hostile = True
    client = Client(relay.url)
    client.register()
    world.keep(client.serve(net.echo, relay.certificate))
    assert visitor.echoes(relay.sni.port, client.hostname, authority.cert, b"not a secret")
    assert b"not a secret" in relay.intercepted


def test_a_tcp_port_carries_raw_bytes(world, relay):
    client = Client(relay.url)
    port = int(client.register(tcp_enabled=True)["tcp_addr"].rpartition(":")[2])
    world.keep(client.serve(net.echo))
    assert net.echoes(port, b"raw bytes")


def test_leases_are_renewed_and_forgotten(relay):
    client = Client(relay.api_url)
    client.register(ttl=10)
    client.renew()
    session = client.session()
    relay.forget()
    assert session.activation() == b""
    with pytest.raises(Refused) as refused:
        client.renew()
    assert refused.value.code == "unauthorized"


def test_signatures_verify(relay):
    client = Client(relay.url)
    client.register()
    digest = hashlib.sha256(b"text").digest()
    can, cannot = algorithms_of(client.chain())
    answer = client.sign(client.sign_question(can[0], digest))
    verify_signature(client.chain(), can[0], digest,
                     base64.b64decode(answer.json["signature"]))
    assert client.sign(client.sign_question(cannot[0], digest)).status == 400
