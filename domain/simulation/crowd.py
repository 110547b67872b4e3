"""Others at a market: how deep they bid and ask around a price, and what funding they agree on.

Both are functions of a seed and of where the market is, in integers only, so that the same market
has the same others on every machine.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

from domain.errors import InvalidValueError
from domain.money import Instrument, Price, Quantity
from domain.simulation.process import mixed
from domain.simulation.tape import DepthShown

#: Beyond the best price others stand at every so many millionths of the price.
_SPACING_PPM: Final = 50
#: What stands at a price changes after so many events, at each price at another one.
_STAYS: Final = 16
#: The least that stands at a price is worth so much, in quote; the most is that times the range.
_WORTH: Final = Decimal(500)
_RANGE: Final = 12
_MOST_LEVELS: Final = 200
FUNDING_EVERY: Final = timedelta(hours=8)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
#: Rates lie between so many millionths.
_RATES_PPM: Final = (-100, 300)


@dataclass(frozen=True, slots=True)
class CrowdSpec:
    """Others with `levels` prices on each side. Raises InvalidValueError for what is out of bounds.

    The best of them stand one tick beside the last price.
    """

    seed: int
    levels: int

    def __post_init__(self) -> None:
        if not 1 <= self.levels <= _MOST_LEVELS:
            raise InvalidValueError(f"levels must be in 1 .. {_MOST_LEVELS}, was {self.levels}")


def depth_around(
    spec: CrowdSpec, instrument: Instrument, price: Price, index: int, at: datetime
) -> DepthShown:
    """Return what others bid and ask when *price* was traded, as event number *index*."""
    spacing = max(1, price.ticks * _SPACING_PPM // 1_000_000)
    least = max(1, instrument.affordable(_WORTH, price).lots)

    def level(ticks: int) -> tuple[Price, Quantity]:
        epoch = (index + ticks) // _STAYS
        lots = least * (1 + mixed(spec.seed ^ ticks, epoch) % _RANGE)
        return Price(ticks), Quantity(lots)

    below, above = (price.ticks - 1) // spacing, (price.ticks + 1) // spacing
    bids = [price.ticks - 1, *((below - step) * spacing for step in range(1, spec.levels))]
    asks = [price.ticks + 1, *((above + step) * spacing for step in range(1, spec.levels))]
    return DepthShown(
        instrument.symbol,
        tuple(level(ticks) for ticks in bids if ticks > 0),
        tuple(level(ticks) for ticks in asks),
        at,
    )


def settlement_after(at: datetime) -> int:
    """Return the number of the first settlement of funding after *at*."""
    return (at - _EPOCH) // FUNDING_EVERY + 1


def settlement_at(number: int) -> datetime:
    """Return when settlement *number* is due: at 0, 8 and 16 o'clock UTC."""
    return _EPOCH + FUNDING_EVERY * number


def funding_rate_of(seed: int, number: int) -> Decimal:
    """Return the rate of settlement *number*, to a millionth."""
    low, high = _RATES_PPM
    return Decimal(low + mixed(seed, number) % (high - low + 1)).scaleb(-6)
