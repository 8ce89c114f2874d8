"""The description of the agent's API, and whether the agent is as it says: schemathesis asks."""

import json
import re

import pytest
from lib import hosts, net
from lib.agents import Agent, tunnel
from test_api_description import examine, operations, schemathesis  # noqa: F401


class Offline(Agent):
    """No server of names answers: hosts are made up here."""

    def argv(self, *words):
        if hosts.why_not():
            pytest.skip(hosts.why_not())
        return [*hosts.no_resolver(self.world.path("resolv.conf")), *super().argv(*words)]


@pytest.fixture
def agent(world):
    app = world.serve()
    return Offline(world, "adit", tunnel("web", "https://relay.localhost:1", app.port)).start()


@pytest.fixture
def description(agent):
    status, headers, answer = agent.raw("GET", "/v1/agent/openapi.json")
    assert status == 200 and headers["Content-Type"] == "application/json"
    return json.loads(answer)


def test_every_operation_says_who_may_call_it(description):
    found = {(path, method): operation["x-authority"]
             for path, method, operation in operations(description)}
    assert found["/v1/agent/status", "get"] == "reader"
    assert found["/metrics", "get"] == "scraper"
    assert {path for (path, _), authority in found.items() if authority == "anyone"} == {
        "/v1/agent/auth/" + word for word in ["challenge", "login", "logout", "status"]}
    assert all(authority == "bearer" for (path, method), authority in found.items()
               if path not in ("/v1/agent/status", "/metrics") and "/auth/" not in path)


def test_all_operations_of_portal_are_described(description):
    theirs = {(path, method) for path, method, operation in operations(description)
              if not operation["x-own"]}
    assert theirs == {(f"/v1/agent/{path}", method) for path, method in [
        ("status", "get"), ("shutdown", "post"), ("tunnels", "post"),
        ("tunnels/{part1}", "patch"), ("tunnels/{part1}", "delete"),
        ("tunnels/{part1}/relays", "post"), ("tunnels/{part1}/relays", "delete"),
        ("tunnels/{part1}/multi-hop", "post"), ("tunnels/{part1}/multi-hop", "delete"),
        ("auth/challenge", "post"), ("auth/login", "post"), ("auth/logout", "post"),
        ("auth/status", "get")]}


def test_only_the_token_reads_it(agent):
    assert agent.ask("GET", "openapi.json", token=False)[0] == 401


def test_the_agent_is_as_described(agent, description, examine):  # noqa: F811
    url = "http://" + agent.endpoint()["control_addr"]
    token = ["-H", "Authorization: Bearer " + agent.endpoint()["token"]]
    examine(url, *token, "--exclude-path-regex", "^/v1/agent/shutdown$")
    # Wrong input: of our own operations only, for stock programs take more than they describe.
    own = [path for path, _, operation in operations(description)
           if operation["x-own"] and (operation["parameters"] or "requestBody" in operation)]
    examine(url, *token, "--include-path-regex", "^(" + "|".join(map(re.escape, own)) + ")$",
            checks="negative_data_rejection", mode="negative")
    # A tunnel that was there before works as before.
    agent.do("PATCH", "tunnels/web", {"max_active_relays": 2})
    net.wait_until(agent.answers, message="the agent's answer")
