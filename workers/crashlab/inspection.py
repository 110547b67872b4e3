"""The books after a round of kills, and at the end of a system: what is wrong becomes a finding."""

import asyncio
import logging
from datetime import UTC, datetime
from typing import Final

from temporalio.exceptions import TemporalError
from temporalio.service import RPCError

from domain.errors import StoreError
from domain.grid.spec import StopMode
from workers.crashlab.books import Books
from workers.crashlab.evidence import keep_evidence
from workers.crashlab.findings import Findings, Violation
from workers.crashlab.role import Grid
from workers.crashlab.steps import Cell, Runner
from workers.crashlab.system import System
from workers.crashlab.views import view_of
from workers.crashlab.waiting import StuckError, until
from workers.crashlab.worker import RESULT
from workflows.messages import GridResult, StopGrid

_log: Final = logging.getLogger(__name__)
#: In seconds. Mostly it takes ten; the machine may be busy with something else.
_SETTLES_WITHIN: Final = 600.0
_ENDS_WITHIN: Final = 300.0
_LOOK_EVERY: Final = 0.2
_BEGINNING: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Inspector:
    """Asks the books of one system, and notes what is wrong in *findings*."""

    def __init__(self, system: System, findings: Findings) -> None:
        self._system = system
        self._findings = findings

    async def check(self, cell: Cell, kills: int) -> None:
        """Stop the market, wait until the runs have heard of everything, and judge the books."""
        clock = self._system.host.clock
        clock.pause()
        try:
            grids = self._system.plan.grids
            await asyncio.gather(*(self._check_grid(cell, grid, kills) for grid in grids))
            if self._system.plan.services:
                await self._check_guard(cell, kills)
        finally:
            clock.resume()
        self._findings.checks += 1

    async def close(self, cell: Cell) -> None:
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
                self.blame(cell, f"stuck: the run did not end ({error})", grid.name)
            else:
                self._judge_end(cell, grid, result)

    def blame(self, cell: Cell, what: str, grid: str = "", kills: int = 0) -> None:
        """Note a violation."""
        name = self._system.plan.directory.name
        _log.error("%s %s after %s: %s", name, grid, " × ".join(cell), what)
        self._findings.violations.append(Violation(cell, name, grid, what, kills))

    # ---- after a round

    async def _check_grid(self, cell: Cell, grid: Grid, kills: int) -> None:
        books: Books | None = None

        async def judged() -> bool:
            nonlocal books
            books = await self._read(grid) or books
            return books is not None and (bool(books.conclusive()) or books.agree())

        found: list[str] = []
        try:
            await until(judged, "agreement", within=_SETTLES_WITHIN, every=_LOOK_EVERY)
        except StuckError as error:
            found = (books.violations() if books else []) or [f"stuck: {error}"]
        else:
            found = books.conclusive() if books else []
        if found:
            await keep_evidence(self._system, grid, books)
        for what in found:
            self.blame(cell, what, grid.name, kills)

    async def _check_guard(self, cell: Cell, kills: int) -> None:
        """Wait for a word of the guard that it said after now, or note that it is gone."""
        asked_at = datetime.now(UTC)

        async def has_spoken() -> bool:
            try:
                verdict = (await self._system.risk.known(())).verdict
            except StoreError:
                return False
            return verdict is not None and verdict.at > asked_at

        try:
            await until(has_spoken, "a word of the guard", within=_ENDS_WITHIN, every=_LOOK_EVERY)
        except StuckError as error:
            self.blame(cell, f"stuck: {error}", kills=kills)

    async def _read(self, grid: Grid) -> Books | None:
        """Return the books as they are; None while somebody cannot be asked."""
        view = await view_of(self._system, grid)
        if view is None:
            return None
        try:
            return await Books.read(grid, self._system.host, self._system.ledger, view)
        except StoreError:
            return None

    # ---- at the end

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
        account, exchange = host.account(grid.account), host.exchange
        if result.residual != 0:
            self.blame(cell, f"cash: the run ended with residual {result.residual}", grid.name)
        if result.position != 0:
            self.blame(cell, f"position: the run ended with {result.position}", grid.name)
        for order in exchange.open_orders(account, grid.symbol):
            self.blame(cell, f"orphan: {order.client_id} rests after the end", grid.name)
        for position in exchange.positions(account, grid.symbol):
            self.blame(cell, f"position: {position.lots} lots after the end", grid.name)
        self._findings.orders += len(exchange.orders_since(account, grid.symbol, _BEGINNING))
        self._findings.fills += len(exchange.fills_since(account, grid.symbol, _BEGINNING))
