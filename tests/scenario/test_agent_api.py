"""Every request of the agent's control API, and its answer: adit and a stock agent alike, but
for the rows that say why adit answers otherwise."""

import datetime
import json
import os
import re

import pytest
from conftest import World
from lib import portal_crypto
from lib.agents import Agent, tunnel
from lib.http import ask as ask_bytes

KINDS = ["adit", "stock"]
DEAD = "https://relay.localhost:1"  # nothing listens there
V1 = "/v1/agent/"
WEB = V1 + "tunnels/web"
MAX_RELAYS = "max_active_relays must be a positive integer"


class Row:
    """A request, with the token, and its answer: a status, a code, and the message or None."""

    def __init__(self, method, path, body, status, code, message, **headers):
        self.method, self.path, self.body, self.headers = method, path, body, headers
        self.status, self.code, self.message = status, code, message

    def name(self):
        body = "" if self.body is None else " " + self.body[:40]
        return re.sub(r"[^!-~]+", " ", f"{self.method} {self.path}{body}")


def bad(method, path, body, message, **headers):
    return Row(method, path, body, 400, "invalid_request", message, **headers)


def no_json(method, path, body, message=None):
    return Row(method, path, body, 400, "invalid_json", message)


def missing(method, path):
    return Row(method, path, None, 404, "not_found", "not found")


def other_method(method, path):
    return Row(method, path, None, 405, "method_not_allowed", "method not allowed")


def text(**members):
    return json.dumps(members)


REFUSED = [
    # Methods and paths.
    other_method("POST", V1 + "status"),
    other_method("PUT", V1 + "status"),
    other_method("GET", V1 + "tunnels"),
    other_method("GET", WEB),
    other_method("POST", WEB),
    other_method("GET", WEB + "/relays"),
    other_method("GET", WEB + "/multi-hop"),
    other_method("GET", V1 + "shutdown"),
    missing("GET", "/"),
    missing("GET", "/v1/agent"),
    missing("GET", V1 + "bogus"),
    missing("GET", V1 + "status/"),
    missing("GET", "/v1/agent//status"),
    missing("GET", "/v1/agent/x/../status"),
    missing("DELETE", WEB + "/"),
    missing("DELETE", WEB + "/bogus"),
    missing("DELETE", WEB + "/relays/"),
    missing("DELETE", V1 + "tunnels/a%2Fb"),
    missing("GET", V1 + "auth/bogus"),
    bad("GET", V1 + "tunnels/", None, "invalid tunnel id"),
    bad("DELETE", V1 + "tunnels/%20", None, "invalid tunnel id"),
    # Bodies.
    no_json("POST", V1 + "tunnels", None, "EOF"),
    no_json("POST", V1 + "tunnels", "", "EOF"),
    no_json("POST", V1 + "tunnels", "{bad"),
    no_json("POST", V1 + "tunnels", "[]"),
    no_json("POST", V1 + "tunnels", '{"name":5}'),
    no_json("POST", V1 + "tunnels", '{"name":"x","relays":"https://a.example"}'),
    no_json("PATCH", WEB, None, "EOF"),
    no_json("PATCH", WEB, '{"max_active_relays":"2"}'),
    no_json("PATCH", WEB, '{"max_active_relays":1.0}'),
    no_json("PATCH", WEB, '{"metadata":[]}'),
    no_json("PATCH", WEB, '{"metadata":{"tags":"one"}}'),
    no_json("POST", WEB + "/relays", "5"),
    no_json("DELETE", WEB + "/relays", None, "EOF"),
    no_json("POST", WEB + "/multi-hop", '{"relays":5}'),
    # A new tunnel.
    bad("POST", V1 + "tunnels", "null", "tunnel name is required"),
    bad("POST", V1 + "tunnels", "{}", "tunnel name is required"),
    bad("POST", V1 + "tunnels", '{"name":"  "}', "tunnel name is required"),
    bad("POST", V1 + "tunnels", text(name="x", relays=["http://a.example"]),
        'relay url must use https: "http://a.example"'),
    bad("POST", V1 + "tunnels", text(name="web"), 'tunnel "web" already exists'),
    bad("POST", V1 + "tunnels", text(id="web", name="other"), 'tunnel "web" already exists'),
    bad("POST", V1 + "tunnels", text(id="a/b"), "tunnel id contains invalid character '/'"),
    bad("POST", V1 + "tunnels", text(id="x 8"), "tunnel id contains invalid character ' '"),
    bad("POST", V1 + "tunnels", text(id=".."), 'tunnel id cannot be ".."'),
    bad("POST", V1 + "tunnels", text(name="***"), "tunnel name is required"),
    # Changes.
    bad("PATCH", WEB, "{}", "tunnel update requires at least one field"),
    bad("PATCH", WEB, '{"metadata":{}}', "tunnel update requires at least one field"),
    bad("PATCH", WEB, '{"metadata":{"owner":null,"bogus":1}}',
        "tunnel update requires at least one field"),
    bad("PATCH", WEB, '{"metadata":null,"max_active_relays":null}',
        "tunnel update requires at least one field"),
    bad("PATCH", WEB, "null", "tunnel update requires at least one field"),
    bad("PATCH", WEB, '{"colour":"red"}', "tunnel update requires at least one field"),
    bad("PATCH", WEB, '{"max_active_relays":0}', MAX_RELAYS),
    bad("PATCH", WEB, '{"max_active_relays":-1}', MAX_RELAYS),
    *[bad(method, V1 + "tunnels/nope" + path, body, 'tunnel "nope" not found')
      for method, path, body in [
          ("PATCH", "", '{"max_active_relays":2}'), ("DELETE", "", None),
          ("POST", "/relays", text(relay_url=DEAD)), ("DELETE", "/relays", text(relay_url=DEAD)),
          ("POST", "/multi-hop", text(relays=["https://a.example", "https://b.example"])),
          ("DELETE", "/multi-hop", None)]],
    # Relays.
    bad("POST", WEB + "/relays", "{}", "relay url is empty"),
    bad("DELETE", WEB + "/relays", "{}", "relay url is empty"),
    bad("POST", WEB + "/relays", text(relay_url="http://a.example"),
        'relay url must use https: "http://a.example"'),
    Row("POST", WEB + "/relays", text(relay_url="::::"), 400, "invalid_request", None),
    Row("DELETE", WEB + "/relays", text(relay_url="::::"), 400, "invalid_request", None),
    # Routes through several relays.
    bad("POST", WEB + "/multi-hop", text(relays=[DEAD]),
        "multi-hop requires at least entry and exit relay urls"),
    bad("POST", WEB + "/multi-hop", text(relays=[DEAD, DEAD]), "multi-hop relay url repeated"),
    bad("POST", V1 + "tunnels/tcp/multi-hop", text(relays=[DEAD, "https://b.example"]),
        'tunnel "tcp" multi-hop supports only the default stream transport'),
]


@pytest.fixture(scope="module")
def still_agents(tmp_path_factory, program):
    """Agents that all rows of refusals share, by kind, for such a row changes nothing."""
    world = World(str(tmp_path_factory.mktemp("still")))
    agents = {}

    def get(kind):
        if kind == "stock":
            program("lease-stock")
        if kind not in agents:
            agents[kind] = Agent(world, kind, tunnel("web", DEAD, 3000) +
                                 tunnel("tcp", DEAD, 3001, tcp=True), name=kind).start()
        return agents[kind]

    yield get
    complaints = world.end()
    if complaints:
        pytest.fail("; ".join(complaints), pytrace=False)


@pytest.fixture
def still(still_agents):
    return still_agents


def check(agent, row, token=True):
    before = agent.read()
    status, headers, answer = agent.raw(row.method, row.path, row.body, row.headers, token)
    assert status == row.status, answer
    assert headers["Content-Type"] == "application/json"
    error = json.loads(answer)
    assert answer.startswith('{"error":{"code":') and error["ok"] is False
    assert error["error"]["code"] == row.code, answer
    if row.message is not None:
        assert error["error"]["message"] == row.message
    assert agent.read() == before


@pytest.mark.parametrize("kind", ["adit", "portal", "stock"])
@pytest.mark.parametrize("row", REFUSED, ids=Row.name)
def test_a_request_is_refused_with(still, kind, row):
    check(still(kind), row)


# What adit refuses, and a stock agent accepts without an effect, or with a bad one.
REFUSED_BY_ADIT = [
    # A target that nothing can be sent to would be a tunnel in state "running".
    bad("POST", V1 + "tunnels", text(name="x", target_addr="nonsense nonsense"), None),
    bad("POST", V1 + "tunnels", text(name="x", target_addr="127.0.0.1:99999"), None),
    bad("POST", V1 + "tunnels", text(name="x", target_addr="ftp://127.0.0.1:21"), None),
    bad("POST", V1 + "tunnels", text(id="x", name="!!"), None),
    bad("POST", V1 + "tunnels", text(name="y" * 70), None),
    # Nothing is known of this relay, so there is nothing to disconnect.
    bad("DELETE", WEB + "/relays", text(relay_url="https://unknown.example"),
        "relay https://unknown.example is not one of this tunnel's"),
    # A route that cannot be built would close the direct sessions.
    bad("POST", WEB + "/multi-hop", text(relays=["https://a.example", "https://b.example"]),
        "multi-hop: publishing through several relays is not supported yet"),
    # Adit's own members.
    bad("PATCH", WEB, text(target="no where"), None),
    bad("PATCH", WEB, text(name="!!"), None),
    bad("PATCH", WEB, text(relays=["http://a.example"]), None),
    bad("PATCH", WEB, text(http_routes=[{"prefix": "/", "upstream": "http://127.0.0.1:1"}]),
        "a tunnel has a target or http_routes, not both: send one of them empty"),
    bad("PATCH", WEB, text(target="", http_routes=[{"prefix": "api", "upstream": "http://[::1]"}]),
        None),
    bad("PATCH", WEB, text(target="", http_routes=[{"prefix": "/"}]), None),
    bad("PATCH", WEB, text(target=""), "a tunnel has a target or http_routes"),
    bad("PATCH", WEB, text(metadata={"description": "x"}, target="ftp://x"), None),
    bad("POST", V1 + "tunnels/restore", None, "no tunnel was removed"),
    # Names that are made to resolve to this machine, and pages of other sites.
    Row("GET", V1 + "status", None, 403, "unauthorized", None, Host="evil.example"),
    Row("GET", V1 + "status", None, 403, "unauthorized", None, Origin="https://evil.example"),
    Row("OPTIONS", V1 + "status", None, 403, "unauthorized", None, Origin="null"),
    Row("POST", V1 + "auth/challenge", text(address="0x" + "1" * 40), 403, "unauthorized", None,
        Host="evil.example:80"),
]


@pytest.mark.parametrize("kind", ["adit", "portal"])
@pytest.mark.parametrize("row", REFUSED_BY_ADIT, ids=Row.name)
def test_adit_refuses_besides(still, kind, row):
    check(still(kind), row)


@pytest.mark.parametrize("kind", KINDS)
def test_a_malformed_escape_is_refused(still, kind):
    assert still(kind).raw("DELETE", V1 + "tunnels/%zz")[0] == 400


@pytest.mark.parametrize("kind", KINDS)
def test_a_long_body_is_refused_and_ends_the_connection(still, kind):
    status, headers, answer = still(kind).raw("POST", V1 + "tunnels", text(name="x" * 9000))
    assert (status, headers["Connection"]) == (400, "close")
    assert json.loads(answer)["error"] == {"code": "invalid_json",
                                           "message": "http: request body too large"}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("path", [V1 + "status", V1 + "shutdown", V1 + "auth/bogus", "/", "/x"])
@pytest.mark.parametrize("credential", [None, "Bearer wrong", "Bearer", "Basic eDp5", "bearer {}",
                                        "Bearer {}x", "{}"])
def test_a_request_without_the_token_is_refused(still, kind, path, credential):
    agent = still(kind)
    headers = {}
    if credential is not None:
        headers["Authorization"] = credential.format(agent.endpoint()["token"])
    check(agent, Row("GET", path, None, 401, "unauthorized", "unauthorized", **headers),
          token=False)


@pytest.mark.parametrize("kind", KINDS)
def test_white_space_around_the_token_is_accepted(still, kind):
    agent = still(kind)
    headers = {"Authorization": "Bearer    " + agent.endpoint()["token"] + "  "}
    assert agent.ask("GET", "status", headers=headers, token=False)[0] == 200


def test_head_answers_as_get_without_a_body(still):
    """405 in a stock agent; RFC 9110, 9.1, wants it with GET."""
    agent = still("adit")
    port = int(agent.endpoint()["control_addr"].rpartition(":")[2])
    answer = ask_bytes(port, "HEAD /v1/agent/status HTTP/1.1\nHost: localhost\n"
                       f"Authorization: Bearer {agent.endpoint()['token']}", method="HEAD")
    assert answer.status == 200 and int(answer.header("Content-Length")) > 100 and not answer.body


def test_names_of_this_machine_are_accepted_as_host(still):
    agent = still("adit")
    for host in ["localhost", "LOCALHOST:4018", "127.0.0.1", "127.9.9.9:1", "[::1]:4018"]:
        assert agent.ask("GET", "status", headers={"Host": host})[0] == 200, host


def test_the_page_of_its_own_address_is_accepted_as_origin(still):
    agent = still("adit")
    at = agent.endpoint()["control_addr"]
    assert agent.ask("GET", "status", headers={"Origin": "http://" + at})[0] == 200
    assert agent.ask("GET", "status", headers={"Origin": "http://localhost:1"})[0] == 403


# ---- the status ----

@pytest.mark.parametrize("kind", KINDS)
def test_a_status_without_tunnels_has_the_agent_only(world, program, kind):
    if kind == "stock":
        program("lease-stock")
    agent = Agent(world, kind, "").start()
    status, headers, answer = agent.raw("GET", V1 + "status")
    assert (status, headers["Content-Type"]) == (200, "application/json")
    assert answer.startswith('{"data":{') and answer.endswith("\n")
    data = json.loads(answer)["data"]
    assert data["config_path"] == agent.config
    assert data["control_addr"] == agent.endpoint()["control_addr"]
    assert "tunnels" not in data and "wallet_address" not in data
    assert os.stat(os.path.join(agent.state, "agent-endpoint.json")).st_mode & 0o777 == 0o600


def test_the_token_has_128_random_bits(still):
    assert re.fullmatch(r"agent_[0-9a-f]{32,}", still("adit").endpoint()["token"])


TUNNEL_ALWAYS = {"id": str, "state": str, "metadata": dict}
RELAY_ALWAYS = {"relay_url": str, "connecting": bool, "bootstrap": bool, "banned": bool,
                "supports_overlay": bool, "supports_udp": bool, "supports_tcp": bool}


@pytest.mark.parametrize("kind", KINDS)
def test_the_fields_of_the_status(world, leases, program, kind):
    if kind == "stock":
        program("lease-stock")
    relay = leases.relay()
    app = world.serve()
    agent = Agent(world, kind, tunnel(
        "web", [relay.url, DEAD], app.port, name="My-App", description="Managed", tags=["a"],
        hide=True) + tunnel("empty", relay, app.port)).start()
    leases.wait_alive(relay, f"my-app.{relay.root}")
    tunnels = agent.status()["tunnels"]
    assert [t["id"] for t in tunnels] == ["empty", "web"]  # sorted
    for t in tunnels:
        for key, kind_of in TUNNEL_ALWAYS.items():
            assert isinstance(t[key], kind_of), (key, t)
        for r in t["relays"]:
            for key, kind_of in RELAY_ALWAYS.items():
                assert isinstance(r[key], kind_of), (key, r)
    empty, web = tunnels
    assert empty["metadata"] == {} and "multi_hop" not in empty
    assert web["metadata"] == {"description": "Managed", "tags": ["a"], "hide": True}
    assert web["name"] == "My-App" and re.fullmatch(r"0x[0-9a-fA-F]{40}", web["address"])
    assert web["target_addr"] == f"127.0.0.1:{app.port}" and web["max_active_relays"] == 3
    # Adit says what is wrong with the other relay.
    assert ("last_error" in web) == (kind == "adit") and web["state"] == "running"
    one, other = web["relays"]  # with a public URL first
    assert one["public_url"] == f"https://my-app.{relay.root}:{relay.sni_port}"
    assert (one["relay_url"], one["explicit"], one["connecting"]) == (relay.url, True, False)
    assert one["bootstrap"] is True and one["version"]
    assert (other["relay_url"], other["connecting"]) == (DEAD, True)
    assert "public_url" not in other


# ---- wallets ----

@pytest.fixture(scope="module")
def wallet():
    return portal_crypto.Identity("wallet")


@pytest.fixture(scope="module")
def stranger():
    return portal_crypto.Identity("stranger")


def challenge(agent, address):
    return agent.ask("POST", "auth/challenge", {"address": address}, token=False)


def login(agent, id, message, signature):
    body = {"challenge_id": id, "siwe_message": message, "siwe_signature": signature}
    return agent.raw("POST", V1 + "auth/login", json.dumps(body), token=False)


def sign_in(agent, wallet):
    """The cookie of a new session."""
    status, answer = challenge(agent, wallet.address)
    assert status == 201, answer
    data = answer["data"]
    status, headers, body = login(agent, data["challenge_id"], data["siwe_message"],
                                  wallet.sign_personal(data["siwe_message"]))
    assert (status, json.loads(body)["data"]) == (200, {"wallet_address": wallet.address})
    return headers["Set-Cookie"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("address,message", [
    (None, "address is required"), ("", "address is required"), ("  ", "address is required"),
    ("0x12", "address must be 20 bytes"),
    ("0x52908400098527886e0F7030069857D2E4169EE7", "address checksum is invalid")])
def test_a_malformed_wallet_is_refused(still, kind, address, message):
    check(still(kind), bad("POST", V1 + "auth/challenge",
                           text() if address is None else text(address=address), message),
          token=False)


@pytest.mark.parametrize("kind", KINDS)
def test_a_wallet_signs_in_reads_and_signs_out(still, kind, wallet):
    agent = still(kind)
    cookie = sign_in(agent, wallet)
    assert re.fullmatch(r"portal_agent=was_[0-9a-f]{16,}; Path=/v1/agent; Max-Age=86400; "
                        r"HttpOnly; Secure; SameSite=Strict", cookie)
    session = {"Cookie": "other=1; " + cookie.partition(";")[0]}
    status, answer = agent.ask("GET", "status", headers=session, token=False)
    assert status == 200 and answer["data"]["wallet_address"] == wallet.address
    assert answer["data"]["tunnels"]
    # Beside a token, too.
    assert agent.ask("GET", "status", headers=session)[1]["data"]["wallet_address"]
    assert agent.ask("GET", "auth/status", headers=session, token=False) == (
        200, {"data": {"authenticated": True, "wallet_address": wallet.address}, "ok": True})
    status, headers, body = agent.raw("POST", V1 + "auth/logout", headers=session, token=False)
    assert (status, body.strip()) == (200, '{"data":{},"ok":true}')
    assert headers["Set-Cookie"] == ("portal_agent=; Path=/v1/agent; Max-Age=0; HttpOnly; "
                                     "Secure; SameSite=Strict")
    assert agent.ask("GET", "auth/status", headers=session, token=False) == (
        200, {"data": {"authenticated": False}, "ok": True})
    assert agent.ask("GET", "status", headers=session, token=False)[0] == 401


@pytest.mark.parametrize("kind", KINDS)
def test_a_wallet_may_read_the_status_only(still, kind, wallet):
    agent = still(kind)
    session = {"Cookie": sign_in(agent, wallet).partition(";")[0]}
    before = agent.read()
    for method, path, body in [("POST", "shutdown", None), ("POST", "tunnels", {"name": "x"}),
                               ("PATCH", "tunnels/web", {"max_active_relays": 2}),
                               ("DELETE", "tunnels/web", None),
                               ("POST", "tunnels/web/relays", {"relay_url": DEAD}),
                               ("DELETE", "tunnels/web/multi-hop", None),
                               ("GET", "bogus", None), ("GET", "log", None)]:
        assert agent.ask(method, path, body, headers=session, token=False)[0] == 401, path
    assert agent.ask("POST", "status", headers=session, token=False)[0] == 405
    assert agent.read() == before and agent.answers()


@pytest.mark.parametrize("kind", KINDS)
def test_a_challenge_names_the_agent_and_lives_for_two_minutes(still, kind, wallet):
    status, answer = challenge(still(kind), wallet.address)
    data = answer["data"]
    assert status == 201 and set(data) == {"challenge_id", "expires_at", "siwe_message"}
    assert re.fullmatch(r"wac_[0-9a-f]{16,}", data["challenge_id"])
    until = datetime.datetime.fromisoformat(
        re.sub(r"(\.\d{1,6})?\d*Z$", lambda m: (m[1] or "") + "+00:00", data["expires_at"]))
    left = (until - datetime.datetime.now(datetime.timezone.utc)).total_seconds()
    assert 110 < left <= 120
    assert wallet.address in data["siwe_message"]
    assert re.search(r"Expiration Time: \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", data["siwe_message"])


@pytest.mark.parametrize("kind", KINDS)
def test_a_challenge_is_for_its_wallet_its_text_and_one_sign_in(still, kind, wallet, stranger):
    agent = still(kind)
    data = challenge(agent, wallet.address)[1]["data"]
    id, message = data["challenge_id"], data["siwe_message"]
    good = wallet.sign_personal(message)
    unknown, wrong = "wallet auth challenge not found", "wallet auth signature is invalid"
    for words, expected in [
            (("", "", ""), unknown), (("wac_0123456789abcdef", message, good), unknown),
            ((id, message, stranger.sign_personal(message)), wrong),
            ((id, message + "x", wallet.sign_personal(message + "x")), wrong),
            ((id, message, "0x" + "00" * 65), wrong), ((id, message, "nonsense"), wrong)]:
        status, _, body = login(agent, *words)
        assert (status, json.loads(body)["error"]["message"]) == (401, expected), words
        assert json.loads(body)["error"]["code"] == "unauthorized"
    # Still good: a challenge ends with a success only.
    assert login(agent, id, message, good)[0] == 200
    status, _, body = login(agent, id, message, good)
    assert (status, json.loads(body)["error"]["message"]) == (401, unknown)


def test_a_short_signature_is_refused(still, wallet):
    """A stock agent panics, and ends the connection without an answer."""
    agent = still("adit")
    data = challenge(agent, wallet.address)[1]["data"]
    for signature in ["0x1234", "0x", "", "0x" + "12" * 64]:
        status, _, body = login(agent, data["challenge_id"], data["siwe_message"], signature)
        assert status == 401 and json.loads(body)["error"]["code"] == "unauthorized", signature


@pytest.mark.parametrize("kind", KINDS)
def test_only_allowed_wallets_sign_in(world, program, kind, wallet, stranger):
    if kind == "stock":
        program("lease-stock")
    agent = Agent(world, kind, "", allowed_wallets=[wallet.address.lower()]).start()
    status, answer = challenge(agent, stranger.address)
    assert (status, answer["error"]) == (403, {"code": "unauthorized",
                                               "message": "wallet is not allowed"})
    session = {"Cookie": sign_in(agent, wallet).partition(";")[0]}
    assert agent.ask("GET", "status", headers=session, token=False)[0] == 200


def test_a_wallet_that_is_not_allowed_any_more_is_signed_out(world, wallet, stranger):
    agent = Agent(world, "adit", "", allowed_wallets=[wallet.address]).start()
    session = {"Cookie": sign_in(agent, wallet).partition(";")[0]}
    agent.head = agent.head.replace(wallet.address, stranger.address)
    agent.write("")
    agent.process.wait_log("the config has changed")
    assert agent.ask("GET", "status", headers=session, token=False)[0] == 401
    sign_in(agent, stranger)
