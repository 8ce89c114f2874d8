"""
A systemd without systemd: systemctl, journalctl and loginctl that start processes.

For machines on which a systemd of our own (lib/systemd.py) cannot run, and for faults that a
real one does not have on request. It reads the units that are written below the user's home,
waits for READY=1, feeds no watchdog but watches it, and starts again what has ended.

    fake = world.keep(FakeSystemd(world))
    world.call([adit, "agent", "run"], env=fake.env)
    assert fake.calls == ["systemctl --user daemon-reload", ...]

The programs run in a user namespace as a user who is not root: fake.prefix comes before them.
"""

import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

# A program that hands its words to the test, and prints what the test answers.
CLIENT = """#!{python} -S
import json, os, socket, sys
with socket.socket(socket.AF_UNIX) as s:
    s.connect({path!r})
    s.sendall(json.dumps([os.path.basename(sys.argv[0]), *sys.argv[1:]]).encode() + b"\\n")
    answer = json.loads(s.makefile().readline())
sys.stdout.write(answer["out"])
sys.stderr.write(answer["err"])
sys.exit(answer["status"])
"""


class Refusal(Exception):
    """What systemctl prints before it ends with 1."""


def words_of(text):
    """The words of ExecStart= and of other lists, as systemd.syntax(7) has them."""
    lexer = shlex.shlex(text, posix=True, punctuation_chars=False)
    lexer.whitespace_split = True
    lexer.commenters = ""
    lexer.escapedquotes = "'\""
    return [word.replace("%%", "%") for word in lexer]


class Unit:
    """A unit's file, its process, and what it has said."""

    def __init__(self, path):
        self.name = os.path.basename(path)
        self.settings = {}
        self.environment = []
        with open(path, encoding="utf-8") as f:
            for line in f:
                key, equals, value = line.rstrip("\n").partition("=")
                if not equals or key.startswith("#"):
                    continue
                if key == "Environment":
                    self.environment += words_of(value)
                self.settings[key] = value
        self.popen = None
        self.wanted = False
        self.ready = threading.Event()
        self.changed = threading.Event()
        self.status, self.result, self.code = "", "success", 0
        self.restarts = 0
        self.last_word = 0.0

    def command(self):
        text = self.settings["ExecStart"]
        is_literal = text.startswith(":")
        words = words_of(text.lstrip(":"))
        return words if is_literal else [word.replace("$$", "$") for word in words]

    def is_running(self):
        return self.popen is not None and self.popen.poll() is None

    def active_state(self):
        if self.is_running():
            return "active" if self.ready.is_set() else "activating"
        return "activating" if self.wanted else "inactive" if self.result == "success" \
            else "failed"

    def properties(self, enabled):
        waits = self.wanted and not self.is_running()
        return {
            "LoadState": "loaded", "ActiveState": self.active_state(),
            "SubState": "auto-restart" if waits else "running" if self.is_running() else "dead",
            "UnitFileState": "enabled" if enabled else "disabled",
            "MainPID": self.popen.pid if self.is_running() else 0, "StatusText": self.status,
            "Result": self.result, "ExecMainStatus": self.code, "NRestarts": self.restarts}


class FakeSystemd:
    """scale: how much shorter than RestartSec= it waits before it starts a unit again."""

    def __init__(self, world, scale=20):
        self.directory = world.path("fake-systemd")
        self.home = world.path("home")
        self.bin = os.path.join(self.directory, "bin")
        os.makedirs(self.bin)
        os.makedirs(self.home, exist_ok=True)
        self.scale = scale
        self.units, self.enabled, self.linger = {}, set(), False
        self.calls = []  # as they were made, "systemctl --user start adit-agent.service"
        self.failures = {}  # verb: what it prints on its failure
        self.lock = threading.RLock()
        self.closing = False
        path = os.path.join(self.directory, "socket")
        for name in ("systemctl", "journalctl", "loginctl"):
            program = os.path.join(self.bin, name)
            with open(program, "w", encoding="utf-8") as f:
                f.write(CLIENT.format(python=sys.executable, path=path))
            os.chmod(program, 0o755)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen()
        self.threads = []
        self._run(self._serve)

    @property
    def env(self):
        return {"PATH": f"{self.bin}:{os.environ['PATH']}", "HOME": self.home,
                "XDG_CONFIG_HOME": "", "XDG_DATA_HOME": ""}

    @property
    def prefix(self):
        if os.geteuid() != 0:
            return []
        return [shutil.which("unshare"), "--user", "--map-user=1000", "--map-group=1000"]

    def log_path(self, name):
        return os.path.join(self.directory, name + ".log")

    def log(self, name):
        try:
            with open(self.log_path(name), encoding="utf-8", errors="replace") as f:
                return f.read()
        except FileNotFoundError:
            return ""

    def unit_path(self, name):
        return os.path.join(self.home, ".config/systemd/user", name)

    def close(self):
        self.closing = True
        with self.lock:
            for unit in self.units.values():
                self._end(unit)
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for thread in self.threads:
            thread.join(10)

    # ---- requests ----

    def _run(self, what, *args):
        thread = threading.Thread(target=what, args=args, daemon=True)
        self.threads.append(thread)
        thread.start()

    def _serve(self):
        while not self.closing:
            try:
                peer, _ = self.listener.accept()
            except OSError:
                return
            self._run(self._answer, peer)

    def _answer(self, peer):
        with peer, peer.makefile("rw") as stream:
            words = json.loads(stream.readline())
            answer = {"out": "", "err": "", "status": 0}
            try:
                answer["out"] = self._call(words) or ""
            except Refusal as refusal:
                answer.update(err=f"{refusal}\n", status=1)
            try:
                stream.write(json.dumps(answer) + "\n")
            except BrokenPipeError:
                pass  # it was killed, because it took too long

    def _call(self, words):
        self.calls.append(" ".join(words))
        program, *rest = words
        if program == "journalctl":
            return self._journal(rest)
        if program == "loginctl":
            return f"Linger={'yes' if self.linger else 'no'}\n"
        rest = [word for word in rest if word != "--user"]
        verb, *rest = rest
        if verb in self.failures:
            raise Refusal(self.failures[verb])
        names = [word for word in rest if not word.startswith("--")]
        return getattr(self, "verb_" + verb.replace("-", "_"))(rest, *names)

    def _journal(self, words):
        name = words[words.index("--user-unit") + 1]
        lines = int(words[words.index("--lines") + 1])
        return "".join(self.log(name).splitlines(keepends=True)[-lines:] if lines else [])

    # ---- the verbs of systemctl ----

    def verb_show(self, words, name=None):
        if name is None:
            return "Version=252 (fake)\n"
        unit = self._find(name)
        properties = {"LoadState": "not-found", "ActiveState": "inactive"}
        if unit is not None:
            properties = unit.properties(name in self.enabled)
        asked = [word.partition("=")[2] for word in words if word.startswith("--property=")]
        wanted = asked[0].split(",") if asked else list(properties)
        return "".join(f"{key}={properties.get(key, '')}\n" for key in wanted)

    def verb_daemon_reload(self, words):
        with self.lock:
            for name, unit in list(self.units.items()):
                if not os.path.exists(self.unit_path(name)) and not unit.is_running():
                    del self.units[name]

    def verb_enable(self, words, name):
        self._need(name)
        self.enabled.add(name)

    def verb_disable(self, words, name):
        self._need(name)
        self.enabled.discard(name)
        if "--now" in words:
            self.verb_stop(words, name)

    def verb_reset_failed(self, words, name):
        unit = self._find(name)
        if unit is None:
            raise Refusal(f"Failed to reset failed state of unit {name}: Unit {name} not loaded.")
        unit.result = "success"

    def verb_stop(self, words, name):
        with self.lock:
            if self._find(name) is not None:
                self._end(self._find(name))

    def _start_unit(self, unit):
        unit.ready.clear()
        unit.changed.clear()
        directory = unit.settings.get("WorkingDirectory", "/").replace("%%", "%")
        path = os.path.join(self.directory, f"{unit.name}.{unit.restarts}.notify")
        notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        notify.bind(path)
        env = {"PATH": os.environ["PATH"], "HOME": self.home, "NOTIFY_SOCKET": path}
        # The sanitizers' settings are the test's.
        env.update({k: v for k, v in os.environ.items() if k.endswith("SAN_OPTIONS")})
        if "WatchdogSec" in unit.settings:
            env["WATCHDOG_USEC"] = str(int(float(unit.settings["WatchdogSec"]) * 1e6))
        env.update(word.split("=", 1) for word in unit.environment)
        unit.last_word = time.monotonic()
        with open(self.log_path(unit.name), "ab") as log:
            unit.popen = subprocess.Popen(
                [*self.prefix, *unit.command()], cwd=directory, env=env, stdout=log, stderr=log,
                stdin=subprocess.DEVNULL, start_new_session=True)
        self._run(self._watch, unit, unit.popen, notify, path)

    def _watch(self, unit, popen, notify, path):
        """Until the process has ended: hears what it says; then starts it again if it should."""
        limit = float(unit.settings.get("WatchdogSec", "0"))
        notify.settimeout(0.02)
        with notify:
            while popen.poll() is None:
                try:
                    message = notify.recv(4096).decode()
                except TimeoutError:
                    if limit and time.monotonic() - unit.last_word > limit:
                        unit.result = "watchdog"
                        popen.kill()
                    continue
                unit.last_word = time.monotonic()
                for line in message.split("\n"):
                    if line == "READY=1":
                        unit.ready.set()
                        unit.changed.set()
                    elif line.startswith("STATUS="):
                        unit.status = line[len("STATUS="):]
        os.unlink(path)
        unit.code = abs(popen.returncode)
        if unit.result != "watchdog" or not unit.wanted:
            unit.result = ("success" if popen.returncode == 0 or not unit.wanted else
                           "exit-code" if popen.returncode > 0 else "signal")
        unit.changed.set()
        if not unit.wanted or unit.settings.get("Restart") != "always":
            return
        seconds = float(unit.settings.get("RestartSec", "0.1")) / self.scale
        end = time.monotonic() + seconds
        while time.monotonic() < end and unit.wanted and not self.closing:
            time.sleep(0.01)
        with self.lock:
            if unit.wanted and not self.closing:
                unit.restarts += 1
                self._start_unit(unit)

    def verb_start(self, words, name):
        with self.lock:
            unit = self._need(name)
            if unit.is_running() and unit.ready.is_set():
                return
            if not unit.is_running():
                self.units[name] = unit = Unit(self.unit_path(name))
                unit.wanted = True
                self._start_unit(unit)
        unit.changed.wait(60)
        if not unit.ready.is_set():
            raise Refusal(f"Job for {name} failed because the control process exited with "
                          "error code.")

    def _end(self, unit):
        unit.wanted = False
        unit.result = "success"
        if not unit.is_running():
            return
        os.killpg(unit.popen.pid, signal.SIGTERM)
        try:
            unit.popen.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(unit.popen.pid, signal.SIGKILL)
            unit.popen.wait()

    # ---- units ----

    def _find(self, name):
        with self.lock:
            if name not in self.units and os.path.exists(self.unit_path(name)):
                self.units[name] = Unit(self.unit_path(name))
            return self.units.get(name)

    def _need(self, name):
        if not re.fullmatch(r"[A-Za-z0-9:_.@\\-]+\.service", name):
            raise Refusal(f"Invalid unit name {name}")
        if self._find(name) is None:
            raise Refusal(f"Unit {name} could not be found.")
        return self._find(name)

