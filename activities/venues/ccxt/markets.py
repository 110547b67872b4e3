"""A venue's markets: its own names and units, and exact ways between them and ticks and lots.

ccxt reads the lists of all venues into one form; we let it parse numbers as Decimals. What a venue
counts in contracts is converted once, in `lot_size`, and back by counting steps: never by dividing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from typing import Any

from domain.errors import InvalidValueError, VenueError
from domain.money import EXACT, NOTHING, Instrument, MarketKind, Price, Quantity, Rounding


@dataclass(frozen=True, slots=True)
class Market:
    """One market: `id` as the venue calls it, `step` its smallest amount in the venue's units."""

    id: str
    instrument: Instrument
    step: Decimal

    @property
    def symbol(self) -> str:
        """The unified name."""
        return self.instrument.symbol

    def amount_out(self, quantity: Quantity) -> str:
        """Return *quantity* in the venue's units (contracts or base)."""
        return plain(EXACT.multiply(Decimal(quantity.lots), self.step))

    def price_out(self, price: Price) -> str:
        """Return *price* in quote per base."""
        return plain(self.instrument.price_of(price))

    def lots(self, amount: Any, field: str) -> int:
        """Return an amount in the venue's units as signed lots; a part of a lot is an error."""
        steps = EXACT.divide(decimal(amount, field), self.step)
        if steps != steps.to_integral_value(context=EXACT):
            raise VenueError(
                f"{field} of {self.id} must be a multiple of {self.step}, was {amount}"
            )
        return int(steps)

    def quantity(self, amount: Any, field: str) -> Quantity:
        """Return an unsigned amount in the venue's units."""
        return Quantity(abs(self.lots(amount, field)))

    def price(self, value: Any, field: str) -> Price:
        """Return a price at which something was or may be traded: exactly on a tick."""
        try:
            return self.instrument.exact_price(decimal(value, field), field)
        except InvalidValueError as error:
            raise VenueError(f"an unreadable answer came: {error}") from error

    def optional_price(self, value: Any, field: str) -> Price | None:
        """Return a price; absent, empty or zero (a market order's) is None."""
        if value in (None, "") or decimal(value, field) == 0:
            return None
        return self.price(value, field)

    def near(self, value: Any, field: str) -> Price | None:
        """Return a price that need not be on a tick (mark, liquidation); zero or less is None."""
        if value in (None, "") or decimal(value, field) <= 0:
            return None
        rounded = self.instrument.price(decimal(value, field), Rounding.UP)
        down = self.instrument.price_of(rounded) - self.instrument.tick_size / 2
        return rounded if decimal(value, field) >= down or rounded.ticks == 1 else rounded - 1

    def cost(self, lots: int, entry: Any, field: str) -> int:
        """Return the sum of ticks x lots that *lots* cost at an average price, to the nearest."""
        exact = EXACT.divide(
            EXACT.multiply(decimal(entry, field), Decimal(lots)), self.instrument.tick_size
        )
        return int(exact.to_integral_value(context=EXACT))


def decimal(value: Any, field: str) -> Decimal:
    """Return a number of an answer, or raise VenueError if it is none."""
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        raise VenueError(f"{field} must be a number, was {value!r}") from None
    if not number.is_finite():
        raise VenueError(f"{field} must be a finite number, was {value!r}")
    return number


def known(row: Mapping[str, Any], field: str) -> Decimal | None:
    """Return a number of an answer; None where the venue leaves it out, or empty."""
    value = row.get(field)
    return None if value in (None, "") else decimal(value, field)


def plain(number: Decimal) -> str:
    """Return *number* without an exponent and without trailing zeros."""
    text = format(number, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def read_markets(raw: Mapping[str, Any], kind: MarketKind) -> dict[str, Market]:
    """Return ccxt's markets of *kind* that are open and settle in their quote, by symbol.

    The fees are ccxt's defaults until the account's own are asked for.
    """
    markets = (
        _market(each, kind)
        for each in raw.values()
        if each.get("active") is not False and _is(each, kind)
    )
    return {market.symbol: market for market in markets if market is not None}


def with_fees(market: Market, maker: Decimal, taker: Decimal) -> Market:
    """Return *market* with the fees of this account."""
    return replace(market, instrument=replace(market.instrument, maker_fee=maker, taker_fee=taker))


def _is(raw: Mapping[str, Any], kind: MarketKind) -> bool:
    if kind is MarketKind.SPOT:
        return bool(raw.get("spot"))
    return bool(raw.get("swap")) and bool(raw.get("linear"))


def _market(raw: Mapping[str, Any], kind: MarketKind) -> Market | None:
    tick, step = raw["precision"]["price"], raw["precision"]["amount"]
    if not tick or not step:
        return None  # a market of which not even the steps are known cannot be traded
    contract = raw.get("contractSize") or Decimal(1)
    tick, step, contract = (Decimal(str(each)) for each in (tick, step, contract))
    instrument = Instrument(
        symbol=raw["symbol"],
        kind=kind,
        base=raw["base"],
        quote=raw["quote"],
        tick_size=tick,
        lot_size=EXACT.multiply(step, contract),
        min_quantity=NOTHING,
        min_notional=Decimal(str(raw["limits"]["cost"]["min"] or 0)),
        maker_fee=Decimal(str(raw.get("maker") or 0)),
        taker_fee=Decimal(str(raw.get("taker") or 0)),
        contract_size=contract,
    )
    least = Decimal(str(raw["limits"]["amount"]["min"] or step))
    minimum = instrument.quantity(EXACT.multiply(least, contract), Rounding.UP)
    instrument = replace(instrument, min_quantity=max(minimum, Quantity(1)))
    return Market(raw["id"], instrument, step)
