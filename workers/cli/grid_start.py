"""`opensqt grid preview` and `start`."""

import re
from pathlib import Path

import click

from activities.messages import Accepted
from workers.cli.options import accept_option, why_option, with_settings
from workers.cli.output import console, note, put_json
from workers.cli.runs import operator
from workers.cli.specs import read_spec
from workers.cli.starting import preview_of, start_run
from workers.cli.tables import preview_table
from workers.settings import Settings


@click.command(epilog="Example: opensqt grid preview examples/first-grid.yaml")
@click.argument("spec", metavar="SPEC.yaml")
@with_settings
async def preview(spec: str, *, settings: Settings, as_json: bool) -> None:
    """Show what SPEC would place now: orders, capital, profit after fees."""
    found = await preview_of(settings, read_spec(spec))
    if as_json:
        put_json(found)
    else:
        console().print(preview_table(found))


@click.command(epilog="Example: opensqt grid start examples/first-grid.yaml --name my-grid")
@click.argument("spec", metavar="SPEC.yaml")
@click.option("--name", help="What the run is called, for ever [default: the file's name].")
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
    """Start a run of SPEC as a Temporal workflow; it goes on until it is stopped.

    A run that does not pass its preflight never begins: see `opensqt grid preflight`.
    """
    parsed = read_spec(spec)
    accepted = Accepted(accept, operator(), why)
    started = await start_run(settings, name or name_of(spec, parsed.symbol), parsed, accepted)
    if as_json:
        put_json(started)
        return
    click.echo(f"run {started.name} is {started.phase}: opensqt grid watch {started.name}")
    for told in started.notes:
        note(told)


def name_of(source: str, symbol: str) -> str:
    """Return the name of a run that was given none: its file's, or else its symbol's."""
    text = symbol.partition(":")[0].lower() if source == "-" else Path(source).stem
    return re.sub(r"[^A-Za-z0-9_]+", "-", text).strip("-_")[:64] or "grid"
