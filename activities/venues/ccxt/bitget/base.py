"""What both sides of Bitget share: names, limits, errors, and how they are asked."""

from abc import ABC
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final

from activities.venues.ccxt.bitget.codes import CODES, PHRASES
from activities.venues.ccxt.bitget.words import INTERVALS, PRODUCT, Words
from activities.venues.ccxt.markets import Market
from activities.venues.ccxt.meanings import Meaning
from activities.venues.ccxt.pages import Row, spans, walk
from activities.venues.ccxt.quirks import ORDERS, Quirks, from_ms, to_ms
from activities.venues.ccxt.rest import Call
from domain.errors import InvalidValueError
from domain.limiter import Costs, Counted, Priority, Rate
from domain.money import MarketKind

_SECOND: Final = timedelta(seconds=1)
BATCHES: Final = "batches"
PAGE: Final = 100
#: The longest span that fills of perpetuals may be asked for; all else takes longer ones.
_SPAN: Final = timedelta(days=7)
#: Each endpoint has a limit of its own.
_ASKED: Final = (
    "privateCommonGetV2CommonTradeRate",
    "privateMixGetV2MixAccountAccount",
    "privateMixGetV2MixAccountAccounts",
    "privateMixGetV2MixAccountBill",
    "privateMixGetV2MixOrderDetail",
    "privateMixGetV2MixOrderFills",
    "privateMixGetV2MixOrderOrdersHistory",
    "privateMixGetV2MixOrderOrdersPending",
    "privateMixGetV2MixPositionSinglePosition",
    "privateMixPostV2MixAccountSetLeverage",
    "privateMixPostV2MixAccountSetPositionMode",
    "privateSpotGetV2SpotAccountAssets",
    "privateSpotGetV2SpotTradeFills",
    "privateSpotGetV2SpotTradeHistoryOrders",
    "privateSpotGetV2SpotTradeOrderInfo",
    "privateSpotGetV2SpotTradeUnfilledOrders",
    "publicMixGetV2MixMarketCandles",
    "publicMixGetV2MixMarketCurrentFundRate",
    "publicMixGetV2MixMarketFills",
    "publicMixGetV2MixMarketHistoryFundRate",
    "publicMixGetV2MixMarketMergeDepth",
    "publicMixGetV2MixMarketTickers",
    "publicSpotGetV2SpotMarketCandles",
    "publicSpotGetV2SpotMarketFills",
    "publicSpotGetV2SpotMarketOrderbook",
    "publicSpotGetV2SpotMarketTickers",
)


class BitgetBase(Quirks, ABC):
    """Both sides of a classic account; a unified account (UTA) has another API."""

    name = "bitget"
    hosts = frozenset({"api.bitget.com", "ws.bitget.com"})
    #: Nothing lowers it.
    window = timedelta(seconds=30)
    codes = CODES
    phrases: ClassVar[Sequence[tuple[str, str, Meaning]]] = PHRASES
    intervals = INTERVALS
    place_batch_of = 50
    cancel_batch_of = 50

    def __init__(self, kind: MarketKind) -> None:
        super().__init__(kind)
        self.words = Words(perpetual=self.perpetual)

    # ---- set-up

    def client_class(self) -> str:
        return "bitget"

    def options(self) -> Mapping[str, Any]:
        return {
            "uta": False,
            "fetchMarkets": {"types": ["swap" if self.perpetual else "spot"]},
            "defaultType": "swap" if self.perpetual else "spot",
        }

    def rates(self, orders: Rate) -> Mapping[str, Rate]:
        # A batch counts as its orders: one of more than the rate allows would leave at once.
        self.place_batch_of = self.cancel_batch_of = min(50, orders.amount)
        each = {method: Rate(10, _SECOND, _counted(method)) for method in _ASKED}
        return {ORDERS: orders, BATCHES: Rate(5, _SECOND), **each}

    # ---- errors

    def code_of(self, data: Any) -> tuple[str | None, str]:
        if isinstance(data, dict) and "code" in data and str(data["code"]) != "00000":
            return str(data["code"]), str(data.get("msg") or "")
        return None, ""

    # ---- how a market is named

    def _either(self, perpetual: str, spot: str) -> str:
        return perpetual if self.perpetual else spot

    def _market(self, market: Market) -> dict[str, Any]:
        """Return what names a market in a question."""
        if not self.perpetual:
            return {"symbol": market.id}
        if market.instrument.quote != "USDT":
            raise InvalidValueError(
                f"bitget: {market.symbol} is not among the USDT-M perpetuals: choose one of USDT"
            )
        return {"symbol": market.id, "productType": PRODUCT}

    def _coin(self, market: Market) -> dict[str, Any]:
        return self._market(market) | {"marginCoin": market.instrument.quote}

    # ---- requests

    @property
    def _tickers_method(self) -> str:
        return self._either("publicMixGetV2MixMarketTickers", "publicSpotGetV2SpotMarketTickers")

    async def _history(
        self, method: str, params: Mapping[str, Any], since: datetime, key: str, cursor: str
    ) -> list[Row]:
        """Return all rows since a moment, in spans that the venue takes."""
        now = from_ms(self.rest.client.milliseconds())
        rows: list[Row] = []
        for begin, end in spans(since, now, _SPAN):
            span = {"startTime": str(to_ms(begin))}
            if end is not None:
                span["endTime"] = str(to_ms(end) - 1)
            rows += await self._pages(method, {**params, **span}, key, cursor)
        return rows

    async def _pages(
        self, method: str, params: Mapping[str, Any], key: str, cursor: str
    ) -> list[Row]:
        """Return all rows: a full page, newest first, is followed by one below its last id."""

        async def ask(named: Mapping[str, Any]) -> Sequence[Row]:
            data = await self._ask(method, {**params, "limit": str(PAGE), **named})
            # Perpetuals wrap the list, which is null when it is empty.
            return (data.get(key) if isinstance(data, dict) else data) or []

        return await walk(ask, PAGE, lambda rows: {"idLessThan": str(rows[-1][cursor])})

    async def _ask(self, method: str, params: Mapping[str, Any]) -> Any:
        told = await self.rest.ask(Call(method, params, {method: 1}))
        return told["data"]

    async def _change(
        self, method: str, params: Mapping[str, Any], priority: Priority, costs: Costs | None = None
    ) -> Any:
        return await self.rest.ask(
            Call(method, params, costs or {ORDERS: 1}, priority, changes=True)
        )


def _counted(method: str) -> Counted:
    if method.startswith("public"):
        return Counted.ADDRESS_MARKET
    return Counted.USER if method.startswith("privateCommon") else Counted.USER_MARKET
