"""In what words Bybit refuses orders: codes differ between perpetuals and spot."""

from collections.abc import Mapping
from typing import Final

from domain.money import MarketKind
from domain.orders import RefusalReason

_REFUSED: Final[Mapping[MarketKind, Mapping[RefusalReason, tuple[int, str]]]] = {
    MarketKind.PERPETUAL: {
        RefusalReason.INSUFFICIENT_FUNDS: (110007, "ab not enough for new order"),
        RefusalReason.REDUCE_ONLY: (110017, "Reduce-only rule not satisfied"),
        RefusalReason.INVALID: (110094, "Order notional value below the lower limit"),
        RefusalReason.OTHER: (110066, "No trading is allowed at the current time"),
    },
    MarketKind.SPOT: {
        RefusalReason.INSUFFICIENT_FUNDS: (170131, "Insufficient balance."),
        RefusalReason.INVALID: (170140, "Order value exceeded lower limit."),
        RefusalReason.OTHER: (170210, "New order rejected."),
    },
}


def refused(kind: MarketKind, reason: RefusalReason) -> tuple[int, str]:
    """Return code and words of an order that is refused for *reason*."""
    table = _REFUSED[kind]
    return table.get(reason, table[RefusalReason.OTHER])


def duplicate(kind: MarketKind) -> tuple[int, str]:
    """Return code and words of a client id that is taken."""
    if kind is MarketKind.SPOT:
        return 170141, "Duplicate clientOrderId."
    return 110072, "OrderLinkedID is duplicate"


def absent(kind: MarketKind) -> tuple[int, str]:
    """Return code and words of an order that is not there, or ended."""
    if kind is MarketKind.SPOT:
        return 170213, "Order does not exist."
    return 110001, "order not exists or too late to cancel"
