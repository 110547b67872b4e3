"""What both sides of Gate share: names, limits, errors, and how they are asked."""

from abc import ABC
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from activities.venues.ccxt.gate import words
from activities.venues.ccxt.gate.codes import CODES
from activities.venues.ccxt.markets import Market
from activities.venues.ccxt.meanings import Reply
from activities.venues.ccxt.pages import Row, spans, walk
from activities.venues.ccxt.quirks import ORDERS, Quirks
from activities.venues.ccxt.rest import Call
from domain.limiter import Priority, Rate
from domain.orders import Fill, OrderReport

REQUESTS: Final = "requests"
#: The longest span that the lists of coins look at in one call.
_SPAN: Final = timedelta(days=30)


class GateBase(Quirks, ABC):
    """Both sides of Gate: contracts and coins are two exchanges with one alphabet."""

    name = "gate"
    hosts = frozenset({"api.gateio.ws", "fx-ws.gateio.ws"})
    #: Told with every order (`X-Gate-Exptime`): a signature alone is good for a minute.
    window = timedelta(seconds=3)
    codes = CODES
    intervals = words.INTERVALS
    place_batch_of = 10

    # ---- set-up

    def client_class(self) -> str:
        return "gate"

    def options(self) -> Mapping[str, Any]:
        kind = "swap" if self.perpetual else "spot"
        return {
            "fetchMarkets": {"types": [kind]},
            "swap": {"fetchMarkets": {"settlementCurrencies": ["usdt"]}},
            "defaultType": kind,
            "unifiedAccount": False,
        }

    def rates(self, orders: Rate) -> Mapping[str, Rate]:
        # The venue counts each endpoint by itself; all together stay under one's limit.
        return {ORDERS: orders, REQUESTS: Rate(40, timedelta(seconds=2))}

    @property
    def cancel_batch_of(self) -> int:  # type: ignore[override]  # only coins are canceled by ids
        """Twenty orders; a batch of contracts is not said to take client ids."""
        return 0 if self.perpetual else 20

    # ---- ids

    def id_out(self, client_id: str) -> str:
        return f"{words.PREFIX}{client_id}"

    def id_in(self, client_id: str) -> str:
        return words.id_in(client_id)

    # ---- errors

    def code_of(self, data: Any) -> tuple[str | None, str]:
        if isinstance(data, dict) and data.get("label"):
            return str(data["label"]), str(data.get("message") or data.get("detail") or "")
        return None, ""

    def pause(self, reply: Reply) -> timedelta:
        """Return the wait until the moment, in seconds of wall time, that the headers name."""
        until = reply.headers.get("x-gate-ratelimit-reset-timestamp", "")
        if reply.status == 429 and until.isdecimal():
            left = int(until) - self.rest.client.nonce() / 1000
            return timedelta(seconds=max(left, 1.0))
        return super().pause(reply)

    # ---- rows

    def order_in(self, market: Market, row: Mapping[str, Any]) -> OrderReport:
        """Return an order, of an answer or a stream."""
        return words.future_in(market, row) if self.perpetual else words.spot_in(market, row)

    def fill_in(self, market: Market, row: Mapping[str, Any]) -> Fill:
        """Return an execution, of an answer or a stream."""
        return words.future_fill(market, row) if self.perpetual else words.spot_fill(market, row)

    # ---- requests

    @property
    def _settled(self) -> Mapping[str, Any]:
        """What the path of each futures call has; nothing for coins."""
        return {"settle": "usdt"} if self.perpetual else {}

    def _named(self, market: Market) -> Mapping[str, Any]:
        """Return what names a market in lists."""
        if self.perpetual:
            return {"settle": "usdt", "contract": market.id}
        return {"currency_pair": market.id}

    def _of(self, market: Market) -> Mapping[str, Any]:
        """Return what an order is asked for with, besides its own name."""
        return self._settled if self.perpetual else {"currency_pair": market.id}

    async def _ask(self, method: str, params: Mapping[str, Any]) -> Any:
        return await self.rest.ask(Call(method, params, {REQUESTS: 1}))

    def _asking(self, method: str, params: Mapping[str, Any]) -> Call:
        """Return a call that changes how the account trades, but no order."""
        return Call(method, params, {REQUESTS: 1}, changes=True)

    async def _change(self, method: str, params: Mapping[str, Any], priority: Priority) -> Any:
        return await self.rest.ask(self._changing(method, params, priority, 1))

    def _changing(
        self,
        method: str,
        params: Mapping[str, Any] | Sequence[Any],
        priority: Priority,
        orders: int,
    ) -> Call:
        """Return a call about orders: it is refused once it is older than the window."""
        client = self.rest.client
        if not isinstance(client.sign, _Expiring):
            client.sign = _Expiring(client, client.sign, self.window)
        return Call(method, params, {ORDERS: orders}, priority, changes=True)

    async def _pages(self, method: str, params: Mapping[str, Any], size: int) -> list[Row]:
        """Return all rows. What is new pushes rows to later pages: some may come twice."""

        async def ask(named: Mapping[str, Any]) -> Sequence[Row]:
            rows: Sequence[Row] = await self._ask(method, {**params, "limit": size, **named})
            return rows

        def following(rows: Sequence[Row]) -> Mapping[str, Any]:
            if self.perpetual:
                return {"offset": len(rows)}
            return {"page": len(rows) // size + 1}

        return await walk(ask, size, following)

    async def _spanned(
        self, method: str, params: Mapping[str, Any], since: datetime, size: int
    ) -> list[Row]:
        """Return all rows since a moment, in spans that the venue takes."""
        now = words.moment(self.rest.client.nonce())
        rows: list[Row] = []
        for begin, end in spans(since, now, _SPAN):
            span = {"from": int(begin.timestamp())}
            if end is not None:
                span["to"] = int(end.timestamp())
            rows += await self._pages(method, {**params, **span}, size)
        return rows


class _Expiring:
    """ccxt's signing, which knows no deadline, with a deadline for all that changes something."""

    def __init__(self, client: Any, sign: Any, window: timedelta) -> None:
        self._client = client
        self._sign = sign
        self._window = int(window / timedelta(milliseconds=1))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        signed = self._sign(*args, **kwargs)
        if signed["method"] != "GET":
            headers = signed.get("headers") or {}
            until = str(int(self._client.nonce()) + self._window)
            signed["headers"] = {**headers, "X-Gate-Exptime": until}
        return signed
