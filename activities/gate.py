"""The last gate: what may leave for a venue, between the engine and the send marker.

Exits and reduce-only orders pass every gate without being asked for: there is always a way out.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import ClassVar, Protocol

from activities.risk import RiskDesk
from domain.errors import StoreError
from domain.money import Instrument
from domain.orders import OrderRequest, Refusal, RefusalReason
from domain.risk.standing import Standing


class LastGate(Protocol):
    """Says no to orders, or nothing."""

    async def refusals(
        self, requests: Sequence[OrderRequest], instrument: Instrument
    ) -> list[Refusal]:
        """Return a refusal for each of *requests*, orders of one run, that may not be sent."""
        ...


@dataclass(frozen=True, slots=True)
class SizeGate:
    """Refuses entries above a notional that no order of this account should ever have."""

    #: In quote; None: any size.
    max_notional: Decimal | None = None

    async def refusals(
        self, requests: Sequence[OrderRequest], instrument: Instrument
    ) -> list[Refusal]:
        """Return a refusal for each order that is too large."""
        found = (self._refusal(request, instrument) for request in requests)
        return [refusal for refusal in found if refusal is not None]

    def _refusal(self, request: OrderRequest, instrument: Instrument) -> Refusal | None:
        if not _opens(request) or self.max_notional is None or request.price is None:
            return None
        notional = instrument.notional(request.price, request.quantity)
        if notional <= self.max_notional:
            return None
        return _refused(
            request,
            f"an order for {notional} {instrument.quote} is above the account's limit of "
            f"{self.max_notional}",
        )


class EntryGate(ABC):
    """A gate that asks the ledger, of entries alone. What it cannot find out is a no."""

    #: What is not known while the ledger cannot be asked.
    subject: ClassVar[str]

    def __init__(self, account: str, risk: RiskDesk) -> None:
        self._account = account
        self._risk = risk

    async def refusals(
        self,
        requests: Sequence[OrderRequest],
        instrument: Instrument,  # noqa: ARG002 - the gate's signature
    ) -> list[Refusal]:
        """Return a refusal for each entry that may not leave."""
        entries = [request for request in requests if _opens(request)]
        if not entries:
            return []
        try:
            return await self._of_entries(entries)
        except StoreError as error:
            return all_refused(
                entries, f"{self.subject} is not known, so no entry is sent: {error}"
            )

    @abstractmethod
    async def _of_entries(self, entries: Sequence[OrderRequest]) -> list[Refusal]:
        """Return a refusal for each of *entries* that may not leave. May raise a StoreError."""


class RiskGate(EntryGate):
    """Refuses entries of runs that stand halted, whatever their engines have heard.

    It looks into the ledger each time. While a breaker is half-open, one entry passes as its trial.
    """

    subject = "the state of risk"

    async def _of_entries(self, entries: Sequence[OrderRequest]) -> list[Refusal]:
        run_id = await self._risk.run_of(entries[0].client_id)
        if run_id is None:
            return all_refused(entries, "it is not known which run this is of: it is in no ledger")
        stands = await self._risk.standing(run_id, self._account)
        return await self._held_back(entries, run_id, stands)

    async def _held_back(
        self, entries: Sequence[OrderRequest], run_id: str, stands: Standing
    ) -> list[Refusal]:
        if stands.halted:
            return all_refused(entries, stands.why)
        if not stands.trial:
            return []
        begun = await self._risk.begin_trial(run_id, self._account)
        return all_refused(entries[1:] if begun else entries, stands.why)


@dataclass(frozen=True, slots=True)
class Gates:
    """Several gates in a row: a later one is asked only for what the earlier ones let through."""

    gates: tuple[LastGate, ...]

    async def refusals(
        self, requests: Sequence[OrderRequest], instrument: Instrument
    ) -> list[Refusal]:
        """Return what any gate refuses."""
        refused: list[Refusal] = []
        for gate in self.gates:
            out = {refusal.client_id for refusal in refused}
            left = [request for request in requests if request.client_id not in out]
            refused += await gate.refusals(left, instrument)
        return refused


def _opens(request: OrderRequest) -> bool:
    """Return whether an order opens something; all others pass every gate."""
    return request.entry and not request.reduce_only


def all_refused(requests: Sequence[OrderRequest], why: str) -> list[Refusal]:
    """Return a gate's no to each of *requests*."""
    return [_refused(request, why) for request in requests]


def _refused(request: OrderRequest, why: str) -> Refusal:
    return Refusal(request.client_id, RefusalReason.RISK, why)
