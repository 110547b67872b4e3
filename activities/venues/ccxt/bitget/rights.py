"""What a key may do at Bitget: four-letter codes, the last letter `w` where it may write."""

from datetime import timedelta
from typing import Final

from activities.venues.ccxt.bitget.base import BitgetBase
from activities.venues.ccxt.rest import Call
from domain.conditions import KeyRights
from domain.limiter import Rate

#: Orders and positions of futures; orders of spot; withdrawals.
_FUTURES: Final = frozenset({"coow", "cpow"})
_SPOT: Final = frozenset({"stow"})
_WITHDRAWS: Final = "wwow"
#: An older key tells these two words instead.
_OLD_TRADES: Final = "trade"


class Rights(BitgetBase):
    """The key's own rights."""

    def most_orders(self) -> Rate:
        return Rate(10, timedelta(seconds=1))

    async def key_rights(self) -> KeyRights:
        # Taken once a second, and asked once: it needs no bucket.
        told = await self.rest.ask(Call("privateSpotGetV2SpotAccountInfo", {}, {}))
        may = set(told["data"]["authorities"])
        needed = _FUTURES if self.perpetual else _SPOT
        return KeyRights(
            trade=needed <= may or _OLD_TRADES in may,
            withdraw=_WITHDRAWS in may,
            ip_bound=bool(told["data"].get("ips")),
        )
