"""Sources that are made of sources: others around a market, funding, several markets at once."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from pydantic import TypeAdapter

from domain.money import Instrument
from domain.simulation.crowd import (
    CrowdSpec,
    depth_around,
    funding_rate_of,
    settlement_after,
    settlement_at,
)
from domain.simulation.tape import (
    CandleClosed,
    DepthShown,
    FundingAnnounced,
    FundingDue,
    MarketEvent,
    TradePrinted,
)
from workers.exchange.sources import Source

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
#: Where settlements begin: the last one before the start, which is before the first announcement.
_BEFORE: Final = -1
_SHOWN: Final[TypeAdapter[DepthShown | None]] = TypeAdapter(DepthShown | None)


class Crowded:
    """A market with others in it: every trade or candle is followed by the depth around it."""

    def __init__(self, inner: Source, spec: CrowdSpec) -> None:
        self._inner = inner
        self._spec = spec
        self._instruments = {each.symbol: each for each in inner.instruments}
        self._index = 0
        self._shown: DepthShown | None = None
        self.instruments = inner.instruments
        crowd = {"seed": spec.seed, "levels": spec.levels}
        self.origin: Mapping[str, Any] = {"market": dict(inner.origin), "crowd": crowd}

    def begin(self, started_at: datetime) -> datetime:
        self._index, self._shown = 0, None
        return self._inner.begin(started_at)

    def peek(self) -> MarketEvent | None:
        return self._shown or self._inner.peek()

    def take(self) -> None:
        if self._shown is not None:
            self._shown = None
            return
        event = self._inner.peek()
        self._inner.take()
        self._index += 1
        if isinstance(event, TradePrinted | CandleClosed):
            price = event.price if isinstance(event, TradePrinted) else event.candle.close
            instrument = self._instruments[event.symbol]
            self._shown = depth_around(self._spec, instrument, price, self._index, event.at)

    def mark(self) -> Mapping[str, Any]:
        return {
            "inner": dict(self._inner.mark()),
            "index": self._index,
            "shown": _SHOWN.dump_python(self._shown, mode="json"),
        }

    def seek(self, mark: Mapping[str, Any]) -> None:
        self._inner.seek(mark["inner"])
        self._index = mark["index"]
        self._shown = _SHOWN.validate_python(mark["shown"])


class Settlements:
    """The funding of a perpetual: announced when the one before is settled, every eight hours.

    It begins with the last settlement before anybody was there, which tells how long the interval
    is.
    """

    def __init__(self, instrument: Instrument, seed: int, rate: Decimal | None = None) -> None:
        """Settle at *rate* each time, or at rates that are made of *seed*."""
        self.instruments: Sequence[Instrument] = (instrument,)
        made = {"seed": seed} if rate is None else {"rate": str(rate)}
        begins = {"begins": _BEFORE}  # books of a market that began otherwise count other events
        self.origin: Mapping[str, Any] = {"funding": instrument.symbol, **made, **begins}
        self._symbol, self._seed, self._rate = instrument.symbol, seed, rate
        self._began_at = _EPOCH
        self._index = _BEFORE

    def begin(self, started_at: datetime) -> datetime:
        self._began_at, self._index = started_at, _BEFORE
        return started_at

    def peek(self) -> MarketEvent | None:
        settled, is_due = divmod(self._index, 2)
        number = settlement_after(self._began_at) + settled
        due_at = settlement_at(number)
        rate = funding_rate_of(self._seed, number) if self._rate is None else self._rate
        if is_due:
            return FundingDue(self._symbol, rate, due_at)
        announced_at = settlement_at(number - 1) if settled else self._began_at
        return FundingAnnounced(self._symbol, rate, due_at, announced_at)

    def take(self) -> None:
        self._index += 1

    def mark(self) -> Mapping[str, Any]:
        return {"index": self._index}

    def seek(self, mark: Mapping[str, Any]) -> None:
        self._index = mark["index"]


class Several:
    """Several markets at once, their events in the order of time."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self._sources = sources
        self.instruments = tuple(
            {each.symbol: each for source in sources for each in source.instruments}.values()
        )
        self.origin: Mapping[str, Any] = {"several": [dict(source.origin) for source in sources]}

    def begin(self, started_at: datetime) -> datetime:
        began_at = min(source.begin(started_at) for source in self._sources)
        for source in self._sources:  # some begin at a time of their own, and the others with them
            source.begin(began_at)
        return began_at

    def peek(self) -> MarketEvent | None:
        source = self._next()
        return None if source is None else source.peek()

    def take(self) -> None:
        source = self._next()
        if source is not None:
            source.take()

    def mark(self) -> Mapping[str, Any]:
        return {"several": [dict(source.mark()) for source in self._sources]}

    def seek(self, mark: Mapping[str, Any]) -> None:
        for source, each in zip(self._sources, mark["several"], strict=True):
            source.seek(each)

    def _next(self) -> Source | None:
        """Return the source of the earliest event; of equals the first."""
        waiting = [
            (event.at, index)
            for index, source in enumerate(self._sources)
            if (event := source.peek()) is not None
        ]
        return self._sources[min(waiting)[1]] if waiting else None
