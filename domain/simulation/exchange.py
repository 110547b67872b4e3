"""A whole exchange in memory: orders and market events go in, order reports come out.

- Time comes only with the inputs and never runs backwards; nothing is random. The same inputs in
  the same order give the same fills with the same ids.
- A trade of the tape is an aggressor: it fills the resting orders it reaches, best price first and
  oldest first, each at its own price, up to the quantity traded (`Liquidity.TAPE`) or whole.
- A quote that reaches a resting order fills it up to the quantity quoted; what was filled from a
  quote is gone until its price changes.
- A candle fills only orders that rested when it opened, at their own price.
- A taker trades with resting orders first and then, without limit, with the market outside: the
  quote, or one tick beside the last price. An account may trade with itself.
- Where a source shows depth, the market outside has that depth and no more: a taker goes through it
  level by level, what was taken is gone until depth is shown anew, and depth that reaches a resting
  order fills it.
- Money is conserved: the tape's side of a trade is booked on the account MARKET, fees on FEES.
- There is no liquidation: the wallet of an account whose losses exceed it becomes negative.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from domain.conditions import FundingRate
from domain.errors import InvalidValueError
from domain.market import AccountView, Balance, Candle, FundingPayment, Position, PriceUpdate
from domain.money import Price
from domain.orders import Fill, OrderReport, OrderRequest, OrderStatus, Refusal, RefusalReason, Side
from domain.simulation import snapshot
from domain.simulation.account import Account, Totals
from domain.simulation.admission import admit
from domain.simulation.depth import Level
from domain.simulation.ladder import merged
from domain.simulation.market import Market
from domain.simulation.matching import Matching
from domain.simulation.order import Order
from domain.simulation.rules import ExchangeRules
from domain.simulation.tape import FundingDue


class SimulatedExchange(Matching):
    """An exchange with the accounts and instruments of its rules, open since *now*.

    Every method that names an account raises InvalidValueError if the rules do not know it; so does
    every reading method, and `on`, for an unknown symbol.
    """

    # ---- orders

    def place(
        self, account: str, request: OrderRequest, at: datetime | None = None
    ) -> OrderReport | Refusal:
        """Take or refuse *request*, and match it at once.

        A client id that the account ever used answers with the order it named, as it stands now.
        """
        if at is not None:
            self.advance(at)
        holder = self._holder(account)
        known = holder.orders.get(request.client_id)
        if known is not None:
            return known.report()
        market = self._markets.get(request.symbol)
        if market is None:
            return Refusal(
                request.client_id,
                RefusalReason.INVALID,
                f"symbol must be one of {', '.join(self._markets)}, was {request.symbol}",
            )
        admitted = admit(market, holder, request, self._funds)
        if isinstance(admitted, Refusal):
            return admitted
        return self._work(market, holder, request, admitted).report()

    def cancel(
        self, account: str, symbol: str, client_id: str, at: datetime | None = None
    ) -> OrderReport | None:
        """Cancel the order and return it as it then stands; None if there never was one."""
        if at is not None:
            self.advance(at)
        order = self._find(account, symbol, client_id)
        if order is None:
            return None
        if order.status.working:
            self._withdraw(self._markets[symbol], order, OrderStatus.CANCELED)
        return order.report()

    def look_up(self, account: str, symbol: str, client_id: str) -> OrderReport | None:
        """Return the order, working or closed; None if there never was one."""
        order = self._find(account, symbol, client_id)
        return None if order is None else order.report()

    # ---- funding

    def recall(self, due: FundingDue) -> None:
        """Know of a settlement from before anybody held anything here: nobody is paid."""
        self._market(due.symbol).recall(due)

    # ---- reading

    def placed_at(self, account: str, symbol: str, client_id: str) -> datetime | None:
        """Return when the order was placed; None if there never was one."""
        order = self._find(account, symbol, client_id)
        return None if order is None else order.placed_at

    def open_orders(self, account: str, symbol: str) -> Sequence[OrderReport]:
        """Return the account's working orders on *symbol*, oldest first."""
        self._market(symbol)
        return [order.report() for order in self._holder(account).open_orders(symbol)]

    def orders_since(self, account: str, symbol: str, since: datetime) -> Sequence[OrderReport]:
        """Return the orders that changed at or after *since*, oldest change first."""
        self._market(symbol)
        return [order.report() for order in self._holder(account).orders_since(symbol, since)]

    def fills_since(self, account: str, symbol: str, since: datetime) -> Sequence[Fill]:
        """Return the account's fills at or after *since*, oldest first."""
        self._market(symbol)
        return self._holder(account).fills_since(symbol, since)

    def funding_since(self, account: str, symbol: str, since: datetime) -> Sequence[FundingPayment]:
        """Return the account's funding payments at or after *since*, oldest first."""
        self._market(symbol)
        return self._holder(account).funding_since(symbol, since)

    def balances(self, account: str) -> Sequence[Balance]:
        """Return every asset the account ever had; margin in use counts as locked."""
        return self._funds.balances(self._holder(account))

    def positions(self, account: str, symbol: str | None = None) -> Sequence[Position]:
        """Return the account's perpetual positions that are not flat, of *symbol* or all."""
        markets = self._markets.values() if symbol is None else [self._market(symbol)]
        holder = self._holder(account)
        held = (self._funds.position(holder, market.instrument) for market in markets)
        return [position for position in held if position is not None]

    def account_view(self, account: str, symbol: str, since: datetime) -> AccountView:
        """Return balances, positions, orders, fills and funding as of this moment."""
        holder = self._holder(account)
        orders = {order.number: order for order in holder.open_orders(symbol)}
        orders |= {order.number: order for order in holder.orders_since(symbol, since)}
        return AccountView(
            at=self._now,
            balances=tuple(self.balances(account)),
            positions=tuple(self.positions(account, symbol)),
            orders=tuple(orders[number].report() for number in sorted(orders)),
            fills=tuple(holder.fills_since(symbol, since)),
            funding=tuple(holder.funding_since(symbol, since)),
        )

    def totals(self, account: str) -> Totals:
        """Return what the account realized, paid in fees and got in funding so far."""
        totals = self._holder(account).totals
        return Totals(dict(totals.realized), dict(totals.fees), dict(totals.funding))

    def last_price(self, symbol: str) -> PriceUpdate | None:
        """Return the last price with bid and ask; None before the first one."""
        return self._market(symbol).price_update()

    def mark_price(self, symbol: str) -> Price | None:
        """Return what positions are valued at: the mark, else the last price; None before any."""
        return self._market(symbol).mark_price

    def book(self, symbol: str, levels: int) -> tuple[Sequence[Level], Sequence[Level]]:
        """Return the best *levels* of bids and asks, of accounts and the market outside together.

        The market outside, where it takes any quantity, is told as one level of `ANY_QUANTITY`.
        """
        market = self._market(symbol)
        bids, asks = (merged(market, side, levels) for side in (Side.BUY, Side.SELL))
        return bids, asks

    def funding_rates(self, symbol: str) -> Sequence[FundingRate]:
        """Return the settled funding rates, oldest first, each with the mark it was reckoned by."""
        return tuple(self._market(symbol).settled)

    def next_funding(self, symbol: str) -> FundingRate | None:
        """Return the funding that was announced and is not settled yet; None if none was."""
        return self._market(symbol).next_funding

    def candles(self, symbol: str, interval: timedelta, limit: int) -> Sequence[Candle]:
        """Return the newest *limit* candles, oldest first; only the last may be unclosed.

        Raises InvalidValueError if *interval* is not a multiple of what is recorded.
        """
        return self._market(symbol).bars.candles(interval, limit, self._now)

    def reports_after(self, account: str, seq: int) -> Sequence[tuple[int, OrderReport]]:
        """Return the account's order reports after the one numbered *seq*, with their numbers.

        They count from 1 without a gap; 0 asks for all. Raises InvalidValueError for a number that
        was not given yet: who asks has seen another exchange.
        """
        reports = self._holder(account).reports
        if not 0 <= seq <= len(reports):
            raise InvalidValueError(f"seq must be in 0 .. {len(reports)}, was {seq}")
        return list(enumerate(reports[seq:], seq + 1))

    def _holder(self, account: str) -> Account:
        try:
            return self._accounts[account]
        except KeyError:
            known = ", ".join(self.rules.accounts)
            raise InvalidValueError(f"account must be one of {known}, was {account}") from None

    def _market(self, symbol: str) -> Market:
        try:
            return self._markets[symbol]
        except KeyError:
            known = ", ".join(self._markets)
            raise InvalidValueError(f"symbol must be one of {known}, was {symbol}") from None

    def _find(self, account: str, symbol: str, client_id: str) -> Order | None:
        order = self._holder(account).orders.get(client_id)
        return order if order is not None and order.symbol == symbol else None

    # ---- keeping

    def dump(self) -> dict[str, Any]:
        """Return the complete state as what JSON can hold. The rules are not part of it."""
        return {
            "version": snapshot.VERSION,
            "now": self._now.isoformat(),
            "counts": dict(self._counts),
            "markets": {name: snapshot.dump_market(each) for name, each in self._markets.items()},
            "accounts": {
                name: snapshot.dump_account(each) for name, each in self._accounts.items()
            },
        }

    @classmethod
    def restore(cls, rules: ExchangeRules, state: Mapping[str, Any]) -> "SimulatedExchange":
        """Return an exchange that goes on from *state*; what only *rules* knows starts anew.

        Raises InvalidValueError if the state is of another version or has what *rules* lacks.
        """
        snapshot.check(state, rules)
        exchange = cls(rules, datetime.fromisoformat(state["now"]))
        exchange._counts = dict(state["counts"])
        for symbol, market in state["markets"].items():
            snapshot.restore_market(exchange._markets[symbol], market)
        for name, account in state["accounts"].items():
            exchange._accounts[name] = snapshot.restore_account(account)
        orders = [
            each for holder in exchange._accounts.values() for each in holder.working.values()
        ]
        for order in sorted(orders, key=lambda order: order.number):
            exchange._markets[order.symbol].book.add(order)
        return exchange
