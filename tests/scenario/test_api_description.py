"""The description of the relay's API, and whether the relay is as it says: schemathesis asks."""

import fcntl
import http.client
import json
import os
import re
import socket
import subprocess
import sys
import threading

import pytest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
VENV = os.path.join(TOP, "build", "schemathesis")
CHECKS = "not_a_server_error,response_schema_conformance,content_type_conformance"

# The protocol has this status for what a relay does not do.
CONFIG = """
[checks.not_a_server_error]
expected-statuses = ["2xx", "3xx", "4xx", "503"]
"""


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost")
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)


@pytest.fixture
def relay(leases):
    return leases.relay("adit", tcp=True)


@pytest.fixture
def description(relay):
    connection = UnixConnection(relay.state + "/admin.sock")
    connection.request("GET", "/admin/openapi.json")
    answer = connection.getresponse()
    assert answer.status == 200 and answer.getheader("Content-Type") == "application/json"
    return json.load(answer)


@pytest.fixture
def schemathesis():
    """The program, from PyPI; the tests that want it are skipped if that is out of reach."""
    path = os.path.join(VENV, "bin", "schemathesis")
    os.makedirs(os.path.dirname(VENV), exist_ok=True)
    with open(VENV + ".lock", "w") as lock:  # tests that run at the same time install it once
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.exists(path):
            subprocess.run([sys.executable, "-m", "venv", VENV], check=False, timeout=120)
            subprocess.run([os.path.join(VENV, "bin", "pip"), "install", "-q", "--retries", "1",
                            "schemathesis>=4.32,<5"], check=False, timeout=300)
    if not os.path.exists(path):
        pytest.skip("skipped: schemathesis is not there, and PyPI is out of reach")
    return path


def copy(source, sink):
    try:
        while chunk := source.recv(65536):
            sink.sendall(chunk)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass


@pytest.fixture
def admin_url(relay):
    """The admin socket as a port of loopback."""
    listener = socket.create_server(("127.0.0.1", 0))
    pairs = []

    def serve():
        while True:
            try:
                client = listener.accept()[0]
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX)
            server.connect(relay.state + "/admin.sock")
            pairs.append((client, server))
            for a, b in ((client, server), (server, client)):
                threading.Thread(target=copy, args=(a, b), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    for pair in pairs:
        for s in pair:
            s.close()


@pytest.fixture
def examine(schemathesis, description, tmp_path):
    schema = tmp_path / "openapi.json"
    config = tmp_path / "schemathesis.toml"
    schema.write_text(json.dumps(description))
    config.write_text(CONFIG)

    def run(url, *options, checks=CHECKS, mode="all"):
        done = subprocess.run(
            [schemathesis, "--config-file", str(config), "run", str(schema), "--url", url,
             "--checks", checks, "--mode", mode, "--phases", "coverage,fuzzing",
             "--max-examples", "20", "--seed", "1", "--tls-verify", "false",
             "--request-timeout", "20", "--warnings", "off", *options],
            capture_output=True, text=True, timeout=300, check=False, cwd=tmp_path)
        assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]

    return run


def operations(description):
    for path, item in description["paths"].items():
        for method, operation in item.items():
            yield path, method, operation


def test_every_operation_says_who_may_call_it(description):
    found = {(path, method): operation["x-authority"]
             for path, method, operation in operations(description)}
    assert found["/sdk/connect", "get"] == "session"
    assert found["/v1/sign", "post"] == "signature"
    assert found["/healthz", "get"] == "anyone"
    assert found["/admin/snapshot", "get"] == "administrator"
    assert all(found.values())
    open_to_all = {"/admin/auth/status", "/admin/auth/challenge", "/admin/auth/login",
                   "/admin/logout"}
    assert {path for (path, _), authority in found.items()
            if path.startswith("/admin/") and authority != "administrator"} == open_to_all


def test_only_administrators_read_it(relay):
    assert relay.ask("/admin/openapi.json").status == 401


def test_bounds_of_fields_are_described(description):
    body = description["paths"]["/sdk/register"]["post"]["requestBody"]
    fields = body["content"]["application/json"]["schema"]["properties"]
    assert fields["challenge_id"]["type"] == "string"
    assert fields["challenge_id"]["maxLength"] > 0
    assert re.fullmatch(r"\d\.\d\.\d", description["openapi"])


def test_answers_of_administrators_operations_are_described(description):
    def fields(path):
        answer = description["paths"][path]["get"]["responses"]["200"]
        return answer["content"]["application/json"]["schema"]["properties"]["data"]["properties"]

    assert fields("/admin/snapshot")["leases"]["items"]["properties"]["BPS"]["type"] == "integer"
    assert fields("/admin/status")["tcp"]["nullable"]
    assert fields("/admin/status")["metrics"]["properties"]["adit_relay_leases"]["minimum"] == 0
    assert fields("/admin/policy")["banned_networks"]["items"] == {"type": "string"}
    assert fields("/admin/policy")["identities"]["items"]["properties"]["banned"]["type"] == "boolean"


def test_the_relay_is_as_described(relay, examine):
    examine(f"https://127.0.0.1:{relay.api_port}", "--exclude-path-regex", "^/(admin/|sdk/connect)")


def test_it_is_as_described_for_administrators(admin_url, description, examine):
    examine(admin_url, "--include-path-regex", "^/admin/")
    # Wrong input: of our own operations only, for stock programs take more than they describe.
    own = [path for path, _, operation in operations(description)
           if operation["x-own"] and (operation["parameters"] or "requestBody" in operation)]
    if own:
        examine(admin_url, "--include-path-regex", "^(" + "|".join(map(re.escape, own)) + ")$",
                checks="negative_data_rejection", mode="negative")
