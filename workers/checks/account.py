"""An account is opened for its examination: with its keys, and beside them without any."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

from domain.errors import InvalidValueError
from domain.money import MarketKind
from domain.ports import Venue
from workers.checks.patient import Patient
from workers.settings import PAPER, AccountSettings, Settings, read_stack
from workers.venues import local_of, open_gateway, open_public, open_venue, refuse_unmeant

_SYMBOLS: Final = {MarketKind.PERPETUAL: "BTC/USDT:USDT", MarketKind.SPOT: "BTC/USDT"}


@asynccontextmanager
async def admitted(
    settings: Settings, account: str, symbol: str | None = None
) -> AsyncIterator[Patient]:
    """Yield *account*, opened as far as its settings allow.

    Raises InvalidValueError if it is not set up at all.
    """
    known = settings.account(account)
    async with AsyncExitStack() as stack:
        if known.venue == PAPER:
            public: Venue | InvalidValueError = await stack.enter_async_context(
                open_venue(settings, account)
            )
            signed = public
        else:
            public = await _public(stack, account, known)
            signed = await _signed(stack, account, known)
        yield Patient(
            account,
            known,
            symbol or _usual(settings, known),
            settings.ledger_url,
            public,
            signed,
        )


async def _public(
    stack: AsyncExitStack, account: str, known: AccountSettings
) -> Venue | InvalidValueError:
    try:
        refuse_unmeant(account, known)
        local = local_of(account, known.local, known.authority)
        return await stack.enter_async_context(open_public(known.venue, known.market, local))
    except InvalidValueError as error:
        return error


async def _signed(
    stack: AsyncExitStack, account: str, known: AccountSettings
) -> Venue | InvalidValueError:
    try:
        return await stack.enter_async_context(open_gateway(account, known))
    except InvalidValueError as error:
        return error


def _usual(settings: Settings, known: AccountSettings) -> str:
    """Return what the stack's market trades, or else what nearly every venue has."""
    if known.venue == PAPER:
        return str(read_stack(settings.data_dir).get("market", {}).get("symbol", "BTC/USDT:USDT"))
    return _SYMBOLS[known.market]
