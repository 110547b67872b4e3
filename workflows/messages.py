"""What goes into a run and comes out of it: one type per message, readable as JSON."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Self

from pydantic import GetCoreSchemaHandler, ValidationError, ValidatorFunctionWrapHandler
from pydantic_core import CoreSchema, core_schema
from temporalio.exceptions import ApplicationError

from activities.messages import Accepted, Books, FeedBatch
from domain.errors import InvalidValueError
from domain.grid.events import GridEvent
from domain.grid.spec import GridSpec, StopMode, parse_spec
from domain.grid.state import GridState
from domain.grid.view import status
from domain.grid.watch import Watch
from domain.risk.leaving import Leaving
from domain.risk.monitor import Verdict
from domain.risk.way_out import Debt, WayOut


@dataclass(frozen=True, slots=True)
class Taken:
    """The last batch of the feed that a run has taken: what comes again is dropped."""

    session: str = ""
    number: int = 0

    def covers(self, batch: FeedBatch) -> bool:
        """Return whether *batch* was taken before, or comes from a feed that was replaced.

        A feed that was frozen may wake up and say that the streams are lost, when its successor has
        long said that they are live. What it knew of orders, the successor made the run ask for.
        """
        if batch.session == self.session:
            return batch.number <= self.number
        feed, _, attempt = batch.session.rpartition("/")
        mine, _, taken = self.session.rpartition("/")
        known = feed == mine and attempt.isdecimal() and taken.isdecimal()
        return known and int(attempt) < int(taken)


@dataclass(frozen=True, slots=True)
class GridRunInput:
    """What a grid run starts with; only `spec` and `accepted` are for people.

    Everything else is carried from one workflow of the chain to the next: the state, the events
    that were not handled yet, how far the feed was taken, what is watched, when the next comparison
    with the venue is due, and whether one was under way.
    """

    spec: GridSpec
    state: GridState | None = None
    inbox: tuple[GridEvent, ...] = ()
    taken: Taken = Taken()
    watched: Watch | None = None
    reconcile_at: datetime | None = None
    resync: bool = False
    #: What is taken of the preflight as it was found; of a start only.
    accepted: Accepted = field(default_factory=Accepted)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_wrap_validator_function(readable(parse_spec), handler(source))


@dataclass(frozen=True, slots=True)
class StopGrid:
    """How to end a run."""

    mode: StopMode = StopMode.CANCEL
    by: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True)
class Command:
    """Who asks, and why: for the audit log."""

    by: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True)
class ResumeGrid:
    """To go on after a pause; `accepted` names what of the preflight is taken as it is found."""

    by: str = ""
    why: str = ""
    accepted: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class GuardStatus:
    """What the market monitor said last; None: nothing since the guard began, or there is none."""

    verdict: Verdict | None = None


@dataclass(frozen=True, slots=True)
class ReconfigureGrid:
    """New settings for a live run."""

    spec: GridSpec
    by: str = ""
    why: str = ""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_wrap_validator_function(readable(parse_spec), handler(source))


@dataclass(frozen=True, slots=True)
class GridResult:
    """How a run ended."""

    symbol: str
    why: str
    position: Decimal
    grid_profit: Decimal
    floating: Decimal
    fees: Decimal
    cycles: int
    fills: int
    residual: Decimal | None = None

    @classmethod
    def of(cls, state: GridState, books: Books | None) -> Self:
        """Return how a run ended that is in *state*; *books* are its last, if it had any."""
        view = status(state)
        return cls(
            state.config.symbol,
            state.stop_why,
            view.position,
            view.grid_profit,
            view.floating,
            view.fees,
            view.cycles,
            view.fills,
            books.residual if books else None,
        )


@dataclass(frozen=True, slots=True)
class ExitInput:
    """What an emergency exit starts with; `state` is carried from workflow to workflow."""

    way: WayOut
    state: Leaving | None = None


@dataclass(frozen=True, slots=True)
class ExitStatus:
    """How far an emergency exit is; `debt` is None until the venue has told what is open."""

    run_id: str
    symbol: str
    who: str
    why: str
    asked_at: datetime
    debt: Debt | None


@dataclass(frozen=True, slots=True)
class ExitResult:
    """How an emergency exit ended; `residual` as in the books of its run."""

    run_id: str
    why: str
    debt: Debt
    residual: Decimal | None


def readable(parse: Callable[[Mapping[str, Any]], object]) -> Callable[..., Any]:
    """Return what reads a message with a spec that a person wrote, and that *parse* reads.

    It fails the run or the update with sentences about what is wrong. Temporal would try an input
    that it cannot read again for ever. That is right for what one workflow carries over to the
    next, which only a change of the program makes unreadable.
    """

    def read(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
        try:
            return handler(value)
        except ValidationError as error:
            if not isinstance(value, dict) or value.get("state") is not None:
                raise
            told = _sentences(parse, value, error)
            raise ApplicationError(told, type="InvalidValueError", non_retryable=True) from None

    return read


def _sentences(
    parse: Callable[[Mapping[str, Any]], object], value: dict[str, Any], error: ValidationError
) -> str:
    try:
        if isinstance(value.get("spec"), dict):
            parse(value["spec"])
    except InvalidValueError as wrong:
        return str(wrong)
    return "; ".join(
        f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}"
        for problem in error.errors(include_url=False, include_input=False)
    )
