"""The units, under a systemd of their own."""

import glob
import json
import os
import re
import shutil
import subprocess

import pytest

from conftest import need
from lib.process import wait_until
from lib.systemd import CannotRun, Systemd

USERS = {"ann:secret": [""]}


def units_of(adit):
    """Where the build has put the units of this program."""
    build = os.path.dirname(os.path.dirname(os.path.realpath(adit.argv[0])))
    units = glob.glob(os.path.join(build, "packaging", "*.service"))
    if not units:
        pytest.skip("skipped: no units beside this program")
    return units


def bindir_of(unit):
    with open(unit) as f:
        return re.search(r"^ExecStart=(\S+)/adit ", f.read(), re.MULTILINE).group(1)


@pytest.fixture
def systemd(world, adit):
    """With what is installed: the program, its units, its user."""
    tree = world.path("tree")
    units = units_of(adit)
    bindir = bindir_of(next(u for u in units if u.endswith("adit-server.service")))
    os.makedirs(tree + bindir)
    shutil.copy(adit.argv[0], tree + bindir)
    os.makedirs(tree + "/etc/systemd/system.conf.d")
    os.makedirs(tree + "/etc/systemd/system", exist_ok=True)
    for unit in units:
        shutil.copy(unit, tree + "/etc/systemd/system")
    # The sanitizers' own needs are not among what a service may do.
    with open(tree + "/etc/systemd/system.conf.d/test.conf", "w") as f:
        f.write("[Manager]\nDefaultEnvironment=ASAN_OPTIONS=detect_leaks=0\n")
    try:
        manager = world.keep(Systemd(world, tree))
    except CannotRun as why:
        pytest.skip(f"skipped: no systemd of our own here: {why}")
    manager.do("systemd-sysusers", "-", text='u adit - "adit tunnels" /var/lib/adit\n')
    return manager


def start_server(systemd, **options):
    systemd.do("sh", "-c", "mkdir -p /etc/adit && adit server --keygen /etc/adit/host.key")
    systemd.write("/etc/adit/users.json", json.dumps(options.get("users", USERS)), 0o640,
                  "root:adit")
    systemd.do("systemctl", "start", "adit-server")


def test_the_server_starts_when_there_are_a_key_and_users(systemd):
    assert systemd.call("systemctl", "start", "adit-server").returncode != 0
    status = systemd.call("systemctl", "status", "adit-server").stdout
    assert "/etc/adit/host.key" in status and "man:adit-server(1)" in status
    start_server(systemd)
    assert systemd.show("adit-server", "StatusText") == "listening on http://127.0.0.1:9090"
    pid = systemd.show("adit-server", "MainPID")
    assert systemd.do("ps", "-o", "user=", "-p", pid).strip() == "adit"
    assert systemd.do("curl", "-sS", "http://127.0.0.1:9090/health") == "OK\n"

    systemd.write("/etc/adit/users.json", "not JSON", 0o640, "root:adit")
    systemd.do("systemctl", "reload", "adit-server")
    systemd.wait_journal("adit-server", "users.json")
    assert systemd.show("adit-server", "ActiveState") == "active"
    systemd.do("systemctl", "stop", "adit-server")
    assert systemd.show("adit-server", "Result") == "success"


def test_the_journal_has_priorities_and_one_time(systemd):
    start_server(systemd)
    systemd.write("/etc/adit/users.json", "not JSON", 0o640, "root:adit")
    systemd.do("systemctl", "reload", "adit-server")
    systemd.wait_journal("adit-server", "users.json")
    serious = systemd.journal("adit-server", "-p", "warning", "_COMM=adit")
    everything = systemd.journal("adit-server", "_COMM=adit")
    assert "users.json" in serious and "Listening" not in serious
    assert "server: Listening on " in everything
    assert not re.search(r"^(<\d>|\d{4}/)", everything, re.MULTILINE), everything


def test_a_mistake_is_logged_once_and_not_retried(systemd):
    start_server(systemd)
    systemd.do("systemctl", "stop", "adit-server")
    for words, text in (("--no-such-flag", "no-such-flag"), ("--tls-cert /none --tls-key /none",
                                                             "/none"),
                        ("--port 1 --host 192.0.2.1", "cannot listen")):
        systemd.write("/etc/default/adit-server", f"ADIT_SERVER_ARGS={words}\n")
        assert systemd.call("systemctl", "start", "adit-server").returncode != 0
        systemd.wait_show("adit-server", "ActiveState", "failed")
        assert systemd.show("adit-server", "NRestarts") == "0"
        assert text in systemd.journal("adit-server", "-p", "err", "-n", "20")


def test_it_comes_back_after_a_crash_and_when_it_hangs(systemd):
    systemd.write("/etc/systemd/system/adit-server.service.d/test.conf",
                  "[Service]\nWatchdogSec=2\nRestartSec=200ms\n")
    systemd.do("systemctl", "daemon-reload")
    start_server(systemd)
    for number, signal in ((1, "KILL"), (2, "STOP")):
        pid = systemd.show("adit-server", "MainPID")
        systemd.do("kill", f"-{signal}", pid)
        systemd.wait_show("adit-server", "NRestarts", str(number), 20)
        systemd.wait_show("adit-server", "ActiveState", "active")
        assert systemd.do("curl", "-sS", "http://127.0.0.1:9090/health") == "OK\n"
    assert "watchdog" in systemd.journal("adit-server").lower()


@pytest.mark.parametrize("unit, file", [("adit-client", "adit-client"),
                                        ("adit-client@home", "adit-client-home")])
def test_a_client_connects(systemd, unit, file):
    assert systemd.call("systemctl", "start", unit).returncode != 0
    assert f"/etc/default/{file}" in systemd.call("systemctl", "status", unit).stdout
    systemd.write(f"/etc/default/{file}", "AUTH=ann:secret\n"
                  "ADIT_CLIENT_ARGS=http://127.0.0.1:9090 R:127.0.0.1:3000:127.0.0.1:9090\n",
                  0o600)
    systemd.do("systemctl", "start", unit)
    systemd.wait_show(unit, "StatusText", "not connected to 127.0.0.1:9090")
    start_server(systemd)
    systemd.do("systemctl", "reload", unit)
    systemd.wait_show(unit, "StatusText", "connected to 127.0.0.1:9090")
    assert systemd.do("curl", "-sS", "http://127.0.0.1:3000/health") == "OK\n"
    systemd.do("systemctl", "stop", unit)


@pytest.mark.parametrize("unit, file", [("adit-expose", "adit-expose"),
                                        ("adit-expose@app", "adit-expose-app")])
def test_a_relay_and_what_is_published_at_it(systemd, unit, file):
    assert systemd.call("systemctl", "start", "adit-relay").returncode != 0
    assert systemd.call("systemctl", "start", unit).returncode != 0
    start_server(systemd)
    systemd.write("/etc/adit/relay.toml", 'portal_url = "https://relay.localhost"\n')
    systemd.do("systemctl", "start", "adit-relay")
    assert systemd.do("stat", "-c", "%U %a", "/var/lib/adit/relay").strip() == "adit 700"
    systemd.write(f"/etc/default/{file}", "ADIT_EXPOSE_ARGS=9090 --name app --relays "
                  "https://relay.localhost --discovery=false\n")
    systemd.do("systemctl", "start", unit)
    systemd.wait_show(unit, "StatusText", "public at https://app.relay.localhost")
    answer = wait_until(lambda: systemd.call(
        "curl", "-sS", "--cacert", "/var/lib/adit/relay/fullchain.pem",
        "https://app.relay.localhost/health").stdout or None, 15, message="an answer")
    assert answer == "OK\n"
    identity = f"/var/lib/adit/{file.removeprefix('adit-')}/identity.json"
    assert systemd.do("stat", "-c", "%U %a", identity).strip() == "adit 600"
    systemd.do("systemctl", "reload", "adit-relay")
    systemd.do("systemctl", "reload", unit)
    systemd.do("systemctl", "stop", unit, "adit-relay")
    assert systemd.show("adit-relay", "Result") == systemd.show(unit, "Result") == "success"


def test_the_contract_s_unit_runs(systemd, adit):
    path = re.search(r"^ExecStart=(\S+) server --reverse --port 9090 --host 127.0.0.1$",
                     systemd.do("systemctl", "cat", "chisel"), re.MULTILINE).group(1)
    systemd.do("sh", "-c", 'mkdir -p "${0%/*}" && ln -s "$(command -v adit)" "$0"', path)
    systemd.do("systemctl", "start", "chisel")
    wait_until(lambda: systemd.call("curl", "-sS", "http://127.0.0.1:9090/health").stdout
               == "OK\n" or None, 15, message="chisel.service serving")
    systemd.do("systemctl", "stop", "chisel")


def test_the_units_are_well_formed(world, adit):
    tool = need("systemd-analyze")
    directory = world.path("units")
    os.mkdir(directory)
    for unit in units_of(adit):
        with open(unit) as f:
            text = f.read()
        # The program is not installed where the units want it.
        text = re.sub(r"^(ExecStart=)\S+", rf"\1{adit.argv[0]}", text, flags=re.MULTILINE)
        name = os.path.basename(unit).replace("@.", "@test.")
        with open(os.path.join(directory, name), "w") as f:
            f.write(text.replace("file:", "file:/"))
    done = subprocess.run([tool, "verify", "--man=no", *glob.glob(directory + "/*")],
                          capture_output=True, text=True, check=False)
    said = [line for line in done.stderr.splitlines()
            if directory in line and "Special user nobody" not in line]
    assert not said, done.stderr
