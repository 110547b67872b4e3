"""One tape, three runners, in lockstep on a paper exchange in this process."""

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client

from activities.account import AccountDesk
from activities.gate import SizeGate
from activities.risk import RiskDesk
from activities.store.checkpoint import CheckpointStore
from activities.store.database import sqlite_url
from activities.store.ledger import Ledger
from activities.store.migrations import upgrade
from activities.venues.paper import PaperMarket, PaperVenue
from domain.grid.config import bind
from domain.grid.events import GridEvent, Place
from domain.grid.spec import CANDLE_LENGTHS, GridSpec, StopMode
from domain.grid.state import begin
from domain.money import Instrument
from domain.order_ids import run_tag
from domain.orders import Refusal
from domain.simulation.exchange import SimulatedExchange
from domain.simulation.rules import ExchangeRules
from domain.simulation.tape import MarketEvent
from tests.lockstep import (
    Asked,
    OpenFeed,
    Recorder,
    Runner,
    SimpleRunner,
    come_to_rest,
    durable_run,
    event_of,
    observe,
    one_tag,
    told,
)
from workers.backtest import OrderAction, play
from workers.simple_run import SimpleRun
from workers.wiring import Desks

ACCOUNT = "paper"
RUN = "parity"
RICH = {"USDT": Decimal(1_000_000)}
#: When somebody did something on a wall clock; the one thing runs may differ in.
_CLOCKS = ("sent_at", "updated_at")


@dataclass(frozen=True)
class Scenario:
    """A grid, what happens at its market, and what people ask for behind which event."""

    instrument: Instrument
    spec: GridSpec
    tape: Sequence[MarketEvent]
    commands: Mapping[int, Asked] = field(default_factory=dict)

    @property
    def orders(self) -> Mapping[int, Asked]:
        """The commands, with the end of the run behind the last event."""
        return {**self.commands, len(self.tape) - 1: StopMode.CLOSE}

    def event(self, command: Asked) -> GridEvent:
        return event_of(command, self.instrument, self.tape[0].at)


@dataclass(frozen=True)
class Outcome:
    """What a runner did, and what its ledger says of it."""

    actions: str
    ledger: Sequence[str]
    residual: Decimal | None
    fills: int


class Lab:
    """An exchange of its own, a ledger of its own, and the desks over both."""

    def __init__(self, scenario: Scenario, directory: Path) -> None:
        self.scenario = scenario
        self.path = directory / "ledger.db"
        upgrade(sqlite_url(self.path))
        rules = ExchangeRules((scenario.instrument,), {ACCOUNT: RICH})
        self.exchange = SimulatedExchange(rules, scenario.tape[0].at)
        self.exchange.on(scenario.tape[0])
        self.market = PaperMarket(self.exchange)
        self.venue = PaperVenue(self.market, ACCOUNT)
        self.ledger = Ledger.open(sqlite_url(self.path), synchronous="NORMAL")
        self.desk = Recorder(ACCOUNT, self.venue, self.ledger, SizeGate())
        self.books = AccountDesk(ACCOUNT, self.venue, self.ledger)

    @property
    def desks(self) -> Desks:
        return Desks(ACCOUNT, self.venue, self.ledger, self.desk, self.books, RiskDesk(self.ledger))

    def outcome(self, actions: Sequence[OrderAction], residual: Decimal | None) -> Outcome:
        self.ledger.close()
        fills = self.exchange.fills_since(
            ACCOUNT, self.scenario.instrument.symbol, self.scenario.tape[0].at
        )
        return Outcome(told(actions), _rows(self.path), residual, len(fills))

    async def drive(self, runner: Runner) -> Outcome:
        """Play the tape, stopping where the feed or the exchange has news; then end the run."""
        scenario = self.scenario
        await self._settle(runner)
        seen, minute = self._count(), self._minute()
        for number, event in enumerate(scenario.tape[1:], 1):
            self.exchange.on(event)
            if self._matters(event) or self._count() != seen or self._minute() != minute:
                self.market.tell()
                await self._settle(runner)
                seen, minute = self._count(), self._minute()
            command = scenario.orders.get(number)
            if command is not None:
                await runner.obey(command)
                if isinstance(command, StopMode):
                    break
                await self._settle(runner)
                seen = self._count()
        result = await runner.result()
        return self.outcome(self.desk.actions, result.residual)

    def _matters(self, event: MarketEvent) -> bool:
        quiet = OpenFeed.made[ACCOUNT].quiet
        update = self.exchange.last_price(self.scenario.instrument.symbol)
        assert update is not None
        return quiet is None or not quiet[0] <= update.price.ticks <= quiet[1]

    def _count(self) -> int:
        return len(self.exchange.reports_after(ACCOUNT, 0))

    def _minute(self) -> Any:
        """Return what changes whenever a candle closes that the run waits for."""
        adaptive = self.scenario.spec.adaptive
        if adaptive is None:
            return None
        return self.exchange.now.timestamp() // CANDLE_LENGTHS[adaptive.candle].total_seconds()

    async def _settle(self, runner: Runner) -> None:
        """Wait until the feed has told everything and the runner has handled it."""

        async def behind(feed: OpenFeed) -> str:
            return self._unread(feed) or await runner.handled(feed) or self._unread(feed)

        await come_to_rest(ACCOUNT, behind)

    def _unread(self, feed: OpenFeed) -> str:
        if feed.read < self._count():
            return "reports are unread"
        return feed.behind(self.exchange)


# --- the three runners -----------------------------------------------------------------------


async def plain(scenario: Scenario, directory: Path) -> Outcome:
    """Run the plain loop, and write the ledger that its outcomes make."""
    lab = Lab(scenario, directory)
    tag = run_tag("plain")
    await lab.books.prepare(RUN, tag, scenario.spec)
    state = begin(bind(scenario.spec, scenario.instrument), tag)
    commands = {number: [scenario.event(each)] for number, each in scenario.orders.items()}
    played = play(lab.exchange, ACCOUNT, state, scenario.tape[1:], commands)
    assert played.state.finished
    requests = [action.request for action in played.actions if isinstance(action, Place)]
    at = lab.exchange.now
    await lab.ledger.mark_sending(ACCOUNT, requests, at)
    refusals = [each for each in played.outcomes if isinstance(each, Refusal)]
    await lab.ledger.record_refusals(ACCOUNT, refusals, at)
    reports = [report for _, report in lab.exchange.reports_after(ACCOUNT, 0)]
    await lab.ledger.record_reports(ACCOUNT, reports)
    books = await lab.books.finish(RUN, scenario.spec.symbol)
    assert books is not None
    return lab.outcome(played.actions, books.residual)


async def simple(scenario: Scenario, directory: Path, monkeypatch: pytest.MonkeyPatch) -> Outcome:
    """Run the simple runner with a real checkpoint."""
    lab = Lab(scenario, directory)
    observe(monkeypatch)
    upgrade(sqlite_url(directory / "simple.db"))
    with CheckpointStore.open(directory / "simple.db", RUN) as store:
        run = await SimpleRun.open(RUN, scenario.spec, lab.desks, store)
        async with SimpleRunner(run) as runner:
            return await lab.drive(runner)


async def durable(
    scenario: Scenario, directory: Path, monkeypatch: pytest.MonkeyPatch, client: Client
) -> Outcome:
    """Run GridRun and FeedRun on a real Temporal server, with a worker in this process."""
    lab = Lab(scenario, directory)
    observe(monkeypatch)
    async with durable_run(client, RUN, scenario.spec, lab.desks) as runner:
        return await lab.drive(runner)


def _rows(path: Path) -> Sequence[str]:
    """Return the orders and fills of a ledger as text, without what a wall clock said."""
    rows: list[str] = []
    connection = sqlite3.connect(path)
    connection.row_factory = sqlite3.Row
    for table, order in (("orders", "substr(client_id, 20, 6)"), ("fills", "at, fill_id")):
        for row in connection.execute(f"SELECT * FROM {table} ORDER BY {order}"):  # noqa: S608
            columns = {k: row[k] for k in row.keys() if k not in (*_CLOCKS, "run_tag")}  # noqa: SIM118
            rows.append(f"{table} {one_tag(str(columns))}")
    connection.close()
    return rows
