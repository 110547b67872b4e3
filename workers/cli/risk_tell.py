"""`opensqt risk trip` and `reset`: a person opens or closes a breaker."""

from collections.abc import Callable
from typing import Any, Final

import click

from activities.risk import RiskDesk
from activities.store.ledger import Ledger
from domain.errors import InvalidValueError
from domain.risk.scope import OVERALL, Scope, ScopeKind
from workers.cli import reach
from workers.cli.failures import BadInputError, CommandError, no_run
from workers.cli.options import with_settings
from workers.cli.output import put_json
from workers.cli.pair_book import legs_of
from workers.cli.runs import operator
from workers.settings import Settings

_RUN: Final = click.option("--run", metavar="NAME", help="Only this run.")
_ACCOUNT: Final = click.option("--account", metavar="NAME", help="Only the runs of this account.")
_WHY: Final = click.option(
    "--why", required=True, metavar="TEXT", help="The reason, for the audit log."
)


def _which(command: Callable[..., Any]) -> Callable[..., Any]:
    return _RUN(_ACCOUNT(_WHY(command)))


@click.command(epilog='Example: opensqt risk trip --why "the news at two"')
@_which
@with_settings
async def trip(
    run: str | None, account: str | None, why: str, *, settings: Settings, as_json: bool
) -> None:
    """Halt the openings of everything, until somebody resets it: entries are canceled, exits stay.

    It needs no worker: each run hears of it within a second, or when it is up again.
    """
    async with reach.ledger(settings) as ledger:
        scope = await _scope(settings, ledger, run, account)
        desk = RiskDesk(ledger, settings.risk)
        await _moved(desk.trip(scope, operator(), why))
        await _tell(desk, scope, as_json=as_json)


@click.command(epilog='Example: opensqt risk reset --account main --why "the venue is well again"')
@click.option("--monitor", is_flag=True, help="Only the storm of the market monitor.")
@_which
@with_settings
async def reset(
    run: str | None,
    account: str | None,
    why: str,
    *,
    monitor: bool,
    settings: Settings,
    as_json: bool,
) -> None:
    """Close the breaker of everything, of one account or of one run; it measures anew from here.

    With --monitor: end the storm. You have judged the market up to now; the next candle may begin
    another one.
    """
    async with reach.ledger(settings) as ledger:
        if monitor:
            await _pardon(settings, ledger, run or account, why, as_json=as_json)
            return
        scope = await _scope(settings, ledger, run, account)
        desk = RiskDesk(ledger, settings.risk)
        await _moved(desk.reset(scope, operator(), why))
        await _tell(desk, scope, as_json=as_json)


async def _pardon(
    settings: Settings, ledger: Ledger, other: str | None, why: str, *, as_json: bool
) -> None:
    if other is not None:
        raise BadInputError("--monitor goes without --run and --account: it halts everything")
    desk = RiskDesk(ledger, settings.risk)
    await _moved(desk.pardon(operator(), why))
    upto = (await desk.known(())).pardoned
    if as_json:
        put_json({"scope": "monitor", "judged_upto": upto})
    else:
        click.echo(f"the market monitor takes candles up to {upto:%F %T} UTC for judged")


async def _scope(settings: Settings, ledger: Ledger, run: str | None, account: str | None) -> Scope:
    if run is not None and account is not None:
        raise BadInputError("--run and --account: name one of them, or none for everything")
    if run is not None:
        if await ledger.run(run) is None:
            raise await _no_run(ledger, run)
        return Scope(ScopeKind.RUN, run)
    if account is not None:
        settings.account(account)
        return Scope(ScopeKind.ACCOUNT, account)
    return OVERALL


async def _no_run(ledger: Ledger, name: str) -> CommandError:
    """Return the error of a name that no run has; that of a pair is none."""
    legs = await legs_of(ledger, name)
    if not legs:
        return no_run(name)
    named = " and ".join(f"--run {leg.run_id}" for leg in legs)
    return BadInputError(
        f"{name} is a pair: `opensqt arb pause {name}` halts it, {named} mean one of its legs"
    )


async def _moved(move: Any) -> None:
    try:
        await move
    except InvalidValueError as error:
        raise BadInputError(f"--{error}") from None


async def _tell(desk: RiskDesk, scope: Scope, *, as_json: bool) -> None:
    breaker = (await desk.known([scope])).breakers[scope]
    if as_json:
        put_json({"scope": str(scope), "phase": breaker.phase, "why": breaker.why})
    else:
        click.echo(breaker.why)
