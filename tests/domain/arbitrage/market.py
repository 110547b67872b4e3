"""A spot and a perpetual market, and funding as venues tell it, for the tables of arbitrage."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from domain.arbitrage.funding import LegFunding
from domain.money import Instrument, MarketKind, Quantity

T0 = datetime(2024, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def D(text: str) -> Decimal:  # noqa: N802 - short, because tables are full of it
    return Decimal(text)


def instrument(
    kind: MarketKind = MarketKind.PERPETUAL,
    *,
    maker: str = "0.0002",
    taker: str = "0.0005",
    lot: str = "0.001",
) -> Instrument:
    name = "BTC/USDT" if kind is MarketKind.SPOT else "BTC/USDT:USDT"
    return Instrument(
        name, kind, "BTC", "USDT", D("0.1"), D(lot), Quantity(1), D("5"), D(maker), D(taker)
    )


SPOT = instrument(MarketKind.SPOT, maker="0.0008", taker="0.001")
PERPETUAL = instrument()


def perpetual(
    rate: str,
    hours: int = 8,
    *,
    due: datetime | None = None,
    at: datetime = T0,
    predicted: str | None = None,
) -> LegFunding:
    """Funding heard at *at*; the next settlement is a whole interval later unless told."""
    interval = hours * HOUR
    later = None if predicted is None else D(predicted)
    return LegFunding(D(rate), at, interval, due or at + interval, later)
