"""What is measured on a path that is up. Each measure returns its figures by name."""
import json
import os
import signal
import subprocess
import time

from procs import TICKS, Broken, stat

GIB = 1 << 30
SETTLE_S = 0.7  # until memory that is given back has been given back


class Bench:
    """How long, how many, and with which load."""

    def __init__(self, args, tools):
        self.tools = tools
        self.seconds = args.seconds
        self.visitors = args.visitors
        self.perf = args.perf
        self.is_quick = args.quick

    def load(self, run, mode, seconds=None, **options):
        argv = [self.tools.load, mode, "-p", str(run.port), "-s", str(seconds or self.seconds)]
        for name, value in {**run.load_options, **options}.items():
            argv += [f"-{name}"] + ([] if value is None else [str(value)])
        return subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True)

    def profile(self, run, name):
        """perf beside the ends, when it was asked for."""
        pids = run.server.pids() + run.client.pids()
        if not self.perf or not pids:
            return None
        out = os.path.join(self.perf, f"{run.path.name.replace('/', '+')}.{name}.data")
        return subprocess.Popen(["perf", "record", "-q", "-F", "1999", "-g", "-o", out, "-p",
                                 ",".join(map(str, pids))], stderr=subprocess.DEVNULL)


def answer(load):
    """The line that a load prints; its stdin has been kept open until now."""
    out, err = load.communicate()
    if load.returncode != 0:
        raise Broken(err.strip() or f"the load ended with {load.returncode}")
    return json.loads(out)


def service_cpu(run):
    fields = stat(run.service.pid)
    return (int(fields[11]) + int(fields[12])) / TICKS


def machine_cpu():
    """CPU seconds of all processes, and those that the hypervisor gave to other guests."""
    with open("/proc/stat") as f:
        user, nice, system, _, _, *rest = map(int, f.readline().split()[1:9])
    return (user + nice + system + sum(rest)) / TICKS


class Cpu:
    """CPU seconds of the ends, the service and the machine, while a `with` block runs."""

    def __init__(self, bench, run, name):
        self.bench, self.run, self.name = bench, run, name

    def now(self):
        return {"server": self.run.server.cpu(), "client": self.run.client.cpu(),
                "service": service_cpu(self.run), "machine": machine_cpu()}

    def __enter__(self):
        self.perf = self.bench.profile(self.run, self.name)
        self.before, self.start = self.now(), time.monotonic()
        return self

    def __exit__(self, *_):
        self.seconds = time.monotonic() - self.start
        self.used = {role: cpu - self.before[role] for role, cpu in self.now().items()}
        self.ends = self.used["server"] + self.used["client"]
        if self.perf:
            self.perf.send_signal(signal.SIGINT)
            self.perf.wait()

    def busy(self, load_cpu):
        """Cores in use, by role; those of others make every figure here worse."""
        used = dict(self.used, load=load_cpu)
        machine = used.pop("machine")
        used["others"] = max(0, machine - sum(used.values()))
        return {role: cpu / self.seconds for role, cpu in used.items()}


def transfer(bench, run, mode):
    with Cpu(bench, run, mode) as cpu:
        got = answer(bench.load(run, mode))
    return {mode: got["bytes"] / got["seconds"] / 1e9,
            f"{mode}_cpu": cpu.ends / (got["bytes"] / GIB),
            "busy": cpu.busy(got["load_cpu"])}


def down(bench, run):
    return transfer(bench, run, "down")


def up(bench, run):
    return transfer(bench, run, "up")


def crowd(bench, run, mode, conns):
    with Cpu(bench, run, mode) as cpu:
        got = answer(bench.load(run, mode, c=conns))
    if got["done"] == 0:
        raise Broken("no request was answered")
    return {mode: got["done"] / got["seconds"],
            f"{mode}_cpu": cpu.ends / got["done"] * 1e6,
            f"{mode}_p99": got["p99_ms"], f"{mode}_errors": got["errors"],
            "busy": cpu.busy(got["load_cpu"])}


def rps(bench, run):
    return crowd(bench, run, "rps", 64)


def connect(bench, run):
    return crowd(bench, run, "connect", 32)


def echo(bench, run):
    """Beside a download that takes all it can get, from before until after."""
    with Cpu(bench, run, "echo") as cpu:
        beside = bench.load(run, "down", bench.seconds + 0.6)
        time.sleep(0.3)
        got = answer(bench.load(run, "echo"))
        filled = answer(beside)
    return {"echo_p50": got["p50_ms"], "echo_p99": got["p99_ms"],
            "echo_beside": filled["bytes"] / filled["seconds"] / 1e9,
            "busy": cpu.busy(got["load_cpu"] + filled["load_cpu"])}


def memory(bench, run):
    """Of ends that have just started, and what each idle visitor adds at both together."""
    time.sleep(SETTLE_S)
    server, client = run.server.memory_kb(), run.client.memory_kb()
    load = bench.load(run, "idle", c=bench.visitors)
    load.stdout.readline()
    time.sleep(SETTLE_S)
    many = [sum(pair) for pair in zip(run.server.memory_kb(), run.client.memory_kb())]
    load.communicate()
    if load.returncode != 0:
        raise Broken("the idle visitors were not all let in")
    return {"server_rss": server[0] / 1024, "server_private": server[1] / 1024,
            "client_rss": client[0] / 1024, "client_private": client[1] / 1024,
            "visitor_rss": (many[0] - server[0] - client[0]) / bench.visitors,
            "visitor_private": (many[1] - server[1] - client[1]) / bench.visitors}


# Memory is of processes that have just started; the others share one that goes on.
MEASURES = {"memory": memory, "down": down, "up": up, "rps": rps, "connect": connect,
            "echo": echo}
