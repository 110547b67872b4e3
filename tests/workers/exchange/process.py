"""A paper exchange as a process that tests start, kill and start again."""

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc

from opensqt.market_maker.v1 import paper_pb2, paper_pb2_grpc

ROOT = Path(__file__).parents[3]
RECORDED = ROOT.parent / "shared" / "data"


@dataclass
class Exchange:
    """A running process and what it said when it was ready."""

    process: Process
    told: dict[str, Any]

    @property
    def address(self) -> str:
        return str(self.told["listening"])

    async def advance(self, events: int, **until: Any) -> paper_pb2.AdvanceResponse:
        async with grpc.aio.insecure_channel(self.address) as channel:
            stub = paper_pb2_grpc.PaperControlServiceStub(channel)
            request = paper_pb2.AdvanceRequest(max_events=events, until=until or None)
            return await stub.Advance(request)

    async def kill(self) -> None:
        self.process.kill()
        await self.process.wait()


async def spawn(*options: str) -> Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "workers.exchange",
        *options,
        cwd=ROOT,
        env={"PYTHONPATH": f"{ROOT}:{ROOT / 'proto'}", "PATH": ""},
        stdout=PIPE,
        stderr=PIPE,
    )


@asynccontextmanager
async def started(data: Path, *options: str) -> AsyncIterator[Exchange]:
    """Run an exchange on a free port; it is killed at the end if it still runs."""
    process = await spawn("--data", str(data), "--listen", "127.0.0.1:0", *options)
    try:
        assert process.stdout is not None
        line = await asyncio.wait_for(process.stdout.readline(), 30)
        assert line, await _errors(process)
        yield Exchange(process, json.loads(line))
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def failed(*options: str) -> str:
    """Start an exchange that cannot start; return its one message."""
    process = await spawn(*options)
    output, errors = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode not in (0, None)
    assert output == b""
    lines = errors.decode().strip().splitlines()
    assert len(lines) == 1, errors.decode()
    assert lines[0].startswith("Error: ")
    return lines[0]


async def _errors(process: Process) -> str:
    assert process.stderr is not None
    return (await process.stderr.read()).decode()
