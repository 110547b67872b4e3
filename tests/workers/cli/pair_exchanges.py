"""Two exchanges that stand still, one for each leg of a pair that pays."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from domain.money import MarketKind, Price, Quantity
from domain.simulation.tape import (
    FundingAnnounced,
    FundingDue,
    MarketEvent,
    Quoted,
    TradePrinted,
)
from tests.contract.bench import BALANCES, SYMBOLS, Markets
from workers.exchange.server import Running, running
from workers.exchange.settings import ExchangeSettings

HOUR = timedelta(hours=1)
SPOT, PERPETUAL = SYMBOLS[MarketKind.SPOT], SYMBOLS[MarketKind.PERPETUAL]
#: 0.1 % in 8 hours are 109.5 % a year.
RATE = Decimal("0.001")
SPEC = f"""
first: {{account: spot, symbol: {SPOT}}}
second: {{account: perp, symbol: "{PERPETUAL}"}}
amount: 101
look_every: 1
lead_for: 30
cool_off: 3600
quote_ttl: 60
hedge: {{passive_for: 1, cross_for: 1, wide_for: 1}}
"""


class Ago(Markets):
    """Markets of the test's own, from a while ago on."""

    def begin(self, started_at: datetime) -> datetime:
        super().begin(started_at)
        return datetime.now(UTC) - 2 * HOUR


def market(symbol: str, price: int = 1000) -> list[MarketEvent]:
    """Return a market at *price* in whole quote, whose funding was settled an hour ago."""
    now, much = datetime.now(UTC), Quantity(1_000_000)
    quoted = (Price(price * 10 - 1), Price(price * 10 + 1), much, much)
    events: list[MarketEvent] = [Quoted(symbol, *quoted, now - HOUR)]
    if symbol == PERPETUAL:
        settled, next_ = now - HOUR, now + 7 * HOUR
        events.append(FundingDue(symbol, RATE, settled))
        events.append(FundingAnnounced(symbol, RATE, next_, settled))
    return [
        *events,
        TradePrinted(symbol, Price(price * 10), much, now),
        Quoted(symbol, *quoted, now),
    ]


@asynccontextmanager
async def exchanges(directory: Path) -> AsyncIterator[dict[str, Running]]:
    """Yield an exchange for each of the accounts `spot` and `perp`."""
    async with AsyncExitStack() as stack:
        found = {}
        for account, symbol in (("spot", SPOT), ("perp", PERPETUAL)):
            events = market(symbol)
            settings = ExchangeSettings(
                data=directory / f"exchange-{account}",
                listen="127.0.0.1:0",
                speed=Decimal(0),
                balances=BALANCES,
            )
            found[account] = await stack.enter_async_context(running(settings, Ago(events)))
            found[account].host.advance(len(events))
        yield found


def accounts_of(found: Mapping[str, Running]) -> str:
    """Return `OPENSQT_ACCOUNTS` for exchanges, each by the name of its account."""
    accounts = {name: {"address": each.address} for name, each in found.items()}
    accounts["spot"]["market"] = "spot"
    return json.dumps(accounts)
