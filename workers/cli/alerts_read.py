"""`opensqt alerts list`: the outbox of alerts, and what became of each."""

import asyncio
from collections.abc import Sequence
from typing import Final

import click
from rich.console import RenderableType
from rich.text import Text

from activities.store.ledger import Ledger
from activities.store.records import StoredAlert
from domain.grid.events import AlertLevel
from workers.cli import reach
from workers.cli.options import with_settings
from workers.cli.output import console, put_json
from workers.cli.tables import plain_table
from workers.settings import Settings

_LOOK_EVERY: Final = 0.5
_STYLES: Final = {
    AlertLevel.INFO: "",
    AlertLevel.WARNING: "yellow",
    AlertLevel.ERROR: "red",
    AlertLevel.CRITICAL: "bold red",
}


@click.command(name="list", epilog="Example: opensqt alerts list --follow")
@click.option("--follow", is_flag=True, help="Go on with new ones until Ctrl-C.")
@click.option(
    "--limit", default=100, show_default=True, type=click.IntRange(1), help="At most so many."
)
@with_settings
async def list_(*, follow: bool, limit: int, settings: Settings, as_json: bool) -> None:
    """Show the newest alerts, the newest last: how often each was said, and who was told.

    With --follow and --json a document for each alert.
    """
    async with reach.ledger(settings) as ledger:
        if follow:
            await _follow(ledger, limit, as_json=as_json)
            return
        found = await ledger.alerts(limit)
    if as_json:
        put_json({"alerts": found})
    else:
        console().print(_table(found))


async def _follow(ledger: Ledger, limit: int, *, as_json: bool) -> None:
    after = 0
    while True:
        for alert in await ledger.alerts(limit, after):
            after = alert.id
            if as_json:
                put_json(alert)
            else:
                console().print(_line(alert))
        await asyncio.sleep(_LOOK_EVERY)


def _line(alert: StoredAlert) -> Text:
    level = (alert.level.value, _STYLES[alert.level])
    return Text.assemble(f"{alert.at:%F %T} ", level, f" {alert.message}")


def _table(found: Sequence[StoredAlert]) -> RenderableType:
    if not found:
        return Text("there were no alerts yet")
    table = plain_table("when (UTC)", "level", "times", "told", "alert")
    for column in table.columns[3:]:
        column.no_wrap, column.overflow = False, "fold"
    for alert in found:
        level = Text(alert.level.value, style=_STYLES[alert.level])
        table.add_row(f"{alert.at:%F %T}", level, str(alert.times), _told(alert), alert.message)
    return table


def _told(alert: StoredAlert) -> str:
    if alert.delivered_at is not None:
        return f"{alert.delivered_at:%T}"
    if not alert.attempts:
        return "not yet"
    tried = f"not yet, {alert.attempts} attempts"
    why = "; ".join(f"{name}: {error}" for name, error in alert.errors.items())
    return f"{tried}: {why}" if why else tried
