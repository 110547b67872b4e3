"""Who asks Bitget, which market and which order are meant, and how it refuses."""

import hmac
from base64 import b64encode
from collections.abc import Callable, Mapping
from datetime import timedelta
from hashlib import sha256
from typing import Any, Final
from urllib.parse import unquote

from domain.money import Instrument, MarketKind
from domain.orders import OrderReport, RefusalReason
from workers.exchange.faults import Operation
from workers.exchange.fronts.asked import Asked, Fields, Told, WrongError
from workers.exchange.fronts.bitget import rows
from workers.exchange.fronts.desk import fresh
from workers.exchange.fronts.keys import LocalKeys, keys_of
from workers.exchange.fronts.rooms import Door, Route
from workers.exchange.fronts.rows import from_ms, ms

WINDOW: Final = timedelta(seconds=30)
_PERPETUAL, _SPOT = MarketKind.PERPETUAL, MarketKind.SPOT
_KEPT: Final = timedelta(days=90)


_REFUSED: Final[Mapping[RefusalReason, tuple[str, str]]] = {
    RefusalReason.INSUFFICIENT_FUNDS: ("40762", "The order amount exceeds the balance"),
    RefusalReason.REDUCE_ONLY: ("22002", "No position to close"),
    RefusalReason.INVALID: ("45110", "less than the minimum amount 5 USDT"),
    RefusalReason.OTHER: ("40401", "The operation cannot be performed"),
}


class BitgetDoor(Door[rows.Word]):
    """Checks keys and signatures. What is wrong is told with the time."""

    window: timedelta = WINDOW

    # ---- who asks

    def get(self, path: str, operation: Operation, act: Callable[[str, Fields], Any]) -> Route:
        """Return a route that is asked by query, by an account."""

        def handler(asked: Asked) -> Any:
            account = self._authenticated(asked).account
            return self._good(act(account, Fields(asked.form(), self.bad_field)))

        return Route("GET", path, operation, handler)

    def post(
        self, path: str, operation: Operation, act: Callable[[str, dict[str, Any]], Any]
    ) -> Route:
        """Return a route that is asked by a JSON body, by an account."""

        def handler(asked: Asked) -> Any:
            account = self._authenticated(asked).account
            body = asked.json()
            if not isinstance(body, dict) or asked.query:
                raise self.wrong("40017", "Parameter verification failed")
            return self._good(act(account, body))

        return Route("POST", path, operation, handler)

    def public_get(self, path: str, operation: Operation, act: Callable[[Fields], Any]) -> Route:
        """Return a route that anybody may ask."""

        def handler(asked: Asked) -> Any:
            return self._good(act(Fields(asked.form(), self.bad_field)))

        return Route("GET", path, operation, handler)

    def _good(self, data: Any) -> dict[str, Any]:
        return rows.good(data, ms(self.desk.now()))

    def _authenticated(self, asked: Asked) -> LocalKeys:
        keys = keys_of(asked.headers.get("access-key", ""))
        if keys is None:
            raise self.wrong("40006", "Invalid ACCESS_KEY")
        if asked.headers.get("access-passphrase") != keys.passphrase:
            raise self.wrong("40012", "apikey/password is incorrect")
        at = asked.headers.get("access-timestamp", "")
        if not at.isdecimal():
            raise self.wrong("40005", "Invalid ACCESS_TIMESTAMP")
        query = f"?{unquote(asked.query)}" if asked.query else ""
        text = f"{at}{asked.method}{asked.path}{query}{asked.body}"
        given = asked.headers.get("access-sign", "")
        if not hmac.compare_digest(given, signature(keys.secret, text)):
            raise self.wrong("40009", "sign signature error")
        if not fresh(self.desk.now(), from_ms(int(at)), self.window, WINDOW):
            raise self.wrong("40008", "Request timestamp expired")
        return keys

    # ---- what is meant

    def instrument(self, kind: MarketKind, fields: Fields, *, coin: bool = False) -> Instrument:
        """Return the market a request names; *coin*: with the coin of its margin."""
        instrument = self.known(kind, fields)
        if kind is _PERPETUAL:
            fields.choice("productType", (rows.PRODUCT,))
            if coin:
                fields.choice("marginCoin", (instrument.quote,), instrument.quote)
        return instrument

    def known(self, kind: MarketKind, fields: Fields) -> Instrument:
        """Return the market of a symbol."""
        wanted = fields.text("symbol")
        for instrument in self.desk.instruments(kind):
            if rows.symbol(instrument) == wanted:
                return instrument
        raise self.wrong("40034", f"Parameter {wanted} does not exist")

    def named(self, account: str, instrument: Instrument, fields: Fields) -> OrderReport | None:
        """Return the order a request names; None if there is none."""
        client_id, order_id = fields.optional("clientOid"), fields.optional("orderId")
        if order_id is not None:
            return self.desk.by_order_id(account, instrument.symbol, f"O{order_id}")
        if client_id is None:
            raise self.bad_field("clientOid", "missing")
        return self.desk.order(account, instrument.symbol, client_id)

    def fields(self, values: Mapping[str, Any]) -> Fields:
        """Return the fields of one of several things asked for."""
        return Fields(values, self.bad_field)

    def page(self, fields: Fields, key: str) -> Callable[[list[dict[str, Any]]], list[Any]]:
        """Return what makes a page: the newest first, below an id."""
        limit, below = fields.whole("limit", 100), fields.whole("idLessThan", 0)
        if not 1 <= limit <= 100:
            raise self.bad_field("limit", "malformed")

        def page(told: list[dict[str, Any]]) -> list[Any]:
            newest = sorted(told, key=lambda row: -int(row[key]))
            return [row for row in newest if not below or int(row[key]) < below][:limit]

        return page

    def span(self, fields: Fields, longest: timedelta) -> Callable[[int], bool]:
        """Return what tells whether a time lies in the span that is asked for."""
        begin, end = fields.whole("startTime", 0), fields.whole("endTime", 0)
        until = end or ms(self.desk.now())
        if begin and timedelta(milliseconds=until - begin) > longest:
            days = f"startTime and endTime interval cannot be greater than {longest.days} days"
            raise self.wrong("00001", days)
        if begin and from_ms(begin) < self.desk.now() - _KEPT:
            raise self.wrong("40704", "Can only check the data of the last three months")
        return lambda at: begin <= at and (not end or at <= end)

    # ---- what is told

    def row(self, account: str, instrument: Instrument, report: OrderReport) -> dict[str, Any]:
        """Return an order."""
        created = ms(self.desk.created_at(account, report))
        row = rows.order(instrument, report, self.word(account, report), created)
        return row | {"status": rows.status(instrument, report)}

    def word(self, account: str, report: OrderReport) -> rows.Word:
        """Return what a client called an order."""
        return self.memory.word(account, report, rows.word_of(report))

    def told(self, code: str, message: str, status: int = 400) -> Told:
        """Return an error as an answer."""
        return Told(rows.error(code, message, ms(self.desk.now())), status)

    def wrong(self, code: str, message: str, status: int = 400) -> WrongError:
        """Return the refusal of a request."""
        return WrongError(self.told(code, message, status))

    def bad_field(self, name: str, how: str) -> WrongError:
        """Return the refusal of a field that is missing, unknown or malformed."""
        if how == "missing":
            return self.wrong("40019", f"Parameter {name} cannot be empty")
        return self.wrong("40017", f"Parameter verification failed: {name} is {how}")

    def refusal(self, reason: RefusalReason) -> Told:
        """Return the answer to an order that is refused for *reason*."""
        return self.told(*_REFUSED.get(reason, _REFUSED[RefusalReason.OTHER]))


def signature(secret: str, text: str) -> str:
    """Return what signs *text*, of requests and of logins."""
    return b64encode(hmac.new(secret.encode(), text.encode(), sha256).digest()).decode()
