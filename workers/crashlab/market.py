"""The market of the lab: spot and a perpetual side by side, made from a seed, and restless."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from domain.money import Instrument
from domain.simulation.tape import MarketEvent
from workers.crashlab.role import SYMBOLS
from workers.exchange.settings import ExchangeSettings
from workers.exchange.sources import Made

#: The market lives in the past, so that the lab can let it run ahead of the wall clock.
_BEFORE_NOW: Final = timedelta(hours=3)
#: Less than a lot is worth, so that everything can be closed: OKX does not tell its minimum.
_MINIMUM: Final = Decimal("0.1")
_BALANCES: Final = {"USDT": Decimal(200_000), "BTC": Decimal(5)}


def exchange_settings(data: Path, seed: int, venues: Sequence[str]) -> ExchangeSettings:
    """Return an exchange on free ports whose prices cross a level of the grids every second."""
    return ExchangeSettings(
        data=data,
        listen="127.0.0.1:0",
        seed=seed,
        volatility=Decimal("0.55"),
        pull_ppm=10_000,
        mean_gap=timedelta(milliseconds=150),
        balances=_BALANCES,
        fronts=tuple(venues),
    )


class LabMarket:
    """Both kinds of market in one source, merged by time."""

    def __init__(self, settings: ExchangeSettings) -> None:
        self._sources = [
            Made(replace(settings, symbol=symbol, market=kind, seed=settings.seed + number))
            for number, (kind, symbol) in enumerate(SYMBOLS.items())
        ]
        self.instruments: Sequence[Instrument] = [
            replace(each, min_notional=_MINIMUM)
            for source in self._sources
            for each in source.instruments
        ]
        self.origin: Mapping[str, Any] = {
            "markets": [dict(source.origin) for source in self._sources]
        }

    def begin(self, started_at: datetime) -> datetime:
        return min(source.begin(started_at - _BEFORE_NOW) for source in self._sources)

    def peek(self) -> MarketEvent | None:
        return self._next().peek()

    def take(self) -> None:
        self._next().take()

    def mark(self) -> Mapping[str, Any]:
        return {"markets": [dict(source.mark()) for source in self._sources]}

    def seek(self, mark: Mapping[str, Any]) -> None:
        for source, where in zip(self._sources, mark["markets"], strict=True):
            source.seek(where)

    def _next(self) -> Made:
        return min(self._sources, key=_due)


def _due(source: Made) -> datetime:
    event = source.peek()
    if event is None or not hasattr(event, "at"):
        raise AssertionError("a made market never ends, and all its events have a time")
    at: datetime = event.at
    return at
