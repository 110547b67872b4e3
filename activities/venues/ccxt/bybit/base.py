"""What both sides of Bybit share: names, limits, errors, and how they are asked."""

from abc import ABC
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final

from activities.venues.ccxt.bybit.codes import CODES
from activities.venues.ccxt.bybit.words import INTERVALS, rows_of
from activities.venues.ccxt.meanings import Meaning, Reply, Verdict
from activities.venues.ccxt.pages import spans
from activities.venues.ccxt.quirks import ORDERS, Quirks, from_ms, to_ms
from activities.venues.ccxt.rest import Call
from domain.limiter import Costs, Counted, Priority, Rate

#: Questions: 50 a second of most endpoints, and 120 a second of one address with its orders.
#: Orders take nothing from it, so that a look-up does not queue behind orders that wait.
REQUESTS: Final = "requests"
PAGE: Final = 50
#: The longest span that histories look at in one call.
_SPAN: Final = timedelta(days=7)
#: How long "access too frequent" lasts at least.
_BANNED: Final = timedelta(minutes=10)


class BybitBase(Quirks, ABC):
    """One unified account; both kinds of market share its endpoints, wallet and private stream."""

    name = "bybit"
    hosts = frozenset({"api.bybit.com", "stream.bybit.com"})
    window = timedelta(seconds=3)
    codes = CODES
    phrases: ClassVar[Sequence[tuple[str, str, Meaning]]] = (
        ("10001", "symbol invalid", Meaning.UNKNOWN_SYMBOL),
        ("10001", "Not supported symbols", Meaning.UNKNOWN_SYMBOL),
    )
    intervals = INTERVALS

    @property
    def category(self) -> str:
        """What Bybit calls this kind of market."""
        return "linear" if self.perpetual else "spot"

    # ---- set-up

    def client_class(self) -> str:
        return "bybit"

    def options(self) -> Mapping[str, Any]:
        return {
            "recvWindow": int(self.window / timedelta(milliseconds=1)),
            "fetchMarkets": {"types": [self.category]},
            "defaultType": "swap" if self.perpetual else "spot",
            # What the account is gets not asked for: it is a unified one.
            "enableUnifiedMargin": False,
            "enableUnifiedAccount": True,
            "unifiedMarginStatus": 6,
        }

    def rates(self, orders: Rate) -> Mapping[str, Rate]:
        return {ORDERS: orders, REQUESTS: Rate(50, timedelta(seconds=1), Counted.USER)}

    @property
    def place_batch_of(self) -> int:  # type: ignore[override]  # the sides differ
        """Twenty orders; ten on spot."""
        return 20 if self.perpetual else 10

    @property
    def cancel_batch_of(self) -> int:  # type: ignore[override]  # the same
        """As many as are placed."""
        return self.place_batch_of

    # ---- errors

    def code_of(self, data: Any) -> tuple[str | None, str]:
        if not isinstance(data, dict) or "retCode" not in data:
            return "", "an answer without a retCode"
        code = str(data["retCode"])
        return (None, "") if code == "0" else (code, str(data.get("retMsg", "")))

    def judge(self, code: str | None, message: str, reply: Reply) -> Verdict:
        """Return what a code means. HTTP 403 is the limit of an address, or of a country."""
        if reply.status == 403 and code not in self.codes:
            if "country" in reply.body:
                return Verdict(Meaning.AUTHENTICATION, "HTTP 403", message)
            return Verdict(Meaning.RATE_LIMITED, "HTTP 403", message, _BANNED)
        return super().judge(code, message, reply)

    def pause(self, reply: Reply) -> timedelta:
        """Return the wait; a limit tells its end, in milliseconds of wall time."""
        until = reply.headers.get("x-bapi-limit-reset-timestamp", "")
        if not until.isdecimal():
            return super().pause(reply)
        left = (int(until) - int(self.rest.client.milliseconds())) / 1000
        return timedelta(seconds=max(left, 1.0))

    # ---- requests

    async def _history(
        self, method: str, params: Mapping[str, Any], since: datetime
    ) -> AsyncIterator[Mapping[str, Any]]:
        """Yield all rows since a moment: in spans that Bybit takes, each page after page."""
        now = from_ms(self.rest.client.milliseconds())
        for begin, end in spans(since, now, _SPAN):
            times = {"startTime": to_ms(begin)}
            if end is not None:
                times["endTime"] = to_ms(end) - 1
            async for row in self._pages(method, {**params, **times}):
                yield row

    async def _pages(
        self, method: str, params: Mapping[str, Any]
    ) -> AsyncIterator[Mapping[str, Any]]:
        """Yield the rows of all pages; a cursor may still be told where nothing follows."""
        cursor = ""
        while True:
            more = {"cursor": cursor} if cursor else {}
            told = await self._ask(method, {**params, **more})
            rows = rows_of(told, "result")
            for row in rows:
                yield row
            cursor = told["result"].get("nextPageCursor") or ""
            if not cursor or not rows:
                return

    async def _ask(self, method: str, params: Mapping[str, Any]) -> Any:
        return await self.rest.ask(Call(method, params, {REQUESTS: 1}))

    async def _change(
        self, method: str, params: Mapping[str, Any], priority: Priority, costs: Costs | None = None
    ) -> Any:
        costs = costs or {ORDERS: 1}
        return await self.rest.ask(Call(method, params, costs, priority, changes=True))
