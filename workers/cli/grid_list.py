"""`opensqt grid list`, from the ledger: it works without Temporal and without a worker."""

import click

from workers.cli import book, reach
from workers.cli.options import with_settings
from workers.cli.output import console, put_json
from workers.cli.tables import runs_table
from workers.settings import Settings


@click.command(name="list", epilog="Example: opensqt grid list --all")
@click.option("--all", "ended", is_flag=True, help="Also the runs that ended.")
@with_settings
async def list_runs(*, ended: bool, settings: Settings, as_json: bool) -> None:
    """List the runs, from the ledger; with --all also those that ended."""
    async with reach.ledger(settings) as ledger:
        runs = await book.lines(ledger, ended=ended)
    if as_json:
        put_json({"runs": runs})
    else:
        console().print(runs_table(runs))
