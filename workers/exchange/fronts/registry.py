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


#: Venues that only know a least quantity, and tell no other.
_WITHOUT_NOTIONAL: Final = frozenset({"okx"})


def has_notional_minima(names: Sequence[str]) -> bool:
    """Return whether an exchange that is reached by these dialects refuses what is worth little.

    Not if none of them can tell its clients so. Where several share a market, it is as the
    strictest of them says.
    """
    return not names or not _WITHOUT_NOTIONAL.issuperset(names)


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
