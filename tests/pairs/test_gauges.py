"""What pairs show to Prometheus, read where it reads it."""

import re
import urllib.request
from pathlib import Path

import pytest
from temporalio.client import Client
from temporalio.runtime import PrometheusConfig, Runtime, TelemetryConfig

from tests.eventually import eventually
from tests.pairs.ground import ground
from tests.workflows.server import TemporalServer
from workers.converter import DATA_CONVERTER
from workers.local.ports import anywhere

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


async def test_a_pair_shows_where_it_stands(tmp_path: Path, server: TemporalServer) -> None:
    address = f"127.0.0.1:{anywhere().metrics}"
    telemetry = TelemetryConfig(metrics=PrometheusConfig(bind_address=address))
    client = await Client.connect(
        server.address, data_converter=DATA_CONVERTER, runtime=Runtime(telemetry=telemetry)
    )
    async with ground(tmp_path, client=client) as pair:
        await pair.start()
        await pair.is_quiet("the entry")
        pair.sides[2].fund("0.001")

        def told(name: str) -> float | None:
            with urllib.request.urlopen(f"http://{address}/metrics") as answer:
                text: str = answer.read().decode()
            found = re.search(rf'^{name}{{.*pair="{pair.run_id}".*}} (\S+)$', text, re.MULTILINE)
            return float(found[1]) if found else None

        def is_shown() -> bool:
            return told("opensqt_pair_funding_received") == pytest.approx(0.1)

        await eventually(is_shown, what="the funding")
        # 0.1 % of one leg in 8 hours is 109.5 % a year.
        assert told("opensqt_pair_apr_earned") == pytest.approx(1.095)
        assert told("opensqt_pair_apr_paid") == 0
        assert told("opensqt_pair_unhedged_base") == pytest.approx(0.00005)  # the fee of spot
        assert told("opensqt_hedge_debt_base") == pytest.approx(0.00005)
        assert told("opensqt_hedge_debt_seconds") == 0
