"""How a simulated exchange behaves: what it trades, who trades there and what counts as a fill."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Final

from domain.errors import InvalidValueError
from domain.money import Instrument

#: Counterparty of every trade with the tape. It owes and owns what the accounts gained and lost.
MARKET: Final = "(market)"
#: Where the fees go.
FEES: Final = "(fees)"


class CandleRule(StrEnum):
    """When a candle fills a resting order."""

    PESSIMISTIC = "pessimistic"  # only if the price went strictly through it
    TOUCH = "touch"  # if the price reached it


class Liquidity(StrEnum):
    """How much of resting orders a market event can fill."""

    TAPE = "tape"  # as much as was traded or quoted, so that there are partial fills
    UNLIMITED = "unlimited"


class FeeAsset(StrEnum):
    """What a spot fee is paid in. A perpetual's is always paid in quote."""

    RECEIVED = "received"  # a buy pays in base, a sell in quote
    QUOTE = "quote"


@dataclass(frozen=True, slots=True)
class ExchangeRules:
    """Settings of an exchange. Raises InvalidValueError for what cannot be meant.

    `accounts` gives each account's starting balances by asset; `leverage` bounds the notional of
    perpetual positions and entries by the account's equity; `touch` says whether a trade at exactly
    an order's price fills it.
    """

    instruments: tuple[Instrument, ...]
    accounts: Mapping[str, Mapping[str, Decimal]]
    leverage: Decimal = Decimal(10)
    candle_rule: CandleRule = CandleRule.PESSIMISTIC
    liquidity: Liquidity = Liquidity.TAPE
    fee_asset: FeeAsset = FeeAsset.RECEIVED
    touch: bool = True

    def __post_init__(self) -> None:
        symbols = [instrument.symbol for instrument in self.instruments]
        if len(set(symbols)) != len(symbols):
            raise InvalidValueError(f"instruments must have different symbols, were {symbols}")
        if self.leverage < 1:
            raise InvalidValueError(f"leverage must be at least 1, was {self.leverage}")
        for name in (MARKET, FEES):
            if name in self.accounts:
                raise InvalidValueError(
                    f"account {name!r} is the exchange's own: choose another name"
                )
        for name, balances in self.accounts.items():
            for asset, amount in balances.items():
                if amount < 0:
                    raise InvalidValueError(
                        f"account {name!r} must start with nothing or more, was {amount} {asset}"
                    )
