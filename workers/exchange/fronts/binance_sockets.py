"""What Binance says on sockets: listen keys, the signed subscription of spot, public streams."""

import hmac
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from hashlib import sha256
from typing import Any, Final
from urllib.parse import parse_qs

from activities.venues.paper import new_candles
from domain.market import Candle, PriceUpdate
from domain.money import Instrument, MarketKind
from domain.orders import OrderReport, OrderStatus
from workers.exchange.fronts import binance_market as market
from workers.exchange.fronts import binance_rows as rows
from workers.exchange.fronts.asked import Asked, Told
from workers.exchange.fronts.desk import Desk, fresh
from workers.exchange.fronts.dialect import Dialect
from workers.exchange.fronts.keys import keys_of
from workers.exchange.fronts.rows import average, from_ms, lots, ms, number, number_of, price, ticks
from workers.exchange.fronts.sockets import Socket

_KEY_LIVES: Final = timedelta(minutes=60)
#: Forming candles are told this often at most (seconds).
_BARS_EVERY: Final = 0.05
_DONE: Final = {
    OrderStatus.OPEN: "NEW",
    OrderStatus.CANCELED: "CANCELED",
    OrderStatus.EXPIRED: "EXPIRED",
    OrderStatus.REJECTED: "REJECTED",
}


class BinanceSockets(Dialect):
    """The WebSocket half of the dialect."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        #: What clients called their orders, by account and client id.
        self.words: dict[tuple[str, str], rows.Word] = {}
        self._keys: dict[str, tuple[str, Any]] = {}

    def listen_key(self, account: str) -> str:
        """Return the account's listen key, good for another hour."""
        key = sha256(f"listen {account}".encode()).hexdigest()
        self._keys[key] = (account, self.desk.now() + _KEY_LIVES)
        return key

    def arrived(self, asked: Asked, socket: Socket) -> Told | None:
        if asked.path != "/private/ws":
            return None
        key = parse_qs(asked.query).get("listenKey", [""])[0]
        account, until = self._keys.get(key, ("", None))
        if until is None or until < self.desk.now():
            return Told(rows.error(-1125, "This listenKey does not exist."), 401)
        socket.tell_orders(account, lambda report: self._futures_news(account, report))
        return None

    async def converse(self, asked: Asked, socket: Socket) -> bool:
        if asked.path == "/private/ws":
            async for _ in socket.messages():
                pass
            return True
        if asked.path == "/ws-api/v3":
            async for message in socket.messages():
                self._api(socket, message)
            return True
        if asked.path in ("/public/ws", "/market/ws", "/ws"):
            kind = MarketKind.SPOT if asked.path == "/ws" else MarketKind.PERPETUAL
            async for message in socket.messages():
                self._subscribe(socket, message, kind)
            return True
        return False

    # ---- private

    def _api(self, socket: Socket, message: Any) -> None:
        number_, params = message.get("id"), dict(message.get("params", {}))
        if message.get("method") != "userDataStream.subscribe.signature":
            socket.say(_failed(number_, -1000, "unknown method"))
            return
        signature = params.pop("signature", "")
        query = "&".join(f"{name}={params[name]}" for name in sorted(params))
        keys = keys_of(str(params.get("apiKey", "")))
        if keys is None:
            socket.say(_failed(number_, -2015, "Invalid API-key, IP, or permissions for action."))
            return
        expected = hmac.new(keys.secret.encode(), query.encode(), sha256).hexdigest()
        window = timedelta(milliseconds=int(params.get("recvWindow", 5000)))
        sent_at = from_ms(int(params.get("timestamp", 0)))
        if not hmac.compare_digest(str(signature), expected):
            socket.say(_failed(number_, -1022, "Signature for this request is not valid."))
        elif not fresh(self.desk.now(), sent_at, window, timedelta(seconds=1)):
            socket.say(_failed(number_, -1021, "Timestamp is outside of the recvWindow."))
        else:
            account = keys.account
            socket.say({"id": number_, "status": 200, "result": {"subscriptionId": 0}})
            socket.tell_orders(account, lambda report: self._spot_news(account, report))

    def _futures_news(self, account: str, report: OrderReport) -> Iterable[Any]:
        instrument = self.desk.host.instrument(report.symbol)
        if instrument.kind is not MarketKind.PERPETUAL:
            return
        at = 0 if report.at is None else ms(report.at)
        if report.fill is not None:
            yield _trade_lite(instrument, report, at)
            yield self._account_update(account, instrument, at)
        order = self._order(account, instrument, report, at) | {
            "ap": number(average(instrument, report.value, report.filled.lots)),
            "R": report.reduce_only,
            "ps": "BOTH",
            "ot": self._word(account, report).type,
            "rp": "0",
        }
        yield {"e": "ORDER_TRADE_UPDATE", "T": at, "E": at, "o": order}

    def _spot_news(self, account: str, report: OrderReport) -> Iterable[Any]:
        instrument = self.desk.host.instrument(report.symbol)
        if instrument.kind is not MarketKind.SPOT:
            return
        at = 0 if report.at is None else ms(report.at)
        order = self._order(account, instrument, report, at)
        canceled = report.status is OrderStatus.CANCELED
        order |= {
            "e": "executionReport",
            "E": at,
            "C": report.client_id if canceled else "",
            "c": f"cancel{order['i']}" if canceled else report.client_id,
            "Z": number(instrument.notional_of(report.value)),
            "w": report.status.working,
        }
        yield {"subscriptionId": 0, "event": order}
        balances = self.desk.balances(account)
        changed = [
            {"a": each.asset, "f": number(each.free), "l": number(each.locked)} for each in balances
        ]
        event = {"e": "outboundAccountPosition", "E": at, "u": at, "B": changed}
        yield {"subscriptionId": 0, "event": event}

    def _order(
        self, account: str, instrument: Instrument, report: OrderReport, at: int
    ) -> dict[str, Any]:
        word, fill = self._word(account, report), report.fill
        return {
            "s": rows.symbol(instrument),
            "c": report.client_id,
            "S": report.side.upper(),
            "o": word.type,
            "f": word.in_force,
            "q": lots(instrument, report.quantity.lots),
            "p": price(instrument, report),
            "x": "TRADE" if fill else _DONE.get(report.status, "NEW"),
            "X": rows.status(report),
            "i": number_of(report.order_id),
            "l": lots(instrument, fill.quantity.lots if fill else 0),
            "z": lots(instrument, report.filled.lots),
            "L": ticks(instrument, fill.price.ticks if fill else 0),
            "n": number(fill.fee) if fill else "0",
            "N": fill.fee_asset if fill else None,
            "T": at,
            "t": number_of(fill.fill_id) if fill else -1,
            "m": bool(fill and fill.maker),
        }

    def _word(self, account: str, report: OrderReport) -> rows.Word:
        return self.words.get((account, report.client_id), rows.word_of(report))

    def _account_update(self, account: str, instrument: Instrument, at: int) -> dict[str, Any]:
        held = self.desk.positions(account, instrument.symbol)
        wallet = [
            {"a": each.asset, "wb": number(each.total), "cw": number(each.total), "bc": "0"}
            for each in self.desk.balances(account)
            if each.asset == instrument.quote
        ]
        count, cost = (held[0].lots, held[0].cost) if held else (0, 0)
        row = {
            "s": rows.symbol(instrument),
            "pa": lots(instrument, count),
            "ep": number(average(instrument, cost, count)),
            "up": "0",
            "mt": "cross",
            "ps": "BOTH",
        }
        return {
            "e": "ACCOUNT_UPDATE",
            "T": at,
            "E": at,
            "a": {"m": "ORDER", "B": wallet, "P": [row]},
        }

    # ---- public

    def _subscribe(self, socket: Socket, message: Any, kind: MarketKind) -> None:
        names = message.get("params", [])
        looks = [self._look(name, kind) for name in names]
        if message.get("method") != "SUBSCRIBE" or not all(looks):
            socket.say({"error": {"code": 2, "msg": "Invalid request"}, "id": message.get("id")})
            return
        socket.say({"result": None, "id": message.get("id")})
        for name, look in zip(names, looks, strict=True):
            if look is not None:
                socket.tell_changes(look, every=_BARS_EVERY if "kline" in name else 0.0)

    def _look(self, name: str, kind: MarketKind) -> Callable[[], Sequence[Any]] | None:
        """Return what looks for news of a stream's name; None if there is no such stream."""
        lower, _, topic = name.partition("@")
        known = {rows.symbol(each).lower(): each for each in self.desk.instruments(kind)}
        instrument = known.get(lower)
        if instrument is None:
            return None
        if topic == "trade":
            return self._trades(instrument)
        if topic == "markPrice@1s" and kind is MarketKind.PERPETUAL:
            return self._marks(instrument)
        length = market.LENGTHS.get(topic.removeprefix("kline_"))
        if topic.startswith("kline_") and length is not None:
            return self._candles(instrument, length, topic.removeprefix("kline_"))
        return None

    def _trades(self, instrument: Instrument) -> Callable[[], Sequence[Any]]:
        sent: PriceUpdate | None = None

        def look() -> Sequence[Any]:
            nonlocal sent
            update = self.desk.host.exchange.last_price(instrument.symbol)
            if update is None or update == sent:
                return ()
            sent = update
            at = ms(update.at)
            return (
                {
                    "e": "trade",
                    "E": at,
                    "T": at,
                    "s": rows.symbol(instrument),
                    "t": self.desk.host.position,
                    "p": ticks(instrument, update.price.ticks),
                    "q": number(instrument.lot_size),
                    "X": "MARKET",
                    "m": False,
                },
            )

        return look

    def _marks(self, instrument: Instrument) -> Callable[[], Sequence[Any]]:
        def look() -> Sequence[Any]:
            told = market.premium(self.desk.host, instrument)
            if self.desk.host.exchange.last_price(instrument.symbol) is None:
                return ()
            return (
                {
                    "e": "markPriceUpdate",
                    "E": told["time"],
                    "s": told["symbol"],
                    "p": told["markPrice"],
                    "i": told["indexPrice"],
                    "r": told["lastFundingRate"],
                    "T": told["nextFundingTime"],
                },
            )

        return look

    def _candles(
        self, instrument: Instrument, length: timedelta, word: str
    ) -> Callable[[], Sequence[Any]]:
        newest = self.desk.host.exchange.candles(instrument.symbol, length, 1)
        sent: Candle | None = newest[-1] if newest else None

        def look() -> Sequence[Any]:
            nonlocal sent
            new = new_candles(self.desk.host.exchange, instrument.symbol, length, sent)
            sent = new[-1] if new else sent
            return [_kline(instrument, bar, length, word) for bar in new]

        return look


def _trade_lite(instrument: Instrument, report: OrderReport, at: int) -> dict[str, Any]:
    fill = report.fill
    return {
        "e": "TRADE_LITE",
        "E": at,
        "T": at,
        "s": rows.symbol(instrument),
        "q": lots(instrument, report.quantity.lots),
        "p": price(instrument, report),
        "m": bool(fill and fill.maker),
        "c": report.client_id,
        "S": report.side.upper(),
        "L": ticks(instrument, fill.price.ticks if fill else 0),
        "l": lots(instrument, fill.quantity.lots if fill else 0),
        "t": number_of(fill.fill_id) if fill else -1,
        "i": number_of(report.order_id),
    }


def _kline(instrument: Instrument, bar: Candle, length: timedelta, word: str) -> dict[str, Any]:
    opened, name = ms(bar.opened_at), rows.symbol(instrument)
    return {
        "e": "kline",
        "E": opened,
        "s": name,
        "k": {
            "t": opened,
            "T": opened + length // timedelta(milliseconds=1) - 1,
            "s": name,
            "i": word,
            "o": ticks(instrument, bar.open.ticks),
            "h": ticks(instrument, bar.high.ticks),
            "l": ticks(instrument, bar.low.ticks),
            "c": ticks(instrument, bar.close.ticks),
            "v": lots(instrument, bar.volume.lots),
            "x": bar.closed,
        },
    }


def _failed(number_: Any, code: int, message: str) -> dict[str, Any]:
    return {"id": number_, "status": 400, "error": {"code": code, "msg": message}}
