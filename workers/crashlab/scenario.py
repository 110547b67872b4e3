"""A scenario: one system, some grids, and rounds of kills; after each round the books are asked."""

import asyncio
import logging
import random
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

from temporalio.exceptions import TemporalError
from temporalio.service import RPCError

from domain.errors import StoreError
from domain.grid.spec import StopMode
from domain.money import EXACT, Instrument, MarketKind
from workers.crashlab.adversary import fill_and_return
from workers.crashlab.books import Books
from workers.crashlab.evidence import keep_evidence
from workers.crashlab.findings import Findings, Violation
from workers.crashlab.role import Grid
from workers.crashlab.steps import Cell, Runner, Step, Victim
from workers.crashlab.system import System
from workers.crashlab.views import view_of
from workers.crashlab.waiting import StuckError, until
from workers.crashlab.worker import RESULT
from workers.exchange.faults import FaultKind, FaultRule
from workers.exchange.host import Host
from workflows.messages import GridResult, StopGrid

_log: Final = logging.getLogger(__name__)
#: A run that does not come to a step in this time (seconds) does not go on by itself.
_GOES_ON_WITHIN: Final = 60.0
_SETTLES_WITHIN: Final = 90.0
_ENDS_WITHIN: Final = 90.0
#: How long the exchange holds an answer back: the kill comes long before.
_HOLDS: Final = timedelta(seconds=1)
#: How often a step may pass before it is the one, so that kills spread over grids and slots.
_MOST_PASSES: Final = 2
_LONGEST_DOWN: Final = 0.4
_LONGEST_WAIT: Final = 1.5
_BEGINNING: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Scenario:
    """Kills in one system. *tell* hears of each."""

    def __init__(self, system: System, tell: Callable[[Cell], None]) -> None:
        self.findings = Findings()
        self._system = system
        self._tell = tell
        self._chance = random.Random(system.plan.seed)
        self._struck_at: float | None = None

    async def round(self, cell: Cell, kills: int) -> None:
        """Kill *kills* times at *cell*, and ask the books."""
        for _ in range(kills):
            await self._kill(cell)
        await self._check(cell, kills)

    async def end(self, cell: Cell) -> None:
        """Close all grids: nothing may be left, and the money must add up."""
        system = self._system
        if system.plan.runner is Runner.SIMPLE:
            await system.kill_worker()
            await system.start_worker(StopMode.CLOSE)
            await asyncio.wait_for(system.worker_ended(), _ENDS_WITHIN)
        for grid in system.plan.grids:
            try:
                result = await self._result(grid)
            except (TimeoutError, StuckError, RPCError, TemporalError) as error:
                self._blame(cell, grid, f"stuck: the run did not end ({error})", 0)
                continue
            self._judge_end(cell, grid, result)
        self.findings.deaths_of_their_own = system.deaths_of_its_own

    # ---- kills

    async def _kill(self, cell: Cell) -> None:
        step, victim = cell
        try:
            await self._come_to(step)
        except StuckError as error:
            _log.warning("%s: %s", self._system.plan.directory.name, error)
            self.findings.not_reached[cell] += 1
            return
        finally:
            self._system.exchange.plan.set([])
        if self._struck_at is not None:
            self.findings.recoveries.append(time.monotonic() - self._struck_at)
        await self._system.strike(victim)
        self._struck_at = time.monotonic() if step is not Step.RANDOM else None
        self._system.trap.take_away()
        self.findings.kills[cell] += 1
        for grid in self._system.plan.grids:
            self.findings.by_grid[f"{grid.venue} {grid.kind}"] += 1
        self._tell(cell)
        await self._while_down(step, victim)
        await self._system.revive(victim)

    async def _come_to(self, step: Step) -> None:
        """Return when a process stands at *step*, held there by a trap or by the exchange."""
        system = self._system
        if step is Step.RANDOM:
            await asyncio.sleep(self._chance.uniform(0, _LONGEST_WAIT))
        elif step is Step.SENT:
            every = self._chance.randint(1, _MOST_PASSES + 1)
            rule = FaultRule(
                method="rest.place", kind=FaultKind.DELAY_AFTER, every=every, count=1, delay=_HOLDS
            )
            system.exchange.plan.set([rule])
            await until(
                lambda: system.exchange.plan.played > 0,
                "an order that the exchange executed",
                within=_GOES_ON_WITHIN,
            )
        else:
            system.trap.set(step, self._chance.randint(0, _MOST_PASSES))
            await until(
                lambda: system.trap.sprung() is not None,
                f"a process at {step}",
                within=_GOES_ON_WITHIN,
            )

    async def _while_down(self, step: Step, victim: Victim) -> None:
        """Let time pass; sometimes the market fills meanwhile what the victim has just sent."""
        dead = victim in (Victim.WORKER, Victim.SIMPLE)
        if dead and step in (Step.SENT, Step.ACCEPTED) and self._chance.random() < 0.5:
            await fill_and_return(self._system.host, self._system.plan.grids)
        await asyncio.sleep(self._chance.uniform(0, _LONGEST_DOWN))

    # ---- books

    async def _check(self, cell: Cell, kills: int) -> None:
        """Stop the market, wait until the runs have heard of everything, and judge the books."""
        clock = self._system.host.clock
        clock.pause()
        try:
            await asyncio.gather(
                *(self._check_grid(cell, grid, kills) for grid in self._system.plan.grids)
            )
        finally:
            clock.resume()
        self.findings.checks += 1
        self._struck_at = None

    async def _check_grid(self, cell: Cell, grid: Grid, kills: int) -> None:
        last: list[Books] = []

        async def settled() -> bool:
            view = await view_of(self._system, grid)
            if view is None:
                return False
            try:
                last.append(await Books.read(grid, self._system.host, self._system.ledger, view))
            except StoreError:
                return False
            del last[:-1]
            if last[0].conclusive():
                return True
            return last[0].settled() and not last[0].violations()

        found: list[str] = []
        try:
            await until(settled, "agreement", within=_SETTLES_WITHIN, every=0.2)
        except StuckError as error:
            found = [f"stuck: {error}"]
            if last:
                found = last[0].violations() or found
        else:
            found = last[0].violations() if last[0].settled() else last[0].conclusive()
        if found:
            await keep_evidence(self._system, grid, last)
        for what in found:
            self._blame(cell, grid, what, kills)

    def _blame(self, cell: Cell, grid: Grid, what: str, kills: int) -> None:
        _log.error("%s, %s after %s: %s", self._system.plan.directory.name, grid.name, cell, what)
        name = self._system.plan.directory.name
        self.findings.violations.append(Violation(cell, name, grid.name, what, kills))

    # ---- the end

    async def _result(self, grid: Grid) -> GridResult:
        if self._system.plan.runner is Runner.SIMPLE:
            path = self._system.plan.directory / f"{grid.name}.json"
            if not path.exists():
                raise StuckError(f"{grid.name} left no result")
            return RESULT.validate_json(path.read_bytes())
        run = self._system.client.get_workflow_handle(grid.name, result_type=GridResult)
        await asyncio.wait_for(
            run.execute_update("stop", StopGrid(StopMode.CLOSE, by="crashlab")), _ENDS_WITHIN
        )
        result: GridResult = await asyncio.wait_for(run.result(), _ENDS_WITHIN)
        return result

    def _judge_end(self, cell: Cell, grid: Grid, result: GridResult) -> None:
        host = self._system.host
        account = host.account(grid.account)
        if result.residual != 0:
            self._blame(cell, grid, f"cash: the run ended with residual {result.residual}", 0)
        if not _is_dust(host.instrument(grid.symbol), result.position, host):
            self._blame(cell, grid, f"position: the run ended with {result.position}", 0)
        for order in host.exchange.open_orders(account, grid.symbol):
            self._blame(cell, grid, f"orphan: {order.client_id} rests after the end", 0)
        for position in host.exchange.positions(account, grid.symbol):
            self._blame(cell, grid, f"position: {position.lots} lots after the end", 0)
        self.findings.orders += len(host.exchange.orders_since(account, grid.symbol, _BEGINNING))
        self.findings.fills += len(host.exchange.fills_since(account, grid.symbol, _BEGINNING))


def _is_dust(instrument: Instrument, position: Decimal, host: Host) -> bool:
    """Return whether *position* is none, or of spot and too little for any order.

    Fees that spot takes in base leave that.
    """
    if position == 0 or instrument.kind is not MarketKind.SPOT:
        return position == 0
    price = host.exchange.last_price(instrument.symbol)
    if price is None:
        raise AssertionError("the lab's market has a price")
    worth = EXACT.multiply(abs(position), instrument.price_of(price.price))
    return worth < instrument.min_notional
