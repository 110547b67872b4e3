"""The last gate: what may leave for a venue, between the engine and the send marker."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from domain.money import Instrument
from domain.orders import OrderRequest, Refusal, RefusalReason


class LastGate(Protocol):
    """Says no to an order, or nothing. Exits and reduce-only orders always pass."""

    async def refusal(self, request: OrderRequest, instrument: Instrument) -> Refusal | None:
        """Return why *request* may not be sent, or None if it may."""
        ...


@dataclass(frozen=True, slots=True)
class SizeGate:
    """Refuses entries above a notional that no order of this account should ever have."""

    #: In quote; None: any size.
    max_notional: Decimal | None = None

    async def refusal(self, request: OrderRequest, instrument: Instrument) -> Refusal | None:
        if not request.entry or self.max_notional is None or request.price is None:
            return None
        notional = instrument.notional(request.price, request.quantity)
        if notional <= self.max_notional:
            return None
        return Refusal(
            request.client_id,
            RefusalReason.RISK,
            f"an order for {notional} {instrument.quote} is above the account's limit of "
            f"{self.max_notional}",
        )
