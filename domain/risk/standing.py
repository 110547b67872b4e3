"""The one question every runner and strategy asks of risk: whether anything may be opened now.

Guard, breakers and limits come together here, for one run. What is not known, or known of too long
ago, is a no (decision D9). Exits never ask.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from domain.risk.breaker import BreakerState, Phase
from domain.risk.monitor import Verdict
from domain.risk.scope import OVERALL, Scope, ScopeKind, scopes


@dataclass(frozen=True, slots=True)
class Standing:
    """Whether openings are halted for a run, why in words, and by whom."""

    halted: bool
    why: str
    #: The widest scope that halts it; that of the run itself if nothing does.
    scope: Scope
    #: Only one opening may go: a breaker is half-open. Tell it `TrialBegun` before sending.
    trial: bool = False

    @property
    def openings_allowed(self) -> bool:
        return not self.halted


@dataclass(frozen=True, slots=True)
class RiskView:
    """All that is known of risk at one moment, as it was stored by those who watch it."""

    #: What the market monitor said last; None: it has not spoken.
    guard: Verdict | None
    #: One for each scope; all three that a run stands under must be there.
    breakers: tuple[BreakerState, ...]
    #: Why a run has no room within the limits, by run id; runs that have are None.
    refusals: Mapping[str, str | None]


def standing(
    view: RiskView | None, run_id: str, account: str, now: datetime, valid_for: timedelta
) -> Standing:
    """Return where a run stands at *now*. A guard that last spoke before *valid_for* is silent."""
    run = Scope(ScopeKind.RUN, run_id)
    if view is None:
        return Standing(halted=True, why="the state of risk is not known", scope=OVERALL)
    said = guard_halts(view.guard, now, valid_for)
    reasons = [(OVERALL, said)] if said else []
    known = {breaker.scope: breaker for breaker in view.breakers}
    for scope in scopes(run_id, account):
        reasons += [(scope, why) for why in _breaker(known.get(scope), scope)]
    reasons += [(run, why) for why in _limits(view.refusals, run_id)]
    if reasons:
        told = "; ".join(why for _, why in reasons)
        return Standing(halted=True, why=told, scope=reasons[0][0])
    for scope in scopes(run_id, account):
        if known[scope].phase is Phase.HALF_OPEN:
            return Standing(halted=False, why=known[scope].why, scope=scope, trial=True)
    return Standing(halted=False, why="clear", scope=run)


def guard_halts(guard: Verdict | None, now: datetime, valid_for: timedelta) -> str:
    """Return why the market monitor halts at *now*, also by its silence; nothing if it does not."""
    if guard is None:
        return "the market monitor has not spoken"
    if now - guard.at > valid_for:
        return f"the market monitor has been silent since {guard.at:%F %T}"
    return guard.why if guard.halted else ""


def _breaker(breaker: BreakerState | None, scope: Scope) -> list[str]:
    if breaker is None:
        return [f"the breaker of {scope} is not known"]
    return [] if breaker.lets_through else [breaker.why]


def _limits(refusals: Mapping[str, str | None], run_id: str) -> list[str]:
    if run_id not in refusals:
        return [f"it is not known whether there is room for {run_id}"]
    refusal = refusals[run_id]
    return [refusal] if refusal else []
