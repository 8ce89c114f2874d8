"""Agents of a relay: enrolled with a token, listed, and revoked."""

import json
import os
import re
import subprocess

import pytest
from conftest import need
from lib.panel import api

DOMAIN = "tunnels.localhost"


@pytest.fixture
def relay(leases):
    return leases.relay("adit", "--domain", DOMAIN)


@pytest.fixture
def agent(program, relay):
    """Runs "adit relay agent ...": (status, output, errors)."""
    path = program("lease-adit-relay").argv[0]

    def run(*words):
        done = subprocess.run([path, "relay", "agent", *words, "--state-dir", relay.state],
                              capture_output=True, text=True, timeout=30, check=False)
        return done.returncode, done.stdout, done.stderr
    return run


def openssl(*words):
    return subprocess.run([need("openssl"), *words], capture_output=True, text=True, timeout=20,
                          check=True).stdout


@pytest.fixture
def csr(world):
    """Somebody else's program makes the key and the request."""
    key, request = world.path("agent.key"), world.path("agent.csr")
    openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
            "-keyout", key, "-out", request, "-subj", "/CN=pending")
    with open(request, encoding="ascii") as file:
        return file.read()


def test_a_machine_enrols_with_a_token_and_is_revoked(world, relay, agent, csr):
    status, out, err = agent("enroll", "nas", "--json")
    assert status == 0, err
    made = json.loads(out)
    assert re.fullmatch("[0-9a-f]{64}", made["token"])
    assert re.fullmatch(
        rf"adit agent setup --relay https://tunnel\.tunnels\.localhost:{relay.sni_port} "
        rf"--token {made['token']} --fingerprint [A-Za-z0-9+/=]+", made["command"])
    assert re.search(r"^nas +a token waits for it until 20", agent("list")[1], re.MULTILINE)
    status, answer = api(relay, "POST", "/enroll", {"token": made["token"], "csr": csr})
    assert status == 200 and answer["label"] == "nas"
    cert, ca = (world.write(name, answer[key])
                for name, key in (("agent.crt", "cert"), ("ca.crt", "caCert")))
    assert openssl("verify", "-purpose", "sslclient", "-CAfile", ca, cert).endswith(": OK\n")
    shown = openssl("x509", "-in", cert, "-noout", "-subject", "-serial", "-pubkey")
    assert "agent:nas" in shown and "serial=" + answer["serial"] in shown
    assert openssl("pkey", "-in", world.path("agent.key"), "-pubout") in shown
    assert api(relay, "POST", "/enroll", {"token": made["token"], "csr": csr})[0] == 401
    assert re.search(r"^nas +not connected +- +0  20", agent("list")[1], re.MULTILINE)
    assert agent("revoke", "nas")[:2] == (0, "nas: revoked\n")
    assert re.search(r"^nas +revoked ", agent("list")[1], re.MULTILINE)
    mode = os.stat(os.path.join(relay.state, "pki", "ca.key")).st_mode
    assert mode & 0o777 == 0o600
    relay.process.wait_log("panel: local administrator: revoke agent nas")


def test_an_agent_that_is_enrolled_survives_a_kill_of_the_relay(relay, agent, csr):
    token = json.loads(agent("enroll", "nas", "--json")[1])["token"]
    api(relay, "POST", "/tunnels", {"subdomain": "web", "port": 3000})
    ca = api(relay, "POST", "/enroll", {"token": token, "csr": csr})[1]["caCert"]
    relay.restart()
    listed = json.loads(agent("list", "--json")[1])["agents"]
    assert [(a["label"], a["tunnels"]) for a in listed] == [("nas", 1)]
    assert agent("revoke", "nas")[0] == 0
    token = json.loads(agent("enroll", "nas", "--json")[1])["token"]
    assert api(relay, "POST", "/enroll", {"token": token, "csr": csr})[1]["caCert"] == ca


@pytest.mark.parametrize("words, says", [
    (["enroll", "N A S"], "such as nas"),
    (["enroll", "nas", "--capabilities", "all"], "all is not a capability"),
    (["set", "nas"], "such as --capabilities tunnels:read"),
    (["revoke", "nas"], "no agent is enrolled as nas"),
    (["enrol", "nas"], "did you mean enroll?"),
])
def test_a_mistake_is_one_sentence(agent, words, says):
    status, out, err = agent(*words)
    assert status in (1, 2) and out == "" and says in err
    assert err.count("\n") == 1
