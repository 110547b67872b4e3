"""Risk stops what opens, whenever it speaks, and never what gives back."""

from pathlib import Path

import pytest
from temporalio.client import Client

from tests.eventually import eventually
from tests.pairs.ground import HEDGE, ground

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

#: The lead waits at the touch, so there is time to halt it.
WAITS = {"hedge": {**HEDGE, "passive_for": 8}, "lead_for": 30, "cool_off": 0}


async def test_a_halt_before_the_entry_lets_nothing_in(
    tmp_path: Path, client: Client | None
) -> None:
    async with ground(tmp_path, client=client) as pair:
        await pair.halt()
        await pair.start()
        await pair.until("the halt", lambda found: "a storm" in found.halted)
        pair.sides[2].fund("0.002")  # worth even more
        await pair.until("another look", lambda found: found.legs[1].rate is not None)
        assert not pair.sides[1].orders()
        await pair.clear()
        await pair.is_quiet("the entry")
        await pair.check(flat=False)


async def test_a_halt_during_the_entry_ends_it_with_what_it_has(
    tmp_path: Path, client: Client | None
) -> None:
    async with ground(tmp_path, client=client) as pair:
        await pair.start(**WAITS)
        await eventually(pair.sides[1].resting, what="the lead's order")
        pair.sides[1].print(990, lots=40)
        await eventually(lambda: pair.sides[1].held() > 0, what="a part of the lead")
        await pair.halt()
        # The follower waits at the touch: somebody takes it.
        await eventually(lambda: not pair.sides[1].resting(), what="the lead's end")
        pair.sides[2].print(1010)
        await pair.is_quiet()
        assert pair.sides[1].orders()[0].filled.lots == 40
        await pair.check(flat=pair.sides[2].held() == 0)


async def test_a_halt_while_it_is_held_closes_nothing_and_an_exit_passes(
    tmp_path: Path, client: Client | None
) -> None:
    async with ground(tmp_path, client=client) as pair:
        await pair.start()
        await pair.is_quiet("the entry")
        await pair.halt()
        held = await pair.until("the halt", lambda found: found.halted)
        assert held.direction == "positive"
        await pair.leave()
        await pair.until("the exit", lambda found: found.trades == 2 and not found.trade)
        await pair.check(flat=True)


async def test_a_halt_during_an_exit_does_not_stop_it(
    tmp_path: Path, client: Client | None
) -> None:
    async with ground(tmp_path, client=client) as pair:
        await pair.start()
        await pair.is_quiet("the entry")
        pair.sides[1].refuses()
        pair.sides[2].refuses()
        await pair.leave()
        await pair.until("the exit's beginning", lambda found: found.trades == 2)
        await pair.halt()
        await pair.until("the halt", lambda found: found.halted)
        for side in pair.sides.values():
            side.heal()
        await pair.until("the exit", lambda found: not found.trade)
        await pair.check(flat=True)
