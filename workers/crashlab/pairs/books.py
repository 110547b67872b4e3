"""What must agree of a pair once everything is quiet: both exchanges, the ledger and the pair."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from activities.store.ledger import Ledger
from domain.accounting import VenueView, residual
from domain.arbitrage.view import PairStatus
from domain.correction import Correction
from domain.money import EXACT, ZERO, Instrument, MarketKind, add
from domain.orders import Fill
from workers.crashlab.books import fills_are_known, orders_exist_once
from workers.crashlab.pairs.hand import ExchangeBooks


@dataclass(frozen=True, slots=True)
class LegBooks:
    """One leg: its exchange, and its books in the ledger."""

    number: int
    there: ExchangeBooks
    stored: Sequence[Fill]
    #: As the venue told it, whose lots need not be the exchange's.
    instrument: Instrument
    #: What the ledger says that is held.
    base: Decimal
    residual: Decimal | None
    corrections: Sequence[Correction]

    @classmethod
    async def read(
        cls, number: int, run_id: str, there: ExchangeBooks, ledger: Ledger
    ) -> "LegBooks | None":
        """Read the ledger; None before the leg was opened. Raises a StoreError."""
        run = await ledger.run(run_id)
        if run is None or run.opening is None:
            return None
        account = await ledger.account_of_run(run_id)
        now = VenueView.of(there.instrument, there.balances, there.positions)
        return cls(
            number,
            there,
            await ledger.fills_of_run(run_id),
            run.instrument,
            account.base,
            residual([account], run.opening, now, there.price),
            await ledger.corrections_of_run(run_id),
        )

    @property
    def held(self) -> Decimal:
        """Signed base that the exchange's fills leave, on spot without the fees taken in base."""
        return add(ZERO, *(_moved(fill, self.there.instrument) for fill in self.there.fills))

    @property
    def least(self) -> Decimal:
        """The least base that the venue takes an order for."""
        return self.instrument.base_of(self.instrument.min_quantity)

    def conclusive(self) -> Iterator[str]:
        """Yield what is broken and no waiting mends."""
        yield from orders_exist_once(self.there.orders)
        for each in self.corrections:
            yield f"correction: {each.lots} lots of the position at {each.at:%T} ({each.why})"

    def violations(self) -> Iterator[str]:
        """Yield every promise that is broken; to be asked when things are quiet."""
        for order in self.there.orders:
            if order.status.working:
                yield f"orphan: order {order.client_id} rests, and nobody waits for it"
        there = self.there
        yield from fills_are_known(there.fills, there.instrument, self.stored, self.instrument)
        if self.base != self.held:
            yield f"position: the ledger has {self.base}, the exchange's fills leave {self.held}"
        if there.instrument.kind is MarketKind.PERPETUAL:
            lots = sum(each.lots for each in there.positions)
            position = EXACT.multiply(there.instrument.lot_size, Decimal(lots))
            if position != self.held:
                yield f"position: the exchange has {position}, its fills leave {self.held}"
        if self.residual:
            yield f"cash: the residual is {self.residual}"


@dataclass(frozen=True, slots=True)
class Debt:
    """For *lasted* something was not hedged, by the exchanges' own clocks."""

    lasted: timedelta
    base: Decimal


@dataclass(frozen=True, slots=True)
class PairBooks:
    """One look at a pair."""

    legs: tuple[LegBooks, LegBooks]
    status: PairStatus

    @property
    def naked(self) -> Decimal:
        """Signed base that one leg holds and the other does not hedge."""
        return add(*(leg.held for leg in self.legs))

    def conclusive(self) -> list[str]:
        """Return what is broken and no waiting mends; it may be asked at any time."""
        return [f"leg {leg.number}: {what}" for leg in self.legs for what in leg.conclusive()]

    def violations(self) -> list[str]:
        """Return every promise that is broken; to be asked when things are quiet."""
        return [*self.conclusive(), *self._when_quiet()]

    def agree(self) -> bool:
        """Return whether nothing is wrong, and everybody has heard of everything."""
        return not self.violations()

    def _when_quiet(self) -> Iterator[str]:
        if self.status.trade:
            yield f"stuck: a trade is still under way ({self.status.trade})"
        if abs(self.naked) >= self._least:
            held = " and ".join(str(leg.held) for leg in self.legs)
            yield f"naked: {self.naked} of {held} are not hedged"
        for leg, told in zip(self.legs, self.status.legs, strict=True):
            yield from (f"leg {leg.number}: {what}" for what in leg.violations())
            if told.base != leg.held:
                yield f"leg {leg.number}: the pair believes in {told.base}, it holds {leg.held}"

    @property
    def _least(self) -> Decimal:
        return min(leg.least for leg in self.legs)

    def debts(self) -> list[Debt]:
        """Return how long something tradable was not hedged, each time; not what is now."""
        fills = [(fill, leg.there.instrument) for leg in self.legs for fill in leg.there.fills]
        debts, held, since, most = [], ZERO, None, ZERO
        for fill, instrument in sorted(fills, key=lambda each: each[0].at):
            held = EXACT.add(held, _moved(fill, instrument))
            if abs(held) >= self._least:
                since, most = since or fill.at, max(most, abs(held))
            elif since is not None:
                debts.append(Debt(fill.at - since, most))
                since, most = None, ZERO
        return debts


def _moved(fill: Fill, instrument: Instrument) -> Decimal:
    traded = EXACT.multiply(instrument.base_of(fill.quantity), fill.side.sign)
    kept = instrument.kind is MarketKind.SPOT and fill.fee_asset == instrument.base
    return EXACT.subtract(traded, fill.fee) if kept else traded
