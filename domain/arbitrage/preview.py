"""What a pair that holds nothing would do now, in numbers and in words.

Whether it enters is asked of the engine itself; the words are the engine's conditions, one by one.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

from domain.arbitrage.costs import Role, RoundTrip, Trade, pays, round_trip
from domain.arbitrage.engine import apr_of, begin, step
from domain.arbitrage.events import FundingTold, StartTrade
from domain.arbitrage.funding import (
    HOUR,
    YEAR,
    Direction,
    LegFunding,
    basis,
    direction,
    prorated,
    spread,
    staleness,
)
from domain.arbitrage.pair_events import QuoteSeen
from domain.arbitrage.state import ArbConfig, ArbState
from domain.arbitrage.trades import entry, middle, width
from domain.arbitrage.window import may_enter
from domain.grid.events import TimePassed
from domain.market import Quote
from domain.money import EXACT, MarketKind, percent


@dataclass(frozen=True, slots=True)
class LegPreview:
    """A leg as its venue tells of it now; what is not told is None. Prices in quote.

    `base` is what the leg would hold, signed, if the pair were entered in its better direction.
    """

    account: str
    symbol: str
    kind: MarketKind
    bid: Decimal | None
    ask: Decimal | None
    rate: Decimal | None
    interval_hours: Decimal | None
    settles_at: datetime | None
    taker_fee: Decimal
    base: Decimal | None


@dataclass(frozen=True, slots=True)
class PairPreview:
    """What a pair would be now. Shares are of the notional of one leg; `apr` is before costs.

    `fees` and `spreads` are those of a round trip of four takers, `cost` both of them in quote.
    """

    enters: bool
    #: Why it would not enter now, each a reason of its own.
    why_not: tuple[str, ...]
    direction: Direction | None
    apr: Decimal | None
    basis: Decimal | None
    fees: Decimal
    spreads: Decimal | None
    cost: Decimal | None
    #: After so many whole hours the carry has paid for the round trip; None: never, or not known.
    break_even_hours: int | None
    amount: Decimal
    quote: str
    legs: tuple[LegPreview, LegPreview]


def preview(
    config: ArbConfig, told: Iterable[FundingTold | QuoteSeen], now: datetime
) -> PairPreview:
    """Return what the pair of *config* would be after what its venues have *told*."""
    state = _informed(begin(config, "preview", now), told)
    actions = step(state, TimePassed(now)).actions
    enters = any(isinstance(action, StartTrade) for action in actions)
    costs, earned = _costs(state), apr_of(state)
    cost = EXACT.multiply(costs.once, config.spec.amount) if _priced(state) else None
    hours = None
    if cost is not None and earned is not None:
        hours = costs.break_even_hours(prorated(earned, YEAR, HOUR))
    return PairPreview(
        enters,
        tuple(obstacles(state)),
        _better(state),
        earned,
        _basis(state),
        costs.fees,
        costs.slippage if _priced(state) else None,
        cost,
        hours,
        config.spec.amount,
        config.instruments[0].quote,
        (_leg(state, 1), _leg(state, 2)),
    )


def obstacles(state: ArbState) -> Iterator[str]:
    """Yield why a pair that holds nothing would not be entered now."""
    unknown = [*_unknown(state)]
    yield from unknown
    if unknown:
        return
    limit, found = state.spec.toxic_basis, _basis(state)
    if limit is not None and found is not None and found < limit:
        yield f"the basis is {percent(found, 4)}, below toxic_basis ({percent(limit, 4)})"
    wanted = _better(state)
    if wanted is None:
        yield "both legs pay the same: there is nothing to earn"
        return
    yield from _too_little(state, wanted)
    if entry(state, wanted) is None:
        yield f"amount {state.spec.amount} is less than a venue takes an order for"


def _too_little(state: ArbState, wanted: Direction) -> Iterator[str]:
    """Yield what is wrong with the yield in the better direction."""
    spec, (long, short) = state.spec, _sides(state, wanted)
    earns = spread(long, short)
    if wanted is Direction.NEGATIVE and not spec.both_ways:
        yield f"only the negative direction earns ({percent(earns)} a year), and both_ways is off"
    if earns <= spec.entry_apr:
        yield f"it would earn {percent(earns)} a year, entry_apr is {percent(spec.entry_apr)}"
    costs, carried = _costs(state).once, prorated(earns, YEAR, spec.hold)
    if not pays(carried, costs):
        yield (
            f"{spec.hold_hours} hours of it (hold_hours) bring {percent(carried, 4)}, "
            f"a round trip costs {percent(costs, 4)}"
        )
    quiet = timedelta(seconds=spec.quiet)
    if not may_enter(long, short, state.now, quiet=quiet, costs=costs):
        yield (
            f"the last settlement is less than {spec.quiet} s ago (quiet), and the next one alone "
            "does not pay for a round trip"
        )


def _unknown(state: ArbState) -> Iterator[str]:
    ttl = timedelta(seconds=state.spec.funding_ttl)
    for number in (1, 2):
        leg, told = state.leg(number), state.spec.legs[number - 1]
        where = f"{told.symbol} on {told.account}"
        stale = staleness(leg.funding, state.now, ttl)
        if stale is not None:
            yield f"the funding of {where} is not known ({stale})"
        if leg.quote is None or state.now - leg.quote.at > timedelta(seconds=state.spec.quote_ttl):
            yield f"the best prices of {where} are not known"


# --- what is known -------------------------------------------------------------------------------


def _informed(state: ArbState, told: Iterable[FundingTold | QuoteSeen]) -> ArbState:
    """Return *state* with what was told, and nothing decided about it."""
    for each in told:
        leg = state.leg(each.leg)
        if isinstance(each, FundingTold):
            leg = replace(leg, funding=each.funding)
        else:
            leg = replace(leg, quote=Quote(each.bid, each.ask, each.at))
        state = state.with_leg(leg)
    return state


def _fundings(state: ArbState) -> tuple[LegFunding, LegFunding] | None:
    first, second = (leg.funding for leg in state.legs)
    return None if first is None or second is None else (first, second)


def _better(state: ArbState) -> Direction | None:
    fundings = _fundings(state)
    return None if fundings is None else direction(*fundings)


def _sides(state: ArbState, wanted: Direction) -> tuple[LegFunding, LegFunding]:
    """Return the funding of the long leg and that of the short one; both are known."""
    fundings = _fundings(state)
    assert fundings is not None  # noqa: S101 - there is a direction
    first, second = fundings
    return (first, second) if wanted is Direction.POSITIVE else (second, first)


def _priced(state: ArbState) -> bool:
    return all(leg.quote is not None for leg in state.legs)


def _basis(state: ArbState) -> Decimal | None:
    first, second = middle(state, 1), middle(state, 2)
    if first is None or second is None or first <= 0 or second <= 0:
        return None
    return basis(first, second)


def _costs(state: ArbState) -> RoundTrip:
    """Return the costs of four takers: their fees, and half the spread of the market each time."""
    trades = []
    for number in (1, 2):
        half = EXACT.divide(width(state, number), Decimal(2))
        trades += 2 * [Trade(state.instrument(number), Role.TAKER, half)]
    return round_trip(trades)


def _leg(state: ArbState, number: int) -> LegPreview:
    leg, spec, instrument = (
        state.leg(number),
        state.spec.legs[number - 1],
        state.instrument(number),
    )
    told, quote = leg.funding, leg.quote
    hours = None
    if told is not None and told.interval is not None:
        hours = Decimal(int(told.interval.total_seconds())) / 3600
    return LegPreview(
        spec.account,
        spec.symbol,
        instrument.kind,
        None if quote is None else instrument.price_of(quote.bid),
        None if quote is None else instrument.price_of(quote.ask),
        told.rate if told else None,
        hours,
        told.settles_at if told else None,
        instrument.taker_fee,
        _base(state, number),
    )


def _base(state: ArbState, number: int) -> Decimal | None:
    wanted = _better(state)
    wish = None if wanted is None else entry(state, wanted)
    if wish is None:
        return None
    return EXACT.multiply(Decimal(wish.lots[number - 1]), state.instrument(number).lot_size)
