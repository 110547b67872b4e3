"""What a key may do at Bitget: a code of four letters for each thing."""

from collections.abc import Sequence
from typing import Any

from workers.exchange.faults import Operation
from workers.exchange.fronts.asked import Fields
from workers.exchange.fronts.bitget.door import BitgetDoor
from workers.exchange.fronts.keys import local_keys
from workers.exchange.fronts.rooms import Room, Route


class Rights(Room[BitgetDoor]):
    """One list for both kinds of market."""

    def routes(self) -> Sequence[Route]:
        path = "/api/v2/spot/account/info"
        return [self.door.get(path, Operation.RIGHTS, self._rights)]

    def _rights(self, account: str, fields: Fields) -> Any:
        fields.done()
        keys = local_keys(account)
        may = ["coow", "cpow", "stow"] if keys.may_trade else ["coor", "cpor", "stor"]
        return {
            "userId": keys.uid,
            "inviterId": "",
            "ips": "127.0.0.1",
            "authorities": [*may, *(["wwow"] if keys.may_withdraw else [])],
            "parentId": 0,
            "traderType": "not_trader",
            "channelCode": "",
            "channel": "",
            "regisTime": "1246566789345",
        }
