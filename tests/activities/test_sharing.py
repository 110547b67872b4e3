"""Who may trade a perpetual of an account: one run alone, or several that know of each other."""

from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from activities.account import AccountDesk
from activities.store.database import sqlite_url
from activities.store.ledger import Ledger
from activities.store.migrations import upgrade
from activities.venues.paper import PaperMarket, PaperVenue
from domain.errors import PreflightError
from domain.grid.spec import GridSpec, parse_spec
from domain.money import Price, Quantity
from domain.order_ids import run_tag
from domain.orders import OrderRequest, OrderType, Side
from domain.simulation.exchange import SimulatedExchange
from domain.simulation.rules import ExchangeRules
from domain.simulation.tape import TradePrinted
from tests.activities.wire import ACCOUNT, INSTRUMENT, START, SYMBOL


def spec(*, shared: bool) -> GridSpec:
    return parse_spec(
        {"symbol": SYMBOL, "account": ACCOUNT, "interval": 100, "amount": 600, "shared": shared}
    )


@pytest.fixture(name="market")
def _market() -> PaperMarket:
    rules = ExchangeRules((INSTRUMENT,), {ACCOUNT: {"USDT": Decimal(100_000)}})
    market = PaperMarket(SimulatedExchange(rules, START))
    market.on(TradePrinted(SYMBOL, Price(60_000), Quantity(1), START + timedelta(seconds=1)))
    return market


@pytest.fixture(name="books")
async def _books(tmp_path: Path, market: PaperMarket) -> AsyncIterator[AccountDesk]:
    url = sqlite_url(tmp_path / "ledger.db")
    upgrade(url)
    async with Ledger.open(url) as ledger:
        yield AccountDesk(ACCOUNT, PaperVenue(market, ACCOUNT), ledger)


async def test_a_second_run_on_a_perpetual_is_refused_and_told_what_to_do(
    books: AccountDesk,
) -> None:
    await books.prepare("first", run_tag("first"), spec(shared=False))
    for shared in (False, True):
        with pytest.raises(PreflightError, match="is traded by run first already"):
            await books.prepare("second", run_tag("second"), spec(shared=shared))


async def test_the_same_run_is_prepared_again_after_a_crash(books: AccountDesk) -> None:
    first = await books.prepare("first", run_tag("first"), spec(shared=False))
    assert await books.prepare("first", run_tag("first"), spec(shared=False)) == first


async def test_runs_that_share_a_perpetual_may_meet_on_it(books: AccountDesk) -> None:
    await books.prepare("first", run_tag("first"), spec(shared=True))
    await books.prepare("second", run_tag("second"), spec(shared=True))


async def test_a_run_that_has_ended_is_in_nobodys_way(books: AccountDesk) -> None:
    await books.prepare("first", run_tag("first"), spec(shared=False))
    await books.finish("first", SYMBOL)
    await books.prepare("second", run_tag("second"), spec(shared=False))


async def test_a_position_that_no_run_manages_is_told(
    books: AccountDesk, market: PaperMarket
) -> None:
    order = OrderRequest("by-hand", SYMBOL, Side.SELL, Quantity(3), type=OrderType.MARKET)
    market.exchange.place(ACCOUNT, order)
    with pytest.raises(PreflightError, match=r"position of -0\.003 BTC"):
        await books.prepare("first", run_tag("first"), spec(shared=False))
    await books.prepare("first", run_tag("first"), spec(shared=True))
