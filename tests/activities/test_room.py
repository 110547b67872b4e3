"""The gate of what is reserved: a run that comes to hold more reserves more first, or waits."""

from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from activities.orders import OrderDesk
from activities.risk import RiskDesk
from activities.room import RoomGate
from domain.grid.events import Place, Refused
from domain.risk.limits import Limits, LimitsSpec, Reservation
from domain.risk.spec import RiskSpec
from tests.activities.wire import ACCOUNT, SYMBOL, Desk, desk_at, leave, order, told

#: Two orders for about 120 USDT each, which a run wants at its start.
TWO = Reservation(
    "a run", ACCOUNT, SYMBOL, "USDT", Decimal(250), Decimal(250), Decimal(125), orders=2
)


@pytest.fixture(name="desk")
async def _desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with desk_at(tmp_path / "ledger.db") as desk:
        yield desk


async def gated(desk: Desk, exposure: int | None = 400) -> RiskDesk:
    """Let the orders of *desk* pass only what is reserved of *exposure*, and reserve for two."""
    limit = None if exposure is None else Decimal(exposure)
    limits = LimitsSpec(accounts={ACCOUNT: Limits(exposure=limit)})
    risk = RiskDesk(desk.ledger, RiskSpec(limits=limits), desk.clock)
    gate = RoomGate(ACCOUNT, risk, desk.ledger)
    desk.orders = OrderDesk(ACCOUNT, desk.wire, desk.ledger, gate, desk.clock)
    assert await risk.admit(TWO) is None
    return risk


async def bought(desk: Desk) -> None:
    """Let a run hold what it reserved: its first two entries fill."""
    entries = (order(1, price=59_900), order(2, price=59_800))
    assert told(await desk.do(*map(Place, entries))) == ["open", "open"]
    desk.trade(59_800)
    view = await desk.wire.venue.account_view(SYMBOL, desk.clock.now)
    await desk.ledger.record_view(ACCOUNT, SYMBOL, view)


async def test_what_was_reserved_at_the_start_is_not_asked_for_again(desk: Desk) -> None:
    risk = await gated(desk)
    await bought(desk)
    assert await risk.reserved("a run") == TWO


async def test_a_grid_that_trails_reserves_more_before_it_opens_more(desk: Desk) -> None:
    risk = await gated(desk)
    await bought(desk)
    assert told(await desk.do(Place(order(3, price=59_700)))) == ["open"]
    renewed = await risk.reserved("a run")
    assert renewed is not None
    assert renewed.exposure == Decimal("59.7") * 4 + Decimal("59.7") * 2  # four lots, and two more
    (refused,) = await desk.do(Place(order(4, price=59_600)))
    assert isinstance(refused, Refused)
    assert "there is room for 400" in refused.refusal.message
    assert desk.working() == {order(3, price=59_700).client_id}
    assert await risk.reserved("a run") == renewed


async def test_what_others_have_reserved_is_not_there_to_be_had(desk: Desk) -> None:
    risk = await gated(desk)
    await bought(desk)
    assert await risk.admit(replace(TWO, run_id="b run", exposure=Decimal(100))) is None
    assert told(await desk.do(Place(order(3, price=59_700)))) == ["risk"]
    await risk.release("b run")
    assert told(await desk.do(Place(order(4, price=59_700)))) == ["open"]


async def test_of_a_batch_as_much_leaves_as_there_is_room_for(desk: Desk) -> None:
    await gated(desk)
    await bought(desk)
    batch = [order(3, price=59_700), order(4, price=59_600), order(5, price=59_500)]
    assert sorted(told(await desk.do(*map(Place, batch)))) == ["open", "risk", "risk"]
    assert desk.working() == {batch[0].client_id}


async def test_exits_need_no_room(desk: Desk) -> None:
    risk = await gated(desk)
    await bought(desk)
    await risk.release("a run")
    assert await risk.admit(replace(TWO, run_id="b run", exposure=Decimal(400))) is None
    assert told(await desk.do(Place(order(3, price=59_700)), Place(leave(4)))) == ["risk", "open"]


async def test_where_nothing_is_limited_nothing_is_asked(desk: Desk) -> None:
    risk = await gated(desk, exposure=None)
    await bought(desk)
    assert told(await desk.do(Place(order(3, price=59_700)))) == ["open"]
    assert await risk.reserved("a run") == TWO


async def test_a_ledger_that_cannot_be_read_lets_no_entry_pass(desk: Desk) -> None:
    risk = await gated(desk)
    desk.path.rename(desk.path.with_suffix(".away"))
    desk.ledger.close()
    gate = RoomGate(ACCOUNT, risk, desk.ledger)
    refused = await gate.refusals([order(1), leave(2)], (await desk.wire.instrument(SYMBOL)))
    assert [each.client_id for each in refused] == [order(1).client_id]
