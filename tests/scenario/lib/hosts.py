"""
Names for programs in Go, which resolve nothing below localhost by themselves: an /etc/hosts
that only the child sees, in a mount namespace of its own.
"""

import os
import subprocess

BIND = 'mount --bind "$0" /etc/hosts && exec "$@"'


def _unshare(path):
    options = ["-m"] if os.geteuid() == 0 else ["-r", "-m"]
    return ["unshare", *options, "sh", "-c", BIND, path]


def why_not():
    """None if names can be given to a program here, else the reason."""
    try:
        done = subprocess.run([*_unshare("/etc/hosts"), "true"], capture_output=True,
                              check=False)
    except FileNotFoundError:
        return "skipped: no unshare (util-linux)"
    if done.returncode != 0:
        return ("skipped: a Go program needs names below localhost, and /etc/hosts cannot be"
                " replaced for it here (that needs root, or user namespaces)")
    return None


def no_resolver(path):
    """Words to start a program with, so that no server of names answers it."""
    with open(path, "w") as f:
        f.write("nameserver 127.0.0.1\n")
    options = ["-m"] if os.geteuid() == 0 else ["-r", "-m"]
    return ["unshare", *options, "sh", "-c", BIND.replace("/etc/hosts", "/etc/resolv.conf"), path]


def prefix(path, names):
    """Words to start a program with, so that these names are 127.0.0.1 to it."""
    with open(path, "w") as f:
        f.write("127.0.0.1 localhost " + " ".join(names) + "\n")
    return _unshare(path)
