"""Processes that a measurement starts, watches and ends: by their ids, and no others."""
import os
import signal
import socket
import subprocess
import time

TICKS = os.sysconf("SC_CLK_TCK")


class Broken(Exception):
    """A path or a measurement that did not work; the words are for people."""


def free_port(taken=set()):
    """A free port of 127.0.0.1; no port is returned twice."""
    while True:
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            port = s.getsockname()[1]
        if port not in taken:
            taken.add(port)
            return port


def stat(pid):
    """The fields of /proc/PID/stat after the name, which may hold anything."""
    with open(f"/proc/{pid}/stat") as f:
        return f.read().rpartition(")")[2].split()


def family(pid):
    """The process and all its descendants."""
    parents = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            parents[int(name)] = int(stat(name)[1])
        except OSError:
            pass
    found = [pid]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found


class Group:
    """The processes of one role, server or client, with all their children."""

    def __init__(self):
        self.started = []

    def start(self, argv, log):
        with open(log, "ab") as out:
            self.started.append(subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out))

    def check(self):
        for p in self.started:
            if p.poll() is not None:
                raise Broken(f"{os.path.basename(p.args[0])} ended with {p.returncode}")

    def pids(self):
        return [pid for p in self.started for pid in family(p.pid)]

    def cpu(self):
        """CPU seconds so far, in all threads: utime and stime."""
        fields = [stat(pid) for pid in self.pids()]
        return sum(int(f[11]) + int(f[12]) for f in fields) / TICKS

    def switches(self):
        """How often the processes have waited for something so far, in all threads."""
        total = 0
        for pid in self.pids():
            for task in os.listdir(f"/proc/{pid}/task"):
                with open(f"/proc/{pid}/task/{task}/status") as f:
                    total += next(int(line.split()[1]) for line in f
                                  if line.startswith("voluntary_ctxt"))
        return total

    def memory_kb(self):
        """Resident, and private: what would be freed if these processes were gone."""
        rss = private = 0
        for pid in self.pids():
            with open(f"/proc/{pid}/smaps_rollup") as f:
                kb = {line.split()[0]: int(line.split()[1]) for line in f.readlines()[1:]}
            rss += kb["Rss:"]
            private += kb["Private_Clean:"] + kb["Private_Dirty:"]
        return rss, private

    def stop(self):
        pids = self.pids()
        for sig in (signal.SIGTERM, signal.SIGKILL):
            for pid in pids:
                try:
                    os.kill(pid, sig)
                except ProcessLookupError:
                    pass
            if self.wait(2):
                break
        self.started = []

    def wait(self, seconds):
        until = time.monotonic() + seconds
        while any(p.poll() is None for p in self.started):
            if time.monotonic() > until:
                return False
            time.sleep(0.01)
        return True
