"""The manual pages say what the program says: the same flags and variables, no more, no fewer."""

import os
import re
import subprocess

from lib.programs import ROOT

PAGES = os.path.join(ROOT, "docs", "man")


def run(adit, *args):
    return subprocess.run([*adit.argv, *args], stdout=subprocess.PIPE, text=True, timeout=30,
                          check=True).stdout


def read_page(command):
    with open(os.path.join(PAGES, f"adit-{command}.1"), encoding="utf-8") as page:
        return page.read()


def help_flags(text):
    rows = re.findall(r"^  (-.*?)(?:  |$)", text, re.MULTILINE)
    return {flag for row in rows for flag in re.findall(r"(?<!\S)--?[a-z0-9-]+", row)}


def help_variables(text):
    return set(re.findall(r"\[env\s+([A-Z_]+)\]", text)) | set(
        re.findall(r"^  ([A-Z][A-Z_]+)(?:=| |$)", text, re.MULTILINE))


def page_flags(text):
    rows = re.findall(r"^\.It (Fl .*)$", text, re.MULTILINE)
    return {"-" + name for row in rows for name in re.findall(r"Fl (-?[a-z0-9-]+)", row)}


def page_variables(text):
    return set(re.findall(r"^\.It Ev (\S+)$", text, re.MULTILINE))


def commands(adit):
    listed = run(adit, "help").split("Commands:\n")[1].split("\n\n")[0]
    return re.findall(r"^  (\S+)", listed, re.MULTILINE)


def commands_with_pages(adit):
    """The first page explains the others in full."""
    return [name for name in commands(adit) if name not in ("version", "help", "completion")]


def test_every_page_has_every_flag_and_no_other(adit):
    for command in commands_with_pages(adit):
        assert page_flags(read_page(command)) == help_flags(run(adit, command, "--help"))


def test_every_page_has_every_variable_and_no_other(adit):
    for command in commands_with_pages(adit):
        assert (page_variables(read_page(command)) ==
                help_variables(run(adit, command, "--help")))


def test_every_default_is_in_its_page(adit):
    row = re.compile(r"--([a-z0-9-]+) <(?:(?!\n  -).)*?\(default\s+([^)]*)\)", re.DOTALL)
    for command in commands_with_pages(adit):
        page = read_page(command)
        for flag, default in row.findall(run(adit, command, "--help")):
            paragraph = re.search(rf"^\.It Fl -{flag} .*?(?=^\.It |^\.El)", page,
                                  re.MULTILINE | re.DOTALL)
            told = re.search(r"default is (.*?)[.:](?:\s|$)", paragraph.group(0))
            assert told and told.group(1) == default, flag


def test_the_first_page_names_every_command(adit):
    with open(os.path.join(PAGES, "adit.1"), encoding="utf-8") as page:
        named = set(re.findall(r"^\.It Cm (\S+)", page.read(), re.MULTILINE))
    assert set(commands(adit)) <= named
