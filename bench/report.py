"""The tables for people. Medians come in as {path: {figure: value}}."""

# Figure, its two lines of heading, and how many digits follow the point.
COLUMNS = [
    ("down", "down", "GB/s", 3),
    ("up", "up", "GB/s", 3),
    ("down_cpu", "CPU s/GiB", "down", 2),
    ("up_cpu", "CPU s/GiB", "up", 2),
    ("rps", "requests", "/s", 0),
    ("rps_cpu", "CPU us", "/request", 1),
    ("connect", "new conns", "/s", 0),
    ("connect_cpu", "CPU us", "/conn", 0),
    ("echo_p50", "echo ms", "p50", 2),
    ("echo_p99", "echo ms", "p99", 2),
    ("echo_beside", "beside", "GB/s", 3),
]
MEMORY_COLUMNS = [
    ("server_rss", "server MB", "resident", 1),
    ("server_private", "server MB", "private", 1),
    ("client_rss", "client MB", "resident", 1),
    ("client_private", "client MB", "private", 1),
    ("visitor_rss", "KB/visitor", "resident", 1),
    ("visitor_private", "KB/visitor", "private", 1),
]
SPEEDS = ["down", "up", "rps", "connect", "echo"]

# What was published of a stock pair, and of HAProxy twice on the same machine.
ANCHOR = {"down": 1.7 / 8, "up": 1.7 / 8, "down_cpu": 8.8, "up_cpu": 8.8, "rps": 21000,
          "connect": 4400, "visitor_private": 58}
ANCHOR_HAPROXY = {"down": 6.5 / 8, "up": 6.5 / 8, "rps": 31000}

REF = "the reference"
# What, figure, path, against (None: the figure itself), at least or at most, and how much.
GOALS = [
    ("one stream down", "down", "adit", REF, ">=", 4),
    ("one stream up", "up", "adit", REF, ">=", 4),
    ("CPU s/GiB down, both ends", "down_cpu", "adit", REF, "<=", 1 / 6),
    ("CPU s/GiB up, both ends", "up_cpu", "adit", REF, "<=", 1 / 6),
    ("requests/s, HAProxy twice", "rps", "adit", "haproxy", ">=", 0.95),
    ("requests/s", "rps", "adit", REF, ">=", 1.4),
    ("new connections/s", "connect", "adit", REF, ">=", 2),
    ("p99 of the echo, ms", "echo_p99", "adit", None, "<=", 5),
    ("p99 of the echo", "echo_p99", "adit", REF, "<=", 1 / 5),
    ("idle server, MB resident", "server_rss", "adit", None, "<=", 9),
    ("idle server, MB private", "server_private", "adit", None, "<=", 3),
    ("idle client, MB resident", "client_rss", "adit", None, "<=", 9),
    ("idle client, MB private", "client_private", "adit", None, "<=", 3),
    ("idle visitor, KB, both ends", "visitor_private", "adit", None, "<=", 6),
    ("adit server only, down", "down", "adit/*", REF, ">=", 1.5),
    ("adit server only, up", "up", "adit/*", REF, ">=", 1.5),
    ("adit client only, down", "down", "*/adit", REF, ">=", 1.5),
    ("adit client only, up", "up", "*/adit", REF, ">=", 1.5),
]


def print_rows(title, rows):
    """Right-aligned under one another, but for the first column."""
    print(f"\n{title}\n")
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:])]
        print("  " + "  ".join(cells).rstrip())


def cell(value, digits):
    return "-" if value is None else f"{value:,.{digits}f}"


def print_figures(title, columns, medians):
    rows = [["path"] + [c[1] for c in columns], [""] + [c[2] for c in columns]]
    for path, figures in medians.items():
        if any(c[0] in figures for c in columns):
            rows.append([path] + [cell(figures.get(c[0]), c[3]) for c in columns])
    if len(rows) > 2:
        print_rows(title, rows)


def ratio(a, b):
    return None if a is None or not b else a / b


def print_ratios(columns, medians, base):
    if base not in medians:
        return
    ratios = {path: {c[0]: ratio(figures.get(c[0]), medians[base].get(c[0]))
                     for c in columns if c[0] in figures}
              for path, figures in medians.items()}
    print_figures(f"The same, as a multiple of {base}:",
                  [c[:3] + (2,) for c in columns], ratios)


def bottleneck(roles):
    ours = {role: cores for role, cores in roles.items() if role != "others"}
    most = max(ours, key=ours.get)
    return f"{most} {ours[most]:.2f} of {sum(ours.values()):.2f}"


def print_bottlenecks(busy, cpus):
    """busy: {path: {measure: {role: cores}}}"""
    rows = [["path"] + SPEEDS]
    for path, measures in busy.items():
        rows.append([path] + [bottleneck(measures[name]) if name in measures else "-"
                              for name in SPEEDS])
    print_rows(f"The busiest process: cores it used, of all used cores (the machine has {cpus}).\n"
               "Near 1.00: that process was the bottleneck. If all used cores are near the number "
               "of cores: the machine was.", rows)
    others = [roles["others"] for measures in busy.values() for roles in measures.values()]
    if others:
        print(f"\n  Other processes used {sum(others) / len(others):.2f} cores on average, "
              f"at most {max(others):.2f}.")


def reference(medians):
    """Stock Chisel if it is available, else the Go peer."""
    return next((name for name in ("chisel", "peer") if name in medians), None)


def estimate(medians):
    """A stock pair on this machine: published results, scaled by HAProxy there and here."""
    here = medians.get("haproxy", {})
    scale = {k: ratio(here.get(k), there) for k, there in ANCHOR_HAPROXY.items()}
    by = {"down": scale["down"], "up": scale["up"], "rps": scale["rps"],
          "connect": scale["rps"], "visitor_private": 1,
          "down_cpu": ratio(1, scale["rps"]), "up_cpu": ratio(1, scale["rps"])}
    return {k: v * by[k] for k, v in ANCHOR.items() if by[k]}


def goal_ratio(goal, medians, base):
    _, figure, path, _, _, _ = goal
    names = {path.replace("*", other) for other in ("chisel", "peer")} & medians.keys()
    name = min(names, default=None)  # stock sorts before its stand-in
    value = medians.get(name, {}).get(figure)
    return value if base is None else ratio(value, base.get(figure))


def verdict(goal, value):
    if value is None:
        return ["-", "-"]
    met = value >= goal[5] if goal[4] == ">=" else value <= goal[5]
    return [f"{value:.2f}", "yes" if met else "NO"]


def print_goals(medians):
    ref = reference(medians)
    stock = estimate(medians)
    rows = [["measure", "compared with", "goal", "result", "reached", "est.*", "reached"]]
    for goal in GOALS:
        what, _, _, against, sign, bound = goal
        base = {REF: medians.get(ref, {}), None: None}.get(against, medians.get(against, {}))
        by_estimate = goal_ratio(goal, medians, stock) if against == REF else None
        rows.append([what, {REF: ref or "-", None: ""}.get(against, against),
                     f"{sign} {bound:.2f}"] + verdict(goal, goal_ratio(goal, medians, base)) +
                    verdict(goal, by_estimate))
    print_rows("Goals:", rows)
    if ref == "peer":
        print("\n  Stock Chisel is not available. The Go peer replaces it: it has the same "
              "libraries, but it is not Chisel.")
    print("\n  * An estimate: against a stock pair as published for another machine (21,000 "
          "req/s, 1.7 Gbit/s,\n    8.8 CPU s/GiB, 4,400 new connections/s), scaled by HAProxy "
          "twice there (31,000 req/s, 6.5 Gbit/s)\n    and in this run.")


def print_all(medians, busy, cpus):
    print_figures("Medians:", COLUMNS, medians)
    print_figures("Memory of idle ends, and for each idle visitor at both together:",
                  MEMORY_COLUMNS, medians)
    print_ratios(COLUMNS, medians, "haproxy")
    print_ratios(COLUMNS, medians, reference(medians))
    print_bottlenecks(busy, cpus)
    print_goals(medians)
