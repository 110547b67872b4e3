"""What the desks notice reaches the breakers: flaw K-5, measures without a caller."""

from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from activities.account import AccountDesk
from activities.gate import Gates, RiskGate, SizeGate
from activities.noticing import Notices
from activities.orders import OrderDesk
from activities.risk import RiskDesk
from domain.errors import VenueUnavailableError
from domain.grid.events import Place
from domain.order_ids import OrderKey, Purpose, encode
from domain.orders import OrderRequest
from domain.risk.breaker import BreakerState
from domain.risk.breaker_spec import BreakerSpec
from domain.risk.scope import OVERALL, Scope, ScopeKind
from domain.risk.spec import RiskSpec
from tests.activities.wire import (
    ACCOUNT,
    INSTRUMENT,
    SYMBOL,
    TAG,
    Desk,
    desk_at,
    leave,
    order,
    told,
)

RUN, WHOLE = Scope(ScopeKind.RUN, "a run"), Scope(ScopeKind.ACCOUNT, ACCOUNT)
SPEC = RiskSpec(
    breaker=BreakerSpec(
        consecutive_losses=2,
        drawdown_percent=Decimal(10),
        refusals=2,
        latency_calls=20,
        exposure=Decimal(70_000),
    )
)


class Measured:
    """An order desk and an account desk whose breakers measure."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.risk = RiskDesk(desk.ledger, SPEC, desk.clock)
        notices = Notices(ACCOUNT, self.risk, desk.clock)
        gate = Gates((SizeGate(), RiskGate(ACCOUNT, self.risk)))
        self.orders = OrderDesk(ACCOUNT, desk.wire, desk.ledger, gate, desk.clock, notices)
        self.notices = notices
        self.books = AccountDesk(ACCOUNT, desk.wire, desk.ledger, desk.clock, self.risk)

    async def does(self, *requests: OrderRequest) -> list[str]:
        return told(await self.orders.submit(INSTRUMENT, [Place(each) for each in requests]))

    async def breaker(self, scope: Scope) -> BreakerState:
        return (await self.risk.known([scope])).breakers[scope]

    async def looks(self) -> None:
        await self.books.resync("a run", SYMBOL, TAG)

    async def loses(self, number: int) -> None:
        """Buy at 59,900, sell at 59,000, and compare with the venue."""
        assert await self.does(order(2 * number)) == ["open"]
        self.desk.trade(59_900)
        self.desk.trade(58_000)
        key = OrderKey(TAG, Purpose.EXIT_SELL, 59_900, 2 * number + 1)
        exit_ = replace(leave(0, price=59_000), client_id=encode(key))
        assert await self.does(exit_) == ["open"]
        self.desk.trade(59_000)
        self.desk.trade(60_000)
        await self.looks()


@pytest.fixture(name="measured")
async def _measured(tmp_path: Path) -> AsyncIterator[Measured]:
    async with desk_at(tmp_path / "ledger.db") as desk:
        await desk.warm()
        await desk.orders.submit(INSTRUMENT, [])
        yield Measured(desk)


async def test_refusals_for_want_of_funds_lock_the_run_and_its_account(measured: Measured) -> None:
    large = [order(n, price=59_000, lots=1_000_000) for n in (1, 2)]
    assert await measured.does(large[0]) == ["insufficient_funds"]
    assert (await measured.breaker(RUN)).lets_through
    assert await measured.does(large[1]) == ["insufficient_funds"]
    for scope in (RUN, WHOLE):
        assert "refused for insufficient funds" in (await measured.breaker(scope)).why
    assert (await measured.breaker(OVERALL)).lets_through
    assert sorted(await measured.does(order(3), leave(4))) == ["open", "risk"]


async def test_slow_calls_open_the_breaker_of_the_account(measured: Measured) -> None:
    for _ in range(20):
        measured.notices.call(6000)
    await measured.notices.outcomes([])
    assert "the p99 of the last 20 calls was 6000 ms" in (await measured.breaker(WHOLE)).why
    assert (await measured.breaker(RUN)).lets_through


async def test_each_request_is_timed_whatever_came_of_it(measured: Measured) -> None:
    await measured.does(order(1))
    measured.desk.wire.after = [VenueUnavailableError("gone")]
    await measured.does(order(2, price=59_800))
    assert len(measured.notices._calls) == 2


async def test_trades_that_lose_open_the_breakers_each_counted_once(measured: Measured) -> None:
    await measured.looks()
    await measured.loses(1)
    for _ in range(3):
        await measured.looks()
    (first,) = {(await measured.breaker(s)).measures.losses for s in (RUN, WHOLE, OVERALL)}
    assert first == 1
    assert (await measured.breaker(RUN)).lets_through
    await measured.loses(2)
    for scope in (RUN, WHOLE, OVERALL):
        breaker = await measured.breaker(scope)
        # 0.9 USDT a lot, and the fees of both ways: 0.02 % of 119.8 and of 118.
        assert breaker.reason.startswith("2 trades in a row lost 3.69512")
    assert await measured.does(order(8)) == ["risk"]


async def test_a_trade_that_won_ends_the_row(measured: Measured) -> None:
    await measured.looks()
    await measured.loses(1)
    key = OrderKey(TAG, Purpose.EXIT_SELL, 59_800, 5)
    await measured.does(order(4, price=59_800))
    measured.desk.trade(59_800)
    await measured.does(replace(leave(0, price=60_100), client_id=encode(key)))
    measured.desk.trade(60_100)
    await measured.looks()
    assert (await measured.breaker(RUN)).measures.losses == 0


async def test_a_fall_from_the_peak_opens_the_breakers(measured: Measured) -> None:
    await measured.looks()
    await measured.does(order(2, lots=1000))
    measured.desk.trade(59_900)
    await measured.looks()
    measured.desk.trade(50_100)  # 9.8 % of a hundred thousand
    await measured.looks()
    assert (await measured.breaker(WHOLE)).lets_through
    measured.desk.trade(49_800)
    await measured.looks()
    for scope in (RUN, WHOLE):
        assert "from its peak" in (await measured.breaker(scope)).why
    assert (await measured.breaker(OVERALL)).lets_through


async def test_too_much_that_moves_with_the_market_opens_the_breakers(measured: Measured) -> None:
    """One at 59,900 is below the limit of 70,000; two of them are above it."""
    await measured.does(order(2, lots=1000))
    measured.desk.trade(59_900)
    await measured.looks()
    assert (await measured.breaker(WHOLE)).lets_through
    await measured.does(order(4, lots=1000))
    measured.desk.trade(59_900)
    await measured.looks()
    for scope in (RUN, WHOLE):
        assert "the exposure is 119800" in (await measured.breaker(scope)).why
