"""The agent as a service where no systemd runs: scripted managers, and property lists."""

import json
import os
import plistlib
import re
import xml.dom.minidom

import pytest

from lib.fake_systemd import FakeSystemd
from lib.process import wait_until

CLIENT = ("client", "http://127.0.0.1:9", "R:127.0.0.1:3000:127.0.0.1:9090")


def drive_of(adit):
    drive = os.path.join(os.path.dirname(os.path.realpath(adit.argv[0])), "service_drive")
    if not os.access(drive, os.X_OK):
        pytest.skip("skipped: no service_drive beside this program")
    return drive


@pytest.fixture
def fake(world, adit):
    manager = world.keep(FakeSystemd(world))
    manager.adit = adit
    drive = drive_of(adit)

    def call(action, *settings, words=CLIENT):
        return world.call([*manager.prefix, drive, action, f"home={manager.home}",
                           f"directory={manager.home}", f"state={manager.home}/state", *settings,
                           "--", adit.argv[0], *words], env=manager.env)

    def do(*words, **options):
        done = call(*words, **options)
        assert done.returncode == 0, done.stderr + manager.log("adit-agent.service")
        return done.stdout

    def command(*words):
        return world.call([*manager.prefix, adit.argv[0], "agent", *words], env=manager.env)

    manager.call_drive, manager.do, manager.command = call, do, command
    return manager


def test_the_scripted_systemd_is_like_the_real_one(fake):
    assert "not installed" in fake.do("state")
    assert fake.do("install") == "new=1 changed=1\n"
    fake.do("start")
    state = wait_until(lambda: re.match(r"running enabled=1 pid=(\d+) status=not connected",
                                        fake.do("state")), message="its status")
    os.kill(int(state.group(1)), 9)
    again = wait_until(lambda: re.match(r"running enabled=1 pid=(\d+)", fake.do("state")),
                       message="its return")
    assert again.group(1) != state.group(1)
    assert "Connecting" in fake.do("log")
    fake.do("stop")
    assert fake.do("state").startswith("stopped enabled=0 pid=0")
    fake.do("remove")
    assert "not installed" in fake.do("state")
    assert not os.path.exists(fake.unit_path("adit-agent.service"))


def test_a_start_that_fails_is_explained(fake):
    fake.scale = 0.1  # it stays down while it is looked at
    words = ("client", "--no-such-flag")
    fake.do("install", words=words)
    failed = fake.call_drive("start", words=words)
    assert "does not start (exit-code, status 2)" in failed.stderr
    assert fake.do("state", words=words).startswith("failed enabled=1")


def test_a_manager_that_fails_leaves_no_unit(fake):
    fake.failures["enable"] = "Failed to enable unit: Access denied"
    failed = fake.call_drive("install")
    assert failed.returncode == 1 and "denied" in failed.stderr
    assert not os.path.exists(fake.unit_path("adit-agent.service"))


def test_the_commands_that_need_no_agent(fake):
    for command in ("logs", "uninstall"):
        gone = fake.command(command)
        assert gone.returncode == 1 and "adit-agent is not installed" in gone.stderr, gone.stderr
    fake.do("install")
    fake.do("start")
    wait_until(lambda: "Connecting" in fake.command("logs").stdout or None, message="a line")
    assert len(fake.command("logs", "-n", "1").stdout.splitlines()) == 1
    fake.command("logs", "--follow")
    assert fake.calls[-1].endswith(
        "journalctl --user-unit adit-agent.service --lines 100 --no-pager --follow")
    done = fake.command("uninstall")
    assert done.returncode == 0, done.stderr
    assert done.stdout == ("The service adit-agent has been stopped and removed:\n"
                           f"  systemd user unit {fake.unit_path('adit-agent.service')}\n"
                           "The config and the state directory have been kept.\n")
    assert "not installed" in fake.do("state")


def test_a_file_of_another_program_is_removed_by_force_only(fake):
    path = fake.unit_path("adit-agent.service")
    os.makedirs(os.path.dirname(path))
    with open(path, "w", encoding="utf-8") as f:
        f.write("[Service]\nExecStart=/bin/true\n")
    refused = fake.command("uninstall")
    assert refused.returncode == 1 and "was not written by adit" in refused.stderr
    assert fake.command("uninstall", "--force").returncode == 0
    assert not os.path.exists(path)


def test_without_systemd_the_advice_is_to_run_in_the_foreground(world, fake):
    fake.do("install")
    os.unlink(os.path.join(fake.bin, "systemctl"))
    os.unlink(os.path.join(fake.bin, "journalctl"))
    done = world.call([*fake.prefix, fake.adit.argv[0], "agent", "logs"],
                      env={**fake.env, "PATH": fake.bin})
    assert done.returncode == 1 and "--foreground" in done.stderr
    done = world.call([*fake.prefix, fake.adit.argv[0], "agent", "uninstall"],
                      env={**fake.env, "PATH": fake.bin})
    assert done.returncode == 0 and not os.path.exists(fake.unit_path("adit-agent.service"))


# What PropertyList-1.0.dtd allows in each element.
TEXTS = ("string", "key", "integer", "real", "date", "data")
VALUES = ("array", "data", "date", "dict", "real", "integer", "string", "true", "false")


def check_element(element):
    """As PropertyList-1.0.dtd has it: a dict is pairs of key and value."""
    children = [c for c in element.childNodes if c.nodeType == c.ELEMENT_NODE]
    names = [c.tagName for c in children]
    assert not element.attributes.keys() or element.tagName == "plist"
    if element.tagName not in TEXTS:  # blanks between elements, and no text
        assert not "".join(c.data for c in element.childNodes if c.nodeType == c.TEXT_NODE).strip()
    if element.tagName in TEXTS or element.tagName in ("true", "false"):
        assert not names
    elif element.tagName == "dict":
        assert len(names) % 2 == 0
        assert set(names[::2]) <= {"key"} and set(names[1::2]) <= set(VALUES)
    elif element.tagName == "array":
        assert set(names) <= set(VALUES)
    else:
        assert element.tagName == "plist" and names == ["dict"]
        assert element.getAttribute("version") == "1.0"
    for child in children:
        check_element(child)


@pytest.mark.parametrize("odd", ["plain", "a & b < c > d", "it's \"x\" ]]>", "&amp;%h$HOME\\n",
                                 "Adit/Agent ünï \U0001f600", "  two  blanks ", "-- <!-- -->"])
def test_a_property_list_has_every_text(world, adit, odd):
    words = ["agent", "run", "--service", "--config", f"/x/{odd}", ""]
    done = world.call([drive_of(adit), "print", "launchd=yes", "label=com.portlama.chisel",
                       f"directory=/dir/{odd}", f"state=/state/{odd}", f"env=ODD={odd}", "--",
                       f"/bin/{odd}", *words])
    assert done.returncode == 0, done.stderr
    document = xml.dom.minidom.parseString(done.stdout.encode())
    assert document.doctype.publicId == "-//Apple//DTD PLIST 1.0//EN"
    check_element(document.documentElement)
    assert plistlib.loads(done.stdout.encode()) == {
        "Label": "com.portlama.chisel", "ProgramArguments": [f"/bin/{odd}", *words],
        "WorkingDirectory": f"/dir/{odd}", "EnvironmentVariables": {"ODD": odd},
        "RunAtLoad": True, "KeepAlive": True, "ThrottleInterval": 5, "ExitTimeOut": 20,
        "Umask": 0o77, "StandardOutPath": f"/state/{odd}/agent.log",
        "StandardErrorPath": f"/state/{odd}/agent.log"}, json.dumps(done.stdout)


def test_a_service_keeps_the_name_that_the_program_was_called_by(world, adit):
    drive = drive_of(adit)
    os.makedirs(world.path("links"))
    link = world.path("links/portal")
    os.symlink(drive, link)
    words = ("program", "--", "x")
    assert world.call([link, *words]).stdout == link + "\n"
    assert world.call([drive, *words]).stdout == drive + "\n"
    found = world.call(["env", f"PATH={world.path('links')}", "portal", *words])
    assert found.stdout == link + "\n"
    for relative in ("links/portal", "./links/portal"):
        done = world.call(["sh", "-c", f"exec {relative} program -- x"])
        assert done.stdout == link + "\n"
    # By another loader or a descriptor it has no name of its own.
    done = world.call(["sh", "-c", f"exec 9<{link}; exec /proc/self/fd/9 program -- x"])
    assert done.stdout == os.path.realpath(drive) + "\n"
