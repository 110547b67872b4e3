"""OKX's side of an account: fees, wallets, positions, funding, terms."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from activities.venues.ccxt.markets import Market, decimal, known
from activities.venues.ccxt.okx.base import ACCOUNT, HISTORY_SPAN, SELDOM, OkxBase
from activities.venues.ccxt.okx.words import balance_in, charged, older_than, position_in
from activities.venues.ccxt.quirks import from_ms, to_ms
from domain.errors import VenueError
from domain.limiter import Priority
from domain.market import Balance, FundingPayment, Position, Terms
from domain.risk.emergency import health_of_ratio


class Account(OkxBase):
    """What the account has, and how it trades."""

    async def fees(self, market: Market) -> tuple[Decimal, Decimal]:
        params = {"instType": self.inst_type}
        if self.perpetual:
            params["instFamily"] = market.id.removesuffix("-SWAP")
        else:
            params["instId"] = market.id
        row = (await self._ask("privateGetAccountTradeFee", params, SELDOM))[0]
        groups = row.get("feeGroup") or []
        if len(groups) == 1:
            maker, taker = groups[0]["maker"], groups[0]["taker"]
        elif self.perpetual:
            maker, taker = row["makerU"], row["takerU"]
        else:
            maker, taker = row["maker"], row["taker"]
        if "" in (maker, taker):
            raise VenueError(f"okx: the fees of {market.id} were not told: {row}")
        return charged(maker, "maker fee"), charged(taker, "taker fee")

    async def balances(self) -> Sequence[Balance]:
        rows = await self._ask("privateGetAccountBalance", {}, ACCOUNT)
        return [balance_in(each) for row in rows for each in row["details"]]

    async def positions(self, market: Market) -> Sequence[Position]:
        rows = await self._ask("privateGetAccountPositions", self._named(market), ACCOUNT)
        held = [position_in(market, row) for row in rows]
        return [each for each in held if each.lots]

    async def funding_since(self, market: Market, since: datetime) -> Sequence[FundingPayment]:
        methods = ["privateGetAccountBills"]
        if older_than(since, self._now(), HISTORY_SPAN):
            methods.append("privateGetAccountBillsArchive")
        params = {"instType": self.inst_type, "type": "8", "begin": str(to_ms(since) - 1)}
        rows = [row for each in methods for row in await self._pages(each, params, "billId")]
        paid = {row["billId"]: row for row in rows if row["instId"] == market.id}
        return [
            FundingPayment(
                row["billId"], market.symbol, decimal(row["balChg"], "balChg"), from_ms(row["ts"])
            )
            for row in paid.values()
        ]

    async def terms(self, market: Market) -> Terms:
        params = {"instId": market.id, "mgnMode": "cross"}
        row = (await self._ask("privateGetAccountLeverageInfo", params, ACCOUNT))[0]
        config = (await self._ask("privateGetAccountConfig", {}, SELDOM))[0]
        return Terms(decimal(row["lever"], "lever"), config["posMode"] == "net_mode")

    async def health(self) -> Decimal | None:
        """Return 1 - 1 / mgnRatio (`GET /api/v5/account/balance`), the worst of all that are told.

        By OKX's documents that is (adjusted) equity / maintenance margin with its fees (liquidation
        at 1): of the account in multi-currency and portfolio mode, and of each currency with a
        cross position in futures mode. Where none is told, either nothing is at risk, which the
        account's positions tell, or it is not known.
        """
        (row,) = await self._ask("privateGetAccountBalance", {}, ACCOUNT)
        ratios = [known(each, "mgnRatio") for each in (row, *row["details"])]
        healths = [health_of_ratio(each) for each in ratios if each]
        if healths:
            return min(healths)
        positions = await self._ask("privateGetAccountPositions", {}, ACCOUNT)
        return None if any(known(each, "pos") for each in positions) else Decimal(1)

    async def set_leverage(self, market: Market, leverage: int) -> None:
        params = {"instId": market.id, "mgnMode": "cross", "lever": str(leverage)}
        costs = {ACCOUNT: 1}
        await self._change("privatePostAccountSetLeverage", params, Priority.QUERY, costs)

    async def set_one_way(self) -> None:
        params = {"posMode": "net_mode"}
        costs = {SELDOM: 1}
        await self._change("privatePostAccountSetPositionMode", params, Priority.QUERY, costs)
