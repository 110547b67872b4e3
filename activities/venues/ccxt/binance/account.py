"""Binance's side of an account: fees, wallets, positions, funding, terms."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from activities.venues.ccxt.binance.base import PAGE, WEIGHT, BinanceBase
from activities.venues.ccxt.markets import Market, decimal, known
from activities.venues.ccxt.quirks import from_ms, to_ms
from domain.limiter import Priority
from domain.market import Balance, FundingPayment, Position, Terms
from domain.money import ZERO, add
from domain.risk.emergency import health_of_margin


class Account(BinanceBase):
    """What the account has, and how it trades."""

    async def fees(self, market: Market) -> tuple[Decimal, Decimal]:
        params = {"symbol": market.id}
        if self.perpetual:
            told = await self._ask("fapiPrivateGetCommissionRate", params, 20)
            maker, taker = told["makerCommissionRate"], told["takerCommissionRate"]
        else:
            told = await self._ask("privateGetAccountCommission", params, 20)
            standard = told["standardCommission"]
            maker, taker = standard["maker"], standard["taker"]
        return decimal(maker, "maker fee"), decimal(taker, "taker fee")

    async def balances(self) -> Sequence[Balance]:
        if self.perpetual:
            told = await self._ask("fapiPrivateV3GetAccount", {}, 5)
            return [
                Balance(
                    row["asset"],
                    decimal(row["walletBalance"], "walletBalance"),
                    decimal(row["initialMargin"], "initialMargin"),
                )
                for row in told["assets"]
            ]
        told = await self._ask("privateGetAccount", {}, 20)
        return [
            Balance(
                row["asset"],
                add(decimal(row["free"], "free"), decimal(row["locked"], "locked")),
                decimal(row["locked"], "locked"),
            )
            for row in told["balances"]
        ]

    async def positions(self, market: Market) -> Sequence[Position]:
        rows = await self._ask("fapiPrivateV3GetPositionRisk", {"symbol": market.id}, 5)
        held = [self._position(market, row) for row in rows]
        return [each for each in held if each.lots]

    def _position(self, market: Market, row: Mapping[str, Any]) -> Position:
        lots = market.lots(row["positionAmt"], "positionAmt")
        return Position(
            market.symbol,
            lots,
            market.cost(lots, row["entryPrice"], "entryPrice"),
            ZERO,
            market.near(row["markPrice"], "markPrice"),
            market.near(row["liquidationPrice"], "liquidationPrice"),
        )

    async def funding_since(self, market: Market, since: datetime) -> Sequence[FundingPayment]:
        params = {
            "symbol": market.id,
            "incomeType": "FUNDING_FEE",
            "startTime": to_ms(since),
            "limit": PAGE,
        }
        rows = await self._ask("fapiPrivateGetIncome", params, 30)
        if len(rows) == PAGE:  # a page is full: the next one begins at its last moment
            last = from_ms(rows[-1]["time"])
            if last > since:
                seen = {str(row["tranId"]) for row in rows}
                more = await self.funding_since(market, last)
                rest = [each for each in more if each.payment_id not in seen]
                return [*(_payment(market, row) for row in rows), *rest]
        return [_payment(market, row) for row in rows]

    async def terms(self, market: Market) -> Terms:
        (row,) = await self._ask("fapiPrivateGetSymbolConfig", {"symbol": market.id}, 5)
        mode = await self._ask("fapiPrivateGetPositionSideDual", {}, 30)
        return Terms(decimal(row["leverage"], "leverage"), not mode["dualSidePosition"])

    async def health(self) -> Decimal | None:
        """Return 1 - totalMaintMargin / totalMarginBalance (`GET /fapi/v3/account`).

        By Binance's documents both are sums in USDT in single-asset mode, else in USD; the latter
        is the wallet with what positions would gain. Portfolio margin is not spoken.
        """
        row = await self._ask("fapiPrivateV3GetAccount", {}, 5)
        maintenance, equity = known(row, "totalMaintMargin"), known(row, "totalMarginBalance")
        if maintenance is None or equity is None:
            return None
        return health_of_margin(maintenance, equity)

    async def set_leverage(self, market: Market, leverage: int) -> None:
        params = {"symbol": market.id, "leverage": leverage}
        await self._change("fapiPrivatePostLeverage", params, Priority.QUERY, {WEIGHT: 1})

    async def set_one_way(self) -> None:
        params = {"dualSidePosition": "false"}
        await self._change("fapiPrivatePostPositionSideDual", params, Priority.QUERY, {WEIGHT: 1})


def _payment(market: Market, row: Mapping[str, Any]) -> FundingPayment:
    return FundingPayment(
        str(row["tranId"]), market.symbol, decimal(row["income"], "income"), from_ms(row["time"])
    )
