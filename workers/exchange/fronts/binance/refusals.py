"""In what words Binance refuses: codes differ between futures and spot."""

from collections.abc import Mapping
from typing import Final

from domain.money import MarketKind
from domain.orders import RefusalReason
from workers.exchange.fronts.asked import Told, WrongError
from workers.exchange.fronts.binance import rows

_REFUSED: Final[Mapping[MarketKind, Mapping[RefusalReason, tuple[int, str]]]] = {
    MarketKind.PERPETUAL: {
        RefusalReason.WOULD_CROSS: (
            -5022,
            "Due to the order could not be executed as maker, the Post Only order is rejected.",
        ),
        RefusalReason.INSUFFICIENT_FUNDS: (-2019, "Margin is insufficient."),
        RefusalReason.REDUCE_ONLY: (-2022, "ReduceOnly Order is rejected."),
        RefusalReason.INVALID: (-4164, "Order's notional must be no smaller than the minimum."),
        RefusalReason.OTHER: (-2010, "New order rejected."),
    },
    MarketKind.SPOT: {
        RefusalReason.WOULD_CROSS: (-2010, "Order would immediately match and take."),
        RefusalReason.INSUFFICIENT_FUNDS: (
            -2010,
            "Account has insufficient balance for requested action.",
        ),
        RefusalReason.INVALID: (-1013, "Filter failure: NOTIONAL"),
        RefusalReason.OTHER: (-2010, "New order rejected."),
    },
}


def refused(kind: MarketKind, reason: RefusalReason) -> tuple[int, str]:
    """Return code and words of an order that is refused for *reason*."""
    table = _REFUSED[kind]
    return table.get(reason, table[RefusalReason.OTHER])


def duplicate(kind: MarketKind) -> tuple[int, str]:
    """Return code and words of a client id that is taken."""
    if kind is MarketKind.PERPETUAL:
        return -4116, "ClientOrderId is duplicated."
    return -2010, "Duplicate order sent."


def told(code: int, message: str, status: int = 400) -> Told:
    """Return an error as an answer."""
    return Told(rows.error(code, message), status)


def wrong(code: int, message: str, status: int = 400) -> WrongError:
    """Return the refusal of a request."""
    return WrongError(told(code, message, status))


def bad_field(name: str, how: str) -> WrongError:
    """Return the refusal of a field that is missing, unknown or malformed."""
    if how == "unknown":
        return wrong(-1104, f"Not all sent parameters were read; '{name}' was not.")
    if how == "missing":
        return wrong(-1102, f"Mandatory parameter '{name}' was not sent, was empty/null.")
    return wrong(-1100, f"Illegal characters found in parameter '{name}'.")
