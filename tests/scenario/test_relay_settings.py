"""The settings of a relay: the example is right, and mistakes are one sentence with their place."""

import os
import re
import signal
import tomllib

from lib import net, portal_hello, portal_relay

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
EXAMPLE = os.path.join(ROOT, "packaging", "relay.toml.example")


def uncommented():
    with open(EXAMPLE, encoding="utf-8") as example:
        return re.sub(r"^# ([a-z_]+ = )", r"\1", example.read(), flags=re.MULTILINE)


def ask(world, adit, *args):
    """No relay serves from there, so settings that are right end in status 1."""
    where = ["--identity-path", world.path("nowhere")]
    return world.call([*adit.argv, "relay", "status", *where, *args], seconds=20)


def test_the_example_is_right_as_it_is(world, adit):
    done = ask(world, adit, "--config", EXAMPLE)
    assert done.returncode == 1 and "no relay serves" in done.stderr


def test_the_example_is_right_with_everything_in_it(world, adit, tmp_path):
    (tmp_path / "relay.toml").write_text(uncommented())
    done = ask(world, adit, "--config", str(tmp_path / "relay.toml"))
    assert done.returncode == 1 and "no relay serves" in done.stderr


def test_the_example_has_every_setting(world, adit):
    told = world.call([*adit.argv, "relay", "run", "--help"], seconds=10).stdout
    flags = set(re.findall(r"^  --([a-z0-9-]+)", told, re.MULTILINE))
    credentials = {flag for flag in flags if re.match("aws-|gcp-|cloudflare-", flag)}
    keys = set(re.findall(r"^([a-z_]+) = ", uncommented(), re.MULTILINE))
    assert {flag.replace("-", "_") for flag in flags - credentials - {"config"}} == keys


def test_the_example_has_every_default(world, adit):
    """Of the others there is none, or one that says nothing."""
    told = world.call([*adit.argv, "relay", "run", "--help"], seconds=10).stdout
    example = tomllib.loads(uncommented())
    rows = re.findall(r"^  --([a-z0-9-]+)\b(?:(?!\n  -).)*?\(default\s+([^)]*)\)", told,
                      re.MULTILINE | re.DOTALL)
    for flag, default in rows:
        value = example[flag.replace("-", "_")]
        shown = ",".join(value) if isinstance(value, list) else str(value)
        assert shown == default or flag in ("portal-url", "min-port", "max-port"), flag


def test_a_mistake_names_its_place(world, adit, tmp_path):
    path = tmp_path / "relay.toml"
    path.write_text('portal_url = "https://r.example"\n\napi_prot = 1\n')
    for command in ("run", "status"):
        done = world.call([*adit.argv, "relay", command, "--config", str(path)], seconds=10)
        assert done.returncode == 2
        assert done.stderr == (f"adit relay {command}: {path}:3:1: unknown key "
                               '"api_prot"; did you mean api_port?\n')


def test_a_variable_that_makes_no_sense_stops_it(world, adit):
    done = world.call(["env", "SNI_PORT=https", *adit.argv, "relay", "run"], seconds=10)
    assert done.returncode == 2
    assert done.stderr == ("adit relay run: SNI_PORT takes a port from 0 to 65535, "
                           'not "https"\n')


def test_unsupported_features_are_refused_with_a_message(world, adit):
    done = world.call([*adit.argv, "relay", "run", "--acme-dns-provider", "route53"],
                      seconds=10)
    assert done.returncode == 2 and "not supported yet" in done.stderr


def test_a_world_readable_state_directory_is_logged(world, adit, tmp_path):
    state = tmp_path / "state"
    state.mkdir()
    state.chmod(0o777)
    relay = world.run("relay", [*adit.argv, "relay", "run", "--identity-path", str(state),
                                "--portal-url", "https://relay.example.com", "--host",
                                "127.0.0.1", "--api-port", "0", "--sni-port", "0"])
    relay.wait_log("writable by other users: chmod 700 it")
    relay.graceful = True


def test_a_relay_waits_for_its_certificate(leases, world, adit):
    state, root = world.path("state"), "relay.example.com"
    relay = world.run("relay", [*adit.argv, "relay", "run", "--identity-path", state,
                                "--portal-url", f"https://{root}", "--host", "127.0.0.1",
                                "--api-port", "0", "--sni-port", "0"])
    relay.graceful = True
    relay.wait_log("there is no certificate: put one for .*; waiting for it")
    relay.signal(signal.SIGHUP)
    certificate = leases.certificate(root)
    portal_relay.write_state(state + "-new", certificate)
    for name in ("fullchain.pem", "privatekey.pem"):
        assert "Listening" not in relay.log
        os.replace(f"{state}-new/{name}", f"{state}/{name}")
        relay.wait_log("still waiting" if name == "fullchain.pem" else "Listening on .*visitors")
        relay.signal(signal.SIGHUP)
    assert relay.log.count("there is no certificate") == 1
    assert relay.log.count("still waiting") == 1
    port = int(relay.wait_log(r"Listening on 127.0.0.1:(\d+) for the API").group(1))
    assert world.curl("--cacert", leases.ca, "--resolve", f"{root}:{port}:127.0.0.1",
                      f"https://{root}:{port}/healthz")


def test_a_relay_that_waits_ends_in_order(world, adit):
    relay = world.run("relay", [*adit.argv, "relay", "run", "--identity-path",
                                world.path("state"), "--portal-url",
                                "https://relay.example.com"])
    relay.wait_log("waiting for it")
    relay.signal(signal.SIGTERM)
    assert relay.wait_exit(5) == 0


def test_a_state_directory_has_one_relay(leases, world, adit):
    first = leases.relay()
    argv = [*adit.argv, "relay", "run", "--identity-path", first.state, "--host", "127.0.0.1",
            "--portal-url", f"https://{first.root}", "--api-port", "0", "--sni-port", "0"]
    done = world.call(argv, seconds=10)
    assert done.returncode == 1 and "is in use by another adit" in done.stderr
    first.restart()


def test_a_reload_takes_what_it_can_and_nothing_that_is_wrong(leases, world, tmp_path):
    path = tmp_path / "relay.toml"
    path.write_text("sign_rate = 1000\n")
    relay = leases.relay("adit", "--config", str(path))
    client = leases.client(relay)
    client.register()
    session = client.session()

    path.write_text("sign_rate = 1\nworkers = many\n")
    relay.process.signal(signal.SIGHUP)
    relay.process.wait_log(rf"settings: reload failed, keeping the previous ones: {path}:2:11: ")
    assert [client.sign(client.sign_question()).status for _ in range(20)] == [200] * 20

    path.write_text(f'sign_rate = 1\nmetrics = "127.0.0.1:{net.free_port()}"\n')
    relay.process.signal(signal.SIGHUP)
    relay.process.wait_log("settings: a change of metrics takes effect after a restart")
    relay.process.wait_log("settings: reloaded")
    assert [client.sign(client.sign_question()).status for _ in range(20)][-1] == 429
    with net.connect(relay.sni_port) as s:
        s.sendall(portal_hello.record(portal_hello.message(client.hostname)))
        assert session.activation() == b"\x02"
