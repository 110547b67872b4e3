"""Bybit's dead-man's switch: it counts while none of an account's connections follows its topic."""

from collections import Counter
from datetime import timedelta
from typing import Final

from domain.money import MarketKind
from workers.exchange.fronts.desk import Desk

PRODUCTS: Final = {"DERIVATIVES": MarketKind.PERPETUAL, "SPOT": MarketKind.SPOT}
TOPICS: Final = {"dcp.future": MarketKind.PERPETUAL, "dcp.spot": MarketKind.SPOT}
#: Where no window was set.
_WINDOW: Final = timedelta(seconds=10)


class DeadMan:
    """The windows of all accounts, and how many connections follow."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._windows: dict[tuple[str, MarketKind], timedelta] = {}
        self._following: Counter[tuple[str, MarketKind]] = Counter()

    def set_window(self, account: str, kind: MarketKind, seconds: int) -> None:
        """Count so long from the next loss of the last connection on."""
        self._windows[account, kind] = timedelta(seconds=seconds)

    def follow(self, account: str, topic: str) -> None:
        """Note that a connection follows: nothing is counted."""
        key = account, TOPICS[topic]
        self._following[key] += 1
        self._desk.dead_men.disarm(("bybit", *key))

    def leave(self, account: str, topic: str, *, lost: bool) -> None:
        """Note that a connection follows no longer; if the last one is *lost*, begin to count."""
        key = account, TOPICS[topic]
        self._following[key] -= 1
        if self._following[key] or not lost:
            return
        every = self._desk.instruments(TOPICS[topic])
        self._desk.dead_men.arm(
            ("bybit", *key),
            self._windows.get(key, _WINDOW),
            lambda: self._desk.cancel_all(account, every),
        )
