#!/usr/bin/env python3
"""Compares adit's agent with a stock portal agent: start, memory, idle CPU and status of an
agent with many tunnels at one relay, which is adit's, on loopback."""
import argparse
import http.client
import json
import os
import shutil
import statistics
import sys
import tempfile
import time

import report
from lease_paths import HOST, LeaseTools, names_for
from paths import wait_listening
from procs import Broken, Group, free_port

COUNTS = (10, 100, 1000)
STOCK_MOST = 100     # more takes a stock agent minutes
START_S = 120        # the longest wait until all tunnels are published
SETTLE_S, IDLE_S = 5, 20
TUNNEL = """
[[tunnels]]
id = "t{i}"
name = "app{i}"
target = "127.0.0.1:{target}"
relays = ["{url}"]
discovery = false
"""

COLUMNS = [
    ("start", "all published", "s", 2), ("rss", "resident", "MB", 1),
    ("private", "private", "MB", 1), ("each", "private", "KB/tunnel", 0),
    ("status", "status", "ms p50", 1), ("idle", "idle CPU", "ms/s", 2),
    ("wakeups", "idle", "wakeups/s", 2),
]


class Tools:
    """The programs under test; portal is None when there is none."""

    def __init__(self, args, workdir):
        self.adit = os.path.abspath(args.adit)
        self.portal = os.environ.get("PORTAL") or shutil.which("portal")
        self.certificate = LeaseTools.make_certificate(workdir)


class Run:
    """A relay and an agent with a config of its own."""

    def __init__(self, tools, workdir):
        self.tools, self.dir = tools, tempfile.mkdtemp(dir=workdir)
        self.server, self.client = Group(), Group()
        self.count = 0

    def log(self):
        self.count += 1
        return os.path.join(self.dir, f"log-{self.count}")

    def start_relay(self):
        api, sni = free_port(), free_port()
        state = os.path.join(self.dir, "relay")
        os.makedirs(state)
        for source, name in zip(self.tools.certificate, ("fullchain.pem", "privatekey.pem")):
            shutil.copy(source, os.path.join(state, name))
            os.chmod(os.path.join(state, name), 0o600)
        self.server.start([self.tools.adit, "relay", "run", "--portal-url",
                           f"https://{HOST}:{sni}", "--api-port", str(api), "--sni-port",
                           str(sni), "--identity-path", state, "--leases-per-network", "0"],
                          self.log())
        wait_listening(self.server, sni)
        return f"https://{HOST}:{sni}"

    def start_agent(self, tool, url, count):
        config = os.path.join(self.dir, "config.toml")
        self.state = os.path.join(self.dir, "agent")
        with open(config, "w") as f:
            f.write(f'[agent]\ncontrol_addr = "127.0.0.1:0"\nstate_dir = "{self.state}"\n')
            for i in range(count):
                f.write(TUNNEL.format(i=i, target=free_port(), url=url))
        words = [getattr(self.tools, tool), "agent", "run", "--foreground", "--config", config]
        self.client.start([*names_for(self, tool), *words], self.log())

    def status(self):
        with open(os.path.join(self.state, "agent-endpoint.json")) as f:
            endpoint = json.load(f)
        connection = http.client.HTTPConnection(endpoint["control_addr"], timeout=30)
        try:
            connection.request("GET", "/v1/agent/status", headers={
                "Authorization": "Bearer " + endpoint["token"]})
            return json.load(connection.getresponse())["data"]
        finally:
            connection.close()

    def published(self):
        try:
            tunnels = self.status().get("tunnels", [])
        except (OSError, ValueError):
            return 0
        return sum(any(r.get("public_url") for r in t.get("relays", [])) for t in tunnels)

    def stop(self):
        self.client.stop()
        self.server.stop()


def measure(tools, workdir, tool, count):
    run = Run(tools, workdir)
    try:
        url = run.start_relay()
        began = time.monotonic()
        run.start_agent(tool, url, count)
        while run.published() < count:
            run.client.check()
            if time.monotonic() - began > START_S:
                raise Broken(f"{run.published()} of {count} tunnels are published")
            time.sleep(0.02 if count <= 100 else 0.2)
        figures = {"start": time.monotonic() - began}
        time.sleep(SETTLE_S)
        times = []
        for _ in range(21):
            asked = time.monotonic()
            run.status()
            times.append((time.monotonic() - asked) * 1000)
        figures["status"] = statistics.median(times)
        cpu, switches = run.client.cpu(), run.client.switches()
        time.sleep(IDLE_S)
        figures["idle"] = (run.client.cpu() - cpu) / IDLE_S * 1000
        figures["wakeups"] = (run.client.switches() - switches) / IDLE_S
        rss, private = run.client.memory_kb()
        figures.update(rss=rss / 1024, private=private / 1024, each=private / count)
        return figures
    finally:
        run.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--adit", default="build/adit")
    parser.add_argument("--counts", default=",".join(map(str, COUNTS)))
    parser.add_argument("--json", metavar="FILE")
    args = parser.parse_args()
    workdir = tempfile.mkdtemp(prefix="adit-bench.")
    figures = {}
    try:
        tools = Tools(args, workdir)
        names = ["adit"] + (["portal"] if tools.portal else [])
        for count in map(int, args.counts.split(",")):
            for tool in names:
                if tool != "adit" and count > STOCK_MOST:
                    continue
                print(f"  {tool}, {count} tunnels", flush=True)
                try:
                    figures[f"{tool} {count}"] = measure(tools, workdir, tool, count)
                except (Broken, OSError) as broken:
                    print(f"  {tool}, {count} tunnels: {broken}", file=sys.stderr)
    finally:
        shutil.rmtree(workdir, ignore_errors=True)
    report.print_figures("Agents:", COLUMNS, figures)
    if "portal" not in names:
        print("\n  There is no stock portal here: PORTAL names one.")
    if args.json:
        with open(args.json, "w") as f:
            json.dump(figures, f, indent=1)


if __name__ == "__main__":
    main()
