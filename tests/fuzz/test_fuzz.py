"""A bounded part of `make fuzz`: both runners do what the plain loop does, and bugs are found."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from temporalio.client import Client

from tests.fuzz import mutants
from tests.fuzz.arena import arena
from tests.fuzz.hunt import Hunted, hunt, server
from tests.fuzz.script import SCRIPTS, Asked, Script, Trades
from workers.simple_run import SimpleRun

#: Machines differ; what is stuck is noticed sooner (`PATIENCE`), and says so.
pytestmark = pytest.mark.timeout(600)

#: Any seed will do; the same one makes the same examples.
_SEED = 5
#: Within so many examples each bug is found.
_SOON = 100


@pytest.fixture(name="client")
async def _client() -> AsyncIterator[Client]:
    async with server() as client:
        yield client


def agreed(hunted: Hunted) -> None:
    found = hunted.finding
    assert found is None, f"{found.why}\n{SCRIPTS.dump_json(found.script).decode()}"
    assert hunted.counted["fills"] > 10
    assert hunted.counted["killed while sending"] > 0


async def test_the_simple_runner_agrees_with_the_plain_loop(tmp_path: Path) -> None:
    async with arena(tmp_path) as where:
        agreed(await hunt(where, _SEED, 40))


@pytest.mark.slow
async def test_both_runners_agree_with_the_plain_loop(tmp_path: Path, client: Client) -> None:
    async with arena(tmp_path, client) as where:
        hunted = await hunt(where, _SEED, 20, together=4)
    agreed(hunted)
    assert hunted.counted["workflows of durable runs"] > hunted.counted["examples"]


@pytest.mark.parametrize("kind", mutants.SIMPLE, ids=lambda kind: kind.__name__)
async def test_a_bug_in_the_simple_runner_is_found(kind: type[SimpleRun], tmp_path: Path) -> None:
    async with arena(tmp_path, simple=kind) as where:
        hunted = await hunt(where, _SEED, _SOON, shrink=False)
    assert hunted.finding is not None
    assert "the simple runner" in hunted.finding.why


@pytest.mark.slow
async def test_bugs_in_the_durable_runner_are_found(tmp_path: Path, client: Client) -> None:
    for kind in mutants.DURABLE:
        directory = tmp_path / kind.__name__
        directory.mkdir()
        async with arena(directory, client, simple=None, grid=kind) as where:
            hunted = await hunt(where, _SEED, _SOON, together=4, shrink=False)
        assert hunted.finding is not None, kind
        assert "the durable runner" in hunted.finding.why


async def test_what_fails_is_shrunk_and_can_be_played_again(tmp_path: Path) -> None:
    async with arena(tmp_path, simple=mutants.SwapsEvents) as where:
        finding = (await hunt(where, _SEED, 20)).finding
    assert finding is not None
    assert len(finding.script.ops) <= 3
    again = SCRIPTS.validate_json(SCRIPTS.dump_json(finding.script))
    assert again == finding.script
    assert eval(repr(again)) == again  # noqa: S307 - what is printed can be pasted into a test
    assert Script("spot", (Trades((0,)), Asked("pause"))) != again
