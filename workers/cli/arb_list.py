"""`opensqt arb list`, from the ledger: it works without Temporal and without a worker."""

import click

from workers.cli import pair_book, reach
from workers.cli.options import with_settings
from workers.cli.output import console, put_json
from workers.cli.pair_tables import pairs_table
from workers.settings import Settings


@click.command(name="list", epilog="Example: opensqt arb list --all")
@click.option("--all", "ended", is_flag=True, help="Also the pairs that ended.")
@with_settings
async def list_pairs(*, ended: bool, settings: Settings, as_json: bool) -> None:
    """List the pairs, from the ledger; with --all also those that ended."""
    async with reach.ledger(settings) as ledger:
        pairs = await pair_book.lines(ledger, ended=ended)
    if as_json:
        put_json({"pairs": pairs})
    else:
        console().print(pairs_table(pairs))
