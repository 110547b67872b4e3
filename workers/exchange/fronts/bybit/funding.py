"""Bybit's funding: the rates of the past; what is due next is in the ticker."""

from collections.abc import Sequence
from typing import Any

from workers.exchange.faults import Operation
from workers.exchange.fronts import public
from workers.exchange.fronts.asked import Fields
from workers.exchange.fronts.bybit.door import BybitDoor
from workers.exchange.fronts.bybit.rows import symbol
from workers.exchange.fronts.rooms import Room, Route
from workers.exchange.fronts.rows import ms, number


class Funding(Room[BybitDoor]):
    """Of perpetuals; anybody may ask."""

    def routes(self) -> Sequence[Route]:
        path = "/v5/market/funding/history"
        return [self.door.public(path, Operation.MARKET, self._rates)]

    def _rates(self, fields: Fields) -> Any:
        """Return the last rates of a span, newest first; a beginning needs an end."""
        instrument = self.door.perpetual(fields)
        begin, end = fields.whole("startTime", 0), fields.whole("endTime", 0)
        if begin and not end:
            raise self.door.wrong(10001, "params error: endTime must be passed with startTime")
        limit = self.door.limit(fields, 200, 200)
        fields.done()
        known = public.past_funding(self.desk.host, instrument, begin, end)[-limit:]
        told = [
            {
                "symbol": symbol(instrument),
                "fundingRate": number(each.rate),
                "fundingRateTimestamp": str(ms(each.at)),
            }
            for each in reversed(known)
        ]
        return {"category": "linear", "list": told}
