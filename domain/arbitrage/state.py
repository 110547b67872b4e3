"""A pair between two events: what it holds, what it knows, and what it is about."""

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from domain.arbitrage.funding import Direction, LegFunding
from domain.arbitrage.pair import Kind
from domain.arbitrage.spec import ArbSpec
from domain.errors import InvalidValueError
from domain.market import Position, Quote
from domain.money import EXACT, ZERO, Instrument, MarketKind


class Phase(StrEnum):
    """What a run of a pair is doing."""

    RUNNING = "running"
    PAUSED = "paused"  # it opens nothing; exits go on
    STOPPING = "stopping"  # it closes the pair and ends
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class ArbConfig:
    """A spec and the instruments of its legs. Made by `bind`."""

    spec: ArbSpec
    instruments: tuple[Instrument, Instrument]


def bind(spec: ArbSpec, first: Instrument, second: Instrument) -> ArbConfig:
    """Return the pair of *spec* on its instruments; InvalidValueError if they do not fit."""
    if second.kind is not MarketKind.PERPETUAL:
        raise InvalidValueError(
            f"second.symbol must be a perpetual, {second.symbol} is {second.kind}: only those pay "
            "funding"
        )
    if (first.base, first.quote) != (second.base, second.quote):
        raise InvalidValueError(
            f"the legs of a pair trade the same, {first.symbol} and {second.symbol} do not"
        )
    return ArbConfig(spec, (first, second))


def require_lender(spec: ArbSpec, instrument: Instrument) -> None:
    """Raise InvalidValueError if *spec* may sell spot that is not held: no gateway borrows it yet.

    Each entry would be refused by the venue, or be played without the interest that it costs.
    """
    if spec.both_ways and instrument.kind is MarketKind.SPOT:
        raise InvalidValueError(
            f"both_ways: true would sell {instrument.symbol} without holding it, and spot cannot "
            "be borrowed yet: leave both_ways out, or make a pair of two perpetuals"
        )


@dataclass(frozen=True, slots=True)
class LegState:
    """What is known of one leg.

    `base` is signed; it changes by its own trades, and by somebody else's where the venue had
    nothing left to close.
    """

    number: int
    base: Decimal = ZERO
    #: The part of `base` that somebody else has traded, which the books of the leg do not have.
    elsewhere: Decimal = ZERO
    #: Signed quote that trades brought (a sale) or cost, before fees.
    cash: Decimal = ZERO
    #: What its trades cost more than at the prices they were decided at, in quote, before fees; a
    #: part of `cash`. None: not known of one of them.
    slippage: Decimal | None = ZERO
    #: What settlements brought, in quote.
    funding_paid: Decimal = ZERO
    funding: LegFunding | None = None
    quote: Quote | None = None
    position: Position | None = None
    health: Decimal | None = None
    health_at: datetime | None = None
    #: Risk lets nothing be opened here, and why.
    halted: bool = False
    halted_why: str = ""


@dataclass(frozen=True, slots=True)
class InFlight:
    """The one trade that is under way."""

    tag: str
    kind: Kind
    why: str
    aborted: bool = False
    #: The leg that leaves even where the other one cannot; 0: none.
    endangered: int = 0


@dataclass(frozen=True, slots=True)
class ArbState:
    """A pair between two events."""

    config: ArbConfig
    #: Names the run: the tags of its trades are made of it.
    identity: str
    now: datetime
    legs: tuple[LegState, LegState] = (LegState(1), LegState(2))
    phase: Phase = Phase.RUNNING
    #: How the pair that is held earns; None: nothing is held.
    direction: Direction | None = None
    #: How many settlements in a row found the basis toxic.
    toxic: int = 0
    #: The settlement whose rate the last look at the basis was for.
    toxic_at: datetime | None = None
    in_flight: InFlight | None = None
    #: How many trades were begun: the next one's number.
    trades: int = 0
    #: How many orders were made.
    generation: int = 0
    #: When the last trade ended: what was told of accounts before says nothing of them now.
    ended_at: datetime | None = None
    #: The legs whose books have to say what is held before anything is decided.
    unsure: tuple[int, ...] = ()
    #: Why somebody wants the pair closed, whatever it earns; empty: nobody does.
    exit_asked: str = ""
    #: When the pair was last left because it had to be, or could not be entered.
    rests_since: datetime | None = None
    #: The amount that what is held was traded for; None: the one of the spec.
    meant: Decimal | None = None

    @property
    def spec(self) -> ArbSpec:
        return self.config.spec

    def leg(self, number: int) -> LegState:
        """Return the leg of this number, 1 or 2."""
        return self.legs[number - 1]

    def instrument(self, number: int) -> Instrument:
        """Return what the leg of this number trades."""
        return self.config.instruments[number - 1]

    def with_leg(self, leg: LegState) -> "ArbState":
        """Return the state with *leg* in the place of the one of its number."""
        first, second = self.legs
        return replace(self, legs=(leg, second) if leg.number == 1 else (first, leg))

    def tradable(self, number: int) -> bool:
        """Return whether the venue would take an order for all that a leg holds."""
        leg, instrument = self.leg(number), self.instrument(number)
        quantity = instrument.quantity(EXACT.abs(leg.base))
        if leg.quote is None:
            return bool(quantity) and quantity >= instrument.min_quantity
        return instrument.accepts(leg.quote.bid, quantity)

    @property
    def halted(self) -> bool:
        """Whether risk halted a leg: then the pair opens nothing."""
        return any(leg.halted for leg in self.legs)

    @property
    def halted_why(self) -> str:
        """Why it did; empty: it did not."""
        return next((leg.halted_why for leg in self.legs if leg.halted), "")

    @property
    def open(self) -> bool:
        """Whether anything is held that could be closed; less than that is dust."""
        return any(self.tradable(number) for number in (1, 2))

    @property
    def delta(self) -> Decimal:
        """Signed base that is not hedged."""
        return EXACT.add(self.legs[0].base, self.legs[1].base)
