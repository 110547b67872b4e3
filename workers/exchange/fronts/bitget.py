"""Bitget's dialect: USDT-M futures (`/api/v2/mix`, one-way mode) and spot (`/api/v2/spot`).

A market buy on spot has a cost and no amount there; it is refused here, for want of such orders in
the simulated exchange.
"""

import hmac
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any, ClassVar, Final
from urllib.parse import unquote

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
from workers.exchange.fronts import bitget_market as market
from workers.exchange.fronts import bitget_rows as rows
from workers.exchange.fronts.asked import Asked, Fields, Told, WrongError
from workers.exchange.fronts.bitget_sockets import WINDOW, BitgetSockets, signature
from workers.exchange.fronts.desk import Desk, Duplicate, Scope, fresh
from workers.exchange.fronts.dialect import Route
from workers.exchange.fronts.keys import LocalKeys, keys_of
from workers.exchange.fronts.rows import from_ms, ms, number

_ID: Final = re.compile(r"[A-Za-z0-9_#:.\-]{1,50}")
_MOST: Final = 50
_PERPETUAL, _SPOT = MarketKind.PERPETUAL, MarketKind.SPOT
_FILLS_SPAN: Final = timedelta(days=7)
_SPAN: Final = timedelta(days=30)
_KEPT: Final = timedelta(days=90)
_PRODUCTS: Final = (
    "USDT-FUTURES",
    "COIN-FUTURES",
    "USDC-FUTURES",
    "SUSDT-FUTURES",
    "SCOIN-FUTURES",
    "SUSDC-FUTURES",
)
_UNKNOWN_ORDER: Final = {_PERPETUAL: "40768", _SPOT: "43001"}
_DUPLICATE: Final = {
    _PERPETUAL: ("40786", "Duplicate clientOid"),
    _SPOT: ("43118", "clientOrderId duplicate"),
}
_REFUSED: Final[Mapping[RefusalReason, tuple[str, str]]] = {
    RefusalReason.INSUFFICIENT_FUNDS: ("40762", "The order amount exceeds the balance"),
    RefusalReason.REDUCE_ONLY: ("22002", "No position to close"),
    RefusalReason.INVALID: ("45110", "less than the minimum amount 5 USDT"),
    RefusalReason.OTHER: ("40401", "The operation cannot be performed"),
}


class Bitget(BitgetSockets):
    """One account per key on both sides; its wallet is the same on both, unlike there."""

    name = "bitget"
    hosts = frozenset({"api.bitget.com", "ws.bitget.com"})
    id_fields: ClassVar[Sequence[str]] = ("clientOid",)

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self._leverage: dict[tuple[str, str], int] = {}

    def routes(self) -> Sequence[Route]:
        get, post = self._get, self._post
        mix, spot = "/api/v2/mix".__add__, "/api/v2/spot".__add__
        place, batch = Operation.PLACE, Operation.PLACE_BATCH
        cancel, cancels = Operation.CANCEL, Operation.CANCEL_BATCH
        return [
            post(mix("/order/place-order"), place, self._place(_PERPETUAL)),
            post(spot("/trade/place-order"), place, self._place(_SPOT)),
            post(mix("/order/batch-place-order"), batch, self._place_batch(_PERPETUAL)),
            post(spot("/trade/batch-orders"), batch, self._place_batch(_SPOT)),
            post(mix("/order/cancel-order"), cancel, self._cancel(_PERPETUAL)),
            post(spot("/trade/cancel-order"), cancel, self._cancel(_SPOT)),
            post(mix("/order/batch-cancel-orders"), cancels, self._cancel_batch(_PERPETUAL)),
            post(spot("/trade/batch-cancel-order"), cancels, self._cancel_batch(_SPOT)),
            get(mix("/order/detail"), Operation.ORDER, self._detail),
            get(spot("/trade/orderInfo"), Operation.ORDER, self._info),
            get(mix("/order/orders-pending"), Operation.OPEN_ORDERS, self._open_of(_PERPETUAL)),
            get(spot("/trade/unfilled-orders"), Operation.OPEN_ORDERS, self._open_of(_SPOT)),
            get(mix("/order/orders-history"), Operation.ORDERS, self._orders(_PERPETUAL)),
            get(spot("/trade/history-orders"), Operation.ORDERS, self._orders(_SPOT)),
            get(mix("/order/fills"), Operation.FILLS, self._fills(_PERPETUAL)),
            get(spot("/trade/fills"), Operation.FILLS, self._fills(_SPOT)),
            get(mix("/account/accounts"), Operation.BALANCES, self._wallets_of),
            get(spot("/account/assets"), Operation.BALANCES, self._assets),
            get(mix("/position/single-position"), Operation.POSITIONS, self._positions),
            get(mix("/account/bill"), Operation.FUNDING, self._bills),
            get(mix("/account/account"), Operation.TERMS, self._account),
            post(mix("/account/set-leverage"), Operation.TERMS, self._set_leverage),
            post(mix("/account/set-position-mode"), Operation.TERMS, self._set_mode),
            get("/api/v2/common/trade-rate", Operation.FEES, self._rate),
            *self._public_routes(),
        ]

    def _public_routes(self) -> Sequence[Route]:
        public, info, told = self._public_get, Operation.INSTRUMENTS, Operation.MARKET
        mix, spot = "/api/v2/mix/market".__add__, "/api/v2/spot".__add__
        return [
            public("/api/v2/public/time", Operation.TIME, self._time),
            public(mix("/contracts"), info, self._contracts),
            public(spot("/public/symbols"), info, self._symbols),
            public("/api/v2/margin/currencies", info, self._no_margin),
            public(mix("/fills"), told, self._last_trades(_PERPETUAL)),
            public(spot("/market/fills"), told, self._last_trades(_SPOT)),
            public(mix("/candles"), told, self._candles_of(_PERPETUAL, market.LENGTHS)),
            public(spot("/market/candles"), told, self._candles_of(_SPOT, market.SPOT_LENGTHS)),
            public(mix("/tickers"), told, self._tickers(_PERPETUAL)),
            public(spot("/market/tickers"), told, self._tickers(_SPOT)),
            public(mix("/current-fund-rate"), told, self._funding),
            public(mix("/history-fund-rate"), told, self._past_funding),
        ]

    # ---- how it fails

    def limited(self, retry_after: timedelta) -> Told:  # noqa: ARG002 - it does not tell
        return self._told("429", "Too Many Requests", 429)

    def unavailable(self) -> Told:
        return self._told("40200", "Server upgrade, please try again later", 503)

    def refusal(self, reason: RefusalReason) -> Told:
        return self._told(*_REFUSED.get(reason, _REFUSED[RefusalReason.OTHER]))

    def _told(self, code: str, message: str, status: int = 400) -> Told:
        return Told(rows.error(code, message, ms(self.desk.now())), status)

    def _wrong(self, code: str, message: str, status: int = 400) -> WrongError:
        return WrongError(self._told(code, message, status))

    def _bad_field(self, name: str, how: str) -> WrongError:
        if how == "missing":
            return self._wrong("40019", f"Parameter {name} cannot be empty")
        return self._wrong("40017", f"Parameter verification failed: {name} is {how}")

    # ---- who asks

    def _get(self, path: str, operation: Operation, act: Callable[[str, Fields], Any]) -> Route:
        def handler(asked: Asked) -> Any:
            account = self._authenticated(asked).account
            return self._good(act(account, Fields(asked.form(), self._bad_field)))

        return Route("GET", path, operation, handler)

    def _post(
        self, path: str, operation: Operation, act: Callable[[str, dict[str, Any]], Any]
    ) -> Route:
        def handler(asked: Asked) -> Any:
            account = self._authenticated(asked).account
            body = asked.json()
            if not isinstance(body, dict) or asked.query:
                raise self._wrong("40017", "Parameter verification failed")
            return self._good(act(account, body))

        return Route("POST", path, operation, handler)

    def _public_get(self, path: str, operation: Operation, act: Callable[[Fields], Any]) -> Route:
        def handler(asked: Asked) -> Any:
            return self._good(act(Fields(asked.form(), self._bad_field)))

        return Route("GET", path, operation, handler)

    def _good(self, data: Any) -> dict[str, Any]:
        return rows.good(data, ms(self.desk.now()))

    def _authenticated(self, asked: Asked) -> LocalKeys:
        keys = keys_of(asked.headers.get("access-key", ""))
        if keys is None:
            raise self._wrong("40006", "Invalid ACCESS_KEY")
        if asked.headers.get("access-passphrase") != keys.passphrase:
            raise self._wrong("40012", "apikey/password is incorrect")
        at = asked.headers.get("access-timestamp", "")
        if not at.isdecimal():
            raise self._wrong("40005", "Invalid ACCESS_TIMESTAMP")
        query = f"?{unquote(asked.query)}" if asked.query else ""
        text = f"{at}{asked.method}{asked.path}{query}{asked.body}"
        given = asked.headers.get("access-sign", "")
        if not hmac.compare_digest(given, signature(keys.secret, text)):
            raise self._wrong("40009", "sign signature error")
        if not fresh(self.desk.now() + self.ahead, from_ms(int(at)), WINDOW, WINDOW):
            raise self._wrong("40008", "Request timestamp expired")
        return keys

    # ---- orders

    def _place(self, kind: MarketKind) -> Callable[[str, dict[str, Any]], Any]:
        def place(account: str, body: dict[str, Any]) -> Any:
            fields = Fields(body, self._bad_field)
            instrument = self._instrument(kind, fields, coin=True)
            self._margin_mode(kind, fields)
            return self._take(account, instrument, fields)

        return place

    def _place_batch(self, kind: MarketKind) -> Callable[[str, dict[str, Any]], Any]:
        def place(account: str, body: dict[str, Any]) -> Any:
            orders = self._list(body, "orderList")
            fields = Fields(body, self._bad_field)
            instrument = self._instrument(kind, fields, coin=True)
            self._margin_mode(kind, fields)
            fields.done()
            return self._each(
                orders, lambda order: self._take(account, instrument, self._fields(order))
            )

        return place

    def _list(self, body: dict[str, Any], name: str) -> Sequence[Mapping[str, Any]]:
        given = body.pop(name, None)
        if not isinstance(given, list) or not all(isinstance(each, dict) for each in given):
            raise self._bad_field(name, "malformed")
        if not 1 <= len(given) <= _MOST:
            raise self._wrong("40017", "Parameter verification failed,Number of ordersRange error")
        return given

    def _fields(self, values: Mapping[str, Any]) -> Fields:
        return Fields(values, self._bad_field)

    def _each(
        self, given: Sequence[Mapping[str, Any]], act: Callable[[Mapping[str, Any]], Any]
    ) -> dict[str, Any]:
        """Return who succeeded and who failed: all that failed stand apart."""
        succeeded, failed = [], []
        for each in given:
            try:
                succeeded.append(act(each))
            except WrongError as wrong:
                body = wrong.answer.body
                named = {"orderId": "", "clientOid": each.get("clientOid", "")}
                failed.append(named | {"errorMsg": body["msg"], "errorCode": body["code"]})
        return {"successList": succeeded, "failureList": failed}

    def _take(self, account: str, instrument: Instrument, fields: Fields) -> dict[str, str]:
        request, word = self._request(instrument, fields)
        # Our own order of an id that ended may not come alive again: the lenient reading is the
        # one that would show it.
        outcome = self.desk.place(account, request, scope=Scope.OPEN, crossing_is_taken=True)
        if isinstance(outcome, Duplicate):
            raise self._wrong(*_DUPLICATE[instrument.kind])
        if isinstance(outcome, Refusal):
            if outcome.reason is RefusalReason.INSUFFICIENT_FUNDS and instrument.kind is _SPOT:
                raise self._wrong("43012", "Insufficient balance")
            raise WrongError(self.refusal(outcome.reason))
        self.words[account, request.client_id] = word
        return rows.name(outcome)

    def _request(self, instrument: Instrument, fields: Fields) -> tuple[OrderRequest, rows.Word]:
        type_ = fields.choice("orderType", ("limit", "market"))
        limit = type_ == "limit"
        force = fields.choice("force", ("gtc", "ioc", "fok", "post_only")) if limit else "gtc"
        client_id = fields.text("clientOid")
        if not _ID.fullmatch(client_id):
            raise self._wrong("40305", "client_oid length is not greater than 50")
        side = Side(fields.choice("side", ("buy", "sell")))
        if not limit and side is Side.BUY and instrument.kind is _SPOT:
            raise self._wrong("40017", "a market buy by its cost is not spoken here")
        perpetual = instrument.kind is _PERPETUAL
        reduce_only = perpetual and fields.choice("reduceOnly", ("YES", "NO"), "NO") == "YES"
        request = OrderRequest(
            client_id=client_id,
            symbol=instrument.symbol,
            side=side,
            quantity=self._quantity(instrument, fields),
            price=self._price(instrument, fields) if limit else None,
            type=OrderType.LIMIT if limit else OrderType.MARKET,
            time_in_force=TimeInForce(force) if force != "post_only" else TimeInForce.GTC,
            post_only=force == "post_only",
            reduce_only=reduce_only,
        )
        fields.done()
        return request, rows.Word(type_, force)

    def _price(self, instrument: Instrument, fields: Fields) -> Price:
        try:
            return instrument.exact_price(fields.number("price"), "price")
        except InvalidValueError:
            raise self._wrong("41103", "param price scale error error") from None

    def _quantity(self, instrument: Instrument, fields: Fields) -> Quantity:
        amount = fields.number("size")
        lots = amount / instrument.lot_size
        if amount <= 0:
            raise self._bad_field("size", "malformed")
        if lots != lots.to_integral_value():
            raise self._wrong(
                "40808", f"Parameter verification exception size checkBDScale error value={amount}"
            )
        return Quantity(int(lots))

    def _margin_mode(self, kind: MarketKind, fields: Fields) -> None:
        if kind is _PERPETUAL:
            fields.choice("marginMode", ("crossed",))

    def _cancel(self, kind: MarketKind) -> Callable[[str, dict[str, Any]], Any]:
        def cancel(account: str, body: dict[str, Any]) -> Any:
            fields = Fields(body, self._bad_field)
            instrument = self._instrument(kind, fields, coin=True)
            return self._end(account, instrument, fields)

        return cancel

    def _cancel_batch(self, kind: MarketKind) -> Callable[[str, dict[str, Any]], Any]:
        def cancel(account: str, body: dict[str, Any]) -> Any:
            names = self._list(body, "orderIdList" if kind is _PERPETUAL else "orderList")
            fields = Fields(body, self._bad_field)
            instrument = self._instrument(kind, fields, coin=True)
            fields.done()
            return self._each(
                names, lambda name: self._end(account, instrument, self._fields(name))
            )

        return cancel

    def _end(self, account: str, instrument: Instrument, fields: Fields) -> dict[str, str]:
        report = self._named(account, instrument, fields)
        fields.done()
        if report is not None:
            report = self.desk.cancel(account, instrument.symbol, report.client_id)
        if report is None:
            raise self._wrong(_UNKNOWN_ORDER[instrument.kind], "Order does not exist")
        return rows.name(report)

    def _named(self, account: str, instrument: Instrument, fields: Fields) -> OrderReport | None:
        client_id, order_id = fields.optional("clientOid"), fields.optional("orderId")
        if order_id is not None:
            return self.desk.by_order_id(account, instrument.symbol, f"O{order_id}")
        if client_id is None:
            raise self._bad_field("clientOid", "missing")
        return self.desk.order(account, instrument.symbol, client_id)

    def _detail(self, account: str, fields: Fields) -> Any:
        instrument = self._instrument(_PERPETUAL, fields)
        report = self._named(account, instrument, fields)
        fields.done()
        if report is None:
            raise self._wrong("40109", "The data of the order cannot be found")
        row = self._row(account, instrument, report)
        return row | {"state": row.pop("status")}

    def _info(self, account: str, fields: Fields) -> Any:
        """Return spot's order of a name as a list, which is empty if there is none."""
        client_id, order_id = fields.optional("clientOid"), fields.optional("orderId")
        fields.done()
        names = {"clientOid": client_id, "orderId": order_id}
        found = [
            (instrument, self._named(account, instrument, self._fields(names)))
            for instrument in self.desk.instruments(_SPOT)
        ]
        return [self._row(account, each, report) for each, report in found if report is not None]

    def _row(self, account: str, instrument: Instrument, report: OrderReport) -> dict[str, Any]:
        created = ms(self.desk.created_at(account, report))
        row = rows.order(instrument, report, self.word(account, report), created)
        return row | {"status": rows.status(instrument, report)}

    def _open_of(self, kind: MarketKind) -> Callable[[str, Fields], Any]:
        def open_orders(account: str, fields: Fields) -> Any:
            instrument = self._instrument(kind, fields)
            page = self._page(fields, "orderId")
            fields.done()
            reports = self.desk.open_orders(account, instrument.symbol)
            told = page([self._row(account, instrument, report) for report in reports])
            if kind is _SPOT:
                return [rows.spot_open(row) for row in told]
            return _wrapped("entrustedList", told, "orderId")

        return open_orders

    def _orders(self, kind: MarketKind) -> Callable[[str, Fields], Any]:
        def orders(account: str, fields: Fields) -> Any:
            """Return what has ended, by the time of creation."""
            instrument = self._instrument(kind, fields)
            within = self._span(fields, _SPAN)
            page = self._page(fields, "orderId")
            fields.done()
            found = self.desk.orders(account, instrument.symbol, from_ms(0))
            ended = [
                self._row(account, instrument, each) for each in found if not each.status.working
            ]
            told = page([row for row in ended if within(int(row["cTime"]))])
            return told if kind is _SPOT else _wrapped("entrustedList", told, "orderId")

        return orders

    def _fills(self, kind: MarketKind) -> Callable[[str, Fields], Any]:
        def fills(account: str, fields: Fields) -> Any:
            instrument = self._instrument(kind, fields)
            within = self._span(fields, _FILLS_SPAN if kind is _PERPETUAL else _SPAN)
            page = self._page(fields, "tradeId")
            order_id = fields.optional("orderId")
            fields.done()
            found = self.desk.fills(account, instrument.symbol, from_ms(0))
            told = page(
                [
                    row
                    for row in (rows.fill(instrument, each) for each in found)
                    if within(int(row["cTime"])) and order_id in (None, row["orderId"])
                ]
            )
            return told if kind is _SPOT else _wrapped("fillList", told, "tradeId")

        return fills

    def _page(self, fields: Fields, key: str) -> Callable[[list[dict[str, Any]]], list[Any]]:
        """Return what makes a page: the newest first, below an id."""
        limit, below = fields.whole("limit", 100), fields.whole("idLessThan", 0)
        if not 1 <= limit <= 100:
            raise self._bad_field("limit", "malformed")

        def page(told: list[dict[str, Any]]) -> list[Any]:
            newest = sorted(told, key=lambda row: -int(row[key]))
            return [row for row in newest if not below or int(row[key]) < below][:limit]

        return page

    def _span(self, fields: Fields, longest: timedelta) -> Callable[[int], bool]:
        """Return what tells whether a time lies in the span that is asked for."""
        begin, end = fields.whole("startTime", 0), fields.whole("endTime", 0)
        until = end or ms(self.desk.now())
        if begin and timedelta(milliseconds=until - begin) > longest:
            days = f"startTime and endTime interval cannot be greater than {longest.days} days"
            raise self._wrong("00001", days)
        if begin and from_ms(begin) < self.desk.now() - _KEPT:
            raise self._wrong("40704", "Can only check the data of the last three months")
        return lambda at: begin <= at and (not end or at <= end)

    # ---- account

    def _wallets_of(self, account: str, fields: Fields) -> Any:
        fields.choice("productType", (rows.PRODUCT,))
        fields.done()
        balances = self.desk.balances(account)
        return [rows.wallet(each, self.gain(account, each.asset)) for each in balances]

    def _assets(self, account: str, fields: Fields) -> Any:
        fields.done()
        at = ms(self.desk.host.exchange.now)
        return [rows.spot_balance(each, at) for each in self.desk.balances(account)]

    def _positions(self, account: str, fields: Fields) -> Any:
        instrument = self._instrument(_PERPETUAL, fields, coin=True)
        fields.done()
        held = self.desk.positions(account, instrument.symbol)
        return [rows.position(instrument, each) for each in held]

    def _bills(self, account: str, fields: Fields) -> Any:
        fields.choice("productType", (rows.PRODUCT,))
        fields.choice("businessType", ("contract_settle_fee",))
        coin = fields.text("coin")
        within = self._span(fields, _SPAN)
        page = self._page(fields, "billId")
        fields.done()
        told = [
            rows.bill(instrument, paid)
            for instrument in self.desk.instruments(_PERPETUAL)
            if instrument.quote == coin
            for paid in self.desk.funding(account, instrument.symbol, from_ms(0))
        ]
        return _wrapped("bills", page([row for row in told if within(int(row["cTime"]))]), "billId")

    def _account(self, account: str, fields: Fields) -> Any:
        instrument = self._instrument(_PERPETUAL, fields, coin=True)
        fields.done()
        leverage = self._leverage.get((account, instrument.symbol), 10)
        return {
            "marginCoin": instrument.quote,
            "crossedMarginLeverage": leverage,
            "isolatedLongLever": leverage,
            "isolatedShortLever": leverage,
            "marginMode": "crossed",
            "posMode": "one_way_mode",
        }

    def _set_leverage(self, account: str, body: dict[str, Any]) -> Any:
        fields = Fields(body, self._bad_field)
        instrument = self._instrument(_PERPETUAL, fields, coin=True)
        leverage = fields.whole("leverage")
        fields.done()
        if not 1 <= leverage <= 125:
            raise self._bad_field("leverage", "malformed")
        self._leverage[account, instrument.symbol] = leverage
        return {
            "symbol": rows.symbol(instrument),
            "marginCoin": instrument.quote,
            "longLeverage": str(leverage),
            "shortLeverage": str(leverage),
            "crossMarginLeverage": str(leverage),
            "marginMode": "crossed",
        }

    def _set_mode(self, account: str, body: dict[str, Any]) -> Any:  # noqa: ARG002 - all alike
        fields = Fields(body, self._bad_field)
        fields.choice("productType", (rows.PRODUCT,))
        mode = fields.choice("posMode", ("one_way_mode",))
        fields.done()
        return {"posMode": mode}

    def _rate(self, account: str, fields: Fields) -> Any:  # noqa: ARG002 - all alike
        kind = {"mix": _PERPETUAL, "spot": _SPOT}[fields.choice("businessType", ("mix", "spot"))]
        instrument = self._known(kind, fields)
        fields.done()
        return {
            "makerFeeRate": number(instrument.maker_fee),
            "takerFeeRate": number(instrument.taker_fee),
        }

    # ---- market

    def _time(self, fields: Fields) -> Any:
        fields.done()
        return {"serverTime": str(ms(self.desk.now() + self.ahead))}

    def _contracts(self, fields: Fields) -> Any:
        product = fields.choice("productType", _PRODUCTS)
        fields.done()
        known = self.desk.instruments(_PERPETUAL) if product == rows.PRODUCT else ()
        return [market.instrument(each) for each in known]

    def _symbols(self, fields: Fields) -> Any:
        fields.done()
        return [market.instrument(each) for each in self.desk.instruments(_SPOT)]

    def _no_margin(self, fields: Fields) -> Any:
        fields.done()
        return []

    def _last_trades(self, kind: MarketKind) -> Callable[[Fields], Any]:
        def trades(fields: Fields) -> Any:
            instrument = self._instrument(kind, fields)
            fields.whole("limit", 100)
            fields.done()
            return market.trade(self.desk.host, instrument)

        return trades

    def _candles_of(
        self, kind: MarketKind, lengths: Mapping[str, timedelta]
    ) -> Callable[[Fields], Any]:
        def candles(fields: Fields) -> Any:
            instrument = self._instrument(kind, fields)
            length = lengths[fields.choice("granularity", tuple(lengths))]
            limit = fields.whole("limit", 100)
            fields.done()
            bars = self.desk.host.exchange.candles(instrument.symbol, length, min(limit, 1000))
            return [market.candle(instrument, bar) for bar in bars]

        return candles

    def _tickers(self, kind: MarketKind) -> Callable[[Fields], Any]:
        def tickers(fields: Fields) -> Any:
            wanted = fields.optional("symbol") if kind is _SPOT else None
            if kind is _PERPETUAL:
                fields.choice("productType", (rows.PRODUCT,))
            fields.done()
            told = [market.ticker(self.desk.host, each) for each in self.desk.instruments(kind)]
            return [row for row in told if row and wanted in (None, row["symbol"])]

        return tickers

    def _funding(self, fields: Fields) -> Any:
        instrument = self._instrument(_PERPETUAL, fields)
        fields.done()
        row = {
            "symbol": rows.symbol(instrument),
            "fundingRate": market.FUNDING_RATE,
            "fundingRateInterval": "8",
            "nextUpdate": str(market.next_funding(self.desk.host)),
            "minFundingRate": "-0.003",
            "maxFundingRate": "0.003",
        }
        return [row]

    def _past_funding(self, fields: Fields) -> Any:
        """Return none: the simulated exchange keeps payments, not the rates of the past."""
        self._instrument(_PERPETUAL, fields)
        fields.whole("pageSize", 20)
        fields.whole("pageNo", 1)
        fields.done()
        return []

    def _instrument(self, kind: MarketKind, fields: Fields, *, coin: bool = False) -> Instrument:
        """Return the market a request names; *coin*: with the coin of its margin."""
        instrument = self._known(kind, fields)
        if kind is _PERPETUAL:
            fields.choice("productType", (rows.PRODUCT,))
            if coin:
                fields.choice("marginCoin", (instrument.quote,))
        return instrument

    def _known(self, kind: MarketKind, fields: Fields) -> Instrument:
        wanted = fields.text("symbol")
        for instrument in self.desk.instruments(kind):
            if rows.symbol(instrument) == wanted:
                return instrument
        raise self._wrong("40034", f"Parameter {wanted} does not exist")


def _wrapped(name: str, told: Sequence[Mapping[str, Any]], key: str) -> dict[str, Any]:
    """Return a page as perpetuals have it: null if it is empty."""
    return {name: told or None, "endId": told[-1][key] if told else None}
