"""Thousands of tunnels in the store."""

import glob
import os
import sqlite3
import statistics
import time
import uuid

from lib import edge

TUNNELS, PER_AGENT = 5000, 900


def fill(path, model, count):
    """Copies of the tunnel @model, with names, ports and agents of their own."""
    db = sqlite3.connect(path)
    db.row_factory = sqlite3.Row
    row = dict(db.execute("SELECT * FROM tunnel WHERE subdomain = ?", (model,)).fetchone())
    port = 1024
    with db:
        for number in range(count):
            port += 1
            while port == row["port"]:
                port += 1
            values = {**row, "id": str(uuid.uuid4()), "subdomain": f"t{number}", "port": port,
                      "agent": f"{'home' if number < PER_AGENT else f'a{number // PER_AGENT}'}"}
            db.execute(f"INSERT INTO tunnel ({','.join(values)}) VALUES "
                       f"({','.join('?' * len(values))})", list(values.values()))
    db.close()


def store_of(panel):
    found = []
    for path in glob.glob(os.path.join(panel.relay.state, "**", "*"), recursive=True):
        if os.path.isfile(path):
            with open(path, "rb") as f:
                if f.read(15) == b"SQLite format 3":
                    found.append(path)
    assert len(found) == 1, found
    return found[0]


def test_five_thousand_tunnels_are_nothing(world, leases):
    panel = edge.Panel(leases)
    agent = edge.start_agent(panel, edge.Credentials(panel))
    app = world.keep(edge.App())
    panel.tunnel("app", app.port)
    panel.wait_status(200)
    small = panel.process.resident_kib()
    assert panel.process.stop() is None
    fill(store_of(panel), "app", TUNNELS)
    began = time.monotonic()
    panel.relay.process = panel.relay.again()
    up = time.monotonic() - began
    panel.wait_status(200)
    served = time.monotonic() - began
    agent.process.wait_log(f"t{PER_AGENT - 1}.{edge.DOMAIN} goes to")
    large = panel.process.resident_kib()
    took = []
    for number in range(20):
        began = time.monotonic()
        panel.tunnel(f"new{number}", 60000 + number)
        took.append(time.monotonic() - began)
    print(f"{TUNNELS} tunnels: up in {up:.2f} s, served again after {served:.2f} s, "
          f"{large / 1024:.1f} MiB resident ({small / 1024:.1f} MiB with one tunnel), "
          f"a new one takes {statistics.median(took) * 1000:.1f} ms "
          f"(longest {max(took) * 1000:.1f} ms)")
    assert up < 30 and statistics.median(took) < 2
    assert panel.ask()[2] == b"app"
    # What was there before is not logged again for every change.
    assert agent.process.log.count(f"t7.{edge.DOMAIN} goes to") == 1
