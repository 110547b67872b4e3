"""Records histories of a portfolio: `python -m tests.histories.record_portfolio` in the root.

Record anew only when a portfolio is *meant* to do something else than the release before it.
"""

import asyncio
import json
import tempfile
from pathlib import Path
from typing import Any, Final

from temporalio.client import Client

from tests.activities.coins import Coin
from tests.histories.record import scrubbed
from tests.portfolio.ground import PAIR, Ground, coins_of, ground
from tests.portfolio.soon_rolling import Recorded
from tests.workflows.server import TemporalServer

HERE: Final = Path(__file__).parent / "portfolios"
#: It is part of the names of its pairs, so a replay has to call it that too.
NAME: Final = "recorded-portfolio"
COINS: Final = (Coin("BTC", "0.0005"), Coin("ETH", "0.0004"), Coin("SOL", "0.0003"))
#: The exchange asks for 0.005 of what is held, and has 100 000 quote: see tests/portfolio.
TIGHT: Final = {"maintenance_rate": "0.005", "entry_health": "0.99993", "relief_above": "0.00006"}
SMALL: Final = {"pairs": 2, "leverage": 1, "pair_cap": "0.4", "group_cap": "0.4"}


async def record() -> None:
    """Let a portfolio begin, relieve, resize, remove, rest and stop, and keep what it did."""
    with tempfile.TemporaryDirectory() as directory:
        server = TemporalServer(Path(directory))
        server.start()
        try:
            client = await server.ready()
            async with ground(Path(directory), client, COINS, Recorded) as folio:
                folio.name = NAME
                await _play(folio)
                await _keep_chain(client)
        finally:
            server.kill()


async def _play(folio: Ground) -> None:
    await folio.start(every=3600, margin=TIGHT)
    await folio.holds("BTC", "ETH")
    folio.market.quote("BTC", 1700)  # the use of margin is too much now: ETH gives back
    await folio.until("a relief", lambda found: min(line.amount for line in found.pairs) < 400)
    other = {**PAIR, "exit_below": "0.4"}
    await folio.reconfigure(every=4, margin=TIGHT, allocation=SMALL, pair=other)
    await folio.until("a resize", lambda found: max(each.amount for each in found.pairs) == 400)
    folio.market.settle("ETH", "-0.05")  # it is worth nothing any more
    await folio.until("a removal", lambda found: coins_of(found) == {"BTC", "SOL"})
    await folio.tell("pause")
    await folio.tell("resume")
    await folio.holds("BTC", "SOL")
    await folio.tell("stop")
    await folio.result()


async def _keep_chain(client: Client) -> None:
    """Keep every workflow of the chain, the first one first."""
    described = await client.get_workflow_handle(NAME).describe()
    run_id: str | None = described.raw_description.workflow_execution_info.first_run_id
    number = 0
    while run_id:
        number += 1
        history = await client.get_workflow_handle(NAME, run_id=run_id).fetch_history()
        told: dict[str, Any] = scrubbed(json.loads(history.to_json()))
        text = json.dumps({"workflow_id": NAME, **told}, indent=1) + "\n"
        (HERE / f"portfolio_{number}.json").write_text(text)
        print(f"portfolio_{number}: {len(text)} bytes")  # noqa: T201 - a command prints
        last = told["events"][-1]
        ended = last.get("workflowExecutionContinuedAsNewEventAttributes", {})
        run_id = ended.get("newExecutionRunId")


if __name__ == "__main__":
    HERE.mkdir(exist_ok=True)
    asyncio.run(record())
