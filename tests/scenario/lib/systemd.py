"""
A systemd of our own: process 1 of namespaces of its own, on this machine's /usr and /etc with
a layer above them that takes what is written. Nothing of it touches the machine.
"""

import os
import shutil
import subprocess
import time

from .process import wait_until

PROGRAMS = ("/usr/lib/systemd/systemd", "/lib/systemd/systemd")

# What would look after the machine and not after services.
MASKED = """
    apparmor.service dev-hugepages.mount dev-mqueue.mount getty.target kmod-static-nodes.service
    modprobe@.service networking.service proc-sys-fs-binfmt_misc.automount
    proc-sys-fs-binfmt_misc.mount sys-fs-fuse-connections.mount sys-kernel-config.mount
    sys-kernel-debug.mount sys-kernel-tracing.mount systemd-binfmt.service
    systemd-boot-system-token.service systemd-hwdb-update.service
    systemd-journald-audit.socket systemd-modules-load.service systemd-network-generator.service
    systemd-pstore.service systemd-random-seed.service systemd-remount-fs.service
    systemd-sysctl.service systemd-timesyncd.service systemd-tmpfiles-setup-dev-early.service
    systemd-tmpfiles-setup-dev.service systemd-tmpfiles-setup.service
    systemd-udev-load-credentials.service systemd-udev-settle.service
    systemd-udev-trigger.service systemd-udevd-control.socket systemd-udevd-kernel.socket
    systemd-udevd.service systemd-update-utmp.service ldconfig.service
    network-online.target
""".split()

BOOT = r"""
set -e
echo 0 > "$CGROUP/cgroup.procs"
exec unshare --mount --pid --cgroup --uts --ipc --net --fork --kill-child=KILL sh -e -c '
mount --make-rprivate /
mount -t tmpfs tmpfs "$ROOT"
cd "$ROOT"
mkdir etc proc sys usr var run tmp dev root old layers
for d in bin sbin lib lib32 lib64; do
	if [ -L /$d ]; then cp -P /$d .; fi
done
for d in etc usr; do
	mkdir -p layers/$d layers/$d.work
	mount -t overlay overlay -o lowerdir=/$d,upperdir=layers/$d,workdir=layers/$d.work $d
done
mount -t proc proc proc
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs tmpfs run
mount -t tmpfs tmpfs dev
for d in null zero full random urandom tty; do
	: > dev/$d
	mount --bind /dev/$d dev/$d
done
mkdir dev/shm dev/pts
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
mkdir var/lib var/log var/tmp
chmod 1777 tmp var/tmp dev/shm
: > etc/machine-id
for unit in $MASKED; do ln -sf /dev/null etc/systemd/system/$unit; done
rm -rf etc/systemd/system/*.wants etc/systemd/system/*.requires
cp -a "$TREE/." .
ip link set lo up
pivot_root . old
umount -l /old
mount --make-rshared /
exec env -i container=adit-test PATH=/usr/local/bin:/usr/bin:/usr/sbin \
	"$PROGRAM" --system --unit=basic.target --log-target=journal --show-status=no
'
"""


class CannotRun(Exception):
    """Why there can be no systemd of our own here."""


def program():
    return next((path for path in PROGRAMS if os.access(path, os.X_OK)), None)


def cgroup2():
    with open("/proc/self/mounts", encoding="utf-8") as mounts:
        for line in mounts:
            fields = line.split()
            if fields[2] == "cgroup2" and os.access(fields[1], os.W_OK):
                return fields[1]
    return None


class Systemd:
    """tree is a directory whose files are laid over the root directory."""

    def __init__(self, world, tree):
        if os.geteuid() != 0:
            raise CannotRun("it needs root")
        for tool in ("unshare", "nsenter", "ip", "systemctl"):
            if not shutil.which(tool, path="/usr/sbin:/usr/bin:/sbin:/bin"):
                raise CannotRun(f"no {tool}")
        if not program():
            raise CannotRun("no systemd")
        if not cgroup2():
            raise CannotRun("no cgroup2 to write to")
        root = world.path("systemd")
        os.mkdir(root)
        self.cgroup = os.path.join(cgroup2(), f"adit-test-{os.getpid()}-{time.monotonic_ns()}")
        os.mkdir(self.cgroup)
        self.init = None
        boot = world.write("boot.sh", BOOT)
        self.process = world.run("systemd", ["sh", boot], env={
            "CGROUP": self.cgroup, "ROOT": root, "MASKED": " ".join(MASKED), "TREE": tree,
            "PROGRAM": program()})
        try:
            wait_until(self.is_up, 30, every=0.1, message="systemd being up")
        except AssertionError as error:
            self.close()
            raise CannotRun(f"{error}: {self.process.log[-300:].strip()}") from None

    def is_up(self):
        assert self.process.is_running(), "it ended"
        if self.init is None:
            with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children",
                      encoding="ascii") as children:
                pids = children.read().split()
            if not pids:
                return False
            with open(f"/proc/{pids[0]}/comm", encoding="ascii") as comm:
                if comm.read() != "systemd\n":
                    return False
            self.init = pids[0]
        return self.call("systemctl", "is-system-running").stdout.strip() in (
            "running", "degraded")

    def call(self, *words, text=None, seconds=60):
        return subprocess.run(
            ["nsenter", "-t", self.init, "--all", "env", "-i",
             "PATH=/usr/local/bin:/usr/bin:/usr/sbin", "LC_ALL=C.UTF-8", *map(str, words)],
            input=text, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            timeout=seconds, check=False)

    def do(self, *words, **options):
        done = self.call(*words, **options)
        if done.returncode != 0:
            journal = self.call("journalctl", "-n", "20", "-o", "cat", "--no-pager").stdout
            raise AssertionError(f"{' '.join(map(str, words))}: {done.stdout}{done.stderr}\n"
                                 f"{journal}")
        return done.stdout

    def write(self, path, text, mode=0o644, owner="root:root"):
        self.do("sh", "-c", 'mkdir -p "$(dirname "$0")" && cat > "$0" && chmod "$1" "$0" && '
                'chown "$2" "$0"', path, oct(mode)[2:], owner, text=text)

    def show(self, unit, name):
        return self.do("systemctl", "show", "-P", name, unit).strip()

    def wait_show(self, unit, name, value, seconds=15):
        return wait_until(lambda: self.show(unit, name) == value or None, seconds, every=0.1,
                          message=f"{unit}: {name}={value}, not {self.show(unit, name)},")

    def journal(self, unit, *words):
        return self.do("journalctl", "-u", unit, "-o", "cat", "--no-pager", *words)

    def wait_journal(self, unit, text, seconds=15):
        return wait_until(lambda: text in self.journal(unit) or None, seconds, every=0.1,
                          message=f"{unit}: {text}")

    def close(self):
        if self.process.is_running():
            self.process.kill()
        for path, _, _ in os.walk(self.cgroup, topdown=False):
            for _ in range(50):
                try:
                    os.rmdir(path)
                    break
                except OSError:
                    time.sleep(0.1)
