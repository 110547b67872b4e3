"""A grid spec bound to its instrument: whole ticks, checked against its steps, fees and minima."""

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from domain.errors import InvalidValueError
from domain.grid.lattice import Lattice, arithmetic, even_range, geometric, geometric_range
from domain.grid.spec import (
    CANDLE_LENGTHS,
    Direction,
    GridSpec,
    PriceExit,
    Skew,
    Spacing,
    StopMode,
)
from domain.grid.volatility import new_interval
from domain.money import EXACT, ZERO, Instrument, MarketKind, Price, add
from domain.orders import Side


@dataclass(frozen=True, slots=True)
class Alarm:
    """A price at which the run ends, and how."""

    price: Price
    above: bool
    mode: StopMode
    name: str

    def rings(self, price: Price) -> bool:
        return price >= self.price if self.above else price <= self.price


@dataclass(frozen=True, slots=True)
class GridConfig:
    """What the engine reads: the spec in ticks, with the instrument it is for."""

    spec: GridSpec
    instrument: Instrument
    interval: int | None
    lower: Price | None
    upper: Price | None
    trigger: Price | None
    alarms: tuple[Alarm, ...]

    @property
    def symbol(self) -> str:
        return self.instrument.symbol

    @property
    def skew(self) -> Skew | None:
        return self.spec.skew

    @property
    def candle_length(self) -> timedelta | None:
        """The candles the volatility is measured on; None if the interval does not adapt."""
        adaptive = self.spec.adaptive
        return CANDLE_LENGTHS[adaptive.candle] if adaptive and adaptive.enabled else None

    def window(self, side: Side) -> int:
        """Return how many levels of entries rest on *side*; none where the direction has none."""
        if side is Side.BUY:
            return 0 if self.spec.direction is Direction.SHORT else self.spec.buy_window
        return 0 if self.spec.direction is Direction.LONG else self.spec.sell_window

    def lattice(self, first: Price, interval: int | None = None) -> Lattice:
        """Return the ladder around the *first* price; *interval* overrides the spec's, in ticks."""
        if self.spec.range is not None:
            levels = self.spec.range.levels
            ladder = even_range if self.spec.spacing is Spacing.ARITHMETIC else geometric_range
            assert self.lower is not None  # noqa: S101 - a range has both ends
            assert self.upper is not None  # noqa: S101
            return ladder(self.lower, self.upper, levels)
        if self.interval is not None:
            return arithmetic(interval or self.interval)
        anchor = self.spec.anchor
        at = first if anchor is None else self.instrument.price(anchor)
        return geometric(at, self.ratio)

    @property
    def ratio(self) -> Decimal:
        """Next level / level of a trailing geometric grid."""
        return add(Decimal(1), EXACT.divide(self.spec.step_percent or ZERO, Decimal(100)))

    def turns_epoch(self, current: int, atr_ticks: Decimal) -> int | None:
        """Return the interval of a new epoch, or None while the *current* one stands."""
        if self.interval is None:
            return None
        return new_interval(self.spec.adaptive, self.interval, current, atr_ticks)


def bind(spec: GridSpec, instrument: Instrument) -> GridConfig:
    """Return *spec* for *instrument*, or raise InvalidValueError naming what does not fit it."""
    if spec.symbol != instrument.symbol:
        raise InvalidValueError(f"symbol: the venue knows {instrument.symbol}, was {spec.symbol}")
    if instrument.kind is MarketKind.SPOT and spec.direction is not Direction.LONG:
        raise InvalidValueError(
            f"direction: {instrument.symbol} is spot and cannot be sold short, was "
            f"{spec.direction}; use long, or a perpetual such as {spec.symbol}:{instrument.quote}"
        )
    ends, where = (spec.range, "range") if spec.range else (spec.bounds, "bounds")
    _price(instrument, spec.anchor, "anchor")
    config = GridConfig(
        spec,
        instrument,
        _interval(spec, instrument),
        _price(instrument, ends.lower, f"{where}.lower"),
        _price(instrument, ends.upper, f"{where}.upper"),
        _price(instrument, spec.trigger_price, "trigger_price"),
        _alarms(spec, instrument),
    )
    _refuse_crowded_levels(config)
    return config


def check_profit(config: GridConfig, at: Price) -> None:
    """Raise InvalidValueError if a round trip at *at* earns no more than its fees (R-53)."""
    entry, leave = least_step(config, at)
    if cycle_profit(config, entry, leave) > 0:
        return
    fee = fee_rate(config)
    low, high = config.instrument.price_of(entry), config.instrument.price_of(leave)
    fees = EXACT.multiply(fee, add(low, high))
    raise InvalidValueError(
        f"the step does not cover the fees: from {low} to {high} earns {high - low} per unit, "
        f"two fees of {fee * 100:f} % cost {fees:f}; choose levels more than {fees:f} apart"
    )


def least_profit(config: GridConfig, at: Price) -> Decimal:
    """Return what a whole level earns by the least profitable round trip, after both fees."""
    entry, leave = least_step(config, at)
    instrument = config.instrument  # that a level is too small for an order is told elsewhere
    lots = max(instrument.affordable(config.spec.amount, entry), instrument.min_quantity)
    return EXACT.multiply(instrument.base_of(lots), cycle_profit(config, entry, leave))


def least_step(config: GridConfig, at: Price) -> tuple[Price, Price]:
    """Return the entry and exit of the least profitable round trip at *at*.

    Of a fixed range every step is looked at, since the widest may earn where the narrowest costs.
    """
    lattice = config.lattice(at)
    steps = [_step_at(lattice, at)] if lattice.last is None else list(range(lattice.last))
    pairs = [(lattice.price(level), lattice.price(level + 1)) for level in steps]
    return min(pairs, key=lambda pair: cycle_profit(config, *pair))


def _step_at(lattice: Lattice, price: Price) -> int:
    level = lattice.at_or_below(price)
    return level if lattice.has(level) else level + 1


def cycle_profit(config: GridConfig, entry: Price, leave: Price) -> Decimal:
    """Return what one unit of base earns from *entry* to *leave* after both fees, in quote."""
    low, high = config.instrument.price_of(entry), config.instrument.price_of(leave)
    fees = EXACT.multiply(fee_rate(config), add(low, high))
    return EXACT.subtract(EXACT.subtract(high, low), fees)


def fee_rate(config: GridConfig) -> Decimal:
    """Return the fee a round trip is planned with: maker, unless the grid may take."""
    policy, instrument = config.spec.post_only, config.instrument
    maker_only = policy.enabled and policy.then == "pause"
    return instrument.maker_fee if maker_only else instrument.taker_fee


def _interval(spec: GridSpec, instrument: Instrument) -> int | None:
    if spec.interval is None:
        return None
    return instrument.exact_price(spec.interval, "interval").ticks


def _price(instrument: Instrument, value: Decimal | None, field: str) -> Price | None:
    return None if value is None else instrument.exact_price(value, field)


def _alarms(spec: GridSpec, instrument: Instrument) -> tuple[Alarm, ...]:
    short = spec.direction is Direction.SHORT
    sides = (("take_profit", spec.take_profit, not short), ("stop_loss", spec.stop_loss, short))
    return tuple(
        Alarm(instrument.exact_price(rule.price, f"{name}.price"), above, _mode(rule), name)
        for name, rule, above in sides
        if rule is not None
    )


def _mode(rule: PriceExit) -> StopMode:
    return StopMode.CLOSE if rule.then == "close" else StopMode.CANCEL


def _refuse_crowded_levels(config: GridConfig) -> None:
    """Levels that round to the same tick would be one slot with two meanings."""
    spec, lower, upper = config.spec, config.lower, config.upper
    if spec.range is None or lower is None or upper is None:
        return
    last = spec.range.levels - 1
    crowded = upper.ticks - lower.ticks < last  # no lattice can be made of it at all
    if not crowded:
        lattice = config.lattice(lower)
        crowded = any(lattice.ticks(k) >= lattice.ticks(k + 1) for k in range(last))
    if crowded:
        raise InvalidValueError(
            f"range.levels: {spec.range.levels} levels from {spec.range.lower} to "
            f"{spec.range.upper} lie less than a tick ({config.instrument.tick_size}) apart; "
            "use fewer"
        )
