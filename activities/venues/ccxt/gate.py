"""Gate: USDT futures and spot, by raw calls whose answers are read exactly."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from activities.venues.ccxt import gate_words as words
from activities.venues.ccxt.gate_account import GateAccount
from activities.venues.ccxt.gate_talks import Candles, Marks, NewsTalk, Prices
from activities.venues.ccxt.markets import Market, decimal
from activities.venues.ccxt.meanings import Meaning, NotFoundError, Reply, Verdict
from activities.venues.ccxt.quirks import News, OrderName, unique
from activities.venues.ccxt.sockets import Conversation
from domain.conditions import MarkPrice
from domain.errors import NotSentError, VenueError
from domain.limiter import Priority
from domain.market import Candle, PriceUpdate
from domain.money import EXACT, Rounding
from domain.orders import Fill, OrderReport, OrderRequest, OrderType, Side

#: How far back an order is looked for whose client id the venue no longer knows.
_REMEMBERED: Final = timedelta(hours=24)
#: How much above the last price a market buy of coins may pay.
_SLIPPAGE: Final = Decimal("1.02")


class Gate(GateAccount):
    """Both sides of Gate: contracts and coins are two exchanges with one alphabet."""

    # ---- orders

    async def place(self, market: Market, request: OrderRequest) -> OrderReport:
        (params,) = await self._orders_out(market, [request])
        method = "privateFuturesPostSettleOrders" if self.perpetual else "privateSpotPostOrders"
        priority = Priority.REDUCE if request.reduce_only else Priority.PLACE
        return self._placed(market, request, await self._change(method, params, priority))

    async def place_batch(
        self, market: Market, requests: Sequence[OrderRequest]
    ) -> Sequence[OrderReport | Verdict]:
        """Send a batch: each row says whether it succeeded, and is found by its client id."""
        orders = await self._orders_out(market, requests)
        method = (
            "privateFuturesPostSettleBatchOrders"
            if self.perpetual
            else "privateSpotPostBatchOrders"
        )
        call = self._changing(method, orders, Priority.PLACE, len(orders))
        reply = await self.rest.reply(call)
        rows = reply.data
        if not isinstance(rows, list) or len(rows) != len(requests):
            verdict = self.verdict(reply) or Verdict(Meaning.UNKNOWN, "", "an unreadable answer")
            if verdict.meaning in (Meaning.RATE_LIMITED, Meaning.CLOCK):
                await self.rest.error(verdict, call)  # heeds what it says
            return [verdict] * len(requests)
        named = {words.id_in(row.get("text")): row for row in rows}
        return [
            self._batch_row(market, request, named.get(request.client_id), row, reply)
            for request, row in zip(requests, rows, strict=True)
        ]

    def _batch_row(
        self,
        market: Market,
        request: OrderRequest,
        named: Mapping[str, Any] | None,
        placed: Mapping[str, Any],
        reply: Reply,
    ) -> OrderReport | Verdict:
        """Return the result of one order: by its id, and only a refusal by its place."""
        row = named if named is not None else placed
        code, message = self.code_of(row)
        if code is not None and (named is not None or not row.get("text")):
            return self.judge(code, message, reply)
        if named is None or not named.get("succeeded", True):
            return Verdict(Meaning.UNKNOWN, "", f"the answer names no order {request.client_id}")
        return self._placed(market, request, named)

    def _placed(self, market: Market, request: OrderRequest, row: Mapping[str, Any]) -> OrderReport:
        # A market buy of coins went out with a limit, which nobody asked for.
        return replace(self._order(market, row), price=request.price)

    async def cancel(self, market: Market, client_id: str) -> OrderReport | None:
        method = (
            "privateFuturesDeleteSettleOrdersOrderId"
            if self.perpetual
            else "privateSpotDeleteOrdersOrderId"
        )
        params = {**self._of(market), "order_id": self.id_out(client_id)}
        return self._order(market, await self._change(method, params, Priority.CANCEL))

    async def cancel_batch(self, market: Market, client_ids: Sequence[str]) -> None:
        """Coins only: a batch of contracts is not said to take client ids."""
        names = [
            {"currency_pair": market.id, "id": self.id_out(client_id)} for client_id in client_ids
        ]
        call = self._changing(
            "privateSpotPostCancelBatchOrders", names, Priority.CANCEL, len(names)
        )
        reply = await self.rest.reply(call)
        if not isinstance(reply.data, list):  # a row per order, else one error for all
            verdict = self.verdict(reply) or Verdict(Meaning.UNKNOWN, "", "an unreadable answer")
            raise await self.rest.error(verdict, call)

    async def order(self, market: Market, name: OrderName) -> OrderReport | None:
        """Return an order. The venue forgets the client id of one that ended a while ago."""
        wanted = name.order_id or self.id_out(name.client_id or "")
        method = (
            "privateFuturesGetSettleOrdersOrderId"
            if self.perpetual
            else "privateSpotGetOrdersOrderId"
        )
        try:
            row = await self._ask(method, {**self._of(market), "order_id": wanted})
            return self._order(market, row)
        except NotFoundError:
            if name.client_id is None:
                return None
        return await self._forgotten(market, name.client_id)

    async def _forgotten(self, market: Market, client_id: str) -> OrderReport | None:
        """Return an order by its own text, in the lists of what ended or was executed lately."""
        since = words.moment(self.rest.client.nonce()) - _REMEMBERED
        for report in await self.orders_since(market, since):
            if report.client_id == client_id:
                return report
        for fill in await self.fills_since(market, since):
            if fill.client_id == client_id:
                return await self.order(market, OrderName(order_id=fill.order_id))
        return None

    async def open_orders(self, market: Market) -> Sequence[OrderReport]:
        method = "privateFuturesGetSettleOrders" if self.perpetual else "privateSpotGetOrders"
        rows = await self._pages(method, {**self._named(market), "status": "open"}, 100)
        return [self._order(market, row) for row in rows]

    async def orders_since(self, market: Market, since: datetime) -> Sequence[OrderReport]:
        """Return those that ended: the port adds those that work."""
        params = {**self._named(market), "from": _seconds(since)}
        if self.perpetual:
            rows = await self._pages("privateFuturesGetSettleOrdersTimerange", params, 100)
        else:
            params["status"] = "finished"
            rows = await self._spanned("privateSpotGetOrders", params, since, 100)
        return [self._order(market, row) for row in rows]

    async def fills_since(self, market: Market, since: datetime) -> Sequence[Fill]:
        params = {**self._named(market), "from": _seconds(since)}
        if self.perpetual:
            rows = await self._pages("privateFuturesGetSettleMyTradesTimerange", params, 100)
        else:
            rows = await self._spanned("privateSpotGetMyTrades", params, since, 1000)
        return unique(self._fill(market, row) for row in rows)

    async def order_fills(self, market: Market, order_id: str) -> Sequence[Fill]:
        if self.perpetual:
            params = {**self._named(market), "order": order_id}
            rows = await self._pages("privateFuturesGetSettleMyTrades", params, 100)
        else:
            params = {**self._named(market), "order_id": order_id}
            rows = await self._pages("privateSpotGetMyTrades", params, 1000)
        return unique(self._fill(market, row) for row in rows)

    # ---- market

    async def last_price(self, market: Market) -> PriceUpdate | None:
        method = "publicFuturesGetSettleTrades" if self.perpetual else "publicSpotGetTrades"
        rows = await self._ask(method, {**self._named(market), "limit": 1})
        return self.traded(market, rows[0]) if rows else None

    async def candles(self, market: Market, interval: timedelta, limit: int) -> Sequence[Candle]:
        word = self.interval(interval)
        params = {**self._named(market), "interval": word, "limit": min(limit, 1000)}
        if self.perpetual:
            rows = await self._ask("publicFuturesGetSettleCandlesticks", params)
        else:
            rows = await self._ask("publicSpotGetCandlesticks", params)
        candles = [self.candle(market, row if self.perpetual else _bar(row)) for row in rows]
        return [
            *(replace(each, closed=True) for each in candles[:-1]),
            *(replace(each, closed=False) for each in candles[-1:]),
        ]

    def traded(self, market: Market, row: Mapping[str, Any]) -> PriceUpdate:
        """Return the price of a trade, of an answer or a stream."""
        at = words.moment(row.get("create_time_ms") or row["create_time"])
        return PriceUpdate(market.symbol, market.price(row["price"], "price"), at)

    def candle(self, market: Market, row: Mapping[str, Any]) -> Candle:
        """Return a candle, of an answer or a stream.

        The volume of coins is counted down to whole lots: it is no money, and one that is off must
        not stop everything.
        """
        if self.perpetual:
            volume = market.quantity(row["v"], "v")
        else:
            volume = market.instrument.quantity(decimal(row["a"], "a"), Rounding.DOWN)
        return Candle(
            market.symbol,
            words.moment(row["t"]),
            market.price(row["o"], "o"),
            market.price(row["h"], "h"),
            market.price(row["l"], "l"),
            market.price(row["c"], "c"),
            volume,
            closed=row.get("w") is True,
        )

    # ---- streams

    def news_talk(self) -> Conversation[News]:
        return NewsTalk(self)

    def price_talk(self, markets: Sequence[Market]) -> Conversation[PriceUpdate]:
        return Prices(self, markets)

    def candle_talk(self, market: Market, interval: timedelta) -> Conversation[Candle]:
        return Candles(self, market, interval)

    def mark_talk(self, markets: Sequence[Market]) -> Conversation[MarkPrice]:
        return Marks(self, markets)

    # ---- rows

    def order_in(self, market: Market, row: Mapping[str, Any]) -> OrderReport:
        """Return an order, of an answer or a stream."""
        return self._order(market, row)

    def fill_in(self, market: Market, row: Mapping[str, Any]) -> Fill:
        """Return an execution, of an answer or a stream."""
        return self._fill(market, row)

    def _order(self, market: Market, row: Mapping[str, Any]) -> OrderReport:
        return words.future_in(market, row) if self.perpetual else words.spot_in(market, row)

    def _fill(self, market: Market, row: Mapping[str, Any]) -> Fill:
        return words.future_fill(market, row) if self.perpetual else words.spot_fill(market, row)

    # ---- requests

    async def _orders_out(
        self, market: Market, requests: Sequence[OrderRequest]
    ) -> list[dict[str, Any]]:
        if self.perpetual:
            return [self._future_out(market, request) for request in requests]
        limit = None
        if any(each.type is OrderType.MARKET and each.side is Side.BUY for each in requests):
            limit = await self._highest(market)
        return [self._spot_out(market, request, limit) for request in requests]

    def _future_out(self, market: Market, request: OrderRequest) -> dict[str, Any]:
        size = market.amount_out(request.quantity)
        params: dict[str, Any] = {
            **self._settled,
            "contract": market.id,
            "size": size if request.side is Side.BUY else f"-{size}",
            "price": "0" if request.price is None else market.price_out(request.price),
            "tif": self._in_force(request),
            "text": self.id_out(request.client_id),
        }
        if request.reduce_only:
            params["reduce_only"] = True
        return params

    def _spot_out(
        self, market: Market, request: OrderRequest, highest: str | None
    ) -> dict[str, Any]:
        """Return an order of coins.

        A market buy counts quote there, so that its size would be a guess: it goes out with a
        limit, takes what there is up to it, and the rest expires.
        """
        price = None if request.price is None else market.price_out(request.price)
        if request.type is OrderType.MARKET and request.side is Side.BUY:
            price = highest
        params: dict[str, Any] = {
            "currency_pair": market.id,
            "account": "spot",
            "type": "market" if price is None else "limit",
            "side": str(request.side),
            "amount": market.amount_out(request.quantity),
            "time_in_force": self._in_force(request),
            "text": self.id_out(request.client_id),
        }
        if price is not None:
            params["price"] = price
        return params

    def _in_force(self, request: OrderRequest) -> str:
        if request.type is OrderType.MARKET:
            return "ioc"
        return "poc" if request.post_only else str(request.time_in_force)

    async def _highest(self, market: Market) -> str:
        try:
            update = await self.last_price(market)
        except VenueError as error:
            raise NotSentError(f"the price for a market buy was not told: {error}") from error
        if update is None:
            raise NotSentError(f"{market.symbol} has no price yet for a market buy")
        most = EXACT.multiply(market.instrument.price_of(update.price), _SLIPPAGE)
        return market.price_out(market.instrument.price(most, Rounding.UP))


def _bar(row: Sequence[Any]) -> Mapping[str, Any]:
    """Return a candle of coins by the names a stream gives: a row has no names."""
    return dict(zip(("t", "v", "c", "h", "l", "o", "a"), row, strict=False))


def _seconds(at: datetime) -> int:
    """Return whole seconds, rounded down: what lies before is dropped by the port."""
    return int(at.timestamp())
