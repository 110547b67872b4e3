"""What a key may do at Gate, in a list of all keys of the account."""

from collections.abc import Sequence
from typing import Any

from workers.exchange.faults import Operation
from workers.exchange.fronts.asked import Asked, Fields
from workers.exchange.fronts.gate.door import ROOT, GateDoor
from workers.exchange.fronts.keys import LocalKeys
from workers.exchange.fronts.rooms import Room, Route

_OTHER = "c5dcfbf1f3a7*****"


class Rights(Room[GateDoor]):
    """Each key is told with its end cut off, beside one that is somebody else's."""

    def routes(self) -> Sequence[Route]:
        signed, account = self.door.signed, f"{ROOT}/account"
        return [
            signed("GET", f"{account}/main_keys", Operation.RIGHTS, self._rights),
            signed("GET", f"{account}/detail", Operation.RIGHTS, self._detail),
        ]

    def _detail(self, keys: LocalKeys, asked: Asked, fields: Fields) -> Any:  # noqa: ARG002
        """Tell of a classic account: mode 1."""
        fields.done()
        return {
            "user_id": int(keys.uid),
            "ip_whitelist": [],
            "currency_pairs": [],
            "key": {"mode": 1},
            "tier": 0,
            "copy_trading_role": 0,
        }

    def _rights(self, keys: LocalKeys, asked: Asked, fields: Fields) -> Any:  # noqa: ARG002
        fields.done()
        names = ["spot", "futures", "account", *(["withdraw"] if keys.may_withdraw else [])]
        shown = f"{keys.key[:-2]}*****"
        return [_key(_OTHER, names, read_only=True), _key(shown, names, not keys.may_trade)]


def _key(shown: str, names: Sequence[str], read_only: bool) -> dict[str, Any]:  # noqa: FBT001
    return {
        "state": 1,
        "mode": 1,
        "name": "",
        "user_id": 1,
        "perms": [{"name": name, "read_only": read_only} for name in names],
        "ip_whitelist": ["127.0.0.1"],
        "currency_pairs": [],
        "key": shown,
        "created_at": 1753030929,
        "update_at": 1756300567,
        "last_access": 1753030929,
    }
