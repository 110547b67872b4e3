"""Whether the streams come to life, and whether anything comes through them."""

import asyncio
from typing import Final

from activities import hearing
from workers.checks.findings import Found, bad, good, warning
from workers.checks.patient import Patient

_WAY: Final = "look for a firewall, proxy or VPN on the way that holds WebSockets back"


async def price_stream(patient: Patient) -> Found:
    """Wait for a price, and if none comes find out whether there was one to tell."""
    heard = await hearing.prices(patient.market, patient.symbol, patient.price_within)
    seconds = patient.price_within.total_seconds()
    if heard.update is not None:
        known = await patient.market.instrument(patient.symbol)
        return good(f"live: {patient.symbol} at {known.price_of(heard.update.price):f}")
    if heard.frozen:
        return bad(
            f"frozen: {patient.symbol} traded within {seconds:g} s, and the stream told nothing",
            _WAY,
        )
    return warning(
        f"live, and silent for {seconds:g} s: {patient.symbol} did not trade",
        "nothing, if the market is a quiet one; else see the venue's status page",
    )


async def private_stream(patient: Patient) -> Found:
    """Log in and subscribe: entering returns when both were answered."""
    began = asyncio.get_running_loop().time()
    await hearing.orders(patient.account)
    took = asyncio.get_running_loop().time() - began
    return good(f"live: logged in and subscribed in {took * 1000:.0f} ms")
