"""One real Temporal server for the durable exits."""

from collections.abc import Iterator

import pytest

from tests.workflows.server import TemporalServer, serving


@pytest.fixture(scope="session", name="server")
def _server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TemporalServer]:
    with serving(tmp_path_factory.mktemp("temporal")) as server:
        yield server
