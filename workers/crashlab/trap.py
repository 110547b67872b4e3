"""How the lab stops a process exactly at a step: by two small files in a directory of theirs.

The lab writes the trap: which step, and how often it may pass before. The process that comes to the
step for that time tells it and waits there, until it is killed or the trap is taken away. A process
that meets no trap reads a file that is not there, and goes on.
"""

import asyncio
import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from workers.crashlab.steps import Doing, Step

_LOOK_EVERY: Final = 0.005
#: Temporal fails a workflow task that stands still for two seconds: a workflow waits less.
_STANDS_STILL: Final = 0.8


@dataclass(frozen=True, slots=True)
class Sprung:
    """A process stands at the step that was asked for."""

    account: str
    about: str


class Trap:
    """The lab's end. One trap at a time."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._set = directory / "trap.json"
        self._sprung = directory / "sprung.json"
        self._number = 0

    def set(self, step: Step, passes: int, doing: Doing | None = None) -> None:
        """Stop whoever comes to *step*, *doing* that if it is given, after *passes* passes."""
        self._number += 1
        told = {"number": self._number, "step": step, "passes": passes, "doing": doing}
        _write(self._set, told)

    def sprung(self) -> Sprung | None:
        """Return who stands in the trap; None while nobody does."""
        told = _read(self._sprung)
        if told is None or told["number"] != self._number:
            return None
        return Sprung(told["account"], told["about"])

    def take_away(self) -> None:
        """Let go of who stands in it, and catch nobody any more."""
        self._set.unlink(missing_ok=True)


class Tripwire:
    """The process's end."""

    def __init__(self, directory: Path) -> None:
        self._set = directory / "trap.json"
        self._sprung = directory / "sprung.json"
        self._number = 0
        self._passed = 0
        #: What the trade of a pair is about; a grid has none.
        self.doing: Doing | None = None

    async def at(self, step: Step, account: str, about: str = "") -> None:
        """Say that *step* was come to; returns when the lab lets go."""
        number = self._caught(step, account, about)
        while number is not None and self._is_set(number):  # noqa: ASYNC110 - it is a file
            await asyncio.sleep(_LOOK_EVERY)

    def at_once(self, step: Step, account: str, about: str = "") -> None:
        """Do the same where nothing can be awaited; after a moment it goes on by itself."""
        number = self._caught(step, account, about)
        ends = time.monotonic() + _STANDS_STILL
        while number is not None and self._is_set(number) and time.monotonic() < ends:
            time.sleep(_LOOK_EVERY)

    def _caught(self, step: Step, account: str, about: str) -> int | None:
        told = _read(self._set)
        if told is None or told["step"] != step or told["doing"] not in (None, self.doing):
            return None
        number = int(told["number"])
        if number != self._number:
            self._number, self._passed = number, 0
        self._passed += 1
        if self._passed != told["passes"] + 1:
            return None
        _write(self._sprung, {"number": number, "account": account, "about": about})
        return number

    def _is_set(self, number: int) -> bool:
        told = _read(self._set)
        return told is not None and told["number"] == number


def _write(path: Path, document: dict[str, Any]) -> None:
    """Replace the file as a whole: a reader sees the old one or the new one."""
    fresh = path.with_suffix(f".{os.getpid()}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.write(descriptor, json.dumps(document).encode())
    finally:
        os.close(descriptor)
    fresh.replace(path)


def _read(path: Path) -> dict[str, Any] | None:
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        document: dict[str, Any] = json.loads(os.read(descriptor, 4096))
    finally:
        os.close(descriptor)
    return document
