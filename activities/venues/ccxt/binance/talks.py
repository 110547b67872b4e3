"""Binance's conversations: two private streams that differ in nearly all, and public ones."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final, TypeVar

from activities.venues.ccxt.binance.words import SIDES, STATUSES, reason_of
from activities.venues.ccxt.markets import Market, decimal
from activities.venues.ccxt.meanings import Reply, error_of
from activities.venues.ccxt.quirks import News, from_ms, status_of
from activities.venues.ccxt.rest import Call
from activities.venues.ccxt.sockets import Conversation, Step
from domain.conditions import MarkPrice
from domain.errors import VenueError, VenueUnavailableError
from domain.market import Balance, Candle, Position, PriceUpdate
from domain.money import ZERO, add
from domain.orders import Fill, OrderReport

if TYPE_CHECKING:
    from activities.venues.ccxt.binance.quirks import Binance

T = TypeVar("T")

_FUTURES: Final = "wss://fstream.binance.com"
_SPOT: Final = "wss://stream.binance.com:9443"
_SPOT_API: Final = "wss://ws-api.binance.com:443/ws-api/v3"


class _Binance(Conversation[T]):
    def __init__(self, quirks: "Binance") -> None:
        self._quirks = quirks


class FuturesNews(_Binance[News]):
    """The stream of a listen key, which dies after 60 minutes unless it is renewed for ever."""

    keep_alive_every = timedelta(minutes=15)

    async def address(self) -> str:
        told = await self._listen_key("fapiPrivatePostListenKey")
        return f"{_FUTURES}/private/ws?listenKey={told['listenKey']}"

    async def keep_alive(self) -> None:
        await self._listen_key("fapiPrivatePutListenKey")

    def read(self, message: Any) -> Iterable[News]:
        event = message.get("data", message)
        match event.get("e"):
            case "ORDER_TRADE_UPDATE":
                return self._order(event["o"])
            case "ACCOUNT_UPDATE":
                return self._account(event["a"])
            case "listenKeyExpired":
                raise VenueUnavailableError("binance orders: the listen key has expired")
            case _:  # TRADE_LITE says less, earlier; the others are not about us
                return ()

    async def _listen_key(self, method: str) -> Any:
        return await self._quirks.rest.ask(Call(method, {}, {"weight": 1}))

    def _order(self, order: Mapping[str, Any]) -> Iterable[News]:
        market = self._quirks.market_of(order["s"])
        return () if market is None else (_order(market, order, order["c"]),)

    def _account(self, account: Mapping[str, Any]) -> Iterable[News]:
        for row in account.get("B", ()):
            yield Balance(row["a"], decimal(row["wb"], "wb"))
        for row in account.get("P", ()):
            market = self._quirks.market_of(row["s"])
            if market is not None and row.get("ps", "BOTH") == "BOTH":
                lots = market.lots(row["pa"], "pa")
                yield Position(market.symbol, lots, market.cost(lots, row["ep"], "ep"), ZERO)


class SpotNews(_Binance[News]):
    """The user data of the WebSocket API, subscribed to by a signed message."""

    async def address(self) -> str:
        return _SPOT_API

    def steps(self) -> Sequence[Step]:
        client = self._quirks.rest.client
        params = {
            "apiKey": client.apiKey,
            "recvWindow": client.options["recvWindow"],
            "timestamp": client.nonce(),
        }
        query = "&".join(f"{name}={params[name]}" for name in sorted(params))
        signature = client.hmac(client.encode(query), client.encode(client.secret), sha256)
        say = {
            "id": "1",
            "method": "userDataStream.subscribe.signature",
            "params": {**params, "signature": signature},
        }
        return (Step(say, self._answered),)

    def read(self, message: Any) -> Iterable[News]:
        event = message.get("event", message)
        match event.get("e"):
            case "executionReport":
                market = self._quirks.market_of(event["s"])
                if market is None:
                    return ()
                # When it is canceled `c` names the cancel, and `C` the order.
                return (_order(market, event, event.get("C") or event["c"]),)
            case "outboundAccountPosition":
                return [_balance(row) for row in event["B"]]
            case "eventStreamTerminated":
                raise VenueUnavailableError("binance orders: the venue ended the stream")
            case _:
                return ()

    def _answered(self, message: Any) -> bool:
        if message.get("id") != "1":
            return False
        if message.get("status") == 200:
            return True
        reply = Reply(int(message.get("status", 400)), {}, "", message.get("error"))
        verdict = self._quirks.verdict(reply)
        if verdict is None:
            raise VenueError(f"binance orders: subscribing was answered by {message}")
        raise error_of(verdict, "binance orders", changes=False)


class _Public(_Binance[T]):
    """Streams that are subscribed to by name, on `/public` or `/market` of the futures side."""

    def __init__(
        self, quirks: "Binance", markets: Sequence[Market], suffix: str, path: str
    ) -> None:
        super().__init__(quirks)
        self._names = [f"{market.id.lower()}@{suffix}" for market in markets]
        self._path = path

    async def address(self) -> str:
        return f"{_FUTURES}/{self._path}/ws" if self._quirks.perpetual else f"{_SPOT}/ws"

    def steps(self) -> Sequence[Step]:
        say = {"method": "SUBSCRIBE", "params": self._names, "id": 1}
        return (Step(say, self._answered),)

    def read(self, message: Any) -> Iterable[T]:
        event = message.get("data", message)
        market = self._quirks.market_of(event.get("s"))
        return () if market is None else self._event(market, event)

    def _event(self, market: Market, event: Mapping[str, Any]) -> Iterable[T]:
        raise NotImplementedError

    def _answered(self, message: Any) -> bool:
        if message.get("id") != 1:
            return False
        if message.get("result", "absent") is not None:
            raise VenueError(f"binance: subscribing to {self._names} was answered by {message}")
        return True


class Prices(_Public[PriceUpdate]):
    """Every trade."""

    def __init__(self, quirks: "Binance", markets: Sequence[Market]) -> None:
        super().__init__(quirks, markets, "trade", "public")

    def _event(self, market: Market, event: Mapping[str, Any]) -> Iterable[PriceUpdate]:
        # Futures also send trades of the insurance fund, at a price of 0.
        if event.get("e") != "trade" or event.get("X", "MARKET") != "MARKET":
            return ()
        return (PriceUpdate(market.symbol, market.price(event["p"], "p"), from_ms(event["T"])),)


class Candles(_Public[Candle]):
    """The forming candle, again and again, and once closed."""

    def __init__(self, quirks: "Binance", market: Market, interval: timedelta) -> None:
        super().__init__(quirks, [market], f"kline_{quirks.interval(interval)}", "market")

    def _event(self, market: Market, event: Mapping[str, Any]) -> Iterable[Candle]:
        if event.get("e") != "kline":
            return
        bar = event["k"]
        yield Candle(
            market.symbol,
            from_ms(bar["t"]),
            market.price(bar["o"], "o"),
            market.price(bar["h"], "h"),
            market.price(bar["l"], "l"),
            market.price(bar["c"], "c"),
            market.quantity(bar["v"], "v"),
            closed=bool(bar["x"]),
        )


class Marks(_Public[MarkPrice]):
    """Mark price and funding, each second."""

    def __init__(self, quirks: "Binance", markets: Sequence[Market]) -> None:
        super().__init__(quirks, markets, "markPrice@1s", "market")

    def _event(self, market: Market, event: Mapping[str, Any]) -> Iterable[MarkPrice]:
        mark = market.near(event.get("p"), "p")
        if event.get("e") != "markPriceUpdate" or mark is None:
            return ()
        rate = decimal(event["r"], "r") if event.get("r") else None
        return (MarkPrice(market.symbol, mark, from_ms(event["E"]), rate),)


def _order(market: Market, order: Mapping[str, Any], client_id: str) -> OrderReport:
    """Return an order of either stream: they share their one-letter names."""
    filled = market.quantity(order["z"], "z")
    status = status_of(STATUSES, order["X"], filled)
    return OrderReport(
        client_id=client_id,
        order_id=str(order["i"]),
        symbol=market.symbol,
        side=SIDES[order["S"]],
        status=status,
        quantity=market.quantity(order["q"], "q"),
        filled=filled,
        price=market.optional_price(order["p"], "p"),
        reduce_only=bool(order.get("R", False)),
        at=from_ms(order["T"]),
        reason=reason_of(status, order.get("f")),
        fill=_fill(market, order, client_id) if order["x"] == "TRADE" else None,
    )


def _fill(market: Market, order: Mapping[str, Any], client_id: str) -> Fill:
    return Fill(
        fill_id=str(order["t"]),
        client_id=client_id,
        order_id=str(order["i"]),
        symbol=market.symbol,
        side=SIDES[order["S"]],
        price=market.price(order["L"], "L"),
        quantity=market.quantity(order["l"], "l"),
        fee=decimal(order.get("n") or 0, "n"),
        fee_asset=order.get("N") or market.instrument.quote,
        maker=bool(order["m"]),
        at=from_ms(order["T"]),
    )


def _balance(row: Mapping[str, Any]) -> Balance:
    free, locked = decimal(row["f"], "f"), decimal(row["l"], "l")
    return Balance(row["a"], add(free, locked), locked)
