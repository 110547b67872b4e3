"""Bybit's side of an account: fees, wallets, positions, funding, terms."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from activities.venues.ccxt.bybit.base import PAGE, REQUESTS, BybitBase
from activities.venues.ccxt.bybit.words import balance_in, position_in, rows_of
from activities.venues.ccxt.markets import Market, decimal, known
from activities.venues.ccxt.quirks import from_ms
from domain.errors import VenueError
from domain.limiter import Priority
from domain.market import Balance, FundingPayment, Position, Terms
from domain.risk.emergency import health_of_share


class Account(BybitBase):
    """What the account has, and how it trades."""

    async def fees(self, market: Market) -> tuple[Decimal, Decimal]:
        params = {"category": self.category, "symbol": market.id}
        (row,) = rows_of(await self._ask("privateGetV5AccountFeeRate", params), "result")
        return decimal(row["makerFeeRate"], "makerFeeRate"), decimal(
            row["takerFeeRate"], "takerFeeRate"
        )

    async def balances(self) -> Sequence[Balance]:
        params = {"accountType": "UNIFIED"}
        rows = rows_of(await self._ask("privateGetV5AccountWalletBalance", params), "result")
        return [balance_in(coin) for row in rows for coin in row["coin"]]

    async def positions(self, market: Market) -> Sequence[Position]:
        held = [position_in(market, row, "avgPrice") for row in await self._positions(market)]
        return [each for each in held if each.lots]

    async def _positions(self, market: Market) -> Sequence[Mapping[str, Any]]:
        params = {"category": self.category, "symbol": market.id}
        return rows_of(await self._ask("privateGetV5PositionList", params), "result")

    async def funding_since(self, market: Market, since: datetime) -> Sequence[FundingPayment]:
        params = {
            "accountType": "UNIFIED",
            "category": self.category,
            "currency": market.instrument.quote,
            "type": "SETTLEMENT",
            "limit": PAGE,
        }
        rows = self._history("privateGetV5AccountTransactionLog", params, since)
        paid = {
            row["id"]: FundingPayment(
                row["id"],
                market.symbol,
                decimal(row["funding"], "funding"),
                from_ms(row["transactionTime"]),
            )
            async for row in rows
            if row["symbol"] == market.id and row["funding"]
        }
        return list(paid.values())

    async def terms(self, market: Market) -> Terms:
        rows = await self._positions(market)
        if not rows:
            raise VenueError(f"bybit told no terms of {market.symbol}: it listed no position")
        one_way = all(int(row["positionIdx"]) == 0 for row in rows)
        return Terms(decimal(rows[0]["leverage"], "leverage"), one_way)

    async def health(self) -> Decimal | None:
        """Return 1 - accountMMRate (`GET /v5/account/wallet-balance`).

        By Bybit's documents that is the account's maintenance margin as a share of its margin
        balance (0.05: 5 %), and liquidation begins at 1. With isolated margin, or without a unified
        account, it does not apply.
        """
        params = {"accountType": "UNIFIED"}
        rows = rows_of(await self._ask("privateGetV5AccountWalletBalance", params), "result")
        share = known(rows[0], "accountMMRate") if rows else None
        return None if share is None else health_of_share(share)

    async def set_leverage(self, market: Market, leverage: int) -> None:
        both = {"buyLeverage": str(leverage), "sellLeverage": str(leverage)}
        params = {"category": self.category, "symbol": market.id, **both}
        await self._change(
            "privatePostV5PositionSetLeverage", params, Priority.QUERY, {REQUESTS: 1}
        )

    async def set_one_way(self) -> None:
        params = {"category": self.category, "coin": "USDT", "mode": 0}
        await self._change("privatePostV5PositionSwitchMode", params, Priority.QUERY, {REQUESTS: 1})
