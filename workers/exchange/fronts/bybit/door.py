"""Who asks Bybit, which market and which order are meant, and how it answers."""

import hmac
import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from hashlib import sha256
from typing import Any, Final

from domain.money import ZERO, Instrument, MarketKind, add
from domain.orders import OrderReport
from workers.exchange.faults import Operation
from workers.exchange.fronts.asked import Asked, Fields, Told, WrongError
from workers.exchange.fronts.bybit import rows
from workers.exchange.fronts.bybit.dead_man import DeadMan
from workers.exchange.fronts.desk import Desk, fresh
from workers.exchange.fronts.keys import LocalKeys, keys_of
from workers.exchange.fronts.margin import margins
from workers.exchange.fronts.rooms import Door, Route
from workers.exchange.fronts.rows import from_ms, ms

_AHEAD: Final = timedelta(seconds=1)
_SPAN: Final = timedelta(days=7)
_BATCH: Final = {MarketKind.PERPETUAL: 20, MarketKind.SPOT: 10}
_CURSOR: Final = re.compile(r"row:(\d{1,9})")
Act = Callable[[LocalKeys, Fields], Any]


class BybitDoor(Door[rows.Word]):
    """What failed is told with HTTP 200 and a `retCode`."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self.dead_man = DeadMan(desk)

    # ---- who asks

    def public(self, path: str, operation: Operation, act: Callable[[Fields], Any]) -> Route:
        """Return a route that anybody may ask."""

        def handler(asked: Asked) -> Any:
            return self.good(act(Fields(asked.form(), self.bad_field)))

        return Route("GET", path, operation, handler)

    def get(self, path: str, operation: Operation, act: Act) -> Route:
        """Return a route that is asked by query, by an account."""

        def handler(asked: Asked) -> Any:
            keys = self._authenticated(asked, asked.query)
            return self.good(act(keys, Fields(asked.form(), self.bad_field)))

        return Route("GET", path, operation, handler)

    def post(self, path: str, operation: Operation, act: Act) -> Route:
        """Return a route that is asked by a JSON body, by an account."""

        def handler(asked: Asked) -> Any:
            keys, values = self._posted(asked)
            return self.good(act(keys, Fields(values, self.bad_field)))

        return Route("POST", path, operation, handler)

    def batch(
        self, path: str, operation: Operation, act: Callable[[str, MarketKind, Fields], Any]
    ) -> Route:
        """Do each of a batch: ids come in one list, and what was wrong in another one."""

        def handler(asked: Asked) -> Any:
            keys, values = self._posted(asked)
            wanted = values.pop("request", None)
            fields = Fields(values, self.bad_field)
            kind = self.kind(fields)
            fields.done()
            if not isinstance(wanted, list) or not 1 <= len(wanted) <= _BATCH[kind]:
                raise self.wrong(10001, f"The number of orders must be 1 to {_BATCH[kind]}.")
            pairs = [self._one_of(keys.account, kind, act, each) for each in wanted]
            body = self.body({"list": [row for row, _ in pairs]})
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
            row |= act(account, kind, Fields(values, self.bad_field))
        except WrongError as refusal:
            body = refusal.answer.body
            return row, {"code": body["retCode"], "msg": body["retMsg"]}
        return row, {"code": 0, "msg": "OK"}

    def _posted(self, asked: Asked) -> tuple[LocalKeys, dict[str, Any]]:
        keys = self._authenticated(asked, asked.body)
        values = asked.json()
        if not isinstance(values, dict):
            raise self.wrong(10001, "Request parameter error: the body is no JSON object")
        return keys, values

    def _authenticated(self, asked: Asked, text: str) -> LocalKeys:
        key, sent = asked.headers.get("x-bapi-api-key", ""), asked.headers.get("x-bapi-timestamp")
        keys = keys_of(key)
        if keys is None:
            raise self.wrong(10003, "API key is invalid.")
        window = asked.headers.get("x-bapi-recv-window", "")
        signed = f"{sent}{key}{window}{text}".encode()
        expected = hmac.new(keys.secret.encode(), signed, sha256).hexdigest()
        if not hmac.compare_digest(asked.headers.get("x-bapi-sign", ""), expected):
            raise self.wrong(10004, "error sign! Please check your signature generation algorithm.")
        if not (sent or "").isdecimal() or not (window or "5000").isdecimal():
            raise self.wrong(10001, "Request parameter error: the timestamp or the window")
        now = self.desk.now()
        lasts = timedelta(milliseconds=int(window or "5000"))
        if not fresh(now, from_ms(int(sent or "0")), lasts, _AHEAD):
            raise self.wrong(
                10002,
                "invalid request, please check your server timestamp or recv_window param. "
                f"req_timestamp[{sent}],server_timestamp[{ms(now)}],recv_window[{window}]",
            )
        return keys

    # ---- what is meant

    def kind(self, fields: Fields) -> MarketKind:
        """Return the kind of market a request is about."""
        return rows.CATEGORIES[fields.choice("category", tuple(rows.CATEGORIES))]

    def perpetual(self, fields: Fields) -> Instrument:
        """Return the perpetual a request names."""
        fields.choice("category", ("linear",))
        return self.instrument(MarketKind.PERPETUAL, fields)

    def instrument(self, kind: MarketKind, fields: Fields) -> Instrument:
        """Return the market a request names."""
        wanted = fields.text("symbol")
        for instrument in self.desk.instruments(kind):
            if rows.symbol(instrument) == wanted:
                return instrument
        if kind is MarketKind.SPOT:
            raise self.wrong(170121, "Invalid symbol.")
        raise self.wrong(10001, f"params error: symbol invalid {wanted}")

    def find(
        self, account: str, instrument: Instrument, order_id: str | None, client_id: str | None
    ) -> OrderReport | None:
        """Return the order that is named; the venue's id goes before ours."""
        if order_id is not None:
            inner = rows.inner_order_id(order_id)
            return self.desk.by_order_id(account, instrument.symbol, inner)
        if client_id is None:
            raise self.bad_field("orderLinkId", "missing")
        return self.desk.order(account, instrument.symbol, client_id)

    def span(self, fields: Fields) -> Callable[[int], bool]:
        """Return what tells whether a time lies in the span that is asked for: 7 days of it."""
        longest = _SPAN // timedelta(milliseconds=1)
        begin, end = fields.whole("startTime", 0), fields.whole("endTime", 0)
        if begin and end and not 0 <= end - begin <= longest:
            raise self.wrong(10001, "The time range between startTime and endTime is over 7 days")
        end = end or (begin + longest if begin else ms(self.desk.now()))
        begin = begin or end - longest
        return lambda at: begin <= at <= end

    def page(self, fields: Fields, most: int) -> tuple[int, int]:
        """Return the number of the first row that is asked for, and how many are."""
        limit, cursor = self.limit(fields, 20, most), fields.optional("cursor")
        if cursor is None:
            return 0, limit
        matched = _CURSOR.fullmatch(cursor)
        if matched is None:
            raise self.bad_field("cursor", "malformed")
        return int(matched.group(1)), limit

    def limit(self, fields: Fields, default: int, most: int) -> int:
        """Return how many rows are asked for."""
        limit = fields.whole("limit", default)
        if not 1 <= limit <= most:
            raise self.bad_field("limit", "malformed")
        return limit

    # ---- what is told

    def word(self, account: str, report: OrderReport) -> rows.Word:
        """Return what a client called its order."""
        return self.memory.word(account, report, rows.word_of(report))

    def order_row(
        self, account: str, instrument: Instrument, report: OrderReport
    ) -> dict[str, Any]:
        """Return an order."""
        created = ms(self.desk.created_at(account, report))
        return rows.order(instrument, report, self.word(account, report), created)

    def wallet(self, account: str) -> dict[str, Any]:
        """Return the account's wallet."""
        locked: dict[str, Any] = {}
        for instrument in self.desk.instruments(MarketKind.SPOT):
            for report in self.desk.open_orders(account, instrument.symbol):
                asset, amount = rows.locked_on_spot(instrument, report)
                locked[asset] = add(locked.get(asset, ZERO), amount)
        return rows.wallet(margins(self.desk, account), locked)

    def good(self, told: Any) -> Told:
        """Return a good answer."""
        return told if isinstance(told, Told) else Told(self.body(told))

    def body(self, result: Any, code: int = 0, message: str = "OK") -> dict[str, Any]:
        """Return the envelope of every answer."""
        now = ms(self.desk.now())
        told = {"retCode": code, "retMsg": message, "result": result}
        return told | {"retExtInfo": {}, "time": now}

    def wrong(self, code: int, message: str) -> WrongError:
        """Return the refusal of a request."""
        return WrongError(Told(self.body({}, code, message)))

    def bad_field(self, name: str, how: str) -> WrongError:
        """Return the refusal of a field that is missing, unknown or malformed."""
        return self.wrong(10001, f"Request parameter error: {name} is {how}")
