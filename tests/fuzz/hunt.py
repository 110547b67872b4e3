"""Looks for a script that runners disagree about: many examples at once, then the smallest one.

Hypothesis makes the examples of a chunk from its seed, all before the first is played, so that they
can be played side by side. If one fails hypothesis makes the same ones again, is told what came of
each, and goes on to shrink the one that failed by playing ever smaller ones.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from traceback import format_exception
from typing import Final

from hypothesis import HealthCheck, Phase, given, seed, settings
from temporalio.client import Client, WorkflowHistory
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import UnsandboxedWorkflowRunner

from tests.fuzz.arena import Arena, arena
from tests.fuzz.play import DisagreementError
from tests.fuzz.script import Script, scripts
from tests.workflows.replaying import replayer
from workers.converter import DATA_CONVERTER
from workers.local.temporal import program
from workflows.names import SEARCH_ATTRIBUTES

#: So many examples are played side by side.
TOGETHER: Final = 8
_TUNING: Final = (
    "history.transferProcessorMaxPollRPS=2000",
    "history.timerProcessorMaxPollRPS=2000",
    "history.visibilityProcessorMaxPollRPS=2000",
    'history.timerProcessorMaxTimeShift="10ms"',
)


@dataclass(frozen=True, slots=True)
class Finding:
    """A script that runners disagree about, the smallest that was found, and what is wrong."""

    script: Script
    why: str


@dataclass(slots=True)
class Hunted:
    """What came of a chunk of examples."""

    #: Examples that hypothesis made; some are made more than once, and played once.
    made: int = 0
    counted: Counter[str] = field(default_factory=Counter)
    finding: Finding | None = None


async def hunt(
    where: Arena, number: int, examples: int, together: int = TOGETHER, *, shrink: bool = True
) -> Hunted:
    """Play *examples* that come of the seed *number*; stop at the first that fails."""
    made: list[Script] = []
    _generate(number, examples, made.append, Phase.generate)
    played = await _play_all(where, list(dict.fromkeys(made)), together)
    hunted = Hunted(len(made), where.counted)
    found = [Finding(script, why) for script, why in played.items() if why is not None]
    if not found:
        hunted.finding = await _unrepeatable(where)
    elif shrink:
        hunted.finding = await _shrunk(where, number, examples, played)
    else:
        hunted.finding = found[0]
    return hunted


async def _play_all(
    where: Arena, examples: Sequence[Script], together: int
) -> dict[Script, str | None]:
    """Play *examples* until one fails, and return what is wrong with each that was played."""
    played: dict[Script, str | None] = {}
    left = iter(examples)

    async def play_on() -> None:
        for script in left:
            played[script] = await wrong(where, script)
            if any(played.values()):
                return

    async with asyncio.TaskGroup() as players:
        for _ in range(together):
            players.create_task(play_on())
    return played


async def wrong(where: Arena, script: Script) -> str | None:
    """Return what is wrong with *script*, or None."""
    try:
        await where.check(script)
    except DisagreementError as error:
        return str(error)
    except Exception as error:  # noqa: BLE001 - whatever it is, its script is to be found and shrunk
        return "".join(format_exception(error))
    return None


async def _unrepeatable(where: Arena) -> Finding | None:
    """Return the first durable run whose history a worker that never saw it cannot repeat."""
    if not where.histories:
        return None
    histories = [history for _, history in where.histories]

    async def every() -> AsyncIterator[WorkflowHistory]:
        for history in histories:
            yield history

    replays = replayer(where.grid, UnsandboxedWorkflowRunner())
    async with replays.workflow_replay_iterator(every()) as results:
        async for result in results:
            if result.replay_failure is not None:
                script = where.histories[histories.index(result.history)][0]
                return Finding(script, f"its history does not replay: {result.replay_failure}")
    return None


async def _shrunk(
    where: Arena, number: int, examples: int, played: Mapping[Script, str | None]
) -> Finding:
    """Return the smallest script that fails, as hypothesis finds it from the same seed."""
    loop, known = asyncio.get_running_loop(), dict(played)
    found: list[Finding] = []

    def examine(script: Script) -> None:
        if script not in known:
            asked = asyncio.run_coroutine_threadsafe(wrong(where, script), loop)
            known[script] = asked.result()
        why = known[script]
        if why is not None:
            found.append(Finding(script, why))
            raise DisagreementError(why)

    def work() -> None:
        try:
            _generate(number, examples, examine, Phase.generate, Phase.shrink)
        except DisagreementError:
            return
        raise AssertionError("the same seed made other examples")

    await asyncio.to_thread(work)
    return found[-1]


def _generate(
    number: int, examples: int, examine: Callable[[Script], None], *phases: Phase
) -> None:
    @seed(number)
    @settings(
        max_examples=examples,
        phases=phases,
        database=None,
        deadline=None,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
    @given(scripts())
    def run(script: Script) -> None:
        examine(script)

    run()


@asynccontextmanager
async def server() -> AsyncIterator[Client]:
    """Yield a client of a Temporal server that lives as long, tuned as `opensqt up` tunes it."""
    environment = await WorkflowEnvironment.start_local(
        data_converter=DATA_CONVERTER,
        search_attributes=SEARCH_ATTRIBUTES,
        dev_server_existing_path=program(),
        dev_server_log_level="error",
        dev_server_extra_args=[
            word for value in _TUNING for word in ("--dynamic-config-value", value)
        ],
    )
    async with environment:
        yield environment.client


@asynccontextmanager
async def hunting_ground() -> AsyncIterator[Arena]:
    """Yield an arena with a server and files of its own."""
    with TemporaryDirectory(prefix="opensqt-fuzz-") as directory:
        async with server() as client, arena(Path(directory), client) as where:
            yield where


def hunt_chunk(number: int, examples: int) -> Hunted:
    """Hunt in a process of its own."""
    logging.disable(logging.CRITICAL)  # scripts are full of trouble
    return asyncio.run(_hunt_chunk(number, examples))


async def _hunt_chunk(number: int, examples: int) -> Hunted:
    async with hunting_ground() as where:
        return await hunt(where, number, examples)
