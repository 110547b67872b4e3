"""The page about the local exchange against the exchange: its samples run, its tables are whole."""

import asyncio
import re
import shlex
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

import aiohttp
import pytest

from tests.workers.exchange.process import Exchange, started
from workers.exchange.faults import FaultKind, Operation, read_faults
from workers.exchange.fronts.desk import Desk
from workers.exchange.fronts.registry import DIALECTS, dialects_of
from workers.exchange.panel.server import Panel

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "local-exchange.md").read_text()
CONTROL = "http://127.0.0.1:8088"


def blocks(language: str) -> Sequence[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)


@pytest.fixture(name="exchange")
async def _exchange(tmp_path: Path) -> AsyncIterator[Exchange]:
    """The exchange as the page starts it, but on free ports."""
    (line,) = (
        line
        for line in blocks("sh")[0].replace("\\\n", " ").splitlines()
        if "opensqt exchange" in line
    )
    words = shlex.split(line)
    at = words.index("exchange") + 1
    options = dict(zip(words[at::2], words[at + 1 :: 2], strict=True))
    assert options.pop("--data") == ".local/exchange"
    assert options.pop("--control") == CONTROL.removeprefix("http://")
    given = [word for option in options.items() for word in option]
    async with started(tmp_path / "exchange", "--control", "127.0.0.1:0", *given) as exchange:
        yield exchange


async def run(code: str, exchange: Exchange, tmp_path: Path) -> str:
    """Run a sample as a program of its own, and return what it printed."""
    assert CONTROL in code
    sample = tmp_path / "sample.py"
    sample.write_text(code.replace(CONTROL, exchange.told["control"]))
    program = await asyncio.create_subprocess_exec(
        sys.executable, str(sample), cwd=tmp_path, stdout=PIPE, stderr=PIPE
    )
    output, errors = await asyncio.wait_for(program.communicate(), 90)
    assert program.returncode == 0, errors.decode()
    return output.decode()


async def test_the_samples_run_as_they_stand(exchange: Exchange, tmp_path: Path) -> None:
    asynchronous, synchronous = blocks("python")
    assert await run(asynchronous, exchange, tmp_path) == "5 bids; open: 1\n"
    assert await run(synchronous, exchange, tmp_path) == "position: 1.0\n"
    await every_curl_answers(exchange)


async def every_curl_answers(exchange: Exchange) -> None:
    """Accounts that the page asks for were used by its samples."""
    asked = list(requests())
    assert len(asked) > 10
    async with aiohttp.ClientSession() as session:
        for method, path, body in asked:
            url = f"{exchange.told['control']}{path}"
            async with session.request(method, url, data=body) as reply:
                assert reply.status == 200, (method, path, await reply.text())
                assert await reply.json() is not None


def requests() -> Iterator[tuple[str, str, str | None]]:
    """Yield method, path and body of each curl."""
    for line in "".join(blocks("sh")).splitlines():
        if line.startswith("curl "):
            words = [word for word in shlex.split(line)[1:] if word != "-s"]
            method = words[words.index("-X") + 1] if "-X" in words else "GET"
            body = words[words.index("-d") + 1] if "-d" in words else None
            (url,) = (word for word in words if word.startswith(CONTROL))
            yield method, url.removeprefix(CONTROL), body


def test_every_endpoint_of_the_control_api_is_on_the_page_and_is_asked_there() -> None:
    endpoints = set(Panel(None, None, None).endpoints())  # type: ignore[arg-type]  # names only
    told = set(re.findall(r"`((?:GET|PUT|POST|DELETE) /[a-z]*)`", TEXT))
    assert told == endpoints
    assert {f"{method} {path.partition('?')[0]}" for method, path, _ in requests()} == endpoints


def test_the_fault_script_can_be_read(tmp_path: Path) -> None:
    (script,) = blocks("yaml")
    path = tmp_path / "faults.yaml"
    path.write_text(script)
    assert len(read_faults(path)) == 4


@pytest.mark.parametrize("word", [*FaultKind, *Operation])
def test_every_kind_of_fault_and_every_operation_is_on_the_page(word: str) -> None:
    assert f"`{word}`" in TEXT


def test_the_table_of_endpoints_is_what_the_dialects_answer() -> None:
    between = re.search(r"<!-- endpoints[^\n]*-->\n(.*?)<!-- end of endpoints -->", TEXT, re.DOTALL)
    assert between is not None
    assert between[1] == table(), f"docs/local-exchange.md must have:\n{table()}"


def table() -> str:
    """Return what every dialect answers, as Markdown."""
    lines = ["| venue | method | paths |", "|---|---|---|"]
    nobody = Desk(None, None)  # type: ignore[arg-type]  # routes are asked for, not answered
    for dialect in dialects_of(sorted(DIALECTS), nobody):
        by_method: dict[str, list[str]] = {}
        for route in dialect.routes():
            by_method.setdefault(route.method, []).append(f"`{route.path}`")
        for method, paths in sorted(by_method.items()):
            lines.append(f"| {dialect.name} | {method} | {', '.join(sorted(paths))} |")
    return "\n".join(lines) + "\n"
