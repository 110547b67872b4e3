"""Whatever a venue does to an emergency exit: it ends flat, nothing is closed twice, it adds up."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from domain.money import MarketKind
from domain.order_ids import decode
from domain.risk.leaving import Phase
from tests.contract.conftest import NAMES
from tests.exits.ground import PAPER, Holder, Where, holding
from tests.workflows.stage import connected

SECOND = timedelta(seconds=1)
Rules = list[dict[str, Any]]
#: The calls of paper that a way out makes, as the fronts have `rest.*`.
_PAPER_CALLS = (
    "PlaceOrder",
    "CancelOrder",
    "BatchCancelOrders",
    "GetOrder",
    "GetOpenOrders",
    "GetPositions",
    "GetAccountView",
)


def _on_all(where: Where, **fault: Any) -> Rules:
    methods = _PAPER_CALLS if where.name == PAPER else ("rest.*",)
    return [{"method": method, **fault} for method in methods]


def _on_places(where: Where, **fault: Any) -> Rules:
    return [{"method": "PlaceOrder" if where.name == PAPER else "rest.place", **fault}]


def refusing(where: Where) -> Rules:
    return _on_places(where, kind="refuse", count=3)


def rate_limiting(where: Where) -> Rules:
    return _on_all(where, kind="rate_limit", every=3, count=6, delay=SECOND)


def disconnecting(where: Where) -> Rules:
    kind = "unavailable" if where.name == PAPER else "drop_connection"
    stream = "SubscribeOrders" if where.name == PAPER else "stream.private"
    return [*_on_all(where, kind=kind, every=2, count=8), {"method": stream, "kind": "drop_stream"}]


def losing_answers(where: Where) -> Rules:
    return _on_places(where, kind="lost_answer", every=2)


FAULTS: dict[str, Callable[[Where], Rules]] = {
    "refusing": refusing,
    "rate_limiting": rate_limiting,
    "disconnecting": disconnecting,
    "losing_answers": losing_answers,
}


#: Of five venues, for each fault: all take their turn, and the suite is not endless.
_VENUES = 2


def places(shift: int) -> list[Any]:
    """Return paper and some venues, runners and kinds of market taking turns."""
    kinds = list(MarketKind)
    at_venues = [
        Where(name, kinds[(at + shift) % 2], bool((at // 2 + shift) % 2))
        for at, name in enumerate(NAMES)
    ]
    on_paper = [Where(PAPER, MarketKind.PERPETUAL, durable) for durable in (False, True)]
    return [*on_paper, *(each for at, each in enumerate(at_venues) if (at + shift) % 5 < _VENUES)]


CASES = [
    pytest.param(fault, where, id=f"{fault}-{where}")
    for shift, fault in enumerate(FAULTS)
    for where in places(shift)
]
Hold = Callable[..., AbstractAsyncContextManager[Holder]]


@pytest.fixture(name="hold")
def _hold(request: pytest.FixtureRequest, tmp_path: Path) -> Hold:
    where = request.node.callspec.params["where"]
    server = request.getfixturevalue("server") if where.durable else None

    @asynccontextmanager
    async def hold(**spec: Any) -> AsyncIterator[Holder]:
        client = None if server is None else await connected(server.address)
        async with holding(where, tmp_path, client=client, **spec) as holder:
            yield holder

    return hold


@pytest.mark.parametrize("fault,where", CASES)
async def test_it_ends_flat_whatever_the_venue_does(hold: Hold, fault: str, where: Where) -> None:
    async with hold() as holder:
        held = holder.held()[-1]
        holder.break_down(*FAULTS[fault](where))
        await holder.ask()
        way = await holder.left()
        assert holder.exchange.plan.played >= 1
        assert way.debt is not None
        assert way.debt.phase is Phase.FLAT
        assert way.debt.base == 0
        sold = holder.leaving_orders()
        assert sum(order.filled.lots for order in sold) == held - holder.held()[-1]
        assert way.debt.orders >= len(sold) >= 1
        assert {key.key for each in sold if (key := decode(each.client_id))} == {1}
