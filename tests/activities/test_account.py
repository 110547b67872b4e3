"""The account desk: books are opened once, filled from the venue, and add up."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from activities.account import AccountDesk
from domain.errors import InvalidValueError, VenueUnavailableError
from domain.grid.events import Place
from domain.grid.spec import GridSpec, parse_spec
from domain.market import AccountView
from domain.money import Price, Quantity
from domain.order_ids import OrderKey, Purpose, encode, run_tag
from domain.orders import OrderRequest, Side
from tests.activities.wire import (
    ACCOUNT,
    INSTRUMENT,
    START,
    SYMBOL,
    TAG,
    Desk,
    client_id,
    desk_at,
    leave,
    order,
)
from tests.eventually import eventually

SPEC = {"symbol": SYMBOL, "account": ACCOUNT, "interval": "100", "amount": "125"}


def spec(**changes: Any) -> GridSpec:
    return parse_spec({**SPEC, **changes})


@pytest.fixture(name="desk")
async def _desk(tmp_path: Path) -> AsyncIterator[Desk]:
    """A desk with the open books of `a run`."""
    async with desk_at(tmp_path / "ledger.db") as desk:
        yield desk


@pytest.fixture(name="books")
def _books(desk: Desk) -> AccountDesk:
    return AccountDesk(ACCOUNT, desk.wire, desk.ledger, desk.clock)


async def test_books_are_opened_once_and_keep_their_first_instrument(
    desk: Desk, books: AccountDesk
) -> None:
    await desk.ledger.close_run("a run", START)
    tag = run_tag("b run")
    first = await books.prepare("b run", tag, spec())
    desk.trade(61_000)
    again = await books.prepare("b run", tag, spec())
    assert (first.price, again.price) == (Price(60_000), Price(61_000))
    assert first.instrument == again.instrument
    assert len(await desk.ledger.runs()) == 2


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"interval": "5"}, "does not cover"),
        ({"symbol": "ETH/USDT"}, "symbol must be one of"),
    ],
)
async def test_a_spec_that_cannot_be_used_opens_no_books(
    desk: Desk, books: AccountDesk, changes: dict[str, str], message: str
) -> None:
    await desk.ledger.close_run("a run", START)
    with pytest.raises(InvalidValueError, match=message):
        await books.prepare("b run", run_tag("b run"), spec(**changes))
    assert await desk.ledger.run("b run") is None


async def test_a_name_belongs_to_one_start(books: AccountDesk) -> None:
    with pytest.raises(InvalidValueError, match="the name 'a run' was used by a run that began"):
        await books.prepare("a run", run_tag("another start"), spec())


async def test_a_resync_fills_the_ledger_and_returns_the_orders_of_the_run(
    desk: Desk, books: AccountDesk
) -> None:
    await desk.do(Place(order(1)), Place(order(2, price=59_800)))
    by_hand = OrderRequest("by-hand", SYMBOL, Side.BUY, Quantity(1), Price(59_950))
    await desk.wire.venue.place(by_hand)
    desk.trade(59_900)
    resynced = await books.resync("a run", SYMBOL, TAG)
    assert {(r.client_id, str(r.status)) for r in resynced.orders} == {
        (order(1).client_id, "filled"),
        (order(2, price=59_800).client_id, "open"),
    }
    assert len(await desk.ledger.fills_of_run("a run")) == 1
    assert len(await desk.ledger.fills_of_account(ACCOUNT, SYMBOL, START, foreign=True)) == 1
    assert await desk.ledger.watermark(ACCOUNT, SYMBOL) == resynced.at
    await books.resync("a run", SYMBOL, TAG)
    assert len(await desk.ledger.fills_of_run("a run")) == 1


async def test_runs_that_ask_at_the_same_time_share_a_look_and_get_their_own_orders(
    desk: Desk,
) -> None:
    venue = Slow(desk)
    books = AccountDesk(ACCOUNT, venue, desk.ledger, desk.clock)
    other = run_tag("b run")
    theirs = replace(order(1), client_id=encode(OrderKey(other, Purpose.ENTRY_BUY, 59_900, 1)))
    await desk.do(Place(order(1)))
    first = asyncio.create_task(books.resync("a run", SYMBOL, TAG))
    await eventually(lambda: venue.looks == 1, what="the look")
    # The look has begun: it may not answer who asks now.
    await desk.wire.venue.place(theirs)
    asked = [
        asyncio.create_task(books.resync(*each))
        for each in (("a run", SYMBOL, TAG), ("b run", SYMBOL, other))
    ]
    venue.open.set()
    assert [r.client_id for r in (await first).orders] == [order(1).client_id]
    mine, other_ones = await asyncio.gather(*asked)
    assert [r.client_id for r in mine.orders] == [order(1).client_id]
    assert [r.client_id for r in other_ones.orders] == [theirs.client_id]
    assert venue.looks == 2


async def test_a_run_counts_in_what_it_began_with_whatever_the_venue_says_now(
    desk: Desk, books: AccountDesk
) -> None:
    assert await books.instrument("a run", SYMBOL) == INSTRUMENT
    assert await books.instrument("not in the ledger", SYMBOL) == INSTRUMENT
    older = replace(INSTRUMENT, maker_fee=Decimal("0.001"))
    stored = await desk.ledger.run("a run")
    assert stored is not None
    await desk.ledger.open_run(
        replace(stored, run_id="b run", tag=run_tag("b run"), instrument=older)
    )
    assert await books.instrument("b run", SYMBOL) == older


async def test_a_resync_that_fails_moves_nothing(
    desk: Desk, books: AccountDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    await books.resync("a run", SYMBOL, TAG)
    mark = await desk.ledger.watermark(ACCOUNT, SYMBOL)
    await desk.do(Place(order(1)))
    desk.clock.passes(5)
    desk.trade(59_900)
    venue = Down(desk)
    with pytest.raises(VenueUnavailableError):
        await AccountDesk(ACCOUNT, venue, desk.ledger, desk.clock).resync("a run", SYMBOL, TAG)
    assert await desk.ledger.watermark(ACCOUNT, SYMBOL) == mark
    assert await desk.ledger.fills_of_run("a run") == []


class Slow:
    """A venue that answers a look once it is let."""

    def __init__(self, desk: Desk) -> None:
        self._venue = desk.wire
        self.looks = 0
        self.open = asyncio.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._venue, name)

    async def account_view(self, symbol: str, since: datetime) -> AccountView:
        self.looks += 1
        view: AccountView = await self._venue.account_view(symbol, since)
        await self.open.wait()
        return view


class Down:
    """A venue that shows no account."""

    def __init__(self, desk: Desk) -> None:
        self._venue = desk.wire

    def __getattr__(self, name: str) -> Any:
        return getattr(self._venue, name)

    async def account_view(self, symbol: str, since: datetime) -> AccountView:
        raise VenueUnavailableError("the venue is down")


async def test_closed_books_add_up_and_close_once(desk: Desk, books: AccountDesk) -> None:
    await desk.do(Place(order(1)))
    desk.trade(59_900)
    back = client_id(2, Purpose.EXIT_SELL, key=59_900)  # the slot is named by its entry
    await desk.do(Place(replace(leave(2, price=60_000), client_id=back)))
    desk.trade(60_000)
    closed = await books.finish("a run", SYMBOL)
    assert closed is not None
    assert (closed.grid_profit, closed.floating, closed.residual) == (
        Decimal("0.200"),
        Decimal(0),
        Decimal(0),
    )
    assert closed.fees == Decimal("0.0002") * (Decimal("119.8") + Decimal(120))
    stored = await desk.ledger.run("a run")
    assert stored is not None
    assert stored.status == "stopped"
    assert await books.finish("a run", SYMBOL) == closed
    assert await books.finish("nobody's", SYMBOL) is None


async def test_money_moved_by_somebody_else_is_a_residual(desk: Desk, books: AccountDesk) -> None:
    by_hand = OrderRequest("by-hand", SYMBOL, Side.BUY, Quantity(10), Price(59_900))
    await desk.wire.venue.place(by_hand)
    desk.trade(59_900)
    desk.trade(59_000)
    closed = await books.finish("a run", SYMBOL)
    assert closed is not None
    assert closed.residual is not None
    assert closed.residual < Decimal(-9)


async def test_commands_leave_a_trail(desk: Desk, books: AccountDesk) -> None:
    await books.note("a run", "pause", "ann", "lunch", None)
    await books.note("a run", "reconfigure", "", "", {"interval": "200"})
    trail = await desk.ledger.audit_trail("a run")
    assert [(entry.command, entry.who) for entry in trail] == [
        ("reconfigure", "unknown"),
        ("pause", "ann"),
    ]
    stored = await desk.ledger.run("a run")
    assert stored is not None
    assert (stored.status, stored.spec) == ("paused", {"interval": "200"})
