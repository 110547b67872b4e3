"""Accounts at Bitget: wallets, positions, funding payments, fees, leverage and mode."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final

from domain.money import MarketKind
from workers.exchange.faults import Operation
from workers.exchange.fronts.asked import Fields
from workers.exchange.fronts.bitget import rows
from workers.exchange.fronts.bitget.door import BitgetDoor
from workers.exchange.fronts.bitget.rows import wrapped
from workers.exchange.fronts.keys import local_keys
from workers.exchange.fronts.margin import margins
from workers.exchange.fronts.rooms import Room, Route
from workers.exchange.fronts.rows import from_ms, ms, number

_PERPETUAL, _SPOT = MarketKind.PERPETUAL, MarketKind.SPOT
_SPAN: Final = timedelta(days=30)


class Account(Room[BitgetDoor]):
    """One wallet for both sides, unlike there."""

    def routes(self) -> Sequence[Route]:
        get, post, terms = self.door.get, self.door.post, Operation.TERMS
        mix = "/api/v2/mix".__add__
        return [
            get(mix("/account/accounts"), Operation.BALANCES, self._wallets_of),
            get("/api/v2/spot/account/assets", Operation.BALANCES, self._assets),
            get(mix("/position/single-position"), Operation.POSITIONS, self._positions),
            get(mix("/position/all-position"), Operation.POSITIONS, self._all_positions),
            get(mix("/account/bill"), Operation.FUNDING, self._bills),
            get(mix("/account/account"), terms, self._account),
            post(mix("/account/set-leverage"), terms, self._set_leverage),
            post(mix("/account/set-position-mode"), terms, self._set_mode),
            get("/api/v2/common/trade-rate", Operation.FEES, self._rate),
        ]

    def _wallets_of(self, account: str, fields: Fields) -> Any:
        fields.choice("productType", (rows.PRODUCT,))
        fields.done()
        return [rows.wallet(each) for each in margins(self.desk, account)]

    def _assets(self, account: str, fields: Fields) -> Any:
        fields.done()
        at = ms(self.desk.host.exchange.now)
        return [rows.spot_balance(each, at) for each in self.desk.balances(account)]

    def _positions(self, account: str, fields: Fields) -> Any:
        instrument = self.door.instrument(_PERPETUAL, fields, coin=True)
        fields.done()
        held = self.desk.positions(account, instrument.symbol)
        return [rows.position(instrument, each) for each in held]

    def _all_positions(self, account: str, fields: Fields) -> Any:
        fields.choice("productType", (rows.PRODUCT,))
        coin = fields.optional("marginCoin")
        fields.done()
        return [
            rows.position(instrument, held)
            for instrument in self.desk.instruments(_PERPETUAL)
            if coin in (None, instrument.quote)
            for held in self.desk.positions(account, instrument.symbol)
        ]

    def _bills(self, account: str, fields: Fields) -> Any:
        fields.choice("productType", (rows.PRODUCT,))
        fields.choice("businessType", ("contract_settle_fee",))
        coin = fields.text("coin")
        within = self.door.span(fields, _SPAN)
        page = self.door.page(fields, "billId")
        fields.done()
        told = [
            rows.bill(instrument, paid)
            for instrument in self.desk.instruments(_PERPETUAL)
            if instrument.quote == coin
            for paid in self.desk.funding(account, instrument.symbol, from_ms(0))
        ]
        return wrapped("bills", page([row for row in told if within(int(row["cTime"]))]), "billId")

    def _account(self, account: str, fields: Fields) -> Any:
        instrument = self.door.instrument(_PERPETUAL, fields, coin=True)
        fields.done()
        leverage = self.door.memory.leverage(account, instrument.symbol)
        return {
            "marginCoin": instrument.quote,
            "crossedMarginLeverage": leverage,
            "isolatedLongLever": leverage,
            "isolatedShortLever": leverage,
            "marginMode": "crossed",
            "posMode": "hedge_mode" if local_keys(account).hedges else "one_way_mode",
        }

    def _set_leverage(self, account: str, body: dict[str, Any]) -> Any:
        fields = Fields(body, self.door.bad_field)
        instrument = self.door.instrument(_PERPETUAL, fields, coin=True)
        leverage = fields.whole("leverage")
        fields.done()
        if not 1 <= leverage <= 125:
            raise self.door.bad_field("leverage", "malformed")
        self.door.memory.set_leverage(account, instrument.symbol, leverage)
        return {
            "symbol": rows.symbol(instrument),
            "marginCoin": instrument.quote,
            "longLeverage": str(leverage),
            "shortLeverage": str(leverage),
            "crossMarginLeverage": str(leverage),
            "marginMode": "crossed",
        }

    def _set_mode(self, account: str, body: dict[str, Any]) -> Any:  # noqa: ARG002 - all alike
        fields = Fields(body, self.door.bad_field)
        fields.choice("productType", (rows.PRODUCT,))
        mode = fields.choice("posMode", ("one_way_mode",))
        fields.done()
        return {"posMode": mode}

    def _rate(self, account: str, fields: Fields) -> Any:  # noqa: ARG002 - all alike
        kind = {"mix": _PERPETUAL, "spot": _SPOT}[fields.choice("businessType", ("mix", "spot"))]
        instrument = self.door.known(kind, fields)
        fields.done()
        return {
            "makerFeeRate": number(instrument.maker_fee),
            "takerFeeRate": number(instrument.taker_fee),
        }
