"""Accounts at Binance: wallets, positions, funding payments, fees, leverage and mode."""

from collections.abc import Sequence
from typing import Any

from domain.money import MarketKind
from workers.exchange.faults import Operation
from workers.exchange.fronts.asked import Fields
from workers.exchange.fronts.binance import rows
from workers.exchange.fronts.binance.door import BinanceDoor
from workers.exchange.fronts.binance.refusals import bad_field, wrong
from workers.exchange.fronts.keys import LocalKeys
from workers.exchange.fronts.margin import MAINTENANCE_RATE, margins
from workers.exchange.fronts.rooms import Room, Route
from workers.exchange.fronts.rows import from_ms, number


class Account(Room[BinanceDoor]):
    """One wallet for both sides, unlike there."""

    def routes(self) -> Sequence[Route]:
        signed, terms = self.door.signed, Operation.TERMS
        return [
            signed("GET", "/fapi/v3/account", Operation.BALANCES, self._futures_account),
            signed("GET", "/api/v3/account", Operation.BALANCES, self._spot_account),
            signed("GET", "/fapi/v3/positionRisk", Operation.POSITIONS, self._positions),
            signed("GET", "/fapi/v1/income", Operation.FUNDING, self._income),
            signed("GET", "/fapi/v1/commissionRate", Operation.FEES, self._futures_fees),
            signed("GET", "/api/v3/account/commission", Operation.FEES, self._spot_fees),
            signed("GET", "/fapi/v1/symbolConfig", terms, self._symbol_config),
            signed("GET", "/fapi/v1/leverageBracket", terms, self._brackets),
            signed("GET", "/fapi/v1/positionSide/dual", terms, self._mode),
            signed("POST", "/fapi/v1/positionSide/dual", terms, self._set_mode),
            signed("POST", "/fapi/v1/leverage", terms, self._set_leverage),
        ]

    def _futures_account(self, keys: LocalKeys, fields: Fields) -> Any:
        fields.done()
        return rows.account(margins(self.desk, keys.account))

    def _spot_account(self, keys: LocalKeys, fields: Fields) -> Any:
        fields.ignore("omitZeroBalances")
        fields.done()
        return {
            "canTrade": True,
            "accountType": "SPOT",
            "permissions": ["SPOT"],
            "balances": [rows.spot_balance(each) for each in self.desk.balances(keys.account)],
        }

    def _positions(self, keys: LocalKeys, fields: Fields) -> Any:
        """Return the position of a market, or of all, unless it is flat."""
        known = self.desk.instruments(MarketKind.PERPETUAL)
        name = fields.optional("symbol")
        fields.done()
        if name is not None:
            named = Fields({"symbol": name}, bad_field)
            known = [self.door.instrument(MarketKind.PERPETUAL, named)]
        return [
            rows.position(each, held)
            for each in known
            for held in self.desk.positions(keys.account, each.symbol)
        ]

    def _income(self, keys: LocalKeys, fields: Fields) -> Any:
        instrument = self.door.instrument(MarketKind.PERPETUAL, fields)
        fields.choice("incomeType", ("FUNDING_FEE",))
        since, limit = from_ms(fields.whole("startTime", 0)), fields.whole("limit", 100)
        fields.done()
        paid = self.desk.funding(keys.account, instrument.symbol, since)
        return [rows.income(instrument, each) for each in paid][:limit]

    def _futures_fees(self, keys: LocalKeys, fields: Fields) -> Any:  # noqa: ARG002 - all alike
        instrument = self.door.instrument(MarketKind.PERPETUAL, fields)
        fields.done()
        return {
            "symbol": rows.symbol(instrument),
            "makerCommissionRate": number(instrument.maker_fee),
            "takerCommissionRate": number(instrument.taker_fee),
        }

    def _spot_fees(self, keys: LocalKeys, fields: Fields) -> Any:  # noqa: ARG002 - all alike
        instrument = self.door.instrument(MarketKind.SPOT, fields)
        fields.done()
        standard = {
            "maker": number(instrument.maker_fee),
            "taker": number(instrument.taker_fee),
            "buyer": "0.00000000",
            "seller": "0.00000000",
        }
        return {"symbol": rows.symbol(instrument), "standardCommission": standard}

    def _symbol_config(self, keys: LocalKeys, fields: Fields) -> Any:
        instrument = self.door.instrument(MarketKind.PERPETUAL, fields)
        fields.done()
        leverage = self.door.memory.leverage(keys.account, instrument.symbol)
        return [
            {
                "symbol": rows.symbol(instrument),
                "marginType": "CROSSED",
                "isAutoAddMargin": False,
                "leverage": leverage,
                "maxNotionalValue": "1000000",
            }
        ]

    def _brackets(self, keys: LocalKeys, fields: Fields) -> Any:  # noqa: ARG002 - all alike
        """Return one bracket for each market: here leverage does not fall with the notional."""
        fields.ignore("symbol")
        fields.done()
        bracket = {
            "bracket": 1,
            "initialLeverage": 125,
            "notionalCap": 1_000_000_000,
            "notionalFloor": 0,
            "maintMarginRatio": float(MAINTENANCE_RATE),
            "cum": 0.0,
        }
        known = self.desk.instruments(MarketKind.PERPETUAL)
        return [{"symbol": rows.symbol(each), "brackets": [bracket]} for each in known]

    def _mode(self, keys: LocalKeys, fields: Fields) -> Any:
        fields.done()
        return {"dualSidePosition": keys.hedges}

    def _set_mode(self, keys: LocalKeys, fields: Fields) -> Any:  # noqa: ARG002 - all alike
        wanted = fields.choice("dualSidePosition", ("true", "false"))
        fields.done()
        if wanted == "true":
            raise wrong(-4067, "Position side cannot be changed if there exists open orders.")
        raise wrong(-4059, "No need to change position side.")

    def _set_leverage(self, keys: LocalKeys, fields: Fields) -> Any:
        instrument = self.door.instrument(MarketKind.PERPETUAL, fields)
        leverage = fields.whole("leverage")
        fields.done()
        if not 1 <= leverage <= 125:
            raise wrong(-4028, f"Leverage {leverage} is not valid")
        self.door.memory.set_leverage(keys.account, instrument.symbol, leverage)
        name = rows.symbol(instrument)
        return {"leverage": leverage, "maxNotionalValue": "1000000", "symbol": name}
