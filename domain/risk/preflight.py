"""What must be in order before a run starts or goes on, on every account that it touches.

Facts go in, checks come out. A fact that could not be had is *unknown*, and that is as good as
failed. No check is left out because a position exists already (rows PF-01 to PF-05, R-53, flaw
K-10).
"""

from collections.abc import Collection, Sequence
from typing import Final

from domain.errors import InvalidValueError
from domain.risk.checks import Check, Outcome, checks_of
from domain.risk.facts import AccountFacts, PreflightSpec

#: What a person may accept as it was found. What is unknown nobody may, for nobody has read it.
ACCEPTABLE: Final = ("balance", "fees", "foreign_orders")


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


def overridden(checks: Collection[Check], accepted: Collection[str]) -> tuple[Check, ...]:
    """Return the checks that failed and are let pass only because a person accepts them."""
    blocked = blocking(checks)
    return tuple(check for check in blocked if _is_fine(check, accepted))


def refuse_unknown_names(accepted: Collection[str], accounts: Collection[str]) -> None:
    """Raise InvalidValueError for a name of *accepted* that no check has that may be accepted.

    *accounts* are those that the run touches.
    """
    for name in accepted:
        account, slash, check = name.rpartition("/")
        if check not in ACCEPTABLE or (slash and account not in accounts):
            raise InvalidValueError(
                f"accept must be one of {', '.join(ACCEPTABLE)}, perhaps for one account as in "
                f"{min(accounts)}/{ACCEPTABLE[0]}, was {name}; what else a preflight finds cannot "
                "be accepted"
            )


def explained(checks: Collection[Check], accepted: Collection[str] = ()) -> str:
    """Return what keeps a run from starting, a line each, with what to do about it."""
    return "\n".join(
        f"{check.account}/{check.name}: {check.found} {check.wanted} {_cure(check)}"
        for check in blocking(checks, accepted)
    )


def _cure(check: Check) -> str:
    if check.outcome is Outcome.FAILED and check.overridable:
        return f"{check.fix} Or take it as it is: --accept {check.name}."
    return check.fix


def _is_fine(check: Check, accepted: Collection[str]) -> bool:
    if check.outcome in (Outcome.OK, Outcome.WARNING):
        return True
    named = check.name in accepted or f"{check.account}/{check.name}" in accepted
    return check.outcome is Outcome.FAILED and check.overridable and named
