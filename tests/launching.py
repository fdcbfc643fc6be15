"""Children of a test: what is started here ends with the process that started it, however that ends."""

import os
import pwd
import signal
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

STOP_SECONDS = 10

_PR_SET_PDEATHSIG = 1
# Runs as this user, then becomes the server: another user may not be able to enter the directory of this interpreter.
_LAUNCH = f"""
import ctypes, os, sys
death_signal, parent, user, group = map(int, sys.argv[1:5])
if user >= 0:
    os.setgroups([]), os.setgid(group), os.setuid(user)
if sys.platform == "linux":
    ctypes.CDLL(None).prctl({_PR_SET_PDEATHSIG}, death_signal)
    if os.getppid() != parent:
        sys.exit("the parent is gone")
os.execv(sys.argv[5], sys.argv[5:])
"""
# The kernel ties a child to the thread that made it, so one thread that lasts as long as the process makes them all.
_LAUNCHER = ThreadPoolExecutor(1, "launcher")


class ServerError(Exception):
    """A server cannot be had, or did not start or stop; the message says which and shows its last words."""


def launch(
    command: Sequence[str | Path],
    log: Path,
    *,
    death_signal: int = signal.SIGKILL,
    user: pwd.struct_passwd | None = None,
) -> subprocess.Popen[bytes]:
    """Start a child that gets `death_signal` when this process dies, its output appended to `log`."""
    who = (-1, -1) if user is None else (user.pw_uid, user.pw_gid)
    wrapper = [sys.executable, "-I", "-S", "-c", _LAUNCH, *map(str, (int(death_signal), os.getpid(), *who, *command))]

    def start() -> subprocess.Popen[bytes]:
        with log.open("ab") as output:
            return subprocess.Popen(wrapper, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd="/")

    return _LAUNCHER.submit(start).result()


def end(process: subprocess.Popen[bytes], number: int = signal.SIGTERM) -> None:
    """Ask a child of ours to stop, also when it is paused, and kill it when it does not."""
    if process.poll() is None:
        process.send_signal(number)
        process.send_signal(signal.SIGCONT)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def tail(log: Path) -> str:
    """The last words of a log."""
    return log.read_text(errors="replace")[-2000:] if log.exists() else "(it wrote nothing)"
