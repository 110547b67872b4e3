"""Whether an order is taken, and how much of it; nothing is changed here."""

from collections.abc import Iterator
from dataclasses import dataclass

from domain.money import MarketKind, Price, Quantity
from domain.orders import OrderRequest, OrderType, Refusal, RefusalReason, Side, TimeInForce
from domain.simulation.account import Account
from domain.simulation.book import NO_ASK
from domain.simulation.funds import Funds
from domain.simulation.market import Market
from domain.simulation.order import Order


@dataclass(frozen=True, slots=True)
class Admitted:
    """The order is taken for *lots*; one that must be filled or killed, and cannot be, expires."""

    lots: int
    expires: bool = False


@dataclass(frozen=True, slots=True)
class Counterpart:
    """Who would trade next with a taker: a resting order, or the market outside (None)."""

    order: Order | None
    ticks: int
    lots: int


def counterparts(market: Market, side: Side, ticks: int, lots: int) -> Iterator[Counterpart]:
    """Yield who trades with a taker of *lots* up to *ticks* (0: at any price), best price first.

    At the same price resting orders come before the market outside.
    """
    limit = ticks or (NO_ASK if side is Side.BUY else 0)
    resting = market.book.orders(side.opposite, limit)
    outside = (level for level in market.levels(side) if side.sign * (limit - level[0]) >= 0)
    order, level = next(resting, None), next(outside, None)
    while lots:
        if order is not None and (level is None or side.sign * (level[0] - order.ticks) >= 0):
            there = Counterpart(order, order.ticks, min(lots, order.leaves))
            order = next(resting, None)
        elif level is not None:
            there = Counterpart(None, level[0], lots if level[1] is None else min(lots, level[1]))
            level = next(outside, None)
        else:
            return
        yield there
        lots -= there.lots


def admit(
    market: Market, account: Account, request: OrderRequest, funds: Funds
) -> Admitted | Refusal:
    """Return how much of *request* the exchange takes, or why it does not."""
    wrong = _malformed(request)
    if wrong:
        return _refusal(request, RefusalReason.INVALID, wrong)
    lots = _reducible(market, account, request)
    if not lots:
        return _refusal(
            request,
            RefusalReason.REDUCE_ONLY,
            f"{request.side} {request.quantity.lots} lots cannot reduce the position in "
            f"{request.symbol}, or orders that do are resting already",
        )
    ticks = request.price.ticks if request.price else 0
    taking = list(counterparts(market, request.side, ticks, lots))
    if request.type is OrderType.MARKET and not taking:
        return _refusal(
            request, RefusalReason.OTHER, f"there is no price of {request.symbol} to trade at yet"
        )
    if request.post_only and taking:
        return _would_cross(request, taking[0].ticks)
    expires = (
        request.time_in_force is TimeInForce.FOK and sum(taken.lots for taken in taking) < lots
    )
    # A market order is worth what it takes; the rest of it, if any, expires.
    value = ticks * lots or sum(taken.ticks * taken.lots for taken in taking)
    return (
        _too_small(market, request, value)
        or _unfunded(market, account, request, funds, (lots, value))
        or Admitted(lots, expires=expires)
    )


def _malformed(request: OrderRequest) -> str:
    limit = request.type is OrderType.LIMIT
    if not request.client_id:
        return "an order needs a client id"
    if not request.quantity:
        return "quantity must be at least one lot, was 0"
    if limit and request.price is None:
        return "a limit order needs a price"
    if not limit and request.price is not None:
        return f"a market order has no price, was {request.price.ticks} ticks"
    if request.post_only and (not limit or request.time_in_force is not TimeInForce.GTC):
        return (
            "a post-only order is a limit order good till canceled, "
            f"was {request.type} {request.time_in_force}"
        )
    return ""


def _reducible(market: Market, account: Account, request: OrderRequest) -> int:
    """Return the lots of *request* that are left when it may only reduce."""
    lots = request.quantity.lots
    if not request.reduce_only:
        return lots
    if market.instrument.kind is MarketKind.SPOT:
        # There is nothing but the balance to reduce, and it is checked like that of any sell.
        return lots if request.side is Side.SELL else 0
    stake = account.stake(market.instrument)
    return min(lots, max(0, stake.reducible(request.side) - stake.reducing(request.side)))


def _too_small(market: Market, request: OrderRequest, value: int) -> Refusal | None:
    instrument = market.instrument
    if request.reduce_only and instrument.kind is MarketKind.PERPETUAL:
        return None  # what is left of a position can always be closed
    if request.quantity < instrument.min_quantity:
        return _refusal(
            request,
            RefusalReason.INVALID,
            f"quantity must be at least {instrument.base_of(instrument.min_quantity)} "
            f"{instrument.base}, was {instrument.base_of(request.quantity)}",
        )
    if instrument.notional_of(value) < instrument.min_notional:
        return _refusal(
            request,
            RefusalReason.INVALID,
            f"notional must be at least {instrument.min_notional} {instrument.quote}, "
            f"was {instrument.notional_of(value)}",
        )
    return None


def _unfunded(
    market: Market, account: Account, request: OrderRequest, funds: Funds, size: tuple[int, int]
) -> Refusal | None:
    instrument = market.instrument
    if request.reduce_only and instrument.kind is MarketKind.PERPETUAL:
        return None
    lots, value = size
    short = funds.shortfall(account, instrument, request.side, lots, value)
    if short is None:
        return None
    return _refusal(
        request,
        RefusalReason.INSUFFICIENT_FUNDS,
        f"to {request.side} {instrument.base_of(Quantity(lots))} {instrument.base} "
        f"{short.needed} {short.asset} are needed, free were {short.free}",
    )


def _would_cross(request: OrderRequest, touched: int) -> Refusal:
    ticks = touched - request.side.sign
    return Refusal(
        request.client_id,
        RefusalReason.WOULD_CROSS,
        f"a post-only {request.side} must stay off {touched} ticks, "
        f"was {request.price.ticks if request.price else 0}",
        best=Price(ticks) if ticks > 0 else None,
    )


def _refusal(request: OrderRequest, reason: RefusalReason, message: str) -> Refusal:
    return Refusal(request.client_id, reason, message)
