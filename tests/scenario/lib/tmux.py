"""A person at a terminal: tmux with one window, keys that are pressed, and what is shown."""

import os
import shutil
import subprocess

from .process import wait_until


class Terminal:
    """A terminal of a size that runs one program. Its tmux has a socket of its own."""

    def __init__(self, directory, columns, rows, argv, env=None, utf8=True,
                 has_log=True):
        self.tmux = shutil.which("tmux")
        self.socket = os.path.join(directory, f"tmux-{columns}x{rows}")
        full = {"PATH": os.environ["PATH"], "HOME": directory, "TMPDIR": directory,
                "LC_ALL": "C.UTF-8"}
        self.env = full
        given = {"LC_ALL": "C.UTF-8" if utf8 else "C", **(env or {})}
        self.exit_path = os.path.join(directory, "exit-code")
        self.log_path = os.path.join(directory, "terminal.err")
        words = " ".join(_quote(word) for word in ["env", *[
            f"{name}={value}" for name, value in given.items()], *argv])
        log = f"2>{_quote(self.log_path)}" if has_log else ""
        shell = f"{words} {log}; echo $? >{_quote(self.exit_path)}; sleep 60"
        config = os.path.join(directory, "tmux.conf")
        with open(config, "w", encoding="utf-8") as f:
            f.write("set -g status off\nset -g default-terminal tmux-256color\n"
                    "set -s set-clipboard on\nset -s escape-time 0\nset -g mouse off\n"
                    "set -s extended-keys off\nset -g default-shell /bin/sh\n")
        self._call("-f", config, "new-session", "-d", "-x", columns, "-y", rows, shell)
        self.pid = int(self._call("display-message", "-p", "#{pid}"))

    def _call(self, *args):
        done = subprocess.run([self.tmux, "-u", "-S", self.socket, *[str(a) for a in args]],
                              env=self.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True, timeout=20, check=False)
        assert done.returncode == 0, f"tmux {args}: {done.stderr}"
        return done.stdout

    def press(self, *keys):
        """Keys by tmux's names: Up, Enter, Escape, C-c, DC; others are typed."""
        self._call("send-keys", *keys)

    def type(self, text):
        self._call("send-keys", "-l", text)

    def paste(self, text):
        """As a terminal pastes: in brackets, if the program wants them."""
        self._call("set-buffer", text)
        self._call("paste-buffer", "-p")

    def send_bytes(self, data):
        """Bytes that only a terminal sends, such as those of the mouse."""
        self._call("send-keys", "-H", *[f"{byte:02x}" for byte in data])

    def click(self, column, row):
        """At a cell, from 0."""
        self.send_bytes(b"\033[M " + bytes([column + 33, row + 33]))
        self.send_bytes(b"\033[M#" + bytes([column + 33, row + 33]))

    def click_on(self, text):
        for row, line in enumerate(self.screen.splitlines()):
            if text in line:
                self.click(line.index(text), row)
                return
        raise AssertionError(f"{text!r} is not on the screen:\n{self.screen}")

    @property
    def screen(self):
        return self._call("capture-pane", "-p")

    @property
    def styled(self):
        """With the escape sequences of colours and marks."""
        return self._call("capture-pane", "-p", "-e")

    @property
    def clipboard(self):
        return self._call("show-buffer")

    @property
    def cursor(self):
        """(column, row), and whether it is shown."""
        words = self._call("display-message", "-p", "#{cursor_x} #{cursor_y} #{cursor_flag}")
        x, y, flag = words.split()
        return (int(x), int(y)), flag == "1"

    def record(self, path):
        """From now on the bytes that the program sends go to a file, too."""
        with open(path, "wb"):
            pass
        self._call("pipe-pane", "-o", f"cat >>{_quote(path)}")
        return path

    def resize(self, columns, rows):
        self._call("resize-window", "-x", columns, "-y", rows)

    def wait(self, *texts, absent=(), seconds=15):
        """
        Waits until all texts are on the screen, and none of the absent ones. A text may go on in
        the next line.
        """
        seen = [""]

        def look():
            seen[0] = self.screen
            flat = " ".join(seen[0].split())
            return all(text in seen[0] or text in flat for text in texts) and not any(
                text in seen[0] for text in absent)

        try:
            wait_until(look, seconds, 0.05)
        except AssertionError:
            raise AssertionError(f"{texts} without {absent} is not on the screen:\n{seen[0]}"
                                 f"\n{self.errors}") from None
        return seen[0]

    @property
    def errors(self):
        if not os.path.exists(self.log_path):
            return self.screen
        with open(self.log_path, errors="replace", encoding="utf-8") as f:
            return f.read()

    def wait_exit(self, seconds=15):
        def look():
            try:
                with open(self.exit_path, encoding="utf-8") as f:
                    return f.read().strip()
            except FileNotFoundError:
                return None
        return int(wait_until(look, seconds, message="the end of the program"))

    def close(self):
        subprocess.run([self.tmux, "-S", self.socket, "kill-server"], env=self.env,
                       stderr=subprocess.DEVNULL, timeout=20, check=False)


def _quote(word):
    return "'" + str(word).replace("'", "'\\''") + "'"
