"""A pair enters, holds, is paid and leaves, under either runner."""

from decimal import Decimal
from pathlib import Path

import pytest
from temporalio.client import Client

from tests.pairs.ground import ground

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


async def test_a_pair_enters_is_paid_and_leaves(tmp_path: Path, client: Client | None) -> None:
    async with ground(tmp_path, client=client) as pair:
        await pair.start()
        held = await pair.is_quiet("the entry")
        assert held.direction == "positive"
        await pair.check(flat=False)
        before = held.legs[1].base
        assert before == -Decimal("0.1")
        pair.sides[2].fund("0.001")
        await pair.until("funding", lambda found: found.legs[1].funding == Decimal("0.1"))
        await pair.stop()
        result = await pair.result()
        await pair.check(flat=True)
        assert result.trades == 2
        for books in result.legs:
            assert books is not None
            assert books.residual == 0
