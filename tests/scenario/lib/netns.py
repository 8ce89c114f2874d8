"""
Networks of our own, for paths that die without a word. Two ends with a router between
them: cut() has the router drop every packet both ways, silently, so that no end sees its
link go down, gets an ICMP error or hears a FIN.
"""

import ctypes
import os
import shutil
import socket
import subprocess
import threading

CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


def why_not():
    """None if namespaces can be made here, else the reason."""
    if os.geteuid() != 0:
        return "skipped: network namespaces need root"
    if not ip_tool():
        return "skipped: no ip (iproute2)"
    if not os.path.exists("/etc/hosts"):
        return "skipped: no /etc/hosts that ip netns could lay another over"
    probe = f"adit-probe-{os.getpid()}"
    tries = (["netns", "add", probe], ["-n", probe, "link", "set", "lo", "up"],
             ["netns", "exec", probe, "true"])
    failed = next((done for done in map(run_ip, tries) if done.returncode != 0), None)
    run_ip(["netns", "del", probe])
    if failed is not None:
        return "skipped: network namespaces cannot be made and entered here"
    return None


def ip_tool():
    return shutil.which("ip", path="/usr/sbin:/sbin:/usr/bin:/bin")


def run_ip(args):
    return subprocess.run([ip_tool(), *args], capture_output=True, text=True, check=False)


def ip(*args):
    done = run_ip(map(str, args))
    assert done.returncode == 0, f"ip {' '.join(map(str, args))}: {done.stderr}"


def tc(*args):
    done = subprocess.run(["tc", *map(str, args)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"tc {args}: {done.stderr}"


def local_ports(pid, remote_port):
    """This end's ports of the connections of a process' network to that port."""
    with open(f"/proc/{pid}/net/tcp") as f:
        rows = [line.split() for line in f.readlines()[1:]]
    return [int(row[1].rpartition(":")[2], 16) for row in rows
            if row[3] == "01" and int(row[2].rpartition(":")[2], 16) == remote_port]


class Namespace:
    count = 0

    def __init__(self, label):
        Namespace.count += 1
        self.name = f"adit-{os.getpid()}-{Namespace.count}-{label}"
        self.etc = f"/etc/netns/{self.name}"
        ip("netns", "add", self.name)
        self.ip("link", "set", "lo", "up")

    @property
    def prefix(self):
        return [ip_tool(), "netns", "exec", self.name]

    def ip(self, *args):
        ip("-n", self.name, *args)

    def hosts(self, text):
        """The text of /etc/hosts for the programs in here."""
        os.makedirs(self.etc, exist_ok=True)
        with open(os.path.join(self.etc, "hosts"), "w") as f:
            f.write(text)

    def name_server(self, address, sources="files dns", options=""):
        """
        Sets the name server of the programs in here, or none ("").
        @sources is the line "hosts" of nsswitch.conf, @options that of resolv.conf.
        """
        os.makedirs(self.etc, exist_ok=True)
        with open(os.path.join(self.etc, "resolv.conf"), "w") as f:
            f.write(f"nameserver {address}\n" if address else "")
            f.write(f"options {options}\n" if options else "")
        if os.path.exists("/etc/nsswitch.conf"):  # else ip netns has nothing to lay it over
            with open(os.path.join(self.etc, "nsswitch.conf"), "w") as f:
                f.write(f"hosts: {sources}\n")

    def sysctl(self, path, value):
        def write():
            with open(f"/proc/sys/{path}", "w") as f:
                f.write(str(value))
        self.inside(write)

    def inside(self, call):
        """Calls in here; sockets made there stay there."""
        result = []

        def run():
            try:
                with open(f"/run/netns/{self.name}") as f:
                    if _libc.setns(f.fileno(), CLONE_NEWNET) != 0:
                        raise OSError(ctypes.get_errno(), "setns")
                result.append((True, call()))
            except BaseException as error:  # pylint: disable=broad-except
                result.append((False, error))

        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
        ok, value = result[0]
        if not ok:
            raise value
        return value

    def listen(self, host, port=0):
        def make():
            s = socket.create_server((host, port), backlog=128)
            return s
        return self.inside(make)

    def connect(self, host, port, timeout=5.0):
        return self.inside(lambda: socket.create_connection((host, port), timeout))

    def close(self):
        subprocess.run([ip_tool(), "netns", "del", self.name], check=False)
        shutil.rmtree(self.etc, ignore_errors=True)


class Path:
    """home (10.77.1.2) -- router -- away (10.77.2.2)"""

    home_address = "10.77.1.2"
    away_address = "10.77.2.2"

    def __init__(self):
        self.home = Namespace("home")
        self.router = Namespace("router")
        self.away = Namespace("away")
        self._join(self.home, "10.77.1")
        self._join(self.away, "10.77.2")
        self.restore()

    def _join(self, end, net):
        inner = "to-" + end.name.rpartition("-")[2]
        self.router.ip("link", "add", inner, "type", "veth", "peer", "name", "up", "netns",
                       end.name)
        self.router.ip("addr", "add", f"{net}.1/24", "dev", inner)
        self.router.ip("link", "set", inner, "up")
        end.ip("addr", "add", f"{net}.2/24", "dev", "up")
        end.ip("link", "set", "dev", "up", "up")
        end.ip("route", "add", "default", "via", f"{net}.1")

    def cut(self):
        self.router.sysctl("net/ipv4/ip_forward", 0)

    def restore(self):
        self.router.sysctl("net/ipv4/ip_forward", 1)

    def forget(self, pid, port):
        """What a NAT that restarts does to the connections of a program to that port."""
        for source in local_ports(pid, port):
            for side in ("sport", "dport"):
                self.router.ip("rule", "add", "ipproto", "6", side, source, "blackhole")

    def narrow(self, rate="1mbit", waiting_bytes=250000):
        """So many bits a second each way, and so many bytes wait in front of them."""
        for end in (self.home, self.away):
            inner = "to-" + end.name.rpartition("-")[2]
            tc("-n", self.router.name, "qdisc", "replace", "dev", inner, "root", "tbf", "rate",
               rate, "burst", "4kb", "limit", waiting_bytes)

    def close(self):
        for end in (self.home, self.away, self.router):
            end.close()
