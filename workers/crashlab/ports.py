"""The real ports and desks, with a tripwire at each step: the program itself knows of none."""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Final, Protocol

from pydantic import SecretStr

from activities.orders import OrderDesk
from activities.store.checkpoint import CheckpointStore
from activities.venues.ccxt.credentials import Credentials
from activities.venues.ccxt.hosts import Local
from activities.venues.ccxt.registry import quirks_of
from activities.venues.ccxt.venue import CcxtVenue
from domain.limiter import Rate
from domain.market import AccountView
from domain.money import MarketKind
from domain.orders import OrderReport, OrderRequest, OrderStatus, Outcome, Refusal
from workers.crashlab.role import WINDOW
from workers.crashlab.steps import Step
from workers.crashlab.trap import Tripwire
from workers.exchange.fronts.keys import local_keys

#: Nothing here is about limits.
_UNHURRIED: Final = Rate(1000, timedelta(seconds=1))
_TIMEOUT: Final = timedelta(seconds=3)


class Seat(Protocol):
    """An account at a venue, for one kind of market."""

    @property
    def venue(self) -> str: ...
    @property
    def kind(self) -> MarketKind: ...
    @property
    def account(self) -> str: ...


class WiredVenue(CcxtVenue):
    """The gateway of one grid or leg, which tells when it comes to a step."""

    def __init__(self, local: Local, seat: Seat, wire: Tripwire) -> None:
        quirks = quirks_of(seat.venue, seat.kind)
        quirks.window = min(quirks.window, WINDOW)
        keys = local_keys(seat.account)
        credentials = Credentials(
            SecretStr(keys.key), SecretStr(keys.secret), SecretStr(keys.passphrase), keys.uid
        )
        super().__init__(quirks, credentials, local=local, orders=_UNHURRIED, timeout=_TIMEOUT)
        self._wire = wire
        self._account = seat.account

    async def place(self, request: OrderRequest) -> OrderReport | Refusal:
        await self._wire.at(Step.BEFORE_SEND, self._account, request.client_id)
        answer = await super().place(request)
        if isinstance(answer, OrderReport):
            await self._wire.at(Step.ACCEPTED, self._account, request.client_id)
        return answer

    async def place_batch(self, requests: Sequence[OrderRequest]) -> Sequence[Outcome]:
        for request in requests:
            await self._wire.at(Step.BEFORE_SEND, self._account, request.client_id)
        answers = await super().place_batch(requests)
        for answer in answers:
            if isinstance(answer, OrderReport):
                await self._wire.at(Step.ACCEPTED, self._account, answer.client_id)
        return answers

    async def account_view(self, symbol: str, since: datetime) -> AccountView:
        view = await super().account_view(symbol, since)
        await self._wire.at(Step.RESYNC, self._account)
        return view

    @asynccontextmanager
    async def reports(self) -> AsyncGenerator[AsyncIterator[OrderReport], None]:
        async with super().reports() as reports:
            yield self._watched(reports)

    async def _watched(self, reports: AsyncIterator[OrderReport]) -> AsyncIterator[OrderReport]:
        async for report in reports:
            if report.status is OrderStatus.PARTIALLY_FILLED:
                await self._wire.at(Step.PART_FILLED, self._account, report.client_id)
            yield report


class WiredStore(CheckpointStore):
    """The checkpoints of the simple runner: a state that is about to be saved was just decided."""

    wire: Tripwire
    account: str

    def save(self, payload: bytes, at: datetime, state_schema: int = 1) -> int:
        self.wire.at_once(Step.SIGNALED, self.account)
        return super().save(payload, at, state_schema)


class RashDesk(OrderDesk):
    """Sends again what was perhaps sent before, without asking: the bug that the lab must find."""

    async def _look_up_first(
        self,
        request: OrderRequest,  # noqa: ARG002 - nothing is looked at
        *,
        sent_before: bool,  # noqa: ARG002 - the same
    ) -> Outcome | None:
        return None
