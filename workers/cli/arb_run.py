"""`opensqt arb run`."""

import logging
from typing import TYPE_CHECKING

import click

from activities.messages import Accepted
from domain.money import add
from workers.cli import reach
from workers.cli.failures import exists
from workers.cli.grid_start import name_of
from workers.cli.options import accept_option, why_option, with_settings
from workers.cli.output import Changes, money, put_json
from workers.cli.pair_tables import line
from workers.cli.runs import checked_name, operator
from workers.cli.specs import read_pair
from workers.settings import Settings

if TYPE_CHECKING:
    from workflows.pair_messages import PairResult


@click.command(epilog="Example: opensqt arb run examples/first-pair.yaml --name my-pair")
@click.argument("spec", metavar="SPEC.yaml")
@click.option("--name", help="What the pair is called, for ever [default: the file's name].")
@click.option("--stop", is_flag=True, help="Close the pair and end the run.")
@accept_option
@why_option
@with_settings
async def run(
    spec: str,
    *,
    name: str | None,
    stop: bool,
    accept: tuple[str, ...],
    why: str,
    settings: Settings,
    as_json: bool,
) -> None:
    """Run the pair of SPEC in this process, without Temporal, until Ctrl-C; again, it goes on.

    It needs the exchanges of both accounts and a ledger (`opensqt db upgrade`). Whatever ends the
    process leaves what is held as it is; a trade that was in flight is gone on with first. A
    changed SPEC is taken as new settings. Each change is a line.
    """
    from workers.simple_pairs import main_loop  # noqa: PLC0415  also loads what talks to venues

    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s")  # on stderr
    parsed = read_pair(spec)
    chosen = checked_name(name or name_of(spec, parsed.first.symbol))
    await _refuse_grid(settings, chosen)
    if not as_json:
        legs = f"{parsed.first.symbol} against {parsed.second.symbol}"
        click.echo(f"pair {chosen}: {legs}; Ctrl-C leaves it")
    accepted = Accepted(accept, operator(), why)
    asked = (why or f"{operator()} asked") if stop else ""
    say = Changes()
    tell = None if as_json else lambda now: say(line(now, None))
    result = await main_loop(settings, parsed, chosen, stop=asked, accepted=accepted, tell=tell)
    if as_json:
        put_json({"name": chosen, "ended": result is not None, "result": result})
    elif result is None:
        click.echo(f"pair {chosen} is left as it is; the same command goes on with it")
    else:
        click.echo(_told(chosen, result))


async def _refuse_grid(settings: Settings, name: str) -> None:
    """Raise ExistsError if *name* is a grid's: its checkpoint would be taken for a pair's."""
    async with reach.ledger(settings) as ledger:
        if await ledger.run(name) is not None:
            raise exists(name)


def _told(name: str, result: "PairResult") -> str:
    legs = [leg for leg in result.legs if leg is not None]
    funding = add(*(leg.funding for leg in legs))
    prices = add(*(leg.cash for leg in legs))
    fees = add(*(leg.fees for leg in legs))
    return (
        f"pair {name} has ended: {result.trades} trades, funding {money(funding, sign=True)}, "
        f"prices {money(prices, sign=True)}, fees {money(-fees, sign=True)}"
    )
