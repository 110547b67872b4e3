"""Records histories of pairs: `python -m tests.histories.record_pairs` in the project's root."""

import asyncio
import json
import tempfile
from pathlib import Path
from typing import Any, Final

from temporalio.client import Client

from tests.histories.record import scrubbed
from tests.pairs.ground import HEDGE, Ground, ground
from tests.workflows.server import TemporalServer

HERE: Final = Path(__file__).parent / "pairs"
#: What a run is called: it is part of the ids of its orders, so a replay has to call it that too.
PAIR: Final = "recorded-pair"


async def record() -> None:
    """Let a pair enter, be paused, go on, be left and stopped, and keep what its workflows did."""
    with tempfile.TemporaryDirectory() as directory:
        server = TemporalServer(Path(directory))
        server.start()
        try:
            client = await server.ready()
            async with ground(Path(directory), client=client) as pair:
                pair.run_id = PAIR
                await _play(pair)
                await _keep(client, PAIR, "pair")
                trades = [
                    each.id async for each in client.list_workflows("WorkflowType = 'PairTradeRun'")
                ]
                for number, trade in enumerate(sorted(trades), start=1):
                    await _keep(client, trade, f"trade_{number}")
        finally:
            server.kill()


async def _play(pair: Ground) -> None:
    await pair.start(cool_off=3600, hedge={**HEDGE, "passive_for": 0})
    await pair.is_quiet()
    await pair.pause()
    pair.sides[2].refuses(times=1)
    await pair.leave()
    await pair.until("the exit", lambda found: found.trades == 2 and not found.trade)
    await pair.stop()
    await pair.result()


async def _keep(client: Client, workflow_id: str, name: str) -> None:
    history = await client.get_workflow_handle(workflow_id).fetch_history()
    told: dict[str, Any] = scrubbed(json.loads(history.to_json()))
    text = json.dumps({"workflow_id": workflow_id, **told}, indent=1) + "\n"
    (HERE / f"{name}.json").write_text(text)
    print(f"{name}: {len(text)} bytes")  # noqa: T201 - a command prints


if __name__ == "__main__":
    HERE.mkdir(exist_ok=True)
    asyncio.run(record())
