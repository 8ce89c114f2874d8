"""
The contract of portal agent, its sections Local Control API and Agent Wallet Access, through a
link named portal. test_contract_agent.py has the other sections.
"""

import http.server
import json
import os
import re
import stat
import threading

import pytest

from lib import net
from lib.agents import Agent, tunnel
from lib.portal_crypto import Identity

HOPS = ["https://entry.example.com", "https://exit.example.com"]


@pytest.fixture
def relay(leases):
    return leases.relay()


@pytest.fixture
def start(world):
    """Starts portal agent run --foreground with tunnels."""
    def begin(*tunnels, **agent):
        return Agent(world, "portal", "".join(tunnels), **agent).start()
    return begin


# ---- Local Control API ----

def test_the_endpoint_file_is_there_while_the_agent_runs(start, relay):
    """It contains the loopback control address and a random bearer token."""
    agent = start(tunnel("web", relay, 3000))
    path = os.path.join(agent.state, "agent-endpoint.json")
    first = agent.endpoint()
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert re.fullmatch(r"127\.0\.0\.1:\d+", first["control_addr"])
    assert len(first["token"]) >= 32  # 128 bits at least
    agent.process.stop()
    assert not os.path.exists(path)
    agent.start()
    assert agent.endpoint()["token"] != first["token"]


class Recorder(http.server.BaseHTTPRequestHandler):
    """An agent that remembers what it is asked."""

    def do_GET(self):
        self.server.asked.append((self.command, self.path, self.headers["Authorization"]))
        body = json.dumps({"data": {"control_addr": "x", "accepted": True}, "ok": True}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, *args):  # pylint: disable=arguments-differ
        pass


def test_commands_read_the_file_and_send_the_token(world):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Recorder)
    server.asked = []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    agent = Agent(world, "portal", "")
    os.mkdir(agent.state)
    with open(os.path.join(agent.state, "agent-endpoint.json"), "w", encoding="utf-8") as f:
        json.dump({"control_addr": f"127.0.0.1:{server.server_port}", "token": "agent_0123"}, f)
    try:
        agent.call("status")
    finally:
        server.shutdown()
        server.server_close()
    assert server.asked == [("GET", "/v1/agent/status", "Bearer agent_0123")]


@pytest.mark.parametrize("addr", ["0.0.0.0:4018", "192.0.2.1:4018", "portal.example.com:4018",
                                  "*:4018", "[::]:4018", "10.0.0.1:4018", "127.0.0.1",
                                  ":4018", "4018"])
def test_control_addr_that_is_not_loopback_is_refused(world, addr):
    agent = Agent(world, "portal", "", control_addr=addr)
    failed = agent.call("run", "--foreground")
    assert failed.returncode == 1
    assert "is not a loopback address and port; write 127.0.0.1:4018" in failed.stderr


@pytest.mark.parametrize("addr", ["127.0.0.1:0", "localhost:0", "LOCALHOST:0", "127.0.0.2:0",
                                  "[::1]:0"])
def test_control_addr_that_is_loopback_is_used(world, addr):
    if addr.startswith("[") and not net.has_ipv6():
        pytest.skip("skipped: no IPv6")
    agent = Agent(world, "portal", "", control_addr=addr).start()
    assert agent.status()["control_addr"] == agent.endpoint()["control_addr"]


# The rows of the table: method, path, body; what is seen then.
ENDPOINTS = [
    ("GET", "status", None, None),
    ("POST", "shutdown", None, lambda a: not a.process.is_running()),
    ("POST", "tunnels", {"name": "more", "target_addr": "127.0.0.1:3001"},
     lambda a: a.tunnel("more")),
    ("PATCH", "tunnels/web", {"metadata": {"owner": "Ann"}, "max_active_relays": 2},
     lambda a: a.tunnel("web")["metadata"].get("owner") == "Ann" and
     a.tunnel("web")["max_active_relays"] == 2),
    ("DELETE", "tunnels/web", None, lambda a: a.tunnel("web") is None),
    ("POST", "tunnels/web/relays", {"relay_url": "https://second.localhost:9"},
     lambda a: len(a.tunnel("web")["relays"]) == 2),
    ("DELETE", "tunnels/web/relays", "the relay",
     lambda a: not any(r.get("explicit") for r in a.tunnel("web").get("relays", []))),
    ("DELETE", "tunnels/web/multi-hop", None, lambda a: "multi_hop" not in a.tunnel("web")),
]


@pytest.mark.parametrize("method, path, body, seen", ENDPOINTS,
                         ids=[f"{row[0]}-{row[1].replace('/', '-')}" for row in ENDPOINTS])
def test_endpoint(start, relay, method, path, body, seen):
    """With the bearer token it is done; without it nothing is."""
    agent = start(tunnel("web", relay, 3000, name="myapp"))
    agent.wait_state("web")
    body = {"relay_url": relay.url} if body == "the relay" else body
    status, answer = agent.ask(method, path, body, token=False)
    assert (status, answer["ok"], answer["error"]["code"]) == (401, False, "unauthorized")
    status, answer = agent.ask(method, path, body)
    if seen is None:
        assert status == 200 and {"config_path", "control_addr"} <= set(answer["data"])
    else:
        assert (status, answer) == (202, {"data": {"accepted": True}, "ok": True})
        net.wait_until(lambda: seen(agent), 20, message=f"{method} {path}")


def test_endpoint_post_multi_hop_is_checked(start, relay):
    """Apply a multi-hop route: see NOT_YET in test_contract_agent.py."""
    agent = start(tunnel("web", relay, 3000, name="myapp"))
    agent.wait_state("web")
    status, answer = agent.ask("POST", "tunnels/web/multi-hop", {"relays": HOPS[:1]})
    assert (status, answer["error"]) == (400, {
        "code": "invalid_request",
        "message": "multi-hop requires at least entry and exit relay urls"})
    assert agent.tunnel("web")["state"] == "running"


def sign_in(agent, wallet):
    """(status, the cookie or None)."""
    status, answer = agent.ask("POST", "auth/challenge", {"address": wallet.address}, token=False)
    if status != 201:
        return status, None
    challenge = answer["data"]
    status, headers, _ = agent.raw("POST", "/v1/agent/auth/login", json.dumps({
        "challenge_id": challenge["challenge_id"], "siwe_message": challenge["siwe_message"],
        "siwe_signature": wallet.sign_personal(challenge["siwe_message"])}), token=False)
    return status, (headers["Set-Cookie"] or "").partition(";")[0] or None


def test_wallets_may_only_read_the_status(start, relay):
    agent = start(tunnel("web", relay, 3000, name="myapp"))
    wallet = Identity("wallet")
    status, cookie = sign_in(agent, wallet)
    assert status == 200 and cookie.startswith("portal_agent=")
    session = {"headers": {"Cookie": cookie}, "token": False}
    status, answer = agent.ask("GET", "status", **session)
    assert status == 200 and answer["data"]["wallet_address"] == wallet.address
    for method, path, body, seen in ENDPOINTS:
        if seen is None:
            continue
        sent = {"relay_url": relay.url} if body == "the relay" else body
        status, answer = agent.ask(method, path, sent, **session)
        assert (status, answer["error"]["code"]) == (401, "unauthorized"), (method, path)
    assert agent.tunnel("web")


def test_wallet_auth_endpoints_exist(start):
    agent = start()
    assert agent.ask("GET", "auth/status", token=False) == (
        200, {"data": {"authenticated": False}, "ok": True})
    assert agent.ask("POST", "auth/logout", token=False)[0] == 200
    assert agent.ask("POST", "auth/challenge", {}, token=False)[0] == 400
    assert agent.ask("POST", "auth/login", {}, token=False)[0] == 401


# ---- Agent Wallet Access ----

def test_allowed_wallets_restrict_the_status(start):
    allowed = Identity("allowed")
    agent = start(allowed_wallets=[allowed.address.lower()])
    assert sign_in(agent, allowed)[0] == 200
    assert sign_in(agent, Identity("other")) == (403, None)


def test_allowed_wallets_as_printed_are_accepted(world):
    agent = Agent(world, "portal", "",
                  allowed_wallets=["0x1234567890abcdef1234567890abcdef12345678"])
    assert agent.call("check").returncode == 0
    agent = Agent(world, "portal", "", allowed_wallets=["0x1234"])
    refused = agent.call("check")
    assert refused.returncode == 1 and "is not a wallet address" in refused.stderr


def test_without_allowed_wallets_any_wallet_can_sign_in(start):
    assert sign_in(start(), Identity("any"))[0] == 200
