"""The instruments of paper markets: steps from the tape, minima and fees as venues have them."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from domain.errors import InvalidValueError
from domain.money import Instrument, MarketKind, Quantity

#: Quote assets, longest first so that FDUSD is not read as USD.
_QUOTES: Final = ("FDUSD", "USDT", "USDC", "BUSD", "TUSD", "USD", "EUR", "BTC", "ETH", "BNB")
#: No venue has finer steps; a longer fraction is what a float left of a number.
_FINEST: Final = 8


@dataclass(frozen=True, slots=True)
class Steps:
    """How fine prices and quantities are."""

    tick: Decimal
    lot: Decimal


_STEPS: Final = {
    ("BTCUSDT", MarketKind.SPOT): Steps(Decimal("0.01"), Decimal("0.00001")),
    ("ETHUSDT", MarketKind.SPOT): Steps(Decimal("0.01"), Decimal("0.0001")),
    ("BTCUSDT", MarketKind.PERPETUAL): Steps(Decimal("0.1"), Decimal("0.001")),
    ("ETHUSDT", MarketKind.PERPETUAL): Steps(Decimal("0.01"), Decimal("0.001")),
}
_COMMON: Final = Steps(Decimal("0.0001"), Decimal("0.1"))
_PERPETUAL_MINIMA: Final = {"BTCUSDT": Decimal(100), "ETHUSDT": Decimal(20)}
_MINIMUM: Final = Decimal(5)
#: Maker and taker, as shares of the notional.
_FEES: Final = {
    MarketKind.SPOT: (Decimal("0.001"), Decimal("0.001")),
    MarketKind.PERPETUAL: (Decimal("0.0002"), Decimal("0.0005")),
}


def instrument_of(symbol: str, kind: MarketKind, steps: Steps | None = None) -> Instrument:
    """Return *symbol* with *steps* (else those known of it), or raise InvalidValueError."""
    # BTC/USDT and BTC/USDT:USDT are what specs call a market; BTCUSDT is what venues and tapes do.
    plain = symbol.partition(":")[0].replace("/", "", 1)
    quote = next((each for each in _QUOTES if plain.endswith(each) and plain != each), None)
    if quote is None:
        raise InvalidValueError(
            f"symbol must end in its quote asset ({', '.join(_QUOTES)}), was {symbol}"
        )
    steps = steps or _STEPS.get((plain, kind), _COMMON)
    maker, taker = _FEES[kind]
    perpetual = kind is MarketKind.PERPETUAL
    return Instrument(
        symbol=symbol,
        kind=kind,
        base=plain.removesuffix(quote),
        quote=quote,
        tick_size=steps.tick,
        lot_size=steps.lot,
        min_quantity=Quantity(1),
        min_notional=_PERPETUAL_MINIMA.get(plain, _MINIMUM) if perpetual else _MINIMUM,
        maker_fee=maker,
        taker_fee=taker,
    )


def step_of(numbers: Iterable[str]) -> Decimal:
    """Return the coarsest power of ten that all *numbers* are multiples of, at most 1."""
    decimals = max((len(each.partition(".")[2].rstrip("0")) for each in numbers), default=0)
    return Decimal(1).scaleb(-min(decimals, _FINEST))
