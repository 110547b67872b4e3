"""Bitget's side of an account: fees, wallets, positions, funding, terms."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from activities.venues.ccxt.bitget.base import BitgetBase
from activities.venues.ccxt.bitget.talks import position, spot_balance, wallet
from activities.venues.ccxt.bitget.words import PRODUCT
from activities.venues.ccxt.markets import Market, decimal, known
from activities.venues.ccxt.quirks import from_ms
from domain.limiter import Priority
from domain.market import Balance, FundingPayment, Position, Terms
from domain.risk.emergency import health_of_share


class Account(BitgetBase):
    """What the account has, and how it trades."""

    async def fees(self, market: Market) -> tuple[Decimal, Decimal]:
        params = {"symbol": market.id, "businessType": self._either("mix", "spot")}
        told = await self._ask("privateCommonGetV2CommonTradeRate", params)
        return decimal(told["makerFeeRate"], "maker fee"), decimal(told["takerFeeRate"], "fee")

    async def balances(self) -> Sequence[Balance]:
        if self.perpetual:
            params = {"productType": PRODUCT}
            rows = await self._ask("privateMixGetV2MixAccountAccounts", params)
            return [wallet(row) for row in rows]
        rows = await self._ask("privateSpotGetV2SpotAccountAssets", {})
        return [spot_balance(row) for row in rows]

    async def positions(self, market: Market) -> Sequence[Position]:
        rows = await self._ask("privateMixGetV2MixPositionSinglePosition", self._coin(market))
        held = [position(market, row) for row in rows or ()]
        return [each for each in held if each.lots]

    async def funding_since(self, market: Market, since: datetime) -> Sequence[FundingPayment]:
        params = {
            "productType": PRODUCT,
            "coin": market.instrument.quote,
            "businessType": "contract_settle_fee",
        }
        rows = await self._history(
            "privateMixGetV2MixAccountBill", params, since, "bills", "billId"
        )
        return [_payment(market, row) for row in rows if row["symbol"] == market.id]

    async def terms(self, market: Market) -> Terms:
        told = await self._ask("privateMixGetV2MixAccountAccount", self._coin(market))
        if told["marginMode"] == "crossed":
            leverage = decimal(told["crossedMarginLeverage"], "crossedMarginLeverage")
        else:
            names = ("isolatedLongLever", "isolatedShortLever")
            leverage = max(decimal(told[name], name) for name in names)
        return Terms(leverage, told["posMode"] == "one_way_mode")

    async def health(self) -> Decimal | None:
        """Return 1 - crossedRiskRate (`GET /api/v2/mix/account/accounts`), the worst of all coins.

        Bitget's documents call it the risk ratio of cross margin, their examples write it as a
        share, and liquidation begins when maintenance margin is all of the equity (100 %). Of
        isolated positions it tells nothing.
        """
        params = {"productType": PRODUCT}
        rows = await self._ask("privateMixGetV2MixAccountAccounts", params)
        healths = []
        for row in rows or ():
            share = known(row, "crossedRiskRate")
            if share is None:
                return None
            healths.append(health_of_share(share))
        return min(healths, default=None)

    async def set_leverage(self, market: Market, leverage: int) -> None:
        method = "privateMixPostV2MixAccountSetLeverage"
        params = self._coin(market) | {"leverage": str(leverage)}
        await self._change(method, params, Priority.QUERY, {method: 1})

    async def set_one_way(self) -> None:
        method = "privateMixPostV2MixAccountSetPositionMode"
        params = {"productType": PRODUCT, "posMode": "one_way_mode"}
        await self._change(method, params, Priority.QUERY, {method: 1})


def _payment(market: Market, row: Mapping[str, Any]) -> FundingPayment:
    return FundingPayment(
        str(row["billId"]), market.symbol, decimal(row["amount"], "amount"), from_ms(row["cTime"])
    )
