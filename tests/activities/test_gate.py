"""The last gate: it refuses alone, whatever an engine has heard; and it never bars the way out."""

from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from activities.gate import Gates, RiskGate, SizeGate
from activities.orders import OrderDesk
from activities.risk import RiskDesk
from domain.grid.events import GridEvent, Place, Refused
from domain.order_ids import OrderKey, Purpose, encode, run_tag
from domain.orders import OrderRequest
from domain.risk.breaker_events import RefusedForFunds
from domain.risk.breaker_spec import BreakerSpec
from domain.risk.scope import OVERALL, Scope, ScopeKind
from domain.risk.spec import RiskSpec
from tests.activities.wire import ACCOUNT, INSTRUMENT, Desk, desk_at, leave, order, told

SCOPES = [OVERALL, Scope(ScopeKind.ACCOUNT, ACCOUNT), Scope(ScopeKind.RUN, "a run")]
SPEC = RiskSpec(breaker=BreakerSpec(refusals=1, cooldown=60))


class Guarded:
    """An order desk behind both gates."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.risk = RiskDesk(desk.ledger, SPEC, desk.clock)
        gate = RiskGate(ACCOUNT, self.risk)
        self.gate = Gates((SizeGate(Decimal(200)), gate))
        self.orders = OrderDesk(ACCOUNT, desk.wire, desk.ledger, self.gate, desk.clock)

    async def sends(self, *requests: OrderRequest) -> list[GridEvent]:
        return await self.orders.submit(INSTRUMENT, [Place(request) for request in requests])


@pytest.fixture(name="guarded")
async def _guarded(tmp_path: Path) -> AsyncIterator[Guarded]:
    async with desk_at(tmp_path / "ledger.db") as desk:
        await desk.warm()
        yield Guarded(desk)


def reason(event: GridEvent) -> str:
    assert isinstance(event, Refused)
    return event.refusal.message


@pytest.mark.parametrize("scope", SCOPES, ids=str)
async def test_an_entry_of_an_engine_that_was_not_told_is_refused_and_an_exit_leaves(
    guarded: Guarded, scope: Scope
) -> None:
    assert told(await guarded.sends(order(1))) == ["open"]
    await guarded.risk.trip(scope, "ann", "news")
    outcomes = await guarded.sends(order(2, price=59_800), leave(3))
    assert sorted(told(outcomes)) == ["open", "risk"]
    (refused,) = [each for each in outcomes if isinstance(each, Refused)]
    assert refused.refusal.client_id == order(2, price=59_800).client_id
    assert f"the breaker of {scope} is open" in reason(refused)
    assert guarded.desk.calls("place") == [order(1).client_id, leave(3).client_id]
    await guarded.risk.reset(scope, "ann", "over")
    assert told(await guarded.sends(order(4, price=59_800))) == ["open"]


async def test_an_order_that_only_reduces_is_no_entry(guarded: Guarded) -> None:
    await guarded.risk.trip(OVERALL, "ann", "news")
    request = replace(leave(1), entry=True, reduce_only=True)
    (outcome,) = told(await guarded.sends(request))
    assert outcome == "reduce_only"  # the venue was asked, and has nothing to reduce
    assert guarded.desk.calls("place") == [request.client_id]


async def test_half_open_one_entry_passes_and_it_is_not_the_one_that_is_too_large(
    guarded: Guarded,
) -> None:
    await guarded.risk.tell([OVERALL], RefusedForFunds(guarded.desk.clock()))
    guarded.desk.clock.passes(61)
    await guarded.risk.standings(ACCOUNT, ["a run"])
    large = order(1, price=59_000, lots=500)
    some = [order(n, price=60_000 - 100 * n) for n in (2, 3)]
    outcomes = await guarded.sends(large, *some)
    assert sorted(told(outcomes)) == ["open", "risk", "risk"]
    assert guarded.desk.calls("place") == [some[0].client_id]
    assert told(await guarded.sends(order(4, price=59_600))) == ["risk"]


async def test_an_entry_of_no_known_run_is_refused(guarded: Guarded) -> None:
    key = OrderKey(run_tag("nobody"), Purpose.ENTRY_BUY, 59_900, 1)
    (refused,) = await guarded.sends(replace(order(1), client_id=encode(key)))
    assert "it is not known which run" in reason(refused)


async def test_entries_are_refused_and_exits_are_not_while_the_ledger_is_away(
    guarded: Guarded,
) -> None:
    assert await guarded.gate.refusals([order(1), leave(2)], INSTRUMENT) == []
    guarded.desk.path.rename(guarded.desk.path.with_suffix(".away"))
    guarded.desk.ledger.close()
    (refused,) = await guarded.gate.refusals([order(1), leave(2)], INSTRUMENT)
    assert refused.client_id == order(1).client_id
    assert "the state of risk is not known" in refused.message
