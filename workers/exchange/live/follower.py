"""Follows a venue's public streams, and lets the books know what happened there.

While the streams are down the exchange takes no orders and its own streams end, so that whoever
trades here knows that the market cannot be seen. When they are up again the last price is asked for
first: orders that the market is then beyond were traded through in the gap, and fill at their own
price; what went and came back within the gap is unknown, and fills nothing.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from typing import Final

from domain.errors import InvalidValueError, VenueError, VenueUnavailableError
from domain.market import PriceUpdate
from domain.money import MarketKind, Quantity
from domain.simulation.tape import FundingAnnounced, FundingDue, Marked, TradePrinted
from workers.exchange.host import Host
from workers.exchange.journal import Announced, Funded, Happened, MarkSet, Traded
from workers.exchange.live.source import PublicMarket

_PAUSES: Final = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
#: What comes within this time (seconds) is committed at once.
_TOGETHER: Final = 0.005
#: So much of what was settled before the first start is known: who asks wants the interval.
_SETTLED_BEFORE: Final = timedelta(hours=24)
_MILLISECOND: Final = timedelta(milliseconds=1)
#: Streams do not tell how much was traded in one form; nothing here depends on it.
_UNTOLD: Final = Quantity(0)
_log: Final = logging.getLogger(__name__)


class Follower:
    """One venue's public streams; after a silence of *look_after* it asks whether it missed any.

    Funding comes by no stream of all venues: it is asked for every *funding_every*.
    """

    def __init__(
        self,
        host: Host,
        venue: PublicMarket,
        *,
        look_after: timedelta = timedelta(seconds=10),
        funding_every: timedelta = timedelta(minutes=1),
    ) -> None:
        self._host = host
        self._venue = venue
        self._look_after = look_after
        self._funding_every = funding_every
        self._symbols: Sequence[str] = tuple(host.symbols)
        self._perpetual = [
            symbol
            for symbol in self._symbols
            if host.instrument(symbol).kind is MarketKind.PERPETUAL
        ]
        self._newest: dict[str, datetime] = {}
        self._heard: dict[str, float] = {}
        self._waiting: list[Happened] = []
        self._news = asyncio.Event()
        self._failures = 0
        host.halt(f"the market of {venue.name} is not followed yet")

    async def run(self) -> None:
        """Follow for ever; ends only by cancellation, or by a failure of the books."""
        while True:
            try:
                await self._session()
            except* VenueError as lost:
                why = _first(lost)
                self._flush()
                self._host.halt(f"the market of {self._venue.name} cannot be seen: {why}")
                _log.warning("%s: %s", self._venue.name, why)
            await asyncio.sleep(_PAUSES[min(self._failures, len(_PAUSES) - 1)])
            self._failures += 1

    async def _session(self) -> None:
        await self._check_steps()
        async with self._venue.trades(self._symbols) as trades:
            for symbol in self._symbols:
                self._traded(await self._venue.last_price(symbol))
            await self._ask_funding()
            self._host.resume()
            self._failures = 0
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._read(trades))
                tasks.create_task(self._commit())
                tasks.create_task(self._watch())
                if self._perpetual:
                    tasks.create_task(self._read_marks())
                    tasks.create_task(self._read_funding())

    async def _check_steps(self) -> None:
        """Raise InvalidValueError if prices would be read in other steps than the books have."""
        for symbol in self._symbols:
            ours, theirs = self._host.instrument(symbol), await self._venue.instrument(symbol)
            if (ours.tick_size, ours.lot_size) != (theirs.tick_size, theirs.lot_size):
                raise InvalidValueError(
                    f"{self._venue.name} changed the steps of {symbol} from {ours.tick_size} and "
                    f"{ours.lot_size} to {theirs.tick_size} and {theirs.lot_size}: start with "
                    "another --data directory"
                )

    # ---- what happened

    async def _read(self, trades: AsyncIterator[PriceUpdate]) -> None:
        async for update in trades:
            self._traded(update)

    def _traded(self, update: PriceUpdate) -> None:
        """Take a trade, unless it is older than what is known: some venues repeat at first."""
        newest = self._newest.get(update.symbol)
        self._heard[update.symbol] = asyncio.get_running_loop().time()
        if newest is not None and update.at < newest:
            return
        self._newest[update.symbol] = update.at
        self._tell(Traded(TradePrinted(update.symbol, update.price, _UNTOLD, update.at)))

    async def _read_marks(self) -> None:
        async with self._venue.marks(self._perpetual) as marks:
            async for mark in marks:
                self._tell(MarkSet(Marked(mark.symbol, mark.mark, mark.at)))

    async def _read_funding(self) -> None:
        while True:
            await asyncio.sleep(self._funding_every.total_seconds())
            try:
                await self._ask_funding()
            except VenueError as error:  # it is asked again, and nothing is lost
                _log.warning("funding of %s could not be asked: %s", self._venue.name, error)

    async def _ask_funding(self) -> None:
        """Book what was settled since the last time, also while nobody followed, and what is due.

        At the first start that is the last day's, for which nobody is paid.
        """
        for symbol in self._perpetual:
            begun = self._host.started_at - _SETTLED_BEFORE
            since = self._host.funded.get(symbol, begun) + _MILLISECOND
            for rate in await self._venue.funding_rates(symbol, since):
                self._tell(Funded(FundingDue(symbol, rate.rate, rate.at)))
            await self._announce(symbol)
        self._flush()

    async def _announce(self, symbol: str) -> None:
        try:
            due = await self._venue.funding_rate(symbol)
        except VenueError as error:  # of what is known already nothing becomes wrong
            _log.warning("%s does not tell what is due on %s: %s", self._venue.name, symbol, error)
            return
        known = self._host.exchange.next_funding(symbol)
        if known is None or (known.rate, known.at) != (due.rate, due.at):
            now = self._host.market_time
            self._tell(Announced(FundingAnnounced(symbol, due.rate, due.at, now)))

    # ---- into the books

    def _tell(self, happened: Happened) -> None:
        self._waiting.append(happened)
        self._news.set()

    async def _commit(self) -> None:
        while True:
            await self._news.wait()
            await asyncio.sleep(_TOGETHER)
            self._flush()

    def _flush(self) -> None:
        self._news.clear()
        if self._waiting:
            waiting, self._waiting = self._waiting, []
            self._host.happen(waiting)

    # ---- whether anything is missed

    async def _watch(self) -> None:
        """Notice a stream that is silent while the market trades: it is as good as broken."""
        while True:
            await asyncio.sleep(self._look_after.total_seconds() / 2)
            for symbol in self._symbols:
                silent = asyncio.get_running_loop().time() - self._heard[symbol]
                if silent > self._look_after.total_seconds():
                    await self._look(symbol)

    async def _look(self, symbol: str) -> None:
        newest = self._newest[symbol]
        told = await self._venue.last_price(symbol)
        # What is younger than this may still be on its way.
        if self._newest[symbol] == newest and told.at > newest + self._look_after / 2:
            raise VenueUnavailableError(f"the stream of {symbol} is silent, and the market is not")


def _first(error: BaseException) -> BaseException:
    """Return the first error of groups in groups."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
