"""Bybit's conversations: one private socket for the whole account, public ones per category."""

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final, TypeVar

from activities.venues.ccxt.bybit.words import TRADES, balance_in, filled_in, order_in, position_in
from activities.venues.ccxt.markets import Market, decimal
from activities.venues.ccxt.meanings import Meaning, Verdict, error_of
from activities.venues.ccxt.quirks import News, from_ms
from activities.venues.ccxt.sockets import Conversation, Step
from domain.conditions import MarkPrice
from domain.errors import VenueError
from domain.market import Candle, PriceUpdate
from domain.orders import OrderReport

if TYPE_CHECKING:
    from activities.venues.ccxt.bybit.quirks import Bybit

T = TypeVar("T")

_PRIVATE: Final = "wss://stream.bybit.com/v5/private"
_PUBLIC: Final = "wss://stream.bybit.com/v5/public"
#: How many topics one message may ask for.
_TOPICS: Final = 10
_TOLD: Final = 10_000


class _Bybit(Conversation[T]):
    ping = '{"op":"ping"}'

    def __init__(self, quirks: "Bybit") -> None:
        self._quirks = quirks

    def read(self, message: Any) -> Iterable[T]:
        """Return what a message of a topic says; answers and pongs have none."""
        if isinstance(message, dict) and message.get("req_id") == "dcp":
            if message.get("success") is not True:
                raise VenueError(f"bybit: the dead-man's switch was answered by {message}")
            return ()
        if not isinstance(message, dict) or "topic" not in message:
            return ()
        return self._told(message["topic"], message)

    def _told(self, topic: str, message: Mapping[str, Any]) -> Iterable[T]:
        raise NotImplementedError

    def _subscribing(self, number: int, topics: Sequence[str]) -> Step:
        wanted = str(number)

        def answered(message: Any) -> bool:
            if not isinstance(message, dict) or message.get("req_id") != wanted:
                return False
            if message.get("success") is not True:
                raise VenueError(f"bybit: subscribing to {topics} was answered by {message}")
            return True

        return Step({"req_id": wanted, "op": "subscribe", "args": list(topics)}, answered)


class PrivateNews(_Bybit[News]):
    """Orders, executions, wallet and positions of the account: each has a topic of its own.

    An execution tells all of its order, so it is the report; an order's row that says no more
    than its executions did is not repeated. Whichever of the two comes first, no fill is lost.
    """

    def __init__(self, quirks: "Bybit") -> None:
        super().__init__(quirks)
        #: The last report of each order, by Bybit's id.
        self._last: OrderedDict[str, OrderReport] = OrderedDict()

    async def address(self) -> str:
        return _PRIVATE

    def steps(self) -> Sequence[Step]:
        client = self._quirks.rest.client
        expires = str(client.nonce() + 10_000)
        signed = client.encode(f"GET/realtime{expires}")
        signature = client.hmac(signed, client.encode(client.secret), sha256)
        login = {"op": "auth", "args": [client.apiKey, expires, signature]}
        topics = ("order", "execution", "position", "wallet")
        return (Step(login, _logged_in), self._subscribing(1, topics))

    def _told(self, topic: str, message: Mapping[str, Any]) -> Iterable[News]:
        rows = message["data"]
        match topic:
            case "order":
                return self._orders(rows)
            case "execution":
                return self._executions(rows)
            case "position":
                return self._positions(rows)
            case "wallet":
                return [balance_in(coin) for row in rows for coin in row["coin"]]
            case _:
                return ()

    def _orders(self, rows: Iterable[Mapping[str, Any]]) -> Iterable[News]:
        for row in rows:
            market = self._market(row)
            if market is None:
                continue
            report = order_in(market, row)
            last = self._last.get(report.order_id)
            if last is not None and last.fill is not None and not _news(last, report):
                continue
            self._keep(report)
            yield report

    def _executions(self, rows: Sequence[Mapping[str, Any]]) -> Iterable[News]:
        """Return a report for each order that was filled.

        Of several executions at once only the one that leaves least is told: Bybit does not tell
        in which order they came, and the port asks for the others.
        """
        newest: dict[str, OrderReport] = {}
        for row in rows:
            market = self._market(row)
            if market is None or row["execType"] not in TRADES:
                continue
            last = self._last.get(row["orderId"])
            reduce_only = last is not None and last.reduce_only
            report = filled_in(market, row, reduce_only=reduce_only)
            before = newest.get(report.order_id)
            if before is None or report.filled.lots > before.filled.lots:
                newest[report.order_id] = report
        for report in newest.values():
            self._keep(report)
            yield report

    def _positions(self, rows: Iterable[Mapping[str, Any]]) -> Iterable[News]:
        for row in rows:
            market = self._market(row)
            if market is not None and int(row["positionIdx"]) == 0:
                yield position_in(market, row, "entryPrice")

    def _market(self, row: Mapping[str, Any]) -> Market | None:
        """Return the market of a row; None for one of another kind, whose name may be the same."""
        mine = row["category"] == self._quirks.category
        return self._quirks.market_of(row["symbol"]) if mine else None

    def _keep(self, report: OrderReport) -> None:
        self._last[report.order_id] = report
        self._last.move_to_end(report.order_id)
        if len(self._last) > _TOLD:
            self._last.popitem(last=False)


class _Public(_Bybit[T]):
    """Topics of one category, in messages of as many as may be asked for at once."""

    def __init__(self, quirks: "Bybit", markets: Sequence[Market], prefix: str) -> None:
        super().__init__(quirks)
        self._topics = {f"{prefix}.{market.id}": market for market in markets}

    async def address(self) -> str:
        return f"{_PUBLIC}/{self._quirks.category}"

    def steps(self) -> Sequence[Step]:
        names = list(self._topics)
        starts = range(0, len(names), _TOPICS)
        return [
            self._subscribing(number, names[start : start + _TOPICS])
            for number, start in enumerate(starts, 1)
        ]

    def _told(self, topic: str, message: Mapping[str, Any]) -> Iterable[T]:
        market = self._topics.get(topic)
        return () if market is None else self._event(market, message)

    def _event(self, market: Market, message: Mapping[str, Any]) -> Iterable[T]:
        raise NotImplementedError


class Prices(_Public[PriceUpdate]):
    """Every trade on the book; a block's price was agreed on elsewhere."""

    def __init__(self, quirks: "Bybit", markets: Sequence[Market]) -> None:
        super().__init__(quirks, markets, "publicTrade")

    def _event(self, market: Market, message: Mapping[str, Any]) -> Iterable[PriceUpdate]:
        for trade in message["data"]:
            if not trade.get("BT"):
                price = market.price(trade["p"], "p")
                yield PriceUpdate(market.symbol, price, from_ms(trade["T"]))


class Candles(_Public[Candle]):
    """The forming candle, again and again, and once confirmed."""

    def __init__(self, quirks: "Bybit", market: Market, interval: timedelta) -> None:
        super().__init__(quirks, [market], f"kline.{quirks.interval(interval)}")

    def _event(self, market: Market, message: Mapping[str, Any]) -> Iterable[Candle]:
        for bar in message["data"]:
            yield Candle(
                market.symbol,
                from_ms(bar["start"]),
                market.price(bar["open"], "open"),
                market.price(bar["high"], "high"),
                market.price(bar["low"], "low"),
                market.price(bar["close"], "close"),
                market.quantity(bar["volume"], "volume"),
                closed=bool(bar["confirm"]),
            )


class Marks(_Public[MarkPrice]):
    """Mark price and funding out of the ticker, of which only what changed is told."""

    def __init__(self, quirks: "Bybit", markets: Sequence[Market]) -> None:
        super().__init__(quirks, markets, "tickers")
        self._tickers: dict[str, dict[str, Any]] = {}

    def _event(self, market: Market, message: Mapping[str, Any]) -> Iterable[MarkPrice]:
        whole = message.get("type") == "snapshot"
        known = {} if whole else self._tickers.get(market.id, {})
        ticker = self._tickers[market.id] = {**known, **message["data"]}
        mark = market.near(ticker.get("markPrice"), "markPrice")
        if mark is None:
            return ()
        rate = ticker.get("fundingRate")
        told = decimal(rate, "fundingRate") if rate else None
        return (MarkPrice(market.symbol, mark, from_ms(message["ts"]), told),)


def _news(last: OrderReport, report: OrderReport) -> bool:
    """Return whether an order's row tells more than its last execution did."""
    if report.filled.lots != last.filled.lots:
        return report.filled.lots > last.filled.lots
    return report.status is not last.status


def _logged_in(message: Any) -> bool:
    if not isinstance(message, dict) or message.get("op") != "auth":
        return False
    if message.get("success") is not True:
        verdict = Verdict(Meaning.AUTHENTICATION, "auth", str(message.get("ret_msg", "")))
        raise error_of(verdict, "bybit orders", changes=False)
    return True
