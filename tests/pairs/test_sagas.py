"""Whatever befalls the legs of a trade: in the end nothing is naked, and nothing was sent twice.

Each scenario runs for both runners, on paper and behind the real client of two venues; there only
some of them, unless `OPENSQT_TEST_SAGAS` names a file, which gets the rows of docs/sagas.md. What
was naked, and for how long, is read off the fills of the exchanges themselves.
"""

import json
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client

from tests.eventually import eventually
from tests.pairs.ground import HEDGE, LOTS, MOST, PAPER, TRADABLE, Ground, ground

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

#: One entry, and no other after it.
ONCE: dict[str, Any] = {"cool_off": 3600}


@dataclass(frozen=True)
class Scenario:
    """What befalls an entry, and how that has to end."""

    does: Callable[[Ground], Awaitable[None]]
    before: Callable[[Ground], None]
    spec: dict[str, Any] = field(default_factory=dict)
    #: The lots of the perpetual that the pair ends with; None: some.
    ends: int | None = 0


async def nothing(pair: Ground) -> None:
    """Let it be."""


def quietly(pair: Ground) -> None:
    """Let it be."""


def lead_is_refused(pair: Ground) -> None:
    pair.sides[1].refuses()


def follower_is_refused(pair: Ground) -> None:
    pair.sides[2].refuses()


def lead_is_thin(pair: Ground) -> None:
    pair.sides[1].quote(1000, size=40)


def follower_is_thin(pair: Ground) -> None:
    pair.sides[2].quote(1000, size=30)


async def more_comes(pair: Ground) -> None:
    """Let more stand on the follower's book, bit by bit."""
    for filled in (30, 60, 90):
        await eventually(partial(has_sold, pair, filled), what=f"{filled} lots of the follower")
        pair.sides[2].quote(1000, size=30)


def has_sold(pair: Ground, lots: int) -> bool:
    return sum(order.filled.lots for order in pair.sides[2].orders()) >= lots


def answer_is_lost(pair: Ground) -> None:
    pair.sides[2].loses_answers(times=1)


def lead_answer_is_lost(pair: Ground) -> None:
    pair.sides[1].loses_answers(times=1)


async def follower_goes_down(pair: Ground) -> None:
    """Let the follower's venue be away when the lead trades, and until the lead is undone."""
    await eventually(pair.sides[1].resting, what="the lead's order", every=0.01)
    pair.sides[2].is_down()
    pair.sides[1].print(990)
    await eventually(lambda: pair.sides[1].held() < TRADABLE, what="the lead undone")
    pair.sides[2].heal()


async def nobody_comes(pair: Ground) -> None:
    """The lead's order waits at the touch, and is never met."""
    await eventually(pair.sides[1].resting, what="the lead's order")


async def price_runs_away(pair: Ground) -> None:
    """The lead trades, and then the follower's price falls, away from who has to sell there."""
    await eventually(pair.sides[1].resting, what="the lead's order")
    pair.sides[1].print(990)
    for price in range(999, 979, -1):
        pair.sides[2].quote(price)
        status = await pair.status()
        if status.trades and not status.trade:
            return


async def run_is_canceled(pair: Ground) -> None:
    """Somebody wants the end of it all while the lead has traded and the follower has not."""
    pair.sides[2].refuses()
    await eventually(lambda: pair.sides[1].held() > 0, what="the lead", every=0.01)
    if pair.durable:
        await pair.handle.cancel()
    else:
        await pair.stop()
    pair.sides[2].heal()


PATIENT = {"hedge": {**HEDGE, "passive_for": 30}}
AT_ONCE = {"hedge": {**HEDGE, "passive_for": 0}}
SCENARIOS = {
    "all is well": Scenario(nothing, quietly, ends=-LOTS),
    "refusal of A": Scenario(nothing, lead_is_refused),
    "refusal of B": Scenario(nothing, follower_is_refused, AT_ONCE),
    "partial A": Scenario(nothing, lead_is_thin, {**AT_ONCE, "lead_for": 2}, ends=-40),
    "partial B": Scenario(more_comes, follower_is_thin, AT_ONCE, ends=-LOTS),
    "answer of B lost": Scenario(nothing, answer_is_lost, AT_ONCE, ends=-LOTS),
    "answer of A lost": Scenario(nothing, lead_answer_is_lost, AT_ONCE, ends=-LOTS),
    "B down": Scenario(follower_goes_down, quietly, {"lead_for": 30}),
    "post-only never fills": Scenario(nobody_comes, quietly, {**PATIENT, "lead_for": 2}),
    "the price runs away": Scenario(price_runs_away, quietly, {"lead_for": 10}, ends=None),
}
WHERE = {"paper": (PAPER, PAPER), "binance-bybit": ("binance", "bybit")}
#: What a venue's own way of answering may change.
AT_VENUES = ("answer of B lost", "B down")
ROWS = os.environ.get("OPENSQT_TEST_SAGAS")
CASES = [
    (name, venues)
    for venues in WHERE
    for name in SCENARIOS
    if ROWS or venues == "paper" or name in AT_VENUES
]


#: Both runners share their loops: what is their own shows in these.
SIMPLE = [(name, "paper") for name in ("refusal of B", "answer of B lost", "B down")]


@pytest.mark.parametrize("name,venues", CASES)
async def test_nothing_is_naked_in_the_end(
    name: str, venues: str, tmp_path: Path, client: Client | None
) -> None:
    if client is None and not ROWS and (name, venues) not in SIMPLE:
        pytest.skip("the simple runner has all scenarios where OPENSQT_TEST_SAGAS names a file")
    scenario = SCENARIOS[name]
    async with ground(tmp_path, where=WHERE[venues], client=client) as pair:
        scenario.before(pair)
        await pair.start(**{**ONCE, **scenario.spec})
        await scenario.does(pair)
        await pair.is_quiet()
        held = pair.sides[2].held()
        if scenario.ends is not None:
            assert held == scenario.ends * pair.sides[2].lot
        await pair.check(flat=held == 0)
        note(name, venues, pair)
        assert pair.naked is not None
        assert pair.naked.longest <= MOST
        await leaves(pair)


async def test_a_run_that_is_canceled_in_the_middle_ends_flat(
    tmp_path: Path, client: Client | None
) -> None:
    async with ground(tmp_path, client=client) as pair:
        await pair.start(**ONCE, **AT_ONCE)
        await run_is_canceled(pair)
        await pair.result()
        await pair.check(flat=True)
        note("the run is canceled", "paper", pair)


async def test_an_exit_into_a_venue_that_falls_silent_is_taken_back_and_done_later(
    tmp_path: Path, client: Client | None
) -> None:
    async with ground(tmp_path, client=client) as pair:
        await pair.start(**ONCE, **AT_ONCE)
        await pair.is_quiet("the entry")
        pair.sides[2].is_down()
        await pair.leave()
        await eventually(lambda: len(pair.sides[1].orders()) > 2, what="the way back")
        await eventually(lambda: pair.sides[1].held() > TRADABLE, what="the lead, held")
        assert pair.naked is not None
        assert pair.naked.longest <= MOST
        pair.sides[2].heal()
        await pair.until("the exit", lambda found: not found.trade and not found.direction)
        await pair.check(flat=True)
        note("B down during an exit", "paper", pair)


async def leaves(pair: Ground) -> None:
    """Stop the run; what it held is given back, and its books add up."""
    for side in pair.sides.values():
        side.heal()
        side.quote(1000)
    await pair.stop()
    result = await pair.result()
    await pair.check(flat=True)
    for books in result.legs:
        assert books is not None
        assert books.residual == 0


def note(name: str, venues: str, pair: Ground) -> None:
    """Put a row of the table in docs/pairs.md where the environment wants it."""
    if ROWS is None or pair.naked is None:
        return
    longest: timedelta = pair.naked.longest
    row = {
        "scenario": name,
        "venues": venues,
        "runner": "durable" if pair.durable else "simple",
        "held": [str(side.held()) for side in pair.sides.values()],
        "naked": [round(longest.total_seconds(), 1), str(pair.naked.most)],
        "orders": [len(side.orders()) for side in pair.sides.values()],
    }
    with Path(ROWS).open("a") as file:
        file.write(json.dumps(row) + "\n")
