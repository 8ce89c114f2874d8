"""The programs that can stand at either end of a link, all with Chisel's command line."""

import os
import shutil
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(HERE)))
PEER_SOURCE = os.path.join(ROOT, "tests", "peer")


class Missing(Exception):
    """Why a program cannot be had here; the tests that want it are skipped."""


class Program:
    """What to run, and what it is known for."""

    def __init__(self, name, argv, half_close=False, is_ours=False, flags=()):
        self.name = name
        self.argv = list(argv)
        self.half_close = half_close
        self.is_ours = is_ours
        self.flags = list(flags)  # extra, after the role

    def command(self, role, *args):
        return [*self.argv, role, *self.flags, *args]


def adit_path():
    path = os.environ.get("ADIT") or os.path.join(ROOT, "build", "debug", "src", "adit")
    return os.path.abspath(path)


def find_adit():
    path = adit_path()
    if not os.access(path, os.X_OK):
        raise Missing(f"no adit at {path} (set ADIT=...)")
    return Program("adit", [path], half_close=True, is_ours=True)


def find_stock():
    path = os.environ.get("CHISEL") or shutil.which("chisel")
    if not path or not os.access(path, os.X_OK):
        raise Missing("skipped: no stock chisel (set CHISEL=...)")
    if os.path.realpath(path) == os.path.realpath(adit_path()):
        raise Missing("skipped: no stock chisel (the one in PATH is adit)")
    return Program("stock", [path])


def build_peer(directory, package="."):
    """Builds a Go peer once per run; their modules are pinned in tests/peer."""
    ready = os.environ.get("PEER")
    if ready and package == ".":
        return os.path.abspath(ready)
    go = shutil.which("go")
    if not go:
        raise Missing("skipped: no Go peer (no go >= 1.24 in PATH)")
    path = os.path.join(directory, "peer" if package == "." else package + "-peer")
    env = dict(os.environ, GOTOOLCHAIN="local")
    built = subprocess.run([go, "build", "-o", path, "./" + package], cwd=PEER_SOURCE, env=env,
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                           timeout=300, check=False)
    if built.returncode != 0:
        reason = (built.stdout.strip().splitlines() or ["go build failed"])[-1]
        raise Missing(f"skipped: no Go peer ({reason})")
    return path
