"""`opensqt grid preflight`: whether a spec could start now, and what stands in the way."""

from collections.abc import Sequence
from typing import Any, Final

import click

from activities.preflight import Preflight, planned_grid
from domain.grid.config import bind
from domain.grid.spec import GridSpec
from domain.risk.checks import Check, Outcome
from domain.risk.preflight import blocking, passed, refuse_unknown_names
from workers.cli import reach
from workers.cli.failures import Exit
from workers.cli.options import accept_option, with_settings
from workers.cli.output import console, put_json
from workers.cli.specs import read_spec
from workers.settings import Settings

_STYLES: Final = {
    Outcome.OK: "green",
    Outcome.WARNING: "yellow",
    Outcome.FAILED: "bold red",
    Outcome.UNKNOWN: "bold red",
}


@click.command(epilog="Example: opensqt grid preflight examples/first-grid.yaml")
@click.argument("spec", metavar="SPEC.yaml")
@accept_option
@with_settings
async def preflight(
    spec: str, *, accept: tuple[str, ...], settings: Settings, as_json: bool
) -> None:
    """Show every check that a run of SPEC would have to pass now, and start nothing.

    It needs the exchange and the ledger, no worker. What nobody can tell counts as failed.
    """
    parsed = read_spec(spec)
    refuse_unknown_names(accept, [parsed.account])
    checks = await _checks(settings, parsed)
    starts = passed(checks, accept)
    if as_json:
        put_json({"symbol": parsed.symbol, "starts": starts, "checks": checks})
    else:
        console().print(_table(checks))
        console().print(_summary(checks, accept))
    if not starts:
        click.get_current_context().exit(Exit.FAILED)


async def _checks(settings: Settings, spec: GridSpec) -> tuple[Check, ...]:
    account, rules = spec.account, settings.risk.preflight
    async with reach.ledger(settings) as ledger, reach.venue(settings, account) as venue:
        config = bind(spec, await venue.instrument(spec.symbol))
        report = await Preflight(account, venue, ledger, rules).report(planned_grid("", config))
        return report.checks


def _table(checks: Sequence[Check]) -> Any:
    from rich import box  # noqa: PLC0415  slow to load, and not needed for JSON
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("check", "result"):
        table.add_column(column, no_wrap=True)
    for column in ("found", "wanted", "fix"):
        table.add_column(column, overflow="fold")
    for check in checks:
        result = Text(check.outcome.value, style=_STYLES[check.outcome])
        table.add_row(check.name, result, Text(check.found), Text(check.wanted), Text(check.fix))
    return table


def _summary(checks: Sequence[Check], accepted: Sequence[str]) -> str:
    blocked = blocking(checks, accepted)
    if not blocked:
        return "It would start. Nothing was started."
    names = ", ".join(dict.fromkeys(check.name for check in blocked))
    can = [check.name for check in blocked if check.overridable]
    hint = f" Take it as it is with --accept {can[0]}." if len(can) == len(blocked) else ""
    return f"It would not start: {names}.{hint} Nothing was started."
