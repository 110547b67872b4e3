"""What a pair shows of itself."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from domain.arbitrage.engine import apr_of
from domain.arbitrage.state import ArbState, Phase


@dataclass(frozen=True, slots=True)
class LegStatus:
    """What a leg holds and is told. `base` is signed; amounts in quote."""

    account: str
    symbol: str
    base: Decimal
    cash: Decimal
    funding: Decimal
    rate: Decimal | None
    interval_hours: Decimal | None
    settles_at: datetime | None
    #: What its trades cost more than at the prices they were decided at; None: not known.
    slippage: Decimal | None = None


@dataclass(frozen=True, slots=True)
class PairStatus:
    """What a pair is doing. `apr` is what it earns, or would, a year; `debt` is not hedged.

    `trade` is why the trade in flight is made, `tag` its name; both are empty while there is none.
    """

    phase: Phase
    direction: str | None
    apr: Decimal | None
    debt: Decimal
    halted: str
    trade: str
    trades: int
    legs: tuple[LegStatus, LegStatus]
    tag: str = ""


def status(state: ArbState) -> PairStatus:
    """Return what *state* comes to."""
    flight = state.in_flight
    return PairStatus(
        state.phase,
        str(state.direction) if state.direction else None,
        apr_of(state),
        state.delta,
        state.halted_why if state.halted else "",
        flight.why if flight else "",
        state.trades,
        (_leg(state, 1), _leg(state, 2)),
        flight.tag if flight else "",
    )


def _leg(state: ArbState, number: int) -> LegStatus:
    leg, spec = state.leg(number), state.spec.legs[number - 1]
    told = leg.funding
    hours = None
    if told is not None and told.interval is not None:
        hours = Decimal(int(told.interval.total_seconds())) / 3600
    return LegStatus(
        spec.account,
        spec.symbol,
        leg.base,
        leg.cash,
        leg.funding_paid,
        told.rate if told else None,
        hours,
        told.settles_at if told else None,
        leg.slippage,
    )
