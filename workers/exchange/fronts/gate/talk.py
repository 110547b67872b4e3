"""What Gate's channels have in common: their form, and how a subscription is refused."""

from datetime import datetime
from typing import Any, Final

from domain.money import MarketKind
from workers.exchange.fronts.rows import ms

SIDES: Final = {MarketKind.PERPETUAL: "futures", MarketKind.SPOT: "spot"}
#: The number of a refusal.
WRONG_ARGUMENT: Final = 2


class RefusedError(Exception):
    """A subscription that is refused; `error` is what is said."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.error = {"code": code, "message": message}


def message(at: datetime, channel: str, event: str, result: Any) -> dict[str, Any]:
    """Return a message of a channel."""
    now = ms(at)
    return {
        "time": now // 1000,
        "time_ms": now,
        "channel": channel,
        "event": event,
        "result": result,
    }


def update(at: datetime, kind: MarketKind, topic: str, result: Any) -> dict[str, Any]:
    """Return news of a channel."""
    return message(at, f"{SIDES[kind]}.{topic}", "update", result)
