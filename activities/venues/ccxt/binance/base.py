"""What both sides of Binance share: names, limits, errors, and how they are asked."""

from abc import ABC
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, ClassVar, Final

from activities.venues.ccxt.binance.codes import CODES, PHRASES
from activities.venues.ccxt.binance.words import INTERVALS
from activities.venues.ccxt.meanings import Meaning, Reply, Verdict
from activities.venues.ccxt.quirks import ORDERS, Quirks
from activities.venues.ccxt.rest import Call
from domain.limiter import Costs, Counted, Priority, Rate

WEIGHT: Final = "weight"
PAGE: Final = 1000


class BinanceBase(Quirks, ABC):
    """Both sides of Binance: `fapi` and `api` are two exchanges with one alphabet."""

    name = "binance"
    hosts = frozenset(
        {
            "fapi.binance.com",
            "fstream.binance.com",
            "api.binance.com",
            "stream.binance.com",
            "ws-api.binance.com",
        }
    )
    window = timedelta(seconds=3)
    codes = CODES
    phrases: ClassVar[Sequence[tuple[str, str, Meaning]]] = PHRASES
    intervals = INTERVALS

    # ---- set-up

    def client_class(self) -> str:
        return "binanceusdm" if self.perpetual else "binance"

    def options(self) -> Mapping[str, Any]:
        return {
            "recvWindow": int(self.window / timedelta(milliseconds=1)),
            "fetchCurrencies": False,
            "fetchMargins": False,
            "fetchMarkets": {"types": ["linear" if self.perpetual else "spot"]},
            "defaultType": "swap" if self.perpetual else "spot",
        }

    def rates(self, orders: Rate) -> Mapping[str, Rate]:
        weight = 2400 if self.perpetual else 6000
        counted = Counted.ADDRESS_MARKET
        return {
            ORDERS: orders,
            WEIGHT: Rate(weight, timedelta(minutes=1), counted, reported=True),
        }

    @property
    def place_batch_of(self) -> int:  # type: ignore[override]  # only futures have batches
        """Five orders; spot has no batch."""
        return 5 if self.perpetual else 0

    @property
    def cancel_batch_of(self) -> int:  # type: ignore[override]  # the same
        """Ten orders; spot has no batch."""
        return 10 if self.perpetual else 0

    # ---- errors

    def code_of(self, data: Any) -> tuple[str | None, str]:
        if isinstance(data, dict) and "code" in data and data["code"] not in (0, 200, "200"):
            return str(data["code"]), str(data.get("msg", ""))
        return None, ""

    def pause(self, reply: Reply) -> timedelta:
        """Return the wait; a ban tells its end in the text, in milliseconds of wall time."""
        until = reply.body.partition("banned until ")[2].partition(".")[0]
        if until.isdecimal() and "retry-after" not in reply.headers:
            left = int(until) / 1000 - self.rest.client.milliseconds() / 1000
            return timedelta(seconds=max(left, 1.0))
        return super().pause(reply)

    def used(self, reply: Reply) -> Mapping[str, int]:
        used = reply.headers.get("x-mbx-used-weight-1m", "")
        return {WEIGHT: int(used)} if used.isdecimal() else {}

    # ---- requests

    async def _ask(self, method: str, params: Mapping[str, Any], weight: int) -> Any:
        return await self.rest.ask(Call(method, params, {WEIGHT: weight}))

    async def _change(
        self, method: str, params: Mapping[str, Any], priority: Priority, costs: Costs | None = None
    ) -> Any:
        costs = costs or {ORDERS: 1, WEIGHT: 1}
        return await self.rest.ask(Call(method, params, costs, priority, changes=True))

    async def _raise(self, reply: Reply, call: Call) -> None:
        verdict = self.verdict(reply) or Verdict(Meaning.UNKNOWN, "", "an unreadable answer")
        raise await self.rest.error(verdict, call)
