"""What other settings of a live portfolio change, and which ones it cannot have: pure.

stays    the quote: every amount is in it
         the accounts of pairs that are held: their runs have books there
settings of the pairs go to all of them, as soon as the portfolio follows the new ones
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from domain.arbitrage.portfolio_spec import PortfolioSpec
from domain.arbitrage.portfolio_state import PortfolioState
from domain.errors import InvalidValueError

#: What stands for a field that is not written.
_NOTHING: Final = "not set"


@dataclass(frozen=True, slots=True)
class FieldChange:
    """A setting, with what it was and what it will be, as people write them."""

    field: str
    before: str
    after: str


def check_change(state: PortfolioState, before: PortfolioSpec, after: PortfolioSpec) -> None:
    """Raise InvalidValueError, naming each field, if a live portfolio cannot have *after*."""
    wrong = [*_other_quote(before, after), *_missing_accounts(state, after)]
    if wrong:
        raise InvalidValueError("\n".join(wrong))


def _other_quote(before: PortfolioSpec, after: PortfolioSpec) -> Iterator[str]:
    if before.quote != after.quote:
        yield (
            f"quote: stays {before.quote} while a portfolio runs, as all its amounts are in it, "
            f"was {after.quote}: start another portfolio for {after.quote}"
        )


def _missing_accounts(state: PortfolioState, after: PortfolioSpec) -> Iterator[str]:
    """Yield for each account that is left out who needs it, and what to do."""
    runs: dict[str, list[str]] = {}
    for held in state.held:
        for leg in held.legs:
            if leg.account not in after.accounts:
                runs.setdefault(leg.account, []).append(held.run_id)
    for account, needed_by in sorted(runs.items()):
        stops = ", ".join(f"`opensqt arb stop {run}`" for run in needed_by)
        yield (
            f"accounts: must have {account} while pairs are held there, "
            f"was {', '.join(after.accounts)}: add it, or close them first with {stops}"
        )


def differences(before: PortfolioSpec, after: PortfolioSpec) -> tuple[FieldChange, ...]:
    """Return the settings that differ, by their name."""
    old, new = _flat(before), _flat(after)
    named = sorted(old.keys() | new.keys())
    changes = (FieldChange(n, old.get(n, _NOTHING), new.get(n, _NOTHING)) for n in named)
    return tuple(each for each in changes if each.before != each.after)


def _flat(spec: PortfolioSpec) -> Mapping[str, str]:
    return dict(_leaves("", spec.model_dump(mode="json")))


def _leaves(name: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key, each in value.items():
            yield from _leaves(f"{name}.{key}" if name else str(key), each)
    elif isinstance(value, list):
        yield name, ", ".join(map(str, value)) or _NOTHING
    else:
        yield name, _NOTHING if value is None else str(value)


def reconfigured(
    state: PortfolioState, before: PortfolioSpec, after: PortfolioSpec
) -> PortfolioState:
    """Return the state that follows *after*: at the next scan, which is due at once."""
    if before.pair != after.pair:
        held = tuple(replace(each, outdated=True) for each in state.held)
        state = replace(state, held=held)
    return replace(state, due_at=None)
