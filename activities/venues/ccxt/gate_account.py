"""Gate's side of an account: set-up, error labels, wallets, positions, terms, funding, pages."""

from abc import ABC
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from activities.venues.ccxt import gate_words as words
from activities.venues.ccxt.markets import Market, decimal
from activities.venues.ccxt.meanings import Reply
from activities.venues.ccxt.quirks import ORDERS, Quirks, to_ms
from activities.venues.ccxt.rest import Call
from domain.conditions import DayStatistics, FundingRate, Terms
from domain.errors import VenueError
from domain.limiter import Priority, Rate
from domain.market import Balance, FundingPayment, Position
from domain.money import ZERO, add

REQUESTS: Final = "requests"
_BOOK_PAGE: Final = 1000
#: The longest span that the lists of coins look at in one call.
_SPAN: Final = timedelta(days=30)


class GateAccount(Quirks, ABC):
    """What both kinds share, and what belongs to the account."""

    name = "gate"
    hosts = frozenset({"api.gateio.ws", "fx-ws.gateio.ws"})
    #: Told with every order (`X-Gate-Exptime`): a signature alone is good for a minute.
    window = timedelta(seconds=3)
    codes = words.CODES
    intervals = words.INTERVALS
    place_batch_of = 10

    # ---- set-up

    def client_class(self) -> str:
        return "gate"

    def options(self) -> Mapping[str, Any]:
        kind = "swap" if self.perpetual else "spot"
        return {
            "fetchMarkets": {"types": [kind]},
            "swap": {"fetchMarkets": {"settlementCurrencies": ["usdt"]}},
            "defaultType": kind,
            "unifiedAccount": False,
        }

    def rates(self, orders: Rate) -> Mapping[str, Rate]:
        # The venue counts each endpoint by itself; all together stay under one's limit.
        return {ORDERS: orders, REQUESTS: Rate(200, timedelta(seconds=10))}

    @property
    def cancel_batch_of(self) -> int:  # type: ignore[override]  # only coins are canceled by ids
        """Twenty orders; a batch of contracts is not said to take client ids."""
        return 0 if self.perpetual else 20

    def id_out(self, client_id: str) -> str:
        return f"{words.PREFIX}{client_id}"

    def id_in(self, client_id: str) -> str:
        return words.id_in(client_id)

    def code_of(self, data: Any) -> tuple[str | None, str]:
        if isinstance(data, dict) and data.get("label"):
            return str(data["label"]), str(data.get("message") or data.get("detail") or "")
        return None, ""

    def pause(self, reply: Reply) -> timedelta:
        """Return the wait until the moment, in seconds of wall time, that the headers name."""
        until = reply.headers.get("x-gate-ratelimit-reset-timestamp", "")
        if reply.status == 429 and until.isdecimal():
            left = int(until) - self.rest.client.nonce() / 1000
            return timedelta(seconds=max(left, 1.0))
        return super().pause(reply)

    # ---- account

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

    # ---- statistics and funding rates

    async def day_statistics(self) -> Sequence[DayStatistics]:
        if self.perpetual:
            rows = await self._ask("publicFuturesGetSettleTickers", self._settled)
            name, volume = "contract", "volume_24h_quote"
        else:
            rows = await self._ask("publicSpotGetTickers", {})
            name, volume = "currency_pair", "quote_volume"
        told = [self._day(row, name, volume) for row in rows]
        return [each for each in told if each is not None]

    def _day(self, row: Mapping[str, Any], name: str, volume: str) -> DayStatistics | None:
        """Return a market's day; None for one of another kind, or one that has no numbers."""
        market = self.market_of(row[name])
        if market is None:
            return None
        try:
            return DayStatistics(
                market.symbol,
                decimal(row["last"], "last"),
                decimal(row["change_percentage"], "change_percentage") / 100,
                decimal(row[volume], volume),
            )
        except VenueError:
            return None

    async def funding_rate(self, market: Market) -> FundingRate:
        row = await self._ask("publicFuturesGetSettleContractsContract", self._named(market))
        return FundingRate(
            market.symbol,
            decimal(row["funding_rate"], "funding_rate"),
            words.moment(row["funding_next_apply"]),
            decimal(row["mark_price"], "mark_price"),
        )

    async def funding_rates(self, market: Market, since: datetime) -> Sequence[FundingRate]:
        params = {**self._named(market), "from": int(since.timestamp()), "limit": _BOOK_PAGE}
        rows = await self._ask("publicFuturesGetSettleFundingRate", params)
        rates = [
            FundingRate(market.symbol, decimal(row["r"], "r"), words.moment(row["t"]))
            for row in rows
        ]
        return sorted((each for each in rates if each.at >= since), key=lambda each: each.at)

    # ---- requests

    @property
    def _settled(self) -> Mapping[str, Any]:
        """What the path of each futures call has; nothing for coins."""
        return {"settle": "usdt"} if self.perpetual else {}

    def _named(self, market: Market) -> Mapping[str, Any]:
        """Return what names a market in lists."""
        if self.perpetual:
            return {"settle": "usdt", "contract": market.id}
        return {"currency_pair": market.id}

    def _of(self, market: Market) -> Mapping[str, Any]:
        """Return what an order is asked for with, besides its own name."""
        return self._settled if self.perpetual else {"currency_pair": market.id}

    async def _ask(self, method: str, params: Mapping[str, Any]) -> Any:
        return await self.rest.ask(Call(method, params, {REQUESTS: 1}))

    def _asking(self, method: str, params: Mapping[str, Any]) -> Call:
        """Return a call that changes how the account trades, but no order."""
        return Call(method, params, {REQUESTS: 1}, changes=True)

    async def _change(self, method: str, params: Mapping[str, Any], priority: Priority) -> Any:
        return await self.rest.ask(self._changing(method, params, priority, 1))

    def _changing(
        self,
        method: str,
        params: Mapping[str, Any] | Sequence[Any],
        priority: Priority,
        orders: int,
    ) -> Call:
        """Return a call about orders: it is refused once it is older than the window."""
        client = self.rest.client
        if not isinstance(client.sign, _Expiring):
            client.sign = _Expiring(client, client.sign, self.window)
        return Call(method, params, {ORDERS: orders}, priority, changes=True)

    async def _pages(
        self, method: str, params: Mapping[str, Any], size: int
    ) -> list[Mapping[str, Any]]:
        """Return all rows. What is new pushes rows to later pages: some may come twice."""
        rows: list[Mapping[str, Any]] = []
        while True:
            place = {"offset": len(rows)} if self.perpetual else {"page": len(rows) // size + 1}
            page = await self._ask(method, {**params, "limit": size, **place})
            rows += page
            if len(page) < size:
                return rows

    async def _spanned(
        self, method: str, params: Mapping[str, Any], since: datetime, size: int
    ) -> list[Mapping[str, Any]]:
        """Return all rows since a moment, in spans that the venue takes."""
        now = words.moment(self.rest.client.nonce())
        rows: list[Mapping[str, Any]] = []
        begin = since
        while now - begin > _SPAN:
            span = {"from": int(begin.timestamp()), "to": int((begin + _SPAN).timestamp())}
            rows += await self._pages(method, {**params, **span}, size)
            begin += _SPAN
        return rows + await self._pages(method, {**params, "from": int(begin.timestamp())}, size)


class _Expiring:
    """ccxt's signing, which knows no deadline, with a deadline for all that changes something."""

    def __init__(self, client: Any, sign: Any, window: timedelta) -> None:
        self._client = client
        self._sign = sign
        self._window = int(window / timedelta(milliseconds=1))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        signed = self._sign(*args, **kwargs)
        if signed["method"] != "GET":
            headers = signed.get("headers") or {}
            until = str(int(self._client.nonce()) + self._window)
            signed["headers"] = {**headers, "X-Gate-Exptime": until}
        return signed


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
