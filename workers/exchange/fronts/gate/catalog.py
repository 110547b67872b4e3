"""What there is at Gate: its time, its markets, and what clients ask for that is not here."""

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final

from domain.money import EXACT, Instrument, MarketKind
from domain.simulation.crowd import FUNDING_EVERY
from workers.exchange.faults import Operation
from workers.exchange.fronts import public
from workers.exchange.fronts.asked import Asked, Fields
from workers.exchange.fronts.gate import requests
from workers.exchange.fronts.gate.door import FUTURES, PERPETUAL, ROOT, SPOT, GateDoor
from workers.exchange.fronts.gate.rows import name
from workers.exchange.fronts.rooms import Room, Route, told_to_all
from workers.exchange.fronts.rows import ms, number, ticks
from workers.exchange.host import Host

#: What is not traded here; clients load it all the same.
_ELSEWHERE: Final = (
    f"{ROOT}/margin/currency_pairs",
    f"{ROOT}/futures/btc/contracts",
    f"{ROOT}/delivery/usdt/contracts",
    f"{ROOT}/options/underlyings",
    f"{SPOT}/currencies",
)


class Catalog(Room[GateDoor]):
    """Anybody may ask."""

    def routes(self) -> Sequence[Route]:
        listed = Operation.INSTRUMENTS
        return [
            Route("GET", f"{SPOT}/time", Operation.TIME, self._time),
            Route("GET", f"{SPOT}/currency_pairs", listed, self._pairs),
            Route("GET", f"{FUTURES}/contracts", listed, self._contracts),
            Route("GET", f"{FUTURES}/contracts/{{contract}}", Operation.MARKET, self._contract),
            *(told_to_all(path, listed, []) for path in _ELSEWHERE),
        ]

    def _time(self, asked: Asked) -> Any:
        Fields(asked.form(), requests.bad_field).done()
        return {"server_time": ms(self.desk.now())}

    def _pairs(self, asked: Asked) -> Any:
        Fields(asked.form(), requests.bad_field).done()
        return [_pair(each) for each in self.desk.instruments(MarketKind.SPOT)]

    def _contracts(self, asked: Asked) -> Any:
        Fields(asked.form(), requests.bad_field).done()
        known = self.desk.instruments(PERPETUAL)
        return [_contract(self.desk.host, each) for each in known]

    def _contract(self, asked: Asked) -> Any:
        Fields(asked.form(), requests.bad_field).done()
        return _contract(self.desk.host, self.door.contract_of(asked))


def _contract(host: Host, each: Instrument) -> dict[str, Any]:
    """Return a contract: of one lot each, so that sizes are lots."""
    update, price = host.exchange.last_price(each.symbol), public.mark(host, each)
    last, mark = (ticks(each, at.ticks if at else 0) for at in (update and update.price, price))
    due = public.next_funding(host, each)
    return {
        "name": name(each),
        "type": "direct",
        "status": "trading",
        "quanto_multiplier": number(each.lot_size),
        "order_price_round": number(each.tick_size),
        "mark_price_round": number(each.tick_size),
        "order_size_min": each.min_quantity.lots,
        "order_size_max": 1_000_000_000,
        "order_price_deviate": "0.5",
        "enable_decimal": False,
        "leverage_min": "1",
        "leverage_max": "125",
        "maker_fee_rate": number(each.maker_fee),
        "taker_fee_rate": number(each.taker_fee),
        "mark_type": "index",
        "mark_price": mark,
        "index_price": mark,
        "last_price": last,
        "funding_rate": number(due.rate),
        "funding_interval": FUNDING_EVERY // timedelta(seconds=1),
        "funding_next_apply": ms(due.at) // 1000,
        "in_delisting": False,
        "create_time": 0,
    }


def _pair(each: Instrument) -> dict[str, Any]:
    """Return a pair. Steps are told by their decimals: one of 5 looks finer than it is."""
    return {
        "id": name(each),
        "base": each.base,
        "quote": each.quote,
        "fee": "0.2",
        "min_base_amount": number(each.base_of(each.min_quantity)),
        "min_quote_amount": number(each.min_notional),
        "amount_precision": _decimals(each.lot_size),
        "precision": _decimals(each.tick_size),
        "trade_status": "tradable",
        "sell_start": 0,
        "buy_start": 0,
        "type": "normal",
    }


def _decimals(step: Decimal) -> int:
    return max(0, -int(step.normalize(EXACT).as_tuple().exponent))
