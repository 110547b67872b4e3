"""Playing a script: the same for every runner, and what of it is compared."""

import asyncio
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final, TypeVar, assert_never

from pydantic import TypeAdapter

from domain.errors import InvalidValueError
from domain.grid.config import bind, check_profit
from domain.grid.engine import check_reconfigure
from domain.grid.events import (
    FeedChanged,
    GridEvent,
    PriceMoved,
    Reported,
    RiskChanged,
    TimePassed,
    VolatilityMeasured,
)
from domain.grid.spec import GridSpec, StopMode, parse_spec
from domain.grid.state import GridState, Phase
from domain.orders import OrderReport
from domain.risk.scope import Scope, ScopeKind
from tests.fuzz.runners import Rest, Runner
from tests.fuzz.script import (
    CHANGES,
    Asked,
    Back,
    Crashing,
    Late,
    Lost,
    Measured,
    Op,
    Restarted,
    Trades,
    Tripped,
    Trouble,
    Waited,
)
from tests.fuzz.world import RESYNC, World
from tests.lockstep import Asked as Command
from tests.lockstep import one_tag
from workers.backtest import OrderAction
from workflows.messages import GridResult

T = TypeVar("T")
_ACTIONS: Final[TypeAdapter[tuple[OrderAction, ...]]] = TypeAdapter(tuple[OrderAction, ...])
_STATE: Final = TypeAdapter(GridState)
#: A run that is told to end is given so many minutes.
_MINUTES: Final = 8
#: Seconds within which whoever is told something comes to rest.
PATIENCE: Final = 300.0


class DisagreementError(AssertionError):
    """Two who ran the same script did not do the same, or the money does not add up."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What somebody did in a script, as text that is the same for all that did the same."""

    asked: tuple[str, ...]
    state: str
    result: GridResult | None


class Player:
    """Lets a script happen to one runner."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self._world = runner.world
        self._live = False
        #: Where the run stands, as it was told; None: it was told nothing yet.
        self._standing: bool | None = None
        #: Whether nobody tells the run where it stands for now.
        self._deaf = False
        self._ended = False

    async def play(self) -> Outcome:
        """Play the whole script, with its end."""
        world, runner = self._world, self._runner
        try:
            await runner.begin()
            await self._go_live()
            for op in world.script.ops:
                if self._ended:
                    break
                await world.pass_time(1)
                await self._happen(op)
            if not self._ended:
                await self._end()
            result = await self._patiently(runner.result()) if self._ended else None
            return _outcome(world, runner.state, result)
        finally:
            await runner.close()

    async def _happen(self, op: Op) -> None:  # noqa: C901, PLR0912 - one table
        world = self._world
        match op:
            case Trades():
                await self._trade(op)
            case Late(which):
                found = [world.report(number) for number in which]
                await self._report([report for report in found if report is not None])
            case Lost():
                if self._live:
                    self._live = False
                    await self._tell([FeedChanged(live=False, at=world.clock(), why="lost")])
            case Back():
                await self._go_live()
            case Tripped(is_open, kind, heard):
                await self._trip(is_open, ScopeKind(kind))
                self._deaf = not heard
                await self._stand()
            case Asked(command):
                await self._ask(command)
            case Trouble(faults):
                world.venue.fail(faults)
            case Waited(seconds):
                await world.pass_time(seconds)
                self._deaf = False
                await self._stand()
                await self._tell([TimePassed(world.clock())])
            case Measured(atr):
                await self._tell([VolatilityMeasured(Decimal(atr), world.clock())])
            case Restarted():
                await self._restart()
            case Crashing(sent):
                world.trap.arm(sent=sent)
            case _:
                assert_never(op)

    # --- the market and the streams ----------------------------------------------------------

    async def _trade(self, op: Trades) -> None:
        world = self._world
        for ticks in op.ticks:
            world.trade(ticks, op.lots)
        new = await world.new_reports()
        if not self._live:
            return
        if op.heard is not None and new:
            new = [new[number % len(new)] for number in op.heard]
        events = [*await self._kept(new), PriceMoved(world.price, world.clock())]
        await self._tell(*([each] for each in events) if op.apart else (events,))

    async def _report(self, reports: Sequence[OrderReport]) -> None:
        if self._live and reports:
            await self._tell(await self._kept(reports))

    async def _kept(self, reports: Sequence[OrderReport]) -> list[GridEvent]:
        return [Reported(report) for report in await self._world.keep(reports)]

    async def _go_live(self) -> None:
        """Tell what a feed tells a run once its streams are live; the comparison comes first."""
        world = self._world
        self._live, self._deaf = True, False
        await self._stand()
        await self._tell([FeedChanged(live=True, at=world.clock())])
        if self._live:  # else its process was killed, and it has heard all of this since
            await self._tell([PriceMoved(world.price, world.clock())])

    # --- risk --------------------------------------------------------------------------------

    async def _stand(self) -> None:
        """Tell the run where it stands, if that has changed."""
        world = self._world
        if self._deaf or not self._live:
            return
        found = (await world.risk.standings(world.account, [world.run_id]))[world.run_id]
        if found.halted != self._standing:
            self._standing = found.halted
            await self._tell([RiskChanged(found.halted, world.clock(), found.why)])

    async def _trip(self, is_open: bool, kind: ScopeKind) -> None:
        world = self._world
        scope = Scope(kind, world.run_id if kind is ScopeKind.RUN else world.account)
        change = world.risk.trip if is_open else world.risk.reset
        await change(scope, "somebody", "the script says so")

    # --- people ------------------------------------------------------------------------------

    async def _ask(self, name: str) -> None:
        command = self._command(name)
        allowed = _may(self._runner.state, command)
        await self._patiently(self._runner.obey(command, allowed=allowed))
        await self._settle()

    def _command(self, name: str) -> Command:
        if name in ("pause", "resume"):
            return name
        if name in set(StopMode):
            return StopMode(name)
        spec = self._runner.state.config.spec.model_dump(mode="json")
        return parse_spec({**spec, **CHANGES[name]})

    # --- processes ---------------------------------------------------------------------------

    async def _restart(self) -> None:
        was_live, self._live, self._standing = self._live, False, None
        await self._patiently(self._runner.restart())
        await self._settle()
        if was_live and not self._ended:
            await self._go_live()

    async def _end(self) -> None:
        """End the run as the script says; nothing goes wrong any more."""
        world = self._world
        world.calm()
        await world.pass_time(60)
        if not self._live:
            await self._go_live()
        if not self._ended:
            await self._ask(world.script.end)
        for _ in range(_MINUTES):
            if self._ended:
                return
            await world.pass_time(60)
            await self._tell([TimePassed(world.clock())])

    async def _tell(self, *batches: Sequence[GridEvent]) -> None:
        if not self._ended:
            await self._runner.tell(*batches)
            await self._settle()

    async def _settle(self) -> None:
        rest = await self._patiently(self._runner.rest())
        if rest is Rest.ENDED:
            self._ended = True
        elif rest is Rest.KILLED:
            await self._restart()

    async def _patiently(self, work: Awaitable[T]) -> T:
        async with asyncio.timeout(PATIENCE):
            return await work


def _may(state: GridState, command: Command) -> bool:
    """Return whether a run in *state* takes *command*."""
    if isinstance(command, GridSpec):
        config = bind(command, state.config.instrument)
        try:
            check_reconfigure(state, config)
            if state.price is not None:
                check_profit(config, state.price)
        except InvalidValueError:
            return False
        return True
    if isinstance(command, StopMode):
        return not state.finished
    if command == "pause":
        return state.phase in (Phase.WAITING, Phase.RUNNING)
    return state.phase is Phase.PAUSED


# --- comparing -------------------------------------------------------------------------------


def _outcome(world: World, state: GridState, result: GridResult | None) -> Outcome:
    asked: list[str] = []
    for batch in world.asked:
        if isinstance(batch, str):
            # A durable run that rolls while it compares itself does that once more.
            if batch != RESYNC or asked[-1:] != [RESYNC]:
                asked.append(batch)
        else:
            asked.append(one_tag(_ACTIONS.dump_json(batch).decode()))
    shown = one_tag(_STATE.dump_json(replace(state, tag="")).decode())
    return Outcome(
        tuple(asked),
        shown.replace(world.run_id, "RUN").replace(world.account, "ACCOUNT"),
        result,
    )


def compare(who: str, found: Outcome, wanted: Outcome) -> None:
    """Raise DisagreementError unless *who* did what the plain loop did, and the money adds up."""
    for number, (one, other) in enumerate(zip(found.asked, wanted.asked, strict=False)):
        if one != other:
            raise DisagreementError(
                f"{who} asks for something else at {number}:\n  {one}\nthe plain loop:\n  {other}"
            )
    if len(found.asked) != len(wanted.asked):
        longer = max(found.asked, wanted.asked, key=len)
        extra = longer[min(len(found.asked), len(wanted.asked))]
        least = "more" if longer is found.asked else "less"
        raise DisagreementError(f"{who} asks for {least} than the plain loop:\n  {extra}")
    if found.state != wanted.state:
        raise DisagreementError(f"{who} ends as\n  {found.state}\nthe plain loop\n  {wanted.state}")
    if found.result != wanted.result:
        raise DisagreementError(f"{who} has {found.result}, the plain loop {wanted.result}")
    if found.result is not None and found.result.residual != 0:
        raise DisagreementError(f"the money of {who} does not add up: {found.result}")
