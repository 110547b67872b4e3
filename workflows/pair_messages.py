"""What goes into the workflows of pairs and comes out of them."""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from activities.messages import Accepted
from activities.pair_messages import LegBooks, LegKey
from domain.arbitrage.events import ArbEvent
from domain.arbitrage.pair import Kind, PairTrade, Stage
from domain.arbitrage.pair_events import PairEvent
from domain.arbitrage.spec import ArbSpec, parse_spec
from domain.arbitrage.state import ArbState
from domain.arbitrage.trades import leg_tag
from workflows.messages import readable

Legs = tuple[LegKey, LegKey]


def legs_of(run_id: str, identity: str, spec: ArbSpec) -> Legs:
    """Return the keys of both legs of *run_id*; *identity* tells this run from all others."""
    first, second = (
        LegKey(run_id, number, leg.account, leg.symbol, leg_tag(identity, number))
        for number, leg in enumerate(spec.legs, start=1)
    )
    return first, second


@dataclass(frozen=True, slots=True)
class PairTradeInput:
    """What a trade of two legs starts with; `begun` once it has been under way."""

    legs: Legs
    trade: PairTrade
    why: str
    begun: bool = False
    inbox: tuple[PairEvent, ...] = ()


@dataclass(frozen=True, slots=True)
class PairTradeStatus:
    """How far a trade of two legs is. `debt` is signed base that is not hedged."""

    tag: str
    kind: Kind
    stage: Stage
    why: str
    debt: Decimal
    debt_seconds: float
    orders: int
    gave_up: str


@dataclass(frozen=True, slots=True)
class ArbInput:
    """What a pair starts with; only `spec` and `accepted` are for people.

    The rest is carried from one workflow of the chain to the next.
    """

    spec: ArbSpec
    state: ArbState | None = None
    legs: Legs | None = None
    inbox: tuple[ArbEvent, ...] = ()
    accepted: Accepted = field(default_factory=Accepted)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        validate = readable(parse_spec)
        return core_schema.no_info_wrap_validator_function(validate, handler(source))


@dataclass(frozen=True, slots=True)
class ExitPair:
    """Close the pair; with `ends` the run is over when that is done."""

    ends: bool = False
    by: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True)
class ReconfigurePair:
    """New settings for a live pair."""

    spec: ArbSpec
    by: str = ""
    why: str = ""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        validate = readable(parse_spec)
        return core_schema.no_info_wrap_validator_function(validate, handler(source))


@dataclass(frozen=True, slots=True)
class PairResult:
    """How a pair ended: the books of its legs; None where they were never opened."""

    legs: tuple[LegBooks | None, LegBooks | None]
    trades: int
