"""Accounts at OKX: balances, positions, funding payments, fees, leverage and mode."""

from collections.abc import Sequence
from typing import Any

from domain.money import Instrument, MarketKind
from workers.exchange.faults import Operation
from workers.exchange.fronts.asked import Fields
from workers.exchange.fronts.keys import LocalKeys
from workers.exchange.fronts.margin import margins
from workers.exchange.fronts.okx import rows
from workers.exchange.fronts.okx.door import KINDS, OkxDoor
from workers.exchange.fronts.okx.lists import page, span
from workers.exchange.fronts.okx.refusals import bad_field, wrong
from workers.exchange.fronts.rooms import Room, Route
from workers.exchange.fronts.rows import from_ms, ms, number


class Account(Room[OkxDoor]):
    """A unified account: one wallet for both kinds of market."""

    def routes(self) -> Sequence[Route]:
        get, post, terms = self.door.get, self.door.post, Operation.TERMS
        return [
            get("/account/balance", Operation.BALANCES, self._balance),
            get("/account/positions", Operation.POSITIONS, self._positions),
            get("/account/bills", Operation.FUNDING, self._bills),
            get("/account/bills-archive", Operation.FUNDING, self._bills),
            get("/account/trade-fee", Operation.FEES, self._fee),
            get("/account/leverage-info", terms, self._leverage_info),
            get("/account/config", terms, self._config),
            post("/account/set-leverage", terms, self._set_leverage),
            post("/account/set-position-mode", terms, self._set_mode),
        ]

    def _balance(self, keys: LocalKeys, fields: Fields) -> Any:
        fields.ignore("ccy")
        fields.done()
        return [rows.wallets(margins(self.desk, keys.account), ms(self.desk.now()))]

    def _positions(self, keys: LocalKeys, fields: Fields) -> Any:
        """Return the positions of a swap, or of all, that are not flat."""
        fields.choice("instType", ("SWAP",), "SWAP")
        name = fields.optional("instId")
        fields.done()
        known = self.desk.instruments(MarketKind.PERPETUAL)
        if name is not None:
            known = [self.door.instrument(Fields({"instId": name}, bad_field))]
        now = ms(self.desk.now())
        return [
            rows.position(each, held, self.door.memory.leverage(keys.account, each.symbol), now)
            for each in known
            for held in self.desk.positions(keys.account, each.symbol)
        ]

    def _bills(self, keys: LocalKeys, fields: Fields) -> Any:
        """Return funding only: of the other types of bills the host keeps none."""
        kind = KINDS[fields.choice("instType", ("SWAP",))]
        fields.choice("type", ("8",))
        within = span(fields)
        cut = page(fields, "billId")
        fields.done()
        told = [
            rows.bill(instrument, each)
            for instrument in self.desk.instruments(kind)
            for each in self.desk.funding(keys.account, instrument.symbol, from_ms(0))
        ]
        return cut([row for row in told if within(int(row["ts"]))])

    def _fee(self, keys: LocalKeys, fields: Fields) -> Any:  # noqa: ARG002 - all alike
        kind = KINDS[fields.choice("instType", tuple(KINDS))]
        perpetual = kind is MarketKind.PERPETUAL
        wanted = fields.text("instFamily" if perpetual else "instId")
        fields.done()
        known = {rows.family(each): each for each in self.desk.instruments(kind)}
        if wanted not in known:
            raise wrong("51001", "Instrument ID or family doesn't exist.")
        each = known[wanted]
        maker, taker = number(-each.maker_fee), number(-each.taker_fee)
        group = {"groupId": "1", "maker": maker, "taker": taker, "elpMaker": ""}
        return [
            {
                "category": "1",
                "feeGroup": [group],
                "instType": rows.inst_type(each),
                "level": "Lv1",
                "maker": "" if perpetual else maker,
                "makerU": maker if perpetual else "",
                "taker": "" if perpetual else taker,
                "takerU": taker if perpetual else "",
                "ts": str(ms(self.desk.now())),
            }
        ]

    def _leverage_info(self, keys: LocalKeys, fields: Fields) -> Any:
        instrument = self.door.instrument(fields)
        fields.choice("mgnMode", ("cross",))
        fields.done()
        return [self._leverage_row(keys.account, instrument)]

    def _set_leverage(self, keys: LocalKeys, fields: Fields) -> Any:
        instrument = self.door.instrument(fields)
        fields.choice("mgnMode", ("cross",))
        lever = fields.whole("lever")
        fields.done()
        if not 1 <= lever <= 100:
            raise wrong("59102", "Leverage exceeds the maximum limit.")
        self.door.memory.set_leverage(keys.account, instrument.symbol, lever)
        return [self._leverage_row(keys.account, instrument)]

    def _leverage_row(self, account: str, instrument: Instrument) -> dict[str, Any]:
        lever = self.door.memory.leverage(account, instrument.symbol)
        return {
            "ccy": "",
            "instId": rows.inst_id(instrument),
            "lever": str(lever),
            "mgnMode": "cross",
            "posSide": "net",
        }

    def _config(self, keys: LocalKeys, fields: Fields) -> Any:
        fields.done()
        may = ["read_only", *(["trade"] if keys.may_trade else [])]
        return [
            {
                "acctLv": "2",
                "level": "Lv1",
                "posMode": "long_short_mode" if keys.hedges else "net_mode",
                "uid": keys.uid,
                "perm": ",".join([*may, *(["withdraw"] if keys.may_withdraw else [])]),
                "ip": "127.0.0.1",
            }
        ]

    def _set_mode(self, keys: LocalKeys, fields: Fields) -> Any:  # noqa: ARG002 - all alike
        wanted = fields.choice("posMode", ("net_mode", "long_short_mode"))
        fields.done()
        if wanted != "net_mode":
            told = "Settings failed. Close any open positions or orders before modifying settings."
            raise wrong("59000", told)
        return [{"posMode": wanted}]
