"""For whom a breaker or a limit stands: one run, all runs of an account, or everything."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from domain.errors import InvalidValueError


class ScopeKind(StrEnum):
    """How far it reaches, from the narrowest to the widest."""

    RUN = "run"
    ACCOUNT = "account"
    OVERALL = "overall"


@dataclass(frozen=True, slots=True, order=True)
class Scope:
    """A kind, and which one of it; `name` is empty for everything."""

    kind: ScopeKind
    name: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.name}".rstrip()


OVERALL: Final = Scope(ScopeKind.OVERALL)


def parse_scope(text: str) -> Scope:
    """Return the scope that *text* names as `str` of it does, such as `account main`.

    Raises InvalidValueError with what there is.
    """
    kind, _, name = text.strip().partition(" ")
    known = kind in {each.value for each in ScopeKind}
    if not known or (kind == ScopeKind.OVERALL) == bool(name.strip()):
        raise InvalidValueError(
            f'scope must be "overall", "account NAME" or "run NAME", was "{text}"'
        )
    return Scope(ScopeKind(kind), name.strip())


def scopes(run_id: str, account: str) -> tuple[Scope, Scope, Scope]:
    """Return all that a run stands under, the widest first."""
    return OVERALL, Scope(ScopeKind.ACCOUNT, account), Scope(ScopeKind.RUN, run_id)
