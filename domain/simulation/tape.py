"""What happens at a market, as a tape of events in time order."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import final

from domain.market import Candle
from domain.money import Price, Quantity


@final  # so that its type can be told by identity, the cheapest way
@dataclass(frozen=True, slots=True)
class TradePrinted:
    """Somebody traded. `buyer_is_maker` is None where the tape does not tell."""

    symbol: str
    price: Price
    quantity: Quantity
    at: datetime
    buyer_is_maker: bool | None = None


@dataclass(frozen=True, slots=True)
class Quoted:
    """The best bid and ask of the market outside, and how much stands there."""

    symbol: str
    bid: Price
    ask: Price
    bid_quantity: Quantity
    ask_quantity: Quantity
    at: datetime


@dataclass(frozen=True, slots=True)
class CandleClosed:
    """A candle came to its end, `interval` after it opened."""

    candle: Candle
    interval: timedelta

    @property
    def symbol(self) -> str:
        return self.candle.symbol

    @property
    def at(self) -> datetime:
        """When it closed."""
        return self.candle.opened_at + self.interval


@dataclass(frozen=True, slots=True)
class Marked:
    """The venue set the mark price that perpetual positions are valued at."""

    symbol: str
    price: Price
    at: datetime


@dataclass(frozen=True, slots=True)
class FundingDue:
    """Funding is settled: for a positive rate longs pay shorts."""

    symbol: str
    rate: Decimal
    at: datetime


@dataclass(frozen=True, slots=True)
class FundingAnnounced:
    """The venue told the rate that it will settle at `due_at`."""

    symbol: str
    rate: Decimal
    due_at: datetime
    at: datetime


@dataclass(frozen=True, slots=True)
class DepthShown:
    """What others bid and ask at this moment, each side with its best price first."""

    symbol: str
    bids: tuple[tuple[Price, Quantity], ...]
    asks: tuple[tuple[Price, Quantity], ...]
    at: datetime


MarketEvent = (
    TradePrinted | Quoted | CandleClosed | Marked | FundingDue | FundingAnnounced | DepthShown
)
