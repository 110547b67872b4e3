"""The data directory of a stack: one `up` at a time owns it, and it is checked before use."""

import fcntl
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from domain.errors import AlreadyRunningError, StoreUnavailableError
from workers.settings import STACK_FILE

#: A Temporal database and logs need some room, or they stop in the middle of something.
_LEAST_FREE: Final = 64 * 1024 * 1024


@contextmanager
def owned(directory: Path) -> Iterator[None]:
    """Own *directory*, made if needed, as long as the block runs; the kernel ends it with us.

    Raises AlreadyRunningError if another `up` owns it, StoreUnavailableError if it cannot be used.
    """
    path = directory / "up.lock"
    try:
        (directory / "logs").mkdir(parents=True, exist_ok=True)
        lock = path.open("a+")
    except OSError as error:
        raise _unusable(directory, error) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.seek(0)
            owner = lock.read().strip() or "unknown"
            raise AlreadyRunningError(
                f"a stack runs on {directory} already (process {owner}): use it, end it with "
                f"Ctrl-C or `kill {owner}`, or start another one with --data DIR"
            ) from None
        _check_room(directory)
        try:
            lock.truncate(0)
            lock.write(str(os.getpid()))
            lock.flush()
        except OSError as error:
            raise _unusable(directory, error) from error
        try:
            yield
        finally:
            lock.truncate(0)  # nobody's process: a reader of the file would signal a stranger


def write_stack(directory: Path, stack: Mapping[str, Any]) -> None:
    """Tell other terminals where the stack is, all at once; raises StoreUnavailableError."""
    path = directory / STACK_FILE
    fresh = path.with_suffix(".new")
    try:
        fresh.write_text(json.dumps(stack, indent=2) + "\n")
        fresh.replace(path)
    except OSError as error:
        raise _unusable(directory, error) from error


def _check_room(directory: Path) -> None:
    free = shutil.disk_usage(directory).free
    if free < _LEAST_FREE:
        raise StoreUnavailableError(
            f"the disk of {directory} has {free // 1024**2} MB left, a stack needs "
            f"{_LEAST_FREE // 1024**2} MB: make room, or choose another --data DIR"
        )


def _unusable(directory: Path, error: OSError) -> StoreUnavailableError:
    return StoreUnavailableError(
        f"{directory} cannot be written ({error.strerror}): check its rights and free space, or "
        "choose another --data DIR"
    )
