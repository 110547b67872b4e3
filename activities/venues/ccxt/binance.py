"""Binance: USDT-M perpetuals and spot, by raw calls whose answers are read exactly."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, ClassVar, Final

from activities.venues.ccxt.binance_talks import (
    Candles,
    FuturesNews,
    Marks,
    Prices,
    SpotNews,
)
from activities.venues.ccxt.binance_words import INTERVALS, SIDES, order_in, page_on
from activities.venues.ccxt.markets import Market, decimal
from activities.venues.ccxt.meanings import Meaning, NotFoundError, Reply, Verdict
from activities.venues.ccxt.quirks import (
    ORDERS,
    News,
    OrderName,
    Quirks,
    bar,
    from_ms,
    to_ms,
    unique,
)
from activities.venues.ccxt.rest import Call
from activities.venues.ccxt.sockets import Conversation
from domain.conditions import DayStatistics, FundingRate, MarkPrice, Terms
from domain.limiter import Costs, Priority, Rate
from domain.market import Balance, Candle, FundingPayment, Position, PriceUpdate
from domain.money import ZERO, add
from domain.orders import (
    Fill,
    OrderReport,
    OrderRequest,
    OrderType,
    Side,
)

WEIGHT: Final = "weight"
_PAGE: Final = 1000
#: The longest span that userTrades, allOrders (futures) and myTrades (spot) look at in one call.
_FUTURES_SPAN: Final = timedelta(days=7)
_SPOT_SPAN: Final = timedelta(hours=24)

_CODES: Final[Mapping[str, Meaning]] = {
    "-1000": Meaning.UNKNOWN,
    "-1001": Meaning.UNKNOWN,
    "-1006": Meaning.UNKNOWN,
    "-1007": Meaning.UNKNOWN,
    # "Overloaded": seen on an order that HAD been placed.
    "-1008": Meaning.UNAVAILABLE,
    "-1016": Meaning.UNAVAILABLE,
    "-1003": Meaning.RATE_LIMITED,
    "-1015": Meaning.RATE_LIMITED,
    "-1002": Meaning.AUTHENTICATION,
    "-1022": Meaning.AUTHENTICATION,
    "-2014": Meaning.AUTHENTICATION,
    "-2015": Meaning.AUTHENTICATION,
    "-1021": Meaning.CLOCK,
    "-1013": Meaning.INVALID,
    "-1100": Meaning.INVALID,
    "-1102": Meaning.INVALID,
    "-1104": Meaning.INVALID,
    "-1106": Meaning.INVALID,
    "-1111": Meaning.INVALID,
    "-1116": Meaning.INVALID,
    "-4003": Meaning.INVALID,
    "-4014": Meaning.INVALID,
    "-4015": Meaning.INVALID,
    "-4023": Meaning.INVALID,
    "-4164": Meaning.INVALID,
    "-1121": Meaning.UNKNOWN_SYMBOL,
    "-2010": Meaning.REFUSED,
    "-2011": Meaning.NOT_FOUND,
    "-2013": Meaning.NOT_FOUND,
    "-2018": Meaning.INSUFFICIENT_FUNDS,
    "-2019": Meaning.INSUFFICIENT_FUNDS,
    "-2022": Meaning.REDUCE_ONLY,
    "-4116": Meaning.DUPLICATE,
    "-5022": Meaning.WOULD_CROSS,
    "-4046": Meaning.UNCHANGED,
    "-4059": Meaning.UNCHANGED,
}


class Binance(Quirks):
    """Both sides of Binance: `fapi` and `api` are two exchanges with one alphabet."""

    name = "binance"
    hosts = frozenset(
        {
            "fapi.binance.com",
            "fstream.binance.com",
            "api.binance.com",
            "stream.binance.com",
            "ws-api.binance.com",
        }
    )
    window = timedelta(seconds=3)
    codes = _CODES
    #: Spot has one code for all that a matching engine refuses.
    phrases: ClassVar[Sequence[tuple[str, str, Meaning]]] = (
        ("-2010", "Duplicate order", Meaning.DUPLICATE),
        ("-2010", "immediately match", Meaning.WOULD_CROSS),
        ("-2010", "insufficient balance", Meaning.INSUFFICIENT_FUNDS),
    )
    intervals = INTERVALS

    # ---- set-up

    def client_class(self) -> str:
        return "binanceusdm" if self.perpetual else "binance"

    def options(self) -> Mapping[str, Any]:
        return {
            "recvWindow": int(self.window / timedelta(milliseconds=1)),
            "fetchCurrencies": False,
            "fetchMargins": False,
            "fetchMarkets": {"types": ["linear" if self.perpetual else "spot"]},
            "defaultType": "swap" if self.perpetual else "spot",
        }

    def rates(self, orders: Rate) -> Mapping[str, Rate]:
        weight = 2400 if self.perpetual else 6000
        return {ORDERS: orders, WEIGHT: Rate(weight, timedelta(minutes=1))}

    @property
    def place_batch_of(self) -> int:  # type: ignore[override]  # only futures have batches
        """Five orders; spot has no batch."""
        return 5 if self.perpetual else 0

    @property
    def cancel_batch_of(self) -> int:  # type: ignore[override]  # the same
        """Ten orders; spot has no batch."""
        return 10 if self.perpetual else 0

    def code_of(self, data: Any) -> tuple[str | None, str]:
        if isinstance(data, dict) and "code" in data and data["code"] not in (0, 200, "200"):
            return str(data["code"]), str(data.get("msg", ""))
        return None, ""

    def pause(self, reply: Reply) -> timedelta:
        """Return the wait; a ban tells its end in the text, in milliseconds of wall time."""
        until = reply.body.partition("banned until ")[2].partition(".")[0]
        if until.isdecimal() and "retry-after" not in reply.headers:
            left = int(until) / 1000 - self.rest.client.milliseconds() / 1000
            return timedelta(seconds=max(left, 1.0))
        return super().pause(reply)

    def used(self, reply: Reply) -> Mapping[str, int]:
        used = reply.headers.get("x-mbx-used-weight-1m", "")
        return {WEIGHT: int(used)} if used.isdecimal() else {}

    # ---- orders

    async def place(self, market: Market, request: OrderRequest) -> OrderReport:
        method = "fapiPrivatePostOrder" if self.perpetual else "privatePostOrder"
        params = {**self._order_params(market, request), "newOrderRespType": "RESULT"}
        priority = Priority.REDUCE if request.reduce_only else Priority.PLACE
        return order_in(market, await self._change(method, params, priority))

    async def place_batch(
        self, market: Market, requests: Sequence[OrderRequest]
    ) -> Sequence[OrderReport | Verdict]:
        """Send a batch: it is answered by a row per order; a refused one has a code instead."""
        orders = [
            {**self._order_params(market, each), "newOrderRespType": "RESULT"} for each in requests
        ]
        call = Call(
            "fapiPrivatePostBatchOrders",
            {"batchOrders": orders},
            {ORDERS: len(orders), WEIGHT: 5},
            Priority.PLACE,
            changes=True,
        )
        reply = await self.rest.reply(call)
        rows = reply.data
        if not isinstance(rows, list) or len(rows) != len(requests):
            verdict = self.verdict(reply) or Verdict(Meaning.UNKNOWN, "", "an unreadable answer")
            return [verdict] * len(requests)
        by_id = {row.get("clientOrderId"): row for row in rows if "orderId" in row}
        return [
            self._batch_row(market, request, by_id.get(request.client_id), row, reply)
            for request, row in zip(requests, rows, strict=True)
        ]

    def _batch_row(
        self,
        market: Market,
        request: OrderRequest,
        named: Mapping[str, Any] | None,
        row: Mapping[str, Any],
        reply: Reply,
    ) -> OrderReport | Verdict:
        """Return the result of one order: by its id, and only a refusal by its place."""
        if named is not None:
            return order_in(market, named)
        code, message = self.code_of(row)
        if code is None:
            return Verdict(Meaning.UNKNOWN, "", f"the answer names no order {request.client_id}")
        return self.judge(code, message, reply)

    async def cancel(self, market: Market, client_id: str) -> OrderReport | None:
        method = "fapiPrivateDeleteOrder" if self.perpetual else "privateDeleteOrder"
        params = {"symbol": market.id, "origClientOrderId": client_id}
        return order_in(market, await self._change(method, params, Priority.CANCEL))

    async def cancel_batch(self, market: Market, client_ids: Sequence[str]) -> None:
        call = Call(
            "fapiPrivateDeleteBatchOrders",
            {"symbol": market.id, "origClientOrderIdList": list(client_ids)},
            {ORDERS: len(client_ids), WEIGHT: 1},
            Priority.CANCEL,
            changes=True,
        )
        reply = await self.rest.reply(call)
        if not isinstance(reply.data, list):  # a row per order, else one error for all
            await self._raise(reply, call)

    async def order(self, market: Market, name: OrderName) -> OrderReport | None:
        params: dict[str, Any] = {"symbol": market.id}
        if name.client_id is not None:
            params["origClientOrderId"] = name.client_id
        else:
            params["orderId"] = name.order_id
        method = "fapiPrivateGetOrder" if self.perpetual else "privateGetOrder"
        try:
            return order_in(market, await self._ask(method, params, 1 if self.perpetual else 4))
        except NotFoundError:
            return None

    async def open_orders(self, market: Market) -> Sequence[OrderReport]:
        method = "fapiPrivateGetOpenOrders" if self.perpetual else "privateGetOpenOrders"
        rows = await self._ask(method, {"symbol": market.id}, 1 if self.perpetual else 6)
        return [order_in(market, row) for row in rows]

    async def orders_since(self, market: Market, since: datetime) -> Sequence[OrderReport]:
        """By time of creation, not of change."""
        method = "fapiPrivateGetAllOrders" if self.perpetual else "privateGetAllOrders"
        rows = await self._history(method, market, since, "orderId", 5 if self.perpetual else 20)
        return [order_in(market, row) for row in rows]

    async def fills_since(self, market: Market, since: datetime) -> Sequence[Fill]:
        method = "fapiPrivateGetUserTrades" if self.perpetual else "privateGetMyTrades"
        rows = await self._history(method, market, since, "fromId", 5 if self.perpetual else 20)
        return unique(self._fill(market, row) for row in rows)

    async def order_fills(self, market: Market, order_id: str) -> Sequence[Fill]:
        method = "fapiPrivateGetUserTrades" if self.perpetual else "privateGetMyTrades"
        params = {"symbol": market.id, "orderId": order_id, "limit": _PAGE}
        rows = await self._ask(method, params, 5 if self.perpetual else 20)
        return unique(self._fill(market, row) for row in rows)

    # ---- account

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

    async def funding_since(self, market: Market, since: datetime) -> Sequence[FundingPayment]:
        params = {
            "symbol": market.id,
            "incomeType": "FUNDING_FEE",
            "startTime": to_ms(since),
            "limit": _PAGE,
        }
        rows = await self._ask("fapiPrivateGetIncome", params, 30)
        if len(rows) == _PAGE:  # a page is full: the next one begins at its last moment
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

    async def set_leverage(self, market: Market, leverage: int) -> None:
        params = {"symbol": market.id, "leverage": leverage}
        await self._change("fapiPrivatePostLeverage", params, Priority.QUERY, {WEIGHT: 1})

    async def set_one_way(self) -> None:
        params = {"dualSidePosition": "false"}
        await self._change("fapiPrivatePostPositionSideDual", params, Priority.QUERY, {WEIGHT: 1})

    # ---- market

    async def last_price(self, market: Market) -> PriceUpdate | None:
        """Return the last trade: the price endpoint of spot has no time."""
        method = "fapiPublicGetTrades" if self.perpetual else "publicGetTrades"
        rows = await self._ask(
            method, {"symbol": market.id, "limit": 1}, 5 if self.perpetual else 25
        )
        if not rows:
            return None
        return PriceUpdate(
            market.symbol, market.price(rows[-1]["price"], "price"), from_ms(rows[-1]["time"])
        )

    async def candles(self, market: Market, interval: timedelta, limit: int) -> Sequence[Candle]:
        method = "fapiPublicGetKlines" if self.perpetual else "publicGetKlines"
        params = {
            "symbol": market.id,
            "interval": self.interval(interval),
            "limit": min(limit, _PAGE),
        }
        rows = await self._ask(method, params, 5 if self.perpetual else 2)
        candles = [_candle(market, row) for row in rows]
        return [*candles[:-1], *(replace(each, closed=False) for each in candles[-1:])]

    async def day_statistics(self) -> Sequence[DayStatistics]:
        method = "fapiPublicGetTicker24hr" if self.perpetual else "publicGetTicker24hr"
        rows = await self._ask(method, {}, 40 if self.perpetual else 80)
        return [
            DayStatistics(
                market.symbol,
                decimal(row["lastPrice"], "lastPrice"),
                decimal(row["priceChangePercent"], "priceChangePercent") / 100,
                decimal(row["quoteVolume"], "quoteVolume"),
            )
            for row in rows
            if (market := self.market_of(row["symbol"])) is not None
        ]

    async def funding_rate(self, market: Market) -> FundingRate:
        row = await self._ask("fapiPublicGetPremiumIndex", {"symbol": market.id}, 1)
        return FundingRate(
            market.symbol,
            decimal(row["lastFundingRate"], "lastFundingRate"),
            from_ms(row["nextFundingTime"]),
            decimal(row["markPrice"], "markPrice"),
        )

    async def funding_rates(self, market: Market, since: datetime) -> Sequence[FundingRate]:
        params = {"symbol": market.id, "startTime": to_ms(since), "limit": _PAGE}
        rows = await self._ask("fapiPublicGetFundingRate", params, 1)
        return [
            FundingRate(
                market.symbol,
                decimal(row["fundingRate"], "fundingRate"),
                from_ms(row["fundingTime"]),
                decimal(row["markPrice"], "markPrice") if row.get("markPrice") else None,
            )
            for row in rows
        ]

    # ---- streams

    def news_talk(self) -> Conversation[News]:
        return FuturesNews(self) if self.perpetual else SpotNews(self)

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
            "side": request.side.upper(),
            "type": request.type.upper(),
            "quantity": market.amount_out(request.quantity),
            "newClientOrderId": request.client_id,
        }
        if request.price is not None:
            params["price"] = market.price_out(request.price)
        if request.type is OrderType.LIMIT:
            params["timeInForce"] = request.time_in_force.upper()
        if request.post_only and self.perpetual:
            params["timeInForce"] = "GTX"
        elif request.post_only:
            params["type"] = "LIMIT_MAKER"
            del params["timeInForce"]
        if request.reduce_only and self.perpetual:
            params["reduceOnly"] = "true"
        return params

    def _fill(self, market: Market, row: Mapping[str, Any]) -> Fill:
        side = SIDES[row["side"]] if self.perpetual else (Side.BUY if row["isBuyer"] else Side.SELL)
        return Fill(
            fill_id=str(row["id"]),
            client_id="",
            order_id=str(row["orderId"]),
            symbol=market.symbol,
            side=side,
            price=market.price(row["price"], "price"),
            quantity=market.quantity(row["qty"], "qty"),
            fee=decimal(row["commission"], "commission"),
            fee_asset=row["commissionAsset"],
            maker=row["maker"] if self.perpetual else row["isMaker"],
            at=from_ms(row["time"]),
        )

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

    async def _history(
        self, method: str, market: Market, since: datetime, cursor: str, weight: int
    ) -> list[Mapping[str, Any]]:
        """Return all rows since a moment: in spans the venue takes, each page after page."""
        span = _FUTURES_SPAN if self.perpetual else _SPOT_SPAN
        now = from_ms(self.rest.client.milliseconds())
        rows: list[Mapping[str, Any]] = []
        begin = since
        while True:
            params: dict[str, Any] = {
                "symbol": market.id,
                "startTime": to_ms(begin),
                "limit": _PAGE,
            }
            if now - begin > span:
                params["endTime"] = to_ms(begin + span) - 1
            rows += await page_on(self._asking(method, weight), params, cursor, _PAGE)
            begin += span
            if begin > now:
                return rows

    def _asking(self, method: str, weight: int) -> Callable[[Mapping[str, Any]], Awaitable[Any]]:
        async def ask(params: Mapping[str, Any]) -> Any:
            return await self._ask(method, params, weight)

        return ask

    async def _ask(self, method: str, params: Mapping[str, Any], weight: int) -> Any:
        return await self.rest.ask(Call(method, params, {WEIGHT: weight}))

    async def _change(
        self, method: str, params: Mapping[str, Any], priority: Priority, costs: Costs | None = None
    ) -> Any:
        costs = costs or {ORDERS: 1, WEIGHT: 1}
        return await self.rest.ask(Call(method, params, costs, priority, changes=True))

    async def _raise(self, reply: Reply, call: Call) -> None:
        verdict = self.verdict(reply) or Verdict(Meaning.UNKNOWN, "", "an unreadable answer")
        raise await self.rest.error(verdict, call)


def _payment(market: Market, row: Mapping[str, Any]) -> FundingPayment:
    return FundingPayment(
        str(row["tranId"]), market.symbol, decimal(row["income"], "income"), from_ms(row["time"])
    )


def _candle(market: Market, row: Sequence[Any]) -> Candle:
    return bar(market, row)
