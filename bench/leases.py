#!/usr/bin/env python3
"""Compares the path of a lease with others: visitors use TLS, which ends at the service."""
import os
import shutil
import signal
import sys
import tempfile
import time

import bench as common
import report
from lease_paths import PATHS, LeaseTools, Running, register_many
from measures import GIB, SETTLE_S, Bench, Cpu, answer
from procs import Broken

MANY = 1000
CROWD = 32


def handshakes(bench, run, name, **options):
    with Cpu(bench, run, name) as cpu:
        got = answer(bench.load(run, "connect", c=CROWD, **options))
    if got["done"] == 0:
        raise Broken("no visitor was answered")
    if name == "resumed" and got["resumed"] < (got["done"] - CROWD) * 0.9:  # the first cannot
        raise Broken(f"only {got['resumed']} of {got['done']} sessions were resumed")
    return {name: got["done"] / got["seconds"], f"{name}_cpu": cpu.ends / got["done"] * 1e6,
            f"{name}_p99": got["p99_ms"], f"{name}_errors": got["errors"],
            "busy": cpu.busy(got["load_cpu"])}


def stream(bench, run, mode):
    """Of the CPU, that of the relay (or of the outer hop) alone."""
    with Cpu(bench, run, mode) as cpu:
        got = answer(bench.load(run, mode))
    return {mode: got["bytes"] / got["seconds"] / 1e9,
            f"{mode}_cpu": cpu.used["server"] / (got["bytes"] / GIB),
            "busy": cpu.busy(got["load_cpu"])}


def down(bench, run):
    return stream(bench, run, "down")


def up(bench, run):
    return stream(bench, run, "up")


def full(bench, run):
    return handshakes(bench, run, "full")


def resumed(bench, run):
    return handshakes(bench, run, "resumed", k=None)


def idle_leases(bench, run):
    """What a lease with two ready sessions adds at the relay, and how much later a visitor is
    answered among a thousand of them than among ten."""
    figures, holders = {}, []
    try:
        before, had = None, 1
        for count in (10, MANY if not bench.is_quick else 200):
            holders.append(register_many(run, had, count))
            had = count
            time.sleep(SETTLE_S)
            rss, private = run.server.memory_kb()
            if before:
                figures["lease_rss"] = (rss - before[0]) / (count - 10)
                figures["lease_private"] = (private - before[1]) / (count - 10)
            before = rss, private
            got = answer(bench.load(run, "connect", c=1))
            for quantile in ("p50", "p99"):
                figures[f"{quantile}_{'few' if count == 10 else 'many'}"] = got[f"{quantile}_ms"]
        return figures
    finally:
        for holder in holders:
            holder.close()


MEASURES = {"down": down, "up": up, "full": full, "resumed": resumed, "idle": idle_leases}

COLUMNS = [
    ("down", "down", "GB/s", 3), ("up", "up", "GB/s", 3),
    ("down_cpu", "relay s/GiB", "down", 2), ("up_cpu", "relay s/GiB", "up", 2),
    ("full", "handshakes", "/s", 0), ("full_cpu", "CPU us", "/conn", 0),
    ("full_p99", "ms", "p99", 1), ("resumed", "resumed", "/s", 0),
    ("resumed_cpu", "CPU us", "/conn", 0), ("resumed_p99", "ms", "p99", 1),
]
IDLE_COLUMNS = [
    ("lease_rss", "KB/lease", "resident", 1), ("lease_private", "KB/lease", "private", 1),
    ("p50_few", "few leases", "ms p50", 2), ("p99_few", "few leases", "ms p99", 2),
    ("p50_many", "many", "ms p50", 2), ("p99_many", "many", "ms p99", 2),
]
GOALS = [
    ("one stream down", "down", report.REF, ">=", 3), ("one stream up", "up", report.REF, ">=", 3),
    ("down, HAProxy twice with TLS", "down", "haproxy-sni", ">=", 0.7),
    ("up, HAProxy twice with TLS", "up", "haproxy-sni", ">=", 0.7),
    ("new TLS connections/s", "full", report.REF, ">=", 2),
    ("the same, resumed", "resumed", report.REF, ">=", 4),
    ("relay CPU/GiB down", "down_cpu", report.REF, "<=", 1 / 3),
    ("relay CPU/GiB up", "up_cpu", report.REF, "<=", 1 / 3),
    ("relay, KB for an idle lease", "lease_private", None, "<=", 60),
    ("new visitor, many leases to few", "p50_many", "self", "<=", 1.2),
]


def print_goals(medians):
    ref = next((name for name in ("portal", "portal-peer") if name in medians), None)
    mine = medians.get("lease", {})
    rows = [["measure", "compared with", "goal", "result", "reached"]]
    for what, figure, against, sign, bound in GOALS:
        name = ref if against == report.REF else against
        if against is None:
            value = mine.get(figure)
        elif against == "self":
            value = report.ratio(mine.get("p50_many"), mine.get("p50_few"))
        else:
            value = report.ratio(mine.get(figure), medians.get(name, {}).get(figure))
        rows.append([what, name or "-", f"{sign} {bound:.2f}",
                     *report.verdict((what, figure, "", against, sign, bound), value)])
    report.print_rows("Goals:", rows)
    if ref == "portal-peer":
        print("\n  There are no stock programs here. The Go peer stands in: written from the "
              "protocol's\n  description, on Go's TLS and HTTP, with stock's timings; not stock.")


def print_all(medians, busy):
    report.print_figures("Medians:", COLUMNS, medians)
    report.print_figures("A relay's idle leases, and how soon a new visitor is answered among them:", IDLE_COLUMNS, medians)
    report.print_ratios(COLUMNS, medians, "haproxy-sni")
    names = [name for name in MEASURES if name != "idle"]
    report.SPEEDS = names
    report.print_bottlenecks(busy, os.cpu_count())
    print_goals(medians)


def main():
    args = common.read_args(PATHS, MEASURES, __doc__)
    names = args.measures.split(",") if args.measures else list(MEASURES)
    workdir = tempfile.mkdtemp(prefix="adit-bench.")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    started = time.monotonic()
    try:
        tools = LeaseTools(args, workdir)
        paths = common.choose(args, tools, PATHS)
        bench, results = Bench(args, tools), common.Results(paths)
        if "idle" in names:
            print("  idle", flush=True)
            with_relays = [path for path in paths if path.name != "haproxy-sni"]
            common.measure_fresh(bench, "idle", with_relays, tools, workdir, results, MEASURES,
                                 Running)
        speeds = [name for name in names if name != "idle"]
        if speeds:
            common.measure_speed(bench, speeds, args.rounds, paths, tools, workdir, results,
                                 MEASURES, Running)
    finally:
        shutil.rmtree(workdir, ignore_errors=True)
    print_all(results.medians(), results.busy_medians())
    print(f"\n  {args.rounds} rounds of {args.seconds} s, interleaved; it took "
          f"{time.monotonic() - started:.0f} s; {len(results.failures)} failures.")
    if args.json:
        common.write_json(args, results)


if __name__ == "__main__":
    main()
