"""What a venue tells of its market and of an account: prices, candles, balances, positions."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from domain.money import ZERO, Price, Quantity
from domain.orders import Fill, OrderReport, Side


@dataclass(frozen=True, slots=True)
class PriceUpdate:
    """The last price at which the market is worth watching, with the venue's own time."""

    symbol: str
    price: Price
    at: datetime
    bid: Price | None = None
    ask: Price | None = None


@dataclass(frozen=True, slots=True)
class Quote:
    """The best prices of a market at one moment."""

    bid: Price
    ask: Price
    at: datetime

    def against(self, side: Side) -> Price:
        """Return the price that an order of *side* meets."""
        return self.ask if side is Side.BUY else self.bid


@dataclass(frozen=True, slots=True)
class Candle:
    """One bar, named by its opening time. Volume is in lots."""

    symbol: str
    opened_at: datetime
    open: Price
    high: Price
    low: Price
    close: Price
    volume: Quantity
    closed: bool = True


@dataclass(frozen=True, slots=True)
class Position:
    """What an account holds of a perpetual: signed lots and the exact sum paid for them.

    `cost` is the signed sum of ticks x lots of what is open, so no average has to be rounded.
    """

    symbol: str
    lots: int
    cost: int
    realized: Decimal = ZERO
    mark: Price | None = None
    liquidation: Price | None = None


@dataclass(frozen=True, slots=True)
class Balance:
    """What an account owns of one asset; `locked` is the part held by resting orders or margin."""

    asset: str
    total: Decimal
    locked: Decimal = ZERO

    @property
    def free(self) -> Decimal:
        return self.total - self.locked


@dataclass(frozen=True, slots=True)
class FundingPayment:
    """Funding received (positive) or paid (negative), in quote."""

    payment_id: str
    symbol: str
    amount: Decimal
    at: datetime


@dataclass(frozen=True, slots=True)
class AccountView:
    """One look at an account: what a resync compares its own state with.

    `orders` are the open orders and every order that changed since the watermark asked for.
    """

    at: datetime
    balances: tuple[Balance, ...]
    positions: tuple[Position, ...]
    orders: tuple[OrderReport, ...]
    fills: tuple[Fill, ...]
    funding: tuple[FundingPayment, ...] = ()


@dataclass(frozen=True, slots=True)
class Terms:
    """How the account trades a perpetual; `one_way`: a symbol has one position, never two."""

    leverage: Decimal
    one_way: bool


@dataclass(frozen=True, slots=True)
class ClockReading:
    """How far the venue's clock is ahead of ours, from one question that took `round_trip`.

    The offset is exact to half of the round trip. `market_time` is what prices are dated by where
    that is not the venue's clock, as on paper. Without one, `dates_prices` says whether it is: a
    local exchange plays a market whose time it does not tell.
    """

    offset: timedelta
    round_trip: timedelta
    market_time: datetime | None = None
    dates_prices: bool = True
