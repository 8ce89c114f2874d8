"""An agent keeps the tunnels and links of a config running."""

import collections
import json
import os
import signal

import pytest
from lib import net
from lib.agents import Agent, tunnel
from lib.process import wait_until


@pytest.fixture
def relay(leases):
    return leases.relay()


def served(leases, relay, name, text=b"hello"):
    from lib.portal_visitor import try_echo
    return try_echo(relay.sni_port, f"{name}.{relay.root}", relay.ca)


@pytest.mark.parametrize("kind", ["adit", "portal", "stock"])
@pytest.mark.parametrize("relay_kind", ["adit", "stock"])
def test_a_tunnel_is_served_and_unregistered_at_the_end(world, leases, kind, relay_kind):
    if kind == "stock" and relay_kind == "stock":
        pytest.skip("skipped: two stock programs prove nothing of adit")
    relay = leases.relay(relay_kind, url_port="api" if relay_kind == "stock" else "sni")
    app = world.serve()
    agent = Agent(world, kind, tunnel("web", relay.api_url if relay_kind == "stock" else relay,
                                      app.port, name="myapp"))
    agent.start()
    net.wait_until(lambda: served(leases, relay, "myapp"), 15, message="a visitor")
    agent.wait_state("web")
    agent.process.signal(signal.SIGTERM)
    assert agent.process.wait_exit(15) == 0
    assert not os.path.exists(os.path.join(agent.state, "agent-endpoint.json"))
    net.wait_until(lambda: not relay.is_alive(f"myapp.{relay.root}"), 5,
                   message="the lease ended")


def test_every_tunnel_of_a_config_is_served(world, leases, relay):
    apps = [world.serve() for _ in range(3)]
    agent = Agent(world, "adit", "".join(
        tunnel(f"t{i}", relay, app.port, name=f"app{i}") for i, app in enumerate(apps)))
    agent.start()
    for i in range(3):
        agent.wait_state(f"t{i}")
        assert leases.echoes(relay, f"app{i}")
    tunnels = agent.status()["tunnels"]
    assert {t["id"] for t in tunnels} == {"t0", "t1", "t2"}
    assert all(t["relays"][0]["rtt_ms"] > 0 for t in tunnels)


def test_a_second_agent_names_the_first(world, leases, relay):
    agent = Agent(world, "adit", tunnel("web", relay, 3000)).start()
    done = agent.call("run", "--foreground")
    assert done.returncode == 1
    assert f"process {agent.process.pid}" in done.stderr and agent.state in done.stderr
    assert agent.answers()


def test_the_state_directory_is_private(world, leases, relay):
    agent = Agent(world, "adit", tunnel("web", relay, 3000, name="myapp")).start()
    agent.wait_state("web")
    assert os.stat(agent.state).st_mode & 0o777 == 0o700
    for name in ["agent-endpoint.json", "identity.json", "agent.sock"]:
        assert os.stat(os.path.join(agent.state, name)).st_mode & 0o777 == 0o600, name


def test_an_identity_stays_over_restarts(world, leases, relay):
    app = world.serve()
    agent = Agent(world, "adit", tunnel("web", relay, app.port, name="myapp")).start()
    address = agent.wait_state("web")["address"]
    assert agent.call("stop").returncode == 0
    agent.start()
    assert agent.wait_state("web")["address"] == address
    assert agent.identity()["address"] == address


def test_a_second_tunnel_leaves_the_first_its_address(world, leases, relay):
    app = world.serve()
    first = tunnel("web", relay, app.port, name="myapp")
    agent = Agent(world, "adit", first).start()
    address = agent.wait_state("web")["address"]
    with leases.visit(relay, "myapp") as visitor:
        visitor.sendall(b"before")
        assert net.read_exactly(visitor, 6) == b"before"
        agent.write(first + tunnel("other", relay, app.port, name="other"))
        other = agent.wait_state("other")["address"]
        visitor.sendall(b"after")  # the first tunnel was not touched
        assert net.read_exactly(visitor, 5) == b"after"
    assert agent.tunnel("web")["address"] == address != other
    assert agent.identity("web")["address"] == address
    assert agent.identity("other")["address"] == other
    assert agent.process.log.count("public at https://myapp.") == 1
    # With one tunnel again, and after a restart, the folder stays in use.
    agent.write(first)
    net.wait_until(lambda: agent.tunnel("other") is None, message="the tunnel being removed")
    assert agent.call("stop").returncode == 0
    agent.start()
    assert agent.wait_state("web")["address"] == address


def test_a_stock_state_directory_is_taken_over(world, leases, relay):
    """Without a record of who uses identity.json, its name says so."""
    app = world.serve()
    one = tunnel("web", relay, app.port, name="myapp")
    stock = Agent(world, "stock", one).start()
    net.wait_until(lambda: served(leases, relay, "myapp"), 15, message="a visitor")
    address = stock.tunnel("web")["address"]
    stock.process.signal(signal.SIGTERM)
    stock.process.wait_exit(15)
    stock.kind = "portal"
    stock.write(tunnel("other", relay, app.port, name="other") + one)
    stock.start()
    assert stock.wait_state("web")["address"] == address
    assert stock.wait_state("other")["address"] != address


def test_an_edit_by_hand_is_live_and_touches_that_tunnel_only(world, leases, relay):
    old, new = world.serve(), world.serve(lambda s: s.sendall(b"new"))
    config = [tunnel(f"t{i}", relay, old.port, name=f"app{i}") for i in range(3)]
    agent = Agent(world, "adit", "".join(config)).start()
    for i in range(3):
        agent.wait_state(f"t{i}")
    visitors = [leases.visit(relay, f"app{i}") for i in range(3)]
    for v in visitors:
        v.sendall(b"one")
        assert net.read_exactly(v, 3) == b"one"
    config[1] = tunnel("t1", relay, new.port, name="app1")
    agent.write("".join(config))
    agent.process.wait_log("t1: changed: service", seconds=2)
    with leases.visit(relay, "app1") as v:
        assert net.read_exactly(v, 3) == b"new"
    for v in visitors:  # also that of the changed tunnel
        v.sendall(b"two")
        assert net.read_exactly(v, 3) == b"two"
        v.close()
    assert "t0: changed" not in agent.process.log and "t2: changed" not in agent.process.log


def test_a_broken_edit_changes_nothing_also_after_a_restart(world, leases, relay):
    app = world.serve()
    good = tunnel("web", relay, app.port, name="myapp")
    agent = Agent(world, "adit", good).start()
    agent.wait_state("web")
    agent.write(good + "[[tunnels]]\nid = ")
    agent.process.wait_log("a value is missing; the agent goes on as before", seconds=2)
    status = agent.status()
    assert "a value is missing" in status["config_error"] and ":13:6: " in status["config_error"]
    assert leases.echoes(relay, "myapp")
    for more in [[], ["--state-dir", agent.state]]:  # the file is right up to the mistake
        done = agent.call("status", *more)
        assert done.returncode == 1 and "config error, not used: " in done.stdout
    agent.process.kill()
    agent.start()
    agent.process.wait_log("starts with the last config that it has used")
    agent.wait_state("web")
    assert leases.echoes(relay, "myapp")
    agent.write(good)
    agent.process.wait_log("the config is used again", seconds=2)
    assert "config_error" not in agent.status()
    agent.write(good + "[[tunnels]]\nid = ")
    assert agent.call("stop").returncode == 0


def test_a_missing_config_is_an_error_with_its_path(world):
    agent = Agent(world, "adit", "")
    os.unlink(agent.config)
    for words in [["run", "--foreground"], ["status"], ["stop"]]:
        done = agent.call(*words)
        assert done.returncode == 1 and agent.config in done.stderr, (words, done.stderr)


def test_a_relay_that_comes_back_is_used_again(world, leases, relay):
    app = world.serve()
    agent = Agent(world, "adit", tunnel("web", relay, app.port, name="myapp")).start()
    agent.wait_state("web")
    relay.process.kill()
    broken = agent.wait_state("web", "error")
    assert broken["health"] == "down" and broken["last_error"] and broken["since"]
    relay.process = relay.again()
    net.wait_until(lambda: served(leases, relay, "myapp"), 8, message="a visitor again")
    agent.wait_state("web")


def test_an_agent_starts_before_its_relay(world, leases):
    relay = leases.relay()
    relay.process.kill()
    app = world.serve()
    agent = Agent(world, "adit", tunnel("web", relay, app.port, name="myapp")).start()
    agent.wait_state("web", "error")
    assert agent.call("status").returncode == 1
    relay.process = relay.again()
    done = agent.call("status", "--wait")
    assert done.returncode == 0 and "tunnel web: running" in done.stdout, done.stdout
    assert leases.echoes(relay, "myapp")


def test_a_name_that_becomes_free_is_taken(world, leases):
    relay = leases.relay("adit", "--name-grace", "0")
    app = world.serve()
    holder = leases.expose("adit", relay, app.port, name="myapp")
    agent = Agent(world, "adit", tunnel("web", relay, app.port, name="myapp")).start()
    broken = agent.wait_state("web", "error")
    assert "taken" in broken["last_error"]
    net.wait_until(lambda: agent.tunnel("web").get("next_try_at"), message="a plan to retry")
    leases.end(holder)
    net.wait_until(lambda: served(leases, relay, "myapp"), 60, message="the name")


def test_a_target_that_is_down_shows(world, leases, relay):
    app = world.serve()
    port = net.free_port()
    agent = Agent(world, "adit", tunnel("web", relay, port, name="myapp")).start()
    agent.wait_state("web")
    t = net.wait_until(lambda: agent.tunnel("web")["target_health"] == "down" and
                       agent.tunnel("web"), message="the target being down")
    assert t["health"] == "degraded" and "refused" in t["target_error"]
    done = agent.call("status")
    assert done.returncode == 1 and "the target does not respond" in done.stdout
    agent.write(tunnel("web", relay, app.port, name="myapp"))
    net.wait_until(lambda: agent.tunnel("web")["target_health"] == "ok", message="the target")
    assert agent.call("status").returncode == 0


def test_unsupported_features_are_an_error_of_their_tunnel_only(world, leases, relay):
    app = world.serve()
    agent = Agent(world, "adit", tunnel("web", relay, app.port, name="myapp") +
                  tunnel("datagrams", relay, app.port, name="udp", udp=True) +
                  tunnel("hops", relay, app.port, name="hops",
                         multi_hop=["https://a.example", "https://b.example"]))
    agent.start()
    agent.wait_state("web")
    assert "UDP through a relay is not supported yet" in agent.tunnel("datagrams")["last_error"]
    assert "several relays is not supported" in agent.tunnel("hops")["last_error"]
    assert agent.tunnel("hops")["state"] == agent.tunnel("datagrams")["state"] == "error"
    assert not relay.is_alive(f"udp.{relay.root}") and not relay.is_alive(f"hops.{relay.root}")


def test_tcp_ports_are_in_the_status(world, leases):
    relay = leases.relay(tcp=True)
    app = world.serve()
    agent = Agent(world, "adit", tunnel("ssh", relay, app.port, name="ssh", tcp=True)).start()
    t = agent.wait_state("ssh")
    host, _, port = t["relays"][0]["tcp_addr"].rpartition(":")
    assert host.endswith(relay.root) and net.echoes(int(port))


def test_routes_lead_to_their_upstreams(world, leases, relay):
    one = world.serve(lambda s: (s.recv(4096), s.sendall(
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\none")))
    agent = Agent(world, "adit", tunnel(
        "web", relay, None, name="myapp") + "[[tunnels.http_routes]]\nprefix = \"/\"\n"
        f"upstream = \"http://127.0.0.1:{one.port}\"\n").start()
    agent.wait_state("web")
    with leases.visit(relay, "myapp") as v:
        v.sendall(f"GET / HTTP/1.1\r\nHost: myapp.{relay.root}\r\nConnection: close\r\n\r\n"
                  .encode())
        assert net.read_all(v).endswith(b"one")
    assert agent.tunnel("web")["http_routes"] == [
        {"prefix": "/", "upstream": f"http://127.0.0.1:{one.port}"}]
    assert "target_addr" not in agent.tunnel("web")


# ---- links ----

def link(id, server, *remotes, **fields):
    pairs = {"id": id, "server": server.url, "remotes": list(remotes), **fields}
    return "[[links]]\n" + "".join(f"{k} = {json.dumps(v)}\n" for k, v in pairs.items())


@pytest.mark.parametrize("kind", ["adit", "stock"])
def test_a_link_is_kept_open(world, program, kind):
    server = world.server(program(kind), "--reverse", "--auth", "ann:secret")
    app = world.serve()
    port = net.free_port()
    password = world.write("password", "ann:secret\n")
    os.chmod(password, 0o600)
    agent = Agent(world, "adit", link("home", server, f"R:{port}:127.0.0.1:{app.port}",
                                      auth_file="password"))
    agent.start()
    net.wait_until(lambda: net.try_echo(port), 10, message="a visitor of the link")
    state = agent.status()["links"][0]
    assert (state["state"], state["health"]) == ("running", "ok")
    assert agent.call("status").returncode == 0
    server.kill()
    net.wait_until(lambda: agent.status()["links"][0]["state"] == "error", 10,
                   message="the link being down")
    server = world.server(program(kind), "--reverse", "--auth", "ann:secret", port=server.port)
    net.wait_until(lambda: net.try_echo(port), 10, message="a visitor again")


def test_links_and_tunnels_are_in_one_agent(world, leases, relay, program):
    server = world.server(program("adit"), "--reverse")
    app = world.serve()
    port = net.free_port()
    one = tunnel("web", relay, app.port, name="myapp")
    agent = Agent(world, "adit", one + link("home", server, f"R:{port}:127.0.0.1:{app.port}"))
    agent.start()
    agent.wait_state("web")
    net.wait_until(lambda: net.try_echo(port), 10, message="a visitor of the link")
    with net.connect(port) as visitor:
        visitor.sendall(b"one")
        assert net.read_exactly(visitor, 3) == b"one"
        agent.write(tunnel("web", relay, app.port, name="myapp", tags=["x"]) +
                    link("home", server, f"R:{port}:127.0.0.1:{app.port}"))
        agent.process.wait_log("web: changed: metadata")
        visitor.sendall(b"two")  # the link was not touched
        assert net.read_exactly(visitor, 3) == b"two"
    agent.write(one)
    net.wait_not_listening(port)
    assert leases.echoes(relay, "myapp")


def test_a_wrong_password_is_the_state_of_the_link(world, program):
    server = world.server(program("adit"), "--reverse", "--auth", "ann:secret")
    agent = Agent(world, "adit", link("home", server, "R:0:127.0.0.1:1", auth="ann:wrong"))
    agent.start()
    state = net.wait_until(lambda: agent.status()["links"][0].get("last_error") and
                           agent.status()["links"][0], message="the link's error")
    assert state["state"] == "error" and "wrong user or password" in state["last_error"]


def test_passwords_that_others_can_read_are_warned_about(world, program):
    server = world.server(program("adit"), "--reverse", "--auth", "ann:secret")
    text = link("home", server, "R:0:127.0.0.1:1", auth="ann:secret")
    agent = Agent(world, "adit", text)
    os.chmod(agent.config, 0o644)
    agent.start()
    agent.process.wait_log(f"every user of this machine can read the passwords in {agent.config}")
    os.chmod(agent.config, 0o600)
    agent.call("stop")
    log = len(agent.process.log)
    agent.start()
    net.wait_until(lambda: agent.status()["links"][0]["state"] == "running", message="the link")
    assert "every user" not in agent.process.log[log:]


# ---- commands ----

def test_stop_ends_the_agent_and_says_if_there_is_none(world, leases, relay):
    agent = Agent(world, "portal", tunnel("web", relay, 3000, name="myapp")).start()
    done = agent.call("stop")
    assert (done.returncode, done.stdout) == (0, "Portal agent stopped.\n")
    assert agent.process.wait_exit() == 0
    done = agent.call("stop")
    assert done.returncode == 1 and "no agent runs" in done.stderr


def test_status_tells_a_killed_agent_from_a_running_one(world, leases, relay):
    agent = Agent(world, "adit", tunnel("web", relay, 3000, name="myapp")).start()
    agent.process.kill()
    done = agent.call("status")
    assert done.returncode == 1 and "has ended" in done.stderr


def test_status_as_json_is_that_of_the_api(world, leases, relay):
    app = world.serve()
    agent = Agent(world, "adit", tunnel("web", relay, app.port, name="myapp")).start()
    agent.wait_state("web")
    done = agent.call("status", "--json")
    assert json.loads(done.stdout)["tunnels"][0]["id"] == "web"
    assert done.returncode in (0, 1)  # the target may not be known yet


def test_the_times_in_a_status_stay_while_nothing_happens(world, leases, relay):
    agent = Agent(world, "adit", tunnel("web", relay, 3000, name="myapp")).start()
    agent.wait_state("web")
    seen = collections.Counter(agent.tunnel("web")["since"] for _ in range(40))
    assert max(seen.values()) >= 36, seen  # but for a step of the machine's clock


def test_the_agent_leaves_no_descriptor_behind(world, leases, relay):
    app = world.serve()
    one = tunnel("web", relay, app.port, name="myapp")
    agent = Agent(world, "adit", one).start()
    agent.wait_state("web")
    net.wait_until(lambda: agent.tunnel("web")["target_health"] == "ok", message="the dial")

    def cycle():
        agent.write(one + tunnel("other", relay, app.port, name="other"))
        agent.wait_state("other")
        agent.write(one)
        net.wait_until(lambda: agent.tunnel("other") is None and
                       not relay.is_alive(f"other.{relay.root}"), message="its end")

    cycle()
    before = agent.process.descriptors()
    for _ in range(3):
        cycle()
    wait_until(lambda: agent.process.descriptors() <= before, message="as few descriptors")
