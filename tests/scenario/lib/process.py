"""A program under test or beside it: started, watched, and always ended by its pid."""

import os
import re
import signal
import subprocess
import time

SANITIZER_ENV = {
    "ASAN_OPTIONS": "abort_on_error=0:exitcode=99:detect_stack_use_after_return=1",
    "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1:exitcode=99",
    "TSAN_OPTIONS": "halt_on_error=0:exitcode=99:second_deadlock_stack=1",
}

SANITIZERS = re.compile(
    r"ERROR: (Address|Leak)Sanitizer|runtime error:|WARNING: ThreadSanitizer|"
    r"AddressSanitizer:DEADLYSIGNAL|SUMMARY: \w+Sanitizer")


def wait_until(what, seconds=10.0, every=0.02, message="it"):
    """Calls what() until it gives something true, and returns that."""
    end = time.monotonic() + seconds
    while True:
        found = what()
        if found:
            return found
        if time.monotonic() > end:
            raise AssertionError(f"{message} did not happen within {seconds} s")
        time.sleep(every)


class Process:
    """One running program. Its stderr is a file; its stdout too unless it is a pipe."""

    def __init__(self, name, argv, directory, env=None, stdin=subprocess.DEVNULL,
                 stdout=None, cwd=None, preexec=None):
        self.name = name
        self.argv = [str(a) for a in argv]
        self.log_path = os.path.join(directory, name + ".err")
        self.out_path = os.path.join(directory, name + ".out")
        self.graceful = False  # whether SIGTERM must end it, and cleanly
        self.tolerated = set()  # exit statuses of a graceful end, beside 0
        full_env = dict(os.environ)
        full_env.update({k: str(v) for k, v in (env or {}).items()})
        with open(self.log_path, "ab") as err, open(self.out_path, "ab") as out:
            self.popen = subprocess.Popen(
                self.argv, stdin=stdin, stdout=stdout or out, stderr=err, env=full_env,
                cwd=cwd or directory, preexec_fn=preexec, start_new_session=True)

    @property
    def pid(self):
        return self.popen.pid

    @property
    def log(self):
        with open(self.log_path, errors="replace") as f:
            return f.read()

    @property
    def out(self):
        with open(self.out_path, errors="replace") as f:
            return f.read()

    def is_running(self):
        return self.popen.poll() is None

    def wait_log(self, pattern, seconds=10.0, count=1):
        """Waits for count lines that match, and returns the last match."""
        expression = re.compile(pattern, re.IGNORECASE | re.MULTILINE)

        def look():
            found = list(expression.finditer(self.log))
            if len(found) >= count:
                return found[count - 1]
            assert self.is_running(), f"{self.name} ended before it logged {pattern!r}"
            return None

        return wait_until(look, seconds, message=f"{self.name}: {pattern!r}")

    def wait_exit(self, seconds=10.0):
        try:
            return self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.name} did not end within {seconds} s") from None

    def signal(self, number):
        os.kill(self.pid, number)

    def kill(self):
        if self.is_running():
            self.popen.kill()
        self.popen.wait()
        self.graceful = False

    def stop(self, seconds=15.0):
        """Ends it as its kind should end; returns a complaint or None."""
        if not self.is_running():
            return self.complaint()
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGTERM)
        try:
            self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()
            return f"{self.name} did not end by SIGTERM within {seconds} s"
        return self.complaint(after_term=True)

    def complaint(self, after_term=False):
        found = SANITIZERS.search(self.log)
        if found:
            return f"{self.name}: {found.group(0)} (see its log)"
        status = self.popen.returncode
        if self.graceful and after_term and status != 0 and status not in self.tolerated:
            return f"{self.name} ended with {status} after SIGTERM"
        if status is not None and status < 0 and -status in (
                signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGILL, signal.SIGFPE):
            return f"{self.name} was killed by signal {-status}"
        return None

    # What /proc knows of it.

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def resident_kib(self):
        with open(f"/proc/{self.pid}/status") as f:
            return int(re.search(r"VmRSS:\s+(\d+)", f.read()).group(1))

    def cpu_seconds(self):
        with open(f"/proc/{self.pid}/stat") as f:
            fields = f.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def switches(self):
        """How often it has waited for something so far, in all threads."""
        total = 0
        for task in os.listdir(f"/proc/{self.pid}/task"):
            with open(f"/proc/{self.pid}/task/{task}/status") as f:
                total += int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", f.read(), re.M)[1])
        return total
