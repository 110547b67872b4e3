"""Both runners do the same: the same orders, in the same order, whatever befalls the legs.

The ladder climbs by the clock, and clocks differ; these scenarios cross the spread at once and stay
on that rung, so that nothing in them depends on how long something took.
"""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client

from domain.order_ids import decode
from domain.orders import OrderReport
from tests.pairs.ground import HEDGE, TRADABLE, Ground, ground
from tests.workflows.server import TemporalServer
from tests.workflows.stage import connected

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

AT_ONCE: dict[str, Any] = {
    "hedge": {**HEDGE, "passive_for": 0, "cross_for": 600},
    "cool_off": 3600,
}


async def ordinary(pair: Ground) -> None:
    """In, and out by itself as the yield falls."""
    await pair.start(**AT_ONCE)
    await pair.is_quiet()
    pair.sides[2].announce("-0.001")
    await pair.until("the exit", lambda found: found.trades == 2 and not found.trade)


async def unwound(pair: Ground) -> None:
    """The follower is refused, so the lead is given back."""
    pair.sides[2].refuses()
    await pair.start(**AT_ONCE)
    await pair.is_quiet()


async def unanswered(pair: Ground) -> None:
    """Every second answer to an order is lost, on both legs."""
    for side in pair.sides.values():
        side.loses_answers()
    await pair.start(**AT_ONCE)
    await pair.is_quiet()


async def halted(pair: Ground) -> None:
    """Halted while it is held, and closed by a person."""
    await pair.start(**AT_ONCE)
    await pair.is_quiet()
    await pair.halt()
    await pair.until("the halt", lambda found: found.halted)
    await pair.leave()
    await pair.until("the exit", lambda found: found.trades == 2 and not found.trade)


SCENARIOS: dict[str, Callable[[Ground], Awaitable[None]]] = {
    each.__name__: each for each in (ordinary, unwound, unanswered, halted)
}


@pytest.mark.parametrize("name", SCENARIOS)
async def test_both_runners_send_the_same_orders(
    name: str, tmp_path: Path, server: TemporalServer
) -> None:
    told = [
        await _played(name, made(tmp_path / "simple"), None),
        await _played(name, made(tmp_path / "durable"), await connected(server.address)),
    ]
    assert told[0] == told[1]
    assert any(told[0])


async def _played(name: str, directory: Path, client: Client | None) -> list[list[str]]:
    async with ground(directory, client=client) as pair:
        await SCENARIOS[name](pair)
        await pair.check(flat=abs(pair.sides[2].held()) < TRADABLE)
        return [[_told(order) for order in side.orders()] for side in pair.sides.values()]


def made(directory: Path) -> Path:
    directory.mkdir()
    return directory


def _told(order: OrderReport) -> str:
    """Return an order without the tag of its run, which differs."""
    key = decode(order.client_id)
    assert key is not None
    return (
        f"{key.generation} {key.purpose} {order.side} {order.quantity} {order.price} "
        f"{order.status} {order.filled} {order.value}"
    )
