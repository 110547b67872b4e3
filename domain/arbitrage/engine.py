"""What a run of a pair does about an event: `step`, pure.

    in flight   one trade at a time; an entry that is no longer wanted is aborted, an exit never
    forced      asked for, close to liquidation, an account in trouble, a toxic basis: leave now
    ordinary    the yield has fallen below the exit: leave; the legs have drifted apart: trim;
                the amount was changed: give back what is too much, add what is missing
    flat        fresh funding and prices, a yield above the entry, its costs earned while held,
                nothing toxic, nobody halted: enter

What forces an exit comes before everything, and needs neither funding nor leave of risk (flaws A-5,
A-7). What is not known opens nothing, and closes nothing either (R-42). One trade is in flight at
most, and its tag is made of its number, so none starts twice (R-43, flaw D-8).
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import assert_never

from domain.arbitrage.costs import Role, Trade, pays, round_trip
from domain.arbitrage.events import (
    AbortTrade,
    ArbAction,
    ArbEvent,
    BooksTold,
    ExitAsked,
    FundingPaid,
    FundingTold,
    HealthTold,
    PositionTold,
    SpecChanged,
    StartTrade,
    TradeEnded,
    TradeLost,
)
from domain.arbitrage.funding import Direction, LegFunding, basis, prorated, spread, staleness
from domain.arbitrage.gauges import liquidation_distance
from domain.arbitrage.pair import Kind
from domain.arbitrage.pair_events import LegHalted, QuoteSeen
from domain.arbitrage.state import ArbConfig, ArbState, InFlight, Phase, bind, require_lender
from domain.arbitrage.trades import (
    Wish,
    entry,
    growth,
    is_stale,
    leaving,
    middle,
    shrunk,
    trade,
    trim,
    width,
)
from domain.arbitrage.window import may_enter
from domain.errors import InvalidValueError
from domain.grid.events import (
    Alert,
    AlertLevel,
    PauseAsked,
    ResumeAsked,
    TimePassed,
)
from domain.market import Quote
from domain.money import EXACT, add_known, fixed

_YEAR = timedelta(hours=8760)


@dataclass(frozen=True, slots=True)
class ArbStep:
    """What came of an event: the new state, and what to do about it, in order."""

    state: ArbState
    actions: tuple[ArbAction, ...] = field(default=())


def begin(config: ArbConfig, identity: str, now: datetime) -> ArbState:
    """Return a run that holds nothing; *identity* names one start of one run, for ever."""
    return ArbState(config, identity, now)


def step(state: ArbState, event: ArbEvent) -> ArbStep:
    """Return the state after *event*, and what to do about it, in order."""
    if state.phase is Phase.ENDED:
        return ArbStep(state)
    match event:
        case TradeEnded():
            return _ended(state, event)
        case TradeLost(tag, at):
            return _lost(state, tag, at)
        case BooksTold():
            return _compared(state, event)
        case SpecChanged(spec, at):
            meant = state.spec.amount if state.meant is None else state.meant
            config = bind(spec, *state.config.instruments)
            return _decide(replace(_at(state, at), config=config, meant=meant))
        case _:
            return _decide(_heard(state, event))


def check_change(state: ArbState, event: SpecChanged) -> None:
    """Raise InvalidValueError if a run cannot have these settings from now on."""
    if event.spec.legs != state.spec.legs:
        raise InvalidValueError(
            "first and second stay what they are while a pair runs: stop this run and start another"
        )
    require_lender(event.spec, state.instrument(1))


# --- what is told --------------------------------------------------------------------------------


def _at(state: ArbState, now: datetime) -> ArbState:
    return replace(state, now=max(state.now, now))


def _heard(state: ArbState, event: ArbEvent) -> ArbState:  # noqa: PLR0911 - one for each
    match event:
        case QuoteSeen(number, bid, ask, at):
            leg = replace(state.leg(number), quote=Quote(bid, ask, at))
            return _at(state.with_leg(leg), at)
        case FundingTold(number, funding):
            leg = replace(state.leg(number), funding=funding)
            return _basis_looked_at(_at(state.with_leg(leg), funding.received_at))
        case PositionTold(number, position, at):
            return _at(state.with_leg(replace(state.leg(number), position=position)), at)
        case HealthTold(number, health, at):
            leg = replace(state.leg(number), health=health, health_at=at)
            return _at(state.with_leg(leg), at)
        case FundingPaid(number, total, at):
            return _at(state.with_leg(replace(state.leg(number), funding_paid=total)), at)
        case TimePassed(now):
            return _at(state, now)
        case LegHalted(number, halted, at, why):
            leg = replace(state.leg(number), halted=halted, halted_why=why)
            return _at(state.with_leg(leg), at)
        case PauseAsked(at):
            running = state.phase is Phase.RUNNING
            return _at(replace(state, phase=Phase.PAUSED) if running else state, at)
        case ResumeAsked(at):
            paused = state.phase is Phase.PAUSED
            return _at(replace(state, phase=Phase.RUNNING) if paused else state, at)
        case ExitAsked(at, why, ends):
            phase = Phase.STOPPING if ends else state.phase
            return _at(replace(state, exit_asked=why or "asked", phase=phase), at)
        case TradeEnded() | TradeLost() | BooksTold() | SpecChanged():
            raise AssertionError(event)  # done in `step`
        case _:
            assert_never(event)


def _basis_looked_at(state: ArbState) -> ArbState:
    """Count how many settlements in a row find the second leg too cheap."""
    limit, told = state.spec.toxic_basis, state.leg(2).funding
    found = _basis_now(state)
    if limit is None or found is None or told is None or not _is_next(state, told):
        return state
    toxic = state.toxic + 1 if found < limit else 0
    return replace(state, toxic=toxic, toxic_at=told.settles_at)


def _is_next(state: ArbState, told: LegFunding) -> bool:
    """Return whether this is of another settlement; venues tell the time of one a little anew."""
    if state.toxic_at is None or told.settles_at is None or told.interval is None:
        return True
    return told.settles_at - state.toxic_at > told.interval / 2


def _basis_now(state: ArbState) -> Decimal | None:
    first, second = middle(state, 1), middle(state, 2)
    if first is None or second is None or first <= 0 or second <= 0:
        return None
    return basis(first, second)


def _ended(state: ArbState, event: TradeEnded) -> ArbStep:
    """Take in what a trade did; what is held afterwards says whether there still is a pair."""
    flight = state.in_flight
    if flight is None or flight.tag != event.tag:
        return ArbStep(state)  # told twice
    for moved in event.moved:
        leg = state.leg(moved.leg)
        base, cash = EXACT.add(leg.base, moved.base), EXACT.add(leg.cash, moved.quote)
        elsewhere = EXACT.add(leg.elsewhere, moved.elsewhere)
        slipped = add_known(leg.slippage, moved.slippage)
        leg = replace(leg, base=base, cash=cash, elsewhere=elsewhere, slippage=slipped)
        state = state.with_leg(replace(leg, position=None))
    done = max(state.generation, event.generation)
    state = replace(state, in_flight=None, ended_at=event.at, generation=done)
    state = _at(state, event.at)
    if not state.open:
        rests = event.at if flight.kind is Kind.ENTER else state.rests_since
        state = replace(state, direction=None, exit_asked="", toxic=0, rests_since=rests)
    alerts: tuple[ArbAction, ...] = ()
    if event.gave_up:
        alerts = (Alert(AlertLevel.WARNING, f"the trade that {flight.why}: {event.gave_up}"),)
    decided = _leaves_alone(state, flight) or _decide(state)
    return ArbStep(decided.state, (*alerts, *decided.actions))


def _leaves_alone(state: ArbState, flight: InFlight) -> ArbStep | None:
    """Let the leg go for which an exit was aborted; what was told of it is of before that."""
    if not (flight.aborted and flight.endangered and state.open):
        return None
    wish = leaving(state, flight.why, forced=True, endangered=flight.endangered)
    return _start(state, wish)


def _lost(state: ArbState, tag: str, at: datetime) -> ArbStep:
    """Go on without a trade that somebody ended; what it did is in the books of the legs."""
    flight = state.in_flight
    if flight is None or flight.tag != tag:
        return ArbStep(state)
    state = _at(replace(state, in_flight=None, ended_at=at, unsure=(1, 2)), at)
    told = f"the trade that {flight.why} was ended by somebody: the books say what is held"
    return ArbStep(state, (Alert(AlertLevel.ERROR, told),))


def _compared(state: ArbState, event: BooksTold) -> ArbStep:
    """Believe the books: they have every fill once, whoever asked for it."""
    leg, instrument = state.leg(event.leg), state.instrument(event.leg)
    state = _at(state, event.at)
    if state.in_flight is not None or not _is_news(state, event.at):
        return _decide(state)
    unsure = tuple(number for number in state.unsure if number != event.leg)
    state = replace(state, unsure=unsure)
    held = EXACT.add(event.base, leg.elsewhere)
    if leg.base == held:
        return _decide(state)
    told = (
        f"{instrument.symbol} on {state.spec.legs[event.leg - 1].account}: the books say "
        f"{held} {instrument.base}, {leg.base} was believed"
    )
    state = state.with_leg(replace(leg, base=held, cash=event.cash, slippage=None))
    if state.open and state.direction is None:
        long = state.legs[0].base > 0 or state.legs[1].base < 0
        state = replace(state, direction=Direction.POSITIVE if long else Direction.NEGATIVE)
    decided = _decide(state)
    return ArbStep(decided.state, (Alert(AlertLevel.WARNING, told), *decided.actions))


# --- decisions -----------------------------------------------------------------------------------


def _decide(state: ArbState) -> ArbStep:
    flight = state.in_flight
    if flight is not None:
        return _in_flight(state, flight)
    if state.unsure:
        return ArbStep(state)
    if not state.open:
        return _flat(state)
    forced, endangered = _most_urgent(state)
    if forced:
        wish = leaving(state, forced, forced=True, endangered=endangered)
        return _start(replace(state, rests_since=state.now), wish)
    if _needs_relief(state):
        why = f"an account's health is below {state.spec.reduce_below}"
        return _start(state, leaving(state, why, state.spec.reduce_by, forced=True))
    if _has_drifted(state):
        return _start(state, trim(state))
    earns = _yield(state)
    if earns is not None and earns < state.spec.exit_apr:
        why = f"leaves: {fixed(earns, 4)} a year is below {state.spec.exit_apr}"
        return _start(state, leaving(state, why, forced=False))
    return ArbStep(state) if state.meant is None else _resized(state)


def _resized(state: ArbState) -> ArbStep:
    """Follow a change of the amount, once: less at any time, more as soon as it may be entered."""
    if state.meant == state.spec.amount:
        return ArbStep(replace(state, meant=None))
    if any(leg.quote is None for leg in state.legs):
        return ArbStep(state)
    less = shrunk(state)
    if less is not None:
        return _start(replace(state, meant=None), less)
    assert state.direction is not None  # noqa: S101 - something is held
    more = growth(state, state.direction)
    if more is None:  # too little for an order
        return ArbStep(replace(state, meant=None))
    if _wanted_direction(state) is not state.direction:
        return ArbStep(state)
    return _start(replace(state, meant=None), more)


def _in_flight(state: ArbState, flight: InFlight) -> ArbStep:
    """Abort an entry that is no longer wanted, and an exit that waits where one cannot wait."""
    if flight.aborted:
        return ArbStep(state)
    forced, endangered = _most_urgent(state)
    if flight.kind is Kind.ENTER:
        why = forced or _not_now(state)
    else:
        waits = any(is_stale(state, leg) for leg in state.legs)
        why = forced if waits and endangered and endangered != flight.endangered else ""
    if not why:
        return ArbStep(state)
    if flight.kind is Kind.EXIT:
        flight = replace(flight, why=why, endangered=endangered)
    aborted = replace(state, in_flight=replace(flight, aborted=True))
    return ArbStep(aborted, (AbortTrade(flight.tag, why),))


def _flat(state: ArbState) -> ArbStep:
    state = replace(state, exit_asked="")
    if state.phase is Phase.STOPPING:
        return ArbStep(replace(state, phase=Phase.ENDED))
    state = replace(state, meant=None)
    direction = _wanted_direction(state)
    wish = None if direction is None else entry(state, direction)
    if wish is None:
        return ArbStep(state)
    return _start(replace(state, direction=direction), wish)


def _start(state: ArbState, wish: Wish) -> ArbStep:
    if wish.nothing:
        return ArbStep(state)
    planned = trade(state, wish)
    flight = InFlight(planned.tag, wish.kind, wish.why, endangered=wish.endangered)
    state = replace(state, in_flight=flight, trades=state.trades + 1)
    return ArbStep(state, (StartTrade(planned, wish.why),))


def _most_urgent(state: ArbState) -> tuple[str, int]:
    """Return why the pair must be left now, and the leg that is in danger (0: none); else ""."""
    return next(_forced(state), ("", 0))


def _forced(state: ArbState) -> Iterator[tuple[str, int]]:
    """Yield why the pair must be left now and which leg is in danger, the gravest first."""
    spec = state.spec
    for number in (1, 2):
        leg, symbol = state.leg(number), state.instrument(number).symbol
        distance = None if leg.position is None else liquidation_distance(leg.position)
        if distance is not None and distance < spec.liquidation_distance:
            yield f"leaves: {symbol} is {fixed(distance, 4)} from its liquidation", number
        health = leg.health if _is_news(state, leg.health_at) else None
        if health is not None and health < spec.exit_below:
            yield f"leaves: the health of the account of {symbol} is {fixed(health, 4)}", number
    if state.exit_asked:
        yield f"leaves: {state.exit_asked}", 0
    if spec.toxic_basis is not None and state.toxic >= spec.toxic_after:
        yield f"leaves: the basis was below {spec.toxic_basis} {state.toxic} times in a row", 0


def _is_news(state: ArbState, at: datetime | None) -> bool:
    """Return whether what was told *at* that time is of the account as it is now."""
    return at is not None and (state.ended_at is None or at > state.ended_at)


def _needs_relief(state: ArbState) -> bool:
    return any(
        leg.health is not None
        and _is_news(state, leg.health_at)
        and leg.health < state.spec.reduce_below
        for leg in state.legs
    )


def _has_drifted(state: ArbState) -> bool:
    larger = max(EXACT.abs(leg.base) for leg in state.legs)
    return EXACT.abs(state.delta) > EXACT.multiply(larger, state.spec.drift) and any(
        trim(state).lots
    )


def _fundings(state: ArbState) -> tuple[LegFunding, LegFunding] | None:
    """Return the funding of both legs if it is fresh (R-42)."""
    first, second = (leg.funding for leg in state.legs)
    ttl = timedelta(seconds=state.spec.funding_ttl)
    if first is None or second is None:
        return None
    if any(staleness(each, state.now, ttl) for each in (first, second)):
        return None
    return first, second


def _yield(state: ArbState) -> Decimal | None:
    """Return what the pair that is held earns in a year; None while that is not known."""
    fundings = _fundings(state)
    if fundings is None or state.direction is None:
        return None
    return _apr(*fundings, state.direction)


def apr_of(state: ArbState) -> Decimal | None:
    """Return what the pair earns in a year, or would in its better direction; None: not known."""
    fundings = _fundings(state)
    if fundings is None:
        return None
    if state.direction is not None:
        return _apr(*fundings, state.direction)
    return max(_apr(*fundings, each) for each in Direction)


def _apr(first: LegFunding, second: LegFunding, direction: Direction) -> Decimal:
    long, short = (first, second) if direction is Direction.POSITIVE else (second, first)
    return spread(long, short)


def _not_now(state: ArbState) -> str:
    """Return why nothing is opened now, whatever it would earn; empty: it may be."""
    if state.halted:
        return f"halted: {state.halted_why}"
    if state.phase is not Phase.RUNNING:
        return f"the run is {state.phase}"
    return ""


def _wanted_direction(state: ArbState) -> Direction | None:
    """Return how to enter the pair now; None: not now."""
    fundings = _fundings(state)
    if _not_now(state) or fundings is None or not _prices_are_fresh(state) or _cools_off(state):
        return None
    limit, found = state.spec.toxic_basis, _basis_now(state)
    if limit is not None and (found is None or found < limit):
        return None
    first, second = fundings
    for direction in Direction:
        earns = _apr(first, second, direction)
        if earns <= state.spec.entry_apr or (
            direction is Direction.NEGATIVE and not state.spec.both_ways
        ):
            continue
        long, short = (first, second) if direction is Direction.POSITIVE else (second, first)
        costs, quiet = _costs(state), timedelta(seconds=state.spec.quiet)
        carried = prorated(earns, _YEAR, state.spec.hold)
        if pays(carried, costs) and may_enter(long, short, state.now, quiet=quiet, costs=costs):
            return direction
    return None


def _cools_off(state: ArbState) -> bool:
    wait = timedelta(seconds=state.spec.cool_off)
    return state.rests_since is not None and state.now - state.rests_since < wait


def _prices_are_fresh(state: ArbState) -> bool:
    ttl = timedelta(seconds=state.spec.quote_ttl)
    quotes = [leg.quote for leg in state.legs]
    return all(quote is not None and state.now - quote.at <= ttl for quote in quotes)


def _costs(state: ArbState) -> Decimal:
    """Return what entering and leaving costs, as a share of the notional.

    Four takers' fees, and for each of the four half the spread of its market.
    """
    trades = []
    for number in (1, 2):
        half = EXACT.divide(width(state, number), Decimal(2))
        trades += 2 * [Trade(state.instrument(number), Role.TAKER, half)]
    return round_trip(trades).once
