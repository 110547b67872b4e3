"""Whether the venue answers, whether it knows us, and what it lets us do."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Final

from domain.conditions import KeyRights
from domain.errors import AuthenticationError, ClockSkewError, InvalidValueError, VenueError
from domain.limiter import Usage
from domain.market import ClockReading
from domain.money import MarketKind
from workers.checks.explained import KEYS, SET_CLOCK
from workers.checks.findings import Found, SkippedError, bad, good, warning
from workers.checks.patient import Patient

#: Clocks further apart than this are told, although requests are corrected for it.
_MOST_SKEW: Final = timedelta(seconds=1)
#: A key that ends sooner than this is told.
_SOON: Final = timedelta(days=14)


async def settings(patient: Patient) -> Found:
    """Say what the account is set to."""
    if isinstance(patient.public, InvalidValueError):
        return bad(str(patient.public), "as the message says")
    known = patient.known
    if patient.paper:
        return good("trades on paper, without keys and money")
    where = f"the local exchange at {known.local}" if known.local else "the venue, with REAL money"
    return good(f"trades {known.venue} {known.market} at {where}")


async def reach(patient: Patient) -> Found:
    """Ask one public question."""
    if patient.paper:
        began = asyncio.get_running_loop().time()
        await patient.account.balances()
        took = asyncio.get_running_loop().time() - began
        return good(f"answers in {took * 1000:.0f} ms")
    reading = await patient.market_facts.clock()
    return good(f"answers in {reading.round_trip / timedelta(milliseconds=1):.0f} ms")


async def clock(patient: Patient) -> Found:
    """Compare the clocks, and see whether a signed request is taken for its time."""
    reading = await patient.market_facts.clock()
    told = _apart(reading)
    try:
        await patient.account.balances()
    except ClockSkewError as error:
        return bad(f"{told}; requests are refused for their time: {error}", SET_CLOCK)
    except (VenueError, SkippedError):
        pass  # the credentials' check says what else is wrong
    if abs(reading.offset) > _MOST_SKEW + reading.round_trip / 2:
        return warning(f"{told}; requests are corrected for it", SET_CLOCK)
    return good(told)


def _apart(reading: ClockReading) -> str:
    way = "ahead of" if reading.offset > timedelta() else "behind"
    exact = reading.round_trip.total_seconds() / 2
    return (
        f"the venue's clock is {abs(reading.offset).total_seconds():.2f} s {way} this machine's, "
        f"give or take {exact:.2f} s"
    )


async def credentials(patient: Patient) -> Found:
    """Ask one signed question."""
    if patient.paper:
        raise SkippedError("the paper exchange has none")
    if isinstance(patient.signed, InvalidValueError):
        return bad(str(patient.signed), "as the message says")
    try:
        await patient.signed.balances()
    except AuthenticationError as error:
        return bad(f"refused: {error}", KEYS)
    return good("a signed request is answered")


async def permissions(patient: Patient) -> Found:
    """Ask what the key may do: it must trade, and it should not withdraw."""
    try:
        rights = await patient.account_facts.key_rights()
    except AuthenticationError:
        await patient.account.balances()  # whose refusal means that the key is wrong altogether
        rights = KeyRights(trade=None, withdraw=None)
    kind = patient.kind
    if rights.trade is False:
        which = "futures" if kind is MarketKind.PERPETUAL else "spot"
        return bad(
            f"the key may read, but not trade {which}",
            f"allow it to trade {which} at {patient.known.venue}, or make another key",
        )
    if rights.obstacle is not None:
        return bad(f"the key may trade, but {rights.obstacle}", "as the message says")
    return _may_trade(patient, rights)


def _may_trade(patient: Patient, rights: KeyRights) -> Found:
    if rights.trade is None:
        return warning(
            f"{patient.known.venue} does not tell what this key may do",
            "see at the venue that it may trade, and may not withdraw",
        )
    if rights.withdraw:
        return warning(
            "may trade, and may withdraw: whoever gets hold of it can empty the account",
            "take the permission to withdraw away: OpenSQT never needs it",
        )
    if rights.expires_at is not None and rights.expires_at < datetime.now(UTC) + _SOON:
        return warning(
            f"may trade, may not withdraw; ends at {rights.expires_at:%Y-%m-%d %H:%M} UTC",
            "make a new key before that, or bind this one to addresses, where it then stays",
        )
    if rights.ip_bound is False:
        return warning(
            "may trade, may not withdraw; it works from any address",
            "bind it to this machine's address, where the venue has that",
        )
    return good("may trade, may not withdraw" + (", bound to addresses" if rights.ip_bound else ""))


async def limits(patient: Patient) -> Found:
    """Compare the rate of orders with the venue's, and see whether it asked us to wait."""
    told = patient.account_facts.rate_limits()
    if told.paused > timedelta():
        wait = told.paused.total_seconds()
        return bad(
            f"the venue asked us to send nothing for {wait:.0f} s more",
            "wait; end other programs that use this key or address",
        )
    ours, most = told.orders, told.most_orders
    said = f"{_rate(ours)} set, the venue takes {most.amount} in {_span(most.per)}"
    if told.others:
        said += f"; the fullest limit is {_used(max(told.others, key=_share))}"
    if ours.rate.amount / ours.rate.per.total_seconds() > most.amount / most.per.total_seconds():
        return warning(
            said, f"set fewer: OPENSQT_ACCOUNTS__{patient.name.upper()}__ORDERS_PER_SECOND"
        )
    return good(said)


def _rate(orders: Usage) -> str:
    return f"{orders.rate.amount} orders and cancels in {_span(orders.rate.per)}"


def _share(usage: Usage) -> float:
    return usage.used / usage.rate.amount


def _used(usage: Usage) -> str:
    return f"{usage.bucket} {usage.used} of {usage.rate.amount} in {_span(usage.rate.per)}"


def _span(span: timedelta) -> str:
    return f"{span.total_seconds():g} s"
