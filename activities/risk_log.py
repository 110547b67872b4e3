"""How moves of breakers, and words of the market monitor, are told to the logs of the ledger."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from pydantic import TypeAdapter

from activities.store.records import AuditEntry, RiskEvent
from domain.risk.breaker import BreakerState, Transition
from domain.risk.breaker_events import BreakerEvent, ResetAsked, TripAsked
from domain.risk.monitor import Verdict
from domain.risk.scope import ScopeKind

_SOURCE: Final = "risk"
_MONITOR: Final = "monitor"
#: Who speaks for the monitor.
_GUARD: Final = "guard"
_TRANSITION: Final = TypeAdapter(Transition)
_VERDICT: Final = TypeAdapter(Verdict)


def commands(
    before: BreakerState, after: BreakerState, event: BreakerEvent
) -> tuple[Transition, ...]:
    """Return a command that moved nothing as a move, for it is recorded too."""
    if not isinstance(event, TripAsked | ResetAsked):
        return ()
    return (Transition(before.scope, before.phase, after.phase, event.why, event.who, event.at),)


def of_move(move: Transition) -> RiskEvent:
    """Return *move* as a row of the risk events, numbers and all."""
    scope = move.scope
    return RiskEvent(
        move.at,
        f"breaker {move.after}",
        scope.name if scope.kind is ScopeKind.ACCOUNT else "",
        scope.name if scope.kind is ScopeKind.RUN else None,
        _TRANSITION.dump_python(move, mode="json"),
    )


def entry_of_move(move: Transition) -> AuditEntry:
    """Return *move* for the audit log."""
    told = _TRANSITION.dump_python(move, mode="json")
    scope = move.scope
    return AuditEntry(
        move.at,
        move.who,
        _SOURCE,
        f"breaker {move.after}",
        scope.name if scope.kind is ScopeKind.RUN else None,
        {"scope": str(scope), "phase": told["before"]},
        {"scope": str(scope), "phase": told["after"], **_because(told)},
        move.reason,
    )


def _because(told: Mapping[str, Any]) -> dict[str, Any]:
    return {name: told[name] for name in ("cause", "numbers") if told[name]}


def of_verdict(verdict: Verdict) -> RiskEvent:
    """Return *verdict* as a row of the risk events, readings and all."""
    return RiskEvent(verdict.at, _MONITOR, "", None, _VERDICT.dump_python(verdict, mode="json"))


def of_pardon(upto: datetime, who: str, why: str, now: datetime) -> RiskEvent:
    """Return a person's judgement of candles up to the opening *upto* as a risk event."""
    detail = {"upto": upto.isoformat(), "who": who, "why": why}
    return RiskEvent(now, f"{_MONITOR} reset", "", None, detail)


def entry_of_pardon(said: Verdict, upto: datetime, who: str, why: str, now: datetime) -> AuditEntry:
    """Return the same for the audit log, with what the monitor *said* before."""
    before = {"halted": said.halted, "storm": said.storm, "why": said.why}
    after = {"judged_upto": upto.isoformat()}
    return AuditEntry(now, who, _SOURCE, f"{_MONITOR} reset", None, before, after, why)


def entry_of_verdict(before: Verdict | None, verdict: Verdict) -> AuditEntry:
    """Return the change of *verdict* for the audit log; *before* is None for the first word."""
    was = None if before is None else {"halted": before.halted, "why": before.why}
    told = {"halted": verdict.halted, "storm": verdict.storm}
    return AuditEntry(verdict.at, _GUARD, _SOURCE, _MONITOR, None, was, told, verdict.why)
