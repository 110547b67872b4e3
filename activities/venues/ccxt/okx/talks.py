"""OKX's conversations: one private socket with a login, a public one, and one for candles."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeVar

from activities.venues.ccxt.markets import Market, decimal
from activities.venues.ccxt.meanings import Reply, error_of
from activities.venues.ccxt.okx.words import (
    balance_in,
    candle_in,
    fill_of_order,
    order_in,
    position_in,
)
from activities.venues.ccxt.quirks import News, from_ms
from activities.venues.ccxt.sockets import Conversation, Step
from domain.conditions import MarkPrice
from domain.errors import VenueError
from domain.market import Candle, PriceUpdate
from domain.orders import OrderReport, OrderStatus

if TYPE_CHECKING:
    from decimal import Decimal

    from activities.venues.ccxt.okx.quirks import Okx

T = TypeVar("T")

_ROOT: Final = "wss://ws.okx.com:8443/ws/v5"
_FILLING: Final = (OrderStatus.PARTIALLY_FILLED, OrderStatus.FILLED)


class _Okx(Conversation[T]):
    """Every socket dies after 30 seconds without a message: a text `ping` is answered by `pong`."""

    ping = "ping"
    path: ClassVar[str] = "public"

    def __init__(self, quirks: "Okx") -> None:
        self._quirks = quirks

    async def address(self) -> str:
        return f"{_ROOT}/{self.path}"

    def read(self, message: Any) -> Iterable[T]:
        if not isinstance(message, dict):
            return ()
        self._raise_error(message)
        return self._rows(message["arg"], message["data"]) if "data" in message else ()

    def _rows(self, arg: Mapping[str, Any], rows: Sequence[Any]) -> Iterable[T]:
        raise NotImplementedError

    def _subscribe(self, arg: Mapping[str, str]) -> Step:
        """Return the step for one channel: the answer repeats what was asked for."""

        def answered(message: Any) -> bool:
            if not isinstance(message, dict):
                return False
            self._raise_error(message)
            told = message.get("arg", {})
            return message.get("event") == "subscribe" and arg.items() <= told.items()

        return Step({"op": "subscribe", "args": [arg]}, answered)

    def _raise_error(self, message: Mapping[str, Any]) -> None:
        """Raise what an error means: OKX leaves the socket open after one, and then says nothing.

        So does a failed login, which need not be called an error.
        """
        event, code = message.get("event"), message.get("code")
        if event != "error" and (event != "login" or str(code) == "0"):
            return
        reply = Reply(400, {}, "", {"code": code, "msg": message.get("msg", "")})
        verdict = self._quirks.verdict(reply)
        if verdict is None:
            raise VenueError(f"okx {self.path}: an unreadable error came: {message}")
        raise error_of(verdict, f"okx {self.path} socket", changes=False)


class PrivateNews(_Okx[News]):
    """Orders with their executions, balances, and positions."""

    path = "private"

    def __init__(self, quirks: "Okx") -> None:
        super().__init__(quirks)
        #: The last execution that was told of each order which works.
        self._told: dict[str, str] = {}

    def steps(self) -> Sequence[Step]:
        kind = self._quirks.inst_type
        channels = [{"channel": "account"}]
        if self._quirks.perpetual:
            channels.append({"channel": "positions", "instType": kind})
        channels.append({"channel": "orders", "instType": kind})
        return (self._login(), *(self._subscribe(each) for each in channels))

    def _login(self) -> Step:
        client = self._quirks.rest.client
        timestamp = str(int(client.nonce()) // 1000)
        text = client.encode(f"{timestamp}GET/users/self/verify")
        arg = {
            "apiKey": client.apiKey,
            "passphrase": client.password,
            "timestamp": timestamp,
            "sign": client.hmac(text, client.encode(client.secret), sha256, "base64"),
        }

        def answered(message: Any) -> bool:
            if not isinstance(message, dict):
                return False
            self._raise_error(message)
            return message.get("event") == "login"

        return Step({"op": "login", "args": [arg]}, answered)

    def _rows(self, arg: Mapping[str, Any], rows: Sequence[Any]) -> Iterable[News]:
        match arg["channel"]:
            case "account":
                return [balance_in(each) for row in rows for each in row["details"]]
            case "positions":
                held = [(self._quirks.market_of(row["instId"]), row) for row in rows]
                return [position_in(market, row) for market, row in held if market is not None]
            case "orders":
                told = [(self._quirks.market_of(row["instId"]), row) for row in rows]
                return [self._order(market, row) for market, row in told if market is not None]
            case _:
                return ()

    def _order(self, market: Market, row: Mapping[str, Any]) -> OrderReport:
        """Return a report. A row without a new execution may repeat the last one."""
        report = order_in(market, row)
        fill = fill_of_order(market, row) if report.status in _FILLING else None
        if fill is not None and self._told.get(report.order_id) == fill.fill_id:
            fill = None
        if not report.status.working:
            self._told.pop(report.order_id, None)
        elif fill is not None:
            self._told[report.order_id] = fill.fill_id
        return replace(report, fill=fill)


class _Markets(_Okx[T]):
    """Channels of some markets."""

    channels: ClassVar[Sequence[str]]

    def __init__(self, quirks: "Okx", markets: Sequence[Market]) -> None:
        super().__init__(quirks)
        self._ids = [market.id for market in markets]

    def steps(self) -> Sequence[Step]:
        return [
            self._subscribe({"channel": channel, "instId": each})
            for channel in self.channels
            for each in self._ids
        ]

    def _rows(self, arg: Mapping[str, Any], rows: Sequence[Any]) -> Iterable[T]:
        market = self._quirks.market_of(arg["instId"])
        if market is None or arg["channel"] not in self.channels:
            return
        for row in rows:
            yield from self._row(market, arg["channel"], row)

    def _row(self, market: Market, channel: str, row: Any) -> Iterable[T]:
        raise NotImplementedError


class Prices(_Markets[PriceUpdate]):
    """Every match; several fills of one taker at one price are one message."""

    channels = ("trades",)

    def _row(self, market: Market, channel: str, row: Any) -> Iterable[PriceUpdate]:  # noqa: ARG002
        yield PriceUpdate(market.symbol, market.price(row["px"], "px"), from_ms(row["ts"]))


class Marks(_Markets[MarkPrice]):
    """Mark prices, each with the funding rate that was told last on its own channel."""

    channels = ("funding-rate", "mark-price")

    def __init__(self, quirks: "Okx", markets: Sequence[Market]) -> None:
        super().__init__(quirks, markets)
        self._rates: dict[str, Decimal] = {}

    def _row(self, market: Market, channel: str, row: Any) -> Iterable[MarkPrice]:
        if channel == "funding-rate":
            self._rates[market.id] = decimal(row["fundingRate"], "fundingRate")
            return
        mark = market.near(row["markPx"], "markPx")
        if mark is not None:
            rate = self._rates.get(market.id)
            yield MarkPrice(market.symbol, mark, from_ms(row["ts"]), rate)


class Candles(_Okx[Candle]):
    """The forming candle, again and again, and once confirmed. On a socket of its own."""

    path = "business"

    def __init__(self, quirks: "Okx", market: Market, interval: timedelta) -> None:
        super().__init__(quirks)
        self._market = market
        self._word = quirks.interval(interval)

    def steps(self) -> Sequence[Step]:
        return (self._subscribe({"channel": f"candle{self._word}", "instId": self._market.id}),)

    def _rows(self, arg: Mapping[str, Any], rows: Sequence[Any]) -> Iterable[Candle]:
        if arg["channel"] != f"candle{self._word}" or arg["instId"] != self._market.id:
            return ()
        return [candle_in(self._market, row) for row in rows]
