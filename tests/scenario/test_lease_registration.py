"""What a relay of adit's answers to those who register, in its order: a client written
from the protocol's description alone does the asking."""

import json

import pytest
from lib import net
from lib.portal_client import Client, Refused
from lib.portal_crypto import Identity, hostname_hash


@pytest.fixture
def relay(leases):
    return leases.relay()


@pytest.fixture
def client(leases, relay):
    return leases.client(relay)


def refusal(call, *args, **options):
    with pytest.raises(Refused) as refused:
        call(*args, **options)
    return refused.value.status, refused.value.code


def test_the_domain_says_which_protocol(client):
    answer = client.ask("GET", "/sdk/domain")
    assert answer.status == 200 and answer.data["protocol_version"] == "7"
    assert answer.data["ens"]["enabled"] is False and answer.data["ens"]["verified"] is False
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["content-type"] == "application/json"
    assert answer.body.endswith(b"}\n")


def test_a_registration_gives_all_that_it_should(relay, client):
    challenge = client.challenge()
    assert challenge["challenge_id"].startswith("rch_") and len(challenge["challenge_id"]) == 20
    lines = challenge["siwe_message"].split("\n")
    host = client.authority
    assert lines[0] == f"{host} wants you to sign in with your Ethereum account:"
    assert lines[1:6] == [client.identity.address, "", "Register a portal lease", "",
                          f"URI: https://{host}/sdk/register"]
    assert lines[6:8] == ["Version: 1", "Chain ID: 1"]
    assert [line.partition(": ")[0] for line in lines[8:]] == [
        "Nonce", "Issued At", "Expiration Time", "Request ID"]
    assert lines[-1] == "Request ID: " + challenge["challenge_id"]
    lease = client.redeem(challenge)
    assert lease["identity"] == client.identity.message()
    assert lease["access_token"] and lease["sni_port"] == relay.sni_port
    assert "." not in lease["expires_at"]
    assert not lease.get("tcp_enabled") and not lease.get("udp_enabled")


def test_statuses_are_created_and_ok(client):
    body = {"identity": client.identity.message(), "ttl": 60}
    asked = client.ask("POST", "/sdk/register/challenge", body)
    assert asked.status == 201
    message = asked.data["siwe_message"]
    made = client.ask("POST", "/sdk/register", {
        "challenge_id": asked.data["challenge_id"], "siwe_message": f"  {message}\n",
        "siwe_signature": client.identity.sign_personal(message)})
    assert made.status == 201
    token = made.data["access_token"]
    renewed = client.ask("POST", "/sdk/renew", {"access_token": token})
    assert renewed.status == 200 and renewed.data["access_token"]
    # the old one is good until it expires
    assert client.ask("POST", "/sdk/unregister", {"access_token": token}).status == 200
    assert refusal(client.renew, access_token=token) == (404, "lease_not_found")


@pytest.mark.parametrize("fields, expected", [
    ({"identity": {"name": "", "address": None}}, (400, "invalid_request")),
    ({"identity": {"name": "a.b"}}, (201, "")),  # a run of others becomes a dash
    ({"identity": {"name": "-"}}, (400, "invalid_request")),
    ({"identity": {"name": "x" * 64}}, (400, "invalid_request")),
    ({"identity": {"address": "0x12"}}, (400, "invalid_request")),
    ({"identity": {"address": "not an address"}}, (400, "invalid_request")),
    ({"hop_token": "x"}, (503, "feature_unavailable")),
    ({"udp_enabled": True}, (503, "feature_unavailable")),
    ({"tcp_enabled": True}, (503, "feature_unavailable")),
    ({"ech_config_list": "AAA"}, (400, "invalid_request")),
    ({"ech_config_list": "A" * 6000}, (400, "invalid_request")),
    ({"route_hostname": "ech-a.relay.localhost", "ech_config_list": "AAIA"},
     (400, "invalid_request")),
    ({"hop_token": "x", "udp_enabled": True, "identity": {"name": "-"}},
     (503, "feature_unavailable")),  # in this order
    ({"udp_enabled": True, "ech_config_list": "AAA"}, (503, "feature_unavailable")),
    ({"unknown": [1, {"a": None}]}, (201, "")),
    ({"ttl": -1}, (201, "")), ({"ttl": 0}, (201, "")),
], ids=lambda v: json.dumps(v)[:50] if isinstance(v, dict) else "")
def test_what_a_challenge_is_refused_for(client, fields, expected):
    body = {"identity": client.identity.message(), "metadata": {}, "ttl": 120, **fields}
    body["identity"] = {**client.identity.message(), **fields.get("identity", {})}
    if body["identity"]["address"] is None:
        body["identity"]["address"] = ""
    answer = client.ask("POST", "/sdk/register/challenge", body)
    assert (answer.status, answer.code) == expected, answer.body


def test_an_address_in_one_case_is_taken_and_one_with_a_wrong_checksum_is_not(client):
    address = client.identity.address
    for text, status in ((address.lower(), 201), ("0x" + address[2:].upper(), 201),
                         (address[:-1] + "".join(address[-1].swapcase()), None)):
        identity = {"name": "demo", "address": text}
        answer = client.ask("POST", "/sdk/register/challenge", {"identity": identity})
        if status is None and text != address:
            status = 400
        assert answer.status == (status or 201), (text, answer.body)
        if answer.status == 201:
            assert address in answer.data["siwe_message"]


@pytest.mark.parametrize("raw", [b"", b"{", b"nonsense", b"{'a':1}", b"\xff\xfe"])
@pytest.mark.parametrize("path", ["/sdk/register/challenge", "/sdk/register", "/sdk/renew",
                                  "/sdk/unregister"])
def test_a_request_that_is_not_json_is_refused(client, path, raw):
    answer = client.ask("POST", path, raw=raw)
    assert (answer.status, answer.code) == (400, "invalid_json"), answer.body


@pytest.mark.parametrize("method, path", [
    ("GET", "/sdk/register"), ("GET", "/sdk/register/challenge"), ("PUT", "/sdk/renew"),
    ("GET", "/sdk/unregister"), ("POST", "/sdk/domain"), ("POST", "/sdk/connect")])
def test_wrong_methods(client, method, path):
    answer = client.ask(method, path, None if method == "GET" else {})
    assert (answer.status, answer.code) == (405, "method_not_allowed")


@pytest.mark.parametrize("path", ["/discovery", "/nothing", "/sdk", "/sdk/registerx",
                                  "/sdk/../x", "/admin/none"])
def test_unknown_paths_are_refused(client, path):
    assert client.ask("GET", path).status in (400, 401, 404)


def test_a_body_is_bounded(client):
    big = json.dumps({"identity": client.identity.message(), "x": "y" * (5 << 20)}).encode()
    try:
        answer = client.ask("POST", "/sdk/register/challenge", raw=big)
        assert 400 <= answer.status < 500
    except (OSError, EOFError):
        pass  # or it hangs up on who talks on
    assert client.domain()


def test_a_wrong_signature_burns_no_challenge_and_a_good_one_does(client):
    challenge = client.challenge()
    other = Identity("demo")
    message = challenge["siwe_message"]
    assert refusal(client.redeem, challenge, signature=other.sign_personal(message)) == (
        403, "unauthorized")
    for bad in ("0x", "0x00", "00" * 65, "0x" + "zz" * 65, "0x" + "11" * 66):
        assert refusal(client.redeem, challenge, signature=bad) == (403, "unauthorized"), bad
    assert refusal(client.redeem, challenge, message + "x", signature=client.identity
                   .sign_personal(message)) == (400, "invalid_request")
    client.redeem(challenge)
    assert refusal(client.redeem, challenge) == (400, "invalid_request")


def test_eight_wrong_signatures_burn_a_challenge(client):
    challenge = client.challenge()
    for bad in ("0x" + "00" * 65, "0x" + "ff" * 65) * 4:
        assert refusal(client.redeem, challenge, signature=bad) == (403, "unauthorized"), bad
    assert refusal(client.redeem, challenge) == (400, "invalid_request")
    client.redeem(client.challenge())


@pytest.mark.parametrize("v", [0, 27])
def test_every_way_to_write_a_signature_is_taken(client, v):
    message = client.challenge()
    text = message["siwe_message"]
    good = client.identity.sign_personal(text)
    flag = int(good[-2:], 16) - 27
    client.redeem(message, signature=good[:-2] + f"{flag + v:02x}")
    again = client.challenge()
    client.redeem(again, signature=client.identity.sign_personal(again["siwe_message"],
                                                                 low=False))


def test_pending_challenges_of_one_address_are_bounded(client):
    for _ in range(32):
        client.challenge()
    assert refusal(client.challenge) == (429, "rate_limited")


@pytest.mark.parametrize("fields, expected", [
    ({"route_hostname": "ech-x.elsewhere.localhost"}, (400, "invalid_request")),
    ({"route_hostname": "a.b.relay.localhost"}, (400, "invalid_request")),
    ({"route_hostname": "relay.localhost"}, (400, "invalid_request")),
    ({"hostname_hash": hostname_hash("demo.relay.localhost")}, None),
    ({"route_hostname": "ech-x.relay.localhost", "hostname_hash": "wrong"},
     (400, "invalid_request")),
    ({"ech_config_list": "AAEA"}, None),  # without a route hostname
])
def test_route_hostnames_are_checked_when_the_challenge_is_redeemed(client, fields, expected):
    status, code = refusal(client.register, **fields)
    assert expected in (None, (status, code)) and 400 <= status < 500


def test_another_identity_gets_no_name_that_is_taken(leases, relay, client):
    client.register()
    other = leases.client(relay)
    assert refusal(other.register) == (409, "hostname_conflict")
    assert refusal(other.register_like_stock) == (409, "hostname_conflict")
    third = leases.client(relay, "third")
    assert refusal(third.register, route_hostname=client.hostname,
                   hostname_hash=hostname_hash(third.hostname)) == (409, "hostname_conflict")
    client.unregister()
    other.register()


def test_the_hash_of_a_lease_is_a_name_that_is_taken(leases, relay, client):
    client.register_like_stock()
    assert refusal(leases.client(relay).register) == (409, "hostname_conflict")


def test_the_same_identity_replaces_its_lease(world, leases, relay, client):
    target = world.serve(net.echo)
    client.register()
    world.keep(client.serve(lambda s: net.splice(s, net.connect(target.port)),
                            leases.certificate()))
    with leases.visit(relay) as running:
        running.sendall(b"before")
        assert net.read_exactly(running, 6) == b"before"
        again = leases.client(relay, identity=client.identity)
        again.register()
        session = again.session()
        running.sendall(b"goes on")
        assert net.read_exactly(running, 7) == b"goes on"
    assert session.keepalives == 0


def test_replacing_closes_the_sessions_that_wait(leases, relay, client):
    client.register()
    session = client.session()
    leases.client(relay, identity=client.identity).register()
    assert session.activation(10) == b""


def test_a_lease_ends_when_its_time_is_over(client, relay):
    client.register(ttl=1)
    session = client.session()
    assert session.activation(15) == b""
    assert refusal(client.session)[0] in (403, 404)
    assert not relay.is_alive(client.hostname)


def test_a_lease_that_is_renewed_does_not(client):
    client.register(ttl=2)
    session = client.session()
    for _ in range(4):
        net.wait_quietly(1)
        client.renew(ttl=2)
    client.renew(ttl=60)
    assert client.session()
    assert session.rest == b""


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "eyJhbGciOiJub25lIn0.e30.", "x" * 1000])
def test_bad_tokens(client, token):
    client.register()
    for path in ("/sdk/renew", "/sdk/unregister"):
        answer = client.ask("POST", path, {"access_token": token})
        assert (answer.status, answer.code) == (403, "unauthorized"), (path, answer.body)
    assert refusal(client.session, token or "none") == (403, "unauthorized")


def test_a_token_as_long_as_a_book_is_refused(client):
    answer = client.ask("POST", "/sdk/renew", {"access_token": "x" * 20000})
    assert answer.status in (400, 403)


def test_a_token_of_another_relay_is_none(leases, client):
    other = leases.client(leases.relay())
    other.register()
    client.register()
    assert refusal(client.renew, access_token=other.token) == (403, "unauthorized")


def test_the_status_of_a_tunnel(client, relay):
    hostname = client.hostname
    path = "/tunnel/status?hostname=" + hostname
    assert relay.ask(path).data == {"hostname": hostname, "registered": False,
                                    "service_alive": False}
    client.register()
    assert relay.ask(path).data["registered"] is True
    session = client.session()
    net.wait_until(lambda: relay.is_alive(hostname))
    session.close()
    net.wait_until(lambda: not relay.is_alive(hostname), message="a dead session being noticed")


def test_the_list_of_tunnels_shows_only_what_is_public(leases, relay, client):
    client.register(metadata={"description": "seen <by> all"})
    hidden = leases.client(relay, "hidden")
    hidden.register(metadata={"hide": True})
    session = client.session(), hidden.session()
    page = Client(relay.url).ask("GET", "/").body.decode()
    assert client.hostname in page and hidden.hostname not in page
    assert "seen <by> all" not in page
    assert session


def test_a_tcp_port_stays_with_its_name(leases):
    relay = leases.relay(tcp=True)
    client = leases.client(relay)
    first = client.register(tcp_enabled=True)
    assert first["tcp_enabled"] is True and first["tcp_addr"].startswith(relay.root + ":")
    client.unregister()
    other = leases.client(relay, "other")
    assert other.register(tcp_enabled=True)["tcp_addr"] != first["tcp_addr"]
    assert client.register(tcp_enabled=True)["tcp_addr"] == first["tcp_addr"]
    assert refusal(client.register, tcp_enabled=True, route_hostname="ech-a.relay.localhost"
                   ) == (409, "transport_mismatch")
