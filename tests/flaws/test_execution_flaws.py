"""The flaws of the earlier system's preflight, executor and price monitor (K-10 to K-13).

Each would be seen here again: numbers are those of its audit (docs/flaws.md).
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import fields, replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from activities import silence
from activities.account import AccountDesk
from activities.feed import Feed
from activities.gate import SizeGate
from activities.messages import FeedBatch
from activities.noticing import Notices
from activities.orders import OrderDesk
from activities.risk import RiskDesk
from activities.store.database import sqlite_url
from activities.store.ledger import Ledger
from activities.store.migrations import upgrade
from activities.store.records import Watch as StoredWatch
from activities.venues.ccxt.meanings import Meaning
from activities.venues.ccxt.registry import quirks_of
from activities.venues.paper import PaperMarket, PaperVenue
from domain.errors import PreflightError, UnknownOutcomeError, VenueUnavailableError
from domain.grid.events import (
    Cancel,
    FeedChanged,
    GridEvent,
    Place,
    PriceMoved,
    Reported,
    Resynced,
    TimePassed,
)
from domain.grid.spec import parse_spec
from domain.market import PriceUpdate
from domain.money import MarketKind, Price, Quantity
from domain.order_ids import run_tag
from domain.orders import (
    OrderReport,
    OrderRequest,
    OrderType,
    Outcome,
    RefusalReason,
    Side,
    TimeInForce,
)
from domain.risk.breaker_events import CallTimed
from domain.simulation.exchange import SimulatedExchange
from domain.simulation.rules import ExchangeRules
from domain.simulation.tape import TradePrinted
from tests.activities.odd import OddVenue
from tests.activities.test_feed import WATCH, a_watch
from tests.activities.venues.test_ccxt_errors import reply
from tests.activities.wire import (
    ACCOUNT,
    INSTRUMENT,
    START,
    SYMBOL,
    TAG,
    Clock,
    cancel,
    desk_at,
    order,
    told,
)
from tests.domain.grid.harness import T0, Runner, configured, places, refused, requests
from tests.eventually import eventually

ROOT = Path(__file__).parents[2]


# --- K-10: the whole check was skipped when there was a position; the fee came from the settings,
# --- no stream was looked at


def market(taker_fee: str = "0.0005") -> PaperMarket:
    instrument = replace(INSTRUMENT, maker_fee=Decimal(taker_fee), taker_fee=Decimal(taker_fee))
    rules = ExchangeRules((instrument,), {ACCOUNT: {"USDT": Decimal(100_000)}})
    made = PaperMarket(SimulatedExchange(rules, START))
    made.on(TradePrinted(SYMBOL, Price(60_000), Quantity(1), START + timedelta(seconds=1)))
    return made


@asynccontextmanager
async def desk_over(path: Path, venue: PaperVenue) -> AsyncIterator[AccountDesk]:
    url = sqlite_url(path / "ledger.db")
    upgrade(url)
    async with Ledger.open(url) as ledger:
        yield AccountDesk(ACCOUNT, venue, ledger)


async def start(desk: AccountDesk) -> None:
    grid = {"symbol": SYMBOL, "account": ACCOUNT, "interval": 700, "amount": 600, "shared": True}
    await desk.prepare("a run", run_tag("a run"), parse_spec(grid))


@pytest.mark.parametrize(
    "odd, check",
    [({"leverage": Decimal(50)}, "leverage"), ({"one_way": False}, "position_mode")],
)
async def test_k10_no_position_makes_a_check_go_away(
    tmp_path: Path, odd: dict[str, Any], check: str
) -> None:
    made = market()
    by_hand = OrderRequest("by-hand", SYMBOL, Side.BUY, Quantity(3), type=OrderType.MARKET)
    made.exchange.place(ACCOUNT, by_hand)
    venue = OddVenue(made, ACCOUNT)
    vars(venue).update(odd)
    async with desk_over(tmp_path, venue) as desk:
        with pytest.raises(PreflightError, match=check):
            await start(desk)


async def test_k10_the_fee_is_the_venues_and_none_is_fine(tmp_path: Path) -> None:
    async with desk_over(tmp_path, PaperVenue(market("0.003"), ACCOUNT)) as desk:
        with pytest.raises(PreflightError, match=r"fees: The maker fee is 0\.003"):
            await start(desk)
    for free in ("0", "-0.0001"):
        (tmp_path / free).mkdir()
        async with desk_over(tmp_path / free, PaperVenue(market(free), ACCOUNT)) as desk:
            await start(desk)


@pytest.mark.parametrize("stream", ["reports", "prices"])
async def test_k10_streams_are_looked_at(tmp_path: Path, stream: str) -> None:
    venue = OddVenue(market(), ACCOUNT)
    venue.deaf = frozenset([stream])
    async with desk_over(tmp_path, venue) as desk:
        with pytest.raises(VenueUnavailableError, match="_stream"):
            await start(desk)


# --- K-11: an order that would have taken was sent again as a taker, without what it was


def test_k11_what_is_to_make_never_takes_unless_the_settings_say_so() -> None:
    run = Runner(configured(buy_window=1), live=False)
    sent = list(_begun(run))
    for _ in range(20):
        asked = requests(sent)
        assert all(request.post_only for request in asked)
        if asked:
            sent = list(run.decide(refused(asked[-1].client_id, RefusalReason.WOULD_CROSS)))
        else:
            sent = list(run.decide(TimePassed(T0)))
            assert requests(sent)  # the slot tries again, and still only makes


def test_k11_an_exit_that_may_take_still_only_reduces_and_stays_as_long() -> None:
    run = Runner(configured(buy_window=1, post_only={"then": "taker", "retries": 1}))
    entry = run.order(Side.BUY, 9_900)
    sent = list(run.decide(Reported(run.venue.fill(entry, entry.leaves))))
    for post_only in (True, True, False):
        (leave,) = (each for each in requests(sent) if each.side is Side.SELL)
        assert leave.post_only is post_only
        assert leave.reduce_only
        assert leave.time_in_force is TimeInForce.GTC
        assert leave.quantity.lots == 101
        sent = list(run.decide(refused(leave.client_id, RefusalReason.WOULD_CROSS)))


async def test_k11_the_desk_sends_a_refused_order_once_and_as_nothing_else(tmp_path: Path) -> None:
    async with desk_at(tmp_path / "ledger.db") as desk:
        await desk.warm()
        crossing = order(1, price=61_000, post_only=True)
        assert told(await desk.do(Place(crossing))) == ["would_cross"]
        assert desk.calls("place") == [crossing.client_id]
        assert crossing.client_id not in desk.working()


def _begun(run: Runner) -> Sequence[Any]:
    for event in (FeedChanged(live=True, at=T0), Resynced((), T0)):
        run.tell(event)
    return run.decide(PriceMoved(Price(10_000), T0))


# --- K-12: a batch of cancels swallowed errors; kinds of errors were guessed from their text; what
# --- was not known was sent again; the text of an error was a metric's label


class Stubborn(PaperVenue):
    """A venue that cancels by batches, and some orders not at all."""

    place_batch_of = 1
    cancel_batch_of = 10
    stubborn: frozenset[str] = frozenset()
    down = False

    async def place_batch(self, requests: Sequence[OrderRequest]) -> Sequence[Outcome]:
        return [await self.place(request) for request in requests]

    async def cancel_batch(
        self, symbol: str, client_ids: Sequence[str]
    ) -> Sequence[OrderReport | None]:
        if self.down:
            raise VenueUnavailableError("the venue is down")
        return [
            await (self.look_up if each in self.stubborn else self.cancel)(symbol, each)
            for each in client_ids
        ]


async def test_k12_each_row_of_a_batch_of_cancels_tells_what_became_of_it(tmp_path: Path) -> None:
    async with desk_at(tmp_path / "ledger.db") as desk:
        venue = Stubborn(desk.market, ACCOUNT)
        orders = OrderDesk(ACCOUNT, venue, desk.ledger, SizeGate(), desk.clock)
        some = [order(n, price=60_000 - 100 * n) for n in (1, 2, 3)]
        assert told(await orders.submit(INSTRUMENT, [Place(each) for each in some])) == ["open"] * 3
        venue.stubborn = frozenset([some[1].client_id])
        cancels: list[Cancel] = [cancel(each) for each in some]
        outcomes = await orders.submit(INSTRUMENT, cancels)
        assert told(outcomes) == ["canceled", "unknown", "canceled"]
        venue.down = True
        outcomes = await orders.submit(INSTRUMENT, cancels[:2])
        assert told(outcomes) == ["unknown", "unknown"]


@pytest.mark.parametrize("kind", list(MarketKind))
def test_k12_what_an_error_means_is_its_code_and_not_its_text(kind: MarketKind) -> None:
    quirks = quirks_of("binance", kind)
    for text in ("margin is insufficient", "Account has insufficient balance", "anything at all"):
        for code, funds in ((-2019, True), (-1000, False), (-4003, False)):
            verdict = quirks.verdict(reply(400, {}, f'{{"code":{code},"msg":"{text}"}}'))
            assert verdict is not None
            if funds and kind is MarketKind.SPOT:
                continue  # a code of futures only
            assert (verdict.meaning is Meaning.INSUFFICIENT_FUNDS) is funds, (code, text)


async def test_k12_what_may_have_arrived_is_not_sent_again(tmp_path: Path) -> None:
    async with desk_at(tmp_path / "ledger.db") as desk:
        await desk.warm()
        desk.wire.before.append(UnknownOutcomeError("the line was cut"))
        assert told(await desk.do(Place(order(1)))) == ["unknown"]
        assert desk.calls("place") == [order(1).client_id]


def test_k12_no_text_of_an_error_is_measured() -> None:
    """What is measured of calls is their time; pairs have gauges, which their names alone label."""
    assert {field.name for field in fields(CallTimed)} == {"milliseconds", "at", "kind"}
    assert Notices.call.__annotations__ == {"milliseconds": int, "return": None}
    for layer in ("activities", "workflows", "workers"):
        for path in (ROOT / layer).rglob("*.py"):
            text = path.read_text()
            if path.name == "pair_gauges.py":
                assert text.count(".set(") == 1
                assert '.set(value, {"pair": pair})' in text
                continue
            assert "metric_meter" not in text, path
            assert "prometheus_client" not in text, path


# --- K-13: a stop waited ten seconds and left tasks behind, a silent feed was never started again,
# --- whether there was a price was left to others


class Counted(OddVenue):
    """A venue that counts how often its prices were asked for."""

    opened = 0

    @asynccontextmanager
    async def prices(self, symbols: Sequence[str]) -> AsyncIterator[AsyncIterator[PriceUpdate]]:
        self.opened += 1
        async with super().prices(symbols) as prices:
            yield prices


@asynccontextmanager
async def following(
    venue: Counted, ledger: Ledger, heard: list[GridEvent]
) -> AsyncIterator["asyncio.Task[None]"]:
    """Run a feed with one run that keeps what it hears."""

    async def deliver(_run: str, batch: FeedBatch) -> bool:
        heard.extend(batch.events)
        return True

    async def leave(_way: Any) -> bool:
        return True

    risk = RiskDesk(ledger, clock=Clock())
    orders = OrderDesk(ACCOUNT, venue, ledger, SizeGate())
    stored = {"tag": TAG, "watch": WATCH.dump_python(a_watch(), mode="json")}
    await ledger.watch(StoredWatch("a run", ACCOUNT, SYMBOL, "a run", stored))
    feed = Feed(ACCOUNT, venue, ledger, orders, risk, deliver=deliver, leave=leave, session="s")
    task = asyncio.create_task(feed.run())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_k13_a_feed_that_is_stopped_ends_and_leaves_nothing_behind(tmp_path: Path) -> None:
    async with desk_at(tmp_path / "ledger.db") as desk:
        before, heard = asyncio.all_tasks(), list[GridEvent]()
        async with following(Counted(desk.market, ACCOUNT), desk.ledger, heard) as task:
            await eventually(lambda: any(isinstance(e, PriceMoved) for e in heard))
            assert len(asyncio.all_tasks()) > len(before) + 1
            task.cancel()
            await asyncio.wait({task}, timeout=30)
            assert task.cancelled()
            await eventually(lambda: asyncio.all_tasks() == before)


async def test_k13_a_feed_that_is_silent_while_the_market_trades_is_started_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("QUIET", "GRACE"):
        monkeypatch.setattr(silence, name, timedelta(milliseconds=20))
    async with desk_at(tmp_path / "ledger.db") as desk:
        venue, heard = Counted(desk.market, ACCOUNT), list[GridEvent]()
        venue.frozen = True
        async with following(venue, desk.ledger, heard):
            await eventually(lambda: venue.opened == 1)

            def again() -> bool:
                desk.clock.passes(10)
                desk.trade(60_000)  # which the stream does not tell
                return venue.opened > 1

            await eventually(again)
            live = [e.live for e in heard if isinstance(e, FeedChanged)]
            assert live[:2] == [True, False]
            venue.frozen = False
            await eventually(lambda: any(isinstance(e, PriceMoved) for e in heard))


def test_k13_nothing_is_opened_before_the_first_price() -> None:
    run = Runner(configured(), live=False)
    for event in (FeedChanged(live=True, at=T0), Resynced((), T0)):
        assert places(run.tell(event)) == []
    assert places(run.tell(PriceMoved(Price(10_000), T0))) != []
