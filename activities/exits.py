"""Ways out that were asked for, kept in the ledger beside the breakers until they have ended.

To ask opens the run's breaker, so that nothing goes in again, and leaves a record. Whoever works on
the run finds it there, also after a restart of everything, and begins. There is one way out of a
run at a time: to ask again returns the one that is under way.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from pydantic import TypeAdapter

from activities.clock import utc_now
from activities.risk import RiskDesk
from activities.store.ledger import Ledger
from activities.store.records import AuditEntry, RiskEvent, Run
from activities.store.risk import RiskChange, States
from domain.errors import InvalidValueError
from domain.grid.events import Alert
from domain.money import MarketKind
from domain.risk.scope import Scope, ScopeKind
from domain.risk.way_out import Debt, WayOut

_WAY: Final = TypeAdapter(WayOut)
_DEBT: Final = TypeAdapter(Debt)
_SOURCE: Final = "risk"


class Exits:
    """The ways out of all runs."""

    def __init__(
        self, ledger: Ledger, risk: RiskDesk, clock: Callable[[], datetime] = utc_now
    ) -> None:
        self._ledger = ledger
        self._risk = risk
        self._clock = clock
        #: What was read last of some runs, and at which version of it all.
        self._read: dict[tuple[str, ...], tuple[int, Mapping[str, WayOut]]] = {}

    async def ask(self, run: Run, who: str, why: str) -> WayOut:
        """Ask for a way out of *run*, unless one is under way; return it.

        Raises InvalidValueError without a *why*, or a StoreError if it could not be stored.
        """
        if not why:
            raise InvalidValueError("why: an exit needs a reason, for the audit log")
        under_way = (await self.of([run.run_id])).get(run.run_id)
        if under_way is None or under_way.ended:
            await self._risk.trip(Scope(ScopeKind.RUN, run.run_id), who, f"emergency exit: {why}")
        asked = under_way

        def work(stored: States) -> RiskChange:
            nonlocal asked
            before = _way_in(stored, run.run_id)
            if before is not None and not before.ended:
                asked = before
                return RiskChange()
            asked = self._asked(run, before, who, why)
            return _change(asked, "exit asked", why, asked.asked_at)

        await self._change(run.run_id, work)
        assert asked is not None  # noqa: S101 - the transaction was made
        return asked

    def _asked(self, run: Run, before: WayOut | None, who: str, why: str) -> WayOut:
        shared = bool(run.spec.get("shared", False))
        return WayOut(
            run.run_id,
            run.tag,
            run.account,
            run.symbol,
            before.number + 1 if before else 1,
            who,
            why,
            self._clock(),
            run.instrument.kind is MarketKind.PERPETUAL and not shared,
            self._risk.spec.emergency.steps,
        )

    async def of(self, run_ids: Sequence[str]) -> Mapping[str, WayOut]:
        """Return the newest way out of each run that was ever asked to leave.

        Raises a StoreError if the ledger cannot be read.
        """
        key = tuple(run_ids)
        version, known = self._read.get(key, (None, None))
        names = [_name(run_id) for run_id in key]
        now, stored = await self._ledger.look_at_risk(names, version)
        if stored is not None or known is None:
            found = [_WAY.validate_python(each) for each in (stored or {}).values()]
            known = {way.run_id: way for way in found}
            self._read[key] = (now, known)
        return known

    async def note(self, way: WayOut, debt: Debt) -> None:
        """Keep how far *way* is, for people to see. Raises a StoreError."""

        def work(stored: States) -> RiskChange:
            before = _way_in(stored, way.run_id)
            if before is None or before.number != way.number or before.debt == debt:
                return RiskChange()
            return RiskChange({_name(way.run_id): _stored(replace(before, debt=debt))})

        await self._change(way.run_id, work)

    async def tell(self, way: WayOut, alert: Alert) -> None:
        """Tell and record what people have to hear about *way*. Raises a StoreError."""
        await self._risk.alerts.of_engine(way.run_id, [alert])
        details = {"message": alert.message, "number": way.number}
        told = RiskEvent(self._clock(), "exit", way.account, way.run_id, details)
        await self._ledger.record_risk_event(told)

    async def end(self, way: WayOut, debt: Debt) -> None:
        """Note that *way* has ended, with *debt* left. Raises a StoreError. Safe to repeat."""

        def work(stored: States) -> RiskChange:
            before = _way_in(stored, way.run_id)
            if before is None or before.number != way.number or before.ended:
                return RiskChange()
            at = self._clock()
            ended = replace(before, debt=debt, ended_at=at)
            return _change(ended, "exit ended", f"{debt.phase} after {debt.orders} orders", at)

        await self._change(way.run_id, work)

    async def _change(self, run_id: str, work: Callable[[States], RiskChange]) -> None:
        await self._ledger.change_risk([_name(run_id)], work, self._clock())


def _name(run_id: str) -> str:
    return f"exit of run {run_id}"


def _way_in(stored: States, run_id: str) -> WayOut | None:
    found = stored.get(_name(run_id))
    return None if found is None else _WAY.validate_python(found)


def _stored(way: WayOut) -> Any:
    return _WAY.dump_python(way, mode="json")


def _change(way: WayOut, command: str, why: str, at: datetime) -> RiskChange:
    """Return *way* as what is stored, told and audited."""
    debt = None if way.debt is None else _DEBT.dump_python(way.debt, mode="json")
    after = {"number": way.number, "debt": debt}
    return RiskChange(
        {_name(way.run_id): _stored(way)},
        [RiskEvent(at, command, way.account, way.run_id, after)],
        [AuditEntry(at, way.who, _SOURCE, command, way.run_id, None, after, why)],
    )
