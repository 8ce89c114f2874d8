#!/usr/bin/env python3
"""Compares adit with other programs in one interleaved run; see docs/performance.md."""
import argparse
import json
import os
import platform
import shutil
import signal
import statistics
import sys
import tempfile
import time

import report
from measures import MEASURES, Bench
from paths import PATHS, ROOT, Running, Tools
from procs import Broken


def read_args(every_path=PATHS, measures=MEASURES, about=__doc__):
    p = argparse.ArgumentParser(description=about)
    p.add_argument("--quick", action="store_true", help="one short round")
    p.add_argument("--rounds", type=int, help="of each measure on each path (3; quick: 1)")
    p.add_argument("--seconds", type=float, help="that a measure takes (1.5; quick: 0.7)")
    p.add_argument("--visitors", type=int, help="idle ones, for memory (2000; quick: 500)")
    p.add_argument("--paths", help="only these, with commas: " + ",".join(
        path.name for path in every_path))
    p.add_argument("--measures", help="only these, with commas: " + ",".join(measures))
    p.add_argument("--json", metavar="FILE", help="write every figure of every round")
    p.add_argument("--build", default=os.path.join(ROOT, "build/release"),
                   help="directory with bench/load and src/adit (build/release)")
    p.add_argument("--adit", metavar="FILE", help="the program to measure")
    p.add_argument("--perf", metavar="DIR", help="record a profile of each measure there")
    args = p.parse_args()
    args.rounds = args.rounds or (1 if args.quick else 3)
    args.seconds = args.seconds or (0.7 if args.quick else 1.5)
    args.visitors = args.visitors or (500 if args.quick else 2000)
    return args


def choose(args, tools, every_path=PATHS):
    """Paths that were asked for and that this machine has the programs for."""
    wanted = args.paths.split(",") if args.paths else [path.name for path in every_path]
    unknown = set(wanted) - {path.name for path in every_path}
    if unknown:
        sys.exit(f"bench: there is no path '{unknown.pop()}'")
    chosen = []
    for path in every_path:
        missing = path.missing(tools)
        if path.name in wanted and missing:
            print(f"  without {path.name}: no {', no '.join(missing)} here")
        elif path.name in wanted:
            print(f"  {path.name:<17} {path.what}")
            chosen.append(path)
    return chosen


class Results:
    """Every figure of every round: {path: {figure: [value, ...]}}."""

    def __init__(self, paths):
        self.figures = {path.name: {} for path in paths}
        self.busy = {path.name: {} for path in paths}
        self.failures = []

    def add(self, path, measure, figures):
        busy = figures.pop("busy", None)
        if busy:
            self.busy[path].setdefault(measure, []).append(busy)
        for name, value in figures.items():
            self.figures[path].setdefault(name, []).append(value)

    def fail(self, path, measure, why):
        self.failures.append(f"{path}: {measure}: {why}")
        print(f"  {self.failures[-1]}", file=sys.stderr)

    def medians(self):
        return {path: {name: statistics.median(values) for name, values in figures.items()}
                for path, figures in self.figures.items() if figures}

    def busy_medians(self):
        return {path: {m: {role: statistics.median(one[role] for one in runs)
                           for role in runs[0]} for m, runs in measures.items()}
                for path, measures in self.busy.items() if measures}


def measure_one(bench, run, name, results, measures=MEASURES):
    try:
        results.add(run.path.name, name, measures[name](bench, run))
    except Broken as why:
        results.fail(run.path.name, name, why)


def start(path, tools, workdir, results, running=Running):
    """None, and a line for the report, if it does not come up."""
    try:
        return running(path, tools, workdir)
    except Broken as why:
        results.fail(path.name, "start", why)
        return None


def measure_fresh(bench, name, paths, tools, workdir, results, measures=MEASURES,
                  running=Running):
    """In processes that have done nothing before: memory that was once used stays with them."""
    for path in paths:
        run = start(path, tools, workdir, results, running)
        if run is None:
            continue
        try:
            measure_one(bench, run, name, results, measures)
        finally:
            run.stop()


def measure_speed(bench, names, rounds, paths, tools, workdir, results, measures=MEASURES,
                  running=Running):
    """A B C A B C: what the machine does meanwhile, it does to all of them."""
    runs = []
    try:
        for path in paths:
            run = start(path, tools, workdir, results, running)
            if run is not None:
                runs.append(run)
        for name in names:
            for i in range(rounds):
                print(f"\r  {name}, round {i + 1} of {rounds} ", end="", flush=True)
                for run in runs:
                    measure_one(bench, run, name, results, measures)
            print()
    finally:
        for run in runs:
            run.stop()


def write_json(args, results):
    with open(args.json, "w") as f:
        json.dump({"when": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
                   "machine": {"cpus": os.cpu_count(), "kernel": platform.release(),
                               "arch": platform.machine()},
                   "rounds": args.rounds, "seconds": args.seconds,
                   "visitors": args.visitors, "medians": results.medians(),
                   "figures": results.figures, "cores": results.busy_medians(),
                   "failures": results.failures}, f, indent=1)
        f.write("\n")


def main():
    args = read_args()
    if os.sched_getscheduler(0) != os.SCHED_OTHER:
        sys.exit("bench: not in a real-time class: saturated paths would starve their own load")
    names = args.measures.split(",") if args.measures else list(MEASURES)
    workdir = tempfile.mkdtemp(prefix="adit-bench.")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    started = time.monotonic()
    try:
        tools = Tools(args, workdir)
        paths = choose(args, tools)
        bench, results = Bench(args, tools), Results(paths)
        if "memory" in names:
            tunnels = [path for path in paths if path.name != "direct"]
            measure_fresh(bench, "memory", tunnels, tools, workdir, results)
        speeds = [name for name in names if name != "memory"]
        if speeds:
            measure_speed(bench, speeds, args.rounds, paths, tools, workdir, results)
    finally:
        shutil.rmtree(workdir, ignore_errors=True)
    report.print_all(results.medians(), results.busy_medians(), os.cpu_count())
    print(f"\n  {args.rounds} rounds of {args.seconds} s, interleaved; it took "
          f"{time.monotonic() - started:.0f} s; {len(results.failures)} failures.")
    if args.json:
        write_json(args, results)


if __name__ == "__main__":
    main()
