"""Shadow fuzz of pairs: whatever script hypothesis makes, both runners send the same orders.

More of them: `OPENSQT_TEST_SHADOW=200 python -m pytest tests/pairs/test_shadow.py`.
"""

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.pairs.ground import TRADABLE
from tests.pairs.shadow import Fault, Hopeful, Played, Script, durable, simple
from tests.workflows.server import TemporalServer
from tests.workflows.stage import connected

EXAMPLES = int(os.environ.get("OPENSQT_TEST_SHADOW", "2"))
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600 + 60 * EXAMPLES)]
FAULTS = st.lists(st.sampled_from(Fault), max_size=4).map(tuple)
SCRIPTS = st.builds(
    Script,
    FAULTS,
    FAULTS,
    st.frozensets(st.integers(2, 20), max_size=3),
    st.sampled_from(["first", "second"]),
)


@given(script=SCRIPTS)
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=EXAMPLES < 10,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=list(HealthCheck),
    database=None,
)
async def test_both_runners_send_the_same_orders(script: Script, server: TemporalServer) -> None:
    client = await connected(server.address)
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        first = await simple(script, Path(one))
        second = await durable(script, Path(other), client)
    assert first.orders == second.orders
    for played in (first, second):
        ends_well(played)


async def test_a_runner_that_counts_what_it_sent_is_found(
    server: TemporalServer, tmp_path: Path
) -> None:
    script = Script(second=(Fault.THIN,))
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
    first = await simple(script, tmp_path / "one", Hopeful)
    second = await durable(script, tmp_path / "other", await connected(server.address))
    assert first.orders != second.orders
    ends_well(second)


def ends_well(played: Played) -> None:
    assert abs(sum(played.held, start=played.held[0] * 0)) < TRADABLE, played
    assert all(abs(held) < TRADABLE for held in played.held), played
    assert played.residuals == [0, 0]
