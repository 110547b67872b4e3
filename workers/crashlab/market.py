"""The market of the lab: spot and a perpetual side by side, made from a seed, and restless."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Final

from domain.money import Instrument, MarketKind
from workers.crashlab.role import SYMBOLS
from workers.exchange.crowd import Several
from workers.exchange.instruments import instrument_of
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


class LabMarket(Several):
    """Both kinds of market in one source, some hours ago."""

    def __init__(self, settings: ExchangeSettings) -> None:
        super().__init__(
            [
                Made(settings, _instrument(kind, symbol), settings.seed + number)
                for number, (kind, symbol) in enumerate(SYMBOLS.items())
            ]
        )

    def begin(self, started_at: datetime) -> datetime:
        return super().begin(started_at - _BEFORE_NOW)


def _instrument(kind: MarketKind, symbol: str) -> Instrument:
    return replace(instrument_of(symbol, kind), min_notional=_MINIMUM)
