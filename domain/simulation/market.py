"""What an exchange knows of one symbol: book, market outside, mark, funding and candles."""

from collections.abc import Iterator
from datetime import datetime

from domain.conditions import FundingRate
from domain.market import PriceUpdate
from domain.money import Instrument, Price
from domain.orders import Side
from domain.simulation.bars import Bars
from domain.simulation.book import Book
from domain.simulation.depth import Depth
from domain.simulation.tape import DepthShown, FundingAnnounced, FundingDue, Quoted


class Market:
    """One symbol. `taken_bid` and `taken_ask` are lots of the quote that are already gone."""

    __slots__ = (
        "bars",
        "book",
        "depth",
        "instrument",
        "last",
        "last_at",
        "mark",
        "next_funding",
        "quote",
        "settled",
        "taken_ask",
        "taken_bid",
        "traded",
    )

    def __init__(self, instrument: Instrument) -> None:
        self.instrument = instrument
        self.book = Book()
        self.bars = Bars(instrument.symbol)
        self.last: Price | None = None
        self.last_at: datetime | None = None
        self.traded = False  # while it never traded, the middle of the quote is the last price
        self.mark: Price | None = None
        self.quote: Quoted | None = None
        self.depth: Depth | None = None
        self.settled: list[FundingRate] = []
        self.next_funding: FundingRate | None = None
        self.taken_bid = 0
        self.taken_ask = 0

    @property
    def mark_price(self) -> Price | None:
        """What positions are valued at: the mark, or the last price where none was set."""
        return self.mark or self.last

    def outside(self, side: Side) -> int | None:
        """Return the ticks at which the market outside trades with a taker of *side*, if it does.

        Without depth and quotes it stands one tick on either side of the last price.
        """
        if self.depth is not None:
            return self.depth.best(side.opposite)
        if self.quote is not None:
            return self.quote.ask.ticks if side is Side.BUY else self.quote.bid.ticks
        if self.last is None:
            return None
        ticks = self.last.ticks + side.sign
        return ticks if ticks > 0 else None

    def levels(self, side: Side) -> Iterator[tuple[int, int | None]]:
        """Yield ticks and lots at which the market outside trades with a taker of *side*.

        Best price first; lots are None where it takes any quantity, which it does without depth.
        """
        if self.depth is not None:
            yield from self.depth.levels(side.opposite)
        elif (ticks := self.outside(side)) is not None:
            yield ticks, None

    def take_outside(self, side: Side, ticks: int, lots: int) -> None:
        """Count what a taker of *side* took of the market outside."""
        if self.depth is not None:
            self.depth.take(side.opposite, ticks, lots)

    def show(self, shown: DepthShown) -> Depth:
        """Take the new depth and return it."""
        self.depth = Depth.of(shown)
        bid, ask = self.depth.best(Side.BUY), self.depth.best(Side.SELL)
        if not self.traded and bid is not None and ask is not None:
            self.last = Price((bid + ask) // 2)
            self.last_at = shown.at
        return self.depth

    def announce(self, announced: FundingAnnounced) -> None:
        """Know the funding that comes next."""
        self.next_funding = FundingRate(announced.symbol, announced.rate, announced.due_at)

    def recall(self, due: FundingDue) -> None:
        """Know of a settlement at a mark price that nobody knows any more."""
        self.settled.append(FundingRate(due.symbol, due.rate, due.at))

    def settle(self, due: FundingDue) -> None:
        """Know that funding was settled, at the mark price of this moment."""
        mark = None if self.mark_price is None else self.instrument.price_of(self.mark_price)
        self.settled.append(FundingRate(due.symbol, due.rate, due.at, mark))
        if self.next_funding is not None and self.next_funding.at <= due.at:
            self.next_funding = None

    def quoted(self, quote: Quoted) -> tuple[int, int]:
        """Take the new quote and return the lots that are new on its bid and its ask."""
        old, self.quote = self.quote, quote
        if old is None or old.bid != quote.bid:
            self.taken_bid = 0
        if old is None or old.ask != quote.ask:
            self.taken_ask = 0
        if not self.traded:
            self.last = Price((quote.bid.ticks + quote.ask.ticks) // 2)
            self.last_at = quote.at
        bid_lots = max(0, quote.bid_quantity.lots - self.taken_bid)
        return bid_lots, max(0, quote.ask_quantity.lots - self.taken_ask)

    def price_update(self) -> PriceUpdate | None:
        """Return the last price with the bid and ask outside; None before the first one."""
        if self.last is None or self.last_at is None:
            return None
        bid, ask = self.outside(Side.SELL), self.outside(Side.BUY)
        return PriceUpdate(
            self.instrument.symbol,
            self.last,
            self.last_at,
            Price(bid) if bid else None,
            Price(ask) if ask else None,
        )
