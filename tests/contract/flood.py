"""A market that floods its clients, an account that is filled fast, and ears at both ends."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

import pytest
from aiohttp import web

from domain.money import Instrument, MarketKind, Price, Quantity
from domain.orders import OrderReport, OrderRequest, Side
from domain.simulation.tape import MarketEvent, TradePrinted
from tests.contract.bench import ACCOUNT, PERPETUAL, SPOT, START, SYMBOLS, Bench

#: Whether every venue gets the whole number of messages; else they share it.
WHOLE: Final = os.environ.get("OPENSQT_TEST_COUNTS") == "whole"


# ---- prices


def wide(kind: MarketKind, width: int) -> Sequence[Instrument]:
    """Return *width* markets of one kind."""
    like, settle = (SPOT, "") if kind is MarketKind.SPOT else (PERPETUAL, ":USDT")
    return [
        replace(like, symbol=f"C{number:03d}/USDT{settle}", base=f"C{number:03d}")
        for number in range(width)
    ]


class Flood:
    """A market of *count* trades, one of each instrument in turn."""

    def __init__(self, instruments: Sequence[Instrument], count: int) -> None:
        self.instruments = instruments
        self.origin = {"flood": count}
        self._count = count
        self._index = 0

    def begin(self, started_at: datetime) -> datetime:
        self._index = 0
        return START

    def take(self) -> None:
        self._index += 1

    def mark(self) -> Mapping[str, Any]:
        return {"index": self._index}

    def seek(self, mark: Mapping[str, Any]) -> None:
        self._index = mark["index"]

    def peek(self) -> MarketEvent | None:
        return self.trade(self._index) if self._index < self._count else None

    def trade(self, number: int) -> TradePrinted:
        """Return trade *number*, counted from 0: no two of a market in a row have one price."""
        lap, which = divmod(number, len(self.instruments))
        price = Price(10_000 + lap * 7 % 1999)
        at = START + timedelta(milliseconds=number + 1)
        return TradePrinted(self.instruments[which].symbol, price, Quantity(1), at)

    def last(self) -> dict[str, Price]:
        """Return the last price of each market."""
        lap = range(self._count - len(self.instruments), self._count)
        return {trade.symbol: trade.price for trade in map(self.trade, lap)}


# ---- order events


class Ladder:
    """Buys on a ladder of prices, each to be filled by one trade for each of its lots."""

    def __init__(self, kind: MarketKind, orders: int, lots: int) -> None:
        self.symbol = SYMBOLS[kind]
        self.lots = lots
        self.prices = [Price(9900 - step) for step in range(orders)]
        #: The last one is never filled: it is there to be canceled.
        self.requests = [
            OrderRequest(
                f"q12345678b00000001{step:05d}00zz", self.symbol, Side.BUY, Quantity(lots), price
            )
            for step, price in enumerate([*self.prices, Price(9000)])
        ]
        self.below = self.requests[-1]

    def trades(self) -> Sequence[MarketEvent]:
        """Return a first price, and then a trade of one lot after the other, down the ladder."""
        number = len(self.prices) * self.lots
        first = TradePrinted(self.symbol, Price(10_000), Quantity(1), START)
        return [
            first,
            *(
                TradePrinted(
                    self.symbol,
                    self.prices[each // self.lots],
                    Quantity(1),
                    START + timedelta(milliseconds=each + 1),
                )
                for each in range(number)
            ),
        ]


def truth(bench: Bench) -> Sequence[OrderReport]:
    """Return all order reports of the exchange's own books, in order."""
    return [report for _, report in bench.exchange.host.exchange.reports_after(ACCOUNT, 0)]


# ---- both ends


class Ears:
    """Counts every frame that the exchange sends, and every message that the gateway takes.

    A message is taken when it answers a step of the conversation, or is read.
    """

    def __init__(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        self.said = self.read = 0
        send = web.WebSocketResponse.send_str

        async def sent(socket: web.WebSocketResponse, *arguments: Any) -> None:
            await send(socket, *arguments)
            self.said += 1

        monkeypatch.setattr(web.WebSocketResponse, "send_str", sent)
        quirks = bench.venue._quirks
        for name in ("price_talk", "news_talk"):
            monkeypatch.setattr(quirks, name, self._listening(getattr(quirks, name)))

    def _listening(self, talking: Callable[..., Any]) -> Callable[..., Any]:
        def talk(*arguments: Any) -> Any:
            spoken = talking(*arguments)
            read, steps = spoken.read, spoken.steps
            spoken.ping_every = spoken.silence = timedelta(hours=1)  # a pong is no news

            def counted(message: Any) -> Any:
                self.read += 1
                return read(message)

            def stepped() -> Any:
                said = steps()
                self.read += len(said)
                return said

            spoken.read, spoken.steps = counted, stepped
            return spoken

        return talk
