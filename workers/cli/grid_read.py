"""`opensqt grid status`, `slots` and `watch`: what one run is doing."""

import click

from workers.cli import reading
from workers.cli.options import with_settings
from workers.cli.output import console, note, put_json
from workers.cli.tables import book_table, slots_table, status_table
from workers.settings import Settings


@click.command(epilog="Example: opensqt grid status my-grid")
@click.argument("name")
@with_settings
async def status(name: str, *, settings: Settings, as_json: bool) -> None:
    """Show what the run NAME is doing; from the ledger if no worker answers."""
    found = await reading.status_of(settings, name)
    if as_json:
        put_json(found)
        return
    if found.status is not None:
        console().print(status_table(name, found.status))
    elif found.ledger is not None:
        console().print(book_table(found.ledger))
    note(found.note)


@click.command(epilog="Example: opensqt grid slots my-grid")
@click.argument("name")
@with_settings
async def slots(name: str, *, settings: Settings, as_json: bool) -> None:
    """Show the slots of the run NAME with their orders, highest price first."""
    found = await reading.slots_of(settings, name)
    if as_json:
        put_json(found)
        return
    console().print(slots_table(found.slots))
    note(found.note)


@click.command(epilog="Example: opensqt grid watch my-grid")
@click.argument("name")
@click.option("--once", is_flag=True, help="Show one picture and end.")
@with_settings
async def watch(name: str, *, once: bool, settings: Settings, as_json: bool) -> None:
    """Watch the run NAME live: price, levels, orders, fills and profit; q leaves.

    Without a terminal, and with --json, it shows one picture and ends.
    """
    from workers.cli.watch import watch_run  # noqa: PLC0415  the live view, only here

    await watch_run(settings, name, once=once, as_json=as_json)
