"""The simple runner in this process: what it commits and when, how it starts again and ends."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from activities.store.checkpoint import CheckpointStore
from activities.store.database import sqlite_url
from activities.store.ledger import Ledger
from activities.store.migrations import upgrade
from activities.venues.paper import PaperMarket, PaperVenue
from domain.errors import (
    AlreadyRunningError,
    CorruptCheckpointError,
    InvalidValueError,
    StoreUnavailableError,
    VenueUnavailableError,
)
from domain.grid.events import PauseAsked
from domain.grid.spec import GridSpec, StopMode, parse_spec
from domain.grid.state import GridState, Phase
from domain.market import AccountView
from domain.money import Instrument, MarketKind, Price, Quantity
from domain.order_ids import decode
from domain.orders import OrderReport, OrderRequest, OrderStatus, Refusal
from domain.simulation.exchange import SimulatedExchange
from domain.simulation.rules import ExchangeRules
from domain.simulation.tape import TradePrinted
from tests.eventually import eventually
from workers.simple_run import SimpleRun
from workers.wiring import desks
from workflows.messages import GridResult

AT = datetime(2026, 1, 1, tzinfo=UTC)
RUN = "laptop"
SYMBOL = "BTC/USDT:USDT"
INSTRUMENT = Instrument(
    symbol=SYMBOL,
    kind=MarketKind.PERPETUAL,
    base="BTC",
    quote="USDT",
    tick_size=Decimal(1),
    lot_size=Decimal("0.001"),
    min_quantity=Quantity(1),
    min_notional=Decimal(5),
    maker_fee=Decimal("0.0002"),
    taker_fee=Decimal("0.0005"),
)
STATE = TypeAdapter(GridState)


def grid(**fields: Any) -> GridSpec:
    common = {"symbol": SYMBOL, "interval": 100, "amount": 100, "buy_window": 3}
    return parse_spec({**common, "reconcile_every": 3600, **fields})


class Line(PaperVenue):
    """A venue whose line can be cut before an order leaves, or before its answer comes."""

    cut = ""
    views = 0

    async def account_view(self, symbol: str, since: datetime) -> AccountView:
        self.views += 1
        return await super().account_view(symbol, since)

    async def place(self, request: OrderRequest) -> OrderReport | Refusal:
        if self.cut == "before":
            await asyncio.Event().wait()  # as long as the process lives
        report = await super().place(request)
        if self.cut == "after":
            await asyncio.Event().wait()
        return report


@dataclass
class Desk:
    """A laptop: an exchange elsewhere, a ledger and a checkpoint here."""

    directory: Path
    exchange: SimulatedExchange = field(
        default_factory=lambda: SimulatedExchange(
            ExchangeRules((INSTRUMENT,), {"paper": {"USDT": Decimal(100_000)}}), AT
        )
    )
    seconds: int = 0

    def __post_init__(self) -> None:
        self.market = PaperMarket(self.exchange)
        self.venue = Line(self.market, "paper")
        self.trade(10_050)
        for name in ("ledger.db", "simple.db"):
            upgrade(sqlite_url(self.directory / name))

    def trade(self, ticks: int, lots: int = 1_000_000) -> None:
        self.seconds += 1
        at = AT + timedelta(seconds=self.seconds)
        self.market.on(TradePrinted(SYMBOL, Price(ticks), Quantity(lots), at))

    def store(self) -> CheckpointStore:
        return CheckpointStore.open(self.directory / "simple.db", RUN)

    def stored(self) -> GridState:
        with self.store() as store:
            payload = store.load()
        assert payload is not None
        return STATE.validate_json(payload)

    def ledger(self) -> Ledger:
        return Ledger.open(sqlite_url(self.directory / "ledger.db"))

    @asynccontextmanager
    async def process(self, spec: GridSpec, **options: Any) -> AsyncIterator["Process"]:
        """Run the grid until the context is left: then it dies as by a kill, at its next await."""
        with self.store() as store:
            async with self.ledger() as ledger:
                account = desks("paper", self.venue, ledger)
                run = await SimpleRun.open(RUN, spec, account, store, **options)
                task = asyncio.create_task(run.run())
                try:
                    yield Process(run, task, store)
                finally:
                    task.cancel()
                    await asyncio.gather(task, return_exceptions=True)

    def resting(self) -> list[int]:
        return sorted(o.price.ticks for o in self.orders(OrderStatus.OPEN) if o.price)

    def orders(self, status: OrderStatus | None = None) -> list[OrderReport]:
        orders = self.exchange.orders_since("paper", SYMBOL, AT)
        return [order for order in orders if status in (None, order.status)]


@dataclass
class Process:
    run: SimpleRun
    task: "asyncio.Task[GridResult | None]"
    store: CheckpointStore

    async def until(self, condition: Callable[[], Any]) -> None:
        def met() -> bool:
            if self.task.done():
                self.task.result()
            return bool(condition()) and self.run.idle

        await eventually(met, every=0.005)

    async def ended(self) -> GridResult | None:
        return await asyncio.wait_for(self.task, 60)


@pytest.fixture(name="desk")
def _desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


async def test_started_again_it_goes_on_with_the_same_orders(desk: Desk) -> None:
    async with desk.process(grid()) as process:
        await process.until(lambda: desk.resting() == [9_800, 9_900, 10_000])
        process.run.leave()
        assert await process.ended() is None
    async with desk.process(grid()) as process:
        await process.until(lambda: process.run.state.feed_live and process.run.state.synced)
    assert desk.resting() == [9_800, 9_900, 10_000]
    assert len(desk.orders()) == 3


async def test_a_fill_that_asks_for_nothing_is_committed_at_once(desk: Desk) -> None:
    """Flaw E-2: it is known after a kill, before anybody is asked again."""
    async with desk.process(grid()) as process:
        await process.until(lambda: len(desk.resting()) == 3)
        desk.trade(10_000, lots=4)  # of ten: nothing is to be done before the rest comes
        await process.until(lambda: process.run.state.position_lots == 4)
    assert desk.stored().position_lots == 4


async def test_a_pause_outlives_the_process(desk: Desk) -> None:
    async with desk.process(grid()) as process:
        await process.until(lambda: len(desk.resting()) == 3)
        process.run.tell(PauseAsked(AT))
        await process.until(lambda: desk.resting() == [])
    async with desk.process(grid()) as process:
        await process.until(lambda: process.run.state.synced)
        assert process.run.state.phase is Phase.PAUSED
    assert desk.resting() == []


async def test_a_fill_while_it_was_down_is_found_and_left_once(desk: Desk) -> None:
    async with desk.process(grid()) as process:
        await process.until(lambda: len(desk.resting()) == 3)
    desk.trade(10_000)
    assert len(desk.orders(OrderStatus.FILLED)) == 1
    for _ in range(3):
        async with desk.process(grid()) as process:
            await process.until(lambda: 10_100 in desk.resting())
    assert desk.resting().count(10_100) == 1
    assert desk.stored().position_lots == 10


@pytest.mark.parametrize("cut", ["before", "after"])
async def test_killed_while_sending_no_order_is_lost_or_doubled(desk: Desk, cut: str) -> None:
    desk.venue.cut = cut
    async with desk.process(grid()) as process:
        await eventually(lambda: process.run.state.working() and (cut == "before" or desk.orders()))
        await asyncio.sleep(0)
    desk.venue.cut = ""
    assert len(desk.stored().working()) == 3  # all intended before one was sent
    async with desk.process(grid()) as process:
        await process.until(lambda: desk.resting() == [9_800, 9_900, 10_000])
        await process.until(lambda: all(order.rank for order in process.run.state.working()))
    owned = {order.client_id for order in desk.stored().working()}
    assert owned == {order.client_id for order in desk.orders(OrderStatus.OPEN)}


async def test_what_cannot_be_committed_is_not_sent(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Row DI-05: the state in memory does not run ahead of the one on disk either."""
    async with desk.process(grid()) as process:
        await process.until(lambda: len(desk.resting()) == 3)
        known = process.run.state

        def full(*_: Any) -> int:
            raise StoreUnavailableError("the disk is full")

        monkeypatch.setattr(process.store, "save", full)
        desk.trade(10_000)
        with pytest.raises(StoreUnavailableError, match="full"):
            await process.ended()
        assert process.run.state is known
    assert len(desk.orders()) == 3  # no exit
    monkeypatch.undo()
    async with desk.process(grid()) as process:
        await process.until(lambda: 10_100 in desk.resting())


async def test_it_compares_itself_with_the_venue_at_every_interval(desk: Desk) -> None:
    async with desk.process(grid(reconcile_every=5)) as process:
        await process.until(desk.resting)
        before = desk.venue.views
        await eventually(lambda: desk.venue.views > before)


async def test_a_damaged_checkpoint_is_refused_and_discarded_on_demand(desk: Desk) -> None:
    async with desk.process(grid()) as process:
        await process.until(lambda: len(desk.resting()) == 3)
        desk.trade(10_000)
        await process.until(lambda: 10_100 in desk.resting())
        desk.trade(10_100)  # a whole cycle
        await process.until(lambda: process.run.state.totals.cycles == 1)
        desk.trade(9_990)
        await process.until(lambda: process.run.state.position_lots == 10)
        before = process.run.state
        process.store.save(b"no state", AT)
    resting = desk.resting()
    with pytest.raises(CorruptCheckpointError, match="--discard-checkpoint"):
        async with desk.process(grid()):
            pass
    assert desk.resting() == resting
    async with desk.process(grid(), discard=True) as process:
        await process.until(lambda: process.run.state.synced and process.run.state.price)
        after = process.run.state
    assert after.tag == before.tag
    assert after.position_lots == before.position_lots
    assert after.totals.grid_profit == before.totals.grid_profit
    assert after.totals.fees == before.totals.fees
    assert desk.resting() == resting
    assert {order.client_id for order in after.working()} == {
        order.client_id for order in desk.orders(OrderStatus.OPEN)
    }
    async with desk.process(grid(), stop=StopMode.CLOSE) as process:
        result = await process.ended()
    assert result is not None
    assert result.position == 0
    assert result.residual == 0
    generations = [key.generation for o in desk.orders() if (key := decode(o.client_id))]
    assert len(set(generations)) == len(generations)  # no id was ever given twice


async def test_a_lost_checkpoint_file_is_not_taken_for_a_new_run(desk: Desk) -> None:
    async with desk.process(grid()) as process:
        await process.until(lambda: len(desk.resting()) == 3)
    with desk.store() as store:
        store.discard()
    with pytest.raises(InvalidValueError, match="its checkpoint was not found"):
        async with desk.process(grid()):
            pass


async def test_two_processes_of_one_run_do_not_happen(desk: Desk) -> None:
    async with desk.process(grid()):
        with pytest.raises(AlreadyRunningError, match=f"run {RUN} is already running"):
            desk.store()


async def test_a_spec_that_earns_nothing_leaves_no_trace(desk: Desk) -> None:
    with pytest.raises(InvalidValueError, match="does not cover the fees"):
        async with desk.process(grid(interval=2)):
            pass
    async with desk.process(grid()) as process:
        await process.until(lambda: len(desk.resting()) == 3)


async def test_a_changed_spec_is_taken_and_one_that_cannot_be_is_refused(desk: Desk) -> None:
    async with desk.process(grid()) as process:
        await process.until(lambda: len(desk.resting()) == 3)
    with pytest.raises(InvalidValueError, match="a run keeps its direction"):
        async with desk.process(grid(direction="short")):
            pass
    async with desk.process(grid(interval=200)) as process:
        await process.until(lambda: desk.resting() == [9_400, 9_600, 9_800])


async def test_what_its_engine_says_is_in_the_outbox_of_alerts(desk: Desk) -> None:
    async with desk.process(grid(stop_loss={"price": "9000", "then": "close"})) as process:
        await process.until(lambda: len(desk.resting()) == 3)
        desk.trade(8_990)
        assert await process.ended() is not None
    async with desk.ledger() as ledger:
        told = [(each.level.value, each.fields) for each in await ledger.alerts()]
    assert told == [("warning", {"run": RUN})]


async def test_a_run_that_has_ended_is_not_started_again(desk: Desk) -> None:
    async with desk.process(grid()) as process:
        await process.until(lambda: len(desk.resting()) == 3)
    async with desk.process(grid(), stop=StopMode.CANCEL) as process:
        result = await process.ended()
        assert result is not None
        assert result.residual == 0
    assert desk.resting() == []
    with pytest.raises(InvalidValueError, match="has ended"):
        async with desk.process(grid()):
            pass


async def test_lost_streams_stop_entries_until_the_venue_was_asked(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = asyncio.Event()
    real = desk.venue.reports

    @asynccontextmanager
    async def breaking() -> AsyncIterator[AsyncIterator[OrderReport]]:
        async def read(reports: AsyncIterator[OrderReport]) -> AsyncIterator[OrderReport]:
            waiting = asyncio.ensure_future(lost.wait())
            while True:
                coming = asyncio.ensure_future(anext(reports))
                await asyncio.wait({coming, waiting}, return_when=asyncio.FIRST_COMPLETED)
                if waiting.done():
                    coming.cancel()
                    await asyncio.gather(coming, return_exceptions=True)
                    raise VenueUnavailableError("the line is dead")
                yield coming.result()

        async with real() as reports:
            yield read(reports)

    monkeypatch.setattr(desk.venue, "reports", breaking)
    async with desk.process(grid()) as process:
        await process.until(lambda: len(desk.resting()) == 3)
        lost.set()
        await eventually(lambda: not process.run.state.feed_live)
        desk.trade(10_000)  # nobody hears of this fill
        lost.clear()
        await process.until(lambda: 10_100 in desk.resting())
        assert process.run.state.position_lots == 10
