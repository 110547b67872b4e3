"""What the engine counts and what the ledger folds from the fills: the same money, split alike."""

from datetime import timedelta
from decimal import Decimal

import pytest

from domain.accounting import fold
from domain.grid.events import FeedChanged, Reported, StopAsked
from domain.grid.spec import StopMode
from domain.money import ZERO, Instrument, Price, Quantity
from domain.orders import Fill, OrderReport, OrderRequest, Refusal
from tests.domain.grid.harness import (
    PERPETUAL,
    SPOT,
    T0,
    Runner,
    Venue,
    VenueOrder,
    configured,
    is_market,
)


class Keeping(Venue):
    """A venue that keeps every execution, and lets market orders wait for a counterparty."""

    def __init__(self, instrument: Instrument, price: int) -> None:
        super().__init__(instrument, price)
        self.fills: list[Fill] = []

    def place(self, request: OrderRequest) -> OrderReport | Refusal:
        if not is_market(request):
            return super().place(request)
        order = VenueOrder(request, f"v{len(self.orders) + 1}")
        self.orders[request.client_id] = order
        return order.report()

    def fill(self, order: VenueOrder, lots: int, ticks: int | None = None) -> OrderReport:
        before = dict(order.fees)
        price = order.request.price or Price(self.price)
        report = super().fill(order, lots, ticks or price.ticks)
        ((asset, total),) = report.fees.items()
        number = len(self.fills) + 1
        self.fills.append(
            Fill(
                f"f{number:04}",
                report.client_id,
                report.order_id,
                report.symbol,
                report.side,
                Price(ticks or price.ticks),
                Quantity(lots),
                total - before.get(asset, ZERO),
                asset,
                maker=True,
                at=T0 + timedelta(seconds=number),
            )
        )
        return report


def split(run: Runner, venue: Keeping) -> tuple[tuple[Decimal, ...], tuple[Decimal, ...]]:
    """Return grid profit, floating, fees and cycles as the engine has them, and as the ledger."""
    mark, totals = Price(venue.price), run.state.totals
    books = fold(venue.instrument, venue.fills)
    return (
        (totals.grid_profit, run.state.floating(mark), totals.fees, Decimal(totals.cycles)),
        (books.grid_profit, books.floating(mark), books.fees, Decimal(books.cycles)),
    )


@pytest.mark.parametrize(
    "instrument, direction", [(SPOT, "long"), (PERPETUAL, "long"), (PERPETUAL, "neutral")]
)
def test_while_a_run_is_closed_its_profit_and_floating_are_split_alike(
    instrument: Instrument, direction: str
) -> None:
    run = Runner(configured(instrument, direction=direction), live=False)
    run.venue = venue = Keeping(instrument, 10_000)
    run.tell(FeedChanged(live=True, at=T0))
    for price in (10_000, 9_900, 9_800, 9_950, 10_050, 9_890):
        run.moves(price)
    if direction == "neutral":
        run.moves(10_210)
    assert run.state.position_lots
    run.tell(StopAsked(StopMode.CLOSE, T0))
    engine, ledger = split(run, venue)
    assert engine == ledger
    (closing,) = [order for order in venue.working() if is_market(order.request)]
    for price in (venue.price, venue.price + 35, venue.price - 17):
        venue.price = price
        run.tell(Reported(venue.fill(closing, min(37, closing.leaves))))
        engine, ledger = split(run, venue)
        assert engine == ledger
    run.tell(Reported(venue.fill(closing, closing.leaves)))
    engine, ledger = split(run, venue)
    assert engine == ledger
    assert run.state.finished
