"""What the streams say, as iterators of messages over the host's committed state.

A stream keeps a cursor, not a queue: a slow reader of reports gets every one of them later, a slow
reader of prices and positions gets the latest only.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Final

from activities.venues.messages import candle_out, order_out, position_out, price_update_out
from activities.venues.paper import new_candles
from domain.market import Candle, Position, PriceUpdate
from opensqt.market_maker.v1 import events_pb2
from workers.exchange.host import Host

#: Bars are looked at this often at most (seconds): the forming one changes with every trade.
_BARS_EVERY: Final = 0.2


async def orders(
    host: Host, account: str, after: int | None
) -> AsyncIterator[events_pb2.OrderEvent]:
    """Yield the account's reports after number *after* (None: the new ones), without end."""
    host.require_market()
    with host.changes() as changed:
        last = host.last_sequence(account)
        sequence = last if after is None else after
        host.exchange.reports_after(account, sequence)  # refuses a number that was not given yet
        yield events_pb2.OrderEvent(subscribed=events_pb2.Subscribed(last_sequence=sequence))
        while True:
            changed.clear()
            host.require_market()
            for number, report in host.exchange.reports_after(account, sequence):
                order = order_out(host.instrument(report.symbol), report)
                yield events_pb2.OrderEvent(
                    update=events_pb2.OrderUpdate(sequence=number, order=order)
                )
                sequence = number
            await changed.wait()


async def prices(host: Host, symbols: Sequence[str]) -> AsyncIterator[events_pb2.PriceEvent]:
    """Yield the latest price of each symbol whenever it changed, without end."""
    instruments = [host.instrument(symbol) for symbol in symbols]
    sent: dict[str, PriceUpdate] = {}
    host.require_market()
    with host.changes() as changed:
        yield events_pb2.PriceEvent(subscribed=events_pb2.Subscribed())
        while True:
            changed.clear()
            host.require_market()
            for instrument in instruments:
                update = host.exchange.last_price(instrument.symbol)
                if update is not None and update != sent.get(update.symbol):
                    sent[update.symbol] = update
                    yield events_pb2.PriceEvent(change=price_update_out(instrument, update))
            await changed.wait()


async def candles(
    host: Host, symbols: Sequence[str], interval: timedelta
) -> AsyncIterator[events_pb2.CandleEvent]:
    """Yield every bar that closes, and the forming one when it changed, without end."""
    for symbol in symbols:
        host.exchange.candles(symbol, interval, 1)  # refuses a symbol or interval it has not
    sent = {symbol: _newest(host, symbol, interval) for symbol in symbols}
    host.require_market()
    with host.changes() as changed:
        yield events_pb2.CandleEvent(subscribed=events_pb2.Subscribed())
        while True:
            changed.clear()
            host.require_market()
            for symbol in symbols:
                for bar in new_candles(host.exchange, symbol, interval, sent[symbol]):
                    yield events_pb2.CandleEvent(candle=candle_out(host.instrument(symbol), bar))
                    sent[symbol] = bar
            await asyncio.sleep(_BARS_EVERY)
            await changed.wait()


async def positions(
    host: Host, account: str, symbol: str
) -> AsyncIterator[events_pb2.PositionEvent]:
    """Yield the position as it stands and whenever it changed, without end; flat is zero lots."""
    instrument = host.instrument(symbol)
    sent: Position | None = None
    host.require_market()
    with host.changes() as changed:
        yield events_pb2.PositionEvent(subscribed=events_pb2.Subscribed())
        while True:
            changed.clear()
            host.require_market()
            held = host.exchange.positions(account, symbol)
            position = held[0] if held else Position(symbol, 0, 0)
            if position != sent:
                sent = position
                yield events_pb2.PositionEvent(position=position_out(instrument, position))
            await changed.wait()


def _newest(host: Host, symbol: str, interval: timedelta) -> Candle | None:
    bars = host.exchange.candles(symbol, interval, 1)
    return bars[-1] if bars else None
