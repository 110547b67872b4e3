"""Accounts at Gate: wallets, positions, funding payments, fees, leverage and mode."""

from collections.abc import Sequence
from typing import Any

from domain.money import MarketKind
from workers.exchange.faults import Operation
from workers.exchange.fronts.asked import Asked, Fields
from workers.exchange.fronts.gate import requests, rows
from workers.exchange.fronts.gate.door import FUTURES, PERPETUAL, ROOT, SPOT, GateDoor
from workers.exchange.fronts.keys import LocalKeys
from workers.exchange.fronts.margin import margins
from workers.exchange.fronts.rooms import Room, Route
from workers.exchange.fronts.rows import from_ms


class Account(Room[GateDoor]):
    """One wallet for both sides, unlike there."""

    def routes(self) -> Sequence[Route]:
        signed, terms, one = self.door.signed, Operation.TERMS, f"{FUTURES}/positions/{{contract}}"
        wallet = f"{ROOT}/futures/{{settle}}/accounts"
        return [
            signed("GET", wallet, Operation.BALANCES, self._wallet),
            signed("GET", f"{SPOT}/accounts", Operation.BALANCES, self._coins),
            signed("GET", f"{FUTURES}/positions", Operation.POSITIONS, self._positions),
            signed("GET", one, terms, self._position),
            signed("POST", f"{one}/leverage", terms, self._set_leverage),
            signed("POST", f"{FUTURES}/dual_mode", terms, self._set_mode),
            signed("GET", f"{FUTURES}/account_book", Operation.FUNDING, self._book),
            signed("GET", f"{FUTURES}/fee", Operation.FEES, self._futures_fee),
            signed("GET", f"{SPOT}/fee", Operation.FEES, self._spot_fee),
        ]

    def _wallet(self, keys: LocalKeys, asked: Asked, fields: Fields) -> Any:
        fields.done()
        for margin in margins(self.desk, keys.account):
            if margin.balance.asset.lower() == asked.parts["settle"]:
                return rows.wallet(margin) | {"in_dual_mode": keys.hedges}
        text = "please transfer funds first to create futures account"
        raise requests.wrong(PERPETUAL, "USER_NOT_FOUND", text)

    def _coins(self, keys: LocalKeys, asked: Asked, fields: Fields) -> Any:  # noqa: ARG002
        fields.done()
        return [rows.coins(each) for each in self.desk.balances(keys.account)]

    def _positions(self, keys: LocalKeys, asked: Asked, fields: Fields) -> Any:  # noqa: ARG002
        holding = fields.choice("holding", ("true", "false"), "false") == "true"
        fields.done()
        told = [self.door.position(keys.account, each) for each in self.desk.instruments(PERPETUAL)]
        return [row for row in told if row["size"] != "0" or not holding]

    def _position(self, keys: LocalKeys, asked: Asked, fields: Fields) -> Any:
        fields.done()
        return self.door.position(keys.account, self.door.contract_of(asked))

    def _set_leverage(self, keys: LocalKeys, asked: Asked, fields: Fields) -> Any:
        """Set that of cross margin; a leverage that is not 0 would be isolated margin's."""
        instrument = self.door.contract_of(asked)
        isolated, leverage = fields.whole("leverage"), fields.whole("cross_leverage_limit", 0)
        fields.done()
        if isolated or not 1 <= leverage <= 125:
            text = f"leverage {isolated}, cross_leverage_limit {leverage}"
            raise requests.wrong(PERPETUAL, "INVALID_PARAM_VALUE", text)
        self.door.memory.set_leverage(keys.account, instrument.symbol, leverage)
        return self.door.position(keys.account, instrument)

    def _set_mode(self, keys: LocalKeys, asked: Asked, fields: Fields) -> Any:  # noqa: ARG002
        wanted = fields.choice("dual_mode", ("true", "false"))
        fields.done()
        if wanted == "true":
            raise requests.wrong(PERPETUAL, "POSITION_HOLDING", "dual mode is not spoken here")
        raise requests.wrong(PERPETUAL, "NO_CHANGE", "No change is made")

    def _book(self, keys: LocalKeys, asked: Asked, fields: Fields) -> Any:  # noqa: ARG002
        instrument = self.door.instrument(PERPETUAL, fields)
        fields.choice("type", ("fund",))
        span = requests.span(PERPETUAL, fields)
        paid = self.desk.funding(keys.account, instrument.symbol, from_ms(0))
        found = [each for each in paid if span(each.at)]
        some = requests.cut(PERPETUAL, fields, found[::-1], 1000)
        return [rows.funding(instrument, each) for each in some]

    def _futures_fee(self, keys: LocalKeys, asked: Asked, fields: Fields) -> Any:  # noqa: ARG002
        instrument = self.door.instrument(PERPETUAL, fields)
        fields.done()
        return {rows.name(instrument): requests.fee(instrument)}

    def _spot_fee(self, keys: LocalKeys, asked: Asked, fields: Fields) -> Any:  # noqa: ARG002
        instrument = self.door.instrument(MarketKind.SPOT, fields)
        fields.done()
        return {"user_id": 0, "gt_discount": False, **requests.fee(instrument)}
