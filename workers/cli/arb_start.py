"""`opensqt arb preview` and `start`."""

import click

from activities.messages import Accepted
from workers.cli.grid_start import name_of
from workers.cli.options import accept_option, why_option, with_settings
from workers.cli.output import console, note, put_json
from workers.cli.pair_starting import preview_of, start_pair
from workers.cli.pair_tables import preview_table
from workers.cli.runs import operator
from workers.cli.specs import read_pair
from workers.settings import Settings


@click.command(epilog="Example: opensqt arb preview examples/first-pair.yaml")
@click.argument("spec", metavar="SPEC.yaml")
@with_settings
async def preview(spec: str, *, settings: Settings, as_json: bool) -> None:
    """Show what the pair of SPEC would be now, and whether it would be entered; it only looks.

    Prices, rates, costs and the time after which it pays. Breakers and preflight are not asked.
    """
    found = await preview_of(settings, read_pair(spec))
    if as_json:
        put_json(found)
    else:
        console().print(preview_table(found))


@click.command(epilog="Example: opensqt arb start examples/first-pair.yaml --name my-pair")
@click.argument("spec", metavar="SPEC.yaml")
@click.option("--name", help="What the pair is called, for ever [default: the file's name].")
@accept_option
@why_option
@with_settings
async def start(
    spec: str,
    *,
    name: str | None,
    accept: tuple[str, ...],
    why: str,
    settings: Settings,
    as_json: bool,
) -> None:
    """Start the pair of SPEC as a Temporal workflow; it goes on until it is stopped.

    It is entered when that pays. It needs workers of the accounts of both legs, and does not begin
    if the preflight of either does not pass.
    """
    parsed = read_pair(spec)
    accepted = Accepted(accept, operator(), why)
    chosen = name or name_of(spec, parsed.first.symbol)
    started = await start_pair(settings, chosen, parsed, accepted)
    if as_json:
        put_json(started)
        return
    click.echo(f"pair {started.name} is {started.phase}: opensqt arb watch {started.name}")
    for told in started.notes:
        note(told)
