"""The trades that a pair asks for: how much of which leg, and which of them leads."""

from dataclasses import dataclass
from datetime import timedelta
from decimal import ROUND_DOWN, Decimal

from domain.arbitrage.events import Moved, TradeEnded
from domain.arbitrage.funding import Direction
from domain.arbitrage.legs import Leg
from domain.arbitrage.pair import Kind, PairTrade
from domain.arbitrage.spec import Lead
from domain.arbitrage.state import ArbState, LegState
from domain.money import EXACT, ZERO, Instrument, MarketKind, Quantity
from domain.order_ids import run_tag


@dataclass(frozen=True, slots=True)
class Wish:
    """What is wanted of a trade: signed lots of the first and of the second leg."""

    kind: Kind
    lots: tuple[int, int]
    why: str
    #: Leave now: no order waits at the touch, and no leg for the other.
    forced: bool = False
    #: The leg that is in danger, and leaves even where the other one cannot; 0: none.
    endangered: int = 0

    @property
    def nothing(self) -> bool:
        """Whether there is nothing to trade."""
        return self.lots == (0, 0)


def entry(state: ArbState, direction: Direction) -> Wish | None:
    """Return the trade that enters the pair; None while a price is missing or it is too small."""
    first, second = state.legs
    if first.quote is None or second.quote is None:
        return None
    one, other = state.config.instruments
    lots = one.affordable(state.spec.amount, first.quote.ask).lots
    base = EXACT.multiply(Decimal(lots), one.lot_size)
    follows = other.quantity(base)
    if not (one.accepts(first.quote.bid, one.quantity(base)) and _takes(other, second, base)):
        return None
    sign = 1 if direction is Direction.POSITIVE else -1
    return Wish(Kind.ENTER, (sign * lots, -sign * follows.lots), f"enters {direction}")


def _takes(instrument: Instrument, leg: LegState, base: Decimal) -> bool:
    return leg.quote is not None and instrument.accepts(leg.quote.bid, instrument.quantity(base))


def leaving(
    state: ArbState,
    why: str,
    share: Decimal = Decimal(1),
    *,
    forced: bool,
    endangered: int = 0,
) -> Wish:
    """Return the trade that gives back *share* of what is held, of what is held and no more."""
    first, second = (_lots(state, number, share) for number in (1, 2))
    return Wish(Kind.EXIT, (-first, -second), why, forced, endangered)


def growth(state: ArbState, direction: Direction) -> Wish | None:
    """Return the trade that adds what is missing to the amount at today's price.

    None if an order for that is too small; both prices are known.
    """
    one, other = state.config.instruments
    missing = EXACT.subtract(_meant(state), EXACT.abs(state.leg(1).base))
    base = one.base_of(one.quantity(max(missing, ZERO)))
    if not all(_takes(each, leg, base) for each, leg in zip((one, other), state.legs, strict=True)):
        return None
    sign = 1 if direction is Direction.POSITIVE else -1
    lots = sign * one.quantity(base).lots, -sign * other.quantity(base).lots
    return Wish(Kind.ENTER, lots, f"grows to {state.spec.amount}")


def shrunk(state: ArbState) -> Wish | None:
    """Return the trade that gives back what is more than the amount at today's price.

    All of it, if less than the rest could be sold later. None if an order for that is too small;
    both prices are known.
    """
    meant, held = _meant(state), EXACT.abs(state.leg(1).base)
    if held <= meant:
        return None
    why, share = f"shrinks to {state.spec.amount}", EXACT.divide(EXACT.subtract(held, meant), held)
    wish = leaving(state, why, share, forced=False)
    if not all(_would_take(state, number, wish.lots[number - 1]) for number in (1, 2)):
        return None
    if not all(_takes(state.instrument(n), state.leg(n), meant) for n in (1, 2)):
        return leaving(state, why, forced=False)
    return wish


def _meant(state: ArbState) -> Decimal:
    """Return the base of a leg that the amount buys now; its price is known."""
    first, quote = state.instrument(1), state.leg(1).quote
    assert quote is not None  # noqa: S101 - asked before
    return first.base_of(first.affordable(state.spec.amount, quote.ask))


def _would_take(state: ArbState, number: int, lots: int) -> bool:
    instrument = state.instrument(number)
    return _takes(instrument, state.leg(number), instrument.base_of(Quantity(abs(lots))))


def trim(state: ArbState) -> Wish:
    """Return the trade that gives back what the larger leg holds more than the other hedges."""
    larger = max((1, 2), key=lambda number: abs(state.leg(number).base))
    lots = int(_steps(state.delta, state.instrument(larger)))
    if lots * state.leg(larger).base <= 0:
        lots = 0
    first, second = (-lots if number == larger else 0 for number in (1, 2))
    return Wish(Kind.EXIT, (first, second), "the legs have drifted apart")


def _lots(state: ArbState, number: int, share: Decimal) -> int:
    held = EXACT.multiply(state.leg(number).base, share)
    return int(_steps(held, state.instrument(number)))


def _steps(base: Decimal, instrument: Instrument) -> Decimal:
    return EXACT.divide(base, instrument.lot_size).to_integral_value(ROUND_DOWN, EXACT)


def trade(state: ArbState, wish: Wish) -> PairTrade:
    """Return *wish* as the next trade of this run. Its tag says which one it is, for ever."""
    number = state.trades + 1
    legs = {each: _leg(state, each, wish) for each in (1, 2)}
    lead = _lead(state, wish)
    spec = state.spec.hedge
    return PairTrade(
        run_tag(f"{state.identity}/{wish.kind}/{number}"),
        wish.kind,
        legs[lead],
        legs[3 - lead],
        spec.model_copy(update={"passive_for": 0}) if wish.forced else spec,
        state.now,
        state.now,
        timedelta(seconds=state.spec.lead_for),
        basis=_basis(state, lead),
        parallel=wish.forced,
        endangered=wish.endangered,
        generation=state.generation,
    )


def leg_tag(identity: str, number: int) -> str:
    """Return what stands in the ids of all orders of a leg."""
    return run_tag(f"{identity}/leg {number}")


def _leg(state: ArbState, number: int, wish: Wish) -> Leg:
    leg, instrument, closing = state.leg(number), state.instrument(number), wish.kind is Kind.EXIT
    return Leg(
        number,
        state.spec.legs[number - 1].account,
        leg_tag(state.identity, number),
        instrument,
        wish.lots[number - 1],
        held=leg.base,
        borrows=instrument.kind is MarketKind.SPOT and state.spec.both_ways,
        closing=closing,
        quote=leg.quote,
        decided=middle(state, number),
        silent=is_stale(state, leg),
        halted=leg.halted,
    )


def is_stale(state: ArbState, leg: LegState) -> bool:
    """Return whether the venue of *leg* has told no price for so long that it may be down."""
    ttl = timedelta(seconds=state.spec.quote_ttl)
    return leg.quote is not None and state.now - leg.quote.at > ttl


def _lead(state: ArbState, wish: Wish) -> int:
    """Return which leg leads: the one that has something to do, the thin one, or the one asked."""
    idle = [number for number in (1, 2) if not wish.lots[number - 1]]
    if idle:
        return 3 - idle[0]
    if state.spec.lead is not Lead.THIN:
        return 1 if state.spec.lead is Lead.FIRST else 2
    return max((1, 2), key=lambda number: width(state, number))


def width(state: ArbState, number: int) -> Decimal:
    """Return the spread of a leg's market as a share of its bid; 0 while it is not known."""
    quote = state.leg(number).quote
    if quote is None or not quote.bid.ticks:
        return Decimal(0)
    return EXACT.divide(Decimal(quote.ask.ticks - quote.bid.ticks), Decimal(quote.bid.ticks))


def _basis(state: ArbState, lead: int) -> Decimal | None:
    """Return what the follower's price is above the lead's, in quote."""
    prices = {number: middle(state, number) for number in (1, 2)}
    led, followed = prices[lead], prices[3 - lead]
    return None if led is None or followed is None else EXACT.subtract(followed, led)


def middle(state: ArbState, number: int) -> Decimal | None:
    """Return the price between bid and ask of a leg's market, in quote; None: not known."""
    quote, tick = state.leg(number).quote, state.instrument(number).tick_size
    if quote is None:
        return None
    ticks = EXACT.divide(Decimal(quote.bid.ticks + quote.ask.ticks), Decimal(2))
    return EXACT.multiply(ticks, tick)


def outcome_of(trade: PairTrade) -> TradeEnded:
    """Return what a finished trade did."""
    moved = _moved(trade.leg(1)), _moved(trade.leg(2))
    return TradeEnded(trade.tag, moved, trade.now, trade.generation, trade.gave_up)


def _moved(leg: Leg) -> Moved:
    quote = EXACT.minus(leg.instrument.notional_of(leg.value))
    lots = leg.target - leg.traded if leg.gone else 0
    elsewhere = EXACT.multiply(Decimal(lots), leg.instrument.lot_size)
    return Moved(leg.number, leg.base, quote, elsewhere, leg.slippage)
