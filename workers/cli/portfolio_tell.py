"""`opensqt portfolio start`, `status`, `pause`, `resume` and `stop`."""

import click
from rich.console import Group, RenderableType
from rich.text import Text

from workers.cli.grid_start import name_of
from workers.cli.options import why_option, with_settings
from workers.cli.output import console, money, number, put_json
from workers.cli.portfolio_runs import Portfolios
from workers.cli.runs import operator
from workers.cli.specs import read_portfolio
from workers.cli.tables import plain_table
from workers.settings import Settings
from workflows.messages import Command
from workflows.portfolio_messages import PortfolioStatus, margin_told


@click.command(epilog="Example: opensqt portfolio start examples/portfolio.yaml --name carry")
@click.argument("spec", metavar="SPEC.yaml")
@click.option("--name", help="What the portfolio is called, for ever [default: the file's name].")
@why_option
@with_settings
async def start(
    spec: str, *, name: str | None, why: str, settings: Settings, as_json: bool
) -> None:
    """Start a portfolio of SPEC as a Temporal workflow; it goes on until it is stopped.

    It scans at once. Each pair it begins is a run of its own, named after the portfolio.
    """
    parsed = read_portfolio(spec)
    for account in parsed.accounts:
        settings.account(account)  # an unknown one is told before anything begins
    named = name or name_of(spec, "portfolio")
    await (await Portfolios.connect(settings)).start(named, parsed, why)
    if as_json:
        put_json({"name": named, "phase": "running"})
    else:
        click.echo(f"portfolio {named} is started: opensqt portfolio status {named}")


@click.command(epilog="Example: opensqt portfolio status carry")
@click.argument("name")
@with_settings
async def status(name: str, *, settings: Settings, as_json: bool) -> None:
    """Show what the portfolio NAME holds, and what its last scan advised."""
    found = await (await Portfolios.connect(settings)).status(name)
    if as_json:
        put_json({"name": name, "status": found})
    else:
        console().print(_picture(name, found))


@click.command(epilog='Example: opensqt portfolio pause carry --why "a venue is in maintenance"')
@click.argument("name")
@why_option
@with_settings
async def pause(name: str, *, why: str, settings: Settings, as_json: bool) -> None:
    """Let the portfolio NAME look on and change nothing; what it holds goes on by itself."""
    await _tell(settings, name, "pause", why, as_json=as_json)


@click.command(epilog="Example: opensqt portfolio resume carry")
@click.argument("name")
@why_option
@with_settings
async def resume(name: str, *, why: str, settings: Settings, as_json: bool) -> None:
    """Let the paused portfolio NAME follow its scans again, from a fresh one on."""
    await _tell(settings, name, "resume", why, as_json=as_json)


@click.command(epilog='Example: opensqt portfolio stop carry --why "the year ends"')
@click.argument("name")
@why_option
@with_settings
async def stop(name: str, *, why: str, settings: Settings, as_json: bool) -> None:
    """Close all pairs of the portfolio NAME; it ends when nothing of them is left."""
    await _tell(settings, name, "stop", why, as_json=as_json)


async def _tell(settings: Settings, name: str, update: str, why: str, *, as_json: bool) -> None:
    told = Command(operator(), why)
    after = await (await Portfolios.connect(settings)).tell(name, update, told)
    if as_json:
        put_json({"name": name, "status": after})
    else:
        click.echo(f"portfolio {name} is {after.phase}")


def _picture(name: str, found: PortfolioStatus) -> RenderableType:
    scanned = "never" if found.scanned_at is None else f"{found.scanned_at:%F %T} UTC"
    parts: list[RenderableType] = [
        Text(f"{name}: {found.phase}, equity {money(found.equity)}, last scan {scanned}")
    ]
    if found.failed:
        parts.append(Text(f"nothing followed from it: {found.failed}"))
    if found.pairs:
        table = plain_table(
            *("pair", "run", "amount", "first", "second", ""), right=("amount", "first", "second")
        )
        for line in found.pairs:
            first, second = (number(base) for base in line.bases)
            table.add_row(line.pair, line.run, money(line.amount), first, second, line.doing)
        parts += [Text(""), table]
    parts += [Text(margin_told(each)) for each in found.margins]
    parts += [Text(f"advised: {each}") for each in found.advised]
    parts += [Text(f"held back: {each}") for each in found.held_back]
    parts += [Text(f"{pair} rests until {at:%F %T} UTC") for pair, at in found.rests.items()]
    return Group(*parts)
