"""How good a pair is: what it yields, at what risk, and how settled that is.

    score     Y * R * M, and 0 if Y <= 0
    yield     Y = 0.5 mean(1 d) + 0.3 mean(7 d) + 0.2 mean(30 d)              8-hourly spread
    risk      R = min(stability / 10, 1) / (1 + 100 volatility) / (1 + flips) * positive
    maturity  M = (1 + log10(age + 1))                                        age in 8 hours
                * (1 + min(open interest / volume, 2))
                * (1 + 1000 momentum, within 0.5 .. 1.5)
                * (1 + 100 basis, within 0.8 .. 1.2)
                * (predicted / current, within 0.5 .. 2; 1 unless current > 0)

(requirements 3.6.) All of it is seen in the direction in which the pair would be held: rates are
those of the short leg less those of the long one. Two bounds are ours: what is not told of open
interest, volume or the predicted rate is worth 1, neither praise nor blame; and the last factor has
an upper bound, or a current rate near 0 would outshine everything else.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from domain.arbitrage.funding import HOUR, YEAR, prorated
from domain.arbitrage.history import DAY, PERIOD, FundingHistory
from domain.arbitrage.series import ROUNDED
from domain.errors import InvalidValueError
from domain.money import EXACT, ZERO, add

_ONE: Final = Decimal(1)
_MEANS: Final = ((DAY, "0.5"), (7 * DAY, "0.3"), (30 * DAY, "0.2"))


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a pair, in the direction in which it would be held. None: not known.

    `current` and `predicted` are 8-hourly spreads, `basis` is by how much the short leg is dearer
    than the long one (a share), `open_interest` and `volume` (24 h) are in quote.
    """

    history: FundingHistory
    volatility: Decimal | None
    current: Decimal
    predicted: Decimal | None = None
    basis: Decimal = ZERO
    open_interest: Decimal | None = None
    volume: Decimal | None = None

    def __post_init__(self) -> None:
        for name in ("volatility", "open_interest", "volume"):
            value = getattr(self, name)
            if value is not None and value < 0:
                raise InvalidValueError(f"{name} of a pair is not negative, was {value}")


@dataclass(frozen=True, slots=True)
class Score:
    """The score of a pair and what it is made of. `apr` is the mean spread of 7 days, as a year."""

    yielded: Decimal
    risk: Decimal
    maturity: Decimal
    apr: Decimal

    @property
    def value(self) -> Decimal:
        if self.yielded <= 0:
            return ZERO
        return _product(self.yielded, self.risk, self.maturity)


def score(facts: Facts, now: datetime) -> Score | None:
    """Return the score of a pair at *now*; None if its history is too short to say."""
    means = [facts.history.mean(now, window) for window, _ in _MEANS]
    known = [prorated(mean, HOUR, PERIOD) for mean in means if mean is not None]
    risk, maturity = _risk(facts), _maturity(facts)
    if len(known) < len(_MEANS) or risk is None or maturity is None:
        return None
    weighed = (
        EXACT.multiply(mean, Decimal(weight))
        for mean, (_, weight) in zip(known, _MEANS, strict=True)
    )
    return Score(add(*weighed), risk, maturity, prorated(known[1], PERIOD, YEAR))


def _risk(facts: Facts) -> Decimal | None:
    history = facts.history
    stability, positive = history.stability, history.positive  # each looks at the whole history
    if stability is None or positive is None or facts.volatility is None:
        return None
    steady = min(EXACT.divide(stability, Decimal(10)), _ONE)
    calm = EXACT.divide(_ONE, _one_and(100, facts.volatility))
    settled = EXACT.divide(_ONE, Decimal(1 + history.flips))
    return _product(steady, calm, settled, positive)


def _maturity(facts: Facts) -> Decimal | None:
    momentum = facts.history.momentum
    if momentum is None:
        return None
    return _product(
        _age(facts.history.regime_age),
        _interest(facts.open_interest, facts.volume),
        _within("0.5", _one_and(1000, momentum), "1.5"),
        _within("0.8", _one_and(100, facts.basis), "1.2"),
        _outlook(facts.current, facts.predicted),
    )


def _age(lasted: timedelta) -> Decimal:
    periods = prorated(_ONE, PERIOD, lasted)
    return EXACT.add(_ONE, EXACT.add(periods, _ONE).log10(ROUNDED))


def _interest(open_interest: Decimal | None, volume: Decimal | None) -> Decimal:
    if open_interest is None or not volume:
        return _ONE
    return EXACT.add(_ONE, min(EXACT.divide(open_interest, volume), Decimal(2)))


def _outlook(current: Decimal, predicted: Decimal | None) -> Decimal:
    if current <= 0 or predicted is None:
        return _ONE
    return _within("0.5", EXACT.divide(predicted, current), "2")


def _one_and(times: int, value: Decimal) -> Decimal:
    return EXACT.add(_ONE, EXACT.multiply(Decimal(times), value))


def _within(least: str, value: Decimal, most: str) -> Decimal:
    return min(max(value, Decimal(least)), Decimal(most))


def _product(*factors: Decimal) -> Decimal:
    product = _ONE
    for factor in factors:
        product = EXACT.multiply(product, factor)
    return product
