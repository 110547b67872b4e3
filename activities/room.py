"""The gate of what is reserved: no entry goes beyond what its run has reserved of the limits."""

from collections.abc import Sequence

from activities.gate import opens, refused
from activities.risk import RiskDesk
from activities.store.ledger import Ledger
from domain.errors import StoreError
from domain.money import Instrument
from domain.orders import OrderRequest, Refusal


class RoomGate:
    """Reserves more for a run that has come to hold more, and refuses entries without room.

    A grid that trails the price goes on buying where it held nothing when it began, so what it
    reserved then is not enough for ever. Where nothing is limited nothing is asked.
    """

    def __init__(self, risk: RiskDesk, ledger: Ledger) -> None:
        self._risk = risk
        self._ledger = ledger

    async def refusals(
        self,
        requests: Sequence[OrderRequest],
        instrument: Instrument,  # noqa: ARG002 - the gate's signature
    ) -> list[Refusal]:
        """Return a refusal for each entry that there is no room for; earlier ones go first."""
        entries = [request for request in requests if opens(request)]
        if not entries:
            return []
        try:
            return await self._refusals(entries)
        except StoreError as error:
            why = f"what is reserved is not known, so no entry is sent: {error}"
            return [refused(each, why) for each in entries]

    async def _refusals(self, entries: Sequence[OrderRequest]) -> list[Refusal]:
        run_id = await self._risk.run_of(entries[0].client_id)
        run = None if run_id is None else await self._ledger.run(run_id)
        if run is None:
            return [refused(each, "it is not known which run this is of") for each in entries]
        why, covered = await self._risk.make_room(run, entries), len(entries)
        while why is not None and covered:
            covered -= 1
            if await self._risk.make_room(run, entries[:covered]) is None:
                break
        return [] if why is None else [refused(each, why) for each in entries[covered:]]
