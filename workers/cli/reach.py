"""Reaching the services a command needs, within seconds, or saying which one is not there."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from activities.store.ledger import Ledger
from domain.errors import NotSentError, VenueError, VenueUnavailableError
from domain.ports import Venue
from workers.cli.failures import UnreachableError, no_temporal
from workers.settings import Settings
from workers.venues import open_venue

if TYPE_CHECKING:
    from temporalio.client import Client

#: A local server answers in milliseconds; the client's own retries take nine seconds to give up.
_CONNECT: Final = timedelta(seconds=4)


async def temporal(settings: Settings) -> "Client":
    """Return a client, or raise UnreachableError within about five seconds."""
    from temporalio.client import Client  # noqa: PLC0415  half a second, and not always needed
    from temporalio.contrib.pydantic import pydantic_data_converter  # noqa: PLC0415

    try:
        async with asyncio.timeout(_CONNECT.total_seconds()):
            return await Client.connect(
                settings.temporal,
                namespace=settings.namespace,
                data_converter=pydantic_data_converter,
            )
    except (RuntimeError, TimeoutError):
        raise no_temporal(settings.temporal) from None


@asynccontextmanager
async def venue(settings: Settings, account: str) -> AsyncIterator[Venue]:
    """Yield the venue of *account*; what it cannot answer is an UnreachableError."""
    address = settings.address_of(account)
    async with open_venue(settings, account) as opened:
        try:
            yield opened
        except VenueError as error:
            silent = isinstance(error, VenueUnavailableError | NotSentError)
            was = "does not answer" if silent else f"could not be asked ({error})"
            raise UnreachableError(
                f"the exchange of account {account} at {address} {was}: start the stack with "
                "`opensqt up`, or set OPENSQT_EXCHANGE to where it runs"
            ) from None


@asynccontextmanager
async def ledger(settings: Settings) -> AsyncIterator[Ledger]:
    """Yield the ledger; raises the errors of `Ledger.open`."""
    async with Ledger.open(settings.ledger_url) as opened:
        yield opened
