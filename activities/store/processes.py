"""Which process a row belongs to, so that others on the same machine can tell that it is dead."""

import os
from functools import cache
from pathlib import Path
from typing import Final

_PROC: Final = Path("/proc")


def this_process() -> str:
    """Return a name of this process that no later one will have, on any machine.

    Where the system does not tell enough (it has no /proc) nobody can tell from it who is dead.
    """
    where = _where()
    return f"{where}/{os.getpid()}/{_began(os.getpid())}" if where else f"?/{os.getpid()}"


def has_died(process: str) -> bool:
    """Return whether *process* has surely ended; no, if it is of a place we cannot look into."""
    where, _, rest = process.rpartition("/")
    where, _, pid = where.rpartition("/")
    if not where or where != _where():
        return False
    return _began(int(pid)) != rest


@cache
def _where() -> str:
    """Return the boot and the process namespace, in which numbers and times of processes count."""
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{(_PROC / 'self/ns/pid').readlink()}"
    except OSError:
        return ""


def _began(pid: int) -> str:
    """Return when a process began, in ticks since boot; "" if there is none, or it is a corpse."""
    try:
        told = (_PROC / str(pid) / "stat").read_text()
    except OSError:
        return ""
    # The name of the program stands in parentheses and may hold anything.
    state, *fields = told.rpartition(")")[2].split()
    return "" if state in ("Z", "X") else fields[18]
