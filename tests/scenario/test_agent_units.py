"""agent run, restart and stop with a service manager, as adit and through a link named portal."""

import json
import os
import re

import pytest

from lib import net
from lib.agents import tunnel
from lib.fake_systemd import FakeSystemd
from lib.process import SANITIZER_ENV, wait_until
from test_agent_service import machine, systemd  # noqa: F401 (fixtures)

TITLES = {"adit": "adit agent", "portal": "Portal agent", "portlama-agent": "Portlama agent"}
PLACES = {"adit": "adit/agent", "portal": "portal-tunnel/agent",
          "portlama-agent": "portlama/agent"}
NAMES = {"adit": "adit-agent", "portal": "portal-agent", "portlama-agent": "portlama-chisel"}


class Service:
    """A user's machine with a scripted systemd and a config in its default place."""

    def __init__(self, world, kind, adit):
        self.world, self.kind = world, kind
        self.title, self.name = TITLES[kind], NAMES[kind]
        self.manager = world.keep(FakeSystemd(world))
        self.program = world.path(kind)
        os.symlink(adit.argv[0], self.program)
        self.config = os.path.join(self.manager.home, ".config", PLACES[kind], "config.toml")
        self.state = os.path.join(self.manager.home, ".local/share", PLACES[kind])
        os.makedirs(os.path.dirname(self.config))
        self.write("")

    def write(self, config, **agent):
        pairs = {"control_addr": "127.0.0.1:0", **agent}
        with open(self.config, "w", encoding="utf-8") as f:
            f.write("[agent]\n" + "".join(f"{k} = {json.dumps(v)}\n" for k, v in pairs.items()) +
                    config)

    def call(self, *words, **env):
        return self.world.call([*self.manager.prefix, self.program, "agent", *words],
                               env={**self.manager.env, **env}, seconds=60)

    def do(self, *words):
        done = self.call(*words)
        assert done.returncode == 0, done.stderr + self.manager.log(self.unit)
        return done.stdout

    def start_in_foreground(self):
        process = self.world.run("foreground", [*self.manager.prefix, self.program, "agent", "run",
                                                "--foreground"],
                                 env={**SANITIZER_ENV, **self.manager.env})
        process.graceful = True
        net.wait_until(lambda: self.pid() or None, message="the agent")
        return process

    @property
    def unit(self):
        return f"{self.name}.service"

    @property
    def unit_path(self):
        return self.manager.unit_path(self.unit)

    def status(self):
        done = self.call("status", "--json")
        return json.loads(done.stdout) if done.stdout else None

    def pid(self):
        return (self.status() or {}).get("pid")


@pytest.fixture(params=["adit", "portal"])
def service(request, world, adit):
    return Service(world, request.param, adit)


def test_run_installs_and_starts_the_service_and_says_what_it_means(service):
    said = service.do("run").splitlines()
    status = service.status()
    assert said[0] == f"{service.title} running at {status['control_addr']} with 0 tunnel(s)."
    assert said[1:3] == [f"  config: {service.config}", f"  state directory: {service.state}"]
    assert said[3].startswith(f"  systemd user unit: {service.unit_path}, of this user; ")
    assert "enable-linger" in said[3]
    assert service.unit in service.manager.enabled
    assert (status["config_path"], status["state_dir"]) == (service.config, service.state)
    assert os.stat(service.state).st_mode & 0o777 == 0o700


def test_the_unit_is_the_internal_entry_with_the_config_and_its_directory(service):
    service.do("run")
    unit = service.manager.units[service.unit]
    assert unit.command() == [service.program, "agent", "run", "--service", "--config",
                              service.config]
    assert unit.settings["WorkingDirectory"] == os.path.dirname(service.config)
    assert unit.settings["Restart"] == "always"
    with open(service.unit_path, encoding="utf-8") as f:
        assert {"adit": "Adit Agent", "portal": "Portal Agent"}[service.kind] in f.read()


def test_run_twice_leaves_the_agent_alone(service):
    service.do("run")
    pid = service.pid()
    said = service.do("run")
    assert said.startswith(f"{service.title} running at ") and service.pid() == pid


def test_run_starts_a_service_again_that_was_stopped(service):
    service.do("run")
    service.do("stop")
    service.do("run")
    assert service.pid() and service.unit in service.manager.enabled


def test_run_beside_an_agent_in_the_foreground_is_an_error(service):
    process = service.start_in_foreground()
    failed = service.call("run")
    assert failed.returncode == 1 and failed.stdout == ""
    assert f"process {service.pid()}, with the state directory {service.state}" in failed.stderr
    assert "in the foreground" in failed.stderr
    assert not os.path.exists(service.unit_path) and not service.manager.enabled
    assert process.is_running() and service.pid()


def test_run_in_the_foreground_beside_the_service_names_it(service):
    service.do("run")
    failed = service.call("run", "--foreground")
    assert failed.returncode == 1
    assert f"another agent, process {service.pid()}, has the state directory" in failed.stderr
    assert service.state in failed.stderr


def test_run_counts_the_tunnels(service):
    service.write(tunnel("web", "https://relay.localhost:9", 3000) +
                  tunnel("two", "https://relay.localhost:9", 3001))
    assert " with 2 tunnel(s).\n" in service.do("run")
    assert " with 2 tunnel(s).\n" in service.do("restart")


def test_restart_changes_the_process_and_reads_the_config(service):
    service.do("run")
    before = service.pid()
    service.write(tunnel("web", "https://relay.localhost:9", 3000), control_addr="localhost:0")
    said = service.do("restart").splitlines()
    status = service.status()
    assert status["pid"] not in (None, before)
    assert said[0] == f"{service.title} restarted at {status['control_addr']} with 1 tunnel(s)."
    assert said[1] == f"  config: {service.config}"
    assert service.manager.units[service.unit].restarts == 0


def test_restart_needs_the_service_and_leaves_other_agents_alone(service):
    process = service.start_in_foreground()
    pid = service.pid()
    failed = service.call("restart")
    assert failed.returncode == 1 and f"{service.name} is not installed" in failed.stderr
    assert process.is_running() and service.pid() == pid


def test_stop_disables_the_service_and_says_so(service):
    service.do("run")
    said = service.do("stop").splitlines()
    assert said[0] == f"{service.title} stopped."
    assert said[1] == (f"  the service {service.name} is disabled: it does not start again before"
                       f" {service.kind} agent run")
    assert service.unit not in service.manager.enabled and service.pid() is None
    assert not os.path.exists(os.path.join(service.state, "agent-endpoint.json"))
    assert os.path.exists(service.unit_path)  # uninstall removes it


def test_stop_again_is_an_error(service):
    service.do("run")
    service.do("stop")
    failed = service.call("stop")
    assert failed.returncode == 1 and failed.stdout == ""
    assert f"no agent runs with the state directory {service.state}" in failed.stderr


def test_stop_ends_a_service_that_would_start_again(service):
    """It has failed, and the manager would start it after a while."""
    service.manager.scale = 0.1
    service.do("run")
    os.kill(service.pid(), 9)
    net.wait_until(lambda: not service.manager.units[service.unit].is_running(), message="its end")
    service.do("stop")
    assert service.unit not in service.manager.enabled
    assert not service.manager.units[service.unit].wanted


def test_stop_warns_when_the_agent_has_stopped_and_the_service_manager_fails(service):
    service.do("run")
    service.manager.units[service.unit].settings["Restart"] = "no"
    service.manager.failures["disable"] = "Failed to disable unit: Access denied"
    done = service.call("stop")
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{service.title} stopped.\n"
    assert "Access denied" in done.stderr
    assert service.pid() is None


def test_stop_fails_when_nothing_could_be_stopped(service):
    service.do("run")
    service.do("stop")
    service.manager.failures["show"] = "Failed to connect to bus"
    failed = service.call("stop")
    assert failed.returncode == 1 and failed.stdout == ""


def test_stop_needs_only_the_state_directory(service):
    process = service.start_in_foreground()
    os.unlink(service.config)
    assert service.do("stop", "--state-dir", service.state) == f"{service.title} stopped.\n"
    assert process.wait_exit() == 0
    assert service.call("stop").returncode == 1  # it needs a config, and says which
    assert service.config in service.call("stop").stderr


def test_the_config_says_the_name_of_the_service_and_the_state_directory(service):
    service.write("", service_name="my.tunnels", state_dir="state")
    service.name = "my.tunnels"
    said = service.do("run")
    state = os.path.join(os.path.dirname(service.config), "state")
    assert f"  state directory: {state}\n" in said and "my.tunnels.service" in said
    assert os.path.exists(os.path.join(state, "agent-endpoint.json"))
    before = service.pid()
    service.do("restart")
    assert service.pid() != before
    service.do("stop")
    assert not os.path.exists(os.path.join(state, "agent-endpoint.json"))
    assert service.manager.calls[-1] == "systemctl --user disable --now my.tunnels.service"


def test_without_a_service_manager_nothing_is_left_and_the_advice_is_the_foreground(service):
    os.unlink(os.path.join(service.manager.bin, "systemctl"))
    failed = service.call("run", PATH=service.manager.bin)
    assert failed.returncode == 1 and failed.stdout == "" and "--foreground" in failed.stderr
    assert not os.path.exists(os.path.join(service.manager.home, ".config/systemd"))
    assert not os.path.exists(service.state)


def test_without_a_service_manager_restart_leaves_the_agent_running(service):
    process = service.start_in_foreground()
    os.unlink(os.path.join(service.manager.bin, "systemctl"))
    failed = service.call("restart", PATH=service.manager.bin)
    assert failed.returncode == 1 and "--foreground" in failed.stderr
    assert process.is_running() and service.pid()
    done = service.call("stop", PATH=service.manager.bin)
    assert (done.returncode, done.stdout) == (0, f"{service.title} stopped.\n"), done.stderr
    assert process.wait_exit() == 0


@pytest.mark.parametrize("verb", ["daemon-reload", "enable", "start"])
def test_a_service_manager_that_fails_leaves_nothing(service, verb):
    service.manager.failures[verb] = "Failed to do it: Access denied"
    failed = service.call("run")
    assert failed.returncode == 1 and "Access denied" in failed.stderr, failed.stderr
    assert not os.path.exists(service.unit_path) and not service.manager.enabled
    assert service.pid() is None


def test_a_service_that_does_not_start_is_removed_and_explained(service):
    with open(os.path.join(service.manager.home, "taken"), "w", encoding="utf-8"):
        pass
    service.write("", state_dir=os.path.join(service.manager.home, "taken"))
    failed = service.call("run")
    assert failed.returncode == 1 and failed.stdout == ""
    assert re.search(r"does not start|state directory", failed.stderr), failed.stderr
    assert not os.path.exists(service.unit_path) and not service.manager.enabled


def test_a_config_with_a_mistake_is_not_installed(service):
    service.write("[[tunnels]]\nid = \n")
    for command in ("run", "restart"):
        failed = service.call(command)
        # A long path is cut at its front.
        assert failed.returncode == 1 and "/agent/config.toml:4:6: a value" in failed.stderr
        assert "--state-dir" not in failed.stderr  # these commands have no such flag
    assert not os.path.exists(service.unit_path) and service.manager.calls == []


def test_status_has_the_mistake_of_a_config_while_the_agent_goes_on(service):
    service.do("run")
    service.write("[[tunnels]]\nid = \n")

    def told():
        done = service.call("status")
        return done if "config error, not used: " in done.stdout else None

    done = net.wait_until(told, message="the mistake")
    assert done.returncode == 1 and "a value is missing" in done.stdout
    service.manager.verb_stop([], service.unit)
    done = service.call("status")  # no agent has the mistake
    assert done.returncode == 1 and "a value is missing" in done.stderr


def test_a_missing_config_is_not_made(service):
    os.unlink(service.config)
    for command in ("run", "restart", "stop"):
        failed = service.call(command)
        assert failed.returncode == 1 and f"no config {service.config}" in failed.stderr
    assert not os.path.exists(service.config) and not os.path.exists(service.unit_path)


def test_the_agent_outlives_the_command_and_comes_back_after_a_crash(service):
    service.do("run")
    pid = service.pid()
    assert os.getsid(pid) != os.getsid(0)
    os.kill(pid, 9)
    net.wait_until(lambda: service.pid() not in (None, pid), message="the agent again")

CONFIG = '[agent]\ncontrol_addr = "127.0.0.1:0"\n\n[[tunnels]]\nname = "myapp"\ntarget = "3000"\n' \
    'relays = ["https://relay.localhost:9"]\n'


def test_the_commands_with_a_real_systemd(machine):
    """run, run again, an edit, restart, stop and stop again, of root and of a user."""
    folder = "/etc/adit/agent" if machine.user == "root" else "/home/ann/.config/adit/agent"
    state = "/var/lib/adit/agent" if machine.user == "root" else "/home/ann/.local/share/adit/agent"
    machine.manager.do(*machine.prefix, "mkdir", "-p", folder)
    machine.manager.write(f"{folder}/config.toml", CONFIG, owner=machine.user)

    def agent(*words, status=0):
        done = machine.call("adit", "agent", *words)
        assert done.returncode == status, done.stderr + machine.journal()
        return done.stdout if status == 0 else done.stderr

    said = agent("run")
    assert re.match(r"adit agent running at 127\.0\.0\.1:\d+ with 1 tunnel\(s\)\.\n", said)
    for text in (f"  config: {folder}/config.toml\n", f"  state directory: {state}\n",
                 f"{machine.place}/adit-agent.service", "starts at boot"):
        assert text in said
    first = machine.show("MainPID")
    agent("run")
    assert machine.show("MainPID") == first
    wait_until(lambda: machine.show("StatusText") == "1 tunnels, 0 links" or None, 10,
               message="its status")
    machine.manager.write(f"{folder}/config.toml", CONFIG + 'owner = "Ann"\n', owner=machine.user)
    seen = wait_until(lambda: "Ann" in machine.call("adit", "agent", "status", "--json").stdout,
                      10, message="the edit")
    assert seen and machine.show("MainPID") == first
    assert "adit agent restarted at " in agent("restart")
    assert machine.show("MainPID") not in ("0", first)
    # Another agent with the same directory is refused, and the service stays.
    assert "has the state directory" in agent("run", "--foreground", status=1)
    assert agent("stop").startswith("adit agent stopped.\n  the service adit-agent is disabled")
    assert machine.show("UnitFileState") == "disabled" and machine.show("MainPID") == "0"
    assert "no agent runs" in agent("stop", status=1)
    agent("uninstall")
    assert machine.unit() == ""
    assert machine.manager.call("ls", state).stdout


def test_portlama_agent_has_its_commands_and_the_contract_s_service(world, adit):
    service = Service(world, "portlama-agent", adit)
    service.do("run")

    def call(*words):
        return world.call([*service.manager.prefix, service.program, *words],
                          env=service.manager.env, seconds=60)

    assert os.path.basename(service.unit_path) == "portlama-chisel.service"
    done = call("status")
    assert done.returncode == 0 and f"process {service.pid()} since" in done.stdout
    wait_until(lambda: "control API" in call("logs").stdout, message="a line of the log")
    done = call("uninstall")
    assert done.returncode == 0 and service.unit_path in done.stdout
    assert not os.path.exists(service.unit_path)
    done = call("logs")
    assert done.returncode == 1 and "portlama-chisel is not installed" in done.stderr
    assert done.stderr.startswith("portlama-agent logs: ")
    assert "Usage: portlama-agent status " in call("status", "--help").stdout
    assert call("nothing").returncode == 2
