"""The lab: lanes side by side, each with one scenario after the other, until all kills are done."""

import asyncio
import logging
import random
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from itertools import count, cycle
from pathlib import Path
from typing import Final

from domain.money import MarketKind
from workers.crashlab.findings import Findings, Violation
from workers.crashlab.forks import Nursery
from workers.crashlab.pairs.plans import legs_in_turn, pair_rounds
from workers.crashlab.pairs.scenario import PairScenario
from workers.crashlab.pairs.system import PairPlan, PairSystem
from workers.crashlab.role import Grid
from workers.crashlab.scenario import Scenario
from workers.crashlab.steps import Cell, Runner, Step, Victim, cells
from workers.crashlab.system import Plan, System
from workers.tasks import heed_cancel

_log: Final = logging.getLogger(__name__)
#: Rounds in one system: then another one begins, with other venues.
_ROUNDS: Final = 8
#: Grids that one process works, so that a kill hits more than one venue.
_GRIDS: Final = 2


@dataclass(frozen=True, slots=True)
class Task:
    """What the lab is asked for."""

    seed: int
    kills: int
    venues: tuple[str, ...]
    steps: tuple[Step, ...]
    victims: tuple[Victim, ...]
    #: Kills of one cell before the books are asked.
    round_of: int
    lanes: int
    directory: Path
    look_up: bool = True
    #: Pairs on two exchanges each, instead of grids.
    pairs: bool = False
    compensates: bool = True


@dataclass(frozen=True, slots=True)
class _Planned:
    plan: Plan | PairPlan
    rounds: Sequence[tuple[Cell, int]]


async def run(task: Task, tell: Callable[[int, Cell], None], findings: Findings) -> None:
    """Do *task* and put what was seen into *findings*, system by system, also if canceled.

    *tell* hears of each kill, with how many were before.
    """
    began = time.monotonic()
    done = count(1)

    def killed(cell: Cell) -> None:
        tell(next(done), cell)

    waiting = list(_planned_pairs(task) if task.pairs else _planned(task))[::-1]
    try:
        async with Nursery() as nursery, asyncio.TaskGroup() as lanes:
            for _ in range(task.lanes):
                lanes.create_task(_lane(waiting, nursery, findings, killed))
    finally:
        findings.seconds = time.monotonic() - began


async def _lane(
    waiting: list[_Planned], nursery: Nursery, findings: Findings, tell: Callable[[Cell], None]
) -> None:
    while waiting:
        planned = waiting.pop()
        findings.add([await _scenario(planned, nursery, tell)])


async def _scenario(planned: _Planned, nursery: Nursery, tell: Callable[[Cell], None]) -> Findings:
    plan = planned.plan
    plan.directory.mkdir(parents=True)
    cell, _ = planned.rounds[0]
    scenario: Scenario | PairScenario | None = None
    try:
        async with AsyncExitStack() as stack:
            scenario = await _opened(plan, nursery, tell, stack)
            for cell, kills in planned.rounds:
                await scenario.round(cell, kills)
            await scenario.end(cell)
    except Exception as error:  # noqa: BLE001 - whatever it is, the other lanes go on
        heed_cancel()
        _log.exception("%s broke off", plan.directory.name)
        findings = scenario.findings if scenario else Findings()
        broken = Violation(cell, plan.directory.name, "", f"stuck: {error!r}", 0)
        findings.violations.append(broken)
        return findings
    if not scenario.findings.violations:  # else it is evidence
        shutil.rmtree(plan.directory)
    return scenario.findings


async def _opened(
    plan: Plan | PairPlan, nursery: Nursery, tell: Callable[[Cell], None], stack: AsyncExitStack
) -> Scenario | PairScenario:
    if isinstance(plan, Plan):
        return Scenario(await stack.enter_async_context(System(plan, nursery)), tell)
    scenario = PairScenario(await stack.enter_async_context(PairSystem(plan, nursery)), tell)
    scenario.begin()
    stack.push_async_callback(scenario.stop)
    return scenario


# ---- what is done, from the seed


def _planned(task: Task) -> Iterator[_Planned]:
    """Yield scenarios: each kind of victim in turn, all venues and kinds in turn."""
    chance = random.Random(task.seed)
    rounds = _rounds(task, chance)
    grids = _grids(task.venues)
    for number in count(1):
        mine = _take(rounds)
        if not mine:
            return
        (_, victim), _ = mine[0]
        name = f"{number:03d}-{victim.runner}"
        plan = Plan(
            victim.runner,
            tuple(next(grids) for _ in range(min(_GRIDS, 2 * len(task.venues)))),
            chance.randrange(1, 1_000_000),
            task.directory / name,
            postgres=any(each is Victim.POSTGRES for (_, each), _ in mine),
            services=any(each is Victim.SERVICES for (_, each), _ in mine),
            look_up=task.look_up,
        )
        yield _Planned(plan, mine)


def _planned_pairs(task: Task) -> Iterator[_Planned]:
    """Yield scenarios of pairs: all venues with all others in turn."""
    chance = random.Random(task.seed)
    rounds = pair_rounds(chance, task.steps, task.victims, task.kills, task.round_of)
    for number, legs in enumerate(legs_in_turn(task.venues), start=1):
        runner = max(rounds, key=lambda each: len(rounds[each]))
        mine = _take(rounds)
        if not mine:
            return
        plan = PairPlan(
            runner,
            legs,
            chance.choice((1, 2)),
            chance.randrange(1, 1_000_000),
            task.directory / f"{number:03d}-{runner}",
            look_up=task.look_up,
            compensates=task.compensates,
        )
        yield _Planned(plan, mine)


def _rounds(task: Task, chance: random.Random) -> dict[Runner, list[tuple[Cell, int]]]:
    """Return all rounds by the runner they need, in a random order, every cell equally often."""
    every = cells(task.steps, task.victims)
    rounds: dict[Runner, list[tuple[Cell, int]]] = {}
    left = task.kills
    while left > 0:
        for cell in chance.sample(every, len(every)):
            kills = min(task.round_of, left)
            if kills:
                rounds.setdefault(cell[1].runner, []).append((cell, kills))
            left -= kills
    return rounds


def _take(rounds: dict[Runner, list[tuple[Cell, int]]]) -> Sequence[tuple[Cell, int]]:
    """Take the next scenario's rounds away, of the runner that has most left."""
    runner = max(rounds, key=lambda each: len(rounds[each]))
    mine, rounds[runner] = rounds[runner][:_ROUNDS], rounds[runner][_ROUNDS:]
    return mine


def _grids(venues: Sequence[str]) -> Iterator[Grid]:
    """Yield grids for ever: all venues in turn, and then again with their other kind of market."""
    kinds = tuple(MarketKind)
    pairs = [(venue, kinds[(i + lap) % 2]) for lap in range(2) for i, venue in enumerate(venues)]
    for number, (venue, kind) in enumerate(cycle(pairs)):
        yield Grid(f"g{number}-{venue}-{kind}", venue, kind)
