"""A live portfolio takes other settings, and refuses those it cannot have."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from temporalio.client import Client, WorkflowUpdateFailedError

from tests.activities.coins import Coin
from tests.portfolio.ground import PAIR, Ground, ground
from tests.workers.cli.test_arb_scan import set_up
from tests.workflows.server import TemporalServer
from workers.cli.failures import Exit
from workers.cli.main import main
from workflows.portfolio_messages import PortfolioPreview

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

COINS = (Coin("BTC", "0.0005"), Coin("ETH", "0.0004"), Coin("SOL", "0.0003"))
#: All that is not in it stays what `Ground.spec` writes.
ONE = {"pairs": 1, "leverage": 1, "pair_cap": "0.4", "group_cap": "0.4"}


async def test_other_settings_are_followed_at_once_and_pairs_are_told_theirs(
    tmp_path: Path, client: Client
) -> None:
    async with ground(tmp_path, client, COINS) as folio:
        await folio.start(every=3600)
        held = await folio.holds("BTC", "ETH")
        assert held.turns == 1
        changed = {"every": 5, "allocation": ONE, "pair": {**PAIR, "exit_below": "0.4"}}
        assert await previewed(folio, **changed) == {
            "allocation.group_cap": ("0.5", "0.4"),
            "allocation.pair_cap": ("0.5", "0.4"),
            "allocation.pairs": ("2", "1"),
            "every": ("3600", "5"),
            "pair.exit_below": ("not set", "0.4"),
        }
        assert (await folio.status()).turns == 1  # that only looked
        await folio.reconfigure(**changed)
        found = await folio.holds("BTC")  # not only is ETH closed, BTC is smaller
        assert found.pairs[0].amount == 400
        assert found.turns >= 2
        assert await previewed(folio, **changed) == {}
        trail = (await folio.ledger.audit_trail())[::-1]
        (told,) = [each for each in trail if each.run_id == folio.name and each.before]
        assert told.before is not None
        assert told.after is not None
        assert (told.who, told.why) == ("tester", "the test")
        assert (told.before["allocation.pairs"], told.after["allocation.pairs"]) == ("2", "1")
        done = [(each.command, each.run_id) for each in trail]
        for line in held.pairs:
            assert done.count(("retell", line.run)) == 1
        assert ("relieve", folio.name) not in done
        await folio.tell("stop")
        await folio.result()


async def test_what_may_not_change_is_refused_and_paused_it_waits(
    tmp_path: Path, client: Client
) -> None:
    async with ground(tmp_path, client, COINS) as folio:
        await folio.start(every=3600)
        held = await folio.holds("BTC", "ETH")
        spot, perp = folio.accounts
        cases: list[tuple[dict[str, Any], str]] = [
            ({"quote": "USDC"}, "quote: stays USDT"),
            ({"accounts": [spot, "other"]}, f"accounts: must have {perp} while pairs are held"),
        ]
        for changes, told in cases:
            with pytest.raises(WorkflowUpdateFailedError) as refused:
                await folio.reconfigure(**changes)
            assert told in str(refused.value.__cause__)
        bad = {"spec": {"accounts": [spot]}, "by": "tester"}
        with pytest.raises(WorkflowUpdateFailedError) as wrong:
            await folio.handle.execute_update("reconfigure", bad)
        assert "accounts: " in str(wrong.value.__cause__)
        await folio.tell("pause")
        await folio.reconfigure(every=5, allocation=ONE)
        found = await folio.until("two scans", lambda found: found.turns >= 3)
        assert [line.run for line in found.pairs] == [line.run for line in held.pairs]
        await folio.tell("resume")
        await folio.holds("BTC")


async def test_the_command_shows_what_changes_and_does_it(
    tmp_path: Path, client: Client, server: TemporalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with ground(tmp_path, client, COINS) as folio:
        monkeypatch.setenv("OPENSQT_DATA_DIR", str(tmp_path / "data"))
        monkeypatch.setenv("OPENSQT_TEMPORAL", server.address)
        for name, account in folio.settings.accounts.items():
            set_up(monkeypatch, name, account)
        await folio.start(every=3600)
        await folio.holds("BTC", "ETH")
        path = tmp_path / "next.yaml"

        async def run(*words: str, **changes: Any) -> Result:
            spec = folio.spec(**{"every": 3600, **changes}).model_dump(
                mode="json", exclude_unset=True
            )
            path.write_text(json.dumps(spec))
            line = ["portfolio", "reconfigure", folio.name, str(path), *words]
            return await asyncio.to_thread(CliRunner().invoke, main, line)

        shown = await run("--dry-run", allocation=ONE)
        assert (shown.exit_code, "allocation.pairs" in shown.stdout) == (Exit.OK, True)
        assert (await folio.status()).turns == 1
        same = await run("--yes")
        assert "nothing changes" in same.stdout
        assert (await folio.status()).turns == 1
        refused = await run("--yes", quote="USDC")
        assert refused.exit_code == Exit.USAGE
        assert "quote: stays USDT while a portfolio runs" in refused.stderr
        done = json.loads((await run("--yes", "--json", allocation=ONE, every=5)).stdout)
        assert done["changed"] is True
        assert {"field": "allocation.pairs", "before": "2", "after": "1"} in done["changes"]
        await folio.holds("BTC")


async def previewed(folio: Ground, **changes: Any) -> dict[str, tuple[str, str]]:
    found: PortfolioPreview = await folio.handle.query(
        "preview", folio.spec(**changes), result_type=PortfolioPreview
    )
    assert found.refused == ""
    return {each.field: (each.before, each.after) for each in found.changes}
