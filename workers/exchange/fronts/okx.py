"""OKX's dialect: swaps and spot at the same endpoints, answers that carry a code per row."""

import hmac
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final

from domain.errors import InvalidValueError
from domain.money import EXACT, Instrument, MarketKind, Price, Quantity
from domain.orders import (
    Fill,
    OrderReport,
    OrderRequest,
    OrderStatus,
    OrderType,
    Refusal,
    RefusalReason,
    Side,
    TimeInForce,
)
from workers.exchange.faults import Operation
from workers.exchange.fronts import okx_market as market
from workers.exchange.fronts import okx_rows as rows
from workers.exchange.fronts.asked import Asked, Fields, Told, WrongError
from workers.exchange.fronts.desk import Duplicate, Scope, fresh
from workers.exchange.fronts.dialect import Route
from workers.exchange.fronts.keys import LocalKeys, keys_of
from workers.exchange.fronts.okx_sockets import KINDS, WINDOW, OkxSockets, sign
from workers.exchange.fronts.rows import from_ms, ms, number

_ID: Final = re.compile(r"[A-Za-z0-9]{1,32}")
_ROOT: Final = "/api/v5"
_BATCH: Final = 20
_PAGE: Final = 100
_BARS: Final = 300
_TYPES: Final = ("limit", "market", "post_only", "fok", "ioc")
_REFUSED: Final[Mapping[RefusalReason, tuple[str, str]]] = {
    RefusalReason.INSUFFICIENT_FUNDS: (
        "51008",
        "Order failed. Insufficient USDT balance in account",
    ),
    RefusalReason.INVALID: ("51020", "Your order should meet or exceed the minimum order amount."),
    RefusalReason.REDUCE_ONLY: (
        "51169",
        "Order failed because you don't have any positions in this direction to reduce or close.",
    ),
    RefusalReason.OTHER: ("51022", "Contract suspended"),
}
#: The HTTP status of what is said about a request as a whole; all else is said with a 200.
_STATUSES: Final = {"500": 400, "501": 401}
_Act = Callable[[LocalKeys, Fields], Any]
_Result = Callable[[str, Mapping[str, Any]], dict[str, Any]]


class Okx(OkxSockets):
    """One account per key: a unified one, in net mode and with cross margin."""

    name = "okx"
    hosts = frozenset({"www.okx.com", "ws.okx.com"})
    id_fields: ClassVar[Sequence[str]] = ("clOrdId",)

    def routes(self) -> Sequence[Route]:
        get, post = self._get, self._post
        return [
            self._open("/public/time", Operation.TIME, self._time),
            self._open("/public/instruments", Operation.INSTRUMENTS, self._instruments),
            self._open("/public/funding-rate", Operation.MARKET, self._funding_rate),
            self._open("/public/funding-rate-history", Operation.MARKET, self._funding_rates),
            self._open("/market/trades", Operation.MARKET, self._trades_of),
            self._open("/market/candles", Operation.MARKET, self._bars),
            self._open("/market/history-candles", Operation.MARKET, self._bars),
            self._open("/market/tickers", Operation.MARKET, self._tickers),
            get("/account/balance", Operation.BALANCES, self._balance),
            get("/account/positions", Operation.POSITIONS, self._held),
            get("/account/bills", Operation.FUNDING, self._bills),
            get("/account/bills-archive", Operation.FUNDING, self._bills),
            get("/account/trade-fee", Operation.FEES, self._fee),
            get("/account/leverage-info", Operation.TERMS, self._leverage_info),
            get("/account/config", Operation.TERMS, self._config),
            post("/account/set-leverage", Operation.TERMS, self._set_leverage),
            post("/account/set-position-mode", Operation.TERMS, self._set_mode),
            self._one("/trade/order", Operation.PLACE, self._one_placed),
            self._one("/trade/cancel-order", Operation.CANCEL, self._one_canceled),
            self._batch("/trade/batch-orders", Operation.PLACE_BATCH, self._one_placed),
            self._batch("/trade/cancel-batch-orders", Operation.CANCEL_BATCH, self._one_canceled),
            get("/trade/order", Operation.ORDER, self._get_order),
            get("/trade/orders-pending", Operation.OPEN_ORDERS, self._pending),
            get("/trade/orders-history", Operation.ORDERS, self._history),
            get("/trade/orders-history-archive", Operation.ORDERS, self._history),
            get("/trade/fills", Operation.FILLS, self._fills),
            get("/trade/fills-history", Operation.FILLS, self._fills),
        ]

    # ---- how it fails

    def limited(self, retry_after: timedelta) -> Told:  # noqa: ARG002 - OKX does not tell
        return Told({"msg": "Too Many Requests", "code": "50011"}, 429)

    def unavailable(self) -> Told:
        told = "Service temporarily unavailable. Try again later"
        return Told(rows.envelope([], "50001", told), 503)

    def refusal(self, reason: RefusalReason) -> Told:
        return Told(_results([rows.result("", None, *_refused(reason))]))

    # ---- who asks

    def _open(
        self, path: str, operation: Operation, act: Callable[[Fields], Sequence[Any]]
    ) -> Route:
        def handler(asked: Asked) -> Any:
            return rows.envelope(act(Fields(asked.form(), _bad_field)))

        return Route("GET", f"{_ROOT}{path}", operation, handler)

    def _get(self, path: str, operation: Operation, act: _Act) -> Route:
        def handler(asked: Asked) -> Any:
            keys = self._authenticated(asked)
            return rows.envelope(act(keys, Fields(asked.form(), _bad_field)))

        return Route("GET", f"{_ROOT}{path}", operation, handler)

    def _post(self, path: str, operation: Operation, act: _Act) -> Route:
        def handler(asked: Asked) -> Any:
            keys = self._authenticated(asked)
            return rows.envelope(act(keys, Fields(_body(asked), _bad_field)))

        return Route("POST", f"{_ROOT}{path}", operation, handler)

    def _one(self, path: str, operation: Operation, act: _Result) -> Route:
        def handler(asked: Asked) -> Any:
            keys = self._authenticated(asked)
            return _results([act(keys.account, _body(asked))])

        return Route("POST", f"{_ROOT}{path}", operation, handler)

    def _batch(self, path: str, operation: Operation, act: _Result) -> Route:
        def handler(asked: Asked) -> Any:
            keys = self._authenticated(asked)
            body = asked.json()
            if not isinstance(body, list) or not all(isinstance(each, dict) for each in body):
                raise _wrong("50002", "Incorrect json data format")
            if not 1 <= len(body) <= _BATCH:
                raise _wrong("51111", f"Maximum {_BATCH} orders can be placed in bulk")
            return _results([act(keys.account, each) for each in body])

        return Route("POST", f"{_ROOT}{path}", operation, handler)

    def _authenticated(self, asked: Asked) -> LocalKeys:
        headers = {name: asked.headers.get(f"ok-access-{name}", "") for name in _HEADERS}
        for name, code in _HEADERS.items():
            if not headers[name]:
                title = name.upper()
                raise _wrong(code, f'Request header "OK-ACCESS-{title}" can not be empty')
        keys = keys_of(headers["key"])
        if keys is None:
            raise _wrong("50111", "Invalid OK-ACCESS-KEY")
        if not hmac.compare_digest(headers["passphrase"], keys.passphrase):
            raise _wrong("50105", 'Request header "OK-ACCESS-PASSPHRASE" incorrect')
        path = f"{asked.path}?{asked.query}" if asked.query else asked.path
        text = f"{headers['timestamp']}{asked.method}{path}{asked.body}"
        if not hmac.compare_digest(headers["sign"], sign(keys, text)):
            raise _wrong("50113", "Invalid Sign")
        now = self.desk.now() + self.ahead
        if not fresh(now, _sent_at(headers["timestamp"]), WINDOW, WINDOW):
            raise _wrong("50102", "Timestamp request expired")
        deadline = asked.headers.get("exptime", "")
        # That it is not processed then is documented, the code is not.
        if deadline and int(deadline) < ms(now):
            raise _wrong("51149", "Order timed out. Please try again.")
        return keys

    # ---- orders

    def _one_placed(self, account: str, order: Mapping[str, Any]) -> dict[str, Any]:
        client_id = str(order.get("clOrdId", ""))
        try:
            return self._take(account, Fields(order, _bad_field))
        except WrongError as wrong:
            body = wrong.answer.body
            return rows.result(client_id, None, body["code"], body["msg"])

    def _take(self, account: str, fields: Fields) -> dict[str, Any]:
        instrument = self._instrument(fields)
        request, word = self._request(instrument, fields)
        outcome = self.desk.place(account, request, scope=Scope.OPEN, crossing_is_taken=True)
        if isinstance(outcome, Duplicate):
            raise _wrong("51016", "Client order ID already exists.")
        if isinstance(outcome, Refusal):
            raise _wrong(*_refused(outcome.reason))
        self.words[account, request.client_id] = word
        return rows.result(request.client_id, outcome, "0", "Order placed")

    def _request(self, instrument: Instrument, fields: Fields) -> tuple[OrderRequest, str]:
        perpetual = instrument.kind is MarketKind.PERPETUAL
        client_id = fields.text("clOrdId")  # OKX makes one up; here each order has its own
        if not _ID.fullmatch(client_id):
            raise _bad_field("clOrdId", "malformed")
        fields.choice("tdMode", ("cross",) if perpetual else ("cash",))
        word = fields.choice("ordType", _TYPES)
        side = Side(fields.choice("side", ("buy", "sell")))
        reduce_only = False
        if perpetual:
            fields.choice("posSide", ("net",), "net")
            reduce_only = (fields.optional("reduceOnly") or "false").lower() == "true"
        elif word == "market":
            unit = "quote_ccy" if side is Side.BUY else "base_ccy"
            fields.choice("tgtCcy", ("base_ccy",), unit)  # in quote it cannot be counted here
            fields.ignore("banAmend")  # an order is never made smaller here
        request = OrderRequest(
            client_id=client_id,
            symbol=instrument.symbol,
            side=side,
            quantity=_quantity(instrument, fields),
            price=None if word == "market" else _price(instrument, fields),
            type=OrderType.MARKET if word == "market" else OrderType.LIMIT,
            time_in_force=TimeInForce(word) if word in ("fok", "ioc") else TimeInForce.GTC,
            post_only=word == "post_only",
            reduce_only=reduce_only,
        )
        fields.done()
        return request, word

    def _one_canceled(self, account: str, order: Mapping[str, Any]) -> dict[str, Any]:
        client_id = str(order.get("clOrdId", ""))
        try:
            fields = Fields(order, _bad_field)
            instrument = self._instrument(fields)
            report = self._named(account, instrument, fields)
            fields.done()
            return self._end(account, instrument, report)
        except WrongError as wrong:
            body = wrong.answer.body
            return rows.result(client_id, None, body["code"], body["msg"])

    def _end(
        self, account: str, instrument: Instrument, report: OrderReport | None
    ) -> dict[str, Any]:
        if report is None:
            raise _wrong("51400", "Cancellation failed as the order does not exist.")
        canceled = self.desk.cancel(account, instrument.symbol, report.client_id)
        if canceled is not None:
            return rows.result(report.client_id, canceled, "0", "")
        if report.status is OrderStatus.FILLED:
            raise _wrong("51402", "Cancellation failed as the order is already completed.")
        raise _wrong("51401", "Cancellation failed as the order is already canceled.")

    def _get_order(self, keys: LocalKeys, fields: Fields) -> Any:
        instrument = self._instrument(fields)
        report = self._named(keys.account, instrument, fields)
        fields.done()
        if report is None:
            raise _wrong("51603", "Order does not exist")
        return [self._row(keys.account, instrument, report)]

    def _named(self, account: str, instrument: Instrument, fields: Fields) -> OrderReport | None:
        client_id, order_id = fields.optional("clOrdId"), fields.optional("ordId")
        if order_id is not None:
            return self.desk.by_order_id(account, instrument.symbol, f"O{order_id}")
        if client_id is None:
            raise _wrong("51003", "Either client order ID or order ID is required")
        return self.desk.order(account, instrument.symbol, client_id)

    def _pending(self, keys: LocalKeys, fields: Fields) -> Any:
        instrument = self._kind_and_instrument(fields)
        page = _page(fields, "ordId")
        fields.done()
        reports = self.desk.open_orders(keys.account, instrument.symbol)
        return page([self._row(keys.account, instrument, report) for report in reports])

    def _history(self, keys: LocalKeys, fields: Fields) -> Any:
        """Return closed orders by their time of creation, newest first."""
        instrument = self._kind_and_instrument(fields)
        span = _span(fields)
        page = _page(fields, "ordId")
        fields.done()
        found = self.desk.orders(keys.account, instrument.symbol, from_ms(0))
        told = [
            self._row(keys.account, instrument, each) for each in found if not each.status.working
        ]
        return page([row for row in told if span(int(row["cTime"]))])

    def _fills(self, keys: LocalKeys, fields: Fields) -> Any:
        instrument = self._kind_and_instrument(fields)
        span = _span(fields)
        order_id = fields.optional("ordId")
        page = _page(fields, "billId")
        fields.done()
        found = self.desk.fills(keys.account, instrument.symbol, from_ms(0))
        told = [rows.fill(instrument, each) for each in found]
        return page(
            [row for row in told if span(int(row["ts"])) and order_id in (None, row["ordId"])]
        )

    def _row(self, account: str, instrument: Instrument, report: OrderReport) -> dict[str, Any]:
        last: Fill | None = None
        if report.filled:
            fills = self.desk.fills(account, instrument.symbol, from_ms(0))
            mine = [each for each in fills if each.order_id == report.order_id]
            last = mine[-1] if mine else None
        return self.order_row(account, instrument, report, last)

    # ---- account

    def _balance(self, keys: LocalKeys, fields: Fields) -> Any:
        fields.ignore("ccy")
        fields.done()
        return [rows.wallets(self.desk.balances(keys.account), ms(self.desk.now()))]

    def _held(self, keys: LocalKeys, fields: Fields) -> Any:
        instrument = self._kind_and_instrument(fields)
        fields.done()
        lever = self.leverage.get((keys.account, instrument.symbol), 10)
        held = self.desk.positions(keys.account, instrument.symbol)
        return [rows.position(instrument, each, lever, ms(self.desk.now())) for each in held]

    def _bills(self, keys: LocalKeys, fields: Fields) -> Any:
        """Return funding only: of the other types of bills the host keeps none."""
        kind = KINDS[fields.choice("instType", ("SWAP",))]
        fields.choice("type", ("8",))
        span = _span(fields)
        page = _page(fields, "billId")
        fields.done()
        told = [
            rows.bill(instrument, each)
            for instrument in self.desk.instruments(kind)
            for each in self.desk.funding(keys.account, instrument.symbol, from_ms(0))
        ]
        return page([row for row in told if span(int(row["ts"]))])

    def _fee(self, keys: LocalKeys, fields: Fields) -> Any:  # noqa: ARG002 - all alike
        kind = KINDS[fields.choice("instType", tuple(KINDS))]
        perpetual = kind is MarketKind.PERPETUAL
        wanted = fields.text("instFamily" if perpetual else "instId")
        fields.done()
        known = {rows.family(each): each for each in self.desk.instruments(kind)}
        if wanted not in known:
            raise _wrong("51001", "Instrument ID or family doesn't exist.")
        each = known[wanted]
        maker, taker = number(-each.maker_fee), number(-each.taker_fee)
        group = {"groupId": "1", "maker": maker, "taker": taker, "elpMaker": ""}
        return [
            {
                "category": "1",
                "feeGroup": [group],
                "instType": rows.inst_type(each),
                "level": "Lv1",
                "maker": "" if perpetual else maker,
                "makerU": maker if perpetual else "",
                "taker": "" if perpetual else taker,
                "takerU": taker if perpetual else "",
                "ts": str(ms(self.desk.now())),
            }
        ]

    def _leverage_info(self, keys: LocalKeys, fields: Fields) -> Any:
        instrument = self._instrument(fields)
        fields.choice("mgnMode", ("cross",))
        fields.done()
        return [self._leverage_row(keys.account, instrument)]

    def _set_leverage(self, keys: LocalKeys, fields: Fields) -> Any:
        instrument = self._instrument(fields)
        fields.choice("mgnMode", ("cross",))
        lever = fields.whole("lever")
        fields.done()
        if not 1 <= lever <= 100:
            raise _wrong("59102", "Leverage exceeds the maximum limit.")
        self.leverage[keys.account, instrument.symbol] = lever
        return [self._leverage_row(keys.account, instrument)]

    def _leverage_row(self, account: str, instrument: Instrument) -> dict[str, Any]:
        lever = self.leverage.get((account, instrument.symbol), 10)
        return {
            "ccy": "",
            "instId": rows.inst_id(instrument),
            "lever": str(lever),
            "mgnMode": "cross",
            "posSide": "net",
        }

    def _config(self, keys: LocalKeys, fields: Fields) -> Any:
        fields.done()
        return [{"acctLv": "2", "level": "Lv1", "posMode": "net_mode", "uid": keys.uid}]

    def _set_mode(self, keys: LocalKeys, fields: Fields) -> Any:  # noqa: ARG002 - all alike
        wanted = fields.choice("posMode", ("net_mode", "long_short_mode"))
        fields.done()
        if wanted != "net_mode":
            told = "Settings failed. Close any open positions or orders before modifying settings."
            raise _wrong("59000", told)
        return [{"posMode": wanted}]

    # ---- market

    def _time(self, fields: Fields) -> Sequence[Any]:
        fields.done()
        return [{"ts": str(ms(self.desk.now() + self.ahead))}]

    def _instruments(self, fields: Fields) -> Sequence[Any]:
        kind = KINDS[fields.choice("instType", tuple(KINDS))]
        fields.done()
        return [market.instrument(each) for each in self.desk.instruments(kind)]

    def _trades_of(self, fields: Fields) -> Sequence[Any]:
        instrument = self._instrument(fields)
        fields.whole("limit", _PAGE)
        fields.done()
        return market.trades(self.desk.host, instrument)

    def _bars(self, fields: Fields) -> Sequence[Any]:
        instrument = self._instrument(fields)
        length = market.LENGTHS[fields.choice("bar", tuple(market.LENGTHS), "1m")]
        limit = min(fields.whole("limit", _PAGE), _BARS)
        before = fields.whole("after", 0)
        fields.done()
        return market.candles(self.desk.host, instrument, length, limit, before)

    def _tickers(self, fields: Fields) -> Sequence[Any]:
        kind = KINDS[fields.choice("instType", tuple(KINDS))]
        fields.done()
        told = [market.day(self.desk.host, each) for each in self.desk.instruments(kind)]
        return [row for row in told if row is not None]

    def _funding_rate(self, fields: Fields) -> Sequence[Any]:
        instrument = self._instrument(fields)
        fields.done()
        if instrument.kind is not MarketKind.PERPETUAL:
            raise _bad_field("instId", "malformed")
        return [market.funding(self.desk.host, instrument)]

    def _funding_rates(self, fields: Fields) -> Sequence[Any]:
        """Return none: the simulated exchange keeps payments, not the rates of the past."""
        self._instrument(fields)
        fields.whole("before", 0)
        fields.whole("after", 0)
        fields.whole("limit", _PAGE)
        fields.done()
        return []

    # ---- how

    def _instrument(self, fields: Fields) -> Instrument:
        wanted = fields.text("instId")
        for kind in MarketKind:
            for instrument in self.desk.instruments(kind):
                if rows.inst_id(instrument) == wanted:
                    return instrument
        raise _wrong("51001", "Instrument ID, Instrument ID code, or Spread ID doesn't exist.")

    def _kind_and_instrument(self, fields: Fields) -> Instrument:
        kind = KINDS[fields.choice("instType", tuple(KINDS))]
        instrument = self._instrument(fields)
        if instrument.kind is not kind:
            raise _wrong("51015", "Instrument ID does not match instrument type.")
        return instrument


_HEADERS: Final = {"key": "50103", "passphrase": "50104", "sign": "50106", "timestamp": "50107"}


def _body(asked: Asked) -> dict[str, Any]:
    body = asked.json()
    if not isinstance(body, dict):
        raise _wrong("50002", "Incorrect json data format")
    return body


def _sent_at(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise _wrong("50112", "Invalid OK-ACCESS-TIMESTAMP") from None
    if at.tzinfo is None:
        raise _wrong("50112", "Invalid OK-ACCESS-TIMESTAMP")
    return at


def _price(instrument: Instrument, fields: Fields) -> Price:
    try:
        return instrument.exact_price(fields.number("px"), "px")
    except InvalidValueError:
        raise _bad_field("px", "malformed") from None


def _quantity(instrument: Instrument, fields: Fields) -> Quantity:
    amount = fields.number("sz")
    steps = EXACT.divide(amount, rows.lot_size(instrument))
    if amount <= 0:
        raise _bad_field("sz", "malformed")
    if steps != steps.to_integral_value(context=EXACT):
        raise _wrong("51121", "Order quantity must be a multiple of the lot size.")
    return Quantity(int(steps))


def _span(fields: Fields) -> Callable[[int], bool]:
    """Return what tells whether a time is asked for.

    Whether OKX counts `begin` and `end` themselves is not documented: here they do not count.
    """
    begin, end = fields.whole("begin", 0), fields.whole("end", 0)
    return lambda at: begin < at and (not end or at < end)


def _page(fields: Fields, cursor: str) -> Callable[[list[dict[str, Any]]], list[dict[str, Any]]]:
    """Return what makes a page: newest first, of what is older than the id in `after`."""
    after, limit = fields.whole("after", 0), min(fields.whole("limit", _PAGE), _PAGE)

    def page(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
        newest = sorted(found, key=lambda row: int(row[cursor]), reverse=True)
        return [row for row in newest if not after or int(row[cursor]) < after][:limit]

    return page


def _results(told: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the envelope of some results: its code says whether none, all or some failed."""
    failed = sum(row["sCode"] != "0" for row in told)
    if not failed:
        return rows.envelope(told)
    if failed == len(told):
        return rows.envelope(told, "1", "All operations failed")
    return rows.envelope(told, "2", "Bulk operation partially succeeded.")


def _refused(reason: RefusalReason) -> tuple[str, str]:
    return _REFUSED.get(reason, _REFUSED[RefusalReason.OTHER])


def _wrong(code: str, message: str) -> WrongError:
    return WrongError(Told(rows.envelope([], code, message), _STATUSES.get(code[:3], 200)))


def _bad_field(name: str, how: str) -> WrongError:
    if how == "missing":
        return _wrong("50014", f"Parameter {name} cannot be empty.")
    return _wrong("51000", f"Parameter {name} error")
