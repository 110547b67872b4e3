"""`opensqt pnl`: what runs earned, and that the money adds up."""

import click

from workers.cli import book, reach
from workers.cli.failures import no_run
from workers.cli.options import with_settings
from workers.cli.output import console, put_json
from workers.cli.pair_book import legs_of
from workers.cli.tables import money_table
from workers.settings import Settings


@click.command(epilog="Example: opensqt pnl my-grid --json")
@click.argument("name", required=False)
@with_settings
async def pnl(name: str | None, *, settings: Settings, as_json: bool) -> None:
    """Show grid profit, floating, funding, fees and transfers of the run NAME, or of all.

    A pair is shown by its legs, and both together: funding, what their prices did (basis), what its
    orders cost more than when they were decided (slippage), fees.
    The residual is what the venue has and the runs cannot explain: it must be 0. What depends on a
    price is unknown, and not 0, when the exchange cannot be asked.
    """
    async with reach.ledger(settings) as ledger:
        if name is None:
            runs = await ledger.runs()
        else:
            run = await ledger.run(name)
            runs = [run] if run is not None else await legs_of(ledger, name)
            if not runs:
                raise no_run(name)
        answer = await book.money(settings, ledger, runs)
    if as_json:
        put_json(answer)
    else:
        console().print(money_table(answer))
