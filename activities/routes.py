"""Who hears what: for each run of an account, which reports and prices are news to it.

No I/O here. A route knows where the center of its run's engine may be and moves that by the same
pure functions, so it is silent only where the engine would decide nothing. It mostly knows exactly;
after a start, a reconnect or a change of the ladder there are two levels it may be, and then a
price is quiet only if it is so for both.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from domain.grid.events import (
    FeedChanged,
    GridEvent,
    PriceMoved,
    Reported,
    RiskChanged,
    VolatilityMeasured,
)
from domain.grid.volatility import average_true_range
from domain.grid.watch import Watch
from domain.market import Candle, PriceUpdate
from domain.money import Price
from domain.orders import OrderReport, OrderStatus
from domain.risk.scope import Scope
from domain.risk.standing import Standing

#: Where the center of the engine may be; None: anywhere, so that any price is news.
Centers = frozenset[int] | None
_FILLS: Final = (OrderStatus.PARTIALLY_FILLED, OrderStatus.FILLED)


class Route:
    """The way from an account's streams to one run: takes what came, keeps what is news."""

    def __init__(self, run_id: str, tag: str, workflow_id: str, watch: Watch) -> None:
        self.run_id = run_id
        self.tag = tag
        self.workflow_id = workflow_id
        self.watch = _shape(watch)
        #: The newest price, news or not.
        self.last: PriceUpdate | None = None
        self._told: Centers = None  # after all that was taken
        self._candles: list[Candle] = []
        #: Whether the candles before the stream were taken.
        self.preloaded = False
        #: Where the run stands, as it was told; None: it was told nothing yet.
        self._standing: Standing | None = None
        self._others: list[GridEvent] = []
        self._prices: list[PriceUpdate] = []
        self._go(None)

    @property
    def symbol(self) -> str:
        return self.watch.symbol

    @property
    def quiet(self) -> tuple[int, int] | None:
        """The lowest and highest tick that is no news after all that came; None: any is."""
        return self._quiet

    @property
    def pending(self) -> bool:
        """Whether something is to be told."""
        return bool(self._others or self._prices)

    @property
    def urgent(self) -> bool:
        """Whether something waits that should not wait for company: anything but prices."""
        return bool(self._others)

    def rewatch(self, watch: Watch) -> None:
        """Take a new watch of the run. The last price is told again: it may be news to it now.

        That tells here, too, where the center is by then.
        """
        if _shape(watch) == self.watch:
            return
        if watch.adaptive != self.watch.adaptive:  # perhaps other candles, and more of them
            self.preloaded, self._candles = False, []
        self.watch = _shape(watch)
        self._forget_center()
        if self.last is not None and not watch.idle:
            self._prices.append(self.last)

    def live(self, at: datetime) -> None:
        """Tell that the streams are live. The next price is news, whatever it is."""
        self._forget_center()
        self._others.append(FeedChanged(live=True, at=at))

    def stale(self, at: datetime, why: str) -> None:
        """Tell that the streams are lost."""
        self._others.append(FeedChanged(live=False, at=at, why=why))

    @property
    def knows_standing(self) -> bool:
        """Whether the run was told where it stands."""
        return self._standing is not None

    def stands(self, standing: Standing, at: datetime) -> None:
        """Tell where the run stands, unless it was told so before.

        Other words for the same are no news: the numbers of a storm change every minute. The end of
        a trial is, since what rests after a refusal may then try again.
        """
        if self._standing is None or _gist(self._standing) != _gist(standing):
            self._others.append(RiskChanged(standing.halted, at, standing.why))
            self._standing = standing

    def report(self, report: OrderReport) -> None:
        """Take a report of one of the run's orders; an empty acknowledgment is no news."""
        if report.status is OrderStatus.OPEN and not report.filled:
            return
        # The engine counts by totals; the execution itself is in the ledger, and need not travel.
        self._others.append(Reported(replace(report, fill=None)))
        self._go(self._filled(self._centers, report))

    def answered(self, report: OrderReport) -> None:
        """Note a report that the engine has had as an answer, before or after what it was told."""
        self._told = self._filled(self._told, report, sure=False)
        self._go(self._filled(self._centers, report, sure=False))

    def price(self, update: PriceUpdate) -> None:
        """Take a price; silent while it is quiet."""
        self.last = update
        quiet = self._quiet
        if quiet is None or not quiet[0] <= update.price.ticks <= quiet[1]:
            self._prices.append(update)
            self._go(self._moved(self._centers, update.price))

    def candle(self, candle: Candle) -> None:
        """Take a closed candle; news if the volatility turns an epoch."""
        adaptive = self.watch.adaptive
        if adaptive is None or not candle.closed or self._knows(candle):
            return
        self._candles = [*self._candles, candle][-(adaptive.period + 1) :]
        atr = average_true_range(self._candles, adaptive.period)
        if atr is not None and self.watch.turns_epoch(atr):
            self._others.append(VolatilityMeasured(atr, candle.opened_at))

    def preload(self, candles: Sequence[Candle]) -> None:
        """Take the candles before the stream began."""
        self._candles = [candle for candle in candles if candle.closed]
        self.preloaded = True

    def _knows(self, candle: Candle) -> bool:
        return bool(self._candles) and candle.opened_at <= self._candles[-1].opened_at

    def take(self) -> tuple[GridEvent, ...]:
        """Return what is news and forget it: prices last, for a fill tells its price better.

        The streams race each other, so which prices are news is decided here, in the order that is
        told: reports, volatility, prices.
        """
        others = sorted(self._others, key=_is_volatility)
        prices = [*self._prices, *self._newer_than(others)]
        self._others, self._prices = [], []
        self._go(self._told)
        for event in others:
            if isinstance(event, FeedChanged) and event.live:
                self._go(None)
            elif isinstance(event, Reported):
                self._go(self._filled(self._centers, event.report))
        moves: list[GridEvent] = []
        for update in prices:
            if not self._is_quiet(update.price):
                moves.append(PriceMoved(update.price, update.at))
                self._go(self._moved(self._centers, update.price))
        self._told = self._centers
        return (*others, *moves)

    def _newer_than(self, others: Sequence[GridEvent]) -> Sequence[PriceUpdate]:
        """Return the newest price if it was quiet when it came and must be judged again.

        Beside reports that are no newer it may tell more than they do; an older one tells nothing.
        """
        last = self.last
        if last is None or (self._prices and self._prices[-1] is last):
            return ()
        told = [event.report.at for event in others if isinstance(event, Reported)]
        newer = bool(told) and all(at is None or at <= last.at for at in told)
        return (last,) if newer or self._prices else ()

    # --- where the center may be -------------------------------------------------------------

    def _forget_center(self) -> None:
        self._told = None
        self._go(None)

    def _go(self, centers: Centers) -> None:
        """Note where the center may be, and once for all ticks to come what is quiet there."""
        self._centers = centers
        if self.watch.idle:
            self._quiet = self.watch.band()
            return
        bands = [self._at(center).band() for center in centers or ()]
        if not bands or None in bands:
            self._quiet = None
        else:
            known = [band for band in bands if band is not None]
            self._quiet = (max(low for low, _ in known), min(high for _, high in known))

    def _at(self, center: int) -> Watch:
        return replace(self.watch, center=center)

    def _is_quiet(self, price: Price) -> bool:
        return self._quiet is not None and self._quiet[0] <= price.ticks <= self._quiet[1]

    def _filled(self, centers: Centers, report: OrderReport, *, sure: bool = True) -> Centers:
        """Return where the center may be after *report*; not *sure*: it is perhaps no news."""
        if centers is None:
            return None
        moved = frozenset(self._at(center).filled(report).center for center in centers)
        return moved if sure and report.status in _FILLS else moved | centers

    def _moved(self, centers: Centers, price: Price) -> Centers:
        """Return where the center may be once the engine has been told of *price*."""
        lattice = self.watch.lattice
        if lattice is None:
            return frozenset([0])  # there is none yet; `band` says whether the price matters
        nearest = lattice.nearest(price)
        if centers is None:
            around = (nearest - 1, nearest, nearest + 1)
            centers = frozenset(center for center in around if lattice.has(center))
        stay = frozenset(center for center in centers if self._at(center).quiet(price))
        return stay if stay == centers else stay | {nearest}


def _is_volatility(event: GridEvent) -> bool:
    return isinstance(event, VolatilityMeasured)


def _gist(standing: Standing) -> tuple[bool, Scope, bool]:
    return (standing.halted, standing.scope, standing.trial)


def _shape(watch: Watch) -> Watch:
    """Return what of a watch only its run can change."""
    return replace(watch, center=0)
