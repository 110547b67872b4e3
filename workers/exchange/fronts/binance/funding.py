"""Binance's funding: mark price and the rate that is due next, and the rates of the past."""

from collections.abc import Sequence
from typing import Any, Final

from domain.conditions import FundingRate
from domain.money import Instrument, MarketKind
from workers.exchange.faults import Operation
from workers.exchange.fronts import public
from workers.exchange.fronts.asked import Asked, Fields
from workers.exchange.fronts.binance.door import BinanceDoor
from workers.exchange.fronts.binance.refusals import bad_field
from workers.exchange.fronts.binance.rows import symbol
from workers.exchange.fronts.rooms import Room, Route
from workers.exchange.fronts.rows import ms, number, ticks
from workers.exchange.host import Host

_MOST: Final = 1000


class Funding(Room[BinanceDoor]):
    """Of perpetuals; anybody may ask."""

    def routes(self) -> Sequence[Route]:
        told = Operation.MARKET
        return [
            Route("GET", "/fapi/v1/premiumIndex", told, self._premium),
            Route("GET", "/fapi/v1/fundingRate", told, self._rates),
        ]

    def _premium(self, asked: Asked) -> Any:
        fields = Fields(asked.form(), bad_field)
        instrument = self.door.instrument(MarketKind.PERPETUAL, fields)
        fields.done()
        return premium(self.desk.host, instrument)

    def _rates(self, asked: Asked) -> Any:
        """Return the first rates from a beginning on, or the last ones; oldest first."""
        fields = Fields(asked.form(), bad_field)
        instrument = self.door.instrument(MarketKind.PERPETUAL, fields)
        begin, end = fields.whole("startTime", 0), fields.whole("endTime", 0)
        limit = min(fields.whole("limit", 100), _MOST)
        fields.done()
        known = public.past_funding(self.desk.host, instrument, begin, end)
        return [_rate(instrument, each) for each in (known[:limit] if begin else known[-limit:])]


def _rate(instrument: Instrument, each: FundingRate) -> dict[str, Any]:
    return {
        "symbol": symbol(instrument),
        "fundingRate": number(each.rate),
        "fundingTime": ms(each.at),
        "markPrice": "" if each.mark is None else number(each.mark),
    }


def premium(host: Host, each: Instrument) -> dict[str, Any]:
    """Return mark price and the funding that is due next."""
    mark, due = public.mark(host, each), public.next_funding(host, each)
    price = ticks(each, mark.ticks if mark else 0)
    return {
        "symbol": symbol(each),
        "markPrice": price,
        "indexPrice": price,
        "estimatedSettlePrice": price,
        "lastFundingRate": number(due.rate),
        "interestRate": "0.00010000",
        "nextFundingTime": ms(due.at),
        "time": ms(host.exchange.now),
    }
