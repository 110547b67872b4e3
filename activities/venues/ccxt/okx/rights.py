"""What a key may do at OKX, and whether the account's mode knows swaps at all."""

from datetime import timedelta
from typing import Final

from activities.venues.ccxt.okx.base import SELDOM, OkxBase
from domain.conditions import KeyRights
from domain.limiter import Rate

_SPOT_MODE: Final = "1"


class Rights(OkxBase):
    """The key's own rights."""

    def most_orders(self) -> Rate:
        """Return the order limit of one instrument."""
        return Rate(60, timedelta(seconds=2))

    async def key_rights(self) -> KeyRights:
        (told,) = await self._ask("privateGetAccountConfig", {}, SELDOM)
        may = str(told["perm"]).split(",") if "perm" in told else None
        obstacle = None
        if self.perpetual and told.get("acctLv") == _SPOT_MODE:
            obstacle = "the account is in Spot mode, which has no swaps: choose Futures mode at OKX"
        return KeyRights(
            trade=None if may is None else "trade" in may,
            withdraw=None if may is None else "withdraw" in may,
            ip_bound=bool(told["ip"]) if "ip" in told else None,
            obstacle=obstacle,
        )
