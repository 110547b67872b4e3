"""The books after a round of kills, and at the end of a system: what is wrong becomes a finding."""

import asyncio
import logging
import time
from collections.abc import Iterator
from pprint import pformat
from typing import Final

from temporalio.exceptions import TemporalError
from temporalio.service import RPCError

from domain.errors import StoreError
from workers.crashlab.findings import Findings, Violation
from workers.crashlab.pairs.books import LegBooks, PairBooks
from workers.crashlab.pairs.director import Director
from workers.crashlab.pairs.hand import Asked, HandError, ask
from workers.crashlab.pairs.market import Markets
from workers.crashlab.pairs.system import PAIR, PairSystem
from workers.crashlab.pairs.views import Reins
from workers.crashlab.steps import Cell, Runner
from workers.crashlab.waiting import StuckError, until
from workflows.pair_messages import PairResult

_log: Final = logging.getLogger(__name__)
#: In seconds. Mostly it takes ten; the machine may be busy with something else.
_SETTLES_WITHIN: Final = 600.0
_ENDS_WITHIN: Final = 300.0
_LOOK_EVERY: Final = 0.3
#: What has been wrong for so long, and no trade is under way, is mended by nobody.
_STANDS_FOR: Final = 60.0
#: The same of a pair that cannot mend anything.
_STANDS_FOR_EVER: Final = 8.0


class PairInspector:
    """Asks the books of one system, and notes what is wrong in *findings*."""

    def __init__(
        self,
        system: PairSystem,
        markets: Markets,
        director: Director,
        reins: Reins,
        findings: Findings,
    ) -> None:
        self._system = system
        self._markets = markets
        self._director = director
        self._reins = reins
        self._findings = findings
        self._debts = 0

    async def check(self, cell: Cell, kills: int) -> None:
        """Heal everything, wait until no trade is in flight, and judge the books."""
        self._markets.still = True
        try:
            await self._director.calm()
            books, found = await self._judged()
        finally:
            self._markets.still = False
        for what in found:
            self.blame(cell, what, kills)
        if found:
            await self._keep_evidence(books)
        if books is not None:
            self._count(cell, books)
        self._findings.checks += 1

    async def close(self, cell: Cell) -> None:
        """End the pair: nothing may be left, and the money must add up."""
        self._markets.still = True
        await self._director.calm()
        try:
            async with asyncio.timeout(_ENDS_WITHIN):
                result = await self._reins.end()
        except (TimeoutError, OSError, RPCError, TemporalError) as error:
            self.blame(cell, f"stuck: the pair did not end ({error!r})")
            return
        for what in await self._wrong_at_the_end(result):
            self.blame(cell, what)

    def blame(self, cell: Cell, what: str, kills: int = 0) -> None:
        """Note a violation."""
        plan = self._system.plan
        name, legs = plan.directory.name, " + ".join(leg.account for leg in plan.legs)
        _log.error("%s %s after %s: %s", name, legs, " × ".join(cell), what)
        self._findings.violations.append(Violation(cell, name, legs, what, kills))

    # ---- after a round

    async def _judged(self) -> tuple[PairBooks | None, list[str]]:
        """Return the books once they agree, or what is wrong with them for good."""
        books: PairBooks | None = None
        wrong: list[str] = []
        since = time.monotonic()
        patience = _STANDS_FOR if self._system.plan.compensates else _STANDS_FOR_EVER

        async def judged() -> bool:
            nonlocal books, wrong, since
            seen = await self._read()
            if seen is None:
                return False
            found = seen.violations()
            if found != wrong or seen.status.trade:
                since = time.monotonic()
            books, wrong = seen, found
            return not found or bool(seen.conclusive()) or time.monotonic() - since > patience

        try:
            await until(judged, "agreement", within=_SETTLES_WITHIN, every=_LOOK_EVERY)
        except StuckError as error:
            return books, wrong or [f"stuck: {error}"]
        return books, wrong

    async def _read(self) -> PairBooks | None:
        """Return the books as they are; None while somebody cannot be asked."""
        status = await self._reins.status()
        if status is None:
            return None
        try:
            first, second = [await self._leg(number) for number in (1, 2)]
        except (StoreError, HandError):
            return None
        if first is None or second is None:
            return None
        return PairBooks((first, second), status)

    async def _leg(self, number: int) -> LegBooks | None:
        path = self._system.exchanges[number - 1].role.where
        told = await ask(path, Asked(books=True))
        if told.books is None:
            raise HandError("it did not tell its books")
        return await LegBooks.read(number, f"{PAIR}.{number}", told.books, self._system.ledger)

    def _count(self, cell: Cell, books: PairBooks) -> None:
        """Note how long debts were open since the last look."""
        debts = books.debts()
        new, self._debts = debts[self._debts :], len(debts)
        self._findings.debts += [(cell[1], each.lasted.total_seconds()) for each in new]

    # ---- at the end

    async def _wrong_at_the_end(self, result: PairResult) -> list[str]:
        legs = [await self._leg(number) for number in (1, 2)]
        for leg in legs:
            if leg is not None:
                self._findings.orders += len(leg.there.orders)
                self._findings.fills += len(leg.there.fills)
        wrong = [what for leg in legs if leg is not None for what in _left(leg)]
        for number, books in enumerate(result.legs, start=1):
            if books is None or books.residual:
                wrong.append(f"cash: leg {number} ended with {books}")
        return wrong

    async def _keep_evidence(self, books: PairBooks | None) -> None:
        directory = self._system.plan.directory
        (directory / "books.txt").write_text(pformat(books, width=160))
        if self._system.plan.runner is Runner.SIMPLE:
            return
        try:
            client = self._system.client
            async for run in client.list_workflows(f"WorkflowId STARTS_WITH '{PAIR}'"):
                told = await client.get_workflow_handle(run.id, run_id=run.run_id).fetch_history()
                name = f"{run.id}.{run.run_id}".replace("/", "-")
                (directory / f"{name}.history.json").write_text(told.to_json())
        except (RPCError, TemporalError) as error:
            (directory / "history.txt").write_text(f"it could not be read: {error}")


def _left(leg: LegBooks) -> Iterator[str]:
    """Yield what a pair that has ended should not have left."""
    yield from (f"leg {leg.number}: {what}" for what in leg.violations() if "cash" not in what)
    if abs(leg.held) >= leg.least:
        yield f"position: leg {leg.number} ended with {leg.held}"
