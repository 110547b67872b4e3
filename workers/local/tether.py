"""Runs a command that cannot outlive its parent, however that dies.

Started as a script (`python tether.py PARENT_PID command ...`): on Linux the kernel kills the
command with its parent, and the command takes this process's place. Elsewhere this process stays,
and kills the command when the pipe on its stdin ends, which happens when the parent dies.
"""

import ctypes
import os
import select
import signal
import subprocess
import sys
from types import FrameType

_PR_SET_PDEATHSIG = 1
_LOOK_EVERY = 0.2


def _replaced(parent: int, command: list[str]) -> None:
    """Become *command*, which the kernel kills when *parent* ends."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit(1)  # it died before it could be watched
    os.execvp(command[0], command)  # noqa: S606 - the parent gives the command


def _watched(command: list[str]) -> int:
    """Run *command* until it ends or the parent does, and return its exit code."""
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL)  # noqa: S603 - see above

    def passed_on(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - a handler's
        child.send_signal(number)

    signal.signal(signal.SIGTERM, passed_on)
    signal.signal(signal.SIGINT, passed_on)
    while child.poll() is None:
        readable, _, _ = select.select([sys.stdin], [], [], _LOOK_EVERY)
        if readable:  # nobody writes there, so it is the end of the pipe
            child.kill()
            break
    return child.wait()


def main() -> None:
    """Run the command of the arguments."""
    parent, command = int(sys.argv[1]), sys.argv[2:]
    if sys.platform == "linux":
        _replaced(parent, command)
    sys.exit(_watched(command))


if __name__ == "__main__":
    main()
