"""A portfolio over the markets of an exchange that the test moves and breaks.

The exchange speaks a venue's language over real sockets, the real client of that venue asks it, and
everything is wired as the program wires it: services, a worker for each account, Temporal.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any

from temporalio.client import Client, WorkflowHandle, WorkflowQueryFailedError
from temporalio.service import RPCError

from activities.portfolio_runs import PortfolioActivities
from activities.risk import RiskDesk
from activities.store.database import sqlite_url
from activities.store.ledger import Ledger
from activities.store.migrations import upgrade
from domain.arbitrage.portfolio_spec import PortfolioSpec, parse_spec
from domain.arbitrage.view import PairStatus
from domain.money import MarketKind, Price, Quantity
from domain.simulation.tape import (
    DepthShown,
    FundingAnnounced,
    FundingDue,
    MarketEvent,
    Quoted,
    TradePrinted,
)
from tests.activities.coins import Coin, Coins, Town
from tests.contract.bench import ACCOUNT, rule
from tests.eventually import eventually
from workers.durable import account_worker, portfolio_activities, services_worker
from workers.exchange.server import running
from workers.exchange.settings import ExchangeSettings
from workers.settings import Settings
from workers.venues import open_venue
from workers.wiring import Desks, desks
from workflows.messages import Command
from workflows.names import PORTFOLIO_RUN, SERVICES_QUEUE, feed_workflow_id
from workflows.portfolio import PortfolioRun
from workflows.portfolio_messages import (
    PortfolioInput,
    PortfolioResult,
    PortfolioStatus,
    ReconfigurePortfolio,
)

VENUE = "binance"
MUCH = 1_000_000
#: Less than this no venue takes an order for: 5 quote at 1000.
TRADABLE = Decimal("0.005")
EVER = datetime(2020, 1, 1, tzinfo=UTC)
_numbers = count(1)
#: What a pair does is done within seconds; who looks every second is beyond the venue's limits.
PAIR: dict[str, Any] = {
    "look_every": 5,
    "lead_for": 3,
    "lead": "first",
    "cool_off": 1,
    "quote_ttl": 60,
    "hedge": {"passive_for": 0, "cross_for": 1, "wide_for": 1, "alert_after": 2},
}


@dataclass
class Market:
    """The coins of one exchange, and the hand that moves them."""

    town: Town
    events: list[MarketEvent]
    last: datetime = field(default_factory=lambda: datetime.now(UTC))

    def at(self) -> datetime:
        self.last = max(datetime.now(UTC), self.last + timedelta(milliseconds=1))
        return self.last

    def happens(self, event: MarketEvent) -> None:
        self.events.append(event)
        self.town.exchange.host.advance(1)

    def quote(self, coin: str, price: int = 1000) -> None:
        """Let *price* be the middle of both markets of *coin*, with plenty on each side."""
        bid, ask, lots = Price(price * 10 - 1), Price(price * 10 + 1), Quantity(MUCH)
        for symbol in symbols(coin):
            self.happens(TradePrinted(symbol, Price(price * 10), Quantity(1), self.at()))
            self.happens(Quoted(symbol, bid, ask, lots, lots, self.at()))
            self.happens(DepthShown(symbol, ((bid, lots),), ((ask, lots),), self.at()))

    def settle(self, coin: str, rate: str, announced: str = "0.0005") -> None:
        """Settle the funding of *coin* at *rate* now, and announce the next one."""
        perpetual = symbols(coin)[1]
        due = FundingDue(perpetual, Decimal(rate), self.at())
        self.happens(due)
        after = due.at + timedelta(hours=8)
        self.happens(FundingAnnounced(perpetual, Decimal(announced), after, due.at))

    def break_down(self, *rules: dict[str, Any]) -> None:
        self.town.exchange.plan.set([rule(**each) for each in rules])

    def heal(self) -> None:
        self.town.exchange.plan.set([])

    def held(self, coin: str) -> tuple[Decimal, Decimal]:
        """Return the signed base of *coin*, spot and perpetual, by the exchange's own fills."""
        spot, perpetual = (self._held(symbol, coin) for symbol in symbols(coin))
        return spot, perpetual

    def _held(self, symbol: str, coin: str) -> Decimal:
        fills = self.town.exchange.host.exchange.fills_since(ACCOUNT, symbol, EVER)
        lots = sum(fill.side.sign * fill.quantity.lots for fill in fills)
        fees = sum((f.fee for f in fills if f.fee_asset == coin), Decimal(0))
        return Decimal(lots) * Decimal("0.001") - fees

    def is_flat(self, coin: str) -> bool:
        return all(abs(base) < TRADABLE for base in self.held(coin))

    def is_hedged(self, coin: str) -> bool:
        return abs(sum(self.held(coin), Decimal(0))) < TRADABLE and not self.is_flat(coin)


def symbols(coin: str) -> tuple[str, str]:
    return f"{coin}/USDT", f"{coin}/USDT:USDT"


@dataclass
class Ground:
    """A market, a ledger, workers, and one portfolio."""

    market: Market
    settings: Settings
    ledger: Ledger
    client: Client
    name: str
    accounts: dict[str, Desks]
    kind: type[PortfolioRun] = PortfolioRun
    _stack: AsyncExitStack | None = None

    def spec(self, **more: Any) -> PortfolioSpec:
        return parse_spec(
            {
                "accounts": list(self.accounts),
                "equity": 1000,
                "every": 3,
                # Every second would be beyond the venue's limits: each look asks it some things.
                "look_every": 3,
                "allocation": {"pairs": 2, "leverage": 1, "pair_cap": "0.5", "group_cap": "0.5"},
                "pair": PAIR,
                **more,
            }
        )

    async def start(self, **more: Any) -> None:
        await self.work()
        await self.client.start_workflow(
            PORTFOLIO_RUN,
            PortfolioInput(self.spec(**more), by="tester"),
            id=self.name,
            task_queue=SERVICES_QUEUE,
        )

    async def work(self) -> None:
        """Start the workers, as `opensqt worker` does."""
        self._stack = AsyncExitStack()
        desk: PortfolioActivities = await self._stack.enter_async_context(
            portfolio_activities(self.settings, self.ledger, self.client)
        )
        risk = RiskDesk(self.ledger)
        services = services_worker(self.client, None, risk, portfolios=desk, portfolio=self.kind)
        await self._stack.enter_async_context(services)
        for each in self.accounts.values():
            await self._stack.enter_async_context(account_worker(self.client, each))

    async def rest(self) -> None:
        """End all workers: nobody works on anything."""
        if self._stack is not None:
            await self._stack.aclose()
            self._stack = None

    async def crash(self) -> None:
        """End all workers, with all that they remembered, and begin anew."""
        await self.rest()
        for name, old in self.accounts.items():
            self.accounts[name] = desks(name, old.venue, old.ledger)
        await self.work()

    @property
    def handle(self) -> "WorkflowHandle[Any, Any]":
        return self.client.get_workflow_handle(self.name)

    async def status(self) -> PortfolioStatus:
        found: PortfolioStatus = await self.handle.query("status", result_type=PortfolioStatus)
        return found

    async def tell(self, update: str) -> PortfolioStatus:
        found: PortfolioStatus = await self.handle.execute_update(
            update, Command("tester", "the test"), result_type=PortfolioStatus
        )
        return found

    async def reconfigure(self, **more: Any) -> PortfolioStatus:
        message = ReconfigurePortfolio(self.spec(**more), "tester", "the test")
        found: PortfolioStatus = await self.handle.execute_update(
            "reconfigure", message, result_type=PortfolioStatus
        )
        return found

    async def result(self) -> PortfolioResult:
        handle = self.client.get_workflow_handle(self.name, result_type=PortfolioResult)
        return await handle.result()

    async def pair(self, coin: str) -> PairStatus:
        """Return what the pair of *coin* says of itself."""
        run = next(line.run for line in (await self.status()).pairs if f" {coin}/" in line.pair)
        handle = self.client.get_workflow_handle(run)
        found: PairStatus = await handle.query("status", result_type=PairStatus)
        return found

    async def until(self, what: str, true: Any, within: float = 100) -> PortfolioStatus:
        """Wait until *true* of the status."""

        async def asked() -> PortfolioStatus | None:
            found = await self.status()
            return found if true(found) else None

        return await eventually(
            asked, within=within, what=what, ignoring=(WorkflowQueryFailedError, RPCError)
        )

    async def holds(self, *coins: str, within: float = 100) -> PortfolioStatus:
        """Wait until exactly these pairs are held, each entered and hedged."""

        def true(found: PortfolioStatus) -> bool:
            return coins_of(found) == set(coins) and all(map(self.market.is_hedged, coins))

        return await self.until(f"the pairs {coins}", true, within)

    async def engines(self) -> list[str]:
        """Return the ids of all pairs' runs of this portfolio that are alive."""
        query = "WorkflowType='ArbitrageRun' AND ExecutionStatus='Running'"
        return [
            each.id
            async for each in self.client.list_workflows(query)
            if each.id.startswith(f"{self.name}-")
        ]


def coins_of(found: PortfolioStatus) -> set[str]:
    return {line.pair.split()[1].partition("/")[0] for line in found.pairs}


@asynccontextmanager
async def ground(
    directory: Path, client: Client, coins: Sequence[Coin], kind: type[PortfolioRun] = PortfolioRun
) -> AsyncIterator[Ground]:
    """Yield the ground of a portfolio that is not begun: all coins stand at 1000."""
    number = next(_numbers)
    upgrade(sqlite_url(directory / "ledger.db"))
    async with AsyncExitStack() as stack:
        ledger = await stack.enter_async_context(
            Ledger.open(sqlite_url(directory / "ledger.db"), synchronous="NORMAL")
        )
        market = await stack.enter_async_context(_market(directory / "exchange", coins))
        settings = Settings(
            accounts={
                f"spot{number}": market.town.account(MarketKind.SPOT),
                f"perp{number}": market.town.account(MarketKind.PERPETUAL),
            }
        )
        accounts = {}
        for name in settings.accounts:
            venue = await stack.enter_async_context(open_venue(settings, name))
            accounts[name] = desks(name, venue, ledger)
        made = Ground(market, settings, ledger, client, f"folio{number}", accounts, kind)
        try:
            yield made
        finally:
            await made.rest()
            await _end_workflows(made)


@asynccontextmanager
async def _market(data: Path, coins: Sequence[Coin]) -> AsyncIterator[Market]:
    settings = ExchangeSettings(
        data=data,
        listen="127.0.0.1:0",
        speed=Decimal(0),
        balances={"USDT": Decimal(100_000)},
        fronts=(VENUE,),
    )
    source = Coins(coins)
    async with running(settings, source) as exchange:
        exchange.host.advance(len(source))
        exchange.host.account(ACCOUNT)
        events = source._events
        assert isinstance(events, list)
        market = Market(Town(VENUE, exchange), events)
        for coin in coins:
            market.quote(coin.base)
        yield market


async def _end_workflows(made: Ground) -> None:
    running_ones = [*await made.engines(), made.name, *map(feed_workflow_id, made.accounts)]
    for each in running_ones:
        with suppress(RPCError):
            await made.client.get_workflow_handle(each).terminate("the test ends")
