"""What both sides of OKX share: names, limits, errors, and how they are asked."""

from abc import ABC
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from activities.venues.ccxt.markets import Market
from activities.venues.ccxt.meanings import Meaning, Reply, Verdict
from activities.venues.ccxt.okx.codes import CODES, DEFINITE
from activities.venues.ccxt.okx.words import INTERVALS, pages
from activities.venues.ccxt.quirks import ORDERS, Quirks, from_ms
from activities.venues.ccxt.rest import Call
from domain.limiter import Costs, Counted, Priority, Rate

#: OKX limits each endpoint by itself; here those of one limit share a bucket, which is stricter.
QUERY: Final = "query"
ACCOUNT: Final = "account"
SELDOM: Final = "seldom"
PUBLIC: Final = "public"
#: How far back the lists that are fast go; what is older is archived.
HISTORY_SPAN: Final = timedelta(days=7)
_TWO_SECONDS: Final = timedelta(seconds=2)
_ORDER_PATHS: Final = ("trade/order", "trade/batch-orders")
#: Endpoints of ten requests in two seconds, or a little more.
_SLOW: Final = (
    "privateGetTradeFillsHistory",
    "privateGetTradeOrdersHistoryArchive",
    "privateGetAccountBills",
    "privateGetAccountBillsArchive",
)


class OkxBase(Quirks, ABC):
    """One unified account: both kinds of market share sockets, wallets and endpoints."""

    name = "okx"
    hosts = frozenset({"www.okx.com", "ws.okx.com"})
    #: Timestamps are good for 30 seconds; orders carry an earlier deadline, see `adopt`.
    window = timedelta(seconds=5)
    codes = CODES
    intervals = INTERVALS
    place_batch_of = 20
    cancel_batch_of = 20

    @property
    def inst_type(self) -> str:
        """What OKX calls this kind of market."""
        return "SWAP" if self.perpetual else "SPOT"

    # ---- set-up

    def client_class(self) -> str:
        return "okx"

    def options(self) -> Mapping[str, Any]:
        kind = "swap" if self.perpetual else "spot"
        return {
            "fetchCurrencies": False,
            "fetchMarkets": {"types": [kind]},
            "defaultType": kind,
        }

    def rates(self, orders: Rate) -> Mapping[str, Rate]:
        return {
            ORDERS: orders,
            # Both kinds of market have the same endpoints.
            QUERY: Rate(40, _TWO_SECONDS, Counted.USER),
            ACCOUNT: Rate(10, _TWO_SECONDS, Counted.USER),
            SELDOM: Rate(5, _TWO_SECONDS, Counted.USER),
            PUBLIC: Rate(20, _TWO_SECONDS, Counted.ADDRESS),
        }

    def adopt(self, client: Any) -> None:
        """Give every order a deadline, after which OKX does not execute it: a header."""
        sign = client.sign
        window = int(self.window / timedelta(milliseconds=1))

        def signed(path: str, api: Any, method: str, params: Any) -> Any:
            request = sign(path, api, method, params)
            if method == "POST" and path in _ORDER_PATHS:
                request["headers"]["expTime"] = str(int(client.nonce()) + window)
            return request

        client.sign = signed

    # ---- errors

    def code_of(self, data: Any) -> tuple[str | None, str]:
        if not isinstance(data, dict) or "code" not in data:
            return "", "an answer of another form than OKX's"
        rows = data.get("data")
        for row in rows if isinstance(rows, list) else ():
            if isinstance(row, dict) and str(row.get("sCode") or "0") != "0":
                return str(row["sCode"]), str(row.get("sMsg", ""))
        code = str(data["code"])  # of some answers it is a number
        return (None, "") if code == "0" else (code, str(data.get("msg", "")))

    def judge(self, code: str | None, message: str, reply: Reply) -> Verdict:
        verdict = super().judge(code, message, reply)
        known = code in self.codes or not code
        if not known and reply.status < 400 and len(code or "") == 5:
            definite = str(code).startswith(DEFINITE)
            return replace(verdict, meaning=Meaning.REFUSED) if definite else verdict
        return verdict

    # ---- requests

    def _named(self, market: Market) -> dict[str, str]:
        return {"instType": self.inst_type, "instId": market.id}

    def _now(self) -> datetime:
        return from_ms(self.rest.client.nonce())

    async def _pages(
        self, method: str, params: Mapping[str, Any], cursor: str
    ) -> list[Mapping[str, Any]]:
        bucket = ACCOUNT if method in _SLOW else QUERY
        return await pages(self._asking(method, bucket), params, cursor)

    def _asking(self, method: str, bucket: str) -> Callable[[Mapping[str, Any]], Awaitable[Any]]:
        async def ask(params: Mapping[str, Any]) -> Any:
            return await self._ask(method, params, bucket)

        return ask

    async def _ask(self, method: str, params: Mapping[str, Any], bucket: str) -> Any:
        return (await self.rest.ask(Call(method, params, {bucket: 1})))["data"]

    async def _change(
        self, method: str, params: Mapping[str, Any], priority: Priority, costs: Costs | None = None
    ) -> Any:
        call = Call(method, params, costs or {ORDERS: 1}, priority, changes=True)
        return (await self.rest.ask(call))["data"]
