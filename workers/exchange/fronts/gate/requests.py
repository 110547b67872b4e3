"""What a request to Gate says and what is wrong with it: orders, spans, pages, refusals."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from domain.errors import InvalidValueError
from domain.money import Instrument, MarketKind, Price, Quantity
from domain.orders import OrderRequest, OrderType, RefusalReason, Side, TimeInForce
from workers.exchange.fronts.asked import Fields, Told, WrongError
from workers.exchange.fronts.gate import rows
from workers.exchange.fronts.rows import ms, number

_PERPETUAL: Final = MarketKind.PERPETUAL
_TEXT: Final = re.compile(r"t-[0-9A-Za-z_.-]{1,28}")
_LONGEST_SPAN: Final = timedelta(days=30)
_REFUSED: Final[Mapping[MarketKind, Mapping[RefusalReason, tuple[str, str]]]] = {
    MarketKind.PERPETUAL: {
        RefusalReason.WOULD_CROSS: ("ORDER_POC_IMMEDIATE", "order price while counter price"),
        RefusalReason.INSUFFICIENT_FUNDS: ("INSUFFICIENT_AVAILABLE", "not enough margin"),
        RefusalReason.REDUCE_ONLY: ("REDUCE_EXCEEDED", "empty position"),
        RefusalReason.INVALID: ("SIZE_TOO_SMALL", "order size is too small"),
        RefusalReason.OTHER: ("CONTRACT_NO_COUNTER", "no counter orders"),
    },
    MarketKind.SPOT: {
        RefusalReason.WOULD_CROSS: (
            "POC_FILL_IMMEDIATELY",
            "Order would match and take immediately so its cancelled",
        ),
        RefusalReason.INSUFFICIENT_FUNDS: ("BALANCE_NOT_ENOUGH", "Not enough balance"),
        RefusalReason.INVALID: ("INVALID_PARAM_VALUE", "Your order size is too small."),
        RefusalReason.OTHER: ("TRADE_RESTRICTED", "Trade is restricted"),
    },
}


# ---- requests for orders


def future(
    instrument: Instrument, fields: Fields, new_name: Callable[[], str]
) -> tuple[OrderRequest, str]:
    """Return an order of contracts: a signed size, and a price of 0 for a market order."""
    size, price = fields.number("size"), fields.number("price")
    tif = fields.choice("tif", ("gtc", "ioc", "poc", "fok"), "gtc")
    reduce_only = fields.choice("reduce_only", ("True", "False"), "False") == "True"
    client_id = _text(_PERPETUAL, fields) or new_name()
    fields.done()
    if not size or size != size.to_integral_value():
        raise wrong(_PERPETUAL, "INVALID_PARAM_VALUE", "invalid argument: size")
    if not price and tif not in ("ioc", "fok"):
        raise wrong(_PERPETUAL, "INVALID_PARAM_VALUE", "invalid argument: price")
    side = Side.BUY if size > 0 else Side.SELL
    limit = _price(instrument, price) if price else None
    quantity = Quantity(int(abs(size)))
    request = _request(instrument, client_id, side, quantity, limit, tif)
    return replace(request, reduce_only=reduce_only), tif


def coin(
    instrument: Instrument, fields: Fields, new_name: Callable[[], str]
) -> tuple[OrderRequest, str]:
    """Return an order of coins."""
    kind, spot = fields.choice("type", ("limit", "market"), "limit"), MarketKind.SPOT
    side = Side(fields.choice("side", ("buy", "sell")))
    fields.choice("account", ("spot",), "spot")
    amount = fields.number("amount")
    price = fields.number("price") if kind == "limit" else None
    limits = ("gtc", "ioc", "poc", "fok") if kind == "limit" else ("ioc", "fok")
    tif = fields.choice("time_in_force", limits, limits[0])
    client_id = _text(spot, fields) or new_name()
    fields.done()
    if price is None and side is Side.BUY:
        raise wrong(spot, "INVALID_PARAM_VALUE", "market buys are not spoken here")
    lots = amount / instrument.lot_size
    if lots != lots.to_integral_value():
        raise wrong(spot, "INVALID_PRECISION", "invalid precision of amount")
    if lots <= 0:
        raise wrong(spot, "AMOUNT_TOO_LITTLE", "amount must be positive")
    limit = None if price is None else _price(instrument, price)
    return _request(instrument, client_id, side, Quantity(int(lots)), limit, tif), tif


def _request(
    instrument: Instrument,
    client_id: str,
    side: Side,
    quantity: Quantity,
    limit: Price | None,
    tif: str,
) -> OrderRequest:
    return OrderRequest(
        client_id=client_id,
        symbol=instrument.symbol,
        side=side,
        quantity=quantity,
        price=limit,
        type=OrderType.LIMIT if limit else OrderType.MARKET,
        time_in_force=TimeInForce.GTC if tif == "poc" or not limit else TimeInForce(tif),
        post_only=tif == "poc",
    )


def _text(kind: MarketKind, fields: Fields) -> str:
    text = fields.optional("text")
    if text is None:
        return ""
    if not _TEXT.fullmatch(text):
        raise wrong(kind, "INVALID_PARAM_VALUE", "invalid argument: text must begin with t-")
    return text.removeprefix("t-")


def _price(instrument: Instrument, price: Decimal) -> Price:
    try:
        return instrument.exact_price(price, "price")
    except InvalidValueError:
        if instrument.kind is _PERPETUAL:
            text = f"price should be a multiple of {instrument.tick_size}"
            raise wrong(_PERPETUAL, "INVALID_PARAM_VALUE", text) from None
        raise wrong(MarketKind.SPOT, "INVALID_PRECISION", "invalid precision of price") from None


# ---- lists


def span(kind: MarketKind, fields: Fields) -> Callable[[datetime], bool]:
    """Return what tells whether a time lies in the seconds that are asked for."""
    begin, end = fields.whole("from", 0), fields.whole("to", 0)
    longest = int(_LONGEST_SPAN.total_seconds())
    if kind is MarketKind.SPOT and begin and end and end - begin > longest:
        raise wrong(kind, "INVALID_PARAM_VALUE", "the time range is more than 30 days")
    return lambda at: begin * 1000 <= ms(at) and (not end or ms(at) < (end + 1) * 1000)


def cut(kind: MarketKind, fields: Fields, found: Sequence[Any], most: int) -> Sequence[Any]:
    """Return a page: contracts count what to leave out, coins count pages. Reads the rest."""
    limit = fields.whole("limit", 100)
    if kind is _PERPETUAL:
        begin = fields.whole("offset", 0)
    else:
        begin = (fields.whole("page", 1) - 1) * limit
    fields.done()
    if not 1 <= limit <= most or begin < 0:
        raise wrong(kind, "INVALID_PARAM_VALUE", f"invalid argument: limit {limit}")
    return found[begin : begin + limit]


# ---- answers


def fee(instrument: Instrument) -> dict[str, Any]:
    """Return what an account pays."""
    return {"maker_fee": number(instrument.maker_fee), "taker_fee": number(instrument.taker_fee)}


def refused(kind: MarketKind, reason: RefusalReason) -> tuple[str, str]:
    """Return the label and the words of a refused order."""
    table = _REFUSED[kind]
    return table.get(reason, table[RefusalReason.OTHER])


def wrong(kind: MarketKind, label: str, text: str, status: int = 400) -> WrongError:
    """Return a refusal in the form of its side."""
    return WrongError(Told(rows.error(kind, label, text), status))


def denied(label: str, message: str) -> WrongError:
    """Return the refusal of a request whose sender is not sure."""
    return WrongError(Told({"label": label, "message": message}, 401))


def bad_field(name: str, how: str) -> WrongError:
    """Return the refusal of a field that is missing, unknown or malformed."""
    label = "MISSING_REQUIRED_PARAM" if how == "missing" else "INVALID_PARAM_VALUE"
    return WrongError(Told({"label": label, "message": f"{how} parameter {name}"}, 400))
