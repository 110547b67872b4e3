"""An account: wallets, positions, funding, terms, rights, and all of it at one moment."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final

from activities.venues.ccxt.meanings import UnchangedError
from activities.venues.ccxt.port.history import History
from activities.venues.ccxt.port.market import PublicData
from domain.conditions import KeyRights
from domain.errors import VenueUnavailableError
from domain.market import AccountView, Balance, FundingPayment, Position, Terms

_LOOKS: Final = 5
_SPOT_TERMS: Final = Terms(Decimal(1), one_way=True)


class Account(History, PublicData):
    """What the account has, and how it trades."""

    async def balances(self) -> Sequence[Balance]:
        """Return what the account owns."""
        await self._load()  # and compare clocks, or a signed question may be refused
        return await self._quirks.balances()

    async def positions(self, symbol: str) -> Sequence[Position]:
        """Return the perpetual positions on *symbol*; empty only if there is none."""
        market = await self._market(symbol)
        return await self._quirks.positions(market) if self._quirks.perpetual else []

    async def funding_since(self, symbol: str, since: datetime) -> Sequence[FundingPayment]:
        """Return the funding payments at or after *since*, oldest first."""
        market = await self._market(symbol)
        if not self._quirks.perpetual:
            return []
        payments = await self._quirks.funding_since(market, since)
        return sorted((each for each in payments if each.at >= since), key=lambda each: each.at)

    async def account_view(self, symbol: str, since: datetime) -> AccountView:
        """Return everything of one moment: looks are repeated until nothing traded between them.

        `at` is the venue's time of the last trade before the first look, so that a watermark never
        lies behind what was seen.
        """
        at = (await self.last_price(symbol)).at
        for _ in range(_LOOKS):
            view = await self._look(symbol, since, at)
            after = await self.fills_since(symbol, since)
            funding = await self.funding_since(symbol, since)
            if len(after) == len(view.fills) and len(funding) == len(view.funding):
                return view
        raise VenueUnavailableError(
            f"{self.name}: {symbol} traded between all of {_LOOKS} looks at the account"
        )

    async def _look(self, symbol: str, since: datetime, at: datetime) -> AccountView:
        market = await self._market(symbol)
        fills = await self.fills_since(symbol, since)
        funding = await self.funding_since(symbol, since)
        return AccountView(
            at=at,
            balances=tuple(await self.balances()),
            positions=tuple(await self.positions(symbol)),
            orders=tuple(
                order
                for order in await self._orders_since(market, since)
                if order.status.working or order.at is None or order.at >= since
            ),
            fills=tuple(fills),
            funding=tuple(funding),
        )

    async def terms(self, symbol: str) -> Terms:
        """Return leverage and position mode; spot has leverage 1."""
        market = await self._market(symbol)
        return await self._quirks.terms(market) if self._quirks.perpetual else _SPOT_TERMS

    async def health(self) -> Decimal | None:
        """Return the health of the account, 0 to 1; None: spot has none, or it is not told."""
        await self._load()
        return await self._quirks.health() if self._quirks.perpetual else None

    async def set_leverage(self, symbol: str, leverage: int) -> None:
        """Set the leverage of a perpetual; nothing happens if it is that already."""
        market = await self._market(symbol)
        self._only_perpetual("leverage")
        try:
            await self._quirks.set_leverage(market, leverage)
        except UnchangedError:
            return

    async def set_one_way(self) -> None:
        """Let each symbol have one position; nothing happens if it is so already."""
        self._only_perpetual("a position mode")
        try:
            await self._quirks.set_one_way()
        except UnchangedError:
            return

    async def key_rights(self) -> KeyRights:
        """Return what the key may do, as the venue tells it."""
        await self._load()
        return await self._quirks.key_rights()
