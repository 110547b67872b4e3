"""OKX's funding: the rate that is due next, and the rates of the past."""

from collections.abc import Sequence
from typing import Any, Final

from domain.conditions import FundingRate
from domain.money import Instrument, MarketKind
from domain.simulation.crowd import FUNDING_EVERY
from workers.exchange.faults import Operation
from workers.exchange.fronts import public
from workers.exchange.fronts.asked import Fields
from workers.exchange.fronts.okx.door import OkxDoor
from workers.exchange.fronts.okx.refusals import bad_field
from workers.exchange.fronts.okx.rows import inst_id, inst_type
from workers.exchange.fronts.rooms import Room, Route
from workers.exchange.fronts.rows import ms, number
from workers.exchange.host import Host

_MOST: Final = 400


class Funding(Room[OkxDoor]):
    """Of swaps; anybody may ask."""

    def routes(self) -> Sequence[Route]:
        anybody, told = self.door.open, Operation.MARKET
        return [
            anybody("/public/funding-rate", told, self._rate),
            anybody("/public/funding-rate-history", told, self._rates),
        ]

    def _rate(self, fields: Fields) -> Sequence[Any]:
        instrument = self._swap(fields)
        fields.done()
        return [rate_due(self.desk.host, instrument)]

    def _rates(self, fields: Fields) -> Sequence[Any]:
        """Return a page, newest first: later than `before`, earlier than `after`."""
        instrument = self._swap(fields)
        later, earlier = fields.whole("before", 0), fields.whole("after", 0)
        limit = min(fields.whole("limit", _MOST), _MOST)
        fields.done()
        known = public.past_funding(self.desk.host, instrument)
        some = [
            each for each in known if ms(each.at) > later and (not earlier or ms(each.at) < earlier)
        ]
        return [_settled(instrument, each) for each in reversed(some[-limit:])]

    def _swap(self, fields: Fields) -> Instrument:
        instrument = self.door.instrument(fields)
        if instrument.kind is not MarketKind.PERPETUAL:
            raise bad_field("instId", "malformed")
        return instrument


def _settled(instrument: Instrument, each: FundingRate) -> dict[str, Any]:
    return {
        "formulaType": "noRate",
        "fundingRate": number(each.rate),
        "fundingTime": str(ms(each.at)),
        "instId": inst_id(instrument),
        "instType": inst_type(instrument),
        "method": "current_period",
        "realizedRate": number(each.rate),
    }


def rate_due(host: Host, each: Instrument) -> dict[str, Any]:
    """Return the funding that is due next."""
    due = public.next_funding(host, each)
    return {
        "fundingRate": number(due.rate),
        "fundingTime": str(ms(due.at)),
        "instId": inst_id(each),
        "instType": inst_type(each),
        "method": "current_period",
        "nextFundingRate": "",
        "nextFundingTime": str(ms(due.at + FUNDING_EVERY)),
        "ts": str(ms(host.exchange.now)),
    }
