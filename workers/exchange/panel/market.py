"""The market by hand: its state, events released, its clock, and funding settled now."""

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

from aiohttp import web
from pydantic import Field

from domain.errors import InvalidValueError
from domain.money import Instrument, MarketKind, Price
from workers.exchange.fronts.server import Fronts
from workers.exchange.host import Band, Host
from workers.exchange.panel.asked import Strict, WrongError, answer, body


class Advance(Strict):
    """Release `events`, due or not; earlier to stop where a price leaves a band or on a report."""

    events: int = Field(default=1, ge=1, le=1_000_000)
    until_report: bool = False
    symbol: str | None = None
    low: Decimal | None = None
    high: Decimal | None = None


class SetClock(Strict):
    """What is left out stays. `ahead_seconds` is by how much the venues' clock is wrong."""

    speed: Decimal | None = Field(default=None, ge=0)
    paused: bool | None = None
    ahead_seconds: Decimal | None = Field(default=None, ge=-86_400, le=86_400)


class Settle(Strict):
    """Funding of a perpetual: of a positive rate longs pay shorts."""

    symbol: str
    rate: Decimal = Field(ge=-1, le=1)


class MarketPanel:
    """Steers one host, and the clock of its fronts."""

    def __init__(self, host: Host, fronts: Fronts | None) -> None:
        self._host = host
        self._fronts = fronts

    def status(self) -> Mapping[str, Any]:
        """Return where the market is."""
        host = self._host
        return {
            "market_time": host.exchange.now.isoformat(),
            "events": host.position,
            "exhausted": host.next_at is None and not host.live,
            "live": host.live,
            "symbols": list(host.symbols),
        }

    async def get_clock(self, _request: web.Request) -> web.Response:
        return answer(self._clock())

    async def put_clock(self, request: web.Request) -> web.Response:
        """Set speed, pause and error of the clock."""
        wanted = await body(request, SetClock)
        if wanted.speed is not None or wanted.paused is not None:
            self._require_own_time()
        if wanted.ahead_seconds is not None:
            self._skew(wanted.ahead_seconds)
        clock = self._host.clock
        if wanted.speed is not None:
            clock.set_speed(wanted.speed)
        if wanted.paused is not None:
            (clock.pause if wanted.paused else clock.resume)()
        return answer(self._clock())

    async def advance(self, request: web.Request) -> web.Response:
        """Release events and tell how many, and why no more."""
        wanted = await body(request, Advance)
        self._require_own_time()
        released, reason = self._host.advance(
            wanted.events, until_report=wanted.until_report, band=self._band(wanted)
        )
        return answer({"released": released, "stopped_by": reason.value, **self.status()})

    async def settle(self, request: web.Request) -> web.Response:
        """Settle funding at once, at the mark of this moment."""
        wanted = await body(request, Settle)
        instrument = named(self._host, wanted.symbol)
        if instrument.kind is MarketKind.SPOT:
            raise WrongError("symbol", wanted.symbol, "name a perpetual: spot has no funding")
        settled = self._host.settle(wanted.symbol, wanted.rate)
        return answer(
            {"symbol": settled.symbol, "rate": settled.rate, "at": settled.at.isoformat()}
        )

    def _clock(self) -> Mapping[str, Any]:
        clock, fronts = self._host.clock, self._fronts
        return {
            "market_time": self._host.exchange.now.isoformat(),
            "speed": clock.speed,
            "paused": clock.paused,
            "ahead_seconds": fronts.desk.ahead.total_seconds() if fronts else 0,
        }

    def _skew(self, seconds: Decimal) -> None:
        if self._fronts is None:
            raise WrongError("ahead_seconds", seconds, "start the exchange with --fronts first")
        self._fronts.desk.ahead = timedelta(microseconds=int(seconds * 1_000_000))

    def _require_own_time(self) -> None:
        if self._host.live:
            raise WrongError(
                "market", "live", "nobody can steer the time of a market that is followed live"
            )

    def _band(self, wanted: Advance) -> Band | None:
        if wanted.symbol is None:
            if wanted.low is not None or wanted.high is not None:
                raise WrongError("symbol", None, "name the symbol whose price is to leave the band")
            return None
        instrument = named(self._host, wanted.symbol)
        low, high = (_price(instrument, name, wanted) for name in ("low", "high"))
        return Band(wanted.symbol, low, high)


def named(host: Host, symbol: str) -> Instrument:
    """Return the instrument of *symbol*, or raise WrongError."""
    if symbol not in host.symbols:
        raise WrongError("symbol", symbol, f"name one of {', '.join(host.symbols)}")
    return host.instrument(symbol)


def _price(instrument: Instrument, name: str, wanted: Advance) -> Price | None:
    value: Decimal | None = getattr(wanted, name)
    if value is None:
        return None
    try:
        return instrument.exact_price(value, name)
    except InvalidValueError:
        fix = f"give a positive multiple of {instrument.tick_size}"
        raise WrongError(name, value, fix) from None
