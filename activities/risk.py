"""The risk desk: the only reader and writer of what risk knows.

Breakers, the word of the market monitor and reservations lie in the ledger, so they outlive every
process and are the same for all of them. A breaker is stepped in one transaction (read, step,
write, tell), so two processes that trip and reset at once come one after the other.

A breaker of which nothing is stored is closed. A monitor that is set up and has not spoken, or too
long ago, halts (decision D9); one that is not set up halts nothing.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from pydantic import TypeAdapter

from activities.alerting import AlertDesk
from activities.clock import utc_now
from activities.risk_log import (
    commands,
    entry_of_move,
    of_move,
)
from activities.risk_word import ROWS, overruled, spoken, word
from activities.store.at_risk import AtRisk
from activities.store.ledger import Ledger
from activities.store.records import Run
from activities.store.risk import RiskChange, States
from domain.money import Price
from domain.order_ids import decode
from domain.orders import OrderRequest
from domain.risk.admission import admit
from domain.risk.breaker import BreakerState, Phase, Transition, step
from domain.risk.breaker_events import (
    BreakerEvent,
    ResetAsked,
    TimePassed,
    TrialBegun,
    TripAsked,
)
from domain.risk.limits import Asker, Reservation, worst
from domain.risk.monitor import Verdict
from domain.risk.scope import Scope, scopes
from domain.risk.spec import RiskSpec
from domain.risk.standing import RiskView, Standing, standing

_BREAKER: Final = TypeAdapter(BreakerState)
_RESERVATION: Final = TypeAdapter(Reservation)
#: Of what is stored: what to tell each breaker, and what to store beside it.
Measuring = Callable[[States], tuple[Mapping[Scope, Sequence[BreakerEvent]], Mapping[str, Any]]]


@dataclass(frozen=True, slots=True)
class Known:
    """What is known at one moment of some scopes."""

    breakers: Mapping[Scope, BreakerState]
    #: Of the market monitor; None: it has not spoken.
    verdict: Verdict | None
    #: Candles of the market monitor up to this opening were judged by a person.
    pardoned: datetime | None = None


class RiskDesk:
    """Whether a run may open anything, and all that changes that."""

    def __init__(
        self,
        ledger: Ledger,
        spec: RiskSpec | None = None,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._ledger = ledger
        self.spec = spec or RiskSpec()
        self._clock = clock
        #: For what people should hear of besides what risk does.
        self.alerts = AlertDesk(ledger, clock)
        #: What was read last of the scopes of a question, and at which version of it all.
        self._read: dict[tuple[Scope, ...], tuple[int, Known]] = {}
        #: Run ids by tag, which never change.
        self._runs: dict[str, str] = {}

    async def run_of(self, client_id: str) -> str | None:
        """Return the run that an order is of; None if it is not known. Raises a StoreError."""
        key = decode(client_id)
        if key is None:
            return None
        if key.run_tag not in self._runs:
            found = await self._ledger.runs_by_tag([key.run_tag])
            self._runs |= {tag: run.run_id for tag, run in found.items()}
        return self._runs.get(key.run_tag)

    # --- where runs stand --------------------------------------------------------------------

    async def standing(self, run_id: str, account: str) -> Standing:
        """Return where a run stands now, for an order that is about to leave.

        Looks into the ledger each time. Raises a StoreError if that cannot be read.
        """
        return self._standing(await self.known(scopes(run_id, account)), run_id, account)

    async def standings(self, account: str, run_ids: Sequence[str]) -> Mapping[str, Standing]:
        """Return where runs of an account stand now, as their engines should hear it.

        Lets breakers notice that time has passed. A trial that is under way does not halt an
        engine, which would cancel the very order; the last gate sees to it that there is only one.
        Raises a StoreError if the ledger cannot be read or written.
        """
        wanted = _together(scopes(run_id, account) for run_id in run_ids)
        known = await self.known(wanted)
        now = self._clock()
        passed = [
            scope
            for scope, breaker in known.breakers.items()
            if _waits(breaker) and step(breaker, TimePassed(now)).state != breaker
        ]
        if passed:
            await self.tell(passed, TimePassed(now))
            known = await self.known(wanted)
        resting = {scope: _at_rest(breaker) for scope, breaker in known.breakers.items()}
        calmed = replace(known, breakers=resting)
        return {run_id: self._standing(calmed, run_id, account) for run_id in run_ids}

    async def known(self, wanted: Sequence[Scope]) -> Known:
        """Return what is known of the scopes *wanted*, and of the market."""
        key = tuple(wanted)
        version, known = self._read.get(key, (None, None))
        now, stored = await self._ledger.look_at_risk([*map(str, key), *ROWS], version)
        if stored is not None or known is None:
            known = self._known(key, stored or {})
            self._read[key] = (now, known)
        return known

    def _known(self, wanted: Iterable[Scope], stored: States) -> Known:
        said = word(stored)
        breakers = {scope: self._breaker(scope, stored) for scope in wanted}
        return Known(breakers, said.verdict, said.pardoned)

    def _breaker(self, scope: Scope, stored: States) -> BreakerState:
        """Return a breaker as it is stored, with the limits of today."""
        state = stored.get(str(scope))
        if state is None:
            return BreakerState(scope, self.spec.breaker)
        return replace(_BREAKER.validate_python(state), spec=self.spec.breaker)

    def _standing(self, known: Known, run_id: str, account: str) -> Standing:
        now, monitor = self._clock(), self.spec.monitor
        verdict, valid_for = known.verdict, timedelta.max
        if monitor is None or not monitor.enabled:
            verdict = Verdict(halted=False, why="there is no market monitor", at=now)
        else:
            valid_for = timedelta(seconds=monitor.stale_after)
        # Who has no room was refused at the start, see `admit`.
        breakers = tuple(known.breakers[scope] for scope in scopes(run_id, account))
        view = RiskView(verdict, breakers, {run_id: None})
        return standing(view, run_id, account, now, valid_for)

    async def stored(self, name: str) -> Any:
        """Return what is stored beside the breakers under *name*; None: nothing yet."""
        _, found = await self._ledger.look_at_risk([name])
        return (found or {}).get(name)

    # --- breakers ----------------------------------------------------------------------------

    async def tell(self, told: Sequence[Scope], *events: BreakerEvent) -> None:
        """Tell the breakers of the scopes *told* what happened; every move is recorded.

        Raises a StoreError if that could not be stored; then nothing was.
        """
        each = dict.fromkeys(told, events)
        await self._change(told, (), lambda stored: self._stepped(each, stored))

    async def measure(self, told: Sequence[Scope], beside: Sequence[str], work: Measuring) -> None:
        """Tell breakers what *work* makes of what is stored, and store with it what it returns.

        *work* is given what is stored under the names *beside*, and nobody changes it meanwhile.
        Raises a StoreError if that could not be stored; then nothing was.
        """

        def change(stored: States) -> RiskChange:
            events, states = work(stored)
            done = self._stepped(events, stored)
            return replace(done, states={**done.states, **states})

        await self._change(told, beside, change)

    async def _change(
        self, told: Sequence[Scope], beside: Sequence[str], work: Callable[[States], RiskChange]
    ) -> None:
        await self._ledger.change_risk([*map(str, told), *beside], work, self._clock())

    def _stepped(self, told: Mapping[Scope, Sequence[BreakerEvent]], stored: States) -> RiskChange:
        states: dict[str, Any] = {}
        moves: list[Transition] = []
        for scope, events in told.items():
            before = after = self._breaker(scope, stored)
            for event in events:
                was = after
                done = step(was, event)
                after = done.state
                moves += done.transitions or commands(was, after, event)
            if after != before:
                states[str(scope)] = _BREAKER.dump_python(after, mode="json")
        return RiskChange(states, [of_move(m) for m in moves], [entry_of_move(m) for m in moves])

    async def trip(self, scope: Scope, who: str, why: str) -> None:
        """Open a breaker until somebody resets it. Raises InvalidValueError without a *why*."""
        await self.tell([scope], TripAsked(who, why, self._clock()))

    async def reset(self, scope: Scope, who: str, why: str) -> None:
        """Close a breaker; all is measured anew. Raises InvalidValueError without a *why*."""
        await self.tell([scope], ResetAsked(who, why, self._clock()))

    async def begin_trial(self, run_id: str, account: str) -> bool:
        """Take the one opening that half-open breakers of a run let through.

        Returns whether it was there to be had, for nobody takes it twice.
        """
        asked, at = scopes(run_id, account), self._clock()
        taken = False

        def take(stored: States) -> RiskChange:
            nonlocal taken
            taken = all(self._breaker(scope, stored).lets_through for scope in asked)
            begun = dict.fromkeys(asked, (TrialBegun(at),))
            return self._stepped(begun, stored) if taken else RiskChange()

        await self._change(asked, (), take)
        return taken

    # --- the market monitor ------------------------------------------------------------------

    async def speak(
        self, verdict: Verdict, speaker: str = "", patience: timedelta = timedelta()
    ) -> bool:
        """Keep what the market monitor says; a change of it is told, the rest is its heartbeat.

        Returns False, and keeps nothing, if another *speaker* spoke within *patience*.
        """
        taken = True

        def work(stored: States) -> RiskChange:
            nonlocal taken
            change = spoken(stored, verdict, speaker, patience)
            taken = change is not None
            return change or RiskChange()

        await self._change((), ROWS, work)
        return taken

    async def pardon(self, who: str, why: str) -> None:
        """End the storm of the market monitor: a person has judged all candles it has seen.

        The next candle may begin another. Raises InvalidValueError without a *why*, and if the
        monitor has seen nothing.
        """
        now = self._clock()
        await self._change((), ROWS, lambda stored: overruled(stored, who, why, now))

    # --- limits ------------------------------------------------------------------------------

    async def admit(self, asked: Reservation) -> str | None:
        """Reserve what a run may need at most; or return why there is no room for it.

        Of two that ask at once for the last of it, one is refused.
        """

        def refused(stored: States) -> str | None:
            had = {key: _RESERVATION.validate_python(each) for key, each in stored.items()}
            return admit(self.spec.limits, had, asked)

        stored = _RESERVATION.dump_python(asked, mode="json")
        return await self._ledger.reserve(
            asked.run_id, asked.account, stored, refused, self._clock()
        )

    async def reserved(self, run_id: str) -> Reservation | None:
        """Return what a run has reserved; None: nothing."""
        stored = (await self._ledger.reserved()).get(run_id)
        return None if stored is None else _RESERVATION.validate_python(stored)

    async def now(self, run: Run) -> Reservation:
        """Return the worst that can become of what a run holds and has sent so far."""
        known = await self._ledger.at_risk(run.tag)
        return _asked(run, known, (), await self.reserved(run.run_id))

    async def make_room(self, run: Run, requests: Sequence[OrderRequest]) -> str | None:
        """See that *requests*, entries of *run*, are covered by what it has reserved.

        Where it holds more by now than it began with, more is reserved first. Returns why there is
        no room for that; None: they are covered.
        """
        known = await self._ledger.at_risk(run.tag)
        had = await self.reserved(run.run_id)
        asked = _asked(run, known, requests, had)
        if had is not None and asked.within(had):
            return None
        return await self.admit(asked if had is None else asked.covering(had))

    async def release(self, run_id: str) -> None:
        """Give free what a run had reserved."""
        await self._ledger.release(run_id)


def _together(groups: Iterable[Sequence[Scope]]) -> list[Scope]:
    """Return every scope once, in the order they come."""
    return list(dict.fromkeys(scope for group in groups for scope in group))


def _waits(breaker: BreakerState) -> bool:
    """Return whether time alone may move a breaker."""
    return breaker.phase is not Phase.CLOSED or bool(breaker.measures.stale)


def _at_rest(breaker: BreakerState) -> BreakerState:
    """Return a half-open breaker without its trial."""
    trying = breaker.phase is Phase.HALF_OPEN and breaker.trial_at is not None
    return replace(breaker, trial_at=None) if trying else breaker


def _asked(
    run: Run, known: AtRisk, requests: Sequence[OrderRequest], had: Reservation | None
) -> Reservation:
    """Return the worst case of a run that sends *requests* beside what works of it.

    What it holds counts at the highest price of all these orders.
    """
    sent = {request.client_id for request in requests}
    others = [each for each in known.working if each.client_id not in sent]
    entries = [each for each in others if _is_entry(each.client_id)]
    weighed = [(each.side, each.price, each.quantity) for each in entries]
    weighed += [(each.side, each.price, each.quantity) for each in requests]
    highest = max((price for _, price, _ in weighed if price), default=Price(1))
    sizes = [
        (side, run.instrument.notional(price or highest, quantity))
        for side, price, quantity in weighed
    ]
    held = run.instrument.notional_of(highest.ticks * known.lots)
    leverage = had.leverage if had else Decimal(1)
    of = Asker(run.run_id, run.account, run.symbol, run.instrument.quote, leverage)
    return worst(of, sizes, held=held, exits=len(others) - len(entries))


def _is_entry(client_id: str) -> bool:
    key = decode(client_id)
    return key is not None and key.purpose.is_entry
