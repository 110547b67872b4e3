"""In what words OKX refuses: codes of requests as a whole and of orders."""

from collections.abc import Mapping
from typing import Final

from domain.orders import RefusalReason
from workers.exchange.fronts.asked import Told, WrongError
from workers.exchange.fronts.okx import rows

_REFUSED: Final[Mapping[RefusalReason, tuple[str, str]]] = {
    RefusalReason.INSUFFICIENT_FUNDS: (
        "51008",
        "Order failed. Insufficient USDT balance in account",
    ),
    RefusalReason.INVALID: ("51020", "Your order should meet or exceed the minimum order amount."),
    RefusalReason.REDUCE_ONLY: (
        "51169",
        "Order failed because you don't have any positions in this direction to reduce or close.",
    ),
    RefusalReason.OTHER: ("51022", "Contract suspended"),
}
#: The HTTP status of what is said about a request as a whole; all else is said with a 200.
_STATUSES: Final = {"500": 400, "501": 401}


def refused(reason: RefusalReason) -> tuple[str, str]:
    """Return code and words of an order that is refused for *reason*."""
    return _REFUSED.get(reason, _REFUSED[RefusalReason.OTHER])


def wrong(code: str, message: str) -> WrongError:
    """Return the refusal of a request."""
    return WrongError(Told(rows.envelope([], code, message), _STATUSES.get(code[:3], 200)))


def bad_field(name: str, how: str) -> WrongError:
    """Return the refusal of a field that is missing, unknown or malformed."""
    if how == "missing":
        return wrong("50014", f"Parameter {name} cannot be empty.")
    return wrong("51000", f"Parameter {name} error")
