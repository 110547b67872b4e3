"""A portfolio opens the best pairs, follows what changes, and leaves nothing behind."""

from decimal import Decimal
from pathlib import Path

import pytest
from temporalio.client import Client

from tests.activities.coins import Coin
from tests.portfolio.ground import ground

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

COINS = (Coin("BTC", "0.0005"), Coin("ETH", "0.0004"), Coin("SOL", "0.0003"))


async def test_it_opens_the_best_pairs_within_its_caps_and_closes_them_before_it_ends(
    tmp_path: Path, client: Client
) -> None:
    async with ground(tmp_path, client, COINS) as folio:
        await folio.start()
        found = await folio.holds("BTC", "ETH")
        amounts = [line.amount for line in found.pairs]
        assert sum(amounts) <= 1000
        assert all(amount <= 500 for amount in amounts)
        for line in found.pairs:  # quote, and not so much of the coin (flaw P-1)
            assert Decimal(0) < line.amount
            assert abs(line.bases[1]) * 1000 <= line.amount
        await folio.tell("stop")
        result = await folio.result()
        assert result.begun == 2
        assert all(folio.market.is_flat(coin.base) for coin in COINS)
        assert await folio.engines() == []
