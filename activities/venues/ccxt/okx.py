"""OKX: USDT-margined swaps (cross margin, net positions) and spot, by one set of raw calls.

It answers an order with an id only, and knows a canceled order without executions for two hours.
A client id is taken only while an order of that id works.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from activities.venues.ccxt.markets import Market, decimal
from activities.venues.ccxt.meanings import Meaning, NotFoundError, Reply, Verdict
from activities.venues.ccxt.okx_talks import Candles, Marks, Prices, PrivateNews
from activities.venues.ccxt.okx_words import (
    CODES,
    DEFINITE,
    INTERVALS,
    balance_in,
    charged,
    fill_in,
    older_than,
    order_in,
    pages,
    position_in,
)
from activities.venues.ccxt.quirks import (
    ORDERS,
    News,
    OrderName,
    Quirks,
    accepted,
    bar,
    from_ms,
    to_ms,
    unique,
)
from activities.venues.ccxt.rest import Call
from activities.venues.ccxt.sockets import Conversation
from domain.conditions import DayStatistics, FundingRate, MarkPrice, Terms
from domain.errors import UnknownOutcomeError, VenueError
from domain.limiter import Costs, Priority, Rate
from domain.market import Balance, Candle, FundingPayment, Position, PriceUpdate
from domain.money import EXACT
from domain.orders import Fill, OrderReport, OrderRequest, OrderType, TimeInForce

#: OKX limits each endpoint by itself; here those of one limit share a bucket, which is stricter.
_QUERY: Final = "query"
_ACCOUNT: Final = "account"
_SELDOM: Final = "seldom"
_PUBLIC: Final = "public"
_TWO_SECONDS: Final = timedelta(seconds=2)
_ORDER_PATHS: Final = ("trade/order", "trade/batch-orders")
_HISTORY_SPAN: Final = timedelta(days=7)
_FILLS_SPAN: Final = timedelta(days=3)
_BARS: Final = 300
#: Codes of an envelope whose rows carry the codes that count: none, all or some failed.
_BY_ROWS: Final = ("0", "1", "2")


class Okx(Quirks):
    """One unified account: both kinds of market share sockets, wallets and endpoints."""

    name = "okx"
    hosts = frozenset({"www.okx.com", "ws.okx.com"})
    #: Timestamps are good for 30 seconds; orders carry an earlier deadline, see `adopt`.
    window = timedelta(seconds=5)
    codes = CODES
    intervals = INTERVALS
    place_batch_of = 20
    cancel_batch_of = 20

    @property
    def inst_type(self) -> str:
        """What OKX calls this kind of market."""
        return "SWAP" if self.perpetual else "SPOT"

    # ---- set-up

    def client_class(self) -> str:
        return "okx"

    def options(self) -> Mapping[str, Any]:
        kind = "swap" if self.perpetual else "spot"
        return {
            "fetchCurrencies": False,
            "fetchMarkets": {"types": [kind]},
            "defaultType": kind,
        }

    def rates(self, orders: Rate) -> Mapping[str, Rate]:
        return {
            ORDERS: orders,
            _QUERY: Rate(40, _TWO_SECONDS),
            _ACCOUNT: Rate(10, _TWO_SECONDS),
            _SELDOM: Rate(5, _TWO_SECONDS),
            _PUBLIC: Rate(20, _TWO_SECONDS),
        }

    def adopt(self, client: Any) -> None:
        """Give every order a deadline, after which OKX does not execute it: a header."""
        sign = client.sign
        window = int(self.window / timedelta(milliseconds=1))

        def signed(path: str, api: Any, method: str, params: Any) -> Any:
            request = sign(path, api, method, params)
            if method == "POST" and path in _ORDER_PATHS:
                request["headers"]["expTime"] = str(int(client.nonce()) + window)
            return request

        client.sign = signed

    # ---- errors

    def code_of(self, data: Any) -> tuple[str | None, str]:
        if not isinstance(data, dict) or "code" not in data:
            return "", "an answer of another form than OKX's"
        rows = data.get("data")
        for row in rows if isinstance(rows, list) else ():
            if isinstance(row, dict) and str(row.get("sCode") or "0") != "0":
                return str(row["sCode"]), str(row.get("sMsg", ""))
        code = str(data["code"])  # of some answers it is a number
        return (None, "") if code == "0" else (code, str(data.get("msg", "")))

    def judge(self, code: str | None, message: str, reply: Reply) -> Verdict:
        verdict = super().judge(code, message, reply)
        known = code in self.codes or not code
        if not known and reply.status < 400 and len(code or "") == 5:
            definite = str(code).startswith(DEFINITE)
            return replace(verdict, meaning=Meaning.REFUSED) if definite else verdict
        return verdict

    # ---- orders

    async def place(self, market: Market, request: OrderRequest) -> OrderReport:
        priority = Priority.REDUCE if request.reduce_only else Priority.PLACE
        params = self._order_params(market, request)
        rows = await self._change("privatePostTradeOrder", params, priority)
        if not rows or not rows[0].get("ordId"):
            raise UnknownOutcomeError(f"okx: the answer names no order {request.client_id}")
        return self._accepted(market, request, rows[0])

    async def place_batch(
        self, market: Market, requests: Sequence[OrderRequest]
    ) -> Sequence[OrderReport | Verdict]:
        orders = [self._order_params(market, each) for each in requests]
        costs = {ORDERS: len(orders)}
        call = Call("privatePostTradeBatchOrders", orders, costs, Priority.PLACE, changes=True)
        reply = await self.rest.reply(call)
        rows = await self._batch_rows(reply, call)
        by_id = {row.get("clOrdId"): row for row in rows}
        return [
            self._batched(market, request, by_id.get(request.client_id), reply)
            for request in requests
        ]

    def _batched(
        self,
        market: Market,
        request: OrderRequest,
        row: Mapping[str, Any] | None,
        reply: Reply,
    ) -> OrderReport | Verdict:
        if row is None:
            told = f"the answer names no order {request.client_id}"
            return Verdict(Meaning.UNKNOWN, "", told)
        code = str(row.get("sCode") or "")
        if code == "0":
            return self._accepted(market, request, row)
        return self.judge(code, str(row.get("sMsg", "")), reply)

    async def cancel(self, market: Market, client_id: str) -> OrderReport | None:
        params = {"instId": market.id, "clOrdId": client_id}
        await self._change("privatePostTradeCancelOrder", params, Priority.CANCEL)
        return None

    async def cancel_batch(self, market: Market, client_ids: Sequence[str]) -> None:
        rows = [{"instId": market.id, "clOrdId": each} for each in client_ids]
        costs = {ORDERS: len(rows)}
        call = Call("privatePostTradeCancelBatchOrders", rows, costs, Priority.CANCEL, changes=True)
        await self._batch_rows(await self.rest.reply(call), call)

    async def _batch_rows(self, reply: Reply, call: Call) -> Sequence[Mapping[str, Any]]:
        """Return the rows of a batch, or raise what its answer as a whole means."""
        data = reply.data
        if reply.status < 400 and isinstance(data, dict) and str(data.get("code")) in _BY_ROWS:
            rows = data.get("data")
            if isinstance(rows, list) and rows:
                return rows
        verdict = self.verdict(reply) or Verdict(Meaning.UNKNOWN, "", "an answer without rows")
        raise await self.rest.error(verdict, call)

    async def order(self, market: Market, name: OrderName) -> OrderReport | None:
        row = await self._order(market, name)
        return None if row is None else order_in(market, row)

    async def open_orders(self, market: Market) -> Sequence[OrderReport]:
        rows = await self._pages("privateGetTradeOrdersPending", self._named(market), "ordId")
        return [order_in(market, row) for row in rows]

    async def orders_since(self, market: Market, since: datetime) -> Sequence[OrderReport]:
        """By time of creation; those canceled without an execution for two hours only."""
        methods = ["privateGetTradeOrdersHistory"]
        if older_than(since, self._now(), _HISTORY_SPAN):
            methods.append("privateGetTradeOrdersHistoryArchive")
        params = self._since(market, since)
        rows = [row for each in methods for row in await self._pages(each, params, "ordId")]
        return list({row["ordId"]: order_in(market, row) for row in rows}.values())

    async def fills_since(self, market: Market, since: datetime) -> Sequence[Fill]:
        methods = ["privateGetTradeFills"]
        if older_than(since, self._now(), _FILLS_SPAN):
            methods.append("privateGetTradeFillsHistory")
        params = self._since(market, since)
        rows = [row for each in methods for row in await self._pages(each, params, "billId")]
        return unique(fill_in(market, row) for row in rows)

    async def order_fills(self, market: Market, order_id: str) -> Sequence[Fill]:
        """Return the executions: of the last days, and older ones where these are not all."""
        params = {**self._named(market), "ordId": order_id}
        rows = await self._pages("privateGetTradeFills", params, "billId")
        fills = unique(fill_in(market, row) for row in rows)
        order = await self._order(market, OrderName(order_id=order_id))
        filled = market.quantity(order["accFillSz"] or 0, "accFillSz").lots if order else 0
        if sum(fill.quantity.lots for fill in fills) >= filled:
            return fills
        rows += await self._pages("privateGetTradeFillsHistory", params, "billId")
        return unique(fill_in(market, row) for row in rows)

    # ---- account

    async def fees(self, market: Market) -> tuple[Decimal, Decimal]:
        params = {"instType": self.inst_type}
        if self.perpetual:
            params["instFamily"] = market.id.removesuffix("-SWAP")
        else:
            params["instId"] = market.id
        row = (await self._ask("privateGetAccountTradeFee", params, _SELDOM))[0]
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
        rows = await self._ask("privateGetAccountBalance", {}, _ACCOUNT)
        return [balance_in(each) for row in rows for each in row["details"]]

    async def positions(self, market: Market) -> Sequence[Position]:
        rows = await self._ask("privateGetAccountPositions", self._named(market), _ACCOUNT)
        held = [position_in(market, row) for row in rows]
        return [each for each in held if each.lots]

    async def funding_since(self, market: Market, since: datetime) -> Sequence[FundingPayment]:
        methods = ["privateGetAccountBills"]
        if older_than(since, self._now(), _HISTORY_SPAN):
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
        row = (await self._ask("privateGetAccountLeverageInfo", params, _ACCOUNT))[0]
        config = (await self._ask("privateGetAccountConfig", {}, _SELDOM))[0]
        return Terms(decimal(row["lever"], "lever"), config["posMode"] == "net_mode")

    async def set_leverage(self, market: Market, leverage: int) -> None:
        params = {"instId": market.id, "mgnMode": "cross", "lever": str(leverage)}
        costs = {_ACCOUNT: 1}
        await self._change("privatePostAccountSetLeverage", params, Priority.QUERY, costs)

    async def set_one_way(self) -> None:
        params = {"posMode": "net_mode"}
        costs = {_SELDOM: 1}
        await self._change("privatePostAccountSetPositionMode", params, Priority.QUERY, costs)

    # ---- market

    async def last_price(self, market: Market) -> PriceUpdate | None:
        params = {"instId": market.id, "limit": "1"}
        rows = await self._ask("publicGetMarketTrades", params, _PUBLIC)
        if not rows:
            return None
        return PriceUpdate(market.symbol, market.price(rows[0]["px"], "px"), from_ms(rows[0]["ts"]))

    async def candles(self, market: Market, interval: timedelta, limit: int) -> Sequence[Candle]:
        """Newest first at OKX, and older than some 1,440 bars at another endpoint."""
        params = {"instId": market.id, "bar": self.interval(interval)}
        method = "publicGetMarketCandles"
        rows: list[Sequence[Any]] = []
        while len(rows) < limit:
            page = {**params, "limit": str(min(limit - len(rows), _BARS))}
            if rows:
                page["after"] = rows[-1][0]
            more = await self._ask(method, page, _PUBLIC)
            if not more:
                break
            rows += more
            method = "publicGetMarketHistoryCandles"
        candles = [candle_in(market, row) for row in reversed(rows)]
        return [*candles[:-1], *(replace(each, closed=False) for each in candles[-1:])]

    async def day_statistics(self) -> Sequence[DayStatistics]:
        params = {"instType": self.inst_type}
        rows = await self._ask("publicGetMarketTickers", params, _PUBLIC)
        told = [(self.market_of(row["instId"]), row) for row in rows]
        return [
            self._day(market, row) for market, row in told if market is not None and row["last"]
        ]

    def _day(self, market: Market, row: Mapping[str, Any]) -> DayStatistics:
        last, first = decimal(row["last"], "last"), decimal(row["open24h"] or 0, "open24h")
        volume = decimal(row["volCcy24h"] or 0, "volCcy24h")  # of a swap it is in base
        change = EXACT.divide(last - first, first) if first else Decimal(0)
        quote = EXACT.multiply(volume, last) if self.perpetual else volume
        return DayStatistics(market.symbol, last, change, quote)

    async def funding_rate(self, market: Market) -> FundingRate:
        params = {"instId": market.id}
        row = (await self._ask("publicGetPublicFundingRate", params, _PUBLIC))[0]
        rate = decimal(row["fundingRate"], "fundingRate")
        return FundingRate(market.symbol, rate, from_ms(row["fundingTime"]))

    async def funding_rates(self, market: Market, since: datetime) -> Sequence[FundingRate]:
        params = {"instId": market.id, "before": str(to_ms(since) - 1)}
        rows = await pages(
            self._asking("publicGetPublicFundingRateHistory", _SELDOM), params, "fundingTime"
        )
        told = [
            FundingRate(
                market.symbol,
                decimal(row.get("realizedRate") or row["fundingRate"], "realizedRate"),
                from_ms(row["fundingTime"]),
            )
            for row in reversed(rows)
        ]
        return [each for each in told if each.at >= since]

    # ---- streams

    def news_talk(self) -> Conversation[News]:
        return PrivateNews(self)

    def price_talk(self, markets: Sequence[Market]) -> Conversation[PriceUpdate]:
        return Prices(self, markets)

    def candle_talk(self, market: Market, interval: timedelta) -> Conversation[Candle]:
        return Candles(self, market, self.interval(interval), candle_in)

    def mark_talk(self, markets: Sequence[Market]) -> Conversation[MarkPrice]:
        return Marks(self, markets)

    # ---- how

    def _order_params(self, market: Market, request: OrderRequest) -> dict[str, Any]:
        params: dict[str, Any] = {
            "instId": market.id,
            "tdMode": "cross" if self.perpetual else "cash",
            "clOrdId": request.client_id,
            "side": request.side.value,
            "ordType": _order_type(request),
            "sz": market.amount_out(request.quantity),
        }
        if request.price is not None:
            params["px"] = market.price_out(request.price)
        if request.type is OrderType.MARKET and not self.perpetual:
            # Else a market buy is counted in quote, and made smaller if funds are short.
            params |= {"tgtCcy": "base_ccy", "banAmend": True}
        if request.reduce_only and self.perpetual:
            params["reduceOnly"] = True
        return params

    def _accepted(
        self, market: Market, request: OrderRequest, row: Mapping[str, Any]
    ) -> OrderReport:
        at = from_ms(row["ts"]) if row.get("ts") else self._now()
        return accepted(market, request, row["ordId"], at)

    async def _order(self, market: Market, name: OrderName) -> Mapping[str, Any] | None:
        params = {"instId": market.id}
        if name.client_id is not None:
            params["clOrdId"] = name.client_id
        else:
            params["ordId"] = str(name.order_id)
        try:
            rows = await self._ask("privateGetTradeOrder", params, _QUERY)
        except NotFoundError:
            return None
        row: Mapping[str, Any] | None = rows[0] if rows else None
        return row

    def _named(self, market: Market) -> dict[str, str]:
        return {"instType": self.inst_type, "instId": market.id}

    def _since(self, market: Market, since: datetime) -> dict[str, str]:
        """Return what asks for rows from a moment on; whether OKX counts that itself is not told.

        The port drops what is too old.
        """
        return {**self._named(market), "begin": str(to_ms(since) - 1)}

    def _now(self) -> datetime:
        return from_ms(self.rest.client.nonce())

    async def _pages(
        self, method: str, params: Mapping[str, Any], cursor: str
    ) -> list[Mapping[str, Any]]:
        bucket = _ACCOUNT if method in _SLOW else _QUERY
        return await pages(self._asking(method, bucket), params, cursor)

    def _asking(self, method: str, bucket: str) -> Callable[[Mapping[str, Any]], Awaitable[Any]]:
        async def ask(params: Mapping[str, Any]) -> Any:
            return await self._ask(method, params, bucket)

        return ask

    async def _ask(self, method: str, params: Mapping[str, Any], bucket: str) -> Any:
        return (await self.rest.ask(Call(method, params, {bucket: 1})))["data"]

    async def _change(
        self, method: str, params: Mapping[str, Any], priority: Priority, costs: Costs | None = None
    ) -> Any:
        call = Call(method, params, costs or {ORDERS: 1}, priority, changes=True)
        return (await self.rest.ask(call))["data"]


#: Endpoints of ten requests in two seconds, or a little more.
_SLOW: Final = (
    "privateGetTradeFillsHistory",
    "privateGetTradeOrdersHistoryArchive",
    "privateGetAccountBills",
    "privateGetAccountBillsArchive",
)


def _order_type(request: OrderRequest) -> str:
    if request.type is OrderType.MARKET:
        return "market"
    if request.post_only:
        return "post_only"
    if request.time_in_force is TimeInForce.GTC:
        return "limit"
    return request.time_in_force.value


def candle_in(market: Market, row: Sequence[Any]) -> Candle:
    """Return a bar; its volume is in contracts, or in base on spot."""
    return bar(market, row, closed=row[8] == "1")
