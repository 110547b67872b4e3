"""The word of the market monitor in the ledger: what was said, who says it, and who was overruled.

It lies in three rows, each with one writer: what the guard said last, which guard that was, and up
to which candles a person has judged the market. So a person and a guard never undo each other.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from pydantic import TypeAdapter

from activities.risk_log import entry_of_pardon, entry_of_verdict, of_pardon, of_verdict
from activities.store.risk import RiskChange, States
from domain.errors import InvalidValueError
from domain.risk.monitor import Verdict

_SAID: Final = "monitor"
_SPEAKER: Final = "monitor speaker"
_PARDON: Final = "monitor pardon"
#: Under what all of it is stored, beside the breakers.
ROWS: Final = (_SAID, _SPEAKER, _PARDON)
_VERDICT: Final = TypeAdapter(Verdict)
_TIME: Final = TypeAdapter(datetime)


@dataclass(frozen=True, slots=True)
class Word:
    """What is known of the market monitor."""

    #: None: it has not spoken.
    verdict: Verdict | None = None
    #: Candles up to this opening were judged by a person.
    pardoned: datetime | None = None


def word(stored: States) -> Word:
    """Return what is known by what is stored."""
    said, pardoned = stored.get(_SAID), stored.get(_PARDON)
    return Word(
        None if said is None else _VERDICT.validate_python(said),
        None if pardoned is None else _TIME.validate_python(pardoned),
    )


def spoken(
    stored: States, verdict: Verdict, speaker: str, patience: timedelta
) -> RiskChange | None:
    """Return what to store of a new verdict; None if another guard speaks.

    That one has spoken within *patience*: two guards that see different things would contradict
    each other for ever.
    """
    before = word(stored).verdict
    other = stored.get(_SPEAKER, speaker) != speaker
    if other and before is not None and verdict.at - before.at < patience:
        return None
    states = {_SAID: _VERDICT.dump_python(verdict, mode="json"), _SPEAKER: speaker}
    if before is not None and _gist(before) == _gist(verdict):
        return RiskChange(states)
    return RiskChange(states, [of_verdict(verdict)], [entry_of_verdict(before, verdict)])


def overruled(stored: States, who: str, why: str, now: datetime) -> RiskChange:
    """Return what to store when a person judges all that the monitor has seen.

    Raises InvalidValueError without a *why*, and if the monitor has seen nothing yet.
    """
    if not why.strip():
        raise InvalidValueError("why: a reason is needed, for the audit log")
    said = word(stored).verdict
    upto = (said.newest or said.storm_since) if said is not None else None
    if said is None or upto is None:
        raise InvalidValueError("monitor: it has seen no candle yet, so there is nothing to reset")
    states: Mapping[str, Any] = {_PARDON: _TIME.dump_python(upto, mode="json")}
    return RiskChange(
        states, [of_pardon(upto, who, why, now)], [entry_of_pardon(said, upto, who, why, now)]
    )


def _gist(verdict: Verdict) -> tuple[bool, bool]:
    return (verdict.halted, verdict.storm)
