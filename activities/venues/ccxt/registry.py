"""The venues there are: a name, and the class that knows it. One line each."""

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Final

from domain.errors import InvalidValueError
from domain.money import MarketKind

if TYPE_CHECKING:
    from activities.venues.ccxt.quirks import Quirks

#: Loaded when asked for: a process pays for the venues it uses.
VENUES: Final[Mapping[str, str]] = {
    "binance": "activities.venues.ccxt.binance.quirks:Binance",
    "gate": "activities.venues.ccxt.gate.quirks:Gate",
    "okx": "activities.venues.ccxt.okx.quirks:Okx",
    "bybit": "activities.venues.ccxt.bybit.quirks:Bybit",
    "bitget": "activities.venues.ccxt.bitget.quirks:Bitget",
}


def quirks_of(name: str, kind: MarketKind) -> "Quirks":
    """Return the quirks of a venue, or raise InvalidValueError if there is none of that name."""
    try:
        module, _, attribute = VENUES[name].partition(":")
    except KeyError:
        raise InvalidValueError(f"venue must be one of {', '.join(VENUES)}, was {name}") from None
    quirks: "Quirks" = getattr(import_module(module), attribute)(kind)
    return quirks
