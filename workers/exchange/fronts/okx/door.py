"""Who asks OKX, and which market and which order are meant."""

import hmac
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, Final

from domain.money import Instrument, MarketKind
from domain.orders import Fill, OrderReport
from workers.exchange.faults import Operation
from workers.exchange.fronts.asked import Asked, Fields
from workers.exchange.fronts.desk import fresh
from workers.exchange.fronts.keys import LocalKeys, keys_of
from workers.exchange.fronts.okx import rows
from workers.exchange.fronts.okx.refusals import bad_field, wrong
from workers.exchange.fronts.rooms import Door, Route
from workers.exchange.fronts.rows import from_ms, ms

#: How far a timestamp may be from the venue's clock, on either side.
WINDOW: Final = timedelta(seconds=30)
KINDS: Final = {"SWAP": MarketKind.PERPETUAL, "SPOT": MarketKind.SPOT}
_ROOT: Final = "/api/v5"
_BATCH: Final = 20
Act = Callable[[LocalKeys, Fields], Any]
Result = Callable[[str, Mapping[str, Any]], dict[str, Any]]
_HEADERS: Final = {"key": "50103", "passphrase": "50104", "sign": "50106", "timestamp": "50107"}


class OkxDoor(Door[str]):
    """Checks keys, signatures and deadlines. Answers come in envelopes."""

    # ---- who asks

    def open(
        self, path: str, operation: Operation, act: Callable[[Fields], Sequence[Any]]
    ) -> Route:
        """Return a route that anybody may ask."""

        def handler(asked: Asked) -> Any:
            return rows.envelope(act(Fields(asked.form(), bad_field)))

        return Route("GET", f"{_ROOT}{path}", operation, handler)

    def get(self, path: str, operation: Operation, act: Act) -> Route:
        """Return a route that is asked by query, by an account."""

        def handler(asked: Asked) -> Any:
            keys = self._authenticated(asked)
            return rows.envelope(act(keys, Fields(asked.form(), bad_field)))

        return Route("GET", f"{_ROOT}{path}", operation, handler)

    def post(self, path: str, operation: Operation, act: Act) -> Route:
        """Return a route that is asked by a JSON body, by an account."""

        def handler(asked: Asked) -> Any:
            keys = self._authenticated(asked)
            return rows.envelope(act(keys, Fields(_body(asked), bad_field)))

        return Route("POST", f"{_ROOT}{path}", operation, handler)

    def one(self, path: str, operation: Operation, act: Result) -> Route:
        """Return a route that does one thing and answers with its result."""

        def handler(asked: Asked) -> Any:
            keys = self._authenticated(asked)
            return results([act(keys.account, _body(asked))])

        return Route("POST", f"{_ROOT}{path}", operation, handler)

    def batch(self, path: str, operation: Operation, act: Result) -> Route:
        """Return a route that does each thing of a list and answers with all results."""

        def handler(asked: Asked) -> Any:
            keys = self._authenticated(asked)
            body = asked.json()
            if not isinstance(body, list) or not all(isinstance(each, dict) for each in body):
                raise wrong("50002", "Incorrect json data format")
            if not 1 <= len(body) <= _BATCH:
                raise wrong("51111", f"Maximum {_BATCH} orders can be placed in bulk")
            return results([act(keys.account, each) for each in body])

        return Route("POST", f"{_ROOT}{path}", operation, handler)

    def _authenticated(self, asked: Asked) -> LocalKeys:
        headers = {name: asked.headers.get(f"ok-access-{name}", "") for name in _HEADERS}
        for name, code in _HEADERS.items():
            if not headers[name]:
                title = name.upper()
                raise wrong(code, f'Request header "OK-ACCESS-{title}" can not be empty')
        keys = keys_of(headers["key"])
        if keys is None:
            raise wrong("50111", "Invalid OK-ACCESS-KEY")
        if not hmac.compare_digest(headers["passphrase"], keys.passphrase):
            raise wrong("50105", 'Request header "OK-ACCESS-PASSPHRASE" incorrect')
        path = f"{asked.path}?{asked.query}" if asked.query else asked.path
        text = f"{headers['timestamp']}{asked.method}{path}{asked.body}"
        if not hmac.compare_digest(headers["sign"], sign(keys, text)):
            raise wrong("50113", "Invalid Sign")
        now = self.desk.now()
        if not fresh(now, _sent_at(headers["timestamp"]), WINDOW, WINDOW):
            raise wrong("50102", "Timestamp request expired")
        deadline = asked.headers.get("exptime", "")
        # That it is not processed then is documented, the code is not.
        if deadline and int(deadline) < ms(now):
            raise wrong("51149", "Order timed out. Please try again.")
        return keys

    # ---- what is meant

    def instrument(self, fields: Fields) -> Instrument:
        """Return the market a request names."""
        wanted = fields.text("instId")
        for kind in MarketKind:
            for instrument in self.desk.instruments(kind):
                if rows.inst_id(instrument) == wanted:
                    return instrument
        raise wrong("51001", "Instrument ID, Instrument ID code, or Spread ID doesn't exist.")

    def kind_and_instrument(self, fields: Fields) -> Instrument:
        """Return the market a request names, which must be of the kind it names, if it does."""
        word = fields.optional("instType")
        instrument = self.instrument(fields)
        if word is None or KINDS.get(word) is instrument.kind:
            return instrument
        if word not in KINDS:
            raise bad_field("instType", "malformed")
        raise wrong("51015", "Instrument ID does not match instrument type.")

    def named(self, account: str, instrument: Instrument, fields: Fields) -> OrderReport | None:
        """Return the order a request names; None if there is none."""
        client_id, order_id = fields.optional("clOrdId"), fields.optional("ordId")
        if order_id is not None:
            return self.desk.by_order_id(account, instrument.symbol, f"O{order_id}")
        if client_id is None:
            raise wrong("51003", "Either client order ID or order ID is required")
        return self.desk.order(account, instrument.symbol, client_id)

    # ---- what is told

    def row(self, account: str, instrument: Instrument, report: OrderReport) -> dict[str, Any]:
        """Return an order with its last fill."""
        last: Fill | None = None
        if report.filled:
            fills = self.desk.fills(account, instrument.symbol, from_ms(0))
            mine = [each for each in fills if each.order_id == report.order_id]
            last = mine[-1] if mine else None
        return self.order_row(account, instrument, report, last)

    def order_row(
        self, account: str, instrument: Instrument, report: OrderReport, last: Fill | None
    ) -> dict[str, Any]:
        """Return an order's row, with what its client called its type."""
        probably = "limit" if report.price else "market"
        word = self.memory.word(account, report, probably)
        created = ms(self.desk.created_at(account, report))
        return rows.order(instrument, report, word, created, last)


def sign(keys: LocalKeys, text: str) -> str:
    """Return the signature of *text*."""
    return b64encode(hmac.new(keys.secret.encode(), text.encode(), sha256).digest()).decode()


def _body(asked: Asked) -> dict[str, Any]:
    body = asked.json()
    if not isinstance(body, dict):
        raise wrong("50002", "Incorrect json data format")
    return body


def _sent_at(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise wrong("50112", "Invalid OK-ACCESS-TIMESTAMP") from None
    if at.tzinfo is None:
        raise wrong("50112", "Invalid OK-ACCESS-TIMESTAMP")
    return at


def results(told: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the envelope of some results: its code says whether none, all or some failed."""
    failed = sum(row["sCode"] != "0" for row in told)
    if not failed:
        return rows.envelope(told)
    if failed == len(told):
        return rows.envelope(told, "1", "All operations failed")
    return rows.envelope(told, "2", "Bulk operation partially succeeded.")
