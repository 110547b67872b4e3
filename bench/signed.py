"""An order and its cancel as bare requests, signed by hand: nothing faster can be right."""

import hmac
import json
import time
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256, sha512
from typing import Any, Final
from urllib.parse import urlencode

from bench.exchanges import KEYS

_JSON: Final = {"Content-Type": "application/json"}
_WINDOW: Final = "5000"


@dataclass(frozen=True, slots=True)
class Signed:
    """One request as it goes out."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: str = ""


def _now() -> int:
    return int(time.time() * 1000)


def _hex(text: str, kind: Any = sha256) -> str:
    return hmac.new(KEYS.secret.encode(), text.encode(), kind).hexdigest()


def _base64(text: str) -> str:
    return b64encode(hmac.new(KEYS.secret.encode(), text.encode(), sha256).digest()).decode()


def _binance(method: str, params: Mapping[str, Any]) -> Signed:
    query = urlencode({**params, "recvWindow": _WINDOW, "timestamp": _now()})
    query += f"&signature={_hex(query)}"
    url = "https://fapi.binance.com/fapi/v1/order"
    headers = {"X-MBX-APIKEY": KEYS.key, "Content-Type": "application/x-www-form-urlencoded"}
    if method == "POST":
        return Signed(method, url, headers, query)
    return Signed(method, f"{url}?{query}", headers)


def _okx(path: str, params: Mapping[str, Any]) -> Signed:
    body = json.dumps(params)
    at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    headers = {
        "OK-ACCESS-KEY": KEYS.key,
        "OK-ACCESS-PASSPHRASE": KEYS.passphrase,
        "OK-ACCESS-TIMESTAMP": at,
        "OK-ACCESS-SIGN": _base64(f"{at}POST{path}{body}"),
        **_JSON,
    }
    return Signed("POST", f"https://www.okx.com{path}", headers, body)


def _bybit(path: str, params: Mapping[str, Any]) -> Signed:
    body, at = json.dumps({"category": "linear", **params}), str(_now())
    headers = {
        "X-BAPI-API-KEY": KEYS.key,
        "X-BAPI-TIMESTAMP": at,
        "X-BAPI-RECV-WINDOW": _WINDOW,
        "X-BAPI-SIGN": _hex(f"{at}{KEYS.key}{_WINDOW}{body}"),
        **_JSON,
    }
    return Signed("POST", f"https://api.bybit.com{path}", headers, body)


def _gate(method: str, path: str, body: str) -> Signed:
    path, at = f"/api/v4/futures/usdt/orders{path}", str(_now() // 1000)
    text = f"{method}\n{path}\n\n{sha512(body.encode()).hexdigest()}\n{at}"
    signed = {"KEY": KEYS.key, "Timestamp": at, "SIGN": _hex(text, sha512)}
    headers = {**signed, "X-Gate-Size-Decimal": "1", **_JSON}
    return Signed(method, f"https://api.gateio.ws{path}", headers, body)


def _bitget(path: str, params: Mapping[str, Any]) -> Signed:
    path, at = f"/api/v2/mix/order/{path}", str(_now())
    body = json.dumps({"productType": "USDT-FUTURES", "marginCoin": "USDT", **params})
    headers = {
        "ACCESS-KEY": KEYS.key,
        "ACCESS-PASSPHRASE": KEYS.passphrase,
        "ACCESS-TIMESTAMP": at,
        "ACCESS-SIGN": _base64(f"{at}POST{path}{body}"),
        **_JSON,
    }
    return Signed("POST", f"https://api.bitget.com{path}", headers, body)


#: A buy of 0.01 C0 at a price, under a client id.
PLACE: Final[Mapping[str, Callable[[str, str], Signed]]] = {
    "binance": lambda name, price: _binance(
        "POST",
        {
            "symbol": "C0USDT",
            "side": "BUY",
            "type": "LIMIT",
            "timeInForce": "GTC",
            "quantity": "0.01",
            "price": price,
            "newClientOrderId": name,
            "newOrderRespType": "RESULT",
        },
    ),
    "okx": lambda name, price: _okx(
        "/api/v5/trade/order",
        {
            "instId": "C0-USDT-SWAP",
            "tdMode": "cross",
            "clOrdId": name,
            "side": "buy",
            "ordType": "limit",
            "sz": "1",
            "px": price,
        },
    ),
    "bybit": lambda name, price: _bybit(
        "/v5/order/create",
        {
            "symbol": "C0USDT",
            "side": "Buy",
            "orderType": "Limit",
            "timeInForce": "GTC",
            "qty": "0.01",
            "price": price,
            "orderLinkId": name,
        },
    ),
    "gate": lambda name, price: _gate(
        "POST",
        "",
        json.dumps(
            {"contract": "C0_USDT", "size": "10", "price": price, "tif": "gtc", "text": f"t-{name}"}
        ),
    ),
    "bitget": lambda name, price: _bitget(
        "place-order",
        {
            "symbol": "C0USDT",
            "marginMode": "crossed",
            "side": "buy",
            "orderType": "limit",
            "force": "gtc",
            "size": "0.01",
            "price": price,
            "clientOid": name,
        },
    ),
}
CANCEL: Final[Mapping[str, Callable[[str], Signed]]] = {
    "binance": lambda name: _binance("DELETE", {"symbol": "C0USDT", "origClientOrderId": name}),
    "okx": lambda name: _okx(
        "/api/v5/trade/cancel-order", {"instId": "C0-USDT-SWAP", "clOrdId": name}
    ),
    "bybit": lambda name: _bybit("/v5/order/cancel", {"symbol": "C0USDT", "orderLinkId": name}),
    "gate": lambda name: _gate("DELETE", f"/t-{name}", ""),
    "bitget": lambda name: _bitget("cancel-order", {"symbol": "C0USDT", "clientOid": name}),
}
