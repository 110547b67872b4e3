"""What a venue's module tells: its names, limits, error codes, calls and conversations.

A `Quirks` is made for one account and one kind of market. Its methods ask through `self.rest` and
return domain values; they raise what `Rest.ask` raises and decide nothing else. Of an order they
report status, quantity and filled as the venue tells them, with `value` 0 and no fees: these are
added up from fills by the port (`executions.py`).
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, ClassVar, Final

from activities.venues.ccxt.markets import Market, decimal
from activities.venues.ccxt.meanings import Meaning, Reply, Verdict, by_status, told_by
from activities.venues.ccxt.rest import Rest
from activities.venues.ccxt.sockets import Conversation
from activities.venues.quotes import quote_of
from domain.conditions import DayStatistics, FundingRate, KeyRights, MarkPrice, Reach
from domain.errors import InvalidValueError, VenueError
from domain.limiter import Rate
from domain.market import Balance, Candle, FundingPayment, Position, PriceUpdate, Quote, Terms
from domain.money import MarketKind, Quantity
from domain.orders import Fill, OrderReport, OrderRequest, OrderStatus

#: What the private stream tells.
News = OrderReport | Balance | Position

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
#: The bucket that every order of every venue takes from (decision D11).
ORDERS: Final = "orders"


@dataclass(frozen=True, slots=True)
class OrderName:
    """How an order is asked for: by our id or the venue's."""

    client_id: str | None = None
    order_id: str | None = None


class Quirks(ABC):
    """One venue, for one kind of market. The class attributes are facts, the methods calls."""

    #: The venue's name in settings and the ledger.
    name: ClassVar[str]
    #: Every host its REST and WebSocket addresses have; nothing else can be reached.
    hosts: ClassVar[frozenset[str]]
    #: How long after its timestamp a request may still be executed.
    window: timedelta
    #: What each code of the error table means. Codes are text.
    codes: ClassVar[Mapping[str, Meaning]]
    #: Texts that tell more than their code, as (code, part of the message, meaning).
    phrases: ClassVar[Sequence[tuple[str, str, Meaning]]] = ()
    #: Candle lengths the venue has, and what it calls them.
    intervals: ClassVar[Mapping[timedelta, str]]
    #: Orders a batch may have; 0: no batch, single calls then run side by side.
    place_batch_of: int = 0
    cancel_batch_of: int = 0

    def __init__(self, kind: MarketKind) -> None:
        self.kind = kind
        self.rest: Rest
        #: By the venue's id.
        self.markets: dict[str, Market] = {}

    @property
    def perpetual(self) -> bool:
        """Whether this is the perpetuals' side."""
        return self.kind is MarketKind.PERPETUAL

    # ---- set-up

    @abstractmethod
    def client_class(self) -> str:
        """Return the name of the class in ccxt.async_support."""

    @abstractmethod
    def options(self) -> Mapping[str, Any]:
        """Return ccxt's `options`: one market type, no currencies, a receive window, no probing."""

    @abstractmethod
    def rates(self, orders: Rate) -> Mapping[str, Rate]:
        """Return the venue's buckets; `ORDERS` is *orders*, as the account is set up."""

    def adopt(self, client: Any) -> None:  # noqa: B027 - most venues need nothing
        """Change ccxt's client before its first request, where options cannot: a header."""

    # ---- ids

    def id_out(self, client_id: str) -> str:
        """Return our id as it is sent (Gate: with its prefix)."""
        return client_id

    def id_in(self, client_id: str) -> str:
        """Return an id as we know it."""
        return client_id

    # ---- errors

    def verdict(self, reply: Reply) -> Verdict | None:
        """Return what is wrong with an answer; None if it is a good one."""
        code, message = self.code_of(reply.data)
        if reply.status < 400 and code is None and reply.data is not None:
            return None
        # What is no JSON was not said by the venue's own programs, whatever a venue makes of it.
        words = message if message and reply.data is not None else told_by(reply)
        return self.judge(code, words, reply)

    def batch_verdict(self, reply: Reply, orders: int) -> Verdict | None:
        """Return the one verdict on a batch; None if its answer has a row for each of *orders*."""
        if isinstance(reply.data, list) and len(reply.data) == orders:
            return None
        return self.verdict(reply) or Verdict(Meaning.UNKNOWN, "", "an unreadable answer")

    def judge(self, code: str | None, message: str, reply: Reply) -> Verdict:
        """Return what a code means. An answer without a known one is judged by its status."""
        meaning = self.codes.get(code or "")
        for of, part, better in self.phrases:
            if of == code and part in message:
                meaning = better
        if reply.status in (418, 429) or meaning is None:
            meaning = by_status(reply.status)
        # A definite no needs words: what is no JSON was not said by the venue's matching engine.
        if reply.data is None and meaning is Meaning.REFUSED:
            meaning = Meaning.UNKNOWN
        return Verdict(meaning, code or f"HTTP {reply.status}", message, self.pause(reply))

    @abstractmethod
    def code_of(self, data: Any) -> tuple[str | None, str]:
        """Return the error code and message of a decoded body; None if it is no error."""

    def pause(self, reply: Reply) -> timedelta:
        """Return how long the venue wants us to wait."""
        try:
            return timedelta(seconds=float(reply.headers["retry-after"]))
        except (KeyError, ValueError):
            return timedelta(seconds=60 if reply.status == 418 else 1)

    def used(self, reply: Reply) -> Mapping[str, int]:  # noqa: ARG002 - not every venue tells
        """Return what the headers say was used, by bucket."""
        return {}

    # ---- orders

    @abstractmethod
    async def place(self, market: Market, request: OrderRequest) -> OrderReport:
        """Send *request*. A venue that answers with an id only reports it as `accepted`."""

    async def place_batch(
        self, market: Market, requests: Sequence[OrderRequest]
    ) -> Sequence[OrderReport | Verdict]:
        """Send up to `place_batch_of` requests by the raw call; one result each, in their order."""
        raise NotImplementedError

    @abstractmethod
    async def cancel(self, market: Market, client_id: str) -> OrderReport | None:
        """Cancel. None: taken, and the answer does not tell how the order stands."""

    async def cancel_batch(self, market: Market, client_ids: Sequence[str]) -> None:
        """Cancel up to `cancel_batch_of` orders by the raw call; how they stand is asked for."""
        raise NotImplementedError

    @abstractmethod
    async def order(self, market: Market, name: OrderName) -> OrderReport | None:
        """Return an order, working or closed, by whichever name is given; None if unknown."""

    @abstractmethod
    async def open_orders(self, market: Market) -> Sequence[OrderReport]:
        """Return all working orders, over all pages."""

    @abstractmethod
    async def orders_since(self, market: Market, since: datetime) -> Sequence[OrderReport]:
        """Return what the venue lists of closed orders since then, over all pages.

        Where it lists by time of creation, an older order that changed later may be missing: the
        port adds open orders and those of the fills.
        """

    @abstractmethod
    async def fills_since(self, market: Market, since: datetime) -> Sequence[Fill]:
        """Return the executions since then, over all pages; `client_id` "" where not told."""

    @abstractmethod
    async def order_fills(self, market: Market, order_id: str) -> Sequence[Fill]:
        """Return the executions of one order."""

    # ---- the dead-man's switch

    @property
    def dead_man(self) -> Reach | None:
        """What the venue's switch cancels; None: it offers none for this kind of market."""
        return None

    async def arm(self, market: Market, within: timedelta) -> Any:
        """Arm the switch, zero: disarm it; return what to say on the private stream, if anything.

        That is said once on each connection.
        """
        raise NotImplementedError

    # ---- account

    @abstractmethod
    async def fees(self, market: Market) -> tuple[Decimal, Decimal]:
        """Return this account's maker and taker fee; negative is a rebate."""

    @abstractmethod
    async def balances(self) -> Sequence[Balance]:
        """Return every asset the account has; `locked` includes margin in use."""

    @abstractmethod
    async def key_rights(self) -> KeyRights:
        """Return what the key may do; None for what the venue does not tell."""

    @abstractmethod
    def most_orders(self) -> Rate:
        """Return how many orders the venue is documented to take from one account."""

    async def positions(self, market: Market) -> Sequence[Position]:
        """Return the position unless it is flat."""
        raise NotImplementedError

    async def funding_since(self, market: Market, since: datetime) -> Sequence[FundingPayment]:
        """Return the funding payments since then."""
        raise NotImplementedError

    async def terms(self, market: Market) -> Terms:
        """Return leverage and position mode."""
        raise NotImplementedError

    async def health(self) -> Decimal | None:
        """Return the health of the account (`domain.risk.emergency`); None where it is not told.

        What is empty or left out is not told. It is never taken for 0, and never for no danger.
        """
        raise NotImplementedError

    async def set_leverage(self, market: Market, leverage: int) -> None:
        """Set the leverage."""
        raise NotImplementedError

    async def set_one_way(self) -> None:
        """Let each symbol have one position."""
        raise NotImplementedError

    # ---- market

    @abstractmethod
    async def last_price(self, market: Market) -> PriceUpdate | None:
        """Return the last trade with the venue's time; None before the first one."""

    @abstractmethod
    async def quote(self, market: Market) -> Quote:
        """Return the best bid and ask, as of when the venue answered; see `top`."""

    @abstractmethod
    async def candles(self, market: Market, interval: timedelta, limit: int) -> Sequence[Candle]:
        """Return the newest *limit* candles, oldest first; the last one is `closed=False`."""

    @abstractmethod
    async def day_statistics(self) -> Sequence[DayStatistics]:
        """Return the last 24 hours of all markets of this kind."""

    async def funding_rate(self, market: Market) -> FundingRate:
        """Return the funding that is due next."""
        raise NotImplementedError

    async def funding_rates(self, market: Market, since: datetime) -> Sequence[FundingRate]:
        """Return the settled rates since then."""
        raise NotImplementedError

    # ---- streams

    @abstractmethod
    def news_talk(self) -> Conversation[News]:
        """Return the private conversation: orders with their fills, balances, positions."""

    @abstractmethod
    def price_talk(self, markets: Sequence[Market]) -> Conversation[PriceUpdate]:
        """Return the conversation about trades."""

    @abstractmethod
    def candle_talk(self, market: Market, interval: timedelta) -> Conversation[Candle]:
        """Return the conversation about candles, closed and forming."""

    def mark_talk(self, markets: Sequence[Market]) -> Conversation[MarkPrice]:
        """Return the conversation about mark prices and funding rates."""
        raise NotImplementedError

    # ---- helpers

    def interval(self, interval: timedelta) -> str:
        """Return what the venue calls a candle length, or raise InvalidValueError."""
        try:
            return self.intervals[interval]
        except KeyError:
            known = ", ".join(self.intervals.values())
            raise InvalidValueError(
                f"{self.name} has candles of {known} (no multiples of them), was {interval}"
            ) from None

    def market_of(self, venue_id: Any) -> Market | None:
        """Return a market by the venue's id; None for one of another kind."""
        return self.markets.get(str(venue_id))


def accepted(market: Market, request: OrderRequest, order_id: str, at: datetime) -> OrderReport:
    """Return the report of an order of which the venue told nothing but its id."""
    return OrderReport(
        client_id=request.client_id,
        order_id=order_id,
        symbol=market.symbol,
        side=request.side,
        status=OrderStatus.OPEN,
        quantity=request.quantity,
        price=request.price,
        reduce_only=request.reduce_only and market.instrument.kind is MarketKind.PERPETUAL,
        at=at,
    )


def status_of(words: Mapping[str, OrderStatus], word: Any, filled: Quantity) -> OrderStatus:
    """Return the status a venue's *word* means; a working order with fills is partially filled."""
    try:
        status = words[str(word)]
    except KeyError:
        raise VenueError(
            f"an order's status must be one of {', '.join(words)}, was {word!r}"
        ) from None
    return OrderStatus.PARTIALLY_FILLED if status is OrderStatus.OPEN and filled else status


def from_ms(value: Any) -> datetime:
    """Return the time of a count of milliseconds."""
    return _EPOCH + timedelta(milliseconds=int(decimal(value, "a time")))


def to_ms(at: datetime) -> int:
    """Return *at* in whole milliseconds, rounded up: at or after stays at or after."""
    return -((_EPOCH - at) // _MILLISECOND)


def unique(fills: Iterable[Fill]) -> list[Fill]:
    """Return fills without repetitions, oldest first."""
    known = {fill.fill_id: fill for fill in fills}
    return sorted(known.values(), key=lambda fill: (fill.at, len(fill.fill_id), fill.fill_id))


def top(
    market: Market, bids: Sequence[Any], asks: Sequence[Any], at: datetime, price: Any = 0
) -> Quote:
    """Return the best prices of a book, whose levels have theirs at *price*: an index, or a name.

    Raises VenueUnavailableError if a side is empty.
    """
    bid, ask = (
        market.price(side[0][price], name) if side else None
        for side, name in ((bids, "bid"), (asks, "ask"))
    )
    return quote_of(market.symbol, bid, ask, at)


def bar(market: Market, row: Sequence[Any], *, closed: bool = True) -> Candle:
    """Return a candle of the usual row: time in ms, open, high, low, close, volume."""
    return Candle(
        market.symbol,
        from_ms(row[0]),
        market.price(row[1], "open"),
        market.price(row[2], "high"),
        market.price(row[3], "low"),
        market.price(row[4], "close"),
        market.quantity(row[5], "volume"),
        closed=closed,
    )
