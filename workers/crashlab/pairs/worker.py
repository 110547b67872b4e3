"""What works a pair until it is killed: the worker of both accounts, or the simple runner."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter
from temporalio.client import Client

from activities.gate import SizeGate
from activities.risk import RiskDesk
from activities.store.checkpoint import CheckpointStore
from activities.store.ledger import Ledger
from domain.arbitrage.events import ArbEvent, ExitAsked, SpecChanged, StartTrade, TradeEnded
from domain.arbitrage.pair import PairTrade
from domain.arbitrage.pair_events import OrderAction, PairEvent
from domain.arbitrage.spec import ArbSpec
from domain.arbitrage.state import ArbState, Phase
from workers.converter import DATA_CONVERTER
from workers.crashlab.pairs.doing import doing_of, steps_of
from workers.crashlab.pairs.interceptors import PairInterceptor
from workers.crashlab.pairs.ports import forget_debts, venue_of
from workers.crashlab.pairs.roles import RISK, PairRole, Seat
from workers.crashlab.pairs.rolling import SoonRollingPair, SoonRollingTrade
from workers.crashlab.ports import RashDesk
from workers.crashlab.steps import Runner, Step
from workers.crashlab.trap import Tripwire
from workers.durable import account_worker
from workers.simple_pair import SimplePair
from workers.wiring import Desks, desks, ensure_feed
from workflows.grid import GridRun
from workflows.pair_messages import PairResult

_LOOK_EVERY: Final = 0.1
RESULT: Final = TypeAdapter(PairResult)


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the lab wants of the simple runner: these settings, and a number for each exit."""

    spec: ArbSpec
    exits: int = 0
    ends: bool = False


WISHES: Final = TypeAdapter(Wishes)


async def work_pair(role: PairRole) -> None:
    """Work until killed; a simple runner that was told to end its pair ends by itself."""
    if not role.compensates:
        forget_debts()
    wire = Tripwire(role.trap)
    async with AsyncExitStack() as stack:
        ledger = await stack.enter_async_context(Ledger.open(role.ledger_url))
        legs = [await stack.enter_async_context(_desks(role, s, ledger, wire)) for s in role.seats]
        await (_durable if role.runner is Runner.DURABLE else _simple)(role, legs, wire)


@asynccontextmanager
async def _desks(
    role: PairRole, seat: Seat, ledger: Ledger, wire: Tripwire
) -> AsyncIterator[Desks]:
    async with venue_of(seat, wire) as venue:
        made = desks(seat.leg.account, venue, ledger, RiskDesk(ledger, RISK))
        if not role.look_up:
            rash = RashDesk(made.account, made.venue, made.ledger, SizeGate())
            made = replace(made, orders=rash)
        yield made


async def _durable(role: PairRole, legs: Sequence[Desks], wire: Tripwire) -> None:
    client = await Client.connect(
        role.temporal, data_converter=DATA_CONVERTER, interceptors=[PairInterceptor(wire)]
    )
    async with AsyncExitStack() as stack:
        for each in legs:
            await ensure_feed(client, each.account)
            worker = account_worker(client, each, GridRun, SoonRollingPair, SoonRollingTrade)
            await stack.enter_async_context(worker)
        await asyncio.Event().wait()


async def _simple(role: PairRole, legs: Sequence[Desks], wire: Tripwire) -> None:
    if role.result.exists():
        return  # killed after the end
    by_account = {each.account: each.legs() for each in legs}
    with CheckpointStore.open(role.checkpoints, role.pair) as store:
        pair = await WiredPair.open(role.pair, role.spec, by_account, store)
        pair.wire = wire
        result = await pair.run(lambda: _pass_on(pair, role.wishes))
    if result is not None:
        fresh = role.result.with_suffix(".fresh")
        fresh.write_bytes(RESULT.dump_json(result))
        fresh.replace(role.result)


async def _pass_on(pair: SimplePair, path: Path) -> None:
    """Tell *pair* what the lab wishes, for as long as it runs."""
    exits: int | None = None
    while True:
        wishes = _wishes(path)
        if wishes is not None:
            pair.tell(*_events(pair.state, wishes, exits))
            exits = wishes.exits
        await asyncio.sleep(_LOOK_EVERY)


def _wishes(path: Path) -> Wishes | None:
    return WISHES.validate_json(path.read_bytes()) if path.exists() else None


def _events(state: ArbState, wishes: Wishes, exits: int | None) -> list[ArbEvent]:
    events: list[ArbEvent] = []
    if wishes.spec != state.spec:
        events.append(SpecChanged(wishes.spec, state.now))
    if wishes.ends and state.phase is not Phase.STOPPING:
        events.append(ExitAsked(state.now, "the lab ends", ends=True))
    elif exits is not None and wishes.exits != exits:
        events.append(ExitAsked(state.now, "the lab asks"))
    return events


class WiredPair(SimplePair):
    """The simple runner, which tells when it comes to a step."""

    wire: Tripwire

    async def start(self, action: StartTrade) -> None:
        self.wire.doing = doing_of(action.trade)
        await self.wire.at(Step.STARTING, action.trade.lead.account)
        await super().start(action)

    async def turn(
        self, trade: PairTrade, number: int, actions: Sequence[OrderAction]
    ) -> Sequence[PairEvent]:
        self.wire.doing = doing_of(trade)
        for step in steps_of(trade):
            await self.wire.at(step, trade.leg(number).account)
        return await super().turn(trade, number, actions)

    def tell(self, *events: ArbEvent) -> None:
        for event in events:
            if isinstance(event, TradeEnded):
                self.wire.at_once(Step.ENDED, event.tag)
        super().tell(*events)
