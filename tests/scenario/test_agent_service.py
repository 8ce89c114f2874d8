"""The agent as a service of systemd: a systemd of the system's and of a user's own."""

import json
import os
import re
import shutil
import subprocess

import pytest

from conftest import need
from lib.process import wait_until
from lib.systemd import CannotRun, Systemd

SAY = r'''#!/usr/bin/python3
"""A service that prints how it was started, and then notifies systemd as it should."""
import json, os, signal, socket, sys
print(json.dumps([sys.argv, os.getcwd(), os.environ.get("ODD")]), flush=True)
with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
    s.connect(os.environ["NOTIFY_SOCKET"].replace("@", "\0", 1))
    s.send(b"READY=1\nSTATUS=as asked")
    while not signal.sigtimedwait([signal.SIGTERM], int(os.environ["WATCHDOG_USEC"]) / 2e6):
        s.send(b"WATCHDOG=1")
'''

CLIENT = ("client", "http://127.0.0.1:9", "R:127.0.0.1:3000:127.0.0.1:9090")


class Machine:
    """A machine with systemd, and one who has a service on it: root or ann."""

    def __init__(self, manager, user):
        self.manager, self.user = manager, user
        self.home = "/root" if user == "root" else "/home/ann"
        self.prefix = []
        if user != "root":
            self.prefix = ["setpriv", "--reuid=ann", "--regid=ann", "--clear-groups", "env",
                           f"HOME={self.home}"]
        self.scope = [] if user == "root" else ["--user"]
        self.place = ("/etc/systemd/system" if user == "root" else
                      f"{self.home}/.config/systemd/user")

    def call(self, *words, **options):
        return self.manager.call(*self.prefix, *words, **options)

    def drive(self, action, *settings, name="adit-agent", program="/usr/local/bin/adit",
              words=CLIENT):
        defaults = [f"name={name}", f"home={self.home}", f"directory={self.home}",
                    f"state={self.home}/state", f"system={'no' if self.scope else 'yes'}"]
        return self.call("service_drive", action, *defaults, *settings, "--", program, *words)

    def do(self, *words, **options):
        done = self.drive(*words, **options)
        assert done.returncode == 0, f"{words}: {done.stderr}{self.journal()}"
        return done.stdout

    def systemctl(self, *words):
        runtime = [] if not self.scope else [f"XDG_RUNTIME_DIR={self.runtime()}"]
        return self.call("env", *runtime, "systemctl", *self.scope, *words)

    def runtime(self):
        uid = self.manager.do("id", "-u", "ann").strip()
        return f"/run/user/{uid}"

    def show(self, name, unit="adit-agent"):
        return self.systemctl("show", "-P", name, unit).stdout.strip()

    def wait_show(self, name, value):
        wait_until(lambda: self.show(name) == value or None, 15, every=0.1,
                   message=f"{name}={value}, not {self.show(name)},")

    def journal(self):
        return self.manager.call("journalctl", "-n", "30", "-o", "cat", "--no-pager").stdout

    def write_unit(self, path, text):
        path = f"{self.place}/{path}"
        self.manager.do(*self.prefix, "mkdir", "-p", os.path.dirname(path))
        self.manager.write(path, text, owner=self.user)
        assert self.systemctl("daemon-reload").returncode == 0

    def unit(self, name="adit-agent"):
        return self.manager.call("cat", f"{self.place}/{name}.service").stdout


@pytest.fixture
def systemd(world, adit):
    tree = world.path("tree")
    os.makedirs(tree + "/usr/local/bin")
    drive = os.path.join(os.path.dirname(os.path.realpath(adit.argv[0])), "service_drive")
    if not os.access(drive, os.X_OK):
        pytest.skip("skipped: no service_drive beside this program")
    shutil.copy(adit.argv[0], tree + "/usr/local/bin")
    shutil.copy(drive, tree + "/usr/local/bin")
    # The sanitizers' own needs are not among what a service may do.
    for kind in ("system", "user"):
        os.makedirs(f"{tree}/etc/systemd/{kind}.conf.d")
        with open(f"{tree}/etc/systemd/{kind}.conf.d/test.conf", "w") as f:
            f.write("[Manager]\nDefaultEnvironment=ASAN_OPTIONS=detect_leaks=0\n")
    try:
        return world.keep(Systemd(world, tree))
    except CannotRun as why:
        pytest.skip(f"skipped: no systemd of our own here: {why}")


@pytest.fixture(params=["root", "ann"])
def machine(request, systemd):
    if request.param == "ann":
        systemd.do("useradd", "--create-home", "ann")
        systemd.do("loginctl", "enable-linger", "ann")
        found = Machine(systemd, "ann")
        wait_until(lambda: found.systemctl("is-system-running").stdout.strip() == "running"
                   or None, 20, every=0.1, message="ann's systemd")
        return found
    return Machine(systemd, "root")


def test_a_service_is_installed_started_stopped_and_removed(machine):
    assert "not installed" in machine.do("state")
    assert machine.do("install") == "new=1 changed=1\n"
    assert machine.do("install") == "new=0 changed=0\n"
    assert machine.do("state").startswith("stopped enabled=1 pid=0")
    machine.do("start")
    assert re.match(r"running enabled=1 pid=\d+ status=not connected", machine.do("state"))
    pid = machine.show("MainPID")
    machine.do("install")
    machine.do("start")
    assert machine.show("MainPID") == pid
    machine.do("restart")
    assert machine.show("MainPID") not in ("0", pid)
    machine.do("stop")
    assert machine.do("state").startswith("stopped enabled=0 pid=0")
    machine.do("install")
    machine.do("start")
    machine.do("remove")
    assert "not installed" in machine.do("state")
    assert machine.systemctl("list-unit-files", "adit-agent.service").returncode == 1
    assert "adit-agent" not in machine.manager.do("find", machine.place)
    gone = machine.drive("remove")
    assert gone.returncode == 1 and "not installed" in gone.stderr


def test_it_comes_back_after_a_crash_and_when_it_hangs(machine):
    machine.do("install")
    machine.write_unit("adit-agent.service.d/test.conf",
                       "[Service]\nWatchdogSec=2\nRestartSec=200ms\n")
    machine.do("start")
    for number, signal in ((1, "KILL"), (2, "STOP"), (3, "TERM")):
        machine.manager.do("kill", f"-{signal}", machine.show("MainPID"))
        machine.wait_show("NRestarts", str(number))
        machine.wait_show("ActiveState", "active")
    machine.do("stop")


def test_every_text_arrives_as_it_is(machine):
    odd = "50% of $HOME's \"a;b\" \\n"
    directory = f"{machine.home}/dir {odd}x"
    program = f"{machine.home}/my 100% $PATH/say"
    for path in (directory, os.path.dirname(program)):
        machine.manager.do(*machine.prefix, "mkdir", "-p", path)
    machine.manager.write(program, SAY, 0o755)
    words = ["agent", odd, "$$", "${HOME}", "", ";", "%h", "ünï", "'", "--config", directory]
    settings = [f"directory={directory}", f"state={directory}/state", f"env=ODD={odd}"]
    machine.do("install", *settings, program=program, words=words)
    machine.do("start", *settings, program=program, words=words)
    said = wait_until(lambda: re.search(r"^\[\[.*", machine.journal(), re.MULTILINE), 10,
                      message="its words")
    assert json.loads(said.group(0)) == [[program, *words], directory, odd]
    assert "status=as asked" in machine.do("state")
    machine.do("remove")


def test_a_service_that_does_not_start_is_explained(machine):
    words = ("client", "--no-such-flag")
    machine.do("install", words=words)
    failed = machine.drive("start", words=words)
    assert failed.returncode == 1
    assert "adit-agent does not start (exit-code, status 2); journalctl" in failed.stderr
    assert machine.do("state").startswith("failed enabled=1 pid=0")
    machine.do("remove")


def test_the_file_of_another_program_is_kept(machine):
    machine.write_unit("adit-agent.service", "[Service]\n")
    for action in ("install", "restart", "remove"):
        refused = machine.drive(action)
        assert refused.returncode == 1
        assert "was not written by adit" in refused.stderr and "--force" in refused.stderr
    assert machine.unit() == "[Service]\n"
    assert machine.do("install", "force=yes") == "new=0 changed=1\n"
    assert "Restart=always" in machine.unit()


def test_nothing_stays_if_systemd_refuses_the_unit(machine):
    machine.write_unit("adit-agent.service.d/test.conf", "[Install]\nAlias=no/such/name\n")
    failed = machine.drive("install")
    assert failed.returncode == 1 and "systemctl enable fails" in failed.stderr
    assert machine.unit() == ""


def test_the_log_is_shown(machine):
    machine.do("install")
    machine.do("start")
    if machine.user == "ann":
        refused = machine.drive("log")
        assert refused.returncode == 1 and "systemd-journal" in refused.stderr
        # Then each user has a journal.
        machine.manager.do("mkdir", "-p", "/var/log/journal")
        machine.manager.do("journalctl", "--flush")
        machine.do("restart")
    wait_until(lambda: "Connecting" in machine.drive("log").stdout or None, 15,
               message="the log")


def test_the_commands_that_need_no_agent(machine):
    missing = machine.call("adit", "agent", "uninstall")
    assert missing.returncode == 1 and "adit-agent is not installed" in missing.stderr
    assert "sudo" not in missing.stderr
    machine.do("install")
    machine.do("start")
    pid = machine.show("MainPID")
    if machine.user == "root":
        assert "Connecting" in wait_until(
            lambda: machine.call("adit", "agent", "logs").stdout, 10, message="a line")
    done = machine.call("adit", "agent", "uninstall")
    assert done.returncode == 0, done.stderr
    assert f"{machine.place}/adit-agent.service" in done.stdout
    assert not machine.manager.call("ps", "-p", pid, "-o", "pid=").stdout
    assert machine.unit() == ""


def test_a_user_is_told_of_root_s_service(systemd):
    Machine(systemd, "root").do("install")
    systemd.do("useradd", "--create-home", "ann")
    for command in ("logs", "uninstall"):
        missing = Machine(systemd, "ann").call("adit", "agent", command)
        assert missing.returncode == 1
        assert "not installed" in missing.stderr and "use sudo" in missing.stderr


def test_a_user_is_told_when_the_service_starts(systemd):
    systemd.do("useradd", "--create-home", "ann")
    machine = Machine(systemd, "ann")
    refused = machine.drive("check")
    assert refused.returncode == 1 and "no session of this user" in refused.stderr
    assert "--foreground" in refused.stderr
    assert "sudo loginctl enable-linger ann" in machine.do("explain")
    systemd.do("loginctl", "enable-linger", "ann")
    assert machine.do("explain") == "starts at boot\n"
    assert Machine(systemd, "root").do("explain") == "starts at boot\n"


def test_the_system_s_service_writes_to_its_own_directories_only(systemd):
    machine = Machine(systemd, "root")
    program = "/usr/local/bin/try"
    systemd.write(program, SAY.replace("print(", "print([os.system('touch ' + p + '/x') for p in "
                  "['/root', '/root/state', '/srv', '/usr', '/root/more']], ", 1), 0o755)
    systemd.do("mkdir", "/srv", "/root/more")
    settings = ["writable=/root/more"]
    systemd.do("mkdir", "/root/conf")
    machine.do("install", "directory=/root/conf", *settings, program=program)
    machine.do("start", "directory=/root/conf", *settings, program=program)
    wait_until(lambda: "[256, 0, 256, 256, 0]" in machine.journal() or None, 10,
               message="what it can write to")


def test_the_units_are_well_formed(world, adit):
    tool = need("systemd-analyze")
    drive = os.path.join(os.path.dirname(os.path.realpath(adit.argv[0])), "service_drive")
    for scope in ("system", "user"):
        done = world.call([drive, "print", f"system={'yes' if scope == 'system' else 'no'}",
                           "directory=/tmp", "state=/tmp", "--", adit.argv[0], "agent"])
        unit = world.write("adit-agent.service", done.stdout)
        seen = subprocess.run([tool, "verify", f"--{scope}", "--man=no", unit],
                              capture_output=True, text=True, check=False)
        assert not [line for line in seen.stderr.splitlines() if unit in line], seen.stderr
