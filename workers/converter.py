"""Payloads as JSON by pydantic, with what was learned of a type shared by all runs of a process.

Temporal makes a converter for each workflow it keeps, and pydantic's keeps an adapter for each type
it meets: a run would spend half a megabyte and a tenth of a second on what every other has too.
"""

import contextlib
from typing import Any, Final

from pydantic import ValidationError
from temporalio.contrib.pydantic import PydanticPayloadConverter
from temporalio.converter import CompositePayloadConverter, DataConverter

from activities.messages import Books, FeedBatch, LeavingBegun, Prepared, RiskCommand
from activities.pair_messages import LegBooks, LegOpened
from activities.portfolio_messages import Surveyed
from domain.arbitrage.events import ArbEvent, TradeEnded
from domain.arbitrage.pair_events import PairEvent
from domain.arbitrage.portfolio_state import AccountLook, PairLook
from domain.grid.events import GridEvent, Resynced
from domain.grid.spec import GridSpec
from domain.risk.leaving_events import LeavingEvent
from domain.risk.monitor import Verdict
from workflows.messages import (
    Command,
    ExitInput,
    GridRunInput,
    GuardStatus,
    ReconfigureGrid,
    StopGrid,
)
from workflows.pair_messages import ArbInput, ExitPair, PairTradeInput, ReconfigurePair
from workflows.portfolio_messages import PortfolioInput, ReconfigurePortfolio

_SHARED: Final = PydanticPayloadConverter()


class SharedPayloadConverter(CompositePayloadConverter):
    """The converters of one `PydanticPayloadConverter`, which have no state but their cache."""

    def __init__(self) -> None:
        super().__init__(*_SHARED.converters.values())


#: The same JSON as `temporalio.contrib.pydantic.pydantic_data_converter`.
DATA_CONVERTER: Final = DataConverter(payload_converter_class=SharedPayloadConverter)

#: What workflows read: arguments, signals, updates, answers of activities.
_READ: Final[tuple[Any, ...]] = (
    GridRunInput,
    GridSpec,
    FeedBatch,
    Prepared,
    Resynced,
    list[GridEvent],
    Books | None,
    ExitInput,
    LeavingBegun,
    list[LeavingEvent],
    Command,
    StopGrid,
    ReconfigureGrid,
    GuardStatus,
    RiskCommand,
    Verdict,
    ArbInput,
    PairTradeInput,
    LegOpened,
    list[ArbEvent],
    list[PairEvent],
    LegBooks | None,
    TradeEnded,
    ExitPair,
    ReconfigurePair,
    PortfolioInput,
    ReconfigurePortfolio,
    Surveyed,
    list[PairLook],
    AccountLook,
)


def learn_messages() -> None:
    """Make the adapters of all that workflows read, before a workflow waits for one.

    The first use of a type costs some 100 ms of CPU. On a machine that is out of breath that is
    long enough for Temporal to take a workflow for deadlocked and its task away.
    """
    (nothing,) = _SHARED.to_payloads([None])
    for message in _READ:
        with contextlib.suppress(ValidationError):  # of the value; the adapter is kept
            _SHARED.from_payload(nothing, message)
