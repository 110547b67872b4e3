"""What is traded at a live market, remembered from the first start on."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, Protocol

from pydantic import TypeAdapter

from domain.conditions import FundingRate, MarkPrice
from domain.errors import VenueError, VenueUnavailableError
from domain.market import PriceUpdate
from domain.money import Instrument
from domain.simulation.tape import MarketEvent
from workers.exchange.journal import Journal

_INSTRUMENTS: Final = TypeAdapter(tuple[Instrument, ...])


class PublicMarket(Protocol):
    """What a live market needs of a venue: nothing that a key opens."""

    @property
    def name(self) -> str: ...

    async def instrument(self, symbol: str) -> Instrument: ...

    async def last_price(self, symbol: str) -> PriceUpdate: ...

    async def funding_rates(self, symbol: str, since: datetime) -> Sequence[FundingRate]: ...

    async def funding_rate(self, symbol: str) -> FundingRate: ...

    def trades(
        self, symbols: Sequence[str]
    ) -> AbstractAsyncContextManager[AsyncIterator[PriceUpdate]]: ...

    def marks(
        self, symbols: Sequence[str]
    ) -> AbstractAsyncContextManager[AsyncIterator[MarkPrice]]: ...


class Followed:
    """A market whose events are told, not read: a source without a tape.

    Its instruments stay those of the first start, for inputs of the journal are counted in their
    steps and were booked at their fees.
    """

    def __init__(self, origin: Mapping[str, Any], instruments: Sequence[Instrument]) -> None:
        self.origin = origin
        self.instruments = tuple(instruments)

    def begin(self, started_at: datetime) -> datetime:
        return started_at

    def peek(self) -> MarketEvent | None:
        return None

    def take(self) -> None:
        raise AssertionError("a market that is followed has no tape")

    def mark(self) -> Mapping[str, Any]:
        return {}

    def seek(self, mark: Mapping[str, Any]) -> None:
        """Nothing is read from anywhere."""


async def followed(journal: Journal, origin: Mapping[str, Any], venue: PublicMarket) -> Followed:
    """Return the market of *origin*, as *journal* remembers it or else as *venue* tells it.

    Raises VenueUnavailableError, with what to do about it, if the venue has to be asked and does
    not answer; InvalidValueError for a symbol that it has not.
    """
    known = journal.recall("instruments")
    if known is None:
        told = await _instruments(venue, origin["symbols"])
        known = journal.remember("instruments", _INSTRUMENTS.dump_json(told).decode())
    return Followed(origin, _INSTRUMENTS.validate_json(known))


async def _instruments(venue: PublicMarket, symbols: Sequence[str]) -> tuple[Instrument, ...]:
    try:
        told = [await venue.instrument(symbol) for symbol in symbols]
    except VenueError as error:
        raise VenueUnavailableError(
            f"cannot reach {venue.name} ({error}): check this machine's internet connection, its "
            "firewall and proxy; without --feed a made market needs no internet"
        ) from error
    # Here quantities are base, whatever the venue counts in.
    return tuple(replace(each, contract_size=Decimal(1)) for each in told)
