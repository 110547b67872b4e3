"""Whether the streams come to life, and whether anything comes through them."""

import asyncio
from typing import Final

from domain.errors import VenueUnavailableError
from domain.market import PriceUpdate
from workers.checks.findings import Found, bad, good, warning
from workers.checks.patient import Patient

_WAY: Final = "look for a firewall, proxy or VPN on the way that holds WebSockets back"


async def price_stream(patient: Patient) -> Found:
    """Wait for a price, and if none comes find out whether there was one to tell."""
    before = await _last_price(patient)
    async with patient.market.prices([patient.symbol]) as prices:
        try:
            async with asyncio.timeout(patient.price_within.total_seconds()):
                update = await anext(aiter(prices))
        except TimeoutError:
            return await _silent(patient, before)
    known = await patient.market.instrument(patient.symbol)
    return good(f"live: {patient.symbol} at {known.price_of(update.price):f}")


async def _silent(patient: Patient, before: PriceUpdate | None) -> Found:
    seconds = patient.price_within.total_seconds()
    if await _last_price(patient) != before:
        return bad(
            f"frozen: {patient.symbol} traded within {seconds:g} s, and the stream told nothing",
            _WAY,
        )
    return warning(
        f"live, and silent for {seconds:g} s: {patient.symbol} did not trade",
        "nothing, if the market is a quiet one; else see the venue's status page",
    )


async def _last_price(patient: Patient) -> PriceUpdate | None:
    try:
        return await patient.market.last_price(patient.symbol)
    except VenueUnavailableError:
        return None  # the market never traded, or `reach` tells that nothing is answered


async def private_stream(patient: Patient) -> Found:
    """Log in and subscribe: entering returns when both were answered."""
    began = asyncio.get_running_loop().time()
    async with patient.account.reports():
        took = asyncio.get_running_loop().time() - began
        return good(f"live: logged in and subscribed in {took * 1000:.0f} ms")
