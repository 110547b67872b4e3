"""`opensqt portfolio preview`: one scan, and what would follow from it; nothing is begun."""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import partial

import click

from activities.margin_looks import MarginDesk
from activities.portfolio_messages import AccountLookInput, SurveyInput
from activities.store.ledger import Ledger
from activities.surveying import SurveyDesk
from domain.arbitrage.portfolio import admitted, advised, equity_of, told_of
from domain.arbitrage.portfolio_spec import PortfolioSpec
from domain.arbitrage.portfolio_state import AccountLook, PortfolioState, Survey
from domain.arbitrage.rebalance import Change
from domain.arbitrage.universe import ScanFailed
from domain.money import fixed
from workers.cli import reach
from workers.cli.failures import CommandError, UnreachableError
from workers.cli.options import with_settings
from workers.cli.output import console, money, note, put_json
from workers.cli.specs import read_portfolio
from workers.cli.tables import plain_table
from workers.settings import Settings
from workers.venues import open_place, open_venue


@dataclass(frozen=True, slots=True)
class PreviewLine:
    """A pair that would be begun. `apr` and `weight` are shares, `amount` is quote."""

    pair: str
    direction: str
    apr: Decimal
    amount: Decimal


@dataclass(frozen=True, slots=True)
class PreviewAnswer:
    """What a portfolio that holds nothing would begin now, and what it would hold back."""

    at: datetime
    equity: Decimal
    ranked: int
    pairs: tuple[PreviewLine, ...]
    held_back: tuple[str, ...]


@click.command(epilog="Example: opensqt portfolio preview examples/portfolio.yaml")
@click.argument("spec", metavar="SPEC.yaml")
@with_settings
async def preview(spec: str, *, settings: Settings, as_json: bool) -> None:
    """Scan once, and show what a portfolio of SPEC would begin now. Nothing is begun."""
    parsed = read_portfolio(spec)
    for account in parsed.accounts:
        settings.account(account)
    answer = await _preview(settings, parsed)
    if as_json:
        put_json(answer)
        return
    table = plain_table("pair", "direction", "APR %", "amount", right=("APR %", "amount"))
    for line in answer.pairs:
        table.add_row(line.pair, line.direction, fixed(line.apr * 100, 2), money(line.amount))
    told = f"equity {money(answer.equity)} {parsed.quote}, {answer.ranked} pairs are worth holding"
    click.echo(told)
    if answer.pairs:
        console().print(table)
    for each in answer.held_back:
        note(f"held back: {each}")


async def _preview(settings: Settings, spec: PortfolioSpec) -> PreviewAnswer:
    async with reach.ledger(settings) as ledger:
        survey = await _survey(settings, spec)
        looks = await _looks(settings, spec, ledger)
    equity = equity_of(spec, looks)
    if equity is None or equity <= 0:
        raise CommandError(f"there is nothing to spread: the equity is {equity}")
    state = PortfolioState()
    changes = advised(spec, state, survey, equity)
    now = max(look.margin.at for look in looks.values())
    found = admitted(spec, state, survey, changes, looks, now)
    return PreviewAnswer(
        survey.at,
        equity,
        len(survey.ranked),
        tuple(_line(survey, change) for change in found.changes),
        tuple(f"{told_of(change)}: {why} margin" for change, why in found.held_back),
    )


def _line(survey: Survey, change: Change) -> PreviewLine:
    offer = survey.offer(change.pair)
    ranked = next(each for each in survey.ranked if each.pair == change.pair)
    direction = "" if offer is None else str(offer.direction)
    return PreviewLine(change.pair, direction, ranked.apr, change.target)


async def _survey(settings: Settings, spec: PortfolioSpec) -> Survey:
    asked = SurveyInput(spec.accounts, spec.universe, spec.quote)
    async with SurveyDesk(partial(open_place, settings)) as desk:
        found = await desk.survey(asked)
    if found.survey is None:
        raise _failure(found.failed)
    return found.survey


def _failure(failed: ScanFailed | None) -> CommandError:
    why = "there is no answer" if failed is None else f"{failed.venue}: {failed.why}"
    kind = CommandError if failed is not None and failed.lasting else UnreachableError
    return kind(f"the scan came to nothing, so nothing is shown: {why}")


async def _looks(settings: Settings, spec: PortfolioSpec, ledger: Ledger) -> dict[str, AccountLook]:
    rate = spec.margin.maintenance_rate
    async with AsyncExitStack() as stack:
        desks = []
        for account in spec.accounts:
            venue = await stack.enter_async_context(open_venue(settings, account))
            desks.append((MarginDesk(account, venue, ledger), account))
        looks = await asyncio.gather(
            *(desk.look(AccountLookInput(name, spec.quote, rate)) for desk, name in desks)
        )
    return {look.account: look for look in looks}
