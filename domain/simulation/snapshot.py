"""The state of an exchange as what JSON can hold, and back."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from pydantic import TypeAdapter

from domain.conditions import FundingRate
from domain.errors import InvalidValueError
from domain.market import Candle
from domain.money import Price
from domain.orders import Side
from domain.simulation.account import Account
from domain.simulation.depth import Depth, Level
from domain.simulation.market import Market
from domain.simulation.rules import FEES, MARKET, ExchangeRules
from domain.simulation.tape import Quoted

#: Changes when a state of before could be misread.
VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class _MarketState:
    last: Price | None
    last_at: datetime | None
    traded: bool
    mark: Price | None
    quote: Quoted | None
    taken_bid: int
    taken_ask: int
    interval: timedelta
    closed: tuple[Candle, ...]
    forming: Candle | None
    #: What states of before had not: bids and asks of others, and funding rates.
    depth: tuple[tuple[Level, ...], tuple[Level, ...]] | None = None
    settled: tuple[FundingRate, ...] = ()
    next_funding: FundingRate | None = None


_MARKET: Final = TypeAdapter(_MarketState)
_ACCOUNT: Final = TypeAdapter(Account)


def check(state: Mapping[str, Any], rules: ExchangeRules) -> None:
    """Raise InvalidValueError if *state* cannot be gone on from under *rules*."""
    if state.get("version") != VERSION:
        raise InvalidValueError(
            f"version of the exchange's state must be {VERSION}, was {state.get('version')}"
        )
    symbols = {instrument.symbol for instrument in rules.instruments}
    for what, known in (("markets", symbols), ("accounts", {*rules.accounts, MARKET, FEES})):
        unknown = sorted(set(state[what]) - known)
        if unknown:
            raise InvalidValueError(
                f"{what} of the exchange's state must be in its rules, {', '.join(unknown)} "
                "was not: add it, or start with an empty state"
            )


def dump_market(market: Market) -> dict[str, Any]:
    """Return *market* without its book, which follows from the accounts' working orders."""
    state = _MarketState(
        market.last,
        market.last_at,
        market.traded,
        market.mark,
        market.quote,
        market.taken_bid,
        market.taken_ask,
        market.bars.interval,
        tuple(market.bars.closed),
        market.bars.forming(),
        _levels(market.depth),
        tuple(market.settled),
        market.next_funding,
    )
    dumped: dict[str, Any] = _MARKET.dump_python(state, mode="json")
    return dumped


def _levels(depth: Depth | None) -> tuple[tuple[Level, ...], tuple[Level, ...]] | None:
    if depth is None:
        return None
    return tuple(depth.levels(Side.BUY)), tuple(depth.levels(Side.SELL))


def restore_market(market: Market, dumped: Mapping[str, Any]) -> None:
    """Bring the new *market* to the state it was dumped in."""
    state = _MARKET.validate_python(dumped)
    market.last, market.last_at = state.last, state.last_at
    market.traded = state.traded
    market.mark, market.quote = state.mark, state.quote
    market.taken_bid, market.taken_ask = state.taken_bid, state.taken_ask
    market.depth = None if state.depth is None else Depth(*state.depth)
    market.settled, market.next_funding = list(state.settled), state.next_funding
    market.bars.resume(state.interval, state.closed, state.forming)


def dump_account(account: Account) -> dict[str, Any]:
    """Return *account* with everything it ever did."""
    dumped: dict[str, Any] = _ACCOUNT.dump_python(account, mode="json", exclude={"working"})
    return dumped


def restore_account(dumped: Mapping[str, Any]) -> Account:
    """Return the account that was dumped."""
    account = _ACCOUNT.validate_python(dumped)
    account.working = {
        client_id: order for client_id, order in account.orders.items() if order.status.working
    }
    return account
