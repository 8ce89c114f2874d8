"""What docs/agent.md, the README and the example of a config say about the agent is so."""

import errno
import json
import os
import re
import textwrap

import pytest

from lib import net
from lib.agents import Agent, tunnel
from lib.fake_systemd import FakeSystemd

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
EXAMPLE = os.path.join(ROOT, "packaging/agent.toml.example")
FINGERPRINT = "Oo/uv+EfOPMm3E12RJz1XlymdyFkkPbstc39W09C3Ow="
KEYS = ("src/agent/config.c", "src/agent/link_fields.c")
NESTED = {"access": ("basic", "bearer"), "http_routes": ("prefix", "upstream")}


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as f:
        return f.read()


def blocks(path):
    """The indented blocks of a page, in order."""
    found = re.findall(r"(?:^ {4,}\S.*\n(?:\n(?= {4}))*)+", read(path), re.MULTILINE)
    return [textwrap.dedent(block) for block in found]


def keys_of_the_program():
    """Every name in the tables of the config."""
    found = set()
    for path in KEYS:
        found |= set(re.findall(r'^\t\{ "([a-z_]+)", FIELD_', read(path), re.MULTILINE))
    fields = read("src/tunnel/portal/message_fields.c")
    metadata = re.search(r"metadata_rows\[\] = \{(.*?)\n\};", fields, re.DOTALL).group(1)
    return found | set(re.findall(r'\{ "([a-z_]+)"', metadata))


def uncommented():
    return re.sub(r"^# ([a-z_]+ = |\[\[)", r"\1", read(EXAMPLE), flags=re.MULTILINE)


def check(world, adit, text):
    return world.call([*adit.argv, "agent", "check", world.write("config.toml", text)])


def test_the_manual_has_every_key_and_no_other():
    page = read("docs/man/adit-agent.toml.5")
    told = {key for row in re.findall(r"^\.It Ic (.*) Pq ", page, re.MULTILINE)
            for key in re.split(r"\s*,\s*(?:Ic )?", row)}
    tables = {"agent", "tunnels", "links"}
    assert told == keys_of_the_program() - tables - set(NESTED["http_routes"])
    for name in tables:
        assert re.search(rf"Li \[+{name}\]", page), name
    for key, names in NESTED.items():
        entry = re.search(rf"^\.It Ic {key} .*?(?=^\.It )", page, re.MULTILINE | re.DOTALL)
        assert all(f"\n.Ic {name}" in entry.group(0) for name in names), key


def test_the_manual_has_every_default():
    page = read("docs/man/adit-agent.toml.5")
    for path in KEYS:
        rows = re.findall(r'\{ "([a-z_]+)", FIELD_(?:(?!\n\t\{).)*?\.initial = "([^"]*)"',
                          read(path), re.DOTALL)
        for key, default in rows:
            entry = re.search(rf"^\.It Ic {key} .*?(?=^\.It |^\.El)", page,
                              re.MULTILINE | re.DOTALL).group(0)
            assert re.search(rf"default(, which)? is {default}\.", entry), (key, default)


def test_the_manual_s_example_is_right(world, adit):
    page = read("docs/man/adit-agent.toml.5")
    text = re.search(r"^\.Bd -literal.*?\n(.*?)^\.Ed", page, re.MULTILINE | re.DOTALL).group(1)
    done = check(world, adit, text)
    assert done.returncode == 0 and "warning" not in done.stdout, done.stderr


def test_the_example_is_right_as_it_is(world, adit):
    done = check(world, adit, read(EXAMPLE))
    assert done.returncode == 0 and "warning" not in done.stdout, done.stderr


def test_the_example_is_right_with_everything_in_it(world, adit):
    done = check(world, adit, uncommented().replace('identity_json = ""\n', "").replace(
        'auth_file = "home.password"\n', ""))
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("not supported yet") == done.stdout.count("warning: ") == 2


def test_the_example_has_every_key():
    keys = set(re.findall(r"^([a-z_]+) = ", uncommented(), re.MULTILINE))
    names = set(re.findall(r"^\[+(?:tunnels\.)?([a-z_]+)\]", uncommented(), re.MULTILINE))
    assert keys | names | {"auth"} == keys_of_the_program()  # auth_file is the better one


@pytest.mark.parametrize("page", ["docs/agent.md"])
def test_the_configs_of_the_guide_are_right(world, adit, page):
    configs = [b for b in blocks(page) if re.match(r"\[\[", b)]
    assert configs
    for text in configs:
        done = check(world, adit, text.replace("<from the log of the server>", FINGERPRINT))
        assert done.returncode == 0 and "warning" not in done.stdout, done.stderr


class Shell:
    """A user's shell on a machine with a scripted systemd."""

    def __init__(self, world, adit):
        self.world = world
        self.manager = world.keep(FakeSystemd(world))
        for name in ("adit", "portal"):
            os.symlink(adit.argv[0], os.path.join(self.manager.bin, name))

    def run(self, script, cwd=None):
        done = self.world.call([*self.manager.prefix, "sh", "-ec",
                                f"cd {cwd or self.manager.home}\n{script}"],
                               env={**self.manager.env, "USER": "ann"}, seconds=60)
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture
def shell(world, adit):
    return Shell(world, adit)


def local(script):
    """With a control address that other stories do not use, and a relay that is not asked."""
    return script.replace("[[tunnels]]", '[agent]\ncontrol_addr = "127.0.0.1:0"\n[[tunnels]]', 1)


def test_the_two_minutes_of_the_guide(shell):
    steps = read("docs/agent.md").split("## In two minutes")[1].split("\n## ")[0]
    script = [textwrap.dedent(b) for b in re.findall(r"(?:^ {7}.*\n)+", steps, re.MULTILINE)]
    assert "config.toml: good: tunnels: 1, links: 0" in shell.run(local(script[0]))
    assert "adit agent running at " in shell.run(script[1])
    assert script[2] == "adit agent status --wait\n"  # that needs the relay
    assert "enable-linger $USER" in script[3]
    shell.run("adit agent stop")


def test_the_three_commands_of_the_readme(shell):
    block = next(b for b in blocks("README.md") if b.startswith("printf"))
    first, second, third = block.splitlines()
    shell.run(first)
    with open(os.path.join(shell.manager.home, "config.toml"), encoding="utf-8") as f:
        text = f.read()
    shell.world.write("home/config.toml", local(text))
    assert "with 1 tunnel(s)." in shell.run(second)
    assert third == "adit agent status --wait --config config.toml"
    shell.run("adit agent stop --config config.toml")


def test_a_portal_agent_goes_on_as_adit_agent(shell):
    """Both directories are moved, as the guide says; the address stays."""
    moves = next(b for b in blocks("docs/agent.md") if b.startswith("portal agent uninstall"))
    home = shell.manager.home
    os.makedirs(os.path.join(home, ".config/portal-tunnel/agent"))
    shell.world.write("home/.config/portal-tunnel/agent/config.toml", """
[agent]
control_addr = "127.0.0.1:0"
service_name = "portal-agent"
""" + tunnel("web", "https://relay.localhost:9", 3000, name="myapp"))
    shell.run("portal agent run")

    def address(program):
        return json.loads(shell.run(f"{program} agent status --json || true"))[
            "tunnels"][0].get("address")

    before = net.wait_until(lambda: address("portal"), message="the identity")
    shell.run(moves)
    assert net.wait_until(lambda: address("adit"), message="the identity") == before
    assert shell.manager.enabled == {"adit-agent.service"}
    shell.run("adit agent stop")


def test_tunnels_may_share_a_key_under_different_names(world, leases):
    relay, app = leases.relay(), world.serve()
    agent = Agent(world, "adit", "".join(
        tunnel(name, relay, app.port, name=name, identity_path="key.json")
        for name in ("one", "two")))
    agent.start()
    addresses = {agent.wait_state(name)["address"] for name in ("one", "two")}
    assert len(addresses) == 1
    assert leases.echoes(relay, "one") and leases.echoes(relay, "two")


def test_a_tunnel_without_a_name_gets_that_of_its_identity(world, leases):
    relay = leases.relay()
    agent = Agent(world, "adit", tunnel("web", relay, 3000)).start()
    name = agent.wait_state("web")["name"]
    assert agent.identity()["name"] == name
    agent.process.stop()
    agent.start()
    assert agent.wait_state("web")["name"] == name


def test_the_guide_s_messages_are_those_of_the_program():
    """The first column of the table of troubles, up to what differs."""
    rows = re.findall(r"^\| `(.*?)`", read("docs/agent.md").split("## Troubleshooting")[1],
                      re.MULTILINE)
    sources = ""
    for folder, _, names in os.walk(os.path.join(ROOT, "src")):
        for name in names:
            if name.endswith(".c") and not name.endswith("_test.c"):
                sources += re.sub(r'"\s*"', "", read(os.path.join(folder, name)))
    for row in rows:
        for part in re.split(r"\.\.\.|\bN\b|myapp", row):
            part = part.strip(" ,:")
            assert part in ("", os.strerror(errno.ECONNREFUSED)) or part in sources, row
