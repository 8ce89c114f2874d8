"""The package for Debian: made with dpkg-deb alone, and what is in it runs."""

import os
import re
import shutil
import subprocess

import pytest

from conftest import need

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def run(*words, **options):
    return subprocess.run([str(w) for w in words], check=True, text=True,
                          stdout=subprocess.PIPE, **options).stdout


@pytest.fixture
def deb(world, adit):
    need("dpkg-deb")
    tree = world.path("tree")
    for directory in ("usr/bin", "usr/share/man/man1", "usr/share/doc/adit"):
        os.makedirs(f"{tree}/{directory}")
    shutil.copy(adit.argv[0], tree + "/usr/bin/adit")
    shutil.copy(ROOT + "/docs/man/adit.1", tree + "/usr/share/man/man1")
    shutil.copy(ROOT + "/LICENSE", tree + "/usr/share/doc/adit")
    os.mkdir(world.path("out"))
    said = run(ROOT + "/tools/deb", tree, world.path("out"))
    path = said.split(" is ready")[0]
    assert os.path.dirname(path) == world.path("out")
    return path


def test_what_is_packed_runs(world, deb, adit):
    version = run(*adit.argv, "version").strip()
    fields = run("dpkg-deb", "-f", deb)
    assert f"Version: {version.removeprefix('adit ')}\n" in fields
    assert re.search(r"^Depends: .*\blibuv1(t64)?\b.*\blibc6 \(>= 2\.\d+\)$", fields, re.MULTILINE)
    owners = {line.split()[1] for line in run("dpkg-deb", "-c", deb).splitlines()}
    assert owners == {"root/root"}
    run("dpkg-deb", "-x", deb, world.path("root"))
    assert run(world.path("root/usr/bin/adit"), "version").strip() == version
    assert os.path.exists(world.path("root/usr/share/man/man1/adit.1.gz"))
    assert os.path.exists(world.path("root/usr/share/doc/adit/copyright"))

    run("dpkg-deb", "-e", deb, world.path("control"))
    for script in ("postinst", "prerm", "postrm"):
        run("sh", "-n", world.path(f"control/{script}"))
    run("sh", world.path("control/postrm"), "remove")
