"""The order desk: turns the actions of an engine into orders at a venue, each exactly once.

Both runners work through this one class. What is sent twice here would be bought twice, so:

- A *send marker* is committed before the first byte leaves. No marker: never sent. A marker that
  was there already: perhaps sent, so the order is looked up and never simply sent again (D7).
- An order that a look-up does not find is proved absent only when its request can no longer arrive.
- The first batch after a process start is looked up whatever the markers say: power loss may have
  eaten the last of them.
- A workflow task that dies is done again, perhaps with later news and so with other decisions. What
  the first one has sent is then in the ledger and nowhere else: it is told to the engine before
  anything new is sent.
- What the venue says is in the ledger before the engine hears of it.
- Nobody's answer is guessed: an unknown outcome stays unknown until a look-up settles it.
- Cancels leave before places, and all in the order of the actions. Where a venue takes several by
  one request (`sending.py`), all of this holds for each of them.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Final

from activities.clock import utc_now
from activities.gate import LastGate
from activities.noticing import Notices
from activities.sending import Sender
from activities.store.ledger import Ledger
from activities.store.records import StoredOrder
from domain.errors import StoreUnavailableError, VenueError
from domain.grid.events import (
    Cancel,
    GridAction,
    GridEvent,
    LookUp,
    OutcomeUnknown,
    Place,
    Refused,
    Reported,
    Surfaced,
)
from domain.money import Instrument
from domain.orders import OrderReport, OrderRequest, Outcome, Refusal, RefusalReason, Unknown
from domain.ports import Venue

_LOOK_AGAIN: Final = 0.2
_REMEMBERED: Final = 4096


@dataclass(frozen=True, slots=True)
class _Markers:
    """What came of committing send markers at `at`; `before` is None if there is no ledger."""

    at: datetime
    before: AbstractSet[str] | None
    lost: Sequence[StoredOrder] = ()


class OrderDesk:
    """Places, cancels and looks up the orders of one account."""

    def __init__(
        self,
        account: str,
        venue: Venue,
        ledger: Ledger,
        gate: LastGate,
        clock: Callable[[], datetime] = utc_now,
        notices: Notices | None = None,
    ) -> None:
        """Tell *notices* of what breakers measure; without any, nobody measures it."""
        self._account = account
        self._venue = venue
        self._ledger = ledger
        self._gate = gate
        self._clock = clock
        self._notices = notices
        self._sender = Sender(venue, clock, notices.call if notices else lambda _: None)
        self._cautious = True
        self._answered: OrderedDict[tuple[str, str, int], None] = OrderedDict()
        self._sent_unmarked: dict[str, datetime] = {}

    async def submit(
        self, instrument: Instrument, actions: Sequence[GridAction]
    ) -> list[GridEvent]:
        """Carry *actions* out in order and return what came of each, as events for the engine.

        Safe to repeat with the same actions at any time, also after a crash in the middle. Raises a
        VenueError or StoreUnavailableError only when nothing was placed.
        """
        outcomes = await self._cancel_and_look_up(actions)
        requests = [action.request for action in actions if isinstance(action, Place)]
        placed, surfaced = await self._place_all(instrument, requests)
        outcomes += placed
        await self._record([*outcomes, *(surfaced.orders if surfaced else ())])
        if self._notices:
            await self._notices.outcomes(outcomes)
        events = [_as_event(outcome) for outcome in outcomes]
        return events if surfaced is None else [*events, surfaced]

    def has_answered(self, report: OrderReport) -> bool:
        """Return whether an engine has had exactly this report as the answer to an action."""
        return _mark(report) in self._answered

    # --- what nobody remembers ---------------------------------------------------------------

    async def _surface(
        self, lost: Sequence[StoredOrder], requests: Sequence[OrderRequest]
    ) -> Surfaced | None:
        """Return *lost* orders as they are at the venue, news to the engine; None if none is there.

        Raises a VenueError if the venue cannot tell what became of it: nothing was placed then.
        """
        found = [await self._settle(order.symbol, order.client_id) for order in lost]
        reports = tuple(report for report in found if report is not None)
        if not reports:
            return None
        marked = await self._ledger.orders([request.client_id for request in requests])
        return Surfaced(reports, tuple(r.client_id for r in requests if r.client_id not in marked))

    async def _settle(self, symbol: str, client_id: str) -> OrderReport | None:
        """Return the order, or None once it can no longer arrive."""
        while True:
            late = not await self._may_still_arrive(client_id)
            found = await self._venue.look_up(symbol, client_id)
            if found is not None:
                return found
            if late:
                await self._record([Refusal(client_id, RefusalReason.ABSENT, "never arrived")])
                return None
            await asyncio.sleep(_LOOK_AGAIN)

    # --- places ------------------------------------------------------------------------------

    async def _place_all(
        self, instrument: Instrument, requests: Sequence[OrderRequest]
    ) -> tuple[list[Outcome], Surfaced | None]:
        """Place *requests*, all orders of one decision, some at a time."""
        if not requests:
            return [], None
        allowed, outcomes = await self._pass_gate(instrument, requests)
        size, surfaced = self._sender.together, None
        markers = await self._mark(allowed[:size], decided=requests)
        if markers.lost:
            surfaced = await self._surface(markers.lost, requests)
            unsent = surfaced.unsent if surfaced else ()
            allowed = [each for each in allowed if each.client_id not in unsent]
            outcomes = [each for each in outcomes if each.client_id not in unsent]
            markers = await self._mark(allowed[:size])
        for start in range(0, len(allowed), size):
            some = allowed[start : start + size]
            outcomes += await self._place(some, markers if not start else await self._mark(some))
        self._cautious = self._cautious and not allowed
        return outcomes, surfaced

    async def _mark(
        self, requests: Sequence[OrderRequest], *, decided: Sequence[OrderRequest] = ()
    ) -> _Markers:
        """Commit the send markers of *requests*, unless orders come to light first.

        Those are what was sent instead of *decided*; one transaction asks for them and marks.
        """
        at = self._clock()
        try:
            marked = await self._ledger.mark_decided(self._account, requests, at, decided=decided)
        except StoreUnavailableError:
            return _Markers(at, None, await self._lost(decided))
        return _Markers(at, marked.before, marked.lost)

    async def _lost(self, decided: Sequence[OrderRequest]) -> Sequence[StoredOrder]:
        """Return what was sent instead of *decided*, of a ledger that can perhaps be read."""
        try:
            return await self._ledger.unremembered(decided)
        except StoreUnavailableError:
            return ()  # no entry is sent either, and exits are looked up

    async def _place(self, requests: Sequence[OrderRequest], markers: _Markers) -> list[Outcome]:
        if markers.before is None:
            return [await self._send_unmarked(request) for request in requests]
        outcomes: dict[str, Outcome] = {}
        unsent: list[OrderRequest] = []
        for request in requests:
            sent_before, first = request.client_id in markers.before, None
            if sent_before or self._cautious:
                first = await self._look_up_first(request, sent_before=sent_before)
            if first is None:
                unsent.append(request)
            else:
                outcomes[request.client_id] = first
        for outcome in await self._sender.send(unsent, markers.at):
            outcomes[outcome.client_id] = outcome
        return [outcomes[request.client_id] for request in requests]

    async def _pass_gate(
        self, instrument: Instrument, requests: Sequence[OrderRequest]
    ) -> tuple[list[OrderRequest], list[Outcome]]:
        refused = await self._gate.refusals(requests, instrument)
        out = {refusal.client_id for refusal in refused}
        return [request for request in requests if request.client_id not in out], [*refused]

    async def _look_up_first(self, request: OrderRequest, *, sent_before: bool) -> Outcome | None:
        """Return what became of an order that was perhaps sent before; None if it may be sent.

        One that has a marker and is proved absent gets no second sending under its id: the engine
        places anew under the next one, with a marker of its own.
        """
        try:
            found = await self._venue.look_up(request.symbol, request.client_id)
        except VenueError as error:
            return Unknown(request.client_id, str(error))
        if found is not None or not sent_before:
            return found
        if await self._may_still_arrive(request.client_id):
            return Unknown(request.client_id, "sent before, and could still arrive")
        return Refusal(request.client_id, RefusalReason.ABSENT, "sent before, and proved absent")

    async def _send_unmarked(self, request: OrderRequest) -> Outcome:
        """Without a ledger no entry leaves; an exit does, once a look-up has not found it."""
        if request.entry:
            return _unrecordable(request)
        found = await self._look_up_first(request, sent_before=False)
        if found is not None:
            return found
        self._sent_unmarked[request.client_id] = self._clock()
        (outcome,) = await self._sender.send([request], self._clock())
        return outcome

    async def _may_still_arrive(self, client_id: str) -> bool:
        """Return whether a sending of *client_id* could yet be executed; yes, if nobody knows."""
        sent_at = self._sent_unmarked.get(client_id)
        if sent_at is None:
            try:
                stored = await self._ledger.order(client_id)
            except StoreUnavailableError:
                return True
            sent_at = stored.sent_at if stored else None
        return sent_at is not None and self._clock() - sent_at <= self._venue.arrival_limit

    # --- cancels and look-ups ----------------------------------------------------------------

    async def _cancel_and_look_up(self, actions: Sequence[GridAction]) -> list[Outcome]:
        """Do these in order; cancels that stand next to each other may go by one request."""
        firsts = [each for each in actions if isinstance(each, Cancel | LookUp)]
        outcomes: list[Outcome] = []
        for (kind, symbol), group in groupby(firsts, key=lambda each: (type(each), each.symbol)):
            client_ids = [each.client_id for each in group]
            if kind is Cancel:
                outcomes += await self._cancel(symbol, client_ids)
            else:
                outcomes += [await self._look_up(symbol, each) for each in client_ids]
        return outcomes

    async def _cancel(self, symbol: str, client_ids: Sequence[str]) -> list[Outcome]:
        told = await self._sender.cancel(symbol, client_ids)
        return [
            _ended(outcome) if outcome else await self._look_up(symbol, client_id)
            for client_id, outcome in zip(client_ids, told, strict=True)
        ]

    async def _look_up(self, symbol: str, client_id: str) -> Outcome:
        try:
            found = await self._venue.look_up(symbol, client_id)
        except VenueError as error:
            return Unknown(client_id, f"the look-up was not answered: {error}")
        if found is not None:
            return found
        if await self._may_still_arrive(client_id):
            return Unknown(client_id, "not found, but it could still arrive")
        return Refusal(client_id, RefusalReason.ABSENT, "looked up and proved absent")

    async def _record(self, outcomes: Iterable[Outcome]) -> None:
        reports = [o for o in outcomes if isinstance(o, OrderReport)]
        refusals = [o for o in outcomes if isinstance(o, Refusal)]
        for report in reports:
            self._answered[_mark(report)] = None
        while len(self._answered) > _REMEMBERED:
            self._answered.popitem(last=False)
        try:
            if reports:
                await self._ledger.record_reports(self._account, reports)
            if refusals:
                await self._ledger.record_refusals(self._account, refusals, self._clock())
        except StoreUnavailableError:
            # The venue's answer must reach the engine all the same; the next resync back-fills.
            return


def _mark(report: OrderReport) -> tuple[str, str, int]:
    return (report.client_id, report.status, report.filled.lots)


def _as_event(outcome: Outcome) -> GridEvent:
    if isinstance(outcome, OrderReport):
        return Reported(outcome)
    if isinstance(outcome, Refusal):
        return Refused(outcome)
    return OutcomeUnknown(outcome)


def _ended(outcome: Outcome) -> Outcome:
    """Return what came of a cancel: while the order works on, nobody knows what will."""
    if isinstance(outcome, OrderReport) and outcome.status.working:
        return Unknown(outcome.client_id, "it was to be canceled, and still works")
    return outcome


def _unrecordable(request: OrderRequest) -> Refusal:
    return Refusal(
        request.client_id,
        RefusalReason.RISK,
        "the ledger cannot be written, so no entry is sent; check the database",
    )
