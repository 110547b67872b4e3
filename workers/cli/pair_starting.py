"""Looking at a pair before it is there, and starting it."""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace

from activities.clock import utc_now
from activities.leg_facts import LegFacts
from activities.messages import Accepted
from domain.arbitrage.events import FundingTold
from domain.arbitrage.pair_events import QuoteSeen
from domain.arbitrage.preview import PairPreview
from domain.arbitrage.preview import preview as preview_at
from domain.arbitrage.spec import ArbSpec
from domain.arbitrage.state import bind, require_lender
from domain.errors import InvalidValueError
from domain.money import Instrument
from domain.ports import Venue
from domain.risk.preflight import refuse_unknown_names
from workers.cli import reach
from workers.cli.failures import UnreachableError
from workers.cli.pair_runs import PairRuns
from workers.cli.starting import refuse_taken, taken_up
from workers.settings import Settings

_NOTHING = Accepted()


@dataclass(frozen=True, slots=True)
class StartedPair:
    """A pair that was started. Its phase is `starting` as long as no worker told another."""

    name: str
    symbols: tuple[str, str]
    phase: str
    notes: tuple[str, ...] = ()


async def preview_of(settings: Settings, spec: ArbSpec) -> PairPreview:
    """Return what *spec* would be now.

    Raises InvalidValueError if it does not fit its markets, UnreachableError without an exchange.
    """
    async with AsyncExitStack() as stack:
        venues: dict[str, Venue] = {}
        for leg in spec.legs:
            if leg.account not in venues:
                opened = reach.venue(settings, leg.account)
                venues[leg.account] = await stack.enter_async_context(opened)
        instruments = [await venues[leg.account].instrument(leg.symbol) for leg in spec.legs]
        config = bind(spec, instruments[0], instruments[1])
        require_lender(spec, instruments[0])
        facts = {account: LegFacts(account, venue) for account, venue in venues.items()}
        asked = [
            _told(facts[leg.account], number, instrument)
            for number, (leg, instrument) in enumerate(zip(spec.legs, instruments, strict=True), 1)
        ]
        legs = await asyncio.gather(*asked)
        found = preview_at(config, [each for told, _ in legs for each in told], utc_now())
        why_not = (*found.why_not, *(missing for _, missing in legs if missing))
        return replace(found, why_not=why_not)


async def _told(
    facts: LegFacts, number: int, instrument: Instrument
) -> tuple[list[FundingTold | QuoteSeen], str]:
    """Return what a venue tells of a leg now, and why its funding is not known if it is not."""
    facts.require_word_of(instrument)
    told: list[FundingTold | QuoteSeen] = [await facts.quote(number, instrument.symbol)]
    try:
        told.append(await facts.funding(number, instrument, utc_now()))
    except InvalidValueError as error:  # a pair is only watched while it is so
        return told, str(error)
    return told, ""


async def start_pair(
    settings: Settings, name: str, spec: ArbSpec, accepted: Accepted = _NOTHING
) -> StartedPair:
    """Start *spec* as pair *name*, and wait a moment for its workers to take it up.

    Raises InvalidValueError for a spec that does not fit its markets or a name in *accepted* that
    nothing has, CommandError for a preflight that does not pass, ExistsError if the name is or was
    in use, UnreachableError without Temporal or the ledger.
    """
    refuse_unknown_names(accepted.names, _accounts(spec))
    await refuse_taken(settings, name)
    runs = await PairRuns.connect(settings)
    notes: list[str] = []
    try:
        found = await preview_of(settings, spec)
        notes += [f"not entered yet: {why}" for why in found.why_not]
    except UnreachableError as error:
        notes.append(f"{error}. The pair waits for it")
    await runs.start(name, spec, accepted)
    phase = await taken_up(runs, name, notes)
    if phase == "starting":
        notes += [await runs.missing(account) for account in sorted(_accounts(spec))]
    symbols = (spec.first.symbol, spec.second.symbol)
    return StartedPair(name, symbols, phase, tuple(each for each in notes if each))


def _accounts(spec: ArbSpec) -> set[str]:
    return {leg.account for leg in spec.legs}
