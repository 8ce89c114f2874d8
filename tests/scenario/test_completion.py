"""What shells offer when Tab is pressed after words of a command of adit."""

import os
import subprocess

import pytest

from conftest import need

COMMANDS = {"server", "client", "expose", "agent", "list", "relay", "demo", "version", "help",
            "completion"}
AGENT = {"run", "status", "restart", "stop", "logs", "uninstall", "check",
         "dashboard"}


@pytest.fixture(autouse=True)
def adit_in_path(adit, monkeypatch):
    """The scripts call adit."""
    monkeypatch.setenv("PATH", os.path.dirname(os.path.abspath(adit.argv[0])) + ":" +
                       os.environ["PATH"])


@pytest.fixture
def script(world, adit):
    def write(shell, name):
        return world.write(name, world.call([*adit.argv, "completion", shell]).stdout)
    return write


def bash(script, *words):
    """What bash offers for the last of words, as readline splits them."""
    path = script("bash", "adit.bash")
    done = subprocess.run(
        [need("bash"), "-c", '. "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); '
         '_adit; printf "%s\\n" "${COMPREPLY[@]}"', "bash", path, *words],
        stdout=subprocess.PIPE, text=True, check=True)
    return set(done.stdout.split())


def test_bash(script):
    assert COMMANDS <= bash(script, "adit", "")
    assert bash(script, "adit", "comp") == {"completion"}
    assert bash(script, "adit", "completion", "") == {"--help", "bash", "zsh", "fish"}
    assert bash(script, "adit", "completion", "z") == {"zsh"}
    assert COMMANDS <= bash(script, "adit", "help", "")
    assert {"run", "status"} <= bash(script, "adit", "help", "relay", "")
    assert bash(script, "adit", "help", "server", "") == set()
    assert {"run", "status", "--help"} <= bash(script, "adit", "relay", "")
    assert bash(script, "adit", "relay", "run", "--api") == {"--api-port"}
    assert bash(script, "adit", "expose", "3000", "--na") == {"--name"}
    assert bash(script, "./adit", "relay", "lease", "unb") == {"unban"}


def test_bash_completes_the_commands_of_an_agent(world, script):
    path, state = world.write("config.toml", ""), world.path("agent-state")
    os.mkdir(state)
    for program in ("adit", "portal"):
        assert AGENT | {"--help"} <= bash(script, program, "agent", "")
        assert AGENT <= bash(script, program, "help", "agent", "")
        assert bash(script, program, "agent", "unin") == {"uninstall"}
        assert bash(script, program, "agent", "run", "--fore") == {"--foreground"}
        assert bash(script, program, "agent", "status", "--") == {
            "--config", "--help", "--json", "--state-dir", "--wait"}
        assert bash(script, program, "agent", "logs", "-f", "--li") == {"--lines"}
        assert bash(script, program, "agent", "stop", "--config", path[:-2]) == {path}
        assert bash(script, program, "agent", "check", path[:-2]) == {path}
        assert bash(script, program, "agent", "stop", "--state-dir", state[:-2]) == {state}


def test_bash_offers_files_for_a_flag_that_takes_one(world, script):
    path = world.write("host.key", "")
    assert bash(script, "adit", "server", "--keyfile", path[:-2]) == {path}
    assert bash(script, "adit", "server", "--keyfile", "=", path[:-2]) == {path}
    assert bash(script, "adit", "server", "--port", path[:-2]) == set()


def test_bash_offers_flags_where_flags_may_stand(script):
    for program in ("adit", "chisel"):
        for words in ([], ["--port", "80"], ["--port", "=", "80"], ["--reverse"]):
            assert bash(script, program, "server", *words, "--authf") == {"--authfile"}, words
        for words in (["word"], ["--port", "80", "word"], ["--port", "=", "80", "word"],
                      ["--reverse", "word"]):
            assert bash(script, program, "server", *words, "--authf") == set(), words
    offered = bash(script, "adit", "client", "host:80", "R:1", "--fin")
    assert offered == {"--fingerprint"}
    assert bash(script, "chisel", "client", "host:80", "R:1", "--fin") == set()


def zsh(world, line, setting="fpath=($PWD/functions $fpath); autoload -Uz compinit; compinit -u"):
    """What zsh shows when Tab is pressed behind line."""
    driver = world.write("driver.zsh", """
zmodload zsh/zpty
zpty shell "TERM=dumb zsh -f -i"
zpty -w shell "unsetopt zle_bracketed_paste prompt_cr prompt_sp; PS1='ready> '"
zpty -w shell "$SETTING; zstyle ':completion:*' list-prompt ''; LISTMAX=1000"
zpty -w shell "zle-line-init() { print -n the-editor-''listens }; zle -N zle-line-init"
zpty -r -m shell text '*the-editor-listens*'
zpty -w -n shell "$LINE"$'\\t\\t'
zpty -w -n shell $'\\x05 ; \\x15print -r -- the-''end\\n'
zpty -r -m shell text '*the-end*'
print -r -- "$text"
zpty -d shell
""")
    done = subprocess.run([need("zsh"), "-f", driver], stdout=subprocess.PIPE, text=True,
                          stdin=subprocess.DEVNULL, timeout=60, check=True, errors="replace",
                          cwd=world.directory,
                          env={**os.environ, "LINE": line, "SETTING": setting})
    return done.stdout


def test_zsh(world, script):
    need("zsh")
    os.mkdir(world.path("functions"))
    script("zsh", "functions/_adit")
    for line, offered in (("adit ", COMMANDS), ("adit help ", COMMANDS - {"help"}),
                          ("adit completion ", {"bash", "fish"}),
                          ("adit relay ", {"run", "status"}),
                          ("adit help relay ", {"status"}),
                          ("adit agent ", {"restart", "uninstall"}),
                          ("portal agent run --fore", {"--foreground"}),
                          ("adit expose 3000 --na", {"--name"}),
                          ("chisel server --auth", {"--authfile"}),
                          ("portal list --default-r", {"--default-relays"})):
        shown = zsh(world, line)
        assert all(word in shown for word in offered), shown


def test_zsh_offers_it_when_it_is_sourced(world, script):
    need("zsh")
    path = script("zsh", "adit.zsh")
    assert "--authfile" in zsh(world, "adit server --auth",
                               f"autoload -Uz compinit; compinit -u; source {path}")


def test_zsh_says_what_it_needs(script):
    done = subprocess.run([need("zsh"), "-f", "-c", f"source {script('zsh', 'adit.zsh')}"],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    assert done.stderr == ("adit: completion needs this before it: "
                           "autoload -Uz compinit && compinit\n")


def test_fish(world, script):
    path = script("fish", "adit.fish")
    for line, offered in (("adit ", COMMANDS), ("adit help ", COMMANDS),
                          ("adit completion ", {"bash", "zsh", "fish"}),
                          ("adit relay ", {"run", "status"}), ("adit agent ", AGENT),
                          ("portal agent run --fore", {"--foreground"}),
                          ("adit expose 3000 --na", {"--name"}),
                          ("chisel server --auth", {"--auth", "--authfile"})):
        done = subprocess.run([need("fish"), "--no-config", "-c",
                               f"source {path}; complete -C '{line}'"], stdout=subprocess.PIPE,
                              text=True, check=True, env={**os.environ,
                                                          "HOME": world.directory})
        words = {row.split("\t")[0] for row in done.stdout.splitlines()}
        assert offered <= words, (line, words)
