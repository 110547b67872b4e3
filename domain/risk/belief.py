"""What an engine believes of its orders and its position: one side of a reconciliation.

Arbitrage legs make one of these of their own state, and are reconciled by the same rules.
"""

from dataclasses import dataclass
from decimal import Decimal

from domain.grid.slot import WorkingOrder, new_fees
from domain.grid.state import GridState
from domain.money import EXACT, ZERO, Instrument, MarketKind, add
from domain.order_ids import decode
from domain.orders import OrderReport


@dataclass(frozen=True, slots=True)
class Belief:
    """What a run believes of its symbol at one moment."""

    instrument: Instrument
    tag: str
    #: Orders that may be live.
    working: tuple[WorkingOrder, ...]
    #: Signed base.
    held: Decimal
    #: Orders that are over and still remembered.
    closed: tuple[WorkingOrder, ...] = ()
    #: The newest order ever intended, and older ones that were never seen here.
    generation: int = 0
    unseen: tuple[int, ...] = ()

    def known(self, client_id: str) -> WorkingOrder | None:
        """Return the order of this id, live or over, if it is remembered."""
        orders = (*self.working, *self.closed)
        return next((order for order in orders if order.client_id == client_id), None)

    def is_ours(self, report: OrderReport) -> bool:
        key = decode(report.client_id)
        return key is not None and key.run_tag == self.tag

    def is_news(self, report: OrderReport) -> bool:
        """Return whether *report* is of an order of ours that this belief has never heard of."""
        key = decode(report.client_id)
        if key is None or key.run_tag != self.tag or self.known(report.client_id) is not None:
            return False
        if key.purpose.leaves:  # of an emergency exit, which keeps its own count
            return False
        return key.generation > self.generation or key.generation in self.unseen

    def untold(self, report: OrderReport) -> Decimal:
        """Return the signed base that *report* tells of and that `held` does not have in it.

        It is the other way round if the belief is the newer of the two.
        """
        order = self.known(report.client_id)
        if order is None and not self.is_news(report):
            return ZERO  # of somebody else, or so old that it was counted and forgotten
        filled = order.filled.lots if order else 0
        lots = (report.filled.lots - filled) * report.side.sign
        traded = EXACT.multiply(Decimal(lots), self.instrument.lot_size)
        return EXACT.subtract(traded, self._base_fee(order, report))

    def _base_fee(self, order: WorkingOrder | None, report: OrderReport) -> Decimal:
        if self.instrument.kind is not MarketKind.SPOT:
            return ZERO
        known = dict(order.fees if order else ())
        base = self.instrument.base
        if order is not None and report.filled < order.filled:
            return EXACT.subtract(report.fee_in(base), known.get(base, ZERO))
        return new_fees(tuple(known.items()), report).get(base, ZERO)


def belief(state: GridState) -> Belief:
    """Return what a grid believes."""
    instrument = state.config.instrument
    holdings = [slot.holding for slot in state.slots.values()]
    holdings += [state.residue] if state.residue else []
    return Belief(
        instrument,
        state.tag,
        tuple(state.working()),
        add(*(holding.base(instrument) for holding in holdings)),
        tuple(closed.order for closed in state.closed),
        state.generation,
        state.unseen,
    )
