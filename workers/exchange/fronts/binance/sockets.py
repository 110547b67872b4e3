"""Binance's private sockets: listen keys of futures, the signed subscription of spot."""

import hmac
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, Final
from urllib.parse import parse_qs

from domain.money import Instrument, MarketKind
from domain.orders import OrderReport, OrderStatus
from workers.exchange.faults import Operation
from workers.exchange.fronts.asked import Asked, Told
from workers.exchange.fronts.binance import rows
from workers.exchange.fronts.binance.door import BinanceDoor
from workers.exchange.fronts.desk import fresh
from workers.exchange.fronts.keys import keys_of
from workers.exchange.fronts.rooms import Room, Route
from workers.exchange.fronts.rows import average, from_ms, lots, ms, number, number_of, price, ticks
from workers.exchange.fronts.sockets import Socket

_KEY_LIVES: Final = timedelta(minutes=60)
_DONE: Final = {
    OrderStatus.OPEN: "NEW",
    OrderStatus.CANCELED: "CANCELED",
    OrderStatus.EXPIRED: "EXPIRED",
    OrderStatus.REJECTED: "REJECTED",
}


class PrivateSockets(Room[BinanceDoor]):
    """Futures tell whoever comes with a listen key; spot is asked on a socket of its own."""

    def __init__(self, door: BinanceDoor) -> None:
        super().__init__(door)
        self._keys: dict[str, tuple[str, datetime]] = {}

    def routes(self) -> Sequence[Route]:
        path, operation = "/fapi/v1/listenKey", Operation.LISTEN_KEY
        return [Route(method, path, operation, self._listen_key) for method in ("POST", "PUT")]

    def _listen_key(self, asked: Asked) -> Any:
        """Return the account's listen key, good for another hour."""
        account = self.door.key_of(asked).account
        key = sha256(f"listen {account}".encode()).hexdigest()
        self._keys[key] = (account, self.desk.now() + _KEY_LIVES)
        return {"listenKey": key}

    def arrived(self, asked: Asked, socket: Socket) -> Told | None:
        """Tell all from now on to who brings a good listen key; return the refusal of others."""
        if asked.path != "/private/ws":
            return None
        key = parse_qs(asked.query).get("listenKey", [""])[0]
        account, until = self._keys.get(key, ("", None))
        if until is None or until < self.desk.now():
            return Told(rows.error(-1125, "This listenKey does not exist."), 401)
        socket.tell_orders(account, lambda report: self._futures_news(account, report))
        return None

    async def converse(self, asked: Asked, socket: Socket) -> bool:
        """Speak on a private socket until it ends; False if the path is none."""
        if asked.path == "/private/ws":
            async for _ in socket.messages():
                pass
            return True
        if asked.path == "/ws-api/v3":
            async for message in socket.messages():
                self._api(socket, message)
            return True
        return False

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
            "ot": self.door.word(account, report).type,
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
        word, fill = self.door.word(account, report), report.fill
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


def _failed(number_: Any, code: int, message: str) -> dict[str, Any]:
    return {"id": number_, "status": 400, "error": {"code": code, "msg": message}}
