"""The manual pages say what the program says: the same flags and variables, no more, no fewer."""

import json
import os
import re
import subprocess

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PAGES = os.path.join(ROOT, "docs", "man")
ADIT = os.environ.get("ADIT") or os.path.join(ROOT, "build", "debug", "src", "adit")


def run(*args):
    return subprocess.run([ADIT, *args], stdout=subprocess.PIPE, text=True, timeout=30,
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


def commands():
    listed = run("help").split("Commands:\n")[1].split("\n\n")[0]
    return re.findall(r"^  (\S+)", listed, re.MULTILINE)


def below(command):
    """A group's page explains its commands; other commands have a page each."""
    text = run(command, "--help")
    if "\nCommands:\n" not in text:
        return [[command]]
    listed = text.split("Commands:\n")[1].split("\n\n")[0]
    return [[command, word] for word in re.findall(r"^  (\S+)", listed, re.MULTILINE)]


def helps(command):
    return [run(*words, "--help") for words in below(command)]


def commands_with_pages():
    """The first page explains the others in full."""
    return [name for name in commands() if name not in ("version", "help", "completion")]


def test_every_page_has_every_flag_and_no_other():
    for command in commands_with_pages():
        flags = set().union(*map(help_flags, helps(command)))
        assert page_flags(read_page(command)) == flags


def test_every_page_has_every_variable_and_no_other():
    for command in commands_with_pages():
        variables = set().union(*map(help_variables, helps(command)))
        assert page_variables(read_page(command)) == variables


def test_every_default_is_in_its_page():
    row = re.compile(r"^  --([a-z0-9-]+)\b(?:(?!\n  -).)*?\(default\s+([^)]*)\)",
                     re.DOTALL | re.MULTILINE)
    for command in commands_with_pages():
        page = read_page(command)
        rows = [found for text in helps(command) for found in row.findall(text)]
        for flag, default in rows:
            paragraph = re.search(rf"^\.It Fl -{flag}\b.*?(?=^\.It |^\.El)", page,
                                  re.MULTILINE | re.DOTALL)
            told = re.search(r"default is (.*?)[.:](?:\s|$)", paragraph.group(0))
            assert told and told.group(1) == default, flag


def test_the_example_of_a_users_file_is_one():
    """As a reader copies it: a backslash is \\e in the page's source."""
    found = re.search(r"^\.Bd -literal.*?\n(\{.*?\n\})\n\.Ed", read_page("server"),
                      re.MULTILINE | re.DOTALL)
    assert "\\\\" not in found.group(1)
    users = json.loads(found.group(1).replace("\\e", "\\").replace("\\(ha", "^"))
    for patterns in users.values():
        for pattern in patterns:
            re.compile(pattern)
    assert any(re.search(p, "R:0.0.0.0:7042") for p in users["bob:hidden"])


def test_the_first_page_names_every_command():
    with open(os.path.join(PAGES, "adit.1"), encoding="utf-8") as page:
        named = set(re.findall(r"^\.It Cm (\S+)", page.read(), re.MULTILINE))
    assert set(commands()) <= named
