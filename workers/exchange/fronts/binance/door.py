"""Who asks Binance, and which market and which order are meant."""

import hmac
from collections.abc import Callable
from datetime import timedelta
from hashlib import sha256
from typing import Any, Final

from domain.money import Instrument, MarketKind
from domain.orders import OrderReport
from workers.exchange.faults import Operation
from workers.exchange.fronts.asked import Asked, Fields
from workers.exchange.fronts.binance import rows
from workers.exchange.fronts.binance.refusals import bad_field, wrong
from workers.exchange.fronts.desk import fresh
from workers.exchange.fronts.keys import LocalKeys, keys_of
from workers.exchange.fronts.rooms import Door, Route
from workers.exchange.fronts.rows import from_ms, ms

_AHEAD: Final = timedelta(seconds=1)
_LONGEST_WINDOW: Final = 60_000


class BinanceDoor(Door[rows.Word]):
    """Checks signatures and receive windows; finds what requests name."""

    def signed(
        self,
        method: str,
        path: str,
        operation: Operation,
        act: Callable[[LocalKeys, Fields], Any],
    ) -> Route:
        """Return a route whose handler knows who asks."""

        def handler(asked: Asked) -> Any:
            keys, fields = self.authenticated(asked)
            return act(keys, fields)

        return Route(method, path, operation, handler)

    def authenticated(self, asked: Asked) -> tuple[LocalKeys, Fields]:
        """Return who signed a request, and its fields without what signs it."""
        keys = self.key_of(asked)
        text = asked.body or asked.query
        signed, _, signature = text.rpartition("&signature=")
        expected = hmac.new(keys.secret.encode(), signed.encode(), sha256).hexdigest()
        if not hmac.compare_digest(signature, expected):
            raise wrong(-1022, "Signature for this request is not valid.")
        form = asked.form()
        del form["signature"]
        fields = Fields(form, bad_field)
        window = fields.whole("recvWindow", 5000)
        if window > _LONGEST_WINDOW:
            raise wrong(-1131, "recvWindow must be less than 60000")
        sent_at = from_ms(fields.whole("timestamp"))
        now = self.desk.now()
        if not fresh(now, sent_at, timedelta(milliseconds=window), _AHEAD):
            raise wrong(-1021, "Timestamp for this request is outside of the recvWindow.")
        return keys, fields

    def key_of(self, asked: Asked) -> LocalKeys:
        """Return whose key a request carries."""
        key = asked.headers.get("x-mbx-apikey", "")
        keys = keys_of(key)
        if keys is None:
            raise wrong(-2014 if not key else -2015, "Invalid API-key, IP, or permissions.", 401)
        return keys

    def instrument(self, kind: MarketKind, fields: Fields) -> Instrument:
        """Return the market a request names."""
        wanted = fields.text("symbol")
        for instrument in self.desk.instruments(kind):
            if rows.symbol(instrument) == wanted:
                return instrument
        raise wrong(-1121, "Invalid symbol.")

    def named(self, account: str, instrument: Instrument, fields: Fields) -> OrderReport | None:
        """Return the order a request names; None if there is none."""
        client_id, order_id = fields.optional("origClientOrderId"), fields.optional("orderId")
        if order_id is not None:
            return self.desk.by_order_id(account, instrument.symbol, f"O{order_id}")
        if client_id is None:
            raise bad_field("origClientOrderId", "missing")
        return self.desk.order(account, instrument.symbol, client_id)

    def row(
        self,
        account: str,
        instrument: Instrument,
        report: OrderReport,
        purpose: rows.Purpose = rows.Purpose.ASKED,
    ) -> dict[str, Any]:
        """Return an order as it is told for *purpose*."""
        word = self.word(account, report)
        row = rows.order(instrument, report, word, purpose)
        row["time"] = ms(self.desk.created_at(account, report))
        return row

    def word(self, account: str, report: OrderReport) -> rows.Word:
        """Return what a client called its order."""
        return self.memory.word(account, report, rows.word_of(report))
