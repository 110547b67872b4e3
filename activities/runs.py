"""The activities of one account as Temporal calls them. Thin: the desks do the work."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

from temporalio import activity
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from activities.account import AccountDesk
from activities.clock import utc_now
from activities.describing import described
from activities.executing import as_failures, beating
from activities.exit_runs import ExitActivities, is_over
from activities.exits import Exits
from activities.feed import Feed
from activities.leaving import LeavingDesk
from activities.messages import (
    Books,
    ClearInput,
    FeedBatch,
    NoteInput,
    Prepared,
    PrepareInput,
    RenewInput,
    RestoreInput,
    RunKey,
    SettleInput,
    SubmitInput,
)
from activities.orders import OrderDesk
from activities.risk import RiskDesk
from activities.store.ledger import Ledger
from activities.store.records import OPEN, RunStatus
from domain.grid.events import GridEvent, Resynced
from domain.money import Instrument
from domain.ports import Venue
from domain.risk.way_out import WayOut

#: Starts the emergency exit of a run, unless it was started before.
StartExit = Callable[[WayOut], Awaitable[None]]


class RunActivities:
    """What the workflows of one account may ask for. Imports no venue library."""

    def __init__(  # noqa: PLR0913 - all that it works with
        self,
        account: str,
        venue: Venue,
        ledger: Ledger,
        orders: OrderDesk,
        books: AccountDesk,
        risk: RiskDesk,
        *,
        client: Client,
        ensure_feed: Callable[[], Awaitable[None]],
        start_exit: StartExit,
    ) -> None:
        self._account = account
        self._venue = venue
        self._ledger = ledger
        self._orders = orders
        self._books = books
        self._risk = risk
        self._client = client
        self._ensure_feed = ensure_feed
        self._start_exit = start_exit
        self._exits = Exits(ledger, risk)
        self._leaving = LeavingDesk(venue, orders, books, self._exits, lambda w: is_over(client, w))
        #: By run tag: what a run counts in was fixed at its start, and need not travel each time.
        self._instruments: dict[str, Instrument] = {}

    def all(self) -> list[Callable[..., Awaitable[Any]]]:
        """Return the activities for a worker."""
        exits = ExitActivities(self._leaving, self._client)
        return [
            self.prepare,
            self.clear,
            self.renew,
            self.submit,
            self.resync,
            self.settle,
            self.restore,
            self.finish,
            self.note,
            self.stream,
            *exits.all(),
        ]

    @activity.defn(name="prepare")
    async def prepare(self, asked: PrepareInput) -> Prepared:
        """Open the books of a run and return its instrument and the last price."""
        async with as_failures():
            await self._ensure_feed()
            await self._close_dead(asked.run_id)
            return await beating(
                self._books.prepare(asked.run_id, asked.tag, asked.spec, accepted=asked.accepted)
            )

    async def _close_dead(self, run_id: str) -> None:
        """Close the books of runs that ended without doing so: terminated by hand, or lost."""
        for run in await self._ledger.runs(self._account, OPEN):
            if run.kind != "grid" or run.run_id == run_id:
                continue
            told = await described(self._client, run.run_id)
            if told is not None and told.status is WorkflowExecutionStatus.RUNNING:
                continue
            way = (await self._exits.of([run.run_id])).get(run.run_id)
            if way is not None and not way.ended:  # that one closes them
                continue
            activity.logger.warning("run %s has ended without closing its books", run.run_id)
            await self._ledger.close_run(run.run_id, utc_now(), RunStatus.FAILED)

    @activity.defn(name="clear")
    async def clear(self, asked: ClearInput) -> None:
        """Make the preflight of a run that is to go on."""
        async with as_failures():
            await beating(self._books.clear(asked))

    @activity.defn(name="renew")
    async def renew(self, asked: RenewInput) -> None:
        """Reserve what a run needs with other settings."""
        async with as_failures():
            await self._books.renew(asked)

    @activity.defn(name="submit")
    async def submit(self, asked: SubmitInput) -> list[GridEvent]:
        """Carry out the actions and return what came of them. Safe to repeat.

        Tried until it works, whatever hinders it: a run that failed would leave its orders alone.
        """
        async with as_failures(for_good=False):
            if asked.watch is not None:
                run = asked.run
                await self._books.watch(run.run_id, run.run_id, run.tag, asked.watch)
            await self._risk.alerts.of_engine(asked.run.run_id, asked.alerts)
            instrument = await self._instrument(asked.run)
            return await beating(self._orders.submit(instrument, asked.actions))

    async def _instrument(self, run: RunKey) -> Instrument:
        known = self._instruments.get(run.tag)
        if known is None:
            known = await self._books.instrument(run.run_id, run.symbol)
            self._instruments[run.tag] = known
        return known

    @activity.defn(name="resync")
    async def resync(self, run: RunKey) -> Resynced:
        """Back-fill the ledger and return the orders of the run as the venue shows them."""
        async with as_failures():
            return await beating(self._books.resync(run.run_id, run.symbol, run.tag))

    @activity.defn(name="settle")
    async def settle(self, asked: SettleInput) -> list[GridEvent]:
        """Put into the books what came of a comparison of positions. Safe to repeat."""
        async with as_failures(for_good=False):
            return await self._books.settle(asked.run.run_id, asked.run.symbol, asked.actions)

    @activity.defn(name="restore")
    async def restore(self, asked: RestoreInput) -> None:
        """Tell a lost ledger of a run, and the feed what to watch for it; tried until it works."""
        async with as_failures(for_good=False):
            await beating(self._books.restore(asked))
            if asked.watch is not None:
                await self._books.watch(asked.run_id, asked.run_id, asked.tag, asked.watch)

    @activity.defn(name="finish")
    async def finish(self, run: RunKey) -> Books | None:
        """Close the books of a run; tried until it works."""
        async with as_failures(for_good=False):
            books = await beating(self._books.finish(run.run_id, run.symbol))
            self._instruments.pop(run.tag, None)
            return books

    @activity.defn(name="note")
    async def note(self, asked: NoteInput) -> None:
        """Put a command into the audit log."""
        async with as_failures():
            await self._books.note(asked.run_id, asked.command, asked.who, asked.why, asked.after)

    @activity.defn(name="stream")
    async def stream(self, account: str) -> None:
        """Own the streams of *account* until told to stop; the heartbeat says that we live."""
        info = activity.info()
        session = f"{info.workflow_run_id}/{info.attempt}"
        feed = Feed(
            account,
            self._venue,
            self._ledger,
            self._orders,
            self._risk,
            deliver=self._deliver,
            leave=self._leave,
            session=session,
        )
        await beating(feed.run(), hand_over=True)

    async def _leave(self, way: WayOut) -> bool:
        try:
            await self._start_exit(way)
        except RPCError as error:
            activity.logger.warning("the exit of %s cannot be started yet: %s", way.run_id, error)
            return False
        return True

    async def _deliver(self, workflow_id: str, batch: FeedBatch) -> bool:
        """Signal until the server has it: the same batch again is noticed and dropped."""
        handle = self._client.get_workflow_handle(workflow_id)
        pause = timedelta(milliseconds=50)
        while True:
            try:
                await handle.signal("feed", batch)
            except RPCError as error:
                if error.status is RPCStatusCode.NOT_FOUND:
                    return False
                activity.logger.warning("run %s cannot be told yet: %s", workflow_id, error)
                await asyncio.sleep(pause.total_seconds())
                pause = min(2 * pause, timedelta(seconds=2))
            else:
                return True
