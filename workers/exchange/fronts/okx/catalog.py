"""What there is at OKX: its time, its markets, and what clients ask for that is not here."""

from collections.abc import Sequence
from typing import Any, Final

from domain.money import Instrument, MarketKind
from workers.exchange.faults import Operation
from workers.exchange.fronts.asked import Fields
from workers.exchange.fronts.keys import LocalKeys
from workers.exchange.fronts.okx.door import KINDS, OkxDoor
from workers.exchange.fronts.okx.rows import (
    contract_value,
    family,
    inst_id,
    inst_type,
    lot_size,
    size,
)
from workers.exchange.fronts.rooms import Room, Route
from workers.exchange.fronts.rows import ms, number

#: Types of instruments that are not traded here; clients load their markets all the same.
_ELSEWHERE: Final = ("FUTURES", "OPTION")


class Catalog(Room[OkxDoor]):
    """Anybody may ask, but for the coins."""

    def routes(self) -> Sequence[Route]:
        listed = Operation.INSTRUMENTS
        return [
            self.door.open("/public/time", Operation.TIME, self._time),
            self.door.open("/public/instruments", listed, self._instruments),
            self.door.get("/asset/currencies", listed, self._coins),
        ]

    def _time(self, fields: Fields) -> Sequence[Any]:
        fields.done()
        return [{"ts": str(ms(self.desk.now()))}]

    def _instruments(self, fields: Fields) -> Sequence[Any]:
        kind = KINDS.get(fields.choice("instType", (*KINDS, *_ELSEWHERE)))
        fields.ignore("uly")
        fields.done()
        return [] if kind is None else [_instrument(each) for each in self.desk.instruments(kind)]

    def _coins(self, keys: LocalKeys, fields: Fields) -> Sequence[Any]:  # noqa: ARG002 - all alike
        """Return none: coins are not moved here."""
        fields.done()
        return []


def _instrument(each: Instrument) -> dict[str, Any]:
    perpetual = each.kind is MarketKind.PERPETUAL
    return {
        "alias": "",
        "baseCcy": "" if perpetual else each.base,
        "category": "1",
        "ctMult": "1" if perpetual else "",
        "ctType": "linear" if perpetual else "",
        "ctVal": number(contract_value(each)) if perpetual else "",
        "ctValCcy": each.base if perpetual else "",
        "expTime": "",
        "instFamily": family(each) if perpetual else "",
        "instId": inst_id(each),
        "instType": inst_type(each),
        "lever": "100" if perpetual else "10",
        "listTime": "1548133413000",
        "lotSz": number(lot_size(each)),
        "maxLmtSz": "100000000",
        "maxMktSz": "100000000",
        "minSz": size(each, each.min_quantity.lots),
        "optType": "",
        "quoteCcy": "" if perpetual else each.quote,
        "ruleType": "normal",
        "settleCcy": each.quote if perpetual else "",
        "state": "live",
        "stk": "",
        "tickSz": number(each.tick_size),
        "uly": family(each) if perpetual else "",
    }
