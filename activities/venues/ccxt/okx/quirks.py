"""All that the gateway knows of OKX."""

from collections.abc import Sequence
from datetime import timedelta

from activities.venues.ccxt.markets import Market
from activities.venues.ccxt.okx.account import Account
from activities.venues.ccxt.okx.history import History
from activities.venues.ccxt.okx.market import PublicData
from activities.venues.ccxt.okx.orders import Orders
from activities.venues.ccxt.okx.rights import Rights
from activities.venues.ccxt.okx.talks import Candles, Marks, Prices, PrivateNews
from activities.venues.ccxt.quirks import News
from activities.venues.ccxt.sockets import Conversation
from domain.conditions import MarkPrice
from domain.market import Candle, PriceUpdate


class Okx(Orders, History, Account, Rights, PublicData):
    """One account, for one kind of market."""

    def news_talk(self) -> Conversation[News]:
        return PrivateNews(self)

    def price_talk(self, markets: Sequence[Market]) -> Conversation[PriceUpdate]:
        return Prices(self, markets)

    def candle_talk(self, market: Market, interval: timedelta) -> Conversation[Candle]:
        return Candles(self, market, interval)

    def mark_talk(self, markets: Sequence[Market]) -> Conversation[MarkPrice]:
        return Marks(self, markets)
