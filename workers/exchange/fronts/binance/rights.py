"""What a key may do at Binance, as the wallet's side tells it."""

from collections.abc import Sequence
from typing import Any

from workers.exchange.faults import Operation
from workers.exchange.fronts.asked import Fields
from workers.exchange.fronts.binance.door import BinanceDoor
from workers.exchange.fronts.keys import LocalKeys
from workers.exchange.fronts.rooms import Room, Route


class Rights(Room[BinanceDoor]):
    """One list for both kinds of market."""

    def routes(self) -> Sequence[Route]:
        path = "/sapi/v1/account/apiRestrictions"
        return [self.door.signed("GET", path, Operation.RIGHTS, self._rights)]

    def _rights(self, keys: LocalKeys, fields: Fields) -> Any:
        fields.done()
        return {
            "ipRestrict": True,
            "createTime": 1698645219000,
            "enableReading": True,
            "enableWithdrawals": keys.may_withdraw,
            "enableInternalTransfer": False,
            "enableMargin": False,
            "enableFutures": keys.may_trade,
            "permitsUniversalTransfer": False,
            "enableVanillaOptions": False,
            "enableSpotAndMarginTrading": keys.may_trade,
        }
