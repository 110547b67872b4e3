"""What a pair does about an event: `begin` and `step`, both pure."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Final, assert_never

from domain.accounting import WHOLE_RUN
from domain.arbitrage.hedging import Rung
from domain.arbitrage.legs import Leg
from domain.arbitrage.pair import (
    Kind,
    PairStep,
    PairTrade,
    Stage,
    rung_of,
    tradable,
    unwinding_is_cheaper,
    wanted,
)
from domain.arbitrage.pair_events import (
    AbortAsked,
    LegHalted,
    LegTold,
    OnLeg,
    OrderAction,
    OrderEvent,
    PairAction,
    PairEvent,
    QuoteSeen,
)
from domain.grid.events import (
    Alert,
    AlertLevel,
    Cancel,
    LookUp,
    OutcomeUnknown,
    Place,
    Refused,
    Reported,
    TimePassed,
)
from domain.grid.slot import WorkingOrder
from domain.market import Quote
from domain.money import Price, Quantity
from domain.order_ids import OrderKey, Purpose, encode
from domain.orders import (
    OrderRequest,
    OrderType,
    Refusal,
    RefusalReason,
    Side,
    TimeInForce,
    Unknown,
)

_OPENING: Final = {Side.BUY: Purpose.ENTRY_BUY, Side.SELL: Purpose.ENTRY_SELL}
_CLOSING: Final = {Side.BUY: Purpose.CLOSE_BUY, Side.SELL: Purpose.CLOSE_SELL}


def begin(trade: PairTrade) -> PairStep:
    """Begin a trade that was just made."""
    return _decide(trade)


def step(trade: PairTrade, event: PairEvent) -> PairStep:
    """Return the state after *event*, and what to do about it, in order."""
    match event:
        case LegTold(number, told):
            return _told(trade, trade.leg(number), told)
        case QuoteSeen(number, bid, ask, at):
            leg = trade.leg(number)
            leg = replace(leg, quote=Quote(bid, ask, at), waiting=False, silent=False)
            return _decide(replace(trade.with_leg(leg), now=max(trade.now, at)))
        case TimePassed(now):
            return _time_passed(replace(trade, now=max(trade.now, now)))
        case AbortAsked(at, why):
            trade = replace(trade, now=max(trade.now, at))
            return _decide(_given_up(trade, f"asked: {why}"))
        case LegHalted(number, halted, at):
            trade = trade.with_leg(replace(trade.leg(number), halted=halted))
            return _decide(replace(trade, now=max(trade.now, at)))
        case _:
            assert_never(event)


# --- what is told --------------------------------------------------------------------------------


def _told(trade: PairTrade, leg: Leg, event: OrderEvent) -> PairStep:
    match event:
        case Reported(report):
            after = leg.reported(report)
            return PairStep(trade) if after is leg else _decide(_reopened(trade.with_leg(after)))
        case Refused(refusal):
            return _refused(trade, leg, refusal)
        case OutcomeUnknown(unknown):
            return _unknown(trade, leg, unknown)
        case _:
            assert_never(event)


def _reopened(trade: PairTrade) -> PairTrade:
    """Return a trade that was done and hears of a late fill: what is not hedged is not over."""
    return replace(trade, stage=Stage.SETTLING) if trade.finished else trade


def _refused(trade: PairTrade, leg: Leg, refusal: Refusal) -> PairStep:
    order = leg.order
    if order is None or order.client_id != refusal.client_id or not order.may_end_by(refusal):
        return PairStep(trade)
    leg = leg.ended()
    match refusal.reason:
        case RefusalReason.ABSENT:
            return _decide(trade.with_leg(leg))
        case RefusalReason.WOULD_CROSS:
            return _decide(trade.with_leg(replace(leg, waiting=True)))
        case RefusalReason.REDUCE_ONLY if leg.closing:
            return _gone(trade.with_leg(replace(leg, gone=True)), leg)
        case _:
            leg = replace(leg, obstacle=refusal.message or str(refusal.reason))
            return _obstructed(trade.with_leg(leg), leg)


def _gone(trade: PairTrade, leg: Leg) -> PairStep:
    told = f"{leg.instrument.symbol} on {leg.account} was closed by somebody else"
    return _saying(_decide(trade), AlertLevel.ERROR, told)


def _obstructed(trade: PairTrade, leg: Leg) -> PairStep:
    """Go on without the leg for a while: an entry ends with what it has, a debt changes legs."""
    if trade.kind is Kind.ENTER and trade.stage is Stage.LEADING:
        trade = _given_up(trade, f"{leg.instrument.symbol} was refused: {leg.obstacle}")
    elif trade.kind is Kind.ENTER and wanted(trade, leg):
        trade = replace(trade, unwinding=leg.number == trade.follow.number)
    told = f"{leg.instrument.symbol} on {leg.account} was refused: {leg.obstacle}"
    return _saying(_decide(trade), AlertLevel.WARNING, told)


def _unknown(trade: PairTrade, leg: Leg, unknown: Unknown) -> PairStep:
    order = leg.order
    if order is None or order.client_id != unknown.client_id or order.unknown:
        return PairStep(trade)
    leg = replace(leg, order=replace(order, unknown=True))
    told = f"order {unknown.client_id} is in doubt and will be looked up: {unknown.message}"
    return _saying(PairStep(trade.with_leg(leg)), AlertLevel.WARNING, told)


def _time_passed(trade: PairTrade) -> PairStep:
    """Look at what is in doubt, and let what rested after a refusal try again."""
    first: list[PairAction] = []
    for leg in trade.legs:
        if leg.order is not None and leg.order.unknown:
            first.append(OnLeg(leg.number, LookUp(leg.instrument.symbol, leg.order.client_id)))
        elif leg.order is not None and leg.order.canceling:
            first.append(OnLeg(leg.number, _cancel(leg, leg.order)))
        silent = _is_silent(trade, leg)
        known = trade.leg(leg.number)
        trade = trade.with_leg(replace(known, obstacle="", waiting=False, silent=silent))
    decided = _decide(trade)
    return PairStep(decided.state, (*first, *decided.actions))


def _is_silent(trade: PairTrade, leg: Leg) -> bool:
    limit = timedelta(seconds=trade.spec.silent_after)
    return leg.quote is not None and trade.now - leg.quote.at > limit


# --- decisions -----------------------------------------------------------------------------------


def _decide(trade: PairTrade) -> PairStep:
    trade = _aged(_settled(_patient(trade)))
    if trade.finished:
        return PairStep(trade)
    actions: list[PairAction] = []
    for number in (trade.lead.number, trade.follow.number):
        trade, action = _manage(trade, trade.leg(number))
        if action is not None:
            actions.append(OnLeg(number, action))
    alerts = tuple(_alerts(trade))
    return PairStep(replace(trade, alerts=trade.alerts + len(alerts)), (*actions, *alerts))


def _patient(trade: PairTrade) -> PairTrade:
    """Let the lead of an entry give up when its time is over, or its follower cannot follow."""
    if trade.kind is not Kind.ENTER or trade.stage is not Stage.LEADING:
        return trade
    if trade.halted:
        return _given_up(trade, "risk halted entries")
    if trade.follow.silent:
        return _given_up(trade, f"{trade.follow.account} does not answer")
    if trade.now - trade.begun_at > trade.lead_for:
        return _given_up(trade, f"the lead had {trade.lead_for.total_seconds():g} s")
    return trade


def _given_up(trade: PairTrade, why: str) -> PairTrade:
    leading = trade.stage is Stage.LEADING and not trade.gave_up
    return replace(trade, gave_up=why) if leading else trade


def _settled(trade: PairTrade) -> PairTrade:
    """Move on to the next stage where this one is over."""
    legs = trade.legs if trade.parallel else (trade.lead,)
    opens = any(leg.order is not None for leg in legs)
    reached = trade.gave_up or not any(leg.takes(leg.left) for leg in legs)
    if trade.stage is Stage.LEADING and reached and not opens:
        trade = replace(trade, stage=Stage.SETTLING)
        if trade.kind is Kind.ENTER and tradable(trade):
            trade = replace(trade, unwinding=unwinding_is_cheaper(trade))
    if trade.stage is not Stage.SETTLING or any(leg.order for leg in trade.legs):
        return trade
    return trade if tradable(trade) else replace(trade, stage=Stage.DONE)


def _aged(trade: PairTrade) -> PairTrade:
    """Note since when there is a debt."""
    if trade.finished or not tradable(trade):
        return replace(trade, debt_since=None, alerts=0)
    return trade if trade.debt_since else replace(trade, debt_since=trade.now)


def _alerts(trade: PairTrade) -> Iterator[Alert]:
    wait = timedelta(seconds=trade.spec.alert_after) * 2**trade.alerts
    if trade.debt_age() >= wait:
        age, base = trade.debt_age().total_seconds(), trade.lead.instrument.base
        told = f"{trade.debt} {base} have not been hedged for {age:.0f} s"
        yield Alert(AlertLevel.ERROR, told)


def _manage(trade: PairTrade, leg: Leg) -> tuple[PairTrade, OrderAction | None]:
    """Return what to do about the order of *leg*: at most one thing, and never a second order."""
    want, rung, order = wanted(trade, leg), rung_of(trade, leg), leg.order
    if order is not None:
        if not _is_wrong(trade, leg, order, want, rung):
            return trade, None
        leg = replace(leg, order=replace(order, canceling=True))
        return trade.with_leg(leg), _cancel(leg, order)
    if leg.waiting or leg.obstacle or leg.gone or not leg.takes(want):
        return trade, None
    if trade.stage is Stage.SETTLING and any(map(_may_fill, trade.legs)):
        return trade, None  # what still works on the other leg may be what is missing here
    request = _request(trade, leg, want, rung)
    if request is None:
        return trade, None
    working = WorkingOrder(
        request.client_id, request.side, request.price, request.quantity, request.entry
    )
    leg = replace(leg, order=working, rung=rung, placed_at=trade.now)
    return replace(trade.with_leg(leg), generation=trade.generation + 1), Place(request)


def _may_fill(leg: Leg) -> bool:
    """Return whether the other leg should wait for the order of *leg*.

    One that is in doubt at a venue that is silent may be so for hours; it blocks its own leg and no
    other. If it turns out to have traded after all, that is a debt like any other.
    """
    return leg.order is not None and not (leg.order.unknown and leg.silent)


def _is_wrong(trade: PairTrade, leg: Leg, order: WorkingOrder, want: int, rung: Rung) -> bool:
    """Return whether a live order should go; one that is being asked about, or leaves, stays."""
    if order.rank == 0 or order.unknown or order.canceling:
        return False
    leaves = (order.quantity - order.filled).lots
    if want * order.side.sign <= 0 or leaves > abs(want) or rung > leg.rung:
        return True
    return leg.rung is Rung.PASSIVE and _is_behind(trade, leg, order, leaves < abs(want))


def _is_behind(
    trade: PairTrade,
    leg: Leg,
    order: WorkingOrder,
    too_small: bool,  # noqa: FBT001 - private
) -> bool:
    """Return whether a passive order should be made anew: smaller than wanted, or off the touch."""
    assert leg.placed_at is not None  # noqa: S101 - there is an order
    if trade.now - leg.placed_at < timedelta(seconds=trade.spec.reprice_every):
        return False
    touch = _limit(trade, leg, order.side, Rung.PASSIVE)
    return too_small or (touch is not None and touch != order.price)


def _request(trade: PairTrade, leg: Leg, want: int, rung: Rung) -> OrderRequest | None:
    """Return the order for *want* signed lots; None while there is no price to make it with."""
    side = Side.BUY if want > 0 else Side.SELL
    price = _limit(trade, leg, side, rung)
    if price is None and rung is not Rung.MARKET:
        return None
    entry = (
        trade.kind is Kind.ENTER
        and trade.stage is Stage.LEADING
        and leg.number == trade.lead.number
    )
    reduces = leg.reduces(want)
    purposes = _CLOSING if reduces or leg.closing or trade.unwinding else _OPENING
    key = OrderKey(leg.tag, purposes[side], WHOLE_RUN, trade.generation + 1)
    passive = rung is Rung.PASSIVE
    return OrderRequest(
        encode(key),
        leg.instrument.symbol,
        side,
        Quantity(abs(want)),
        price,
        type=OrderType.MARKET if price is None else OrderType.LIMIT,
        time_in_force=TimeInForce.GTC if passive else TimeInForce.IOC,
        post_only=passive,
        reduce_only=reduces,
        entry=entry,
        decided=leg.decided,
    )


def _limit(trade: PairTrade, leg: Leg, side: Side, rung: Rung) -> Price | None:
    if leg.quote is None:
        return None
    return trade.spec.limit(rung, side, leg.quote.bid, leg.quote.ask)


def _cancel(leg: Leg, order: WorkingOrder) -> Cancel:
    return Cancel(leg.instrument.symbol, order.client_id, order.order_id)


def _saying(decided: PairStep, level: AlertLevel, told: str) -> PairStep:
    return PairStep(decided.state, (*decided.actions, Alert(level, told)))
