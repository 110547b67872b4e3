"""The rules of money: what an order needs, what is free, what a trade and its fee cost.

Spot is paid in full: a resting buy locks its quote and a resting sell its base. Perpetuals share
one cross margin per quote asset: equity (wallet plus unrealized PnL) has to cover the initial
margin of all positions and of the entries resting on the worse side of each. Only that margin is
ever rounded.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import ROUND_CEILING, Decimal

from domain.market import Balance, Position
from domain.money import EXACT, ZERO, Instrument, MarketKind, Quantity, add
from domain.orders import Side
from domain.position import GRAIN
from domain.simulation.account import Account, Stake
from domain.simulation.market import Market
from domain.simulation.rules import ExchangeRules, FeeAsset


@dataclass(frozen=True, slots=True)
class Shortfall:
    """An order needs more than is free, both in `asset`."""

    asset: str
    needed: Decimal
    free: Decimal


class Funds:
    """The money rules of one exchange."""

    def __init__(self, rules: ExchangeRules, markets: Mapping[str, Market]) -> None:
        self._rules = rules
        self._markets = markets

    def shortfall(
        self, account: Account, instrument: Instrument, side: Side, lots: int, value: int
    ) -> Shortfall | None:
        """Return what an order of *lots* worth *value* (ticks x lots) lacks, if anything."""
        if instrument.kind is MarketKind.PERPETUAL:
            return self._margin_shortfall(account, instrument, side, value)
        asset, needed = self._spot_need(instrument, side, lots, value)
        # An unrealized profit cannot be spent, an unrealized loss may already be gone.
        loss = min(ZERO, self.unrealized(account, asset))
        held = add(self.locked(account, asset), self.margin(account, asset))
        free = EXACT.subtract(add(account.balances.get(asset, ZERO), loss), held)
        return Shortfall(asset, needed, free) if needed > free else None

    def locked(self, account: Account, asset: str) -> Decimal:
        """Return how much of *asset* the account's resting spot orders hold."""
        total = ZERO
        for instrument, stake in self._stakes(account, MarketKind.SPOT):
            if instrument.quote == asset:
                total = add(total, self._spot_need(instrument, Side.BUY, 0, stake.bids)[1])
            if instrument.base == asset:
                total = add(total, instrument.base_of(Quantity(stake.ask_lots)))
        return total

    def margin(self, account: Account, asset: str) -> Decimal:
        """Return the initial margin in *asset* of all perpetual positions and resting entries."""
        total = ZERO
        for instrument, stake in self._stakes(account, MarketKind.PERPETUAL):
            if instrument.quote == asset:
                total = add(total, self._margin(instrument, stake))
        return total

    def unrealized(self, account: Account, asset: str) -> Decimal:
        """Return the unrealized PnL in *asset* of all perpetual positions, exactly."""
        total = ZERO
        for instrument, stake in self._stakes(account, MarketKind.PERPETUAL):
            if instrument.quote == asset:
                worth = self._worth(instrument, stake)
                total = add(total, instrument.notional_of(worth - stake.cost))
        return total

    def balances(self, account: Account) -> tuple[Balance, ...]:
        """Return every asset the account ever had, by name; margin counts as locked."""
        return tuple(
            Balance(asset, total, add(self.locked(account, asset), self.margin(account, asset)))
            for asset, total in sorted(account.balances.items())
        )

    def position(self, account: Account, instrument: Instrument) -> Position | None:
        """Return the account's perpetual position, or None if it is flat."""
        stake = account.stakes.get(instrument.symbol)
        if instrument.kind is MarketKind.SPOT or stake is None or stake.lots == 0:
            return None
        mark = self._markets[instrument.symbol].mark_price
        return Position(instrument.symbol, stake.lots, stake.cost, stake.realized, mark)

    def trade(
        self, account: Account, instrument: Instrument, side: Side, ticks: int, lots: int
    ) -> None:
        """Exchange base for quote, or change the position and settle what that realized."""
        if instrument.kind is MarketKind.SPOT:
            base = instrument.base_of(Quantity(lots))
            quote = instrument.notional_of(ticks * lots)
            bought = side is Side.BUY
            account.credit(instrument.base, base if bought else EXACT.minus(base))
            account.credit(instrument.quote, EXACT.minus(quote) if bought else quote)
            return
        stake = account.stake(instrument)
        realized = instrument.notional_of(stake.trade(side, ticks, lots))
        stake.realized = add(stake.realized, realized)
        totals = account.totals.realized
        totals[instrument.quote] = add(totals.get(instrument.quote, ZERO), realized)
        account.credit(instrument.quote, realized)

    def fee(
        self, instrument: Instrument, side: Side, ticks: int, lots: int, rate: Decimal
    ) -> tuple[str, Decimal]:
        """Return the asset and the exact amount of the fee of a trade at *rate*."""
        in_base = (
            instrument.kind is MarketKind.SPOT
            and side is Side.BUY
            and self._rules.fee_asset is FeeAsset.RECEIVED
        )
        if in_base:
            return instrument.base, EXACT.multiply(instrument.base_of(Quantity(lots)), rate)
        return instrument.quote, EXACT.multiply(instrument.notional_of(ticks * lots), rate)

    def _margin_shortfall(
        self, account: Account, instrument: Instrument, side: Side, value: int
    ) -> Shortfall | None:
        stake, asset = account.stake(instrument), instrument.quote
        then = replace(stake)
        then.rest(side, value, 1, reducing=False)
        more = EXACT.subtract(self._margin(instrument, then), self._margin(instrument, stake))
        if more <= 0:
            return None  # it only closes: always welcome
        equity = add(account.balances.get(asset, ZERO), self.unrealized(account, asset))
        held = add(self.locked(account, asset), self.margin(account, asset))
        free = EXACT.subtract(equity, held)
        return Shortfall(asset, more, free) if more > free else None

    def _spot_need(
        self, instrument: Instrument, side: Side, lots: int, value: int
    ) -> tuple[str, Decimal]:
        if side is Side.SELL:
            return instrument.base, instrument.base_of(Quantity(lots))
        needed = instrument.notional_of(value)
        if self._rules.fee_asset is FeeAsset.QUOTE:
            rate = max(instrument.maker_fee, instrument.taker_fee, ZERO)
            needed = add(needed, EXACT.multiply(needed, rate))
        return instrument.quote, needed

    def _margin(self, instrument: Instrument, stake: Stake) -> Decimal:
        worth = self._worth(instrument, stake)
        exposure = instrument.notional_of(max(abs(worth + stake.bids), abs(worth - stake.asks)))
        share = EXACT.divide(exposure, self._rules.leverage)
        return share.quantize(GRAIN, ROUND_CEILING, EXACT)

    def _worth(self, instrument: Instrument, stake: Stake) -> int:
        mark = self._markets[instrument.symbol].mark_price
        return stake.cost if mark is None else stake.lots * mark.ticks

    def _stakes(self, account: Account, kind: MarketKind) -> Iterator[tuple[Instrument, Stake]]:
        for symbol, stake in account.stakes.items():
            instrument = self._markets[symbol].instrument
            if instrument.kind is kind:
                yield instrument, stake
