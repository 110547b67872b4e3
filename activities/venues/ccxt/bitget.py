"""Bitget: USDT-M perpetuals in one-way mode and spot, by raw calls of its API v2."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, ClassVar, Final

from activities.venues.ccxt.bitget_codes import CODES, PHRASES
from activities.venues.ccxt.bitget_talks import (
    AccountNews,
    Candles,
    Marks,
    Prices,
    candle,
    position,
    spot_balance,
    wallet,
)
from activities.venues.ccxt.bitget_words import INTERVALS, PRODUCT, SPOT_INTERVALS, Words
from activities.venues.ccxt.markets import Market, decimal
from activities.venues.ccxt.meanings import Meaning, NotFoundError, Verdict
from activities.venues.ccxt.quirks import (
    ORDERS,
    News,
    OrderName,
    Quirks,
    accepted,
    from_ms,
    to_ms,
    unique,
)
from activities.venues.ccxt.rest import Call
from activities.venues.ccxt.sockets import Conversation
from domain.conditions import DayStatistics, FundingRate, MarkPrice, Terms
from domain.errors import (
    InvalidValueError,
    NotSentError,
    RateLimitedError,
    UnknownOutcomeError,
    VenueError,
)
from domain.limiter import Costs, Priority, Rate
from domain.market import Balance, Candle, FundingPayment, Position, PriceUpdate
from domain.money import EXACT, MarketKind, Rounding
from domain.orders import Fill, OrderReport, OrderRequest, OrderType, Side

_SECOND: Final = timedelta(seconds=1)
_BATCHES: Final = "batches"
_PAGE: Final = 100
_MOST_CANDLES: Final = 1000
#: The longest span that fills of perpetuals may be asked for; all else takes longer ones.
_SPAN: Final = timedelta(days=7)
#: How much above the best offer a market buy on spot may pay.
_BOUND: Final = Decimal("1.01")
#: Each endpoint has a limit of its own.
_ASKED: Final = (
    "privateCommonGetV2CommonTradeRate",
    "privateMixGetV2MixAccountAccount",
    "privateMixGetV2MixAccountAccounts",
    "privateMixGetV2MixAccountBill",
    "privateMixGetV2MixOrderDetail",
    "privateMixGetV2MixOrderFills",
    "privateMixGetV2MixOrderOrdersHistory",
    "privateMixGetV2MixOrderOrdersPending",
    "privateMixGetV2MixPositionSinglePosition",
    "privateMixPostV2MixAccountSetLeverage",
    "privateMixPostV2MixAccountSetPositionMode",
    "privateSpotGetV2SpotAccountAssets",
    "privateSpotGetV2SpotTradeFills",
    "privateSpotGetV2SpotTradeHistoryOrders",
    "privateSpotGetV2SpotTradeOrderInfo",
    "privateSpotGetV2SpotTradeUnfilledOrders",
    "publicMixGetV2MixMarketCandles",
    "publicMixGetV2MixMarketCurrentFundRate",
    "publicMixGetV2MixMarketFills",
    "publicMixGetV2MixMarketHistoryFundRate",
    "publicMixGetV2MixMarketTickers",
    "publicSpotGetV2SpotMarketCandles",
    "publicSpotGetV2SpotMarketFills",
    "publicSpotGetV2SpotMarketTickers",
)


class Bitget(Quirks):
    """Both sides of a classic account; a unified account (UTA) has another API."""

    name = "bitget"
    hosts = frozenset({"api.bitget.com", "ws.bitget.com"})
    #: Nothing lowers it.
    window = timedelta(seconds=30)
    codes = CODES
    phrases: ClassVar[Sequence[tuple[str, str, Meaning]]] = PHRASES
    intervals = INTERVALS
    place_batch_of = 50
    cancel_batch_of = 50

    def __init__(self, kind: MarketKind) -> None:
        super().__init__(kind)
        self.words = Words(perpetual=self.perpetual)

    # ---- set-up

    def client_class(self) -> str:
        return "bitget"

    def options(self) -> Mapping[str, Any]:
        return {
            "uta": False,
            "fetchMarkets": {"types": ["swap" if self.perpetual else "spot"]},
            "defaultType": "swap" if self.perpetual else "spot",
        }

    def rates(self, orders: Rate) -> Mapping[str, Rate]:
        # A batch counts as its orders: one of more than the rate allows would leave at once.
        self.place_batch_of = self.cancel_batch_of = min(50, orders.amount)
        each = {method: Rate(10, _SECOND) for method in _ASKED}
        return {ORDERS: orders, _BATCHES: Rate(5, _SECOND), **each}

    def code_of(self, data: Any) -> tuple[str | None, str]:
        if isinstance(data, dict) and "code" in data and str(data["code"]) != "00000":
            return str(data["code"]), str(data.get("msg") or "")
        return None, ""

    # ---- orders

    async def place(self, market: Market, request: OrderRequest) -> OrderReport:
        params = self._order_at(market) | await self._order_params(market, request)
        method = self._either(
            "privateMixPostV2MixOrderPlaceOrder", "privateSpotPostV2SpotTradePlaceOrder"
        )
        priority = Priority.REDUCE if request.reduce_only else Priority.PLACE
        told = await self._change(method, params, priority)
        order_id = (told.get("data") or {}).get("orderId")
        if not order_id:
            raise UnknownOutcomeError(f"bitget: the answer to {request.client_id} has no order id")
        return self._accepted(market, request, order_id, told)

    async def place_batch(
        self, market: Market, requests: Sequence[OrderRequest]
    ) -> Sequence[OrderReport | Verdict]:
        """Send a batch: it is answered by two lists, of what was taken and of what was not."""
        orders = [await self._order_params(market, each) for each in requests]
        method = self._either(
            "privateMixPostV2MixOrderBatchPlaceOrder", "privateSpotPostV2SpotTradeBatchOrders"
        )
        call = Call(
            method,
            self._order_at(market) | {"orderList": orders},
            {ORDERS: len(orders), _BATCHES: 1},
            Priority.PLACE,
            changes=True,
        )
        reply = await self.rest.reply(call)
        verdict = self.verdict(reply)
        if verdict is not None:
            return [verdict] * len(requests)
        data = reply.data["data"] or {}
        taken = {row.get("clientOid"): row for row in data.get("successList") or ()}
        failed = {row.get("clientOid"): row for row in data.get("failureList") or ()}
        results: list[OrderReport | Verdict] = []
        for request in requests:
            name = request.client_id
            if name in taken:
                order_id = taken[name]["orderId"]
                results.append(self._accepted(market, request, order_id, reply.data))
            elif name in failed:
                row = failed[name]
                code, words = str(row.get("errorCode")), str(row.get("errorMsg") or "")
                judged = self.judge(code, words, reply)
                # A code that is in no table came in an answer that says success: still a no.
                known = code in self.codes
                results.append(judged if known else replace(judged, meaning=Meaning.REFUSED))
            else:
                results.append(Verdict(Meaning.UNKNOWN, "", f"the answer names no order {name}"))
        return results

    async def cancel(self, market: Market, client_id: str) -> OrderReport | None:
        self.words.canceled.add(client_id)
        method = self._either(
            "privateMixPostV2MixOrderCancelOrder", "privateSpotPostV2SpotTradeCancelOrder"
        )
        await self._change(method, self._at(market) | {"clientOid": client_id}, Priority.CANCEL)
        return None

    async def cancel_batch(self, market: Market, client_ids: Sequence[str]) -> None:
        for each in client_ids:
            self.words.canceled.add(each)
        names = [{"clientOid": each} for each in client_ids]
        method = self._either(
            "privateMixPostV2MixOrderBatchCancelOrders",
            "privateSpotPostV2SpotTradeBatchCancelOrder",
        )
        key = "orderIdList" if self.perpetual else "orderList"
        costs = {ORDERS: len(names), _BATCHES: 1}
        params = self._at(market) | {key: names}
        with suppress(NotFoundError):  # none of them works any more
            await self._change(method, params, Priority.CANCEL, costs)

    async def order(self, market: Market, name: OrderName) -> OrderReport | None:
        wanted = {"clientOid": name.client_id} if name.client_id else {"orderId": name.order_id}
        try:
            if self.perpetual:
                params = self._market(market) | wanted
                row = await self._ask("privateMixGetV2MixOrderDetail", params)
            else:
                rows = await self._ask("privateSpotGetV2SpotTradeOrderInfo", wanted)
                row = next((each for each in rows or () if each["symbol"] == market.id), None)
        except NotFoundError:
            return None
        return self.words.order(market, row) if row else None

    async def open_orders(self, market: Market) -> Sequence[OrderReport]:
        method = self._either(
            "privateMixGetV2MixOrderOrdersPending", "privateSpotGetV2SpotTradeUnfilledOrders"
        )
        rows = await self._pages(method, self._market(market), "entrustedList", "orderId")
        return [self.words.order(market, row) for row in rows]

    async def orders_since(self, market: Market, since: datetime) -> Sequence[OrderReport]:
        """By time of creation, not of change; only what has ended."""
        method = self._either(
            "privateMixGetV2MixOrderOrdersHistory", "privateSpotGetV2SpotTradeHistoryOrders"
        )
        rows = await self._history(method, self._market(market), since, "entrustedList", "orderId")
        return [self.words.order(market, row) for row in rows]

    async def fills_since(self, market: Market, since: datetime) -> Sequence[Fill]:
        rows = await self._history(
            self._fills_method, self._market(market), since, "fillList", "tradeId"
        )
        return unique(self.words.fill(market, row) for row in rows)

    async def order_fills(self, market: Market, order_id: str) -> Sequence[Fill]:
        params = self._market(market) | {"orderId": order_id}
        rows = await self._pages(self._fills_method, params, "fillList", "tradeId")
        return unique(self.words.fill(market, row) for row in rows)

    @property
    def _fills_method(self) -> str:
        return self._either("privateMixGetV2MixOrderFills", "privateSpotGetV2SpotTradeFills")

    # ---- account

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

    async def set_leverage(self, market: Market, leverage: int) -> None:
        method = "privateMixPostV2MixAccountSetLeverage"
        params = self._coin(market) | {"leverage": str(leverage)}
        await self._change(method, params, Priority.QUERY, {method: 1})

    async def set_one_way(self) -> None:
        method = "privateMixPostV2MixAccountSetPositionMode"
        params = {"productType": PRODUCT, "posMode": "one_way_mode"}
        await self._change(method, params, Priority.QUERY, {method: 1})

    # ---- market

    async def last_price(self, market: Market) -> PriceUpdate | None:
        method = self._either("publicMixGetV2MixMarketFills", "publicSpotGetV2SpotMarketFills")
        rows = await self._ask(method, self._market(market) | {"limit": "1"})
        if not rows:
            return None
        price = market.price(rows[0]["price"], "price")
        return PriceUpdate(market.symbol, price, from_ms(rows[0]["ts"]))

    async def candles(self, market: Market, interval: timedelta, limit: int) -> Sequence[Candle]:
        word = self.interval(interval)
        method = self._either("publicMixGetV2MixMarketCandles", "publicSpotGetV2SpotMarketCandles")
        params = self._market(market) | {
            "granularity": word if self.perpetual else SPOT_INTERVALS.get(word, word),
            "limit": str(min(limit, _MOST_CANDLES)),
        }
        candles = [candle(market, row) for row in await self._ask(method, params)]
        return [*(replace(each, closed=True) for each in candles[:-1]), *candles[-1:]]

    async def day_statistics(self) -> Sequence[DayStatistics]:
        params = {"productType": PRODUCT} if self.perpetual else {}
        return [
            DayStatistics(
                market.symbol,
                decimal(row["lastPr"], "lastPr"),
                decimal(row["change24h"], "change24h"),
                decimal(row["quoteVolume"], "quoteVolume"),
            )
            for row in await self._ask(self._tickers_method, params)
            if (market := self.market_of(row["symbol"])) is not None
        ]

    @property
    def _tickers_method(self) -> str:
        return self._either("publicMixGetV2MixMarketTickers", "publicSpotGetV2SpotMarketTickers")

    async def funding_rate(self, market: Market) -> FundingRate:
        """Return the rate that is due next; the mark price is told elsewhere."""
        method = "publicMixGetV2MixMarketCurrentFundRate"
        (row,) = await self._ask(method, self._market(market))
        rate = decimal(row["fundingRate"], "fundingRate")
        return FundingRate(market.symbol, rate, from_ms(row["nextUpdate"]))

    async def funding_rates(self, market: Market, since: datetime) -> Sequence[FundingRate]:
        rates: list[FundingRate] = []
        number = 0
        while True:  # the newest page comes first
            number += 1
            params = self._market(market) | {"pageSize": str(_PAGE), "pageNo": str(number)}
            rows = await self._ask("publicMixGetV2MixMarketHistoryFundRate", params)
            page = [
                FundingRate(
                    market.symbol,
                    decimal(row["fundingRate"], "fundingRate"),
                    from_ms(row["fundingTime"]),
                )
                for row in rows
            ]
            rates += [each for each in page if each.at >= since]
            if len(page) < _PAGE or page[-1].at < since:
                return sorted(rates, key=lambda each: each.at)

    # ---- streams

    def news_talk(self) -> Conversation[News]:
        return AccountNews(self)

    def price_talk(self, markets: Sequence[Market]) -> Conversation[PriceUpdate]:
        return Prices(self, markets)

    def candle_talk(self, market: Market, interval: timedelta) -> Conversation[Candle]:
        return Candles(self, market, interval)

    def mark_talk(self, markets: Sequence[Market]) -> Conversation[MarkPrice]:
        return Marks(self, markets)

    # ---- how

    def _either(self, perpetual: str, spot: str) -> str:
        return perpetual if self.perpetual else spot

    def _market(self, market: Market) -> dict[str, Any]:
        """Return what names a market in a question."""
        if not self.perpetual:
            return {"symbol": market.id}
        if market.instrument.quote != "USDT":
            raise InvalidValueError(
                f"bitget: {market.symbol} is not among the USDT-M perpetuals: choose one of USDT"
            )
        return {"symbol": market.id, "productType": PRODUCT}

    def _coin(self, market: Market) -> dict[str, Any]:
        return self._market(market) | {"marginCoin": market.instrument.quote}

    def _at(self, market: Market) -> dict[str, Any]:
        """Return what names a market in an order or a cancel."""
        return self._coin(market) if self.perpetual else self._market(market)

    def _order_at(self, market: Market) -> dict[str, Any]:
        """Return what names a market in an order or a batch of them."""
        return self._at(market) | ({"marginMode": "crossed"} if self.perpetual else {})

    async def _order_params(self, market: Market, request: OrderRequest) -> dict[str, Any]:
        params: dict[str, Any] = {
            "side": str(request.side),
            "orderType": str(request.type),
            "size": market.amount_out(request.quantity),
            "clientOid": request.client_id,
        }
        if request.type is OrderType.LIMIT:
            params["force"] = "post_only" if request.post_only else str(request.time_in_force)
        if request.post_only:
            self.words.post_only.add(request.client_id)
        if request.price is not None:
            params["price"] = market.price_out(request.price)
        if self.perpetual and request.reduce_only:
            params["reduceOnly"] = "YES"
        if self.perpetual:
            return params
        if request.type is OrderType.MARKET and request.side is Side.BUY:
            params |= await self._bounded(market)
            self.words.bounded.add(request.client_id)
        return params

    async def _bounded(self, market: Market) -> Mapping[str, str]:
        """Return how to buy on spot now: a market buy there has a cost and no amount."""
        try:
            (row,) = await self._ask(self._tickers_method, self._market(market))
        except RateLimitedError:
            raise
        except VenueError as error:
            if error.permanent:
                raise
            raise NotSentError(f"bitget: the order was not sent: {error}") from error
        best = EXACT.multiply(decimal(row["askPr"] or row["lastPr"], "askPr"), _BOUND)
        price = market.instrument.price(best, Rounding.DOWN)
        return {"orderType": "limit", "force": "ioc", "price": market.price_out(price)}

    def _accepted(
        self, market: Market, request: OrderRequest, order_id: Any, told: Mapping[str, Any]
    ) -> OrderReport:
        return accepted(market, request, str(order_id), from_ms(told["requestTime"]))

    async def _history(
        self, method: str, params: Mapping[str, Any], since: datetime, key: str, cursor: str
    ) -> list[Mapping[str, Any]]:
        """Return all rows since a moment, in spans that the venue takes."""
        now = from_ms(self.rest.client.milliseconds())
        rows: list[Mapping[str, Any]] = []
        begin = since
        while True:
            span = {"startTime": str(to_ms(begin))}
            if now - begin > _SPAN:
                span["endTime"] = str(to_ms(begin + _SPAN) - 1)
            rows += await self._pages(method, {**params, **span}, key, cursor)
            begin += _SPAN
            if begin > now:
                return rows

    async def _pages(
        self, method: str, params: Mapping[str, Any], key: str, cursor: str
    ) -> list[Mapping[str, Any]]:
        """Return all rows: a full page, newest first, is followed by one below its last id."""
        rows: list[Mapping[str, Any]] = []
        more: dict[str, Any] = {"limit": str(_PAGE)}
        while True:
            data = await self._ask(method, {**params, **more})
            # Perpetuals wrap the list, which is null when it is empty.
            page = (data.get(key) if isinstance(data, dict) else data) or []
            rows += page
            if len(page) < _PAGE:
                return rows
            more["idLessThan"] = str(page[-1][cursor])

    async def _ask(self, method: str, params: Mapping[str, Any]) -> Any:
        told = await self.rest.ask(Call(method, params, {method: 1}))
        return told["data"]

    async def _change(
        self, method: str, params: Mapping[str, Any], priority: Priority, costs: Costs | None = None
    ) -> Any:
        return await self.rest.ask(
            Call(method, params, costs or {ORDERS: 1}, priority, changes=True)
        )


def _payment(market: Market, row: Mapping[str, Any]) -> FundingPayment:
    return FundingPayment(
        str(row["billId"]), market.symbol, decimal(row["amount"], "amount"), from_ms(row["cTime"])
    )
