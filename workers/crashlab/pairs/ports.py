"""The ports of a leg with a tripwire at each step, and the switch that makes the lab fail."""

from datetime import datetime, timedelta
from typing import Final, TypeVar

from activities.venues.ccxt.hosts import Local
from activities.venues.remote import RemoteVenue
from domain.arbitrage import engine, pairing
from domain.arbitrage.pair import PairTrade
from domain.arbitrage.state import ArbState
from domain.market import AccountView
from domain.orders import OrderReport, OrderRequest, Refusal
from workers.crashlab.pairs.roles import PAPER, Seat
from workers.crashlab.ports import WiredVenue
from workers.crashlab.steps import Step
from workers.crashlab.trap import Tripwire

_TIMEOUT: Final = timedelta(seconds=2)
_T = TypeVar("_T")


class WiredLeg(WiredVenue):
    """The gateway of one leg; an order that crosses tells what it got by its answer."""

    async def place(self, request: OrderRequest) -> OrderReport | Refusal:
        return await _told(self._wire, self._account, await super().place(request))

    async def look_up(self, symbol: str, client_id: str) -> OrderReport | None:
        return await _told(self._wire, self._account, await super().look_up(symbol, client_id))


class WiredPaper(RemoteVenue):
    """The same of a leg on paper."""

    def __init__(self, address: str, account: str, wire: Tripwire) -> None:
        super().__init__(address, account, timeout=_TIMEOUT)
        self._wire = wire
        self._who = account

    async def place(self, request: OrderRequest) -> OrderReport | Refusal:
        await self._wire.at(Step.BEFORE_SEND, self._who, request.client_id)
        answer = await super().place(request)
        if isinstance(answer, OrderReport):
            await self._wire.at(Step.ACCEPTED, self._who, request.client_id)
        return await _told(self._wire, self._who, answer)

    async def look_up(self, symbol: str, client_id: str) -> OrderReport | None:
        return await _told(self._wire, self._who, await super().look_up(symbol, client_id))

    async def account_view(self, symbol: str, since: datetime) -> AccountView:
        view = await super().account_view(symbol, since)
        await self._wire.at(Step.RESYNC, self._who)
        return view


def venue_of(seat: Seat, wire: Tripwire) -> WiredLeg | WiredPaper:
    """Return the venue of a leg."""
    leg = seat.leg
    if leg.venue == PAPER:
        return WiredPaper(f"{seat.address[0]}:{seat.address[1]}", leg.account, wire)
    return WiredLeg(Local(*seat.address, seat.authority), leg, wire)


async def _told(wire: Tripwire, account: str, answer: _T) -> _T:
    """Come to the step of a part that was filled, if *answer* tells of one."""
    if isinstance(answer, OrderReport) and 0 < answer.filled.lots < answer.quantity.lots:
        await wire.at(Step.PART_FILLED, account, answer.client_id)
    return answer


def forget_debts() -> None:
    """Let no trade of this process hedge or undo anything: the bug that the lab must find."""
    setattr(pairing, "tradable", _nothing_is_owed)  # noqa: B010 - not for the type checker
    setattr(engine, "_has_drifted", _nothing_drifts)  # noqa: B010 - it would mend the naked leg


def _nothing_is_owed(trade: PairTrade) -> bool:  # noqa: ARG001 - nothing is looked at
    return False


def _nothing_drifts(state: ArbState) -> bool:  # noqa: ARG001 - the same
    return False
