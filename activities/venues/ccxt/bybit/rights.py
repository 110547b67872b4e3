"""What a key may do at Bybit, and whether its account is a unified one."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from activities.venues.ccxt.bybit.base import BybitBase
from domain.conditions import KeyRights
from domain.limiter import Rate


class Rights(BybitBase):
    """The key's own rights."""

    def most_orders(self) -> Rate:
        """Return the order limit of an account without a VIP level."""
        return Rate(10 if self.perpetual else 20, timedelta(seconds=1))

    async def key_rights(self) -> KeyRights:
        told = (await self._ask("privateGetV5UserQueryApi", {}))["result"]
        may: Mapping[str, Sequence[str]] = told["permissions"]
        obstacle = None
        if not int(told.get("uta", 1)):
            obstacle = "the account is a classic one: make it a unified trading account at Bybit"
        return KeyRights(
            trade=not int(told["readOnly"]) and self._trades(may),
            withdraw="Withdraw" in may.get("Wallet", ()),
            ip_bound=bool(told["ips"]) and "*" not in told["ips"],
            expires_at=_expires_at(told),
            obstacle=obstacle,
        )

    def _trades(self, may: Mapping[str, Sequence[str]]) -> bool:
        if not self.perpetual:
            return "SpotTrade" in may.get("Spot", ())
        return "Order" in may.get("ContractTrade", ()) or "DerivativesTrade" in may.get(
            "Derivatives", ()
        )


def _expires_at(told: Mapping[str, Any]) -> datetime | None:
    """Return when the key ends: only one without an IP list does, others have negative days."""
    if int(told.get("deadlineDay", -1)) < 0 or not told.get("expiredAt"):
        return None
    return datetime.fromisoformat(told["expiredAt"])
