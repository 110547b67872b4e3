"""A command line whose environment and data directory are the test's own."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from activities.store.database import sqlite_url
from activities.store.migrations import upgrade
from tests.workflows.server import TemporalServer, serving
from workers.cli.main import main

Invoke = Callable[..., Result]


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the data directory that commands use; nothing listens where they look."""
    for name in [name for name in os.environ if name.startswith("OPENSQT_")]:
        monkeypatch.delenv(name)
    monkeypatch.delenv("COLUMNS", raising=False)  # set where tests run side by side
    monkeypatch.setenv("OPENSQT_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("OPENSQT_TEMPORAL", "127.0.0.1:1")
    monkeypatch.setenv("OPENSQT_EXCHANGE", "127.0.0.1:1")
    return tmp_path / "data"


@pytest.fixture
def books(data: Path) -> None:
    """Have an empty ledger where commands look for it."""
    data.mkdir()
    upgrade(sqlite_url(data / "ledger.db"))


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TemporalServer]:
    """A Temporal server, which no command finds by itself."""
    with serving(tmp_path_factory.mktemp("temporal")) as server:
        yield server


@pytest.fixture
def invoke(data: Path) -> Invoke:
    """Return what runs `opensqt` with the given words."""

    def run(*words: str, stdin: str | None = None) -> Result:
        return CliRunner().invoke(main, list(words), input=stdin)

    return run


@pytest.fixture
def invoke_json(invoke: Invoke) -> Callable[..., tuple[int, Any]]:
    """Return what runs `opensqt ... --json`: the exit code and the one document on stdout."""

    def run(*words: str, stdin: str | None = None) -> tuple[int, Any]:
        result = invoke(*words, "--json", stdin=stdin)
        return result.exit_code, json.loads(result.stdout)

    return run
