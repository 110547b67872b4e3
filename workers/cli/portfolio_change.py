"""`opensqt portfolio reconfigure`."""

from collections.abc import Sequence

import click

from domain.arbitrage.portfolio_change import FieldChange
from workers.cli.failures import BadInputError
from workers.cli.grid_tell import confirm_change, require_somebody
from workers.cli.options import why_option, with_settings
from workers.cli.output import console, put_json
from workers.cli.portfolio_runs import Portfolios
from workers.cli.runs import operator
from workers.cli.specs import read_portfolio
from workers.cli.tables import plain_table
from workers.settings import Settings
from workflows.portfolio_messages import ReconfigurePortfolio


@click.command(epilog="Example: opensqt portfolio reconfigure carry calmer.yaml --dry-run")
@click.argument("name")
@click.argument("spec", metavar="SPEC.yaml")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--dry-run", is_flag=True, help="Only show what would change.")
@why_option
@with_settings
async def reconfigure(
    name: str,
    spec: str,
    *,
    yes: bool,
    dry_run: bool,
    why: str,
    settings: Settings,
    as_json: bool,
) -> None:
    """Change the live portfolio NAME to SPEC: show what changes, ask, then do it.

    It is followed from the next scan on, which follows at once. The quote stays what it is, and so
    do the accounts of pairs that are held.
    """
    asks = not (yes or dry_run)
    if asks:
        require_somebody(spec, as_json=as_json)
    parsed = read_portfolio(spec)
    for account in parsed.accounts:
        settings.account(account)  # an unknown one is told before anything changes
    portfolios = await Portfolios.connect(settings)
    found = await portfolios.preview(name, parsed)
    if found.refused:
        raise BadInputError(found.refused)
    if not as_json:
        _show(found.changes)
    sends = bool(found.changes) and not dry_run
    if asks and sends:
        confirm_change(name, "portfolio")
    after = None
    if sends:
        message = ReconfigurePortfolio(parsed, operator(), why)
        after = await portfolios.tell(name, "reconfigure", message)
    if as_json:
        put_json({"name": name, "changed": sends, "changes": found.changes, "status": after})
    elif after is not None:
        click.echo(f"portfolio {name} is {after.phase}, with these settings from its next scan on")


def _show(changes: Sequence[FieldChange]) -> None:
    if not changes:
        click.echo("the portfolio has these settings: nothing changes")
        return
    table = plain_table("setting", "before", "after")
    for each in changes:
        table.add_row(each.field, each.before, each.after)
    console().print(table)
