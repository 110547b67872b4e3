"""A whole system of one pair: two exchanges, the servers, and a worker, each a process."""

from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from temporalio.client import Client

from activities.store.database import sqlite_url
from activities.store.ledger import Ledger
from workers.crashlab.forks import Kept, Nursery
from workers.crashlab.pairs.hand import where
from workers.crashlab.pairs.market import MIDDLE
from workers.crashlab.pairs.roles import ExchangeRole, Legs, PairRole, Seat, spec_of
from workers.crashlab.processes import TemporalServer, upgraded
from workers.crashlab.steps import Runner, Victim
from workers.crashlab.trap import Trap
from workers.crashlab.waiting import until
from workers.crashlab.wire import Wire
from workers.exchange.fronts.tls import AUTHORITY_FILE
from workflows.names import ARBITRAGE_RUN, account_queue
from workflows.pair_messages import ArbInput
from workflows.timing import TASK_TIMEOUT

PAIR: Final = "pair"
_ANSWERS_WITHIN: Final = 60.0
_EXCHANGES: Final = {Victim.EXCHANGE_A: 0, Victim.EXCHANGE_B: 1}


@dataclass(frozen=True, slots=True)
class PairPlan:
    """What a system is made of."""

    runner: Runner
    legs: Legs
    #: The number of the leg that leads.
    lead: int
    seed: int
    directory: Path
    look_up: bool = True
    compensates: bool = True


class Exchange:
    """One exchange, alive or dead, and the wire to wherever it listens now."""

    def __init__(self, role: ExchangeRole, nursery: Nursery) -> None:
        self.role = role
        self.kept = Kept(nursery)
        self.wire = Wire(self._where)

    def _where(self) -> tuple[str, int]:
        there = where(self.role.where)
        if there is None:
            raise OSError("the exchange was never started")
        return there.clients

    async def start(self) -> None:
        """Start it, and return when it answers."""
        before = where(self.role.where)
        await self.kept.start(self.role)
        await until(
            lambda: where(self.role.where) != before,
            f"an answer of exchange {self.role.leg.number}",
            within=_ANSWERS_WITHIN,
        )


class PairSystem:
    """Everything that one scenario needs. A context manager; nothing of it outlives it."""

    def __init__(self, plan: PairPlan, nursery: Nursery) -> None:
        self.plan = plan
        self.trap = Trap(plan.directory / "trap")
        self.exchanges = [
            Exchange(_exchange_role(plan, number), nursery) for number in range(len(plan.legs))
        ]
        self._worker = Kept(nursery)

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            await self._start(stack)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._stack.aclose()

    @property
    def ledger(self) -> Ledger:
        """The ledger, read from outside."""
        return self._ledger

    @property
    def role(self) -> PairRole:
        """What the worker is told."""
        return self._role

    @property
    def client(self) -> Client:
        """A client of Temporal, of the durable runner."""
        if self._client is None:
            raise AssertionError("the simple runner has no Temporal")
        return self._client

    # ---- start

    async def _start(self, stack: AsyncExitStack) -> None:
        plan = self.plan
        for exchange in self.exchanges:
            stack.push_async_callback(exchange.kept.kill)
            await exchange.start()
            await stack.enter_async_context(exchange.wire)
        url = sqlite_url(plan.directory / "ledger.db")
        await upgraded(url)
        self._ledger = await stack.enter_async_context(Ledger.open(url))
        self._temporal = TemporalServer(plan.directory)
        self._client = None
        if plan.runner is Runner.SIMPLE:
            await upgraded(sqlite_url(plan.directory / "simple.db"))
        else:
            stack.push_async_callback(self._temporal.kill)
            await self._temporal.start()
            self._client = await self._temporal.client()
        self._role = self._made_role(url)
        stack.push_async_callback(self._worker.kill)
        await self.start_worker()
        if plan.runner is Runner.DURABLE:
            await self._start_pair()

    def _made_role(self, url: str) -> PairRole:
        plan = self.plan
        first, second = (
            Seat(each.role.leg, each.wire.address, each.role.data / AUTHORITY_FILE)
            for each in self.exchanges
        )
        return PairRole(
            plan.runner,
            PAIR,
            (first, second),
            spec_of(plan.legs, plan.lead),
            plan.directory,
            url,
            self._temporal.address,
            look_up=plan.look_up,
            compensates=plan.compensates,
        )

    async def _start_pair(self) -> None:
        await self.client.start_workflow(
            ARBITRAGE_RUN,
            ArbInput(self._role.spec),
            id=PAIR,
            task_queue=account_queue(self._role.spec.first.account),
            task_timeout=TASK_TIMEOUT,
        )

    async def start_worker(self) -> None:
        """Start what works the pair; from now on it is started again when it dies."""
        await self._worker.start(replace(self._role))

    async def worker_ended(self) -> int:
        """Return what the worker ended with, once it has done so by itself."""
        return await self._worker.ended()

    @property
    def deaths_of_its_own(self) -> int:
        """How often a process ended without being killed."""
        kept = [self._worker, *(each.kept for each in self.exchanges)]
        return sum(each.deaths_of_its_own for each in kept)

    # ---- kills

    async def strike(self, victim: Victim) -> None:
        """Kill *victim*; it stays down."""
        if victim in _EXCHANGES:
            await self.exchanges[_EXCHANGES[victim]].kept.kill()
        elif victim is Victim.TEMPORAL:
            await self._temporal.kill()
        else:
            await self._worker.kill()

    async def revive(self, victim: Victim) -> None:
        """Start *victim* again; only an exchange must answer."""
        if victim in _EXCHANGES:
            await self.exchanges[_EXCHANGES[victim]].start()
        elif victim is Victim.TEMPORAL:
            await self._temporal.start()
        else:
            await self.start_worker()


def _exchange_role(plan: PairPlan, number: int) -> ExchangeRole:
    price = Decimal(MIDDLE[number]) / 10
    return ExchangeRole(plan.legs[number], plan.directory, price)
