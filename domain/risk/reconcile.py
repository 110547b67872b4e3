"""What to do about every order and the position, when our state is compared with the venue.

| order | move |
|---|---|
| believed live, shown live | keep; adopt what it filled meanwhile |
| believed live, shown filled | adopt: a ghost fill, through the reducer |
| believed live, shown ended though nobody asked | recreate: its slot is free again |
| believed live, not shown, just sent | keep: it is in flight |
| believed live, not shown | look up; never declared canceled (flaw K-1) |
| not believed, of a generation we have not seen | adopt: sent by us, the memory was lost |
| not believed, ours, and still live | cancel: a stray |
| of another run of this account | keep |
| of a run that nobody here knows | report: what is left of a lost ledger may be needed yet |
| anybody else's | report; cancel if the account is exclusive (decision D8) |

The plan is a value, so it can be shown before it is carried out. It is the engine's reducer that
books fills; nothing here does.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from domain.grid.slot import CLOSED_RANK, WorkingOrder
from domain.market import AccountView
from domain.money import EXACT, ZERO, Instrument, MarketKind, add
from domain.order_ids import decode
from domain.orders import OrderReport, OrderStatus
from domain.risk.belief import Belief
from domain.risk.divergence import PositionShown, PositionVerdict, judge


class Move(StrEnum):
    """What becomes of an order."""

    KEEP = "keep"
    ADOPT = "adopt"
    CANCEL = "cancel"
    RECREATE = "recreate"
    LOOK_UP = "look_up"
    REPORT = "report"


@dataclass(frozen=True, slots=True)
class OrderVerdict:
    """What to do about one order, and why in words."""

    move: Move
    client_id: str
    order_id: str
    why: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What a reconciliation would do."""

    at: datetime
    orders: tuple[OrderVerdict, ...]
    position: PositionVerdict

    def to(self, move: Move) -> tuple[OrderVerdict, ...]:
        """Return the orders that *move* is for."""
        return tuple(verdict for verdict in self.orders if verdict.move is move)


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What else one must know to judge a view of an account."""

    #: How long after it was sent an order can still arrive.
    arrival_limit: timedelta
    #: When each order was sent, by client id, as far as there is a send marker.
    sent_at: Mapping[str, datetime] = field(default_factory=dict)
    #: Nobody but us trades on the account: foreign orders are canceled.
    exclusive: bool = False
    #: Tags of the other runs of the account.
    siblings: frozenset[str] = frozenset()
    #: Signed base in the symbol that is not this run's: other runs', or on spot what was there.
    others_held: Decimal | None = ZERO
    #: Others trade the symbol too.
    shared: bool = False
    severe_percent: Decimal = Decimal(5)


def reconcile(belief: Belief, view: AccountView, known: Circumstances) -> Plan:
    """Return what to do so that *belief* and *view* agree. *view* must be one that succeeded."""
    reports = [one for one in view.orders if one.symbol == belief.instrument.symbol]
    shown = {report.client_id: report for report in reports}
    pairs = [(order, shown.get(order.client_id)) for order in belief.working]
    verdicts = [_believed(order, report, view.at, known) for order, report in pairs]
    believed = {order.client_id for order in belief.working}
    strangers = (report for report in reports if report.client_id not in believed)
    unsettled = [order for order, report in pairs if report is None]
    held = add(belief.held, *(belief.untold(one) for one in reports))
    position = PositionShown(
        found(belief.instrument, view), known.others_held, known.shared, known.severe_percent
    )
    return Plan(
        view.at,
        (*verdicts, *_unbelieved(belief, strangers, known)),
        judge(belief.instrument, held, position, unsettled),
    )


def found(instrument: Instrument, view: AccountView) -> Decimal:
    """Return what *view* shows of an instrument in base: on spot all that the account owns."""
    if instrument.kind is MarketKind.SPOT:
        return add(*(one.total for one in view.balances if one.asset == instrument.base))
    lots = sum(one.lots for one in view.positions if one.symbol == instrument.symbol)
    return EXACT.multiply(Decimal(lots), instrument.lot_size)


def _believed(
    order: WorkingOrder, report: OrderReport | None, at: datetime, known: Circumstances
) -> OrderVerdict:
    move, why = _missing(order, at, known) if report is None else _shown(order, report)
    return OrderVerdict(move, order.client_id, order.order_id, why)


def _missing(order: WorkingOrder, at: datetime, known: Circumstances) -> tuple[Move, str]:
    sent_at = known.sent_at.get(order.client_id)
    if sent_at is not None and at - sent_at <= known.arrival_limit:
        return Move.KEEP, f"in flight: sent at {sent_at:%T}, it may still arrive"
    return Move.LOOK_UP, "the venue does not show it; only a look-up can say what became of it"


def _shown(order: WorkingOrder, report: OrderReport) -> tuple[Move, str]:
    more = report.filled > order.filled
    filled = f"filled {order.filled.lots} to {report.filled.lots} of {order.quantity.lots} lots"
    if report.status.working:
        return (Move.ADOPT, f"{filled} meanwhile") if more else (Move.KEEP, "live, as believed")
    if report.status is OrderStatus.FILLED:
        return Move.ADOPT, f"{filled} while nobody was listening"
    if order.canceling:
        return Move.ADOPT, f"{report.status} as asked, {filled}"
    return Move.RECREATE, f"{report.status} though nobody asked, {filled}; its slot is free again"


def _unbelieved(
    belief: Belief, reports: Iterator[OrderReport], known: Circumstances
) -> Iterator[OrderVerdict]:
    for report in reports:
        judge = _of_ours if belief.is_ours(report) else _of_others
        verdict = judge(belief, report, known)
        if verdict is not None:
            move, why = verdict
            yield OrderVerdict(move, report.client_id, report.order_id, why)


def _of_ours(belief: Belief, report: OrderReport, _: Circumstances) -> tuple[Move, str] | None:
    order, working = belief.known(report.client_id), report.status.working
    if belief.is_news(report):
        return Move.ADOPT, f"sent by this run and forgotten: {report.status}"
    if order is not None and report.filled > order.filled:
        return Move.ADOPT, f"filled to {report.filled.lots} lots after it was believed over"
    if not working:
        return None
    if order is not None and order.rank >= CLOSED_RANK:
        return Move.KEEP, "ended since this view was taken"
    return Move.CANCEL, "a stray: sent by this run, which has no slot for it"


def _of_others(_: Belief, report: OrderReport, known: Circumstances) -> tuple[Move, str] | None:
    if not report.status.working:
        return None
    key = decode(report.client_id)
    if key is not None and key.run_tag in known.siblings:
        return Move.KEEP, f"of another run of this account ({key.run_tag})"
    if key is not None:
        return Move.REPORT, f"of run {key.run_tag}, which is not known here; left alone"
    if known.exclusive:
        return Move.CANCEL, "not ours; the account is exclusive"
    return Move.REPORT, "not ours; left alone, since the account is not exclusive"
