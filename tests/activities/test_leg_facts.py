"""What a leg is told of its funding, by a paper exchange."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from activities.leg_facts import LegFacts
from activities.venues.paper import PaperMarket, PaperVenue
from domain.errors import InvalidValueError
from domain.simulation.exchange import SimulatedExchange
from domain.simulation.rules import ExchangeRules
from domain.simulation.tape import FundingAnnounced, FundingDue
from tests.contract.bench import PERPETUAL

HOUR = timedelta(hours=1)
BEGIN = datetime(2026, 3, 1, tzinfo=UTC)
RATE = Decimal("0.0001")


def facts(book: SimulatedExchange) -> LegFacts:
    return LegFacts("alice", PaperVenue(PaperMarket(book), "alice"), lambda: book.now)


async def test_a_settlement_that_is_told_late_does_not_double_the_interval() -> None:
    """Settled at 0 and 8 h; the one of 16 h is not in the list yet, and 24 h is due next."""
    book = SimulatedExchange(ExchangeRules((PERPETUAL,), {"alice": {}}), BEGIN)
    for hours in (0, 8):
        book.on(FundingDue(PERPETUAL.symbol, RATE, BEGIN + hours * HOUR))
    book.on(FundingAnnounced(PERPETUAL.symbol, RATE, BEGIN + 24 * HOUR, BEGIN + 16 * HOUR))
    leg = facts(book)
    with pytest.raises(InvalidValueError, match="has just been and is not told yet"):
        await leg.funding(2, PERPETUAL, book.now)
    book.advance(book.now + timedelta(minutes=5))
    changed = await leg.funding(2, PERPETUAL, book.now)  # it would be told by now
    assert changed.funding.interval == 16 * HOUR


async def test_an_interval_that_has_changed_is_known_before_the_first_of_it() -> None:
    book = SimulatedExchange(ExchangeRules((PERPETUAL,), {"alice": {}}), BEGIN)
    for hours in (0, 4):
        book.on(FundingDue(PERPETUAL.symbol, RATE, BEGIN + hours * HOUR))
    book.on(FundingAnnounced(PERPETUAL.symbol, RATE, BEGIN + 12 * HOUR, BEGIN + 5 * HOUR))
    assert (await facts(book).funding(2, PERPETUAL, book.now)).funding.interval == 8 * HOUR
