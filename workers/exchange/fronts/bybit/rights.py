"""What a key may do at Bybit, with what else it tells of its account."""

from collections.abc import Sequence
from typing import Any

from workers.exchange.faults import Operation
from workers.exchange.fronts.asked import Fields
from workers.exchange.fronts.bybit.door import BybitDoor
from workers.exchange.fronts.keys import LocalKeys
from workers.exchange.fronts.rooms import Room, Route


class Rights(Room[BybitDoor]):
    """One list for both kinds of market."""

    def routes(self) -> Sequence[Route]:
        return [self.door.get("/v5/user/query-api", Operation.RIGHTS, self._rights)]

    def _rights(self, keys: LocalKeys, fields: Fields) -> Any:
        fields.done()
        wallet = ["AccountTransfer", *(["Withdraw"] if keys.may_withdraw else [])]
        return {
            "id": "13770661",
            "note": keys.account,
            "apiKey": keys.key,
            "readOnly": 0 if keys.may_trade else 1,
            "secret": "",
            "permissions": {
                "ContractTrade": ["Order", "Position"],
                "Spot": ["SpotTrade"],
                "Wallet": wallet,
                "Options": [],
                "Derivatives": [],
            },
            "ips": ["127.0.0.1"],
            "type": 1,
            "deadlineDay": -2,
            "expiredAt": "1970-01-01T00:00:00Z",
            "createdAt": "2022-10-13T10:30:38Z",
            "unified": 0,
            "uta": 1,
            "userID": int(keys.uid),
        }
