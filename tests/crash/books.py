"""What must agree in the end: the venue's own record, the ledger and the run."""

from datetime import UTC, datetime
from typing import Any

from temporalio.client import WorkflowHandle

from activities.store.ledger import Ledger
from domain.grid.view import GridStatus, SlotView
from domain.ports import Venue
from workers.crashlab.books import Books, View

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


async def books_of(venue: Venue, ledger: Ledger, run: WorkflowHandle[Any, Any]) -> Books:
    """Return one look at all three; the books of the crash lab judge them."""
    status = await run.query("status", result_type=GridStatus)
    slots = await run.query("slots", result_type=list[SlotView])
    view = await venue.account_view(status.symbol, EPOCH)
    instrument = await venue.instrument(status.symbol)
    return Books(
        instrument,
        view.orders,
        view.fills,
        sum(position.lots for position in view.positions),
        await ledger.fills_of_run(run.id),
        instrument,
        None,  # the tests ask for the residual when the run has ended
        await ledger.corrections_of_run(run.id),
        View(status, slots),
    )
