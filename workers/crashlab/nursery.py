"""A process that has imported everything and forks workers on command: that takes milliseconds.

Importing the program takes seconds, and the lab starts it a thousand times. What forks must have
one thread only, so this process never starts a loop, a client or a server. It reads one role a line
on stdin and answers on stdout: who was born, and who died of what.
"""

import contextlib
import json
import os
import selectors
import signal
import sys
import traceback
from importlib import import_module
from types import FrameType
from typing import Any, Final

from activities.venues.ccxt.registry import VENUES, quirks_of
from domain.money import MarketKind
from workers.crashlab.jobs import JOB, Job
from workers.crashlab.worker import work

_LOOK_EVERY: Final = 1.0
#: What the program loads only when it is needed, which is in every worker.
_LOADED_LATE: Final = ("ccxt.async_support", "psycopg", "sqlalchemy.dialects.postgresql.psycopg")


def main() -> None:
    """Fork and reap until stdin ends; then kill who still lives."""
    for name in _LOADED_LATE:
        import_module(name)
    for name in VENUES:
        quirks_of(name, MarketKind.SPOT)
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.signal(signal.SIGCHLD, _ignore)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the lab's
    signal.set_wakeup_fd(writer)
    alive: set[int] = set()
    with selectors.DefaultSelector() as selector:
        selector.register(sys.stdin.fileno(), selectors.EVENT_READ)
        selector.register(reader, selectors.EVENT_READ)
        _say({"ready": os.getpid()})
        asked = b""
        while True:
            for key, _ in selector.select(_LOOK_EVERY):
                read = os.read(key.fd, 65536)
                if key.fd == reader:
                    continue
                if not read:
                    _kill_all(alive)
                    return
                asked += read
            *lines, asked = asked.split(b"\n")
            for line in lines:
                pid = _fork(JOB.validate_json(line))
                alive.add(pid)
                _say({"born": pid})
            _reap(alive)


def _fork(role: Job) -> int:
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        log = os.open(role.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for old, new in ((nothing, 0), (log, 1), (log, 2)):
            os.dup2(old, new)
        work(role)
        code = 0
    except BaseException:  # noqa: BLE001 - the last words of a process are in its log
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def _reap(alive: set[int]) -> None:
    for pid in list(alive):
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            alive.discard(pid)
            _say({"died": pid, "code": os.waitstatus_to_exitcode(status)})


def _kill_all(alive: set[int]) -> None:
    for pid in alive:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _say(told: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()


def _ignore(number: int, frame: FrameType | None) -> None:
    """Do nothing: the wake-up is what counts."""


if __name__ == "__main__":
    main()
