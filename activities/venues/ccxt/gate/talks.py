"""Gate's conversations: channels of one form, each private subscription signed by itself."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from hashlib import sha512
from typing import TYPE_CHECKING, Any, Final, TypeVar

import orjson

from activities.venues.ccxt.gate.words import EXACT_SIZES, moment
from activities.venues.ccxt.markets import Market, decimal
from activities.venues.ccxt.meanings import Meaning, Reply, Verdict, error_of
from activities.venues.ccxt.quirks import News
from activities.venues.ccxt.sockets import Conversation, Step
from domain.conditions import MarkPrice
from domain.market import Balance, Candle, PriceUpdate
from domain.money import Quantity
from domain.orders import Fill, OrderReport, OrderStatus

if TYPE_CHECKING:
    from activities.venues.ccxt.gate.quirks import Gate

T = TypeVar("T")

_FUTURES: Final = "wss://fx-ws.gateio.ws/v4/ws/usdt"
_SPOT: Final = "wss://api.gateio.ws/ws/v4/"
_ERRORS: Final[Mapping[str, Meaning]] = {
    "1": Meaning.INVALID,
    "2": Meaning.INVALID,
    "3": Meaning.UNAVAILABLE,
    "4": Meaning.AUTHENTICATION,
}
#: Orders that ended need no memory of their executions, unless a late one comes.
_REMEMBERED: Final = 1000


@dataclass(frozen=True, slots=True)
class _Row:
    """One thing that was told: by which channel, and in which message."""

    topic: str
    data: Mapping[str, Any]
    message: Mapping[str, Any]


class _Gate(Conversation[T]):
    """A socket of either side: channels are called `futures.x` here and `spot.x` there."""

    headers = EXACT_SIZES

    def __init__(self, quirks: "Gate") -> None:
        self._quirks = quirks
        self._side = "futures" if quirks.perpetual else "spot"

    async def address(self) -> str:
        return _FUTURES if self._quirks.perpetual else _SPOT

    def _step(self, topic: str, payload: Sequence[str] | None, *, signed: bool = False) -> Step:
        channel = f"{self._side}.{topic}"
        client = self._quirks.rest.client
        time = int(client.nonce() / 1000)
        say: dict[str, Any] = {"time": time, "channel": channel, "event": "subscribe"}
        if payload is not None:
            say["payload"] = list(payload)
        if signed:
            text = f"channel={channel}&event=subscribe&time={time}"
            sign = client.hmac(client.encode(text), client.encode(client.secret), sha512)
            say["auth"] = {"method": "api_key", "KEY": client.apiKey, "SIGN": sign}
        return Step(say, lambda message: self._answered(channel, message))

    def _answered(self, channel: str, message: Any) -> bool:
        if message.get("channel") != channel or message.get("event") != "subscribe":
            return False
        if message.get("error"):
            raise error_of(self._refused(message["error"]), channel, changes=False)
        return True

    def _refused(self, error: Mapping[str, Any]) -> Verdict:
        """Return what a refusal means: its words may be a REST error, or only its number tells."""
        text, number = str(error.get("message", "")), str(error.get("code", ""))
        try:
            label, told = self._quirks.code_of(orjson.loads(text))
        except ValueError:
            label, told = None, text
        if label in self._quirks.codes:
            return self._quirks.judge(label, told, Reply(400, {}, text, {}))
        return Verdict(_ERRORS.get(number, Meaning.REFUSED), number, text)

    def read(self, message: Any) -> Iterable[T]:
        side, _, topic = str(message.get("channel", "")).partition(".")
        if message.get("event") not in ("update", "all") or side != self._side:
            return ()
        result = message["result"]
        rows = result if isinstance(result, list) else [result]
        return [each for row in rows for each in self._row(_Row(topic, row, message))]

    def _row(self, row: _Row) -> Iterable[T]:
        raise NotImplementedError


@dataclass(slots=True)
class _Seen:
    """What the stream told of one order."""

    #: All executions by id, and those that no report has carried yet.
    fills: dict[str, Fill] = field(default_factory=dict)
    waiting: dict[str, Fill] = field(default_factory=dict)
    told: int = 0

    @property
    def lots(self) -> int:
        return sum(map(_lots, self.fills.values()))


class NewsTalk(_Gate[News]):
    """Orders, their executions (which come by themselves, usually first), wallets, positions."""

    def __init__(self, quirks: "Gate") -> None:
        super().__init__(quirks)
        self._orders: dict[str, _Seen] = {}

    def steps(self) -> Sequence[Step]:
        if not self._quirks.perpetual:
            return (
                self._step("usertrades", ["!all"], signed=True),
                self._step("orders", ["!all"], signed=True),
                self._step("balances", None, signed=True),
            )
        uid = str(self._quirks.rest.client.uid)
        return (
            self._step("usertrades", [uid, "!all"], signed=True),
            self._step("orders", [uid, "!all"], signed=True),
            self._step("positions", [uid, "!all"], signed=True),
            self._step("balances", [uid], signed=True),
        )

    def _row(self, row: _Row) -> Iterable[News]:
        if row.topic == "balances":
            return (_balance(row.data),)
        market = self._quirks.market_of(row.data.get("contract") or row.data.get("currency_pair"))
        if market is None:
            return ()
        match row.topic:
            case "orders":
                return self._reports(self._quirks.order_in(market, row.data))
            case "usertrades":
                self._note(self._quirks.fill_in(market, row.data))
            case "positions":
                return (self._quirks.position(market, row.data),)
        return ()

    def _note(self, fill: Fill) -> None:
        seen = self._of(fill.order_id)
        if fill.fill_id not in seen.fills:
            seen.fills[fill.fill_id] = seen.waiting[fill.fill_id] = fill

    def _reports(self, report: OrderReport) -> Iterable[News]:
        """Return a report for each execution that brought the order where it now stands.

        One row may stand for several executions: the order was partially filled in between. If
        those that came do not add up, the report goes without, and the port asks for them.
        """
        seen = self._of(report.order_id)
        lots, filled = report.filled.lots, seen.lots - sum(map(_lots, seen.waiting.values()))
        carried: list[tuple[int, Fill]] = []
        for fill in seen.waiting.values():
            if filled < lots:
                filled += fill.quantity.lots
                carried.append((filled, fill))
        before, seen.told = seen.told, max(seen.told, lots)
        if filled != lots or not carried:
            return [report]
        for _, fill in carried:
            del seen.waiting[fill.fill_id]
        return [
            self._part(report, filled, fill)
            for filled, fill in carried
            if filled > before or filled == lots
        ]

    def _part(self, report: OrderReport, filled: int, fill: Fill) -> OrderReport:
        """Return how the order stood after an execution, as the venue's row tells its last."""
        last = filled == report.filled.lots
        return replace(
            report,
            status=report.status if last else OrderStatus.PARTIALLY_FILLED,
            filled=Quantity(filled),
            fill=replace(fill, client_id=report.client_id),
        )

    def _of(self, order_id: str) -> _Seen:
        if order_id not in self._orders and len(self._orders) >= _REMEMBERED:
            del self._orders[next(iter(self._orders))]
        return self._orders.setdefault(order_id, _Seen())


def _lots(fill: Fill) -> int:
    return fill.quantity.lots


def _balance(row: Mapping[str, Any]) -> Balance:
    """Return a wallet: of contracts what it holds, of coins also what is locked."""
    if "balance" in row:
        return Balance(
            str(row.get("currency") or "usdt").upper(), decimal(row["balance"], "balance")
        )
    return Balance(
        row["currency"], decimal(row["total"], "total"), decimal(row.get("freeze") or 0, "freeze")
    )


class _Public(_Gate[T]):
    """A public channel of some markets."""

    def __init__(self, quirks: "Gate", topic: str, payload: Sequence[str]) -> None:
        super().__init__(quirks)
        self._topic = topic
        self._payload = payload

    def steps(self) -> Sequence[Step]:
        return (self._step(self._topic, self._payload),)


class Prices(_Public[PriceUpdate]):
    """Every trade."""

    def __init__(self, quirks: "Gate", markets: Sequence[Market]) -> None:
        super().__init__(quirks, "trades", [market.id for market in markets])

    def _row(self, row: _Row) -> Iterable[PriceUpdate]:
        market = self._quirks.market_of(row.data.get("contract") or row.data.get("currency_pair"))
        return () if market is None else (self._quirks.traded(market, row.data),)


class Candles(_Public[Candle]):
    """The forming candle, again and again.

    Not every row says that its candle closed: the first of the next one does.
    """

    def __init__(self, quirks: "Gate", market: Market, interval: timedelta) -> None:
        word = quirks.interval(interval)
        super().__init__(quirks, "candlesticks", [word, market.id])
        self._market = market
        self._name = f"{word}_{market.id}"
        self._last: Candle | None = None

    def _row(self, row: _Row) -> Iterable[Candle]:
        if row.data.get("n") != self._name:
            return
        candle, last = self._quirks.candle(self._market, row.data), self._last
        if last is not None and candle.opened_at < last.opened_at:
            return  # it was told as closed
        if last is not None and candle.opened_at > last.opened_at and not last.closed:
            yield replace(last, closed=True)
        self._last = candle
        yield candle


class Marks(_Public[MarkPrice]):
    """Mark price and funding, in the ticker."""

    def __init__(self, quirks: "Gate", markets: Sequence[Market]) -> None:
        super().__init__(quirks, "tickers", [market.id for market in markets])

    def _row(self, row: _Row) -> Iterable[MarkPrice]:
        market = self._quirks.market_of(row.data.get("contract"))
        mark = None if market is None else market.near(row.data.get("mark_price"), "mark_price")
        if market is None or mark is None:
            return ()
        rate = decimal(told, "funding_rate") if (told := row.data.get("funding_rate")) else None
        at = moment(row.message.get("time_ms") or row.message["time"])
        return (MarkPrice(market.symbol, mark, at, rate),)
