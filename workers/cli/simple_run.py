"""`opensqt simple run`."""

import logging
from typing import TYPE_CHECKING

import click

from activities.messages import Accepted
from domain.grid.spec import StopMode
from workers.cli.grid_start import name_of
from workers.cli.options import accept_option, why_option, with_settings
from workers.cli.output import money, number, put_json
from workers.cli.runs import checked_name, operator
from workers.cli.specs import read_spec
from workers.settings import Settings

if TYPE_CHECKING:
    from workflows.messages import GridResult


@click.command(epilog="Example: opensqt simple run examples/first-grid.yaml --name my-grid")
@click.argument("spec", metavar="SPEC.yaml")
@click.option("--name", help="What the run is called, for ever [default: the file's name].")
@click.option(
    "--discard-checkpoint",
    is_flag=True,
    help="Forget the checkpoint: the ledger and the venue tell what the run holds.",
)
@click.option(
    "--stop",
    type=click.Choice([StopMode.CANCEL.value, StopMode.CLOSE.value]),
    help="End the run: cancel its orders, or trade back its position too.",
)
@accept_option
@why_option
@with_settings
async def run(
    spec: str,
    *,
    name: str | None,
    discard_checkpoint: bool,
    stop: str | None,
    accept: tuple[str, ...],
    why: str,
    settings: Settings,
    as_json: bool,
) -> None:
    """Run SPEC in this process, without Temporal, until Ctrl-C; started again, it goes on.

    It needs an exchange (`opensqt exchange`) and a ledger (`opensqt db upgrade`). Whatever ends the
    process leaves the orders at the exchange. A changed SPEC is taken as new settings. A run that
    does not pass its preflight never begins; one that goes on does so paused, until it passes.
    """
    from workers.simple import main_loop  # noqa: PLC0415  also loads what talks to venues

    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s")  # on stderr
    parsed = read_spec(spec)
    chosen = checked_name(name or name_of(spec, parsed.symbol))
    mode = StopMode(stop) if stop else None
    if not as_json:
        click.echo(f"run {chosen}: {parsed.direction} grid on {parsed.symbol}; Ctrl-C leaves it")
    accepted = Accepted(accept, operator(), why)
    result = await main_loop(
        settings, parsed, chosen, discard=discard_checkpoint, stop=mode, accepted=accepted
    )
    if as_json:
        put_json({"name": chosen, "ended": result is not None, "result": result})
    elif result is None:
        click.echo(f"run {chosen} is left with its orders; the same command goes on with it")
    else:
        click.echo(_told(chosen, result))


def _told(name: str, result: "GridResult") -> str:
    gained = f"grid profit {money(result.grid_profit)}, fees {money(result.fees)}"
    left = "not comparable" if result.residual is None else number(result.residual)
    return (
        f"run {name} has ended ({result.why}): {result.cycles} cycles, {gained}, "
        f"position {number(result.position)}, residual {left}"
    )
