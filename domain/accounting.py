"""The money of one run, folded from its fills, and the identity it has to satisfy.

    grid profit + floating + funding - fees - transfers = change in equity

Fills are attributed by decoding their client order id: the key is the slot's entry price in ticks.
A fill that closes the whole run (`CLOSE_*`, key 0, or `LEAVE_*` of an emergency exit) trades back
what all slots hold as one: it is merged onto slot 0 for that, just as the engine merges it before
it closes.

A correction is a piece of the position that came from nowhere, or went there, at a price: profit is
taken at that price, and base that is gone from a spot account is a transfer worth as much.
"""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Final

from domain.correction import Correction, spread
from domain.errors import InvalidValueError
from domain.market import Balance, FundingPayment, Position
from domain.money import EXACT, ZERO, Instrument, MarketKind, Price, Quantity, add
from domain.order_ids import OrderKey, Purpose, decode
from domain.orders import Fill, Side
from domain.position import EMPTY, Holding, merged, trade

#: The slot of what belongs to the run as a whole.
WHOLE_RUN: Final = 0
_CLOSES: Final = (Purpose.CLOSE_BUY, Purpose.CLOSE_SELL)


@dataclass(frozen=True, slots=True)
class Transfer:
    """Money moved by hand: `amount` of `asset` that left the account (negative: that came in)."""

    transfer_id: str
    asset: str
    amount: Decimal
    at: datetime


@dataclass(frozen=True, slots=True)
class SlotAccount:
    """What one slot holds, how often it came full circle, and what that brought, before fees.

    `fees` are those taken in quote or base. `brought` is `realized` - `fees` of its full circles:
    without those of what it holds.
    """

    holding: Holding = EMPTY
    cycles: int = 0
    realized: Decimal = ZERO
    fees: Decimal = ZERO
    brought: Decimal = ZERO


@dataclass(frozen=True, slots=True)
class RunAccount:
    """The money of one run. Amounts are in quote unless a mapping names their asset.

    `fees` are those taken in quote or base; `other_fees` those in a third asset, which touch
    neither quote nor base and so are no part of the identity. `transfers` are what left, by asset.
    """

    instrument: Instrument
    slots: Mapping[int, SlotAccount] = field(default_factory=dict)
    fees: Decimal = ZERO
    other_fees: Mapping[str, Decimal] = field(default_factory=dict)
    funding: Decimal = ZERO
    transfers: Mapping[str, Decimal] = field(default_factory=dict)
    volume: Decimal = ZERO
    fills: int = 0

    @property
    def grid_profit(self) -> Decimal:
        """What closed positions brought, before fees."""
        return add(*(slot.realized for slot in self.slots.values()))

    @property
    def cycles(self) -> int:
        """How often a slot came back to holding nothing."""
        return sum(slot.cycles for slot in self.slots.values())

    @property
    def base(self) -> Decimal:
        """What all slots hold together, signed, in base."""
        return add(*(slot.holding.base(self.instrument) for slot in self.slots.values()))

    def floating(self, mark: Price) -> Decimal:
        """Return the PnL of what is open at *mark*."""
        held = (slot.holding for slot in self.slots.values())
        return add(*(holding.unrealized(self.instrument, mark) for holding in held))

    def transferred(self, mark: Price) -> Decimal:
        """Return the worth at *mark* of the quote and base that left the account."""
        base = self.transfers.get(self.instrument.base, ZERO)
        worth = EXACT.multiply(base, self.instrument.price_of(mark))
        return add(self.transfers.get(self.instrument.quote, ZERO), worth)

    def result(self, mark: Price) -> Decimal:
        """Return the left side of the identity."""
        lost = add(self.fees, self.transferred(mark))
        return EXACT.subtract(add(self.grid_profit, self.floating(mark), self.funding), lost)


@dataclass(frozen=True, slots=True)
class VenueView:
    """What the venue says an account has in one instrument.

    Spot: `cash` is all quote, `base` all base, `cost` nothing. Perpetual: `cash` is the wallet,
    `base` the signed position and `cost` the signed sum paid for it, so that cash + base x mark -
    cost is wallet plus unrealized PnL.
    """

    cash: Decimal
    base: Decimal
    cost: Decimal = ZERO

    @classmethod
    def of(
        cls, instrument: Instrument, balances: Sequence[Balance], positions: Sequence[Position] = ()
    ) -> "VenueView":
        """Return the view that *balances* and *positions* (answers of successful calls) give.

        A venue lists what is there: an asset missing from an answer is one the account has none of.
        """
        cash = add(*(b.total for b in balances if b.asset == instrument.quote))
        if instrument.kind is MarketKind.SPOT:
            return cls(cash, add(*(b.total for b in balances if b.asset == instrument.base)))
        held = [position for position in positions if position.symbol == instrument.symbol]
        lots = sum(position.lots for position in held)
        base = EXACT.multiply(Decimal(lots), instrument.lot_size)
        return cls(cash, base, instrument.notional_of(sum(position.cost for position in held)))

    def equity(self, instrument: Instrument, mark: Price) -> Decimal:
        """Return what it is worth at *mark*, in quote."""
        worth = EXACT.multiply(self.base, instrument.price_of(mark))
        return EXACT.subtract(add(self.cash, worth), self.cost)


def change(instrument: Instrument, before: VenueView, now: VenueView, mark: Price) -> Decimal:
    """Return the change in equity, both views at today's *mark*.

    One mark for both, so that base which was there before the run, and is not its business, neither
    wins nor loses.
    """
    return EXACT.subtract(now.equity(instrument, mark), before.equity(instrument, mark))


def residual(
    accounts: Iterable[RunAccount], before: VenueView, now: VenueView, mark: Price
) -> Decimal:
    """Return what the venue has and *accounts*, all runs on one instrument, cannot explain.

    Zero when every fill was counted once; anything else is a lost or a foreign movement of money.
    """
    runs = list(accounts)
    if not runs:
        raise InvalidValueError("a residual needs the account of at least one run, was none")
    moved = change(runs[0].instrument, before, now, mark)
    return EXACT.subtract(moved, add(*(run.result(mark) for run in runs)))


def fold(
    instrument: Instrument,
    fills: Iterable[Fill],
    funding: Iterable[FundingPayment] = (),
    transfers: Iterable[Transfer] = (),
    *,
    corrections: Iterable[Correction] = (),
    onto: RunAccount | None = None,
) -> RunAccount:
    """Return the account of a run after *fills*, in whatever order they come; each exactly once.

    Fills are put into the order in which they happened: by venue time, then by generation (a slot
    has one working order at a time, and the next one has the next generation). Raises
    InvalidValueError for a fill on another symbol or under an id that is not one of ours.
    """
    books = _Books(onto or RunAccount(instrument))
    waiting = deque(sorted(corrections, key=lambda correction: correction.at))
    for fill, order in sorted(((f, _key(instrument, f)) for f in fills), key=_moment):
        while waiting and waiting[0].at < fill.at:
            books.correct(waiting.popleft())
        books.add(fill, order)
    for correction in waiting:
        books.correct(correction)
    return replace(
        books.account(),
        funding=add(books.before.funding, *(payment.amount for payment in funding)),
        transfers=_plus(books.transfers, ((t.asset, t.amount) for t in transfers)),
    )


def _key(instrument: Instrument, fill: Fill) -> OrderKey:
    order = decode(fill.client_id)
    if order is None:
        raise InvalidValueError(
            f"client_id of fill {fill.fill_id} must be an order id of ours, was {fill.client_id!r}"
        )
    if fill.symbol != instrument.symbol:
        raise InvalidValueError(
            f"symbol of fill {fill.fill_id} must be {instrument.symbol}, was {fill.symbol}"
        )
    return order


def _moment(entry: tuple[Fill, OrderKey]) -> tuple[datetime, int, str]:
    fill, order = entry
    return fill.at, order.generation, fill.fill_id


def _plus(
    before: Mapping[str, Decimal], amounts: Iterable[tuple[str, Decimal]]
) -> dict[str, Decimal]:
    totals = dict(before)
    for asset, amount in amounts:
        totals[asset] = add(totals.get(asset, ZERO), amount)
    return totals


class _Books:
    """An account while fills are being added to it: one dictionary, not a new one for each fill."""

    def __init__(self, before: RunAccount) -> None:
        self.before = before
        self._instrument = before.instrument
        self._slots = dict(before.slots)
        self._fees = before.fees
        self._other_fees = dict(before.other_fees)
        self._volume = before.volume
        self._fills = before.fills
        self.transfers = dict(before.transfers)

    def account(self) -> RunAccount:
        return replace(
            self.before,
            slots=dict(sorted(self._slots.items())),
            fees=self._fees,
            other_fees=self._other_fees,
            volume=self._volume,
            fills=self._fills,
        )

    def add(self, fill: Fill, order: OrderKey) -> None:
        self._fills += 1
        self._volume = add(self._volume, self._instrument.notional(fill.price, fill.quantity))
        slot = WHOLE_RUN if order.purpose.leaves else order.key
        if slot == WHOLE_RUN and (order.purpose.leaves or order.purpose in _CLOSES):
            self._merge()
        self._trade(slot, fill)

    def correct(self, correction: Correction) -> None:
        held = {key: slot.holding.lots for key, slot in self._slots.items()}
        for key, lots in spread(held, correction.lots).items():
            slot = self._slots.get(key, SlotAccount())
            side, quantity = (Side.BUY if lots > 0 else Side.SELL), Quantity(abs(lots))
            value = correction.price.ticks * quantity.lots
            done = trade(self._instrument, slot.holding, side, quantity, value)
            realized = add(slot.realized, done.realized)
            self._slots[key] = replace(slot, holding=done.holding, realized=realized)
        if self._instrument.kind is MarketKind.SPOT:
            worth = self._instrument.notional_of(-correction.lots * correction.price.ticks)
            self.transfers = _plus(self.transfers, [(self._instrument.quote, worth)])

    def _split_fee(self, fill: Fill) -> tuple[Decimal, Decimal]:
        if fill.fee_asset == self._instrument.quote:
            return ZERO, fill.fee
        # The base of a perpetual is a position, not an asset that a fee could be taken from.
        if fill.fee_asset == self._instrument.base and self._instrument.kind is MarketKind.SPOT:
            return fill.fee, ZERO
        if fill.fee:
            self._other_fees = _plus(self._other_fees, [(fill.fee_asset, fill.fee)])
        return ZERO, ZERO

    def _merge(self) -> None:
        whole = merged(self._instrument, (slot.holding for slot in self._slots.values()))
        slots = {key: replace(slot, holding=EMPTY) for key, slot in self._slots.items()}
        run = slots.get(WHOLE_RUN, SlotAccount())
        if whole.flat:  # what buys and sells made of each other
            run = replace(run, realized=EXACT.subtract(run.realized, whole.cost))
        else:
            run = replace(run, holding=whole)
        self._slots = slots | {WHOLE_RUN: run}

    def _trade(self, key: int, fill: Fill) -> None:
        slot = self._slots.get(key, SlotAccount())
        base_fee, quote_fee = self._split_fee(fill)
        done = trade(
            self._instrument,
            slot.holding,
            fill.side,
            fill.quantity,
            fill.price.ticks * fill.quantity.lots,
            base_fee=base_fee,
            quote_fee=quote_fee,
        )
        closed = key != WHOLE_RUN and slot.holding.lots != 0 and done.holding.lots == 0
        realized, fees = add(slot.realized, done.realized), add(slot.fees, done.fee)
        self._slots[key] = SlotAccount(
            done.holding,
            slot.cycles + closed,
            realized,
            fees,
            EXACT.subtract(realized, fees) if closed else slot.brought,
        )
        self._fees = add(self._fees, done.fee)
