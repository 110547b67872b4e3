"""A look at an account for a portfolio: what it has, what it needs, and what it was not told."""

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from activities.margin_looks import MarginDesk
from activities.portfolio_messages import AccountLookInput
from domain.arbitrage.margin import MarginSpec
from domain.errors import VenueUnavailableError
from domain.market import Balance, Position, PriceUpdate
from domain.money import Price
from tests.activities.wire import ACCOUNT, START, SYMBOL, desk_at

ASKED = AccountLookInput(ACCOUNT, "USDT", Decimal("0.05"))


class Told:
    """A venue that holds 2 BTC short at 60 000, sold at 61 000, and 10 000 in quote."""

    def __init__(self, health: Decimal | None, equity: int = 10_000) -> None:
        self._health = health
        self._cash = Decimal(equity - 2000)  # 2000 are won
        self.down = False

    async def balances(self) -> Sequence[Balance]:
        return [Balance("USDT", self._cash), Balance("BTC", Decimal(5))]

    async def positions(self, symbol: str) -> Sequence[Position]:
        return [Position(symbol, -2000, -2000 * 61_000)]

    async def last_price(self, symbol: str) -> PriceUpdate:
        return PriceUpdate(symbol, Price(60_000), START)

    async def health(self) -> Decimal | None:
        if self.down:
            raise VenueUnavailableError("the venue is down")
        return self._health


@pytest.mark.parametrize(
    "health, equity, maintenance, use",
    [
        (None, 10_000, "6000", "0.6"),  # 2 * 60 000 * 0.05
        ("0.9", 10_000, "1000", "0.1"),  # (1 - 0.9) * 10 000, and its own rate says more
        ("0", 10_000, "10000", "1"),
        ("0.3", -50, "0", "0.7"),  # other coins are margin too: what is told counts
    ],
)
async def test_what_the_venue_tells_goes_before_what_is_reckoned(
    tmp_path: Path, health: str | None, equity: int, maintenance: str, use: str
) -> None:
    venue: Any = Told(None if health is None else Decimal(health), equity)
    async with desk_at(tmp_path / "ledger.db") as desk:
        look = await MarginDesk(ACCOUNT, venue, desk.ledger, desk.clock).look(ASKED)
    assert look.margin.equity == equity
    assert look.margin.maintenance == Decimal(maintenance)
    assert (look.strain.use, look.strain.at) == (Decimal(use), START)
    assert look.notional == 120_000
    assert look.prices == {SYMBOL: Decimal(60_000)}
    assert bool(look.strain.excess(MarginSpec())) is (Decimal(use) > Decimal("0.65"))


async def test_a_health_that_cannot_be_asked_is_no_look_at_all(tmp_path: Path) -> None:
    venue: Any = Told(Decimal(1))
    venue.down = True
    async with desk_at(tmp_path / "ledger.db") as desk:
        with pytest.raises(VenueUnavailableError):
            await MarginDesk(ACCOUNT, venue, desk.ledger, desk.clock).look(ASKED)
