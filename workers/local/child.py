"""One process of the stack: started with a log, restarted when it dies, ended when asked."""

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from domain.errors import TradingError
from workers.local import tether

#: A process that lived shorter than this died quickly; after so many of those nobody tries again.
_QUICK: Final = 10.0
_MOST_QUICK_DEATHS: Final = 5
_FIRST_PAUSE: Final = 0.25
_LONGEST_PAUSE: Final = 5.0
#: What our own programs end with when they were told something impossible.
_REFUSED: Final = 2
_ROTATE_AT: Final = 16 * 1024 * 1024
_TAIL: Final = 12


class ChildFailedError(TradingError):
    """A process of the stack cannot be kept alive; the message has the end of its log."""


class Child:
    """A process that is started again when it dies. It cannot outlive this one.

    *say* is told of every death, *restarted* is called when there is a new process.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        log: Path,
        say: Callable[[str], None],
        restarted: Callable[[], None] = lambda: None,
    ) -> None:
        self.name = name
        self.log = log
        self._command = command
        self._environment = environment
        self._say = say
        self._restarted = restarted
        self._process: asyncio.subprocess.Process | None = None
        self._started_at = 0.0
        self._quick_deaths = 0
        self._ending = False

    @property
    def pid(self) -> int | None:
        """The process id, or None if it does not run."""
        alive = self._process is not None and self._process.returncode is None
        return self._process.pid if alive and self._process else None

    async def start(self) -> None:
        """Start the process; raises ChildFailedError if its log cannot be written."""
        try:
            _rotate(self.log)
            with self.log.open("ab") as log:
                # A session of its own, so that Ctrl-C reaches us alone and we end it in order.
                self._process = await asyncio.create_subprocess_exec(
                    sys.executable,
                    "-IS",
                    tether.__file__,
                    str(os.getpid()),
                    *self._command,
                    stdin=asyncio.subprocess.PIPE,
                    stdout=log,
                    stderr=log,
                    env={**os.environ, **self._environment},
                    start_new_session=True,
                )
        except OSError as error:
            raise ChildFailedError(
                f"{self.name} cannot be started ({error.strerror}): check {self.log.parent} and "
                "the free space of its disk"
            ) from error
        self._started_at = time.monotonic()

    async def keep_alive(self) -> None:
        """Start the process again whenever it dies; returns when it was told to end.

        Raises ChildFailedError when it dies too often, or says that it can never run.
        """
        while self._process is not None:
            code = await self._process.wait()
            if self._ending:
                return
            pause = self._next_pause(code)
            self._say(f"{self.name} {_died(code)}: starting it again in {pause:g} s")
            await asyncio.sleep(pause)
            await self._start_again()

    async def _start_again(self) -> None:
        if not self._ending:
            await self.start()
            self._restarted()

    async def ready(self, answers: Callable[[], Awaitable[bool]], deadline: float) -> None:
        """Return when *answers* says True; raises ChildFailedError after *deadline* seconds."""
        ends = time.monotonic() + deadline
        while not await answers():
            if self._process is not None and self._process.returncode is not None:
                raise self.failed(f"{_died(self._process.returncode)} while it started")
            if time.monotonic() > ends:
                raise self.failed(f"did not answer within {deadline:g} s")
            await asyncio.sleep(0.05)

    async def end(self, grace: float) -> None:
        """Ask the process to end, and kill it if it takes longer than *grace* seconds."""
        self._ending = True
        if self._process is None or self._process.returncode is not None:
            return
        self._signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(grace):
                await self._process.wait()
        except TimeoutError:
            self._say(f"{self.name} did not end within {grace:g} s and was killed")
            self.kill()
            await self._process.wait()

    def kill(self) -> None:
        """Kill the process at once."""
        self._ending = True
        self._signal(signal.SIGKILL)

    def failed(self, what: str) -> ChildFailedError:
        """Return the error that tells *what* happened, with the end of the log."""
        return ChildFailedError(f"{self.name} {what}. The end of {self.log}:\n{self.tail()}")

    def tail(self) -> str:
        """Return the last lines of the log, indented."""
        try:
            text = self.log.read_bytes()[-8192:].decode(errors="replace")
        except OSError as error:
            return f"  (it cannot be read: {error.strerror})"
        return "\n".join(f"  {line}" for line in text.splitlines()[-_TAIL:]) or "  (it is empty)"

    def _next_pause(self, code: int) -> float:
        if code == _REFUSED:
            raise self.failed("refused to run")
        lived = time.monotonic() - self._started_at
        self._quick_deaths = self._quick_deaths + 1 if lived < _QUICK else 1
        if self._quick_deaths >= _MOST_QUICK_DEATHS:
            raise self.failed(f"died {self._quick_deaths} times in a row, each time at once")
        return min(_FIRST_PAUSE * 2.0 ** (self._quick_deaths - 1), _LONGEST_PAUSE)

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)


def _died(code: int) -> str:
    return f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"


def _rotate(log: Path) -> None:
    """Keep one older log, so that a stack of months does not fill the disk with words."""
    if log.exists() and log.stat().st_size > _ROTATE_AT:
        log.replace(log.with_suffix(".old.log"))
