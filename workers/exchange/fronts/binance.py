"""Binance's dialect: USDT-M futures (`/fapi`) and spot (`/api`), each with its own error codes."""

import hmac
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from hashlib import sha256
from typing import Any, ClassVar, Final

import orjson

from domain.errors import InvalidValueError
from domain.money import Instrument, MarketKind, Price, Quantity
from domain.orders import (
    OrderReport,
    OrderRequest,
    OrderType,
    Refusal,
    RefusalReason,
    Side,
    TimeInForce,
)
from workers.exchange.faults import Operation
from workers.exchange.fronts import binance_market as market
from workers.exchange.fronts import binance_rows as rows
from workers.exchange.fronts.asked import Asked, Fields, Told, WrongError
from workers.exchange.fronts.binance_sockets import BinanceSockets
from workers.exchange.fronts.desk import Desk, Duplicate, Scope, fresh
from workers.exchange.fronts.dialect import Route
from workers.exchange.fronts.keys import LocalKeys, keys_of
from workers.exchange.fronts.rows import from_ms, ms, number

_ID: Final = re.compile(r"[.A-Z:/a-z0-9_-]{1,36}")
_AHEAD: Final = timedelta(seconds=1)
_LONGEST_WINDOW: Final = 60_000
_FUTURES_SPAN: Final = timedelta(days=7)
_SPOT_SPAN: Final = timedelta(hours=24)
_REFUSED: Final[Mapping[MarketKind, Mapping[RefusalReason, tuple[int, str]]]] = {
    MarketKind.PERPETUAL: {
        RefusalReason.WOULD_CROSS: (
            -5022,
            "Due to the order could not be executed as maker, the Post Only order is rejected.",
        ),
        RefusalReason.INSUFFICIENT_FUNDS: (-2019, "Margin is insufficient."),
        RefusalReason.REDUCE_ONLY: (-2022, "ReduceOnly Order is rejected."),
        RefusalReason.INVALID: (-4164, "Order's notional must be no smaller than the minimum."),
        RefusalReason.OTHER: (-2010, "New order rejected."),
    },
    MarketKind.SPOT: {
        RefusalReason.WOULD_CROSS: (-2010, "Order would immediately match and take."),
        RefusalReason.INSUFFICIENT_FUNDS: (
            -2010,
            "Account has insufficient balance for requested action.",
        ),
        RefusalReason.INVALID: (-1013, "Filter failure: NOTIONAL"),
        RefusalReason.OTHER: (-2010, "New order rejected."),
    },
}


class Binance(BinanceSockets):
    """One account per key on both sides; its wallet is the same on both, unlike there."""

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
    id_fields: ClassVar[Sequence[str]] = ("newClientOrderId", "origClientOrderId")

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self._leverage: dict[tuple[str, str], int] = {}

    def routes(self) -> Sequence[Route]:
        perpetual, spot = MarketKind.PERPETUAL, MarketKind.SPOT
        return [
            *self._common("/fapi/v1", perpetual),
            *self._common("/api/v3", spot),
            self._signed("POST", "/fapi/v1/batchOrders", Operation.PLACE_BATCH, self._place_batch),
            self._signed(
                "DELETE", "/fapi/v1/batchOrders", Operation.CANCEL_BATCH, self._cancel_batch
            ),
            self._signed("GET", "/fapi/v1/userTrades", Operation.FILLS, self._fills(perpetual)),
            self._signed("GET", "/api/v3/myTrades", Operation.FILLS, self._fills(spot)),
            self._signed("GET", "/fapi/v3/account", Operation.BALANCES, self._futures_account),
            self._signed("GET", "/api/v3/account", Operation.BALANCES, self._spot_account),
            self._signed("GET", "/fapi/v3/positionRisk", Operation.POSITIONS, self._positions),
            self._signed("GET", "/fapi/v1/income", Operation.FUNDING, self._income),
            self._signed("GET", "/fapi/v1/commissionRate", Operation.FEES, self._futures_fees),
            self._signed("GET", "/api/v3/account/commission", Operation.FEES, self._spot_fees),
            self._signed("GET", "/fapi/v1/symbolConfig", Operation.TERMS, self._symbol_config),
            self._signed("GET", "/fapi/v1/positionSide/dual", Operation.TERMS, self._mode),
            self._signed("POST", "/fapi/v1/positionSide/dual", Operation.TERMS, self._set_mode),
            self._signed("POST", "/fapi/v1/leverage", Operation.TERMS, self._set_leverage),
            Route("POST", "/fapi/v1/listenKey", Operation.LISTEN_KEY, self._listen_key),
            Route("PUT", "/fapi/v1/listenKey", Operation.LISTEN_KEY, self._listen_key),
            Route("GET", "/fapi/v1/premiumIndex", Operation.MARKET, self._premium),
            Route("GET", "/fapi/v1/fundingRate", Operation.MARKET, self._funding_rates),
        ]

    def _common(self, root: str, kind: MarketKind) -> Sequence[Route]:
        signed, path = self._signed, root.__add__
        return [
            Route("GET", path("/time"), Operation.TIME, self._time),
            Route("GET", path("/exchangeInfo"), Operation.INSTRUMENTS, self._info(kind)),
            Route("GET", path("/trades"), Operation.MARKET, self._get_trades(kind)),
            Route("GET", path("/klines"), Operation.MARKET, self._klines(kind)),
            Route("GET", path("/ticker/24hr"), Operation.MARKET, self._statistics(kind)),
            signed("POST", path("/order"), Operation.PLACE, self._place(kind)),
            signed("DELETE", path("/order"), Operation.CANCEL, self._cancel(kind)),
            signed("GET", path("/order"), Operation.ORDER, self._get_order(kind)),
            signed("GET", path("/openOrders"), Operation.OPEN_ORDERS, self._open_orders(kind)),
            signed("GET", path("/allOrders"), Operation.ORDERS, self._orders(kind)),
        ]

    # ---- how it fails

    def limited(self, retry_after: timedelta) -> Told:
        seconds = str(max(1, round(retry_after.total_seconds())))
        return Told(rows.error(-1003, "Too many requests."), 429, {"Retry-After": seconds})

    def banned(self, retry_after: timedelta) -> Told:
        until = ms(self.desk.now() + retry_after)
        text = (
            f"Way too much request weight used; IP banned until {until}. Please use the websocket."
        )
        return Told(rows.error(-1003, text), 418)

    def unavailable(self) -> Told:
        return Told(
            rows.error(
                -1008, "Server is currently overloaded with other requests. Please try again."
            ),
            503,
        )

    def refusal(self, reason: RefusalReason) -> Told:
        return _told(*_refused(MarketKind.PERPETUAL, reason))

    # ---- who asks

    def _signed(
        self,
        method: str,
        path: str,
        operation: Operation,
        act: Callable[[LocalKeys, Fields], Any],
    ) -> Route:
        def handler(asked: Asked) -> Any:
            keys, fields = self._authenticated(asked)
            return act(keys, fields)

        return Route(method, path, operation, handler)

    def _authenticated(self, asked: Asked) -> tuple[LocalKeys, Fields]:
        keys = self._key_of(asked)
        text = asked.body or asked.query
        signed, _, signature = text.rpartition("&signature=")
        expected = hmac.new(keys.secret.encode(), signed.encode(), sha256).hexdigest()
        if not hmac.compare_digest(signature, expected):
            raise _wrong(-1022, "Signature for this request is not valid.")
        form = asked.form()
        del form["signature"]
        fields = Fields(form, _bad_field)
        window = fields.whole("recvWindow", 5000)
        if window > _LONGEST_WINDOW:
            raise _wrong(-1131, "recvWindow must be less than 60000")
        sent_at = from_ms(fields.whole("timestamp"))
        now = self.desk.now() + self.ahead
        if not fresh(now, sent_at, timedelta(milliseconds=window), _AHEAD):
            raise _wrong(-1021, "Timestamp for this request is outside of the recvWindow.")
        return keys, fields

    def _key_of(self, asked: Asked) -> LocalKeys:
        key = asked.headers.get("x-mbx-apikey", "")
        keys = keys_of(key)
        if keys is None:
            raise _wrong(-2014 if not key else -2015, "Invalid API-key, IP, or permissions.", 401)
        return keys

    # ---- orders

    def _place(self, kind: MarketKind) -> Callable[[LocalKeys, Fields], Any]:
        def place(keys: LocalKeys, fields: Fields) -> Any:
            instrument = self._instrument(kind, fields)
            return self._take(keys.account, instrument, fields)

        return place

    def _place_batch(self, keys: LocalKeys, fields: Fields) -> Any:
        orders = orjson.loads(fields.text("batchOrders"))
        fields.done()
        if not 1 <= len(orders) <= 5:
            raise _wrong(-4082, "Invalid number of batch place orders.")
        return [self._one_of_batch(keys, each) for each in orders]

    def _one_of_batch(self, keys: LocalKeys, order: Mapping[str, Any]) -> Any:
        try:
            fields = Fields(order, _bad_field)
            instrument = self._instrument(MarketKind.PERPETUAL, fields)
            return self._take(keys.account, instrument, fields)
        except WrongError as wrong:
            return wrong.answer.body

    def _take(self, account: str, instrument: Instrument, fields: Fields) -> Any:
        kind = instrument.kind
        request, word = self._request(instrument, fields)
        outcome = self.desk.place(account, request, scope=Scope.OPEN)
        if isinstance(outcome, Duplicate):
            raise _wrong(*_duplicate(kind))
        if isinstance(outcome, Refusal):
            raise _wrong(*_refused(kind, outcome.reason))
        self.words[account, request.client_id] = word
        return rows.order(instrument, outcome, word, rows.Purpose.PLACED)

    def _request(self, instrument: Instrument, fields: Fields) -> tuple[OrderRequest, rows.Word]:
        perpetual = instrument.kind is MarketKind.PERPETUAL
        types = ("LIMIT", "MARKET") if perpetual else ("LIMIT", "MARKET", "LIMIT_MAKER")
        kind = fields.choice("type", types)
        limits = ("GTC", "IOC", "FOK", "GTX") if perpetual else ("GTC", "IOC", "FOK")
        in_force = fields.choice("timeInForce", limits) if kind == "LIMIT" else "GTC"
        client_id = fields.text("newClientOrderId")
        if not _ID.fullmatch(client_id):
            raise _wrong(-4015 if perpetual else -1100, "Client order id is not valid.")
        fields.choice("newOrderRespType", ("ACK", "RESULT", "FULL"), "ACK")
        fields.choice("positionSide", ("BOTH",), "BOTH")
        reduce_only = perpetual and fields.choice("reduceOnly", ("true", "false"), "false")
        request = OrderRequest(
            client_id=client_id,
            symbol=instrument.symbol,
            side=Side(fields.choice("side", ("BUY", "SELL")).lower()),
            quantity=_quantity(instrument, fields),
            price=None if kind == "MARKET" else _price(instrument, fields),
            type=OrderType.MARKET if kind == "MARKET" else OrderType.LIMIT,
            time_in_force=TimeInForce(in_force.lower()) if in_force != "GTX" else TimeInForce.GTC,
            post_only=in_force == "GTX" or kind == "LIMIT_MAKER",
            reduce_only=reduce_only == "true",
        )
        fields.done()
        return request, rows.Word(kind, in_force)

    def _cancel(self, kind: MarketKind) -> Callable[[LocalKeys, Fields], Any]:
        def cancel(keys: LocalKeys, fields: Fields) -> Any:
            instrument = self._instrument(kind, fields)
            report = self._named(keys.account, instrument, fields)
            fields.done()
            return self._end(keys.account, instrument, report)

        return cancel

    def _cancel_batch(self, keys: LocalKeys, fields: Fields) -> Any:
        instrument = self._instrument(MarketKind.PERPETUAL, fields)
        names = orjson.loads(fields.text("origclientorderidlist"))
        fields.done()
        if not 1 <= len(names) <= 10:
            raise _wrong(-4083, "Invalid number of batch cancel orders.")
        answers = []
        for name in names:
            report = self.desk.order(keys.account, instrument.symbol, name)
            try:
                answers.append(self._end(keys.account, instrument, report))
            except WrongError as wrong:
                answers.append(wrong.answer.body)
        return answers

    def _end(self, account: str, instrument: Instrument, report: OrderReport | None) -> Any:
        if report is not None:
            report = self.desk.cancel(account, instrument.symbol, report.client_id)
        if report is None:
            raise _wrong(-2011, "Unknown order sent.")
        return self._row(account, instrument, report, rows.Purpose.CANCELED)

    def _get_order(self, kind: MarketKind) -> Callable[[LocalKeys, Fields], Any]:
        def order(keys: LocalKeys, fields: Fields) -> Any:
            instrument = self._instrument(kind, fields)
            report = self._named(keys.account, instrument, fields)
            fields.done()
            if report is None:
                raise _wrong(-2013, "Order does not exist.")
            return self._row(keys.account, instrument, report)

        return order

    def _named(self, account: str, instrument: Instrument, fields: Fields) -> OrderReport | None:
        client_id, order_id = fields.optional("origClientOrderId"), fields.optional("orderId")
        if order_id is not None:
            return self.desk.by_order_id(account, instrument.symbol, f"O{order_id}")
        if client_id is None:
            raise _bad_field("origClientOrderId", "missing")
        return self.desk.order(account, instrument.symbol, client_id)

    def _open_orders(self, kind: MarketKind) -> Callable[[LocalKeys, Fields], Any]:
        def open_orders(keys: LocalKeys, fields: Fields) -> Any:
            instrument = self._instrument(kind, fields)
            fields.done()
            reports = self.desk.open_orders(keys.account, instrument.symbol)
            return [self._row(keys.account, instrument, report) for report in reports]

        return open_orders

    def _orders(self, kind: MarketKind) -> Callable[[LocalKeys, Fields], Any]:
        def orders(keys: LocalKeys, fields: Fields) -> Any:
            instrument = self._instrument(kind, fields)
            span = _span(kind, fields)
            first = fields.whole("orderId", 0)
            limit = fields.whole("limit", 500)
            fields.done()
            found = self.desk.orders(keys.account, instrument.symbol, from_ms(0))
            told = [self._row(keys.account, instrument, each) for each in found]
            # By the time of creation: an old order that was filled just now is not among them.
            some = [row for row in told if span(row["time"]) and row["orderId"] >= first]
            return sorted(some, key=lambda row: int(row["orderId"]))[:limit]

        return orders

    def _fills(self, kind: MarketKind) -> Callable[[LocalKeys, Fields], Any]:
        def fills(keys: LocalKeys, fields: Fields) -> Any:
            instrument = self._instrument(kind, fields)
            span = _span(kind, fields)
            order_id, first = fields.optional("orderId"), fields.whole("fromId", 0)
            limit = fields.whole("limit", 500)
            fields.done()
            found = self.desk.fills(keys.account, instrument.symbol, from_ms(0))
            told = [rows.fill(instrument, fill) for fill in found]
            some = [
                row
                for row in told
                if span(row["time"])
                and row["id"] >= first
                and order_id in (None, str(row["orderId"]))
            ]
            return some[:limit]

        return fills

    def _row(
        self,
        account: str,
        instrument: Instrument,
        report: OrderReport,
        purpose: rows.Purpose = rows.Purpose.ASKED,
    ) -> dict[str, Any]:
        word = self.words.get((account, report.client_id), rows.word_of(report))
        row = rows.order(instrument, report, word, purpose)
        row["time"] = ms(self.desk.created_at(account, report))
        return row

    # ---- account

    def _futures_account(self, keys: LocalKeys, fields: Fields) -> Any:
        fields.done()
        return {
            "assets": [rows.asset(each) for each in self.desk.balances(keys.account)],
            "positions": [],
        }

    def _spot_account(self, keys: LocalKeys, fields: Fields) -> Any:
        fields.ignore("omitZeroBalances")
        fields.done()
        return {
            "canTrade": True,
            "accountType": "SPOT",
            "permissions": ["SPOT"],
            "balances": [rows.spot_balance(each) for each in self.desk.balances(keys.account)],
        }

    def _positions(self, keys: LocalKeys, fields: Fields) -> Any:
        instrument = self._instrument(MarketKind.PERPETUAL, fields)
        fields.done()
        held = self.desk.positions(keys.account, instrument.symbol)
        return [rows.position(instrument, each) for each in held]

    def _income(self, keys: LocalKeys, fields: Fields) -> Any:
        instrument = self._instrument(MarketKind.PERPETUAL, fields)
        fields.choice("incomeType", ("FUNDING_FEE",))
        since, limit = from_ms(fields.whole("startTime", 0)), fields.whole("limit", 100)
        fields.done()
        paid = self.desk.funding(keys.account, instrument.symbol, since)
        return [rows.income(instrument, each) for each in paid][:limit]

    def _futures_fees(self, keys: LocalKeys, fields: Fields) -> Any:  # noqa: ARG002 - all alike
        instrument = self._instrument(MarketKind.PERPETUAL, fields)
        fields.done()
        return {
            "symbol": rows.symbol(instrument),
            "makerCommissionRate": number(instrument.maker_fee),
            "takerCommissionRate": number(instrument.taker_fee),
        }

    def _spot_fees(self, keys: LocalKeys, fields: Fields) -> Any:  # noqa: ARG002 - all alike
        instrument = self._instrument(MarketKind.SPOT, fields)
        fields.done()
        standard = {
            "maker": number(instrument.maker_fee),
            "taker": number(instrument.taker_fee),
            "buyer": "0.00000000",
            "seller": "0.00000000",
        }
        return {"symbol": rows.symbol(instrument), "standardCommission": standard}

    def _symbol_config(self, keys: LocalKeys, fields: Fields) -> Any:
        instrument = self._instrument(MarketKind.PERPETUAL, fields)
        fields.done()
        leverage = self._leverage.get((keys.account, instrument.symbol), 10)
        return [
            {
                "symbol": rows.symbol(instrument),
                "marginType": "CROSSED",
                "isAutoAddMargin": False,
                "leverage": leverage,
                "maxNotionalValue": "1000000",
            }
        ]

    def _mode(self, keys: LocalKeys, fields: Fields) -> Any:  # noqa: ARG002 - all alike
        fields.done()
        return {"dualSidePosition": False}

    def _set_mode(self, keys: LocalKeys, fields: Fields) -> Any:  # noqa: ARG002 - all alike
        wanted = fields.choice("dualSidePosition", ("true", "false"))
        fields.done()
        if wanted == "true":
            raise _wrong(-4067, "Position side cannot be changed if there exists open orders.")
        raise _wrong(-4059, "No need to change position side.")

    def _set_leverage(self, keys: LocalKeys, fields: Fields) -> Any:
        instrument = self._instrument(MarketKind.PERPETUAL, fields)
        leverage = fields.whole("leverage")
        fields.done()
        if not 1 <= leverage <= 125:
            raise _wrong(-4028, f"Leverage {leverage} is not valid")
        self._leverage[keys.account, instrument.symbol] = leverage
        name = rows.symbol(instrument)
        return {"leverage": leverage, "maxNotionalValue": "1000000", "symbol": name}

    def _listen_key(self, asked: Asked) -> Any:
        return {"listenKey": self.listen_key(self._key_of(asked).account)}

    # ---- market

    def _time(self, asked: Asked) -> Any:  # noqa: ARG002 - all alike
        return {"serverTime": ms(self.desk.now() + self.ahead)}

    def _info(self, kind: MarketKind) -> Callable[[Asked], Any]:
        return lambda _asked: {
            "timezone": "UTC",
            "serverTime": ms(self.desk.now()),
            "rateLimits": [],
            "exchangeFilters": [],
            "symbols": [market.instrument(each) for each in self.desk.instruments(kind)],
        }

    def _get_trades(self, kind: MarketKind) -> Callable[[Asked], Any]:
        def trades(asked: Asked) -> Any:
            fields = Fields(asked.form(), _bad_field)
            instrument = self._instrument(kind, fields)
            fields.whole("limit", 500)
            fields.done()
            return market.trades(self.desk.host, instrument)

        return trades

    def _klines(self, kind: MarketKind) -> Callable[[Asked], Any]:
        def klines(asked: Asked) -> Any:
            fields = Fields(asked.form(), _bad_field)
            instrument = self._instrument(kind, fields)
            interval = market.LENGTHS[fields.choice("interval", tuple(market.LENGTHS))]
            limit = fields.whole("limit", 500)
            fields.done()
            return market.klines(self.desk.host, instrument, interval, limit)

        return klines

    def _statistics(self, kind: MarketKind) -> Callable[[Asked], Any]:
        def statistics(asked: Asked) -> Any:
            Fields(asked.form(), _bad_field).done()
            told = [market.day(self.desk.host, each) for each in self.desk.instruments(kind)]
            return [row for row in told if row is not None]

        return statistics

    def _premium(self, asked: Asked) -> Any:
        fields = Fields(asked.form(), _bad_field)
        instrument = self._instrument(MarketKind.PERPETUAL, fields)
        fields.done()
        return market.premium(self.desk.host, instrument)

    def _funding_rates(self, asked: Asked) -> Any:
        """Return none: the simulated exchange keeps payments, not the rates of the past."""
        fields = Fields(asked.form(), _bad_field)
        self._instrument(MarketKind.PERPETUAL, fields)
        fields.whole("startTime", 0)
        fields.whole("limit", 100)
        fields.done()
        return []

    def _instrument(self, kind: MarketKind, fields: Fields) -> Instrument:
        wanted = fields.text("symbol")
        for instrument in self.desk.instruments(kind):
            if rows.symbol(instrument) == wanted:
                return instrument
        raise _wrong(-1121, "Invalid symbol.")


def _price(instrument: Instrument, fields: Fields) -> Price:
    try:
        return instrument.exact_price(fields.number("price"), "price")
    except InvalidValueError:
        if instrument.kind is MarketKind.PERPETUAL:
            raise _wrong(-4014, "Price not increased by tick size.") from None
        raise _wrong(-1013, "Filter failure: PRICE_FILTER") from None


def _quantity(instrument: Instrument, fields: Fields) -> Quantity:
    amount = fields.number("quantity")
    lots = amount / instrument.lot_size
    if amount <= 0:
        raise _wrong(-4003, "Quantity less than or equal to zero.")
    if lots != lots.to_integral_value():
        if instrument.kind is MarketKind.PERPETUAL:
            raise _wrong(-1111, "Precision is over the maximum defined for this asset.")
        raise _wrong(-1013, "Filter failure: LOT_SIZE")
    return Quantity(int(lots))


def _span(kind: MarketKind, fields: Fields) -> Callable[[int], bool]:
    """Return what tells whether a time lies in the span that is asked for."""
    longest = _FUTURES_SPAN if kind is MarketKind.PERPETUAL else _SPOT_SPAN
    begin, end = fields.whole("startTime", 0), fields.whole("endTime", 0)
    if begin and end and timedelta(milliseconds=end - begin) > longest:
        raise _wrong(-4165 if kind is MarketKind.PERPETUAL else -1127, "Invalid time interval.")
    if begin and not end and kind is MarketKind.PERPETUAL:
        end = begin + longest // timedelta(milliseconds=1)
    return lambda at: begin <= at and (not end or at <= end)


def _refused(kind: MarketKind, reason: RefusalReason) -> tuple[int, str]:
    table = _REFUSED[kind]
    return table.get(reason, table[RefusalReason.OTHER])


def _duplicate(kind: MarketKind) -> tuple[int, str]:
    if kind is MarketKind.PERPETUAL:
        return -4116, "ClientOrderId is duplicated."
    return -2010, "Duplicate order sent."


def _told(code: int, message: str, status: int = 400) -> Told:
    return Told(rows.error(code, message), status)


def _wrong(code: int, message: str, status: int = 400) -> WrongError:
    return WrongError(_told(code, message, status))


def _bad_field(name: str, how: str) -> WrongError:
    if how == "unknown":
        return _wrong(-1104, f"Not all sent parameters were read; '{name}' was not.")
    if how == "missing":
        return _wrong(-1102, f"Mandatory parameter '{name}' was not sent, was empty/null.")
    return _wrong(-1100, f"Illegal characters found in parameter '{name}'.")
