"""Bitget's conversations: a login, then channels, on a private and on a public socket."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final, TypeVar

from activities.venues.ccxt.bitget.codes import SOCKET_CODES
from activities.venues.ccxt.bitget.words import PRODUCT
from activities.venues.ccxt.markets import Market, decimal
from activities.venues.ccxt.meanings import Meaning, Verdict, error_of
from activities.venues.ccxt.quirks import News, bar, from_ms
from activities.venues.ccxt.sockets import Conversation, Step
from domain.conditions import MarkPrice
from domain.errors import VenueError
from domain.market import Balance, Candle, Position, PriceUpdate
from domain.money import ZERO, add

if TYPE_CHECKING:
    from activities.venues.ccxt.bitget.quirks import Bitget

T = TypeVar("T")

_PRIVATE: Final = "wss://ws.bitget.com/v2/ws/private"
_PUBLIC: Final = "wss://ws.bitget.com/v2/ws/public"
_SIGN: Final = {"long": 1, "short": -1}


class _Bitget(Conversation[T]):
    """What all have in common: the venue closes what does not say ping for two minutes."""

    ping = "ping"

    def __init__(self, quirks: "Bitget") -> None:
        self._quirks = quirks

    def read(self, message: Any) -> Iterable[T]:
        if not isinstance(message, dict):  # pong
            return ()
        _refused(message)
        if "data" not in message:
            return ()
        return self._data(message)

    def _data(self, message: Mapping[str, Any]) -> Iterable[T]:
        raise NotImplementedError

    def _subscribe(self, channel: str, name: str, value: str) -> Step:
        arg = {"instType": self._kind, "channel": channel, name: value}

        def answered(message: Any) -> bool:
            if not isinstance(message, dict):
                return False
            _refused(message)
            return message.get("event") == "subscribe" and message.get("arg") == arg

        return Step({"op": "subscribe", "args": [arg]}, answered)

    @property
    def _kind(self) -> str:
        return PRODUCT if self._quirks.perpetual else "SPOT"


class AccountNews(_Bitget[News]):
    """Orders, balances and positions of one kind of market."""

    def __init__(self, quirks: "Bitget") -> None:
        super().__init__(quirks)
        self._held: set[str] = set()

    async def address(self) -> str:
        return _PRIVATE

    def steps(self) -> Sequence[Step]:
        steps = [self._login(), self._subscribe("account", "coin", "default")]
        if self._quirks.perpetual:
            steps.append(self._subscribe("positions", "instId", "default"))
        return [*steps, self._subscribe("orders", "instId", "default")]

    def _login(self) -> Step:
        client = self._quirks.rest.client
        at = str(int(client.nonce()) // 1000)
        text = f"{at}GET/user/verify"
        args = {
            "apiKey": client.apiKey,
            "passphrase": client.password,
            "timestamp": at,
            "sign": client.hmac(
                client.encode(text), client.encode(client.secret), sha256, "base64"
            ),
        }

        def answered(message: Any) -> bool:
            if not isinstance(message, dict):
                return False
            _refused(message)
            return message.get("event") == "login" and str(message.get("code")) == "0"

        return Step({"op": "login", "args": [args]}, answered)

    def _data(self, message: Mapping[str, Any]) -> Iterable[News]:
        if message["arg"]["instType"] != self._kind:
            return
        rows = message["data"] or ()
        match message["arg"]["channel"]:
            case "orders":
                for row in rows:
                    market = self._quirks.market_of(row["instId"])
                    if market is not None:
                        yield self._quirks.words.told(market, row)
            case "account":
                for row in rows:
                    yield wallet(row) if self._quirks.perpetual else spot_balance(row)
            case "positions":
                yield from self._positions(rows)

    def _positions(self, rows: Sequence[Mapping[str, Any]]) -> Iterable[News]:
        """Return what is held: each message tells all of it, and what is flat is absent."""
        told = [
            position(market, row)
            for row in rows
            if (market := self._quirks.market_of(row["instId"])) is not None
        ]
        held = {each.symbol for each in told if each.lots}
        yield from told
        for symbol in sorted(self._held - held):
            yield Position(symbol, 0, 0, ZERO)
        self._held = held


class _Public(_Bitget[T]):
    """One channel of some markets."""

    def __init__(self, quirks: "Bitget", markets: Sequence[Market], channel: str) -> None:
        super().__init__(quirks)
        self._ids = [market.id for market in markets]
        self._channel = channel

    async def address(self) -> str:
        return _PUBLIC

    def steps(self) -> Sequence[Step]:
        return [self._subscribe(self._channel, "instId", each) for each in self._ids]

    def _data(self, message: Mapping[str, Any]) -> Iterable[T]:
        market = self._quirks.market_of(message["arg"]["instId"])
        return () if market is None else self._rows(market, message["data"])

    def _rows(self, market: Market, rows: Sequence[Any]) -> Iterable[T]:
        raise NotImplementedError


class Prices(_Public[PriceUpdate]):
    """Every trade; at first some of before."""

    def __init__(self, quirks: "Bitget", markets: Sequence[Market]) -> None:
        super().__init__(quirks, markets, "trade")

    def _rows(self, market: Market, rows: Sequence[Any]) -> Iterable[PriceUpdate]:
        for row in reversed(rows):  # the newest comes first
            price = market.price(row["price"], "price")
            yield PriceUpdate(market.symbol, price, from_ms(row["ts"]))


class Candles(_Public[Candle]):
    """The forming candle again and again; it is closed when the next one begins."""

    def __init__(self, quirks: "Bitget", market: Market, interval: timedelta) -> None:
        super().__init__(quirks, [market], f"candle{quirks.interval(interval)}")
        self._last: Candle | None = None

    def _rows(self, market: Market, rows: Sequence[Any]) -> Iterable[Candle]:
        candles = sorted((candle(market, row) for row in rows), key=lambda each: each.opened_at)
        if self._last is None:  # the first message is history, but for its last row
            candles = candles[-1:]
        for each in candles:
            if self._last is not None and each.opened_at < self._last.opened_at:
                continue
            if self._last is not None and each.opened_at > self._last.opened_at:
                yield replace(self._last, closed=True)
            self._last = each
            yield each


class Marks(_Public[MarkPrice]):
    """Mark price and funding, as the ticker tells them."""

    def __init__(self, quirks: "Bitget", markets: Sequence[Market]) -> None:
        super().__init__(quirks, markets, "ticker")

    def _rows(self, market: Market, rows: Sequence[Any]) -> Iterable[MarkPrice]:
        for row in rows:
            mark = market.near(row.get("markPrice"), "markPrice")
            if mark is None:
                continue
            rate = decimal(row["fundingRate"], "fundingRate") if row.get("fundingRate") else None
            yield MarkPrice(market.symbol, mark, from_ms(row["ts"]), rate)


def candle(market: Market, row: Sequence[Any]) -> Candle:
    """Return a candle, which the venue never says is closed."""
    return bar(market, row, closed=False)


def spot_balance(row: Mapping[str, Any]) -> Balance:
    """Return a spot wallet."""
    held = add(decimal(row["frozen"], "frozen"), decimal(row["locked"], "locked"))
    return Balance(row["coin"], add(decimal(row["available"], "available"), held), held)


def wallet(row: Mapping[str, Any]) -> Balance:
    """Return a futures wallet: its equity without what positions would gain.

    `available` counts what is bound by crossed positions and orders; the other field does not.
    """
    equity, free = "accountEquity", "crossedMaxAvailable"
    if equity not in row:  # as streams call them
        equity, free = "equity", "maxOpenPosAvailable"
    gain = decimal(row.get("unrealizedPL") or 0, "unrealizedPL")
    total = add(decimal(row[equity], equity), ZERO - gain)
    locked = add(total, ZERO - decimal(row[free], free))
    return Balance(row["marginCoin"], total, max(locked, ZERO))


def position(market: Market, row: Mapping[str, Any]) -> Position:
    """Return a position of one-way mode, where the side is that of the whole."""
    if row["holdSide"] not in _SIGN:
        raise VenueError(f"holdSide must be long or short, was {row['holdSide']!r}")
    lots = _SIGN[row["holdSide"]] * market.lots(row["total"], "total")
    return Position(
        market.symbol,
        lots,
        market.cost(lots, row["openPriceAvg"], "openPriceAvg"),
        ZERO,
        market.near(row.get("markPrice"), "markPrice"),
        market.near(row.get("liquidationPrice"), "liquidationPrice"),
    )


def _refused(message: Mapping[str, Any]) -> None:
    """Raise what an error event means; it may leave the socket open."""
    if message.get("event") != "error":
        return
    code = str(message.get("code", ""))
    meaning = SOCKET_CODES.get(code, Meaning.REFUSED)
    verdict = Verdict(meaning, code, str(message.get("msg", "")))
    raise error_of(verdict, "bitget stream", changes=False)
