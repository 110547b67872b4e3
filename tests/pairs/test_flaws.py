"""The flaws of the earlier system's arbitrage that show only when a pair trades (docs/flaws.md)."""

from decimal import Decimal
from pathlib import Path

import pytest
from temporalio.client import Client

from domain.money import Quantity
from domain.orders import OrderRequest, OrderType, Side
from tests.contract.bench import BALANCES
from tests.pairs.ground import ALICE, HEDGE, TRADABLE, ground
from tests.pairs.ground import Side as Leg

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

AT_ONCE = {"hedge": {**HEDGE, "passive_for": 0}}


async def test_a1_an_ordinary_exit_is_sent_and_ends(tmp_path: Path, client: Client | None) -> None:
    async with ground(tmp_path, client=client) as pair:
        await pair.start(**AT_ONCE)
        await pair.is_quiet("the entry")
        pair.sides[2].announce("-0.001")
        left = await pair.until("the exit", lambda found: found.trades == 2 and not found.trade)
        assert left.direction is None
        await pair.check(flat=True)


async def test_a2_a_second_forced_exit_is_sent_too(tmp_path: Path, client: Client | None) -> None:
    async with ground(tmp_path, client=client) as pair:
        await pair.start(**AT_ONCE, cool_off=0)
        for exits in (1, 2):
            await pair.until("an entry", lambda found: found.direction and not found.trade)
            await pair.leave()
            wanted = 2 * exits
            await pair.until("an exit", lambda found, n=wanted: found.trades >= n)
        await pair.stop()
        await pair.result()
        await pair.check(flat=True)  # and no id came twice
        assert len(pair.sides[2].orders()) >= 4


async def test_a9_what_the_account_owns_besides_is_not_the_pairs(
    tmp_path: Path, client: Client | None
) -> None:
    """There is a whole BTC on the account: it is neither held, hedged nor sold."""
    async with ground(tmp_path, client=client) as pair:
        await pair.start(**AT_ONCE)
        held = await pair.is_quiet("the entry")
        assert held.legs[0].base == pair.sides[1].held() < BALANCES["BTC"]
        await pair.stop()
        await pair.result()
        desks = pair.sides[1].desks
        assert desks is not None
        (base,) = [b.total for b in await desks.venue.balances() if b.asset == "BTC"]
        assert 0 <= base - BALANCES["BTC"] < TRADABLE


async def test_d8_a_leg_that_somebody_closed_is_not_opened_the_other_way(
    tmp_path: Path, client: Client | None
) -> None:
    async with ground(tmp_path, client=client) as pair:
        await pair.start(**AT_ONCE, cool_off=3600)
        await pair.is_quiet("the entry")
        close_by_hand(pair.sides[2])
        await pair.leave()
        await pair.until("the exit", lambda found: found.trades == 2 and not found.trade)
        orders = len(pair.sides[2].orders())
        await pair.stop()  # the books of that leg have what nobody told them, and yet it is over
        assert (await pair.result()).trades == 2
        assert len(pair.sides[2].orders()) == orders
        assert pair.sides[2].held() == 0
        assert pair.sides[1].held() < TRADABLE


def close_by_hand(side: Leg) -> None:
    """Buy back what the perpetual is short, as a person would on the venue's own page."""
    lots = Quantity(int(-side.held() / Decimal("0.001")))
    request = OrderRequest(
        "byhand", side.symbol, Side.BUY, lots, None, type=OrderType.MARKET, reduce_only=True
    )
    side.exchange.host.place(ALICE, request)
