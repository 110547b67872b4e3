"""What an account's perpetual positions gain and need, before a venue tells it in its own words.

Each asset that perpetuals settle in bears its own positions, as in the matching engine, which asks
only for initial margin and liquidates nobody: this maintenance margin is for show. It is the same
share of every position, where venues have tiers.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from domain.market import Balance, Position
from domain.money import EXACT, ZERO, Instrument, MarketKind, add
from workers.exchange.fronts.desk import Desk

#: The maintenance margin of a position, as a share of its worth at the mark price.
MAINTENANCE_RATE: Final = Decimal("0.005")
_ONE: Final = Decimal(1)
_PLACES: Final = Decimal("1e-8")


@dataclass(frozen=True, slots=True)
class Margin:
    """One asset of an account: the wallet, what its positions would gain, and what they need."""

    balance: Balance
    gain: Decimal
    maintenance: Decimal

    @property
    def equity(self) -> Decimal:
        """What the wallet would be if all positions were closed at the mark price."""
        return add(self.balance.total, self.gain)

    @property
    def share(self) -> Decimal:
        """The maintenance margin as a share of the equity; 1, the end, without any equity."""
        if not self.maintenance:
            return ZERO
        return _rounded(self.maintenance, self.equity) if self.equity > 0 else _ONE

    @property
    def ratio(self) -> Decimal | None:
        """The equity over the maintenance margin; None: no position needs any."""
        return _rounded(self.equity, self.maintenance) if self.maintenance else None


def margins(desk: Desk, account: str) -> list[Margin]:
    """Return every asset the account ever had."""
    held = [
        (instrument, position)
        for instrument in desk.instruments(MarketKind.PERPETUAL)
        for position in desk.positions(account, instrument.symbol)
    ]
    return [
        Margin(
            balance,
            add(*(gain_of(*each) for each in held if each[0].quote == balance.asset)),
            add(*(_maintenance(*each) for each in held if each[0].quote == balance.asset)),
        )
        for balance in desk.balances(account)
    ]


def gain_of(instrument: Instrument, held: Position) -> Decimal:
    """Return what a position would gain at the mark price."""
    return instrument.notional_of(_worth(held) - held.cost)


def _maintenance(instrument: Instrument, held: Position) -> Decimal:
    return EXACT.multiply(instrument.notional_of(abs(_worth(held))), MAINTENANCE_RATE)


def _worth(held: Position) -> int:
    return held.cost if held.mark is None else held.mark.ticks * held.lots


def _rounded(value: Decimal, by: Decimal) -> Decimal:
    return EXACT.divide(value, by).quantize(_PLACES, context=EXACT)
