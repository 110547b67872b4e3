"""What a portfolio of pairs does after a scan: pure; its workflow brings it what it heard.

    forgotten  a pair whose run has ended with nothing left, and no other (flaw P-2)
    shrinking  remove and reduce, at any time
    easing     what a pair was asked to give back, until it has: see `domain.arbitrage.relief`
    growing    resize and add, with room for what is still leaving, and within the margin of the
               accounts as they were looked at just now (flaw P-4)
    rests      a pair that somebody stopped, or that could not begin, is not added for a while
    apart      no market is of two pairs: what one sells the other would have to buy

Each pair is a run of its own, of one name for ever: `begun` counts them, so none starts twice. From
a scan that failed nothing follows (flaw P-3). What is held is worth its base at the price of the
scan; while a pair holds nothing, or trades, it is worth what it is meant for.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import ROUND_DOWN, Context, Decimal
from typing import Final

from domain.arbitrage.allocation import Listing
from domain.arbitrage.funding import Direction
from domain.arbitrage.margin import (
    Admitted,
    LegChange,
    Weighed,
    admit,
)
from domain.arbitrage.portfolio_spec import PortfolioSpec
from domain.arbitrage.portfolio_state import (
    AccountLook,
    Easing,
    Held,
    Offer,
    OfferedLeg,
    PairLook,
    PortfolioState,
    Standing,
    Survey,
)
from domain.arbitrage.rebalance import Change, Kind, propose
from domain.arbitrage.spec import ArbSpec
from domain.arbitrage.state import Phase
from domain.arbitrage.universe import Ranked, Ranking
from domain.arbitrage.view import PairStatus
from domain.money import EXACT, ZERO, MarketKind, add, fixed

#: Amounts are told with so many digits: nobody trades by the tenth.
_DIGITS: Final = Context(prec=6, rounding=ROUND_DOWN)
_NEAR: Final = Decimal("1.02")
_SLUG_LENGTH: Final = 40


# ---- pairs, from one look to the next


@dataclass(frozen=True, slots=True)
class Told:
    """Something about a pair that people should hear; `grave`: somebody has to act."""

    run_id: str
    what: str
    why: str
    grave: bool = False
    #: The numbers behind it, for the audit log.
    numbers: Mapping[str, str] = field(default_factory=dict)


def looked_at(
    spec: PortfolioSpec, state: PortfolioState, looks: Iterable[PairLook], now: datetime
) -> tuple[PortfolioState, tuple[Told, ...]]:
    """Return the state after a look at the runs of its pairs, and what is new about them."""
    told: list[Told] = []
    for look in looks:
        held = next((each for each in state.held if each.run_id == look.run_id), None)
        if held is None:
            continue
        if look.standing is Standing.RUNNING and look.status is not None:
            seen = _seen(held, look.status)
            state = state.with_pair(_eased(seen, held, now, spec.margin.patience))
        elif look.standing is Standing.ENDED:
            state, news = _ended(spec, state, held, look, now)
            told += news
    rests = {pair: until for pair, until in state.rests.items() if until > now}
    return replace(state, rests=rests), tuple(told)


def _seen(held: Held, status: PairStatus) -> Held:
    first, second = status.legs
    leaving = held.leaving or status.phase in (Phase.STOPPING, Phase.ENDED)
    return replace(
        held,
        bases=(first.base, second.base),
        trades=bool(status.trade),
        leaving=leaving,
        note=str(status.phase),
    )


def _eased(seen: Held, before: Held, now: datetime, patience: timedelta) -> Held:
    """Return a pair with what it still has to give back; one that others close does so too."""
    easing = seen.easing
    if easing is None:
        closes = seen.leaving and not before.leaving
        return replace(seen, easing=Easing(ZERO, now + patience)) if closes else seen
    # A leg is whole lots, at the price of the moment: it is where it should be, or close to it.
    near = seen.larger <= EXACT.multiply(easing.base, _NEAR)
    forgotten = now >= easing.until + patience  # it was too little for an order, say
    return replace(seen, easing=None) if near or forgotten else seen


def _ended(
    spec: PortfolioSpec, state: PortfolioState, held: Held, look: PairLook, now: datetime
) -> tuple[PortfolioState, list[Told]]:
    if look.left:
        if held.stranded:
            return state, []
        stranded = replace(held, stranded=True, leaving=True, note=f"{look.left} is left")
        why = f"its run has ended ({look.why}) and {look.left} is left: close it by hand"
        return state.with_pair(stranded), [Told(held.run_id, "strand", why, grave=True)]
    others = tuple(each for each in state.held if each.run_id != held.run_id)
    state = replace(state, held=others)
    if held.asked:
        return state, [Told(held.run_id, "forget", "it has ended, and nothing is left")]
    until = now + timedelta(seconds=spec.cool_off)
    state = replace(state, rests={**state.rests, held.pair: until})
    why = f"it has ended ({look.why}), and not by the portfolio: it rests until {until:%F %T} UTC"
    return state, [Told(held.run_id, "forget", why)]


# ---- what a scan advises


def scored(state: PortfolioState, survey: Survey) -> PortfolioState:
    """Return the state with the scores that *survey* tells; who it does not know keeps its own."""
    for held in state.held:
        score = survey.score(held.pair)
        state = state.with_pair(replace(held, score=held.score if score is None else score))
    return state


def equity_of(spec: PortfolioSpec, looks: Mapping[str, AccountLook]) -> Decimal | None:
    """Return what there is to spread; None while an account that counts was not looked at."""
    if spec.equity is not None:
        return spec.equity
    if any(name not in looks for name in spec.counted):
        return None
    return add(*(looks[name].worth for name in spec.counted))


def shrinking(
    spec: PortfolioSpec, state: PortfolioState, survey: Survey, equity: Decimal
) -> tuple[Change, ...]:
    """Return what gives back, in the order of its turn: nobody makes room for what leaves."""
    stays = tuple(each for each in state.held if each.stranded or not each.leaving)
    after = replace(state, held=stays)
    return tuple(each for each in _changes(spec, after, survey, equity) if not each.kind.expands)


def growing(
    spec: PortfolioSpec, state: PortfolioState, survey: Survey, equity: Decimal
) -> tuple[Change, ...]:
    """Return what takes on more, in the order of its turn: what leaves still has its room."""
    return tuple(each for each in _changes(spec, state, survey, equity) if each.kind.expands)


def advised(
    spec: PortfolioSpec, state: PortfolioState, survey: Survey, equity: Decimal
) -> tuple[Change, ...]:
    """Return the changes that *survey* advises; nothing for a pair that is on its way out."""
    less = shrinking(spec, state, survey, equity)
    return (*less, *growing(spec, state, survey, equity))


def _changes(
    spec: PortfolioSpec, state: PortfolioState, survey: Survey, equity: Decimal
) -> tuple[Change, ...]:
    held = {each.pair: each.notional(survey) for each in state.held}
    leaving = {each.pair for each in state.held if each.leaving}
    ranked = tuple(_apart(state, survey))
    changes = propose(
        spec.allocation,
        spec.rebalance,
        Ranking(ranked, {}),
        equity,
        held,
        _listings(spec, state, survey),
        bound=survey.unknown | leaving,
    )
    rounded = (replace(each, target=told_amount(each.target)) for each in changes)
    return tuple(each for each in rounded if _is_news(state, each))


def _apart(state: PortfolioState, survey: Survey) -> Iterator[Ranked]:
    """Yield what may be held, the best first; who holds a market keeps it."""
    taken = {leg.spec for held in state.held for leg in held.legs}
    for each in survey.ranked:
        offer = survey.offer(each.pair)
        if state.of(each.pair) is not None:
            yield each
        elif offer is not None and each.pair not in state.rests:
            legs = {leg.spec for leg in offer.legs}
            if not legs & taken:
                taken |= legs
                yield each


def _is_news(state: PortfolioState, change: Change) -> bool:
    """Return whether it was not told to the pair before."""
    held = state.of(change.pair)
    return held is None or held.amount != change.target


def _listings(spec: PortfolioSpec, state: PortfolioState, survey: Survey) -> Mapping[str, Listing]:
    legs = {each.pair: each.legs for each in survey.offers}
    legs |= {each.pair: each.legs for each in state.held}
    return {
        # Pairs of one coin fall together, whatever else does.
        pair: Listing((first.venue, second.venue), spec.groups.get(_base(first), _base(first)))
        for pair, (first, second) in legs.items()
    }


def _base(leg: OfferedLeg) -> str:
    return leg.symbol.partition("/")[0]


# ---- what may grow


def admitted(
    spec: PortfolioSpec,
    state: PortfolioState,
    survey: Survey,
    changes: Iterable[Change],
    looks: Mapping[str, AccountLook],
    now: datetime,
) -> Admitted:
    """Return which of *changes* the margin of the accounts allows, each after those before it."""
    weighed = [Weighed(each, _weigh(state, survey, each)) for each in changes]
    accounts = {name: look.margin for name, look in looks.items()}
    return admit(spec.margin, weighed, accounts, now)


def _weigh(
    state: PortfolioState, survey: Survey, change: Change
) -> Mapping[str, tuple[LegChange, ...]]:
    offer, held = survey.offer(change.pair), state.of(change.pair)
    if offer is None:
        return {}
    weighed: dict[str, tuple[LegChange, ...]] = {}
    sign = 1 if offer.direction is Direction.POSITIVE else -1
    for leg, way, number in zip(offer.legs, (sign, -sign), (0, 1), strict=True):
        before = held.bases[number] if held else ZERO
        size = EXACT.divide(change.target, leg.price)
        after = EXACT.copy_sign(size, before or Decimal(way))
        moved = LegChange(leg.kind, before, after, leg.price)
        weighed[leg.account] = (*weighed.get(leg.account, ()), moved)
    return weighed


# ---- what is done


def begin_pair(
    name: str,
    state: PortfolioState,
    offer: Offer,
    amount: Decimal,
    score: Decimal | None = None,
) -> tuple[PortfolioState, Held]:
    """Return the state with a new pair in it. Its run has a name that none had before."""
    number = state.begun + 1
    run_id = f"{name}-{slug(offer)}-{number}"
    held = Held(offer.pair, run_id, offer.legs, amount, score=score)
    return replace(state, begun=number, held=(*state.held, held)), held


def slug(offer: Offer) -> str:
    """Return a short name of a pair, as it may stand in that of a run."""
    first, second = offer.legs
    told = f"{_base(first)}-{first.account}-{second.account}".lower()
    return re.sub(r"[^a-z0-9_]+", "-", told).strip("-_")[:_SLUG_LENGTH].strip("-_")


def spec_of(spec: PortfolioSpec, held: Held) -> ArbSpec:
    """Return the settings of a pair as the portfolio means it now.

    Both ways are for two perpetuals: nobody lends spot.
    """
    first, second = held.legs
    written = spec.spec_of((first.spec, second.spec), held.amount)
    both = written.both_ways and first.kind is MarketKind.PERPETUAL
    return written.model_copy(update={"both_ways": both})


def told_amount(amount: Decimal) -> Decimal:
    """Return *amount* as a pair is told it, never more."""
    return _DIGITS.plus(amount)


def told_of(change: Change) -> str:
    """Return *change* for people."""
    current = fixed(change.current, 2)
    if change.kind is Kind.REMOVE:
        return f"remove {change.pair}, worth {current}"
    return f"{change.kind.name.lower()} {change.pair} from {current} to {change.target}"
