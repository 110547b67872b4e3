"""The single checks of a preflight: what was found, what was wanted, and what to do about it.

Of a perpetual the margin must carry what the orders need at the account's leverage, less a buffer
(requirements 3.4 and row PF-01):

    free >= needs / (leverage x (1 - margin_buffer))
"""

from dataclasses import dataclass
from datetime import timedelta
from decimal import ROUND_CEILING, Decimal
from enum import StrEnum
from typing import Final

from domain.money import EXACT, ZERO, MarketKind
from domain.risk.facts import STREAMS, AccountFacts, PreflightSpec

_PLACES: Final = Decimal("1e-8")


class Outcome(StrEnum):
    """How a check ended."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at. `found`, `wanted` and `fix` are sentences for a person."""

    account: str
    name: str
    outcome: Outcome
    found: str
    wanted: str
    fix: str = ""
    #: A person may accept it as it is. What is unknown cannot be accepted: nobody has read it.
    overridable: bool = False


def checks_of(spec: PreflightSpec, facts: AccountFacts) -> list[Check]:
    """Return every check of one account."""
    checks = _balances(spec, facts)
    if facts.instrument.kind is MarketKind.PERPETUAL:
        checks += [_leverage(spec, facts), _position_mode(facts)]
        checks += [_sharing(facts), _foreign_position(facts)]
    checks += [_fees(spec, facts), _profit(facts)]
    checks += [_stream(facts, name) for name in dict.fromkeys((*STREAMS, *sorted(facts.streams)))]
    return [*checks, _clock(spec, facts), _price(spec, facts), _foreign_orders(facts)]


def _balances(spec: PreflightSpec, facts: AccountFacts) -> list[Check]:
    wanted = "The balance covers what the orders need."
    if facts.needs is None:
        return [_unknown(facts, "balance", "what the orders need", wanted)]
    if not facts.needs:
        return [Check(facts.account, "balance", Outcome.OK, "The orders need nothing.", wanted)]
    return [_balance(spec, facts, asset, need) for asset, need in sorted(facts.needs.items())]


def _balance(spec: PreflightSpec, facts: AccountFacts, asset: str, need: Decimal) -> Check:
    wanted = f"The orders need {_plain(need)} {asset}."
    if facts.instrument.kind is MarketKind.PERPETUAL:
        if not facts.leverage:
            return _unknown(facts, "balance", "the leverage that the margin depends on", wanted)
        carried = EXACT.multiply(facts.leverage, EXACT.subtract(Decimal(1), spec.margin_buffer))
        margin = EXACT.divide(need, carried).quantize(_PLACES, ROUND_CEILING, EXACT)
        wanted = (
            f"Orders for {_plain(need)} {asset} need a margin of {_plain(margin)} at leverage "
            f"{_plain(facts.leverage)} with a buffer of {_plain(spec.margin_buffer)}."
        )
        need = margin
    if facts.balances is None:
        return _unknown(facts, "balance", f"the balance of {asset}", wanted)
    free = next((one.free for one in facts.balances if one.asset == asset), ZERO)
    fix = f"Transfer {_plain(need - free)} {asset} to {facts.account}, or use a smaller amount."
    found = f"{_plain(free)} {asset} are free."
    return _check(facts, "balance", found, wanted, fix, ok=free >= need, overridable=True)


def _leverage(spec: PreflightSpec, facts: AccountFacts) -> Check:
    wanted = f"The leverage is at most {_plain(spec.max_leverage)}."
    if facts.leverage is None:
        return _unknown(facts, "leverage", "the leverage", wanted)
    fix = f"Lower the leverage of {facts.instrument.symbol} at the venue."
    found = f"The leverage is {_plain(facts.leverage)}."
    return _check(facts, "leverage", found, wanted, fix, ok=facts.leverage <= spec.max_leverage)


def _position_mode(facts: AccountFacts) -> Check:
    wanted = "The account has one position for each symbol (one-way mode)."
    if facts.one_way is None:
        return _unknown(facts, "position_mode", "the position mode", wanted)
    mode = "one-way" if facts.one_way else "hedge"
    fix = "Switch the account to one-way mode at the venue."
    found = f"The account is in {mode} mode."
    return _check(facts, "position_mode", found, wanted, fix, ok=facts.one_way)


def _fees(spec: PreflightSpec, facts: AccountFacts) -> Check:
    wanted = f"A fee is at most {spec.max_fee} of the notional; none or a rebate is fine."
    if facts.maker_fee is None or facts.taker_fee is None:
        return _unknown(facts, "fees", "the fee rates of the account", wanted)
    found = f"The maker fee is {facts.maker_fee} and the taker fee {facts.taker_fee}."
    fix = "Trade where it costs less, or raise max_fee."
    ok = max(facts.maker_fee, facts.taker_fee) <= spec.max_fee
    return _check(facts, "fees", found, wanted, fix, ok=ok, overridable=True)


def _profit(facts: AccountFacts) -> Check:
    wanted = "A round trip earns more than its fees."
    if facts.cycle_profit is None:
        return _unknown(facts, "profit", "what a round trip earns", wanted)
    fix = "Choose levels that are farther apart."
    found = (
        f"A round trip earns {_plain(facts.cycle_profit)} {facts.instrument.quote} after its fees."
    )
    return _check(facts, "profit", found, wanted, fix, ok=facts.cycle_profit > 0)


def _stream(facts: AccountFacts, stream: str) -> Check:
    live, wanted = facts.streams.get(stream), f"The {stream} stream is live."
    if live is None:
        return _unknown(facts, f"{stream}_stream", f"whether the {stream} stream is live", wanted)
    fix = f"Wait until the {stream} stream is connected; see the log of the account's worker."
    found = f"The {stream} stream is {'live' if live else 'down'}."
    return _check(facts, f"{stream}_stream", found, wanted, fix, ok=live)


def _clock(spec: PreflightSpec, facts: AccountFacts) -> Check:
    wanted = f"The clocks differ by at most {spec.max_clock_skew} ms."
    if facts.clock_skew is None:
        return _unknown(facts, "clock", "the venue's time", wanted)
    skew = facts.clock_skew // timedelta(milliseconds=1)
    fix = "Synchronize this machine's clock (NTP)."
    ok = abs(facts.clock_skew) <= timedelta(milliseconds=spec.max_clock_skew)
    return _check(
        facts, "clock", f"Our clock and the venue's differ by {skew} ms.", wanted, fix, ok=ok
    )


def _price(spec: PreflightSpec, facts: AccountFacts) -> Check:
    wanted = f"The price is at most {spec.max_price_age} s old."
    if facts.price_age is None:
        return _unknown(facts, "price", "the price", wanted)
    seconds = facts.price_age // timedelta(seconds=1)
    fix = "Wait for trading in the symbol, or look at the feed of the account."
    ok = facts.price_age <= timedelta(seconds=spec.max_price_age)
    return _check(facts, "price", f"The last price is {seconds} s old.", wanted, fix, ok=ok)


def _foreign_orders(facts: AccountFacts) -> Check:
    wanted = f"Nobody else has orders in {facts.instrument.symbol}."
    if facts.foreign_orders is None:
        return _unknown(facts, "foreign_orders", "the open orders", wanted)
    found = f"{facts.foreign_orders} orders in {facts.instrument.symbol} are of no run."
    fix = "Cancel them, or set shared: true."
    ok = not facts.foreign_orders
    return _check(
        facts, "foreign_orders", found, wanted, fix, ok=ok, overridable=True, warn=facts.shared
    )


def _sharing(facts: AccountFacts) -> Check:
    """Let no runs meet that do not know of each other, for the venue nets what they do.

    Exits that may only reduce the net would be refused while another run holds the opposite.
    """
    where = f"{facts.instrument.symbol} on account {facts.account}"
    wanted = f"No other run trades {where}, or all of them share it."
    if facts.rivals is None:
        return _unknown(facts, "sharing", "which runs there are", wanted)
    if not facts.rivals:
        return Check(facts.account, "sharing", Outcome.OK, "No run is in the way.", wanted)
    names = " and ".join(facts.rivals)
    found = f"{where} is traded by run {names} already."
    fix = "Stop that one first, or set shared: true in all; exits then go without reduce-only."
    return _check(facts, "sharing", found, wanted, fix, ok=False)


def _foreign_position(facts: AccountFacts) -> Check:
    wanted = f"No position in {facts.instrument.symbol} is anybody else's."
    if facts.foreign_lots is None:
        return _unknown(facts, "foreign_position", "the position", wanted)
    amount = _plain(EXACT.multiply(Decimal(facts.foreign_lots), facts.instrument.lot_size))
    found = f"A position of {amount} {facts.instrument.base} is managed by no run."
    fix = "Close it, or set shared: true, and exits go without reduce-only."
    ok = not facts.foreign_lots
    return _check(facts, "foreign_position", found, wanted, fix, ok=ok, warn=facts.shared)


def _check(
    facts: AccountFacts,
    name: str,
    found: str,
    wanted: str,
    fix: str,
    *,
    ok: bool,
    overridable: bool = False,
    warn: bool = False,
) -> Check:
    if ok:
        return Check(facts.account, name, Outcome.OK, found, wanted)
    outcome = Outcome.WARNING if warn else Outcome.FAILED
    return Check(facts.account, name, outcome, found, wanted, fix, overridable)


def _unknown(facts: AccountFacts, name: str, what: str, wanted: str) -> Check:
    why = facts.obstacles.get(name)
    found = f"It could not be found out: {what}{f' ({why})' if why else ''}."
    fix = "See that the venue answers and that the key may read, then try again."
    return Check(facts.account, name, Outcome.UNKNOWN, found, wanted, fix)


def _plain(value: Decimal) -> str:
    """Return *value* without exponent and trailing zeros."""
    return f"{value.normalize(EXACT):f}"
