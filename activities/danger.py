"""Looking out for danger: positions near liquidation, an account in bad health, a deep fall.

`domain.risk.emergency` says what danger asks for; here is who is to leave then. What cannot be
found out starts nothing: the account's breaker is told, and opens when it takes too long.
"""

import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final

from activities.clock import utc_now
from activities.exits import Exits
from activities.noticing import Notices
from activities.risk import RiskDesk
from activities.store.ledger import Ledger
from activities.store.records import Run
from domain.conditions import HealthVenue
from domain.errors import StoreError, VenueError
from domain.market import Position
from domain.money import ZERO, MarketKind
from domain.ports import Venue
from domain.risk.emergency import Alarm, Danger, Urgency, assess
from domain.risk.scope import Scope, ScopeKind

#: Who asks for the exit then.
_WATCH: Final = "danger watch"
_log: Final = logging.getLogger(__name__)


class DangerWatch:
    """Looks at one account, and lets its runs leave."""

    def __init__(
        self,
        account: str,
        venue: Venue,
        ledger: Ledger,
        risk: RiskDesk,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._account = account
        self._venue = venue
        self._ledger = ledger
        self._risk = risk
        self._exits = Exits(ledger, risk, clock)
        self._notices = Notices(account, risk, clock)
        self._clock = clock
        self._unknown_since: datetime | None = None

    async def look(self, run_ids: Sequence[str]) -> None:
        """Look once at what concerns the runs of the account that are open."""
        try:
            found = [await self._ledger.run(run_id) for run_id in run_ids]
            await self._judge([run for run in found if run is not None and run.closed_at is None])
            self._unknown_since = None
        except (VenueError, StoreError) as error:
            _log.warning("the danger of account %s is not known: %s", self._account, error)
            self._unknown_since = self._unknown_since or self._clock()
        await self._notices.positions(self._unknown_since)

    async def _judge(self, runs: Sequence[Run]) -> None:
        spec = self._risk.spec.emergency
        held = await self._positions(runs)
        for symbol, positions in held.items():
            alarm = assess(spec, Danger(positions))
            if alarm.urgency is Urgency.EXIT:
                await self._leave([run for run in runs if run.symbol == symbol], alarm)
        alarm = assess(spec, Danger((), await self._health(), await self._notices.fallen()))
        if alarm.urgency is Urgency.EXIT:
            await self._leave(runs, alarm, Scope(ScopeKind.ACCOUNT, self._account))
        elif alarm.urgency is Urgency.REDUCE:
            await self._leave(_largest(runs, held), alarm, Scope(ScopeKind.ACCOUNT, self._account))

    async def _positions(self, runs: Sequence[Run]) -> dict[str, tuple[Position, ...]]:
        perpetual = [run for run in runs if run.instrument.kind is MarketKind.PERPETUAL]
        symbols = sorted({run.symbol for run in perpetual})
        return {symbol: tuple(await self._venue.positions(symbol)) for symbol in symbols}

    async def _health(self) -> Decimal | None:
        return await self._venue.health() if isinstance(self._venue, HealthVenue) else None

    async def _leave(self, runs: Sequence[Run], alarm: Alarm, halted: Scope | None = None) -> None:
        """Let *runs* leave that are not on their way, and halt what else is in danger."""
        known = await self._exits.of([run.run_id for run in runs])
        staying = [run for run in runs if run.run_id not in known or known[run.run_id].ended]
        if staying and halted is not None:
            await self._risk.trip(halted, _WATCH, alarm.why)
        for run in staying:
            _log.critical("run %s leaves: %s", run.run_id, alarm.why)
            await self._exits.ask(run, _WATCH, alarm.why)


def _largest(runs: Sequence[Run], held: dict[str, tuple[Position, ...]]) -> Sequence[Run]:
    """Return the runs on the symbol whose position is worth most: half a grid is no grid."""

    def worth(symbol: str) -> Decimal:
        (instrument, *_) = [run.instrument for run in runs if run.symbol == symbol]
        sizes = [abs(each.lots) * each.mark.ticks for each in held[symbol] if each.mark]
        return instrument.notional_of(sum(sizes)) if sizes else ZERO

    symbol = max(held, key=worth, default=None)
    return [run for run in runs if run.symbol == symbol]
