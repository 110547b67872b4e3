"""Records the histories beside this file: `python -m tests.histories.record` in the project's root.

Record anew only when a run is *meant* to do something else than the release before it; runs that
began with that release then need `workflow.patched`.
"""

import asyncio
import json
import os
import socket
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

from temporalio.client import WorkflowHandle

from tests.histories.scenarios import SCENARIOS
from tests.workflows.server import TemporalServer
from tests.workflows.soon_rolling import SoonRolling
from tests.workflows.stage import staged, working
from workflows.grid import GridRun
from workflows.names import feed_workflow_id

HERE: Final = Path(__file__).parent


async def record(names: list[str]) -> None:
    """Run the scenarios on a server of their own and write what Temporal kept of them."""
    with tempfile.TemporaryDirectory() as directory:
        server = TemporalServer(Path(directory))
        server.start()
        try:
            client = await server.ready()
            for index, name in enumerate(names):
                grid = SoonRolling if name == "continue_as_new" else GridRun
                account = f"rec{index}"
                async with staged(client, Path(directory), account) as stage, working(stage, grid):
                    run = await SCENARIOS[name](stage)
                    text = await _history(run)
                    (HERE / f"{name}.json").write_text(text)
                    print(f"{name}: {len(text)} bytes")  # noqa: T201 - a command prints
                    await client.get_workflow_handle(feed_workflow_id(account)).terminate()
        finally:
            server.kill()


async def _history(run: WorkflowHandle[Any, Any]) -> str:
    told = (await run.describe()).raw_description.workflow_execution_info
    first = run._client.get_workflow_handle(run.id, run_id=told.first_run_id)
    history = await first.fetch_history()
    return json.dumps(scrubbed(json.loads(history.to_json())), indent=1) + "\n"


def scrubbed(value: Any) -> Any:
    """Return *value* without the name of this machine and the numbers of its processes."""
    if isinstance(value, dict):
        return {key: scrubbed(each) for key, each in value.items()}
    if isinstance(value, list):
        return [scrubbed(each) for each in value]
    if isinstance(value, str):
        return value.replace(f"{os.getpid()}@{socket.gethostname()}", "worker").replace(
            socket.gethostname(), "host"
        )
    return value


if __name__ == "__main__":
    asyncio.run(record(sys.argv[1:] or list(SCENARIOS)))
