"""Bybit's dialect, v5: linear perpetuals and spot of a unified account, told apart by category."""

import hmac
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from typing import Any, ClassVar, Final

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
from workers.exchange.fronts import bybit_market as market
from workers.exchange.fronts import bybit_rows as rows
from workers.exchange.fronts.asked import Asked, Fields, Told, WrongError
from workers.exchange.fronts.bybit_sockets import BybitSockets
from workers.exchange.fronts.desk import Duplicate, Scope, fresh
from workers.exchange.fronts.dialect import Route
from workers.exchange.fronts.keys import LocalKeys, keys_of
from workers.exchange.fronts.rows import from_ms, ms, number

_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,36}")
_REALTIME: Final = "/v5/order/realtime"
_NAMED: Final = re.compile(r"(?:^|&)order(?:Link)?Id=")
_CURSOR: Final = re.compile(r"row:(\d{1,9})")
_AHEAD: Final = timedelta(seconds=1)
_SPAN: Final = timedelta(days=7)
_BATCH: Final = {MarketKind.PERPETUAL: 20, MarketKind.SPOT: 10}
_IN_FORCE: Final = ("GTC", "IOC", "FOK", "PostOnly")
_REFUSED: Final[Mapping[MarketKind, Mapping[RefusalReason, tuple[int, str]]]] = {
    MarketKind.PERPETUAL: {
        RefusalReason.INSUFFICIENT_FUNDS: (110007, "ab not enough for new order"),
        RefusalReason.REDUCE_ONLY: (110017, "Reduce-only rule not satisfied"),
        RefusalReason.INVALID: (110094, "Order notional value below the lower limit"),
        RefusalReason.OTHER: (110066, "No trading is allowed at the current time"),
    },
    MarketKind.SPOT: {
        RefusalReason.INSUFFICIENT_FUNDS: (170131, "Insufficient balance."),
        RefusalReason.INVALID: (170140, "Order value exceeded lower limit."),
        RefusalReason.OTHER: (170210, "New order rejected."),
    },
}
Act = Callable[[LocalKeys, Fields], Any]


class Bybit(BybitSockets):
    """One account per key. What failed is told with HTTP 200 and a `retCode`."""

    name = "bybit"
    hosts = frozenset({"api.bybit.com", "stream.bybit.com"})
    id_fields: ClassVar[Sequence[str]] = ("orderLinkId",)
    #: So many orders that ended are still found by their id among those that work.
    recent: int = 500

    def routes(self) -> Sequence[Route]:
        get, post, public = self._get, self._post, self._public
        return [
            public("/v5/market/time", Operation.TIME, self._time),
            public("/v5/market/instruments-info", Operation.INSTRUMENTS, self._info),
            public("/v5/market/recent-trade", Operation.MARKET, self._trades_of),
            public("/v5/market/kline", Operation.MARKET, self._klines),
            public("/v5/market/tickers", Operation.MARKET, self._all_tickers),
            public("/v5/market/funding/history", Operation.MARKET, self._funding_rates),
            post("/v5/order/create", Operation.PLACE, self._place),
            self._batch("/v5/order/create-batch", Operation.PLACE_BATCH, self._place_one),
            post("/v5/order/cancel", Operation.CANCEL, self._cancel),
            self._batch("/v5/order/cancel-batch", Operation.CANCEL_BATCH, self._end),
            get(_REALTIME, Operation.OPEN_ORDERS, self._realtime),
            get("/v5/order/history", Operation.ORDERS, self._order_history),
            get("/v5/execution/list", Operation.FILLS, self._executions),
            get("/v5/account/wallet-balance", Operation.BALANCES, self._balances),
            get("/v5/account/fee-rate", Operation.FEES, self._fees),
            get("/v5/account/transaction-log", Operation.FUNDING, self._log),
            get("/v5/position/list", Operation.POSITIONS, self._positions),
            post("/v5/position/set-leverage", Operation.TERMS, self._set_leverage),
            post("/v5/position/switch-mode", Operation.TERMS, self._switch_mode),
        ]

    def operation(self, route: Route, asked: Asked) -> Operation:
        """Tell who asks for one order from who asks for all that work: they ask the same path."""
        one = route.path == _REALTIME and _NAMED.search(asked.query)
        return Operation.ORDER if one else route.operation

    # ---- how it fails

    def limited(self, retry_after: timedelta) -> Told:
        headers = {
            "X-Bapi-Limit": "10",
            "X-Bapi-Limit-Status": "0",
            "X-Bapi-Limit-Reset-Timestamp": str(ms(self.desk.now() + retry_after)),
        }
        return Told(self._body({}, 10006, "Too many visits!"), 200, headers)

    def banned(self, retry_after: timedelta) -> Told:  # noqa: ARG002 - it does not say how long
        return Told("403, access too frequent", 403, {"Content-Type": "text/plain"})

    def unavailable(self) -> Told:
        return Told(self._body({}, 10016, "System error. Please try again later."))

    def refusal(self, reason: RefusalReason) -> Told:
        return Told(self._body({}, *_refused(MarketKind.PERPETUAL, reason)))

    # ---- who asks

    def _public(self, path: str, operation: Operation, act: Callable[[Fields], Any]) -> Route:
        def handler(asked: Asked) -> Any:
            return self._good(act(Fields(asked.form(), self._bad_field)))

        return Route("GET", path, operation, handler)

    def _get(self, path: str, operation: Operation, act: Act) -> Route:
        def handler(asked: Asked) -> Any:
            keys = self._authenticated(asked, asked.query)
            return self._good(act(keys, Fields(asked.form(), self._bad_field)))

        return Route("GET", path, operation, handler)

    def _post(self, path: str, operation: Operation, act: Act) -> Route:
        def handler(asked: Asked) -> Any:
            keys, values = self._posted(asked)
            return self._good(act(keys, Fields(values, self._bad_field)))

        return Route("POST", path, operation, handler)

    def _batch(
        self, path: str, operation: Operation, act: Callable[[str, MarketKind, Fields], Any]
    ) -> Route:
        """Do each of a batch: ids come in one list, and what was wrong in another one."""

        def handler(asked: Asked) -> Any:
            keys, values = self._posted(asked)
            wanted = values.pop("request", None)
            fields = Fields(values, self._bad_field)
            kind = self._kind(fields)
            fields.done()
            if not isinstance(wanted, list) or not 1 <= len(wanted) <= _BATCH[kind]:
                raise self._wrong(10001, f"The number of orders must be 1 to {_BATCH[kind]}.")
            pairs = [self._one_of(keys.account, kind, act, each) for each in wanted]
            body = self._body({"list": [row for row, _ in pairs]})
            return body | {"retExtInfo": {"list": [end for _, end in pairs]}}

        return Route("POST", path, operation, handler)

    def _one_of(
        self,
        account: str,
        kind: MarketKind,
        act: Callable[[str, MarketKind, Fields], Any],
        values: Mapping[str, Any],
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        names = {name: str(values.get(name, "")) for name in ("symbol", "orderLinkId")}
        category = "linear" if kind is MarketKind.PERPETUAL else "spot"
        row = {"category": category, **names, "orderId": "", "createAt": ""}
        try:
            row |= act(account, kind, Fields(values, self._bad_field))
        except WrongError as wrong:
            body = wrong.answer.body
            return row, {"code": body["retCode"], "msg": body["retMsg"]}
        return row, {"code": 0, "msg": "OK"}

    def _posted(self, asked: Asked) -> tuple[LocalKeys, dict[str, Any]]:
        keys = self._authenticated(asked, asked.body)
        values = asked.json()
        if not isinstance(values, dict):
            raise self._wrong(10001, "Request parameter error: the body is no JSON object")
        return keys, values

    def _authenticated(self, asked: Asked, text: str) -> LocalKeys:
        key, sent = asked.headers.get("x-bapi-api-key", ""), asked.headers.get("x-bapi-timestamp")
        keys = keys_of(key)
        if keys is None:
            raise self._wrong(10003, "API key is invalid.")
        window = asked.headers.get("x-bapi-recv-window", "")
        signed = f"{sent}{key}{window}{text}".encode()
        expected = hmac.new(keys.secret.encode(), signed, sha256).hexdigest()
        if not hmac.compare_digest(asked.headers.get("x-bapi-sign", ""), expected):
            raise self._wrong(
                10004, "error sign! Please check your signature generation algorithm."
            )
        if not (sent or "").isdecimal() or not (window or "5000").isdecimal():
            raise self._wrong(10001, "Request parameter error: the timestamp or the window")
        now = self.desk.now() + self.ahead
        lasts = timedelta(milliseconds=int(window or "5000"))
        if not fresh(now, from_ms(int(sent or "0")), lasts, _AHEAD):
            raise self._wrong(
                10002,
                "invalid request, please check your server timestamp or recv_window param. "
                f"req_timestamp[{sent}],server_timestamp[{ms(now)}],recv_window[{window}]",
            )
        return keys

    # ---- orders

    def _place(self, keys: LocalKeys, fields: Fields) -> Any:
        kind = self._kind(fields)
        return self._take(keys.account, kind, fields)

    def _place_one(self, account: str, kind: MarketKind, fields: Fields) -> dict[str, Any]:
        return self._take(account, kind, fields) | {"createAt": str(ms(self.desk.now()))}

    def _take(self, account: str, kind: MarketKind, fields: Fields) -> dict[str, Any]:
        instrument = self._instrument(kind, fields)
        request, word = self._request(instrument, fields)
        outcome = self.desk.place(account, request, scope=Scope.EVER, crossing_is_taken=True)
        if isinstance(outcome, Duplicate):
            raise self._wrong(*_duplicate(kind))
        if isinstance(outcome, Refusal):
            raise self._wrong(*_refused(kind, outcome.reason))
        self.words[account, request.client_id] = word
        order_id = rows.id_of(instrument, outcome.order_id)
        return {"orderId": order_id, "orderLinkId": request.client_id}

    def _request(self, instrument: Instrument, fields: Fields) -> tuple[OrderRequest, rows.Word]:
        spot = instrument.kind is MarketKind.SPOT
        kind = fields.choice("orderType", ("Limit", "Market"))
        limited = kind == "Limit"
        in_force = fields.choice("timeInForce", _IN_FORCE, "GTC" if limited else "IOC")
        client_id = fields.text("orderLinkId")
        if not _ID.fullmatch(client_id):
            raise self._wrong(10001, "params error: OrderLinkId invalid")
        if spot:
            fields.choice("isLeverage", ("0",), "0")
            if not limited:  # else a buy would be counted in quote, which the host cannot
                fields.choice("marketUnit", ("baseCoin",))
        else:
            fields.choice("positionIdx", ("0",), "0")
        reduce_only = fields.choice("reduceOnly", ("True", "False"), "False") == "True"
        request = OrderRequest(
            client_id=client_id,
            symbol=instrument.symbol,
            side=Side(fields.choice("side", ("Buy", "Sell")).lower()),
            quantity=self._quantity(instrument, fields),
            price=self._price(instrument, fields) if limited else None,
            type=OrderType.LIMIT if limited else OrderType.MARKET,
            time_in_force=TimeInForce("gtc" if in_force == "PostOnly" else in_force.lower()),
            post_only=in_force == "PostOnly",
            reduce_only=reduce_only and not spot,
        )
        fields.done()
        return request, rows.Word(kind, in_force)

    def _cancel(self, keys: LocalKeys, fields: Fields) -> Any:
        kind = self._kind(fields)
        return self._end(keys.account, kind, fields)

    def _end(self, account: str, kind: MarketKind, fields: Fields) -> dict[str, Any]:
        instrument = self._instrument(kind, fields)
        order_id, client_id = fields.optional("orderId"), fields.optional("orderLinkId")
        fields.done()
        report = self._find(account, instrument, order_id, client_id)
        if report is not None:
            report = self.desk.cancel(account, instrument.symbol, report.client_id)
        if report is None:
            raise self._wrong(*_absent(kind))
        told = rows.id_of(instrument, report.order_id)
        return {"orderId": told, "orderLinkId": report.client_id}

    def _find(
        self, account: str, instrument: Instrument, order_id: str | None, client_id: str | None
    ) -> OrderReport | None:
        """Return the order that is named; the venue's id goes before ours."""
        if order_id is not None:
            inner = rows.inner_order_id(order_id)
            return self.desk.by_order_id(account, instrument.symbol, inner)
        if client_id is None:
            raise self._bad_field("orderLinkId", "missing")
        return self.desk.order(account, instrument.symbol, client_id)

    def _realtime(self, keys: LocalKeys, fields: Fields) -> Any:
        """Return working orders, or the one that is named: that one for a while longer."""
        instrument = self._instrument(self._kind(fields), fields)
        fields.choice("openOnly", ("0",), "0")
        first, limit = self._page(fields, 50)
        order_id, client_id = fields.optional("orderId"), fields.optional("orderLinkId")
        if order_id is not None or client_id is not None:
            report = self._find(keys.account, instrument, order_id, client_id)
            there = report is not None and self._is_kept(keys.account, report)
            reports = [report] if report is not None and there else []
        else:
            reports = list(reversed(self.desk.open_orders(keys.account, instrument.symbol)))
        fields.done()
        found = [self.order_row(keys.account, instrument, each) for each in reports]
        return _paged(instrument, found, first, limit)

    def _is_kept(self, account: str, report: OrderReport) -> bool:
        every = self.desk.orders(account, report.symbol, from_ms(0))
        ended = [each.order_id for each in every if not each.status.working]
        kept = ended[max(len(ended) - self.recent, 0) :]
        return report.status.working or report.order_id in kept

    def _order_history(self, keys: LocalKeys, fields: Fields) -> Any:
        """Return orders that ended, by the time of their creation, newest first."""
        instrument = self._instrument(self._kind(fields), fields)
        order_id, client_id = fields.optional("orderId"), fields.optional("orderLinkId")
        span = self._span(fields)
        first, limit = self._page(fields, 50)
        fields.done()
        every = self.desk.orders(keys.account, instrument.symbol, from_ms(0))
        ended = [each for each in every if not each.status.working]
        told = [self.order_row(keys.account, instrument, each) for each in ended]
        if order_id is not None:
            found = [row for row in told if row["orderId"] == order_id]
        elif client_id is not None:
            found = [row for row in told if row["orderLinkId"] == client_id]
        else:
            found = [row for row in told if span(int(row["createdTime"]))]
        found.sort(key=lambda row: int(row["createdTime"]), reverse=True)
        return _paged(instrument, found, first, limit)

    def _executions(self, keys: LocalKeys, fields: Fields) -> Any:
        """Return executions, funding among them, newest first."""
        instrument = self._instrument(self._kind(fields), fields)
        order_id = fields.optional("orderId")
        kind = fields.choice("execType", ("Trade", "Funding", "any"), "any")
        span = self._span(fields)
        first, limit = self._page(fields, 100)
        fields.done()
        told = self._execution_rows(keys.account, instrument)
        if order_id is not None:
            found = [row for row in told if row["orderId"] == order_id]
        else:
            found = [row for row in told if span(int(row["execTime"]))]
        found = [row for row in found if kind in ("any", row["execType"])]
        found.sort(key=lambda row: (int(row["execTime"]), row["seq"]), reverse=True)
        return _paged(instrument, found, first, limit)

    def _execution_rows(self, account: str, instrument: Instrument) -> list[dict[str, Any]]:
        filled: dict[str, int] = {}
        told = []
        for fill in self.desk.fills(account, instrument.symbol, from_ms(0)):
            count = filled.get(fill.order_id, 0) + fill.quantity.lots
            filled[fill.order_id] = count
            report = self.desk.by_order_id(account, instrument.symbol, fill.order_id)
            if report is not None:
                then = replace(report, filled=Quantity(count))
                told.append(rows.execution(instrument, fill, then, self.word(account, report)))
        paid = self.desk.funding(account, instrument.symbol, from_ms(0))
        return [*told, *(rows.funding_execution(instrument, each) for each in paid)]

    # ---- account

    def _balances(self, keys: LocalKeys, fields: Fields) -> Any:
        fields.choice("accountType", ("UNIFIED",))
        fields.done()
        return {"list": [self.wallet(keys.account)]}

    def _fees(self, keys: LocalKeys, fields: Fields) -> Any:  # noqa: ARG002 - all alike
        instrument = self._instrument(self._kind(fields), fields)
        fields.done()
        rates = {
            "symbol": rows.symbol(instrument),
            "makerFeeRate": number(instrument.maker_fee),
            "takerFeeRate": number(instrument.taker_fee),
        }
        return {"category": rows.category(instrument), "list": [rates]}

    def _log(self, keys: LocalKeys, fields: Fields) -> Any:
        """Return what was paid for funding on all symbols, newest first; no other type is kept."""
        fields.choice("accountType", ("UNIFIED",))
        fields.choice("category", ("linear",))
        fields.choice("type", ("SETTLEMENT",))
        currency = fields.optional("currency")
        span = self._span(fields)
        first, limit = self._page(fields, 50)
        fields.done()
        found = [
            rows.settlement(instrument, each)
            for instrument in self.desk.instruments(MarketKind.PERPETUAL)
            for each in self.desk.funding(keys.account, instrument.symbol, from_ms(0))
            if currency in (None, instrument.quote) and span(ms(each.at))
        ]
        found.sort(key=lambda row: int(row["transactionTime"]), reverse=True)
        return _paged(None, found, first, limit)

    def _positions(self, keys: LocalKeys, fields: Fields) -> Any:
        instrument = self._perpetual(fields)
        fields.done()
        held = self.desk.positions(keys.account, instrument.symbol)
        leverage = self._leverage_of(keys, instrument)
        row = rows.position(instrument, held[0] if held else None, leverage, "avgPrice")
        return _paged(instrument, [row], 0, 1)

    def _set_leverage(self, keys: LocalKeys, fields: Fields) -> Any:
        instrument = self._perpetual(fields)
        leverage, other = fields.whole("buyLeverage"), fields.whole("sellLeverage")
        fields.done()
        if leverage != other or not 1 <= leverage <= 100:
            raise self._wrong(10001, "params error: leverage invalid")
        if leverage == self._leverage_of(keys, instrument):
            raise self._wrong(110043, "leverage not modified")
        self.leverage[keys.account, instrument.symbol] = leverage
        return {}

    def _leverage_of(self, keys: LocalKeys, instrument: Instrument) -> int:
        return self.leverage.get((keys.account, instrument.symbol), 10)

    def _switch_mode(self, keys: LocalKeys, fields: Fields) -> Any:  # noqa: ARG002 - all alike
        fields.choice("category", ("linear",))
        fields.choice("coin", ("USDT",))
        mode = fields.choice("mode", ("0", "3"))
        fields.done()
        if mode == "3":
            raise self._wrong(110028, "You have existing open orders: the mode cannot be switched")
        raise self._wrong(110025, "Position mode is not modified")

    # ---- market

    def _time(self, fields: Fields) -> Any:
        fields.done()
        now = ms(self.desk.now() + self.ahead)
        return {"timeSecond": str(now // 1000), "timeNano": f"{now}000000"}

    def _info(self, fields: Fields) -> Any:
        kind = self._kind(fields)
        status = fields.choice("status", ("Trading", "PreLaunch"), "Trading")
        fields.ignore("limit")
        fields.done()
        some = self.desk.instruments(kind) if status == "Trading" else ()
        category = "linear" if kind is MarketKind.PERPETUAL else "spot"
        told = {"category": category, "list": [market.instrument(each) for each in some]}
        return told if kind is MarketKind.SPOT else told | {"nextPageCursor": ""}

    def _trades_of(self, fields: Fields) -> Any:
        kind = self._kind(fields)
        instrument = self._instrument(kind, fields)
        most = 1000 if kind is MarketKind.PERPETUAL else 60
        limit = self._limit(fields, 60, most)
        fields.done()
        told = market.trades(self.desk.host, instrument)[:limit]
        return {"category": rows.category(instrument), "list": told}

    def _klines(self, fields: Fields) -> Any:
        instrument = self._instrument(self._kind(fields), fields)
        length = market.LENGTHS[fields.choice("interval", tuple(market.LENGTHS))]
        limit = self._limit(fields, 200, 1000)
        fields.done()
        told = market.klines(self.desk.host, instrument, length, limit)
        name = rows.symbol(instrument)
        return {"category": rows.category(instrument), "symbol": name, "list": told}

    def _all_tickers(self, fields: Fields) -> Any:
        kind = self._kind(fields)
        name = fields.optional("symbol")
        fields.done()
        some = self.desk.instruments(kind)
        if name is not None:
            some = [self._instrument(kind, Fields({"symbol": name}, self._bad_field))]
        category = "linear" if kind is MarketKind.PERPETUAL else "spot"
        return {"category": category, "list": market.tickers(self.desk.host, some)}

    def _funding_rates(self, fields: Fields) -> Any:
        """Return none: the simulated exchange keeps payments, not the rates of the past."""
        self._perpetual(fields)
        begin, end = fields.optional("startTime"), fields.optional("endTime")
        if begin is not None and end is None:
            raise self._wrong(10001, "params error: endTime must be passed with startTime")
        self._limit(fields, 200, 200)
        fields.done()
        return {"category": "linear", "list": []}

    # ---- reading

    def _kind(self, fields: Fields) -> MarketKind:
        return rows.CATEGORIES[fields.choice("category", tuple(rows.CATEGORIES))]

    def _perpetual(self, fields: Fields) -> Instrument:
        fields.choice("category", ("linear",))
        return self._instrument(MarketKind.PERPETUAL, fields)

    def _instrument(self, kind: MarketKind, fields: Fields) -> Instrument:
        wanted = fields.text("symbol")
        for instrument in self.desk.instruments(kind):
            if rows.symbol(instrument) == wanted:
                return instrument
        if kind is MarketKind.SPOT:
            raise self._wrong(170121, "Invalid symbol.")
        raise self._wrong(10001, f"params error: symbol invalid {wanted}")

    def _price(self, instrument: Instrument, fields: Fields) -> Price:
        try:
            return instrument.exact_price(fields.number("price"), "price")
        except InvalidValueError:
            if instrument.kind is MarketKind.SPOT:
                raise self._wrong(170134, "Order price has too many decimals.") from None
            raise self._wrong(10001, "params error: price invalid") from None

    def _quantity(self, instrument: Instrument, fields: Fields) -> Quantity:
        spot = instrument.kind is MarketKind.SPOT
        amount = fields.number("qty")
        lots = amount / instrument.lot_size
        if amount <= 0:
            raise self._wrong(
                *((170136, "Order quantity too low.") if spot else (10001, "Qty invalid"))
            )
        if lots != lots.to_integral_value():
            if spot:
                raise self._wrong(170137, "Order quantity has too many decimals.")
            raise self._wrong(10001, "Qty invalid")
        return Quantity(int(lots))

    def _span(self, fields: Fields) -> Callable[[int], bool]:
        """Return what tells whether a time lies in the span that is asked for: 7 days of it."""
        longest = _SPAN // timedelta(milliseconds=1)
        begin, end = fields.whole("startTime", 0), fields.whole("endTime", 0)
        if begin and end and not 0 <= end - begin <= longest:
            raise self._wrong(10001, "The time range between startTime and endTime is over 7 days")
        end = end or (begin + longest if begin else ms(self.desk.now()))
        begin = begin or end - longest
        return lambda at: begin <= at <= end

    def _page(self, fields: Fields, most: int) -> tuple[int, int]:
        """Return the number of the first row that is asked for, and how many are."""
        limit, cursor = self._limit(fields, 20, most), fields.optional("cursor")
        if cursor is None:
            return 0, limit
        matched = _CURSOR.fullmatch(cursor)
        if matched is None:
            raise self._bad_field("cursor", "malformed")
        return int(matched.group(1)), limit

    def _limit(self, fields: Fields, default: int, most: int) -> int:
        limit = fields.whole("limit", default)
        if not 1 <= limit <= most:
            raise self._bad_field("limit", "malformed")
        return limit

    # ---- answering

    def _good(self, told: Any) -> Told:
        return told if isinstance(told, Told) else Told(self._body(told))

    def _body(self, result: Any, code: int = 0, message: str = "OK") -> dict[str, Any]:
        now = ms(self.desk.now() + self.ahead)
        told = {"retCode": code, "retMsg": message, "result": result}
        return told | {"retExtInfo": {}, "time": now}

    def _wrong(self, code: int, message: str) -> WrongError:
        return WrongError(Told(self._body({}, code, message)))

    def _bad_field(self, name: str, how: str) -> WrongError:
        return self._wrong(10001, f"Request parameter error: {name} is {how}")


def _paged(
    instrument: Instrument | None, found: Sequence[Any], first: int, limit: int
) -> dict[str, Any]:
    """Return a page. The cursor comes percent-encoded, as it has to be sent."""
    page = found[first : first + limit]
    more = first + limit < len(found)
    told = {"list": page, "nextPageCursor": f"row%3A{first + limit}" if more else ""}
    return told if instrument is None else told | {"category": rows.category(instrument)}


def _refused(kind: MarketKind, reason: RefusalReason) -> tuple[int, str]:
    table = _REFUSED[kind]
    return table.get(reason, table[RefusalReason.OTHER])


def _duplicate(kind: MarketKind) -> tuple[int, str]:
    if kind is MarketKind.SPOT:
        return 170141, "Duplicate clientOrderId."
    return 110072, "OrderLinkedID is duplicate"


def _absent(kind: MarketKind) -> tuple[int, str]:
    if kind is MarketKind.SPOT:
        return 170213, "Order does not exist."
    return 110001, "order not exists or too late to cancel"
