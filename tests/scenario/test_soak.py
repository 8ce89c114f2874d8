"""
A long run of visits, cuts and restarts: what an adit holds and logs must not grow.

    SOAK_SECONDS=1800 ... -m pytest tests/scenario/test_soak.py --slow

Memory is only judged for a program without sanitizers, which keep what was freed.
"""

import concurrent.futures
import os
import random
import signal
import subprocess
import time

import pytest
from lib import net, portal_visitor

SECONDS = float(os.environ.get("SOAK_SECONDS", "60"))
ROUND_SECONDS = 10.0
VISITORS = 4
PAUSE_SECONDS = 0.2  # between a visitor's visits, on average: others use the machine, too
LOG_BYTES = 12000  # in a round, limited as the lines are that visitors cause

# As kinds of programs: who is the server or relay, who is the client.
ENDS = [("adit", "adit"), ("adit", "stock"), ("stock", "adit")]


def talk(s):
    """A target: the visitor's first byte says what it does."""
    kind = s.recv(1)
    if kind == b"e":
        net.echo(s)
    elif kind == b"c":  # it closes first
        s.sendall(b"c" * 5000)
    elif kind == b"r":
        s.sendall(b"r")
        net.reset(s)


def visit(s):
    """One visit of a random kind. Wrong bytes fail; a connection that breaks is counted."""
    kind = random.choice(["echo", "close", "reset", "leave", "abort"])
    if kind == "echo":
        text = random.randbytes(random.choice([1, 100, 5000, 300000]))
        s.sendall(b"e")
        for i in range(0, len(text), 50000):
            piece = text[i:i + 50000]
            s.sendall(piece)
            assert net.read_exactly(s, len(piece)) == piece
    elif kind == "close":
        s.sendall(b"c")
        assert net.read_exactly(s, 5000) == b"c" * 5000
    elif kind == "reset":
        s.sendall(b"r")
        s.recv(1)
    elif kind == "leave":
        s.sendall(b"e" + b"x" * 1000)
    else:
        s.sendall(b"e" + b"x" * 100000)
        net.reset(getattr(s, "lower", s))


class Rig:
    """A tunnel of either kind, in which others are cut and restarted and adits stay."""

    def __init__(self, connect, disturb, watched):
        self.connect, self.disturb, self.watched = connect, disturb, watched
        self.visits = self.broken = 0

    def run(self, until):
        while time.monotonic() < until:
            try:
                with self.connect() as s:
                    visit(s)
                self.visits += 1
            except (OSError, EOFError):
                self.broken += 1
            time.sleep(random.random() * 2 * PAUSE_SECONDS)

    def is_served(self):
        try:
            with self.connect() as s:
                s.sendall(b"e?")
                return net.read_exactly(s, 1) == b"?"
        except (OSError, EOFError):
            return False


def link_rig(world, program, target, ends):
    server_program, client_program = (program(e) for e in ends)
    port = net.free_port()
    server = world.server(server_program, "--reverse")
    shim = world.keep(net.Shim(server.port))
    remote = f"R:127.0.0.1:{port}:127.0.0.1:{target.port}"

    def client():
        return world.client(client_program, shim.url, remote, wait=False)

    running = [client()]

    def disturb(turn):
        if turn % 2 or client_program.is_ours:
            shim.cut()
        else:
            running[0].kill()
            running[0] = client()
        if turn % 2 and not server_program.is_ours:
            server.kill()
            server.popen = subprocess.Popen(server.argv, stderr=subprocess.DEVNULL,
                                            stdout=subprocess.DEVNULL)

    watched = [p for p in (server, running[0]) if p.graceful]
    return Rig(lambda: net.connect(port), disturb, watched)


def lease_rig(world, leases, target, ends):
    name = "-".join(ends)
    relay = leases.relay(ends[0], root=f"{name}.localhost")
    client = [leases.expose(ends[1], relay, target.port, name=name)]

    def connect():
        return portal_visitor.visit(relay.sni_port, f"{name}.{relay.root}", relay.ca)

    def disturb(turn):
        if ends[0] == "stock":
            relay.restart()
        elif ends[1] == "stock":
            client[0].kill()
            client[0] = leases.expose(ends[1], relay, target.port, name=name, wait=False)
        else:
            client[0].signal(signal.SIGHUP if turn % 2 else signal.SIGCONT)

    watched = [p for p in (relay.process, client[0]) if p.graceful]
    return Rig(connect, disturb, watched)


class Figures:
    """What one program holds now."""

    def __init__(self, process):
        self.descriptors = process.descriptors()
        self.kib = process.resident_kib()
        self.log_bytes = os.path.getsize(process.log_path)

    def __str__(self):
        return f"{self.descriptors} descriptors, {self.kib} KiB, {self.log_bytes} B of log"


@pytest.mark.slow
def test_nothing_grows_in_a_long_run(world, leases, program):
    signal.alarm(int(SECONDS) + 300)
    target = world.serve(talk)
    rigs = {}
    for ends in ENDS:
        rigs["link " + "-".join(ends)] = link_rig(world, program, target, ends)
        rigs["lease " + "-".join(ends)] = lease_rig(world, leases, target, ends)
    history = soak(rigs)
    has_sanitizer = b"__asan" in open(program("adit").argv[0], "rb").read()
    for key, rows in history.items():
        judge(key, rows, has_sanitizer)


def soak(rigs):
    """Rounds of visits, each with one disturbance; figures are read between rounds."""
    history = {}
    end = time.monotonic() + SECONDS
    turn = 0
    with concurrent.futures.ThreadPoolExecutor(VISITORS * len(rigs)) as pool:
        while time.monotonic() < end:
            until = time.monotonic() + ROUND_SECONDS
            runs = [pool.submit(r.run, until) for r in rigs.values() for _ in range(VISITORS)]
            time.sleep(ROUND_SECONDS / 2)
            for rig in rigs.values():
                rig.disturb(turn)
            for run in runs:
                run.result()
            for name, rig in rigs.items():
                net.wait_until(rig.is_served, 40, every=0.2, message=f"{name} being served")
            turn += 1
            for name, rig in rigs.items():
                for process in rig.watched:
                    rows = history.setdefault((name, process.name), [])
                    rows.append(Figures(process))
            print(f"round {turn}: " + ", ".join(
                f"{n}: {r.visits} visits, {r.broken} broken" for n, r in rigs.items()),
                flush=True)
    return history


def judge(key, rows, has_sanitizer):
    """The last third of the rounds beside the middle one; the first warms up."""
    third = len(rows) // 3
    middle, last = rows[third:2 * third], rows[2 * third:]
    for n in sorted({0, third, 2 * third, len(rows) - 1}):
        print(f"{key} round {n + 1}: {rows[n]}", flush=True)
    assert third >= 1
    assert min(f.descriptors for f in last) <= max(f.descriptors for f in middle) + 2, key
    if not has_sanitizer:
        assert min(f.kib for f in last) <= max(f.kib for f in middle) * 1.1 + 500, key
    assert rows[-1].log_bytes < LOG_BYTES * (len(rows) + 1), key
