"""What must be in order before a run starts or goes on, on every account that it touches.

Facts go in, checks come out. A fact that could not be had is *unknown*, and that is as good as
failed. No check is left out because a position exists already (rows PF-01 to PF-05, R-53, flaw
K-10).
"""

from collections.abc import Collection, Sequence

from domain.risk.checks import Check, Outcome, checks_of
from domain.risk.facts import AccountFacts, PreflightSpec


def preflight(spec: PreflightSpec, accounts: Sequence[AccountFacts]) -> tuple[Check, ...]:
    """Return every check of every account."""
    return tuple(check for facts in accounts for check in checks_of(spec, facts))


def passed(checks: Collection[Check], accepted: Collection[str] = ()) -> bool:
    """Return whether a run may start: some checks were made, and each is in order or accepted.

    *accepted* names checks, as `balance` or for one account as `main/balance`.
    """
    return bool(checks) and not blocking(checks, accepted)


def blocking(checks: Collection[Check], accepted: Collection[str] = ()) -> tuple[Check, ...]:
    """Return the checks that keep a run from starting."""
    return tuple(check for check in checks if not _is_fine(check, accepted))


def _is_fine(check: Check, accepted: Collection[str]) -> bool:
    if check.outcome in (Outcome.OK, Outcome.WARNING):
        return True
    named = check.name in accepted or f"{check.account}/{check.name}" in accepted
    return check.outcome is Outcome.FAILED and check.overridable and named
