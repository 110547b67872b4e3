"""Gate's side of an account: fees, wallets, positions, funding, terms."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from activities.venues.ccxt.gate import words
from activities.venues.ccxt.gate.base import REQUESTS, GateBase
from activities.venues.ccxt.markets import Market, decimal, known
from activities.venues.ccxt.quirks import to_ms
from activities.venues.ccxt.rest import Call
from domain.market import Balance, FundingPayment, Position, Terms
from domain.money import ZERO, add
from domain.risk.emergency import health_of_margin

_BOOK_PAGE: Final = 1000


class Account(GateBase):
    """What the account has, and how it trades."""

    async def fees(self, market: Market) -> tuple[Decimal, Decimal]:
        if self.perpetual:
            told = await self._ask("privateFuturesGetSettleFee", self._named(market))
            row = told[market.id]
        else:
            row = await self._ask("privateSpotGetFee", self._named(market))
        return decimal(row["maker_fee"], "maker_fee"), decimal(row["taker_fee"], "taker_fee")

    async def balances(self) -> Sequence[Balance]:
        if self.perpetual:
            return [await self._wallet("usdt"), *await self._other_wallets()]
        rows = await self._ask("privateSpotGetAccounts", {})
        return [
            Balance(
                row["currency"],
                add(decimal(row["available"], "available"), decimal(row["locked"], "locked")),
                decimal(row["locked"], "locked"),
            )
            for row in rows
        ]

    async def _wallet(self, settle: str) -> Balance:
        row = await self._ask("privateFuturesGetSettleAccounts", {"settle": settle})
        return _wallet(row, settle)

    async def _other_wallets(self) -> Sequence[Balance]:
        """Return the wallet of contracts that settle in coins; most accounts never opened one."""
        call = Call("privateFuturesGetSettleAccounts", {"settle": "btc"}, {REQUESTS: 1})
        reply = await self.rest.reply(call)
        verdict = self.verdict(reply)
        if verdict is None:
            return [_wallet(reply.data, "btc")]
        if verdict.code == "USER_NOT_FOUND":
            return []
        raise await self.rest.error(verdict, call)

    async def positions(self, market: Market) -> Sequence[Position]:
        params = {**self._settled, "holding": "true"}
        rows = await self._ask("privateFuturesGetSettlePositions", params)
        held = [self.position(market, row) for row in rows if row["contract"] == market.id]
        return [each for each in held if each.lots]

    def position(self, market: Market, row: Mapping[str, Any]) -> Position:
        """Return a position, of an answer or a stream."""
        lots = market.lots(row["size"], "size")
        return Position(
            market.symbol,
            lots,
            market.cost(lots, row["entry_price"], "entry_price"),
            ZERO,
            market.near(row.get("mark_price"), "mark_price"),
            market.near(row.get("liq_price"), "liq_price"),
        )

    async def funding_since(self, market: Market, since: datetime) -> Sequence[FundingPayment]:
        params = {**self._named(market), "type": "fund", "from": int(since.timestamp())}
        rows = await self._pages("privateFuturesGetSettleAccountBook", params, _BOOK_PAGE)
        payments = [_payment(market, row) for row in rows]
        return list({each.payment_id: each for each in payments}.values())

    async def terms(self, market: Market) -> Terms:
        row = await self._held(market)
        wallet = await self._ask("privateFuturesGetSettleAccounts", self._settled)
        leverage = decimal(row["leverage"], "leverage")
        if not leverage:  # cross margin
            leverage = decimal(row["cross_leverage_limit"], "cross_leverage_limit")
        return Terms(leverage, not wallet["in_dual_mode"])

    async def health(self) -> Decimal | None:
        """Return 1 - maintenance_margin / (total + unrealised_pnl) of the USDT wallet.

        (`GET /futures/usdt/accounts`.) By Gate's documents `total` leaves out what positions would
        gain, and is told of classic accounts only: of a unified account nothing is known. The older
        margin mode has no maintenance margin: without one, no danger is told by no position.
        """
        row = await self._ask("privateFuturesGetSettleAccounts", self._settled)
        maintenance, total = known(row, "maintenance_margin"), known(row, "total")
        gain = known(row, "unrealised_pnl")
        if row.get("enable_credit") or known(row, "margin_mode") or total is None or gain is None:
            return None
        if maintenance:
            return health_of_margin(maintenance, add(total, gain))
        params = {**self._settled, "holding": "true"}
        held = await self._ask("privateFuturesGetSettlePositions", params)
        return None if any(known(each, "size") for each in held) else Decimal(1)

    async def set_leverage(self, market: Market, leverage: int) -> None:
        """Set the leverage of cross or isolated margin, whichever the position has."""
        row = await self._held(market)
        params: dict[str, Any] = {**self._named(market), "leverage": leverage}
        if not decimal(row["leverage"], "leverage"):
            params |= {"leverage": 0, "cross_leverage_limit": leverage}
        call = self._asking("privateFuturesPostSettlePositionsContractLeverage", params)
        await self.rest.ask(call)

    async def set_one_way(self) -> None:
        params = {**self._settled, "dual_mode": "false"}
        await self.rest.ask(self._asking("privateFuturesPostSettleDualMode", params))

    async def _held(self, market: Market) -> Mapping[str, Any]:
        method = "privateFuturesGetSettlePositionsContract"
        row: Mapping[str, Any] = await self._ask(method, self._named(market))
        return row


def _wallet(row: Mapping[str, Any], settle: str) -> Balance:
    """Return a futures wallet: what is not available is margin, of positions and orders."""
    total, available = decimal(row["total"], "total"), decimal(row["available"], "available")
    # A profit that is not realized is available too.
    locked = max(add(total, -available), ZERO)
    return Balance(str(row.get("currency") or settle).upper(), total, locked)


def _payment(market: Market, row: Mapping[str, Any]) -> FundingPayment:
    """Return a funding payment. It has no id, but a contract pays once at a time."""
    at = words.moment(row["time"])
    name = f"{market.id}:{to_ms(at)}"
    return FundingPayment(name, market.symbol, decimal(row["change"], "change"), at)
