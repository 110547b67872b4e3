"""Gate's dialect: contracts that settle in USDT, and coins, under one host and one alphabet.

Stricter than the venue in two things: an order must have a text, and a market buy of coins, which
counts quote there, is refused. An order that ended an hour ago is no longer found by its text.
"""

import hmac
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha512
from typing import Any, ClassVar, Final
from urllib.parse import unquote_plus

from domain.money import Instrument, MarketKind
from domain.orders import (
    OrderReport,
    Refusal,
    RefusalReason,
)
from workers.exchange.faults import Operation
from workers.exchange.fronts import gate_market as market
from workers.exchange.fronts import gate_requests as requests
from workers.exchange.fronts import gate_rows as rows
from workers.exchange.fronts.asked import Asked, Fields, Told, WrongError
from workers.exchange.fronts.desk import Duplicate, Scope, fresh
from workers.exchange.fronts.dialect import Route
from workers.exchange.fronts.gate_sockets import LATEST, GateSockets
from workers.exchange.fronts.keys import LocalKeys, keys_of
from workers.exchange.fronts.rows import from_ms, ms, number_of

_ROOT: Final = "/api/v4"
_FUTURES: Final = f"{_ROOT}/futures/usdt"
_SPOT: Final = f"{_ROOT}/spot"
_PERPETUAL: Final = MarketKind.PERPETUAL
_BATCH: Final = 10
_CANCEL_BATCH: Final = 20
#: How long after its end an order is found by its text.
_FOUND_FOR: Final = timedelta(hours=1)
#: Answers an authenticated request: whose it is, the request, its fields.
_Act = Callable[[LocalKeys, Asked, Fields], Any]


class Gate(GateSockets):
    """One account per key on both sides; its wallet is the same on both, unlike there."""

    name = "gate"
    hosts = frozenset({"api.gateio.ws", "fx-ws.gateio.ws"})
    id_fields: ClassVar[Sequence[str]] = ("text", "id")

    def routes(self) -> Sequence[Route]:
        public = Operation.MARKET
        return [
            *self._orders(_FUTURES, _PERPETUAL),
            *self._orders(_SPOT, MarketKind.SPOT),
            Route("GET", f"{_SPOT}/time", Operation.TIME, self._time),
            Route("GET", f"{_SPOT}/currency_pairs", Operation.INSTRUMENTS, self._pairs),
            Route("GET", f"{_ROOT}/margin/currency_pairs", Operation.INSTRUMENTS, self._none),
            Route("GET", f"{_FUTURES}/contracts", Operation.INSTRUMENTS, self._contracts),
            Route("GET", f"{_FUTURES}/contracts/{{contract}}", public, self._contract),
            Route("GET", f"{_FUTURES}/funding_rate", public, self._funding_rates),
            self._signed(
                "POST", f"{_SPOT}/cancel_batch_orders", Operation.CANCEL_BATCH, self._cancel_batch
            ),
            self._signed("GET", f"{_SPOT}/my_trades", Operation.FILLS, self._spot_fills),
            self._signed("GET", f"{_SPOT}/accounts", Operation.BALANCES, self._coins),
            self._signed("GET", f"{_SPOT}/fee", Operation.FEES, self._spot_fee),
            self._signed(
                "GET", f"{_FUTURES}/orders_timerange", Operation.ORDERS, self._ended_futures
            ),
            self._signed("GET", f"{_FUTURES}/my_trades", Operation.FILLS, self._fills("id")),
            self._signed(
                "GET", f"{_FUTURES}/my_trades_timerange", Operation.FILLS, self._fills("trade_id")
            ),
            self._signed(
                "GET", f"{_ROOT}/futures/{{settle}}/accounts", Operation.BALANCES, self._wallet
            ),
            self._signed("GET", f"{_FUTURES}/positions", Operation.POSITIONS, self._positions),
            self._signed(
                "GET", f"{_FUTURES}/positions/{{contract}}", Operation.TERMS, self._position
            ),
            self._signed(
                "POST",
                f"{_FUTURES}/positions/{{contract}}/leverage",
                Operation.TERMS,
                self._set_leverage,
            ),
            self._signed("POST", f"{_FUTURES}/dual_mode", Operation.TERMS, self._set_mode),
            self._signed("GET", f"{_FUTURES}/account_book", Operation.FUNDING, self._book),
            self._signed("GET", f"{_FUTURES}/fee", Operation.FEES, self._futures_fee),
        ]

    def _orders(self, root: str, kind: MarketKind) -> Sequence[Route]:
        """Return the routes that both sides have; spot lists open and ended orders under one."""
        signed, orders = self._signed, f"{root}/orders"
        one = f"{orders}/{{order_id}}"
        return [
            Route("GET", f"{root}/trades", Operation.MARKET, self._trades(kind)),
            Route("GET", f"{root}/candlesticks", Operation.MARKET, self._bars(kind)),
            Route("GET", f"{root}/tickers", Operation.MARKET, self._tickers_of(kind)),
            signed("POST", orders, Operation.PLACE, self._place(kind)),
            signed("POST", f"{root}/batch_orders", Operation.PLACE_BATCH, self._batch(kind)),
            signed("GET", orders, Operation.OPEN_ORDERS, self._listed(kind)),
            signed("GET", one, Operation.ORDER, self._get_order(kind)),
            signed("DELETE", one, Operation.CANCEL, self._cancel(kind)),
        ]

    # ---- how it fails

    def limited(self, retry_after: timedelta) -> Told:
        reset = -(-ms(self.desk.now() + retry_after) // 1000)
        body = {"label": "TOO_MANY_REQUESTS", "message": "Request Rate Limit Exceeded (311)"}
        return Told(body, 429, {"X-Gate-RateLimit-Reset-Timestamp": str(reset)})

    def unavailable(self) -> Told:
        return Told({"label": "TOO_BUSY", "message": "The system is busy"}, 503)

    def refusal(self, reason: RefusalReason) -> Told:
        return requests.wrong(_PERPETUAL, *requests.refused(_PERPETUAL, reason)).answer

    def client_ids(self, asked: Asked) -> Sequence[str]:
        named = re.findall(r"/orders/(t-[^/?]+)", asked.path)
        ids = [*super().client_ids(asked), *named]
        return [each.removeprefix("t-") for each in ids]

    # ---- who asks

    def _signed(self, method: str, path: str, operation: Operation, act: _Act) -> Route:
        def handler(asked: Asked) -> Any:
            keys = self._authenticated(asked)
            values = asked.json() if asked.body else asked.form()
            # A batch is a list: its handler reads it by itself.
            return act(
                keys, asked, Fields(values if isinstance(values, dict) else {}, requests.bad_field)
            )

        return Route(method, path, operation, handler)

    def _authenticated(self, asked: Asked) -> LocalKeys:
        headers = asked.headers
        for name in ("key", "timestamp", "sign"):
            if not headers.get(name):
                raise requests.denied("MISSING_REQUIRED_HEADER", f"Missing required header: {name}")
        keys = keys_of(headers["key"])
        if keys is None:
            raise requests.denied("INVALID_KEY", "Invalid key provided")
        digest = sha512(asked.body.encode()).hexdigest()
        # The text of the query is signed as it was before it was encoded.
        query = unquote_plus(asked.query)
        text = "\n".join((asked.method, asked.path, query, digest, headers["timestamp"]))
        expected = hmac.new(keys.secret.encode(), text.encode(), sha512).hexdigest()
        if not hmac.compare_digest(headers["sign"], expected):
            raise requests.denied("INVALID_SIGNATURE", "Signature mismatch")
        self._check_times(headers)
        return keys

    def _check_times(self, headers: Mapping[str, str]) -> None:
        now, told = self.desk.now() + self.ahead, headers["timestamp"]
        sent_at = datetime.fromtimestamp(int(told) if told.isdecimal() else 0, UTC)
        if not fresh(now, sent_at, LATEST, LATEST):
            text = "gap between request Timestamp and current time exceeds 60 seconds"
            raise requests.denied("REQUEST_EXPIRED", text)
        until = headers.get("x-gate-exptime")
        if until is not None and (not until.isdecimal() or ms(now) > int(until)):
            raise requests.denied("REQUEST_EXPIRED", "request is later than its X-Gate-Exptime")

    # ---- orders

    def _place(self, kind: MarketKind) -> _Act:
        def place(keys: LocalKeys, asked: Asked, fields: Fields) -> Any:  # noqa: ARG001
            return Told(self._take(keys.account, kind, fields), 201)

        return place

    def _batch(self, kind: MarketKind) -> _Act:
        def batch(keys: LocalKeys, asked: Asked, fields: Fields) -> Any:  # noqa: ARG001
            orders = asked.json()
            if not isinstance(orders, list) or not 1 <= len(orders) <= _BATCH:
                raise requests.wrong(
                    kind, "INVALID_PARAM_VALUE", f"a batch has 1 to {_BATCH} orders"
                )
            return [self._one_of_batch(keys.account, kind, each) for each in orders]

        return batch

    def _one_of_batch(self, account: str, kind: MarketKind, order: Mapping[str, Any]) -> Any:
        fields = Fields(order, requests.bad_field)
        fields.ignore("settle")  # which ccxt repeats from the path
        try:
            row = self._take(account, kind, fields)
        except WrongError as wrong:
            return {"succeeded": False, "text": order.get("text", ""), **wrong.answer.body}
        if kind is MarketKind.SPOT:
            row |= {"order_id": row["id"], "label": "", "message": ""}
        return {"succeeded": True, **row}

    def _take(self, account: str, kind: MarketKind, fields: Fields) -> dict[str, Any]:
        instrument = self._instrument(kind, fields)
        read = requests.future if kind is _PERPETUAL else requests.coin
        request, tif = read(instrument, fields)
        outcome = self.desk.place(account, request, scope=Scope.OPEN)
        if isinstance(outcome, Duplicate):
            # The label is not confirmed, nor that the venue looks at all.
            raise requests.wrong(kind, "REPEATED_CREATION", "repeated text")
        if isinstance(outcome, Refusal):
            raise requests.wrong(kind, *requests.refused(kind, outcome.reason))
        self.words[account, request.client_id] = tif
        return self.row(account, instrument, outcome)

    def _cancel(self, kind: MarketKind) -> _Act:
        def cancel(keys: LocalKeys, asked: Asked, fields: Fields) -> Any:
            return self._end(keys.account, kind, asked.parts["order_id"], fields)

        return cancel

    def _end(self, account: str, kind: MarketKind, name: str, fields: Fields) -> dict[str, Any]:
        instrument, report = self._named_order(account, kind, name, fields)
        fields.done()
        ended = self.desk.cancel(account, instrument.symbol, report.client_id)
        if ended is None:
            label = "ORDER_FINISHED" if kind is _PERPETUAL else "ORDER_CLOSED"
            raise requests.wrong(kind, label, "order is finished")
        return self.row(account, instrument, ended)

    def _cancel_batch(self, keys: LocalKeys, asked: Asked, fields: Fields) -> Any:  # noqa: ARG002
        names = asked.json()
        if not isinstance(names, list) or not 1 <= len(names) <= _CANCEL_BATCH:
            text = f"a batch has 1 to {_CANCEL_BATCH} orders"
            raise requests.wrong(MarketKind.SPOT, "INVALID_PARAM_VALUE", text)
        return [self._one_canceled(keys.account, each) for each in names]

    def _one_canceled(self, account: str, named: Mapping[str, Any]) -> Any:
        fields = Fields(named, requests.bad_field)
        name = fields.text("id")
        told = {"currency_pair": named.get("currency_pair"), "id": name}
        try:
            self._end(account, MarketKind.SPOT, name, fields)
        except WrongError as wrong:
            return {**told, "succeeded": False, **wrong.answer.body}
        return {**told, "succeeded": True, "label": "", "message": ""}

    def _get_order(self, kind: MarketKind) -> _Act:
        def order(keys: LocalKeys, asked: Asked, fields: Fields) -> Any:
            name = asked.parts["order_id"]
            instrument, report = self._named_order(keys.account, kind, name, fields)
            fields.done()
            return self.row(keys.account, instrument, report)

        return order

    def _named_order(
        self, account: str, kind: MarketKind, name: str, fields: Fields
    ) -> tuple[Instrument, OrderReport]:
        """Return an order by its id or its text; an id of contracts names no market."""
        if kind is MarketKind.SPOT:
            instruments: Sequence[Instrument] = [self._instrument(kind, fields)]
        else:
            instruments = self.desk.instruments(kind)
        for instrument in instruments:
            report = self._find(account, instrument, name)
            if report is not None:
                return instrument, report
        known_by_id = kind is _PERPETUAL or not name.startswith("t-")
        label = "ORDER_NOT_FOUND" if known_by_id else "CLIENT_ID_NOT_FOUND"
        raise requests.wrong(kind, label, f"Order {name} not found", 404)

    def _find(self, account: str, instrument: Instrument, name: str) -> OrderReport | None:
        if not name.startswith("t-"):
            return self.desk.by_order_id(account, instrument.symbol, f"O{name}")
        report = self.desk.order(account, instrument.symbol, name.removeprefix("t-"))
        if report is None or report.status.working or report.at is None:
            return report
        return report if self.desk.host.exchange.now - report.at <= _FOUND_FOR else None

    def _listed(self, kind: MarketKind) -> _Act:
        def listed(keys: LocalKeys, asked: Asked, fields: Fields) -> Any:  # noqa: ARG001
            instrument = self._instrument(kind, fields)
            open_ones = fields.choice("status", ("open", "finished")) == "open"
            span = requests.span(kind, fields) if kind is MarketKind.SPOT else None
            if open_ones:
                found = self.desk.open_orders(keys.account, instrument.symbol)
                return self._page(keys.account, instrument, fields, found)
            return self._ended(keys.account, instrument, fields, span)

        return listed

    def _ended_futures(self, keys: LocalKeys, asked: Asked, fields: Fields) -> Any:  # noqa: ARG002
        instrument = self._instrument(_PERPETUAL, fields)
        return self._ended(keys.account, instrument, fields, requests.span(_PERPETUAL, fields))

    def _ended(
        self,
        account: str,
        instrument: Instrument,
        fields: Fields,
        span: Callable[[datetime], bool] | None,
    ) -> Any:
        """Return orders that ended, by the time of creation: the harder of the two to work with."""
        found = [
            each
            for each in self.desk.orders(account, instrument.symbol, from_ms(0))
            if not each.status.working
            and (span is None or span(self.desk.created_at(account, each)))
        ]
        return self._page(account, instrument, fields, found)

    def _page(
        self, account: str, instrument: Instrument, fields: Fields, found: Sequence[OrderReport]
    ) -> Any:
        newest = sorted(found, key=lambda each: -number_of(each.order_id))
        some = requests.cut(instrument.kind, fields, newest, 100)
        return [self.row(account, instrument, each) for each in some]

    def _fills(self, id_field: str) -> _Act:
        """Return the executions of contracts: by order, or by time under another name."""

        def fills(keys: LocalKeys, asked: Asked, fields: Fields) -> Any:  # noqa: ARG001
            instrument = self._instrument(_PERPETUAL, fields)
            order_id = fields.optional("order") if id_field == "id" else None
            span = requests.span(_PERPETUAL, fields) if id_field == "trade_id" else lambda _at: True
            found = [
                fill
                for fill in self.desk.fills(keys.account, instrument.symbol, from_ms(0))
                if span(fill.at) and order_id in (None, str(number_of(fill.order_id)))
            ]
            some = requests.cut(_PERPETUAL, fields, found[::-1], 100)
            return [rows.future_fill(instrument, each, id_field) for each in some]

        return fills

    def _spot_fills(self, keys: LocalKeys, asked: Asked, fields: Fields) -> Any:  # noqa: ARG002
        instrument = self._instrument(MarketKind.SPOT, fields)
        order_id, span = fields.optional("order_id"), requests.span(MarketKind.SPOT, fields)
        found = [
            fill
            for fill in self.desk.fills(keys.account, instrument.symbol, from_ms(0))
            if span(fill.at) and order_id in (None, str(number_of(fill.order_id)))
        ]
        some = requests.cut(MarketKind.SPOT, fields, found[::-1], 1000)
        return [rows.spot_fill(instrument, each) for each in some]

    # ---- account

    def _wallet(self, keys: LocalKeys, asked: Asked, fields: Fields) -> Any:
        fields.done()
        for balance in self.desk.balances(keys.account):
            if balance.asset.lower() == asked.parts["settle"]:
                return rows.wallet(balance)
        text = "please transfer funds first to create futures account"
        raise requests.wrong(_PERPETUAL, "USER_NOT_FOUND", text)

    def _coins(self, keys: LocalKeys, asked: Asked, fields: Fields) -> Any:  # noqa: ARG002
        fields.done()
        return [rows.coins(each) for each in self.desk.balances(keys.account)]

    def _positions(self, keys: LocalKeys, asked: Asked, fields: Fields) -> Any:  # noqa: ARG002
        holding = fields.choice("holding", ("true", "false"), "false") == "true"
        fields.done()
        told = [self._held(keys.account, each) for each in self.desk.instruments(_PERPETUAL)]
        return [row for row in told if row["size"] != "0" or not holding]

    def _position(self, keys: LocalKeys, asked: Asked, fields: Fields) -> Any:
        fields.done()
        return self._held(keys.account, self._contract_of(asked))

    def _held(self, account: str, instrument: Instrument) -> dict[str, Any]:
        held = self.desk.positions(account, instrument.symbol)
        leverage = self.leverage.get((account, instrument.symbol), 10)
        return rows.position(instrument, held[0] if held else None, leverage)

    def _set_leverage(self, keys: LocalKeys, asked: Asked, fields: Fields) -> Any:
        """Set that of cross margin; a leverage that is not 0 would be isolated margin's."""
        instrument = self._contract_of(asked)
        isolated, leverage = fields.whole("leverage"), fields.whole("cross_leverage_limit", 0)
        fields.done()
        if isolated or not 1 <= leverage <= 125:
            text = f"leverage {isolated}, cross_leverage_limit {leverage}"
            raise requests.wrong(_PERPETUAL, "INVALID_PARAM_VALUE", text)
        self.leverage[keys.account, instrument.symbol] = leverage
        return self._held(keys.account, instrument)

    def _set_mode(self, keys: LocalKeys, asked: Asked, fields: Fields) -> Any:  # noqa: ARG002
        wanted = fields.choice("dual_mode", ("true", "false"))
        fields.done()
        if wanted == "true":
            raise requests.wrong(_PERPETUAL, "POSITION_HOLDING", "dual mode is not spoken here")
        raise requests.wrong(_PERPETUAL, "NO_CHANGE", "No change is made")

    def _book(self, keys: LocalKeys, asked: Asked, fields: Fields) -> Any:  # noqa: ARG002
        instrument = self._instrument(_PERPETUAL, fields)
        fields.choice("type", ("fund",))
        span = requests.span(_PERPETUAL, fields)
        paid = self.desk.funding(keys.account, instrument.symbol, from_ms(0))
        found = [each for each in paid if span(each.at)]
        some = requests.cut(_PERPETUAL, fields, found[::-1], 1000)
        return [rows.funding(instrument, each) for each in some]

    def _futures_fee(self, keys: LocalKeys, asked: Asked, fields: Fields) -> Any:  # noqa: ARG002
        instrument = self._instrument(_PERPETUAL, fields)
        fields.done()
        return {rows.name(instrument): requests.fee(instrument)}

    def _spot_fee(self, keys: LocalKeys, asked: Asked, fields: Fields) -> Any:  # noqa: ARG002
        instrument = self._instrument(MarketKind.SPOT, fields)
        fields.done()
        return {"user_id": 0, "gt_discount": False, **requests.fee(instrument)}

    # ---- market

    def _time(self, asked: Asked) -> Any:
        Fields(asked.form(), requests.bad_field).done()
        return {"server_time": ms(self.desk.now() + self.ahead)}

    def _none(self, asked: Asked) -> Any:
        """Return none: coins are not traded on margin here."""
        Fields(asked.form(), requests.bad_field).done()
        return []

    def _pairs(self, asked: Asked) -> Any:
        Fields(asked.form(), requests.bad_field).done()
        return [market.pair(each) for each in self.desk.instruments(MarketKind.SPOT)]

    def _contracts(self, asked: Asked) -> Any:
        Fields(asked.form(), requests.bad_field).done()
        known = self.desk.instruments(_PERPETUAL)
        return [market.contract(self.desk.host, each) for each in known]

    def _contract(self, asked: Asked) -> Any:
        Fields(asked.form(), requests.bad_field).done()
        return market.contract(self.desk.host, self._contract_of(asked))

    def _trades(self, kind: MarketKind) -> Callable[[Asked], Any]:
        def trades(asked: Asked) -> Any:
            fields = Fields(asked.form(), requests.bad_field)
            instrument = self._instrument(kind, fields)
            fields.whole("limit", 100)
            fields.done()
            update = self.desk.host.exchange.last_price(instrument.symbol)
            return [] if update is None else [market.trade(self.desk.host, instrument, update)]

        return trades

    def _bars(self, kind: MarketKind) -> Callable[[Asked], Any]:
        def bars(asked: Asked) -> Any:
            fields = Fields(asked.form(), requests.bad_field)
            instrument = self._instrument(kind, fields)
            length = market.LENGTHS[fields.choice("interval", tuple(market.LENGTHS))]
            limit = fields.whole("limit", 100)
            fields.done()
            if limit > (2000 if kind is _PERPETUAL else 1000):
                raise requests.wrong(
                    kind, "INVALID_PARAM_VALUE", f"invalid argument: limit {limit}"
                )
            found = self.desk.host.exchange.candles(instrument.symbol, length, limit)
            row = market.bar if kind is _PERPETUAL else market.row
            return [row(instrument, each) for each in found]

        return bars

    def _tickers_of(self, kind: MarketKind) -> Callable[[Asked], Any]:
        def tickers(asked: Asked) -> Any:
            Fields(asked.form(), requests.bad_field).done()
            told = [market.ticker(self.desk.host, each) for each in self.desk.instruments(kind)]
            return [row for row in told if row is not None]

        return tickers

    def _funding_rates(self, asked: Asked) -> Any:
        """Return none: the simulated exchange keeps payments, not the rates of the past."""
        fields = Fields(asked.form(), requests.bad_field)
        self._instrument(_PERPETUAL, fields)
        for name in ("from", "limit"):
            fields.whole(name, 0)
        fields.done()
        return []

    # ---- markets' names

    def _contract_of(self, asked: Asked) -> Instrument:
        name = {"contract": asked.parts["contract"]}
        return self._instrument(_PERPETUAL, Fields(name, requests.bad_field))

    def _instrument(self, kind: MarketKind, fields: Fields) -> Instrument:
        wanted = fields.text("contract" if kind is _PERPETUAL else "currency_pair")
        for instrument in self.desk.instruments(kind):
            if rows.name(instrument) == wanted:
                return instrument
        label = "CONTRACT_NOT_FOUND" if kind is _PERPETUAL else "INVALID_CURRENCY_PAIR"
        raise requests.wrong(kind, label, f"{wanted} is not traded")
