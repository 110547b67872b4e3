"""What a key may do at Binance: one list for both sides, on the spot side's host."""

from datetime import timedelta

from activities.venues.ccxt.binance.base import BinanceBase
from activities.venues.ccxt.quirks import from_ms
from domain.conditions import KeyRights
from domain.limiter import Rate


class Rights(BinanceBase):
    """The key's own rights."""

    def most_orders(self) -> Rate:
        """Return the order limit of an account, on either side."""
        return Rate(300 if self.perpetual else 100, timedelta(seconds=10))

    async def key_rights(self) -> KeyRights:
        told = await self._ask("sapiGetAccountApiRestrictions", {}, 1)
        name = "enableFutures" if self.perpetual else "enableSpotAndMarginTrading"
        expires = told.get("tradingAuthorityExpirationTime")
        return KeyRights(
            trade=told.get(name),
            withdraw=told.get("enableWithdrawals"),
            ip_bound=told.get("ipRestrict"),
            expires_at=from_ms(expires) if expires else None,
        )
