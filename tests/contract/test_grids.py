"""A grid from start to stop at every venue: the same orders everywhere, and money that adds up."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from activities.store.checkpoint import CheckpointStore
from activities.store.database import sqlite_url
from activities.store.ledger import Ledger
from activities.store.migrations import upgrade
from domain.grid.config import bind
from domain.grid.events import Place, StopAsked
from domain.grid.spec import GridSpec, StopMode, parse_spec
from domain.grid.state import begin
from domain.money import MarketKind
from domain.order_ids import OrderKey, decode, run_tag
from domain.orders import Side
from domain.simulation.exchange import SimulatedExchange
from domain.simulation.rules import ExchangeRules
from domain.simulation.tape import MarketEvent
from tests.contract.bench import BALANCES, PERPETUAL, SPOT, START, SYMBOLS, Bench, opened, trade
from tests.contract.conftest import BOTH
from tests.eventually import eventually
from workers.backtest import play
from workers.simple_run import SimpleRun
from workers.wiring import desks

#: Twice down through two levels and up again, then one level down: what is held is closed.
PRICES = (1000, 995, 990, 984, 980, 986, 990, 995, 1000, 1004)
TAPE = (*PRICES, *PRICES[1:], 996, 990, 988)
Order = tuple[int, Side, int | None, int]


def tape(kind: MarketKind) -> Sequence[MarketEvent]:
    return [trade(SYMBOLS[kind], second, price) for second, price in enumerate(TAPE, 1)]


def spec(kind: MarketKind) -> GridSpec:
    grid = {"symbol": SYMBOLS[kind], "account": "alice", "interval": "10", "amount": "50"}
    return parse_spec({**grid, "buy_window": 3, "reconcile_every": 3600})


def planned(kind: MarketKind) -> list[Order]:
    """Return what the plain loop places on the same tape."""
    instrument = PERPETUAL if kind is MarketKind.PERPETUAL else SPOT
    exchange = SimulatedExchange(ExchangeRules((instrument,), {"alice": BALANCES}), START)
    first, *rest = tape(kind)
    exchange.on(first)
    played = play(exchange, "alice", begin(bind(spec(kind), instrument), run_tag("x")), rest)
    requests = [action.request for action in played.actions if isinstance(action, Place)]
    return [
        (_key(r.client_id).generation, r.side, r.price.ticks if r.price else None, r.quantity.lots)
        for r in requests
    ]


def _key(client_id: str) -> OrderKey:
    key = decode(client_id)
    assert key is not None
    return key


def placed(bench: Bench) -> list[Order]:
    """Return what the exchange has of the run, in the order of their generations."""
    host = bench.exchange.host
    orders = host.exchange.orders_since(host.account("alice"), bench.symbol, START)
    return sorted(
        (_key(o.client_id).generation, o.side, o.price.ticks if o.price else None, o.quantity.lots)
        for o in orders
    )


async def settled(bench: Bench, run: SimpleRun) -> None:
    """Return when run and exchange agree about orders and position, and nothing is under way."""
    host = bench.exchange.host

    def agree() -> bool:
        account = host.account("alice")
        resting = {o.client_id for o in host.exchange.open_orders(account, bench.symbol)}
        state = run.state
        counted = state.totals.volume == sum(
            state.config.instrument.notional(fill.price, fill.quantity)
            for fill in host.exchange.fills_since(account, bench.symbol, START)
        )
        working = {order.client_id for order in state.working()}
        return run.idle and counted and bool(resting) and resting == working

    await eventually(agree, within=20, every=0.01, what="the run to agree with the exchange")


@pytest.mark.parametrize("where", BOTH)
async def test_a_grid_trades_alike_at_every_venue(
    where: tuple[str, MarketKind], tmp_path: Path
) -> None:
    name, kind = where
    for database in ("ledger.db", "simple.db"):
        upgrade(sqlite_url(tmp_path / database))
    async with opened(name, kind, tmp_path / "exchange", tape(kind)) as bench:
        bench.advance(1)
        with CheckpointStore.open(tmp_path / "simple.db", "grid") as store:
            async with Ledger.open(sqlite_url(tmp_path / "ledger.db")) as ledger:
                account = desks("alice", bench.venue, ledger)
                run = await SimpleRun.open("grid", spec(kind), account, store)
                working = asyncio.create_task(run.run())
                await settled(bench, run)
                for _ in TAPE[1:]:
                    bench.advance(1)
                    await settled(bench, run)
                assert placed(bench) == planned(kind)
                assert run.state.totals.cycles == 4
                run.tell(StopAsked(StopMode.CLOSE, datetime.now(UTC)))
                result = await asyncio.wait_for(working, 30)
    assert result is not None
    assert result.residual == 0
    assert result.position == 0
