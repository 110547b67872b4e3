"""The dialects there are: a venue's name, and the class that speaks it. One line each."""

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Final

from domain.errors import InvalidValueError
from workers.exchange.fronts.desk import Desk
from workers.exchange.fronts.dialect import Dialect

DIALECTS: Final[Mapping[str, str]] = {
    "binance": "workers.exchange.fronts.binance:Binance",
    "gate": "workers.exchange.fronts.gate:Gate",
    "okx": "workers.exchange.fronts.okx:Okx",
    "bybit": "workers.exchange.fronts.bybit:Bybit",
    "bitget": "workers.exchange.fronts.bitget:Bitget",
}


def dialects_of(names: Sequence[str], desk: Desk) -> Sequence[Dialect]:
    """Return the dialects of *names*, or raise InvalidValueError if one is not spoken."""
    unknown = [name for name in names if name not in DIALECTS]
    if unknown:
        raise InvalidValueError(
            f"fronts must be of {', '.join(DIALECTS)}, was {', '.join(unknown)}"
        )
    return [_load(DIALECTS[name])(desk) for name in names]


def _load(where: str) -> Callable[[Desk], Dialect]:
    module, _, attribute = where.partition(":")
    dialect: Callable[[Desk], Dialect] = getattr(import_module(module), attribute)
    return dialect
