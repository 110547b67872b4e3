"""Who asks Gate, and which market is meant."""

import hmac
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from hashlib import sha512
from typing import Any, Final
from urllib.parse import unquote_plus

from domain.money import Instrument, MarketKind
from domain.orders import OrderReport
from workers.exchange.faults import Operation
from workers.exchange.fronts.asked import Asked, Fields
from workers.exchange.fronts.desk import fresh
from workers.exchange.fronts.gate import requests, rows
from workers.exchange.fronts.keys import LocalKeys, keys_of
from workers.exchange.fronts.rooms import Door, Route
from workers.exchange.fronts.rows import ms

#: How old, or how far ahead, a signed request may be.
LATEST: Final = timedelta(seconds=60)
ROOT: Final = "/api/v4"
FUTURES: Final = f"{ROOT}/futures/usdt"
SPOT: Final = f"{ROOT}/spot"
PERPETUAL: Final = MarketKind.PERPETUAL
#: Answers an authenticated request: whose it is, the request, its fields.
Act = Callable[[LocalKeys, Asked, Fields], Any]


class GateDoor(Door[str]):
    """Checks keys, signatures and deadlines. The words it remembers are times in force."""

    # ---- who asks

    def signed(self, method: str, path: str, operation: Operation, act: Act) -> Route:
        """Return a route whose handler knows who asks."""

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
        now, told = self.desk.now(), headers["timestamp"]
        sent_at = datetime.fromtimestamp(int(told) if told.isdecimal() else 0, UTC)
        if not fresh(now, sent_at, LATEST, LATEST):
            text = "gap between request Timestamp and current time exceeds 60 seconds"
            raise requests.denied("REQUEST_EXPIRED", text)
        until = headers.get("x-gate-exptime")
        if until is not None and (not until.isdecimal() or ms(now) > int(until)):
            raise requests.denied("REQUEST_EXPIRED", "request is later than its X-Gate-Exptime")

    # ---- what is meant

    def contract_of(self, asked: Asked) -> Instrument:
        """Return the contract in a path."""
        name = {"contract": asked.parts["contract"]}
        return self.instrument(PERPETUAL, Fields(name, requests.bad_field))

    def instrument(self, kind: MarketKind, fields: Fields) -> Instrument:
        """Return the market a request names."""
        wanted = fields.text("contract" if kind is PERPETUAL else "currency_pair")
        for instrument in self.desk.instruments(kind):
            if rows.name(instrument) == wanted:
                return instrument
        label = "CONTRACT_NOT_FOUND" if kind is PERPETUAL else "INVALID_CURRENCY_PAIR"
        raise requests.wrong(kind, label, f"{wanted} is not traded")

    # ---- what is told

    def row(self, account: str, instrument: Instrument, report: OrderReport) -> dict[str, Any]:
        """Return an order as questions are answered."""
        tif = self.memory.word(account, report, rows.in_force(report))
        created = self.desk.created_at(account, report)
        if instrument.kind is MarketKind.PERPETUAL:
            return rows.future(instrument, report, tif, created)
        return rows.spot(instrument, report, tif, created)

    def position(self, account: str, instrument: Instrument) -> dict[str, Any]:
        """Return a position, flat or not."""
        held = self.desk.positions(account, instrument.symbol)
        leverage = self.memory.leverage(account, instrument.symbol)
        return rows.position(instrument, held[0] if held else None, leverage)
