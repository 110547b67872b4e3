"""Bitget's funding: the rate that is due next, and the rates of the past."""

from collections.abc import Sequence
from typing import Any

from domain.money import MarketKind
from workers.exchange.faults import Operation
from workers.exchange.fronts import public
from workers.exchange.fronts.asked import Fields
from workers.exchange.fronts.bitget.door import BitgetDoor
from workers.exchange.fronts.bitget.rows import symbol
from workers.exchange.fronts.rooms import Room, Route
from workers.exchange.fronts.rows import ms, number


class Funding(Room[BitgetDoor]):
    """Of perpetuals; anybody may ask."""

    def routes(self) -> Sequence[Route]:
        anybody, told = self.door.public_get, Operation.MARKET
        return [
            anybody("/api/v2/mix/market/current-fund-rate", told, self._rate),
            anybody("/api/v2/mix/market/history-fund-rate", told, self._rates),
        ]

    def _rate(self, fields: Fields) -> Any:
        instrument = self.door.instrument(MarketKind.PERPETUAL, fields)
        fields.done()
        due = public.next_funding(self.desk.host, instrument)
        row = {
            "symbol": symbol(instrument),
            "fundingRate": number(due.rate),
            "fundingRateInterval": str(public.FUNDING_HOURS),
            "nextUpdate": str(ms(due.at)),
            "minFundingRate": "-0.003",
            "maxFundingRate": "0.003",
        }
        return [row]

    def _rates(self, fields: Fields) -> Any:
        """Return a page by its number, newest first."""
        instrument = self.door.instrument(MarketKind.PERPETUAL, fields)
        size, page = fields.whole("pageSize", 20), fields.whole("pageNo", 1)
        fields.done()
        if not 1 <= size <= 100 or page < 1:
            raise self.door.bad_field("pageSize", "malformed")
        newest = public.past_funding(self.desk.host, instrument)[::-1]
        return [
            {
                "symbol": symbol(instrument),
                "fundingRate": number(each.rate),
                "fundingTime": str(ms(each.at)),
            }
            for each in newest[(page - 1) * size : page * size]
        ]
