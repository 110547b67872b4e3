"""Matching: who trades with whom, at what price, and what that does to both.

The market events of a tape are one side, the orders of the accounts the other. A fill is booked on
both sides before the next one is looked for, so the book and the money agree at every moment.
"""

from datetime import datetime
from typing import assert_never

from domain.errors import InvalidValueError
from domain.market import FundingPayment
from domain.money import EXACT, ZERO, MarketKind, Price, Quantity, add
from domain.orders import Fill, OrderRequest, OrderStatus, OrderType, Side, TimeInForce
from domain.simulation.account import Account
from domain.simulation.admission import Admitted, counterparts
from domain.simulation.funds import Funds
from domain.simulation.market import Market
from domain.simulation.order import Order
from domain.simulation.rules import FEES, MARKET, CandleRule, ExchangeRules, Liquidity
from domain.simulation.tape import (
    CandleClosed,
    DepthShown,
    FundingAnnounced,
    FundingDue,
    Marked,
    MarketEvent,
    Quoted,
    TradePrinted,
)


class Matching:
    """Books, accounts and time of an exchange that follows *rules* and is open since *now*."""

    def __init__(self, rules: ExchangeRules, now: datetime) -> None:
        self.rules = rules
        self._now = now
        self._counts = {"O": 0, "F": 0, "P": 0}  # orders, fills, funding payments
        self._markets = {each.symbol: Market(each) for each in rules.instruments}
        self._accounts = {
            name: Account(name, dict(balances)) for name, balances in rules.accounts.items()
        }
        self._accounts |= {name: Account(name, {}) for name in (MARKET, FEES)}
        self._funds = Funds(rules, self._markets)

    @property
    def now(self) -> datetime:
        """The latest time an input came with."""
        return self._now

    def advance(self, at: datetime) -> None:
        """Let time pass until *at*; a time before `now` changes nothing."""
        self._now = max(self._now, at)

    def on(self, event: MarketEvent) -> None:
        """Let *event* happen. A trade that reaches no order costs next to nothing."""
        try:
            market = self._markets[event.symbol]
        except KeyError:
            raise InvalidValueError(f"{event.symbol} is not traded here") from None
        if type(event) is TradePrinted:
            at, ticks = event.at, event.price.ticks
            self._now = max(self._now, at)
            market.last = event.price
            market.last_at = at
            market.traded = True
            market.bars.trade(ticks, event.quantity.lots, at)
            if not market.book.best_bid < ticks < market.book.best_ask:
                self._on_trade(market, event)
            return
        self.advance(event.at)
        match event:
            case Quoted():
                self._on_quote(market, event)
            case CandleClosed():
                self._on_candle(market, event)
            case Marked():
                market.mark = event.price
            case FundingDue():
                self._on_funding(market, event)
            case FundingAnnounced():
                market.announce(event)
            case DepthShown():
                self._on_depth(market, event)
            case _:
                assert_never(event)

    # ---- what the market does

    def _on_trade(self, market: Market, trade: TradePrinted) -> None:
        ticks, off = trade.price.ticks, 0 if self.rules.touch else 1
        lots = self._offered(trade.quantity.lots)
        if ticks <= market.book.best_bid:
            self._sweep(market, Side.BUY, ticks + off, lots)
        else:
            self._sweep(market, Side.SELL, ticks - off, lots)

    def _on_quote(self, market: Market, quote: Quoted) -> None:
        bid_lots, ask_lots = market.quoted(quote)
        if market.book.best_bid >= quote.ask.ticks:
            lots = self._offered(ask_lots)
            market.taken_ask += self._sweep(market, Side.BUY, quote.ask.ticks, lots)
        if market.book.best_ask <= quote.bid.ticks:
            lots = self._offered(bid_lots)
            market.taken_bid += self._sweep(market, Side.SELL, quote.bid.ticks, lots)

    def _on_depth(self, market: Market, shown: DepthShown) -> None:
        """Let what others want now meet what rests beyond it, at the resting price."""
        depth = market.show(shown)
        for side in Side:
            for ticks, lots in depth.levels(side):
                taken = self._sweep(market, side.opposite, ticks, lots)
                if not taken:
                    break  # levels behind it are further away
                depth.take(side, ticks, taken)

    def _on_candle(self, market: Market, closed: CandleClosed) -> None:
        candle = closed.candle
        market.bars.take(candle, closed.interval)
        market.last = candle.close
        market.last_at = closed.at
        market.traded = True
        off = 1 if self.rules.candle_rule is CandleRule.PESSIMISTIC else 0
        reached = {Side.BUY: candle.low.ticks + off, Side.SELL: candle.high.ticks - off}
        # A candle that rose is taken to have gone down first, and the other way round.
        rose = candle.close >= candle.open
        lots = self._offered(candle.volume.lots)
        for side in (Side.BUY, Side.SELL) if rose else (Side.SELL, Side.BUY):
            taken = self._sweep(market, side, reached[side], lots, candle.opened_at)
            lots = None if lots is None else lots - taken

    def _on_funding(self, market: Market, due: FundingDue) -> None:
        instrument, mark = market.instrument, market.mark_price
        if instrument.kind is MarketKind.SPOT:
            raise InvalidValueError(f"{due.symbol} is spot: there is no funding")
        market.settle(due)
        for account in self._accounts.values():
            lots = account.stake(instrument).lots
            if not lots:
                continue
            if mark is None:
                raise InvalidValueError(f"funding of {due.symbol} needs a price before it")
            worth = instrument.notional_of(lots * mark.ticks)
            payment = FundingPayment(
                self._next_id("P"),
                due.symbol,
                EXACT.minus(EXACT.multiply(due.rate, worth)),
                self._now,
            )
            account.pay(payment, instrument.quote)

    def _offered(self, lots: int) -> int | None:
        return lots if self.rules.liquidity is Liquidity.TAPE else None

    def _sweep(
        self,
        market: Market,
        side: Side,
        ticks: int,
        lots: int | None,
        opened_at: datetime | None = None,
    ) -> int:
        """Fill resting orders of *side* down (up) to *ticks* and return how many lots that took."""
        taken = 0
        # All first: filling changes the book.
        for order in list(market.book.orders(side, ticks)):
            if opened_at is not None and order.placed_at > opened_at:
                continue  # the candle may have been there before the order was
            filled = order.leaves if lots is None else min(order.leaves, lots - taken)
            if filled:  # a reduce-only order may have lost its position to the one before
                self._fill(market, order, order.ticks, filled, maker=True)
                self._fill_outside(market, order.side.opposite, order.ticks, filled)
                taken += filled
        return taken

    # ---- what an order does

    def _work(
        self, market: Market, holder: Account, request: OrderRequest, admitted: Admitted
    ) -> Order:
        """Accept an admitted order, let it take what it can and rest or expire."""
        order = self._accept(holder, request, admitted.lots)
        if not admitted.expires:
            self._take(market, order)
        if order.leaves:
            limit = request.type is OrderType.LIMIT
            if limit and request.time_in_force is TimeInForce.GTC:
                market.book.add(order)
                holder.rest(market.instrument, order, order.leaves)
                holder.working[order.client_id] = order
            else:
                holder.reports.append(order.close(OrderStatus.EXPIRED, self._now))
        return order

    def _accept(self, holder: Account, request: OrderRequest, lots: int) -> Order:
        order_id = self._next_id("O")
        order = Order(
            number=self._counts["O"],
            order_id=order_id,
            account=holder.name,
            client_id=request.client_id,
            symbol=request.symbol,
            side=request.side,
            lots=lots,
            ticks=request.price.ticks if request.price else 0,
            reduce_only=request.reduce_only,
            placed_at=self._now,
            changed_at=self._now,
        )
        holder.orders[order.client_id] = order
        holder.reports.append(order.report())
        return order

    def _take(self, market: Market, order: Order) -> None:
        while order.leaves:
            # Looked for anew each time: a fill may have ended other orders.
            there = next(counterparts(market, order.side, order.ticks, order.leaves), None)
            if there is None:
                return
            if there.order is None:
                market.take_outside(order.side, there.ticks, there.lots)
                self._fill_outside(market, order.side.opposite, there.ticks, there.lots)
            else:
                self._fill(market, there.order, there.ticks, there.lots, maker=True)
            self._fill(market, order, there.ticks, there.lots, maker=False)

    def _withdraw(self, market: Market, order: Order, status: OrderStatus) -> None:
        """End a resting order as *status*."""
        holder = self._accounts[order.account]
        market.book.remove(order)
        holder.rest(market.instrument, order, -order.leaves)
        del holder.working[order.client_id]
        holder.reports.append(order.close(status, self._now))

    # ---- what a fill does

    def _fill(self, market: Market, order: Order, ticks: int, lots: int, *, maker: bool) -> None:
        instrument, holder = market.instrument, self._accounts[order.account]
        if maker:
            holder.rest(instrument, order, -lots)
        self._funds.trade(holder, instrument, order.side, ticks, lots)
        rate = instrument.maker_fee if maker else instrument.taker_fee
        asset, fee = self._funds.fee(instrument, order.side, ticks, lots, rate)
        holder.credit(asset, EXACT.minus(fee))
        holder.totals.fees[asset] = add(holder.totals.fees.get(asset, ZERO), fee)
        self._accounts[FEES].credit(asset, fee)
        fill = Fill(
            fill_id=self._next_id("F"),
            client_id=order.client_id,
            order_id=order.order_id,
            symbol=order.symbol,
            side=order.side,
            price=Price(ticks),
            quantity=Quantity(lots),
            fee=fee,
            fee_asset=asset,
            maker=maker,
            at=self._now,
        )
        holder.fills.append(fill)
        holder.reports.append(order.execute(fill))
        if maker and not order.status.working:
            market.book.remove(order)
            del holder.working[order.client_id]
        if instrument.kind is MarketKind.PERPETUAL:
            self._expire_reducing(market, holder)

    def _fill_outside(self, market: Market, side: Side, ticks: int, lots: int) -> None:
        self._funds.trade(self._accounts[MARKET], market.instrument, side, ticks, lots)

    def _expire_reducing(self, market: Market, holder: Account) -> None:
        """End the newest reduce-only orders until the position is large enough for all of them."""
        stake = holder.stake(market.instrument)
        for side in Side:
            while stake.reducing(side) > stake.reducible(side):
                newest = next(
                    order
                    for order in reversed(holder.working.values())
                    if order.reduce_only
                    and order.side is side
                    and order.symbol == market.instrument.symbol
                )
                self._withdraw(market, newest, OrderStatus.EXPIRED)

    def _next_id(self, letter: str) -> str:
        self._counts[letter] += 1
        return f"{letter}{self._counts[letter]}"
