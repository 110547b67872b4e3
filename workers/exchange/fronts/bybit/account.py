"""Accounts at Bybit: wallet, positions, funding payments, fees, leverage and mode."""

from collections.abc import Sequence
from typing import Any

from domain.money import MarketKind
from workers.exchange.faults import Operation
from workers.exchange.fronts.asked import Fields
from workers.exchange.fronts.bybit import rows
from workers.exchange.fronts.bybit.door import BybitDoor
from workers.exchange.fronts.bybit.rows import paged
from workers.exchange.fronts.keys import LocalKeys
from workers.exchange.fronts.rooms import Room, Route
from workers.exchange.fronts.rows import from_ms, ms, number


class Account(Room[BybitDoor]):
    """A unified account: one wallet for both kinds of market."""

    def routes(self) -> Sequence[Route]:
        get, post = self.door.get, self.door.post
        return [
            get("/v5/account/wallet-balance", Operation.BALANCES, self._balances),
            get("/v5/account/info", Operation.TERMS, self._info),
            get("/v5/account/fee-rate", Operation.FEES, self._fees),
            get("/v5/account/transaction-log", Operation.FUNDING, self._log),
            get("/v5/position/list", Operation.POSITIONS, self._positions),
            post("/v5/position/set-leverage", Operation.TERMS, self._set_leverage),
            post("/v5/position/switch-mode", Operation.TERMS, self._switch_mode),
        ]

    def _balances(self, keys: LocalKeys, fields: Fields) -> Any:
        fields.choice("accountType", ("UNIFIED",))
        fields.done()
        return {"list": [self.door.wallet(keys.account)]}

    def _info(self, keys: LocalKeys, fields: Fields) -> Any:  # noqa: ARG002 - all alike
        fields.done()
        return {
            "unifiedMarginStatus": 5,
            "marginMode": "REGULAR_MARGIN",
            "dcpStatus": "OFF",
            "timeWindow": 0,
            "smpGroup": 0,
            "isMasterTrader": False,
            "spotHedgingStatus": "OFF",
            "updatedTime": "1697078946000",
        }

    def _fees(self, keys: LocalKeys, fields: Fields) -> Any:  # noqa: ARG002 - all alike
        instrument = self.door.instrument(self.door.kind(fields), fields)
        fields.done()
        rates = {
            "symbol": rows.symbol(instrument),
            "makerFeeRate": number(instrument.maker_fee),
            "takerFeeRate": number(instrument.taker_fee),
        }
        return {"category": rows.category(instrument), "list": [rates]}

    def _log(self, keys: LocalKeys, fields: Fields) -> Any:
        """Return what was paid for funding on all symbols, newest first; no other type is kept."""
        fields.choice("accountType", ("UNIFIED",))
        fields.choice("category", ("linear",))
        fields.choice("type", ("SETTLEMENT",))
        currency = fields.optional("currency")
        span = self.door.span(fields)
        first, limit = self.door.page(fields, 50)
        fields.done()
        found = [
            rows.settlement(instrument, each)
            for instrument in self.desk.instruments(MarketKind.PERPETUAL)
            for each in self.desk.funding(keys.account, instrument.symbol, from_ms(0))
            if currency in (None, instrument.quote) and span(ms(each.at))
        ]
        found.sort(key=lambda row: int(row["transactionTime"]), reverse=True)
        return paged(None, found, first, limit)

    def _positions(self, keys: LocalKeys, fields: Fields) -> Any:
        instrument = self.door.perpetual(fields)
        fields.ignore("limit")
        fields.done()
        held = self.desk.positions(keys.account, instrument.symbol)
        leverage = self.door.memory.leverage(keys.account, instrument.symbol)
        row = rows.position(instrument, held[0] if held else None, leverage, "avgPrice")
        if not keys.hedges:
            return paged(instrument, [row], 0, 1)
        # A row for each side, and each has its own number.
        return paged(instrument, [{**row, "positionIdx": side} for side in (1, 2)], 0, 2)

    def _set_leverage(self, keys: LocalKeys, fields: Fields) -> Any:
        instrument = self.door.perpetual(fields)
        leverage, other = fields.whole("buyLeverage"), fields.whole("sellLeverage")
        fields.done()
        if leverage != other or not 1 <= leverage <= 100:
            raise self.door.wrong(10001, "params error: leverage invalid")
        if leverage == self.door.memory.leverage(keys.account, instrument.symbol):
            raise self.door.wrong(110043, "leverage not modified")
        self.door.memory.set_leverage(keys.account, instrument.symbol, leverage)
        return {}

    def _switch_mode(self, keys: LocalKeys, fields: Fields) -> Any:  # noqa: ARG002 - all alike
        fields.choice("category", ("linear",))
        fields.choice("coin", ("USDT",))
        mode = fields.choice("mode", ("0", "3"))
        fields.done()
        if mode == "3":
            raise self.door.wrong(
                110028, "You have existing open orders: the mode cannot be switched"
            )
        raise self.door.wrong(110025, "Position mode is not modified")
