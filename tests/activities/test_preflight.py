"""The preflight of an account: who does not pass has reserved, recorded and sent nothing."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from activities import hearing
from activities.account import AccountDesk
from activities.messages import Accepted, ClearInput
from activities.store.database import sqlite_url
from activities.store.ledger import Ledger
from activities.store.migrations import upgrade
from activities.venues.paper import PaperMarket
from domain.errors import (
    AuthenticationError,
    InvalidValueError,
    PreflightError,
    VenueUnavailableError,
)
from domain.grid.spec import GridSpec, parse_spec
from domain.market import AccountView, ClockReading, PriceUpdate, Terms
from domain.money import Price, Quantity
from domain.order_ids import OrderKey, Purpose, encode, run_tag
from domain.orders import OrderRequest, Side
from domain.simulation.exchange import SimulatedExchange
from domain.simulation.rules import ExchangeRules
from domain.simulation.tape import TradePrinted
from tests.activities.odd import OddVenue
from tests.activities.wire import ACCOUNT, INSTRUMENT, START, SYMBOL

ME = Accepted((), "ann", "a test")


def spec(**changes: Any) -> GridSpec:
    common = {"symbol": SYMBOL, "account": ACCOUNT, "interval": 100, "amount": 600, "buy_window": 3}
    return parse_spec({**common, **changes})


@dataclass
class Account:
    """An account with 1000 USDT, its ledger and its desk."""

    market: PaperMarket
    venue: OddVenue
    ledger: Ledger
    desk: AccountDesk

    async def start(self, run_id: str = "first", *accepted: str, **changes: Any) -> None:
        names = Accepted(accepted, "ann", "a test")
        await self.desk.prepare(run_id, run_tag(run_id), spec(**changes), accepted=names)

    async def nothing_was_begun(self, run_id: str = "first") -> bool:
        reserved = await self.ledger.reserved()
        began = await self.ledger.run(run_id)
        return began is None and run_id not in reserved and not self.orders()

    def orders(self) -> list[str]:
        return [o.client_id for o in self.market.exchange.orders_since(ACCOUNT, SYMBOL, START)]

    def place(self, client_id: str, price: int, lots: int = 3) -> None:
        request = OrderRequest(client_id, SYMBOL, Side.BUY, Quantity(lots), Price(price))
        self.market.exchange.place(ACCOUNT, request)

    def trade(self, price: int, seconds: int) -> None:
        at = START + timedelta(seconds=seconds)
        self.market.on(TradePrinted(SYMBOL, Price(price), Quantity(1000), at))


@pytest.fixture(name="account")
async def _account(tmp_path: Path) -> AsyncIterator[Account]:
    rules = ExchangeRules((INSTRUMENT,), {ACCOUNT: {"USDT": Decimal(1000)}})
    market = PaperMarket(SimulatedExchange(rules, START))
    url = sqlite_url(tmp_path / "ledger.db")
    upgrade(url)
    async with Ledger.open(url) as ledger:
        venue = OddVenue(market, ACCOUNT)
        made = Account(market, venue, ledger, AccountDesk(ACCOUNT, venue, ledger))
        made.trade(60_000, 1)
        yield made


def entry(run_id: str, price: int) -> str:
    return encode(OrderKey(run_tag(run_id), Purpose.ENTRY_BUY, price, 1))


async def test_an_account_in_order_begins(account: Account) -> None:
    await account.start()
    stored = await account.ledger.run("first")
    assert stored is not None
    assert stored.opening is not None
    assert stored.opening.cash == 1000
    assert set(await account.ledger.reserved()) == {"first"}


@pytest.mark.parametrize(
    "odd, check",
    [
        ({"leverage": Decimal(11)}, "alice/leverage: The leverage is 11."),
        ({"one_way": False}, "alice/position_mode: The account is in hedge mode."),
        ({"skew": timedelta(seconds=-5)}, "alice/clock: Our clock and the venue's differ by 5000"),
        ({"late": timedelta(minutes=5)}, "alice/price: The last price is 300 s old."),
        ({"locked": Decimal(990)}, "alice/balance: 10 USDT are free."),
    ],
)
async def test_what_is_not_in_order_is_told_and_nothing_is_begun(
    account: Account, odd: dict[str, Any], check: str
) -> None:
    vars(account.venue).update(odd)
    with pytest.raises(PreflightError, match="nothing was begun or changed") as refused:
        await account.start()
    assert [line for line in str(refused.value).splitlines() if line.startswith(check)]
    assert await account.nothing_was_begun()
    vars(account.venue).update({name: getattr(OddVenue, name) for name in odd})
    await account.start()


@pytest.mark.parametrize(
    "deaf, check",
    [
        ("account_view", "balance"),
        ("account_view", "foreign_orders"),
        ("account_view", "foreign_position"),
        ("terms", "leverage"),
        ("terms", "position_mode"),
        ("clock", "clock"),
        ("clock", "price"),
        ("reports", "orders_stream"),
        ("prices", "price_stream"),
    ],
)
async def test_what_the_venue_does_not_tell_is_not_taken_for_well_and_may_be_asked_again(
    account: Account, deaf: str, check: str
) -> None:
    account.venue.deaf = frozenset([deaf])
    with pytest.raises(VenueUnavailableError) as unknown:  # which is worth another try
        await account.start("first", "balance", "fees", "foreign_orders")
    lines = str(unknown.value).splitlines()
    (told,) = (line for line in lines if line.startswith(f"alice/{check}: "))
    assert "It could not be found out" in told
    assert "the venue is down" in told
    assert await account.nothing_was_begun()
    account.venue.deaf = frozenset()
    await account.start()


async def test_keys_that_the_venue_does_not_know_are_no_reason_to_try_again(
    account: Account,
) -> None:
    account.venue.deaf, account.venue.error = frozenset(["terms"]), AuthenticationError("no key")
    with pytest.raises(PreflightError, match="no key"):
        await account.start()


async def test_a_stream_that_tells_nothing_while_the_market_trades_is_down(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    account.venue.frozen = True
    heard = asyncio.create_task(hearing.prices(account.venue, SYMBOL, timedelta(milliseconds=200)))
    await asyncio.sleep(0)
    account.trade(60_010, 2)
    assert (await heard) == hearing.Heard(None, frozen=True)
    monkeypatch.setattr("activities.preflight._PRICE_WITHIN", timedelta(milliseconds=50))
    await account.start()  # nothing traded meanwhile: the market is quiet, the stream is open


async def test_a_venue_that_does_not_answer_in_time_is_unknown(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(_symbol: str) -> Any:
        await asyncio.Event().wait()

    monkeypatch.setattr("activities.preflight._WITHIN", timedelta(milliseconds=50))
    monkeypatch.setattr(account.venue, "terms", never)
    with pytest.raises(VenueUnavailableError, match=r"no answer within 0\.05 s"):
        await account.start()


async def test_only_some_questions_are_asked_at_a_time(account: Account) -> None:
    counting = Counting(account.market, ACCOUNT)
    await AccountDesk(ACCOUNT, counting, account.ledger).prepare("first", run_tag("x"), spec())
    assert counting.busiest == 3


class Counting(OddVenue):
    """A venue that counts how many ask it at the same time, at most."""

    busiest = 0
    _asking = 0

    async def account_view(self, symbol: str, since: datetime) -> AccountView:
        async with self._asked():
            return await super().account_view(symbol, since)

    async def terms(self, symbol: str) -> Terms:
        async with self._asked():
            return await super().terms(symbol)

    async def clock(self) -> ClockReading:
        async with self._asked():
            return await super().clock()

    @asynccontextmanager
    async def prices(self, symbols: Sequence[str]) -> AsyncIterator[AsyncIterator[PriceUpdate]]:
        async with self._asked(), super().prices(symbols) as prices:
            yield prices

    @asynccontextmanager
    async def _asked(self) -> AsyncIterator[None]:
        self._asking += 1
        self.busiest = max(self.busiest, self._asking)
        await asyncio.sleep(0.01)
        yield
        self._asking -= 1


# --- what may be accepted


async def test_what_a_person_accepts_is_recorded_with_who_and_why(account: Account) -> None:
    account.venue.locked = Decimal(990)
    with pytest.raises(PreflightError, match="--accept balance"):
        await account.start("first", "fees")
    await account.start("first", "alice/balance", "fees")
    (entry_,) = await account.ledger.audit_trail("first")
    assert (entry_.who, entry_.command, entry_.why) == ("ann", "accept balance", "a test")
    assert entry_.before is not None
    assert entry_.before["found"] == "10 USDT are free."


async def test_names_that_cannot_be_accepted_are_refused(account: Account) -> None:
    with pytest.raises(InvalidValueError, match="balance, fees, foreign_orders"):
        await account.start("first", "leverage")
    assert await account.nothing_was_begun()


# --- what is ours


async def test_orders_of_others_and_of_runs_that_have_ended_are_in_the_way(
    account: Account,
) -> None:
    account.place("by-hand", 59_000)
    with pytest.raises(PreflightError, match="foreign_orders: 1 orders"):
        await account.start()
    account.market.exchange.cancel(ACCOUNT, SYMBOL, "by-hand")
    await account.start("ended")
    account.place(entry("ended", 59_900), 59_900)
    await account.ledger.close_run("ended", START)
    with pytest.raises(PreflightError, match="foreign_orders: 1 orders"):
        await account.start()
    await account.start("first", "foreign_orders")


async def test_what_a_run_holds_and_what_rests_of_it_is_its_own_when_it_goes_on(
    account: Account,
) -> None:
    await account.start()
    for price in (59_900, 59_800):
        account.place(entry("first", price), price)
    account.trade(59_900, 2)  # its first entry fills, which the ledger was not told of
    asked = ClearInput("first", spec(), {"USDT": Decimal(600)}, ME)
    await account.desk.clear(asked)
    account.place("by-hand", 59_850)
    account.trade(59_850, 3)
    with pytest.raises(PreflightError, match=r"A position of 0\.003 BTC is managed by no run"):
        await account.desk.clear(asked)


async def test_a_fill_between_two_looks_is_nobody_elses_position(account: Account) -> None:
    await account.start()
    account.place(entry("first", 59_900), 59_900)
    late = Late(account.market, ACCOUNT)
    late.ledger = account.ledger
    asked = ClearInput("first", spec(), {}, ME)
    late.then = lambda: account.trade(59_900, 2)
    await AccountDesk(ACCOUNT, late, account.ledger).clear(asked)


class Late(OddVenue):
    """A venue whose market moves once, right after it was looked at; the ledger hears of it."""

    ledger: Ledger
    then: Any = None

    async def account_view(self, symbol: str, since: datetime) -> AccountView:
        view = await super().account_view(symbol, since)
        if self.then is not None:
            self.then()
            self.then = None
            after = await super().account_view(symbol, since)
            await self.ledger.record_fills(ACCOUNT, after.fills)
        return view


async def test_what_a_run_needs_to_go_on_is_what_it_would_open(account: Account) -> None:
    await account.start()
    account.venue.locked = Decimal(800)  # by its own position
    needs = {"USDT": Decimal(1600)}  # 200 of margin at ten times, with a fifth not counted on
    await account.desk.clear(ClearInput("first", spec(), needs, ME))
    with pytest.raises(PreflightError, match="balance"):
        await account.desk.clear(ClearInput("first", spec(), {"USDT": Decimal(1601)}, ME))


async def test_a_grid_that_waits_for_its_trigger_needs_what_it_will_open(account: Account) -> None:
    with pytest.raises(PreflightError, match="balance"):
        await account.start(trigger_price=59_000, amount=9000)
    await account.start(trigger_price=59_000)
    (asked,) = (await account.ledger.reserved()).values()
    assert Decimal(asked["exposure"]) > 1700
