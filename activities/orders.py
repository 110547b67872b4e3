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
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from activities.gate import LastGate
from activities.store.ledger import Ledger
from activities.store.records import REFUSED
from domain.errors import (
    InvalidValueError,
    NotSentError,
    RateLimitedError,
    StoreUnavailableError,
    UnknownOutcomeError,
    VenueError,
)
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
from domain.order_ids import decode
from domain.orders import OrderReport, OrderRequest, Outcome, Refusal, RefusalReason, Unknown
from domain.ports import Venue

#: A short wait for the venue's permission is worth it; a longer one is the engine's to know of.
PATIENCE: Final = timedelta(seconds=2)
_ATTEMPTS: Final = 4
#: So many orders share one commit of their markers; the last one must still go out in time.
_TOGETHER: Final = 8
_LOOK_AGAIN: Final = 0.2
_REMEMBERED: Final = 4096


def utc_now() -> datetime:
    """Return the wall clock, for markers and look-ups only; no decision of an engine reads it."""
    return datetime.now(UTC)


class OrderDesk:
    """Places, cancels and looks up the orders of one account."""

    def __init__(
        self,
        account: str,
        venue: Venue,
        ledger: Ledger,
        gate: LastGate,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._account = account
        self._venue = venue
        self._ledger = ledger
        self._gate = gate
        self._clock = clock
        self._cautious = True
        self._answered: OrderedDict[tuple[str, str, int], None] = OrderedDict()
        self._sent_unmarked: dict[str, datetime] = {}

    async def submit(
        self, instrument: Instrument, actions: Sequence[GridAction]
    ) -> list[GridEvent]:
        """Carry *actions* out in order and return what came of each, as events for the engine.

        Safe to repeat with the same actions at any time, also after a crash in the middle. Raises
        StoreUnavailableError only when nothing at all could be done.
        """
        requests = [action.request for action in actions if isinstance(action, Place)]
        surfaced = await self._surface(requests)
        outcomes: list[Outcome] = []
        for action in actions:
            if isinstance(action, Cancel):
                outcomes.append(await self._cancel(action.symbol, action.client_id))
            elif isinstance(action, LookUp):
                outcomes.append(await self._look_up(action.symbol, action.client_id))
        held_back = surfaced.unsent if surfaced else ()
        requests = [request for request in requests if request.client_id not in held_back]
        outcomes += await self._place_all(instrument, requests)
        await self._record([*outcomes, *(surfaced.orders if surfaced else ())])
        events = [_as_event(outcome) for outcome in outcomes]
        return events if surfaced is None else [*events, surfaced]

    def has_answered(self, report: OrderReport) -> bool:
        """Return whether an engine has had exactly this report as the answer to an action."""
        return _mark(report) in self._answered

    # --- what nobody remembers ---------------------------------------------------------------

    async def _surface(self, requests: Sequence[OrderRequest]) -> Surfaced | None:
        """Return what was sent under ids that must be news to the engine; None if there is none.

        Raises a VenueError if the venue cannot tell what became of it: nothing was done then.
        """
        keys = [key for request in requests if (key := decode(request.client_id))]
        if not keys:
            return None
        first = min(key.generation for key in keys)
        try:
            stored = await self._ledger.orders_from(keys[0].run_tag, first)
        except StoreUnavailableError:
            return None  # no entry is sent either, and exits are looked up
        mine = {request.client_id for request in requests}
        marked = {order.client_id for order in stored}
        lost = [o for o in stored if o.client_id not in mine and o.status != REFUSED]
        found = [await self._settle(order.symbol, order.client_id) for order in lost]
        reports = tuple(report for report in found if report is not None)
        if not reports:
            return None
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
    ) -> list[Outcome]:
        if not requests:
            return []
        allowed, outcomes = await self._pass_gate(instrument, requests)
        for start in range(0, len(allowed), _TOGETHER):
            outcomes += await self._place_together(allowed[start : start + _TOGETHER])
        self._cautious = False
        return outcomes

    async def _place_together(self, requests: Sequence[OrderRequest]) -> list[Outcome]:
        marked_at = self._clock()
        try:
            known = await self._ledger.mark_sending(self._account, requests, marked_at)
        except StoreUnavailableError:
            return [await self._send_unmarked(request) for request in requests]
        outcomes: list[Outcome] = []
        for request in requests:
            first = None
            if request.client_id in known or self._cautious:
                first = await self._look_up_first(request, sent_before=request.client_id in known)
            outcomes.append(first if first is not None else await self._send(request, marked_at))
        return outcomes

    async def _pass_gate(
        self, instrument: Instrument, requests: Sequence[OrderRequest]
    ) -> tuple[list[OrderRequest], list[Outcome]]:
        allowed: list[OrderRequest] = []
        refused: list[Outcome] = []
        for request in requests:
            refusal = await self._gate.refusal(request, instrument)
            if refusal is None:
                allowed.append(request)
            else:
                refused.append(refusal)
        return allowed, refused

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
        return await self._send(request, self._clock())

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

    async def _send(self, request: OrderRequest, marked_at: datetime) -> Outcome:
        waited = timedelta(0)
        for attempt in range(_ATTEMPTS):
            limit = self._venue.arrival_limit
            if limit and self._clock() - marked_at > limit / 2:
                # Somebody else may by now believe this order can no longer arrive: let it not.
                return Unknown(request.client_id, "not sent in time")
            try:
                return await self._venue.place(request)
            except RateLimitedError as error:
                pause = error.retry_after
                if waited + pause > PATIENCE:
                    return _refused(request, f"rate limited for {pause.total_seconds():g} s")
            except NotSentError as error:
                pause = timedelta(milliseconds=50 * 2**attempt)
                if attempt == _ATTEMPTS - 1:
                    return _refused(request, f"the venue could not be reached: {error}")
            except UnknownOutcomeError as error:
                return await self._find(request, str(error))
            except VenueError as error:
                return Unknown(request.client_id, str(error))
            except InvalidValueError as error:  # the venue could make nothing of it
                return Refusal(request.client_id, RefusalReason.INVALID, str(error))
            waited += pause
            await asyncio.sleep(pause.total_seconds())
        return _refused(request, "rate limited again and again")

    async def _find(self, request: OrderRequest, why: str) -> Outcome:
        """Ask once for an order whose answer was lost, which mostly settles it."""
        try:
            found = await self._venue.look_up(request.symbol, request.client_id)
        except VenueError as error:
            return Unknown(request.client_id, f"{why}; and the look-up failed: {error}")
        return found if found is not None else Unknown(request.client_id, why)

    # --- cancels and look-ups ----------------------------------------------------------------

    async def _cancel(self, symbol: str, client_id: str) -> Outcome:
        try:
            report = await self._venue.cancel(symbol, client_id)
        except VenueError as error:
            return Unknown(client_id, f"the cancel was not answered: {error}")
        return report if report is not None else await self._look_up(symbol, client_id)

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


def _refused(request: OrderRequest, message: str) -> Refusal:
    return Refusal(request.client_id, RefusalReason.OTHER, message)


def _unrecordable(request: OrderRequest) -> Refusal:
    return Refusal(
        request.client_id,
        RefusalReason.RISK,
        "the ledger cannot be written, so no entry is sent; check the database",
    )
