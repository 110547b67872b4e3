"""A portfolio opens the best pairs, follows what changes, and leaves nothing behind."""

from decimal import Decimal
from pathlib import Path

import pytest
from temporalio.client import Client

from tests.activities.coins import Coin
from tests.eventually import eventually
from tests.portfolio.ground import Ground, coins_of, ground
from tests.portfolio.soon_rolling import SoonRolling
from workflows.pair_messages import ExitPair
from workflows.portfolio_messages import PortfolioStatus

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

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


async def test_p2_p6_a_pair_that_falls_out_is_closed_and_the_next_one_is_told_what_happens(
    tmp_path: Path, client: Client
) -> None:
    """P-2: its engine was stopped and forgotten, and the position stayed."""
    async with ground(tmp_path, client, COINS) as folio:
        await folio.start()
        await folio.holds("BTC", "ETH")
        folio.market.settle("ETH", "-0.05")  # the mean of 7 days falls below the least APR
        forgotten = await folio.until("the end of ETH", lambda found: "ETH" not in coins_of(found))
        assert folio.market.is_flat("ETH")
        assert forgotten.rests == {}
        await folio.holds("BTC", "SOL")
        assert len(await folio.engines()) == 2
        # P-6: symbols that were added later were never told anything
        before = (await folio.pair("SOL")).legs[1].funding
        folio.market.settle("SOL", "0.001")

        async def is_paid() -> bool:
            return (await folio.pair("SOL")).legs[1].funding > before

        await eventually(is_paid, what="funding of a pair that was added later")
        await folio.tell("stop")
        await folio.result()
        trail = [(each.command, each.run_id) for each in await folio.ledger.audit_trail()]
        assert {"start", "add", "remove", "forget", "stop"} <= {action for action, _ in trail}


async def test_p3_a_failed_scan_changes_nothing(tmp_path: Path, client: Client) -> None:
    """P-3: failed calls were an empty list, and every pair was removed."""
    async with ground(tmp_path, client, COINS) as folio:
        await folio.start()
        held = await folio.holds("BTC", "ETH")
        folio.market.break_down({"method": "rest.*", "kind": "drop_connection"})
        failed = await folio.until("a failed scan", lambda found: found.failed)
        turns = failed.turns
        await folio.until("two more turns", lambda found: found.turns >= turns + 2)
        after = await folio.status()
        assert [line.run for line in after.pairs] == [line.run for line in held.pairs]
        assert after.advised == ()
        folio.market.heal()
        await folio.until("a scan", lambda found: not found.failed)
        # A leg that was being hedged when nobody answered is hedged once its orders are looked up.
        await folio.holds("BTC", "ETH")


async def test_p4_a_restart_resumes_the_set_with_one_engine_for_each_pair(
    tmp_path: Path, client: Client
) -> None:
    """P-4: an addition made two engines, and the test of a restart was empty."""
    async with ground(tmp_path, client, COINS, SoonRolling) as folio:
        await folio.start()
        held = await folio.holds("BTC", "ETH")
        first = (await folio.handle.describe()).run_id
        await folio.crash()

        async def rolled() -> bool:
            return (await folio.handle.describe()).run_id != first

        await eventually(rolled, within=60, what="the next workflow of the chain")
        turns = (await folio.status()).turns
        after = await folio.until("another turn", lambda found: found.turns > turns)
        assert [line.run for line in after.pairs] == [line.run for line in held.pairs]
        assert after.begun == 2
        assert sorted(await folio.engines()) == sorted(line.run for line in held.pairs)
        await folio.tell("stop")
        await folio.result()
        assert all(folio.market.is_flat(coin.base) for coin in COINS)


async def test_paused_it_looks_and_changes_nothing(tmp_path: Path, client: Client) -> None:
    async with ground(tmp_path, client, COINS) as folio:
        await folio.start(equity=None, equity_of=[next(iter(folio.accounts))], every=3600)
        await folio.until("the first turn", lambda found: found.begun)
        await folio.tell("pause")
        found = await folio.status()
        assert found.phase == "paused"
        assert found.equity == 100_000


async def test_a_pair_that_a_person_stopped_rests(tmp_path: Path, client: Client) -> None:
    async with ground(tmp_path, client, COINS) as folio:
        await folio.start()
        held = await folio.holds("BTC", "ETH")
        stopped = next(line for line in held.pairs if "BTC" in line.pair)
        handle = client.get_workflow_handle(stopped.run)
        await handle.execute_update("exit", ExitPair(ends=True, by="a person", why="enough"))
        found = await folio.holds("ETH", "SOL")
        assert list(found.rests) == [stopped.pair]
        assert folio.market.is_flat("BTC")


async def test_p4_nothing_grows_beyond_the_margin_of_the_accounts(
    tmp_path: Path, client: Client
) -> None:
    """P-4: the margin gate read a cached account, and nobody asked what if."""
    async with ground(tmp_path, client, COINS) as folio:
        await folio.start(margin={"maintenance_rate": "0.5", "entry_health": "0.9999"})
        found = await folio.until("a turn", lambda found: found.held_back)
        assert all("margin" in each for each in found.held_back)
        assert found.begun == 0
        assert all(folio.market.is_flat(coin.base) for coin in COINS)


async def test_p1_another_share_of_a_pair_is_traded_by_the_difference(
    tmp_path: Path, client: Client
) -> None:
    """P-1: the new notional was set as the new quantity."""
    async with ground(tmp_path, client, COINS[:2]) as folio:
        await folio.start(allocation={"pairs": 2, "leverage": 1, "pair_cap": 1, "group_cap": 1})
        before = {line.pair: line.amount for line in (await folio.holds("BTC", "ETH")).pairs}
        folio.market.settle("ETH", "0.0012")  # so much less steady, it is worth less

        def changed(found: PortfolioStatus) -> bool:
            now = {line.pair: line.amount for line in found.pairs}
            return now.keys() == before.keys() and all(now[pair] != before[pair] for pair in now)

        found = await folio.until("other amounts", changed)
        assert sum(line.amount for line in found.pairs) <= 1000
        await eventually(lambda: follows(folio), what="positions of the new amounts")
        assert {line.run for line in (await folio.status()).pairs} == set(await folio.engines())


async def follows(folio: Ground) -> bool:
    """Return whether both pairs hold what they are meant for, but for lots and fees."""
    for line in (await folio.status()).pairs:
        coin = line.pair.split()[1].partition("/")[0]
        worth = abs(folio.market.held(coin)[1]) * 1000
        if abs(worth - line.amount) > 3 or not folio.market.is_hedged(coin):
            return False
    return True
