"""A password or a token for a tunnel, and the log of its requests."""

import base64

import pytest
from lib import net
from lib.agents import Agent, tunnel


def answer(s):
    """Says which headers a request had."""
    head = b""
    while b"\r\n\r\n" not in head:
        piece = s.recv(4096)
        if not piece:
            return
        head += piece
    s.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s"
              % (len(head), head))


def ask(leases, relay, path="/", **headers):
    lines = "".join(f"{k}: {v}\r\n" for k, v in headers.items())
    with leases.visit(relay, "myapp") as v:
        v.sendall(f"GET {path} HTTP/1.1\r\nHost: myapp.{relay.root}:{relay.sni_port}\r\n"
                  f"Connection: close\r\n{lines}\r\n".encode())
        text = net.read_all(v).decode()
    return int(text.split()[1]), text


def basic(text):
    return "Basic " + base64.b64encode(text.encode()).decode()


@pytest.fixture(params=["agent", "expose"])
def protected(request, world, leases):
    """A relay whose tunnel myapp wants ann's password, or a token."""
    relay = leases.relay()
    app = world.serve(answer)
    if request.param == "agent":
        agent = Agent(world, "adit", tunnel("web", relay, app.port, name="myapp") +
                      "[tunnels.access]\nbasic = \"ann:secret\"\nbearer = \"t0ken\"\n").start()
        agent.wait_state("web")
    else:
        leases.expose("adit", relay, app.port, "--access-basic", "ann:secret",
                      "--access-bearer", "t0ken", name="myapp")
    return relay


def test_a_tunnel_asks_for_a_password_or_a_token(leases, protected):
    status, text = ask(leases, protected)
    assert status == 401
    assert f'WWW-Authenticate: Basic realm="myapp.{protected.root}", charset="UTF-8"' in text
    assert ask(leases, protected, Authorization=basic("ann:wrong"))[0] == 401
    for good in [basic("ann:secret"), "Bearer t0ken"]:
        status, text = ask(leases, protected, Authorization=good)
        assert status == 200
        assert "uthorization" not in text  # it is not the service's
        assert f"Host: myapp.{protected.root}" in text  # as a target gets it without access


def test_access_changes_while_visitors_stay(world, leases):
    relay = leases.relay()
    app = world.serve(answer)
    agent = Agent(world, "adit", tunnel("web", relay, app.port, name="myapp")).start()
    agent.wait_state("web")
    assert ask(leases, relay)[0] == 200
    agent.write(tunnel("web", relay, app.port, name="myapp") +
                "[tunnels.access]\nbearer = \"t0ken\"\n")
    agent.process.wait_log("web: changed: service")
    assert ask(leases, relay)[0] == 401
    assert ask(leases, relay, Authorization="Bearer t0ken")[0] == 200


def test_a_wrong_credential_is_a_mistake_of_the_config(world):
    agent = Agent(world, "adit", "[[tunnels]]\ntarget = \"3000\"\naccess = { basic = \"ann\" }\n")
    done = agent.call("check")
    assert done.returncode == 1
    assert "basic: it has no name or no colon; write name:password" in done.stderr


def test_requests_to_routes_are_logged_without_their_query(world, leases):
    relay = leases.relay()
    app = world.serve(answer)
    client = leases.expose("adit", relay, None, "--http-route", f"/app=127.0.0.1:{app.port}",
                           name="myapp")
    assert ask(leases, relay, "/app/x?secret=1")[0] == 200
    assert ask(leases, relay, "/other")[0] == 404
    client.wait_log(r"GET /app/x 200$")
    client.wait_log(r"GET /other 404$")
    assert "secret" not in client.log
