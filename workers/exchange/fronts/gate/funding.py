"""Gate's funding: the rates of the past; what is due next is told with the contract."""

from collections.abc import Sequence
from typing import Any, Final

from workers.exchange.faults import Operation
from workers.exchange.fronts import public
from workers.exchange.fronts.asked import Asked, Fields
from workers.exchange.fronts.gate import requests
from workers.exchange.fronts.gate.door import FUTURES, PERPETUAL, GateDoor
from workers.exchange.fronts.rooms import Room, Route
from workers.exchange.fronts.rows import ms, number

_MOST: Final = 1000


class Funding(Room[GateDoor]):
    """Of contracts; anybody may ask."""

    def routes(self) -> Sequence[Route]:
        return [Route("GET", f"{FUTURES}/funding_rate", Operation.MARKET, self._rates)]

    def _rates(self, asked: Asked) -> Any:
        """Return the last rates of a span in seconds, newest first."""
        fields = Fields(asked.form(), requests.bad_field)
        instrument = self.door.instrument(PERPETUAL, fields)
        span = requests.span(PERPETUAL, fields)
        limit = fields.whole("limit", 100)
        fields.done()
        if not 1 <= limit <= _MOST:
            text = f"invalid argument: limit {limit}"
            raise requests.wrong(PERPETUAL, "INVALID_PARAM_VALUE", text)
        known = public.past_funding(self.desk.host, instrument)
        some = [each for each in known if span(each.at)][-limit:]
        return [{"t": ms(each.at) // 1000, "r": number(each.rate)} for each in reversed(some)]
