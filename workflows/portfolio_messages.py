"""What goes into the workflow of a portfolio and comes out of it."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from domain.arbitrage.portfolio import told_of
from domain.arbitrage.portfolio_change import FieldChange
from domain.arbitrage.portfolio_spec import PortfolioSpec, parse_spec
from domain.arbitrage.portfolio_state import Held, Level, PortfolioState
from domain.arbitrage.relief import use_of
from domain.arbitrage.state import Phase
from workflows.messages import readable


@dataclass(frozen=True, slots=True)
class PortfolioInput:
    """What a portfolio starts with; `state` is carried from one workflow of the chain to the next.

    `by` is who started it, for the audit log.
    """

    spec: PortfolioSpec
    state: PortfolioState | None = None
    by: str = ""
    why: str = ""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        validate = readable(parse_spec)
        return core_schema.no_info_wrap_validator_function(validate, handler(source))


@dataclass(frozen=True, slots=True)
class ReconfigurePortfolio:
    """New settings for a live portfolio."""

    spec: PortfolioSpec
    by: str = ""
    why: str = ""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        validate = readable(parse_spec)
        return core_schema.no_info_wrap_validator_function(validate, handler(source))


@dataclass(frozen=True, slots=True)
class PortfolioPreview:
    """What other settings would change; `refused` says why the portfolio cannot have them."""

    changes: tuple[FieldChange, ...]
    refused: str = ""


@dataclass(frozen=True, slots=True)
class PairLine:
    """A pair of a portfolio. `amount` in quote, `bases` signed."""

    pair: str
    run: str
    amount: Decimal
    bases: tuple[Decimal, Decimal]
    doing: str


@dataclass(frozen=True, slots=True)
class MarginLine:
    """An account whose margin the pairs need, and how much of it is used, for people."""

    account: str
    level: Level
    use: str


@dataclass(frozen=True, slots=True)
class PortfolioStatus:
    """What a portfolio is doing. `failed` says why nothing followed from the last scan."""

    phase: Phase
    equity: Decimal | None
    scanned_at: datetime | None
    next_scan_at: datetime | None
    failed: str
    pairs: tuple[PairLine, ...]
    advised: tuple[str, ...]
    held_back: tuple[str, ...]
    rests: dict[str, datetime]
    turns: int
    begun: int
    margins: tuple[MarginLine, ...] = ()


@dataclass(frozen=True, slots=True)
class PortfolioResult:
    """How a portfolio ended: nothing of it is left."""

    turns: int
    begun: int


def status_of(state: PortfolioState) -> PortfolioStatus:
    """Return what *state* shows."""
    return PortfolioStatus(
        state.phase,
        state.equity,
        state.scanned_at,
        state.due_at,
        state.failed,
        tuple(_line(each) for each in state.held),
        tuple(told_of(each) for each in state.advised),
        state.held_back,
        dict(state.rests),
        state.turns,
        state.begun,
        tuple(MarginLine(name, seen.level, use_of(seen)) for name, seen in state.margins.items()),
    )


def _line(held: Held) -> PairLine:
    doing = held.note or "begins"
    if held.leaving and not held.stranded:
        doing = "is closed"
    return PairLine(held.pair, held.run_id, held.amount, held.bases, doing)


def margin_told(line: MarginLine) -> str:
    """Return how the margin of an account stands, for people."""
    over = ", strained: pairs give back, and nothing grows" if line.level is Level.STRAINED else ""
    return f"margin use of {line.account}: {line.use}{over}"


def details(shown: PortfolioStatus) -> str:
    """Return what people read who open the workflow."""
    scanned = "never" if shown.scanned_at is None else f"{shown.scanned_at:%F %T} UTC"
    lines = [f"{shown.phase}, {len(shown.pairs)} pairs, last scan {scanned}"]
    if shown.failed:
        lines += ["", f"Nothing followed from the last scan: {shown.failed}"]
    lines += ["", *(f"- {margin_told(each)}" for each in shown.margins)] if shown.margins else []
    for title, told in (("Advised", shown.advised), ("Held back", shown.held_back)):
        lines += ["", *(f"- {title}: {each}" for each in told)] if told else []
    lines += ["", "| run | pair | amount | first | second | |", "|---|---|---|---|---|---|"]
    lines += [
        f"| {each.run} | {each.pair} | {each.amount} | {each.bases[0]} | {each.bases[1]} | "
        f"{each.doing} |"
        for each in shown.pairs
    ]
    return "\n".join(lines)
