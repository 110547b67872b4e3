"""A simple runner as a process that tests start and kill, and what is left behind when it is dead.

Everything here is read from outside: the exchange's own record, the ledger, the checkpoint file.
"""

import asyncio
import json
import sqlite3
import sys
from asyncio.subprocess import PIPE, Process
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from activities.store.ledger import Ledger
from activities.venues.remote import RemoteVenue
from domain.accounting import VenueView, residual
from domain.grid.state import GridState
from tests.workers.exchange.process import ROOT, Exchange

NAME = "crash"
SYMBOL = "BTC/USDT:USDT"
_BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)
_STATE = TypeAdapter(GridState)


class Simple:
    """The run NAME of *spec* in *data*, at *exchange*; at most one process at a time."""

    def __init__(
        self, exchange: Exchange, data: Path, spec: str, settings: Mapping[str, str] | None = None
    ) -> None:
        self.data = data
        self._settings = settings or {}
        self._exchange = exchange
        self._spec = data.with_suffix(".yaml")
        self._spec.write_text(spec)
        self._process: Process | None = None

    async def command(self, *words: str) -> Process:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "workers.cli", *words, "--data", str(self.data)),
            cwd=ROOT,
            env={
                "PYTHONPATH": f"{ROOT}:{ROOT / 'proto'}",
                "PATH": "",
                "OPENSQT_EXCHANGE": self._exchange.address,
                **self._settings,
            },
            stdout=PIPE,
            stderr=PIPE,
        )

    async def start(self, *options: str) -> Process:
        words = ("simple", "run", str(self._spec), "--name", NAME, "--json", *options)
        self._process = await self.command(*words)
        return self._process

    async def kill(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.communicate()

    def check_alive(self) -> None:
        assert self._process is not None
        assert self._process.returncode is None, "the runner has ended by itself"

    def state(self) -> GridState | None:
        """Return the newest checkpoint, read beside the runner; None before the first."""
        path = self.data / "simple.db"
        if not path.exists():
            return None
        with _reading(path) as connection:
            try:
                row = connection.execute(
                    "SELECT payload FROM checkpoints ORDER BY version DESC LIMIT 1"
                ).fetchone()
            except sqlite3.OperationalError:  # the file is being made
                return None
        return None if row is None else _STATE.validate_json(row[0])

    def version(self) -> int:
        """Return how many states were committed."""
        path = self.data / "simple.db"
        with _reading(path) as connection:
            row = connection.execute("SELECT version FROM checkpoint_heads").fetchone()
        return 0 if row is None else int(row[0])


@contextmanager
def _reading(path: Path) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(path, timeout=5)
    try:
        yield connection
    finally:
        connection.close()


def sendings(exchange_data: Path) -> Counter[str]:
    """Return how often each client id reached the exchange, from its journal."""
    (path,) = [p for p in exchange_data.iterdir() if p.suffix in (".db", ".sqlite")]
    with _reading(path) as connection:
        assert connection.execute("SELECT min(number) FROM journal").fetchone()[0] == 1
        rows = connection.execute("SELECT input FROM journal").fetchall()
    inputs = [json.loads(text) for (text,) in rows]
    return Counter(each["request"]["client_id"] for each in inputs if each["kind"] == "placed")


async def disagreement(runner: Simple, venue: RemoteVenue) -> str:
    """Return where venue, checkpoint and ledger differ; nothing once they agree."""
    state = runner.state()
    if state is None:
        return "there is no checkpoint"
    if any(order.unknown or order.rank == 0 for order in state.working()):
        return "the outcome of an order is not known"
    resting = {order.client_id for order in await venue.open_orders(SYMBOL)}
    owned = {order.client_id for order in state.working()}
    if resting != owned:
        return f"resting but not owned: {resting - owned}; owned, not resting: {owned - resting}"
    positions = await venue.positions(SYMBOL)
    lots = sum(position.lots for position in positions)
    if lots != state.position_lots:
        return f"the venue has {lots} lots, the checkpoint {state.position_lots}"
    return await _books(runner, venue)


async def _books(runner: Simple, venue: RemoteVenue) -> str:
    async with Ledger.open(f"sqlite:///{runner.data / 'ledger.db'}") as ledger:
        run = await ledger.run(NAME)
        assert run is not None
        assert run.opening is not None
        view = await venue.account_view(SYMBOL, _BEGINNING)
        there = sorted(fill.fill_id for fill in view.fills)
        known = sorted(fill.fill_id for fill in await ledger.fills_of_run(NAME))
        if there != known:
            return f"the venue has {len(there)} fills, the ledger {len(known)}"
        now = VenueView.of(run.instrument, view.balances, view.positions)
        price = (await venue.last_price(SYMBOL)).price
        account = await ledger.account_of_run(NAME)
        left = residual([account], run.opening, now, price)
    return "" if left == 0 else f"the residual is {left}"


async def counted(venue: RemoteVenue) -> tuple[int, int]:
    """Return how many orders and fills the venue has of the account."""
    orders = await venue.orders_since(SYMBOL, _BEGINNING)
    fills = await venue.fills_since(SYMBOL, _BEGINNING)
    return len(orders), len(fills)


def answer(output: bytes) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(output)
    return found
