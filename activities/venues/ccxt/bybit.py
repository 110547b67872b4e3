"""Bybit v5: linear USDT perpetuals and spot of a unified account, told apart by `category`."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, ClassVar, Final

from activities.venues.ccxt.bybit_talks import Candles, Marks, Prices, PrivateNews
from activities.venues.ccxt.bybit_words import (
    CODES,
    INTERVALS,
    SIDE_WORDS,
    TRADES,
    balance_in,
    fill_in,
    order_in,
    position_in,
)
from activities.venues.ccxt.markets import Market, decimal
from activities.venues.ccxt.meanings import Meaning, Reply, Verdict
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
from domain.errors import VenueError
from domain.limiter import Costs, Priority, Rate
from domain.market import Balance, Candle, FundingPayment, Position, PriceUpdate
from domain.orders import Fill, OrderReport, OrderRequest, OrderType

#: Questions: 50 a second of most endpoints, and 120 a second of one address with its orders.
#: Orders take nothing from it, so that a look-up does not queue behind orders that wait.
REQUESTS: Final = "requests"
_PAGE: Final = 50
_FILLS_PAGE: Final = 100
_CANDLES_PAGE: Final = 1000
_RATES_PAGE: Final = 200
#: The longest span that histories look at in one call.
_SPAN: Final = timedelta(days=7)
#: How long "access too frequent" lasts at least.
_BANNED: Final = timedelta(minutes=10)


class Bybit(Quirks):
    """One unified account; both kinds of market share its endpoints, wallet and private stream."""

    name = "bybit"
    hosts = frozenset({"api.bybit.com", "stream.bybit.com"})
    window = timedelta(seconds=3)
    codes = CODES
    phrases: ClassVar[Sequence[tuple[str, str, Meaning]]] = (
        ("10001", "symbol invalid", Meaning.UNKNOWN_SYMBOL),
        ("10001", "Not supported symbols", Meaning.UNKNOWN_SYMBOL),
    )
    intervals = INTERVALS

    @property
    def category(self) -> str:
        """What Bybit calls this kind of market."""
        return "linear" if self.perpetual else "spot"

    # ---- set-up

    def client_class(self) -> str:
        return "bybit"

    def options(self) -> Mapping[str, Any]:
        return {
            "recvWindow": int(self.window / timedelta(milliseconds=1)),
            "fetchMarkets": {"types": [self.category]},
            "defaultType": "swap" if self.perpetual else "spot",
            # What the account is gets not asked for: it is a unified one.
            "enableUnifiedMargin": False,
            "enableUnifiedAccount": True,
            "unifiedMarginStatus": 6,
        }

    def rates(self, orders: Rate) -> Mapping[str, Rate]:
        return {ORDERS: orders, REQUESTS: Rate(50, timedelta(seconds=1))}

    @property
    def place_batch_of(self) -> int:  # type: ignore[override]  # the sides differ
        """Twenty orders; ten on spot."""
        return 20 if self.perpetual else 10

    @property
    def cancel_batch_of(self) -> int:  # type: ignore[override]  # the same
        """As many as are placed."""
        return self.place_batch_of

    # ---- errors

    def code_of(self, data: Any) -> tuple[str | None, str]:
        if not isinstance(data, dict) or "retCode" not in data:
            return "", "an answer without a retCode"
        code = str(data["retCode"])
        return (None, "") if code == "0" else (code, str(data.get("retMsg", "")))

    def judge(self, code: str | None, message: str, reply: Reply) -> Verdict:
        """Return what a code means. HTTP 403 is the limit of an address, or of a country."""
        if reply.status == 403 and code not in self.codes:
            if "country" in reply.body:
                return Verdict(Meaning.AUTHENTICATION, "HTTP 403", message)
            return Verdict(Meaning.RATE_LIMITED, "HTTP 403", message, _BANNED)
        return super().judge(code, message, reply)

    def pause(self, reply: Reply) -> timedelta:
        """Return the wait; a limit tells its end, in milliseconds of wall time."""
        until = reply.headers.get("x-bapi-limit-reset-timestamp", "")
        if not until.isdecimal():
            return super().pause(reply)
        left = (int(until) - int(self.rest.client.milliseconds())) / 1000
        return timedelta(seconds=max(left, 1.0))

    # ---- orders

    async def place(self, market: Market, request: OrderRequest) -> OrderReport:
        """Send an order: the answer is its id, and that it was taken."""
        priority = Priority.REDUCE if request.reduce_only else Priority.PLACE
        params = {"category": self.category, **self._order_params(market, request)}
        told = await self._change("privatePostV5OrderCreate", params, priority)
        return accepted(market, request, told["result"]["orderId"], from_ms(told["time"]))

    async def place_batch(
        self, market: Market, requests: Sequence[OrderRequest]
    ) -> Sequence[OrderReport | Verdict]:
        """Send a batch: ids are in one list of the answer, and what is wrong in another."""
        orders = [self._order_params(market, each) for each in requests]
        reply = await self.rest.reply(
            Call(
                "privatePostV5OrderCreateBatch",
                {"category": self.category, "request": orders},
                {ORDERS: len(orders)},
                Priority.PLACE,
                changes=True,
            )
        )
        verdict = self.verdict(reply)
        if verdict is not None:
            return [verdict] * len(requests)
        rows = _list(reply.data, "result")
        ends = _list(reply.data, "retExtInfo")
        if len(rows) != len(requests) or len(ends) != len(requests):
            unreadable = Verdict(Meaning.UNKNOWN, "", "the answer has not a row for each order")
            return [unreadable] * len(requests)
        at = from_ms(reply.data["time"])
        taken = {row.get("orderLinkId"): row["orderId"] for row in rows if row.get("orderId")}
        return [
            accepted(market, request, taken[request.client_id], at)
            if request.client_id in taken
            else self._refused(request, end, reply)
            for request, end in zip(requests, ends, strict=True)
        ]

    def _refused(self, request: OrderRequest, end: Mapping[str, Any], reply: Reply) -> Verdict:
        """Return why an order has no id: only a refusal is told by its place."""
        code = str(end.get("code", ""))
        if code in ("", "0"):
            return Verdict(Meaning.UNKNOWN, "", f"the answer names no order {request.client_id}")
        return self.judge(code, str(end.get("msg", "")), reply)

    async def cancel(self, market: Market, client_id: str) -> OrderReport | None:
        """Ask to cancel: that it was taken is all the answer tells."""
        params = {"category": self.category, "symbol": market.id, "orderLinkId": client_id}
        await self._change("privatePostV5OrderCancel", params, Priority.CANCEL)
        return None

    async def cancel_batch(self, market: Market, client_ids: Sequence[str]) -> None:
        rows = [{"symbol": market.id, "orderLinkId": client_id} for client_id in client_ids]
        params = {"category": self.category, "request": rows}
        costs = {ORDERS: len(rows)}
        await self._change("privatePostV5OrderCancelBatch", params, Priority.CANCEL, costs)

    async def order(self, market: Market, name: OrderName) -> OrderReport | None:
        """Look among the orders that work or ended of late, and then in the history."""
        params = {"category": self.category, "symbol": market.id}
        if name.client_id is not None:
            params["orderLinkId"] = name.client_id
        else:
            params["orderId"] = str(name.order_id)
        for method in ("privateGetV5OrderRealtime", "privateGetV5OrderHistory"):
            rows = _list(await self._ask(method, params), "result")
            if rows:
                return order_in(market, rows[0])
        return None

    async def open_orders(self, market: Market) -> Sequence[OrderReport]:
        params = {"category": self.category, "symbol": market.id, "openOnly": 0, "limit": _PAGE}
        pages = self._pages("privateGetV5OrderRealtime", params)
        return [order_in(market, row) async for row in pages]

    async def orders_since(self, market: Market, since: datetime) -> Sequence[OrderReport]:
        """By time of creation, not of change, and only those that ended."""
        params = {"category": self.category, "symbol": market.id, "limit": _PAGE}
        rows = self._history("privateGetV5OrderHistory", params, since)
        return [order_in(market, row) async for row in rows]

    async def fills_since(self, market: Market, since: datetime) -> Sequence[Fill]:
        params = {"category": self.category, "symbol": market.id, "limit": _FILLS_PAGE}
        rows = self._history("privateGetV5ExecutionList", params, since)
        return unique([fill_in(market, row) async for row in rows if row["execType"] in TRADES])

    async def order_fills(self, market: Market, order_id: str) -> Sequence[Fill]:
        params = {
            "category": self.category,
            "symbol": market.id,
            "orderId": order_id,
            "limit": _FILLS_PAGE,
        }
        rows = self._pages("privateGetV5ExecutionList", params)
        return unique([fill_in(market, row) async for row in rows if row["execType"] in TRADES])

    # ---- account

    async def fees(self, market: Market) -> tuple[Decimal, Decimal]:
        params = {"category": self.category, "symbol": market.id}
        (row,) = _list(await self._ask("privateGetV5AccountFeeRate", params), "result")
        return decimal(row["makerFeeRate"], "makerFeeRate"), decimal(
            row["takerFeeRate"], "takerFeeRate"
        )

    async def balances(self) -> Sequence[Balance]:
        params = {"accountType": "UNIFIED"}
        rows = _list(await self._ask("privateGetV5AccountWalletBalance", params), "result")
        return [balance_in(coin) for row in rows for coin in row["coin"]]

    async def positions(self, market: Market) -> Sequence[Position]:
        held = [position_in(market, row, "avgPrice") for row in await self._positions(market)]
        return [each for each in held if each.lots]

    async def funding_since(self, market: Market, since: datetime) -> Sequence[FundingPayment]:
        params = {
            "accountType": "UNIFIED",
            "category": self.category,
            "currency": market.instrument.quote,
            "type": "SETTLEMENT",
            "limit": _PAGE,
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

    async def set_leverage(self, market: Market, leverage: int) -> None:
        both = {"buyLeverage": str(leverage), "sellLeverage": str(leverage)}
        params = {"category": self.category, "symbol": market.id, **both}
        await self._change(
            "privatePostV5PositionSetLeverage", params, Priority.QUERY, {REQUESTS: 1}
        )

    async def set_one_way(self) -> None:
        params = {"category": self.category, "coin": "USDT", "mode": 0}
        await self._change("privatePostV5PositionSwitchMode", params, Priority.QUERY, {REQUESTS: 1})

    # ---- market

    async def last_price(self, market: Market) -> PriceUpdate | None:
        """Return the last trade on the book: a block's price was agreed on elsewhere."""
        params = {"category": self.category, "symbol": market.id, "limit": 60}
        rows = _list(await self._ask("publicGetV5MarketRecentTrade", params), "result")
        on_book = [row for row in rows if not row.get("isBlockTrade")]
        if not on_book:
            return None
        row = max(on_book, key=lambda each: int(each["time"]))  # of equals the first is the newest
        return PriceUpdate(market.symbol, market.price(row["price"], "price"), from_ms(row["time"]))

    async def candles(self, market: Market, interval: timedelta, limit: int) -> Sequence[Candle]:
        params = {
            "category": self.category,
            "symbol": market.id,
            "interval": self.interval(interval),
            "limit": min(limit, _CANDLES_PAGE),
        }
        rows = _list(await self._ask("publicGetV5MarketKline", params), "result")
        candles = [_candle(market, row) for row in reversed(rows)]
        return [*candles[:-1], *(replace(each, closed=False) for each in candles[-1:])]

    async def day_statistics(self) -> Sequence[DayStatistics]:
        told = await self._ask("publicGetV5MarketTickers", {"category": self.category})
        return [
            DayStatistics(
                market.symbol,
                decimal(row["lastPrice"], "lastPrice"),
                decimal(row["price24hPcnt"], "price24hPcnt"),
                decimal(row["turnover24h"], "turnover24h"),
            )
            for row in _list(told, "result")
            if (market := self.market_of(row["symbol"])) is not None
        ]

    async def funding_rate(self, market: Market) -> FundingRate:
        params = {"category": self.category, "symbol": market.id}
        (row,) = _list(await self._ask("publicGetV5MarketTickers", params), "result")
        return FundingRate(
            market.symbol,
            decimal(row["fundingRate"], "fundingRate"),
            from_ms(row["nextFundingTime"]),
            decimal(row["markPrice"], "markPrice"),
        )

    async def funding_rates(self, market: Market, since: datetime) -> Sequence[FundingRate]:
        """Ask from the newest backwards: this history has an end to be given, and no cursor."""
        begin, end = to_ms(since), int(self.rest.client.milliseconds())
        rates: dict[datetime, FundingRate] = {}
        while begin <= end:
            params = {
                "category": self.category,
                "symbol": market.id,
                "startTime": begin,
                "endTime": end,
                "limit": _RATES_PAGE,
            }
            rows = _list(await self._ask("publicGetV5MarketFundingHistory", params), "result")
            for row in rows:
                at = from_ms(row["fundingRateTimestamp"])
                rate = decimal(row["fundingRate"], "fundingRate")
                rates[at] = FundingRate(market.symbol, rate, at)
            if len(rows) < _RATES_PAGE:
                break
            end = min(int(row["fundingRateTimestamp"]) for row in rows) - 1
        return [rates[at] for at in sorted(rates)]

    # ---- streams

    def news_talk(self) -> Conversation[News]:
        return PrivateNews(self)

    def price_talk(self, markets: Sequence[Market]) -> Conversation[PriceUpdate]:
        return Prices(self, markets)

    def candle_talk(self, market: Market, interval: timedelta) -> Conversation[Candle]:
        return Candles(self, market, interval)

    def mark_talk(self, markets: Sequence[Market]) -> Conversation[MarkPrice]:
        return Marks(self, markets)

    # ---- how

    def _order_params(self, market: Market, request: OrderRequest) -> dict[str, Any]:
        params: dict[str, Any] = {
            "symbol": market.id,
            "side": SIDE_WORDS[request.side],
            "orderType": "Limit" if request.type is OrderType.LIMIT else "Market",
            "qty": market.amount_out(request.quantity),
            "orderLinkId": request.client_id,
        }
        if request.price is not None:
            params["price"] = market.price_out(request.price)
        if request.type is OrderType.LIMIT:
            in_force = request.time_in_force.upper()
            params["timeInForce"] = "PostOnly" if request.post_only else in_force
        if not self.perpetual:
            params["isLeverage"] = 0  # never with borrowed money
            if request.type is OrderType.MARKET:
                params["marketUnit"] = "baseCoin"  # else a market buy is counted in quote
            return params
        params["positionIdx"] = 0
        if request.reduce_only:
            params["reduceOnly"] = True
        return params

    async def _positions(self, market: Market) -> Sequence[Mapping[str, Any]]:
        params = {"category": self.category, "symbol": market.id}
        return _list(await self._ask("privateGetV5PositionList", params), "result")

    async def _history(
        self, method: str, params: Mapping[str, Any], since: datetime
    ) -> AsyncIterator[Mapping[str, Any]]:
        """Yield all rows since a moment: in spans that Bybit takes, each page after page."""
        begin = since
        now = from_ms(self.rest.client.milliseconds())
        while True:
            end = begin + _SPAN
            times = {"startTime": to_ms(begin)}
            if end <= now:
                times["endTime"] = to_ms(end) - 1
            async for row in self._pages(method, {**params, **times}):
                yield row
            begin = end
            if begin > now:
                return

    async def _pages(
        self, method: str, params: Mapping[str, Any]
    ) -> AsyncIterator[Mapping[str, Any]]:
        """Yield the rows of all pages; a cursor may still be told where nothing follows."""
        cursor = ""
        while True:
            more = {"cursor": cursor} if cursor else {}
            told = await self._ask(method, {**params, **more})
            rows = _list(told, "result")
            for row in rows:
                yield row
            cursor = told["result"].get("nextPageCursor") or ""
            if not cursor or not rows:
                return

    async def _ask(self, method: str, params: Mapping[str, Any]) -> Any:
        return await self.rest.ask(Call(method, params, {REQUESTS: 1}))

    async def _change(
        self, method: str, params: Mapping[str, Any], priority: Priority, costs: Costs | None = None
    ) -> Any:
        costs = costs or {ORDERS: 1}
        return await self.rest.ask(Call(method, params, costs, priority, changes=True))


def _list(told: Mapping[str, Any], part: str) -> Sequence[Any]:
    """Return the list in a part of an answer; one that is not there is no empty one."""
    rows = (told.get(part) or {}).get("list")
    if not isinstance(rows, list):
        raise VenueError(f"bybit: an unreadable answer came: {part} has no list")
    return rows


def _candle(market: Market, row: Sequence[Any]) -> Candle:
    return bar(market, row)
