"""What a key may do at Gate: it lists all keys of the account, each with its name cut short."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from activities.venues.ccxt.gate.base import GateBase
from domain.conditions import KeyRights
from domain.limiter import Rate

_UNTOLD: Final = KeyRights(trade=None, withdraw=None)
_WITHDRAWS: Final = frozenset({"withdraw", "withdrawal"})
_STATES: Final = {2: "locked", 3: "frozen"}


class Rights(GateBase):
    """The key's own rights."""

    def most_orders(self) -> Rate:
        """Return the order limit of futures, or of one market of spot."""
        return Rate(100 if self.perpetual else 10, timedelta(seconds=1))

    async def key_rights(self) -> KeyRights:
        told = await self._ask("privateAccountGetMainKeys", {})
        rows: Sequence[Mapping[str, Any]] = told if isinstance(told, list) else [told]
        ours = [row for row in rows if _named(row["key"], self.rest.client.apiKey)]
        if len(ours) != 1:  # two keys that begin alike cannot be told apart
            return _UNTOLD
        (row,) = ours
        writes = {each["name"] for each in row["perms"] if not each["read_only"]}
        state = _STATES.get(int(row["state"]))
        return KeyRights(
            trade=("futures" if self.perpetual else "spot") in writes,
            withdraw=bool(_WITHDRAWS & writes),
            ip_bound=bool(row.get("ip_whitelist")),
            obstacle=f"the key is {state}: make another one at Gate" if state else None,
        )


def _named(told: str, key: str) -> bool:
    """Return whether *told*, with stars for what is cut off, may be *key*."""
    shown = told.rstrip("*")
    return bool(shown) and key.startswith(shown)
