"""`opensqt audit`: who did what, when and why."""

from collections.abc import Mapping, Sequence
from typing import Any

import click
from rich.console import RenderableType
from rich.text import Text

from activities.store.ledger import Ledger
from activities.store.records import AuditEntry
from workers.cli import reach
from workers.cli.failures import no_run
from workers.cli.options import with_settings
from workers.cli.output import console, put_json
from workers.cli.pair_book import legs_of
from workers.cli.tables import plain_table
from workers.settings import Settings


@click.command(epilog="Example: opensqt audit --run my-grid --limit 20")
@click.option("--run", metavar="NAME", help="Only what was done to this run.")
@click.option(
    "--limit", default=100, show_default=True, type=click.IntRange(1), help="At most so many."
)
@with_settings
async def audit(run: str | None, limit: int, *, settings: Settings, as_json: bool) -> None:
    """Show the audit log, newest first: who did what, when and why, and what it changed."""
    async with reach.ledger(settings) as ledger:
        if run is not None and not await _is_known(ledger, run):
            raise no_run(run)
        entries = await ledger.audit_trail(run, limit)
    if as_json:
        put_json({"entries": entries})
    else:
        console().print(_table(entries))


async def _is_known(ledger: Ledger, name: str) -> bool:
    """Return whether there is, or was, a run or a pair of this name."""
    return await ledger.run(name) is not None or bool(await legs_of(ledger, name))


def _table(entries: Sequence[AuditEntry]) -> RenderableType:
    if not entries:
        return Text("nothing was recorded yet")
    table = plain_table("when (UTC)", "who", "what", "run", "why", "before", "after")
    for column in table.columns[4:]:
        column.no_wrap, column.overflow = False, "fold"
    for entry in entries:
        table.add_row(
            f"{entry.at:%Y-%m-%d %H:%M:%S}",
            entry.who,
            entry.command,
            entry.run_id or "",
            entry.why,
            _values(entry.before),
            _values(entry.after),
        )
    return table


def _values(values: Mapping[str, Any] | None) -> str:
    return ", ".join(f"{name}: {each}" for name, each in (values or {}).items())
