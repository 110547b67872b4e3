"""What the venue shows of a run's position, what of it others hold, and what comes of a divergence.

The engine judges (`domain.grid.comparing`); here stands what it needs for that, and what it asks
for. What others held at a run's opening is kept beside the breakers, and what they traded since is
in the ledger, so what others hold now needs no clock but the venue's (decision 0011).
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from activities.clock import utc_now
from activities.looks import Look
from activities.risk import RiskDesk
from activities.store.ledger import Ledger
from activities.store.records import OPEN, AuditEntry, RiskEvent, Run
from activities.store.risk import RiskChange
from domain.correction import Correction
from domain.errors import StoreError
from domain.grid.events import BookAction, Correct, Corrected, GridEvent, TellDivergence
from domain.market import AccountView
from domain.money import EXACT, ZERO, Instrument, MarketKind, add
from domain.orders import Fill
from domain.risk.breaker_events import Diverged
from domain.risk.divergence import PositionShown
from domain.risk.reconcile import found
from domain.risk.scope import Scope, ScopeKind

#: Who corrects, in the audit log.
RECONCILER: Final = "reconciler"
_log: Final = logging.getLogger(__name__)


class Reconciler:
    """Compares the positions of one account's runs with its venue."""

    def __init__(
        self,
        account: str,
        ledger: Ledger,
        risk: RiskDesk,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._account = account
        self._ledger = ledger
        self._risk = risk
        self._clock = clock

    # --- what others hold --------------------------------------------------------------------

    async def opened(self, run: Run, view: AccountView, since: datetime) -> None:
        """Keep what others hold as a run begins; *view* shows the fills from *since* on.

        What *view* shows of fills is taken off, for all from *since* on are added again later.
        """
        if run.opening is None or not _has_others(run):
            return
        traded = [_base(run.instrument, fill) for fill in view.fills]
        base = EXACT.subtract(run.opening.base, add(*traded))
        kept = {_others_of(run): {"since": since.isoformat(), "base": str(base)}}
        await self._ledger.change_risk((), lambda _: RiskChange(kept), self._clock())

    async def shown(self, run: Run, look: Look) -> PositionShown:
        """Return the position on the symbol of *run* as *look* shows it."""
        shown = found(run.instrument, look.view)
        percent = self._risk.spec.breaker.divergence_percent
        if not _has_others(run):
            return PositionShown(shown, severe_percent=percent)
        shared, told = await self._shared(run)
        others = await self._others(run, look) if told else None
        return PositionShown(shown, others, shared, percent)

    async def _shared(self, run: Run) -> tuple[bool, bool]:
        """Return whether others trade what *run* holds, and whether it can be told how much."""
        if run.instrument.kind is MarketKind.PERPETUAL:
            return True, True
        asset = run.instrument.base
        peers = [
            peer.symbol
            for peer in await self._ledger.runs(self._account, OPEN)
            if peer.run_id != run.run_id
            and asset in (peer.instrument.base, peer.instrument.quote)
            and peer.instrument.kind is MarketKind.SPOT
        ]
        return bool(peers), all(symbol == run.symbol for symbol in peers)

    async def _others(self, run: Run, look: Look) -> Decimal | None:
        """Return what others hold at the moment of *look*; None unless the ledger is of it too."""
        _, stored = await self._ledger.look_at_risk([_others_of(run)])
        opening = (stored or {}).get(_others_of(run))
        seen = {(fill.fill_id, fill.side) for fill in look.view.fills}
        recorded = await self._ledger.fills_of_account(self._account, run.symbol, look.since)
        if opening is None or {(fill.fill_id, fill.side) for fill in recorded} != seen:
            return None
        since = datetime.fromisoformat(opening["since"])
        lots, fees = await self._ledger.moved_by_others(self._account, run.symbol, since, run.tag)
        base = EXACT.multiply(run.instrument.lot_size, Decimal(lots))
        others = add(Decimal(opening["base"]), base, *_taken(run.instrument, fees))
        return max(ZERO, others) if run.instrument.kind is MarketKind.SPOT else others

    # --- what comes of it --------------------------------------------------------------------

    async def settle(
        self, run_id: str, symbol: str, actions: Iterable[BookAction]
    ) -> list[GridEvent]:
        """Correct and tell, and return what was corrected. Safe to repeat.

        To compare must never hinder trading: what cannot be stored is logged, and asked for again
        by the next comparison.
        """
        events: list[GridEvent] = []
        for action in actions:
            try:
                if isinstance(action, Correct):
                    events += await self._correct(run_id, action)
                else:
                    await self._tell(run_id, symbol, action)
            except StoreError as error:
                _log.warning("%s: what a comparison found is not stored: %s", run_id, error)
        return events

    async def _correct(self, run_id: str, action: Correct) -> Sequence[GridEvent]:
        run = await self._ledger.run(run_id)
        if run is None:  # a lost ledger: it is told of the run first
            return ()
        correction = Correction(action.lots, action.price, action.at, action.why)
        told = {
            "symbol": run.symbol,
            "quantity": str(EXACT.multiply(run.instrument.lot_size, Decimal(action.lots))),
            "price": str(run.instrument.price_of(action.price)),
        }
        now = self._clock()
        entry = AuditEntry(now, RECONCILER, "reconcile", "correct", run_id, None, told, action.why)
        event = RiskEvent(now, "correction", self._account, run_id, {**told, "why": action.why})
        await self._ledger.correct(run, correction, entry, event)
        return (Corrected(action.lots, action.price, action.at),)

    async def _tell(self, run_id: str, symbol: str, action: TellDivergence) -> None:
        now = self._clock()
        if action.severe:
            told = [Scope(ScopeKind.ACCOUNT, self._account), Scope(ScopeKind.RUN, run_id)]
            event = Diverged(symbol, action.percent, now, action.wrong_side)
            await self._risk.tell(told, event)
            return
        detail: dict[str, Any] = {"symbol": symbol, "why": action.why}
        await self._ledger.record_risk_event(
            RiskEvent(now, "divergence", self._account, run_id, detail)
        )


def _has_others(run: Run) -> bool:
    """Return whether anybody but *run* may hold what it trades: a perpetual is its own alone."""
    return run.instrument.kind is MarketKind.SPOT or bool(run.spec.get("shared", False))


def _others_of(run: Run) -> str:
    return f"others of run {run.run_id}"


def _base(instrument: Instrument, fill: Fill) -> Decimal:
    """Return what *fill* did to what the account holds."""
    lots = EXACT.multiply(instrument.lot_size, Decimal(fill.side.sign * fill.quantity.lots))
    return add(lots, *_taken(instrument, [(fill.fee_asset, fill.fee)]))


def _taken(instrument: Instrument, fees: Iterable[tuple[str, Decimal]]) -> list[Decimal]:
    """Return what *fees* took of the base; the base of a perpetual is no asset to take from."""
    if instrument.kind is MarketKind.PERPETUAL:
        return []
    return [EXACT.minus(fee) for asset, fee in fees if asset == instrument.base]
