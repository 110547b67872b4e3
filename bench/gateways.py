"""What an order costs through our gateway, beside bare ccxt and beside a request signed by hand.

The arms take turns at one local exchange, which is another process: CPU time is the client's own.
"""

import asyncio
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from itertools import count
from statistics import median
from typing import Any, Final

import aiohttp

from activities.venues.ccxt.hosts import open_session
from activities.venues.ccxt.quirks import Quirks
from activities.venues.ccxt.registry import quirks_of
from activities.venues.ccxt.venue import CcxtVenue
from bench.exchanges import NAMES, Exchange, credentials, exchange, symbol
from bench.report import Row
from bench.signed import CANCEL, PLACE, Signed
from domain.errors import InvalidValueError
from domain.money import MarketKind, Price, Quantity
from domain.orders import OrderReport, OrderRequest, Refusal, Side

_SYMBOL: Final = symbol(MarketKind.PERPETUAL)
_PRICE: Final = 9_000  # ticks; far below the market
_ORDERS: Final = 25  # in a round
_LADDER: Final = 20  # orders at once
_WHAT: Final = ("place", "cancel", "ladder of 20")
_IDS: Final = (f"q12345678b000000{number:011d}" for number in count())


class Arm(ABC):
    """One way of placing and canceling an order."""

    @abstractmethod
    async def place(self, client_id: str) -> str:
        """Place an order, and return the name that `cancel` wants."""

    @abstractmethod
    async def cancel(self, name: str) -> None: ...

    async def ladder(self, client_ids: Sequence[str]) -> Sequence[str]:
        """Place many orders at once; side by side, unless there is a better way."""
        return await asyncio.gather(*map(self.place, client_ids))


class Ours(Arm):
    def __init__(self, venue: CcxtVenue) -> None:
        self._venue = venue

    async def place(self, client_id: str) -> str:
        outcome = await self._venue.place(_request(client_id))
        if isinstance(outcome, Refusal):
            raise InvalidValueError(f"the order was refused: {outcome.message}")
        return client_id

    async def ladder(self, client_ids: Sequence[str]) -> Sequence[str]:
        outcomes = await self._venue.place_batch([_request(each) for each in client_ids])
        if not all(isinstance(each, OrderReport) for each in outcomes):
            raise InvalidValueError(f"not all orders were taken: {outcomes}")
        return client_ids

    async def cancel(self, name: str) -> None:
        await self._venue.cancel(_SYMBOL, name)


def _request(client_id: str) -> OrderRequest:
    return OrderRequest(client_id, _SYMBOL, Side.BUY, Quantity(10), Price(_PRICE))


class Ccxt(Arm):
    """ccxt's unified methods, with its throttle off."""

    def __init__(self, client: Any) -> None:
        self._client = client

    async def place(self, client_id: str) -> str:
        # A perpetual's amount is in contracts there.
        amount = 0.01 / float(self._client.market(_SYMBOL)["contractSize"])
        params: dict[str, Any] = {"clientOrderId": client_id}
        if self._client.id == "bitget":  # else it writes `force` as the venue's documents do not
            params["postOnly"] = True
        order = await self._client.create_order(_SYMBOL, "limit", "buy", amount, 900.0, params)
        return str(order["id"])

    async def cancel(self, name: str) -> None:
        if self._client.id == "gate":  # with a symbol it sends a parameter that Gate does not have
            await self._client.cancel_order(name, None, {"settle": "usdt"})
        elif self._client.id == "bitget":  # the local exchange wants the coin to be named
            await self._client.cancel_order(name, _SYMBOL, {"marginCoin": "USDT"})
        else:
            await self._client.cancel_order(name, _SYMBOL)


class Raw(Arm):
    def __init__(self, name: str, session: aiohttp.ClientSession) -> None:
        self._place, self._cancel, self._session = PLACE[name], CANCEL[name], session

    async def place(self, client_id: str) -> str:
        await self._send(self._place(client_id, "900"))
        return client_id

    async def cancel(self, name: str) -> None:
        await self._send(self._cancel(name))

    async def _send(self, signed: Signed) -> None:
        async with self._session.request(
            signed.method, signed.url, data=signed.body or None, headers=signed.headers
        ) as response:
            answer = await response.json(content_type=None)
        if response.status >= 400 or str(answer.get("code", answer.get("retCode", 0))).strip("0"):
            raise AssertionError(f"{signed.url} was answered by {answer}")


@dataclass
class Taken:
    """What an order took on one arm, in each round: CPU time in us, wall time in ms."""

    cpu: list[float] = field(default_factory=list)
    wall: list[float] = field(default_factory=list)

    @contextmanager
    def timing(self, orders: int) -> Iterator[None]:
        cpu, wall = time.process_time(), time.perf_counter()
        yield
        self.cpu.append((time.process_time() - cpu) / orders * 1e6)
        self.wall.append((time.perf_counter() - wall) / orders * 1e3)

    @property
    def told(self) -> str:
        return f"{median(self.cpu):.0f} us, {median(self.wall):.2f} ms"


class Race:
    """All arms by turns, each round in another order; the first round warms up."""

    def __init__(self, arms: Mapping[str, Arm]) -> None:
        self._arms = deque(arms.items())
        self.taken = {what: {name: Taken() for name in arms} for what in _WHAT}

    async def run(self, rounds: int) -> None:
        for turn in range(rounds + 1):
            for name, arm in self._arms:
                place, cancel, ladder = (
                    self.taken[what][name] if turn else Taken() for what in _WHAT
                )
                with place.timing(_ORDERS):
                    names = [await arm.place(next(_IDS)) for _ in range(_ORDERS)]
                with cancel.timing(_ORDERS):
                    await _canceled(arm, names)
                with ladder.timing(_LADDER):
                    names = list(await arm.ladder([next(_IDS) for _ in range(_LADDER)]))
                await _canceled(arm, names)
            self._arms.rotate()


async def _canceled(arm: Arm, names: Sequence[str]) -> None:
    for name in names:
        await arm.cancel(name)


@asynccontextmanager
async def _arms(name: str, runs: Exchange) -> AsyncIterator[Mapping[str, Arm]]:
    quirks = quirks_of(name, MarketKind.PERPETUAL)
    async with (
        runs.venue(name, MarketKind.PERPETUAL) as venue,
        open_session(quirks.hosts, runs.local) as session,
    ):
        client = _client(quirks, session)
        try:
            await venue.instrument(_SYMBOL)
            await client.load_markets()
            yield {"ours": Ours(venue), "ccxt": Ccxt(client), "raw": Raw(name, session)}
        finally:
            await client.close()


def _client(quirks: Quirks, session: aiohttp.ClientSession) -> Any:
    library = import_module("ccxt.async_support")
    config = {
        "session": session,
        "enableRateLimit": False,
        "options": dict(quirks.options()),
        **credentials().config(),
    }
    client = getattr(library, quirks.client_class())(config)
    client.has["fetchCurrencies"] = False
    return client


async def _race(name: str, runs: Exchange, rounds: int) -> Sequence[Row]:
    async with _arms(name, runs) as arms:
        race = Race(arms)
        await race.run(rounds)
    return [
        _ratio(f"{name}: {what}", taken, to, goal=1.0 if (what, to) == ("place", "ccxt") else None)
        for what, taken in race.taken.items()
        for to in ("ccxt", "raw")
    ]


def _ratio(what: str, taken: Mapping[str, Taken], to: str, goal: float | None = None) -> Row:
    """Return the median of the rounds' ratios of CPU time: no round is compared with another."""
    ours, other = taken["ours"], taken[to]
    ratio = median(mine / theirs for mine, theirs in zip(ours.cpu, other.cpu, strict=True))
    note = f"CPU, wall: {ours.told}; {to} {other.told}"
    return Row("gateways", f"{what}, ours / {to}", ratio, "x", goal, note)


def run(*, quick: bool) -> list[Row]:
    rows: list[Row] = []
    for name in NAMES:  # each at an exchange of its own: old orders make one slower
        with exchange((name,)) as runs:
            rows += asyncio.run(_race(name, runs, 3 if quick else 6))
    return rows
