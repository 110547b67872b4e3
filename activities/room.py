"""The gate of what is reserved: no entry goes beyond what its run has reserved of the limits."""

from collections.abc import Sequence

from activities.gate import EntryGate, all_refused
from activities.risk import RiskDesk
from activities.store.ledger import Ledger
from domain.orders import OrderRequest, Refusal


class RoomGate(EntryGate):
    """Reserves more for a run that has come to hold more, and refuses entries without room.

    A grid that trails the price goes on buying where it held nothing when it began, so what it
    reserved then is not enough for ever. Where nothing is limited nothing is asked: this stands on
    the way of every order. Of several entries the earlier ones go first.
    """

    subject = "what is reserved"

    def __init__(self, account: str, risk: RiskDesk, ledger: Ledger) -> None:
        super().__init__(account, risk)
        self._ledger = ledger

    async def _of_entries(self, entries: Sequence[OrderRequest]) -> list[Refusal]:
        if not self._risk.spec.limits.bind(self._account):
            return []
        run_id = await self._risk.run_of(entries[0].client_id)
        run = None if run_id is None else await self._ledger.run(run_id)
        if run is None:
            return all_refused(entries, "it is not known which run this is of")
        why, covered = await self._risk.make_room(run, entries), len(entries)
        while why is not None and covered:
            covered -= 1
            if await self._risk.make_room(run, entries[:covered]) is None:
                break
        return [] if why is None else all_refused(entries[covered:], why)
